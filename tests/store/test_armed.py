"""What every store of armed M-CSIs promises, in SQLite and in Redis; and nodes that share one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oracles.redis_lab import Lab
from scp.domain.armed import Armed, ArmState
from scp.map_ports import ArmedStore
from scp.ports import StoreError
from scp.store.armed_redis import RedisArmed
from scp.store.armed_sqlite import SqliteArmed
from scp.store.beside import open_armed
from scp.store.redis_url import parse_redis_url

NewStore = Callable[[], ArmedStore]
NOW = 1_700_000_000_000
A = Armed("46701234567", due_ms=NOW, at_ms=NOW)
B = Armed("46702222222", due_ms=NOW + 10, at_ms=NOW)
DONE = replace(A, state=ArmState.ARMED, due_ms=0, at_ms=NOW + 5)


class ArmedContract:
    def run(self, new_store: NewStore, body: Callable[..., Awaitable[None]], count: int = 1) -> None:
        async def main() -> None:
            async with AsyncExitStack() as stack:
                stores = [new_store() for _ in range(count)]
                for store in stores:
                    await store.open()
                    stack.push_async_callback(store.close)
                await body(*stores)

        asyncio.run(main())

    def test_compare_and_set(self, new_store: NewStore) -> None:
        async def body(store: ArmedStore) -> None:
            assert await store.get([]) == []
            assert await store.change([]) == []
            assert await store.get([A.msisdn, B.msisdn]) == [None, None]
            changes = [(A.msisdn, None, A), (B.msisdn, A, B), (A.msisdn, A, DONE)]
            assert await store.change(changes) == [True, False, True]
            assert await store.get([B.msisdn, A.msisdn]) == [None, DONE]
            off = replace(B, on=False, reason="HLR: busy, ünd mehr", tries=3)
            assert await store.change([(A.msisdn, A, B), (B.msisdn, None, off)]) == [False, True]
            assert await store.wanted() == {A.msisdn: True, B.msisdn: False}
            assert await store.get([B.msisdn]) == [off]
            counts = {ArmState.WAITING: 1, ArmState.ARMED: 1, ArmState.REFUSED: 0}
            assert await store.counts() == counts
            assert await store.change([(A.msisdn, DONE, None), (B.msisdn, off, None)]) == [True, True]
            assert await store.counts() == dict.fromkeys(ArmState, 0)
            assert await store.wanted() == {}
            assert await store.claim(NOW + 100_000, NOW + 200_000, 9) == ([], 0)

        self.run(new_store, body)

    def test_claims(self, new_store: NewStore) -> None:
        async def body(store: ArmedStore) -> None:
            await store.change([(A.msisdn, None, A), (B.msisdn, None, B)])
            assert await store.claim(NOW - 1, NOW + 60, 9) == ([], NOW)
            assert await store.claim(NOW + 20, NOW + 60, 1) == ([A], NOW + 10)
            assert await store.claim(NOW + 20, NOW + 70, 9) == ([B], NOW + 60)
            assert await store.claim(NOW + 59, NOW + 99, 9) == ([], NOW + 60)
            assert await store.get([A.msisdn]) == [A]  # a claim changes nothing else
            assert await store.change([(A.msisdn, A, DONE)]) == [True]
            assert await store.claim(NOW + 90, NOW + 99, 9) == ([B], NOW + 99)
            later = replace(B, due_ms=NOW + 95)
            assert await store.change([(B.msisdn, B, later)]) == [True]  # and the claim is over
            assert await store.claim(NOW + 95, NOW + 200, 9) == ([later], NOW + 200)

        self.run(new_store, body)

    def test_what_was_written_is_there_again(self, new_store: NewStore) -> None:
        async def write(store: ArmedStore) -> None:
            await store.change([(A.msisdn, None, A), (B.msisdn, None, B)])

        async def read(store: ArmedStore) -> None:
            assert await store.get([A.msisdn, B.msisdn]) == [A, B]

        self.run(new_store, write)
        self.run(new_store, read)

    def test_many(self, new_store: NewStore) -> None:
        async def body(store: ArmedStore) -> None:
            many = [replace(A, msisdn=f"4670{n:07}", due_ms=NOW + n) for n in range(2500)]
            for first in range(0, 2500, 250):
                await store.change([(each.msisdn, None, each) for each in many[first : first + 250]])
            assert await store.wanted() == {each.msisdn: True for each in many}
            assert await store.claim(NOW + 3000, NOW + 5000, 1000) == (many[:1000], NOW + 1000)

        self.run(new_store, body)


class TestSqlite(ArmedContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        return lambda: SqliteArmed(str(tmp_path / "armed.db"))

    def test_claims_of_a_process_that_is_gone_end(self, new_store: NewStore) -> None:
        async def claim(store: ArmedStore) -> None:
            await store.change([(A.msisdn, None, A)])
            assert await store.claim(NOW, NOW + 60_000, 9) == ([A], NOW + 60_000)

        async def again(store: ArmedStore) -> None:
            assert await store.claim(NOW, NOW + 60_000, 9) == ([A], NOW + 60_000)

        self.run(new_store, claim)
        self.run(new_store, again)


class Shared(ArmedContract):
    def test_what_is_due_goes_to_one_of_several(self, new_store: NewStore) -> None:
        async def body(*stores: ArmedStore) -> None:
            many = [replace(A, msisdn=f"4670{n:07}") for n in range(300)]
            for first in range(0, 300, 100):
                await stores[0].change([(each.msisdn, None, each) for each in many[first : first + 100]])
            claims = [store.claim(NOW, NOW + 60_000, 7) for _ in range(25) for store in stores]
            found = [armed.msisdn for armeds, _ in await asyncio.gather(*claims) for armed in armeds]
            assert sorted(found) == [each.msisdn for each in many]

        self.run(new_store, body, 2)

    def test_several_together_claim_no_more_than_the_rate(self, new_store: NewStore) -> None:
        rate = 5.0

        async def body(*stores: ArmedStore) -> None:
            many = [replace(A, msisdn=f"4670{n:07}") for n in range(100)]
            await stores[0].change([(each.msisdn, None, each) for each in many])
            began, found = time.monotonic(), 0
            while found < 8:
                for store in stores:
                    claimed, due = await store.claim(NOW, NOW + 60_000, 16, rate)
                    found += len(claimed)
                    assert found <= rate * (1 + time.monotonic() - began) + 0.1
                    assert due == NOW  # others are due, and have to wait
                await asyncio.sleep(0.01)
            assert len((await stores[0].claim(NOW, NOW + 60_000, 50))[0]) == 50

        self.run(new_store, body, 2)

    def test_one_of_several_changes(self, new_store: NewStore) -> None:
        async def body(*stores: ArmedStore) -> None:
            wishes = [replace(A, at_ms=NOW + n) for n in range(20)]
            changes = [stores[n % 2].change([(A.msisdn, None, wish)]) for n, wish in enumerate(wishes)]
            done = [each for (each,) in await asyncio.gather(*changes)]
            assert done.count(True) == 1
            assert await stores[1].get([A.msisdn]) == [wishes[done.index(True)]]

        self.run(new_store, body, 2)


def on(lab: Lab, fresh: str) -> NewStore:
    return lambda: RedisArmed(parse_redis_url(f"{lab.url}?{fresh}"))


class TestRedis(Shared):
    @pytest.fixture
    def new_store(self, single: Lab, fresh: str) -> NewStore:
        return on(single, fresh)


class TestCluster(Shared):
    @pytest.fixture
    def new_store(self, cluster: Lab, fresh: str) -> NewStore:
        return on(cluster, fresh)


def test_where_it_is_if_nobody_says(tmp_path: Path) -> None:
    store: Any = open_armed(None, f"sqlite:{tmp_path}/scp.db")
    assert store.usable() == f"{tmp_path}/scp.db.armed: not open"
    assert isinstance(open_armed(None, "sqlite::memory:"), SqliteArmed)
    assert isinstance(open_armed(None, "redis://127.0.0.1:1"), RedisArmed)
    with pytest.raises(StoreError) as raised:
        open_armed("mysql://x", "sqlite::memory:")
    assert raised.value.kind == "config"
