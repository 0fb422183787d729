"""SCCP, connectionless: classes 0 and 1 with management, as Q.786 tries it (Q.714)."""

from __future__ import annotations

from typing import Any

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
    node,
    reasons,
    segment,
    sent_management,
    udt,
)

from scp.stack.sccp_settings import Discard, Status
from ss7 import sccp
from ss7.m3ua import Data
from ss7.sccp import Address, GlobalTitle, MessageType, ReturnCause, UnitData, UnitDataService
from ss7.scmg import Management, ScmgType

KINDS = {MessageType.UDT: "UDT", MessageType.XUDT: "XUDT", MessageType.LUDT: "LUDT"}
SERVICES = {MessageType.UDT: "UDTS", MessageType.XUDT: "XUDTS", MessageType.LUDT: "LUDTS"}
OTHER_TITLE = Address(146, -1, GlobalTitle("46700000002")).encode()
OTHER_SSN = Address(8, -1, None, True).encode()
NO_TITLE = Address(146, -1, None).encode()

_cases: list[Case] = []
case = Section("S", _cases)


def delivered(message: UnitData, **changed: Any) -> None:
    stack = node(**changed)
    taken = stack.receive(mtp(message.encode()), 0.0)
    assert isinstance(taken, UnitData)
    assert (taken.data, taken.called_raw, taken.calling_raw) == (
        b"user",
        message.called_raw,
        message.calling_raw,
    )
    assert not stack.own
    assert not stack.events


def discarded(data: Data, reason: Discard, **changed: Any) -> Any:
    """Nothing is delivered and the reason is counted; what went back is returned."""
    stack = node(**changed)
    assert stack.receive(data, 0.0) is None
    assert reasons(stack) == [reason]
    assert all(own.opc == OWN for own in stack.own)
    return [(own.dpc, own.sls, sccp.decode(own.octets)) for own in stack.own]


def returned(kind: int, called: bytes, calling: bytes, reason: Discard, cause: int, **changed: Any) -> None:
    """Without return on error nothing goes back; with it, the data do, to the caller, for this cause."""
    assert discarded(mtp(udt(called, calling, kind=kind).encode()), reason, **changed) == []
    [(dpc, sls, back)] = discarded(
        mtp(udt(called, calling, kind=kind, wanted=True).encode()), reason, **changed
    )
    assert isinstance(back, UnitDataService)
    assert (back.kind, back.cause, back.data) == (kind + 1, cause, b"user")
    assert (back.called_raw, back.calling_raw) == (calling, called)
    assert (dpc, sls) == (MSC if calling == FROM_MSC_SSN else STP, 5)


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


@case("§2.3.1", "A message for another point code is discarded")
def _() -> None:
    assert discarded(mtp(udt(wanted=True).encode(), dpc=OWN + 1), Discard.FOREIGN_POINT_CODE) == []


@case("Q.704 §14.2.1", "A message of another user part is discarded")
def _() -> None:
    assert discarded(mtp(udt().encode(), si=5), Discard.NOT_SCCP) == []


@case("§1.1.4", "A message type of the connection-oriented classes is discarded")
def _() -> None:
    assert discarded(mtp(b"\x01\0\0\1\2\2\2\x42\x92"), Discard.UNSUPPORTED_MESSAGE) == []


@case("§1.1.4", "A message that can't be decoded is discarded, whatever it asks for")
def _() -> None:
    assert discarded(mtp(udt(wanted=True).encode()[:-1]), Discard.MALFORMED) == []


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
            octets = bytearray(udt(kind=kind, wanted=True).encode())
            octets[2] = hops
            [(_, _, back)] = discarded(mtp(bytes(octets)), Discard.HOP_COUNTER_VIOLATION)
            assert back.cause == ReturnCause.HOP_COUNTER_VIOLATION


@case("§4.2", "A UDTS for us is handed on as TC-NOTICE wants it, with its cause")
def _() -> None:
    taken = node().receive(mtp(UnitDataService(10, 1, TO_US, FROM_MSC, b"user").encode()), 0.0)
    assert isinstance(taken, UnitDataService)
    assert (taken.cause, taken.data) == (1, b"user")


