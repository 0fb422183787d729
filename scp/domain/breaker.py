"""A circuit breaker as a table: a server that does not answer gets no request for a while, then one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Circuit(StrEnum):
    """What becomes of a request."""

    CLOSED = "closed"  # it is sent
    OPEN = "open"  # it fails at once
    HALF_OPEN = "half-open"  # one is on its way to see; others fail at once


class Input(StrEnum):
    """What happened."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_OFTEN = "failed-often"  # as many times in a row as are let pass
    REST_OVER = "rest-over"  # a request comes and the rest has lasted long enough


TABLE: Final[Mapping[tuple[Circuit, Input], Circuit]] = {
    (Circuit.CLOSED, Input.SUCCEEDED): Circuit.CLOSED,
    (Circuit.CLOSED, Input.FAILED): Circuit.CLOSED,
    (Circuit.CLOSED, Input.FAILED_OFTEN): Circuit.OPEN,
    (Circuit.OPEN, Input.SUCCEEDED): Circuit.CLOSED,  # of a request sent before it opened
    (Circuit.OPEN, Input.FAILED): Circuit.OPEN,
    (Circuit.OPEN, Input.FAILED_OFTEN): Circuit.OPEN,
    (Circuit.OPEN, Input.REST_OVER): Circuit.HALF_OPEN,
    (Circuit.HALF_OPEN, Input.SUCCEEDED): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Input.FAILED): Circuit.OPEN,
    (Circuit.HALF_OPEN, Input.FAILED_OFTEN): Circuit.OPEN,
    (
        Circuit.HALF_OPEN,
        Input.REST_OVER,
    ): Circuit.HALF_OPEN,  # the request that was to find out never came back
}


@final
class Breaker:
    """The circuit to one server. Times are seconds of any clock that only goes forward.

    Args:
        failures: in a row that open it.
        rest: seconds that it stays open, and that a request in `Circuit.HALF_OPEN` has to come back.

    Attributes:
        state: of the circuit.
    """

    def __init__(self, failures: int, rest: float) -> None:
        self.state = Circuit.CLOSED
        self._most = failures
        self._rest = rest
        self._failures = 0
        self._since = 0.0

    def allows(self, now: float) -> bool:
        """Return whether a request may be sent now; a caller that may has to report the result."""
        if self.state is Circuit.CLOSED:
            return True
        if now - self._since < self._rest:
            return False
        self._enter(Input.REST_OVER, now)
        self._since = now
        return True

    def succeeded(self, now: float) -> None:
        """Take that a request was answered."""
        self._failures = 0
        self._enter(Input.SUCCEEDED, now)

    def failed(self, now: float) -> None:
        """Take that a request was not answered, or with an error of the server's own."""
        self._failures += 1
        self._enter(Input.FAILED_OFTEN if self._failures >= self._most else Input.FAILED, now)

    def _enter(self, happened: Input, now: float) -> None:
        state = TABLE[self.state, happened]
        if state is not self.state:
            self.state = state
            self._since = now
