"""Servers that die, hang, are cut off or change roles under load: every lookup is answered, nothing is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvloop
from contract import A, find, subscriber

from oracles import redis_lab
from oracles.redis_lab import Lab
from oracles.timing import stalls
from oracles.waiting import PATIENCE, until
from scp.domain.lookup import PENDING
from scp.domain.subscriber import Subscriber
from scp.ports import StoreError, SubscriberStore, VersionConflictError
from scp.services.api import StoreFailure
from scp.store import open_store
from scp.store.redis_lookup import BEAT, SILENT_BEATS

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
RECORDS = 200
COUNTED = "46123456"


@pytest.fixture
def own_single(tmp_path: Path) -> Iterator[Lab]:
    with redis_lab.single(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as lab:
        yield lab


@pytest.fixture
def own_sentinel(tmp_path: Path) -> Iterator[Lab]:
    with redis_lab.sentinel(tmp_path) as lab:
        yield lab


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Lab]:
    with redis_lab.cluster(tmp_path) as lab:
        yield lab


class Load:
    """Lookups at a steady rate; each is counted when it is asked and when it is answered."""

    def __init__(self, store) -> None:
        self.store = store
        self.asked = 0
        self.answers: Counter[str] = Counter()
        self.last = ""
        self.slowest = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            for _ in range(20):
                self.asked += 1
                one = _One(self)
                found = self.store.find(subscriber(self.asked % RECORDS).msisdn, one)
                if found is not PENDING:
                    one.found(found)
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        self._task.cancel()
        await until(lambda: self.asked == sum(self.answers.values()))  # none was forgotten

    async def until(self, outcome: str, seconds: float = PATIENCE) -> float:
        """Wait until all lookups of a moment come out so; return after how many seconds."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            seen = Counter(self.answers)
            await asyncio.sleep(0.05)
            if set(self.answers - seen) == {outcome}:
                return time.monotonic() - start
        raise AssertionError(f"not {outcome} within {seconds} s: {self.answers}, {self.store.usable()}")


class _One:
    __slots__ = ("load", "since")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.since = time.monotonic()

    def found(self, result) -> None:
        self.load.slowest = max(self.load.slowest, time.monotonic() - self.since)
        self.load.answers[result.value if isinstance(result, StoreFailure) else type(result).__name__] += 1


@contextlib.asynccontextmanager
async def loaded(url: str):
    store = open_store(url)
    await store.open()
    await store.put_many([subscriber(number) for number in range(RECORDS)])
    load = Load(store)
    await load.until("Subscriber")
    try:
        yield store, load
    finally:
        await store.close()


GIVEN_UP = BEAT * (SILENT_BEATS + 2)


@pytest.mark.alone
def test_kill_9_and_restart_under_lookups(own_single: Lab) -> None:
    async def main() -> None:
        async with loaded(f"{own_single.url}?buckets=256") as (store, load):
            server = own_single.servers[0]
            await asyncio.to_thread(server.kill)
            await load.until("store-unavailable")
            assert "redis" in store.usable()
            with pytest.raises(StoreError):
                await store.put(Subscriber(A))
            await asyncio.to_thread(server.start)
            recovered = await load.until("Subscriber")
            assert store.usable() == ""
            print(f"lookups again {recovered:.2f} s after the restart, slowest answer {load.slowest:.3f} s")
            await load.stop()
            assert load.slowest < 1 + 4 * stall.worst

    with stalls() as stall:
        uvloop.run(main())


def test_a_server_that_hangs_is_given_up_and_found_again(own_single: Lab) -> None:
    async def main() -> None:
        async with loaded(f"{own_single.url}?buckets=256&in_flight=500") as (_store, load):
            server = own_single.servers[0]
            server.freeze()
            await load.until("store-unavailable")
            await asyncio.sleep(GIVEN_UP)
            server.thaw()
            await load.until("Subscriber")
            await load.stop()
            assert load.slowest < 3 * GIVEN_UP + 4 * stall.worst

    with stalls() as stall:
        asyncio.run(main())


def test_opening_without_a_server_goes_on_trying(own_single: Lab) -> None:
    async def main() -> None:
        server = own_single.servers[0]
        await asyncio.to_thread(server.kill)
        store = open_store(f"{own_single.url}?buckets=256")
        with pytest.raises(StoreError) as raised:
            await store.open()
        assert raised.value.kind == "unreachable"
        assert store.find(A, None) is StoreFailure.UNAVAILABLE
        await asyncio.to_thread(server.start)
        await until(lambda: store.usable() == "")
        assert (await store.put(Subscriber(A))).version == 1
        assert await find(store, A) == Subscriber(A, version=1)
        await store.close()

    asyncio.run(main())


