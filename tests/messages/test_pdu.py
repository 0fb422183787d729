"""PDUs of SMPP: smpp34's codec and tshark read what ours writes, ours reads what smpp34 writes, and refuses all else in words."""

from __future__ import annotations

import shutil
import struct

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from oracles import tshark
from scp.messages.smpp.pdu import (
    HEADER,
    Bind,
    Command,
    Name,
    Octets,
    Pdu,
    Tag,
    Text,
    decode,
    encode,
)
from ss7.errors import DecodeError, EncodeError

OCTET = st.integers(0, 255)


def cstring(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=most)


TLVS = st.lists(
    st.tuples(st.sampled_from([int(tag) for tag in Tag] + [0x1403]), st.binary(max_size=40)), max_size=4
).map(tuple)
TEXTS = st.builds(
    Text,
    service_type=cstring(5),
    source_ton=OCTET,
    source_npi=OCTET,
    source=cstring(20),
    destination_ton=OCTET,
    destination_npi=OCTET,
    destination=cstring(20),
    esm_class=OCTET,
    protocol_id=OCTET,
    priority=OCTET,
    schedule=st.sampled_from(["", "261129110000000+"]),
    validity=st.sampled_from(["", "261129110000000+"]),
    registered_delivery=OCTET,
    replace=OCTET,
    data_coding=OCTET,
    default_message=OCTET,
    short_message=st.binary(max_size=254),
)
BINDS = st.builds(
    Bind,
    system_id=cstring(15),
    password=cstring(8),
    system_type=cstring(12),
    interface_version=OCTET,
    addr_ton=OCTET,
    addr_npi=OCTET,
    address_range=cstring(40),
)
SEQUENCE = st.integers(1, 0x7FFFFFFF)
STATUS = st.just(0)
NO_BODY = [0x15, 0x80000015, 6, 0x80000006, 0x80000000]
ANSWERED = [0x80000004, 0x80000009]
PDUS = st.one_of(
    st.tuples(st.sampled_from([4, 5]), SEQUENCE, STATUS, TEXTS, TLVS),
    st.tuples(st.sampled_from([1, 2, 9]), SEQUENCE, STATUS, BINDS, TLVS),
    st.tuples(st.sampled_from(ANSWERED), SEQUENCE, OCTET, cstring(64).map(Name), TLVS),
    st.tuples(st.sampled_from(NO_BODY), SEQUENCE, OCTET, st.none(), TLVS),
    st.tuples(st.just(0x103), SEQUENCE, OCTET, st.binary(max_size=30).map(Octets), st.just(())),
).map(lambda fields: Pdu(*fields))
NAMES = {
    "service_type": "service_type",
    "source_addr_ton": "source_ton",
    "source_addr_npi": "source_npi",
    "source_addr": "source",
    "dest_addr_ton": "destination_ton",
    "dest_addr_npi": "destination_npi",
    "destination_addr": "destination",
    "esm_class": "esm_class",
    "protocol_id": "protocol_id",
    "priority_flag": "priority",
    "schedule_delivery_time": "schedule",
    "validity_period": "validity",
    "registered_delivery": "registered_delivery",
    "replace_if_present_flag": "replace",
    "data_coding": "data_coding",
    "sm_default_msg_id": "default_message",
    "short_message": "short_message",
}


@given(PDUS)
def test_what_is_written_is_read_again(pdu: Pdu) -> None:
    assert decode(encode(pdu)) == pdu


@given(TEXTS, TLVS, SEQUENCE, st.booleans())
def test_another_codec_reads_and_writes_the_same(text: Text, tlvs, sequence: int, deliver: bool) -> None:
    octets = encode(Pdu(Command.DELIVER_SM if deliver else Command.SUBMIT_SM, sequence, 0, text, tlvs))
    other = smpp34.decode(octets)
    assert isinstance(other, smpp34.DeliverSm if deliver else smpp34.SubmitSm)
    assert {ours: getattr(other, theirs) for theirs, ours in NAMES.items()} == text._asdict()
    assert tuple((each.tag, each.value) for each in other.tlvs) == tlvs
    kind = smpp34.DeliverSm if deliver else smpp34.SubmitSm
    fields = {theirs: getattr(text, ours) for theirs, ours in NAMES.items()}
    made = kind(**fields, tlvs=[smpp34.Tlv(tag, value) for tag, value in tlvs], sequence_number=sequence)
    assert made.encode() == octets


