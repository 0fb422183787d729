"""Short messages that somebody pays for: reserved, armed, charged once when submitted or delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from room import ABROAD, DIALLED, MSISDN, READY, new_otid
from test_sms_control import CONTEXT, RECEIVED, SENT, SMSC, SmsRoom, idp

from oracles import tshark
from oracles.recorder import Recorder
from oracles.waiting import PATIENCE
from scp.charging.fault_state import FaultState
from scp.charging.quota_desk import QuotaDesk
from scp.charging.quotas import LocalQuotas
from scp.config import SmsControl
from scp.config.sms_control import MessageTariff, SmsCharging
from scp.domain.cdr import ATTEMPT_ROW, CallAttempt, attempt_of
from scp.domain.tariff import TariffTable
from scp.ports import StoreError
from scp.store.ledger_sqlite import SqliteLedger
from ss7 import tcap
from ss7.cap.charging import decode_contained
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.events import MessageType, MiscCallInfo
from ss7.cap.reference import REFERENCE
from ss7.cap.sms import (
    EventReportSMSArg,
    EventSpecificInformationSMS,
    EventTypeSMS,
    MOSMSCause,
    OriginatingFailure,
)
from ss7.rose import Invoke, Reject, encode_invoke, encode_return_error
from ss7.tcap_dialogue import Aarq, encode_dialogue

PRICE, BALANCE = 7, 20
ALL = MessageTariff("", PRICE)
VLR_PRICED = MessageTariff(ABROAD[:2], 3)


class Ledger(SqliteLedger):
    """The ledger, which can be away."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.away = False
        self.slow: asyncio.Event | None = None

    async def reserve(self, *arguments: Any) -> Any:
        if self.slow is not None:
            await self.slow.wait()
        if self.away:
            raise StoreError("gone", "unreachable")
        return await super().reserve(*arguments)


class PaidRoom(SmsRoom):
    """A room whose messages are paid for by a real ledger."""

    def __init__(
        self, ledger: Ledger, *records: Any, policy: SmsControl, recorder: Recorder | None = None
    ) -> None:
        self.desk: QuotaDesk | None = None
        super().__init__(*(records or [READY]), policy=policy, recorder=recorder)
        assert policy.charging is not None
        self.ledger = ledger
        tariffs = TariffTable([each.tariff() for each in policy.charging.tariffs])
        quotas = LocalQuotas(
            ledger,
            TariffTable(()),
            lambda: 1_700_000_000_000,
            lambda ms: ms // 1000,
            grace_ms=1,
            messages=tariffs,
        )
        self.desk = QuotaDesk(quotas, None, FaultState(lambda _: None), lambda: None, lambda *_: None)
        self.outcomes: list[str] = []
        self.rows: list[CallAttempt] = []
        sms = self.sms
        sms._quota, sms._outcome, sms._record = self.desk, self.outcomes.append, self._kept

    def _kept(self, row: Any) -> None:
        assert len(row) <= len(ATTEMPT_ROW)
        self.rows.append(attempt_of("1", "scp", row))

    async def charging(self) -> None:
        """Wait until charging has done all that it was asked."""
        assert self.desk is not None
        while self.desk.busy:  # noqa: ASYNC110 - each turn of the loop is one step of it
            await asyncio.sleep(0)
        self.turn()

    async def begin(self, argument: Any, version: int = 3) -> tcap.Message | None:
        """Ask about a message; return the answer."""
        otid = self.begin_only(argument, version)
        await self.charging()
        return self.last(otid)

    def begin_only(self, argument: Any, version: int = 3) -> bytes:
        otid = new_otid()
        invoke = encode_invoke(1, 60, FAST.encode_argument(60, argument, version))
        self.send(tcap.build_begin(otid, encode_dialogue(Aarq(CONTEXT[version])), [invoke]))
        return otid

    def last(self, otid: bytes) -> tcap.Message | None:
        found = [each.message for each in self.switch.answers if each.message.dtid == otid]
        return found[-1] if found else None

    async def report(self, answer: tcap.Message, *components: bytes, end: bool = True) -> tcap.Message | None:
        """Send components in a dialogue; return what came after them, if anything did."""
        before = len(self.switch.answers)
        if end:
            self.send(tcap.build_end(answer.otid, b"", list(components)))
        else:
            self.send(tcap.build_continue(answer.dtid, answer.otid, b"", list(components)))
        await self.charging()
        after = self.switch.answers[before:]
        return after[-1].message if after else None

    async def money(self) -> tuple[int, int]:
        account = await self.ledger.account(MSISDN)
        assert account is not None
        return account.balance, account.held


