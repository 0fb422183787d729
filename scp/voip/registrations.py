"""What the node is told of each identity: registered while it has a binding, and a grace longer. Pure.

The number of bindings is a level, not an event: what was told is compared with what is so, however often the
same is heard and whatever was missed. A device that comes and goes within the grace costs the node nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Iterable

RETRY_FIRST: Final = 1.0
RETRY_MOST: Final = 60.0
"""Seconds until what the node did not take is told again; doubled with each attempt."""


@final
class _State:
    """Of one identity."""

    __slots__ = ("due", "retry", "told", "underway", "wanted")

    def __init__(self, told: bool | None) -> None:
        self.wanted: bool | None = None  # None: not known yet
        self.told = told  # None: not known
        self.underway = False
        self.due = 0.0  # when the grace ends, or the next attempt may be made; 0: nothing waits
        self.retry = RETRY_FIRST


@final
class Registrations:
    """Which identities the node has to be told of.

    Args:
        grace: seconds that an identity stays registered after its last binding has gone.

    Attributes:
        outbox: (MSISDN, registered) to tell; the owner empties it and calls `told` or `failed` for each.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.outbox: list[tuple[str, bool]] = []
        self._states: dict[str, _State] = {}
        self._timers: list[tuple[float, str]] = []

    def remember(self, registered: Iterable[str]) -> None:
        """Know from the store what the node was told before; it is told again what is so."""
        for msisdn in registered:
            self._states.setdefault(msisdn, _State(True))

    def believed(self) -> list[str]:
        """Return the identities that the node takes for registered: the SIP side is asked about each."""
        return [msisdn for msisdn, state in self._states.items() if state.told is not False]

    def told_registered(self) -> list[str]:
        """Return the identities that the node was told are registered."""
        return [msisdn for msisdn, state in self._states.items() if state.told]

    def count(self, msisdn: str, bindings: int, now: float) -> None:
        """Hear how many bindings an identity has."""
        state = self._states.get(msisdn)
        if state is None:
            if not bindings:
                return
            state = self._states[msisdn] = _State(None)
        if bindings:
            state.wanted = True
            if state.told is not True:
                self._tell(msisdn, state)
            elif not state.underway:
                state.due = 0.0
        elif state.wanted is not False:
            state.wanted = False
            self._wait(msisdn, state, now + self.grace)

    def forget(self, msisdn: str) -> None:
        """Let an identity go that is in the directory no more; the node is told that it left."""
        state = self._states.get(msisdn)
        if state is not None:
            state.wanted = False
            self._tell(msisdn, state)

    def told(self, msisdn: str, registered: bool, now: float) -> None:
        """Hear that the node has it."""
        state = self._states[msisdn]
        state.underway = False
        state.told = registered
        state.retry = RETRY_FIRST
        if state.wanted is not None and state.wanted is not registered and not state.due:
            self._wait(msisdn, state, now + (0.0 if state.wanted else self.grace))
        elif not registered and state.wanted is False:
            del self._states[msisdn]

    def failed(self, msisdn: str, now: float) -> None:
        """Hear that the node did not take it; it is told again later."""
        state = self._states[msisdn]
        state.underway = False
        self._wait(msisdn, state, now + state.retry)
        state.retry = min(state.retry * 2, RETRY_MOST)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do."""
        return self._timers[0][0] if self._timers else None

    def tick(self, now: float) -> None:
        """Do what is due."""
        while self._timers and self._timers[0][0] <= now:
            due, msisdn = heappop(self._timers)
            state = self._states.get(msisdn)
            if state is None or state.due != due:
                continue  # another one has taken its place
            state.due = 0.0
            if state.wanted is not None and state.wanted is not state.told:
                self._tell(msisdn, state)

    def _tell(self, msisdn: str, state: _State) -> None:
        state.due = 0.0
        if not state.underway and state.wanted is not None:
            state.underway = True
            self.outbox.append((msisdn, state.wanted))

    def _wait(self, msisdn: str, state: _State, due: float) -> None:
        state.due = due
        heappush(self._timers, (due, msisdn))
