"""Runs Python's garbage collector: on young objects, once, and not on held calls.

Calls leave no cycles, and reference counts free them. Left alone, the collector looks at every call that is
held two or three times, and then at all of them together: with 100,000 that is a stop of a tenth of a second,
for nothing. So whatever has survived one look is not looked at again: no older generation is ever due.

What becomes a cycle later (a request of the API that was under way at that moment) stays until all is looked
at: once in a while, when so few calls are held that it takes little. What start-up made (modules, and the
definitions of ASN.1: 180,000 objects, 80 ms to look at) lives as long as the process and is put out of the
collector's sight for good (`gc.freeze`).
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

YOUNG: Final = 10_000
"""Objects that gather before they are looked at: that takes the collector some 3 ms if all of them live."""
NEVER: Final = 2**31 - 1
"""Looks at a generation before the next one is looked at as well."""
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

    def wait(self) -> None:
        """Have it look at nothing until `start`: while modules are imported it would, and find nothing."""
        gc.disable()

    def start(self) -> None:
        """Begin, before the first call: what lives now lives as long as the process."""
        self._due = self._clock() + EVERY
        gc.collect()
        gc.freeze()
        gc.enable()
        gc.set_threshold(YOUNG, NEVER, NEVER)
        gc.callbacks.append(self._looked)

    def stop(self) -> None:
        """Leave the collector as it was, started or not."""
        gc.enable()
        if self._looked not in gc.callbacks:
            return
        gc.callbacks.remove(self._looked)
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def look_at_all(self) -> None:
        """Find the cycles among all that was made since `start`."""
        self._due = self._clock() + EVERY
        gc.collect()

    def _looked(self, phase: str, _about: dict[str, Any]) -> None:
        """Have everything looked at when it is time, and not within what is under way."""
        if phase == "stop" and self._clock() >= self._due and self._dialogues() <= FEW:
            self._due = self._clock() + EVERY
            self._soon(self.look_at_all)
