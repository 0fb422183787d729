"""Every answer that TS 29.002 has for what this node asks: each error of each operation in each version, long results, contexts."""

from __future__ import annotations

from typing import Any

import pytest
from map_room import MapRoom
from room import READY
from test_enquiries import BOB, CENTRE, NUMBER, ask, deliver, where_to_deliver

from scp.domain.map_results import Outcome
from scp.simulator import hlr
from scp.simulator.hlr_script import Subscriber, info_of
from ss7.address import AddressString, Imsi
from ss7.map.common import ModificationInstruction, SubscriberIdentity
from ss7.map.contexts import BY_NUMBER
from ss7.map.errors import (
    PARAMETERS,
    AbsentSubscriber,
    AbsentSubscriberReason,
    AbsentSubscriberSM,
    SMDeliveryFailure,
    SMDeliveryFailureCause,
    SMDeliveryFailureV2,
)
from ss7.map.location import (
    AnyTimeInterrogationArg,
    ProvideSubscriberInfoArg,
    RequestedInfo,
    SubscriberInfo,
    SubscriberInfoRes,
)
from ss7.map.messages import ReportSMDeliveryStatusArg, ReportSMDeliveryStatusArgV2, SMDeliveryOutcome
from ss7.map.operations import BY_OPCODE, Opcode, opcode_in
from ss7.map.routing import InterrogationType, SendRoutingInfoArg
from ss7.map.subscription import (
    AnyTimeModificationArg,
    ModificationRequestForCSI,
    RequestedCamelSubscriptionInfo,
)
from ss7.rose import encode_return_error, encode_return_result

MSISDN = AddressString(NUMBER).encode()
IDENTITY = SubscriberIdentity("msisdn", MSISDN)
WANTED = RequestedInfo(location_information=True, subscriber_state=True)
M_CSI = ModificationRequestForCSI(
    RequestedCamelSubscriptionInfo.M_CSI, modify_csi_state=ModificationInstruction.ACTIVATE
)
OUTCOME = SMDeliveryOutcome.ABSENT_SUBSCRIBER
BASIC = InterrogationType.BASIC_CALL
QUESTIONS: dict[Opcode, tuple[Any, dict[str, Any]]] = {
    Opcode.ANY_TIME_INTERROGATION: (AnyTimeInterrogationArg(IDENTITY, WANTED, CENTRE), {}),
    Opcode.ANY_TIME_MODIFICATION: (AnyTimeModificationArg(IDENTITY, CENTRE, csi=M_CSI), {}),
    Opcode.PROVIDE_SUBSCRIBER_INFO: (ProvideSubscriberInfoArg(Imsi(BOB.imsi).encode(), WANTED), {}),
    Opcode.SEND_ROUTING_INFO: (
        SendRoutingInfoArg(MSISDN, BASIC, CENTRE),
        {"earlier": SendRoutingInfoArg(MSISDN, None, None)},  # both came with v3
    ),
    Opcode.SEND_ROUTING_INFO_FOR_SM: (where_to_deliver(), {}),
    Opcode.MT_FORWARD_SM: (deliver(3), {"earlier": deliver(2)}),
    Opcode.REPORT_SM_DELIVERY_STATUS: (
        ReportSMDeliveryStatusArg(MSISDN, CENTRE, OUTCOME),
        {
            "earlier": ReportSMDeliveryStatusArgV2(MSISDN, CENTRE, OUTCOME),
            "first": ReportSMDeliveryStatusArgV2(MSISDN, CENTRE),
        },
    ),
}
"""What this node can ask of an HLR, MSC or VLR."""


def versions_of(opcode: int) -> list[int]:
    """The MAP versions that have an operation, by TS 29.002 §17.1.6 and the contexts that there are."""
    operation = BY_OPCODE[opcode]
    relay = operation.before >= 0
    return [
        version
        for version in (1, 2, 3)
        if opcode_in(opcode, version) >= 0 and (relay or (operation.context, version) in BY_NUMBER)
    ]


def asked(room: MapRoom, opcode: Opcode, version: int) -> Any:
    argument, earlier = QUESTIONS[opcode]
    room.script.versions = (version,)
    [answer] = ask(room, opcode, argument, **earlier)
    return answer


def forms(code: int, version: int) -> list[Any]:
    """The parameters that an error is tried with: none, and each form that the version has for what decides."""
    found: dict[tuple[int, bool], list[Any]] = {
        (27, False): [True, False],
        (27, True): [AbsentSubscriber(reason=each) for each in AbsentSubscriberReason],
        (6, True): [AbsentSubscriberSM(diagnostic=each) for each in (0, 1, 6, 11)],
        (32, True): [SMDeliveryFailure(each) for each in SMDeliveryFailureCause],
        (32, False): [
            SMDeliveryFailureV2("sm-EnumeratedDeliveryFailureCause", each) for each in SMDeliveryFailureCause
        ],
    }
    return [None, *found.get((code, version > 2), [])]


@pytest.mark.parametrize("opcode", QUESTIONS, ids=lambda opcode: opcode.name)
def test_every_error_of_every_operation_in_every_version_comes_with_its_code_and_parameter(opcode) -> None:
    operation = BY_OPCODE[opcode]
    tried = 0
    for version in versions_of(opcode):
        for code in operation.errors:
            for parameter in forms(code, version):
                room = MapRoom(READY)
                room.known(Subscriber(msisdn=NUMBER, error=code, parameter=parameter))
                answer = asked(room, opcode, version)
                assert (answer.outcome, answer.code, answer.version) == (Outcome.ERROR, code, version)
                if parameter is not None:
                    assert answer.value == parameter
                room.nothing_left()
                tried += 1
    assert tried >= len(operation.errors) * len(versions_of(opcode))


