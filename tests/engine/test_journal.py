"""The journal: what is written before which message leaves; and death at every boundary between the two."""

from __future__ import annotations

import asyncio
import json
from itertools import product

import pytest
from held_room import INSTANCE, HandMovedHeld, HeldRoom, report
from hypothesis import given
from hypothesis import strategies as st
from room import READY, SERVICE_KEY, Room, forwarding

from scp.domain.decision import Action, Decision
from scp.domain.numbers import Nature
from scp.domain.reason import Reason
from scp.engine.cap.held_record import VERSION, code, decode, short, whole
from scp.engine.journal import Journal
from scp.held_call_ports import Kept
from scp.services.api import Call, NextReport, Send
from ss7 import rose, tcap
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.events import EventTypeBCSM as E
from ss7.cap.operations import Opcode
from ss7.cap.types import ResetTimerArg
from ss7.isup import CalledPartyNumber

ARMED = [Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONNECT]


def test_a_message_leaves_once_its_record_is_written() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    assert room.answers(otid) == []
    room.held.carry_out()
    room.turn()
    assert room.answers(otid) == []
    room.held.tell()
    room.turn()
    assert room.answer(otid).opcodes == ARMED
    assert room.journal.open == 1
    assert room.journal.writes[Kept.WRITTEN] == 1


class LateKeeper:
    """A service that keeps nothing before its second message, as one does that is charged slowly."""

    name = "late"

    async def run(self, call: Call) -> None:
        call.decided(Decision(Action.CONTINUE, Reason.SERVICE_LOGIC))
        call.invoke(Opcode.RESET_TIMER, ResetTimerArg(10))
        await Send()
        call.invoke(Opcode.CONTINUE)
        call.keep(("second",))
        await NextReport(60.0)


def test_what_a_service_keeps_after_the_first_answer_has_its_decision_and_the_time_it_took() -> None:
    room = HeldRoom(HandMovedHeld())
    room.cap.services = {SERVICE_KEY: LateKeeper()}
    otid = room.call()
    assert [answer.opcodes for answer in room.answers(otid)] == [[Opcode.RESET_TIMER]]
    room.writes()
    assert [answer.opcodes for answer in room.answers(otid)[1:]] == [[Opcode.CONTINUE]]
    assert not room.bugs
    (row,) = room.held.rows.values()
    record = decode(row.record)
    assert (record.action, record.reason) == (code(Action.CONTINUE), code(Reason.SERVICE_LOGIC))


def test_steered_calls_never_come_to_it() -> None:
    held = HandMovedHeld()
    room = Room(READY, services={SERVICE_KEY: forwarding()})
    room.cap.journal = Journal(held, INSTANCE, room.cap, room.node, room.loop.time, lambda: 0.0)
    otid = room.call()
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert held.asked == []


def test_after_50_ms_it_leaves_all_the_same_and_is_counted() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.advance(0.045)
    assert room.answers(otid) == []
    room.advance(0.030)
    assert room.answer(otid).opcodes == ARMED
    assert room.journal.unjournalled == 1
    room.writes()
    assert room.answer(otid).opcodes == ARMED, "not again when it is written after all"
    room.go_on(otid, report(E.O_ANSWER, 11))
    room.writes()
    room.go_on(otid, report(E.O_DISCONNECT, 12))
    room.writes()
    assert room.held.rows == {}
    assert room.journal.unjournalled == 1


def test_a_write_that_fails_holds_nothing_up_and_is_made_with_the_next_step() -> None:
    room = HeldRoom(HandMovedHeld())
    room.held.fails = True
    otid = room.call()
    room.writes()
    assert room.answer(otid).opcodes == ARMED
    assert (room.journal.unjournalled, room.held.rows) == (1, {})
    room.held.fails = False
    room.go_on(otid, report(E.O_CALLED_PARTY_BUSY, 11))
    room.writes()
    assert len(room.answers(otid)) == 2
    assert len(room.held.rows) == 1


def test_a_caller_that_hangs_up_meanwhile_is_answered_nothing() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.abort(otid, room.waiting_tid)
    room.writes()
    assert room.answers(otid) == []
    assert (room.held.rows, room.journal.open) == ({}, 0)
    room.nothing_left()


def test_who_is_fenced_lets_go_in_silence() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    room.nobodys(tid)
    room.go_on(otid, report(E.O_CALLED_PARTY_BUSY, 11))
    room.writes()
    assert len(room.answers(otid)) == 1
    assert room.node.tcap.find(tid) is None
    assert (room.journal.fenced, room.journal.open, len(room.held.rows)) == (1, 0, 1)
    assert room.counts.outcomes == ["handed-over"]
    assert records(room) == []
    room.nothing_left()


