"""A call that goes to the VoIP service is one ladder at the node's console: SS7 and SIP, with its records."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from real_node import TOKEN
from test_roaming_call import ALICE, FOREIGN, ask, registered
from voip_lab import Lab, Sipp, unavailable

from oracles.waiting import wait_until
from scp import client
from scp.simulator.scenario import Scenario

sys.path.append(str(Path(__file__).parents[1] / "console"))

from console_tab import NEEDS_BROWSER, Tab, chromium

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
REFERENCE = bytes.fromhex("0c0d0e0f")


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.troubles()
    yield shared_lab
    assert shared_lab.troubles() == []


@pytest.fixture
def tab(lab: Lab) -> Iterator[Tab]:
    with chromium() as browser:
        opened = Tab(browser, f"http://127.0.0.1:{lab.node.settings['api']}", TOKEN)
        yield opened
        assert opened.faults == []


def beside(run: Callable[..., Any], *given: Any) -> Any:
    """Do something in another thread: playwright has an event loop in this one."""
    with ThreadPoolExecutor() as thread:
        return thread.submit(run, *given).result()


def steered(lab: Lab) -> tuple[int, Sipp, str]:
    """Have a device registered that will answer, and the switch ask."""
    phone = lab.bound("alice-phone", ALICE)
    wait_until(lambda: registered(lab, ALICE))
    answers = lab.device("answers", phone, pause=200)
    return phone, answers, ask(lab, FOREIGN, call_reference=REFERENCE).answer.number


def talked(lab: Lab, phone: int, answers: Sipp, number: str) -> None:
    """Have the gateway call that number, and all of it be over."""
    reference = f"{REFERENCE.hex()};msc={Scenario().msc}"
    lab.gateway_calls(number, reference=reference, caller="46700000099").ended()
    answers.ended()
    lab.unbind("alice-phone", ALICE, phone)


@NEEDS_BROWSER
def test_a_steered_call_shows_both_its_halves_and_what_is_recorded(lab: Lab, tab: Tab) -> None:
    page = tab.page
    phone, answers, number = beside(steered, lab)
    page.click("nav >> text=Calls")
    page.click(".calls tbody tr:first-child a")
    page.wait_for_selector("summary:has-text('begin: initialDP')")
    beside(talked, lab, phone, answers, number)
    page.evaluate(f"window.open('#/subscriber?number={ALICE}', '_self')")
    page.wait_for_selector("li:has-text('alice-tablet') .pill:has-text('active')")
    page.go_back()
    node = f"http://127.0.0.1:{lab.node.settings['api']}"
    with client.Client(node, "wrong") as stranger, pytest.raises(client.ApiError, match="401"):
        stranger.send(client.Call("GET", f"/v1/devices/{ALICE}", client.Reader(dict[str, Any])))
    for shown in ("INVITE", "decided: rings-devices", "180 Ringing", "200 OK", "ACK", "BYE"):
        page.wait_for_selector(f".arrow summary:has-text('{shown}')")
    page.wait_for_selector("summary:has-text('SIP leg: 46700000099')")
    page.wait_for_selector("summary:has-text('attempt: connect 990011234567')")
    rungs = page.eval_on_selector_all(".arrow summary", "found => found.map(each => each.innerText)")
    order = [
        at
        for at, text in enumerate(rungs)
        for word in ("initialDP", "INVITE", "200 OK", "BYE")
        if word in text
    ]
    assert order[0] == min(order)
    attempt = page.evaluate("location.hash").rpartition("/")[2]
    detail = lab.api.send(client.Call("GET", f"/v1/attempts/{attempt}", client.Reader(dict[str, Any])))
    whole = [(each["source"], each["message"], each["target"]) for each in detail["sip"] if each["octets"]]
    gateway, proxy, devices = detail["sip"][0]["source"], "SIP proxy", "devices"
    went = iter(whole)
    for expected in (
        (gateway, "INVITE", proxy),
        (proxy, "INVITE", devices),
        (devices, "180 Ringing", proxy),
        (proxy, "180 Ringing", gateway),
        (devices, "200 OK", proxy),
        (proxy, "200 OK", gateway),
        (gateway, "ACK", proxy),
        (proxy, "ACK", devices),
    ):
        assert expected in went, whole  # in this order
    sent = next(each for each in detail["sip"] if (each["source"], each["message"]) == (proxy, "INVITE"))
    assert b"Record-Route: <sip:" in bytes.fromhex(sent["octets"])
    page.click(".arrow > summary:has-text('SIP proxy → devices'):has-text('INVITE')")
    page.click(".fields button:has-text('Call-ID')")
    marked = "".join(
        page.eval_on_selector_all(".marked", "found => found.map(each => each.innerText.trim())")
    )
    assert bytes.fromhex(marked).startswith(b"Call-ID: ")
    tab.picture("call", 2100)
    assert detail["sip"][0]["details"]["X-Call-Reference"] == f"{REFERENCE.hex()};msc={Scenario().msc}"
    assert detail["sip"][1]["details"]["why"] == "The called subscriber's devices ring."
    kept = lab.api.send(client.Call("GET", f"/v1/attempts/{attempt}/records", client.Reader(dict[str, Any])))
    assert [each["kind"] for each in kept["records"]] == ["attempt", "voip"]
    assert len({each["call_reference"] for each in kept["records"]}) == 1
