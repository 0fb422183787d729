"""Q.714 behaviour of `Sccp`: routing, screening, returns, segmentation, reassembly, management."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
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

from oracles.examples import examples
from oracles.sigtran_pcap import Frame, Layer
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SUBSYSTEM, Discard, SccpSettings, Status
from ss7 import sccp
from ss7.errors import EncodeError
from ss7.sccp import Address, GlobalTitle, MessageType, ReturnCause, UnitDataService
from ss7.scmg import Management, ScmgType


@pytest.mark.parametrize("kind", [MessageType.UDT, MessageType.XUDT, MessageType.LUDT])
@pytest.mark.parametrize("called", [TO_US, TO_SSN])
@pytest.mark.parametrize("calling", [FROM_MSC, FROM_MSC_SSN])
def test_unit_data_for_our_subsystem_is_delivered_every_time(kind, called, calling):
    stack = node()
    message = udt(called, calling, kind=kind)
    for _ in range(3):
        assert stack.receive(mtp(message.encode()), 0.0) == message
    assert not stack.events
    assert not stack.own


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (mtp(udt().encode(), si=5), Discard.NOT_SCCP),
        (mtp(udt().encode(), dpc=OWN + 1), Discard.FOREIGN_POINT_CODE),
        (mtp(b""), Discard.UNSUPPORTED_MESSAGE),
        (mtp(b"\x01\0\0\1\2\2\2\x42\x92"), Discard.UNSUPPORTED_MESSAGE),
        (mtp(udt().encode()[:-1]), Discard.MALFORMED),
        (mtp(udt(called=b"\x43").encode()), Discard.BAD_CALLED_ADDRESS),
        (mtp(udt(calling=b"\x02").encode()), Discard.BAD_CALLING_ADDRESS),
        (
            mtp(UnitDataService(10, 1, Address(8, -1, None, True).encode(), FROM_MSC, b"x").encode()),
            Discard.SERVICE_NOT_OURS,
        ),
        (mtp(udt(called=Address(1, -1, None, True).encode()).encode()), Discard.BAD_MANAGEMENT),
    ],
)
def test_what_is_not_for_us_is_discarded_with_its_reason(data, reason):
    stack = node()
    for _ in range(2):  # the second time from the memo
        assert stack.receive(data, 0.0) is None
        assert reasons(stack) == [reason]
    assert not stack.own


REFUSED = [
    (udt(Address(8, -1, OWN_TITLE).encode()), ReturnCause.UNEQUIPPED_USER, {}),
    (udt(Address(8, -1, None, True).encode()), ReturnCause.UNEQUIPPED_USER, {}),
    (udt(Address(-1, -1, None, True).encode()), ReturnCause.UNEQUIPPED_USER, {}),
    (
        udt(Address(146, -1, GlobalTitle("46")).encode()),
        ReturnCause.NO_TRANSLATION_FOR_ADDRESS,
        {"global_title": OWN_TITLE},
    ),
    (udt(Address(146, -1, None).encode()), ReturnCause.NO_TRANSLATION_FOR_NATURE, {}),
    (udt(calling=FROM_ELSEWHERE), ReturnCause.UNQUALIFIED, {"allowed_prefixes": ("46", "45")}),
    (udt(calling=FROM_MSC_SSN), ReturnCause.UNQUALIFIED, {"allowed_point_codes": (MSC + 1,)}),
]


@pytest.mark.parametrize("kind", [MessageType.UDT, MessageType.XUDT, MessageType.LUDT])
@pytest.mark.parametrize(("message", "cause", "changed"), REFUSED)
def test_undeliverable_message_goes_back_if_that_was_asked_for(kind, message, cause, changed):
    stack = node(**changed)
    unwanted = udt(message.called_raw, message.calling_raw, kind=kind)
    assert stack.receive(mtp(unwanted.encode()), 0.0) is None
    assert not stack.own
    wanted = udt(message.called_raw, message.calling_raw, kind=kind, wanted=True)
    assert stack.receive(mtp(wanted.encode()), 0.0) is None
    assert len(set(reasons(stack))) == 1
    ((opc, dpc, sls, octets),) = stack.own
    assert (opc, dpc, sls) == (OWN, MSC if message.calling_raw == FROM_MSC_SSN else STP, 5)
    returned = sccp.decode(octets)
    assert isinstance(returned, UnitDataService)
    assert returned.kind == kind + 1
    assert returned.cause == cause
    assert (returned.called_raw, returned.calling_raw) == (message.calling_raw, message.called_raw)
    assert returned.data == wanted.data


@pytest.mark.parametrize("hops", [0, 16, 255])
def test_hop_counter_out_of_its_range_is_a_violation(hops):
    stack = node()
    octets = bytearray(udt(kind=MessageType.XUDT, wanted=True).encode())
    octets[2] = hops
    assert stack.receive(mtp(bytes(octets)), 0.0) is None
    assert stack.receive(mtp(bytes(octets)), 0.0) is None
    assert reasons(stack) == [Discard.HOP_COUNTER_VIOLATION] * 2
    assert sccp.decode(stack.own[0].octets).cause == ReturnCause.HOP_COUNTER_VIOLATION


@given(
    st.sampled_from([10, 18, 20]), st.integers(0, 255), st.sampled_from([TO_US, TO_SSN, b"\x43", b"\x42\x08"])
)
def test_service_message_is_never_answered(kind, cause, called):
    stack = node(allowed_prefixes=("1",))
    message = UnitDataService(kind, cause, called, FROM_MSC, b"user", -1 if kind == 10 else 9)
    taken = stack.receive(mtp(message.encode()), 0.0)
    assert taken == (message if called in (TO_US, TO_SSN) else None)
    assert not stack.own


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: udt().encode()[:14] + rest))
def test_any_octets_are_dealt_with(payload):
    stack = node()
    taken = stack.receive(mtp(payload), 0.0)
    assert (taken is None) != (not stack.events) or stack.own or sccp.decode(payload).segmentation


def test_allowed_callers_by_title_by_address_and_by_originating_point_code():
    stack = node(allowed_prefixes=("467",), allowed_point_codes=(MSC, 77))
    for calling, opc in [(FROM_MSC, STP), (FROM_MSC_SSN, STP), (FROM_ELSEWHERE, 77)]:
        for _ in range(2):
            assert stack.receive(mtp(udt(calling=calling).encode(), opc), 0.0) is not None
    for _ in range(2):
        assert stack.receive(mtp(udt(calling=FROM_ELSEWHERE).encode(), STP), 0.0) is None
    assert reasons(stack) == [Discard.CALLER_NOT_ALLOWED] * 2


def test_answer_goes_to_the_calling_address_from_our_own():
    plain, titled = node(), node(global_title=OWN_TITLE)
    assert plain.own_address(TO_SSN) == TO_SSN
    assert titled.own_address(TO_SSN) == TO_US
    assert plain.route_back(FROM_MSC, STP) == STP
    assert plain.route_back(FROM_MSC_SSN, STP) == MSC
    assert plain.route_back(b"\x43", STP) == STP
    by_opc = node(allowed_point_codes=(STP,))
    assert by_opc.route_back(FROM_MSC_SSN, STP) == MSC
    assert by_opc.receive(mtp(udt(calling=FROM_MSC_SSN).encode()), 0.0) is not None


def test_memos_are_bounded():
    stack = node()
    for number in range(5000):
        title = GlobalTitle(str(10_000_000 + number))
        message = udt(Address(146, -1, title).encode(), Address(8, -1, title).encode())
        assert stack.receive(mtp(message.encode()), 0.0) == message
    assert len(stack._called) <= 4096
    assert len(stack._callers) <= 4096


@given(
    st.binary(min_size=1, max_size=4000), st.integers(0, 1), st.booleans(), st.sampled_from([TO_US, TO_SSN])
)
def test_what_is_sent_arrives_whole_and_fits(data, protocol_class, wanted, called):
    sender, receiver = node(), node()
    if len(data) > 16 * (251 - len(called) - len(FROM_MSC)):
        with pytest.raises(EncodeError, match="16 segments"):
            sender.send(called, FROM_MSC, data, dpc=OWN, sls=3, protocol_class=protocol_class)
        assert not sender.outbox
        return
    sender.send(called, FROM_MSC, data, dpc=OWN, sls=3, protocol_class=protocol_class, return_on_error=wanted)
    arrived = []
    for dpc, sls, octets in sender.outbox:
        assert (dpc, sls) == (OWN, 3)
        assert len(octets) <= 268
        arrived.append(receiver.receive(mtp(octets, sls=sls), 0.0))
    assert arrived[:-1] == [None] * (len(arrived) - 1)
    whole = arrived[-1]
    assert (whole.data, whole.protocol_class, whole.return_on_error) == (data, protocol_class, wanted)
    assert (whole.called_raw, whole.calling_raw) == (called, FROM_MSC)
    assert receiver.next_deadline() == inf
    assert receiver._reassembly.octets == 0


def test_udt_where_it_fits_and_no_empty_or_endless_message():
    stack = node(max_message=8 + len(TO_US) + len(FROM_MSC) + 200)
    stack.send(TO_US, FROM_MSC, bytes(200), dpc=1, sls=0)
    assert stack.outbox[-1][2][0] == MessageType.UDT
    stack.send(TO_US, FROM_MSC, bytes(201), dpc=1, sls=0)
    assert [message[2][0] for message in stack.outbox[1:]] == [MessageType.XUDT] * 2
    for data in (b"", bytes(5000)):
        with pytest.raises(EncodeError):
            stack.send(TO_US, FROM_MSC, data, dpc=1, sls=0)
    with pytest.raises(EncodeError):
        node(max_message=30).send(TO_US, FROM_MSC, bytes(40), dpc=1, sls=0)


def test_lost_segment_returns_the_first_one():
    stack = node()
    first = segment(b"a", 2, first=True, wanted=True)
    assert stack.receive(mtp(first.encode(), sls=9), 0.0) is None
    assert stack.receive(mtp(segment(b"c", 0).encode()), 0.0) is None
    assert reasons(stack) == [Discard.SEGMENT_LOST]
    ((opc, dpc, sls, octets),) = stack.own
    returned = sccp.decode(octets)
    assert (opc, dpc, sls, returned.data) == (OWN, STP, 9, b"a")
    assert returned.kind == MessageType.XUDTS
    assert returned.segmentation == first.segmentation
    assert stack.receive(mtp(segment(b"b", 1).encode()), 0.0) is None
    assert reasons(stack) == [Discard.SEGMENT_UNEXPECTED]
    assert len(stack.own) == 1


def test_reference_in_use_begins_anew_and_a_single_segment_is_whole():
    stack = node()
    stack.receive(mtp(segment(b"a", 1, first=True).encode()), 0.0)
    stack.receive(mtp(segment(b"x", 1, first=True).encode()), 0.0)
    assert reasons(stack) == [Discard.SEGMENT_REPEATED]
    assert stack.receive(mtp(segment(b"y", 0).encode()), 0.0).data == b"xy"
    assert stack.receive(mtp(segment(b"z", 0, first=True).encode()), 0.0).data == b"z"


def test_reassembly_is_given_up_in_time():
    stack = node(t_reassembly=10.0)
    stack.receive(mtp(segment(b"a", 1, 1, first=True, wanted=True).encode()), 0.0)
    stack.receive(mtp(segment(b"b", 1, 2, first=True).encode()), 4.0)
    assert stack.next_deadline() == 10.0
    stack.tick(9.9)
    assert not stack.events
    stack.tick(10.0)
    assert reasons(stack) == [Discard.REASSEMBLY_TIMEOUT]
    assert len(stack.own) == 1
    assert stack.next_deadline() == 14.0
    assert stack.receive(mtp(segment(b"c", 0, 2).encode()), 13.0).data == b"bc"
    assert stack.next_deadline() == inf


@examples(25)
@given(st.data())
def test_any_interleaving_of_senders_is_reassembled(data):
    """Segments of several messages in any order that keeps each sender's own; same references, other addresses."""
    receiver = node()
    queues, expected = [], []
    for index in range(data.draw(st.integers(2, 5))):
        sender = node()
        calling = Address(8, -1, GlobalTitle(f"4670000{index}")).encode()
        for _ in range(data.draw(st.integers(1, 2))):
            body = bytes((index,)) * data.draw(st.integers(1, 3500))
            sender.send(TO_US, calling, body, dpc=OWN, sls=index)
            expected.append((calling, body))
        queues.append([message[2] for message in sender.outbox])
    arrived = []
    while queues:
        queue = data.draw(st.sampled_from(queues))
        taken = receiver.receive(mtp(queue.pop(0)), 0.0)
        if taken is not None:
            arrived.append((taken.calling_raw, taken.data))
        if not queue:
            queues.remove(queue)
    assert sorted(arrived) == sorted(expected)
    assert not receiver.events
    assert receiver._reassembly.octets == 0


