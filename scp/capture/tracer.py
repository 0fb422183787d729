"""Writes the decoded messages of traced numbers' calls to a log, of both directions, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

from scp.capture.cap_version import protocol_of_begin
from scp.capture.finder import Finder, Signals
from scp.capture.json_view import data_json, user_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.capture.wire.messages import Message
    from scp.domain.numbers import Numbering
    from scp.telemetry.number_traces import Traces


class Writer(Protocol):
    """What writes the lines."""

    def __call__(self, msisdn: str, peer: str, message: dict[str, Any], *, sent: bool) -> None:
        """Write a message of one of the number's calls; ``sent``: the node sent it."""
        ...


@final
class Tracer:
    """Takes every message; those of traced numbers' calls are decoded and written.

    Args:
        traces: which numbers, and how much of them.
        numbering: how numbers become E.164.
        write: see `Writer`.
        clock: seconds since 1970.
    """

    def __init__(
        self, traces: Traces, numbering: Numbering, write: Writer, clock: Callable[[], float]
    ) -> None:
        self._traces = traces
        self._write = write
        self._clock = clock
        self._signals = Signals()
        self._finder = Finder(numbering, (each.msisdn for each in traces.all()))

    def follow(self) -> None:
        """Look for the numbers that are traced now."""
        self._finder.choose(each.msisdn for each in self._traces.all())

    def take(self, peer: str, stream: int, octets: bytes, *, sent: bool) -> None:
        """Take one M3UA message."""
        if not self._finder.may_be(octets):
            return
        found = self._finder.find(self._signals.of(peer, stream, octets, self._clock(), sent=sent))
        trace = None if found is None else self._traces.take(found.msisdn)
        if found is None or trace is None:
            return
        version = protocol_of_begin(found.dialogue.begin.tcap)
        self._write(found.msisdn, peer, shown(found.message, version), sent=sent)
        self._traces.wrote(trace)


def shown(message: Message, version: int) -> dict[str, Any]:
    """Return a decoded message, from the routing label up, as ``camel-scp decode --json`` has it."""
    assert message.data is not None
    assert message.unit is not None
    return {
        "m3ua": data_json(message.data),
        "sccp": message.unit.as_dict(),
        **user_json(message.tcap, message.unit, version),
    }
