"""What an open console is told: a snapshot of the node each second, and the calls that have come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import msgspec

from scp.console.alerts import EVERY
from scp.console.sip_calls import SipCalls
from scp.console.views import attempt_view, overview

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from scp.api.context import Context
    from scp.console.alerts import Alerts
    from scp.console.nodes import Nodes
    from scp.console.recent_calls import KeptCall, RecentCalls
    from scp.telemetry.metrics import Metrics

TICK: Final = 0.25
"""Seconds between two looks at the nodes beside this one, and at whether calls may be kept."""
OVERVIEW_EVERY: Final = 4
"""Ticks between two snapshots of the node. New calls go with them: a stream is written to once a second.

That the node takes calls, or does not any more, is told with the next tick."""
ALERTS_EVERY: Final = round(EVERY / TICK)
"""Ticks between two samples for the alerts."""
MOST_WATCHERS: Final = 32
"""Streams that can be open at a time."""
LINGER: Final = 30.0
"""Seconds for which calls are kept after the last stream ended: a page that is loaded again finds them."""

_encode: Final = msgspec.json.Encoder().encode


class Watched(Protocol):
    """The node, as far as its calls can be looked at."""

    def watch_calls(self, calls: RecentCalls | None) -> None:
        """Show every answer and every message to ``calls`` from now on; None: to nobody."""
        ...

    def why_not_ready(self) -> Sequence[str]:
        """Why it steers no calls, in words; empty: it does."""
        ...


@final
class Hub:
    """Looks at the node while a stream is open, and not at all while none is.

    Args:
        watched: the node.
        calls: keeps calls.
        metrics: the node's counters; None where it has none.
        nodes: this node among the others.
        alerts: of this node; None: nothing has all its metrics.

    Attributes:
        alerts: as given.
        calls: as given.
        sip: the SIP half of calls, as the VoIP service tells it.
        streams: how many are open.
    """

    def __init__(
        self,
        watched: Watched,
        calls: RecentCalls,
        metrics: Metrics | None,
        nodes: Nodes,
        alerts: Alerts | None,
    ) -> None:
        self.calls = calls
        self.sip = SipCalls()
        self.streams = 0
        self._watched = watched
        self._metrics = metrics
        self._nodes = nodes
        self.alerts = alerts
        self._ticks = 0
        self._ready = True
        self._turned = 0  # how often that changed
        self._stopping = False
        self._ticked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._snapshot: tuple[int, bytes] = (-1, b"")
        self._calls_event: tuple[tuple[int, int], bytes] = ((-1, -1), b"")

    def start(self) -> None:
        """Be seen by the other nodes, and see them."""
        self._nodes.start()

    @property
    def watching(self) -> RecentCalls | None:
        """What wants to see every answer; None while nobody looks."""
        return None if self._task is None else self.calls

    def snapshot(self, context: Context) -> bytes:
        """Return the state of the node as JSON, made once for all that ask within a tick."""
        if self._task is None or self._snapshot[0] != self._ticks:
            self._snapshot = (
                self._ticks,
                _encode(overview(context, self._metrics, self.calls, self._nodes.views())),
            )
        return self._snapshot[1]

    async def events(
        self, context: Context, after: int, seconds: float, allowed: Callable[[], bool]
    ) -> AsyncGenerator[bytes, Any]:
        """Yield server-sent events: ``overview`` and ``calls``.

        Args:
            context: of the request.
            after: number of the last call that the client knows.
            seconds: after which the stream ends; 0: it does not.
            allowed: whether the key that asked is still one that may look; else the stream ends.
        """
        self._open()
        try:
            seen, turn, news = min(after, self.calls.count), 0, (-1, -1)
            while not self._stopping and (not seconds or turn * TICK < seconds):
                now = self._nodes.revision, self._turned
                if news != now or self._ticks % OVERVIEW_EVERY == 0:  # for all streams at once
                    news = now
                    if not allowed():
                        return
                    told = b"event: overview\ndata: " + self.snapshot(context) + b"\n\n"
                    if new := self.calls.since(seen):
                        seen = self.calls.count
                        told += self._told(new, seen)
                    yield told
                turn += 1
                await self._ticked.wait()
        finally:
            self._close()

    def _told(self, new: Sequence[KeptCall], count: int) -> bytes:
        """Return the event of new calls, made once for all streams that have seen the same."""
        key = count, len(new)
        if self._calls_event[0] != key:
            shown = _encode([attempt_view(each) for each in new])
            self._calls_event = key, b"event: calls\nid: %d\ndata: " % count + shown + b"\n\n"
        return self._calls_event[1]

    async def stop(self) -> None:
        """Look no more: the node stops, and the streams end with it."""
        self._stopping = True
        self._ticked.set()
        await self._nodes.stop()
        if self._linger is not None:
            self._linger.cancel()
        self._end()

    def _open(self) -> None:
        self.streams += 1
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._watched.watch_calls(self.calls)

    def _close(self) -> None:
        self.streams -= 1
        if not self.streams:
            self._linger = asyncio.get_running_loop().call_later(LINGER, self._end)

    def _end(self) -> None:
        self._linger = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._watched.watch_calls(None)
            self.calls.forget()
            self.sip.forget()
            if self.alerts is not None:
                self.alerts.forget()

    async def _run(self) -> None:
        """Tick: wake the streams, and allow calls to be kept."""
        while True:
            await asyncio.sleep(TICK)
            self._ticks += 1
            if self._ready == bool(self._watched.why_not_ready()):
                self._ready = not self._ready
                self._turned += 1
            self.calls.refill(TICK)
            if self.alerts is not None and self._ticks % ALERTS_EVERY == 1:
                await self.alerts.observe()
            self._ticked.set()
            self._ticked = asyncio.Event()
