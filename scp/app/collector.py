"""Runs Python's garbage collector: on young objects, once, and not on held calls.

Calls leave no cycles, and reference counts free them. Left alone, the collector looks at every call that is
held two or three times, and then at all of them together: with 100,000 that is a stop of a tenth of a second,
for nothing. So whatever has survived one look is put out of its sight (`gc.freeze`), where it is freed by its
reference count as before.

What becomes a cycle later (a request of the API that was under way at that moment) stays until all is looked
at again: once in a while, when so few calls are held that it takes little.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

YOUNG: Final = 10_000
"""Objects that gather before they are looked at: that takes the collector some 3 ms if all of them live."""
EVERY: Final = 3600.0
"""Seconds between two looks at everything, at the least."""
FEW: Final = 1_000
"""Open dialogues up to which everything is looked at."""


@final
class Collector:
    """Steers the garbage collector of this process.

    Args:
        dialogues: says how many dialogues are open.
        soon: calls what it is given when what is under way is done.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        dialogues: Callable[[], int],
        soon: Callable[[Callable[[], None]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dialogues = dialogues
        self._soon = soon
        self._clock = clock
        self._due = 0.0
        self._before = gc.get_threshold()

    def start(self) -> None:
        """Begin: what start-up made lives as long as the process."""
        gc.set_threshold(YOUNG, *self._before[1:])
        gc.callbacks.append(self._looked)
        self.look_at_all()

    def stop(self) -> None:
        """Leave the collector as it was, started or not."""
        if self._looked not in gc.callbacks:
            return
        gc.callbacks.remove(self._looked)
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def look_at_all(self) -> None:
        """Find the cycles among all that lives; what is left is not looked at again."""
        self._due = self._clock() + EVERY
        gc.unfreeze()
        gc.collect()

    def _looked(self, phase: str, _about: dict[str, Any]) -> None:
        """Take what survived out of sight."""
        if phase == "stop":
            gc.freeze()
            if self._clock() >= self._due and self._dialogues() <= FEW:
                self._due = self._clock() + EVERY
                self._soon(self.look_at_all)
