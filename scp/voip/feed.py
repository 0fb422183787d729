"""What happens, for those who follow it: calls, messages, devices; the latest calls, and streams of events.

All of it is in memory, and bounded: who was away longer than `KEPT` events back asks for the state itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

KEPT: Final = 2000
"""Events that a stream may begin with."""
MOST_CALLS: Final = 10_000
WAITING: Final = 500
"""Events that wait for one slow reader; then its stream ends, and it begins anew."""


class CallView(Struct, frozen=True):
    """A call; times in milliseconds since 1970-01-01 UTC.

    ``state``: decided, answered, ended, failed (never answered). ``reason`` is why it went where it went,
    ``caller`` empty where the number is withheld.
    """

    id: str
    state: str
    reason: str
    caller: str
    called: str
    source: str
    started_ms: int
    answered_ms: int | None = None
    ended_ms: int | None = None


class Event(Struct, frozen=True):
    """One event: its number, what it is, whom it is about (MSISDNs), and its particulars."""

    seq: int
    kind: str
    about: tuple[str, ...]
    data: Any


@final
class Feed:
    """See the module."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, tuple[CallView, str]] = OrderedDict()
        """By its id each call, and who makes it, shown or not."""
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._seq = time.time_ns() // 1_000_000  # grows over restarts as well
        self._readers: dict[asyncio.Queue[Event | None], frozenset[str] | None] = {}

    @property
    def readers(self) -> int:
        """How many follow."""
        return len(self._readers)

    def publish(self, kind: str, about: Iterable[str], data: Any) -> None:
        """Tell an event to all who follow what it is about."""
        self._seq += 1
        event = Event(self._seq, kind, tuple(about), data)
        self._events.append(event)
        for queue, wanted in list(self._readers.items()):
            if wanted is None or not wanted.isdisjoint(event.about):
                self._give(queue, event)

    def _give(self, queue: asyncio.Queue[Event | None], event: Event | None) -> None:
        if queue.qsize() >= WAITING:
            self._readers.pop(queue, None)
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        else:
            queue.put_nowait(event)

    async def follow(
        self, wanted: frozenset[str] | None, after: int, beat: float
    ) -> AsyncIterator[Event | None]:
        """Yield events, and None after every ``beat`` seconds without one.

        Args:
            wanted: MSISDNs that they are about; None: all.
            after: begin behind the event with this number, as far as it is known; 0: with what comes.
            beat: seconds.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._readers[queue] = wanted
        try:
            for event in list(self._events) if after else ():
                if event.seq > after and (wanted is None or not wanted.isdisjoint(event.about)):
                    yield event
            while True:
                try:
                    async with asyncio.timeout(beat):
                        event_or_end = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if event_or_end is None:
                    return
                yield event_or_end
        finally:
            self._readers.pop(queue, None)

    def close(self) -> None:
        """End all streams."""
        for queue in list(self._readers):
            queue.put_nowait(None)

    # --- calls ---

    def call(self, view: CallView, caller: str) -> None:
        """Hear of a call's decision, and who makes it."""
        self._calls[view.id] = (view, caller)
        if len(self._calls) > MOST_CALLS:
            self._calls.popitem(last=False)
        self._tell(view, caller)

    def went_on(self, call: str, state: str, **times: int) -> None:
        """Hear that a call has come to another state."""
        found = self._calls.get(call)
        if found is not None:
            view, caller = found
            after = {name: max(at, view.started_ms) for name, at in times.items()}  # some are whole seconds
            view = replace(view, state=state, **after)
            self._calls[call] = (view, caller)
            self._tell(view, caller)

    def _tell(self, view: CallView, caller: str) -> None:
        self.publish("call", [one for one in (caller, view.called) if one], view)

    def calls_of(self, msisdns: frozenset[str] | None, most: int) -> list[CallView]:
        """Return the latest calls of these numbers (None: of all), newest first."""
        found = []
        for view, caller in reversed(self._calls.values()):
            if msisdns is None or caller in msisdns or view.called in msisdns:
                found.append(view)
                if len(found) == most:
                    break
        return found
