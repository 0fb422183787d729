"""M3UA codec: what is encoded comes back, nothing but M3uaError is raised, tshark agrees."""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ss7 import mtp3
from ss7.errors import DecodeError, EncodeError
from ss7.m3ua import (
    ASPAC,
    ASPUP,
    ASPUP_ACK,
    BEAT,
    DATA,
    DUNA,
    DUPU,
    ERR,
    MESSAGES,
    NTFY,
    REG_REQ,
    SCON,
    Data,
    DataEncoder,
    Message,
    Presence,
    decode,
    decode_data,
    decode_noting,
    encode,
    encode_data,
    name_of,
    plain_data,
)
from ss7.m3ua_framer import Framer
from ss7.m3ua_parameters import (
    PARAMETERS,
    AffectedPointCode,
    DeregistrationResult,
    ErrorCode,
    KeyDestination,
    M3uaError,
    RegistrationResult,
    RoutingKey,
    Status,
    Tag,
    UserCause,
    parameter,
    split,
)
from ss7.pointcode import format_point_code, parse_point_code

if TYPE_CHECKING:
    from pathlib import Path

U32 = st.integers(0, 0xFFFFFFFF)
U16 = st.integers(0, 0xFFFF)
U8 = st.integers(0, 0xFF)
POINT_CODE = st.integers(0, 0xFFFFFF)
ABSENT_OR_U32 = st.just(-1) | U32  # not integers(-1, …), which hardly ever draws -1


def some(strategy: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=5).map(tuple)


INFO = st.text(max_size=80).filter(lambda text: len(text.encode("utf-8", "replace")) <= 255)
VALUES: dict[Tag, st.SearchStrategy[Any]] = {
    Tag.INFO_STRING: INFO.filter(lambda text: text.encode("utf-8", "replace").decode() == text),
    Tag.ROUTING_CONTEXT: some(U32),
    Tag.DIAGNOSTIC_INFORMATION: st.binary(max_size=99),
    Tag.HEARTBEAT_DATA: st.binary(max_size=99),
    Tag.TRAFFIC_MODE_TYPE: U32,
    Tag.ERROR_CODE: U32,
    Tag.STATUS: st.builds(Status, U16, U16),
    Tag.ASP_IDENTIFIER: U32,
    Tag.AFFECTED_POINT_CODE: some(st.builds(AffectedPointCode, POINT_CODE, U8)),
    Tag.CORRELATION_ID: U32,
    Tag.NETWORK_APPEARANCE: U32,
    Tag.USER_CAUSE: st.builds(UserCause, U16, U16),
    Tag.CONGESTION_INDICATIONS: U8,
    Tag.CONCERNED_DESTINATION: POINT_CODE,
    Tag.ROUTING_KEY: st.builds(
        RoutingKey,
        U32,
        some(st.builds(KeyDestination, POINT_CODE, some(U8, 0), some(POINT_CODE, 0))),
        ABSENT_OR_U32,
        ABSENT_OR_U32,
        ABSENT_OR_U32,
        st.just(()),
    ),
    Tag.REGISTRATION_RESULT: st.builds(RegistrationResult, U32, U32, U32),
    Tag.DEREGISTRATION_RESULT: st.builds(DeregistrationResult, U32, U32),
}
DATAS = st.builds(
    Data, U32, U32, U8, U8, U8, U8, st.binary(max_size=300), ABSENT_OR_U32, ABSENT_OR_U32, ABSENT_OR_U32
)


@st.composite
def messages(draw: st.DrawFn, kinds: tuple[int, ...] = tuple(MESSAGES)) -> Data | Message:
    kind = draw(st.sampled_from(kinds))
    if kind == DATA:
        return draw(DATAS)
    params: dict[int, Any] = {}
    for use in MESSAGES[kind].uses:
        if use.presence is Presence.MANDATORY or draw(st.booleans()):
            params[use.tag] = draw(some(VALUES[use.tag]) if use.repeated else VALUES[use.tag])
    if kind == DUPU:
        params[Tag.AFFECTED_POINT_CODE] = (AffectedPointCode(draw(POINT_CODE)),)
    return Message(kind, params)


