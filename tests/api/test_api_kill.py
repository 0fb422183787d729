"""kill -9 of a serving node, again and again: what the API has acknowledged is there when it comes back.

``CAMEL_SCP_KILLS`` sets how often.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from api_node import sha256

from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, wait_until
from scp.client import (
    ApiError,
    AsyncClient,
    Client,
    TransportError,
    authorize,
    import_subscribers,
    readiness,
    subscriber,
)

KILLS = int(os.environ.get("CAMEL_SCP_KILLS", "3"))
WRITERS = 8
TOKEN = "kill-token"
CONFIG = """
[node]
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "sqlite:{directory}/subscribers.db"
[numbering]
country_code = "46"
[api]
listen = "127.0.0.1:{api}"
rate = 100000.0
burst = 100000
audit = "{directory}/audit.jsonl"
[[api.keys]]
name = "writer"
sha256 = "{sha256}"
scopes = ["authorization", "read"]
[telemetry]
metrics = "127.0.0.1:0"
log_level = "error"
"""


@contextlib.contextmanager
def serving(config: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``camel-scp serve`` until it answers; kill it at the end, if nobody has."""
    process = subprocess.Popen([sys.executable, "-m", "scp.cli", "serve", "-c", str(config)])
    try:
        with Client(url) as client:

            def answers() -> bool:
                assert process.poll() is None, "the node ended by itself"
                with contextlib.suppress(TransportError):
                    client.send(readiness())
                    return True
                return False

            wait_until(answers)
        yield process
    finally:
        process.kill()
        process.wait(120)


class Written:
    """What was sent and what was acknowledged, for each number: the IMSI counts up."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}
        self.some = asyncio.Event()

    @property
    def total(self) -> int:
        return sum(self.acknowledged.values())

    async def write(self, url: str, writer: int) -> None:
        """Write until nobody answers."""
        numbers = [f"46701{writer:02}{each:03}" for each in range(3)]
        chance = random.Random(writer)
        async with AsyncClient(url, TOKEN) as client:
            with contextlib.suppress(TransportError):
                while True:
                    number = chance.choice(numbers)
                    count = self.sent[number] = self.sent.get(number, 0) + 1
                    await client.send(authorize(number, f"24001{count:010}"))
                    self.acknowledged[number] = count
                    self.some.set()

    async def load(self, url: str) -> None:
        """Import until nobody answers; what was summed up is stored."""
        async with AsyncClient(url, TOKEN) as client:
            with contextlib.suppress(TransportError):
                while True:
                    count = self.sent["bulk"] = self.sent.get("bulk", 0) + 1
                    lines = [
                        {"msisdn": f"46702{each:06}", "imsi": f"24001{count:010}"} for each in range(500)
                    ]
                    imported = await client.send(import_subscribers(lines))
                    assert imported.stored == 500
                    self.acknowledged["bulk"] = count

    def check(self, url: str) -> None:
        """Hold the node to have all that was acknowledged, and nothing that was never sent."""
        with Client(url, TOKEN) as client:

            def stored(number: str) -> int:
                try:
                    return int((client.send(subscriber(number)).imsi or "0")[5:])
                except ApiError as error:
                    if error.kind != "not-set":
                        raise
                    return 0

            for number, sent in self.sent.items():
                for each in [number] if number != "bulk" else ["46702000000", "46702000250", "46702000499"]:
                    assert self.acknowledged.get(number, 0) <= stored(each) <= sent, each


def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    port = free_tcp_port()
    url = f"http://127.0.0.1:{port}"
    config = tmp_path / "node.toml"
    config.write_text(CONFIG.format(m3ua=free_tcp_port(), api=port, directory=tmp_path, sha256=sha256(TOKEN)))
    written, chance = Written(), random.Random(7)

    async def write_and_kill(process: subprocess.Popen[bytes]) -> None:
        written.some = asyncio.Event()
        writers = [written.write(url, writer) for writer in range(WRITERS)]
        work = asyncio.gather(*writers, written.load(url))
        await asyncio.wait_for(written.some.wait(), PATIENCE)
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        process.kill()
        await work

    for _ in range(KILLS):
        with serving(config, url) as process:
            written.check(url)
            asyncio.run(write_and_kill(process))
    with serving(config, url):
        written.check(url)
    assert written.total >= KILLS, "nothing was written: nothing was shown"
