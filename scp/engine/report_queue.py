"""Reports that came while their service awaited something else."""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec.structs import replace

from scp.services.api import MOST_REPORTS, Report, ReportKind

QUEUE_FULL: Final = "report-queue"
"""Discarded: a report for a service with `MOST_REPORTS` of them before it."""

_KEPT: Final = frozenset({ReportKind.END, ReportKind.ABORT, ReportKind.TOLD})


class ReportQueue:
    """The reports of one dialogue, the oldest first.

    Attributes:
        reports: what came in and was not awaited yet; None: nothing did.
    """

    __slots__ = ("reports",)

    def __init__(self) -> None:
        self.reports: deque[Report] | None = None

    def add_report(self, report: Report) -> bool:
        """Queue a report; False: one had to be dropped, by the rule of `MOST_REPORTS`."""
        reports = self.reports
        if reports is None:
            reports = self.reports = deque()
        elif len(reports) >= MOST_REPORTS:
            if _made_room(reports, report.opcode) or report.kind in _KEPT:
                reports.append(report)
            return False
        reports.append(report)
        return True

    def stamp(self, now: float) -> None:
        """Have all reports that wait say when they came: it is a while until they are taken."""
        if self.reports is not None:
            self.reports = deque([stamped(each, now) for each in self.reports])

    def next_report(self) -> Report | None:
        """Take out the oldest report. The queue, which is ten times its content, does not stay empty."""
        reports = self.reports
        if reports is None:
            return None
        report = reports.popleft()
        if not reports:
            self.reports = None
        return report


def stamped(report: Report, now: float) -> Report:
    """Return a report that says when it came."""
    return replace(report, at=now) if not report.at else report


def _made_room(reports: deque[Report], opcode: int) -> bool:
    """Drop the oldest report of an operation, else the oldest that may be; False: there is none."""
    oldest = -1
    for position, each in enumerate(reports):
        if each.kind in _KEPT:
            continue
        if each.opcode == opcode:
            oldest = position
            break
        if oldest < 0:
            oldest = position
    if oldest < 0:
        return False
    del reports[oldest]
    return True
