"""``decode --hex``: octets of every layer and of parts, however their hex is written; MAP is not shown as CAP."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import tshark
from oracles.sigtran_pcap import m3ua_data, udt
from scp.capture.decode import Decoder, Filter
from scp.capture.frame_link import LINKS
from scp.capture.hex_input import LAYERS, PARTS, decode_hex, decode_octets
from scp.capture.hex_text import read_hex
from scp.capture.source import Capture
from scp.capture.tcap_view import tcap_json
from scp.capture.text import line, tree
from scp.capture.wire.values import Frame
from scp.capture.write import PcapWriter
from ss7 import mtp3, sccp, tcap
from ss7.errors import DecodeError
from ss7.m3ua import Data
from ss7.tcap import BEGIN, CONTINUE, END, Aarq, Invoke, Message, ReturnError, ReturnResult, oid_octets

RELEASE = bytes.fromhex("a10a02010102011604028090")
PORTION = b"\x6c\x0c" + RELEASE
END_OF_CALL = b"\x64\x14\x49\x04\x07\x00\x04\x00" + PORTION
AARQ = tcap.encode_dialogue(Aarq(oid_octets("0.4.0.0.1.0.50.1")))
SRI_CONTEXT = oid_octets(
    "0.4.0.0.1.0.5.3"
)  # MAP locationInfoRetrievalContext-v3; its operation 22 is sendRoutingInfo
MAP_SSN, HLR_SSN = 8, 6
LINK_USER = mtp3.encode(Data(1, 2, 3, 2, 0, 5, udt(END_OF_CALL)))


def m2ua_data(message: bytes) -> bytes:
    parameter = struct.pack(">HH", 0x0300, 4 + len(message)) + message + bytes(-len(message) % 4)
    return struct.pack(">BBBBI", 1, 0, 6, 1, 8 + len(parameter)) + parameter


def m2pa_data(data: bytes) -> bytes:
    return struct.pack(">BBBBIII", 1, 0, 11, 1, 16 + len(data), 5, 6) + data


@pytest.mark.parametrize(
    "text",
    [
        "64144904",
        "6414 4904",
        "64 14 49 04\n",
        "64:14:49:04",
        "64-14-49-04",
        "0x64144904",
        "0x64 0x14 0x49 0x4",
        "0x64, 0x14, 0x49, 0x04",
        "64,14,49,4",
        r"\x64\x14\x49\x04",
        "6414.4904",
        "6414_4904",
        " 64\t14\r\n49 04 ",
    ],
)
def test_hex_is_read_as_it_is_written(text: str) -> None:
    assert read_hex(text) == bytes.fromhex("64144904")
    assert read_hex(text.upper().replace("0X", "0x")) == bytes.fromhex("64144904")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("zz", "'z'"), ("64 1", None), ("641", "half an octet"), ("6414 490", "half an octet")],
)
def test_what_is_no_hex_is_refused(text: str, reason: str | None) -> None:
    if reason is None:
        assert read_hex(text) == b"\x64\x01"
        return
    with pytest.raises(ValueError, match=reason):
        read_hex(text)


def operations(shown: dict[str, Any]) -> list[str]:
    return [each["operation"] for each in shown["components"]]


@pytest.mark.parametrize(
    ("octets", "layers"),
    [
        (m3ua_data(udt(END_OF_CALL), 1, 2), ["m3ua", "sccp", "tcap", "components"]),
        (mtp3.encode(Data(1, 2, 3, 2, 0, 5, udt(END_OF_CALL))), ["mtp3", "sccp", "tcap", "components"]),
        (m2ua_data(LINK_USER), ["m2ua", "sccp", "tcap", "components"]),
        (m2pa_data(b"\0" + LINK_USER), ["m2pa", "sccp", "tcap", "components"]),
        (udt(END_OF_CALL), ["sccp", "tcap", "components"]),
        (END_OF_CALL, ["tcap", "components"]),
        (PORTION, ["components"]),
        (RELEASE, ["components"]),
        (RELEASE + RELEASE, ["components"]),
    ],
)
def test_each_layer_is_recognised(octets: bytes, layers: list[str]) -> None:
    shown = decode_octets(octets)
    assert list(shown) == layers
    assert set(operations(shown)) == {"releaseCall"}
    assert "releaseCall cause 16" in line(shown)
    assert "normal-call-clearing" in tree(shown)


def test_link_management_is_named() -> None:
    for octets, words in (
        (m2pa_data(b""), "M2PA User Data"),
        (struct.pack(">BBBBIIII", 1, 0, 11, 2, 20, 0, 0, 1), "M2PA Link Status"),
        (bytes.fromhex("0100060200000008"), "M2UA MAUP 2"),
        (bytes.fromhex("0100030100000008"), "M3UA ASPUP"),
    ):
        assert words in line(decode_octets(octets))


def test_a_dialogue_portion_and_an_argument_are_recognised() -> None:
    shown = decode_octets(AARQ)
    assert shown["tcap"]["application_context"] == "0.4.0.0.1.0.50.1"
    assert "AARQ CAP-v2" in line(shown)
    shown = decode_octets(bytes.fromhex("3003800164"))
    assert (shown["operation"], shown["argument"]) == ("initialDP", {"serviceKey": 100})
    shown = decode_octets(bytes.fromhex("300ba009040703100900112233"), operation="connect")
    assert shown["argument"]["destinationRoutingAddress"][0]["digits"] == "9000112233"


def test_parts_are_read_by_what_they_contain() -> None:
    shown = decode_octets(bytes.fromhex("03100900112233"), "CalledPartyNumber")
    assert shown["CalledPartyNumber"]["digits"] == "9000112233"
    assert "9000112233" in tree(shown)
    assert decode_octets(b"\x80\x90", "cause")["Cause"]["value"] == 16
    for layer in PARTS:
        with pytest.raises(DecodeError):
            decode_octets(b"", layer)


def test_a_refusal_says_where_and_why() -> None:
    for octets, reason, offset in (
        (b"", "no octets", 0),
        (b"\x1f", "begin with 1f", 0),
        (b"\x01\x00\x01", "shorter than the common header", 3),
        (b"\x09\x01", "pointers", 2),
        (END_OF_CALL[:-1], "beyond the end", 0),
        (END_OF_CALL + b"\x00", "after the message", len(END_OF_CALL)),
        (b"\x30\x03\x82\x01\x64", "not the argument of initialDP", 2),
        (b"\x6c\x05\xa1", "component portion", 0),
    ):
        with pytest.raises(DecodeError) as refused:
            decode_octets(octets)
        assert reason in refused.value.reason
        assert refused.value.offset == offset
    for layer, operation in (("cup", "initialDP"), ("cap", "initialCP"), ("cap", "99")):
        with pytest.raises(ValueError, match="no "):
            decode_octets(b"\x30\x00", layer, operation=operation)


@pytest.mark.parametrize("layer", LAYERS)
def test_no_octets_raise_anything_but_decode_error(layer: str) -> None:
    for octets in (b"\x30", b"\x00" * 40, END_OF_CALL, PORTION, RELEASE, AARQ, bytes(range(256))):
        try:
            shown = decode_octets(octets, layer)
        except DecodeError:
            continue
        assert line(shown) + tree(shown)


# -- MAP -------------------------------------------------------------------------------------------------


def map_messages() -> list[Message]:
    return [
        Message(BEGIN, b"\x01", dialogue=Aarq(SRI_CONTEXT), components=[Invoke(1, 22, b"\x30\x00")]),
        Message(CONTINUE, b"\x02", b"\x01", components=[ReturnResult(1, 22, b"\x30\x00")]),
        Message(END, b"", b"\x02", components=[ReturnError(1, 6, b"\x30\x00")]),
    ]


def test_operations_of_map_are_not_shown_as_those_of_cap() -> None:
    begin, proceed, end = (tcap.encode(message) for message in map_messages())
    [component] = decode_octets(udt(begin))["components"]
    assert component["operation"] == "sendRoutingInfo"
    assert component["argument"]["error"] == "msisdn is missing"
    [component] = decode_octets(udt(proceed, MAP_SSN))["components"]
    assert component["operation"] == "sendRoutingInfo"
    assert "error" in component["result"]
    [component] = decode_octets(udt(end, HLR_SSN))["components"]
    assert (component["error"], component["parameter"]) == ("absentSubscriberSM", {})
    assert "sendRoutingInfo" in line(decode_octets(udt(begin)))


def test_cap_is_what_a_message_is_held_for_where_it_says_nothing_and_a_subsystem_may_be_cap_s() -> None:
    octets = tcap.encode(Message(END, b"", b"\x02", components=[Invoke(1, 22, b"\x04\x02\x80\x90")]))
    for ssn in (146, 240):
        assert operations(decode_octets(udt(octets, ssn))) == ["releaseCall"]
    assert operations(tcap_json(octets)) == ["releaseCall"]
    gprs = Message(BEGIN, b"\x01", dialogue=Aarq(oid_octets("0.4.0.0.1.0.51.1")), components=[Invoke(1, 16)])
    assert operations(tcap_json(tcap.encode(gprs))) == ["assistRequestInstructions"]


# -- what is returned, results -----------------------------------------------------------------------------

RETURNED_SEGMENT = bytes.fromhex("12080d0406080a02420602420802b3dd10044000000200")


def test_a_returned_segment_is_no_tcap_message() -> None:
    shown = decode_octets(RETURNED_SEGMENT)
    assert list(shown) == ["sccp", "segment"]
    assert shown["segment"] == "b3dd"
    assert "returned by SCCP (error-in-message-transport): XUDTS segment" in line(shown)


def test_what_sccp_returns_is_shown_with_the_return_cause() -> None:
    [returned] = [sccp.decode(udt(END_OF_CALL)).returned(4).encode()]
    shown = decode_octets(returned)
    assert operations(shown) == ["releaseCall"]
    assert line(shown).strip().startswith("returned by SCCP (unequipped-user): end dtid 07000400")


def test_the_result_of_an_unknown_operation_is_its_octets() -> None:
    [component] = decode_octets(bytes.fromhex("a20a020101300502013b0500"))["components"]
    assert (component["operation"], component["parameter"]) == ("operation-59", "0500")
    assert "result" not in component


def test_what_can_be_read_of_an_argument_is_shown_around_its_faults() -> None:
    """The value of an extension is constructed (X.690 §8.1.2.5), which a widespread stack forgets."""
    argument = bytes.fromhex("302380016482070210001132547685010aaf123005020102810030090201030a01018101ff")
    shown = decode_octets(argument, "cap")
    assert shown["argument"]["serviceKey"] == 100
    assert shown["argument"]["calledPartyNumber"]["digits"] == "0011234567"
    assert shown["argument"]["callingPartysCategory"] == "0a"
    assert [(fault["parameter"], fault["offset"]) for fault in shown["faults"]] == [
        ("extensions.0.value", 24),
        ("extensions.1.value", 34),
    ]
    [component] = decode_octets(bytes((0xA1, len(argument) + 6)) + b"\x02\x01\x01\x02\x01\x00" + argument)[
        "components"
    ]
    assert component["octets"] == argument.hex()
    words = "initialDP sk 100 0011234567 undecodable: extensions.0.value: value in the wrong form at octet 24"
    assert words in line(
        decode_octets(bytes((0xA1, len(argument) + 6)) + b"\x02\x01\x01\x02\x01\x00" + argument)
    ).replace(" b ", " ")


def test_what_stands_beside_a_missing_mandatory_parameter_is_shown() -> None:
    shown = decode_octets(bytes.fromhex("300c8207021000113254768501ff"), "cap")
    assert shown["argument"]["calledPartyNumber"]["digits"] == "0011234567"
    assert shown["argument"]["callingPartysCategory"] == "ff"
    missing = {
        "parameter": "serviceKey",
        "error": "serviceKey is missing",
        "offset": 2,
        "clause": "TS 29.078 §5.1",
    }
    assert shown["faults"] == [missing]


# -- whole frames ------------------------------------------------------------------------------------------

PCAPS = Path(__file__).parents[2] / "pcaps"


def frames(name: str) -> list[Frame]:
    return [frame for batch in Capture(PCAPS / f"{name}.pcapng").frames() for frame in batch]


def data_frame() -> bytes:
    """The frame of an InitialDP."""
    return next(frame.octets for frame in frames("cap2-steered") if b"\x62\x81" in frame.octets)


def in_capture(name: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in each.items() if key not in {"frame", "time"}}
        for each in Decoder(Filter()).show(Capture(PCAPS / f"{name}.pcapng"))
    ]


@pytest.mark.parametrize(
    "name",
    ["cap2-steered", "vlan", "ipv6", "udp", "sll", "sll2", "m2ua", "m2pa", "tcp", "charged-v4", "malformed"],
)
def test_a_whole_frame_is_read_as_in_its_capture(name: str) -> None:
    """Ethernet, VLAN tags, IPv6, UDP, cooked; each frame by itself, whatever its link layer is."""
    shown = []
    for frame in frames(name):
        try:
            found = decode_hex(frame.octets)
        except DecodeError:  # a part of a message
            continue
        shown += found
        assert [tree(each) for each in found]
    expected = in_capture(name)
    for each in (*shown, *expected):
        each.pop("cap_version", None), each.pop("cap_version_reason", None)  # the BEGIN is in the capture
    if name == "tcp":  # M3UA's messages go on in the next segment
        assert [each for each in shown if "tcap" in each]
        return
    assert shown == expected


def test_several_messages_of_one_frame_are_all_shown() -> None:
    bundled = [found for frame in frames("transport") if len(found := _shown(frame)) > 1]
    assert bundled
    assert all("components" in each for found in bundled for each in found)


def _shown(frame: Frame) -> list[dict[str, Any]]:
    try:
        return decode_hex(frame.octets)
    except DecodeError:
        return []


def layers_of(frame: bytes) -> dict[str, bytes]:
    """An Ethernet frame over IPv4 without its outer layers."""
    packet = frame[14:]
    return {"ip": packet, "sctp": packet[4 * (packet[0] & 0x0F) :]}


def test_packets_without_their_link_layer_are_read() -> None:
    frame = data_frame()
    [whole] = decode_hex(frame)
    bare = layers_of(frame)
    [packet] = decode_hex(bare["ip"])
    assert packet == whole
    assert decode_hex(bare["ip"], "ip") == [whole]
    [sctp] = decode_hex(bare["sctp"])
    assert (sctp["m3ua"], sctp["components"]) == (whole["m3ua"], whole["components"])
    offloaded = bare["sctp"][:8] + bytes(4) + bare["sctp"][12:]  # the checksum was the network card's to make
    assert decode_hex(offloaded, "sctp")[0]["components"] == whole["components"]


def test_a_signal_unit_of_mtp2_is_read() -> None:
    for around in (
        (bytes.fromhex("81823f"), b""),
        (bytes.fromhex("81823f"), b"\xab\xcd"),
        (b"\0\0\0\1\x81\x82\x3f", b""),
    ):
        [shown] = decode_hex(around[0] + LINK_USER + around[1])
        assert operations(shown) == ["releaseCall"]


def test_a_frame_without_a_message_is_refused_with_what_it_is() -> None:
    with pytest.raises(DecodeError, match="no whole message in this frame, read as ethernet"):
        decode_hex(frames("fragmented")[0].octets)
    with pytest.raises(ValueError, match="no layer 'ethernet2': ethernet, sll"):
        decode_hex(b"\0", "ethernet2")


@given(st.binary(max_size=120), st.sampled_from(("", *LINKS)))
def test_no_octets_raise_anything_else(octets: bytes, layer: str) -> None:
    try:
        found = decode_hex(octets, layer)
    except DecodeError:
        return
    assert [line(each) + tree(each) for each in found]


DUMPED = bytes(range(0x61, 0x61 + 37))


@pytest.mark.parametrize(
    "command", [["hexdump", "-C"], ["xxd"], ["xxd", "-g1"], ["od", "-Ax", "-tx1z"], ["od", "-Ax", "-tx1"]]
)
@pytest.mark.parametrize("size", [16, 24, 37])
def test_hex_dumps_are_read(command: list[str], size: int) -> None:
    """Text that is hex digits, too, as "abcdef" is."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, input=DUMPED[:size], capture_output=True, check=True)
    assert read_hex(done.stdout.decode()) == DUMPED[:size]


@pytest.mark.parametrize("options", [["-x"], ["-xx"], ["-X"], ["-XX"]])
def test_what_tcpdump_and_tshark_dump_is_read(options: list[str], tmp_path: Path) -> None:
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    frame = data_frame()
    with (tmp_path / "one.pcap").open("wb") as file:
        PcapWriter(file).write(0.0, frame)
    done = subprocess.run(
        ["tcpdump", "-nr", tmp_path / "one.pcap", *options], capture_output=True, text=True, check=True
    )
    dump = "\n".join(each for each in done.stdout.splitlines() if each.lstrip().startswith("0x"))
    assert read_hex(dump) == (frame if len(options[0]) == 3 else frame[14:])


def test_wireshark_s_hex_dump_is_read() -> None:
    if missing := tshark.available():
        pytest.skip(missing)
    frame = data_frame()
    text = tshark.run((PCAPS / "cap2-steered.pcapng").read_bytes(), "-x", "-Y", "camel")
    dump = text.split("\n\n")[0]
    dump = "\n".join(each for each in dump.splitlines() if re.match(r"[0-9a-f]{4}  ", each))
    assert read_hex(dump)[: len(frame)] == frame
