"""Rate-limited logging of events that a client, or a store that is away, can trigger with every request."""

from __future__ import annotations

import time
from typing import Final

from scp.common.report_limiter import ReportLimiter
from scp.telemetry.logs import get_logger


def log_limited(event: str, reason: str, *, trouble: bool) -> None:
    """Log it, or count it: the next line of this event that is logged says how many were left out.

    Args:
        event: one of few, with a budget of its own (`scp.common.report_limiter`).
        reason: in words.
        trouble: of the node, not of a client.
    """
    _limited(event, reason, trouble)


def _log(event: str, reason: str, trouble: bool) -> None:
    log = get_logger()
    (log.error if trouble else log.warning)(event, reason=reason)


_limited: Final = ReportLimiter(_log, time.monotonic)
