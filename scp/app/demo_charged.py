"""The demo's calls that stay under control: one is rescued, one ends when its money is used up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.quota import QuotaDenial, QuotaGrant, Settled

if TYPE_CHECKING:
    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage
    from scp.ports import QuotaPort, QuotaWaiter

CALLER: Final = "46700000009"
BALANCE: Final = 4
"""Minor units: they pay 4 s."""
SETTINGS: Final = """
rescue = true
[services.voip-forwarding.charging]
first_s = 2
next_s = 2
withheld_s = 1
warning_s = 1
"""
TARIFFS: Final = """
[charging]
currency = "EUR"
[[charging.tariffs]]
prefix = "46"
price = 60
per_seconds = 60
"""


@final
class Till:
    """A `scp.ports.QuotaPort` that notes what is asked of the one behind it, and what comes of it.

    Attributes:
        notes: when, on `time.perf_counter`'s clock, and in words; what is held, in minor units.
        settled: whether nothing is reserved, or no longer.
    """

    def __init__(self, behind: QuotaPort) -> None:
        self.notes: list[tuple[float, str]] = []
        self.settled = asyncio.Event()
        self.settled.set()
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def reserve(self, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        self.settled.clear()
        self._behind.reserve(request, _Answer(self, "", waiter))

    def extend(self, session: str, request: QuotaRequest, waiter: QuotaWaiter) -> None:
        """See `scp.ports.QuotaPort`."""
        self._behind.extend(session, request, _Answer(self, f"{request.used.seconds} s used, ", waiter))

    def settle(self, session: str, used: Usage | None, waiter: QuotaWaiter | None) -> None:
        """See `scp.ports.QuotaPort`."""
        tenths = used.tenths if used is not None else 0
        self._behind.settle(session, used, _Answer(self, f"{tenths / 10:.1f} s settled, ", waiter))


@final
class _Answer:
    """Notes an answer on its way to its waiter."""

    def __init__(self, till: Till, asked: str, waiter: QuotaWaiter | None) -> None:
        self._till = till
        self._asked = asked
        self._waiter = waiter

    def charged(self, answer: QuotaAnswer) -> None:
        """See `scp.ports.QuotaWaiter`."""
        self._till.notes.append((time.perf_counter(), f"{self._asked}{_words(answer)}"))
        if isinstance(answer, Settled):
            self._till.settled.set()
        if self._waiter is not None:
            self._waiter.charged(answer)


def _words(answer: QuotaAnswer) -> str:
    if isinstance(answer, QuotaGrant):
        return f"{answer.seconds} s granted, {answer.held} held"
    if isinstance(answer, Settled):
        return f"{answer.charged} charged"
    return "no more" if isinstance(answer, QuotaDenial) else "charging is away"
