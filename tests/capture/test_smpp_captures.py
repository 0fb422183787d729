"""SMPP in captures: tshark reads every PDU as we do, texts and passwords are masked, streams are taken up anywhere."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import tshark
from scp.capture.anonymise import Anonymiser
from scp.capture.decode import Decoder, Filter
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.scapy_packets import from_scapy, to_scapy
from scp.capture.smpp_disguise import disguised
from scp.capture.smpp_view import smpp_json
from scp.capture.source import Capture
from scp.capture.text import line, tree
from scp.capture.wire import smpp, tcp
from scp.capture.wire.dissector import Dissector
from scp.capture.wire.values import Adaptation, Frame
from scp.capture.write import PcapNgWriter, ethernet
from scp.messages.smpp.pdu import RESPONSE, Bind, Command, Octets, Pdu, Text, encode
from ss7.errors import DecodeError

PCAPS = Path(__file__).parents[2] / "pcaps"
PATH = PCAPS / "smpp-messages.pcapng"
[ENTRY] = [
    each
    for each in json.loads((PCAPS / "manifest.json").read_text(encoding="utf-8"))["captures"]
    if "pdus" in each
]
FIELDS = (
    "frame.number",
    "smpp.command_id",
    "smpp.sequence_number",
    "smpp.source_addr",
    "smpp.destination_addr",
    "smpp.data_coding",
    "smpp.sm_length",
    "smpp.message_id",
    "smpp.system_id",
    "_ws.expert.severity",
    "_ws.malformed",
)


def shown(**wanted: Any) -> list[dict[str, Any]]:
    return list(Decoder(Filter(**wanted)).show(Capture(PATH)))


def test_every_pdu_of_the_manifest_is_read() -> None:
    ours = [(each["frame"], each["smpp"]["command"], each["smpp"]["sequence"]) for each in shown()]
    names = {int(command): command.name.lower() for command in Command}
    assert ours == [
        (
            each["frame"],
            names[each["command"] & ~RESPONSE] + "_resp" * (each["command"] >= RESPONSE),
            each["sequence"],
        )
        for each in ENTRY["pdus"]
    ]
    assert len(ours) == 24


def test_tshark_reads_the_same_of_every_pdu() -> None:
    if missing := tshark.available():
        pytest.skip(missing)
    wanted = [word for field in FIELDS for word in ("-e", field)]
    shape = ("-T", "fields", "-E", "separator=/t", "-E", "aggregator= ")
    rows = [
        dict(zip(FIELDS, row.split("\t"), strict=True))
        for row in tshark.run(
            PATH.read_bytes(), "-o", "tcp.check_checksum:TRUE", *shape, *wanted
        ).splitlines()
    ]
    assert not any(row["_ws.malformed"] for row in rows)
    assert not any(
        int(code, 0) >= tshark.WARNING for row in rows for code in row["_ws.expert.severity"].split()
    )
    theirs: dict[str, list[str]] = {
        field: [value for row in rows for value in row[field].split()] for field in FIELDS
    }
    numbers = [row["frame.number"] for row in rows for _ in row["smpp.command_id"].split()]
    pdus = [each["smpp"] for each in shown()]
    texts = [each for each in pdus if "short_message" in each]
    assert [int(number) for number in numbers] == [each["frame"] for each in shown()]
    assert [int(code, 0) for code in theirs["smpp.command_id"]] == [each["command"] for each in ENTRY["pdus"]]
    assert [int(number) for number in theirs["smpp.sequence_number"]] == [each["sequence"] for each in pdus]
    for end, field in (("source", "smpp.source_addr"), ("destination", "smpp.destination_addr")):
        assert theirs[field] == [each[end].get("digits") or each[end]["name"] for each in texts]
    assert [int(code, 0) for code in theirs["smpp.data_coding"]] == [each["data_coding"] for each in texts]
    assert [int(size) for size in theirs["smpp.sm_length"]] == [
        each["short_message"]["octets"] for each in texts
    ]
    assert theirs["smpp.message_id"] == [each["id"] for each in pdus if each.get("id")]
    assert theirs["smpp.system_id"] == [each["system_id"] for each in pdus if "system_id" in each]


def test_what_a_message_says_and_passwords_are_masked() -> None:
    everything = json.dumps(shown()) + "\n".join(tree(each) for each in shown())
    for secret in ("Hello", "hello", b"Hello".hex(), b"0123456789".hex(), "secret", b"secret".hex()):
        assert secret not in everything
    other = Pdu(Command.DATA_SM, 1, 0, Octets(b"Hello"))
    assert smpp_json(other) == {
        "command": "data_sm",
        "sequence": 1,
        "body": {"octets": 5, "text": "masked"},
    }


def test_receipts_parts_and_refusals_are_told() -> None:
    words = " ".join(" ".join(map(line, shown())).split())
    assert "192.0.2.30:40001 → 192.0.2.40:2775 submit_sm 2 Example → 46701234567" in words
    assert "deliver_sm 1 46701234567 → Example 00000001 delivered" in words
    assert "deliver_sm 2 46701234567 → Example 00000005 failed" in words
    assert "submit_sm_resp 6 ESME_RTHROTTLED" in words
    parts = [each["smpp"]["part"] for each in shown() if "part" in each["smpp"]]
    assert parts == [{"reference": 7, "total": 2, "number": number} for number in (1, 2)]


def test_requests_of_a_number_are_found_with_their_responses() -> None:
    found = [(each["smpp"]["command"], each["smpp"]["sequence"]) for each in shown(number="46701112222")]
    assert found == [("deliver_sm", 3), ("deliver_sm_resp", 3)]
    assert [each["smpp"]["sequence"] for each in shown(operation=("enquire_link",))] == [8]
    assert shown(number="999") == []


def test_pdus_of_other_numbers_do_not_drive_out_an_open_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for responses that never come is bounded."""
    monkeypatch.setattr("scp.capture.decode._MOST_ASKED", 2)
    decoder = Decoder(Filter(number="4670"))
    assert sum(1 for _ in decoder.show(Capture(PATH))) > 10
    assert len(decoder._asked) <= 2