def outcome(octets: bytes) -> Data | Message | ErrorCode:
    """The value, which is encoded to what decodes to the same, or the code that the octets are refused with."""
    try:
        value = decode(octets)
    except M3uaError as error:
        refusal = error
    else:
        assert decode(encode(value)) == value
        return value
    assert 0 <= refusal.offset <= len(octets)
    assert refusal.clause.startswith("RFC 4666")
    return refusal.code


def raw(kind: int, *params: tuple[int, bytes]) -> bytes:
    body = b"".join([parameter(tag, value) for tag, value in params])
    return struct.pack(">BBHI", 1, 0, kind, 8 + len(body)) + body


@given(messages())
def test_what_is_encoded_comes_back(message: Data | Message) -> None:
    octets = encode(message)
    assert decode(octets) == message
    assert len(octets) % 4 == 0
    assert int.from_bytes(octets[4:8]) == len(octets)


@given(DATAS)
def test_padding_may_be_left_out(data: Data) -> None:
    data.correlation_id = -1
    octets = encode(data)
    short = len(octets) - (-len(data.payload) & 3)
    for size, counted in ((short, short), (len(octets), short), (short, len(octets))):
        cut = octets[:4] + counted.to_bytes(4, "big") + octets[8:size]
        assert decode(cut) == decode_data(cut) == data


@given(st.binary(max_size=80))
def test_any_octets_are_a_value_or_an_error(octets: bytes) -> None:
    outcome(octets)
    outcome(b"\x01\x00" + octets)
    for kind in (ERR, DATA, SCON, REG_REQ):
        outcome(struct.pack(">BBHI", 1, 0, kind, 8 + len(octets)) + octets)


@given(
    st.binary(max_size=80) | st.binary(min_size=250, max_size=800),
    st.sampled_from(list(PARAMETERS)),
    st.sampled_from(list(MESSAGES)),
)
@example(b"\xff" * 100, Tag.INFO_STRING, ASPUP)  # each octet that is no UTF-8 is shown as three
@example(b"\xc3\xa4" * 128, Tag.INFO_STRING, ASPUP)
@example(bytes.fromhex("020a000800000001 020f000800000000 020b000800000005"), Tag.ROUTING_KEY, REG_REQ)
def test_any_value_of_any_parameter(value: bytes, tag: int, kind: int) -> None:
    outcome(raw(kind, (tag, value)))


@given(messages(), st.data())
def test_mutations_are_a_value_or_an_error(message: Data | Message, data: st.DataObject) -> None:
    octets = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(U8)
    outcome(bytes(octets[: data.draw(st.integers(0, len(octets)))]))


@given(st.binary(max_size=40))
def test_an_mtp3_message_that_is_decoded_is_encoded(octets: bytes) -> None:
    if len(octets) <= mtp3.LABEL_END:
        with pytest.raises(DecodeError):
            mtp3.decode(octets)
    else:
        data = mtp3.decode(octets)
        assert mtp3.decode(mtp3.encode(data)) == data


@given(st.binary(max_size=64))
def test_decode_data_never_raises_anything_else(octets: bytes) -> None:
    for candidate in (
        octets,
        b"\x01\x00\x01\x01" + octets,
        raw(DATA, (0x0210, octets)),
        raw(BEAT, (9, octets)),
    ):
        with contextlib.suppress(DecodeError):
            assert decode_data(candidate) == decode(candidate)


def test_decode_data_is_for_data() -> None:
    with pytest.raises(M3uaError) as caught:
        decode_data(raw(BEAT))
    assert (caught.value.code, caught.value.reason) == (ErrorCode.PROTOCOL_ERROR, "not DATA")


@given(DATAS)
def test_the_three_ways_of_data_agree(data: Data) -> None:
    octets = encode(data)
    assert decode_data(octets) == decode(octets) == data
    if data.correlation_id < 0:
        encoder = DataEncoder(data.routing_context, data.network_appearance)
        assert octets == encoder.encode(data.opc, data.dpc, data.si, data.ni, data.mp, data.sls, data.payload)


UNDEFINED = st.integers(0, 0xFFFF).filter(lambda tag: tag not in list(Tag))


