"""An SMSC on a socket, in a thread of its own, for tests whose other ends are processes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator

from oracles.waiting import wait_until
from scp.simulator.smsc import Smsc, SmscSettings, TakenMessage

PATIENCE = 120


class SmscThread:
    """Speaks SMPP on 127.0.0.1:port."""

    def __init__(self, settings: SmscSettings = SmscSettings()) -> None:  # noqa: B008 - it never changes
        self._loop = asyncio.new_event_loop()
        self._smsc = Smsc(settings)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._smsc.start(), self._loop).result(PATIENCE)
        self.port = self._smsc.port

    def taken(self, recipient: str) -> list[TakenMessage]:
        """The messages to a number that it has taken."""
        return [one for one in list(self._smsc.messages) if one.destination == recipient]

    def pin(self, recipient: str, count: int = 1) -> str:
        """The PIN in the latest message to a number, once there are so many."""
        wait_until(lambda: len(self.taken(recipient)) >= count, PATIENCE)
        found = re.match(r"(\d{6}) ", self.taken(recipient)[-1].text)
        assert found, self.taken(recipient)
        return found[1]

    def send(self, sender: str, recipient: str, text: str) -> None:
        """Have a message delivered to whoever is bound."""
        self._loop.call_soon_threadsafe(self._smsc.send, sender, recipient, text)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._smsc.stop(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


@contextlib.contextmanager
def smsc() -> Iterator[SmscThread]:
    made = SmscThread()
    try:
        yield made
    finally:
        made.stop()
