"""An event loop whose time is its own: a wait is over at once, and a turn takes as long on the busiest machine.

For tests that have both ends of everything in one process. Sockets and threads of one's own work while time stands still,
or jumps: a test that has some says when something is to come from there (`VirtualLoop.outside`), and time waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")
TURN: Final = 2.0**-13
"""Seconds that a turn of the loop takes, however little happens in it: 0.12 ms, which sums up without rounding."""
PATIENCE: Final = 0.05
"""Seconds of real time after which it is asked again whether something is to come."""


class _Selector(selectors.DefaultSelector):
    """Waits by moving its time on."""

    now = 0.0
    outside: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += TURN
        ready = super().select(0)
        if not ready and timeout != 0:
            if self.outside is not None and self.outside():
                return super().select(PATIENCE)
            assert timeout is not None, "everybody waits, and for no time: this would never end"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; what is handed to a thread is done at once."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now

    def outside(self, waits: Callable[[], bool]) -> None:
        """Let time stand still while ``waits()``: something is to come by a socket, or from a thread."""
        self._virtual.outside = waits

    def stall(self, seconds: float) -> None:
        """Do what a callback does that takes so long."""
        self._virtual.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Call it."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread hands it over
            future.set_exception(error)
        return future


class LoopTime:
    """The node's source of time, in place of `scp.engine.scheduler.LoopTime`: the loop's own, also where code is compiled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time = loop.time
        self.call_at = loop.call_at
        self.call_soon = loop.call_soon


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run it as `asyncio.run` does, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