@given(messages(), st.data())
def test_parameters_in_any_order_and_further_ones_anywhere(
    message: Data | Message, data: st.DataObject
) -> None:
    octets = encode(message)
    kind = DATA if isinstance(message, Data) else message.kind
    repeats = {int(use.tag): use.repeated for use in MESSAGES[kind].uses}
    listed = [(tag, octets[start:end]) for tag, start, end in split(octets, 8, len(octets))]
    unlisted = st.sampled_from([int(tag) for tag in Tag if tag not in repeats]) | UNDEFINED
    further = data.draw(st.lists(st.tuples(unlisted, st.binary(max_size=20)), max_size=4))
    mixed = data.draw(st.permutations([*[each for each in listed if not repeats[each[0]]], *further]))
    least = 0
    for each in listed:
        if repeats[each[0]]:  # a list, whose own order counts
            least = data.draw(st.integers(least, len(mixed)))
            mixed.insert(least, each)
            least += 1
    changed = raw(kind, *mixed)
    got, skipped = decode_noting(changed)
    assert got == decode(changed) == message
    assert list(skipped) == [tag for tag, _ in mixed if tag not in repeats]
    if kind == DATA:
        assert decode_data(changed) == message
        assert plain_data(changed) in (None, message)


CONTEXT = (6, b"\0\0\0\x01")
REFUSED = {
    "short": (b"\x01\x00\x03", ErrorCode.PROTOCOL_ERROR),
    "version 2": (b"\x02\x00\x03\x01\0\0\0\x08", ErrorCode.INVALID_VERSION),
    "class 5": (b"\x01\x00\x05\x01\0\0\0\x08", ErrorCode.UNSUPPORTED_MESSAGE_CLASS),
    "type 7 of ASPSM": (b"\x01\x00\x03\x07\0\0\0\x08", ErrorCode.UNSUPPORTED_MESSAGE_TYPE),
    "length below 8": (b"\x01\x00\x03\x01\0\0\0\x07", ErrorCode.PROTOCOL_ERROR),
    "length beyond": (b"\x01\x00\x03\x01\0\0\0\x10", ErrorCode.PROTOCOL_ERROR),
    "nothing in DATA": (raw(DATA), ErrorCode.MISSING_PARAMETER),
    "label cut": (raw(DATA, (0x0210, b"\0" * 11)), ErrorCode.PARAMETER_FIELD_ERROR),
    "two contexts in DATA": (
        raw(DATA, (6, b"\0" * 8), (0x0210, b"\0" * 12)),
        ErrorCode.PARAMETER_FIELD_ERROR,
    ),
    "parameter beyond": (b"\x01\x00\x03\x01\0\0\0\x0c\0\4\xff\xff", ErrorCode.PARAMETER_FIELD_ERROR),
    "parameter of 3": (b"\x01\x00\x03\x01\0\0\0\x0c\0\4\0\3", ErrorCode.PARAMETER_FIELD_ERROR),
    "context of 3": (raw(ASPAC, (6, b"abc")), ErrorCode.PARAMETER_FIELD_ERROR),
    "context twice": (raw(ASPAC, CONTEXT, CONTEXT), ErrorCode.UNEXPECTED_PARAMETER),
    "DUNA of nothing": (raw(DUNA, CONTEXT), ErrorCode.MISSING_PARAMETER),
    "DUPU with mask": (
        raw(DUPU, (0x12, b"\1\0\0\0"), (0x204, b"\0\0\0\3")),
        ErrorCode.INVALID_PARAMETER_VALUE,
    ),
    "DUPU of a network": (
        raw(DUPU, (0x12, b"\xff\0\0\0"), (0x204, b"\0\0\0\3")),
        ErrorCode.INVALID_PARAMETER_VALUE,
    ),
    "length of a further parameter": (
        b"\x01\x00\x03\x01\0\0\0\x0c\x77\x77\xff\xff",
        ErrorCode.PARAMETER_FIELD_ERROR,
    ),
    "key without DPC": (
        raw(REG_REQ, (0x207, parameter(0x20A, b"\0\0\0\1"))),
        ErrorCode.MISSING_PARAMETER,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_carry_the_code_of_the_rfc(name: str) -> None:
    octets, code = REFUSED[name]
    assert outcome(octets) is code


def test_err_is_read_as_far_as_it_can_be() -> None:
    octets = raw(ERR, (0x0C, b"\0\0\0\x06"), (0x0C, b"\0\0\0\x07"), (0x11, b"\0\0\0\1"))
    assert outcome(octets) == Message(ERR, {Tag.ERROR_CODE: 6})


def test_unsupported_nested_parameters_of_a_key_are_named() -> None:
    nested = parameter(0x20A, b"\0\0\0\1") + parameter(0x20F, b"\0" * 8) + parameter(0x20B, b"\0\0\0\x05")
    got = outcome(raw(REG_REQ, (0x207, nested)))
    assert isinstance(got, Message)
    assert got.params[Tag.ROUTING_KEY][0].unsupported == ((0x20F, b"\0" * 8),)


BAD_VALUES: list[Data | Message] = [
    Message(0x0501, {}),
    Message(DATA, {}),
    Message(NTFY, {}),
    Message(ASPUP, {Tag.ROUTING_CONTEXT: (1,)}),
    Message(ASPUP, {Tag.INFO_STRING: "x" * 256}),
    Message(ASPUP, {Tag.ASP_IDENTIFIER: 1 << 32}),
    Message(ASPAC, {Tag.ROUTING_CONTEXT: ()}),
    Message(REG_REQ, {Tag.ROUTING_KEY: ()}),
    Message(REG_REQ, {Tag.ROUTING_KEY: (RoutingKey(1, ()),)}),
    Message(DUNA, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(1 << 24),)}),
    Message(BEAT, {Tag.HEARTBEAT_DATA: b"x" * 65_532}),
    Data(1, 2, 3, 2, 0, 256, b""),
    Data(-1, 2, 3, 2, 0, 1, b""),
    Data(1, 2, 3, 2, 0, 1, bytes(65_520)),
    Data(1, 2, 3, 2, 0, 1, b"", 1 << 32),
    Data(1, 2, 3, 2, 0, 1, b"", 1, 1, 1 << 32),
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=str)
def test_what_does_not_fit_is_not_encoded(value: Data | Message) -> None:
    with pytest.raises(EncodeError):
        encode(value)


