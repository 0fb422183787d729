"""Calls on calls that a node holds."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from scp.client.call import Call, Reader, path_of


class HeldCall(Struct, frozen=True):
    """A call that a service controls: since when (RFC 3339), from and to whom, what is reserved for it.

    ``waits_for`` is "switch", "store" or "charging"; ``reservation`` None: nothing is reserved.
    """

    id: str
    since: str
    service: str
    service_key: int
    trigger: str | None
    calling: str
    called: str
    peer: str
    cap_version: int
    waits_for: str
    reservation: str | None


class HeldCallPage(Struct, frozen=True):
    """Held calls; ``next`` is the ``after`` of the next page, None if there is none."""

    calls: tuple[HeldCall, ...]
    next: str | None


_CALL: Final = Reader(HeldCall)
_PAGE: Final = Reader(HeldCallPage)


def held_calls(
    number: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[HeldCallPage]:
    """Return the call that lists what the node holds: from or to one number, behind one id, so many."""
    return Call("GET", path_of("calls") + _query(number=number, after=after, limit=limit), _PAGE)


def held_call(call_id: str) -> Call[HeldCall]:
    """Return the call that reads one held call."""
    return Call("GET", path_of("calls", call_id), _CALL)


def release_call(call_id: str, cause: int | None = None, *, force: bool = False) -> Call[HeldCall]:
    """Return the call that has a held call released, with a Q.850 cause value; ``force``: at once."""
    query = _query(cause=cause, force="true" if force else None)
    return Call("DELETE", path_of("calls", call_id) + query, _CALL)


def _query(**values: str | int | None) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return "?" + urlencode(given) if given else ""
