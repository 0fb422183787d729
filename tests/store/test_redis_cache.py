"""What one node changes, another sees: with the cache within 100 ms, and never anything older than that."""

from __future__ import annotations

import asyncio
import statistics
import time

import msgspec
import pytest
import uvloop
from contract import A, find, subscriber

from oracles.redis_lab import Lab
from oracles.timing import stalls
from oracles.waiting import until
from scp.domain.lookup import PENDING
from scp.domain.subscriber import Subscriber
from scp.services.api import StoreFailure
from scp.store import open_store
from scp.store.redis_cache import ABSENT, Cache


class Nobody:
    def found(self, result) -> None:
        pass


NOBODY = Nobody()


@pytest.mark.alone
@pytest.mark.parametrize("name", ["single", "sentinel", "cluster"])
def test_a_change_on_one_node_is_seen_on_another(
    name: str, fresh: str, request: pytest.FixtureRequest
) -> None:
    lab: Lab = request.getfixturevalue(name)

    async def main() -> None:
        writing = open_store(f"{lab.url}?{fresh}")
        reading = open_store(f"{lab.url}?{fresh}&cached=true")
        await writing.open()
        await reading.open()
        seen = await writing.put(Subscriber(A))
        delays = []
        for _ in range(100):
            assert await find(reading, A) == seen
            assert reading.find(A, NOBODY) == seen  # from memory
            seen = await writing.put(msgspec.structs.replace(seen, authorized=not seen.authorized))
            start = time.perf_counter()
            while reading.find(A, NOBODY) != seen:
                await find(reading, A)
                await asyncio.sleep(0)
            delays.append(time.perf_counter() - start)
        print(
            f"{name}: a change is seen on another node after {statistics.median(delays) * 1000:.2f} ms "
            f"(median of 100), {max(delays) * 1000:.2f} ms at most"
        )
        assert max(delays) < 0.1 + 4 * stall.worst
        await writing.delete(A, seen.version)
        await until(lambda: find(reading, A), lambda found: found is None)
        assert reading.find(A, NOBODY) is None  # that there is none is kept as well
        await writing.put(Subscriber(A))
        await until(lambda: find(reading, A), lambda found: found == Subscriber(A, version=1))
        for store in (writing, reading):
            await store.close()

    with stalls() as stall:
        uvloop.run(main())


def test_ones_own_writes_are_seen_at_once(single: Lab, fresh: str) -> None:
    async def main() -> None:
        store = open_store(f"{single.url}?{fresh}&cached=true")
        await store.open()
        seen = await store.put(Subscriber(A))
        for _ in range(300):
            asked = asyncio.gather(*(find(store, A) for _ in range(3)))  # on their way while we write
            await asyncio.sleep(0)
            seen = await store.put(seen)
            assert await find(store, A) == seen
            await asked
            assert await find(store, A) == seen
        await store.close()

    uvloop.run(main())


def test_what_was_kept_is_forgotten_with_the_connection(single: Lab, fresh: str) -> None:
    async def main() -> None:
        store = open_store(f"{single.url}?{fresh}&cached=true")
        await store.open()
        await store.put(Subscriber(A))
        await find(store, A)
        assert len(store.cache) == 1
        single.servers[0].client().client_kill_filter(_type="normal", skipme=True)
        await until(store.usable, lambda why: why != "")
        assert len(store.cache) == 0
        assert store.find(A, NOBODY) is StoreFailure.UNAVAILABLE
        await until(store.usable, lambda why: why == "")
        assert (await find(store, A)).version == 1
        assert store.find(A, NOBODY) is not PENDING
        single.servers[0].client().flushall()
        await until(lambda: find(store, A), lambda found: found is None)
        await store.close()

    asyncio.run(main())


def test_the_cache_stays_within_its_bounds() -> None:
    cache = Cache(16, 100)
    for number in range(1000):
        cache.keep(number % 16, subscriber(number).msisdn, b"x", cache.epoch)
        assert len(cache) <= 100
        assert cache.get(number % 16, subscriber(number).msisdn) == b"x"
    kept = [n for n in range(1000) if cache.get(n % 16, subscriber(n).msisdn)]
    assert len(kept) == len(cache) > 80


def test_what_was_asked_before_a_change_of_ours_is_not_kept() -> None:
    cache = Cache(4, 10)
    asked = cache.epoch
    cache.changed([1])
    cache.keep(1, A, b"old", asked)
    assert cache.get(1, A) is None
    cache.keep(1, A, ABSENT, cache.epoch)
    assert cache.get(1, A) == ABSENT
    cache.drop(1)
    assert len(cache) == 0
