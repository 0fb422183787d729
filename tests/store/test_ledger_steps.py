"""Steps asked without a task come to what the embedded ledger makes of them, one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from ledger_contract import MAKING, A, NewLedger, consistent, reservation
from msgspec import structs

from oracles.examples import examples
from oracles.redis_lab import Lab
from oracles.waiting import PATIENCE
from scp.charging.quotas import LocalQuotas
from scp.domain.reservation import Event, Result, State, Step, Stepped
from scp.domain.tariff import TariffTable
from scp.ports import LedgerSteps, StoreError
from scp.store.ledger_redis import RedisLedger
from scp.store.ledger_sqlite import SqliteLedger
from scp.store.redis_url import parse_redis_url

ASKED = (Event.RESERVE, Event.EXTEND, Event.SETTLE, Event.RELEASE, Event.EXPIRE)


class Outcome:
    """A `scp.ports.StepWaiter`."""

    def __init__(self) -> None:
        self.came: asyncio.Future[Stepped | StoreError] = asyncio.get_running_loop().create_future()

    def stepped(self, outcome: Stepped | StoreError) -> None:
        self.came.set_result(outcome)


async def ask(steps: LedgerSteps, *args: Any) -> Stepped | StoreError:
    outcome = Outcome()
    steps.ask_step(args[0], args[1], outcome, *args[2:])
    assert not outcome.came.done()  # never from within
    return await asyncio.wait_for(outcome.came, PATIENCE)


@pytest.fixture(params=["single", "cluster", "acknowledged"])
def new_ledger(request: pytest.FixtureRequest, fresh: str) -> NewLedger:
    if request.param == "acknowledged":
        lab: Lab = request.getfixturevalue("sentinel")
        return lambda: RedisLedger(parse_redis_url(f"{lab.url}?{fresh}&acks=1"), "scp-1")
    lab = request.getfixturevalue(request.param)
    return lambda: RedisLedger(parse_redis_url(f"{lab.url}?{fresh}"), "scp-1")


@pytest.mark.hypothesis
def test_any_sequence_of_asked_steps_agrees_with_the_embedded_ledger(new_ledger: NewLedger) -> None:
    steps = st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(ASKED), st.integers(0, 120), st.integers(0, 300)),
        max_size=20,
    )
    plans: list[list[Any]] = []

    @given(steps)
    @examples(20, suppress_health_check=list(HealthCheck))
    def collect(plan: list[Any]) -> None:
        plans.append(plan)

    collect()

    async def main() -> None:
        ledger, model = new_ledger(), SqliteLedger(":memory:")
        await ledger.open()
        await model.open()
        modelled = LocalQuotas(model, TariffTable([]), lambda: 0, lambda _: 0, grace_ms=0).steps
        try:
            for number, plan in enumerate(plans, 1):
                account = f"{A}{number}"
                for each in (ledger, model):
                    await each.credit(account, "p", 200, 1)
                for which, event, amount, seconds in plan:
                    new = reservation(number * 10 + which, account)
                    step = Step(event, 1_700_000_000_000 + seconds, amount, seconds, 2000 + seconds)
                    args = (new.id, step, new if event in MAKING else None)
                    got, expected = await ask(ledger, *args), await ask(modelled, *args)
                    assert isinstance(got, Stepped)
                    if expected.result in (Result.DONE, Result.INSUFFICIENT):
                        assert got == expected
                    else:
                        assert (got.result, got.reservation) == (expected.result, expected.reservation)
                    assert await ledger.account(account) == await model.account(account)
                    assert await ledger.reservation(new.id) == await model.reservation(new.id)
            await consistent(ledger)
        finally:
            await ledger.close()
            await model.close()

    asyncio.run(main())


def test_what_is_asked_while_the_server_is_away_is_an_error_and_no_end(fresh: str) -> None:
    async def main() -> None:
        ledger = RedisLedger(parse_redis_url(f"redis://127.0.0.1:1?{fresh}"), "scp-1")
        with pytest.raises(StoreError):
            await ledger.open()
        error = await ask(ledger, reservation().id, Step(Event.RELEASE, 1))
        assert isinstance(error, StoreError)
        assert error.kind == "unreachable"
        await ledger.close()

    asyncio.run(main())


def test_a_script_that_the_server_has_lost_is_sent_again(single: Lab, fresh: str) -> None:
    async def main() -> None:
        ledger = RedisLedger(parse_redis_url(f"{single.url}?{fresh}"), "scp-1")
        await ledger.open()
        try:
            await ledger.credit(A, "p", 200, 1)
            for number in (1, 2):
                single.servers[0].client().script_flush()
                new = reservation(number)
                outcome = await ask(ledger, new.id, Step(Event.RESERVE, 1000, 5, 60, 5000), new)
                assert outcome == Stepped(Result.DONE, State.RESERVED, 200 - 5 * (number - 1), 5, 60)
            charged = await ask(ledger, reservation(1).id, Step(Event.SETTLE, 2000, 9, 90))
            assert charged.charged == 9
            assert charged.reservation == structs.replace(
                reservation(1),
                state=State.COMMITTED,
                held=5,
                granted_seconds=60,
                expires_ms=5000,
                used_seconds=90,
                charged=9,
                ended_ms=2000,
                steps=2,
            )
        finally:
            await ledger.close()

    asyncio.run(main())