class Reassembling(RuleBasedStateMachine):
    """Segments of any kind at any time against a model: what comes out was put in by one sender, in order, in time."""

    def __init__(self):
        super().__init__()
        self.stack = node(max_reassemblies=3, max_reassembly_octets=60, t_reassembly=10.0)
        self.now = 0.0
        self.model = {}  # (opc, reference) -> (deadline, remaining, data)

    @rule(
        opc=st.sampled_from([STP, MSC]),
        reference=st.integers(0, 3),
        first=st.booleans(),
        remaining=st.integers(0, 3),
        body=st.binary(min_size=1, max_size=20),
        wanted=st.booleans(),
    )
    def any_segment(self, opc, reference, first, remaining, body, wanted):
        self.take(opc, reference, first, remaining, body, wanted)

    @rule(index=st.integers(0, 9), body=st.binary(min_size=1, max_size=20))
    def next_segment(self, index, body):
        """One that fits, or the machine would rarely see a message whole."""
        if self.model:
            opc, reference = sorted(self.model)[index % len(self.model)]
            self.take(opc, reference, False, self.model[opc, reference][1] - 1, body, True)

    def take(self, opc, reference, first, remaining, body, wanted):
        octets = segment(body, remaining, reference, first, wanted=wanted).encode()
        taken = self.stack.receive(mtp(octets, opc), self.now)
        key = (opc, reference)
        held = self.model.pop(key, None)
        whole, reason = None, None
        if first:
            reason = Discard.SEGMENT_REPEATED if held else None
            total = sum(len(entry[2]) for entry in self.model.values()) + len(body)
            if not remaining:
                whole = body
            elif len(self.model) < 3 and total <= 60:
                self.model[key] = (self.now + 10.0, remaining, body)
            else:
                reason = Discard.REASSEMBLY_LIMIT
        elif held is None:
            reason = Discard.SEGMENT_UNEXPECTED
        elif remaining != held[1] - 1:
            reason = Discard.SEGMENT_LOST
        elif sum(len(entry[2]) for entry in self.model.values()) + len(held[2]) + len(body) > 60:
            reason = Discard.REASSEMBLY_LIMIT
        elif remaining:
            self.model[key] = (held[0], remaining, held[2] + body)
        else:
            whole = held[2] + body
        assert (taken.data if taken else None) == whole
        assert reasons(self.stack)[-1:] == ([reason] if reason else [])

    @rule(seconds=st.floats(0.0, 12.0))
    def time_passes(self, seconds):
        self.now += seconds
        self.stack.tick(self.now)
        gone = [key for key, entry in self.model.items() if entry[0] <= self.now]
        for key in gone:
            del self.model[key]
        assert reasons(self.stack) == [Discard.REASSEMBLY_TIMEOUT] * len(gone)

    @invariant()
    def nothing_leaks(self):
        held = sum(len(entry[2]) for entry in self.model.values())
        assert self.stack._reassembly.octets == held <= 60
        assert len(self.stack._reassembly) == len(self.model) <= 3
        assert self.stack.next_deadline() == min((entry[0] for entry in self.model.values()), default=inf)
        assert all(sccp.decode(octets).kind == MessageType.XUDTS for _, _, _, octets in self.stack.own)
        self.stack.own.clear()