def test_the_longest_data() -> None:
    data = Data(1, 2, 3, 2, 0, 1, bytes(65_519))
    assert decode(encode(data)) == data
    assert Framer().feed(encode(data)) == [encode(data)]


def test_names() -> None:
    assert name_of(encode(Message(ASPUP_ACK, {}))) == "ASPUP ACK"
    assert name_of(b"\1\0\5\1\0\0\0\x08") == name_of(b"\1") == "unknown"


# ── framer ──────────────────────────────────────────────────


@given(st.lists(DATAS | messages(), max_size=4), st.lists(st.integers(1, 40), max_size=20), st.booleans())
def test_framer_gives_back_the_messages(sent: list[Data | Message], cuts: list[int], uncounted: bool) -> None:
    whole = [encode(message) for message in sent]
    stream = b""
    for message, octets in zip(sent, whole, strict=True):
        pad = (
            -len(message.payload) & 3
            if uncounted and isinstance(message, Data) and message.correlation_id < 0
            else 0
        )
        stream += octets[:4] + (len(octets) - pad).to_bytes(4, "big") + octets[8:]
    framer, got, pos = Framer(), [], 0
    for cut in [*cuts, len(stream)]:
        got += framer.feed(stream[pos : pos + cut])
        pos += cut
    assert [decode(octets) for octets in got] == sent


def test_framer_skips_padding_that_the_length_leaves_out() -> None:
    octets = encode(Data(1, 2, 3, 2, 0, 5, b"x"))
    short = octets[:4] + (len(octets) - 3).to_bytes(4, "big") + octets[8:-3]
    for sent in (octets[:4] + short[4:8] + octets[8:], short):  # padding there, padding not there
        for size in (1, 2, 7, len(sent), 3 * len(sent)):
            framer, stream = Framer(), sent * 3
            got = [m for pos in range(0, len(stream), size) for m in framer.feed(stream[pos : pos + size])]
            assert got == [short] * 3