class _PassedOn:
    """What a journal passes on to the node that has claimed a call, by its transaction id."""

    def __init__(self, room: HeldRoom) -> None:
        self.room = room
        self.messages: list[tuple[bytes, tcap.Message]] = []
        room.journal.pass_on = self.take

    def take(self, tid: bytes, messages: list[bytes]) -> None:
        self.messages += [(tid, tcap.decode(each)) for each in messages]

    def ids(self) -> list[list[int]]:
        return [[each.invoke_id for each in message.components] for _, message in self.messages]


def test_what_a_switch_said_to_a_node_that_is_fenced_is_passed_on() -> None:
    """All of it that the record does not know of that was claimed, in its order, and nothing twice."""
    room = HeldRoom(HandMovedHeld())
    passed = _PassedOn(room)
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    room.go_on(otid, report(E.O_CALLED_PARTY_BUSY, 11))
    room.writes()  # the record knows of it
    room.nobodys(tid)
    room.go_on(otid, report(E.O_ANSWER, 12))
    room.go_on(otid, report(E.O_DISCONNECT, 13))
    room.writes()
    assert passed.ids() == [[12], [13]]
    assert {each for each, _ in passed.messages} == {tid}
    room.nothing_left()


def test_the_end_that_a_fenced_node_heard_is_passed_on() -> None:
    room = HeldRoom(HandMovedHeld())
    passed = _PassedOn(room)
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    room.nobodys(tid)
    room.abort(otid, tid)
    room.writes()
    assert [(each, message.kind) for each, message in passed.messages] == [(tid, tcap.ABORT)]
    room.nothing_left()


def test_what_was_said_before_the_first_record_is_known_to_be_written_is_passed_on() -> None:
    room = HeldRoom(HandMovedHeld())
    passed = _PassedOn(room)
    otid = room.call()
    room.held.carry_out()
    room.advance(0.05)
    room.advance(0.05)  # it leaves all the same
    room.nobodys(room.tid(otid))
    room.go_on(otid, report(E.O_CALLED_PARTY_BUSY, 11))
    room.held.tell()
    room.turn()
    room.writes()
    assert passed.ids() == [[11]]


def test_nothing_is_remembered_that_a_record_knows_of_or_that_changed_nothing() -> None:
    room = HeldRoom(HandMovedHeld())
    passed = _PassedOn(room)
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    for invoke_id in (11, 12):
        room.go_on(otid, report(E.O_MID_CALL, invoke_id))
        room.writes()
        assert not room.journal._taken
    room.go_on(otid, report(E.O_CALLED_PARTY_BUSY, 13))
    room.writes()
    assert not room.journal._taken
    room.abort(otid, tid)
    room.writes()
    assert not room.journal._taken
    assert not room.held.rows
    assert passed.ids() == []
    room.nothing_left()


class EachKeeper:
    """A service that keeps something new at each report."""

    name = "each"

    async def run(self, call: Call) -> None:
        call.decided(Decision(Action.CONTINUE, Reason.SERVICE_LOGIC))
        call.invoke(Opcode.CONTINUE)
        reports = 0
        while True:
            call.keep((reports,))
            await NextReport(60.0)
            reports += 1


@given(st.lists(st.sampled_from(["said", "carried out", "told", "claimed"]), max_size=12))
def test_what_is_passed_on_is_what_no_record_knows_of(story: list[str]) -> None:
    """Whenever the call is claimed: its record and what is passed on make the switch's words, each once."""
    room = HeldRoom(HandMovedHeld())
    room.cap.services = {SERVICE_KEY: EachKeeper()}
    passed = _PassedOn(room)
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    said = 10
    known = -1  # the last that the claimed record knows of
    for each in story:
        if each == "said" and room.node.tcap.find(tid) is not None:
            said += 1
            room.go_on(otid, report(E.O_MID_CALL, said))
        elif each == "carried out":
            room.held.carry_out()
        elif each == "told":
            room.held.tell()
            room.turn()
        elif each == "claimed" and known < 0:
            known = decode(room.held.rows[tid].record).heard
            room.nobodys(tid)
    if known < 0:
        return
    if room.node.tcap.find(tid) is not None:
        said += 1
        room.go_on(otid, report(E.O_DISCONNECT, said))
    room.writes()
    first = max(known, 10) + 1
    assert [one for message in passed.ids() for one in message] == list(range(first, said + 1))
    room.nothing_left()


def test_a_deletion_that_failed_is_made_later() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.writes()
    room.held.fails = True
    room.go_on(otid, report(E.O_DISCONNECT, 11))
    room.writes()
    assert len(room.held.rows) == 1
    room.held.fails = False
    room.journal.delete_again()
    room.writes()
    assert room.held.rows == {}


