"""Audit lines: one for every change through the API, and one for every change that was refused.

With ``[api] audit`` the lines go to a file of their own, numbers in full, as an auditor needs them; the file
may be moved away (logrotate), a new one is begun. Without it they go with the log and are masked as that is.
"""

from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, Any, Final, final

import msgspec

from scp.api.change_log import ChangeLog
from scp.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT: Final = "audit"
_RECALLED: Final = 1 << 20
"""Octets at the file's end that are read at a start."""
_SEPARATORS: Final = re.compile(r"(?<=[0-9])[ ().-]+(?=[0-9])")
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def call(method: str, path: str) -> str:
    """Return a call for an audit line, a number in its path as digits alone: else it is not seen as one."""
    return f"{method} {_SEPARATORS.sub('', path)}"


@final
class Audit:
    """Writes audit lines.

    Args:
        path: the file; None: the log.
        now: the wall clock.

    Attributes:
        changes: the latest of them; with a file, those too that it ends with.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.changes = ChangeLog()
        if path is not None:
            self.changes.recall(_last_lines(path))
        self._file = None if path is None else _File(path, encoding="utf-8")

    def changed(self, who: str, what: str, before: object, after: object, **more: Any) -> None:
        """Write that ``who`` did ``what``; ``before`` and ``after`` are the records, None for none."""
        now = self._now()
        self.changes.add(now, who, what, before, after)
        line = {"result": "changed", "who": who, "what": what, "before": before, "after": after, **more}
        self._write(line, now)

    def refused(self, who: str, what: str, status: int, problem: str, **more: Any) -> None:
        """Write that ``who`` ("" for a stranger) wanted ``what`` and got ``problem``; nothing was changed."""
        self._write(
            {"result": "refused", "who": who, "what": what, "status": status, "problem": problem, **more},
            self._now(),
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Any], now: datetime) -> None:
        if self._file is None:
            get_logger().info(EVENT, **{key: msgspec.to_builtins(value) for key, value in line.items()})
        else:
            self._file.write(_encode({"timestamp": now.isoformat(), "event": EVENT, **line}).decode())


def _last_lines(path: str) -> list[bytes]:
    """Return the whole lines that a file ends with; none if it is not there yet."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as it is opened for writing
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _RECALLED))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    return lines if size <= _RECALLED else lines[1:]


@final
class _File(WatchedFileHandler):
    """The file; what can't be written is logged, not raised: the change stands all the same."""

    def write(self, line: str) -> None:
        self.handle(logging.LogRecord("audit", logging.INFO, "", 0, line, None, None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's
        reason = f"{self.baseFilename}: an audit line could not be written"
        get_logger().error("audit line lost", reason=reason)
