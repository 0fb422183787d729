"""A charged call whose process is killed, at every one of its steps: one charge, one CDR that tells of it, no record left."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from held_room import EPOCH, HandMovedHeld, HeldRoom, report
from room import SERVICE_KEY, idp, new_otid

from scp.domain.numbers import Numbering
from scp.domain.quota import QuotaAnswer, QuotaGrant, Settled
from scp.services.api import NodeSettings
from scp.services.call_progress import CallProgress
from scp.services.voip_forwarding import controlled
from scp.simulator.charged import Reported
from scp.simulator.reports import charging_report
from scp.store.cdr_sqlite import SqliteCdrStore
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.events import EventTypeBCSM as E
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke
from ss7.tcap_dialogue import Abrt, encode_dialogue

PERIOD, TENTHS = 60, 723
POLICY = {"first_s": PERIOD, "next_s": PERIOD, "withheld_s": 0}
PAID = controlled({"charging": POLICY}, NodeSettings(Numbering(country_code="46")))


def price(tenths: int) -> int:
    """6 a minute, by the begun second."""
    return -(-(-(-tenths // 10) * 6) // 60)


class Bank:
    """A charging system that outlives the nodes: what it is asked is done at once, and told when a test says so."""

    def __init__(self) -> None:
        self.settled: dict[str, int] = {}
        self.told: list[tuple[Any, QuotaAnswer]] = []

    def reserve(self, request: Any, waiter: Any) -> None:
        self.told.append((waiter, QuotaGrant(request.session, request.seconds, at=int(EPOCH))))

    def extend(self, session: str, request: Any, waiter: Any) -> None:
        self.reserve(request, waiter)

    def settle(self, session: str, used: Any, waiter: Any) -> None:
        tenths = self.settled.setdefault(session, 0 if used is None else used.tenths)
        if waiter is not None:
            self.told.append((waiter, Settled(session, price(tenths), -(-tenths // 10))))

    def tell(self) -> None:
        told, self.told = self.told, []
        for waiter, answer in told:
            waiter.charged(answer)


class PaidRoom(HeldRoom):
    """A node that serves calls which are paid for, and deletes their records behind their CDRs."""

    def __init__(self, held: HandMovedHeld, bank: Bank, file: Path, before: HeldRoom | None = None) -> None:
        super().__init__(held, before)
        self.bank = bank
        self.disk = self.sink._store = SqliteCdrStore(str(file))
        self.cap.services, self.cap.quota = {SERVICE_KEY: PAID}, bank
        self.journal.position, self.journal.done = self.sink.position, self.sink.done
        self.sink.on_written = self.journal.recorded

    def banks(self) -> None:
        self.bank.tell()
        self.turn()

    def records(self) -> list[dict[str, Any]]:
        """Write what CDRs there are; all that are on the disk."""

        async def main() -> list[dict[str, Any]]:
            await self.disk.open()
            await self.sink.flush()
            found = [json.loads(each.json) for each in await self.disk.page(0, 100)]
            await self.disk.close()
            return found

        return asyncio.run(main())

    def works(self) -> None:
        """All that can go on does."""
        while self.held.asked or self.held.told or self.bank.told or self.sink.waiting:
            self.writes()
            self.banks()
            self.records()

    def moments(self) -> list[Any]:
        """What happens in the process, one after the other, as it works; it may be killed between any two."""
        return [self.held.carry_out, self.held.tell, self.turn, self.banks, self.records] * 3


def used(tenths: int, *, active: bool, number: int) -> bytes:
    argument = charging_report(Reported(tenths / 10, 1), 2, active=active)
    octets = FAST.encode_argument(Opcode.APPLY_CHARGING_REPORT, argument, 2)
    return encode_invoke(number, Opcode.APPLY_CHARGING_REPORT, octets)


PARTS = {
    "answer": lambda number: [report(E.O_ANSWER, number)],
    "period": lambda number: [used(10 * PERIOD, active=True, number=number)],
    "report": lambda number: [used(TENTHS, active=False, number=number)],
    "clearing": lambda number: [report(E.O_DISCONNECT, number)],
    "both": lambda number: [used(TENTHS, active=False, number=number), report(E.O_DISCONNECT, number + 1)],
}
STORIES = (
    ("answer", "period", "report", "clearing"),
    ("answer", "period", "clearing", "report"),
    ("answer", "period", "both"),
)
MOMENTS = 16


@pytest.mark.parametrize(("story", "step"), [(each, step) for each in STORIES for step in range(len(each))])
def test_a_call_whose_process_is_killed_at_any_moment_is_charged_once_and_recorded(
    tmp_path: Path, story: tuple[str, ...], step: int
) -> None:
    for moment in range(MOMENTS):
        outlived(tmp_path / f"{moment}.cdr", story, step, moment)


def outlived(file: Path, story: tuple[str, ...], step: int, moment: int) -> None:
    """The process dies so many moments after it has read a message; its guardian has what was not answered."""
    held, bank = HandMovedHeld(), Bank()
    room = PaidRoom(held, bank, file)
    otid = room.call(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    room.works()
    tid = room.tid(otid)
    unanswered: list[bytes] = []
    for number, name in enumerate(story):
        message = tcap.build_continue(otid, tid, b"", PARTS[name](20 + 2 * number))
        answers = len(room.answers(otid))
        unanswered.append(message)
        if number == step:
            if moment:
                room.send(message)
                for happens in room.moments()[: moment - 1]:
                    happens()
            if len(room.answers(otid)) > answers:
                unanswered.clear()
            held.asked.clear()
            held.told.clear()
            bank.told.clear()
            room = PaidRoom(held, bank, file, room)
            if tid in held.rows:
                assert room.adopt(tid, *unanswered)
        else:
            room.send(message)
        room.works()
        if len(room.answers(otid)) > answers:
            unanswered.clear()
    for _ in range(70):  # one that nobody speaks of is found by its time, and its switch does not know it
        room.advance(10.0)
        room.works()
    assert held.rows == {}, moment
    assert list(bank.settled.values()) == [TENTHS], moment
    found = [each for each in room.records() if "charge" in each]
    assert found, f"nobody tells of the charge: {moment}"
    for record in found:
        assert (record["charged_ms"], record["charge"]) == (TENTHS * 100, price(TENTHS)), moment
        assert "answered_ms" in record
    room.nothing_left()


@pytest.mark.parametrize("story", [("period", "report"), ("report", "clearing"), ("clearing", "report")])
def test_a_call_whose_answer_only_a_charging_report_tells_of_has_its_time_in_the_record(
    tmp_path: Path, story: tuple[str, ...]
) -> None:
    room = PaidRoom(HandMovedHeld(), Bank(), tmp_path / "cdr")
    otid = room.call(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    room.works()
    room.advance(100.0)
    came_ms = int(room.cap.wall() * 1000)
    for number, name in enumerate(story):
        room.send(tcap.build_continue(otid, room.tid(otid), b"", PARTS[name](20 + 2 * number)))
        room.works()
        room.advance(2.0)
    room.advance(10.0)
    room.works()
    measured = 10 * PERIOD if story[0] == "period" else TENTHS
    [record] = room.records()
    assert record["charged_ms"] == TENTHS * 100
    assert record["answered_ms"] == came_ms - measured * 100
    room.nothing_left()


def test_the_event_of_the_answer_says_when_it_was_and_no_charging_report_does(tmp_path: Path) -> None:
    room = PaidRoom(HandMovedHeld(), Bank(), tmp_path / "cdr")
    otid = room.call(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    room.works()
    room.advance(20.0)
    answered_ms = int(room.cap.wall() * 1000)
    room.send(tcap.build_continue(otid, room.tid(otid), b"", PARTS["answer"](20)))
    room.advance(80.0)
    room.send(tcap.build_continue(otid, room.tid(otid), b"", PARTS["report"](22)))
    room.works()
    [record] = room.records()
    assert record["answered_ms"] == answered_ms
    room.nothing_left()


def test_of_two_answers_the_first_is_recorded() -> None:
    progress = CallProgress()
    progress.talking(5_000)
    progress.talking(9_000)
    assert progress.values().answered == 5_000


def test_a_begin_that_the_network_doubles_is_a_second_dialogue_and_no_second_charge(tmp_path: Path) -> None:
    """Q.774 §3.3: each BEGIN opens a transaction. The switch speaks to the first alone, and has lost the second."""
    bank = Bank()
    room = PaidRoom(HandMovedHeld(), bank, tmp_path / "cdr")
    otid = new_otid()
    first = idp(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    for _ in range(2):
        room.begin(encode_invoke(1, Opcode.INITIAL_DP, first), otid=otid)
        room.works()
    tid = room.tid(otid)
    for number, name in enumerate(("answer", "period", "report", "clearing")):
        room.send(tcap.build_continue(otid, tid, b"", PARTS[name](20 + 2 * number)))
        room.works()
    for _ in range(40):
        room.advance(10.0)
        room.works()
    assert sorted(bank.settled.values()) == [0, TENTHS]
    assert sorted(each.get("charged_ms", 0) for each in room.records()) == [0, TENTHS * 100]
    room.nothing_left()


@pytest.mark.parametrize(
    "information",
    ["", "be0f280d060704000001010101a0020500", "be800000", "ffffff"],
    ids=["none", "an external", "broken", "no element"],
)
def test_a_call_that_the_switch_aborts_costs_what_was_reported_whatever_the_abort_says(
    tmp_path: Path, information: str
) -> None:
    """TC-U-ABORT may bring user information (Q.773 §4.2.3), which CAP has no use for."""
    bank = Bank()
    room = PaidRoom(HandMovedHeld(), bank, tmp_path / "cdr")
    otid = room.call(trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    room.works()
    tid = room.tid(otid)
    for number, name in enumerate(("answer", "period")):
        room.send(tcap.build_continue(otid, tid, b"", PARTS[name](20 + 2 * number)))
        room.works()
    room.send(tcap.build_abort(tid, encode_dialogue(Abrt(0, bytes.fromhex(information)))))
    room.works()
    assert list(bank.settled.values()) == [10 * PERIOD]
    assert room.counts.outcomes == ["aborted-by-peer"]
    room.nothing_left()


def test_a_call_of_cap_v1_which_has_no_charging_goes_on_and_nothing_is_reserved(tmp_path: Path) -> None:
    bank = Bank()
    room = PaidRoom(HandMovedHeld(), bank, tmp_path / "cdr")
    otid = room.call(1, trigger="originating", a_number="46700000009", b_number="46701234567", b_nature=4)
    room.works()
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert (bank.settled, len(room.records())) == ({}, 1)
    room.nothing_left()
