"""SCCP, connectionless: classes 0 and 1 with management, as Q.786 tries it (Q.714)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sccp_node
from case import Case, Group, Section
from sccp_node import (
    FROM_ELSEWHERE,
    FROM_MSC,
    FROM_MSC_SSN,
    MSC,
    OWN,
    OWN_TITLE,
    STP,
    TO_SSN,
    TO_US,
    management,
    mtp,
    segment,
    udt,
)
from watch import Watched

from scp.stack.sccp_settings import DISCARD, SUBSYSTEM, Discard, Event, Own, Status
from ss7 import sccp
from ss7.m3ua import Data
from ss7.sccp import (
    Address,
    GlobalTitle,
    MessageType,
    ReturnCause,
    Segmentation,
    UnitData,
    UnitDataService,
)
from ss7.scmg import Management, ScmgType

KINDS = {MessageType.UDT: "UDT", MessageType.XUDT: "XUDT", MessageType.LUDT: "LUDT"}
SERVICES = {MessageType.UDT: "UDTS", MessageType.XUDT: "XUDTS", MessageType.LUDT: "LUDTS"}
OTHER_TITLE = Address(146, -1, GlobalTitle("46700000002")).encode()
OTHER_SSN = Address(8, -1, None, True).encode()
NO_TITLE = Address(146, -1, None).encode()
MOST_HOPS = 15

_cases: list[Case] = []
case = Section("S", _cases)
Unit = UnitData | UnitDataService


class Node:
    """The node's SCCP. Each call says all that it is to bring about: more or less fails the case.

    ``delivers`` is the message for SCCP's user; ``sends`` is what of that user's goes out (destination, SLS, message),
    ``owns`` what SCCP itself has to say; ``tells`` are the reasons or states that are told (with the point code that
    each is about, and its subsystem).
    """

    def __init__(self, **changed: Any) -> None:
        calls = ("receive", "send", "tick", "out_of_service", "in_service", "route_back", "own_address")
        self.stack = Watched(
            "sccp",
            sccp_node.node(**changed),
            {**dict.fromkeys(calls), "receive": udt()},
            {
                "outbox": (STP, 5, udt().encode()),
                "own": Own(OWN, STP, 5, udt().encode()),
                "events": Event(DISCARD, Discard.MALFORMED, STP),
            },
        )

    def hears(self, data: Data, now: float = 0.0, *, delivers: Unit | None = None, **does: Any) -> None:
        assert self.stack.receive(data, now) == delivers
        self._did(**does)

    def until(self, now: float, **does: Any) -> None:
        """Let time pass."""
        self.stack.tick(now)
        self._did(**does)

    def asked(self, call: str, *given: Any, **does: Any) -> None:
        """Have the user or the administration call for something."""
        named = {key: does.pop(key) for key in [*does] if key not in ("sends", "owns", "tells")}
        getattr(self.stack, call)(*given, **named)
        self._did(**does)

    def _did(
        self,
        *,
        sends: Sequence[tuple[int, int, Unit]] = (),
        owns: Sequence[tuple[int, int, Unit]] = (),
        tells: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        assert self.stack.outbox == [(dpc, sls, message.encode()) for dpc, sls, message in sends]
        assert self.stack.own == [Own(OWN, dpc, sls, message.encode()) for dpc, sls, message in owns]
        told = [(event.reason, event.point_code, event.ssn) for event in self.stack.events]
        assert told == [(*each, -1)[:3] for each in tells]
        for event in self.stack.events:
            assert event.kind == (SUBSYSTEM if event.reason in list(Status) else DISCARD)
        self.stack.outbox.clear()
        self.stack.own.clear()
        self.stack.events.clear()


def scmg(kind: ScmgType, to: int, ssn: int, affected: int) -> tuple[int, int, Unit]:
    """A management message of the node's: class 0, between subsystems 1, routed on SSN (Q.714 §5.1)."""
    called, calling = Address(1, to, None, True).encode(), Address(1, OWN, None, True).encode()
    message = UnitData(MessageType.UDT, 0, False, called, calling, Management(kind, ssn, affected).encode())
    return to, 0, message


def delivered(message: UnitData, **changed: Any) -> None:
    Node(**changed).hears(mtp(message.encode()), delivers=message)


def discarded(data: Data, reason: Discard, **changed: Any) -> None:
    """Nothing is delivered or sent; the reason is counted."""
    Node(**changed).hears(data, tells=[(reason, STP)])


