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

    def why_not_ready(self) -> list[str]:
        return []

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


async def told(down_after: float, consoles: int) -> list[tuple[float, dict[str, Any]]]:
    """Have a link go down; return how many seconds later each console was told, and what."""
    loop = asyncio.get_running_loop()
    board = StatusBoard(loop.time, lambda *_: None)
    board.expect("stp-a", "sctp")
    board.connection(LINK, "")
    node: Any = Node(board)
    calls = RecentCalls("scp-test", Numbering(country_code="46"), loop.time)
    own = Hub(node, calls, None, Nodes(None, lambda: state_of(node, None, 1, "", 0.0), loop.time), None)
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
