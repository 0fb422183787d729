"""Hostile input at every layer: the node answers what the standards name, counts it, and serves the next call."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from room import NETWORK, READY, Room, idp, new_otid

from oracles import vectors
from ss7 import rose, tcap
from ss7.ber import encode_element
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.m3ua import Data, encode_data
from ss7.rose import encode_invoke
from ss7.sccp import Address, GlobalTitle, MessageType, ReturnCause, Segmentation, UnitData
from ss7.tcap import TcapError
from ss7.tcap_dialogue import Aarq, encode_dialogue

AARQ = encode_dialogue(Aarq(BY_VERSION[2].octets))
IDP = idp()
INVOKE = encode_invoke(1, Opcode.INITIAL_DP, IDP)
BEGIN = tcap.build_begin(b"\x01\x02\x03\x04", AARQ, [INVOKE])
CALLED, CALLING = NETWORK.called(), NETWORK.calling()
UDT = UnitData(MessageType.UDT, 1, True, CALLED, CALLING, BEGIN).encode()
XUDT = UnitData(
    MessageType.XUDT, 1, True, CALLED, CALLING, BEGIN, 15, Segmentation(True, 0, 5, True)
).encode()
DATA = encode_data(Data(NETWORK.point_code, NETWORK.scp_point_code, 3, 0, 0, 5, UDT))
PDUS = [vector.octets for vector in vectors.load()]


@pytest.fixture(scope="module", params=["fast", "reference"])
def room(request, everything_sent):
    """One node for all that comes, as in the field."""
    room = Room(READY, codec=request.param, recorder=everything_sent)
    yield room
    room.nothing_left()


@pytest.fixture(scope="module")
def fast_room(everything_sent):
    """One node, for layers that are below the codec."""
    room = Room(READY, recorder=everything_sent)
    yield room
    room.nothing_left()


def counted(room):
    counts = room.counts
    return len(counts.discards) + len(counts.calls) + len(counts.outcomes)


def recovers(room):
    """Bring the association up again if what came took it down, then make a call."""
    if room.switch.transport is None:
        room.connect()
    if not room.links[0].active:
        room.advance(15.0)
    room.serves()


@st.composite
def damaged(draw, samples):
    """A good message with some of its octets changed, missing, doubled or in excess."""
    octets = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets) - 1)) if octets else 0
        what = draw(st.integers(0, 4))
        if what == 0:
            octets[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == 1:
            octets[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif what == 2:
            del octets[at : at + draw(st.integers(1, 8))]
        elif what == 3:
            del octets[at:]
        else:
            octets[at:at] = octets[at : at + draw(st.integers(1, 16))]
    return bytes(octets)


def hostile(*samples):
    return st.one_of(st.binary(max_size=64), damaged(samples))


# --- M3UA ---


@given(hostile(DATA, bytes.fromhex("0100030100000008"), bytes.fromhex("0100040100000008")), st.integers(0, 1))
def test_any_m3ua_message(fast_room, octets, stream):
    room = fast_room
    before = counted(room) + len(room.switch.heard)
    room.switch.m3ua(octets, stream)
    if len(octets) < 8:
        assert counted(room) > before - len(room.switch.heard)
    recovers(room)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("0200010100000008", 0x01),  # version 2
        ("0100090100000008", 0x03),  # class 9
        ("0100030900000008", 0x04),  # type 9 of ASPSM
        ("010001010000000c00060008", 0x07),  # DATA without protocol data: protocol error or missing parameter
    ],
)
def test_a_bad_m3ua_message_gets_its_error(fast_room, message, code):
    room = fast_room
    room.switch.m3ua(bytes.fromhex(message))
    error = next(heard for heard in reversed(room.switch.heard) if heard[2:4] == b"\x00\x00")
    assert int.from_bytes(error[12:16], "big") in {code, 0x12, 0x16}
    assert room.counts.discards[-1] == ("m3ua", "malformed")
    recovers(room)


def test_an_error_is_never_answered_with_an_error(fast_room):
    room = fast_room
    heard = len(room.switch.heard)
    for body in ("000c0008000000ff", "000c0006", ""):
        octets = bytes.fromhex(body)
        room.switch.m3ua(b"\x01\x00\x00\x00" + (8 + len(octets)).to_bytes(4, "big") + octets)
    assert not [message for message in room.switch.heard[heard:] if message[2:4] == b"\x00\x00"]
    recovers(room)


# --- SCCP ---


@given(hostile(UDT, XUDT))
def test_any_sccp_message(fast_room, octets):
    room = fast_room
    before, heard = counted(room), len(room.switch.heard)
    if octets:
        room.switch.sccp(octets)
        reassembling = len(room.node.networks[0].sccp._reassembly)
        management = b"\x42\x01" in octets or b"\x43\x01" in octets or b"\x01" in octets
        assert counted(room) > before or reassembling or management or len(room.switch.heard) > heard
    room.advance(16.0)  # T(reass)
    assert not len(room.node.networks[0].sccp._reassembly)
    room.serves()


def unit(data=BEGIN, called=CALLED, calling=CALLING, kind=MessageType.UDT, returned=True, part=None):
    hops = -1 if kind == MessageType.UDT else 15
    return UnitData(kind, 1, returned, called, calling, data, hops, part).encode()


@pytest.mark.parametrize("returned", [True, False])
def test_a_wrong_subsystem_is_returned_if_its_sender_wants_that(fast_room, returned):
    room = fast_room
    called = Address(ssn=8, global_title=GlobalTitle("46700000001")).encode()
    before = len(room.switch.returned)
    room.switch.sccp(unit(called=called, returned=returned))
    back = room.switch.returned[before:]
    assert [message.cause for message in back] == [ReturnCause.UNEQUIPPED_USER] * returned
    assert all(message.data == BEGIN for message in back)
    assert room.counts.discards[-1] == ("sccp", "unequipped-user")
    room.serves()


def test_a_foreign_point_code_is_not_ours(fast_room):
    room = fast_room
    heard = len(room.switch.heard)
    room.switch.sccp(unit(), dpc=999)
    assert room.counts.discards[-1] == ("sccp", "foreign-point-code")
    assert len(room.switch.heard) == heard
    room.serves()


def test_another_user_part_is_not_ours(fast_room):
    fast_room.switch.sccp(unit(), si=5)
    assert fast_room.counts.discards[-1] == ("sccp", "not-sccp")
    fast_room.serves()


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, 3), st.binary(min_size=1, max_size=20)),
        min_size=1,
        max_size=12,
    )
)
def test_any_segments(fast_room, parts):
    room = fast_room
    for first, remaining, reference, octets in parts:
        segment = Segmentation(first, remaining, reference, True)
        room.switch.sccp(unit(octets, kind=MessageType.XUDT, part=segment))
    before = counted(room)
    pending = len(room.node.networks[0].sccp._reassembly)
    room.advance(16.0)
    assert not len(room.node.networks[0].sccp._reassembly)
    assert not room.node.networks[0].sccp._reassembly.octets
    assert counted(room) == before + pending
    room.serves()


def test_what_is_not_reassembled_in_time_is_returned_at_once(fast_room):
    room = fast_room
    before = len(room.switch.returned)
    room.switch.sccp(unit(BEGIN[:20], kind=MessageType.XUDT, part=Segmentation(True, 1, 77, True)))
    room.advance(15.1)
    [back] = room.switch.returned[before:]
    assert (back.cause, back.data) == (ReturnCause.ERROR_IN_MESSAGE_TRANSPORT, BEGIN[:20])


def test_a_subsystem_that_is_out_of_service_is_tested_without_other_traffic(fast_room):
    room = fast_room
    management = Address(ssn=1, point_code=NETWORK.scp_point_code, route_on_ssn=True).encode()
    peer = Address(ssn=1, point_code=NETWORK.point_code, route_on_ssn=True).encode()
    status = bytes((0x02, 146)) + NETWORK.point_code.to_bytes(2, "little") + b"\x00"  # SSP
    room.switch.sccp(unit(status, management, peer, returned=False))
    heard = len(room.switch.heard)
    room.advance(10.1)
    assert len(room.switch.heard) == heard + 1
    room.switch.sccp(unit(b"\x01" + status[1:], management, peer, returned=False))  # SSA


@pytest.mark.parametrize("digits", [28, 200])
def test_a_calling_address_of_any_length_costs_no_more_than_its_answer(fast_room, digits):
    room = fast_room
    calling = bytes((0x12, 146, 0, 0x11, 4)) + b"\x21" * (digits // 2)
    before = counted(room)
    otid = new_otid()
    room.switch.sccp(unit(tcap.build_begin(otid, AARQ, [INVOKE]), calling=calling, kind=MessageType.XUDT))
    assert counted(room) > before
    room.serves()


# --- TCAP ---


def told(octets):
    """Whom the standard wants answered, and with how many messages: (transaction id or None, count)."""
    try:
        message = tcap.decode(octets)
    except TcapError as error:
        return error.otid, 1 if error.otid else 0
    if message.kind == tcap.BEGIN or message.kind == tcap.CONTINUE:
        return message.otid, 1
    return None, 0


@given(hostile(BEGIN, tcap.build_continue(b"\x01", b"\x07\x00\x00\x01", b"", []), *PDUS))
def test_any_tcap_message(room, octets):
    before, answers = counted(room), len(room.switch.answers)
    if octets:
        otid, count = told(octets)
        room.send(octets)
        assert counted(room) > before
        assert [answer.message.dtid for answer in room.switch.answers[answers:]] == [otid] * count
        assert all(answer.message.kind in (tcap.END, tcap.ABORT) for answer in room.switch.answers[answers:])
    assert not len(room.node.tcap)
    room.serves()


@given(damaged([INVOKE]))
def test_any_component(room, component):
    otid = new_otid()
    room.send(tcap.build_begin(otid, AARQ, [component]))
    assert room.answer(otid).message.kind in (tcap.END, tcap.ABORT)
    assert not len(room.node.tcap)
    room.serves()


# --- CAP ---

ARGUMENTS = [idp(version, trigger=trigger) for version in (2, 4) for trigger in ("originating", "forwarded")]


@given(st.integers(1, 4), hostile(*ARGUMENTS, encode_element(0x30, b"\x80\x01\x64")))
def test_any_argument(room, version, argument):
    if argument and len(argument) < 2:
        argument += b"\x00"
    otid = new_otid()
    room.begin(encode_invoke(1, Opcode.INITIAL_DP, argument), version=version, otid=otid)
    message = room.answer(otid).message
    assert message.kind in (tcap.END, tcap.ABORT)
    for component in message.components:
        if isinstance(component, rose.Invoke):
            assert component.opcode in (Opcode.CONNECT, Opcode.CONTINUE)
        elif isinstance(component, rose.Reject):
            assert component.problem_type in (rose.INVOKE_PROBLEM, rose.GENERAL_PROBLEM)
        else:
            assert isinstance(component, rose.ReturnError)
    assert not room.bugs
    room.serves()


# --- bombs: nothing may cost more than it weighs ---


def nested(tag, depth, indefinite):
    """So many elements in one another; they end nowhere if their lengths are indefinite."""
    if indefinite:
        return bytes((tag, 0x80)) * depth
    octets = b""
    for _ in range(depth):
        octets = encode_element(tag, octets)
    return octets


def argument(contents):
    return encode_invoke(1, Opcode.INITIAL_DP, encode_element(0x30, b"\x80\x01\x64" + contents))


# Each makes a component, or several, of about so many octets.
BOMBS = {
    "indefinite lengths in the argument": lambda size: encode_invoke(
        1, Opcode.INITIAL_DP, nested(0x30, size // 2, True)
    ),
    "nested sequences in the argument": lambda size: encode_invoke(
        1, Opcode.INITIAL_DP, nested(0x30, size // 5, False)
    ),
    "nested parameters": lambda size: argument(nested(0xBF, size // 5, False)),
    "a long called number": lambda size: argument(encode_element(0x82, b"\x21" * size)),
    "a long unknown parameter": lambda size: argument(encode_element(0x9E, b"\x21" * size)),
    "many parameters": lambda size: argument(b"\x9e\x01\x00" * (size // 3)),
    "many extensions": lambda size: argument(
        encode_element(0xAF, (b"\x30\x07\x02\x01\x01\xa1\x02\x05\x00") * (size // 9))
    ),
    "nested components": lambda size: nested(0xA1, size // 5, False),
    "indefinite components": lambda size: nested(0xA1, size // 2, True),
    "many components": lambda size: b"\xa1\x06\x02\x01\x01\x02\x01\x00" * (size // 8),
    "many bad components": lambda size: b"\xa9\x00" * (size // 2),
    "a long operation code": lambda size: encode_element(
        0xA1, b"\x02\x01\x01" + encode_element(0x06, b"\x21" * size)
    ),
    "a long invoke id": lambda size: encode_element(
        0xA1, encode_element(0x02, b"\x21" * size) + b"\x02\x01\x00"
    ),
}
TRANSACTION_BOMBS = {
    "nested messages": lambda size: nested(0x62, size // 5, False),
    "indefinite messages": lambda size: nested(0x62, size // 2, True),
    "nested dialogue portions": lambda size: tcap.build_begin(b"\x07", nested(0x6B, size // 5, False), []),
    "indefinite dialogue portions": lambda size: tcap.build_begin(b"\x07", nested(0x6B, size // 2, True), []),
    "externals": lambda size: tcap.build_begin(b"\x07", encode_element(0x6B, b"\x28\x80" * (size // 2)), []),
    "a long transaction id": lambda size: encode_element(0x62, encode_element(0x48, b"\x01" * size)),
    "a length beyond all": lambda size: b"\x62\x84\xff\xff\xff\xff" + bytes(100),
    "a length of 126 octets": lambda size: b"\x62\xfe" + b"\xff" * 126,
    "an endless tag": lambda size: b"\x7f" + b"\xff" * size,
}


@pytest.fixture(params=[3_800, 60_000])
def give(request, room, slowdown):
    """Gives the node a TCAP message: as much as an LUDT may carry, or 64 KiB past SCCP's limits."""

    def give(make):
        octets = make(request.param)
        patience = 0.1 if request.param < 4_000 else 1.0
        before = counted(room)
        began = time.process_time()
        if request.param < 4_000:
            room.switch.sccp(unit(octets, kind=MessageType.LUDT))
        else:
            room.past_sccp(octets)
        assert time.process_time() - began < patience * slowdown
        assert counted(room) > before
        assert not len(room.node.tcap)
        assert not room.bugs

    return give


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_answered_in_time(room, give, bomb):
    otid = new_otid()
    give(lambda size: tcap.build_begin(otid, AARQ, [bomb(size)]))
    assert len(room.answers(otid)) == 1
    room.serves()


