"""decode, replay, explain and anonymise as people call them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scp.capture.write import PcapWriter
from scp.cli import app

PCAPS = Path(__file__).parents[2] / "pcaps"
CONFIG = """
[node]
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
never_steer = ["112"]
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
"""
RECORDS = [
    {"msisdn": "11234567", "authorized": True, "aor": "sip:a@x", "forwarding": True, "when": "roaming"},
    {"msisdn": "46701234567", "authorized": True, "aor": "sip:b@x", "forwarding": True},
]


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    (tmp_path / "scp.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "store.ndjson").write_text(
        "".join(json.dumps(each) + "\n" for each in RECORDS), encoding="utf-8"
    )
    return ["-c", str(tmp_path / "scp.toml"), "--store", str(tmp_path / "store.ndjson")]


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


def test_replay_says_that_answers_are_the_same_or_differ(settings: list[str]) -> None:
    assert "same answer" in run("replay", PCAPS / "cap2-steered.pcapng", *settings)
    output = run("replay", PCAPS / "released.pcapng", *settings, code=1)
    assert "unknown-subscriber" in output
    assert "releaseCall" in output


def test_replay_as_json(settings: list[str]) -> None:
    [shown] = objects(run("replay", PCAPS / "cap2-steered.pcapng", *settings, "--json"))
    assert (shown["verdict"], shown["action"], shown["number"], shown["reason"]) == (
        "same", "connect", "990011234567", "forwarded-roaming",
    )  # fmt: skip
    [shown] = objects(run("replay", PCAPS / "busy.pcapng", *settings, "--json", code=1))
    assert {"field": "message", "theirs": "continue", "ours": "end"} in shown["differences"]
    output = run("replay", PCAPS / "busy.pcapng", *settings, "--json", "--number", "999", code=2)
    assert objects(output) == []
    assert "none of the 1 dialogues is one of those that were asked for" in output


def test_a_replay_of_nothing_is_no_success(settings: list[str], tmp_path: Path) -> None:
    """Who lets a script compare a capture must not be told that all is the same where nothing was compared."""
    path = PCAPS / "cap2-steered.pcapng"
    output = run("replay", path, *settings, "--capture-ssn", "8", code=2)
    assert "no dialogue was replayed: " in output
    assert "messages for another subsystem: SSN 146, not 8" in output
    assert "--capture-ssn says which" in output
    other = tmp_path / "other.toml"
    other.write_text(Path(settings[1]).read_text(encoding="utf-8") + "\n[sccp]\nssn = 8\n", encoding="utf-8")
    words = ["-c", str(other), *settings[2:]]
    assert "SSN 146, not 8" in run("replay", path, *words, code=2)
    assert "same answer" in run("replay", path, *words, "--capture-ssn", "146")
    with (tmp_path / "none.pcap").open("wb") as file:
        PcapWriter(file)
    output = run("replay", tmp_path / "none.pcap", *settings, code=2)
    assert "no dialogue was replayed: there is no TCAP in the capture" in output


def test_a_part_is_shown_without_an_empty_line_before_it() -> None:
    [cause] = run("decode", "--hex", "8090", "--layer", "Cause").splitlines()
    assert cause.strip().startswith("└─ Cause: value 16")
    [cause] = run("decode", "--hex", "8090", "--layer", "Cause", "--lines").splitlines()
    assert cause.strip().startswith("Cause: value 16")


def test_the_page_needs_nothing_else(settings: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run("replay", PCAPS / "busy.pcapng", *settings, "--html", page, code=1)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|https?://|@import|url\(", text)
    data = json.loads(text.split('type="application/json">')[1].split("</script>")[0])
    [call] = data["calls"]
    assert [message["from_switch"] for message in call["messages"]] == [True, False, True, False]


def browse(page: Path, url: str) -> str:
    """What a browser makes of a page, as HTML."""
    browser = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if browser is None:
        pytest.skip("neither chromium nor chromium-headless-shell is installed")
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=3000"
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [browser, *flags.split(), profile, "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_page_works_in_a_browser(settings: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run("replay", PCAPS / "busy.pcapng", *settings, "--html", page, code=1)
    shown = browse(page, f"file://{page}#open")
    for words in (
        "requestReportBCSMEvent + connect",
        "ours · end: connect",
        "forwarded-always",
        "1 of 1 on this page",
    ):
        assert words in shown


PHONE = """<body><iframe id="frame" src="page.html#open" style="width: 390px; height: 4000px; border: 0"></iframe><p id="found"></p>
<script>
onload = () => {
  const page = document.getElementById("frame").contentDocument, found = [];
  for (const node of page.querySelectorAll("details.arrow")) node.open = true;
  for (const node of page.body.querySelectorAll("*")) {
    if (!node.offsetParent) continue;
    const range = page.createRange();
    range.selectNodeContents(node);
    const right = node.getBoundingClientRect().right;
    if (right > node.parentElement.getBoundingClientRect().right + 0.5 || range.getBoundingClientRect().right > right + 0.5)
      found.push(node.tagName + " " + node.textContent.slice(0, 40));
  }
  const arrows = page.querySelectorAll("details.arrow").length;
  document.getElementById("found").textContent = `${arrows} arrows, too wide: [${found.join("; ")}]`;
};
</script>"""


def test_nothing_sticks_out_at_phone_width(settings: list[str], tmp_path: Path) -> None:
    page, phone = tmp_path / "page.html", tmp_path / "phone.html"
    run("replay", PCAPS / "charged-v4.pcapng", *settings, "--html", page, code=1)
    phone.write_text(PHONE, encoding="utf-8")
    shown = browse(page, f"file://{phone}")
    assert re.search(r"[1-9] arrows, too wide: \[(.*)\]", shown.split("</script>")[0]), shown[-3000:]
    assert "too wide: []" in shown


def test_explain_a_call_that_is_typed_in_or_captured(settings: list[str]) -> None:
    words = run("explain", *settings, "--b", "0701234567")
    assert "connect 990701234567" in words
    assert "forwarded-always" in words
    shown = json.loads(
        run("explain", *settings, "--capture", PCAPS / "cap2-at-home.pcapng", "--b", "0011234567", "--json")
    )
    assert (shown["action"], shown["reason"]) == ("continue", "at-home")
    assert shown["path"][-1]["outcome"] == "at-home"
    assert "E.164 number: --b +46701234567" in run("explain", *settings, "--b", "46701234567")
    back = run("explain", *settings, "--b", "0701234567", "--redirecting", "990701234567")
    assert "diverted-back" in back
    often = run("explain", *settings, "--b", "0701234567", "--redirections", 5, "--json")
    assert objects(often)[0]["reason"] == "redirection-limit"
    run("explain", *settings, code=2)
    run("explain", *settings, "--capture", PCAPS / "cap2-at-home.pcapng", "--frame", 99, code=2)
    run("explain", *settings, "--b", "0701234567", "--service-key", 7, code=2)


def test_anonymise_writes_a_capture_that_can_be_decoded(tmp_path: Path) -> None:
    out = tmp_path / "shared.pcapng"
    assert "7 messages written" in run("anonymise", PCAPS / "charged-v4.pcapng", out)
    before, after = (run("decode", path, "--lines") for path in (PCAPS / "charged-v4.pcapng", out))
    assert "46701234567" in before
    assert "46701234567" not in after
    assert after.count("applyCharging") == before.count("applyCharging")