def test_an_error_whose_parameter_can_not_be_read_is_that_error_all_the_same() -> None:
    for code in sorted(PARAMETERS):
        room = MapRoom(READY)
        room.known(BOB)
        octets = encode_return_error(1, code, b"\x05\x00")

        def begun(indication: Any, now: float, room: MapRoom = room, octets: bytes = octets) -> None:
            room.hlr_node.send(
                indication.dialogue.path, room.hlr_node.tcap.end(indication.dialogue, [octets])
            )

        room.hlr._begun = begun
        [answer] = ask(room)
        assert (answer.outcome, answer.code) == (Outcome.ERROR, code)


@pytest.mark.parametrize("opcode", QUESTIONS, ids=lambda opcode: opcode.name)
def test_every_operation_is_asked_down_to_the_version_that_is_taken(opcode, everything_sent) -> None:
    argument, earlier = QUESTIONS[opcode]
    for version in versions_of(opcode):
        room = MapRoom(READY, recorder=everything_sent)
        room.known(BOB)
        room.script.versions = tuple(range(1, version + 1))
        [answer] = ask(room, opcode, argument, **earlier)
        assert (answer.outcome, answer.version) == (Outcome.RESULT, version)
    if min(versions_of(opcode)) > 1:  # nothing is left to ask in
        room = MapRoom(READY)
        room.script.versions = (1,)
        [answer] = ask(room, opcode, argument, **earlier)
        assert answer.outcome is Outcome.CONTEXT
        room.nothing_left()


def on_the_way(room: MapRoom, lost: int = 0) -> list[Any]:
    """What the HLR's link brings from now on; the message with the number ``lost`` gets lost."""
    heard: list[Any] = []
    received = room.near.received

    def taken(messages: Any) -> None:
        for message in list(messages):
            heard.append(message)
            if len(heard) != lost:
                received([message])

    room.near.received = taken
    return heard


@pytest.mark.parametrize("size", [200, 400, 2000])
@pytest.mark.parametrize("in_continue", [False, True])
def test_a_result_in_segments_of_any_length_is_put_together(
    size, in_continue, everything_sent, monkeypatch
) -> None:
    """XUDT with segmentation (Q.714 §4.1.1.2.3), up to near what 16 segments have room for."""
    private = (
        b"\xa1\x82" + (size + 4).to_bytes(2, "big") + b"\x04\x82" + size.to_bytes(2, "big") + bytes(size)
    )
    info = info_of(BOB)
    result = SubscriberInfoRes(SubscriberInfo(info.location_information, info.subscriber_state, private))
    monkeypatch.setattr(hlr, "result_of", lambda *_: (-1, result))
    room = MapRoom(READY, recorder=everything_sent)
    room.known(BOB)
    room.script.accepts_first = in_continue
    heard = on_the_way(room)
    answer = asked(room, Opcode.ANY_TIME_INTERROGATION, 3)
    assert answer.outcome is Outcome.RESULT
    assert answer.value == result
    assert len(heard) >= max(2, size // 250) - (size < 250)
    room.nothing_left()


def test_segments_of_which_one_is_lost_are_no_answer() -> None:
    room = MapRoom(READY, max_message=90)
    room.known(BOB)
    heard = on_the_way(room, lost=2)
    [argument, _] = QUESTIONS[Opcode.ANY_TIME_INTERROGATION]
    answers = ask(room, Opcode.ANY_TIME_INTERROGATION, argument, seconds=1.0)
    assert len(heard) > 1
    room.advance(1.1)
    assert [each.outcome for each in answers] == [Outcome.TIMEOUT]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_result_in_the_form_of_another_version_is_unreadable_or_means_the_same(version) -> None:
    """An HLR that takes a context and answers as another version has it."""
    for other in (1, 2, 3):
        room = MapRoom(READY)
        room.known(BOB)
        answer_of = room.hlr._answer

        def answer(question: Any, other: int = other, answer_of: Any = answer_of) -> None:
            question.version = other
            answer_of(question)

        room.hlr._answer = answer
        found = asked(room, Opcode.SEND_ROUTING_INFO_FOR_SM, version)
        if found.outcome is Outcome.RESULT:
            place = found.value.location_info_with_lmsi
            octets = getattr(place, "network_node_number", None) or place.location_info.value
            assert AddressString.decode(octets).digits == BOB.vlr
        else:
            assert found.outcome is Outcome.UNREADABLE
            assert (version > 2) != (other > 2)
        room.nothing_left()


def test_a_result_of_another_operation_is_no_answer() -> None:
    room = MapRoom(READY)
    room.known(BOB)

    def begun(indication: Any, now: float) -> None:
        end = room.hlr_node.tcap.end(indication.dialogue, [encode_return_result(1, 71, b"\x30\x02\xa0\x00")])
        room.hlr_node.send(indication.dialogue.path, end)

    room.hlr._begun = begun
    [answer] = ask(room)
    assert answer.outcome in (Outcome.UNREADABLE, Outcome.REJECT)
    room.nothing_left()
