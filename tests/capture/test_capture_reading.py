"""Reading captures: any damage is survived and said, every layer below M3UA is read, nothing is lost or read twice."""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader, RawPcapReader

from oracles.sigtran_pcap import Frame, Layer, pcap
from oracles.vectors import Vector
from scp.capture.decode import Decoder, Filter
from scp.capture.source import Capture, CaptureError
from scp.capture.wire import association, tcp
from scp.capture.wire.dissector import Dissector
from scp.capture.wire.messages import Message
from scp.capture.wire.pcap import parser_for
from scp.capture.wire.values import Adaptation
from scp.capture.wire.values import Frame as Packet
from scp.capture.write import Association, PcapNgWriter, PcapWriter, ethernet
from ss7 import m2pa, m3ua, mtp3, sctp, tcap
from ss7.m3ua_parameters import parameter
from ss7.sccp import udt

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "pcaps").glob("*.pcapng"))
TCAP = tcap.build_begin(b"\1\2\3\4", b"", [])


def data(index: int) -> bytes:
    unit = udt(b"\x42\x92", b"\x42\x92", tcap.build_begin(index.to_bytes(4, "big"), b"", []), 1)
    return m3ua.encode(m3ua.Data(2, 1, 3, 0, 0, 0, unit))


def read(path: Path) -> tuple[list[object], Counter[str]]:
    capture = Capture(path)
    return list(capture), capture.counts


def classic(count: int = 30) -> bytes:
    stream = io.BytesIO()
    writer, wire = PcapWriter(stream), Association(b"\x0a\0\0\1", b"\x0a\0\0\2")
    for index in range(count):
        for packet in wire.packets(data(index), sent=True):
            writer.write(1_700_000_000 + index, packet)
    return stream.getvalue()


