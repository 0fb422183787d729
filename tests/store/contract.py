"""The contract that every subscriber store passes: subclass `StoreContract` beside a ``new_store`` fixture.

``new_store()`` returns a store, not yet opened, on data that is the same for all calls within one test.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from oracles.examples import examples
from oracles.waiting import PATIENCE
from scp.common.one_time import KEPT_MS, OneTimeNumbers, TakenError
from scp.common.passes import StoredPasses, changed
from scp.domain import provisioning
from scp.domain.lookup import PENDING
from scp.domain.map_results import Result
from scp.domain.moves import MOST, Move, Moved
from scp.domain.passes import fits, granted
from scp.domain.provisioning import SetRoaming
from scp.domain.subscriber import Subscriber, When
from scp.ports import StoreError, SubscriberStore, VersionConflictError
from scp.services.api import StoreFailure

A = "46700000001"
NewStore = Callable[[], SubscriberStore]

identities = itertools.count(10**6)
digits = st.text("0123456789", min_size=1, max_size=15)
optional_digits = st.none() | digits
records = st.builds(
    Subscriber,
    msisdn=st.text("0123456789", min_size=5, max_size=15),
    imsi=optional_digits,
    authorized=st.booleans(),
    aor=st.none() | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60),
    forwarding_number=optional_digits,
    forwarding=st.booleans(),
    when=st.sampled_from(When),
    locations=st.lists(st.text("0123456789abcdefABCDEF", min_size=1, max_size=32), max_size=5).map(tuple),
    roaming=st.sampled_from([None, False, True]),
    vlr=optional_digits,
    passes=st.lists(
        st.from_regex(r"[1-9][0-9]{0,17}:[0-9]{0,15}:[A-Za-z0-9_-]{1,64}", fullmatch=True), max_size=3
    ).map(tuple),
)


class Claiming:
    """A `scp.ports.PassWaiter` that can be awaited."""

    def __init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()

    def passed(self, yes: bool) -> None:
        self.answer.set_result(yes)


def message(number: int, **fields: object) -> Move:
    """A message of a VLR that is told apart from others by its number."""
    return Move(A, number.to_bytes(8, "big"), **fields)


def subscriber(number: int, **fields: object) -> Subscriber:
    return Subscriber(f"467{number:08d}", **fields)


def versioned(record: Subscriber, version: int) -> Subscriber:
    return msgspec.structs.replace(record, version=version)


class Waiting:
    """A waiter that can be awaited."""

    def __init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()

    def found(self, result):
        self.answer.set_result(result)


async def find(store: SubscriberStore, msisdn: str):
    waiter = Waiting()
    result = store.find(msisdn, waiter)
    return await asyncio.wait_for(waiter.answer, PATIENCE) if result is PENDING else result


@asynccontextmanager
async def opened(new_store: NewStore):
    store = new_store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def run(new_store: NewStore, body: Callable[[SubscriberStore], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened(new_store) as store:
            await body(store)

    asyncio.run(main())


async def everything(store: SubscriberStore) -> list[Subscriber]:
    return [record async for record in store.scan()]


class StoreContract:
    durable = True  # whether what was written is there after close and open
    ordered = True  # whether scan goes in ascending order

    def test_unknown_subscriber(self, new_store: NewStore) -> None:
        async def body(store):
            assert await find(store, A) is None
            assert await find(store, "") is None
            assert await find(store, "٤٦٧٠٠٠٠٠٠٠١") is None
            assert await store.get(A) is None
            assert await store.count() == 0
            assert await everything(store) == []
            assert store.usable() == ""

        run(new_store, body)

    def test_put_numbers_versions_and_find_sees_it(self, new_store: NewStore) -> None:
        async def body(store):
            first = await store.put(Subscriber(A, authorized=True))
            assert first == Subscriber(A, authorized=True, version=1)
            assert await find(store, A) == first == await store.get(A)
            second = await store.put(msgspec.structs.replace(first, aor="sip:a@voip.example"))
            assert second.version == 2
            assert await find(store, A) == second

        run(new_store, body)

    @pytest.mark.parametrize("version", [1, 2, 7])
    def test_put_of_a_record_that_is_not_there(self, new_store: NewStore, version: int) -> None:
        async def body(store):
            with pytest.raises(VersionConflictError) as raised:
                await store.put(Subscriber(A, version=version))
            assert raised.value.current is None
            assert A not in str(raised.value)
            assert await find(store, A) is None

        run(new_store, body)

    @pytest.mark.parametrize("version", [0, 1, 3])
    def test_put_with_another_version(self, new_store: NewStore, version: int) -> None:
        async def body(store):
            await store.put(Subscriber(A))
            current = await store.put(Subscriber(A, authorized=True, version=1))
            with pytest.raises(VersionConflictError) as raised:
                await store.put(Subscriber(A, version=version))
            assert raised.value.current == current
            assert await find(store, A) == current

        run(new_store, body)

    def test_delete(self, new_store: NewStore) -> None:
        async def body(store):
            await store.put(Subscriber(A))
            for version in (0, 2):
                with pytest.raises(VersionConflictError):
                    await store.delete(A, version)
            assert await store.count() == 1
            await store.delete(A, 1)
            assert await find(store, A) is None
            assert await store.get(A) is None
            assert await everything(store) == []
            with pytest.raises(VersionConflictError) as raised:
                await store.delete(A, 1)
            assert raised.value.current is None
            await store.delete(A, 0)
            assert (await store.put(Subscriber(A))).version == 1

        run(new_store, body)

    def test_racing_writers_lose_no_update(self, new_store: NewStore) -> None:
        async def body(store):
            await store.put(Subscriber(A, imsi="0"))

            async def add() -> int:
                conflicts = 0
                for _ in range(10):
                    while True:
                        seen = await store.get(A)
                        counted = msgspec.structs.replace(seen, imsi=str(int(seen.imsi) + 1))
                        try:
                            await store.put(counted)
                            break
                        except VersionConflictError:
                            conflicts += 1
                return conflicts

            conflicts = sum(await asyncio.gather(*(add() for _ in range(10))))
            final = await store.get(A)
            assert final.imsi == "100"
            assert final.version == 101
            assert conflicts > 0

        run(new_store, body)

    def test_a_pass_is_claimed_by_one_call_of_many(self, new_store: NewStore) -> None:
        async def body(store):
            asked = [Claiming() for _ in range(20)]
            await store.put(Subscriber(A, authorized=True))
            for name in ("a", "b"):
                await changed(store, A, lambda record, name=name: granted(record, name, "46701", 10**15, 0))
            desk = StoredPasses(store, pytest.fail)
            for each in asked:
                desk.claim(A, "46701", each)
            desk.claim(A, "46702", stranger := Claiming())
            assert sum(await asyncio.gather(*(each.answer for each in asked))) == 2
            assert not await stranger.answer
            assert (await store.get(A)).passes == ()

        run(new_store, body)

    def test_a_message_changes_a_record_once_and_not_when_a_newer_one_came(self, new_store: NewStore) -> None:
        async def body(store):
            assert await store.move(message(0, roaming=True, vlr="49171")) == (Result.UNKNOWN_SUBSCRIBER, 0)
            await store.put(Subscriber(A, aor="sip:a@voip.example"))
            abroad, home = message(1, roaming=True, vlr="49171"), message(2, roaming=False, vlr="4670")
            assert await store.move(abroad) == Moved(Result.WRITTEN, 2)
            assert await store.move(home) == Moved(Result.WRITTEN, 3)
            assert await store.move(abroad) == Moved(Result.REPLAYED, 3)
            late = message(3, age_s=600, roaming=True, vlr="49171")
            assert await store.move(late) == Moved(Result.STALE, 3)
            assert await store.move(late) == Moved(Result.REPLAYED, 3)
            assert await store.move(message(4, age_s=60, roaming=False, vlr="4670")) == Moved(
                Result.UNCHANGED, 4
            )
            assert await store.move(message(5)) == Moved(Result.TAKEN, 5)
            assert await store.move(message(6, age_s=None)) == Moved(Result.TAKEN, 5)
            assert await store.move(message(6, age_s=None)) == Moved(Result.REPLAYED, 5)
            expected = Subscriber(A, aor="sip:a@voip.example", roaming=False, vlr="4670", version=5)
            assert await find(store, A) == expected == await store.get(A)

        run(new_store, body)

    def test_what_messages_came_is_known_after_reopening_and_to_all_who_share_the_store(
        self, new_store: NewStore
    ) -> None:
        if not self.durable:
            return
        first = message(1, roaming=True, vlr="49171")

        async def main() -> None:
            async with opened(new_store) as store:
                await store.put(Subscriber(A))
                assert (await store.move(first)).result is Result.WRITTEN
            async with opened(new_store) as store:
                assert (await store.move(first)).result is Result.REPLAYED
                assert (
                    await store.move(message(2, age_s=300, roaming=False, vlr="4670"))
                ).result is Result.STALE
                await store.delete(A, 2)
            async with opened(new_store) as store:  # another subscriber may have the number now
                await store.put(Subscriber(A))
                assert await store.move(message(2, age_s=300, roaming=False, vlr="4670")) == (
                    Result.WRITTEN,
                    2,
                )

        asyncio.run(main())

    def test_of_messages_that_come_together_each_counts_once(self, new_store: NewStore) -> None:
        async def body(store):
            await store.put(Subscriber(A))
            sent = [
                message(number % MOST, roaming=bool(number % 2), vlr="4670") for number in range(3 * MOST)
            ]
            writes = [store.put(subscriber(number)) for number in range(2, 22)]
            results = await asyncio.gather(*(store.move(each) for each in sent), *writes)
            kinds = [each.result for each in results[: 3 * MOST]]
            assert kinds.count(Result.REPLAYED) == 2 * MOST
            assert (await store.get(A)).version == 1 + MOST

        run(new_store, body)

    @examples(
        5,
        # As of `test_every_legal_record_comes_back_as_it_went`; no message comes twice.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        batch=st.lists(records, min_size=1, max_size=10, unique_by=lambda record: record.msisdn),
        roaming=st.booleans(),
        vlr=digits,
    )
    def test_a_message_changes_what_the_table_of_provisioning_says_and_nothing_else(
        self, new_store: NewStore, batch: list[Subscriber], roaming: bool, vlr: str
    ) -> None:
        async def body(store):
            await store.put_many(batch)
            before = await asyncio.gather(*(store.get(each.msisdn) for each in batch))
            identity = next(identities).to_bytes(8, "big")
            moved = await asyncio.gather(
                *(store.move(Move(each.msisdn, identity, 0, roaming, vlr)) for each in batch)
            )
            after = await asyncio.gather(*(store.get(each.msisdn) for each in batch))
            for old, (result, version), new in zip(before, moved, after, strict=True):
                wanted = provisioning.apply(old, SetRoaming(roaming, vlr))
                assert result is (Result.UNCHANGED if wanted == old else Result.WRITTEN)
                assert new == versioned(wanted, version) == versioned(wanted, old.version + 1)

        run(new_store, body)

    def test_a_one_time_number_is_for_one_call_of_its_caller_in_time(self, new_store: NewStore) -> None:
        async def body(store):
            now = [10**12]
            numbers = OneTimeNumbers(lambda: store, lambda: now[0])
            desk = StoredPasses(store, pytest.fail, lambda: now[0])

            async def claims(*callers):
                asked = [Claiming() for _ in callers]
                for caller, each in zip(callers, asked, strict=True):
                    desk.claim(A, caller, each)
                return [await each.answer for each in asked]

            assert await numbers.grant(A, "46701", 30) == 10**12 + 30_000
            found = await find(store, A)
            assert (found.authorized, fits(found, "46701"), fits(found, "46702"), fits(found, "")) == (
                False, True, False, False,
            )  # fmt: skip
            assert await claims("46702", "") == [False, False]
            assert sum(await claims(*["46701"] * 20)) == 1
            assert not await numbers.withdraw(A)
            await numbers.grant(A, "46701", 30)
            now[0] += 30_000
            assert await claims("46701") == [False]
            assert await numbers.shown(A) is None
            # others' calls, now it is given again; then it is taken back
            await numbers.grant(A, "46702", 30)
            assert await claims("46701") == [False]
            assert await numbers.shown(A) == ("46702", now[0] + 30_000)
            assert await numbers.withdraw(A)
            assert await claims("46702") == [False]
            # what is over is cleared away by what comes later, and no subscriber's record is touched
            now[0] += 30_000 + KEPT_MS
            await store.put(subscriber := Subscriber("46700000002", authorized=True))
            with pytest.raises(TakenError):
                await numbers.grant(subscriber.msisdn, "46701", 30)
            for number in ("46700000003", "46700000004"):
                await numbers.grant(number, "46701", 30)
            assert {each.msisdn for each in await everything(store)} == {
                "46700000002", "46700000003", "46700000004",
            }  # fmt: skip

        run(new_store, body)

    def test_what_is_cleared_away_is_over_and_nobodys(self, new_store: NewStore) -> None:
        async def body(store):
            now = [10**12]
            numbers = OneTimeNumbers(lambda: store, lambda: now[0])
            again, mine = "46700000003", "46700000004"
            await numbers.grant(A, "46701", 30)
            await numbers.grant(again, "46701", 30)
            await numbers.grant(mine, "46701", 30)
            await store.put(Subscriber(mine, authorized=True, version=1))
            now[0] += 30_000 + KEPT_MS - 1
            await numbers.grant(again, "46702", 600)
            assert {each.msisdn for each in await everything(store)} == {A, again, mine}
            now[0] += 1
            await numbers.grant("46700000005", "46701", 30)
            assert {each.msisdn for each in await everything(store)} == {again, mine, "46700000005"}
            assert await numbers.shown(again) == ("46702", now[0] - 1 + 600_000)

        run(new_store, body)

    def test_writes_sent_together_are_taken_in_order(self, new_store: NewStore) -> None:
        async def body(store):
            results = await asyncio.gather(
                store.put(Subscriber(A, imsi="1")),
                store.put(Subscriber(A, imsi="2")),
                store.put(Subscriber(A, imsi="3", version=1)),
                store.delete(A, 2),
                store.put(Subscriber(A, imsi="4")),
                return_exceptions=True,
            )
            kinds = [type(result) for result in results]
            assert kinds == [Subscriber, VersionConflictError, Subscriber, type(None), Subscriber]
            assert results[1].current == Subscriber(A, imsi="1", version=1)
            assert await find(store, A) == Subscriber(A, imsi="4", version=1)

        run(new_store, body)

    def test_put_many(self, new_store: NewStore) -> None:
        async def body(store):
            await store.put(subscriber(3, aor="sip:old@voip.example"))
            await store.put_many([subscriber(number, authorized=True) for number in range(2000)])
            assert await store.count() == 2000
            assert await find(store, subscriber(3).msisdn) == subscriber(3, authorized=True, version=2)
            assert await find(store, subscriber(1999).msisdn) == subscriber(1999, authorized=True, version=1)
            await store.put_many([])
            await store.put_many([subscriber(5, imsi="1"), subscriber(5, imsi="2")])
            assert (await find(store, subscriber(5).msisdn)).imsi == "2"

        run(new_store, body)

    def test_put_many_is_all_or_nothing(self, new_store: NewStore) -> None:
        async def body(store):
            await store.put(subscriber(1))
            bad = [subscriber(number, authorized=True) for number in range(700)] + [Subscriber("12 34")]
            with pytest.raises(ValueError, match="msisdn"):
                await store.put_many(bad)
            assert await everything(store) == [subscriber(1, version=1)]

        run(new_store, body)

    def test_bulk_load_and_single_writes_together(self, new_store: NewStore) -> None:
        async def body(store):
            one = await store.put(subscriber(1, imsi="1"))
            results = await asyncio.gather(
                store.put_many([subscriber(number, imsi="2") for number in range(600)]),
                store.put(msgspec.structs.replace(one, imsi="3")),
                return_exceptions=True,
            )
            last = await find(store, one.msisdn)
            if isinstance(results[1], VersionConflictError):  # the bulk load came first
                assert last == subscriber(1, imsi="2", version=2)
            else:
                assert results[1] == subscriber(1, imsi="3", version=2)
                assert last == subscriber(1, imsi="2", version=3)

        run(new_store, body)

    def test_scan_is_complete_and_ordered(self, new_store: NewStore) -> None:
        async def body(store):
            wanted = [subscriber(number, version=1) for number in range(1234)]
            shuffled = random.Random(1).sample(wanted, len(wanted))
            await store.put_many(shuffled)
            found = await everything(store)
            assert sorted(found, key=lambda record: record.msisdn) == wanted
            if self.ordered:
                assert found == wanted
                rest = [record async for record in store.scan(wanted[1000].msisdn)]
                assert rest == wanted[1001:]

        run(new_store, body)

    def test_scan_while_others_write(self, new_store: NewStore) -> None:
        async def body(store):
            untouched = {subscriber(number).msisdn for number in range(0, 2400, 2)}
            await store.put_many([Subscriber(msisdn) for msisdn in untouched])
            stop = False

            async def write() -> None:
                number = 1
                while not stop:
                    written = await store.put(subscriber(number))
                    await store.put(written)
                    if number % 3 == 0:
                        await store.delete(written.msisdn, 2)
                    number += 2

            writer = asyncio.create_task(write())
            seen = []
            async for record in store.scan():
                seen.append(record.msisdn)
                if len(seen) % 100 == 0:
                    await asyncio.sleep(0)
            stop = True
            await writer
            assert len(seen) == len(set(seen))
            assert untouched <= set(seen)

        run(new_store, body)

    @examples(
        40,
        # Every example writes whole records and compares whole records: what another example left is no matter.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(batch=st.lists(records, min_size=1, max_size=20, unique_by=lambda record: record.msisdn))
    def test_every_legal_record_comes_back_as_it_went(
        self, new_store: NewStore, batch: list[Subscriber]
    ) -> None:
        async def main() -> None:
            async with opened(new_store) as store:
                await store.put_many(batch)
                for record in batch:
                    found = await find(store, record.msisdn)
                    assert versioned(found, 0) == record
                    assert await store.get(record.msisdn) == found
            if self.durable:
                async with opened(new_store) as again:
                    for record in batch:
                        assert versioned(await find(again, record.msisdn), 0) == record

        asyncio.run(main())

    def test_big_values(self, new_store: NewStore) -> None:
        async def body(store):
            big = Subscriber(
                A,
                aor="sip:" + "x" * 5000 + "@voip.example",
                when=When.LOCATIONS,
                locations=tuple(f"{number:032x}" for number in range(5000)),
            )
            written = await store.put(big)
            assert await find(store, A) == written == versioned(big, 1)
            assert await everything(store) == [written]

        run(new_store, body)

    @pytest.mark.parametrize(
        ("record", "field"),
        [
            (Subscriber(""), "msisdn"),
            (Subscriber("1234"), "msisdn"),
            (Subscriber("1234567890123456"), "msisdn"),
            (Subscriber("+46700000001"), "msisdn"),
            (Subscriber("46700000001\n"), "msisdn"),
            (Subscriber("٤٦٧٠٠٠٠٠٠٠١"), "msisdn"),
            (Subscriber(A, imsi=""), "imsi"),
            (Subscriber(A, imsi="²40010000000001"), "imsi"),
            (Subscriber(A, forwarding_number="+4670"), "forwarding_number"),
            (Subscriber(A, vlr="4670a"), "vlr"),
            (Subscriber(A, aor="sip:å@voip.example"), "aor"),
            (Subscriber(A, aor="sip:a\0@voip.example"), "aor"),
            (Subscriber(A, aor="sip:a\ud800@voip.example"), "aor"),
            (Subscriber(A, locations=("4670", "")), "locations"),
            (Subscriber(A, locations=("46,70",)), "locations"),
            (Subscriber(A, version=-1), "version"),
        ],
    )
    def test_what_no_store_takes(self, new_store: NewStore, record: Subscriber, field: str) -> None:
        async def body(store):
            with pytest.raises(ValueError, match=f"^{field} "):
                await store.put(record)
            with pytest.raises(ValueError, match=f"^{field} "):
                await store.put_many([subscriber(1), record])
            assert await store.count() == 0

        run(new_store, body)

    def test_a_caller_that_gives_up_harms_nobody(self, new_store: NewStore) -> None:
        async def body(store):
            leaving = asyncio.create_task(store.put(subscriber(1)))
            staying = asyncio.create_task(store.put(subscriber(2)))
            await asyncio.sleep(0)
            leaving.cancel()
            assert (await staying).version == 1
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert (await store.put(subscriber(3))).version == 1

        run(new_store, body)

    def test_closing_commits_what_was_begun(self, new_store: NewStore) -> None:
        async def main() -> None:
            store = new_store()
            await store.open()
            writes = [asyncio.create_task(store.put(subscriber(number))) for number in range(50)]
            await asyncio.sleep(0)
            await store.close()
            assert [(await write).version for write in writes] == [1] * 50
            if self.durable:
                async with opened(new_store) as again:
                    assert await again.count() == 50

        asyncio.run(main())

    def test_what_was_written_is_there_after_reopening(self, new_store: NewStore) -> None:
        if not self.durable:
            return

        async def main() -> None:
            async with opened(new_store) as store:
                await store.put_many([subscriber(number) for number in range(100)])
                await store.delete(subscriber(7).msisdn, 1)
                wanted = await store.put(subscriber(8, aor="sip:8@voip.example", version=1))
            async with opened(new_store) as store:
                assert await store.count() == 99
                assert await find(store, subscriber(7).msisdn) is None
                assert await find(store, wanted.msisdn) == wanted
                with pytest.raises(VersionConflictError):
                    await store.put(subscriber(8))

        asyncio.run(main())

    def test_a_store_that_is_not_open_says_so(self, new_store: NewStore) -> None:
        async def main() -> None:
            store = new_store()
            assert store.usable() != ""
            assert await find(store, A) is StoreFailure.UNAVAILABLE
            await store.close()
            await store.open()
            await store.close()
            await store.close()
            assert store.usable() != ""
            for attempt in (store.get(A), store.put(Subscriber(A)), store.delete(A, 0), store.count()):
                with pytest.raises(StoreError) as raised:
                    await attempt
                assert raised.value.kind == "closed"

        asyncio.run(main())
