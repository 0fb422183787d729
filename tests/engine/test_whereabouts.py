"""Where a subscriber is, asked of the HLR within a call: real MAP dialogues, a simulated HLR, virtual time."""

from __future__ import annotations

import msgspec
import pytest
from map_room import ABROAD, HLR, HOME, MapRoom
from room import READY, ROAMER

from scp.domain.call import Trigger
from scp.domain.map_results import Outcome
from scp.domain.reason import Reason
from scp.domain.subscriber import When
from scp.engine.admission import Admission, Limits
from scp.services.whereabouts import Ask, OnSilence
from scp.simulator.hlr_script import Subscriber
from ss7.cap.operations import Opcode
from ss7.m3ua import DUNA, Message, encode
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.map.errors import ERROR_NAMES
from ss7.map.operations import BY_OPCODE

WANDERER = msgspec.structs.replace(ROAMER, roaming=None)
ATI = "anyTimeInterrogation"


def originating(room: MapRoom, **scenario: object) -> bytes:
    return room.call(trigger=Trigger.ORIGINATING, **scenario)


def test_an_o_csi_call_to_a_roaming_subscriber_is_steered_when_the_hlr_has_answered(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    room.script.delay = 0.080
    room.known(ABROAD)
    otid = originating(room)
    room.advance(0.079)
    assert room.answers(otid) == []
    room.advance(0.010)
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert room.decision.reason is Reason.FORWARDED_ROAMING
    assert room.map.enquiries[ATI][Outcome.RESULT] == 1
    assert room.map.places["asked"] == 1
    room.nothing_left()


def test_a_subscriber_at_home_is_not_steered_and_nothing_is_asked_twice_within_the_age():
    room = MapRoom(WANDERER)
    room.known(HOME)
    for _ in range(3):
        originating(room)
        room.turn()
        assert room.decision.reason is Reason.AT_HOME
    assert room.hlr.counts[ATI] == 1
    assert room.map.places["fresh"] == 2
    room.advance(61.0)
    originating(room)
    room.turn()
    assert room.hlr.counts[ATI] == 2


def test_a_silent_hlr_costs_the_call_its_deadline_and_no_more(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    room.script.silent = True
    otid = originating(room)
    room.advance(0.295)
    assert room.answers(otid) == []
    room.advance(0.010)
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert room.decision.reason is Reason.LOCATION_TIMEOUT
    room.advance(4.0)
    assert room.map.enquiries[ATI][Outcome.TIMEOUT] == 1
    assert room.map.places["timeout"] == 1
    assert len(room.enquiries) == 0
    room.nothing_left()


def test_what_is_stored_decides_where_the_hlr_is_silent_unless_the_policy_says_continue():
    for policy, reason in (
        (OnSilence.STORED, Reason.FORWARDED_ROAMING),
        (OnSilence.CONTINUE, Reason.LOCATION_TIMEOUT),
    ):
        room = MapRoom(ROAMER, on_silence=policy)
        room.script.silent = True
        originating(room)
        room.advance(0.4)
        assert room.decision.reason is reason


def test_an_answer_that_is_too_late_for_its_call_serves_the_next():
    room = MapRoom(WANDERER)
    room.script.delay = 1.0
    room.known(ABROAD)
    originating(room)
    room.advance(1.1)
    assert room.decision.reason is Reason.LOCATION_TIMEOUT
    otid = originating(room)
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert room.hlr.counts[ATI] == 1


def test_a_detached_subscriber_has_a_reason_of_its_own():
    room = MapRoom(WANDERER)
    room.known(msgspec.structs.replace(ABROAD, detached=True))
    originating(room)
    room.turn()
    assert room.decision.reason is Reason.DETACHED


def test_calls_at_the_same_time_share_one_enquiry():
    room = MapRoom(WANDERER)
    room.script.delay = 0.05
    room.known(ABROAD)
    otids = [originating(room) for _ in range(5)]
    room.advance(0.1)
    assert [room.answer(otid).opcodes for otid in otids] == [[Opcode.CONNECT]] * 5
    assert room.hlr.counts[ATI] == 1


@pytest.mark.parametrize(
    ("ask", "record", "asked"),
    [
        (Ask.OFF, WANDERER, 0),
        (Ask.NEEDED, WANDERER, 1),
        (Ask.NEEDED, READY, 0),
        (Ask.ON, READY, 1),
        (Ask.ON, msgspec.structs.replace(READY, forwarding=False), 0),
        (Ask.NEEDED, msgspec.structs.replace(READY, when=When.LOCATIONS, locations=("3165",)), 1),
    ],
)
def test_it_is_asked_only_where_the_place_decides(ask, record, asked):
    room = MapRoom(record, ask=ask)
    room.known(ABROAD)
    originating(room)
    room.turn()
    assert room.hlr.counts[ATI] == asked
    room.call(trigger=Trigger.TERMINATING)  # it says where the called subscriber is
    room.turn()
    assert room.hlr.counts[ATI] == asked


def test_a_location_condition_is_judged_by_what_the_hlr_says():
    record = msgspec.structs.replace(READY, when=When.LOCATIONS, locations=("3165",))
    room = MapRoom(record)
    room.known(ABROAD)
    otid = originating(room)
    room.turn()
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert room.decision.reason is Reason.FORWARDED_LOCATION


@pytest.mark.parametrize("code", sorted({*BY_OPCODE[71].errors, 6, 27}))
def test_every_error_of_the_hlr_has_its_reason(code, everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    room.known(Subscriber(msisdn="11234567", error=code))
    originating(room)
    room.turn()
    absent = code in (6, 27)
    assert room.decision.reason is (Reason.DETACHED if absent else Reason.LOCATION_UNAVAILABLE), ERROR_NAMES[
        code
    ]
    assert room.map.enquiries[ATI][Outcome.ERROR] == 1


def test_an_unknown_subscriber_and_a_refused_context_let_the_call_go_on():
    room = MapRoom(WANDERER)
    originating(room)
    room.turn()
    assert room.decision.reason is Reason.LOCATION_UNAVAILABLE
    assert room.map.places["unknown-subscriber"] == 1
    room.script.versions = (1, 2)
    originating(room)
    room.turn()
    assert room.map.enquiries[ATI][Outcome.CONTEXT] == 1
    assert room.map.places["refused"] == 1


def test_a_result_in_a_continue_and_in_segments_is_read_and_the_dialogue_ended(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent, max_message=90)
    room.script.accepts_first = True
    room.known(ABROAD)
    otid = originating(room)
    room.turn()
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert not len(room.hlr_node.tcap)
    room.nothing_left()


def test_a_dead_hlr_is_left_alone_after_some_silences_and_tried_again_later():
    room = MapRoom(WANDERER, failures=2)
    room.script.silent = True
    for number in range(2):
        originating(room)
        room.advance(3.5)
        assert room.hlr.counts[ATI] == number + 1
    assert room.places.silent
    assert room.places.silent_for(room.loop.now) > 0
    otid = originating(room)
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]  # at once
    assert room.hlr.counts[ATI] == 2
    room.script.silent = False
    room.known(ABROAD)
    room.advance(6.0)
    otid = originating(room)
    room.turn()
    assert room.answer(otid).opcodes == [Opcode.CONNECT]
    assert not room.places.silent


def test_more_than_the_rate_allows_is_not_asked():
    room = MapRoom(WANDERER, rate=1.0)
    room.known(ABROAD)
    originating(room)
    room.turn()
    room.places.forget("11234567")
    originating(room)
    assert room.decision.reason is Reason.LOCATION_UNAVAILABLE
    assert room.map.places["limited"] == 1
    assert room.map.enquiries[ATI][Outcome.LIMITED] == 1


def test_with_the_link_to_the_hlr_down_the_call_goes_on_in_time():
    room = MapRoom(WANDERER)
    room.near.close(abort=True)
    room.turn()
    otid = originating(room)
    room.advance(0.4)
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]


def test_a_caller_who_hangs_up_meanwhile_leaves_nothing_behind():
    room = MapRoom(WANDERER)
    room.script.delay = 0.1
    room.known(ABROAD)
    otid = originating(room)
    room.abort(otid, list(room.node.tcap._dialogues)[-2])  # the last one is the enquiry
    room.advance(0.2)
    assert room.answers(otid) == []
    assert room.map.enquiries[ATI][Outcome.RESULT] == 1
    room.nothing_left()


@pytest.mark.parametrize("how", ["link", "duna"])
def test_an_hlr_that_no_link_leads_to_costs_the_call_nothing(how):
    room = MapRoom(WANDERER, failures=2)
    room.known(ABROAD)
    if how == "link":
        room.near.close(abort=True)
    else:
        params = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(HLR, 0),)}
        room.far.transport.send([(0, encode(Message(DUNA, params)))])
    room.turn()
    for _ in range(3):  # it is not the HLR that is silent
        otid = originating(room)
        assert room.answer(otid).opcodes == [Opcode.CONTINUE]  # at once
        assert room.decision.reason is Reason.LOCATION_UNREACHABLE
    assert room.map.places["unreachable"] == 3
    assert room.hlr.counts[ATI] == 0
    assert not room.places.silent
    assert not len(room.enquiries)


def test_what_is_stored_decides_while_no_link_leads_to_the_hlr():
    room = MapRoom(msgspec.structs.replace(ROAMER, roaming=True))
    room.near.close(abort=True)
    room.turn()
    assert room.answer(originating(room)).opcodes == [Opcode.CONNECT]
    assert room.decision.reason is Reason.FORWARDED_ROAMING


@pytest.mark.parametrize(("waited", "wait"), [(0.0, 0.3), (0.15, 0.15)])
def test_the_time_that_a_call_has_waited_unread_is_part_of_its_deadline(waited, wait):
    room = MapRoom(WANDERER)
    room.script.silent = True
    room.cap.admission = Admission(Limits(delay=0.2))
    room.cap.admission.turn.began = room.loop.now - waited
    otid = originating(room)
    room.advance(wait - 0.01)
    assert room.answers(otid) == []
    room.advance(0.02)
    assert room.answer(otid).opcodes == [Opcode.CONTINUE]
    assert room.decision.reason is Reason.LOCATION_TIMEOUT
