"""Counts of discarded messages by layer and reason, with the latest few of each as samples."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: Final = 8
"""Samples of each layer and reason."""
MOST_KINDS: Final = 256
"""Reasons are a closed set each; this bounds what a fault in that would cost."""
MOST_OCTETS: Final = 1024
"""Of a sample: SCCP's longest segment fits."""


class Sample(Struct, frozen=True):
    """One discarded message.

    Attributes:
        time: seconds since 1970.
        peer: the link that brought it; "" for what none brought.
        size: octets that it had.
        octets: its first octets, from M3UA's header on.
    """

    time: float
    peer: str
    size: int
    octets: bytes


class Discarded(Struct):
    """All that was discarded in one layer for one reason.

    Attributes:
        count: since the start.
        samples: the latest, the newest last.
    """

    layer: str
    reason: str
    count: int
    samples: deque[Sample]


@final
class Discards:
    """Counts by layer and reason, with samples; it costs the same however many there are.

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._kinds: dict[tuple[str, str], Discarded] = {}

    def add(self, peer: str, layer: str, reason: str, octets: bytes) -> None:
        """Note one. Samples without octets aren't kept: there is nothing to see in them."""
        kind = self._kinds.get((layer, reason))
        if kind is None:
            if len(self._kinds) >= MOST_KINDS:
                return
            kind = self._kinds[layer, reason] = Discarded(layer, reason, 0, deque(maxlen=KEPT))
        kind.count += 1
        if octets:
            kind.samples.append(Sample(self._wall(), peer, len(octets), octets[:MOST_OCTETS]))

    def all(self) -> list[Discarded]:
        """Return everything, by layer and reason."""
        return [self._kinds[key] for key in sorted(self._kinds)]
