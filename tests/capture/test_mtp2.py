"""Captures of SS7 links: MTP2 signal units as tcpdump's link types 139 and 140 have them (Q.703 §2.2, Annex A)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from oracles.sigtran_pcap import udt
from scp.capture.decode import Decoder, Filter
from scp.capture.source import Capture
from scp.capture.wire.link import MTP2, MTP2_WITH_PHDR, mtp3_in
from ss7 import mtp3
from ss7.m3ua import Data

END = bytes.fromhex("64144904070004006c0ca10a02010102011604028090")
LONG = mtp3.encode(
    Data(2, 1, 3, 2, 0, 5, udt(END + b"\0" * 40))
)  # above 62 octets: the length indicator says 63
SHORT = mtp3.encode(Data(2, 1, 3, 2, 0, 5, udt(END)))
FCS = b"\x12\x34"


def unit(message: bytes) -> bytes:
    return bytes((0x81, 0x92, min(63, len(message)))) + message


def extended(message: bytes) -> bytes:
    return b"\x81\x00\x92\x00" + struct.pack("<H", len(message)) + message


@pytest.mark.parametrize("message", [SHORT, LONG, b"\x83abc"])
@pytest.mark.parametrize("check", [b"", FCS])
def test_a_message_signal_unit_carries_an_mtp3_message(message: bytes, check: bytes) -> None:
    assert len(SHORT) < 63 <= len(LONG)
    surplus = (
        check if len(message) > 62 else b""
    )  # where the indicator does not say the length, the check bits stay
    assert mtp3_in(MTP2, unit(message) + check) == message + surplus
    assert mtp3_in(MTP2_WITH_PHDR, b"\x00\x00\x00\x07" + unit(message) + check) == message + surplus
    assert mtp3_in(MTP2_WITH_PHDR, b"\x01\x02\x00\x07" + unit(message) + check) == message + surplus
    assert mtp3_in(MTP2_WITH_PHDR, b"\x01\x01\x00\x07" + extended(message) + check) == message


@pytest.mark.parametrize(
    "octets", [b"", b"\x81\x92", b"\x81\x92\x00", b"\x81\x92\x01\x00", b"\x81\x92\x02\x00\x00" + FCS]
)
def test_fill_in_and_link_status_units_carry_none(octets: bytes) -> None:
    assert mtp3_in(MTP2, octets) == b""
    assert mtp3_in(MTP2_WITH_PHDR, b"\0\0\0\0" + octets) == b""


@pytest.mark.parametrize(("link", "head"), [(MTP2, b""), (MTP2_WITH_PHDR, b"\0\0\0\7")])
def test_a_capture_of_a_link_is_decoded(tmp_path: Path, link: int, head: bytes) -> None:
    path = tmp_path / "link.pcap"
    frames = [head + octets for octets in (unit(b""), unit(SHORT), unit(b"\x03"), unit(SHORT) + FCS)]
    path.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
        + b"".join(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame for frame in frames)
    )
    capture = Capture(str(path))
    shown = list(Decoder(Filter()).show(capture))
    assert [each["frame"] for each in shown] == [2, 4]
    assert [each["mtp3"]["opc"] for each in shown] == ["0-0-2"] * 2
    assert [component["operation"] for each in shown for component in each["components"]] == [
        "releaseCall"
    ] * 2
    assert capture.counts["mtp2-link-management"] == 2