def test_the_record_of_a_quiet_call_has_the_time_of_its_next_look() -> None:
    """ActivityTest leaves at once, and the time of the record follows."""
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.writes()
    (before,) = room.held.rows.values()
    room.advance(601.0)
    assert room.answers(otid)[1].opcodes == [Opcode.ACTIVITY_TEST]
    room.writes()
    (after,) = room.held.rows.values()
    assert after.due_ms - before.due_ms == pytest.approx(600_000, abs=2_000)


def test_a_realistic_record_has_some_300_octets() -> None:
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.writes()
    (first,) = room.held.rows.values()
    room.go_on(otid, report(E.O_ANSWER, 11))
    room.writes()
    (talking,) = room.held.rows.values()
    print(f"\noctets: {len(first.record)} until it is answered, then {len(talking.record)}")
    assert len(talking.record) <= 320
    assert len(first.record) <= 512


# --- death ---

BOUNDARIES = ("before it is read", "before it is written", "before that is told", "when it is answered")
STEPS = {
    "busy": (E.O_CALLED_PARTY_BUSY, 1),
    "answer": (E.O_ANSWER, 0),
    "busy again": (E.O_CALLED_PARTY_BUSY, 1),
    "clearing": (E.O_DISCONNECT, 1),
}
STORIES = (("busy", "answer", "clearing"), ("answer", "clearing"), ("busy", "busy again"))


def dies(room: HeldRoom, otid: bytes, message: bytes, boundary: str) -> bytes:
    """Have a message come, and the process die at a boundary; return what its guardian leaves."""
    before = len(room.answers(otid))
    if boundary != BOUNDARIES[0]:
        room.send(message)
        room.held.carry_out() if boundary != BOUNDARIES[1] else None
        if boundary == BOUNDARIES[3]:
            room.writes()
    room.held.asked.clear()
    room.held.told.clear()
    return b"" if len(room.answers(otid)) > before else message


@pytest.mark.parametrize(
    ("story", "step", "boundary"),
    [(story, step, each) for story in STORIES for step, each in product(range(len(story)), BOUNDARIES)],
)
def test_at_every_boundary_another_process_goes_on(story: tuple[str, ...], step: int, boundary: str) -> None:
    """The switch sees what it sees without a death, and there is one CDR that has all of it."""
    held = HandMovedHeld()
    room = HeldRoom(held)
    otid = room.call()
    room.writes()
    tid, others = room.tid(otid), []
    for number, name in enumerate(story):
        event, _ = STEPS[name]
        message = tcap.build_continue(otid, tid, b"", [report(event, 11 + number)])
        if number == step:
            left = dies(room, otid, message, boundary)
            others.append(room)
            room = HeldRoom(held, room)
            if tid in held.rows:
                assert room.adopt(tid, *([left] if left else []))
        else:
            room.send(message)
        room.writes()
        room.advance(5.0)
    assert seen(room, otid) == expected(story)
    if step == len(story) - 1 and boundary == BOUNDARIES[1]:
        # The last answer has left, and the record is there: it is found by its time, the switch does not know the call.
        room.advance(620.0)
        room.writes()
        assert held.rows == {}
        assert len(records(room)) == 1
        return
    assert held.rows == {}
    (record,) = [each for one in (*others, room) for each in records(one)]
    assert record.get("failed_attempts", "").split() == ["oCalledPartyBusy"] * sum(
        name.startswith("busy") for name in story
    )
    assert ("answered_ms" in record, "disconnected_ms" in record) == ("answer" in story, "clearing" in story)
    room.nothing_left()


DUPLICATE = rose.INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID


@pytest.mark.parametrize(
    ("refused", "why", "ends"),
    [
        (ARMED[0], ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, False),
        (ARMED[1], ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, False),
        (ARMED[1], ErrorCode.TASK_REFUSED, False),
        (ARMED[0], DUPLICATE, False),
        (ARMED[1], DUPLICATE, False),
        (ARMED[1], ErrorCode.PARAMETER_OUT_OF_RANGE, True),
        (ARMED[1], (rose.INVOKE_PROBLEM, rose.MISTYPED_PARAMETER), True),
    ],
)
def test_a_switch_that_has_taken_a_message_refuses_its_repetition_and_the_call_goes_on(
    refused: Opcode, why: ErrorCode | tuple[int, int], ends: bool
) -> None:
    """29.078 §10.1.12.2: it stays in the state that the first copy brought it to, and still reports."""
    room, otid, _ = rescued_again()
    said = len(room.answers(otid))
    [invoke] = [each for each in room.answers(otid)[-1].message.components if each.opcode == refused]
    if isinstance(why, tuple):
        component = rose.encode_reject(invoke.invoke_id, *why)
    else:
        component = rose.encode_return_error(invoke.invoke_id, why)
    room.go_on(otid, component)
    room.writes()
    if ends:
        assert seen(room, otid)[said:] == [(tcap.END, (Opcode.CONTINUE,), "")]
        return
    assert room.answers(otid)[said:] == []
    assert room.counts.discards == [("cap", "refused-repetition")]
    for number, name in enumerate(("answer", "clearing")):
        room.go_on(otid, report(STEPS[name][0], 21 + number))
        room.writes()
    assert seen(room, otid)[said:] == [(tcap.END, (), "")]
    assert room.held.rows == {}
    room.nothing_left()
    assert room.cap._reports._repeated == {}


