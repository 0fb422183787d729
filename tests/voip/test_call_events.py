"""What the brain tells of calls: nothing while nobody looks, then all of the calls that are followed, in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from oracles import virtual_time
from scp.client import ApiError, Call, Problem, Wanted
from scp.voip import call_events
from scp.voip.call_events import CallEvents
from scp.voip.calls import Note
from scp.voip.messages import Ended, InviteAsked


class Node:
    """What a node would say; the events that it has been told."""

    def __init__(self) -> None:
        self.wanted = False
        self.refuses = False
        self.requests = 0
        self.told: list[dict[str, Any]] = []

    async def send(self, call: Call[Any]) -> Any:
        self.requests += 1
        assert call.body is not None
        assert len(call.body) < 65_536
        if self.refuses:
            raise ApiError(Problem("about:blank", "no", 404))
        if self.wanted:
            self.told += msgspec.json.decode(call.body)["events"]
        return Wanted(self.wanted)


def invite(call: str, headers: str = "") -> tuple[Note, InviteAsked]:
    asked = InviteAsked(
        1, 1, f"{call}@192.0.2.7", "9946701234567", "voip.example", "192.0.2.7", diversion=headers
    )
    return Note(call, "46700000009", "46701234567", 0), asked


def ended(call: str) -> tuple[Note, Ended]:
    return Note(call, "", "", 0), Ended(call, "", "", "", 10, 20)


def play(body: Callable[[Node, CallEvents], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        node = Node()
        events = CallEvents(node, asyncio.get_running_loop().time)  # type: ignore[arg-type]
        await body(node, events)
        events.stop()

    virtual_time.run(main())


def test_nothing_is_told_until_somebody_looks_and_then_what_came_before_too() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        events.invited(*invite("one"), "gateway")
        await asyncio.sleep(2.5)
        assert (node.told, node.requests) == ([], 3)
        node.wanted = True
        await asyncio.sleep(2)
        events.went_on(*ended("one"))
        await asyncio.sleep(1)
        assert [(each["call"], each["message"]) for each in node.told] == [("one", "INVITE"), ("one", "BYE")]
        asked = node.requests
        await asyncio.sleep(60)
        assert node.requests == asked  # no call, no question

    play(body)


def test_what_nobody_wants_is_forgotten_after_some_seconds() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        events.invited(*invite("one"), "gateway")
        await asyncio.sleep(call_events.KEEP + 3)
        asked = node.requests
        await asyncio.sleep(60)
        assert node.requests == asked
        assert node.told == []

    play(body)


def test_so_many_calls_a_second_are_followed_in_requests_that_the_node_takes() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        node.wanted = True
        for number in range(100):
            events.invited(*invite(str(number), "<sip:%C3%BC@x>" * 200), "gateway")
        for number in range(100):
            events.went_on(*ended(str(number)))
        await asyncio.sleep(10)
        calls = [each["call"] for each in node.told]
        assert sorted(calls, key=int) == sorted([str(each) for each in range(call_events.RATE)] * 2, key=int)
        assert node.requests > 1
        events.invited(*invite("later"), "gateway")
        await asyncio.sleep(3)
        assert node.told[-1]["call"] == "later"

    play(body)


def test_a_node_that_keeps_no_events_is_left_alone() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        node.refuses = True
        for number in range(10):
            events.invited(*invite(str(number)), "gateway")
            await asyncio.sleep(1)
        assert node.requests == 1
        assert not node.told

    play(body)