@given(PDUS, st.lists(st.tuples(st.integers(0, 400), OCTET), max_size=3), st.integers(0, 400))
def test_what_is_cut_or_changed_is_read_or_refused(pdu: Pdu, changes, end: int) -> None:
    octets = bytearray(encode(pdu))
    for at, octet in changes:
        octets[at % len(octets)] = octet
    del octets[max(HEADER, end) :]
    octets[:4] = struct.pack(">I", len(octets))
    found, error = None, None
    try:
        found = decode(bytes(octets))
    except DecodeError as refusal:
        error = refusal
    if error is not None:
        assert 0 <= error.offset <= len(octets)
        assert error.clause
    else:
        assert found is not None
        assert decode(encode(found)) == found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (Text(source="4" * 21), "source may have 20 characters"),
        (Text(destination="a\0b"), "destination may have 20 characters and no NUL"),
        (Text(short_message=bytes(255)), "short_message has 255 octets, 254 are possible"),
        (Bind("camel-scp-camel-scp", "x"), "system_id may have 15 characters"),
    ],
)
def test_what_has_no_room_is_not_cut(body: Text | Bind, words: str) -> None:
    with pytest.raises(EncodeError, match=words):
        encode(Pdu(Command.SUBMIT_SM, 1, 0, body))


def test_a_short_message_of_255_octets_is_refused():
    pdu = encode(Pdu(Command.DELIVER_SM, 1, body=Text(short_message=bytes(254))))
    octets = (len(pdu) + 1).to_bytes(4, "big") + pdu[4:-255] + b"\xff" + bytes(255)
    with pytest.raises(DecodeError, match="short_message has 255 octets"):
        decode(octets)


def test_tshark_dissects_every_pdu() -> None:
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    text = Text(
        source="Example",
        source_ton=5,
        destination="46701234567",
        short_message=b"Hello",
        validity="261129110000000+",
    )
    pdus = [
        Pdu(Command.BIND_TRANSCEIVER, 1, 0, Bind("camel-scp", "secret")),
        Pdu(0x80000009, 1, 0, Name("smsc"), ((Tag.SC_INTERFACE_VERSION.value, b"\x34"),)),
        Pdu(Command.SUBMIT_SM, 2, 0, text, ((Tag.USER_MESSAGE_REFERENCE.value, b"\x01\x02"),)),
        Pdu(0x80000004, 2, 0, Name("id-1")),
        Pdu(0x80000004, 3, 0x58),
        Pdu(Command.ENQUIRE_LINK, 4),
        Pdu(Command.UNBIND, 5),
    ]
    # raw IPv4 and TCP, one segment a PDU (linktype 101)
    packets, sequence = [], 1
    for pdu in pdus:
        octets = encode(pdu)
        tcp = struct.pack(">HHIIBBHHH", 40000, 2775, sequence, 1, 0x50, 0x18, 65535, 0, 0) + octets
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, 0x7F000001, 0x7F000001)
        packets.append(struct.pack("<IIII", 0, 0, len(ip + tcp), len(ip + tcp)) + ip + tcp)
        sequence += len(octets)
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(packets)
    fields = (
        "smpp.command_id",
        "smpp.sequence_number",
        "smpp.destination_addr",
        "smpp.user_message_reference",
        "_ws.malformed",
    )
    printed = tshark.run(
        capture, "-d", "tcp.port==2775,smpp", "-T", "fields", *[w for f in fields for w in ("-e", f)]
    )
    rows = [line.split("\t") for line in printed.splitlines()]
    assert [int(row[0], 0) for row in rows] == [pdu.command for pdu in pdus]
    assert [int(row[1], 0) for row in rows] == [pdu.sequence for pdu in pdus]
    assert rows[2][2:4] == ["46701234567", "0x0102"]
    assert not any(row[4] for row in rows if len(row) > 4)
