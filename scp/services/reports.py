"""What a service hears from the switch: `Report`, and `NextReport` to await one. Part of `services.api`."""

# ruff: noqa: TC003 - the annotations are read at run time

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from math import inf
from typing import Any, Final, final

from msgspec import Struct


class ReportKind(StrEnum):
    """Kinds of events in an open dialogue."""

    INVOKE = "invoke"  # an operation from the gsmSSF: `opcode` and `argument`
    RESULT = "result"  # of an operation that the service sent: `argument` is its result, None if it has none
    ERROR = "error"  # its return error: `code` is the CAP error code, `argument` its parameter, None without
    REJECT = "reject"  # its reject: `code` is the problem's type << 8 | its octet
    TIMEOUT = "timeout"  # no report in time; with an `opcode`: an operation that has a result got none
    TOLD = "told"  # somebody wants something of the call: `argument` is a `Release`
    END = "end"  # the peer ended the dialogue (after the components that came with it)
    ABORT = "abort"  # the peer, or the network (TC-NOTICE), aborted it


class Report(Struct, frozen=True, gc=False):
    """One event in an open dialogue.

    Attributes:
        kind: what it is.
        opcode: the CAP operation code that it belongs to, or -1.
        argument: for INVOKE the decoded argument (a type of `ss7.cap.types`); for others as named at
            `ReportKind`, else None.
        code: for ERROR and REJECT, as named at `ReportKind`, else -1.
        invoke_id: of the operation of the service that this answers, or that got no answer
            (`Outgoing.invoke_id`); for INVOKE the switch's own; else -1.
        at: when it came, by the engine's clock, if the service awaited the charging system then; else 0.0: it
            came now.
    """

    kind: ReportKind
    opcode: int = -1
    argument: Any = None
    code: int = -1
    invoke_id: int = -1
    at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether the dialogue is gone: nothing can be sent any more."""
        return self.kind in (ReportKind.END, ReportKind.ABORT)


class Release(Struct, frozen=True, gc=False):
    """Somebody wants the call released: send ReleaseCall with this cause (Q.850, octets as CAP has them).

    In TC-CONTINUE, if a report is still due (29.078 §11.26.2.1): await it, settle, and return.
    """

    cause: bytes


MOST_REPORTS: Final = 64
"""Reports that wait for their service. One more drops the oldest of the same operation, which says less than
a later one, else the oldest; the end of the dialogue and what is `ReportKind.TOLD` are never dropped."""


@final
class NextReport:
    """Await it for the next `Report`; sends the outbox first.

    ``NextReport(60.0)`` waits for so many seconds, ``NextReport(until=call.now + 60.0)`` until that time,
    which stays the same when it is awaited again after a report; then the report is a TIMEOUT.

    It is what every held call is suspended in, so it takes no memory of its own then: there is one for each
    timeout, and all share an iterator, which forgets the request once the engine has it (a generator takes
    184 octets, and 0.2 µs less than `_Wait.send`).
    """

    __slots__ = ("timeout", "until")

    timeout: float  # negative: `until` holds
    until: float

    def __new__(cls, timeout: float = inf, *, until: float | None = None) -> NextReport:
        """Return the one for this timeout, or one for this time; it has no state."""
        if until is not None:
            made = object.__new__(cls)  # super() takes 0.1 µs
            made.timeout = -1.0
            made.until = until
            return made
        known = _SHARED.get(timeout)
        if known is None:
            known = object.__new__(cls)
            known.timeout = max(timeout, 0.0)
            known.until = inf
            if len(_SHARED) < _MOST_TIMEOUTS:
                _SHARED[timeout] = known
        return known

    def __await__(self) -> Generator[NextReport, Any, Report]:
        """Return what hands the request to the engine at once, and then is sent the report."""
        _WAIT.request = self
        return _WAIT  # type: ignore[return-value]  # all of a generator that a coroutine uses


@final
class _Wait:
    """The iterator of every `NextReport`: ``await`` asks it for the request as soon as it has it."""

    __slots__ = ("request",)

    def __init__(self) -> None:
        self.request: NextReport | None = None

    def __iter__(self) -> _Wait:
        """Return itself."""
        return self

    def __next__(self) -> NextReport | None:
        """Return the request, as what the coroutine yields."""
        request, self.request = self.request, None
        return request

    def send(self, report: Report) -> None:
        """Take the report, which ends the wait."""
        raise StopIteration(report)


_WAIT: Final = _Wait()
_SHARED: Final[dict[float, NextReport]] = {}
_MOST_TIMEOUTS: Final = 1024
"""Timeouts that are remembered: a service may work out each anew."""
