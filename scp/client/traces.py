"""Calls on traces of numbers."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from scp.client.call import NOTHING, Call, Reader, json_call, path_of


class Trace(Struct, frozen=True):
    """A number that the node traces: who asked, until when (RFC 3339), and how many messages."""

    msisdn: str
    by: str
    until: str
    messages_left: int
    written: int
    skipped: int


class TraceList(Struct, frozen=True):
    """Every number that the node traces."""

    traces: tuple[Trace, ...]


_TRACE: Final = Reader(Trace)
_TRACES: Final = Reader(TraceList)


def start_trace(msisdn: str, seconds: int | None = None, messages: int | None = None) -> Call[Trace]:
    """Return the call that traces a number for so long, or until so many messages are written."""
    return json_call("PUT", path_of("traces", msisdn), _TRACE, {"seconds": seconds, "messages": messages})


def stop_trace(msisdn: str) -> Call[None]:
    """Return the call that ends a number's trace."""
    return Call("DELETE", path_of("traces", msisdn), NOTHING)


def trace(msisdn: str) -> Call[Trace]:
    """Return the call that reads how far a number's trace is."""
    return Call("GET", path_of("traces", msisdn), _TRACE)


def traces() -> Call[TraceList]:
    """Return the call that lists what the node traces."""
    return Call("GET", path_of("traces"), _TRACES)
