"""The gsmSCF as a switch sees it: what it says of calls, and when. Goes on where `node_cases` ends."""

from __future__ import annotations

from collections.abc import Iterable

from case import Group
from held_open import Charged
from msgspec import structs
from node_cases import (
    CASES,
    PATIENCE,
    ROAMER,
    case,
    connect,
    continued,
    continues,
    ends,
    goes_on,
    held,
    held_open,
    initial_dp,
    section,
)
from node_room import Room
from room import (
    ABROAD,
    AT_HOME,
    READY,
    SERVICE_KEY,
    STEERED,
    forwarding,
    idp,
)
from watch import WATCH

from scp.domain.call import Trigger
from scp.domain.decision import Reason
from scp.domain.rules import OnFailure
from scp.engine.admission import Admission, Limits
from scp.services.api import StoreFailure
from ss7 import rose
from ss7.ber import encode_element
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.cap.types import (
    BCSMEvent,
    EventTypeBCSM,
    MonitorMode,
    ReceivingSideID,
)
from ss7.isup import NatureOfAddress, RedirectingNumber, RedirectionInformation
from ss7.m3ua import ASPDN, ASPIA, Message
from ss7.rose import Invoke, Reject, encode_invoke, encode_return_error, encode_return_result

# --- steering ---
section.begin()


@case("29.078 §11.20.1.1", "Originating (DP 2): the number is that of calledPartyBCDNumber")
def _() -> Iterable[Room]:
    room = Room(READY)
    room.says(room.call(trigger=Trigger.ORIGINATING), ends(connect()))
    return [room]


@case(
    "29.078 §11.20.1.1",
    "Terminating (DP 12): a VLR outside the home network is roaming, one inside it is not",
)
def _() -> Iterable[Room]:
    room = Room(ROAMER)
    room.says(room.call(trigger=Trigger.TERMINATING, vlr=ABROAD), ends(connect()))
    continues(room, room.call(trigger=Trigger.TERMINATING, vlr=AT_HOME), Reason.AT_HOME)
    return [room]


@case("Q.763 §3.9", "destinationRoutingAddress is one called party number: nature and plan kept, no ST")
def _() -> Iterable[Room]:
    room = Room(READY)
    # An even count of digits, unknown nature; routing to INN allowed, ISDN plan; 990011234567.
    number = "0210" + "990011325476"
    room.says(room.call(), ends(Invoke(1, Opcode.CONNECT, bytes.fromhex("300ca00a0408" + number))))
    return [room]


@case(
    "29.078 §11.9", "A forwarded call keeps original called, redirecting number and redirection information"
)
def _() -> Iterable[Room]:
    room = Room(READY)
    octets = idp(trigger=Trigger.FORWARDED)
    asked = FAST.decode_argument(Opcode.INITIAL_DP, octets, 2)
    names = ("original_called_party_id", "redirecting_party_id", "redirection_information")
    kept = {name: getattr(asked, name) for name in names}
    assert None not in kept.values()
    room.says(room.begin(initial_dp(octets)), ends(connect(**kept)))
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
section.begin()


@case(
    "29.078 §11.2, §11.26",
    "ApplyCharging's period is in units of 100 ms; ReleaseCall's argument is a bare cause",
)
def _() -> Iterable[Room]:
    room = Room(READY, services={SERVICE_KEY: Charged(periods=1, seconds=60)})
    otid = room.call()
    # SEQUENCE { [0] OCTET STRING { timeDurationCharging [0] { maxCallPeriodDuration [0] 600 } } }
    period = bytes.fromhex("30088006a00480020258")
    room.says(otid, goes_on(Invoke(1, Opcode.APPLY_CHARGING, period), continued(2)))
    room.go_on(otid, charging_report(600))
    release = Invoke(3, Opcode.RELEASE_CALL, encode_element(0x04, b"\x80\x90"))  # ITU-T, user; cause 16
    room.says(otid, ends(release))
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
    "29.078 §11.1", "An unanswered ActivityTest means that the switch lost the call: the dialogue is closed"
)
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    room.advance(PATIENCE + 0.01)
    room.says(otid, goes_on(Invoke(3, Opcode.ACTIVITY_TEST)))
    room.go_on(otid, encode_return_result(3))
    room.says(otid)
    room.advance(PATIENCE + 0.01)
    room.says(otid, goes_on(Invoke(4, Opcode.ACTIVITY_TEST)))
    room.advance(5.1)
    room.says(otid, ends())
    return [room]


