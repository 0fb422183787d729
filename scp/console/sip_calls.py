"""What the VoIP service tells of its half of calls, kept while somebody looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, NamedTuple, TypeAlias, final

from msgspec import Meta, Struct

from scp.domain.cdr import Time, leg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scp.domain.cdr import CallAttempt

MOST: Final = 1000
"""Calls that are kept; the oldest is forgotten for a new one."""
MOST_EVENTS: Final = 200
"""Events that are kept of one call."""
AT_ONCE: Final = 200
"""Events in a request."""
_BEFORE_MS: Final = 2_000
_AFTER_MS: Final = 30_000
"""How long before and after a call attempt its SIP half may begin: two clocks, and a gateway that waits."""

Text: TypeAlias = Annotated[str, Meta(max_length=128)]
Detail: TypeAlias = Annotated[str, Meta(max_length=512)]
Octets: TypeAlias = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*\Z", max_length=8192)]
Number: TypeAlias = Annotated[str, Meta(max_length=64)]


class SipEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a call, or something that was decided about it.

    ``call`` is the VoIP service's id of the call; ``source`` and ``target`` are parties, the same for what
    happened at one. ``number`` (the request URI's user part), ``call_reference`` and ``msc_address`` come
    with the first event; ``octets`` with a SIP message as it came or went.
    """

    call: Annotated[str, Meta(min_length=1, max_length=128)]
    time_ms: Time
    source: Text
    target: Text
    message: Text
    details: Annotated[dict[Text, Detail], Meta(max_length=64)] = {}
    number: Number = ""
    call_reference: Number = ""
    msc_address: Number = ""
    octets: Octets = ""


class SipEventsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened, in order; none: only asks whether somebody looks."""

    EXAMPLE: ClassVar = {
        "events": [
            {
                "call": "voip-1-6955b900-17",
                "time_ms": 1767225600000,
                "source": "gateway",
                "target": "SIP proxy",
                "message": "INVITE",
                "number": "9946701234567",
                "details": {"Call-ID": "a84b4c76e66710@192.0.2.7"},
            }
        ]
    }
    events: Annotated[list[SipEvent], Meta(max_length=AT_ONCE)]


class Wanted(Struct, frozen=True):
    """Whether somebody looks at calls; otherwise nothing of it was kept."""

    wanted: bool


class SipCall(NamedTuple):
    """The SIP half of a call: what it is found by, and its events."""

    number: str
    leg: str | None
    first_ms: int
    events: list[SipEvent]


@final
class SipCalls:
    """The latest calls of the VoIP service, by its ids."""

    def __init__(self) -> None:
        self._calls: dict[str, SipCall] = {}

    def take(self, events: Iterable[SipEvent]) -> None:
        """Keep events; what is told again is kept once."""
        for event in events:
            call = self._calls.get(event.call)
            if call is None:
                if len(self._calls) == MOST:
                    del self._calls[next(iter(self._calls))]
                its_leg = leg(event.call_reference, event.msc_address)
                call = self._calls[event.call] = SipCall(event.number, its_leg, event.time_ms, [])
            if len(call.events) < MOST_EVENTS and not any(_same(event, each) for each in call.events):
                call.events.append(event)

    def forget(self) -> None:
        """Keep nothing."""
        self._calls.clear()

    def of(self, attempt: CallAttempt) -> tuple[str, SipCall] | None:
        """Return the call that an attempt was connected to: by its call reference, or by number and time.

        A gateway that passes no call reference on leaves the number, which the node gave the call, and the
        time: where several fit, the first one after the attempt.
        """
        wanted = leg(attempt.call_reference, attempt.msc_address)
        if wanted is not None:
            for name, call in self._calls.items():
                if call.leg == wanted:
                    return name, call
        if not attempt.number:
            return None
        begin, end = attempt.decided_ms - _BEFORE_MS, attempt.decided_ms + _AFTER_MS
        fits = [
            (call.first_ms, name)
            for name, call in self._calls.items()
            if call.leg is None and call.number == attempt.number and begin <= call.first_ms <= end
        ]
        if not fits:
            return None
        after = [each for each in fits if each[0] >= attempt.decided_ms]
        name = min(after)[1] if after else max(fits)[1]
        return name, self._calls[name]


def _same(event: SipEvent, other: SipEvent) -> bool:
    if event.octets or other.octets:  # one that is sent again is another message
        return (event.time_ms, event.octets) == (other.time_ms, other.octets)
    return (event.message, event.source, event.target, event.details) == (
        other.message,
        other.source,
        other.target,
        other.details,
    )