TestReassembling = Reassembling.TestCase
TestReassembling.settings = examples(30, stateful_step_count=40)


@pytest.mark.parametrize("ssn", [146, 1])
def test_status_test_of_what_is_in_service_is_answered(ssn):
    stack = node()
    assert stack.receive(management(ScmgType.SST, ssn), 0.0) is None
    assert sent_management(stack) == [(STP, 0, Management(ScmgType.SSA, ssn, OWN))]
    assert not stack.events


def test_status_test_of_what_is_not_there_is_ignored():
    stack = node()
    stack.receive(management(ScmgType.SST, 8), 0.0)
    assert reasons(stack) == [Discard.MANAGEMENT_IGNORED]
    stack.receive(management(ScmgType.SST, 146, OWN + 1), 0.0)
    assert reasons(stack) == [Discard.MANAGEMENT_NOT_OURS]
    for kind in (ScmgType.SOR, ScmgType.SOG):
        stack.receive(management(kind), 0.0)
        assert reasons(stack) == [Discard.MANAGEMENT_IGNORED]
    assert not stack.own


def test_out_of_service_is_told_and_returned_and_over_again():
    stack = node(concerned=(MSC,))
    stack.receive(management(ScmgType.SST), 0.0)  # who tests us is concerned
    stack.own.clear()
    assert stack.receive(mtp(udt(wanted=True).encode()), 0.0) is not None
    stack.out_of_service(1.0)
    ssp = Management(ScmgType.SSP, 146, OWN)
    assert sent_management(stack) == [(MSC, 0, ssp), (STP, 0, ssp)]
    assert stack.receive(mtp(udt(wanted=True).encode()), 1.0) is None
    assert reasons(stack) == [Discard.SUBSYSTEM_FAILURE]
    assert sccp.decode(stack.own.pop().octets).cause == ReturnCause.SUBSYSTEM_FAILURE
    stack.receive(management(ScmgType.SST), 1.0)
    stack.receive(management(ScmgType.SST, 1), 1.0)
    assert sent_management(stack) == [(STP, 0, Management(ScmgType.SSA, 1, OWN))]
    stack.in_service(2.0)
    assert [message.kind for _, _, message in sent_management(stack)] == [ScmgType.SSA] * 2
    assert stack.receive(mtp(udt().encode()), 2.0) is not None