for kind in (10, 18, 20):

    @case("§4.2", f"{MessageType(kind).name} is never answered, even if it is not for us")
    def _(kind: int = kind) -> None:
        hops = -1 if kind == 10 else 9
        message = UnitDataService(kind, 1, OTHER_SSN, FROM_MSC, b"user", hops)
        assert discarded(mtp(message.encode()), Discard.SERVICE_NOT_OURS) == []


# --- what we send ---
case.begin()


def sent(data: bytes, **how: Any) -> list[UnitData]:
    stack = node()
    stack.send(FROM_MSC, TO_US, data, dpc=STP, sls=9, **how)
    assert all((dpc, sls) == (STP, 9) for dpc, sls, _ in stack.outbox)
    return [sccp.decode(octets) for _, _, octets in stack.outbox]  # type: ignore[misc]


@case("§4.1", "An answer is a UDT of class 1, to the received calling address, from our own")
def _() -> None:
    [message] = sent(b"user")
    assert (message.kind, message.protocol_class, message.return_on_error) == (MessageType.UDT, 1, False)
    assert (message.called_raw, message.calling_raw) == (FROM_MSC, TO_US)


@case("§4.1", "Class 0, and return on error, go in the protocol class parameter")
def _() -> None:
    [message] = sent(b"user", protocol_class=0, return_on_error=True)
    assert (message.protocol_class, message.return_on_error) == (0, True)


@case("§4.1.1.2", "What is too long for a UDT goes in XUDT segments of one reference, in order, on one SLS")
def _() -> None:
    messages = sent(bytes(range(256)) * 2)
    parts = [message.segmentation for message in messages]
    assert {message.kind for message in messages} == {MessageType.XUDT}
    assert [part.first for part in parts if part] == [True, *[False] * (len(messages) - 1)]
    assert [part.remaining for part in parts if part] == [*range(len(messages) - 1, -1, -1)]
    assert len({part.local_reference for part in parts if part}) == 1
    assert b"".join(message.data for message in messages) == bytes(range(256)) * 2


@case(
    "§2.3.2", "A caller that is routed on SSN is answered at its own point code, any other where it came from"
)
def _() -> None:
    stack = node()
    assert stack.route_back(FROM_MSC_SSN, STP) == MSC
    assert stack.route_back(FROM_MSC, STP) == STP


@case(
    "§2.1", "Our calling address is our title where one is configured, else the called address that was used"
)
def _() -> None:
    assert node(global_title=OWN_TITLE).own_address(TO_SSN) == TO_US
    assert node().own_address(TO_SSN) == TO_SSN


# --- reassembly ---
case.begin()


@case("§4.1.1.3", "Segments in order become one message")
def _() -> None:
    stack = node()
    assert stack.receive(mtp(segment(b"one ", 2, first=True).encode()), 0.0) is None
    assert stack.receive(mtp(segment(b"two ", 1).encode()), 0.0) is None
    taken = stack.receive(mtp(segment(b"three", 0).encode()), 0.0)
    assert taken is not None
    assert taken.data == b"one two three"


@case("§4.1.1.3", "Segments of two callers with one reference are kept apart")
def _() -> None:
    stack = node()
    for calling in (FROM_MSC, FROM_ELSEWHERE):
        assert stack.receive(mtp(segment(b"first ", 1, first=True, calling=calling).encode()), 0.0) is None
    for calling in (FROM_ELSEWHERE, FROM_MSC):
        taken = stack.receive(mtp(segment(b"last", 0, calling=calling).encode()), 0.0)
        assert taken is not None
        assert (taken.data, taken.calling_raw) == (b"first last", calling)


@case(
    "§4.1.1.3",
    "A segment is missing: the message is given up, its first segment returned if that was asked for",
)
def _() -> None:
    stack = node()
    stack.receive(mtp(segment(b"one", 2, first=True, wanted=True).encode()), 0.0)
    assert stack.receive(mtp(segment(b"three", 0, wanted=True).encode()), 0.0) is None
    assert reasons(stack) == [Discard.SEGMENT_LOST]
    back = sccp.decode(stack.own[0].octets)
    assert isinstance(back, UnitDataService)
    assert (back.kind, back.data) == (MessageType.XUDTS, b"one")


