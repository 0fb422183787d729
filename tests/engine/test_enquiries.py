"""Dialogues that the node begins: versions, forms of the answer, addresses, limits."""

from __future__ import annotations

import pytest
from map_room import HLR, TITLE, MapRoom
from room import READY

from scp.domain.lookup import PENDING
from scp.domain.map_results import Outcome
from scp.engine.enquiries import Answer, Question
from scp.simulator.hlr_script import Subscriber
from ss7.address import AddressString, Imsi
from ss7.map.messages import SMRPDA, SMRPOA, ForwardSMArg, MTForwardSMArg, RoutingInfoForSMArg
from ss7.map.operations import BY_OPCODE, Opcode
from ss7.rose import INVOKE_PROBLEM, encode_invoke, encode_reject, encode_return_error, encode_return_result
from ss7.sccp import Address

NUMBER = "46701234567"
DELIVER = bytes.fromhex("040b916407214365f70000621110210000000 5c8329bfd06".replace(" ", ""))
CENTRE = AddressString("46700000002").encode()
BOB = Subscriber(msisdn=NUMBER, vlr="46709000001")


class Asker:
    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answered(self, answer: Answer, now: float) -> None:
        self.answers.append(answer)


def where_to_deliver() -> RoutingInfoForSMArg:
    return RoutingInfoForSMArg(AddressString(NUMBER).encode(), False, CENTRE)


def deliver(version: int) -> MTForwardSMArg | ForwardSMArg:
    to, sender = SMRPDA("imsi", Imsi(BOB.imsi).encode()), SMRPOA("serviceCentreAddressOA", CENTRE)
    return (MTForwardSMArg if version > 2 else ForwardSMArg)(to, sender, DELIVER)


def ask(room: MapRoom, opcode: int = Opcode.SEND_ROUTING_INFO_FOR_SM, argument=None, ssn: int = 6, **fields):
    asker = Asker()
    question = Question(opcode, argument or where_to_deliver(), NUMBER, ssn, NUMBER, own_ssn=147, **fields)
    told = room.enquiries.ask(question, asker, room.loop.now)
    if told is not PENDING:
        asker.answers.append(told)
    room.turn()
    return asker.answers


@pytest.mark.parametrize("versions", [(1, 2, 3), (1, 2), (1,)])
def test_a_refused_context_is_asked_in_the_version_below_and_remembered(versions, everything_sent):
    room = MapRoom(READY, recorder=everything_sent)
    room.known(BOB)
    room.script.versions = versions
    [answer] = ask(room)
    assert (answer.outcome, answer.version) == (Outcome.RESULT, max(versions))
    node = answer.value.location_info_with_lmsi
    number = node.network_node_number if max(versions) == 3 else node.location_info.value
    assert AddressString.decode(number).digits == BOB.vlr
    assert room.hlr.counts["context refused"] == 3 - max(versions)
    ask(room)
    assert room.hlr.counts["context refused"] == 3 - max(versions)  # it is remembered
    room.nothing_left()


@pytest.mark.parametrize("old", [(1, 2), (1,)])
@pytest.mark.parametrize("new", [(1, 2, 3), (2, 3), (3,)])
def test_what_one_hlr_of_a_network_lacks_another_one_there_is_asked_in(old, new, everything_sent):
    """A refusal in what the first one took is no last word; one of MAP v1 has no words for it."""
    room = MapRoom(READY, recorder=everything_sent)
    room.known(BOB)
    room.script.versions = old
    ask(room)
    room.script.versions = new
    [answer] = ask(room)
    speechless = old == (1,) and 1 not in new
    assert answer.outcome is (Outcome.ABORT if speechless else Outcome.RESULT)
    refused = room.hlr.counts["context refused"]
    [answer] = ask(room)
    assert answer.outcome is Outcome.RESULT
    assert room.hlr.counts["context refused"] == refused
    room.nothing_left()


def test_a_network_that_takes_no_version_any_more_is_asked_once_in_each():
    room = MapRoom(READY)
    room.known(BOB)
    room.script.versions = (2,)
    ask(room)
    room.script.versions = ()
    before = room.hlr.counts["context refused"]
    [answer] = ask(room)
    assert answer.outcome is Outcome.ABORT  # of v1, the last one
    assert room.hlr.counts["context refused"] == before + 3
    room.script.versions = (3,)
    [answer] = ask(room)
    assert answer.version == 3
    assert room.hlr.counts["context refused"] == before + 3
    room.nothing_left()


def test_what_one_msc_takes_says_nothing_of_the_next_one():
    room = MapRoom(READY)
    room.known(BOB)
    for versions, title in (((2,), "46709000001"), ((3,), "46709000002")):
        room.script.versions = versions
        asker = Asker()
        question = Question(Opcode.MT_FORWARD_SM, deliver(3), title, 8, NUMBER, earlier=deliver(2))
        room.enquiries.ask(question, asker, room.loop.now)
        room.turn()
        assert [each.version for each in asker.answers] == [max(versions)]
    assert room.hlr.counts["context refused"] == 1
    room.nothing_left()


