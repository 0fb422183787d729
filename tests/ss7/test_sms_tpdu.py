"""TPDUs of TS 23.040: pycrate and tshark read what is written; what is wrong is refused, with its offset and clause."""

from __future__ import annotations

import random
import shutil
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrate_mobile import TS23040_SMS

from oracles import tshark
from ss7.errors import DecodeError, EncodeError
from ss7.sms.parts import Coding, Concatenation, coded, split
from ss7.sms.tpdu import (
    Deliver,
    Kind,
    Report,
    SmsAddress,
    StatusReport,
    Submit,
    Timestamp,
    Tpdu,
    UserData,
    coding_of,
    decode,
    encode,
    user_data,
)

OCTET = st.integers(0, 255)
DIGITS = st.text("0123456789", min_size=1, max_size=20)
NATURE = st.sampled_from([0, 1, 2, 3, 4, 6])
ADDRESSES = st.one_of(
    st.tuples(DIGITS, NATURE, st.integers(0, 15)),
    st.tuples(st.text("ABCDEFGHIJKLMNabcdef [0123", min_size=1, max_size=8), st.just(5), st.just(0)),
).map(lambda fields: SmsAddress(*fields))
TIMES = st.tuples(*[st.integers(0, 99)] * 6, st.integers(-79, 79)).map(lambda fields: Timestamp(*fields))
GOOD_TIMES = st.builds(
    Timestamp,
    *[st.integers(*each) for each in ((0, 99), (1, 12), (1, 28), (0, 23), (0, 59), (0, 59), (-48, 56))],
)
TEXTS = st.one_of(
    st.text("abcdefgh €[]{}ÅÄÖ", max_size=70), st.text(st.characters(exclude_categories=["Cs"]), max_size=35)
)
PARTS = st.one_of(st.none(), st.builds(Concatenation, OCTET, st.just(9), st.integers(1, 9)))


@st.composite
def user_datas(draw: st.DrawFn) -> UserData:
    coding, octets = coded(draw(TEXTS))
    return user_data(coding, split(coding, octets)[0], draw(PARTS))


FLAG = st.booleans()
VALIDITY = st.one_of(st.just(b""), st.binary(min_size=1, max_size=1), st.binary(min_size=7, max_size=7))
DELIVERS = st.tuples(ADDRESSES, user_datas(), TIMES, OCTET, FLAG, FLAG, FLAG, FLAG).map(lambda f: Deliver(*f))
SUBMITS = st.tuples(ADDRESSES, user_datas(), OCTET, VALIDITY, FLAG, OCTET, FLAG, FLAG, FLAG).map(
    lambda f: Submit(*f)._replace(enhanced=f[4] and len(f[3]) == 7)
)
REPORTS = st.tuples(
    st.sampled_from([Kind.DELIVER, Kind.SUBMIT]),
    st.one_of(st.none(), OCTET),
    TIMES,
    st.one_of(st.none(), OCTET),
    st.one_of(st.none(), user_datas()),
).map(lambda f: Report(*f)._replace(timestamp=f[2] if f[0] is Kind.SUBMIT else None))
STATUSES = st.tuples(OCTET, ADDRESSES, TIMES, TIMES, OCTET, FLAG, FLAG, FLAG).map(lambda f: StatusReport(*f))
TPDUS = st.one_of(DELIVERS, SUBMITS, REPORTS, STATUSES)


def direction(tpdu: Tpdu) -> dict[str, bool]:
    if isinstance(tpdu, Report):
        return {"to_mobile": tpdu.kind is Kind.SUBMIT, "error": tpdu.cause is not None}
    return {"to_mobile": not isinstance(tpdu, Submit)}


@given(TPDUS)
def test_what_is_written_is_read_again(tpdu: Tpdu) -> None:
    assert decode(encode(tpdu), **direction(tpdu)) == tpdu


@given(TPDUS, st.lists(st.tuples(st.integers(0, 200), OCTET), max_size=3), st.integers(0, 200))
def test_what_is_cut_or_changed_is_read_or_refused(tpdu: Tpdu, changes, end: int) -> None:
    octets = bytearray(encode(tpdu))
    for at, octet in changes:
        octets[at % len(octets)] = octet
    del octets[end:]
    for to_mobile in (True, False):
        for error in (True, False):
            refusal = None
            try:
                found = decode(bytes(octets), to_mobile=to_mobile, error=error)
            except DecodeError as raised:
                refusal = raised
                found = None
            if refusal is not None:
                assert 0 <= refusal.offset <= len(octets)
                assert refusal.clause
            elif isinstance(found, Deliver | Submit):
                try:
                    found.user_data.read()
                except DecodeError:
                    continue