def test_prohibited_remote_subsystem_is_tested_until_it_is_allowed():
    stack = node(t_stat_info=10.0, t_stat_info_max=30.0)
    stack.receive(management(ScmgType.SSP, 8, MSC), 0.0)
    stack.receive(management(ScmgType.SSP, 8, MSC), 5.0)
    assert [event[:4] for event in stack.events] == [(SUBSYSTEM, Status.PROHIBITED, MSC, 8)]
    assert stack.prohibited_subsystems() == [(MSC, 8)]
    times = []
    while len(times) < 5:
        now = stack.next_deadline()
        stack.tick(now)
        times.append(now)
        assert sent_management(stack) == [(MSC, 0, Management(ScmgType.SST, 8, MSC))]
    assert times == [10.0, 30.0, 60.0, 90.0, 120.0]
    stack.events.clear()
    stack.receive(management(ScmgType.SSA, 8, MSC), 121.0)
    stack.receive(management(ScmgType.SSA, 8, MSC), 121.0)
    assert [event[:4] for event in stack.events] == [(SUBSYSTEM, Status.ALLOWED, MSC, 8)]
    assert stack.next_deadline() == inf


def test_remote_subsystems_are_bounded_and_not_ours():
    stack = node(max_remote_subsystems=2)
    for ssn in (6, 7, 8):
        stack.receive(management(ScmgType.SSP, ssn, MSC), 0.0)
    stack.receive(management(ScmgType.SSP, 146, OWN), 0.0)
    stack.receive(management(ScmgType.SSC, 8, MSC), 0.0)
    assert len(stack.prohibited_subsystems()) == 2
    assert [event.reason for event in stack.events] == [
        Status.PROHIBITED,
        Status.PROHIBITED,
        Discard.MANAGEMENT_IGNORED,
        Discard.MANAGEMENT_NOT_OURS,
        Status.CONGESTED,
    ]
    for opc in range(1000):
        stack.receive(management(ScmgType.SST, opc=opc), 0.0)
    assert len(stack._subsystems.concerned) == 256