async def count_up(store, acknowledged: list[int]) -> None:
    """Count in a record's IMSI; the numbers that were acknowledged are kept."""
    while True:
        try:
            seen = await store.get(COUNTED) or Subscriber(COUNTED, imsi="0")
            await store.put(msgspec.structs.replace(seen, imsi=str(int(seen.imsi) + 1)))
            acknowledged.append(int(seen.imsi) + 1)
        except (StoreError, VersionConflictError):
            await asyncio.sleep(0.02)


def test_failover_keeps_what_was_acknowledged(own_sentinel: Lab) -> None:
    async def main() -> None:
        async with loaded(f"{own_sentinel.url}?buckets=256") as (store, load):
            acknowledged: list[int] = []
            counting = asyncio.create_task(count_up(store, acknowledged))
            await until(lambda: len(acknowledged) > 20)
            old = own_sentinel.servers[0]
            assert own_sentinel.master() is old
            own_sentinel.give_up_soon()
            await asyncio.to_thread(old.kill)
            recovered = await load.until("Subscriber")
            counting.cancel()
            await asyncio.wait([counting])
            print(f"lookups again {recovered:.2f} s after kill -9 of the master")
            await until(lambda: own_sentinel.master() is own_sentinel.servers[1])  # one has said so already
            assert int((await told(store, COUNTED)).imsi) >= acknowledged[-1]
            with pytest.raises(StoreError) as raised:  # no replica is left to acknowledge
                await store.put(Subscriber("4612345"))
            assert raised.value.kind == "unacknowledged"
            await load.stop()

    asyncio.run(main())