def test_framer_gives_up_on_garbage_but_not_on_what_came_before_it() -> None:
    beat = encode(Message(BEAT, {}))
    framer = Framer()
    assert framer.feed(beat + b"GET / HTTP/1.1\r\n") == [beat]
    assert framer.error is not None
    with pytest.raises(M3uaError):
        framer.feed(beat)
    with pytest.raises(M3uaError):
        Framer(limit=100).feed(struct.pack(">BBHI", 1, 0, BEAT, 101))
    with pytest.raises(M3uaError):
        Framer().feed(struct.pack(">BBHI", 1, 0, BEAT, 7))


def test_a_slow_sender_is_not_copied_over_and_over() -> None:
    framer, octets = Framer(), encode(Message(BEAT, {Tag.HEARTBEAT_DATA: bytes(20_000)}))
    got = [message for octet in octets for message in framer.feed(bytes((octet,)))]
    assert got == [octets]


# ── point codes ─────────────────────────────────────────────


@given(st.integers(0, 0x3FFF))
def test_point_codes_come_back(point_code: int) -> None:
    assert parse_point_code(format_point_code(point_code)) == point_code
    assert parse_point_code(point_code) == parse_point_code(str(point_code)) == point_code


def test_point_code_text() -> None:
    assert parse_point_code("0-23-1") == 185
    assert format_point_code(185) == "0-23-1"
    assert format_point_code(1 << 20) == str(1 << 20)
    for bad in ("", "-", "8-0-0", "0-256-0", "1-2", "1-2-3-4", "a-b-c", "16384", "²", "-1"):
        with pytest.raises(EncodeError):
            parse_point_code(bad)
    with pytest.raises(EncodeError):
        parse_point_code(-1)


# ── tshark ──────────────────────────────────────────────────


def pcap(frames: list[bytes]) -> bytes:
    """Frames as SCTP DATA chunks (PPID 3) in a capture with link type SCTP."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 248)]
    for number, frame in enumerate(frames):
        chunk = struct.pack(">BBHIHHI", 0, 3, 16 + len(frame), number, 1, number & 0xFFFF, 3) + frame
        packet = struct.pack(">HHII", 2905, 2905, 1, 0) + chunk + bytes(-len(chunk) & 3)
        out.append(struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    return b"".join(out)


def one_of_each() -> list[Data | Message]:
    affected = (AffectedPointCode(185), AffectedPointCode(0x800, 3))
    rich: dict[Tag, Any] = {
        Tag.INFO_STRING: "text",
        Tag.ROUTING_CONTEXT: (7, 9),
        Tag.DIAGNOSTIC_INFORMATION: b"\1\2\3",
        Tag.HEARTBEAT_DATA: b"beat!",
        Tag.TRAFFIC_MODE_TYPE: 2,
        Tag.ERROR_CODE: 6,
        Tag.STATUS: Status(1, 3),
        Tag.ASP_IDENTIFIER: 77,
        Tag.AFFECTED_POINT_CODE: affected,
        Tag.NETWORK_APPEARANCE: 8,
        Tag.USER_CAUSE: UserCause(1, 3),
        Tag.CONGESTION_INDICATIONS: 2,
        Tag.CONCERNED_DESTINATION: 186,
        Tag.ROUTING_KEY: (
            RoutingKey(5, (KeyDestination(185, (3, 5), (1, 2)), KeyDestination(186)), 4, 1, 8),
        ),
        Tag.REGISTRATION_RESULT: (RegistrationResult(5, 0, 4), RegistrationResult(6, 7, 0)),
        Tag.DEREGISTRATION_RESULT: (DeregistrationResult(4, 0),),
    }
    values: list[Data | Message] = [Data(1, 185, 3, 2, 1, 5, b"\x09\x00\x03\x05\x07", 7, 8, 6)]
    for kind, fmt in MESSAGES.items():
        if kind == DATA:
            continue
        params: dict[int, Any] = {use.tag: rich[use.tag] for use in fmt.uses}
        if kind == DUPU:
            params[Tag.AFFECTED_POINT_CODE] = affected[:1]
        values.append(Message(kind, params))
    return values


def tree_values(tree: Any, name: str) -> list[str]:
    """Every value of a field in tshark's JSON, in order, at any depth."""
    found: list[str] = []
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == name:
                found += value if isinstance(value, list) else [value]
            else:
                found += tree_values(value, name)
    elif isinstance(tree, list):
        for item in tree:
            found += tree_values(item, name)
    return found


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_agrees(tmp_path: Path) -> None:
    values = one_of_each()
    capture = tmp_path / "m3ua.pcap"
    capture.write_bytes(pcap([encode(value) for value in values]))
    command = ["tshark", "-r", str(capture), "--disable-protocol", "sccp"]  # the user's octets are no SCCP
    names = subprocess.run(
        [*command, "-T", "fields", "-e", "_ws.col.Info"], capture_output=True, check=True, text=True
    )
    # Against tshark's names, as numbers would only be compared with our own constants.
    assert [line.strip().replace("_", " ") for line in names.stdout.splitlines()] == [
        name_of(encode(value)) for value in values
    ]
    run = subprocess.run([*command, "-T", "json", "--no-duplicate-keys"], capture_output=True, check=True)
    packets = [packet["_source"]["layers"] for packet in json.loads(run.stdout)]
    assert len(packets) == len(values)
    assert b"_ws.malformed" not in run.stdout
    for value, layers in zip(values, packets, strict=True):
        tree = layers["m3ua"]
        assert "_ws.expert" not in json.dumps(tree), (value, tree)
        kind = DATA if isinstance(value, Data) else value.kind
        assert int(tree["m3ua.message_class"]) == kind >> 8
        assert int(tree["m3ua.message_type"]) == kind & 0xFF
        for field, wanted in expected(value).items():
            assert [int(text, 0) for text in tree_values(tree, f"m3ua.{field}")] == wanted, (value, field)


