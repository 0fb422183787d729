"""All stores of held calls pass the contract."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
import redis
from held_contract import TID, HeldContract, NewHeld, Told, entry, put

from oracles import redis_lab
from oracles.held_memory import MemoryHeldCalls
from oracles.redis_lab import Lab
from oracles.waiting import until
from scp.held_call_ports import Kept
from scp.store.held_redis import RedisHeldCalls
from scp.store.held_sqlite import SqliteHeldCalls
from scp.store.redis_url import parse_redis_url

_number = itertools.count()


class TestMemory(HeldContract):
    durable = False

    @pytest.fixture
    def new_held(self) -> NewHeld:
        return MemoryHeldCalls

    def another(self, new_held: NewHeld) -> NewHeld:
        return new_held


class TestSqlite(HeldContract):
    @pytest.fixture
    def new_held(self, tmp_path: Path) -> NewHeld:
        return lambda: SqliteHeldCalls(str(tmp_path / "held.db"))

    def another(self, new_held: NewHeld) -> NewHeld:
        return lambda: SqliteHeldCalls(":memory:")


def on(lab: Lab) -> NewHeld:
    url = parse_redis_url(f"{lab.url}?prefix=held{next(_number)}")
    return lambda: RedisHeldCalls(url)


class OnRedis(HeldContract):
    clients = 3

    def another(self, new_held: NewHeld) -> NewHeld:
        return on(self.lab)


class TestRedis(OnRedis):
    @pytest.fixture
    def new_held(self, single: Lab) -> NewHeld:
        self.lab = single
        return on(single)


class TestSentinel(OnRedis):
    @pytest.fixture
    def new_held(self, sentinel: Lab) -> NewHeld:
        self.lab = sentinel
        return on(sentinel)


class TestCluster(OnRedis):
    @pytest.fixture
    def new_held(self, cluster: Lab) -> NewHeld:
        self.lab = cluster
        return on(cluster)


def test_a_server_that_lost_its_scripts_is_given_them_again(single: Lab) -> None:
    async def main() -> None:
        store = on(single)()
        await store.open()
        with redis.Redis.from_url(single.url) as client:
            client.script_flush()
        outcomes = await asyncio.gather(*(put(store, entry(str(each).encode())) for each in range(20)))
        assert set(outcomes) == {Kept.WRITTEN}
        assert (await store.get(TID)).record == b"19"  # type: ignore[union-attr]
        await store.close()

    asyncio.run(main())


def test_without_its_server_writes_fail_at_once_and_later_work(tmp_path: Path) -> None:
    async def main(lab: redis_lab.Lab) -> None:
        store = on(lab)()
        await store.open()
        assert await put(store, entry()) is Kept.WRITTEN
        lab.servers[0].freeze()
        told = Told()
        store.put(entry(), 1, told)
        lab.servers[0].kill()
        assert await told.outcome is Kept.FAILED
        assert store.usable() != ""
        assert await put(store, entry()) is Kept.FAILED
        await asyncio.to_thread(lab.servers[0].start)
        await until(lambda: not store.usable())
        assert await put(store, entry(b"again")) is Kept.WRITTEN
        await store.close()

    with redis_lab.single(tmp_path) as lab:
        asyncio.run(main(lab))


def test_a_realistic_entry_takes_less_than_400_octets_in_redis(single: Lab) -> None:
    many = 2000

    async def main() -> int:
        store = on(single)()
        await store.open()
        with redis.Redis.from_url(single.url) as client:
            before = client.info("memory")["used_memory"]
            for start in range(0, many, 100):
                await asyncio.gather(
                    *(
                        put(store, entry(bytes(255), tid=b"\x01" + number.to_bytes(3, "big")))
                        for number in range(start, start + 100)
                    )
                )
            used = client.info("memory")["used_memory"] - before
        await store.close()
        return used // many

    octets = asyncio.run(main())
    print(f"\n{octets} octets an entry")
    assert octets < 400