def blocks() -> bytes:
    return FILES[0].read_bytes() + b"".join(path.read_bytes() for path in FILES[1:6])


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [classic(), blocks()], ids=["pcap", "pcapng"])
def test_a_capture_cut_at_any_octet_gives_what_is_whole_before(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(octets)
    everything = [item.signal.octets for item in read(path)[0] if isinstance(item, Message)]
    for cut in [*range(4, 200), *range(200, len(octets), 97)]:
        path.write_bytes(octets[:cut])
        messages = [item.signal.octets for item in read(path)[0] if isinstance(item, Message)]
        assert messages == everything[: len(messages)]


@pytest.mark.parametrize("octets", [classic(), blocks()], ids=["pcap", "pcapng"])
def test_one_flipped_octet_costs_little(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(octets)
    everything = len(read(path)[0])
    source = random.Random(1)
    for _ in range(400):
        at = source.randrange(24, len(octets))
        path.write_bytes(octets[:at] + bytes((octets[at] ^ 1 << source.randrange(8),)) + octets[at + 1 :])
        items, _ = read(path)
        assert len(items) >= everything - 12, at


@given(
    st.binary(max_size=600), st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a"])
)
def test_any_octets_are_survived(octets: bytes, magic: bytes) -> None:
    parser = parser_for(magic)
    assert parser is not None
    dissector = Dissector()
    for frame in parser.feed(magic + octets):
        dissector.packet(frame)
    parser.finish()
    dissector.finish()


@given(st.binary(max_size=200), st.sampled_from([0, 1, 12, 101, 108, 113, 141, 142, 228, 229, 248, 276, 999]))
def test_any_packet_is_survived(octets: bytes, link: int) -> None:
    dissector = Dissector()
    dissector.packet(Packet(1, 0.0, link, octets, 0))
    dissector.finish()


@given(st.data())
def test_any_mutation_of_a_packet_is_survived(draw: st.DataObject) -> None:
    frames = [frame for path in FILES for frame in _frames(path)]
    frame = draw.draw(st.sampled_from(frames))
    octets = bytearray(frame.octets)
    for _ in range(draw.draw(st.integers(1, 6))):
        octets[draw.draw(st.integers(0, len(octets) - 1))] = draw.draw(st.integers(0, 255))
    stream = io.BytesIO()
    PcapWriter(stream).write(1.0, bytes(octets))
    path = _SCRATCH / "mutated.pcap"
    path.write_bytes(stream.getvalue())
    list(Decoder(Filter()).show(Capture(path)))


@pytest.fixture(scope="module", autouse=True)
def _scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _SCRATCH
    _SCRATCH = tmp_path_factory.mktemp("mutated")


_SCRATCH = Path()


def _frames(path: Path) -> list[Packet]:
    parser = parser_for(path.read_bytes()[:4])
    assert parser is not None
    return parser.feed(path.read_bytes())


@given(st.lists(st.integers(1, 50), max_size=40))
def test_how_a_file_is_cut_into_reads_does_not_matter(sizes: list[int]) -> None:
    octets = classic(3)
    whole = parser_for(octets[:4])
    pieces = parser_for(octets[:4])
    assert whole is not None
    assert pieces is not None
    expected = [(f.number, f.time, f.octets) for f in whole.feed(octets)]
    found, at = [], 0
    for size in [*sizes, len(octets)]:
        found += pieces.feed(octets[at : at + size])
        at += size
    assert [(f.number, f.time, f.octets) for f in found] == expected


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_scapy_reads_the_same_packets(path: Path) -> None:
    for frame, (octets, meta) in zip(_frames(path), RawPcapNgReader(str(path)), strict=True):
        assert frame.octets == octets
        assert frame.time == pytest.approx((meta.tshigh << 32 | meta.tslow) / meta.tsresol, abs=1e-6)


def test_scapy_reads_the_same_packets_of_the_classic_format(tmp_path: Path) -> None:
    path = tmp_path / "classic.pcap"
    path.write_bytes(classic())
    for frame, (octets, meta) in zip(_frames(path), RawPcapReader(str(path)), strict=True):
        assert (frame.octets, frame.time) == (octets, pytest.approx(meta.sec + meta.usec / 1e6))


def test_gzip_is_read_and_damaged_gzip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap.gz"
    packed = gzip.compress(classic())
    path.write_bytes(packed)
    assert len(read(path)[0]) == 30
    path.write_bytes(packed[:-60])
    items, counts = read(path)
    assert any("can't be read on" in str(item) for item in items)
    assert any(name.startswith("fault:capture") for name in counts)


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"hello")
    for wrong in (path, tmp_path / "absent"):
        with pytest.raises(CaptureError):
            Capture(wrong)


# -- SCTP --------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=30)), min_size=1, max_size=12),
    st.data(),
)
def test_messages_come_once_and_in_order_however_their_packets_do(
    messages: list[tuple[int, bytes]], draw: st.DataObject
) -> None:
    """Fragments, retransmissions and reordering: each stream gives what was sent on it."""
    tsn, chunks = draw.draw(st.sampled_from([1, 0xFFFFFFFA])), []
    sequences = Counter[int]()
    for stream, octets in messages:
        cut = draw.draw(st.integers(0, len(octets) - 1))
        parts = [octets[:cut], octets[cut:]] if cut else [octets]
        for index, part in enumerate(parts):
            flags = (2 if index == 0 else 0) | (1 if index == len(parts) - 1 else 0)
            chunks.append(sctp.DataChunk(tsn & 0xFFFFFFFF, stream, sequences[stream], 3, flags, part))
            tsn += 1
        sequences[stream] += 1
    # what begins a stream has to come first: nothing says that something was before it
    begun, first, rest = set[int](), [], []
    for chunk in chunks:
        (rest if chunk.stream in begun else first).append(chunk)
        if chunk.flags & sctp.LAST:
            begun.add(chunk.stream)
    order = first + draw.draw(
        st.permutations(rest + draw.draw(st.lists(st.sampled_from(chunks), max_size=5)))
    )
    direction = association.Direction()
    for chunk in order:
        direction.receive(chunk, 1, 0.0)
    direction.flush()
    for stream in range(4):
        sent = [octets for of, octets in messages if of == stream]
        assert [whole.data for whole in direction.ready if whole.stream == stream] == sent


def test_interleaved_messages_are_put_together() -> None:
    direction = association.Direction()
    for tsn, stream, fragment, flags, octets in (
        (1, 1, 0, 2, b"ab"), (2, 2, 0, 2, b"12"), (3, 1, 1, 0, b"cd"), (4, 2, 1, 1, b"34"), (5, 1, 2, 1, b"ef"),
    ):  # fmt: skip
        chunk = sctp.DataChunk(
            tsn, stream, 0, 3 if flags & 2 else -1, flags, octets, fragment=fragment, interleaved=True
        )
        direction.receive(chunk, tsn, 0.0)
    assert [(whole.stream, whole.ppid, whole.data) for whole in direction.ready] == [
        (2, 3, b"1234"),
        (1, 3, b"abcdef"),
    ]