async def told(store: SubscriberStore, msisdn: str) -> Subscriber | None:
    """Read a record; administration has a link of its own, which may be back later than the lookups'."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await store.get(msisdn)
            except StoreError:
                await asyncio.sleep(0.02)


def test_a_partitioned_quorum_makes_no_two_truths(own_sentinel: Lab) -> None:
    """Without a quorum nobody is promoted; what an old master takes afterwards is not acknowledged."""

    async def main() -> None:
        old, new = own_sentinel.servers
        async with loaded(f"{own_sentinel.url}?buckets=256") as (store, load):
            truth = await store.put(Subscriber(COUNTED, imsi="1"))
            own_sentinel.give_up_soon()
            cut_off = own_sentinel.sentinels[1:]
            for sentinel in cut_off:
                sentinel.kill()
            old.freeze()
            await load.until("store-unavailable")
            await asyncio.sleep(1.5)  # down-after is 0.4 s
            assert new.client().info("replication")["role"] == "slave"
            with pytest.raises(StoreError):
                await store.put(msgspec.structs.replace(truth, imsi="2"))
            for sentinel in cut_off:
                await asyncio.to_thread(sentinel.start)
            await load.until("Subscriber")
            assert new.client().info("replication")["role"] == "master"
            assert await told(store, COUNTED) == truth
            await load.stop()

        for sentinel in own_sentinel.sentinels:  # nobody tells the old master
            sentinel.kill()
        old.thaw()
        behind = open_store(f"redis://127.0.0.1:{old.port}?acks=1&ack_ms=100")
        await behind.open()
        with pytest.raises(StoreError) as raised:
            await behind.put(msgspec.structs.replace(truth, imsi="3"))
        assert raised.value.kind == "unacknowledged"
        await behind.close()
        for sentinel in own_sentinel.sentinels:
            await asyncio.to_thread(sentinel.start)
        again = open_store(f"{own_sentinel.url}?buckets=256")
        await again.open()
        assert await again.get(COUNTED) == truth
        await again.close()

    asyncio.run(main())


def test_a_cluster_node_dies_and_comes_back(own_cluster: Lab) -> None:
    async def main() -> None:
        async with loaded(f"{own_cluster.url}?buckets=256") as (store, load):
            server = own_cluster.servers[2]
            server.client().config_set("appendonly", "yes")
            server.options = (*server.options, "--appendonly", "yes")
            await until(lambda: not server.client().info("persistence")["aof_rewrite_in_progress"])
            await asyncio.to_thread(server.kill)
            await until(lambda: load.answers["store-unavailable"] > 0 and "redis" in store.usable())
            await asyncio.to_thread(server.start)
            await load.until("Subscriber")
            assert store.usable() == ""
            await load.stop()

    asyncio.run(main())


def test_slots_that_move_are_followed(own_cluster: Lab) -> None:
    """ASK while a slot moves, MOVED and a new map afterwards: no lookup and no write fails."""

    async def main() -> None:
        async with loaded(f"{own_cluster.url}?buckets=256") as (store, load):
            source, target, _ = own_cluster.servers
            old, new = source.client(), target.client()
            slots = [slot for slot in range(5461) if old.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)]
            assert len(slots) > 20
            ids = [node.execute_command("CLUSTER", "MYID") for node in (old, new)]
            before = Counter(load.answers)
            for slot in slots:
                new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
                old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
                for key in old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                    old.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
                await asyncio.sleep(0.003)
                for node in (new, old):
                    node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
            await store.put_many([subscriber(number) for number in range(RECORDS)])
            for number in range(RECORDS):
                assert (await store.put(subscriber(number, version=2))).version == 3
            await load.until("Subscriber")
            await load.stop()
            assert set(load.answers - before) == {"Subscriber"}

    asyncio.run(main())


def test_writes_follow_a_slot_that_is_on_its_way(own_cluster: Lab) -> None:
    """ASK goes before a write on the same connection, also to a node that has several, and lost its scripts."""

    async def main() -> None:
        store = open_store(f"{own_cluster.url}?buckets=256")
        await store.open()
        records = [subscriber(number) for number in range(RECORDS)]
        await asyncio.gather(*(store.put(record) for record in records))
        source, target, _ = own_cluster.servers
        old, new = source.client(), target.client()
        ids = [node.execute_command("CLUSTER", "MYID") for node in (old, new)]
        slots = [slot for slot in range(5461) if old.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)]
        for slot in slots:
            new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
            for key in old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                old.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        new.script_flush()
        for version in (1, 2):  # with one connection to each node, then with as many as it took
            written = await asyncio.gather(
                *(store.put(msgspec.structs.replace(record, version=version)) for record in records)
            )
            assert {record.version for record in written} == {version + 1}
        assert await store.count() == RECORDS
        await store.close()

    asyncio.run(main())


def test_commands_to_a_server_that_hangs_fail_and_the_next_ones_do_not(own_single: Lab) -> None:
    async def main() -> None:
        async with loaded(f"{own_single.url}?buckets=256") as (store, load):
            own_single.servers[0].freeze()
            with pytest.raises(StoreError) as raised:
                await store.put(Subscriber(A))
            assert raised.value.kind == "unreachable"
            own_single.servers[0].thaw()
            await load.until("Subscriber")
            assert (await store.get(A)).version in {1, 2}  # it was not known; and it was not written twice
            await load.stop()

    asyncio.run(main())


def test_writes_that_were_begun_end_before_the_store_is_closed(own_single: Lab) -> None:
    async def main() -> None:
        store = open_store(f"{own_single.url}?buckets=256")
        await store.open()
        await store.put(Subscriber(A))  # the server has the script
        writes = [asyncio.ensure_future(store.put(subscriber(number))) for number in range(2, 50)]
        await asyncio.sleep(0)
        await store.close()
        assert {(await write).version for write in writes} == {1}
        with pytest.raises(StoreError) as raised:
            await store.put(subscriber(50))
        assert raised.value.kind == "closed"
        clients = own_single.servers[0].client().client_list()
        assert [each for each in clients if each["name"] == "camel-scp"] == []  # no connection is left

    asyncio.run(main())


@pytest.mark.parametrize("name", ["single", "sentinel", "cluster"])
def test_two_writers_lose_none_of_10000_updates(
    name: str, fresh: str, request: pytest.FixtureRequest
) -> None:
    lab: Lab = request.getfixturevalue(name)

    async def count(store, updates: int) -> int:
        conflicts = 0
        seen = await store.get(A)
        for _ in range(updates):
            while True:
                try:
                    seen = await store.put(msgspec.structs.replace(seen, imsi=str(int(seen.imsi) + 1)))
                    break
                except VersionConflictError as conflict:
                    conflicts += 1
                    seen = conflict.current
        return conflicts

    async def main() -> None:
        stores = [open_store(f"{lab.url}?{fresh}") for _ in range(2)]
        for store in stores:
            await store.open()
        await stores[0].put(Subscriber(A, imsi="0"))
        start = time.monotonic()
        conflicts = await asyncio.gather(*(count(store, 5000) for store in stores))
        print(
            f"10,000 updates by two writers on {name}: {time.monotonic() - start:.1f} s, {sum(conflicts)} conflicts"
        )
        final = await stores[0].get(A)
        assert (final.imsi, final.version) == ("10000", 10001)
        assert sum(conflicts) > 0
        for store in stores:
            await store.close()

    uvloop.run(main())
