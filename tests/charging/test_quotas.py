"""Quotas by the ledger: what is granted, held, charged; and what happens while the ledger does not answer."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from oracles.waiting import PATIENCE
from scp.charging.fault_state import FaultState
from scp.charging.quota_desk import QuotaDesk
from scp.charging.quotas import LocalQuotas
from scp.domain.quota import UNUSED, ChargingFailure, QuotaDenial, QuotaGrant, QuotaRequest, Settled, Usage
from scp.domain.reservation import reservation_id
from scp.domain.tariff import Band, Tariff, TariffTable
from scp.ports import StoreError
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000009", "46701234567"
SESSION = reservation_id(A, b"0123456789")
NOON_MS = 12 * 3_600_000
TARIFF = Tariff("46", 6)


def request(seconds: int, used: int = 0, session: str = SESSION, **more: Any) -> QuotaRequest:
    usage = Usage(((used * 10, 0),)) if used else UNUSED
    return QuotaRequest(session, A, "c", A, B, seconds, usage, **more)


def run(body, *tariffs: Tariff, balance: int = 20, wall: int = NOON_MS) -> None:
    async def main() -> None:
        ledger = SqliteLedger(":memory:")
        await ledger.open()
        await ledger.credit(A, "first", balance, 1)
        quotas = LocalQuotas(
            ledger, TariffTable(tariffs or (TARIFF,)), lambda: wall, lambda ms: ms // 1000, grace_ms=300_000
        )
        await body(quotas, ledger)
        await ledger.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_quotas_until_the_money_ends_and_the_exact_charge() -> None:
    async def body(quotas, ledger) -> None:
        grants = [await quotas.reserve(request(60))]
        grants += [
            await quotas.extend(request(total, used)) for total, used in ((120, 30), (180, 90), (240, 150))
        ]
        assert [(grant.seconds, grant.last) for grant in grants] == [
            (60, False),
            (120, False),
            (180, False),
            (200, True),
        ]
        assert await quotas.extend(request(290, 170)) == QuotaDenial("insufficient-balance")
        assert (await ledger.account(A)).held == 20
        assert await quotas.settle(SESSION, Usage(((2000, 0),))) == Settled(SESSION, 20, 200)
        assert await quotas.settle(SESSION, Usage(((2000, 0),))) == Settled(SESSION, 20, 200)
        account = await ledger.account(A)
        assert (account.balance, account.held) == (0, 0)

    run(body)


def test_a_begun_second_is_charged_and_what_was_not_used_is_given_back() -> None:
    async def body(quotas, ledger) -> None:
        await quotas.reserve(request(60))
        await quotas.extend(request(120, 30))
        assert await quotas.settle(SESSION, Usage(((723, 0),))) == Settled(SESSION, 8, 73)
        account = await ledger.account(A)
        assert (account.balance, account.held) == (12, 0)

    run(body)


def test_a_call_that_was_not_answered_costs_nothing_and_has_no_record() -> None:
    async def body(quotas, ledger) -> None:
        await quotas.reserve(request(60))
        assert await quotas.settle(SESSION, UNUSED) == Settled(SESSION)
        assert (await ledger.account(A)).available == 20
        assert not await ledger.unrecorded(9)

    run(body)


def test_what_was_used_beyond_the_quota_is_charged_as_far_as_there_is_money() -> None:
    async def body(quotas, ledger) -> None:
        await quotas.reserve(request(60))
        assert (await quotas.settle(SESSION, Usage(((620, 0),)))).charged == 7
        second = reservation_id(A, b"second")
        await quotas.reserve(request(130, session=second))
        assert (await quotas.settle(second, Usage(((10_000, 0),)))).charged == 13
        assert (await ledger.account(A)).balance == 0

    run(body)


def test_denials() -> None:
    async def body(quotas, ledger) -> None:
        assert await quotas.reserve(request(60, least=10)) == QuotaDenial("insufficient-balance")
        other = QuotaRequest(SESSION, "46709", "c", "46709", B, 60)
        assert await quotas.reserve(other) == QuotaDenial("unknown-account")
        abroad = QuotaRequest(SESSION, A, "c", A, "4999", 60)
        assert await quotas.reserve(abroad) == QuotaDenial("no-tariff")
        assert await quotas.extend(request(60)) == QuotaDenial("unknown-reservation")
        assert (await ledger.account(A)).held == 0

    run(body, balance=0)


def test_a_request_that_comes_again_holds_nothing_twice() -> None:
    async def body(quotas, ledger) -> None:
        first = await quotas.reserve(request(60))
        assert await quotas.reserve(request(60)) == first
        more = await quotas.extend(request(120, 30))
        assert await quotas.extend(request(120, 30)) == more
        assert await quotas.reserve(request(180)) == await quotas.extend(request(180))
        assert (await ledger.account(A)).held == 18

    run(body)


def test_the_next_changes_of_the_price_are_told_and_the_dearest_is_held() -> None:
    tariff = Tariff("46", 6, bands=(Band(12, start="12:00", end="12:01"),))

    async def body(quotas, ledger) -> None:
        grant = await quotas.reserve(request(60))
        assert (grant.at, grant.switch_s, grant.then_s) == (NOON_MS // 1000 - 40, 40, 100)
        assert grant.held == 12
        used = Usage(((400, NOON_MS // 1000 - 40), (800, NOON_MS // 1000)))
        assert (await quotas.settle(SESSION, used)).charged == 18  # 40 and 20 s at 6 a minute, 60 s at 12

    run(body, tariff, wall=NOON_MS - 40_000)


def test_12_a_thousand_calls_on_one_balance_never_overspend_it() -> None:
    async def body(quotas, ledger) -> None:
        random = Random(5)
        sessions = [reservation_id(A, number.to_bytes(2, "big")) for number in range(1000)]

        async def call(session: str) -> int:
            grant = await quotas.reserve(request(60, session=session))
            used = 0
            while isinstance(grant, QuotaGrant) and random.random() < 0.7:
                used = random.randint(used, grant.seconds)
                more = await quotas.extend(request(grant.seconds + 60, used, session=session))
                grant = more if isinstance(more, QuotaGrant) else None
            settled = await quotas.settle(session, Usage(((used * 10, 0),)))
            return settled.charged if isinstance(settled, Settled) else 0

        charged = sum(await asyncio.gather(*map(call, sessions)))
        account = await ledger.account(A)
        assert (account.balance, account.held) == (50 - charged, 0)
        assert charged <= 50

    run(body, balance=50)


class Answers:
    """A `scp.ports.QuotaWaiter`."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.came = asyncio.Event()

    def charged(self, answer: Any) -> None:
        self.got.append(answer)
        self.came.set()


