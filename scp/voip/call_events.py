"""What happens to calls, told to the node while somebody looks at its console.

Followed are 20 calls a second at the most. While somebody looks, Kamailio tells each SIP message of those
that come, as it came and went; answers to challenges and keys of media are masked. An event costs such a call
an entry in a bounded list. Words are made of it when it is sent, and it is sent while the node says that
somebody looks. Otherwise the node is asked once a second, while there are calls, whether somebody does by
now; events that are older than `KEEP` are forgotten.
"""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64decode
from collections import deque
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, final

import msgspec
from msgspec.structs import replace

from scp.client import ApiError, SipEvent, TransportError, tell_sip_events
from scp.voip.decision import Plan
from scp.voip.messages import Answered, Ended, Failed, InviteAsked, Traced, plain, precise
from scp.voip.reason import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.voip.calls import Note
    from scp.voip.decision import Step
    from scp.voip.messages import Freed
    from scp.voip.scp_link import ScpLink

MOST: Final = 2000
"""Events that wait; the oldest is forgotten for a new one."""
AT_ONCE: Final = 200
"""Events in a request, at the most."""
OCTETS: Final = 48_000
"""Octets of a request, and one event more: the node takes 65,536 (``api.max_body``)."""
RATE: Final = 20
"""Calls a second that are followed."""
KEEP: Final = 5.0
"""Seconds that an event is kept while nobody looks."""
SOON: Final = 0.25
"""Seconds from an event to its request: those that come meanwhile go with it."""
PROBE: Final = 1.0
"""Seconds between two questions whether somebody looks."""
REST: Final = 30.0
"""Seconds that the node is left alone after it has refused a request, or not answered one."""

_encode: Final = msgspec.json.Encoder().encode
PROXY: Final = "SIP proxy"
NODE: Final = "gsmSCF (node)"
DEVICES: Final = "devices"
GATEWAY: Final = "gateway"

MOST_OCTETS: Final = 4096
"""Octets of a SIP message that are told; what is behind them is not."""
_SECRET: Final = re.compile(rb"(\bresponse\s*=\s*\"?|\binline:)([^\",;|\s]+)", re.IGNORECASE)
"""What answers a challenge (RFC 8760 §2.6), and keys of media (RFC 4568 §6.1)."""

Event: TypeAlias = "InviteAsked | Plan | Answered | Freed | Ended | Failed | Traced | int"
"""What happened; a number: so many seconds were granted."""