def expected(value: Data | Message) -> dict[str, list[int]]:
    """What tshark's fields must say of a value."""
    if isinstance(value, Data):
        return {
            "protocol_data_opc": [value.opc],
            "protocol_data_dpc": [value.dpc],
            "protocol_data_si": [value.si],
            "protocol_data_ni": [value.ni],
            "protocol_data_mp": [value.mp],
            "protocol_data_sls": [value.sls],
            "routing_context": [value.routing_context],
            "network_appearance": [value.network_appearance],
            "correlation_identifier": [value.correlation_id],
        }
    fields: dict[str, list[int]] = {}
    for tag, got in value.params.items():
        if tag == Tag.ROUTING_CONTEXT:
            fields["routing_context"] = list(got)
        elif tag == Tag.AFFECTED_POINT_CODE:
            fields["affected_point_code_pc"] = [item.point_code for item in got]
            fields["affected_point_code_mask"] = [item.mask for item in got]
        elif tag == Tag.STATUS:
            fields["status_type"], fields["status_info"] = [got.type], [got.information]
        elif tag == Tag.USER_CAUSE:
            fields["unavailability_cause"], fields["user_identity"] = [got.cause], [got.user]
        elif tag == Tag.ROUTING_KEY:
            fields["local_rk_identifier"] = [got[0].local_id]
            fields["dpc_pc"] = [group.point_code for group in got[0].destinations]
            fields["si"] = list(got[0].destinations[0].service_indicators)
            fields["opc_list_pc"] = list(got[0].destinations[0].opcs)
        elif tag == Tag.REGISTRATION_RESULT:
            fields["registration_status"] = [result.status for result in got]
        elif tag == Tag.DEREGISTRATION_RESULT:
            fields["deregistration_status"] = [result.status for result in got]
        elif tag in SIMPLE:
            fields[SIMPLE[tag]] = [got]
    return fields


SIMPLE = {
    int(Tag.TRAFFIC_MODE_TYPE): "traffic_mode_type",
    int(Tag.ERROR_CODE): "error_code",
    int(Tag.ASP_IDENTIFIER): "asp_identifier",
    int(Tag.NETWORK_APPEARANCE): "network_appearance",
    int(Tag.CONGESTION_INDICATIONS): "congestion_level",
    int(Tag.CONCERNED_DESTINATION): "concerned_dpc",
}


def test_every_parameter_of_a_message_has_a_codec() -> None:
    assert {use.tag for fmt in MESSAGES.values() for use in fmt.uses} == set(PARAMETERS)
    assert encode_data(Data(1, 2, 3, 0, 0, 0, b"")) == raw(
        DATA, (0x210, struct.pack(">IIBBBB", 1, 2, 3, 0, 0, 0))
    )