def test_an_invoke_id_of_a_repetition_that_is_given_anew_is_another_operation_s() -> None:
    room, otid, tid = rescued_again()
    connect = room.answers(otid)[-1].message.components[-1]
    dialogue = room.node.tcap.find(tid)
    assert dialogue is not None
    room.advance(6.0)
    dialogue.next_id, dialogue.silent = connect.invoke_id, None  # as after 128 operations
    room.advance(595.0)
    room.writes()
    asked = room.answers(otid)[-1]
    assert (asked.opcodes, asked.component.invoke_id) == ([Opcode.ACTIVITY_TEST], connect.invoke_id)
    room.go_on(otid, rose.encode_reject(connect.invoke_id, *DUPLICATE))
    room.writes()
    assert room.answers(otid)[-1].message.kind == tcap.END


def rescued_again() -> tuple[HeldRoom, bytes, bytes]:
    """A node whose predecessor died when its rescue had left, which nobody knew: it has said that again."""
    held = HandMovedHeld()
    room = HeldRoom(held)
    otid = room.call()
    room.writes()
    tid = room.tid(otid)
    busy = tcap.build_continue(otid, tid, b"", [report(E.O_CALLED_PARTY_BUSY, 11)])
    room.send(busy)
    room.writes()
    successor = HeldRoom(held, room)
    assert successor.adopt(tid, busy)
    successor.writes()
    first, second = successor.answers(otid)[1:]
    assert first.octets == second.octets
    assert first.opcodes == ARMED
    return successor, otid, tid


def seen(room: HeldRoom, otid: bytes) -> list[tuple[int, tuple[int, ...], str]]:
    """Messages that the switch got: kind, operations, number of a Connect."""
    found = []
    for answer in room.answers(otid):
        number = ""
        for component in answer.message.components:
            if component.opcode == Opcode.CONNECT:
                argument = FAST.decode_argument(Opcode.CONNECT, component.parameter, 2)
                number = CalledPartyNumber.decode(argument.destination_routing_address[0]).digits
        found.append((answer.message.kind, tuple(answer.opcodes), number))
    return found


def expected(story: tuple[str, ...]) -> list[tuple[int, tuple[int, ...], str]]:
    """What a switch gets in a story in which nobody dies."""
    room = HeldRoom(HandMovedHeld())
    otid = room.call()
    room.writes()
    for number, name in enumerate(story):
        room.go_on(otid, report(STEPS[name][0], 11 + number))
        room.writes()
    return seen(room, otid)


def records(room: HeldRoom) -> list[dict]:
    async def main() -> list[dict]:
        await room.cdrs.open()
        try:
            await room.sink.flush()
            return [json.loads(each.json) for each in await room.cdrs.page(0, 100)]
        finally:
            await room.cdrs.close()

    return asyncio.run(main())


@pytest.mark.parametrize("vocabulary", [Action, Reason, Nature])
def test_each_word_has_a_code_of_its_own(vocabulary: type[Action | Reason | Nature]) -> None:
    assert len({code(each) for each in vocabulary}) == len(vocabulary)


@pytest.mark.parametrize("session", ["", "1820d44f01a22bbfed15", "chf-77", "18", "1820d44f01a22bbfed16"])
def test_a_session_is_told_from_the_call(session: str) -> None:
    own = bytes.fromhex("20d44f01a22bbfed15")
    assert whole(short(session, own), own) == (session if len(session) != 2 else session + own.hex())


def test_a_record_of_another_version_is_not_read() -> None:
    room = HeldRoom(HandMovedHeld())
    room.call()
    room.writes()
    (row,) = room.held.rows.values()
    octets = bytearray(row.record)
    at = octets.index(VERSION, 1)  # behind the array's head
    octets[at] = 9
    assert decode(bytes(octets)) is None
    assert decode(row.record[:-1]) is None
    assert decode(b"") is None
    assert decode(row.record) is not None
