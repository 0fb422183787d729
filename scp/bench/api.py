"""``camel-scp bench api``: charged calls over the HTTP API, and subscribers' flags written and read.

The node has one processor, the clients another. Closed loop for how many and at what CPU time, then an open
loop at half of that for the latency.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from scp import client
from scp.bench import server
from scp.bench.machine import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = TypeVar("Answer")
API: Final = "api"
ACCOUNTS: Final = 1000
BALANCE: Final = 10**12
CALLED: Final = "46850000001"
AT_ONCE: Final = 32
"""Calls under way in the closed loop."""


@dataclass(frozen=True)
class Measured:
    """What was measured with one store.

    Attributes:
        what: "calls", charged ones, or "flags", one written and read.
        store: "sqlite" or "redis".
        per_s: how many at saturation.
        node_us: CPU time of the node each, all its threads.
        client_us: CPU time of `scp.client` each.
        rate: how many a second in the latency's run.
        p50_ms: of a request.
        p99_ms: the same.
        wrong: requests without the answer that was due.
    """

    what: str
    store: str
    per_s: float
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
                node = server.node(folder, cores[0], name="node", store=url, charged=True, api=True)
                running = stack.enter_context(node)
                for kind in (_Callers, _Switchers):
                    yield asyncio.run(_measured(kind, store, running, seconds))
    finally:
        os.sched_setaffinity(0, cores)


class _Callers:
    """Clients that make charged calls: minutes reserved, then committed, the leg recorded.

    Attributes:
        what: they do.
        made: calls so far.
        wrong: requests without the answer that was due.
        times: seconds of each request, while `timed`.
    """

    what = "calls"

    def __init__(self, sender: client.AsyncClient) -> None:
        self.made = 0
        self.wrong = 0
        self.times: list[float] = []
        self.timed = False
        self.sender = sender
        self.accounts = [f"4670{number:07}" for number in range(ACCOUNTS)]

    async def prepare(self) -> None:
        """Give every caller a balance that lasts."""
        await asyncio.gather(
            *(self.sender.send(client.credit(account, "payment", BALANCE)) for account in self.accounts)
        )

    async def call(self) -> None:
        """Make one call."""
        self.made += 1
        name, account = f"c{self.made}", self.accounts[self.made % ACCOUNTS]
        try:
            given = await self.asked(client.reserve(name, account, CALLED, 5).once(name))
            assert given.id is not None
            done = await self.asked(client.commit(given.id, 61))
            now = int(time.time() * 1000)
            leg = client.VoipLeg(
                id=name, call_id=name, a_number=account, b_number=CALLED, started_ms=now - 61_000,
                answered_ms=now - 61_000, ended_ms=now, cause=16, reservation=given.id,
            )  # fmt: skip
            await self.asked(client.record_leg(leg))
            self.wrong += done.charged != 61
        except (client.ApiError, client.TransportError):
            self.wrong += 1

    async def asked(self, request: client.Call[Answer]) -> Answer:
        """Return the answer to a request; its time counts."""
        before = time.perf_counter()
        answer = await self.sender.send(request)
        if self.timed:
            self.times.append(time.perf_counter() - before)
        return answer

    async def saturate(self, seconds: float) -> int:
        """Make calls one after the other, `AT_ONCE` at a time; return how many."""
        first, until = self.made, time.perf_counter() + seconds

        async def one_by_one() -> None:
            while time.perf_counter() < until:
                await self.call()

        await asyncio.gather(*(one_by_one() for _ in range(AT_ONCE)))
        return self.made - first

    async def at_rate(self, rate: float, seconds: float) -> list[float]:
        """Make so many calls a second, whatever they take; return the times of their requests, sorted."""
        self.timed = True
        began = time.perf_counter()
        async with asyncio.TaskGroup() as running:
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                running.create_task(self.call())
        return sorted(self.times)


class _Switchers(_Callers):
    """Clients that switch a subscriber's forwarding and read what it is."""

    what = "flags"

    async def prepare(self) -> None:
        """Register everybody."""
        await asyncio.gather(*map(self._register, self.accounts))

    async def _register(self, account: str) -> None:
        await self.sender.send(client.authorize(account))
        await self.sender.send(client.register(account, f"sip:+{account}@voip.example"))

    async def call(self) -> None:
        """Switch one and read it."""
        self.made += 1
        account, enabled = self.accounts[self.made % ACCOUNTS], self.made // ACCOUNTS % 2 == 0
        try:
            await self.asked(client.set_forwarding(account, enabled=enabled))
            self.wrong += (await self.asked(client.forwarding(account))).enabled != enabled
        except (client.ApiError, client.TransportError):
            self.wrong += 1


async def _measured(kind: type[_Callers], store: str, node: server.Server, seconds: float) -> Measured:
    async with client.AsyncClient(f"http://127.0.0.1:{node.api}", server.TOKEN) as sender:
        callers = kind(sender)
        await callers.prepare()
        await callers.saturate(seconds / 4)
        before, own, began = cpu_seconds(node.pid), time.process_time(), time.perf_counter()
        calls = await callers.saturate(seconds)
        took = time.perf_counter() - began
        used, own = cpu_seconds(node.pid) - before, time.process_time() - own
        rate = calls / took / 2
        times = await callers.at_rate(rate, seconds)
    return Measured(
        kind.what, store, calls / took, used / calls * 1e6, own / calls * 1e6, rate,
        times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3, callers.wrong,
    )  # fmt: skip
