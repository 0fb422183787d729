"""Two nodes on one Redis, which is killed and comes back, while clients write by way of both.

What was acknowledged stands, on either node; a request that got no answer is sent again, to the other node, and
is done once; If-Match loses nobody's change.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from api_node import sha256

from oracles import redis_lab
from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, until
from scp.app.event_log import EventLog
from scp.app.metrics import metrics_for
from scp.app.node import Node
from scp.client import (
    ApiError,
    AsyncClient,
    Call,
    Received,
    TransportError,
    account,
    authorization,
    authorize,
    cdrs,
    commit,
    credit,
    reservation,
    reserve,
)
from scp.config import loads

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
Answer = TypeVar("Answer")

TOKEN = "two-nodes-token"
SHARED = ["46701000001", "46701000002"]
WRITERS = 3
ROUNDS = 6
CALLERS = 6
CALLS = 5
BETWEEN_KILLS = 25
answered = 0
"""Requests, by whichever node."""
PAYER = "46702000001"
PRICE = 60
CONFIG = """
[node]
name = "{name}"
instance = {instance}
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "{store}"
[numbering]
country_code = "46"
[charging]
records = "sqlite:{directory}/{name}.cdr"
[[charging.tariffs]]
prefix = ""
name = "all"
price = 60
[api]
listen = "127.0.0.1:0"
rate = 100000.0
burst = 100000
audit = "{directory}/{name}.audit"
[[api.keys]]
name = "client"
sha256 = "{sha256}"
scopes = ["authorization", "charging", "read"]
"""


@asynccontextmanager
async def clients(url: str, directory: Path) -> AsyncIterator[list[AsyncClient]]:
    """A client of each of two nodes."""
    async with AsyncExitStack() as stack:
        both = []
        for instance in (1, 2):
            text = CONFIG.format(
                name=f"scp-{instance}",
                instance=instance,
                m3ua=free_tcp_port(),
                store=url,
                directory=directory,
                sha256=sha256(TOKEN),
            )
            config = loads(text, {})
            node = Node(
                config, random.Random(instance), metrics_for(config, sorted(config.services)), EventLog()
            )
            await node.start()
            stack.push_async_callback(node.stop)
            assert node.api is not None
            both.append(await stack.enter_async_context(AsyncClient(node.api.url, TOKEN)))
        yield both


async def until_answered(both: list[AsyncClient], call: Call[Answer]) -> Received[Answer]:
    """Send a call to either node until one answers; 503 is no answer."""
    global answered
    for attempt in itertools.count():
        try:
            found = await both[attempt % 2].exchange(call)
        except TransportError:
            pass
        except ApiError as error:
            if error.problem.status != 503:
                raise
        else:
            answered += 1
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("there are always more attempts")


class Counter:
    """A number's IMSI, which counts up; what was acknowledged, and what may have been done as well."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.unknown = 0

    async def count_up(self, both: list[AsyncClient], number: str, first: int) -> None:
        for turn in range(ROUNDS):
            while True:
                seen = await until_answered(both, authorization(number))
                next_one = f"24001{int((seen.value.imsi or '0')[5:]) + 1:010}"
                try:
                    await both[(first + turn) % 2].send(authorize(number, next_one).when_match(seen.etag))
                except ApiError as error:
                    if error.kind == "changed-meanwhile":
                        continue
                    if error.problem.status != 503:
                        raise
                except TransportError:
                    pass
                else:
                    self.acknowledged += 1
                    break
                self.unknown += 1
                break


async def calls(both: list[AsyncClient], caller: int, charged: dict[str, int]) -> None:
    """Make calls: each a payment, minutes in advance, and what the call came to."""
    chance = random.Random(caller)
    for number in range(CALLS):
        name = f"call-{caller}-{number}"
        chance.shuffle(both)
        await until_answered(both, credit(PAYER, name, PRICE))
        held = (await until_answered(both, reserve(name, PAYER, "4685000001", 1).once(name))).value
        assert held.approved, "paid for in advance"
        assert held.id is not None
        used = chance.choice((0, 30, 60))
        paid = (await until_answered(both, commit(held.id, used))).value
        assert (paid.state, paid.used_seconds) == ("committed", used)
        charged[held.id] = paid.charged


async def trouble(server: redis_lab.Server, done: asyncio.Event) -> int:
    """Kill the server, and start it again, each time when some requests have been answered since it was there."""
    times = 0
    while not done.is_set():
        enough = answered + BETWEEN_KILLS
        await until(lambda enough=enough: answered >= enough or done.is_set())
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.start)
        times += 1
    return times


async def check(both: list[AsyncClient], charged: dict[str, int]) -> None:
    for client in both:
        for each, amount in charged.items():
            assert (await until_answered([client, client], reservation(each))).value.charged == amount
        purse = (await until_answered([client, client], account(PAYER))).value
        assert purse.held == 0
        assert purse.balance == CALLERS * CALLS * PRICE - sum(charged.values())

    async def recorded() -> list[str]:
        pages = [await client.send(cdrs(limit=1000)) for client in both]
        return [each.reservation for page in pages for each in page.cdrs]

    await until(recorded, lambda found: len(found) >= len(charged))
    assert sorted(await recorded()) == sorted(charged), "a charge has one record, on one node"


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    async def main(lab: redis_lab.Lab) -> None:
        async with clients(lab.url, tmp_path) as both:
            for number in SHARED:
                await both[0].send(authorize(number, f"24001{0:010}"))
            counters = {number: Counter() for number in SHARED}
            charged: dict[str, int] = {}
            done = asyncio.Event()
            disturbing = asyncio.create_task(trouble(lab.servers[0], done))
            await asyncio.gather(
                *(
                    counters[number].count_up(both, number, writer)
                    for number in SHARED
                    for writer in range(WRITERS)
                ),
                *(calls(list(both), caller, charged) for caller in range(CALLERS)),
            )
            done.set()
            assert await disturbing > 0
            for number, counter in counters.items():
                for client in both:
                    seen = (await until_answered([client, client], authorization(number))).value
                    assert seen.imsi is not None
                    assert (
                        counter.acknowledged <= int(seen.imsi[5:]) <= counter.acknowledged + counter.unknown
                    )
            assert sum(counter.acknowledged for counter in counters.values()) > 0
            assert len(charged) == CALLERS * CALLS
            await check(both, charged)

    with redis_lab.single(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as lab:
        asyncio.run(asyncio.wait_for(main(lab), 3 * PATIENCE))
