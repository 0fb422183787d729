"""What every store of held calls promises; and one naive model that all of them are compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from oracles.waiting import PATIENCE
from scp.held_call_ports import NOBODY, HeldCalls, HeldEntry, Kept

NewHeld = Callable[[], HeldCalls]
TID = b"\x01\x02\x03\x04"
NOW = 1_800_000_000_000


class Told:
    """A `KeptWaiter` that remembers."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()

    def kept(self, outcome: Kept) -> None:
        self.outcome.set_result(outcome)


async def put(store: HeldCalls, entry: HeldEntry, due_ms: int = NOW) -> Kept:
    told = Told()
    store.put(entry, due_ms, told)
    assert not told.outcome.done(), "told from within put"
    async with asyncio.timeout(PATIENCE):
        return await told.outcome


async def delete(store: HeldCalls, tid: bytes, fence: int, owner: int) -> Kept:
    told = Told()
    store.delete(tid, fence, owner, told)
    assert not told.outcome.done(), "told from within delete"
    async with asyncio.timeout(PATIENCE):
        return await told.outcome


def entry(record: bytes = b"state", *, fence: int = 1, owner: int = 1, tid: bytes = TID) -> HeldEntry:
    return HeldEntry(tid, fence, owner, record)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "claim", "release", "leave", "get"]),
        st.integers(1, 3),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=25,
)


async def compared(store: HeldCalls, tid: bytes, steps: list[tuple[str, int, bytes]]) -> None:
    """Take the steps, and hold each outcome against the model's."""
    fence, owner, record, left = 0, 0, None, []
    seen: dict[int, int] = {}
    for what, who, octets in steps:
        mine = seen.get(who, 1)
        holds = (fence, owner) == (mine, who)
        there = record is not None
        if what == "put":
            wanted = holds or fence == 0
            outcome = await put(store, HeldEntry(tid, mine, who, octets))
            assert outcome is (Kept.WRITTEN if wanted else Kept.FENCED)
            if wanted:
                fence, owner, record, seen[who] = mine, who, octets, mine
        elif what == "delete":
            assert await delete(store, tid, mine, who) is (Kept.WRITTEN if holds else Kept.FENCED)
            if holds:
                record = None
                if mine == 1:
                    fence, owner = 0, 0
        elif what == "claim":
            claimed = await store.claim(tid, mine, who)
            if there and fence == mine:
                fence, owner = fence + 1, who
                assert claimed == HeldEntry(tid, fence, who, record, tuple(left))
                seen[who], left = fence, []
            else:
                assert claimed is None
        elif what == "release":
            assert await store.release(tid, mine, who) is (there and holds)
            if there and holds:
                fence, owner = fence + 1, NOBODY
        elif what == "leave":
            assert await store.leave(tid, octets) is there
            if there:
                fence, owner = fence + 1, NOBODY
                left.append(octets)
        else:
            found: Any = await store.get(tid)
            assert found == (HeldEntry(tid, fence, owner, record) if there else None)
            if found is not None:
                seen[who] = fence