@final
class CallEvents:
    """Events of calls on their way to the node.

    Args:
        scp: the node.

        clock: seconds since 1970.

    Attributes:
        forgotten: events that came while too many waited.
    """

    def __init__(self, scp: ScpLink, clock: Callable[[], float] = time.time) -> None:
        self.forgotten = 0
        self._scp = scp
        self._clock = clock
        self._allowance, self._refilled = float(RATE), clock()
        self._followed: dict[str, None] = {}
        self._by_call_id: dict[str, tuple[Note, str, str, float | None]] = {}
        self._waiting: deque[tuple[float, Note, Event, str]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wanted = False
        self._heard = -inf  # when the node has said whether somebody looks

    def stop(self) -> None:
        """Tell nothing more."""
        if self._task is not None:
            self._task.cancel()

    def invited(self, note: Note, asked: InviteAsked, source: str) -> None:
        """A call came from a trunk or a device: it is followed, if not too many are."""
        now = self._clock()
        self._allowance = min(RATE, self._allowance + RATE * (now - self._refilled))
        self._refilled = now
        if self._allowance < 1:
            return
        self._allowance -= 1
        if len(self._followed) == MOST:
            del self._followed[next(iter(self._followed))]
        self._followed[note.call] = None
        if len(self._by_call_id) == MOST:
            del self._by_call_id[next(iter(self._by_call_id))]
        self._by_call_id[plain(asked.call_id)] = note, asked.src, source or GATEWAY, now
        self._add(note, asked, source)

    def follows(self, note: Note) -> bool:
        """Whether what happens to a call is kept for whoever may look."""
        return note.call in self._followed

    def traces(self, note: Note) -> bool:
        """Whether each message of a call is to be told: it is followed, and somebody looks, or may by now."""
        unknown = self._clock() - self._heard > 2 * PROBE
        return (self._wanted or unknown) and note.call in self._followed

    def traced(self, message: Traced) -> None:
        """Kamailio told a message of a call; the first is its INVITE, which came when it was asked about."""
        name = plain(message.id)
        found = self._by_call_id.get(name)
        if found is None:
            return
        note, address, source, invited = found
        if invited is not None:
            self._by_call_id[name] = note, address, source, None
            message = replace(message, at=f"{invited:.6f}")
        party = source if message.peer == address else GATEWAY if source != GATEWAY else DEVICES
        self._keep(note, message, party)

    def minutes(self, note: Note, seconds: int) -> None:
        """The node granted a call so many seconds; 0: none."""
        self._add(note, seconds)

    def decided(self, note: Note, plan: Plan) -> None:
        """It was decided what is to happen to a call."""
        self._add(note, plan)

    def went_on(self, note: Note, event: Answered | Freed | Ended | Failed) -> None:
        """A call was answered, goes to the mobile, or is over."""
        self._add(note, event)

    def _add(self, note: Note, event: Event, source: str = "") -> None:
        if note.call not in self._followed:
            return
        if isinstance(event, Ended | Failed):
            del self._followed[note.call]
        self._keep(note, event, source)

    def _keep(self, note: Note, event: Event, source: str) -> None:
        if len(self._waiting) == MOST:
            self._waiting.popleft()
            self.forgotten += 1
        self._waiting.append((self._clock(), note, event, source))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Send what waits, until nothing does."""
        try:
            pause = SOON
            while self._waiting:
                await asyncio.sleep(pause)
                pause = await self._send()
        finally:
            self._task = None

    async def _send(self) -> float:
        """Send some of it, or ask whether to; return after how many seconds to go on."""
        batch = list(islice(self._waiting, AT_ONCE)) if self._wanted else []
        events: list[SipEvent] = []
        octets = 0
        for each in batch:
            if octets > OCTETS:
                break
            events.append(sip_event(*each))
            octets += len(_encode(events[-1]))
        try:
            answer = await self._scp.send(tell_sip_events(events))
        except (ApiError, TransportError):
            self._wanted = False
            self._waiting.clear()  # it keeps no events: an older version, no console, or a scope is missing
            self._heard = self._clock() + REST  # nobody looks until it is asked again
            await asyncio.sleep(REST)
            return SOON
        was, self._wanted, self._heard = self._wanted, answer.wanted, self._clock()
        if not answer.wanted:
            oldest = self._clock() - KEEP
            while self._waiting and self._waiting[0][0] < oldest:
                self._waiting.popleft()
            return PROBE
        if was:
            for each in batch[: len(events)]:
                if self._waiting and self._waiting[0] is each:
                    self._waiting.popleft()
        return SOON


def sip_event(when: float, note: Note, event: Event, source: str) -> SipEvent:
    """Return what the node is told of one thing that happened."""
    ms = int(when * 1000)
    if isinstance(event, InviteAsked):
        return SipEvent(
            note.call,
            ms,
            (source or GATEWAY)[:64],
            PROXY,
            "INVITE",
            _said(event),
            number=plain(event.to)[:64],
            call_reference=note.reference,
            msc_address=note.msc,
        )
    if isinstance(event, Traced):
        return _message(note, event, source, precise(event.at, int(when)) or when)
    if isinstance(event, int):
        words = f"{event} s granted" if event else "no minutes"
        return SipEvent(note.call, ms, NODE, PROXY, words, {"reservation": note.reservation} if event else {})
    if isinstance(event, (Ended, Failed)):
        return _ended(note, ms, event)
    if isinstance(event, Plan):
        return SipEvent(note.call, ms, PROXY, PROXY, f"decided: {event.reason}", _decided(event))
    if isinstance(event, Answered):
        return SipEvent(note.call, ms, GATEWAY if event.free == "1" else DEVICES, PROXY, "200 OK")
    return SipEvent(note.call, ms, PROXY, GATEWAY, "INVITE", {"for": "the mobile: it costs nothing here"})


def _message(note: Note, told: Traced, party: str, when: float) -> SipEvent:
    """Return a message as it came or went at ``when``; ``party`` is at the other end."""
    try:
        octets = _SECRET.sub(_hidden, b64decode(told.sip)[:MOST_OCTETS])
    except ValueError:  # it was too long for Kamailio's buffer
        octets = b""
    first = octets.split(b"\r\n", 1)[0].decode("utf-8", "replace")
    words = first.removeprefix("SIP/2.0 ") if first.startswith("SIP/2.0 ") else first.split(" ")[0]
    came = told.way == "in"
    return SipEvent(
        note.call,
        int(when * 1000),
        party if came else PROXY,
        PROXY if came else party,
        words[:128],
        {"first line": first[:500], "from" if came else "to": f"{told.peer} port {told.port}"},
        octets=octets.hex(),
    )


def _hidden(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])


def _ended(note: Note, ms: int, end: Ended | Failed) -> SipEvent:
    if isinstance(end, Ended):
        talked = {"talked": f"{end.seconds} s", "costs": "nothing here" if end.free == "1" else "as charged"}
        return SipEvent(note.call, ms, PROXY, PROXY, "BYE", talked)
    return SipEvent(note.call, ms, PROXY, PROXY, "ended unanswered")


def _said(asked: InviteAsked) -> dict[str, str]:
    """Return what an INVITE says, as far as it was asked about with it."""
    said = {
        "request URI": f"{plain(asked.to)}@{plain(asked.host)}",
        "From": plain(asked.from_),
        "Call-ID": plain(asked.call_id),
        "P-Asserted-Identity": plain(asked.pai),
        "Diversion": plain(asked.diversion),
        "History-Info": plain(asked.history),
        "X-Call-Reference": plain(asked.reference),
        "device": plain(asked.device),
        "source address": asked.src,
    }
    return {name: value[:500] for name, value in said.items() if value}


def _decided(plan: Plan) -> dict[str, str]:
    """Return why, and what comes next, in order."""
    said = {"why": WORDS.get(plan.reason, "")}
    for each in plan.path:
        said[each.condition] = f"{each.value} → {each.outcome}"[:500]
    for number, step in enumerate(plan.steps, 1):
        said[f"step {number}"] = _step(step)[:500]
    if plan.code:
        said["answer"] = f"{plan.code} {plan.text}"
    return said


def _step(step: Step) -> str:
    ring = " and ".join(each for each in (step.aor, *step.more, step.branch) if each)
    what = f"devices of {ring} ring" if ring else f"the call goes to {step.uri}"
    return f"{what}, for {step.seconds} s"
