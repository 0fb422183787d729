"""The clock that tariffs go by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable


def local_clock(zone: str) -> Callable[[int], int]:
    """Return what turns milliseconds since 1970 into seconds of the clock of a time zone."""
    info = ZoneInfo(zone)

    known = (-1, 0)  # a minute, and the offset in it: no zone changes its offset within one

    def local(at_ms: int) -> int:
        nonlocal known
        minute = at_ms // 60_000
        if minute != known[0]:
            offset = datetime.fromtimestamp(minute * 60, UTC).astimezone(info).utcoffset()
            known = (minute, 0 if offset is None else int(offset.total_seconds()))
        return at_ms // 1000 + known[1]

    return local
