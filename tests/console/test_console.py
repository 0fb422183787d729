"""The console in a real browser, on a real node with a simulated MSC."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from console_node import HOSTILE, TOKENS, Served, clean, running_node
from console_tab import NEEDS_BROWSER, Tab, serious

from oracles.hlr_peer import with_hlr
from oracles.servers import free_tcp_port
from oracles.sigtran_pcap import pcap
from oracles.waiting import PATIENCE, wait_until
from scp.capture.decode import Decoder, Filter
from scp.capture.inputs import open_capture
from scp.console import nodes
from scp.store.open import membership_of, open_store
from ss7.cap.operations import BY_OPCODE as CAP
from ss7.map.operations import BY_OPCODE as MAP

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

PCAPS = Path(__file__).parents[2] / "pcaps"


@NEEDS_BROWSER
def test_a_call_is_found_opened_and_explained_in_three_clicks(tab: Tab, node: Served) -> None:
    node.call("--vlr", "491710000001", "--expect", "connect")
    page = tab.page
    page.click("nav >> text=Calls")
    page.fill("input[type=search]", "11234567")
    page.select_option("label:has-text('Switch') select", "46709000002")
    page.select_option("label:has-text('Service') select", "voip-forwarding")
    assert node.ask("GET", "/v1/attempts?number=11234567&switch=4670900")["attempts"] != []
    assert node.ask("GET", "/v1/attempts?number=11234567&switch=4670901")["attempts"] == []
    page.click(".calls tbody tr:first-child a")
    page.wait_for_selector("text=begin: initialDP")
    shown = page.inner_text("main")
    assert "connect, forwarded-roaming" in shown
    assert "The subscriber forwards calls while roaming, and is roaming." in shown
    assert "continue: requestReportBCSMEvent + connect" in shown
    page.wait_for_selector("text=How this call would be decided now")
    call = page.evaluate("location.hash").rpartition("/")[2]
    wait_until(lambda: node.ask("GET", f"/v1/attempts/{call}")["call"]["over"])
    detail = node.ask("GET", f"/v1/attempts/{call}")
    assert [each["sent"] for each in detail["messages"]][:2] == [False, True]
    assert detail["messages"][-1]["tcap"]["type"] == "end"
    assert detail["call"]["attempt"]["number"] == "990011234567"
    page.click("text=Trace 11234567 for ten minutes")
    page.click("text=End the trace of 11234567")
    page.wait_for_selector("text=Trace 11234567 for ten minutes")
    page.click(".arrow summary >> nth=1")
    page.wait_for_selector(".arrow >> nth=1 >> text=990011234567")
    assert serious(page) == []


@NEEDS_BROWSER
def test_what_the_overview_shows_is_what_the_api_says(tab: Tab, node: Served) -> None:
    msc = node.call("--vlr", "46709000001", "--load", "--rate", "10", "--duration", "600", background=True)
    try:
        tab.page.wait_for_selector(".box:has-text('connected, ASP active, AS active')")
        tab.page.wait_for_selector("td:has-text('at-home')")
        wait_until(lambda: node.ask("GET", "/v1/overview")["why_not_ready"] == [])
        health = node.ask("GET", "/v1/overview")
        assert any(each["reason"] == "at-home" for each in health["calls"])
        tab.page.wait_for_selector("text=takes calls")
        tab.page.wait_for_function(
            "() => (document.querySelector('.sparks polyline')?.getAttribute('points') || '').split(' ').length > 5"
        )
        msc.send_signal(signal.SIGSTOP)  # its host is up, and its association stays
        tab.page.wait_for_selector(".wrong li:has-text('No call comes'):has-text('Runbook')")
        msc.send_signal(signal.SIGCONT)
        tab.page.wait_for_selector(".wrong li:has-text('No call comes')", state="detached")
    finally:
        msc.kill()
        msc.wait(PATIENCE)
        msc.stdout.close()
    tab.page.wait_for_selector(".notice:has-text('no ASP is active')")
    for group, checks in node.ask("GET", "/v1/overview")["checks"].items():
        for each in checks:
            assert each["time"], group
            assert each["status"] == "pass" or each["check"], group
    tab.page.click(".box.fail >> nth=0")
    assert "What to check" in tab.page.inner_text("dialog")
    tab.page.keyboard.press("Escape")


@NEEDS_BROWSER
def test_a_subscriber_is_looked_up_changed_and_tried(tab: Tab, node: Served) -> None:
    page = tab.page
    page.click("nav >> text=Subscriber")
    page.fill("input[type=search]", "+1 1234567")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=sip:+11234567@voip.example")
    page.fill("label:has-text('VLR') input", "491710000001")
    page.click("text=Decide it")
    page.wait_for_selector(".steps .end:has-text('connect 9911234567, forwarded-roaming')")
    page.select_option("label:has-text('This number') select", "yes")
    page.fill("label:has-text('as dialled') input", "112")
    page.click("text=Decide it")
    own = {"a_number": "+11234567", "b_number": "112", "trigger": "originating", "vlr": "491710000001"}
    said = node.ask("POST", "/v1/decisions", own)
    page.wait_for_selector(f".steps .end:has-text('{said['action']}, {said['reason']}')")
    page.select_option("label:has-text('Forward') select", "always")
    page.wait_for_selector("dd:has-text('on, always')")
    assert node.ask("GET", "/v1/forwarding/11234567")["when"] == "always"
    page.select_option("label:has-text('Forward') select", "roaming")
    page.wait_for_selector("dd:has-text('on, roaming')")
    page.click("text=Switch forwarding off")
    page.wait_for_selector("text=Switch forwarding on")
    assert node.ask("GET", "/v1/forwarding/11234567")["enabled"] is False
    page.click("text=Switch forwarding on")
    page.wait_for_selector("text=Switch forwarding off")
    assert serious(page) == []

    def latest() -> list[str]:
        """The cells of the latest change: they come after the record that is shown."""
        row = page.inner_text("[aria-label='Recent changes'] tbody tr:first-child")
        return re.split(r"[\t\n]+", row.strip())[1:]

    wait_until(lambda: latest() == ["operator", "forwarding set", "forwarding", "false", "true"])


@NEEDS_BROWSER
def test_money_and_changes_are_shown_to_keys_of_their_scopes(phone: Tab, node: Served) -> None:
    number = "46701234500"
    asked = {"call_id": HOSTILE, "a_number": number, "b_number": "46850000001", "minutes": 5}
    page = phone.page
    page.goto(f"{node.url}/console#/subscriber?number={number}")
    page.click("button:text-is('Authorize')")
    page.wait_for_selector("text=End the authorization")
    page.fill("label:has-text('Add to the balance') input", "1200")
    page.click("button:text-is('Add')")
    page.wait_for_selector("dd:has-text('12.00 EUR')")
    reserved = node.ask("POST", "/v1/charging/reservations", asked)
    page.reload()
    page.wait_for_selector("[aria-label=Reservations] td:has-text('reserved')")
    assert page.inner_text("[aria-label=Reservations] td") == HOSTILE
    assert page.query_selector("main img") is None
    node.ask("POST", f"/v1/charging/reservations/{reserved['id']}/commit", {"used_seconds": 60})
    own = node.ask("GET", f"/v1/changes?number={number}")["changes"]
    assert [each["what"].split(" ")[0] for each in own] == ["commit", "reserve", "credit", "PUT"]
    assert {each["who"] for each in own} == {"operator"}
    assert (own[3]["before"], own[3]["after"]["authorized"]) == (None, True)
    read = node.ask("GET", f"/v1/changes?number={number}", token=TOKENS["reader"])["changes"]
    assert read == own[3:]


@NEEDS_BROWSER
def test_health_shows_alerts_with_their_runbook_and_what_the_file_says_otherwise(
    phone: Tab, node: Served
) -> None:
    page = phone.page
    file = node.folder / "scp.toml"
    before = file.read_text()
    file.write_text(
        before.replace('prefix = "99"', 'prefix = "98"').replace('country_code = "46"', 'country_code = "47"')
    )
    try:
        page.goto(f"{node.url}/console#/health")
        page.wait_for_selector("summary:has-text('ScpNoActiveAsp')")
        page.click("summary:has-text('ScpNoActiveAsp')")
        page.wait_for_selector(".runbook:has-text('Means')")
        page.wait_for_selector("text=changes with a reload (SIGHUP)")
        drift = node.ask("GET", "/v1/configuration")
        assert (sorted(drift["at_reload"]), drift["at_restart"], drift["faults"]) == (
            ["numbering", "services"],
            [],
            [],
        )
        file.write_text("[node]\n")
        assert any("point_code" in each for each in node.ask("GET", "/v1/configuration")["faults"])
    finally:
        file.write_text(before)
    assert node.ask("GET", "/v1/configuration")["at_reload"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@NEEDS_BROWSER
def test_what_was_discarded_is_shown_decoded(phone: Tab, node: Served) -> None:
    with socket.create_connection(("127.0.0.1", node.m3ua)) as peer:
        peer.sendall(bytes.fromhex("0100090900000008"))  # no such class (RFC 4666 §3.1.3)
        wait_until(lambda: node.ask("GET", "/v1/discards")["discards"])
        kinds = node.ask("GET", "/v1/discards")["discards"]
    page = phone.page
    page.click("nav >> text=Health")
    page.click(f"summary:has-text('{kinds[0]['reason']}')")
    page.click(".sample summary")
    page.click(".sample .fields button:has-text('message class')")
    assert page.inner_text(".sample .marked").strip() == "09"
    assert serious(page) == []


@NEEDS_BROWSER
def test_every_page_fits_is_accessible_and_shows_hostile_data_as_text(tab: Tab, node: Served) -> None:
    page = tab.page
    for place in ("overview", "calls", "subscriber", "captures", "health", "calls/%3Cimg%20src=x%3E"):
        page.goto(f"{node.url}/console#/{place}")
        page.wait_for_selector("h1")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.goto(f"{node.url}/console#/subscriber?number={HOSTILE}")
    page.wait_for_selector(".notice")
    page.goto(f"{node.url}/console#/calls?number={HOSTILE}&reason={HOSTILE}")
    page.wait_for_selector("h1:has-text('Calls')")
    assert page.query_selector("main img") is None


@NEEDS_BROWSER
def test_what_the_voip_service_tells_is_bounded_and_shown_as_text(phone: Tab, node: Served) -> None:
    page = phone.page
    node.call("--vlr", "491710000001", "--expect", "connect")
    page.click("nav >> text=Calls")
    page.click(".calls tbody tr:first-child a")
    page.wait_for_selector("text=begin: initialDP")
    event = {"call": HOSTILE, "time_ms": int(time.time() * 1000), "source": HOSTILE, "target": "SIP proxy"}
    event |= {"message": f"ended {HOSTILE}", "details": {HOSTILE: HOSTILE}, "number": "990011234567"}
    told = {"events": [event | {"call": f"{HOSTILE}{time.time()}"}]}
    assert node.ask("POST", "/v1/sip-events", told, TOKENS["voip"]) == {"wanted": True}
    page.click(f".arrow summary:has-text('{HOSTILE}')")
    assert page.inner_text(".arrow[open] dt") == HOSTILE
    assert page.query_selector("main img") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    for wrong in ({"events": [event] * 201}, {"events": [event | {"message": "x" * 200}]}, {"events": [{}]}):
        with pytest.raises(HTTPError) as caught:
            node.ask("POST", "/v1/sip-events", wrong, TOKENS["voip"])
        with caught.value as answered:
            assert answered.code == 422


@NEEDS_BROWSER
def test_a_capture_is_decoded_replayed_and_anonymised(phone: Tab, tmp_path: Path) -> None:
    page = phone.page
    page.click("nav >> text=Captures")
    page.set_input_files("input[type=file]", str(PCAPS / "busy.pcapng"))
    page.click("text=Decode")
    page.click("summary:has-text('begin: initialDP')")
    page.click(".fields button:has-text('serviceKey')")
    assert page.inner_text(".marked >> nth=0").strip() == "80"  # its tag (TS 29.078 §6.1.1)
    value = page.inner_text(".fields .chosen .mono")
    marked = page.eval_on_selector_all(".marked", "found => found.map(each => each.innerText.trim())")
    assert int("".join(marked[2:]), 16) == int(value)
    assert serious(page) == []
    page.focus("[aria-label=Octets]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".fields .chosen").startswith("calledPartyNumber")
    page.click(".octets pre span:text-is('62') >> nth=0")
    assert page.inner_text(".octets [role=status]") != ""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.click("text=Replay against this node")
    page.wait_for_selector(
        "summary:has-text('different answer, continue unknown-subscriber')"
    )  # open: it is alone
    page.wait_for_selector("p:has-text('The node answers continue where')")
    page.wait_for_selector(".arrow summary:has-text('· end: continue')")
    assert "The store has no record of the called number." in page.inner_text("main")
    with page.expect_download() as download:
        page.click("text=Download without numbers")
    download.value.save_as(tmp_path / "out.pcapng")
    assert b"\x64\x07\x21\x43" not in (tmp_path / "out.pcapng").read_bytes()
    assert (tmp_path / "out.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    (tmp_path / "nonsense.pcap").write_bytes(b"no capture")
    page.set_input_files("input[type=file]", str(tmp_path / "nonsense.pcap"))
    page.click("text=Decode")
    page.wait_for_selector(".notice[role=alert]:has-text('in it could be used: neither pcap nor pcapng')")
    (tmp_path / "other.pcap").write_bytes(pcap([])[0])
    page.set_input_files("input[type=file]", str(tmp_path / "other.pcap"))
    page.click("text=Decode")
    page.wait_for_selector(".notice[role=alert]:has-text('No SS7 message is in it: 0 packets')")


@NEEDS_BROWSER
def test_messages_and_conditions_are_told_in_words(phone: Tab, node: Served) -> None:
    messages = []
    for name in ("charged-v4", "map-locate", "cap3-forwarded", "released"):
        messages += Decoder(Filter()).show(open_capture(str(PCAPS / f"{name}.pcapng")))
    told = phone.page.evaluate(
        "async messages => { const { sentence } = await import('/console/story.js'); return messages.map(sentence); }",
        messages,
    )
    silent = [
        component
        for message, words in zip(messages, told, strict=True)
        for component in message.get("components", ())
        if component["type"] == "invoke" and not words
    ]
    assert silent == []
    assert any("46700000009 calls 46701234567" in each for each in told)
    assert "60 s may be talked, then it asks for more" in " ".join(told)
    assert any("the HLR says VLR 31651000000" in each for each in told)
    with urlopen(f"{node.url}/console/story.js", timeout=PATIENCE) as response:
        named = set(re.findall(r"^  (\w+): (?:a|\(\)) =>", response.read().decode(), re.MULTILINE))
    known = {each.name for each in (*CAP.values(), *MAP.values())}
    assert len(named) > 30
    assert named - known == set()


@NEEDS_BROWSER
def test_a_held_call_is_seen_and_released(browser: Any, node: Served) -> None:
    opened = Tab(browser, node.url, TOKENS["operator"])
    page = opened.page
    msc = node.call("--vlr", "491710000001", "--talk", "600", background=True)
    try:
        page.click("nav >> text=Calls")
        page.wait_for_selector("button:has-text('Release')")
        page.evaluate("window.confirm = () => true")
        page.click("button:has-text('Release')")
        page.wait_for_selector("text=This node holds no call.")
        output, _ = msc.communicate(timeout=PATIENCE)
        assert "releaseCall" in output
    finally:
        msc.kill()
        msc.wait(PATIENCE)
    opened.context.close()


def test_who_follows_events_and_ends_the_connection_is_followed_no_more(node: Served) -> None:
    host, port = node.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(
            f"GET /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKENS['reader']}\r\n\r\n".encode()
        )
        came = b""
        while b"event:" not in came:
            came += connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        for _ in range(100):  # what is on its way; an event comes each second
            if not connection.recv(65536):
                return
    pytest.fail("events are still sent")


async def enter_stranger(url: str) -> None:
    """Have a node that is named by markup be among those of a Redis for a minute."""
    now = int(time.time() * 1000)
    stranger = nodes.NodeState(HOSTILE, 9, "javascript:alert(1)", "1", "pass", (HOSTILE,), 0, 0, 0, 0, 0, now)
    store = open_store(url)
    await store.open()
    membership = membership_of(store)
    assert membership is not None
    await membership.renew(nodes.IDENTITY, nodes._encode(stranger), 60_000)
    await store.close()


def located(served: Served, number: str) -> bool:
    """Whether the HLR is there, and says where somebody is."""
    try:
        return bool(served.ask("GET", f"/v1/whereabouts/{number}")["vlr"])
    except HTTPError as error:
        error.close()
        return False


@NEEDS_BROWSER
def test_a_place_has_its_age_and_the_hlr_is_asked_where_somebody_is(browser: Any, tmp_path: Path) -> None:
    number, port = "46701111111", free_tcp_port()
    hlr = [sys.executable, "-m", "scp.cli", "hlr", "--to", f"127.0.0.1:{port}"]
    hlr += ["--subscriber", f"{number},vlr=31651000000,age=7"]
    with running_node(tmp_path, more=with_hlr(port), service='ask_hlr = "on"') as served:
        beside = subprocess.Popen(hlr, stdout=subprocess.DEVNULL, env=clean())
        try:
            wait_until(lambda: located(served, number))
            served.ask("PUT", f"/v1/authorizations/{number}", {})
            served.ask("PUT", f"/v1/roaming/{number}", {"roaming": True, "vlr": "31651000009"})
            opened = Tab(browser, served.url, TOKENS["operator"])
            opened.page.goto(f"{served.url}/console#/subscriber?number={number}")
            opened.page.wait_for_selector("dd:has-text('abroad VLR 31651000009 set'):has-text(' ago')")
            opened.page.click("text=Ask the HLR for the place")
            opened.page.wait_for_selector("[role=status]:has-text('VLR 31651000000'):has-text('7 min ago')")
            for called in map(str, range(46701111112, 46701111118)):  # asked anew: no answer is remembered
                served.ask("PUT", f"/v1/authorizations/{called}", {})
                served.ask("PUT", f"/v1/registrations/{called}", {"aor": "sip:b@voip.example"})
                served.ask("PUT", f"/v1/forwarding/{called}", {"enabled": True, "when": "roaming"})
                served.call("--b", f"00{called}", "--trigger", "originating")
                (attempt,) = served.ask("GET", f"/v1/attempts?number={called}")["attempts"]
                detail = served.ask("GET", f"/v1/attempts/{attempt['attempt']['id']}")
                begin, question, *_ = detail["messages"]
                assert begin["components"][0]["operation"] == "initialDP"
                assert (question["party"], question["sent"]) == ("HLR", True)
                assert begin["time_ms"] <= question["time_ms"]
            assert opened.faults == []
            opened.context.close()
        finally:
            beside.terminate()
            beside.wait(PATIENCE)


@NEEDS_BROWSER
def test_another_node_stands_beside_until_it_is_killed(phone: Tab, node: Served, tmp_path: Path) -> None:
    page = phone.page
    with running_node(tmp_path, node.store, "scp-twin", 2) as twin:
        page.wait_for_selector("[aria-label='Node scp-twin'] .pill:has-text('steers no calls')")
        assert page.get_attribute("[aria-label='Node scp-twin'] a", "href") == twin.url + "/console"
        assert "no ASP is active" in page.inner_text("[aria-label='Node scp-twin']")
        twin.ask("PUT", "/v1/authorizations/46701234599", {})
        wait_until(lambda: node.ask("GET", "/v1/changes?number=46701234599")["changes"])
        page.goto(f"{node.url}/console#/subscriber?number=46701234599")
        page.wait_for_selector("[aria-label='Recent changes'] td:has-text('operator at scp-twin')")
        page.click("nav >> text=Overview")
        twin.process.kill()
        page.wait_for_selector("[aria-label='Node scp-twin'] .pill:has-text('gone')")
    assert "does its process run" in page.inner_text("[aria-label='Node scp-twin']")
    assert page.query_selector("[aria-label='Node scp-console'] .pill:has-text('gone')") is None
    with ThreadPoolExecutor() as beside:  # playwright has an event loop in this thread
        beside.submit(asyncio.run, enter_stranger(node.store)).result()
    page.wait_for_selector(f"h3:has-text('{HOSTILE}')")
    assert page.query_selector("main img, main a[href^=javascript]") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