@pytest.mark.parametrize("bomb", TRANSACTION_BOMBS.values(), ids=TRANSACTION_BOMBS)
def test_a_bomb_in_the_transaction_portion_is_counted_in_time(room, give, bomb):
    give(bomb)
    room.serves()


def longest_ludt(octets):
    """An LUDT with more data than Q.713 allows it (3952 octets); M3UA would carry 65,519."""
    called = bytes((len(CALLED),)) + CALLED
    calling = bytes((len(CALLING),)) + CALLING
    pointers = (8 - 1, 6 - 1 + len(called), 4 - 1 + len(called) + len(calling), 0)
    head = bytes((MessageType.LUDT, 0x81, 15)) + b"".join(
        pointer.to_bytes(2, "little") for pointer in pointers
    )
    return head + called + calling + len(octets).to_bytes(2, "little") + octets


@pytest.mark.parametrize("size", [3_953, 10_000, 65_000])
def test_sccp_data_above_the_limit_go_no_further(fast_room, size):
    room = fast_room
    before = len(room.counts.discards)
    otid = new_otid()
    octets = tcap.build_begin(otid, AARQ, [encode_element(0xA1, bytes(size))])[:size]
    room.switch.sccp(longest_ludt(octets))
    assert len(room.counts.discards) > before
    assert len(room.answers(otid)) <= 1
    room.serves()


def test_the_longest_message_comes_back_whole_if_it_is_not_for_us(fast_room):
    called = Address(ssn=8, global_title=GlobalTitle("46700000001")).encode()
    payload = unit(bytes(3_952), called=called, kind=MessageType.LUDT)
    before = len(fast_room.switch.returned)
    fast_room.switch.sccp(payload)
    assert [len(message.data) for message in fast_room.switch.returned[before:]] == [3_952]
    fast_room.serves()


def test_a_truncated_initial_dp_goes_on_wherever_it_ends(room):
    contents = IDP[2:]
    for end in range(3, len(contents)):
        argument = encode_element(0x30, contents[:end])
        otid = room.begin(encode_invoke(1, Opcode.INITIAL_DP, argument))
        component = room.answer(otid).component
        assert component.opcode in (Opcode.CONNECT, Opcode.CONTINUE)  # some cuts are between two parameters
    room.serves()
