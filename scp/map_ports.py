"""Protocols between the call path, MAP and where armed M-CSIs are kept. No implementation here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.armed import Armed, ArmedChange, ArmState
    from scp.domain.lookup import Pending
    from scp.domain.whereabouts import Located


class LocationWaiter(Protocol):
    """What takes a place that came later."""

    def located(self, place: Located) -> None:
        """Take the answer; called at most once, from the event loop, never from within `locate`."""
        ...


class Locator(Protocol):
    """What the call path needs of the HLR: where a subscriber is, at once or later; it never raises."""

    def locate(self, msisdn: str, waiter: LocationWaiter, now: float, version: int = 0) -> Located | Pending:
        """Return the place now, or `PENDING` and call ``waiter.located`` later, perhaps too late.

        A place that was learnt when the subscriber's record had another ``version`` is not told (0: any is).
        """
        ...


@runtime_checkable
class MapTelemetry(Protocol):
    """What is counted of dialogues that this node begins, and of what VLRs and HLRs tell it."""

    def enquiry(self, operation: str, outcome: str, seconds: float) -> None:
        """An enquiry that this node began is over, by `scp.domain.map_results.Outcome`."""
        ...

    def located(self, result: str) -> None:
        """A service asked for a place: "fresh", "asked", or why there is none (`LocateFailure`)."""
        ...

    def mobility(self, event: str, result: str) -> None:
        """A VLR or HLR told something; ``result`` is of `scp.domain.map_results.Result`."""
        ...


class ArmedStore(Protocol):
    """Which M-CSIs are armed; nodes may share it. Raises `scp.ports.StoreError`."""

    async def open(self) -> None:
        """Open it."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...

    async def wanted(self) -> dict[str, bool]:
        """Return all that are known: MSISDN and `Armed.on`."""
        ...

    async def get(self, msisdns: Sequence[str]) -> list[Armed | None]:
        """Return what is known of each, in their order."""
        ...

    async def change(self, changes: Sequence[ArmedChange]) -> list[bool]:
        """Compare and set, each for itself; return which were done, durably. A claim of these is over."""
        ...

    async def claim(
        self, now_ms: int, until_ms: int, most: int, rate: float = 0.0
    ) -> tuple[list[Armed], int]:
        """Take what is due, the longest first: until ``until_ms``, or `change`, nobody else gets it.

        All who share the store together take no more than ``rate`` a second, a second's worth at once; 0: as
        many as they like. A store that one node has to itself leaves that to the node.

        Returns:
            What was taken, at most ``most``, and when the next is due, 0: none ever.
        """
        ...

    async def counts(self) -> dict[ArmState, int]:
        """Return how many subscribers there are in each state."""
        ...