@given(DELIVERS)
def test_pycrate_reads_the_same_of_a_deliver(tpdu: Deliver) -> None:
    other = TS23040_SMS.SMS_DELIVER()
    other.from_bytes(encode(tpdu))
    assert other.to_bytes() == encode(tpdu)
    assert other["TP_PID"].get_val() is not None
    address = other["TP_OA"]
    assert address["Type"].get_val() == tpdu.sender.nature
    assert address["NumberingPlan"].get_val() == tpdu.sender.plan
    if tpdu.sender.nature != 5:
        assert address["Num"].decode() == tpdu.sender.digits


@given(st.text("abcdefgh ÅÄÖéà{}€中", min_size=1, max_size=60).map(str.strip).filter(bool))
def test_pycrate_reads_the_text(text: str) -> None:
    tpdu = Deliver(SmsAddress("46701234567"), user_data(*coded(text)), Timestamp(26, 11, 29, 11, 0, 0, 4))
    other = TS23040_SMS.SMS_DELIVER()
    other.from_bytes(encode(tpdu))
    assert tpdu.user_data.read() == (None, text)
    assert other["TP_UD"]["UD"].decode() == text


def test_parts_of_a_long_text_come_together() -> None:
    for text in ("Grüße € " * 40, "😀 مرحبا " * 30):
        coding, octets = coded(text)
        pieces = split(coding, octets)
        read = [
            user_data(coding, piece, Concatenation(7, len(pieces), number)).read()
            for number, piece in enumerate(pieces, 1)
        ]
        assert "".join(words for _, words in read) == text
        assert [part for part, _ in read] == [
            Concatenation(7, len(pieces), n + 1) for n in range(len(pieces))
        ]


def test_the_coding_that_each_scheme_names() -> None:
    assert [
        coding_of(dcs) for dcs in (0x00, 0x04, 0x08, 0x0C, 0x20, 0x48, 0xC0, 0xD8, 0xE8, 0xF0, 0xF4, 0x80)
    ] == [
        *(Coding.GSM7, None, Coding.UCS2, Coding.GSM7, None, Coding.UCS2),
        *(Coding.GSM7, Coding.GSM7, Coding.UCS2, Coding.GSM7, None, Coding.GSM7),
    ]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("", "TP-MTI is missing"),
        ("03", "TP-MTI 3 is reserved"),
        ("04 15 91", "has 21 semi-octets, 20 are possible at octet 1"),
        ("04 04 91 6470 00 00 62119211000040", "TP-UDL is missing or cut at octet 14"),
        ("04 04 91 6470 00 00 a2119211000040 00", "TP-SCTS has a semi-octet above 9 at octet 7"),
        ("04 04 91 6470 00 00 62119211000040 a1 00", "TP-UDL 161: more than 140 octets"),
        ("04 04 91 6470 00 00 62119211000040 01 41 42", "octets behind the TPDU at octet 16"),
    ],
)
def test_what_is_wrong_is_said(octets: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode(bytes.fromhex(octets), to_mobile=True)


def test_what_has_no_room_is_refused() -> None:
    with pytest.raises(EncodeError, match="141 octets"):
        user_data(Coding.UCS2, bytes(141))
    with pytest.raises(EncodeError, match="20 digits"):
        encode(StatusReport(0, SmsAddress("1" * 21), Timestamp(*[0] * 7), Timestamp(*[0] * 7), 0))


def test_tshark_reads_a_deliver() -> None:
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    words = ("Grüße €", "[x]", "plain", "æøå", "{a~b}", "1234567", "h")
    source = random.Random(5)
    texts = [" ".join(source.choices(words, k=source.randint(1, 9))) for _ in range(30)]
    cases = [(text, source.choice((None, Concatenation(7, 3, 1)))) for text in (*texts, "مرحبا 😀", "中文")]
    tpdus = [
        encode(
            Deliver(
                SmsAddress("46701234567"), user_data(*coded(text), part), Timestamp(26, 11, 29, 11, 5, 9, 4)
            )
        )
        for text, part in cases
    ]
    records = [struct.pack("<IIII", 0, 0, len(each), len(each)) + each for each in tpdus]
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147) + b"".join(records)
    fields = ("gsm_sms.tp-oa", "gsm_sms.sms_text", "_ws.malformed", "_ws.expert.message", "frame.protocols")
    printed = tshark.run(
        capture,
        *("-o", 'uat:user_dlts:"User 0 (DLT=147)","gsm_sms","0","","0",""', "-o", "gsm_sms.reassemble:FALSE"),
        *("-T", "fields", *[word for field in fields for word in ("-e", field)]),
    )
    rows = [line.split("\t") for line in printed.splitlines()]
    assert [row[0] for row in rows] == ["46701234567"] * len(cases)
    assert [row[1] for row in rows] == [text for text, _ in cases]
    assert not any(row[2] or row[3] for row in rows)
