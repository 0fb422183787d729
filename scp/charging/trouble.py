"""Something that fails and works again."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class Trouble:
    """Tells when it begins and when it is over, and not again each time in between.

    Args:
        told: called with what is wrong, in words, and with "" when nothing is any more.

    Attributes:
        now: what is wrong, "" if nothing is.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self.now = ""
        self._told = told

    def report(self, what: str) -> None:
        """Take what is wrong, "" for nothing."""
        if bool(what) != bool(self.now):
            self._told(what)
        self.now = what
