"""Nodes on one Redis side by side: each knows the others, and within 2 s that one is gone."""

from __future__ import annotations

from scp.console import hub, nodes
from scp.console.nodes import Nodes, NodeState
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
