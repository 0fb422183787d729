"""The gsmSCF as a switch sees it: a node from M3UA up, asked by a gateway that says whatever octets the case wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from case import Case, Group, Section
from held_open import Charged, HeldOpen
from msgspec import structs
from room import (
    ABROAD,
    AT_HOME,
    MSISDN,
    NETWORK,
    READY,
    SERVICE_KEY,
    STEERED,
    Room,
    forwarding,
    idp,
    new_otid,
)

from scp.domain.call import Trigger
from scp.domain.decision import Reason
from scp.domain.rules import OnFailure
from scp.domain.subscriber import Subscriber, When
from scp.engine.admission import Admission, Limits
from scp.services.api import StoreFailure
from scp.stack.sccp_settings import SccpSettings, Translation
from ss7 import tcap
from ss7.ber import encode_element
from ss7.cap.codec import FAST
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.contexts import BY_VERSION
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.cap.types import (
    BCSMEvent,
    EventReportBCSMArg,
    EventTypeBCSM,
    InitialDPArg,
    MessageType,
    MiscCallInfo,
    MonitorMode,
    ReceivingSideID,
)
from ss7.cause import Cause
from ss7.isup import CalledPartyNumber, NatureOfAddress, RedirectingNumber, RedirectionInformation
from ss7.m3ua import ASPDN, ASPIA, DRST, DUNA, SCON, Message, decode, encode
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.rose import Invoke, encode_invoke, encode_return_error, encode_return_result
from ss7.sccp import Address, GlobalTitle, ReturnCause, UnitData, UnitDataService
from ss7.sccp import MessageType as SccpType
from ss7.tcap_dialogue import REJECT_PERMANENT, SERVICE_USER, Aare, Aarq, encode_dialogue

ROAMER = Subscriber(MSISDN, authorized=True, aor="sip:b@x", forwarding=True, when=When.ROAMING)
PATIENCE = 30.0
CONNECT, CONTINUE = Opcode.CONNECT, Opcode.CONTINUE

_cases: list[Case] = []
_section = Section("N", _cases)


def case(clause: str, purpose: str) -> Callable[[Callable[[], Iterable[Room] | None]], None]:
    """A case that returns its rooms leaves nothing in them: no dialogue, timer or count."""

    def take(run: Callable[[], Iterable[Room] | None]) -> None:
        def clean() -> None:
            for room in run() or ():
                room.nothing_left()

        _section.add(clause, purpose, clean)

    return take


def ended(room: Room, otid: bytes) -> tuple[object, Invoke]:
    """The dialogue portion and the one component of an answer in TC-END."""
    answer = room.answer(otid)
    assert answer.message.kind == tcap.END
    return answer.message.dialogue, answer.component


def connected_to(room: Room, otid: bytes, version: int = 2) -> CalledPartyNumber:
    component = ended(room, otid)[1]
    assert component.opcode == CONNECT
    argument = FAST.decode_argument(CONNECT, component.parameter, version)
    [number] = argument.destination_routing_address
    return CalledPartyNumber.decode(number)


def continues(room: Room, otid: bytes, reason: Reason) -> None:
    component = ended(room, otid)[1]
    assert (component.opcode, component.parameter) == (CONTINUE, b"")
    assert room.decision.reason is reason


def initial_dp(argument: bytes, invoke_id: int = 1) -> bytes:
    return encode_invoke(invoke_id, Opcode.INITIAL_DP, argument)


def event(kind: EventTypeBCSM, mode: MessageType, invoke_id: int) -> bytes:
    leg = ReceivingSideID("receivingSideID", b"\x02")
    argument = EventReportBCSMArg(event_type_bcsm=kind, leg_id=leg, misc_call_info=MiscCallInfo(mode))
    return encode_invoke(
        invoke_id, Opcode.EVENT_REPORT_BCSM, FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
    )


def sent(room: Room, otid: bytes) -> list[tuple[int, list[int]]]:
    return [(answer.message.kind, answer.opcodes) for answer in room.answers(otid)]


# --- addresses ---
_section.begin()


@case(
    "Q.714 §4.1",
    "The answer goes to the received calling address, from the called one, in class 1 on the same SLS",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    calling = Address(ssn=146, global_title=GlobalTitle("49170000001")).encode()
    for sls in (0, 7, 15):
        answer = room.answer(room.begin(initial_dp(idp()), calling=calling, sls=sls))
        assert (answer.unit.called_raw, answer.unit.calling_raw) == (calling, NETWORK.called())
        assert (answer.sls, answer.unit.protocol_class) == (sls, 1)
        assert (answer.opc, answer.dpc) == (NETWORK.scp_point_code, NETWORK.point_code)
    return [room]


@case("Q.714 §2.3.2", "A caller that is addressed by point code and SSN is answered there")
def _() -> Iterable[Room]:
    room = Room(READY)
    elsewhere = Address(ssn=146, point_code=77, route_on_ssn=True).encode()
    assert room.answer(room.begin(initial_dp(idp()), calling=elsewhere)).dpc == 77
    return [room]


@case("Q.714 §4.2", "A caller that is not allowed opens no dialogue")
def _() -> Iterable[Room]:
    settings = SccpSettings(point_codes=(NETWORK.scp_point_code,), allowed_prefixes=("1",))
    room = Room(READY, sccp_settings=settings)
    room.call()
    assert room.said == []
    assert room.counts.discards == [("sccp", "caller-not-allowed")]
    return [room]


@case("Q.714 §4.1.1.2", "An InitialDP in XUDT segments is answered as one in a UDT")
def _() -> Iterable[Room]:
    room = Room(READY)
    field = ExtensionField(ExtensionID("local", 7), encode_element(0xA1, bytes(400)), CriticalityType.IGNORE)
    plain = FAST.decode_argument(Opcode.INITIAL_DP, idp(), 2)
    argument = InitialDPArg(SERVICE_KEY, called_party_number=plain.called_party_number, extensions=(field,))
    octets = FAST.encode_argument(Opcode.INITIAL_DP, argument, 2)
    assert connected_to(room, room.begin(initial_dp(octets))).digits == STEERED
    return [room]


@case("Q.771 §3.1.2", "A TC-CONTINUE of ours that comes back ends its dialogue, silently")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    unit = room.answer(otid).unit
    assert unit.return_on_error
    back = UnitDataService(
        SccpType.UDTS, ReturnCause.UNEQUIPPED_USER, unit.calling_raw, unit.called_raw, unit.data
    )
    room.switch.sccp(back.encode())
    assert room.counts.outcomes == ["undeliverable"]
    assert len(room.answers(otid)) == 1
    return [room]


SWITCH = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(NETWORK.point_code),)}


@case(
    "RFC 4666 §4.5.2",
    "A gateway that says DUNA, DRST or SCON of a switch is passed over for one that reaches it",
)
def _() -> Iterable[Room]:
    rooms = []
    for kind in (DUNA, DRST, SCON):
        room = Room(READY, links=2)
        room.switch.m3ua(encode(Message(kind, SWITCH)), 0)
        assert room.answer(room.call()).opcodes == [CONNECT]
        assert [len(switch.answers) for switch in room.switches] == [0, 1]
        rooms.append(room)
    return rooms


@case(
    "RFC 4666 §3.4.4",
    "SCON with no other way: calls are answered all the same, returned messages are not sent",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    room.switch.m3ua(encode(Message(SCON, SWITCH)), 0)
    other = Address(8, -1, None, True).encode()
    room.switch.sccp(UnitData(SccpType.UDT, 1, True, other, NETWORK.calling(), b"x").encode())
    assert room.switch.returned == []
    assert room.answer(room.call()).opcodes == [CONNECT]
    return [room]


@case(
    "Q.714 §2.4",
    "A configured translation says where answers to a title go: the backup while the primary is away",
)
def _() -> Iterable[Room]:
    settings = SccpSettings(
        point_codes=(NETWORK.scp_point_code,), translations=(Translation("46709", (501, 502)),)
    )
    room = Room(READY, sccp_settings=settings)
    assert room.answer(room.call()).dpc == 501
    room.switch.m3ua(encode(Message(DUNA, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(501),)})), 0)
    assert room.answer(room.call()).dpc == 502
    return [room]


@case("Q.714 §2.3.1", "What comes to a further point code of ours is answered from that")
def _() -> Iterable[Room]:
    room = Room(READY, sccp_settings=SccpSettings(point_codes=(NETWORK.scp_point_code, 999)))
    switch = room.switch
    ask = switch.sccp
    switch.sccp = lambda octets, **fields: ask(octets, **{**fields, "dpc": 999})  # type: ignore[method-assign]
    assert room.answer(room.call()).opc == 999
    return [room]


# --- dialogues ---
_section.begin()
for version in (1, 2, 3, 4):

    @case("29.078 §14.1", f"CAP v{version}: the answer accepts the same application context")
    def _(version: int = version) -> Iterable[Room]:
        room = Room(READY)
        otid = room.call(version)
        assert ended(room, otid)[0] == Aare(BY_VERSION[version].octets)
        assert connected_to(room, otid, version).digits == STEERED
        return [room]


@case("29.078 §14.1", "A BEGIN without a dialogue portion is CAP v1, and answered without one")
def _() -> Iterable[Room]:
    room = Room(READY)
    dialogue, component = ended(room, room.call(1, portion=False))
    assert (dialogue, component.opcode) == (None, CONNECT)
    return [room]


for text in ("0.4.0.0.1.0.50.9", "0.4.0.0.1.21.3.61", "0.4.0.0.1.0.1.3"):

    @case("Q.774 §3.2.1", f"Another application context ({text}) is refused as not supported")
    def _(text: str = text) -> Iterable[Room]:
        room = Room(READY)
        otid, context = new_otid(), tcap.oid_octets(text)
        room.send(tcap.build_begin(otid, encode_dialogue(Aarq(context)), [initial_dp(idp())]))
        message = room.answer(otid).message
        assert message.kind == tcap.ABORT
        assert message.dialogue == Aare(context, REJECT_PERMANENT, SERVICE_USER, 2)
        return [room]


@case("29.078 §14.1.2.2.1", "With nothing armed, Connect or Continue goes in TC-END and the dialogue is over")
def _() -> Iterable[Room]:
    rooms = [Room(READY), Room()]
    assert [sent(room, room.call()) for room in rooms] == [[(tcap.END, [CONNECT])], [(tcap.END, [CONTINUE])]]
    assert not any(len(room.node.tcap) for room in rooms)
    return rooms


@case("29.078 §11.26", "A service that arms events does so in TC-CONTINUE; the dialogue stays open")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    assert sent(room, otid) == [(tcap.CONTINUE, [Opcode.REQUEST_REPORT_BCSM_EVENT, CONTINUE])]
    assert len(room.node.tcap) == 1
    room.end(otid)
    return [room]


@case(
    "29.078 §11.12", "A notified event (EDP-N) wants no answer; an interrupted one (EDP-R) gets one, at once"
)
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    room.go_on(otid, event(EventTypeBCSM.O_ANSWER, MessageType.NOTIFICATION, 2))
    assert len(room.answers(otid)) == 1
    room.go_on(otid, event(EventTypeBCSM.O_DISCONNECT, MessageType.REQUEST, 3))
    assert sent(room, otid)[1:] == [(tcap.END, [CONTINUE])]
    return [room]


@case("29.078 §11.26", "A dialogue goes on over another association when its own is lost")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)}, links=2)
    otid = room.call()
    room.disconnect(0)
    room.switch = room.switches[1]
    room.go_on(otid, event(EventTypeBCSM.O_DISCONNECT, MessageType.REQUEST, 3))
    assert sent(room, otid)[1:] == [(tcap.END, [CONTINUE])]
    return [room]


@case("Q.774 §3.2.1", "An ABORT before the answer cancels lookup and answer: no END afterwards")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.store.slow = True
    otid = room.call()
    room.abort(otid, room.waiting_tid)
    room.store_answers()
    room.advance(1.0)
    assert room.answers(otid) == []
    return [room]


@case("Q.774 §3.3", "Beyond the most dialogues: ABORT, resourceLimitation; calls in progress are answered")
def _() -> Iterable[Room]:
    room = Room(READY, max_dialogues=1)
    room.store.slow = True
    held, refused = room.call(), room.call()
    assert room.answer(refused).message.p_abort_cause == tcap.RESOURCE_LIMITATION
    room.store_answers()
    assert room.answer(held).opcodes == [CONNECT]
    return [room]


@case("Q.774 §3.3", "Transaction ids differ, and begin with the node's instance number")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    tids = [room.tid(room.call()) for _ in range(20)]
    assert len(set(tids)) == 20
    assert {tid[0] for tid in tids} == {7}
    return [room]


# --- errors ---
_section.begin()


@case("29.078 §10.1.6", "An unknown service key: error missingCustomerRecord in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    component = ended(room, room.call(service_key=101))[1]
    assert component.error == ErrorCode.MISSING_CUSTOMER_RECORD
    return [room]


@case("Q.773 §4.2.2.6", "Strict, an InitialDP that can't be decoded: reject mistypedParameter in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY, strict=True)
    otid = room.begin(initial_dp(b"\x30\x03\x80\x02\x01"))
    assert room.answer(otid).message.kind == tcap.END
    assert room.answer(otid).problem == (1, 2)
    return [room]


@case("29.078 §6.1", "An InitialDP with nothing but its service key is served")
def _() -> Iterable[Room]:
    room = Room(READY)
    octets = FAST.encode_argument(Opcode.INITIAL_DP, InitialDPArg(SERVICE_KEY), 2)
    continues(room, room.begin(initial_dp(octets)), Reason.NO_CALLED_NUMBER)
    return [room]


@case("Q.773 §4.2.2.6", "Another first operation: reject unrecognizedOperation in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    for opcode in (Opcode.CONNECT, Opcode.EVENT_REPORT_BCSM, 99):
        otid = room.begin(encode_invoke(1, opcode))
        assert room.answer(otid).message.kind == tcap.END
        assert room.answer(otid).problem == (1, 1)
    return [room]


@case(
    "29.078 §10.1.12",
    "A second InitialDP in the BEGIN: Continue and error unexpectedComponentSequence in one TC-END",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    answer = room.answer(room.begin(initial_dp(idp(), 1), initial_dp(idp(), 2))).message
    going_on, error = answer.components
    assert (answer.kind, going_on.opcode) == (tcap.END, CONTINUE)
    assert (error.invoke_id, error.error) == (2, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)
    return [room]


@case(
    "29.078 §10.1.14",
    "An unknown extension of criticality abort: error unexpectedParameter; of ignore: served",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    plain = FAST.decode_argument(Opcode.INITIAL_DP, idp(), 2)
    for criticality in (CriticalityType.ABORT, CriticalityType.IGNORE):
        field = ExtensionField(ExtensionID("local", 7), encode_element(0xA1, b"\x05\x00"), criticality)
        argument = InitialDPArg(
            SERVICE_KEY, called_party_number=plain.called_party_number, extensions=(field,)
        )
        otid = room.begin(initial_dp(FAST.encode_argument(Opcode.INITIAL_DP, argument, 2)))
        component = ended(room, otid)[1]
        if criticality is CriticalityType.ABORT:
            assert component.error == ErrorCode.UNEXPECTED_PARAMETER
        else:
            assert component.opcode == CONNECT
    return [room]


@case("29.078 §14.1.2.2.1", "A bad component in an open dialogue is rejected in TC-END, never in TC-CONTINUE")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    room.go_on(otid, encode_invoke(9, 99))
    assert room.answers(otid)[-1].message.kind == tcap.END
    assert room.answers(otid)[-1].problem == (1, 1)
    return [room]


@case(
    "29.078 §6.1.2", "An operation of a later CAP version than the dialogue's: reject unrecognizedOperation"
)
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    later = next(each for each in BY_OPCODE.values() if not each.from_scf and each.since > 2)
    otid = room.call()
    room.go_on(otid, encode_invoke(9, later.opcode))
    assert room.answers(otid)[-1].problem == (1, 1)
    return [room]


@case("29.078 §14.1.2.2.1", "An error to an arming ends the dialogue; the call is the switch's")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    room.go_on(otid, encode_return_error(1, ErrorCode.TASK_REFUSED))
    assert sent(room, otid)[1:] == [(tcap.END, [])]
    return [room]


@case("29.078 §14.1.2.2.1", "A bad component beside the InitialDP: Continue and its reject in one TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    answer = room.answer(room.begin(initial_dp(idp()), encode_invoke(2, 99))).message
    going_on, reject = answer.components
    assert (answer.kind, going_on.opcode) == (tcap.END, CONTINUE)
    assert (reject.invoke_id, reject.problem_type, reject.problem) == (2, 1, 1)
    return [room]


@case("29.078 §14.1.1.4.1", "An error that the operation can't have: its reject in TC-END")
def _() -> Iterable[Room]:
    rooms = []
    for code, parameter, problem in (
        (99, b"", 2),  # unrecognizedError
        (ErrorCode.CANCEL_FAILED, b"", 3),  # unexpectedError: no arming has it
        (ErrorCode.TASK_REFUSED, b"\x04\x01\x00", 4),  # mistypedParameter
    ):
        room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
        otid = room.call()
        room.go_on(otid, encode_return_error(1, code, parameter))
        assert room.answers(otid)[-1].message.kind == tcap.END
        assert room.answers(otid)[-1].problem == (3, problem)
        rooms.append(room)
    return rooms


@case(
    "29.078 §14.1.1.4.1", "A ReturnResultNotLast, which CAP does not use: reject mistypedParameter in TC-END"
)
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    room.advance(PATIENCE + 0.01)  # ActivityTest
    room.go_on(otid, encode_return_result(room.answers(otid)[-1].component.invoke_id, last=False))
    assert room.answers(otid)[-1].message.kind == tcap.END
    assert room.answers(otid)[-1].problem == (2, 2)
    return [room]


# --- steering ---
_section.begin()


@case("23.078 §4.4", "Originating (DP 2): the number is that of calledPartyBCDNumber")
def _() -> Iterable[Room]:
    room = Room(READY)
    assert connected_to(room, room.call(trigger=Trigger.ORIGINATING)).digits == STEERED
    return [room]


@case("23.078 §4.4", "Terminating (DP 12): a VLR outside the home network is roaming, one inside it is not")
def _() -> Iterable[Room]:
    room = Room(ROAMER)
    assert connected_to(room, room.call(trigger=Trigger.TERMINATING, vlr=ABROAD)).digits == STEERED
    continues(room, room.call(trigger=Trigger.TERMINATING, vlr=AT_HOME), Reason.AT_HOME)
    return [room]


@case("Q.763 §3.9", "destinationRoutingAddress is one called party number: nature and plan kept, no ST")
def _() -> Iterable[Room]:
    room = Room(READY)
    assert connected_to(room, room.call()) == CalledPartyNumber(STEERED, 2, 1)
    return [room]


@case(
    "29.078 §11.9", "A forwarded call keeps original called, redirecting number and redirection information"
)
def _() -> Iterable[Room]:
    room = Room(READY)
    octets = idp(trigger=Trigger.FORWARDED)
    component = ended(room, room.begin(initial_dp(octets)))[1]
    asked = FAST.decode_argument(Opcode.INITIAL_DP, octets, 2)
    said = FAST.decode_argument(CONNECT, component.parameter, 2)
    for name in ("original_called_party_id", "redirecting_party_id", "redirection_information"):
        assert getattr(said, name) == getattr(asked, name) is not None
    return [room]


for number, reason, what in (
    ("112", Reason.NEVER_STEER, "An emergency number"),
    ("118", Reason.SHORT_NUMBER, "A short number"),
    (STEERED, Reason.ALREADY_MARKED, "A number that has the mark already"),
):

    @case("29.078 §11.11", f"{what} is continued unchanged")
    def _(number: str = number, reason: Reason = reason) -> Iterable[Room]:
        room = Room(READY)
        continues(room, room.call(b_number=number), reason)
        return [room]


@case("29.078 §11.11", "A number that nobody registered is continued; Continue has no argument")
def _() -> Iterable[Room]:
    room = Room()
    continues(room, room.call(), Reason.UNKNOWN_SUBSCRIBER)
    return [room]


for fields, reason, what in (
    (
        {"redirecting_party_id": RedirectingNumber("0011234567", NatureOfAddress.UNKNOWN).encode()},
        Reason.DIVERTED_BACK,
        "that the called subscriber diverted, and that came back,",
    ),
    (
        {"redirection_information": RedirectionInformation(3, 0, 5, 0).encode()},
        Reason.REDIRECTION_LIMIT,
        "that was diverted five times, the most that can be counted,",
    ),
):

    @case("Q.763 §3.45", f"A call {what} goes on unchanged")
    def _(fields: dict[str, bytes] = fields, reason: Reason = reason) -> Iterable[Room]:
        room = Room(READY)
        asked = FAST.decode_argument(Opcode.INITIAL_DP, idp(trigger=Trigger.FORWARDED), 2)
        octets = FAST.encode_argument(Opcode.INITIAL_DP, structs.replace(asked, **fields), 2)
        continues(room, room.begin(initial_dp(octets)), reason)
        return [room]


# --- charging and the end of calls ---
_section.begin()


@case("29.078 §11.3", "ApplyCharging's period is in units of 100 ms; ReleaseCall's argument is a bare cause")
def _() -> Iterable[Room]:
    service = Charged(periods=1, seconds=60)
    room = Room(READY, services={SERVICE_KEY: service})
    otid = room.call()
    charge, _ = room.answer(otid).message.components
    assert isinstance(charge, Invoke)
    assert b"\x80\x02\x02\x58" in charge.parameter  # maxCallPeriodDuration [0] 600
    room.go_on(otid, charging_report(600))
    release = room.answers(otid)[-1].component
    assert (release.opcode, release.parameter) == (Opcode.RELEASE_CALL, encode_element(0x04, b"\x80\x90"))
    assert Cause.decode(b"\x80\x90").value == 16
    return [room]


def charging_report(tenths: int) -> bytes:
    from ss7.cap.charging import (
        CamelCallResult,
        TimeDurationChargingResult,
        TimeInformation,
        encode_contained,
    )

    result = TimeDurationChargingResult(
        party_to_charge=ReceivingSideID("receivingSideID", b"\x01"),
        time_information=TimeInformation("timeIfNoTariffSwitch", tenths),
        leg_active=True,
    )
    contained = encode_contained("CAMEL-CallResult", CamelCallResult("timeDurationChargingResult", result), 2)
    opcode = Opcode.APPLY_CHARGING_REPORT
    return encode_invoke(2, opcode, FAST.encode_argument(opcode, contained, 2))


@case(
    "29.078 §11.2", "An unanswered ActivityTest means that the switch lost the call: the dialogue is closed"
)
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    room.advance(PATIENCE + 0.01)
    assert sent(room, otid)[1:] == [(tcap.CONTINUE, [Opcode.ACTIVITY_TEST])]
    room.go_on(otid, encode_return_result(room.answers(otid)[-1].component.invoke_id))
    room.advance(PATIENCE + 0.01)
    room.advance(5.1)
    assert sent(room, otid)[3:] == [(tcap.END, [])]
    return [room]


@case(
    "29.078 §6.1.1",
    "Classes: Connect, RequestReportBCSMEvent, ApplyCharging 2; Continue, ReleaseCall 4; ActivityTest 3",
)
def _() -> None:
    classes = {
        CONNECT: 2,
        Opcode.REQUEST_REPORT_BCSM_EVENT: 2,
        Opcode.APPLY_CHARGING: 2,
        CONTINUE: 4,
        Opcode.RELEASE_CALL: 4,
        Opcode.ACTIVITY_TEST: 3,
    }
    assert {opcode: BY_OPCODE[opcode].operation_class for opcode in classes} == classes


@case("29.078 §5.1", "Interrupted and notified are told apart in what is armed")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})
    otid = room.call()
    arm = room.answer(otid).message.components[0]
    assert isinstance(arm, Invoke)
    events = FAST.decode_argument(Opcode.REQUEST_REPORT_BCSM_EVENT, arm.parameter, 2).bcsm_events
    assert all(isinstance(each, BCSMEvent) for each in events)
    modes = {each.event_type_bcsm: each.monitor_mode for each in events}
    assert modes[EventTypeBCSM.O_ANSWER] is MonitorMode.NOTIFY_AND_CONTINUE
    assert modes[EventTypeBCSM.O_CALLED_PARTY_BUSY] is MonitorMode.INTERRUPTED
    room.end(otid)
    return [room]


# --- in time, whatever happens ---
_section.begin()
for policy, opcode in ((OnFailure.CONTINUE, CONTINUE), (OnFailure.RELEASE, Opcode.RELEASE_CALL)):

    @case(
        "29.078 §10.2.1",
        f"A store that does not answer: {policy.value} by policy, in a fraction of Tssf's shortest",
    )
    def _(policy: OnFailure = policy, opcode: int = opcode) -> Iterable[Room]:
        room = Room(READY, services={SERVICE_KEY: forwarding(policy)})
        room.store.slow = True
        otid = room.call()
        room.advance(0.2)
        assert room.answer(otid).opcodes == [opcode]
        assert room.decision.reason is Reason.STORE_TIMEOUT
        room.store_answers()
        return [room]


@case("29.078 §10.2.1", "A store that is away: Continue at once")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.store.failure = StoreFailure.UNAVAILABLE
    continues(room, room.call(), Reason.STORE_UNAVAILABLE)
    return [room]


@case("29.078 §10.2.1", "A service that fails: Continue, and the failure is told")
def _() -> Iterable[Room]:
    class Failing:
        name = "failing"

        async def run(self, call: object) -> None:
            raise ZeroDivisionError

    room = Room(READY, services={SERVICE_KEY: Failing()})
    continues(room, room.call(), Reason.SERVICE_ERROR)
    assert len(room.bugs) == 1
    return [room]


@case("29.078 §10.2.1", "Overload: a call that has waited too long is continued without a lookup")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.cap.admission = admission = Admission(Limits())
    admission.batch_begun("stp", room.loop.now - 0.2, 1)
    continues(room, room.call(), Reason.OVERLOAD)
    return [room]


@case(
    "29.078 §11.5", "Overload beyond that: each switch is asked for fewer calls, by CallGap (CAP v3 and v4)"
)
def _() -> Iterable[Room]:
    room = Room(READY)
    room.cap.admission = admission = Admission(Limits())
    admission.sample(0.0, late=0.0, dialogues=1.0, memory=0.0)
    admission.batch_begun("stp", room.loop.now - 0.2, 1)
    answers = [room.answer(room.call(3)).opcodes for _ in range(2)]
    assert answers == [[Opcode.CALL_GAP, CONTINUE], [CONTINUE]]
    return [room]


@case(
    "RFC 4666 §4.3.4.4", "A drain: new calls continue, calls in progress are answered, then ASPIA, then ASPDN"
)
def _() -> None:
    room = Room(READY)
    room.store.slow = True
    before = room.call()
    room.cap.draining = True
    continues(room, room.call(), Reason.DRAINING)
    room.store_answers()
    assert room.answer(before).opcodes == [CONNECT]
    room.node.deactivate()
    room.turn()
    room.node.down()
    room.turn()
    heard = [decode(octets) for octets in room.switch.heard]
    said = [message.kind for message in heard if isinstance(message, Message)]
    assert said[-2:] == [ASPIA, ASPDN]
    assert not room.links[0].up


NODE = Group(
    "N",
    "CAP: the node as a switch sees it",
    "TS 29.078",
    "the whole node, from M3UA to the service, over a loopback association",
    tuple(_cases),
)
