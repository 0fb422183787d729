"""Nodes on one Redis side by side: each knows the others, and within 2 s that one is gone."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from console_node import HOSTILE, TOKENS, running_node
from console_tab import NEEDS_BROWSER, Tab, chromium

from oracles import redis_lab
from scp.console import hub, nodes
from scp.console.nodes import Nodes, NodeState
from scp.store.open import membership_of, open_store
from scp.store.redis_membership import Member


def state(name: str, time_ms: int, status: str = "pass") -> NodeState:
    return NodeState(name, 1, "http://127.0.0.1:1", "1", status, (), 0, 0, 0, 0, 0, time_ms)


def told(*states: NodeState) -> list[Member]:
    return [Member(nodes._encode(each), each.time_ms + nodes.EXPIRES_MS) for each in states]


def presences(found: Nodes) -> dict[str, str]:
    return {each.state.name: each.presence for each in found.views()}


def test_a_node_that_is_killed_is_shown_as_gone_within_two_seconds() -> None:
    until_known = nodes.EXPIRES_MS / 1000 + nodes.RENEW + hub.TICK
    assert until_known < 2
    now = [1000.0]
    me = state("me", 0)
    found = Nodes(None, lambda: me, lambda: now[0])
    found.take(told(me, state("twin", 5), state("twin", 7), state("other", 5)), me)
    assert presences(found) == {"me": "self", "twin": "here", "other": "here"}
    assert next(each for each in found.views() if each.state.name == "twin").state.time_ms == 7
    now[0] = 1001.0
    found.take(told(me, state("other", 9, "stopped"), state("other", 8)), me)
    assert presences(found) == {"me": "self", "twin": "gone", "other": "stopped"}
    gone = next(each for each in found.views() if each.state.name == "twin")
    assert gone.since_ms == 1_001_000
    found.take([*told(me, state("twin", 20)), Member(b"another release's", 1)], me)
    assert presences(found) == {"me": "self", "twin": "here", "other": "stopped"}
    assert found.revision == 5  # twin and other came, one went, one stopped, one came back


async def enter_stranger(url: str) -> None:
    """Have a node that is named by markup be among those of a Redis for a minute."""
    store = open_store(url)
    await store.open()
    membership = membership_of(store)
    assert membership is not None
    await membership.renew(nodes.IDENTITY, nodes._encode(state(HOSTILE, int(time.time() * 1000))), 60_000)
    await store.close()


@NEEDS_BROWSER
def test_two_nodes_and_one_that_is_killed(tmp_path: Path) -> None:
    with redis_lab.single(tmp_path) as redis, chromium() as browser:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        with (
            running_node(tmp_path / "a", redis.url, "scp-a", 1) as first,
            running_node(tmp_path / "b", redis.url, "scp-b", 2) as twin,
        ):
            tab = Tab(browser, first.url, TOKENS["operator"], viewport={"width": 390, "height": 844})
            page = tab.page
            page.wait_for_selector("[aria-label='Node scp-b'] .pill:has-text('does not work')")
            assert page.get_attribute("[aria-label='Node scp-b'] a", "href") == twin.url + "/console"
            assert "no ASP is active" in page.inner_text("[aria-label='Node scp-b']")
            twin.process.kill()
            page.wait_for_selector("[aria-label='Node scp-b'] .pill:has-text('gone')")
            assert "does its process run" in page.inner_text("[aria-label='Node scp-b']")
            assert page.inner_text("[aria-label='Node scp-a'] .pill") == "does not work"
            with ThreadPoolExecutor() as beside:  # playwright has an event loop in this thread
                beside.submit(asyncio.run, enter_stranger(redis.url)).result()
            page.wait_for_selector(f"h3:has-text('{HOSTILE}')")
            assert page.query_selector("main img") is None
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert tab.faults == []
            tab.context.close()