def test_a_short_message_goes_by_the_operation_and_argument_of_the_version(everything_sent):
    room = MapRoom(READY, recorder=everything_sent)
    room.known(BOB)
    room.script.versions = (2,)
    [answer] = ask(room, Opcode.MT_FORWARD_SM, deliver(3), earlier=deliver(2))
    assert answer.outcome is Outcome.RESULT
    assert room.hlr.counts["forwardSM"] == 1


@pytest.mark.parametrize("code", BY_OPCODE[45].errors)
@pytest.mark.parametrize("version", [2, 3])
def test_every_error_comes_with_its_code(code, version):
    room = MapRoom(READY)
    room.known(Subscriber(msisdn=NUMBER, error=code))
    room.script.versions = (version,)
    [answer] = ask(room)
    assert (answer.outcome, answer.code) == (Outcome.ERROR, code)
    if code == 6:
        assert (answer.value.diagnostic if version == 3 else answer.value) == (1 if version == 3 else None)


def test_addresses_are_global_titles_with_the_subsystems_of_either_side():
    room = MapRoom(READY)
    room.known(BOB)
    seen = []
    room.hlr._begun = lambda indication, now: seen.append(indication.dialogue.path)
    ask(room)
    [path] = seen
    called, calling = Address.decode(path.calling), Address.decode(path.called)
    assert (called.ssn, called.global_title.digits) == (6, NUMBER)
    assert (calling.ssn, calling.global_title.digits) == (147, TITLE)
    assert path.opc == HLR


def test_a_peer_that_opens_a_dialogue_of_ours_is_refused():
    room = MapRoom(READY)
    room.hlr.note(BOB, b"\x01", to=TITLE, point_code=185, ssn=146)
    room.turn()
    assert room.hlr.counts["told: abort"] == 1
    assert ("tcap", "contextNotSupported") in room.counts.discards


def test_no_answer_ends_the_enquiry_after_its_time_and_a_late_one_is_discarded():
    room = MapRoom(READY)
    room.known(BOB)
    room.script.delay = 2.0
    answers = ask(room, seconds=1.0)
    room.advance(1.1)
    assert [each.outcome for each in answers] == [Outcome.TIMEOUT]
    room.advance(2.0)
    assert [each.outcome for each in answers] == [Outcome.TIMEOUT]
    room.nothing_left()


def test_what_sccp_returns_is_undeliverable_at_once():
    room = MapRoom(READY)
    [answer] = ask(room, ssn=99)
    assert answer.outcome is Outcome.UNDELIVERABLE
    assert ("sccp", "returned") in room.counts.discards
    room.nothing_left()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (lambda tcap, dialogue: tcap.abort(dialogue), Outcome.ABORT),
        (lambda tcap, dialogue: tcap.end(dialogue, []), Outcome.UNREADABLE),
        (
            lambda tcap, dialogue: tcap.end(dialogue, [encode_return_result(1, 45, b"\x30\x00")]),
            Outcome.UNREADABLE,
        ),
        (lambda tcap, dialogue: tcap.end(dialogue, [encode_reject(1, INVOKE_PROBLEM, 1)]), Outcome.REJECT),
        (lambda tcap, dialogue: tcap.end(dialogue, [encode_return_error(1, 99)]), Outcome.ERROR),
        (
            lambda tcap, dialogue: tcap.continue_(dialogue, [encode_return_result(9, 45, b"\x30\x00")], 0.0),
            Outcome.UNREADABLE,
        ),
        (
            lambda tcap, dialogue: tcap.end(dialogue, [encode_return_result(9, 45, b"\x30\x00")]),
            Outcome.UNREADABLE,
        ),
        (
            lambda tcap, dialogue: tcap.end(dialogue, [encode_return_result(1, 71, b"\x30\x00")]),
            Outcome.UNREADABLE,
        ),
        (lambda tcap, dialogue: tcap.end(dialogue, [encode_return_error(9, 34)]), Outcome.UNREADABLE),
        (
            lambda tcap, dialogue: tcap.continue_(dialogue, [encode_invoke(1, 45, b"\x30\x00")], 0.0),
            Outcome.UNREADABLE,
        ),
        (
            lambda tcap, dialogue: tcap.end(dialogue, [encode_invoke(1, 45, b"\x30\x00")]),
            Outcome.UNREADABLE,
        ),
    ],
)
def test_other_answers_end_the_enquiry_with_their_outcome(said, outcome, everything_sent):
    room = MapRoom(READY, recorder=everything_sent)
    room.known(BOB)

    def begun(indication, now):
        room.hlr_node.send(indication.dialogue.path, said(room.hlr_node.tcap, indication.dialogue))

    room.hlr._begun = begun
    [answer] = ask(room)
    assert answer.outcome is outcome
    assert not len(room.enquiries)
    room.nothing_left()