def test_a_gap_is_waited_for_and_then_stepped_over() -> None:
    direction = association.Direction()
    direction.receive(sctp.DataChunk(1, 1, 0, 3, 3, b"a"), 1, 0.0)
    direction.receive(sctp.DataChunk(3, 1, 2, 3, 3, b"c"), 2, 0.1)
    assert [whole.data for whole in direction.ready] == [b"a"]
    direction.receive(sctp.DataChunk(4, 1, 3, 3, 3, b"d"), 3, 0.1 + association.HOLD_SECONDS + 0.1)
    assert [whole.data for whole in direction.ready] == [b"a", b"c", b"d"]
    assert direction.notes == [(association.MISSING, 1)]


def test_the_same_tsn_with_other_octets_is_another_association() -> None:
    direction = association.Direction()
    for octets in (b"a", b"b", b"b"):
        direction.receive(sctp.DataChunk(1, 1, 0, 3, 3, octets), 1, 0.0)
    assert [whole.data for whole in direction.ready] == [b"a", b"b"]
    assert direction.notes == [(association.RESTARTED, 1), (association.DUPLICATE, 1)]


# -- other carriers ----------------------------------------------------------------------------------------------------


def tcp_frame(sequence: int, octets: bytes, flags: int = 0x18) -> bytes:
    head = struct.pack(">HHIIBBHHH", 40000, 2905, sequence & 0xFFFFFFFF, 0, 0x50, flags, 65535, 0, 0)
    return ethernet(b"\x0a\0\0\1", b"\x0a\0\0\2", 6, head + octets)


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=20), st.randoms(use_true_random=False), st.booleans()
)
def test_m3ua_over_tcp_is_read_whatever_the_segments(
    sizes: list[int], source: random.Random, shuffled: bool
) -> None:
    messages = [data(index) for index in range(8)]
    octets, at, segments = b"".join(messages), 0, []
    base = 0xFFFFFFF0
    for size in [*sizes, len(octets)]:
        if octets[at : at + size]:
            segments.append((base + 1 + at, octets[at : at + size]))
        at += size
    if shuffled:
        segments += source.sample(segments, len(segments) // 2)
        source.shuffle(segments)
    dissector = Dissector()
    dissector.packet(Packet(1, 0.0, 1, tcp_frame(base, b"", tcp.SYN), 0))
    for number, (sequence, segment) in enumerate(segments, 2):
        dissector.packet(Packet(number, 0.0, 1, tcp_frame(sequence, segment), 0))
    assert [signal.octets for signal in dissector.signals] == messages


def test_a_tcp_stream_is_taken_up_in_its_middle_and_after_a_gap() -> None:
    dissector = Dissector()
    for number, (sequence, octets, time) in enumerate(
        [
            (100, b"\xff" * 10, 0.0),
            (110, data(1), 0.1),
            (9000, data(2), 0.2),
            (9000 + len(data(2)), data(3), 9.0),
        ],
        1,
    ):
        dissector.packet(Packet(number, time, 1, tcp_frame(sequence, octets), 0))
    assert [signal.octets for signal in dissector.signals] == [data(1), data(2), data(3)]
    assert dissector.counts == {tcp.UNFOLLOWED: 1, tcp.GAP: 1}


def test_m3ua_is_found_on_any_tcp_port_and_nothing_else_is() -> None:
    """A capture that begins in the middle of a connection, between other traffic."""
    dissector = Dissector()
    for number, (ports, octets) in enumerate(
        [
            ((40000, 12905), data(1)),
            ((40000, 12905), data(2)[:30]),
            ((40000, 12905), data(2)[30:]),
            ((40000, 443), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            ((40001, 8080), b"GET / HTTP/1.1\r\n"),
        ],
        1,
    ):
        sequence = 1 if number == 1 else 1 + len(data(1)) + (30 if number == 3 else 0)
        head = struct.pack(">HHIIBBHHH", *ports, sequence, 0, 0x50, 0x18, 65535, 0, 0)
        dissector.packet(Packet(number, 0.0, 1, ethernet(b"\x0a\0\0\1", b"\x0a\0\0\2", 6, head + octets), 0))
    assert [signal.octets for signal in dissector.signals] == [data(1), data(2)]
    assert dissector.counts == {"other-protocol": 2}


def test_m2ua_m2pa_mtp3_and_sccp_are_read(tmp_path: Path) -> None:
    user = m3ua.Data(2, 1, 3, 2, 0, 5, udt(b"\x42\x92", b"\x42\x92", TCAP, 1))
    message = mtp3.encode(user)
    body = parameter(0x0300, message)
    carried = {
        2: struct.pack(">BBBBI", 1, 0, 6, 1, 8 + len(body)) + body,
        5: struct.pack(">BBHIII", 1, 0, m2pa.USER_DATA, 17 + len(message), 0, 0) + b"\0" + message,
    }
    for ppid, octets in carried.items():
        stream = io.BytesIO()
        wire = Association(b"\x0a\0\0\1", b"\x0a\0\0\2", 5000, 5001, ppid=ppid)
        PcapNgWriter(stream).write(1.0, wire.packets(octets, sent=True)[0])
        path = tmp_path / "capture"
        path.write_bytes(stream.getvalue())
        [item] = read(path)[0]
        assert isinstance(item, Message)
        assert (item.data, item.tcap) == (user, TCAP)
    for link, octets in ((141, message), (142, user.payload)):
        path.write_bytes(
            struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link, 1, 0, len(octets), len(octets))
            + octets
        )
        [item] = read(path)[0]
        assert isinstance(item, Message)
        assert item.tcap == TCAP
        assert item.signal.adaptation == (Adaptation.MTP3 if link == 141 else Adaptation.SCCP)


@pytest.mark.parametrize("version", [4, 6])
def test_ip_fragments_are_put_together_in_any_order(version: int) -> None:
    wire = Association(b"\x0a\0\0\1", b"\x0a\0\0\2")
    [packet] = wire.packets(data(1), sent=True)
    payload = packet[34:]
    parts = [(at, payload[at : at + 24]) for at in range(0, len(payload), 24)]
    frames = []
    for at, part in parts:
        more = at + 24 < len(payload)
        if version == 4:
            head = (
                struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(part), 7, more << 13 | at // 8, 64, 132, 0)
                + packet[26:34]
            )
            frames.append(packet[:14] + head + part)
        else:
            fragment = struct.pack(">BBHI", 132, 0, at | more, 7) + part
            head = struct.pack(">IHBB", 6 << 28, len(fragment), 44, 64) + bytes(32)
            frames.append(packet[:12] + b"\x86\xdd" + head + fragment)
    dissector = Dissector()
    for number, octets in enumerate(reversed(frames), 1):
        dissector.packet(Packet(number, 0.0, 1, octets, 0))
    assert [signal.octets for signal in dissector.signals] == [data(1)]


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (1, bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x08\x00"),
        (1, bytes(12) + b"\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40"),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
        (0, b"\x02\0\0\0"),
        (101, b""),
    ],
    ids=["QinQ", "MPLS", "SLL", "SLL2", "NULL", "RAW"],
)
def test_link_layers(link: int, head: bytes) -> None:
    [packet] = Association(b"\x0a\0\0\1", b"\x0a\0\0\2").packets(data(1), sent=True)
    dissector = Dissector()
    dissector.packet(Packet(1, 0.0, link, head + packet[14:], 0))
    assert [signal.octets for signal in dissector.signals] == [data(1)]


def test_a_foreign_writer_of_captures_is_read(tmp_path: Path) -> None:
    frames = [Frame(TCAP[:3] + bytes((index,)) + TCAP[4:], Layer.TCAP, at=index) for index in range(5)]
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(frames)[0])
    items, counts = read(path)
    assert [item.tcap for item in items if isinstance(item, Message)] == [frame.octets for frame in frames]
    assert counts == {"packets": 5}


def test_the_published_pdus_are_read_out_of_a_capture(vectors: list[Vector], tmp_path: Path) -> None:
    """The vectors are derived: wrapped by a writer that knows none of our code."""
    frames = [
        Frame(vector.octets, Layer.TCAP, at=10.0 * index, association=index)
        for index, vector in enumerate(vectors)
    ]
    path = tmp_path / "vectors.pcap"
    path.write_bytes(pcap(frames)[0])
    for vector, shown in zip(vectors, Decoder(Filter()).show(Capture(path)), strict=True):
        assert (shown["tcap"].get("otid", ""), shown["tcap"].get("dtid", "")) == (vector.otid, vector.dtid)
        assert shown["tcap"]["type"] == vector.message
        assert [component["opcode"] for component in shown["components"]] == vector.operations
