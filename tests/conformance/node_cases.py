"""The gsmSCF as a switch sees it: a node from M3UA up, asked by a gateway that says whatever octets the case wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from case import Case, Section
from held_open import ARMED, HeldOpen
from node_room import Room
from room import (
    MSISDN,
    NETWORK,
    READY,
    SERVICE_KEY,
    STEERED,
    idp,
    new_otid,
)

from scp.domain.decision import Reason
from scp.domain.subscriber import Subscriber, When
from scp.engine.network import Ss7Network
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings, Translation
from ss7 import rose, tcap
from ss7.ber import encode_element
from ss7.cap.codec import FAST
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.contexts import BY_VERSION
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.cap.types import (
    ConnectArg,
    EventReportBCSMArg,
    EventTypeBCSM,
    InitialDPArg,
    MessageType,
    MiscCallInfo,
    ReceivingSideID,
    RequestReportBCSMEventArg,
)
from ss7.isup import CalledPartyNumber
from ss7.m3ua import DRST, DUNA, SCON, Message, encode
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.rose import Invoke, Reject, ReturnError, encode_invoke, encode_return_error, encode_return_result
from ss7.sccp import Address, GlobalTitle, ReturnCause, UnitData, UnitDataService
from ss7.sccp import MessageType as SccpType
from ss7.tcap_dialogue import REJECT_PERMANENT, SERVICE_USER, Aare, Aarq, encode_dialogue

ROAMER = Subscriber(MSISDN, authorized=True, aor="sip:b@x", forwarding=True, when=When.ROAMING)
PATIENCE = 30.0
CONNECT, CONTINUE = Opcode.CONNECT, Opcode.CONTINUE
UNRECOGNIZED = (rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_OPERATION)
MISTYPED = (rose.INVOKE_PROBLEM, rose.MISTYPED_PARAMETER)

CASES: list[Case] = []
"""Of the whole group: `node_call_cases` has the rest."""
section = Section("N", CASES)


def case(clause: str, purpose: str) -> Callable[[Callable[[], Iterable[Room]]], None]:
    """A case leaves nothing in its rooms: no dialogue, timer or count, and nothing that it did not look at."""

    def take(run: Callable[[], Iterable[Room]]) -> None:
        def clean() -> None:
            for room in run():
                room.nothing_left()
                room.all_was_looked_at()

        section.add(clause, purpose, clean)

    return take


# What the node says, as type of message and components.


def ends(*components: Any) -> tuple[int, list[Any]]:
    return tcap.END, list(components)


def goes_on(*components: Any) -> tuple[int, list[Any]]:
    return tcap.CONTINUE, list(components)


def connect(number: str = STEERED, version: int = 2, **more: Any) -> Invoke:
    """Connect to a number: unknown or national as the dialled one is, ISDN plan, no end-of-pulsing."""
    called = CalledPartyNumber(number, 2, 1).encode()
    argument = ConnectArg(destination_routing_address=(called,), **more)
    return Invoke(1, CONNECT, FAST.encode_argument(CONNECT, argument, version))


def arms(invoke_id: int = 1) -> Invoke:
    """What a held-open call begins with."""
    opcode = Opcode.REQUEST_REPORT_BCSM_EVENT
    return Invoke(invoke_id, opcode, FAST.encode_argument(opcode, RequestReportBCSMEventArg(ARMED), 2))


def continued(invoke_id: int = 1) -> Invoke:
    return Invoke(invoke_id, CONTINUE)


def held_open() -> Room:
    return Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)})


def held(room: Room) -> bytes:
    """A call that the node holds open."""
    otid = room.call()
    room.says(otid, goes_on(arms(), continued(2)))
    return otid


def continues(room: Room, otid: bytes, reason: Reason) -> None:
    room.says(otid, ends(continued()))
    assert room.decision.reason is reason


def initial_dp(argument: bytes, invoke_id: int = 1) -> bytes:
    return encode_invoke(invoke_id, Opcode.INITIAL_DP, argument)


def event(kind: EventTypeBCSM, mode: MessageType, invoke_id: int) -> bytes:
    leg = ReceivingSideID("receivingSideID", b"\x02")
    argument = EventReportBCSMArg(event_type_bcsm=kind, leg_id=leg, misc_call_info=MiscCallInfo(mode))
    return encode_invoke(
        invoke_id, Opcode.EVENT_REPORT_BCSM, FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
    )


# --- addresses ---
section.begin()


@case(
    "Q.714 §4.1",
    "The answer goes to the received calling address, from the called one, in class 1 on the same SLS",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    calling = Address(ssn=146, global_title=GlobalTitle("49170000001")).encode()
    for sls in (0, 7, 15):  # `node_room` looks at addresses, class and label of every answer
        room.says(room.begin(initial_dp(idp()), calling=calling, sls=sls), ends(connect()))
    return [room]


@case("Q.714 §2.3.2", "A caller that is addressed by point code and SSN is answered there")
def _() -> Iterable[Room]:
    room = Room(READY)
    elsewhere = Address(ssn=146, point_code=77, route_on_ssn=True).encode()
    room.answered_at = 77
    room.says(room.begin(initial_dp(idp()), calling=elsewhere), ends(connect()))
    return [room]


@case("Q.714 §4.2", "A caller that is not allowed opens no dialogue")
def _() -> Iterable[Room]:
    settings = SccpSettings(point_codes=(NETWORK.scp_point_code,), allowed_prefixes=("1",))
    room = Room(READY, sccp_settings=settings)
    room.says(room.call())
    assert room.counts.discards == [("sccp", "caller-not-allowed")]
    return [room]


@case("Q.714 §4.1.1.2", "An InitialDP in XUDT segments is answered as one in a UDT")
def _() -> Iterable[Room]:
    room = Room(READY)
    field = ExtensionField(ExtensionID("local", 7), encode_element(0xA1, bytes(400)), CriticalityType.IGNORE)
    plain = FAST.decode_argument(Opcode.INITIAL_DP, idp(), 2)
    argument = InitialDPArg(SERVICE_KEY, called_party_number=plain.called_party_number, extensions=(field,))
    octets = FAST.encode_argument(Opcode.INITIAL_DP, argument, 2)
    room.says(room.begin(initial_dp(octets)), ends(connect()))
    return [room]


@case("Q.771 §3.1.2", "A TC-CONTINUE of ours that comes back ends its dialogue, silently")
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    unit = room.answers(otid)[0].unit
    back = UnitDataService(
        SccpType.UDTS, ReturnCause.UNEQUIPPED_USER, unit.calling_raw, unit.called_raw, unit.data
    )
    room.switch.sccp(back.encode())
    assert room.counts.outcomes == ["undeliverable"]
    return [room]


SWITCH = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(NETWORK.point_code),)}
NETWORK_ISOLATED = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(0, 255),)}


@case(
    "RFC 4666 §4.5.2",
    "A gateway that says DUNA, DRST or SCON of a switch is passed over for one that reaches it",
)
def _() -> Iterable[Room]:
    return [passed_over(kind, SWITCH) for kind in (DUNA, DRST, SCON)]


@case("RFC 4666 §3.4.1", "So is one that says DUNA of its whole network, with a mask of 255")
def _() -> Iterable[Room]:
    return [passed_over(DUNA, NETWORK_ISOLATED)]


def passed_over(kind: int, affected: dict[Tag, Any]) -> Room:
    room = Room(READY, links=2)
    room.switch.m3ua(encode(Message(kind, affected)), 0)
    room.says(room.call(), ends(connect()))
    assert [len(switch.answers) for switch in room.switches] == [0, 1]
    return room


@case(
    "RFC 4666 §3.4.4",
    "SCON with no other way: calls are answered all the same, returned messages are not sent",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    room.switch.m3ua(encode(Message(SCON, SWITCH)), 0)
    other = Address(8, -1, None, True).encode()
    room.switch.sccp(UnitData(SccpType.UDT, 1, True, other, NETWORK.calling(), b"x").encode())
    assert sorted(room.counts.discards) == [("m3ua", "congested"), ("sccp", "unequipped-user")]
    room.says(room.call(), ends(connect()))
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
    room.answered_at = 501
    room.says(room.call(), ends(connect()))
    room.switch.m3ua(encode(Message(DUNA, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(501),)})), 0)
    room.answered_at = 502
    room.says(room.call(), ends(connect()))
    return [room]


@case("Q.714 §2.3.1", "What comes to a further point code of ours is answered from that")
def _() -> Iterable[Room]:
    room = Room(READY, sccp_settings=SccpSettings(point_codes=(NETWORK.scp_point_code, 999)))
    switch = room.switch
    ask = switch.sccp
    switch.sccp = lambda octets, **fields: ask(octets, **{**fields, "dpc": 999})  # type: ignore[method-assign]
    room.asks_in = 999
    room.says(room.call(), ends(connect()))
    return [room]


def in_network(room: Room, ni: int) -> None:
    """Have the switch ask in a network from here on; its answers have to come in that."""
    ask = room.switch.sccp
    room.network = ni
    room.switch.sccp = lambda octets, **fields: ask(octets, **{"ni": ni, **fields})  # type: ignore[method-assign]


@case("Q.704 §14.2.2", "What comes with another network indicator than ours is answered with that one")
def _() -> Iterable[Room]:
    room = Room(READY)
    for ni in (2, 3, 1):
        in_network(room, ni)
        room.says(room.call(), ends(connect()))
    return [room]


@case("Q.704 §14.2.2", "Where that is configured, it is discarded and counted")
def _() -> Iterable[Room]:
    settings = SccpSettings(point_codes=(NETWORK.scp_point_code,))
    room = Room(READY, networks=[Ss7Network(Sccp(settings), 0, answers_others=False)])
    room.says(room.call(), ends(connect()))
    in_network(room, 2)
    assert room.answers(room.call()) == []
    assert room.counts.discards == [("m3ua", "network-indicator")]
    return [room]


# --- dialogues ---
section.begin()
for version in (1, 2, 3, 4):

    @case("29.078 §14.1.1.3.6", f"CAP v{version}: the answer accepts the same application context")
    def _(version: int = version) -> Iterable[Room]:
        room = Room(READY)
        otid = room.call(version)
        assert room.answer(otid).message.dialogue == Aare(BY_VERSION[version].octets)
        room.says(otid, ends(connect(version=version)))
        return [room]


@case("29.078 §14.1.1.3.6", "A BEGIN without a dialogue portion is CAP v1, and answered without one")
def _() -> Iterable[Room]:
    room = Room(READY)
    otid = room.call(1, portion=False)
    assert room.answer(otid).message.dialogue is None
    room.says(otid, ends(connect(version=1)))
    return [room]


for text in ("0.4.0.0.1.0.50.9", "0.4.0.0.1.21.3.61", "0.4.0.0.1.0.1.3"):

    @case("Q.774 §3.2.1", f"Another application context ({text}) is refused as not supported")
    def _(text: str = text) -> Iterable[Room]:
        room = Room(READY)
        otid, context = new_otid(), tcap.oid_octets(text)
        room.send(tcap.build_begin(otid, encode_dialogue(Aarq(context)), [initial_dp(idp())]))
        room.refuses(otid, portion=Aare(context, REJECT_PERMANENT, SERVICE_USER, 2))
        return [room]


@case("29.078 §14.1.2.1.2", "With nothing armed, Connect or Continue goes in TC-END and the dialogue is over")
def _() -> Iterable[Room]:
    rooms = [Room(READY), Room()]
    for room, component in zip(rooms, (connect(), continued()), strict=True):
        room.says(room.call(), ends(component))
        assert not len(room.node.tcap)
    return rooms


@case("29.078 §11.27", "A service that arms events does so in TC-CONTINUE; the dialogue stays open")
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    assert len(room.node.tcap) == 1
    room.end(otid)
    return [room]


@case(
    "29.078 §11.18", "A notified event (EDP-N) wants no answer; an interrupted one (EDP-R) gets one, at once"
)
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    room.go_on(otid, event(EventTypeBCSM.O_ANSWER, MessageType.NOTIFICATION, 2))
    room.says(otid)
    room.go_on(otid, event(EventTypeBCSM.O_DISCONNECT, MessageType.REQUEST, 3))
    room.says(otid, ends(continued(3)))
    return [room]


@case("29.078 §11.18", "A dialogue goes on over another association when its own is lost")
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: HeldOpen(PATIENCE)}, links=2)
    otid = held(room)
    room.disconnect(0)
    room.switch = room.switches[1]
    room.go_on(otid, event(EventTypeBCSM.O_DISCONNECT, MessageType.REQUEST, 3))
    room.says(otid, ends(continued(3)))
    return [room]


@case("Q.774 §3.2.1", "An ABORT before the answer cancels lookup and answer: no END afterwards")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.store.slow = True
    otid = room.call()
    room.abort(otid, room.waiting_tid)
    room.store_answers()
    room.advance(1.0)
    room.says(otid)
    return [room]


@case("Q.774 §3.3", "Beyond the most dialogues: ABORT, resourceLimitation; calls in progress are answered")
def _() -> Iterable[Room]:
    room = Room(READY, max_dialogues=1)
    room.store.slow = True
    waits, refused = room.call(), room.call()
    room.refuses(refused, p_abort_cause=tcap.RESOURCE_LIMITATION)
    room.store_answers()
    room.says(waits, ends(connect()))
    return [room]


@case("Q.774 §3.3", "Transaction ids differ, and begin with the node's instance number")
def _() -> Iterable[Room]:
    room = held_open()
    calls = [held(room) for _ in range(3)]
    assert len({room.tid(otid) for otid in calls}) == 3
    for otid in calls:
        room.end(otid)
    return [room]


# --- errors ---
section.begin()


@case("29.078 §10.1.5", "An unknown service key: error missingCustomerRecord in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.says(room.call(service_key=101), ends(ReturnError(1, ErrorCode.MISSING_CUSTOMER_RECORD)))
    return [room]


@case("Q.773 §4.2.2.6", "Strict, an InitialDP that can't be decoded: reject mistypedParameter in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY, strict=True)
    room.says(room.begin(initial_dp(b"\x30\x03\x80\x02\x01")), ends(Reject(1, *MISTYPED)))
    return [room]


@case("29.078 §6.1.1", "An InitialDP with nothing but its service key is served")
def _() -> Iterable[Room]:
    room = Room(READY)
    octets = FAST.encode_argument(Opcode.INITIAL_DP, InitialDPArg(SERVICE_KEY), 2)
    continues(room, room.begin(initial_dp(octets)), Reason.NO_CALLED_NUMBER)
    return [room]


@case("Q.773 §4.2.2.6", "Another first operation: reject unrecognizedOperation in TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    for opcode in (Opcode.CONNECT, Opcode.EVENT_REPORT_BCSM, 99):
        room.says(room.begin(encode_invoke(1, opcode)), ends(Reject(1, *UNRECOGNIZED)))
    return [room]


@case(
    "29.078 §10.1.12",
    "A second InitialDP in the BEGIN: Continue and error unexpectedComponentSequence in one TC-END",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    otid = room.begin(initial_dp(idp(), 1), initial_dp(idp(), 2))
    room.says(otid, ends(continued(), ReturnError(2, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE)))
    return [room]


@case(
    "29.078 §10.1.14",
    "An unknown extension of criticality abort: error unexpectedParameter; of ignore: served",
)
def _() -> Iterable[Room]:
    room = Room(READY)
    plain = FAST.decode_argument(Opcode.INITIAL_DP, idp(), 2)
    for criticality, answer in (
        (CriticalityType.ABORT, ReturnError(1, ErrorCode.UNEXPECTED_PARAMETER)),
        (CriticalityType.IGNORE, connect()),
    ):
        field = ExtensionField(ExtensionID("local", 7), encode_element(0xA1, b"\x05\x00"), criticality)
        argument = InitialDPArg(
            SERVICE_KEY, called_party_number=plain.called_party_number, extensions=(field,)
        )
        otid = room.begin(initial_dp(FAST.encode_argument(Opcode.INITIAL_DP, argument, 2)))
        room.says(otid, ends(answer))
    return [room]


@case("29.078 §14.1.2.2.1", "A bad component in an open dialogue is rejected in TC-END, never in TC-CONTINUE")
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    room.go_on(otid, encode_invoke(9, 99))
    room.says(otid, ends(Reject(9, *UNRECOGNIZED)))
    return [room]


@case(
    "29.078 §6.1.2", "An operation of a later CAP version than the dialogue's: reject unrecognizedOperation"
)
def _() -> Iterable[Room]:
    room = held_open()
    later = next(each for each in BY_OPCODE.values() if not each.from_scf and each.since > 2)
    otid = held(room)
    room.go_on(otid, encode_invoke(9, later.opcode))
    room.says(otid, ends(Reject(9, *UNRECOGNIZED)))
    return [room]


@case("29.078 §14.1.2.2.2", "An error to an arming ends the dialogue; the call is the switch's")
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    room.go_on(otid, encode_return_error(1, ErrorCode.TASK_REFUSED))
    room.says(otid, ends())
    return [room]


@case("29.078 §14.1.2.2.1", "A bad component beside the InitialDP: Continue and its reject in one TC-END")
def _() -> Iterable[Room]:
    room = Room(READY)
    otid = room.begin(initial_dp(idp()), encode_invoke(2, 99))
    room.says(otid, ends(continued(), Reject(2, *UNRECOGNIZED)))
    return [room]


@case("29.078 §14.1.1.4.1", "An error that the operation can't have: its reject in TC-END")
def _() -> Iterable[Room]:
    rooms = []
    for code, parameter, problem in (
        (99, b"", rose.UNRECOGNIZED_ERROR),
        (ErrorCode.CANCEL_FAILED, b"", rose.UNEXPECTED_ERROR),  # no arming has it
        (ErrorCode.TASK_REFUSED, b"\x04\x01\x00", rose.RETURN_ERROR_MISTYPED_PARAMETER),
    ):
        room = held_open()
        otid = held(room)
        room.go_on(otid, encode_return_error(1, code, parameter))
        room.says(otid, ends(Reject(1, rose.RETURN_ERROR_PROBLEM, problem)))
        rooms.append(room)
    return rooms


@case(
    "29.078 §14.1.1.4.1", "A ReturnResultNotLast, which CAP does not use: reject mistypedParameter in TC-END"
)
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    room.advance(PATIENCE + 0.01)
    room.says(otid, goes_on(Invoke(3, Opcode.ACTIVITY_TEST)))
    room.go_on(otid, encode_return_result(3, last=False))
    room.says(otid, ends(Reject(3, rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_MISTYPED_PARAMETER)))
    return [room]
