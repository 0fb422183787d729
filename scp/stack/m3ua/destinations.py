"""What SSNM messages have said of destinations (§4.5.2), for point codes and ranges of them."""

from __future__ import annotations

from typing import Final, final

from scp.stack.m3ua.events import Availability
from ss7.pointcode import MAX_ITU

LIMIT: Final = 4096
"""Entries of one kind that are kept. A gateway that says more of single point codes is not believed."""

_BITS: Final = MAX_ITU.bit_length()
_ALL: Final = 32
"""A mask that covers every point code: what one of `_BITS` or more means (§3.4.1: network isolation)."""


def within(point_code: int, start: int, mask: int) -> bool:
    """Whether a point code is in the range of ``mask`` wildcard bits that ``start`` is in."""
    return mask >= _BITS or point_code >> mask == start >> mask


@final
class Ranges:
    """The last value said of each point code, where values are said of ranges.

    A range takes away all that was said of its parts, so what is narrower than another entry is also newer,
    and the narrowest entry that contains a point code is the one that holds.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, int], tuple[int, float]] = {}
        self._masks: list[int] = []

    @property
    def silent(self) -> bool:
        """Whether nothing was said since the last `clear`."""
        return not self._masks

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, point_code: int, mask: int, value: int, until: float) -> bool:
        """Say ``value`` of the range until then (0 holds by default); False if there is no room for it."""
        if mask >= _BITS:
            point_code, mask = 0, _ALL
        base = point_code >> mask
        entries = self._entries
        if mask:
            for key in [key for key in entries if key[0] <= mask and key[1] >> (mask - key[0]) == base]:
                del entries[key]
        if value == 0 and not self._inside(point_code, mask):
            entries.pop((mask, base), None)
            return True
        if (mask, base) not in entries and len(entries) >= LIMIT:
            return False
        entries[mask, base] = (value, until)
        if mask not in self._masks:
            self._masks = sorted([*self._masks, mask])
        return True

    def _inside(self, point_code: int, mask: int) -> bool:
        return any(wider > mask and (wider, point_code >> wider) in self._entries for wider in self._masks)

    def get(self, point_code: int, now: float) -> int:
        """The value that holds for ``point_code``."""
        for mask in self._masks:
            entry = self._entries.get((mask, point_code >> mask))
            if entry is not None and entry[1] > now:
                return entry[0]
        return 0

    def forget(self, now: float) -> None:
        """Drop what does not hold any more."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry[1] > now}

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._masks.clear()


_ORDER: Final = (Availability.AVAILABLE, Availability.RESTRICTED, Availability.UNAVAILABLE)
_FOREVER: Final = float("inf")


@final
class Destinations:
    """Availability and congestion of destinations as one gateway sees them; available until it says not."""

    def __init__(self) -> None:
        self._availability = Ranges()
        self._congestion = Ranges()

    @property
    def silent(self) -> bool:
        """Whether the gateway has said nothing of any destination."""
        return self._availability.silent and self._congestion.silent

    def set_availability(self, point_code: int, mask: int, availability: Availability) -> bool:
        """DUNA, DRST, DAVA; False if there is no room to remember it."""
        return self._availability.put(point_code, mask, _ORDER.index(availability), _FOREVER)

    def set_congestion(self, point_code: int, mask: int, level: int, now: float, until: float) -> bool:
        """SCON, which holds until then; False if there is no room to remember it."""
        if len(self._congestion) >= LIMIT:
            self._congestion.forget(now)
        return self._congestion.put(point_code, mask, level, until)

    def availability(self, point_code: int) -> Availability:
        """Whether it can be reached through this gateway."""
        return _ORDER[self._availability.get(point_code, 0.0)]

    def congestion(self, point_code: int, now: float) -> int:
        """Its congestion level: 0 is none, 1 where the network has no levels."""
        return self._congestion.get(point_code, now)

    def clear(self) -> None:
        """Forget all: the association was lost, and what was said on it may have changed since."""
        self._availability.clear()
        self._congestion.clear()
