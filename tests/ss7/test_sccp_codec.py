"""Q.713 messages, addresses and SCMG: properties, broken pointers, pycrate and tshark as judges."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycrate_mobile import SCCP

from oracles.sigtran_pcap import Frame, Layer
from ss7 import sccp, sccp_address
from ss7.errors import DecodeError, EncodeError
from ss7.sccp import Address, GlobalTitle, MessageType, Segmentation, UnitData, UnitDataService
from ss7.scmg import Management, ScmgType

signals = st.text("0123456789A*#DEF", max_size=30)
octet = st.integers(0, 255)
even = signals.filter(lambda digits: len(digits) % 2 == 0)
schemes = st.integers(0, 15).filter(lambda scheme: scheme not in {1, 2})
titles = st.one_of(
    st.builds(GlobalTitle, signals, st.just(1), st.just(-1), st.just(-1), nature=st.integers(0, 127)),
    st.builds(GlobalTitle, even, st.just(2), octet, st.just(-1), st.just(-1), st.just(-1)),
    st.builds(GlobalTitle, signals, st.just(3), octet, st.integers(0, 15), nature=st.just(-1)),
    st.builds(GlobalTitle, even, st.just(3), octet, st.integers(0, 15), schemes, st.just(-1)),
    st.builds(GlobalTitle, signals, st.just(4), octet, st.integers(0, 15), nature=st.integers(0, 127)),
    st.builds(GlobalTitle, even, st.just(4), octet, st.integers(0, 15), schemes, st.integers(0, 127)),
    st.builds(GlobalTitle, even, st.integers(5, 15), st.just(-1), st.just(-1), st.just(-1), st.just(-1)),
)
addresses = st.builds(
    Address,
    st.integers(-1, 255),
    st.integers(-1, 16383),
    st.none() | titles,
    st.booleans(),
    st.booleans(),
)
segmentations = st.builds(
    Segmentation, st.booleans(), st.integers(0, 15), st.integers(0, 0xFFFFFF), st.booleans()
)
raws = addresses.map(Address.encode)
hops = st.integers(1, 15)
extras = (hops, st.none() | segmentations, st.integers(-1, 7))
data = st.binary(min_size=1, max_size=180)
long_data = st.binary(min_size=1, max_size=300) | st.just(b"\x5a" * sccp.MAX_LONG_DATA)
classes = st.integers(0, 1)
extended = st.just(MessageType.XUDT)
messages = st.one_of(
    st.builds(UnitData, st.just(MessageType.UDT), classes, st.booleans(), raws, raws, data),
    st.builds(UnitData, st.just(MessageType.XUDT), classes, st.booleans(), raws, raws, data, *extras),
    st.builds(UnitData, st.just(MessageType.LUDT), classes, st.booleans(), raws, raws, long_data, *extras),
    st.builds(UnitDataService, st.just(MessageType.UDTS), octet, raws, raws, data),
    st.builds(UnitDataService, st.just(MessageType.XUDTS), octet, raws, raws, data, *extras),
    st.builds(UnitDataService, st.just(MessageType.LUDTS), octet, raws, raws, long_data, *extras),
)
managements = st.builds(
    Management, st.integers(1, 5), octet, st.integers(0, 16383), st.integers(0, 3)
) | st.builds(Management, st.just(6), octet, st.integers(0, 16383), st.integers(0, 3), st.integers(0, 15))

CALLED = bytes.fromhex("1292001104640700000010")
CALLING = bytes.fromhex("43b90092")
DATA_FIRST = b"\x09\0\x06\x7e\x01" + b"\2ab" + b"\x78" + bytes(120) + b"\xc8" + bytes(200)
LONG = bytes.fromhex("130009 0700 0800 0900 0000 024292 024292")


@given(addresses)
def test_address_that_is_encoded_is_decoded(address):
    assert Address.decode(address.encode()) == address


@given(st.binary(max_size=24) | st.binary(min_size=100, max_size=255))
@example(b"\x12\x92\0\x11\4" + bytes(119))
@example(b"\x12\x92\0\x11\4" + bytes(120))
def test_any_octets_are_an_address_or_refused(octets):
    try:
        address = Address.decode(octets)
    except DecodeError as error:
        refused = error
    else:
        assert Address.decode(address.encode()) == address
        assert address.as_dict()
        assert sccp.address_of(octets) == address
        return
    assert 0 <= refused.offset <= len(octets)
    assert refused.clause.startswith("Q.713")
    with pytest.raises(DecodeError):
        sccp.address_of(octets)


def test_memo_of_addresses_is_bounded():
    for number in range(10_000):
        sccp.address_of(b"\x12\x92\0\x11\4" + number.to_bytes(4, "big"))
    assert 0 < len(sccp_address._memo) <= sccp_address._MEMO_LIMIT


@given(messages)
def test_message_that_is_encoded_is_decoded(message):
    octets = message.encode()
    assert sccp.decode(octets) == message
    assert message.as_dict()["type"] == MessageType(message.kind).name


@given(raws, raws, st.binary(min_size=1, max_size=255), classes, st.booleans())
def test_short_way_to_a_udt_gives_the_same_octets(called, calling, user, protocol_class, wanted):
    message = UnitData(MessageType.UDT, protocol_class, wanted, called, calling, user)
    assert sccp.udt(called, calling, user, protocol_class | 0x80 * wanted) == message.encode()


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda kind, rest: bytes((kind,)) + rest, st.sampled_from(MessageType), st.binary(max_size=60)
    )
)
@example(DATA_FIRST)  # a pointer that we write could not span both addresses
@example(LONG + b"\x70\x0f" + bytes(3952))
@example(LONG + b"\x71\x0f" + bytes(3953))
def test_any_octets_are_a_message_or_refused(octets):
    judge(octets)


@given(messages.map(lambda message: message.encode()), st.data())
def test_mutated_message_is_a_message_or_refused(octets, draw):
    """The head is where pointers and lengths are: most of the changes go there."""
    changed = bytearray(octets)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, min(len(octets), 24) - 1) | st.integers(0, len(octets) - 1))
        changed[at] = draw.draw(octet)
    judge(bytes(changed[: draw.draw(st.just(len(octets)) | st.integers(0, len(octets)))]))


@given(messages.map(lambda message: message.encode()), st.data())
def test_straight_way_decodes_as_the_layouts_do(octets, draw):
    changed = bytearray(octets)
    for at in draw.draw(st.lists(st.integers(0, min(len(octets), 40) - 1), max_size=2)):
        changed[at] = draw.draw(st.integers(0, 12) | octet)
    outcomes = []
    for way in (sccp.decode, sccp._decode_any):
        try:
            outcomes.append(way(bytes(changed)))
        except DecodeError as error:
            outcomes.append((error.reason, error.offset, error.clause))
    assert outcomes[0] == outcomes[1]


def judge(octets):
    """Decoding gives a value that stays itself, or `DecodeError` with an offset in the message and a clause."""
    try:
        message = sccp.decode(octets)
    except DecodeError as error:
        refused = error
    else:
        kept = (message.called_raw, message.calling_raw, message.data)
        assert all(kept)
        assert all(part in octets for part in kept)
        assert sum(map(len, kept)) < len(octets)
        assert message.as_dict()
        assert sccp.decode(message.encode()) == message
        return
    assert 0 <= refused.offset <= len(octets)
    assert refused.clause.startswith("Q.713")


UDT = UnitData(MessageType.UDT, 1, True, CALLED, CALLING, b"data")
XUDT = UnitData(MessageType.XUDT, 1, False, CALLED, CALLING, b"data", 9, Segmentation(True, 2, 7), 5)


def patched(message, **at):
    octets = bytearray(message.encode())
    for place, value in at.items():
        octets[int(place[1:])] = value
    return bytes(octets)


@pytest.mark.parametrize(
    ("octets", "offset", "clause"),
    [
        (b"", 0, "Q.713 §2.1"),
        (b"\x01\x00\x00\x00", 0, "Q.713 §2.1"),  # CR: connection-oriented
        (b"\x09", 1, "Q.713 §4.10"),
        (b"\x13\x01\x0f\x07\x00", 5, "Q.713 §4.20"),
        (patched(UDT, _1=2), 1, "Q.713 §3.6"),
        (patched(UDT, _2=0), 2, "Q.713 §2.3"),
        (patched(UDT, _2=2), 2, "Q.713 §2.3"),  # to the last pointer
        (patched(UDT, _3=255), 3, "Q.713 §2.3"),
        (patched(UDT, _4=255), 4, "Q.713 §2.3"),
        (patched(UDT, _5=255), 5, "Q.713 §1.5"),
        (patched(UDT, _5=0), 5, "Q.713 §1.5"),
        (patched(UDT, _5=len(CALLED) + 1), 6 + len(CALLED), "Q.713 §2.3"),  # called runs into calling
        (patched(UDT, _3=2, _4=1), 5, "Q.713 §2.3"),  # three parameters in one place
        (UDT.encode()[:-1], 7 + len(CALLED) + len(CALLING), "Q.713 §1.5"),
        (XUDT.encode()[:-1], len(XUDT.encode()) - 1, "Q.713 §3.1"),
        (patched(XUDT, _6=1), 7, "Q.713 §2.3"),  # optional part in the called address
        (patched(XUDT, _30=5), 30, "Q.713 §3.17"),
        (patched(XUDT, _30=255), 29, "Q.713 §1.6"),
        (patched(XUDT, _36=2), 36, "Q.713 §3.19"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_clause(octets, offset, clause):
    with pytest.raises(DecodeError) as caught:
        sccp.decode(octets)
    assert (caught.value.offset, caught.value.clause) == (offset, clause), caught.value


def test_parameters_may_stand_in_any_order_and_apart():
    octets = (
        bytes.fromhex("09 80 09 05 01") + b"\x01\xaa" + b"\xff" + b"\x02\x42\x06" + b"\x02\x42\x92" + b"\xff"
    )
    message = sccp.decode(octets)
    assert message == UnitData(MessageType.UDT, 0, True, b"\x42\x92", b"\x42\x06", b"\xaa")


def test_null_pointer_means_no_optional_part():
    message = UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, b"data", 15)
    assert message.encode()[6] == 0
    assert sccp.decode(message.encode()) == message


def test_unknown_optional_parameters_are_passed_over():
    octets = XUDT.encode()[:-1] + b"\x99\x03abc\x00"
    assert sccp.decode(octets) == XUDT


def test_what_no_answer_could_hold_is_refused():
    for octets, clause in ((DATA_FIRST, "§2.3"), (LONG + b"\x71\x0f" + bytes(3953), "§3.20")):
        with pytest.raises(DecodeError, match=clause):
            sccp.decode(octets)
    assert len(sccp.decode(LONG + b"\x70\x0f" + bytes(3952)).data) == sccp.MAX_LONG_DATA
    with pytest.raises(DecodeError, match="125 octets"):
        Address.decode(b"\x12\x92\0\x11\4" + bytes(120))


@pytest.mark.parametrize(
    "message",
    [
        UnitData(MessageType.UDTS, 0, False, CALLED, CALLING, b"x"),
        UnitDataService(MessageType.UDT, 0, CALLED, CALLING, b"x"),
        UnitDataService(MessageType.UDTS, 256, CALLED, CALLING, b"x"),
        UnitData(MessageType.UDT, 2, False, CALLED, CALLING, b"x"),
        UnitData(MessageType.UDT, 0, False, b"", CALLING, b"x"),
        UnitData(MessageType.UDT, 0, False, CALLED, CALLING, b""),
        UnitData(MessageType.UDT, 0, False, CALLED, CALLING, bytes(256)),
        UnitData(MessageType.UDT, 0, False, CALLED, CALLING, b"x", 3),
        UnitData(MessageType.UDT, 0, False, CALLED, CALLING, b"x", importance=3),
        UnitData(MessageType.UDT, 0, False, bytes(130), bytes(130), b"x"),
        UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, b"x"),
        UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, b"x", 256),
        UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, b"x", 9, importance=8),
        UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, b"x", 9, Segmentation(True, 16, 0)),
        UnitData(MessageType.XUDT, 0, False, CALLED, CALLING, bytes(255), 9, Segmentation(True, 1, 0)),
        UnitData(MessageType.LUDT, 0, False, CALLED, CALLING, bytes(sccp.MAX_LONG_DATA + 1), 9),
        GlobalTitle("1", 0),
        GlobalTitle("1", 2),
        GlobalTitle("1", 4, scheme=0),
        GlobalTitle("1", 4, scheme=16),
        GlobalTitle("1", 4, translation_type=-1),
        GlobalTitle("1", 4, nature=128),
        GlobalTitle("1", 4, plan=16),
        GlobalTitle("a"),
        Address(ssn=256),
        Address(point_code=16384),
        Address(global_title=GlobalTitle("1" * 600)),
        Management(0, 1, 1),
        Management(ScmgType.SSA, 256, 1),
        Management(ScmgType.SSC, 1, 1),
    ],
)
def test_what_has_no_code_is_not_encoded(message):
    with pytest.raises(EncodeError):
        message.encode()


def test_service_message_goes_back_the_way_it_came():
    returned = XUDT.returned(sccp.ReturnCause.UNEQUIPPED_USER)
    assert returned.kind == MessageType.XUDTS
    assert (returned.called_raw, returned.calling_raw) == (CALLING, CALLED)
    assert returned.as_dict()["cause"] == "unequipped-user"
    assert sccp.decode(returned.encode()) == returned
    assert UDT.returned(4).kind == MessageType.UDTS


def test_address_that_cannot_be_decoded_is_shown_as_octets():
    shows = UnitData(MessageType.UDT, 0, False, b"\x43\x01", CALLING, b"x").as_dict()
    assert shows["called"] == {
        "octets": "4301",
        "error": "address ends within the point code at octet 2 (Q.713 §3.4.2.1)",
    }


@given(managements)
def test_management_that_is_encoded_is_decoded(message):
    assert Management.decode(message.encode()) == message
    assert message.as_dict()["type"] == ScmgType(message.kind).name


@given(st.binary(max_size=8))
def test_any_octets_are_management_or_refused(octets):
    try:
        message = Management.decode(octets)
    except DecodeError as error:
        refused = error
    else:
        assert Management.decode(message.encode()) == message
        return
    assert 0 <= refused.offset <= len(octets)


@given(addresses.filter(lambda address: address.global_title is None or address.global_title.indicator <= 4))
def test_address_is_read_by_pycrate(address):
    reference = SCCP._SCCPAddr()
    reference.from_bytes(address.encode())
    indicator, point_code, ssn, title = (reference[index] for index in range(4))
    assert bool(indicator["RoutingInd"].get_val()) == address.route_on_ssn
    if address.point_code >= 0:
        assert point_code.get_val() == address.point_code
    if address.ssn >= 0:
        assert ssn.get_val() == address.ssn
    if address.global_title is None:
        assert not indicator["GTInd"].get_val()
        return
    fields = {element._name: element for element in title.get_alt()}
    names = {"TranslationType": "translation_type", "NumberingPlan": "plan", "NAI": "nature"}
    for name, attribute in names.items():
        expected = getattr(address.global_title, attribute)
        assert (fields[name].get_val() if name in fields else -1) == expected


@given(messages)
def test_message_is_read_by_pycrate(message):
    types = {9: SCCP.SCCPUnitData, 10: SCCP.SCCPUnitDataService, 17: SCCP.SCCPExtUnitData}
    types |= {18: SCCP.SCCPExtUnitDataService, 19: SCCP.SCCPLongUnitData, 20: SCCP.SCCPLongUnitDataService}
    reference = types[message.kind]()
    octets = message.encode()
    reference.from_bytes(octets)
    assert message.kind in {19, 20} or reference.is_valid()  # it takes all pointers there for one octet long
    last = "LongData" if message.kind in {19, 20} else "Data"
    assert reference[last]["Value"].get_val() == message.data
    assert reference["CalledPartyAddr"]["Value"].to_bytes() == message.called_raw
    assert reference["CallingPartyAddr"]["Value"].to_bytes() == message.calling_raw


def test_tshark_reads_the_same(dissect):
    title = GlobalTitle("46700000001")
    called = Address(ssn=146, point_code=185, global_title=title, route_on_ssn=True)
    calling = Address(ssn=6, global_title=GlobalTitle("4670000002", 3, 9, 1, nature=-1))
    others = [GlobalTitle("467", 1, -1, -1, nature=3), GlobalTitle("4670", 2, 5, -1, -1, -1)]
    pair = (called.encode(), calling.encode())
    segmentation = Segmentation(True, 0, 0x123456)
    sent = [
        UnitData(9, 1, True, *pair, b"\x62\x00"),
        UnitDataService(10, 4, *pair, b"\x62\x00"),
        UnitData(17, 1, False, *pair, b"\x62\x00", 11, segmentation, 4),
        UnitDataService(18, 12, *pair, b"\x62\x00", 11),
        UnitData(19, 0, False, *pair, b"\x62\x00" * 700, 11, None, 4),
        UnitDataService(20, 3, *pair, b"\x62\x00" * 700, 11),
        *(
            UnitData(9, 0, False, called.encode(), Address(8, -1, other).encode(), b"\x62\x00")
            for other in others
        ),
    ]
    seen = dissect(
        [Frame(message.encode(), Layer.SCCP, association=index) for index, message in enumerate(sent)]
    )
    for message, dissection in zip(sent, seen, strict=True):
        text = dissection.text()
        assert int(dissection.first("sccp.message_type"), 0) == message.kind, text
        assert dissection.first("sccp.called.digits") == "46700000001", text
        assert dissection.first("sccp.called.ssn") == "146"
        assert "185" in dissection.first("sccp.called.pc"), text
        assert dissection.first("sccp.calling.digits").startswith(message.calling.global_title.digits), text
        if isinstance(message, UnitDataService):
            assert int(dissection.first("sccp.return_cause"), 0) == message.cause
        if message.hop_counter >= 0:
            assert int(dissection.first("sccp.hops"), 0) == message.hop_counter
        if message.importance >= 0:
            assert (
                int(dissection.first("sccp.optional.importance") or dissection.first("sccp.importance"), 0)
                == 4
            ), text
        if message.segmentation is not None:
            assert "123456" in text


def test_tshark_reads_management(dissect):
    address = Address(ssn=1, point_code=185, route_on_ssn=True).encode()
    sent = [Management(kind, 146, 185, 1, 3 if kind == 6 else -1) for kind in range(1, 7)]
    frames = [
        Frame(UnitData(9, 0, False, address, address, message.encode()).encode(), Layer.SCCP)
        for message in sent
    ]
    for message, dissection in zip(sent, dissect(frames), strict=True):
        text = dissection.text()
        assert "_ws.malformed" not in dissection.protocols, text
        assert int(dissection.first("sccpmg.message_type"), 0) == message.kind, text
        assert dissection.first("sccpmg.ssn") == "146"
        assert "185" in text