@case(
    "29.078 §6.1.1",
    "Classes: Connect, RequestReportBCSMEvent, ApplyCharging 2; Continue, ReleaseCall 4; ActivityTest 3",
)
def _() -> Iterable[Room]:
    classes = {
        Opcode.CONNECT: 2,
        Opcode.REQUEST_REPORT_BCSM_EVENT: 2,
        Opcode.APPLY_CHARGING: 2,
        Opcode.CONTINUE: 4,
        Opcode.RELEASE_CALL: 4,
        Opcode.ACTIVITY_TEST: 3,
    }
    for opcode, wanted in classes.items():
        assert WATCH.result(f"class of {opcode}", BY_OPCODE[opcode].operation_class) == wanted
    # What those have that a switch can answer: class 2 a result, 3 an error, 4 either, and it is rejected.
    result = (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED)
    error = (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED)
    return [
        answered(1, encode_return_result(1), result),  # RequestReportBCSMEvent
        answered(2, encode_return_result(2), result),  # Continue
        answered(2, encode_return_error(2, ErrorCode.TASK_REFUSED), error),
        answered(3, encode_return_error(3, ErrorCode.TASK_REFUSED), error),  # ActivityTest
    ]


def answered(invoke_id: int, component: bytes, problem: tuple[int, int]) -> Room:
    """A room in which an operation of a held call had an answer that it can't have."""
    room = held_open()
    otid = held(room)
    if invoke_id == 3:
        room.advance(PATIENCE + 0.01)
        room.says(otid, goes_on(Invoke(3, Opcode.ACTIVITY_TEST)))
    room.go_on(otid, component)
    room.says(otid, ends(Reject(invoke_id, *problem)))
    return room


@case("29.078 §5.1", "Interrupted and notified are told apart in what is armed")
def _() -> Iterable[Room]:
    room = held_open()
    otid = held(room)
    arm = room.answers(otid)[0].message.components[0]
    assert isinstance(arm, Invoke)
    events = FAST.decode_argument(Opcode.REQUEST_REPORT_BCSM_EVENT, arm.parameter, 2).bcsm_events
    assert all(isinstance(each, BCSMEvent) for each in events)
    modes = {each.event_type_bcsm: each.monitor_mode for each in events}
    assert modes[EventTypeBCSM.O_ANSWER] is MonitorMode.NOTIFY_AND_CONTINUE
    assert modes[EventTypeBCSM.O_CALLED_PARTY_BUSY] is MonitorMode.INTERRUPTED
    room.end(otid)
    return [room]


# --- in time, whatever happens ---
section.begin()
RELEASED = Invoke(1, Opcode.RELEASE_CALL, encode_element(0x04, b"\x82\xa9"))  # temporary failure
for policy, component in ((OnFailure.CONTINUE, continued()), (OnFailure.RELEASE, RELEASED)):

    @case(
        "29.078 §10.2.1",
        f"A store that does not answer: {policy.value} by policy, in a fraction of Tssf's shortest",
    )
    def _(policy: OnFailure = policy, component: Invoke = component) -> Iterable[Room]:
        room = Room(READY, services={SERVICE_KEY: forwarding(policy)})
        room.store.slow = True
        otid = room.call()
        room.advance(0.2)
        room.says(otid, ends(component))
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
    # gapCriteria [0] { gapOnService [2] { serviceKey [0] 100 } }, gapIndicators [1] { duration1 [0] 10 s,
    # gapInterval [1] 100 ms }, controlType [2] sCPOverloaded
    gap = bytes.fromhex("3012" + "a005a203800164" + "a10680010a810164" + "820100")
    room.says(room.call(3), ends(Invoke(1, Opcode.CALL_GAP, gap), continued(2)))
    room.says(room.call(3), ends(continued()))
    return [room]


@case(
    "RFC 4666 §4.3.4.4", "A drain: new calls continue, calls in progress are answered, then ASPIA, then ASPDN"
)
def _() -> Iterable[Room]:
    room = Room(READY)
    room.store.slow = True
    before = room.call()
    room.cap.draining = True
    continues(room, room.call(), Reason.DRAINING)
    room.store_answers()
    room.says(before, ends(connect()))
    for leave, message in ((room.node.deactivate, Message(ASPIA, {})), (room.node.down, Message(ASPDN, {}))):
        leave()
        room.turn()
        assert room.management == [message]
        room.management.clear()
    assert not room.links[0].up
    return [room]


NODE = Group(
    "N",
    "CAP: the node as a switch sees it",
    "TS 29.078",
    "the whole node, from M3UA to the service, over a loopback association",
    tuple(CASES),
)
