"""What the brain tells of calls: nothing while nobody looks, then all of the calls that are followed, in pieces."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from oracles import virtual_time
from scp.client import ApiError, Call, Problem, Wanted
from scp.console.sip_calls import SipCalls, SipEvent
from scp.voip import call_events
from scp.voip.call_events import CallEvents
from scp.voip.calls import Note
from scp.voip.messages import Ended, InviteAsked, Traced


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


def sip(call: str, text: str, way: str = "in", peer: str = "192.0.2.7", at: str = "0.5") -> Traced:
    octets = base64.b64encode(text.replace("\n", "\r\n").encode()).decode()
    return Traced(f"{call}%40192.0.2.7", at, way, peer, 5060, octets)


def test_messages_of_a_followed_call_are_told_as_they_came_and_went() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        note, asked = invite("one")
        events.invited(note, asked, "gateway")
        assert events.traces(note)  # somebody may look: nobody has asked for long
        await asyncio.sleep(1.5)
        assert not events.traces(note)
        node.wanted = True
        await asyncio.sleep(1.5)
        second, asked = invite("two")
        events.invited(second, asked, "gateway")
        assert events.traces(second)
        events.traced(
            sip("two", "INVITE sip:1@x SIP/2.0\nFrom: ä\n\n", at="3.25")
        )  # told once it was decided
        events.traced(sip("two", "SIP/2.0 180 Ringing\n\n", peer="192.0.2.99", at="3.5"))
        events.traced(sip("two", "BYE sip:1@x SIP/2.0\n" + "x" * 9000, "out", "192.0.2.99", "nonsense"))
        events.traced(Traced("two%40192.0.2.7", "1", "in", "192.0.2.7", 5060, "x"))
        events.traced(sip("two", 'ACK x SIP/2.0\nProxy-Authorization: Digest response="0a1b", x=1\n\n'))
        events.traced(sip("two", "ACK x SIP/2.0\n\na=crypto:1 A inline:d0RmdmcmVCspeEc3|2^20\n"))
        events.traced(sip("nobody's", "INVITE sip:1@x SIP/2.0\n\n"))
        await asyncio.sleep(2)
        told = [each for each in node.told if "first line" in each.get("details", {})]
        assert [(each["source"], each["message"], each["target"]) for each in told] == [
            ("gateway", "INVITE", "SIP proxy"),
            ("devices", "180 Ringing", "SIP proxy"),
            ("SIP proxy", "BYE", "devices"),
            ("gateway", "", "SIP proxy"),
            ("gateway", "ACK", "SIP proxy"),
            ("gateway", "ACK", "SIP proxy"),
        ]
        assert b'response="****", x=1' in bytes.fromhex(told[4]["octets"])
        assert b"inline:****************|2^20" in bytes.fromhex(told[5]["octets"])
        assert bytes.fromhex(told[0]["octets"]).decode() == "INVITE sip:1@x SIP/2.0\r\nFrom: ä\r\n\r\n"
        assert [each["time_ms"] for each in told] == [3000, 3500, 3000, 1000, 500, 500]
        assert len(told[2]["octets"]) == 2 * call_events.MOST_OCTETS
        kept = SipCalls()
        kept.take(msgspec.convert(told, list[SipEvent]))
        kept.take(msgspec.convert(told, list[SipEvent]))
        (events_kept,) = [call.events for call in kept._calls.values()]
        assert len(events_kept) == 6

    play(body)


def test_a_node_that_keeps_no_events_is_left_alone() -> None:
    async def body(node: Node, events: CallEvents) -> None:
        node.refuses = True
        for number in range(10):
            note, asked = invite(str(number))
            events.invited(note, asked, "gateway")
            assert events.follows(note)
            assert events.traces(note) == (number == 0)  # nobody can look: no message is told in vain
            await asyncio.sleep(1)
        assert node.requests == 1
        assert not node.told

    play(body)
