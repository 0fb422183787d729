"""The oracles themselves: they see what is there, and they do find fault."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from oracles import page, servers, tshark
from oracles.recorder import Recorder
from oracles.sigtran_pcap import Frame, Layer, crc32c, m3ua_data, udt
from oracles.vectors import Vector
from oracles.waiting import wait_until

SIXTEEN_DIGITS = {"Malformed IMSI": "the published CAP v4 PDU has sixteen digits where E.212 allows fifteen"}


@pytest.fixture(autouse=True)
def _needs_tshark() -> None:
    missing = tshark.available()
    if missing:
        pytest.skip(missing)


def tcap_frames(vectors: list[Vector]) -> list[Frame]:
    return [Frame(vector.octets, Layer.TCAP, origin=vector.name) for vector in vectors]


def test_the_published_pdus_are_camel_with_the_operations_that_their_publishers_name(
    vectors: list[Vector], dissect: Any
) -> None:
    for vector, seen in zip(vectors, dissect(tcap_frames(vectors)), strict=True):
        assert seen.protocols[:7] == ["eth", "ethertype", "ip", "sctp", "m3ua", "sccp", "tcap"]
        assert [int(code) for code in seen.all("camel.local")] == vector.operations, vector.name
        assert [int(i) for i in seen.all("camel.present")] == [c["invoke_id"] for c in vector.components]
        assert seen.all(f"tcap.{vector.message}_element"), vector.name
        assert seen.hex("tcap.otid") == [vector.otid] * bool(vector.otid)
        assert seen.hex("tcap.dtid") == [vector.dtid] * bool(vector.dtid)
        assert seen.first("tcap.application_context_name") == vector.application_context


def test_the_published_pdus_are_clean(vectors: list[Vector]) -> None:
    tshark.assert_clean(tcap_frames(vectors), SIXTEEN_DIGITS)


def test_what_is_allowed_is_needed(vectors: list[Vector]) -> None:
    assert [problem.frame.origin for problem in tshark.problems(tcap_frames(vectors))] == ["cap4-begin-idp"]


def test_checksum_is_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32/ISCSI


@pytest.mark.parametrize(
    ("octets", "layer"),
    [
        (bytes.fromhex("62504804000001006b1e2818"), Layer.TCAP),
        (udt(b"\x62\x02\x48\x04"), Layer.SCCP),
        (b"\x09\x01\x03\x05\x60\x02\x42\x92\x02\x42\x92\x01\x00", Layer.SCCP),
        (b"\x01\x00\x01\x01\x00\x00\x00\x40\x02\x10", Layer.M3UA),
        (m3ua_data(b"\xff\x00\x00", 1, 2), Layer.M3UA),
        (bytes.fromhex("640f4904070004006c07a105020101020163"), Layer.TCAP),
    ],
    ids=[
        "tcap cut short",
        "tid cut short",
        "sccp pointer outside",
        "m3ua too long",
        "no sccp type",
        "no operation 99",
    ],
)
def test_bad_octets_are_found(octets: bytes, layer: Layer) -> None:
    assert tshark.problems([Frame(octets, layer)])


def test_what_the_peer_sent_and_what_sccp_returns_is_not_judged() -> None:
    bad = b"\x62\x02\x48\x04"
    udts = b"\x0a\x00" + udt(bad)[2:]
    assert tshark.problems([Frame(bad, Layer.TCAP, sent=False), Frame(udts, Layer.SCCP)]) == []


def test_a_message_of_many_chunks_is_put_together(dissect: Any) -> None:
    beat = struct.pack("!BBBBIHH", 1, 0, 3, 3, 60_012, 9, 60_004) + bytes(60_000)
    _, seen, _ = dissect([Frame(udt(b"")), Frame(beat, stream=0), Frame(udt(b""))])
    assert [len(octets) for octets in seen.hex("m3ua.heartbeat_data")] == [120_000]


def test_tcap_longer_than_a_udt_goes_in_a_ludt(dissect: Any) -> None:
    components = b"".join(bytes.fromhex(f"a10a0201{invoke:02x}02011604028490") for invoke in range(40))
    portions = bytes.fromhex("490407000400") + b"\x6c\x82" + struct.pack("!H", len(components)) + components
    [seen] = dissect([Frame(b"\x64\x82" + struct.pack("!H", len(portions)) + portions, Layer.TCAP)])
    assert seen.first("sccp.message_type") == "0x13"
    assert seen.all("camel.local") == ["22"] * 40


def test_the_recorder_keeps_equal_messages_once_and_names_their_test(vectors: list[Vector]) -> None:
    recorder = Recorder()
    for _ in range(2):
        recorder.sent(vectors[0].octets, Layer.TCAP)
        recorder.sent(vectors[0].octets[:40], Layer.TCAP)
    assert len(recorder) == 2
    [problem, *_] = recorder.problems()
    assert problem.frame.octets == vectors[0].octets[:40]
    assert "test_the_recorder_keeps_equal" in str(problem)


def test_redis_answers(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(7) == b"+PONG\r\n"


def test_a_free_port_is_free(free_tcp_port: int) -> None:
    assert not servers.answers_tcp(free_tcp_port)


def test_a_page_whose_lines_fail_is_not_waited_for(tmp_path: Path) -> None:
    """A trap of bash's for errors is not called in a function: a node that it left held its output for ever."""
    lines = "start() { sleep 200 & echo $! >started; echo said; echo complained >&2; false; }\nstart\n"
    began = time.monotonic()
    with pytest.raises(AssertionError, match=r"(?s)said.*complained"):
        page.run(lines, tmp_path)
    assert time.monotonic() - began < 150, "nothing waits for what is in the background"
    command = Path(f"/proc/{(tmp_path / 'started').read_text().strip()}/cmdline")
    wait_until(lambda: not command.exists() or not command.read_bytes())  # it was killed
