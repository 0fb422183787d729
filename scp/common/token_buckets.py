"""Rate limits: a token bucket for each key."""

from __future__ import annotations

from typing import final


@final
class TokenBuckets:
    """A token bucket for each key; the one that was made first goes when there are too many.

    A client that wants its own bucket forgotten, to have its tokens back, needs ``most`` addresses a burst.

    Args:
        rate: tokens a second.
        burst: the most that a bucket holds.
        most: buckets.
    """

    def __init__(self, rate: float, burst: float, most: int = 4096) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._most = most
        self._buckets: dict[object, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: object, now: float) -> bool:
        """Take a token; False if there is none."""
        buckets = self._buckets
        bucket = buckets.get(key)
        if bucket is None:
            if len(buckets) >= self._most:
                del buckets[next(iter(buckets))]
            tokens = self._burst
        else:
            tokens = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
        if tokens < 1.0:
            buckets[key] = (tokens, now)
            return False
        buckets[key] = (tokens - 1.0, now)
        return True
