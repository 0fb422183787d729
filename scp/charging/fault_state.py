"""Reports when a fault begins and clears, once each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class FaultState:
    """Tells when it begins and when it is over, and not again each time in between.

    Args:
        told: called with what is wrong, in words, and with "" when nothing is any more.
        wall: seconds since 1970.

    Attributes:
        now: what is wrong, "" if nothing is.
        since: when `now` began or was over, in seconds since 1970.
        last: what was wrong the last time; it stays when that is over. "" if nothing ever was.
        last_at: when that was last so, in seconds since 1970; 0: never.
    """

    def __init__(self, told: Callable[[str], None], wall: Callable[[], float] = time.time) -> None:
        self.now = ""
        self.since = wall()
        self.last = ""
        self.last_at = 0.0
        self._told = told
        self._wall = wall

    def report(self, what: str) -> None:
        """Take what is wrong, "" for nothing."""
        changed = bool(what) != bool(self.now)
        self.now = what
        if what:
            self.last, self.last_at = what, self._wall()
        if changed:
            self.since = self._wall()
            self._told(what)
