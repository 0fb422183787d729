"""Read-only taps on a node's messages: traces of numbers, and a recording."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, final

from scp.capture.record import Recorder, RecordSettings
from scp.capture.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scp.app.event_log import EventLog
    from scp.config import Config, Recording
    from scp.engine.signalling import Signalling
    from scp.telemetry.number_traces import Trace, Traces

MIB: Final = 1 << 20


class RecordingStatus(NamedTuple):
    """What there is to say of recording, since the node started.

    Attributes:
        state: "off" (nobody wants one), "running" or "failed".
        since: when that began, in seconds since 1970.
        failure: why the last one that failed did; "" if none has.
        failed_at: when that was.
        octets: that were written.
        messages: by what became of them: "written", or why they were left out.
    """

    state: str
    since: float
    failure: str
    failed_at: float
    octets: int
    messages: Mapping[str, int]


class Taker(Protocol):
    """Takes every message of the node, one by one."""

    def take(self, peer: str, stream: int, octets: bytes, *, sent: bool) -> None:
        """Take one M3UA message; ``sent``: it goes out."""
        ...


class BatchTaker(Protocol):
    """Takes every batch of messages of the node, as `scp.engine.observers.Tap` has them."""

    def heard(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take what came in."""
        ...

    def said(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take what goes out; the list is the sender's, and changes afterwards."""
        ...


@final
class Tracing:
    """The `scp.engine.observers.Tap` of a node: there while somebody looks, and only then.

    Args:
        config: the node's.
        traces: see `Traces`; they are told to `event_log`.
        event_log: told of begin, end and faults; writes the lines of traces.
    """

    def __init__(self, config: Config, traces: Traces, event_log: EventLog) -> None:
        self._config = config
        self._traces = traces
        self._event_log = event_log
        self._signalling: Signalling | None = None
        self._tracer: Tracer | None = None
        self._recorder: Recorder | None = None
        self._before: Counter[str] = Counter()  # messages of recordings that are over
        self._octets_before = 0
        self._state, self._since = "off", time.time()
        self._failure, self._failed_at = "", 0.0
        self._takers: list[Taker] = []
        self._watcher: BatchTaker | None = None
        self._key = token_bytes(16)  # of recordings, where the configuration has none
        self._timer: asyncio.TimerHandle | None = None
        traces.changed = self._traces_changed
        traces.ended = self._trace_ended

    def start(self, signalling: Signalling) -> None:
        """Look at what this node says and hears from now on, as far as somebody wants it."""
        self._signalling = signalling
        self._record()

    def stop(self) -> None:
        """Look no more."""
        self._signalling = None
        if self._timer is not None:
            self._timer.cancel()
        self._end_recording("the node stops")

    def adopt(self, config: Config) -> None:
        """Go on with another configuration: a recording begins, ends, is another one, or is tried again."""
        before, self._config = self._config, config
        if before.numbering != config.numbering:
            self._tracer = None
            self._traces_changed()
        changed = (before.recording, before.numbering) != (config.recording, config.numbering)
        if changed or self._state == "failed":
            self._end_recording("the configuration was changed")
            self._record()

    # -- scp.engine.observers.Tap --------------------------------------------------------------------------

    def heard(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """See `scp.engine.observers.Tap`."""
        if self._watcher is not None:
            self._watcher.heard(link, messages)
        if self._takers:
            self._show(link, messages, sent=False)

    def said(self, link: str, messages: Sequence[tuple[int, bytes]]) -> None:
        """See `scp.engine.observers.Tap`."""
        if self._watcher is not None:
            self._watcher.said(link, messages)
        if self._takers:
            self._show(link, messages, sent=True)

    def _show(self, link: str, messages: Sequence[tuple[int, bytes]], *, sent: bool) -> None:
        for taker in self._takers[:]:
            try:
                for stream, octets in messages:
                    taker.take(link, stream, octets, sent=sent)
            except Exception as bug:  # noqa: BLE001 - a fault in a tap costs no call
                self._dismiss(taker, f"{type(bug).__name__}: {bug}")
        if self._recorder is not None and self._recorder.failure:
            self._end_recording(self._recorder.failure, trouble=True)

    def _dismiss(self, taker: Taker, why: str) -> None:
        if taker is self._recorder:
            self._end_recording(why, trouble=True)
        else:
            self._event_log.watching("traces have failed", why=why, trouble=True)
            for trace in self._traces.all():
                self._traces.stop(trace.msisdn)

    def _arrange(self) -> None:
        """Set or remove the tap of the signalling, as traces and recording need it."""
        self._takers = [taker for taker in (self._tracer, self._recorder) if taker is not None]
        if self._signalling is not None:
            self._signalling.tap = self if self._takers else self._watcher  # one alone needs nobody between

    def watch(self, watcher: BatchTaker | None) -> None:
        """Show every batch of messages to ``watcher`` from now on; None: to nobody."""
        self._watcher = watcher
        self._arrange()

    # -- traces --------------------------------------------------------------------------------------------

    def _traces_changed(self) -> None:
        due = self._traces.expire()
        if not due:
            self._tracer = None
        elif self._tracer is None:
            self._tracer = Tracer(self._traces, self._config.numbering, self._event_log.traced, time.time)
        else:
            self._tracer.follow()
        self._arrange()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - time.time()) + 0.01, self._traces_changed)

    def _trace_ended(self, trace: Trace, why: str) -> None:
        self._event_log.watching(
            "a trace has ended", why=why, number=trace.msisdn, written=trace.written, skipped=trace.skipped
        )

    # -- the recording -------------------------------------------------------------------------------------

    def recording(self) -> RecordingStatus:
        """Return what there is to say of recording."""
        messages, octets = Counter(self._before), self._octets_before
        if self._recorder is not None:
            messages.update(_messages(self._recorder))
            octets += self._recorder.octets
        return RecordingStatus(self._state, self._since, self._failure, self._failed_at, octets, messages)

    def _record(self) -> None:
        wanted = self._config.recording
        if wanted is not None and self._signalling is not None:
            folder, name = Path(wanted.folder), self._config.node.name
            self._recorder = Recorder(folder, name, self._settings(wanted), self._config.numbering)
            self._state, self._since = "running", time.time()
            self._event_log.watching("a recording has begun", folder=wanted.folder, masked=wanted.mask)
        elif self._state == "failed":
            self._state, self._since = "off", time.time()
        self._arrange()

    def _settings(self, wanted: Recording) -> RecordSettings:
        key = self._key if wanted.key is None else wanted.key.reveal().encode()
        return RecordSettings(
            numbers=wanted.numbers,
            peers=wanted.peers,
            max_octets=wanted.file_mb * MIB,
            files=wanted.files,
            rate=wanted.rate,
            key=key if wanted.mask else b"",
        )

    def _end_recording(self, why: str, *, trouble: bool = False) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.close()
        self._before.update(_messages(recorder))
        self._octets_before += recorder.octets
        self._state, self._since = "failed" if trouble else "off", time.time()
        if trouble:
            self._failure, self._failed_at = why, self._since
        self._event_log.watching(
            "a recording has ended",
            trouble=trouble,
            why=why,
            written=recorder.written,
            dropped=dict(recorder.dropped),
        )
        self._arrange()


def _messages(recorder: Recorder) -> dict[str, int]:
    """Return a recorder's messages by what became of them."""
    return {"written": recorder.written, **recorder.dropped}
