"""The times at which a live replay sends its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from msgspec import Struct

from ss7.tcap import BEGIN

if TYPE_CHECKING:
    from scp.capture.wire.messages import Message


class Pace(Struct, frozen=True, kw_only=True):
    """How fast.

    Attributes:
        speed: the capture's own pace, so many times as fast.
        rate: if above 0: dialogues begin so many a second whatever their times, and what the switch said
            later follows as soon as the node has answered.

    Raises:
        ValueError: a speed that is not above 0, or a rate below 0.
    """

    speed: float = 1.0
    rate: float = 0.0

    def __post_init__(self) -> None:
        if not self.speed > 0 or not self.rate >= 0:
            raise ValueError("a speed is above 0 (1: the capture's own), and a rate not below 0")


@final
class Start:
    """When replaying began, on the clock and in the capture."""

    def __init__(self, now: float, pace: Pace) -> None:
        self._began = now
        self._pace = pace
        self._first = -1.0

    def due(self, message: Message, begun: int) -> float:
        """Return when a message leaves, where so many dialogues have begun."""
        pace = self._pace
        if pace.rate:
            return self._began + begun / pace.rate if message.tcap[0] == BEGIN else 0.0
        at = message.signal.time
        if self._first < 0:
            self._first = at
        return self._began + (at - self._first) / pace.speed