class Failing:
    """A `scp.ports.QuotaSystem` that fails while `down`."""

    def __init__(self, inner: LocalQuotas) -> None:
        self.inner = inner
        self.down = True
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        async def ask(*args: Any) -> Any:
            self.asked += 1
            if self.down:
                raise StoreError("gone", "unreachable")
            return await getattr(self.inner, name)(*args)

        return ask


def test_a_session_that_can_not_be_settled_is_settled_later_once() -> None:
    async def body(quotas, ledger) -> None:
        faults: list[str] = []
        system = Failing(quotas)
        committed: list[int] = []
        desk = QuotaDesk(
            system, None, FaultState(faults.append), lambda: committed.append(1), lambda *_: None
        )
        system.down = False
        first, second = Answers(), Answers()
        desk.reserve(request(60), first)
        desk.reserve(request(60), first)
        desk.reserve(request(60), second)
        await first.came.wait()
        assert [type(each) for each in first.got + second.got] == [QuotaGrant, QuotaGrant]
        assert system.asked == 1
        system.down = True
        settled = Answers()
        desk.settle(SESSION, Usage(((723, 0),)), settled)
        await settled.came.wait()
        assert settled.got == [ChargingFailure("unavailable")]
        assert list(desk.owed) == [SESSION]
        await desk.settle_owed()
        assert list(desk.owed) == [SESSION]
        system.down = False
        await desk.settle_owed()
        await desk.settle_owed()
        assert not desk.owed
        assert committed == [1]
        assert (await ledger.account(A)).balance == 12
        assert len(faults) == 2
        assert faults[-1] == ""
        await desk.stop()

    run(body)


def test_without_a_usage_the_last_that_was_told_is_charged() -> None:
    async def body(quotas, ledger) -> None:
        desk = QuotaDesk(quotas, None, FaultState(lambda _: None), lambda: None, lambda *_: None)
        answers = Answers()
        desk.reserve(request(60), answers)
        desk.extend(SESSION, request(120, 50), answers)
        desk.settle(SESSION, None, answers)
        await desk.stop()
        assert answers.got[-1] == Settled(SESSION, 5, 50)

    run(body)