def test_a_receipt_that_cannot_be_read_is_noted() -> None:
    text = Text(source="46701234567", destination="1", esm_class=4, short_message=b"Hello")
    made = smpp_json(Pdu(Command.DELIVER_SM, 1, 0, text))
    assert "a receipt without a known state" in made["note"]
    assert "receipt" not in made


def test_scapy_keeps_pdus() -> None:
    again = list(from_scapy(list(to_scapy(Capture(PATH)))))
    assert [each.smpp for each in again] == [each.smpp for each in Capture(PATH)]


def anonymised(capture: Any, path: Path) -> tuple[list[dict[str, Any]], bytes, Anonymiser]:
    run = Anonymiser(Disguise(b"key"))
    with path.open("wb") as stream:
        run.run(capture, PcapNgWriter(stream))
    return list(Decoder(Filter()).show(Capture(path))), path.read_bytes(), run


def test_an_anonymised_copy_has_no_number_text_name_or_password(tmp_path: Path) -> None:
    after, octets, run = anonymised(Capture(PATH), tmp_path / "out.pcapng")
    assert (run.written, run.left_out) == (24, {})
    for secret in (
        b"46701234567",
        b"46701112222",
        b"Example",
        b"secret",
        b"VMS\0",
        b"smsc\0",
        b"Hello",
        b"01234567890",
    ):
        assert secret not in octets
    assert "مرحبا".encode("utf-16-be") not in octets
    before = shown()
    names = (
        "command",
        "sequence",
        "status",
        "id",
        "receipt",
        "part",
        "optional",
        "short_message",
        "validity",
    )
    for one, other in zip(before, after, strict=True):
        assert [one["smpp"].get(name) for name in names] == [other["smpp"].get(name) for name in names]
        for end in ("source", "destination"):
            for was, now in zip(
                one["smpp"].get(end, {}).values(), other["smpp"].get(end, {}).values(), strict=True
            ):
                assert len(str(was)) == len(str(now))
                assert was != now or len(str(was)) < 4 or was in {"international", "alphanumeric", "unknown"}
    servers = {each["source"] for each in after if each["source"].endswith(":2775")}
    assert len(servers) == 1
    if not tshark.available():
        assert tshark.run(octets, "-Y", "_ws.malformed || _ws.expert.severity >= 0x600000") == ""


@pytest.mark.parametrize(
    ("pdu", "kept"),
    [
        (Pdu(Command.DATA_SM, 1, 0, Octets(b"Hello")), None),
        (
            Pdu(Command.SUBMIT_SM, 1, 0, Text(esm_class=0x40, short_message=b"\x06\x05\x04\0\1\0\2Hello")),
            None,
        ),
        (Pdu(Command.SUBMIT_SM, 1, 0, Text(esm_class=0x40, short_message=b"\x05\0\3")), None),
        (Pdu(Command.DELIVER_SM, 1, 0, Text(esm_class=4, short_message=b"id:Hello stat:DELIVRD")), b""),
        (Pdu(Command.SUBMIT_SM, 1, 0, Text(short_message=b"id:1 text:Hello"), ((0x1403, b"Hello"),)), b""),
        (Pdu(Command.SUBMIT_SM, 1, 0, Text(source="Hello", source_ton=1)), b""),
        (Pdu(Command.SUBMIT_SM, 1, 0, Text(), ((0x0424, b"Hello"),)), b""),
        (Pdu(Command.ENQUIRE_LINK, 1), b""),
    ],
)
def test_what_is_not_understood_slips_through_nowhere(pdu: Pdu, kept: bytes | None) -> None:
    if kept is None:
        with pytest.raises(NotUnderstoodError):
            disguised(pdu, Disguise(b"key"))
        return
    made = encode(disguised(pdu, Disguise(b"key")))
    assert b"Hello" not in made


