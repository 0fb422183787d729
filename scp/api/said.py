"""What clients, or a store that is away, may cause with every request is logged as often as one can read."""

from __future__ import annotations

import time
from typing import Final

from scp.engine.sparing import Sparing
from scp.telemetry.logs import get_logger


def say(event: str, reason: str, *, trouble: bool) -> None:
    """Log it, or count it: the next line of this event that is logged says how many were left out.

    Args:
        event: one of few, with a budget of its own (`scp.engine.sparing`).
        reason: in words.
        trouble: of the node, not of a client.
    """
    _spare(event, reason, trouble)


def _log(event: str, reason: str, trouble: bool) -> None:
    log = get_logger()
    (log.error if trouble else log.warning)(event, reason=reason)


_spare: Final = Sparing(_log, time.monotonic)