def test_node_without_point_codes_takes_what_comes():
    stack = Sccp(SccpSettings())
    assert stack.receive(mtp(udt().encode(), dpc=9), 0.0) is not None
    stack.receive(management(ScmgType.SST), 0.0)
    assert stack.own


def test_tshark_finds_nothing_wrong_with_what_is_sent(dissect):
    stack = node(concerned=(MSC,))
    stack.send(TO_US, FROM_MSC, bytes.fromhex("6206480400000001"), dpc=STP, sls=1)
    stack.send(TO_US, FROM_MSC, bytes.fromhex("6482010e4904000000018105") + bytes(600), dpc=STP, sls=1)
    stack.receive(management(ScmgType.SST), 0.0)
    stack.receive(mtp(udt(Address(8, -1, OWN_TITLE).encode(), wanted=True).encode()), 0.0)
    stack.out_of_service(0.0)
    sent = [message[-1] for message in (*stack.outbox, *stack.own)]
    frames = [Frame(octets, Layer.SCCP, association=1) for octets in sent]
    seen = dissect(frames)
    kinds = [int(dissection.first("sccp.message_type"), 0) for dissection in seen]
    assert kinds == [9, 17, 17, 17, 9, 10, 9, 9]
    for dissection in (seen[0], *seen[4:5], *seen[6:]):
        assert "_ws.malformed" not in dissection.protocols, dissection.text()
    assert any("tcap" in dissection.protocols for dissection in seen[1:4]), seen[3].text()