# -- the stream --------------------------------------------------------------------------------------------------------


def pdu(sequence: int, port_filler: int = 0) -> bytes:
    return encode(
        Pdu(Command.SUBMIT_SM, sequence, 0, Text(destination="46701234567", short_message=bytes(port_filler)))
    )


def frame(
    number: int, sequence: int, octets: bytes, *, time: float = 0.0, flags: int = 0x18, port: int = 2775
) -> Frame:
    head = struct.pack(">HHIIBBHHH", 40000, port, sequence & 0xFFFFFFFF, 0, 0x50, flags, 65535, 0, 0)
    return Frame(number, time, 1, ethernet(b"\x0a\0\0\1", b"\x0a\0\0\2", 6, head + octets), 0)


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=20), st.randoms(use_true_random=False), st.booleans()
)
def test_smpp_is_read_whatever_the_segments(sizes: list[int], source: random.Random, shuffled: bool) -> None:
    pdus = [pdu(number, 10 * number) for number in range(1, 9)]
    octets, at, segments = b"".join(pdus), 0, []
    base = 0xFFFFFFF0
    for size in [*sizes, len(octets)]:
        if octets[at : at + size]:
            segments.append((base + 1 + at, octets[at : at + size]))
        at += size
    if shuffled:
        segments += source.sample(segments, len(segments) // 2)
        source.shuffle(segments)
    dissector = Dissector()
    dissector.packet(frame(1, base, b"", flags=tcp.SYN))
    for number, (sequence, segment) in enumerate(segments, 2):
        dissector.packet(frame(number, sequence, segment))
    assert [signal.octets for signal in dissector.signals] == pdus
    assert {signal.adaptation for signal in dissector.signals} == {Adaptation.SMPP}


def test_a_stream_is_taken_up_in_its_middle_and_after_a_gap() -> None:
    dissector = Dissector()
    for number, (sequence, octets, time) in enumerate(
        [
            (100, b"\xff" * 10, 0.0),
            (110, pdu(1), 0.1),
            (9000, pdu(2), 0.2),
            (9000 + len(pdu(2)), pdu(3), 9.0),
        ],
        1,
    ):
        dissector.packet(frame(number, sequence, octets, time=time))
    assert [signal.octets for signal in dissector.signals] == [pdu(1), pdu(2), pdu(3)]
    assert dissector.counts == {tcp.NO_PDU: 1, tcp.GAP: 1}


def test_a_stream_that_is_no_smpp_is_counted_and_taken_up_again() -> None:
    dissector = Dissector()
    bad = struct.pack(">IIII", 5, 4, 0, 1)
    at = 1
    for number, octets in enumerate([pdu(1), pdu(2) + bad, bad, pdu(3)], 1):
        dissector.packet(frame(number, at, octets))
        at += len(octets)
    assert [signal.octets for signal in dissector.signals] == [pdu(1), pdu(2), pdu(3)]
    assert dissector.counts == {tcp.NO_PDU: 1}


def test_smpp_is_found_on_any_port_and_nothing_else_is() -> None:
    dissector = Dissector()
    dissector.packet(frame(1, 1, pdu(1), port=3000))
    dissector.packet(frame(2, 1 + len(pdu(1)), pdu(2)[:30], port=3000))
    dissector.packet(frame(3, 31 + len(pdu(1)), pdu(2)[30:], port=3000))
    for number, octets in enumerate((b"GET / HTTP/1.1\r\n\r\n", bytes(40), b"\x16\x03\x01\x02\x00" * 8), 4):
        dissector.packet(frame(number, 1, octets, port=8080))
    assert [signal.octets for signal in dissector.signals] == [pdu(1), pdu(2)]
    assert dissector.counts == {"other-protocol": 3}


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ((16, 0x15, 0, 1), True),
        ((16, 0x80000000, 3, 0), True),  # generic_nack
        ((16, 0x80000004, 0x58, 1), True),
        ((16, 0x04, 0x58, 1), False),  # a request with a status
        ((15, 0x15, 0, 1), False),
        ((70_001, 0x04, 0, 1), False),
        ((16, 0x07, 0, 1), False),
        ((16, 0x15, 0, 0x80000000), False),
    ],
)
def test_what_begins_a_pdu(words: tuple[int, int, int, int], begins: bool) -> None:
    octets = struct.pack(">IIII", *words)
    assert smpp.begins_pdu(octets) is begins
    assert not smpp.begins_pdu(octets[:15])


def test_a_pdu_that_cannot_be_read_is_a_fault() -> None:
    octets = encode(Pdu(Command.BIND_TRANSCEIVER, 1, 0, Bind("camel-scp", "secret")))
    cut = struct.pack(">I", len(octets) - 5) + octets[4:-5]
    framer = smpp.PduFramer()
    assert framer.feed(cut) == [cut]
    with pytest.raises(DecodeError, match="command_length 3"):
        framer.feed(bytes((0, 0, 0, 3)))
    assert framer.error is not None
