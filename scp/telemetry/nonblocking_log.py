"""A log stream that never blocks the node, and never raises.

Whoever reads the log may be gone (a pipe's other end, journald after a crash), full (a disk) or slow. A write
that fails or waits would then stop the event loop, or leave an association half brought up.
"""

from __future__ import annotations

import contextlib
import os
import select
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

import msgspec

if TYPE_CHECKING:
    from typing import TextIO

_NOW: Final = 0


@final
class NonblockingStream:
    """Writes a text at once, or loses it and counts that; the next that is written says how many were lost.

    A pipe that has any room takes 4,096 octets at once (PIPE_BUF): only a longer line could still wait.

    Args:
        stream: where to. One without a file descriptor (a test's) is written to as it is.

    Attributes:
        lost: how many texts, since the start.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost = 0
        self._untold = 0
        self._torn = False
        self._fd = -1
        self._room = select.poll()
        with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation is both
            stream.flush()
            self._fd = stream.fileno()
            self._room.register(self._fd, select.POLLOUT)

    def write(self, text: str) -> None:
        """Write ``text``, which is a line, or several."""
        if self._fd < 0:
            self.stream.write(text)
            return
        whole = ("\n" if self._torn else "") + (self._told() if self._untold else "") + text
        octets = whole.encode("utf-8", "replace")
        written = 0
        with contextlib.suppress(OSError):
            if self._room.poll(_NOW):
                written = os.write(self._fd, octets)
        if written == len(octets):
            self._untold = 0
            self._torn = False
        else:
            self.lost += 1
            self._untold += 1
            self._torn = self._torn or written > 0

    def flush(self) -> None:
        """Nothing is kept back."""
        if self._fd < 0:
            self.stream.flush()

    def _told(self) -> str:
        line = {
            "event": "log lines lost: nobody took them, or the disk was full",
            "lines": self._untold,
            "level": "warning",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return msgspec.json.encode(line).decode() + "\n"
