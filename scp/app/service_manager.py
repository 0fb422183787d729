"""Tells the service manager the process's state (sd_notify(3)): ready, reloading, stopping, alive.

One datagram a message to the socket that ``NOTIFY_SOCKET`` names; without that variable nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Mapping

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


@final
class ServiceManager:
    """The service manager that started us, if there is one.

    Args:
        environ: the process's environment.

    Attributes:
        listens: whether there is one to tell.
        watchdog: seconds within which it wants to hear `ALIVE` again and again; 0: it does not.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL of Linux's abstract namespace (sd_notify(3)).
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.listens = bool(path)
        self.watchdog = _watchdog(environ) if path else 0.0

    def tell(self, *lines: str) -> None:
        """Send one message. A manager that does not take it costs us nothing."""
        if not self.listens:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)

    def reloading(self) -> None:
        """Say that a reload has begun; `READY` ends it. The time is what Type=notify-reload goes by."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """Say in one line how we are; ``systemctl status`` shows it."""
        self.tell(f"STATUS={' '.join(text.split())}")


def _watchdog(environ: Mapping[str, str]) -> float:
    """Return the watchdog's interval in seconds if it is meant for this process (sd_watchdog_enabled(3))."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    interval = environ.get("WATCHDOG_USEC", "0")
    return int(interval) / 1e6 if interval.isascii() and interval.isdigit() else 0.0
