"""``camel-scp bench api``: charged calls over the HTTP API: minutes reserved, committed, the leg recorded.

The node has one processor, the clients another. Closed loop for how many and at what CPU time, then an open
loop at half of that for the latency.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scp import client
from scp.bench import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API: Final = "api"
ACCOUNTS: Final = 1000
BALANCE: Final = 10**12
AT_ONCE: Final = 32
"""Calls under way in the closed loop."""
_TOKEN: Final = "a-token-of-a-benchmark"  # noqa: S105 - of a node that lives for seconds
_CONFIG: Final = """\
[node]
name = "bench-api"
point_code = "0-23-1"
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
[store]
url = "{store}"
[numbering]
country_code = "46"
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
[charging]
[[charging.tariffs]]
prefix = ""
price = 60
per_seconds = 60
increment_seconds = 1
[api]
listen = "127.0.0.1:{api}"
rate = 1000000
burst = 1000000
audit = "{folder}/audit.log"
[[api.keys]]
name = "voip"
sha256 = "{sha256}"
scopes = ["authorization", "charging", "read"]
[telemetry]
metrics = "127.0.0.1:{metrics}"
log_level = "info"
"""


@dataclass(frozen=True)
class Measured:
    """What was measured with one store.

    Attributes:
        store: "sqlite" or "redis".
        calls_per_s: charged calls at saturation.
        node_us: CPU time of the node a call, all its threads.
        client_us: CPU time of `scp.client` a call.
        rate: calls a second of the latency's run.
        p50_ms: of a request, from when its call was due.
        p99_ms: the same.
        wrong: requests without the answer that was due.
    """

    store: str
    calls_per_s: float
    node_us: float
    client_us: float
    rate: float
    p50_ms: float
    p99_ms: float
    wrong: int


def measure(seconds: float, tell: Callable[[str], None]) -> Iterator[Measured]:
    """Yield what is measured with SQLite, then with Redis if it is there."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    try:
        for store in ("sqlite", "redis"):
            tell(f"api: {store}")
            with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
                folder = Path(name)
                url = f"sqlite:{folder / 'store.db'}"
                if store == "redis":
                    url = f"redis://127.0.0.1:{stack.enter_context(server.redis(folder, cores[-1])).port}/0"
                api = server.free_port()
                pid = stack.enter_context(
                    server.program(_written(folder, url, api), folder / "log", cores[0])
                )
                yield asyncio.run(_measured(store, pid, f"http://127.0.0.1:{api}", seconds))
    finally:
        os.sched_setaffinity(0, cores)


def _written(folder: Path, store: str, api: int) -> list[str]:
    """Write a node's configuration; return the command that runs it."""
    digest = hashlib.sha256(_TOKEN.encode()).hexdigest()
    text = _CONFIG.format(
        port=server.free_port(),
        metrics=server.free_port(),
        store=store,
        api=api,
        folder=folder,
        sha256=digest,
    )
    file = folder / "scp.toml"
    file.write_text(text, encoding="utf-8")
    return server.python(server.OWN, "scp.cli", "serve", "-c", str(file))


async def _measured(store: str, pid: int, url: str, seconds: float) -> Measured:
    sender = client.AsyncClient(url, _TOKEN)
    wrong = 0
    try:
        accounts = [f"4670{number:07}" for number in range(ACCOUNTS)]
        for account in accounts:
            await sender.send(client.credit(account, "payment", BALANCE))
        serial = 0

        async def one(times: list[float] | None = None) -> None:
            nonlocal serial, wrong
            serial += 1
            mine = serial
            account = accounts[mine % ACCOUNTS]
            before = time.perf_counter()
            try:
                given = await sender.send(
                    client.reserve(f"c{mine}", account, "46850000001", 5).once(f"c{mine}")
                )
                at = time.perf_counter()
                if times is not None:
                    times.append(at - before)
                assert given.id is not None
                done = await sender.send(client.commit(given.id, 61))
                now = int(time.time() * 1000)
                leg = client.VoipLeg(
                    id=f"c{mine}", call_id=f"c{mine}", a_number=account, b_number="46850000001",
                    started_ms=now - 61_000, answered_ms=now - 61_000, ended_ms=now, cause=16,
                    reservation=given.id,
                )  # fmt: skip
                before = time.perf_counter()
                await sender.send(client.record_leg(leg))
                if times is not None:
                    times.append(time.perf_counter() - before)
                wrong += done.charged != 61
            except (client.ApiError, client.TransportError):
                wrong += 1

        async def closed(until: float) -> None:
            while time.perf_counter() < until:
                await one()

        async def saturated(seconds: float) -> int:
            first = serial
            until = time.perf_counter() + seconds
            await asyncio.gather(*(closed(until) for _ in range(AT_ONCE)))
            return serial - first

        await saturated(seconds / 4)
        node, own, began = _cpu(pid), time.process_time(), time.perf_counter()
        calls = await saturated(seconds)
        took = time.perf_counter() - began
        node, own = _cpu(pid) - node, time.process_time() - own
        rate = calls / took / 2
        times: list[float] = []
        running = set()
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            task = asyncio.ensure_future(one(times))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        times.sort()
        return Measured(
            store, calls / took, node / calls * 1e6, own / calls * 1e6, rate,
            times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3, wrong,
        )  # fmt: skip
    finally:
        await sender.close()


def _cpu(pid: int) -> float:
    """Return the CPU time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
