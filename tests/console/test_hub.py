"""What an open console is told, and when: the hub on a loop whose time is its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from oracles import virtual_time
from scp.charging.fault_state import FaultState
from scp.console import hub
from scp.console.hub import Hub
from scp.console.nodes import Nodes
from scp.console.recent_calls import RecentCalls
from scp.console.views import state_of
from scp.domain.numbers import Numbering
from scp.engine.status import StatusBoard

LINK: Any = SimpleNamespace(name="stp-a")


class Node:
    """`scp.api.context.NodeView` of a node that has one link and nothing else."""

    name = "scp-test"
    store: Any = SimpleNamespace(usable=lambda: "")
    store_fault = FaultState(lambda _: None)

    def __init__(self, board: StatusBoard) -> None:
        self._board = board
        self.reasons: list[str] = []

    def why_not_ready(self) -> list[str]:
        return self.reasons

    def subsystems(self) -> dict[str, Any]:
        return {}

    def components(self) -> list[Any]:
        return []

    def links(self) -> Any:
        return self._board.links.values()

    def watch_calls(self, calls: RecentCalls | None) -> None:
        """No calls come."""


def associations(event: bytes) -> list[dict[str, Any]]:
    """The associations that an event's snapshot has."""
    name, data = event.decode().split("\n")[:2]
    assert name == "event: overview"
    found: list[dict[str, Any]] = json.loads(data.removeprefix("data: "))["checks"]["m3ua:association"]
    return found


def hub_of(node: Any) -> Hub:
    """A hub of that node alone."""
    loop = asyncio.get_running_loop()
    calls = RecentCalls("scp-test", Numbering(country_code="46"), loop.time)
    return Hub(node, calls, None, Nodes(None, lambda: state_of(node, None, 1, "", 0.0), loop.time), None)


async def told(down_after: float, consoles: int) -> list[tuple[float, dict[str, Any]]]:
    """Have a link go down; return how many seconds later each console was told, and what."""
    loop = asyncio.get_running_loop()
    board = StatusBoard(loop.time, lambda *_: None)
    board.expect("stp-a", "sctp")
    board.connection(LINK, "")
    node: Any = Node(board)
    own = hub_of(node)
    context: Any = SimpleNamespace(node=node)
    down = loop.time() + down_after
    loop.call_at(down, board.connection, LINK, "the peer closed it")

    async def look() -> tuple[float, dict[str, Any]]:
        async with contextlib.aclosing(own.events(context, 0, 0.0, lambda: True)) as events:
            async for event in events:
                (found,) = associations(event)
                assert (found["status"] == "fail") == (loop.time() >= down)
                if found["status"] == "fail":
                    return loop.time() - down, found
        raise AssertionError("the stream ended")

    try:
        return list(await asyncio.gather(*[look() for _ in range(consoles)]))
    finally:
        await own.stop()


@pytest.mark.parametrize("down_after", [0.13, 0.74, 1.01, 2.6])
def test_a_link_that_goes_down_is_told_to_every_console_within_two_seconds_in_words(
    down_after: float,
) -> None:
    found = virtual_time.run(told(down_after, 5))
    assert len(found) == 5
    for seconds, shown in found:
        assert seconds <= hub.OVERVIEW_EVERY * hub.TICK + 0.01 < 2
        assert shown["componentId"] == "stp-a"
        assert shown["observedValue"] == "not connected"
        assert shown["lastError"] == "the peer closed it"
        assert "address" in shown["check"]


async def told_that_it_is_not_ready(after: float) -> tuple[float, float, int]:
    """Have a store hang and come back a second later; return how late both are told, and how many events came."""
    loop = asyncio.get_running_loop()
    node: Any = Node(StatusBoard(loop.time, lambda *_: None))
    own, context, events = hub_of(node), SimpleNamespace(node=node), 0
    wrong, right = loop.time() + after, loop.time() + after + 1
    loop.call_at(wrong, node.reasons.append, "store: redis: no answer for 1 s")
    loop.call_at(right, node.reasons.clear)
    late: list[float] = []
    try:
        async with contextlib.aclosing(own.events(context, 0, 3.0, lambda: True)) as stream:  # type: ignore[arg-type]
            async for event in stream:
                events += 1
                notes = json.loads(event.decode().split("\n")[1].removeprefix("data: "))["why_not_ready"]
                if notes == ([] if late else ["store: redis: no answer for 1 s"]) and len(late) < 2:
                    late.append(loop.time() - (right if late else wrong))
    finally:
        await own.stop()
    return late[0], late[1], events


@pytest.mark.parametrize("after", [0.02, 0.13, 0.74, 1.01])
def test_that_a_node_takes_no_calls_is_told_with_the_next_tick(after: float) -> None:
    """What has hung for a second, the store's deadline, is shown within two."""
    wrong, right, events = virtual_time.run(told_that_it_is_not_ready(after))
    assert 0 <= wrong <= hub.TICK + 0.01
    assert 0 <= right <= hub.TICK + 0.01
    assert events <= 3 / (hub.TICK * hub.OVERVIEW_EVERY) + 3  # no stream is written to more often for it