def story(work: Callable[[Ledger], Awaitable[None]], balance: int = BALANCE) -> None:
    async def main() -> None:
        ledger = Ledger()
        await ledger.open()
        await ledger.credit(MSISDN, "first", balance, 0)
        try:
            await work(ledger)
        finally:
            await ledger.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def policy(**charging: Any) -> SmsControl:
    settings = {"tariffs": (ALL,), "pays": ("sent", "received"), **charging}
    return SmsControl(originating="steer", smsc=SMSC, charging=SmsCharging(**settings))


def event(
    kind: EventTypeSMS, version: int = 3, *, asks: bool = False, cause: MOSMSCause | None = None
) -> bytes:
    special = None
    if cause is not None:
        special = EventSpecificInformationSMS("o-smsFailureSpecificInfo", OriginatingFailure(cause))
    info = MiscCallInfo(MessageType.REQUEST if asks else MessageType.NOTIFICATION)
    return encode_invoke(5, 64, FAST.encode_argument(64, EventReportSMSArg(kind, special, info), version))


def operations(message: tcap.Message | None) -> list[int]:
    assert message is not None
    return [each.opcode for each in message.components if isinstance(each, Invoke)]  # type: ignore[misc]


def release_cause(message: tcap.Message | None) -> int:
    assert message is not None
    [release] = message.components
    assert isinstance(release, Invoke)
    assert (message.kind, release.opcode) == (tcap.END, 66)
    return REFERENCE.decode_argument(66, release.parameter, 3)[0]


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize(
    ("about", "done", "armed", "outcome"),
    [
        (SENT, EventTypeSMS.O_SUBMISSION, [2, 3], "submitted"),
        (RECEIVED, EventTypeSMS.T_DELIVERY, [12, 13], "delivered"),
    ],
)
def test_a_message_is_charged_once_it_is_through(version, end, about, done, armed, outcome) -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy())
        answer = await room.begin(idp(about, vlr=ABROAD, sms_reference_number=b"\x12\x34"), version)
        assert answer is not None
        assert answer.kind == tcap.CONTINUE
        assert operations(answer) == [63, 62 if about is SENT else 65]
        request = REFERENCE.decode_argument(63, answer.components[0].parameter, version)
        assert [(int(each.event_type_sms), int(each.monitor_mode)) for each in request.sms_events] == [
            (each, 1) for each in armed
        ]
        assert await room.money() == (BALANCE, PRICE)
        assert room.rows == []
        last = await room.report(answer, event(done, version), end=end)
        assert (last is None) is end
        if last is not None:
            assert (last.kind, last.components) == (tcap.END, [])
        assert await room.money() == (BALANCE - PRICE, 0)
        assert room.outcomes == [outcome]
        [row] = room.rows
        assert (row.charge, row.reserved, row.tariff, row.failed_attempts) == (PRICE, PRICE, "", "")
        assert (row.service, row.call_reference, row.answered_ms is None) == ("sms-control", "1234", False)
        assert (row.a_number, row.b_number) == ((MSISDN, DIALLED[2:]) if about is SENT else ("", MSISDN))
        charged = await ledger.reservation(row.reservation or "")
        assert charged is not None
        assert (charged.account, charged.charged, charged.call_id) == (MSISDN, PRICE, "sms-1234")
        assert not len(room.node.tcap)

    story(work)


