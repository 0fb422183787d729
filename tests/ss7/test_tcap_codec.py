"""TCAP messages (Q.773): published messages, every kind there and back, hostile octets, and tshark's opinion."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from oracles.timing import quickest
from ss7 import ber, rose, tcap
from ss7.errors import DecodeError, EncodeError
from ss7.tcap import (
    Aare,
    Aarq,
    Abrt,
    Audt,
    External,
    Invoke,
    Malformed,
    MalformedDialogue,
    Message,
    Reject,
    ReturnError,
    ReturnResult,
    TcapError,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "tcap_cap_pdus.json"
PDUS = json.loads(VECTORS.read_text())["pdus"] if VECTORS.exists() else []

BEGIN = bytes.fromhex("6206480401020304")


# Published messages


@pytest.mark.skipif(not PDUS, reason="the shared vectors are not beside this checkout")
def test_there_are_eleven_vectors():
    assert len(PDUS) == 11


@pytest.mark.parametrize("pdu", PDUS, ids=[pdu["name"] for pdu in PDUS])
def test_a_published_message_decodes_to_its_facts_and_encodes_back(pdu):
    octets = bytes.fromhex(pdu["hex"])
    message = tcap.decode(octets)
    assert tcap.KIND_NAMES[message.kind] == pdu["message"]
    assert message.otid.hex() == (pdu["otid"] or "")
    assert message.dtid.hex() == (pdu["dtid"] or "")
    name = type(message.dialogue).__name__.upper() if message.dialogue else None
    assert name == pdu["dialogue_apdu"]
    if message.dialogue:
        assert tcap.oid_text(message.dialogue.context) == pdu["application_context"]
    assert [
        {"component": "invoke", "opcode": one.opcode, "invoke_id": one.invoke_id}
        for one in message.components
    ] == [{key: one[key] for key in ("component", "opcode", "invoke_id")} for one in pdu["components"]]
    assert tcap.encode(message) == octets


# There and back

TIDS = st.binary(min_size=1, max_size=4)
IDS = st.integers(-128, 127)
CODES = st.one_of(st.integers(-(1 << 31), (1 << 31) - 1), st.binary(min_size=1, max_size=9))
PARAMETERS = st.one_of(
    st.just(b""),
    st.builds(
        ber.encode_element, st.sampled_from([0x04, 0x30, 0x80, 0x9F33, 0xBF34]), st.binary(max_size=300)
    ),
)


def result(invoke_id, opcode, parameter, last):
    return ReturnResult(invoke_id, opcode, parameter if opcode is not None else b"", last)


COMPONENTS = st.one_of(
    st.builds(Invoke, IDS, CODES, PARAMETERS, st.none() | IDS),
    st.builds(result, IDS, st.none() | CODES, PARAMETERS, st.booleans()),
    st.builds(ReturnError, IDS, CODES, PARAMETERS),
    st.builds(Reject, st.none() | IDS, st.integers(0, 3), st.integers(0, 127)),
)
OIDS = st.binary(min_size=1, max_size=12)
VERSIONS = st.sampled_from([b"", b"\x07\x80", b"\x06\xc0"])
INFORMATION = st.one_of(
    st.just(b""), st.binary(min_size=1, max_size=40).map(lambda x: ber.encode_element(0x28, x))
)
STRUCTURED = st.one_of(
    st.builds(Aarq, OIDS, VERSIONS, INFORMATION),
    st.builds(Aare, OIDS, st.integers(0, 1), st.integers(1, 2), st.integers(0, 2), VERSIONS, INFORMATION),
    st.builds(Abrt, st.integers(0, 1), INFORMATION),
    st.builds(
        External,
        OIDS.map(lambda x: b"\x2a" + x),
        st.binary(max_size=20).map(lambda x: b"\xa0" + bytes((len(x),)) + x),
    ),
)
COMPONENT_LISTS = st.lists(COMPONENTS, max_size=4)
MESSAGES = st.one_of(
    st.builds(
        lambda o, d, c: Message(tcap.BEGIN, o, b"", d, c), TIDS, st.none() | STRUCTURED, COMPONENT_LISTS
    ),
    st.builds(
        lambda o, t, d, c: Message(tcap.CONTINUE, o, t, d, c),
        TIDS,
        TIDS,
        st.none() | STRUCTURED,
        COMPONENT_LISTS,
    ),
    st.builds(lambda t, d, c: Message(tcap.END, b"", t, d, c), TIDS, st.none() | STRUCTURED, COMPONENT_LISTS),
    st.builds(lambda t, d: Message(tcap.ABORT, b"", t, d), TIDS, st.none() | STRUCTURED),
    st.builds(lambda t, p: Message(tcap.ABORT, b"", t, p_abort_cause=p), TIDS, st.integers(0, 127)),
    st.builds(
        lambda d, c: Message(tcap.UNIDIRECTIONAL, b"", b"", d, c),
        st.builds(Audt, OIDS, VERSIONS, INFORMATION),
        COMPONENT_LISTS,
    ),
)


@given(MESSAGES)
def test_every_message_comes_back(message):
    assert tcap.decode(tcap.encode(message)) == message


def relength(octets: bytes, form: int) -> bytes:
    """Write every constructed element again with another form of length (1 to 4 octets, 5: indefinite)."""
    out = b""
    offset = 0
    while offset < len(octets):
        tag, start, stop, after = ber.read_element(octets, offset, len(octets))
        contents = octets[start:stop]
        head = ber.encode_tag(tag)
        if head[0] & 0x20:
            contents = relength(contents, form)
        if head[0] & 0x20 and form == 5:
            out += head + b"\x80" + contents + b"\x00\x00"
        else:
            width = 2 if form == 5 else max(form, (len(contents).bit_length() + 7) // 8)
            out += head + bytes((0x80 | width,)) + len(contents).to_bytes(width, "big") + contents
        offset = after
    return out


@pytest.mark.skipif(not PDUS, reason="the published vectors (../shared/vectors) are not here")
@given(st.sampled_from(PDUS or [{}]), st.integers(1, 5))
def test_forms_of_length_don_t_change_a_message(pdu, form):
    octets = bytes.fromhex(pdu["hex"])
    plain = tcap.decode(octets)
    other = tcap.decode(relength(octets, form))
    for one, two in zip(plain.components, other.components, strict=True):
        assert relength(one.parameter, form) == two.parameter
        two.parameter = one.parameter
    assert other == plain


def test_the_builders_write_what_encode_writes():
    portion = Aare(b"\x04\x00\x00\x01\x00\x32\x01")
    invoke = Invoke(1, 20, b"\x30\x00")
    octets = [tcap.encode_component(invoke)]
    dialogue = tcap.encode_dialogue(portion)
    assert tcap.build_begin(b"\x01", dialogue, octets) == tcap.encode(
        Message(tcap.BEGIN, b"\x01", b"", portion, [invoke])
    )
    assert tcap.build_continue(b"\x01", b"\x02", b"", octets * 2) == tcap.encode(
        Message(tcap.CONTINUE, b"\x01", b"\x02", None, [invoke, invoke])
    )
    assert tcap.build_end(b"\x02", b"", []) == tcap.encode(Message(tcap.END, b"", b"\x02"))
    assert tcap.build_abort(b"\x02", dialogue) == tcap.encode(Message(tcap.ABORT, b"", b"\x02", portion))
    assert tcap.build_p_abort(b"\x02", 4).hex() == "67064901024a0104"


@pytest.mark.parametrize(
    "write",
    [
        lambda: rose.encode_invoke(128, 1),
        lambda: rose.encode_invoke(-129, 1),
        lambda: rose.encode_invoke(1, 1 << 40),
        lambda: rose.encode_invoke(1, b""),
        lambda: rose.encode_reject(1, 4, 0),
        lambda: rose.encode_reject(1, 0, 128),
        lambda: rose.encode_return_result(1, None, b"\x04\x00"),
        lambda: tcap.encode_component(Malformed(1, None, 0, "")),
        lambda: tcap.encode_dialogue(MalformedDialogue(0, "")),
        lambda: tcap.build_begin(b"", b"", []),
        lambda: tcap.build_end(b"12345", b"", []),
        lambda: tcap.build_p_abort(b"1", 128),
        lambda: tcap.encode(Message(0x63, b"1")),
        lambda: tcap.encode(Message(tcap.ABORT, b"", b"1", None, [Reject(1, 0, 0)])),
    ],
)
def test_what_has_no_octets_is_refused(write):
    with pytest.raises(EncodeError):
        write()


# Faults of components: the message stands


def one(component: str):
    contents = bytes.fromhex(component)
    message = tcap.decode(ber.encode_element(0x62, BEGIN[2:] + ber.encode_element(0x6C, contents)))
    return message.components


BROKEN = "04 05 00"  # an OCTET STRING that reaches beyond its surroundings


def tlv(tag: str, *contents: str) -> str:
    return ber.encode_element(int(tag, 16), bytes.fromhex("".join(contents))).hex()


@pytest.mark.parametrize(
    ("component", "problem", "invoke_id", "tag"),
    [
        (tlv("a0", "020101"), rose.UNRECOGNIZED_COMPONENT, None, 0xA0),
        (tlv("a6", "020101"), rose.UNRECOGNIZED_COMPONENT, None, 0xA6),
        (tlv("a1"), rose.MISTYPED_COMPONENT, None, 0xA1),
        (tlv("a1", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, None, 0xA1),
        (tlv("a1", "020101"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020101", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, 1, 0xA1),
        (tlv("a1", "02020001", "020100"), rose.MISTYPED_COMPONENT, None, 0xA1),
        (tlv("a1", "040101", "020100"), rose.MISTYPED_COMPONENT, None, 0xA1),
        (tlv("a1", "020101", "040100"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020101", "0200"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020101", "02050102030405"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020101", "80020101", "020100"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020101", "800101"), rose.MISTYPED_COMPONENT, 1, 0xA1),
        (tlv("a1", "020107", "020100", "3000", "3000"), rose.MISTYPED_COMPONENT, 7, 0xA1),
        (tlv("a1", "020107", "020100", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, 7, 0xA1),
        (tlv("a2", "020105", tlv("30", BROKEN)), rose.BADLY_STRUCTURED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", "0400"), rose.MISTYPED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", "3000"), rose.MISTYPED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", tlv("30", "0400")), rose.MISTYPED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", tlv("30", "020101", "0400", "0400")), rose.MISTYPED_COMPONENT, 5, 0xA2),
        (tlv("a2", "020105", "3003020101", "0400"), rose.MISTYPED_COMPONENT, 5, 0xA2),
        (tlv("a7", "0500"), rose.MISTYPED_COMPONENT, None, 0xA7),
        (tlv("a7", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, None, 0xA7),
        (tlv("a3", "020105"), rose.MISTYPED_COMPONENT, 5, 0xA3),
        (tlv("a3", "020105", "0500"), rose.MISTYPED_COMPONENT, 5, 0xA3),
        (tlv("a3", "020105", "020101", "0400", "0400"), rose.MISTYPED_COMPONENT, 5, 0xA3),
        (tlv("a4", "020105"), rose.MISTYPED_COMPONENT, 5, 0xA4),
        (tlv("a4", "020105", "840100"), rose.MISTYPED_COMPONENT, 5, 0xA4),
        (tlv("a4", "0500", "800100", "0400"), rose.MISTYPED_COMPONENT, None, 0xA4),
        (tlv("a4", "0500", BROKEN), rose.BADLY_STRUCTURED_COMPONENT, None, 0xA4),
    ],
)
def test_a_bad_component_is_named_and_its_neighbour_lives(component, problem, invoke_id, tag):
    [bad] = one(component)
    assert isinstance(bad, Malformed)
    assert (bad.problem, bad.invoke_id, bad.component) == (problem, invoke_id, tag)
    assert bad.reason
    assert bad.offset >= 10
    assert one(component + "a106020109020100") == [bad, Invoke(9, 0)]
    assert one("a106020109020100" + component)[0] == Invoke(9, 0)


def test_after_a_component_of_bad_length_nothing_is_read():
    [good, bad] = one("a106020109020100" + "a1300201" + "a106020109020100")
    assert good == Invoke(9, 0)
    assert isinstance(bad, Malformed)
    assert (bad.problem, bad.invoke_id, bad.component) == (rose.BADLY_STRUCTURED_COMPONENT, None, 0xA1)


# Faults of the dialogue portion: the transaction stands


DIALOGUE_AS = "060700118605010101"
UNIDIALOGUE_AS = "060700118605010201"
CONTEXT = "a109060704000001003201"


def portion_with(apdu: str, reference: str = DIALOGUE_AS) -> str:
    return tlv("6b", tlv("28", reference, tlv("a0", apdu)))


@pytest.mark.parametrize(
    "portion",
    [
        tlv("6b"),
        tlv("6b", "0400"),
        tlv("6b", "2800"),
        tlv("6b", "2800", "2800"),
        tlv("6b", tlv("28", BROKEN)),
        tlv("6b", tlv("28", "0600")),
        tlv("6b", tlv("28", DIALOGUE_AS)),
        tlv("6b", tlv("28", DIALOGUE_AS, "8100")),
        tlv("6b", tlv("28", DIALOGUE_AS, "a000", "0400")),
        portion_with(""),
        portion_with("6000"),
        portion_with("6200"),
        portion_with(tlv("60", CONTEXT) + "0400"),
        portion_with(tlv("61", CONTEXT), UNIDIALOGUE_AS),
        portion_with(tlv("60", CONTEXT, CONTEXT)),
        portion_with(tlv("60", CONTEXT, "80020780")),
        portion_with(tlv("60", tlv("a1", "0400"))),
        portion_with(tlv("60", tlv("a1", "0600"))),
        portion_with(tlv("60", CONTEXT, BROKEN)),
        portion_with(tlv("61", CONTEXT)),
        portion_with(tlv("61", CONTEXT, "a203020100")),
        portion_with(tlv("61", CONTEXT, "a203020100", "a305a303020100")),
        portion_with(tlv("61", CONTEXT, "a20402020000", "a305a103020100")),
        portion_with(tlv("61", "a203020100", "a305a103020100")),
        portion_with(tlv("61", BROKEN)),
        portion_with("6400"),
        portion_with(tlv("64", "80020000")),
        portion_with(tlv("64", "0400")),
    ],
)
def test_a_bad_dialogue_portion_is_a_value(portion):
    octets = bytes.fromhex(portion)
    message = tcap.decode(ber.encode_element(0x62, BEGIN[2:] + octets))
    assert message.otid == b"\x01\x02\x03\x04"
    assert isinstance(message.dialogue, MalformedDialogue)
    assert 0 <= message.dialogue.offset <= len(octets)


def test_a_portion_that_ends_too_early_is_a_value():
    assert isinstance(tcap.decode_dialogue(b"\x6b\x05"), MalformedDialogue)


def test_the_protocol_version_counts_where_it_is_said():
    from ss7.tcap_dialogue import supports_version_1

    assert [supports_version_1(bytes.fromhex(bits)) for bits in ("", "0780", "06c0", "0640", "00")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_remembered_dialogue_portions_stay_few_and_right():
    from ss7 import tcap_dialogue

    for number in range(1000):
        value = Aarq(number.to_bytes(3, "big"))
        for _ in range(2):
            assert tcap.decode_dialogue(tcap.encode_dialogue(value)) == value
        assert len(tcap_dialogue._memo) <= 256
    long = Aarq(b"\x01", b"\x07\x80", ber.encode_element(0x28, bytes(5000)))
    assert tcap.decode_dialogue(tcap.encode_dialogue(long)) == long
    assert tcap.encode_dialogue(long) not in tcap_dialogue._memo


# Faults of the transaction portion


@pytest.mark.parametrize(
    ("octets", "cause", "otid", "dtid"),
    [
        ("", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "", ""),
        ("62", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "", ""),
        ("6200", tcap.INCORRECT_TRANSACTION_PORTION, "", ""),
        ("6300", tcap.UNRECOGNIZED_MESSAGE_TYPE, "", ""),
        ("630448020102", tcap.UNRECOGNIZED_MESSAGE_TYPE, "0102", ""),
        ("630848020102490203 04", tcap.UNRECOGNIZED_MESSAGE_TYPE, "0102", "0304"),
        ("7f2104480101ff", tcap.UNRECOGNIZED_MESSAGE_TYPE, "01", ""),
        ("62044802010200", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("620948020102", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("6281f048020102", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("628048020102", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("62024800", tcap.INCORRECT_TRANSACTION_PORTION, "", ""),
        ("620748050102030405", tcap.INCORRECT_TRANSACTION_PORTION, "", ""),
        ("620449020102", tcap.INCORRECT_TRANSACTION_PORTION, "", ""),
        ("6207480201026c054a", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("6206480201026d00", tcap.INCORRECT_TRANSACTION_PORTION, "0102", ""),
        ("6208480201026c006c00", tcap.INCORRECT_TRANSACTION_PORTION, "0102", ""),
        ("6208480201026c006b00", tcap.INCORRECT_TRANSACTION_PORTION, "0102", ""),
        ("6206480201026b05", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "0102", ""),
        ("650448020102", tcap.INCORRECT_TRANSACTION_PORTION, "0102", ""),
        ("65084902030448020102", tcap.INCORRECT_TRANSACTION_PORTION, "", "0304"),
        ("650a48020102490203046d00", tcap.INCORRECT_TRANSACTION_PORTION, "0102", "0304"),
        ("6408480201024902 0304", tcap.INCORRECT_TRANSACTION_PORTION, "", "0304"),
        ("6406490203046d00", tcap.INCORRECT_TRANSACTION_PORTION, "", "0304"),
        ("6707490203044a0180", tcap.INCORRECT_TRANSACTION_PORTION, "", "0304"),
        ("6706490203044a01", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "", "0304"),
        ("6706490203046c00", tcap.INCORRECT_TRANSACTION_PORTION, "", "0304"),
        ("670448020102", tcap.INCORRECT_TRANSACTION_PORTION, "", ""),
    ],
)
def test_a_bad_transaction_portion_says_how_to_answer(octets, cause, otid, dtid):
    with pytest.raises(TcapError) as caught:
        tcap.decode(bytes.fromhex(octets))
    assert (caught.value.cause, caught.value.otid.hex(), caught.value.dtid.hex()) == (cause, otid, dtid)


# Any octets


def decodes_or_refuses(octets: bytes) -> None:
    try:
        message = tcap.decode(octets)
    except TcapError as error:
        told = (error.cause, error.offset, len(error.otid), len(error.dtid))
    else:
        told = None
    if told is not None:
        assert told[0] in tcap.P_ABORT_NAMES
        assert 0 <= told[1] <= len(octets)
        assert max(told[2:]) <= 4
        return
    for component in message.components:
        if isinstance(component, Malformed):
            assert 0 <= component.offset <= len(octets)
            assert (rose.GENERAL_PROBLEM, component.problem) in rose.PROBLEM_NAMES
    message.components = [one for one in message.components if not isinstance(one, Malformed)]
    if isinstance(message.dialogue, MalformedDialogue):
        message.dialogue = None
    assert tcap.decode(tcap.encode(message)) == message


@given(st.binary(max_size=200))
def test_octets_at_random_raise_nothing_else(octets):
    decodes_or_refuses(octets)
    decodes_or_refuses(BEGIN[:1] + bytes((6 + min(len(octets), 120),)) + BEGIN[2:] + octets[:120])


@pytest.mark.parametrize("problem_type", range(4))
@pytest.mark.parametrize("octet", [0, 99, 0x7F, 0x80, 0xFF])
def test_a_problem_that_has_no_name_is_read_and_written(problem_type, octet):
    component = bytes((0xA4, 6, 2, 1, 1, 0x80 | problem_type, 1, octet))
    [reject] = tcap.decode_components(component, 0, len(component))
    assert reject == Reject(1, problem_type, octet - 256 * (octet > 127))
    assert tcap.encode_component(reject) == component


@examples(400)
@given(MESSAGES.map(tcap.encode), st.data())
def test_a_changed_message_raises_nothing_else(octets, data):
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from("xid")):
            case "x":
                changed[place] = data.draw(st.integers(0, 255))
            case "i":
                changed.insert(place, data.draw(st.integers(0, 255)))
            case _ if len(changed) > 1:
                del changed[place]
            case _:
                pass
    decodes_or_refuses(bytes(changed))


def seconds(octets: bytes) -> float:
    return quickest(lambda: decodes_or_refuses(octets), tries=3)


def begin_with(contents: bytes) -> bytes:
    return ber.encode_element(0x62, BEGIN[2:] + ber.encode_element(0x6C, contents))


@pytest.mark.parametrize(
    "octets",
    [
        begin_with(tcap.encode_invoke(1, 0, ber.encode_element(0x30, bytes(65536)))),
        begin_with(b"\xa1\x80" * 32768),
        begin_with(b"\x30\x80" * 32768),
        begin_with(b"\x30\x84" * 32768),
        begin_with(tcap.encode_reject(1, 0, 1) * 6000),
        begin_with(b"\xa0\x00" * 32768),
        begin_with(
            b"\xa1\x80\x02\x01\x01\x02\x01\x00" + b"\x30\x80" * 30 + b"\x04\x00" * 32000 + b"\x00\x00" * 31
        ),
        b"\x62\x80" + BEGIN[2:] + b"\x6b\x80" * 32768,
        b"\x62\x80" * 32768,
        ber.encode_element(0x62, BEGIN[2:] + ber.encode_element(0x6B, b"\x28\x80" * 30000)),
        tcap.encode(Message(tcap.BEGIN, b"1", b"", Aarq(b"\xff" * 60000))),
    ],
)
def test_64_kib_of_malice_cost_little(octets, slowdown):
    assert seconds(octets) < 0.1 * slowdown


# Object identifiers


@pytest.mark.parametrize("text", ["0.4.0.0.1.0.50.1", "2.999.3", "1.39.4294967295", "0.0.17.773.1.1.1"])
def test_object_identifiers_as_text(text):
    assert tcap.oid_text(tcap.oid_octets(text)) == text


@pytest.mark.parametrize("text", ["", "1", "3.1", "0.40", "1.-1", "a.b", "1..2", "0.4.99999999999"])
def test_text_that_is_no_object_identifier(text):
    with pytest.raises(EncodeError):
        tcap.oid_octets(text)


@given(st.binary(max_size=80))
def test_octets_that_may_be_an_object_identifier(octets):
    try:
        text = tcap.oid_text(octets)
    except DecodeError:
        return
    assert text.count(".") >= 1


@pytest.mark.parametrize("octets", ["", "04" * 65, "2a818181818101", "2a81"])
def test_octets_that_are_no_object_identifier(octets):
    with pytest.raises(DecodeError):
        tcap.oid_text(bytes.fromhex(octets))


# tshark


def pcap(messages: list[bytes], ssn: int) -> bytes:
    """A capture of SCCP (link type 142) with each message in a UDT between two users of ``ssn``."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 142)
    for number, message in enumerate(messages):
        address = bytes((2, 0x42, ssn))
        frame = bytes((9, 0, 3, 5, 7)) + address + address + bytes((len(message),)) + message
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