def service(message: UnitData, cause: int, data: bytes = b"user") -> UnitDataService:
    """What brings a message back to its caller."""
    hops = -1 if message.kind == MessageType.UDT else MOST_HOPS
    return UnitDataService(
        message.kind + 1, cause, message.calling_raw, message.called_raw, data, hops, message.segmentation
    )


def returned(kind: int, called: bytes, calling: bytes, reason: Discard, cause: int, **changed: Any) -> None:
    """Without return on error nothing goes back; with it, the data do, to the caller, for this cause."""
    node = Node(**changed)
    node.hears(mtp(udt(called, calling, kind=kind).encode()), tells=[(reason, STP)])
    wanted = udt(called, calling, kind=kind, wanted=True)
    back = (MSC if calling == FROM_MSC_SSN else STP, 5, service(wanted, cause))
    node.hears(mtp(wanted.encode()), owns=[back], tells=[(reason, STP)])


# --- routing of what comes ---
case.begin()
for kind, name in KINDS.items():
    case.add(
        "§2.3.1",
        f"{name} routed on our SSN is delivered",
        lambda kind=kind: delivered(udt(TO_SSN, kind=kind)),
    )
    case.add(
        "§2.4",
        f"{name} routed on our global title is delivered",
        lambda kind=kind: delivered(udt(TO_US, kind=kind), global_title=OWN_TITLE),
    )
case.add(
    "§2.4",
    "Without an own title configured, any title with our SSN is ours",
    lambda: delivered(udt(OTHER_TITLE)),
)
for indicator in (1, 2, 3, 4):
    raw = Address(146, -1, GlobalTitle("4670000001", indicator=indicator)).encode()
    case.add(
        "Q.713 §3.4.2.3",
        f"A called and a calling address with a title of format {indicator} are read",
        lambda raw=raw: delivered(udt(raw, raw)),
    )
case.add(
    "§2.3.1",
    "A message for another point code is discarded",
    lambda: discarded(mtp(udt(wanted=True).encode(), dpc=OWN + 1), Discard.FOREIGN_POINT_CODE),
)
case.add(
    "Q.704 §14.2.1",
    "A message of another user part is discarded",
    lambda: discarded(mtp(udt().encode(), si=5), Discard.NOT_SCCP),
)
case.add(
    "§1.1.4",
    "A message type of the connection-oriented classes is discarded",
    lambda: discarded(mtp(b"\x01\0\0\1\2\2\2\x42\x92"), Discard.UNSUPPORTED_MESSAGE),
)
case.add(
    "§1.1.4",
    "A message that can't be decoded is discarded, whatever it asks for",
    lambda: discarded(mtp(udt(wanted=True).encode()[:-1]), Discard.MALFORMED),
)

# --- return on error ---
case.begin()
for kind, name in KINDS.items():
    for called, calling, reason, cause, what, changed in (
        (OTHER_SSN, FROM_MSC, Discard.UNEQUIPPED_USER, ReturnCause.UNEQUIPPED_USER, "unequipped user", {}),
        (
            OTHER_TITLE,
            FROM_MSC_SSN,
            Discard.NO_TRANSLATION_FOR_ADDRESS,
            ReturnCause.NO_TRANSLATION_FOR_ADDRESS,
            "no translation for this address",
            {"global_title": OWN_TITLE},
        ),
        (
            NO_TITLE,
            FROM_MSC,
            Discard.NO_TRANSLATION_FOR_NATURE,
            ReturnCause.NO_TRANSLATION_FOR_NATURE,
            "no translation for an address of such nature",
            {},
        ),
        (
            TO_US,
            FROM_ELSEWHERE,
            Discard.CALLER_NOT_ALLOWED,
            ReturnCause.UNQUALIFIED,
            "unqualified, for a caller that is not allowed",
            {"allowed_prefixes": ("467",)},
        ),
    ):
        case.add(
            "§4.2",
            f"{name} that is not deliverable: {SERVICES[kind]} “{what}” if return on error was asked, else nothing",
            lambda a=(kind, called, calling, reason, cause), b=changed: returned(*a, **b),
        )
for kind, name in ((MessageType.XUDT, "XUDT"), (MessageType.LUDT, "LUDT")):
    for hops in (0, 16):

        @case("Q.713 §3.18", f"{name} with hop counter {hops}: hop counter violation")
        def _(kind: int = kind, hops: int = hops) -> None:
            message = udt(kind=kind, wanted=True)
            octets = bytearray(message.encode())
            octets[2] = hops
            Node().hears(
                mtp(bytes(octets)),
                owns=[(STP, 5, service(message, ReturnCause.HOP_COUNTER_VIOLATION))],
                tells=[(Discard.HOP_COUNTER_VIOLATION, STP)],
            )


