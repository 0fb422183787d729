"""The contract that every ledger passes: subclass `LedgerContract` beside a ``new_ledger`` fixture.

``new_ledger()`` returns a ledger, not yet opened, on data that is the same for all calls within one test.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.domain.reservation import (
    OPEN,
    TABLE,
    Account,
    Event,
    Outcome,
    Reservation,
    Result,
    State,
    Step,
    advance,
    reservation_id,
)
from scp.domain.tariff import MAX_AMOUNT, Band, Tariff
from scp.ports import Ledger

A = "46700000001"
B = "46700000002"
NewLedger = Callable[[], Ledger]


def reservation(number: int = 1, account: str = A, **fields) -> Reservation:
    return Reservation(
        id=reservation_id(account, number.to_bytes(8, "big")),
        account=account,
        call_id=f"call-{number}",
        a_number=account,
        b_number="4612345",
        created_ms=1_700_000_000_000,
        **fields,
    )


def reserve(amount: int, expires_ms: int = 5000, seconds: int = 60) -> Step:
    return Step(Event.RESERVE, 1000, amount, seconds, expires_ms)


def commit(amount: int, seconds: int = 30) -> Step:
    return Step(Event.COMMIT, 2000, amount, seconds)


RELEASE = Step(Event.RELEASE, 2000)
EXPIRE = Step(Event.EXPIRE, 6000)
DENY = Step(Event.DENY, 1000)
SETTLE = Step(Event.SETTLE, 2000, 90, 90)
MAKING = (Event.RESERVE, Event.DENY)
"""What is asked of a reservation that is not there yet: by `Ledger.reserve`."""


@asynccontextmanager
async def opened(new_ledger: NewLedger):
    ledger = new_ledger()
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


def run(new_ledger: NewLedger, body: Callable[[Ledger], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened(new_ledger) as ledger:
            await body(ledger)

    asyncio.run(main())


async def consistent(ledger: Ledger) -> None:
    """Money was neither made nor lost."""
    totals = await ledger.totals()
    assert totals.credited - totals.charged == totals.balance
    assert 0 <= totals.held <= totals.balance


class LedgerContract:
    durable = True

    def test_unknown(self, new_ledger: NewLedger) -> None:
        async def body(ledger):
            assert ledger.usable() == ""
            assert await ledger.account(A) is None
            assert await ledger.reservation(reservation().id) is None
            assert (await ledger.reserve(reservation(), reserve(10))).result is Result.NO_ACCOUNT
            for step in (commit(1), RELEASE, EXPIRE, Step(Event.EXTEND, 1, 5, 5, 5)):
                assert await ledger.step(reservation().id, step) == Outcome(Result.UNKNOWN)
            for nonsense in ("", "zz", "ff00", "../../etc", "٠٠١١"):
                assert (await ledger.step(nonsense, RELEASE)).result is Result.UNKNOWN
                assert await ledger.reservation(nonsense) is None
            assert await ledger.due(10**15, 10) == await ledger.unrecorded(10) == []
            assert await ledger.forget(10**15, 10) == 0
            await consistent(ledger)

        run(new_ledger, body)

    def test_credits_count_once(self, new_ledger: NewLedger) -> None:
        async def body(ledger):
            assert await ledger.credit(A, "p1", 500, 1) == Outcome(Result.DONE, Account(A, 500))
            assert await ledger.credit(A, "p1", 500, 2) == Outcome(Result.REPEATED, Account(A, 500))
            assert (await ledger.credit(A, "p1", 501, 2)).result is Result.REFUSED
            assert (await ledger.credit(B, "p1", 7, 2)).result is Result.DONE
            assert await ledger.credit(A, "p2", -200, 3) == Outcome(Result.DONE, Account(A, 300))
            assert (await ledger.credit(A, "p3", -301, 3)).result is Result.INSUFFICIENT
            assert (await ledger.credit(A, "p4", MAX_AMOUNT, 3)).result is Result.INSUFFICIENT
            assert await ledger.account(A) == Account(A, 300)
            assert await ledger.account(B) == Account(B, 7)
            assert (await ledger.credit(B, "p5", MAX_AMOUNT - 7, 3)).account == Account(B, MAX_AMOUNT)
            await consistent(ledger)

        run(new_ledger, body)

    def test_what_is_held_can_not_be_taken_back(self, new_ledger: NewLedger) -> None:
        async def body(ledger):
            await ledger.credit(A, "p", 100, 1)
            await ledger.reserve(reservation(), reserve(80))
            assert (await ledger.credit(A, "q", -21, 1)).result is Result.INSUFFICIENT
            assert (await ledger.credit(A, "r", -20, 1)).account == Account(A, 80, 80)

        run(new_ledger, body)

    def test_a_call(self, new_ledger: NewLedger) -> None:
        tariff = Tariff("46", 12, 60, "sverige", 5, 60, 1, (Band(20, "08:00", "18:00"),))
        new = reservation(tariff=tariff, reference="chf/7", local_start=99, fingerprint="f")

        async def body(ledger):
            await ledger.credit(A, "p", 100, 1)
            held = await ledger.reserve(new, reserve(40))
            assert held.result is Result.DONE
            assert held.account == Account(A, 100, 40)
            assert held.reservation == await ledger.reservation(new.id)
            assert held.reservation.tariff == tariff
            assert (held.reservation.state, held.reservation.held) == (State.RESERVED, 40)
            more = await ledger.step(new.id, Step(Event.EXTEND, 1500, 70, 120, 9000))
            assert more.account == Account(A, 100, 70)
            assert (more.reservation.granted_seconds, more.reservation.expires_ms) == (120, 9000)
            assert await ledger.unrecorded(10) == []
            paid = await ledger.step(new.id, commit(55, 90))
            assert paid.account == Account(A, 45, 0)
            assert (paid.reservation.charged, paid.reservation.used_seconds, paid.reservation.steps) == (
                55,
                90,
                3,
            )
            again = await ledger.step(new.id, commit(55, 90))
            assert (again.result, again.account, again.reservation) == (
                Result.REPEATED,
                paid.account,
                paid.reservation,
            )
            assert (await ledger.step(new.id, RELEASE)).result is Result.REFUSED
            assert await ledger.unrecorded(10) == [paid.reservation]
            assert await ledger.unrecorded(10, {new.id: paid}) == []
            assert await ledger.unrecorded(1, ["another"]) == [paid.reservation]
            assert await ledger.forget(10**15, 100) == 0  # not before its CDR is written
            await ledger.recorded([new.id])
            assert await ledger.unrecorded(10) == []
            await consistent(ledger)
            assert await ledger.forget(2000, 100) == 0
            assert await ledger.forget(2001, 100) == 1
            assert await ledger.reservation(new.id) is None
            assert (await ledger.totals()).charged == 55
            await consistent(ledger)

        run(new_ledger, body)

    def test_expiry_frees_and_a_late_commit_still_counts(self, new_ledger: NewLedger) -> None:
        async def body(ledger):
            await ledger.credit(A, "p", 100, 1)
            await ledger.reserve(reservation(1), reserve(60, expires_ms=5000))
            await ledger.reserve(reservation(2), reserve(40, expires_ms=7000))
            assert await ledger.due(4999, 10) == []
            assert await ledger.due(5000, 10) == [reservation(1).id]
            assert sorted(await ledger.due(7000, 10)) == sorted(reservation(n).id for n in (1, 2))
            assert len(await ledger.due(7000, 1)) == 1
            assert (await ledger.step(reservation(1).id, EXPIRE)).account == Account(A, 100, 40)
            assert await ledger.due(5000, 10) == []
            assert (await ledger.step(reservation(1).id, RELEASE)).result is Result.REPEATED
            await ledger.reserve(reservation(3), reserve(35))
            late = await ledger.step(reservation(1).id, commit(50))
            assert late.reservation.charged == 25  # what the others have left
            assert late.account == Account(A, 75, 75)
            await consistent(ledger)

        run(new_ledger, body)

    def test_free_calls_need_no_account(self, new_ledger: NewLedger) -> None:
        async def body(ledger):
            assert (await ledger.reserve(reservation(), reserve(0))).result is Result.DONE
            assert (await ledger.step(reservation().id, commit(0, 77))).reservation.used_seconds == 77
            assert [each.id for each in await ledger.unrecorded(5)] == [reservation().id]
            assert await ledger.account(A) is None
            await consistent(ledger)

        run(new_ledger, body)

    def test_a_denial_is_kept_as_long_as_a_reservation(self, new_ledger: NewLedger) -> None:
        new = reservation(denial="unknown-account")

        async def body(ledger):
            made = await ledger.reserve(new, DENY)
            assert (made.result, made.reservation.state, made.reservation.denial) == (
                Result.DONE,
                State.DENIED,
                "unknown-account",
            )
            assert await ledger.reservation(new.id) == made.reservation
            await ledger.credit(A, "p", 100, 1)
            again = await ledger.reserve(reservation(), reserve(10))
            assert (again.result, again.reservation) == (Result.REPEATED, made.reservation)
            assert await ledger.account(A) == Account(A, 100, 0)
            assert await ledger.due(10**15, 9) == await ledger.unrecorded(9) == []
            assert await ledger.forget(1000, 9) == 0
            assert await ledger.forget(1001, 9) == 1
            assert await ledger.reservation(new.id) is None
            await consistent(ledger)

        run(new_ledger, body)

    def test_the_whole_table(self, new_ledger: NewLedger) -> None:
        """Every state by a shortest way there, every event in it: as `advance` has it."""
        ways = {
            State.RESERVED: [reserve(40)],
            State.EXTENDED: [reserve(40), Step(Event.EXTEND, 1500, 50, 100, 8000)],
            State.COMMITTED: [reserve(40), commit(20)],
            State.RELEASED: [reserve(40), RELEASE],
            State.EXPIRED: [reserve(40), EXPIRE],
            State.DENIED: [DENY],
        }
        extend = Step(Event.EXTEND, 1600, 70, 180, 9000)
        events = [reserve(40), DENY, extend, commit(30), SETTLE, RELEASE, EXPIRE]
        assert {step.event for step in events} == set(Event)
        assert {State.NONE, *ways} == set(State)

        async def body(ledger):
            number = 0
            for state, way in ways.items():
                for step in events:
                    number += 1
                    account = f"46700{number:06d}"
                    new = reservation(number, account)
                    await ledger.credit(account, "p", 100, 1)
                    for each in way:
                        await (
                            ledger.reserve(new, each) if each.event in MAKING else ledger.step(new.id, each)
                        )
                    before = await ledger.account(account), await ledger.reservation(new.id)
                    assert before[1].state is state
                    outcome = await (
                        ledger.reserve(new, step) if step.event in MAKING else ledger.step(new.id, step)
                    )
                    assert outcome == advance(*before, step), (state, step)
                    row = TABLE.get((state, step.event))
                    assert (outcome.result is Result.REFUSED) == (row is None)
                    after = await ledger.account(account), await ledger.reservation(new.id)
                    assert after == (outcome.account, outcome.reservation)

        run(new_ledger, body)

    @pytest.mark.hypothesis
    def test_any_sequence_agrees_with_the_model(self, new_ledger: NewLedger) -> None:
        """Random steps on two accounts: the ledger and `advance` say the same, and the sums hold."""
        numbers = iter(range(1, 1 << 30))
        steps = st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(Event), st.integers(0, 120), st.integers(0, 300)),
            max_size=25,
        )

        @given(steps)
        @examples(30, suppress_health_check=list(HealthCheck))
        def check(plan) -> None:
            async def body(ledger):
                base = next(numbers) * 10
                accounts = [f"467{base + n:09d}" for n in (0, 1)]
                model: dict[str, Account] = {}
                made: dict[str, Reservation] = {}
                for account in accounts:
                    await ledger.credit(account, "p", 200, 1)
                    model[account] = Account(account, 200)
                for which, event, amount, seconds in plan:
                    new = reservation(base + which, accounts[which % 2])
                    step = Step(event, 1000 + seconds, amount, seconds, 2000 + seconds)
                    found = made.get(new.id, new)
                    expected = advance(model[new.account], found, step)
                    got = await (ledger.reserve(new, step) if event in MAKING else ledger.step(new.id, step))
                    assert got.result is expected.result
                    assert got.reservation == expected.reservation
                    if expected.result is Result.DONE:
                        model[new.account], made[new.id] = expected.account, expected.reservation
                    for account in accounts:
                        assert await ledger.account(account) == model[account]
                for account in accounts:
                    own = [each for each in made.values() if each.account == account]
                    assert model[account].balance == 200 - sum(each.charged for each in own)
                    assert model[account].held == sum(each.held for each in own if each.state in OPEN)
                await consistent(ledger)

            run(new_ledger, body)

        check()

    @pytest.mark.hypothesis
    def test_what_is_due_and_what_is_forgotten_at_any_time(self, new_ledger: NewLedger) -> None:
        """Reserved, put off or brought forward, ended in any order: who asks gets what has expired by then."""
        numbers = iter(range(1, 1 << 30))
        times = st.integers(1, 200_000)  # milliseconds
        steps = st.lists(
            st.tuples(
                st.sampled_from(["reserve", "extend", "commit", "release", "due"]), st.integers(0, 5), times
            ),
            max_size=30,
        )

        @given(steps, times)
        @examples(30, suppress_health_check=list(HealthCheck))
        def check(plan, before) -> None:
            async def body(ledger):
                while await ledger.forget(10**14, 100):  # what another example has left
                    pass
                base = next(numbers) * 10
                made: dict[str, Reservation] = {}
                for what, which, at in plan:
                    new = made.get(reservation(base + which).id, reservation(base + which))
                    if what == "reserve":
                        made[new.id] = (await ledger.reserve(new, reserve(0, at))).reservation
                    elif what == "due":
                        expected = sorted(
                            n.id for n in made.values() if n.state in OPEN and n.expires_ms <= at
                        )
                        assert sorted(await ledger.due(at, 1000)) == expected
                        assert len(await ledger.due(at, 1)) == min(1, len(expected))
                    elif new.id in made:
                        event = {"extend": Event.EXTEND, "commit": Event.COMMIT, "release": Event.RELEASE}[
                            what
                        ]
                        outcome = await ledger.step(new.id, Step(event, at, 0, 60, at))
                        made[new.id] = outcome.reservation
                ended = [each for each in made.values() if each.state not in OPEN]
                await ledger.recorded([each.id for each in ended][::2])
                written = {each.id for each in ended[::2]} | {
                    n.id for n in ended if n.state is State.RELEASED
                }
                gone = {each.id for each in ended if each.ended_ms < before and each.id in written}
                assert await ledger.forget(before, 100) == len(gone)
                for each in made.values():
                    assert await ledger.reservation(each.id) == (None if each.id in gone else each)
                for each in made.values():
                    if each.state in OPEN:
                        await ledger.step(each.id, RELEASE)
                assert await ledger.due(10**14, 1000) == []
                await ledger.recorded(list(made))
                assert await ledger.forget(10**14, 100) == len(made) - len(gone)

            run(new_ledger, body)

        check()

    def test_a_thousand_clients_never_overspend(self, new_ledger: NewLedger) -> None:
        """Each reserves, then commits, releases or leaves; the balance is enough for some of them only."""
        clients, price, credit = 1000, 37, 9_999
        chance = random.Random(1)
        fates = [chance.choice((commit(price), commit(11), RELEASE, None)) for _ in range(clients)]

        async def body(ledger):
            await ledger.credit(A, "p", credit, 1)

            async def client(number: int) -> Reservation | None:
                new = reservation(number)
                outcome = await ledger.reserve(new, reserve(price))
                if outcome.result is Result.INSUFFICIENT:
                    return None
                assert outcome.result is Result.DONE
                if fates[number] is None:
                    return outcome.reservation
                first, second = await asyncio.gather(
                    ledger.step(new.id, fates[number]), ledger.step(new.id, fates[number])
                )
                assert {first.result, second.result} == {Result.DONE, Result.REPEATED}
                assert first.reservation == second.reservation
                return first.reservation

            all_of_them = await asyncio.gather(*(client(number) for number in range(clients)))
            served = [each for each in all_of_them if each is not None]
            assert credit // price <= len(served) < clients
            account = await ledger.account(A)
            charged = sum(each.charged for each in served)
            assert account.balance == credit - charged >= 0
            assert account.held == sum(each.held for each in served if each.state in OPEN)
            assert (await ledger.totals()).charged == charged
            await consistent(ledger)

        run(new_ledger, body)

    def test_what_was_done_is_there_after_reopening(self, new_ledger: NewLedger) -> None:
        async def fill(ledger):
            await ledger.credit(A, "p", 100, 1)
            await ledger.reserve(reservation(), reserve(60))

        async def look(ledger):
            assert await ledger.account(A) == Account(A, 100, 60)
            assert (await ledger.credit(A, "p", 100, 1)).result is Result.REPEATED
            assert (await ledger.reserve(reservation(), reserve(60))).result is Result.REPEATED

        run(new_ledger, fill)
        if self.durable:
            run(new_ledger, look)

    def test_closed(self, new_ledger: NewLedger) -> None:
        ledger = new_ledger()

        async def main() -> None:
            assert ledger.usable() != ""
            await ledger.open()
            await ledger.open()
            await ledger.close()
            await ledger.close()
            assert ledger.usable() != ""

        asyncio.run(main())