class HeldContract:
    """Subclasses have the fixture `new_held`: opens the same data again and again if `durable`."""

    durable = True
    clients = 1
    """How many can have one store open at once, for the races."""

    def run(self, new_held: NewHeld, scenario: Callable[[HeldCalls], Awaitable[None]]) -> None:
        async def main() -> None:
            store = new_held()
            await store.open()
            assert store.usable() == ""
            try:
                await scenario(store)
            finally:
                await store.close()

        asyncio.run(main())

    def test_what_is_written_is_there_and_then_deleted(self, new_held: NewHeld) -> None:
        async def scenario(store: HeldCalls) -> None:
            assert await store.get(TID) is None
            assert await put(store, entry()) is Kept.WRITTEN
            assert await put(store, entry(bytes(range(256)))) is Kept.WRITTEN
            assert await store.get(TID) == entry(bytes(range(256)))
            assert await store.count() == 1
            assert await delete(store, TID, 1, 1) is Kept.WRITTEN
            assert await put(store, entry(tid=b"\x01\x02\x03\x14")) is Kept.WRITTEN
            assert await store.get(TID) is None
            assert await store.ids(1) == [b"\x01\x02\x03\x14"]

        self.run(new_held, scenario)

    def test_another_process_finds_it(self, new_held: NewHeld) -> None:
        if not self.durable:
            pytest.skip("it is in memory")

        async def first(store: HeldCalls) -> None:
            assert await put(store, entry(b"one")) is Kept.WRITTEN

        async def second(store: HeldCalls) -> None:
            assert await store.get(TID) == entry(b"one")
            assert [each.tid for each in await store.due(NOW, 9)] == [TID]

        self.run(new_held, first)
        self.run(new_held, second)

    def test_one_claims_and_the_owner_before_is_fenced(self, new_held: NewHeld) -> None:
        async def scenario(store: HeldCalls) -> None:
            await put(store, entry(b"one"))
            claims = await asyncio.gather(*(store.claim(TID, 1, owner) for owner in range(2, 10)))
            won = [each for each in claims if each is not None]
            assert len(won) == 1
            assert (won[0].fence, won[0].record, won[0].left) == (2, b"one", ())
            assert await put(store, entry(b"old")) is Kept.FENCED
            assert await delete(store, TID, 1, 1) is Kept.FENCED
            assert await store.claim(TID, 1, 7) is None
            assert await put(store, entry(b"new", fence=2, owner=won[0].owner)) is Kept.WRITTEN
            assert (await store.get(TID)).record == b"new"  # type: ignore[union-attr]
            assert await delete(store, TID, 2, won[0].owner) is Kept.WRITTEN
            assert await put(store, entry(b"old")) is Kept.FENCED, (
                "who was fenced writes no deleted entry again"
            )
            assert await store.get(TID) is None
            assert await store.claim(TID, 2, 7) is None

        self.run(new_held, scenario)

    def test_a_drain_releases_and_messages_are_left_once(self, new_held: NewHeld) -> None:
        async def scenario(store: HeldCalls) -> None:
            await put(store, entry(b"one"), NOW + 1000)
            assert not await store.release(TID, 1, 2)
            assert await store.release(TID, 1, 1)
            assert await store.due(NOW, 9) == []
            assert (await store.get(TID)) == entry(b"one", fence=2, owner=NOBODY)
            assert not await store.release(TID, 1, 1)
            assert await store.leave(TID, b"first")
            assert await store.leave(TID, b"second" * 50)
            assert not await store.leave(b"\x01\x09\x09\x09", b"nobody's")
            (due,) = await store.due(NOW, 9)
            claimed = await store.claim(TID, due.fence, 3)
            assert claimed == HeldEntry(TID, due.fence + 1, 3, b"one", (b"first", b"second" * 50))
            again = await store.claim(TID, due.fence + 1, 4)
            assert again is not None
            assert again.left == ()

        self.run(new_held, scenario)

    def test_the_messages_that_are_left_are_bounded(self, new_held: NewHeld) -> None:
        async def scenario(store: HeldCalls) -> None:
            await put(store, entry())
            for _ in range(100):
                assert await store.leave(TID, bytes(255))
            fence = (await store.get(TID)).fence  # type: ignore[union-attr]
            claimed = await store.claim(TID, fence, 3)
            assert claimed is not None
            assert 60 <= len(claimed.left) <= 65

        self.run(new_held, scenario)

    @pytest.mark.hypothesis
    def test_what_is_due_at_any_time(self, new_held: NewHeld) -> None:
        """Times that are put off and brought forward, entries that are deleted and left: as a dict has it."""
        times = st.integers(1, 200_000)  # milliseconds
        steps = st.lists(
            st.tuples(st.sampled_from(["put", "put", "delete", "leave", "due"]), st.integers(0, 5), times),
            max_size=30,
        )

        async def check(store: HeldCalls, base: int, plan: list[tuple[str, int, int]]) -> None:
            rows: dict[bytes, tuple[int, int, int]] = {}  # fence, owner, when
            for what, which, at in plan:
                tid = (base * 8 + which).to_bytes(4, "big")
                fence, owner, _ = rows.get(tid, (1, 1, 0))
                if what == "put":
                    assert await put(store, entry(fence=fence, owner=owner, tid=tid), at) is Kept.WRITTEN
                    rows[tid] = fence, owner, at
                elif what == "due":
                    expected = {tid for tid, row in rows.items() if row[2] <= at}
                    found = await store.due(at, 1000)
                    assert {each.tid for each in found} == expected
                    assert len(found) == len(expected)
                    assert len(await store.due(at, 1)) == min(1, len(expected))
                elif tid not in rows:
                    continue
                elif what == "leave":
                    assert await store.leave(tid, b"message")
                    rows[tid] = fence + 1, NOBODY, 0
                elif fence == 1:  # else its fencing number would stay, and refuse the next example's
                    assert await delete(store, tid, fence, owner) is Kept.WRITTEN
                    del rows[tid]
            for tid, (fence, owner, _) in rows.items():
                assert await delete(store, tid, fence, owner) is Kept.WRITTEN

        plans: list[list[tuple[str, int, int]]] = []

        @given(steps)
        @examples(30)
        def collect(plan: list[tuple[str, int, int]]) -> None:
            plans.append(plan)

        collect()

        async def scenario(store: HeldCalls) -> None:
            for base, plan in enumerate(plans):
                await check(store, base, plan)

        self.run(new_held, scenario)

    def test_what_is_due_comes_bounded_whoever_owns_it(self, new_held: NewHeld) -> None:
        async def scenario(store: HeldCalls) -> None:
            tids = [bytes([number % 3, 0, 0, number]) for number in range(50)]
            for number, tid in enumerate(tids):
                await put(store, entry(tid=tid, owner=number % 5), NOW + number)
            assert {each.tid for each in await store.due(NOW + 9, 99)} == set(tids[:10])
            assert len(await store.due(NOW + 99, 7)) == 7
            assert set(await store.ids(2)) == {tid for tid in tids if tid[0] == 2}
            assert await store.count() == 50

        self.run(new_held, scenario)

    @pytest.mark.hypothesis
    def test_any_steps_come_to_what_the_model_says(self, new_held: NewHeld) -> None:
        """Steps of three owners, each with the fencing number it saw last: as a model of twenty lines."""

        @examples(20)
        @given(tid=st.binary(min_size=4, max_size=4), steps=STEPS)
        def check(tid: bytes, steps: list[tuple[str, int, bytes]]) -> None:
            self.run(self.another(new_held), lambda store: compared(store, tid, steps))

        check()

    @pytest.mark.hypothesis
    def test_of_racing_claims_one_wins_and_only_its_writes_count(self, new_held: NewHeld) -> None:
        """Rounds in which owners claim and write at once, each over a connection of its own where there can be some."""

        @examples(15)
        @given(rounds=st.lists(st.sets(st.integers(1, 6), min_size=1), max_size=6))
        def check(rounds: list[set[int]]) -> None:
            asyncio.run(self.raced(self.another(new_held), rounds))

        check()

    async def raced(self, new_held: NewHeld, rounds: list[set[int]]) -> None:
        stores = [new_held() for _ in range(self.clients)]
        for store in stores:
            await store.open()
        try:
            assert await put(stores[0], entry(b"0", owner=0)) is Kept.WRITTEN
            fences = {0: 1}
            for number, owners in enumerate(rounds):
                seen = await stores[0].get(TID)
                assert seen is not None
                claims = await asyncio.gather(
                    *(stores[owner % self.clients].claim(TID, seen.fence, owner) for owner in owners)
                )
                (won,) = [each for each in claims if each is not None]
                assert won.fence == seen.fence + 1
                fences[won.owner] = won.fence
                outcomes = await asyncio.gather(
                    *(
                        put(
                            stores[owner % self.clients],
                            entry(f"{number}-{owner}".encode(), fence=fence, owner=owner),
                        )
                        for owner, fence in fences.items()
                    )
                )
                written = [
                    owner for owner, each in zip(fences, outcomes, strict=True) if each is Kept.WRITTEN
                ]
                assert written == [won.owner]
                assert await stores[-1].get(TID) == won._replace(record=f"{number}-{won.owner}".encode())
        finally:
            for store in stores:
                await store.close()

    def another(self, new_held: NewHeld) -> NewHeld:
        """Return what opens a store without entries: each example needs one."""
        raise NotImplementedError
