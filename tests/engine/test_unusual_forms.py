"""InitialDPs and reports in forms that only the reference codec reads: read, counted, and limited for each peer."""

from __future__ import annotations

import pytest
from held_open import HeldOpen
from room import READY, SERVICE_KEY, Room, forwarding, idp

from scp.domain.decision import Action, Reason
from scp.engine.admission import Admission, Limits
from ss7 import tcap
from ss7.cap.codec import ALONE, FAST, UnusualError
from ss7.cap.operations import Opcode
from ss7.cap.types import EventReportBCSMArg, EventTypeBCSM, MessageType, MiscCallInfo
from ss7.rose import encode_invoke

PEER = "stp-0"


def indefinite(encoded: bytes) -> bytes:
    """The same SEQUENCE with an indefinite length (X.690 §8.1.3.6)."""
    assert encoded[0] == 0x30
    skip = 2 if encoded[1] < 0x80 else 2 + (encoded[1] & 0x7F)
    return b"\x30\x80" + encoded[skip:] + b"\0\0"


def room(service: object = None, *, rate: float = 0.0) -> Room:
    made = Room(READY, services={SERVICE_KEY: service or forwarding()}, links=2, arguments=ALONE)
    made.cap.admission = Admission(Limits(unusual_rate=rate))
    return made


def call(in_room: Room, argument: bytes, link: int = 0) -> bytes:
    in_room.switch = in_room.switches[link]
    otid = in_room.begin(encode_invoke(1, Opcode.INITIAL_DP, argument))
    in_room.store_answers()
    return otid


def test_the_form_that_is_used_here_is_unusual_and_means_the_same() -> None:
    usual = idp()
    with pytest.raises(UnusualError) as raised:
        ALONE.decode_argument(Opcode.INITIAL_DP, indefinite(usual), 2)
    expected = FAST.decode_argument(Opcode.INITIAL_DP, usual, 2)
    assert raised.value.decode() == expected == ALONE.decode_argument(Opcode.INITIAL_DP, usual, 2)


def test_an_unusual_initial_dp_is_served_and_counted() -> None:
    here = room()
    for argument in (idp(), indefinite(idp())):
        assert here.answer(call(here, argument)).opcodes == [Opcode.CONNECT]
    assert here.cap.declines == {PEER: 1}


def test_a_call_that_the_reference_codec_refuses_too_goes_on() -> None:
    here = room()
    otid = call(here, bytes.fromhex("3080 800164 800164 0000"))  # the service key twice
    assert here.answer(otid).message.kind == tcap.END
    assert here.decision.reason is Reason.UNREADABLE_PARAMETER
    assert here.cap.declines == {PEER: 1}


def test_above_its_rate_a_peers_unusual_calls_are_continued() -> None:
    here = room(rate=2.0)
    reasons = []
    for _ in range(5):
        call(here, indefinite(idp()))
        reasons.append(here.decision.reason)
    assert reasons[:2] == [Reason.FORWARDED_ALWAYS] * 2
    assert reasons[2:] == [Reason.RATE_LIMITED] * 3
    assert here.decision.action is Action.CONTINUE
    assert here.cap.declines == {PEER: 2}, "what is continued is not decoded"
    call(here, idp())
    assert here.decision.reason is Reason.FORWARDED_ALWAYS, "ordinary calls of the peer are served"
    call(here, indefinite(idp()), link=1)
    assert here.decision.reason is Reason.FORWARDED_ALWAYS, "another peer has a rate of its own"
    here.advance(1.0)
    call(here, indefinite(idp()))
    assert here.decision.reason is Reason.FORWARDED_ALWAYS
    assert here.cap.declines == {PEER: 3, "stp-1": 1}


def test_reports_are_read_whatever_the_rate() -> None:
    here = room(HeldOpen(30.0), rate=1.0)
    otid = call(here, indefinite(idp()))
    report = EventReportBCSMArg(EventTypeBCSM.O_DISCONNECT, misc_call_info=MiscCallInfo(MessageType.REQUEST))
    octets = indefinite(FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, report, 2))
    here.go_on(otid, encode_invoke(2, Opcode.EVENT_REPORT_BCSM, octets))
    assert here.answers(otid)[-1].message.kind == tcap.END
    assert here.cap.declines == {PEER: 2}
    here.nothing_left()


@pytest.mark.parametrize("argument", [indefinite(idp()), b"\x04\x01\x00"])
def test_a_draining_node_lets_an_unusual_call_go_on_unread(argument: bytes) -> None:
    here = room()
    here.cap.draining = True
    assert here.answer(call(here, argument)).opcodes == [Opcode.CONTINUE]
    assert here.decision.reason is Reason.DRAINING
    assert here.cap.declines == here.cap.unreadable == {}