@case("§4.2", "A UDTS for us is handed on as TC-NOTICE wants it, with its cause")
def _() -> None:
    message = UnitDataService(10, 1, TO_US, FROM_MSC, b"user")
    Node().hears(mtp(message.encode()), delivers=message)


for kind in (10, 18, 20):

    @case("§4.2", f"{MessageType(kind).name} is never answered, even if it is not for us")
    def _(kind: int = kind) -> None:
        hops = -1 if kind == 10 else 9
        message = UnitDataService(kind, 1, OTHER_SSN, FROM_MSC, b"user", hops)
        discarded(mtp(message.encode()), Discard.SERVICE_NOT_OURS)


# --- what we send ---
case.begin()


def sent(data: bytes, *messages: Unit, **how: Any) -> None:
    """Our user's data go out as these messages, where and on which SLS it says."""
    sends = [(STP, 9, message) for message in messages]
    Node().asked("send", FROM_MSC, TO_US, data, dpc=STP, sls=9, **how, sends=sends)


case.add(
    "§4.1",
    "An answer is a UDT of class 1, to the received calling address, from our own",
    lambda: sent(b"user", UnitData(MessageType.UDT, 1, False, FROM_MSC, TO_US, b"user")),
)
case.add(
    "§4.1",
    "Class 0, and return on error, go in the protocol class parameter",
    lambda: sent(
        b"user",
        UnitData(MessageType.UDT, 0, True, FROM_MSC, TO_US, b"user"),
        protocol_class=0,
        return_on_error=True,
    ),
)


@case("§4.1.1.2", "What is too long for a UDT goes in XUDT segments of one reference, in order, on one SLS")
def _() -> None:
    data = bytes(range(256)) * 2
    node = Node()
    node.stack.send(FROM_MSC, TO_US, data, dpc=STP, sls=9)
    first = sccp.decode(node.stack.outbox[0][2])
    room = len(first.data)  # how much of it goes in a segment is the sender's business; of the last, the rest
    assert first.segmentation is not None
    reference = first.segmentation.local_reference
    parts = [data[start : start + room] for start in range(0, len(data), room)]
    assert len(parts) == 3
    segments = [
        UnitData(
            MessageType.XUDT,
            1,
            False,
            FROM_MSC,
            TO_US,
            part,
            MOST_HOPS,
            Segmentation(index == 0, len(parts) - 1 - index, reference),
        )
        for index, part in enumerate(parts)
    ]
    node._did(sends=[(STP, 9, each) for each in segments])


@case(
    "§2.3.2", "A caller that is routed on SSN is answered at its own point code, any other where it came from"
)
def _() -> None:
    node = Node()
    assert node.stack.route_back(FROM_MSC_SSN, STP) == MSC
    assert node.stack.route_back(FROM_MSC, STP) == STP
    node._did()


@case(
    "§2.1", "Our calling address is our title where one is configured, else the called address that was used"
)
def _() -> None:
    for node, own in ((Node(global_title=OWN_TITLE), TO_US), (Node(), TO_SSN)):
        assert node.stack.own_address(TO_SSN) == own
        node._did()


# --- reassembly ---
case.begin()


def whole(data: bytes, calling: bytes = FROM_MSC) -> UnitData:
    """What our user gets of segments: the message as the first of them began it."""
    return udt(user=data, kind=MessageType.XUDT, calling=calling)


@case("§4.1.1.3", "Segments in order become one message")
def _() -> None:
    node = Node()
    node.hears(mtp(segment(b"one ", 2, first=True).encode()))
    node.hears(mtp(segment(b"two ", 1).encode()))
    node.hears(mtp(segment(b"three", 0).encode()), delivers=whole(b"one two three"))


@case("§4.1.1.3", "Segments of two callers with one reference are kept apart")
def _() -> None:
    node = Node()
    for calling in (FROM_MSC, FROM_ELSEWHERE):
        node.hears(mtp(segment(b"first ", 1, first=True, calling=calling).encode()))
    for calling in (FROM_ELSEWHERE, FROM_MSC):
        node.hears(mtp(segment(b"last", 0, calling=calling).encode()), delivers=whole(b"first last", calling))


@case(
    "§4.1.1.3",
    "A segment is missing: the message is given up, its first segment returned if that was asked for",
)
def _() -> None:
    node = Node()
    first = segment(b"one", 2, first=True, wanted=True)
    node.hears(mtp(first.encode()))
    node.hears(
        mtp(segment(b"three", 0, wanted=True).encode()),
        owns=[(STP, 5, service(first, ReturnCause.ERROR_IN_MESSAGE_TRANSPORT, b"one"))],
        tells=[(Discard.SEGMENT_LOST, STP)],
    )


