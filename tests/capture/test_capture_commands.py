"""``decode`` and ``anonymise`` as people call them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from made_capture import write
from typer.testing import CliRunner

from scp.capture.write import PcapWriter
from scp.cli import app
from ss7 import tcap
from ss7.tcap import oid_octets

PCAPS = Path(__file__).parents[2] / "pcaps"


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == code, done.output
    return done.output


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in output.splitlines() if text.startswith("{")]


def test_decode_a_capture_as_json_lines_and_tree() -> None:
    path = PCAPS / "cap2-originating.pcapng"
    begin, end = objects(run("decode", path, "--json"))
    assert begin["tcap"]["application_context"] == "0.4.0.0.1.0.50.1"
    [component] = end["components"]
    assert component["operation"] == "connect"
    assert component["argument"]["destinationRoutingAddress"][0]["digits"] == "990701234567"
    assert "connect 990701234567" in run("decode", path, "--lines")
    assert "└─ components" in run("decode", path)


def test_decode_filters() -> None:
    path = PCAPS / "charged-v4.pcapng"
    assert len(objects(run("decode", path, "--json", "--number", "+46 70123"))) == 7
    assert len(objects(run("decode", path, "--json", "--imsi", "24001"))) == 7
    assert len(objects(run("decode", path, "--json", "--imsi", "46701"))) == 0
    assert len(objects(run("decode", path, "--json", "--operation", "applyCharging"))) == 2
    assert len(objects(run("decode", path, "--json", "--operation", "36"))) == 2
    assert len(objects(run("decode", path, "--json", "--tid", "07000202"))) == 5
    faults = objects(run("decode", PCAPS / "malformed.pcapng", "--json", "--faults"))
    assert [each["frame"] for each in faults] == [1, 3, 4]
    assert len(objects(run("decode", PCAPS / "malformed.pcapng", "--json", "--reason", "pointer"))) == 1


def test_a_cut_record_is_shown_without_empty_fields(tmp_path: Path) -> None:
    """There are neither octets nor a clause of a standard to show: a file that ends early breaks none."""
    path = tmp_path / "cut.pcapng"
    path.write_bytes((PCAPS / "cap2-originating.pcapng").read_bytes()[:-20])
    said = "the file ends within a record"
    *_, head, below = run("decode", path).splitlines()[:-1]
    assert re.search(rf"! capture: {said} at octet \d+$", head)
    assert re.search(rf"└─ fault: layer capture, reason {said}, offset \d+$", below)
    *_, fault = objects(run("decode", path, "--json"))
    assert (fault["fault"]["clause"], fault["fault"]["octets"]) == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        ["6410 4904 07000400 6c08 a106 020101 020116"],
        ["6414 4904 07000400 6c0c a10a 020101 020116 0402 8090", "--layer", "tcap"],
        ["04028490", "--layer", "cap", "--operation", "releaseCall"],
        ["04028490", "--layer", "cap", "--operation", "22"],
    ],
)
def test_decode_octets(words: list[str]) -> None:
    [shown] = objects(run("decode", "--json", "--hex", *words))
    [operation] = [each["operation"] for each in shown.get("components", [shown])]
    assert operation == "releaseCall"


def test_a_pipe_is_read_as_it_comes() -> None:
    """As behind ``tcpdump -w -``: what has come is shown before there is more."""
    octets = (PCAPS / "cap2-steered.pcapng").read_bytes()
    command = [sys.executable, "-m", "scp.cli", "decode", "-", "--lines"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        patience = threading.Timer(60, process.kill)
        patience.start()
        process.stdin.write(octets)
        process.stdin.flush()
        lines = iter(process.stdout.readline, b"")
        assert any(b"connect 990011234567" in line for line in lines)
        patience.cancel()
        process.stdin.close()


def test_what_can_not_be_decoded_is_refused() -> None:
    for words in (
        ["--hex", "zz"],
        ["--hex", "00"],
        ["--hex", "8002", "--layer", "cap"],
        ["--hex", "62", "--layer", "x"],
        [],
        ["absent.pcap"],
        [str(PCAPS / "make.py")],
    ):
        run("decode", *words, code=2)


def test_a_part_is_shown_without_an_empty_line_before_it() -> None:
    [cause] = run("decode", "--hex", "8090", "--layer", "Cause").splitlines()
    assert cause.strip().startswith("└─ Cause: value 16")
    [cause] = run("decode", "--hex", "8090", "--layer", "Cause", "--lines").splitlines()
    assert cause.strip().startswith("Cause: value 16")


def test_anonymise_writes_a_capture_that_can_be_decoded(tmp_path: Path) -> None:
    out = tmp_path / "shared.pcapng"
    assert "7 messages written" in run("anonymise", PCAPS / "charged-v4.pcapng", out)
    before, after = (run("decode", path, "--lines") for path in (PCAPS / "charged-v4.pcapng", out))
    assert "46701234567" in before
    assert "46701234567" not in after
    assert after.count("applyCharging") == before.count("applyCharging")


def test_anonymise_that_wrote_nothing_is_no_success(tmp_path: Path) -> None:
    """Who lets a script share captures must not be told of a file that has nothing in it."""
    out = tmp_path / "shared.pcapng"
    with (tmp_path / "empty.pcap").open("wb") as file:
        PcapWriter(file)
    output = run("anonymise", tmp_path / "empty.pcap", out, code=2)
    assert "nothing written: there is no message in the capture" in output
    assert not out.exists()
    begin = tcap.encode(tcap.Message(tcap.BEGIN, b"\1", dialogue=tcap.Aarq(oid_octets("0.4.0.1.1.1.0.0"))))
    path = write(tmp_path / "inap.pcap", (0.0, True, begin))
    assert "nothing written: 1 left out: neither CAP nor MAP" in run("anonymise", path, out, code=2)


def test_hex_is_read_from_standard_input() -> None:
    done = CliRunner().invoke(
        app,
        ["decode", "--hex", "-", "--lines"],
        input="0000  6410 4904 0700 0400 6c08 a106 0201 0102\n0010  0116\n",
    )
    assert done.exit_code == 0, done.output
    assert "releaseCall" in done.output
