"""``replay`` and ``explain`` as people call them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from replay_lab import PCAPS, objects, run, write
from typer.testing import CliRunner

from scp.capture.write import PcapWriter
from scp.cli import app

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


def test_messages_under_control_are_replayed_where_the_node_controls_them(settings: list[str]) -> None:
    path = PCAPS / "cap4-messages.pcapng"
    output = run("replay", path, *settings, code=2)
    assert "4 messages about short messages, without [sms_control] in the configuration" in output
    config = Path(settings[1])
    control = '\n[sms_control]\noriginating = "steer"\nsmsc = "46700000099"\nterminating = "bar"\n'
    config.write_text(config.read_text(encoding="utf-8") + control, encoding="utf-8")
    shown = objects(run("replay", path, *settings, "--json", code=1))
    assert [(each["verdict"], each["trigger"], each["action"]) for each in shown] == [
        ("same", "originating", "connect"),
        ("different", "terminating", "release"),  # the capture's gsmSCF let it go on
        ("same", "terminating", "release"),
        ("same", "terminating", "continue"),
    ]
    assert {each["service"] for each in shown} == {"sms-control"}
    assert shown[0]["path"][-1]["outcome"] == "forwarded-always"
    [other] = objects(run("replay", path, *settings, "--json", "--number", "46709999999"))
    assert (other["a_number"], other["b_number"]) == ("46700000009", "46709999999")


STEERED = '[sms_control]\noriginating = "steer"\nsmsc = "46700000099"\n'
PAID = (
    STEERED
    + '[sms_control.charging]\npays = ["sent", "received"]\nfurnish = true\ntariffs = [{ prefix = "", price = 10 }]\n'
)


@pytest.mark.parametrize(
    ("name", "control", "code", "answers"),
    [
        (
            "cap3-messages",
            STEERED,
            1,
            [
                ("connect", "forwarded-always", "46701234567"),
                ("continue", "unknown-subscriber", "46709999999"),
                ("connect", "forwarded-always", "46701234567"),
                ("", "", "46701234567"),  # missingCustomerRecord
            ],
        ),
        ("cap3-paid-messages", PAID, 1, [("connect", "forwarded-always", "46701234567")] * 3),
        ("cap4-paid-messages", PAID, 1, [("continue", "forwarded-always", "46700000009")] * 2),
    ],
)
def test_captures_of_short_messages_are_replayed(settings: list[str], name, control, code, answers) -> None:
    config = Path(settings[1])
    charging = "[charging]\n" if control is PAID else ""
    config.write_text(config.read_text(encoding="utf-8") + charging + control, encoding="utf-8")
    shown = objects(run("replay", PCAPS / f"{name}.pcapng", *settings, "--json", code=code))
    assert [(each.get("action", ""), each.get("reason", ""), each["a_number"]) for each in shown] == answers


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("map-locate", "8 answers of HLRs, 0 events of VLRs"),
        ("map-mobility", "0 answers of HLRs, 3 events of VLRs"),
        ("map-silent", ""),
        ("map-message", ""),
        ("map-others", ""),
        ("map-refused", ""),
        ("map-routing", ""),
        ("map-segmented", ""),
        ("map-subscription", ""),
    ],
)
def test_captures_of_map_alone_have_no_call_to_replay(settings: list[str], name: str, told: str) -> None:
    """What HLRs and VLRs say decides about calls; a capture without any says so, and is no success."""
    config = Path(settings[1])
    text = config.read_text(encoding="utf-8")
    text = text.replace("[[m3ua", '[sccp]\nglobal_title = "46700000001"\n[map]\ngateway = 190\n[[m3ua')
    config.write_text(text + 'ask_hlr = "needed"\n', encoding="utf-8")
    output = run("replay", PCAPS / f"{name}.pcapng", *settings, code=2)
    assert "no dialogue was replayed: " in output
    assert told in output
    assert "0 undecodable" in output


def test_a_replay_of_nothing_is_no_success(settings: list[str], tmp_path: Path) -> None:
    """Who lets a script compare a capture must not be told that all is the same where nothing was compared."""
    path = PCAPS / "cap2-steered.pcapng"
    output = run("replay", path, *settings, "--capture-ssn", "8", code=2)
    assert "no dialogue was replayed: " in output
    assert "messages for another subsystem: SSN 146, not 8" in output
    assert "--capture-ssn sets the gsmSCF's" in output
    other = tmp_path / "other.toml"
    other.write_text(Path(settings[1]).read_text(encoding="utf-8") + "\n[sccp]\nssn = 8\n", encoding="utf-8")
    words = ["-c", str(other), *settings[2:]]
    assert "SSN 146, not 8" in run("replay", path, *words, code=2)
    assert "same answer" in run("replay", path, *words, "--capture-ssn", "146")
    with (tmp_path / "none.pcap").open("wb") as file:
        PcapWriter(file)
    output = run("replay", tmp_path / "none.pcap", *settings, code=2)
    assert "no dialogue was replayed: there is no dialogue of CAP in the capture" in output


def test_the_page_needs_nothing_else(settings: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run("replay", PCAPS / "busy.pcapng", *settings, "--html", page, code=1)
    text = page.read_text(encoding="utf-8")
    text = text.replace("http://www.w3.org/", "")  # names of namespaces, which nobody asks for
    assert not re.search(r"(src|href)=|https?://|@import|url\(|^import|^export", text, re.MULTILINE)
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


def test_a_replay_is_as_strict_as_the_node(settings: list[str], tmp_path: Path) -> None:
    path = PCAPS / "mistyped.pcapng"
    assert "same answer" in run("replay", path, *settings)
    strict = tmp_path / "strict.toml"
    strict.write_text(CONFIG + "\n[engine]\nstrict = true\n", encoding="utf-8")
    [shown] = objects(run("replay", path, "-c", strict, *settings[2:], "--json", code=1))
    assert shown["ours"] == ["end: reject mistypedParameter"]


def counted(path: Path, settings: list[str]) -> str:
    """What `decode` counts, of which the first part is what `replay` counts."""
    ours = run("decode", path, "--lines").splitlines()[-1]
    done = CliRunner().invoke(app, ["replay", str(path), *settings])
    [theirs] = [each for each in done.output.splitlines() if " undecodable" in each]
    assert ours.startswith(theirs)
    return ours


def test_decode_and_replay_count_the_same(settings: list[str], tmp_path: Path) -> None:
    """Undecodable is what has no message; a message of which a part can't be read is decode's to count."""
    assert {
        name: counted(PCAPS / f"{name}.pcapng", settings)
        for name in ("malformed", "mistyped", "cap2-steered")
    } == {
        "malformed": "4 packets, 2 undecodable, 1 decoded in part",
        "mistyped": "2 packets, 0 undecodable, 1 decoded in part",
        "cap2-steered": "20 packets, 0 undecodable",
    }
    path = write(tmp_path / "odd.pcap", (0.0, True, b"\0\1\2"))
    assert counted(path, settings) == "1 packet, 1 undecodable"


class Refusing(BaseHTTPRequestHandler):
    """An API that knows no token."""

    def do_GET(self) -> None:
        body = b'{"type": "about:blank", "title": "Unauthorized", "status": 401}'
        self.send_response(401)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_node_that_refuses_the_token_or_is_not_there_is_said_before_the_replay(settings: list[str]) -> None:
    path, config = PCAPS / "released.pcapng", settings[:2]
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        output = run("replay", path, *config, "--store", url, "--token", "wrong", code=2)
        assert "the node does not show subscribers: 401 Unauthorized" in output
        assert "401" in run("explain", *config, "--b", "0701234567", "--store", url, code=2)
        server.shutdown()
    output = run("replay", path, *config, "--store", url, code=2)
    assert "same answer" not in output
    assert url.removeprefix("http://") in output or "refused" in output
