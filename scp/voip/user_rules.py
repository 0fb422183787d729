"""What a user has set: who may call, and when nothing rings. Pure; further rules are added here.

A caller that is let in always is neither blocked nor disturbs. Times are of the user's own zone; a window
from 22:00 to 07:00 goes past midnight, and belongs to the day on which it begins.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

Prefix: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}\Z", description="the first digits of E.164 numbers")
]
TimeOfDay: TypeAlias = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", description="HH:MM, from 00:00 to 23:59")
]


class Day(StrEnum):
    """Of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS = tuple(Day)


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """When nothing rings: from a time of day to another, on these days; the same one twice is a whole day."""

    begin: TimeOfDay
    end: TimeOfDay
    days: tuple[Day, ...] = _DAYS

    def holds(self, local: datetime) -> bool:
        """Return whether a time of the user's zone is within it."""
        now, today = local.strftime("%H:%M"), _DAYS[local.weekday()]
        before = _DAYS[(local - timedelta(days=1)).weekday()]
        if self.begin < self.end:
            return today in self.days and self.begin <= now < self.end
        return (today in self.days and now >= self.begin) or (before in self.days and now < self.end)


class UserRules(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one identity.

    Attributes:
        let_in: callers that are always let in, by how their number begins.
        blocked: callers that are not, likewise.
        only_let_in: nobody else is.
        block_unknown: neither is who does not show a number.
        quiet: nothing rings now, until the user says otherwise.
        windows: nor then.
    """

    let_in: tuple[Prefix, ...] = ()
    blocked: tuple[Prefix, ...] = ()
    only_let_in: bool = False
    block_unknown: bool = False
    quiet: bool = False
    windows: tuple[Window, ...] = ()

    def lets_in(self, caller: str) -> bool:
        """Return whether a caller, E.164 digits or "" if not known, is let in whatever else is set."""
        return bool(caller) and bool(self.let_in) and caller.startswith(self.let_in)

    def blocks(self, caller: str, *, hidden: bool = False) -> bool:
        """Return whether a caller is turned away; ``hidden``: the caller does not show the number."""
        if self.lets_in(caller):
            return False
        if self.only_let_in or ((hidden or not caller) and self.block_unknown):
            return True
        return bool(caller) and bool(self.blocked) and caller.startswith(self.blocked)

    def is_quiet(self, caller: str, at: float, zone: str) -> bool:
        """Return whether nothing rings for a caller at a time, in seconds since 1970-01-01 UTC."""
        if self.lets_in(caller):
            return False
        if self.quiet or not self.windows:
            return self.quiet
        local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
        return any(window.holds(local) for window in self.windows)


NO_RULES = UserRules()
