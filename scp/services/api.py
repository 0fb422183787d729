"""The interface of services: what a service sees of a call, and what it may await.

A service is one coroutine a dialogue. It does no I/O: it awaits a `Lookup` or a `Report`, and the engine,
which drives the coroutine by hand (no asyncio task), sends the answer in. The operations of a service are
put on ``call.outbox`` by the methods of `Call`, and go out

- in one TC-CONTINUE when the service next awaits a report (the dialogue is then held open),
- in one TC-END when the service returns (an empty outbox is a TC-END without components).

That is Q.771's basic end with nothing hidden: a service that returns after ``connect`` answers Connect in
TC-END, one that arms events and awaits their reports holds its dialogue. A service never encodes BER and
never sees a transaction id.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from collections.abc import Coroutine, Generator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from msgspec import Struct

from scp.domain.lookup import StoreFailure
from scp.domain.numbers import Numbering
from scp.domain.rules import OnFailure
from scp.services.call import Call, Outgoing

if TYPE_CHECKING:
    from scp.domain.lookup import Found

__all__ = [
    "ENTRY_POINT_GROUP",
    "Call",
    "Lookup",
    "NextReport",
    "NodeSettings",
    "Outgoing",
    "Report",
    "ReportKind",
    "Request",
    "Service",
    "ServiceFactory",
    "ServiceRun",
    "StoreFailure",
]


class ReportKind(StrEnum):
    """Kinds of events in an open dialogue."""

    INVOKE = "invoke"  # an operation from the gsmSSF: `opcode` and `argument`
    RESULT = "result"  # the return result of an operation that the service sent
    ERROR = "error"  # its return error: `code` is the CAP error code
    REJECT = "reject"  # its reject: `code` is the problem's type << 8 | its octet
    TIMEOUT = "timeout"  # the awaited report's time is up
    END = "end"  # the peer ended the dialogue (after the components that came with it)
    ABORT = "abort"  # the peer, or the network (TC-NOTICE), aborted it


class Report(Struct, frozen=True, gc=False):
    """One event in an open dialogue.

    Attributes:
        kind: what it is.
        opcode: the CAP operation code that it belongs to, or -1.
        argument: for `ReportKind.INVOKE` the decoded argument (a type of `ss7.cap.types`), else None.
        code: for ERROR and REJECT, as named at `ReportKind`, else -1.
    """

    kind: ReportKind
    opcode: int = -1
    argument: Any = None
    code: int = -1

    @property
    def over(self) -> bool:
        """Whether the dialogue is gone: nothing can be sent any more."""
        return self.kind in (ReportKind.END, ReportKind.ABORT)


class Lookup:
    """Await it for a subscriber's record: ``await Lookup("46700000001")``.

    The answer is the record, None if the store has none, or a `StoreFailure`: it never raises.
    """

    __slots__ = ("msisdn",)

    def __init__(self, msisdn: str) -> None:
        self.msisdn = msisdn

    def __await__(self) -> Generator[Request, Any, Found]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


@final
class NextReport:
    """Await it for the next `Report`; sends the outbox first.

    ``timeout`` is in seconds, at most the call's life.

    It is what every held call is suspended in, so it takes no memory of its own: there is one for each
    timeout, and it is its own iterator (a generator takes 184 octets, and 0.2 µs less than `send`).
    """

    __slots__ = ("timeout",)

    timeout: float

    def __new__(cls, timeout: float) -> NextReport:
        """Return the one for this timeout; it has no state."""
        made = _REPORTS.get(timeout)
        if made is None:
            made = super().__new__(cls)
            made.timeout = timeout
            if len(_REPORTS) < _MOST_REPORTS:
                _REPORTS[timeout] = made
        return made

    def __await__(self) -> Generator[Request, Any, Report]:
        """Return itself: asked once, it hands the request to the engine, then it is sent the report."""
        return self  # type: ignore[return-value]  # all of a generator that a coroutine uses

    def __iter__(self) -> NextReport:
        """Return itself."""
        return self

    def __next__(self) -> NextReport:
        """Return itself, as what the coroutine yields."""
        return self

    def send(self, report: Report) -> None:
        """Take the report, which ends the wait."""
        raise StopIteration(report)


_REPORTS: Final[dict[float, NextReport]] = {}
_MOST_REPORTS: Final = 1024
"""Timeouts that are remembered: a service may work out each anew."""


Request: TypeAlias = Lookup | NextReport
ServiceRun: TypeAlias = Coroutine[Request, Any, None]


class NodeSettings(Struct, frozen=True):
    """What every service sees of the node's own configuration.

    Attributes:
        numbering: ``[numbering]``.
        on_failure: ``[store] on_failure``: what a call gets when the store can't say.
    """

    numbering: Numbering
    on_failure: OnFailure = OnFailure.CONTINUE


class Service(Protocol):
    """A service: its name in metrics and config, and what runs for one call."""

    name: str

    def run(self, call: Call) -> ServiceRun:
        """Return the coroutine that serves ``call``."""
        ...


class ServiceFactory(Protocol):
    """The entry point (group ``camel_scp.services``): builds a service from its configuration table."""

    def __call__(self, settings: dict[str, Any], node: NodeSettings) -> Service:
        """Return the service; raise ``ValueError("KEY: what is wrong")`` for a key of ``settings``.

        ``service_keys`` is not among the settings: it is the registry's.
        """
        ...


ENTRY_POINT_GROUP: Final = "camel_scp.services"
