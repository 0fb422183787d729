"""Limits reports of one subject: a peer that connects in a loop must not fill the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.common.token_buckets import TokenBuckets

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 50.0
"""Reports of one link that may follow each other at once: a restart of a gateway brings about ten."""
RATE: Final = 2.0
"""Reports a second of one link in the long run."""


@final
class ReportLimiter:
    """Passes on what is reported of links (`StatusBoard`), of each as much as a reader can follow.

    What is left out is counted, and the next report that is passed on says so first. State and counts are not
    kept here: status page and metrics have all.

    Args:
        report: told ``(link, what happened, is it trouble)``.
        clock: seconds, which never go back.
    """

    def __init__(self, report: Callable[[str, str, bool], None], clock: Callable[[], float]) -> None:
        self._report = report
        self._clock = clock
        self._buckets = TokenBuckets(RATE, BURST)
        self._left_out: dict[str, int] = {}

    def __call__(self, name: str, what: str, trouble: bool) -> None:
        """Report it, or count it."""
        if not self._buckets.take(name, self._clock()):
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return
        left_out = self._left_out.pop(name, 0)
        if left_out:
            self._report(name, f"{left_out} reports were left out, there were too many", True)
        self._report(name, what, trouble)
