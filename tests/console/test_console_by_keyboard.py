"""Every page by keyboard alone, from signing in to what the page is for; what has the focus is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_node import TOKENS, Served
from console_tab import NEEDS_BROWSER, Tab

from oracles.waiting import wait_until

pytestmark = NEEDS_BROWSER
BUSY = Path(__file__).parents[2] / "pcaps" / "busy.pcapng"
FOCUSED = """() => { const each = document.activeElement;
  return [each.tagName, each.innerText || (each.labels && each.labels.length ? each.labels[0].innerText : "") || each.getAttribute("aria-label") || "",
    getComputedStyle(each).outlineStyle]; }"""


@pytest.fixture
def keys(browser: Any, node: Served) -> Iterator[Tab]:
    """A console that was signed in to with keys alone, and whose mouse is not touched."""
    opened = Tab(browser, node.url, TOKENS["operator"])
    for name in ("click", "fill", "select_option", "focus", "set_input_files"):
        setattr(opened.page, name, None)  # calling one of them fails
    yield opened
    opened.close()


def tab_to(page: Any, tag: str, words: str, key: str = "Tab") -> None:
    """Press Tab until an element that says these words has the focus, and shows that it has."""
    for _ in range(200):
        page.keyboard.press(key)
        found, text, outline = page.evaluate(FOCUSED)
        if found == tag and words in text:
            assert outline == "solid"
            return
    raise AssertionError(f"Tab does not come to {words}")


def go_to(page: Any, name: str) -> None:
    """Open a page of the console."""
    tab_to(page, "A", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"h1:has-text('{name}')")


def test_the_overview_tells_what_to_check_and_leads_to_the_runbook(keys: Tab) -> None:
    page = keys.page
    page.wait_for_selector(".box.fail:has-text('msc')")
    tab_to(page, "BUTTON", "msc")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] dt:has-text('What to check')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert "msc" in page.evaluate(FOCUSED)[1]  # the focus is where it was
    tab_to(page, "A", "Runbook", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Runbook: ScpAssociationDown')")


def test_a_call_is_found_and_read(keys: Tab, node: Served) -> None:
    page = keys.page
    node.call("--vlr", "491710000001", "--expect", "connect")
    go_to(page, "Calls")
    tab_to(page, "INPUT", "Number")
    page.keyboard.type("11234567")
    page.wait_for_selector(".calls tbody tr")
    tab_to(page, "A", page.inner_text(".calls tbody tr:first-child a"))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=begin: initialDP")
    tab_to(page, "SUMMARY", "begin: initialDP")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fields")
    tab_to(page, "BUTTON", "serviceKey")
    page.keyboard.press("Enter")
    assert page.inner_text(".octets [role=status]").startswith("serviceKey")
    tab_to(page, "PRE", "0000")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".fields .chosen").startswith("calledPartyNumber")
    page.wait_for_selector("button:has-text('Trace 11234567')")
    tab_to(page, "BUTTON", "Trace 11234567", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=End the trace of 11234567")
    page.keyboard.press("Space")
    page.wait_for_selector("text=Trace 11234567 for ten minutes")


def test_a_held_call_is_released(keys: Tab, node: Served) -> None:
    page = keys.page
    msc = node.call("--vlr", "491710000001", "--talk", "600", background=True)
    page.on("dialog", lambda dialog: (keys.faults.remove(dialog.message), dialog.accept()))
    go_to(page, "Calls")
    page.wait_for_selector("button:has-text('Release')")
    tab_to(page, "BUTTON", "Release")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=This node holds no call.")
    output, _ = msc.communicate()
    assert "releaseCall" in output


def test_a_subscriber_is_looked_up_changed_and_tried(keys: Tab, node: Served) -> None:
    page = keys.page
    go_to(page, "Subscriber")
    tab_to(page, "INPUT", "Number, E.164")
    page.keyboard.type("11234567")
    page.keyboard.press("Enter")
    page.wait_for_selector("dd:has-text('on, roaming')")
    tab_to(page, "SELECT", "while roaming")
    page.keyboard.press("ArrowUp")
    page.wait_for_selector("dd:has-text('on, always')")
    assert node.ask("GET", "/v1/forwarding/11234567")["when"] == "always"
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("dd:has-text('on, roaming')")
    for before, after in (("off", "on"), ("on", "off")):
        tab_to(page, "BUTTON", f"Switch forwarding {before}")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"text=Switch forwarding {after}")
    tab_to(page, "INPUT", "VLR number")
    page.keyboard.type("46709000001")
    page.keyboard.press("Enter")
    page.wait_for_selector(".steps .end:has-text('continue, at-home')")


def test_a_capture_is_chosen_decoded_and_replayed(keys: Tab) -> None:
    page = keys.page
    go_to(page, "Captures")
    tab_to(page, "INPUT", "Capture, chosen")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(BUSY))
    page.wait_for_selector("button:text-is('Decode'):enabled")
    tab_to(page, "BUTTON", "Decode")
    page.keyboard.press("Enter")
    page.wait_for_selector("summary:has-text('begin: initialDP')")
    tab_to(page, "SUMMARY", "begin: initialDP")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fields")
    tab_to(page, "BUTTON", "serviceKey")
    page.keyboard.press("Space")
    assert page.inner_text(".octets [role=status]").startswith("serviceKey")
    tab_to(page, "BUTTON", "Replay against this node", "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("summary:has-text('different answer')")
    with page.expect_download() as download:
        tab_to(page, "BUTTON", "Download without numbers")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "busy-anonymised.pcapng"


def test_an_alert_and_its_runbook_section_are_read(keys: Tab, node: Served) -> None:
    page = keys.page
    wait_until(lambda: node.ask("GET", "/v1/alerts")["alerts"])
    go_to(page, "Health")
    page.wait_for_selector("summary:has-text('ScpNoActiveAsp')")
    tab_to(page, "SUMMARY", "ScpNoActiveAsp")
    page.keyboard.press("Enter")
    page.wait_for_selector("details[open] .runbook:has-text('Means')")
    tab_to(page, "A", "Runbook section")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Runbook: ScpNoActiveAsp')")


def test_a_session_is_ended(keys: Tab) -> None:
    page = keys.page
    tab_to(page, "BUTTON", "Sign out")
    page.keyboard.press("Enter")
    page.wait_for_selector("input[type=password]:focus")