@case("§4.1.1.3", "T(reass) runs out: the same")
def _() -> None:
    stack = node(t_reassembly=10.0)
    stack.receive(mtp(segment(b"one", 1, first=True, wanted=True).encode()), 0.0)
    stack.tick(9.9)
    assert not stack.own
    stack.tick(10.0)
    assert reasons(stack) == [Discard.REASSEMBLY_TIMEOUT]
    assert len(stack.own) == 1


@case("§4.1.1.3", "A segment of no message under reassembly is discarded")
def _() -> None:
    assert discarded(mtp(segment(b"x", 1).encode()), Discard.SEGMENT_UNEXPECTED) == []


# --- management ---
case.begin()
for ssn, what in ((146, "our subsystem"), (1, "SCCP management")):

    @case("§5.3.4.3", f"SST of {what}, in service: SSA to who asked, class 0")
    def _(ssn: int = ssn) -> None:
        stack = node()
        assert stack.receive(management(ScmgType.SST, ssn), 0.0) is None
        assert sent_management(stack) == [(STP, 0, Management(ScmgType.SSA, ssn, OWN))]


@case("§5.3.4.3", "SST of a subsystem that we don't have is not answered")
def _() -> None:
    assert discarded(management(ScmgType.SST, 8), Discard.MANAGEMENT_IGNORED) == []


@case("§5.3.7", "Going out of service: SSP to the concerned points; SSA to them on return")
def _() -> None:
    stack = node(concerned=(MSC,))
    stack.out_of_service(0.0)
    assert sent_management(stack) == [(MSC, 0, Management(ScmgType.SSP, 146, OWN))]
    stack.in_service(1.0)
    assert sent_management(stack) == [(MSC, 0, Management(ScmgType.SSA, 146, OWN))]


@case("§5.3.7", "Leaving in order: SSP to the concerned points; what comes all the same is still taken")
def _() -> None:
    stack = node(concerned=(MSC,))
    stack.out_of_service(0.0, refuse=False)
    assert sent_management(stack) == [(MSC, 0, Management(ScmgType.SSP, 146, OWN))]
    stack.receive(management(ScmgType.SST), 0.0)
    assert not stack.own
    assert stack.receive(mtp(udt(wanted=True).encode()), 0.0) is not None


@case("§5.3.4.3", "Out of service, SST is not answered, and messages for us are returned: subsystem failure")
def _() -> None:
    stack = node()
    stack.out_of_service(0.0)
    stack.receive(management(ScmgType.SST), 0.0)
    assert not stack.own
    stack.events.clear()
    stack.receive(mtp(udt(wanted=True).encode()), 0.0)
    back = sccp.decode(stack.own[0].octets)
    assert isinstance(back, UnitDataService)
    assert back.cause == ReturnCause.SUBSYSTEM_FAILURE


@case(
    "§5.3.2",
    "SSP of a remote subsystem: it is prohibited, and tested with SST every T(stat info), which grows",
)
def _() -> None:
    stack = node(t_stat_info=10.0, t_stat_info_max=30.0)
    stack.receive(management(ScmgType.SSP, 8, MSC), 0.0)
    assert [event.reason for event in stack.events] == [Status.PROHIBITED]
    for due in (10.0, 30.0, 60.0):
        assert stack.next_deadline() == due
        stack.tick(due)
        assert sent_management(stack) == [(MSC, 0, Management(ScmgType.SST, 8, MSC))]


@case("§5.3.3", "SSA ends that")
def _() -> None:
    stack = node()
    stack.receive(management(ScmgType.SSP, 8, MSC), 0.0)
    stack.receive(management(ScmgType.SSA, 8, MSC), 1.0)
    assert [event.reason for event in stack.events] == [Status.PROHIBITED, Status.ALLOWED]
    assert stack.next_deadline() == float("inf")


@case("Q.713 §5.2.1", "A management message that can't be read is discarded")
def _() -> None:
    scmg = Address(1, OWN, None, True).encode()
    message = UnitData(MessageType.UDT, 0, False, scmg, scmg, b"\x09")
    assert discarded(mtp(message.encode()), Discard.BAD_MANAGEMENT) == []


SCCP = Group(
    "S", "SCCP: connectionless", "Q.714", "`Sccp`, classes 0 and 1, with its management", tuple(_cases)
)