def test_a_message_that_fails_costs_nothing() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy())
        answer = await room.begin(idp())
        assert answer is not None
        await room.report(answer, event(EventTypeSMS.O_FAILURE, cause=MOSMSCause.DELIVERY_FAILURE))
        assert await room.money() == (BALANCE, 0)
        assert [(row.charge, row.failed_attempts, row.answered_ms) for row in room.rows] == [
            (0, "o-smsFailure:3", None)
        ]
        assert room.outcomes == ["failed"]

    story(work)


def test_a_switch_that_waits_with_its_report_is_let_go_on() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy())
        answer = await room.begin(idp())
        assert answer is not None
        last = await room.report(answer, event(EventTypeSMS.O_SUBMISSION, asks=True), end=False)
        assert last is not None
        assert (last.kind, operations(last)) == (tcap.END, [65])
        assert await room.money() == (BALANCE - PRICE, 0)

    story(work)


def test_without_money_a_message_is_refused() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(denial_cause=50))
        for _ in range(BALANCE // PRICE):  # each holds its price
            assert operations(await room.begin(idp())) == [63, 62]
        assert release_cause(await room.begin(idp())) == 50
        assert (room.rows[-1].action, room.rows[-1].reason) == ("release", "charging-denied")
        assert room.outcomes == ["denied"]
        assert await room.money() == (BALANCE, 2 * PRICE)

    story(work)


def test_what_is_free_and_what_nobody_pays_for() -> None:
    async def work(ledger: Ledger) -> None:
        free = PaidRoom(ledger, policy=policy(free=("11",), tariffs=()))
        assert operations(await free.begin(idp())) == [62]
        nobody = PaidRoom(ledger, policy=policy(pays=("received",)))
        assert operations(await nobody.begin(idp())) == [62]
        no_tariff = PaidRoom(ledger, policy=policy(tariffs=(MessageTariff("49", 1),)))
        assert release_cause(await no_tariff.begin(idp())) == 21
        assert operations(await no_tariff.begin(idp(to="112"))) == [65]  # never steered, never charged
        assert await no_tariff.money() == (BALANCE, 0)

    story(work)


def test_a_received_message_is_priced_by_where_it_is_received() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(tariffs=(ALL, VLR_PRICED)))
        answer = await room.begin(idp(RECEIVED, vlr=ABROAD), 4)
        assert answer is not None
        assert await room.money() == (BALANCE, VLR_PRICED.price)

    story(work)


@pytest.mark.parametrize(("down", "opcode"), [("release", 66), ("free", 62)])
@pytest.mark.parametrize("how", ["away", "slow"])
def test_charging_that_does_not_answer(down: str, opcode: int, how: str) -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(down=down, deadline_s=1.0))
        if how == "away":
            ledger.away = True
            answer = await room.begin(idp())
        else:
            ledger.slow = asyncio.Event()
            otid = room.begin_only(idp())
            await asyncio.sleep(0)
            assert room.last(otid) is None
            room.advance(1.01)
            answer = room.last(otid)
            ledger.slow.set()
            await room.charging()
            assert room.last(otid) is answer  # what comes too late is given back, and says nothing
        assert operations(answer) == [opcode]
        assert answer is not None
        assert answer.kind == tcap.END
        if down == "release":
            assert release_cause(answer) == 41
        assert room.outcomes == ["unpaid"]
        assert await room.money() == (BALANCE, 0)
        assert not len(room.node.tcap)

    story(work)