def test_reassembly_is_given_up_where_its_octets_run_out():
    stack = node(max_reassembly_octets=10)
    stack.receive(mtp(segment(bytes(6), 1, first=True, wanted=True).encode()), 0.0)
    assert stack.receive(mtp(segment(bytes(5), 0).encode()), 0.0) is None
    assert reasons(stack) == [Discard.REASSEMBLY_LIMIT]
    assert sccp.decode(stack.own[0].octets).cause == ReturnCause.DESTINATION_CANNOT_REASSEMBLE
    assert stack.receive(mtp(segment(bytes(11), 1, 2, first=True).encode()), 0.0) is None
    assert reasons(stack) == [Discard.REASSEMBLY_LIMIT]
    assert stack._reassembly.octets == 0


def test_addresses_that_no_answer_could_hold_are_refused():
    """They fit one message where the pointers lead to the data first, and in no order that we write."""
    called = Address(8, -1, GlobalTitle("1" * 200), True).encode()
    calling = b"\x52\x08\0\x12\4" + bytes(200)
    parts = bytes((len(called),)) + called, bytes((len(calling),)) + calling
    octets = b"\x09\x81" + bytes((5, 5 + len(called), 1)) + b"\x01x" + b"".join(parts)
    stack = node()
    assert stack.receive(mtp(octets), 0.0) is None
    assert reasons(stack) == [Discard.MALFORMED]
    stack.receive(mtp(sccp.UnitData(MessageType.UDT, 1, True, TO_US, calling, b"x").encode()), 0.0)
    assert reasons(stack) == [Discard.BAD_CALLING_ADDRESS]
    assert not stack.own