@case("§4.1.1.3", "T(reass) runs out: the same")
def _() -> None:
    node = Node(t_reassembly=10.0)
    first = segment(b"one", 1, first=True, wanted=True)
    node.hears(mtp(first.encode()))
    node.until(9.9)
    node.until(
        10.0,
        owns=[(STP, 5, service(first, ReturnCause.ERROR_IN_MESSAGE_TRANSPORT, b"one"))],
        tells=[(Discard.REASSEMBLY_TIMEOUT, STP)],
    )


case.add(
    "§4.1.1.3",
    "A segment of no message under reassembly is discarded",
    lambda: discarded(mtp(segment(b"x", 1).encode()), Discard.SEGMENT_UNEXPECTED),
)

# --- management ---
case.begin()
for ssn, what in ((146, "our subsystem"), (1, "SCCP management")):

    @case("§5.3.4.3", f"SST of {what}, in service: SSA to who asked, class 0")
    def _(ssn: int = ssn) -> None:
        Node().hears(management(ScmgType.SST, ssn), owns=[scmg(ScmgType.SSA, STP, ssn, OWN)])


case.add(
    "§5.3.4.3",
    "SST of a subsystem that we don't have is not answered",
    lambda: discarded(management(ScmgType.SST, 8), Discard.MANAGEMENT_IGNORED),
)


@case("§5.3.7", "Going out of service: SSP to the concerned points; SSA to them on return")
def _() -> None:
    node = Node(concerned=(MSC,))
    node.asked("out_of_service", 0.0, owns=[scmg(ScmgType.SSP, MSC, 146, OWN)])
    node.asked("in_service", 1.0, owns=[scmg(ScmgType.SSA, MSC, 146, OWN)])


@case("§5.3.7", "Leaving in order: SSP to the concerned points; what comes all the same is still taken")
def _() -> None:
    node = Node(concerned=(MSC,))
    node.asked("out_of_service", 0.0, refuse=False, owns=[scmg(ScmgType.SSP, MSC, 146, OWN)])
    node.hears(management(ScmgType.SST), tells=[(Discard.MANAGEMENT_IGNORED, STP)])
    message = udt(wanted=True)
    node.hears(mtp(message.encode()), delivers=message)


@case("§5.3.4.3", "Out of service, SST is not answered, and messages for us are returned: subsystem failure")
def _() -> None:
    node = Node()
    node.asked("out_of_service", 0.0)
    node.hears(management(ScmgType.SST), tells=[(Discard.MANAGEMENT_IGNORED, STP)])
    message = udt(wanted=True)
    node.hears(
        mtp(message.encode()),
        owns=[(STP, 5, service(message, ReturnCause.SUBSYSTEM_FAILURE))],
        tells=[(Discard.SUBSYSTEM_FAILURE, STP)],
    )


@case(
    "§5.3.2",
    "SSP of a remote subsystem: it is prohibited, and tested with SST every T(stat info), which grows",
)
def _() -> None:
    node = Node(t_stat_info=10.0, t_stat_info_max=30.0)
    node.hears(management(ScmgType.SSP, 8, MSC), tells=[(Status.PROHIBITED, MSC, 8)])
    for due in (10.0, 30.0, 60.0):
        assert node.stack.next_deadline() == due
        node.until(due - 0.1)
        node.until(due, owns=[scmg(ScmgType.SST, MSC, 8, MSC)])


@case("§5.3.3", "SSA ends that")
def _() -> None:
    node = Node()
    node.hears(management(ScmgType.SSP, 8, MSC), tells=[(Status.PROHIBITED, MSC, 8)])
    node.hears(management(ScmgType.SSA, 8, MSC), 1.0, tells=[(Status.ALLOWED, MSC, 8)])
    assert node.stack.next_deadline() == float("inf")


@case("Q.713 §5.2.1", "A management message that can't be read is discarded")
def _() -> None:
    scmg_address = Address(1, OWN, None, True).encode()
    message = UnitData(MessageType.UDT, 0, False, scmg_address, scmg_address, b"\x09")
    discarded(mtp(message.encode()), Discard.BAD_MANAGEMENT)


SCCP = Group(
    "S", "SCCP: connectionless", "Q.714", "`Sccp`, classes 0 and 1, with its management", tuple(_cases)
)
