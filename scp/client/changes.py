"""The call on the latest changes through the API."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from scp.client.call import Call, Reader, path_of


class Change(Struct, frozen=True):
    """One change: when (RFC 3339), whose key, what was called, the record before and after; None: none."""

    time: str
    who: str
    what: str
    before: Any
    after: Any


class ChangeList(Struct, frozen=True):
    """Changes, the latest first."""

    changes: tuple[Change, ...]


_CHANGES: Final = Reader(ChangeList)


def changes(msisdn: str | None = None, limit: int = 100) -> Call[ChangeList]:
    """Return the call that lists the latest changes of a number, or of all."""
    of = "" if msisdn is None else f"&number={quote(msisdn, safe='')}"
    return Call("GET", f"{path_of('changes')}?limit={limit}{of}", _CHANGES)