@pytest.mark.parametrize(("unreported", "costs"), [("refund", 0), ("charge", PRICE)])
@pytest.mark.parametrize("how", ["silence", "end", "abort", "no-report-possible", "garbled"])
def test_a_message_of_which_nothing_is_reported(unreported: str, costs: int, how: str) -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(unreported=unreported, report_s=30.0))
        answer = await room.begin(idp())
        assert answer is not None
        last = None
        if how == "silence":
            room.advance(29.9)
            assert await room.money() == (BALANCE, PRICE)
            room.advance(0.2)
            await room.charging()
            last = room.last(answer.dtid)
        elif how == "end":
            await room.report(answer)
        elif how == "abort":
            room.send(tcap.build_abort(answer.otid, b""))
            await room.charging()
        elif how == "no-report-possible":
            error = encode_return_error(
                answer.components[0].invoke_id, ErrorCode.TASK_REFUSED, b"\x0a\x01\x00"
            )
            last = await room.report(answer, error, end=False)
        else:
            last = await room.report(answer, encode_invoke(5, 64, b"\x30\x03\x80\x01"), end=False)
            assert last is not None
            assert isinstance(last.components[0], Reject)
        if how not in ("end", "abort"):
            assert last is not None
            assert last.kind == tcap.END
        assert await room.money() == (BALANCE - costs, 0)
        assert room.outcomes == ["unreported"]
        assert [row.charge for row in room.rows] == [costs]
        assert not len(room.node.tcap)

    story(work)


def test_a_message_that_the_switch_does_not_send_on_costs_nothing() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(unreported="charge"))
        answer = await room.begin(idp())
        assert answer is not None
        error = encode_return_error(answer.components[-1].invoke_id, ErrorCode.UNEXPECTED_DATA_VALUE, b"")
        await room.report(answer, error, end=False)
        assert await room.money() == (BALANCE, 0)
        assert [row.failed_attempts for row in room.rows] == ["refused"]

    story(work)


def test_a_switch_that_gives_up_before_charging_answers() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy())
        ledger.slow = asyncio.Event()
        otid = room.begin_only(idp())
        [dialogue] = room.node.tcap._dialogues.values()
        room.send(tcap.build_abort(dialogue.local_tid, b""))
        ledger.slow.set()
        await room.charging()
        assert room.last(otid) is None
        assert await room.money() == (BALANCE, 0)
        assert [row.reason for row in room.rows] == ["abandoned"]

    story(work)


def test_repeated_and_strange_events_change_nothing() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy())
        answer = await room.begin(idp())
        assert answer is not None
        done, failed = event(EventTypeSMS.O_SUBMISSION), event(EventTypeSMS.O_FAILURE)
        await room.report(answer, done, failed, done)
        room.send(tcap.build_end(answer.otid, b"", [done]))
        await room.charging()
        assert await room.money() == (BALANCE - PRICE, 0)
        assert room.outcomes == ["submitted"]

    story(work)


def test_the_switch_notes_the_reservation() -> None:
    async def work(ledger: Ledger) -> None:
        room = PaidRoom(ledger, policy=policy(furnish=True))
        answer = await room.begin(idp())
        assert answer is not None
        assert operations(answer) == [63, 61, 62]
        octets = REFERENCE.decode_argument(61, answer.components[1].parameter, 3)
        said = decode_contained(
            "CAMEL-FCISMSBillingChargingCharacteristics", octets, 3
        ).value.free_format_data
        assert await ledger.reservation(said.decode()) is not None
        # that the switch does not note it costs nobody anything
        error = encode_return_error(answer.components[1].invoke_id, ErrorCode.TASK_REFUSED, b"\x0a\x01\x00")
        assert await room.report(answer, error, end=False) is None
        await room.report(answer, event(EventTypeSMS.O_SUBMISSION))
        assert await room.money() == (BALANCE - PRICE, 0)

    story(work)


def test_tshark_reads_every_message_of_a_paid_one() -> None:
    if reason := tshark.available():
        pytest.skip(reason)

    async def work(ledger: Ledger) -> None:
        recorder = Recorder()
        for version in (3, 4):
            for about, done in ((SENT, EventTypeSMS.O_SUBMISSION), (RECEIVED, EventTypeSMS.T_DELIVERY)):
                room = PaidRoom(ledger, policy=policy(furnish=True), recorder=recorder)
                answer = await room.begin(idp(about, vlr=ABROAD), version)
                assert answer is not None
                await room.report(answer, event(done, version), end=False)
        room = PaidRoom(ledger, policy=policy(tariffs=()), recorder=recorder)
        assert release_cause(await room.begin(idp())) == 21
        assert len(recorder) > 12
        assert recorder.problems() == []

    story(work, 100)