FIELDS = ("otid", "dtid", "begin_element", "continue_element", "end_element", "abort_element")


@pytest.mark.hypothesis
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_same(tmp_path):
    # Made-up object identifiers, EXTERNALs and UDTs of more than 255 octets are malformed to tshark.
    messages: list[Message] = []

    @examples(150)
    @given(st.sampled_from([tcap.BEGIN, tcap.CONTINUE, tcap.END, tcap.ABORT]), TIDS, TIDS, COMPONENT_LISTS)
    def collect(kind, otid, dtid, components):
        message = Message(kind, otid, dtid, None, components)
        if kind in (tcap.END, tcap.ABORT):
            message.otid = b""
        if kind == tcap.BEGIN:
            message.dtid = b""
        if kind == tcap.ABORT:
            message.components = []
            message.p_abort_cause = len(otid)
        if len(tcap.encode(message)) <= 250:
            messages.append(message)

    collect()
    real = [tcap.decode(bytes.fromhex(pdu["hex"])) for pdu in PDUS]
    context = tcap.oid_octets("0.4.0.0.1.0.50.1")
    real += [
        Message(tcap.ABORT, b"", b"\x01", Aare(context, 1, 1, 2)),
        Message(tcap.ABORT, b"", b"\x01", Aare(context, 1, 2, 2)),
        Message(tcap.ABORT, b"", b"\x01", Abrt(1)),
        Message(tcap.END, b"", b"\x01\x02\x03\x04", Aare(context), [Invoke(1, 20)]),
    ]
    messages += real
    assert len(messages) > 60
    file = tmp_path / "tcap.pcap"
    file.write_bytes(pcap([tcap.encode(message) for message in messages], 200))
    command = ["tshark", "-r", str(file), "-o", "tcap.ssn:200", "-T", "fields", "-E", "separator=|"]
    for name in FIELDS:
        command += ["-e", f"tcap.{name}"]
    command += ["-e", "_ws.malformed", "-e", "_ws.expert.message"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(messages)
    kinds = (tcap.BEGIN, tcap.CONTINUE, tcap.END, tcap.ABORT)
    for message, line in zip(messages, lines, strict=True):
        otid, dtid, *rest = line.split("|")
        assert otid.replace(":", "") == message.otid.hex(), (message, line)
        assert dtid.replace(":", "") == message.dtid.hex(), (message, line)
        assert [bool(text) for text in rest[:4]] == [message.kind == kind for kind in kinds], (message, line)
        assert not rest[4] or rest[5] == "Malformed IMSI", (message, line)  # of a published CAP argument
