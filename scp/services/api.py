"""The interface of services: what a service sees of a call, and what it may await.

A service is one coroutine a dialogue. It does no I/O: it awaits a request of this page, and the engine, which
drives the coroutine by hand (no asyncio task), sends the answer in. None of them raises.

=====================================  ==================================================================
`Lookup`                               a subscriber's record
`NextReport`                           what comes next from the switch; the dialogue is held until then
`Send`                                 nothing: what is in the outbox leaves now
`Reserve`, `Extend`, `Settle`          an answer of the charging system, in time
`Locate`                               where a subscriber is, asked of the HLR
`ClaimPass`                            whether the call goes on unsteered, by a pass that is used up by it
=====================================  ==================================================================

The operations of a service are put on ``call.outbox`` by the methods of `Call`, and go out

- in one TC-CONTINUE when the service awaits any of these but a `Lookup`, a `Locate` or a `ClaimPass` (the
  dialogue is then held open),
- in one TC-END when the service returns (an empty outbox is a TC-END without components).

That is Q.771's basic end with nothing hidden: a service that returns after ``connect`` answers Connect in
TC-END, one that arms events and awaits their reports holds its dialogue. A service never encodes BER and
never sees a transaction id.

**Time** is ``call.now``, in seconds of the engine's clock; every ``until`` is a time of that clock.

**Reports** that come while a service awaits something else are kept, at most `MOST_REPORTS`; the next
`NextReport` gets them at once. So is the last: a dialogue may be over while its service awaits the charging
system, whose answer still comes first.

**Money.** A service that has reserved settles before it returns, whatever happens: after its call it can
still await `Settle`. If it fails instead, the engine settles for it, with what the charging system knows.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from collections.abc import Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct, field

from scp.domain.announcement import Announcement
from scp.domain.lookup import StoreFailure
from scp.domain.numbers import Numbering
from scp.domain.quota import ChargingFailure, QuotaDenial, QuotaGrant, QuotaRequest, Settled, Usage
from scp.domain.rules import OnFailure
from scp.domain.switches import Switches
from scp.domain.whereabouts import Located
from scp.services.call import Call, Outgoing
from scp.services.reports import MOST_REPORTS, NextReport, Release, Report, ReportKind

if TYPE_CHECKING:
    from scp.domain.lookup import Found

__all__ = [
    "ENTRY_POINT_GROUP",
    "MOST_REPORTS",
    "Call",
    "ChargingFailure",
    "ClaimPass",
    "Extend",
    "Locate",
    "Lookup",
    "NextReport",
    "NodeSettings",
    "Outgoing",
    "QuotaDenial",
    "QuotaGrant",
    "QuotaRequest",
    "Release",
    "Report",
    "ReportKind",
    "Request",
    "Reserve",
    "ResumableService",
    "Send",
    "Service",
    "ServiceFactory",
    "ServiceRun",
    "Settle",
    "Settled",
    "StoreFailure",
    "Usage",
]


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


class Locate:
    """Await it for where a subscriber is: ``await Locate("46700000001")``. Sends nothing.

    The answer is a `Whereabouts`, or why there is none (`LocateFailure`): from memory if it is fresh enough,
    else from the HLR, in time for the answer to the call. With the ``version`` of the record that `Lookup`
    brought, what was learnt before the record changed (a VLR told another node of a move) is asked again.
    """

    __slots__ = ("msisdn", "version")

    def __init__(self, msisdn: str, version: int = 0) -> None:
        self.msisdn = msisdn
        self.version = version

    def __await__(self) -> Generator[Request, Any, Located]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


class ClaimPass:
    """Await it to have a call pass that one of the subscriber's passes is for (`scp.domain.passes`).

    The answer is whether it does; then the pass is used up, in the store. True also if the store does not say
    in time: the call goes on, which costs nobody a call. Sends nothing.
    """

    __slots__ = ("caller", "msisdn")

    def __init__(self, msisdn: str, caller: str) -> None:
        self.msisdn = msisdn
        self.caller = caller

    def __await__(self) -> Generator[Request, Any, bool]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


class Send:
    """Await it to send the outbox now, in TC-CONTINUE: the dialogue is held from then on. It takes no time.

    For what must not wait for the answer that is asked for next: ResetTimer ahead of a slow `Lookup`.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Request, Any, None]:
        """Hand the request to the engine."""
        yield self


class Reserve:
    """Await it for the first quota of a session; sends the outbox first, if there is anything in it.

    ``until`` is when the answer has to be there; then it is a `ChargingFailure` (timeout), as it is at the
    answer's deadline for a call that nothing was answered to yet. The session may have been granted all the
    same: reserve it again by the same id, which is the same reservation, or settle it.

    A call has one session at a time. Another one that is reserved has the engine settle the first.
    """

    __slots__ = ("request", "until")

    def __init__(self, request: QuotaRequest, until: float) -> None:
        self.request = request
        self.until = until

    def __await__(self) -> Generator[Request, Any, QuotaGrant | QuotaDenial | ChargingFailure]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


class Extend:
    """Await it for a further quota of a session; otherwise like `Reserve`."""

    __slots__ = ("request", "session", "until")

    def __init__(self, session: str, request: QuotaRequest, until: float) -> None:
        self.session = session
        self.request = request
        self.until = until

    def __await__(self) -> Generator[Request, Any, QuotaGrant | QuotaDenial | ChargingFailure]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


class Settle:
    """Await it to have a session charged for what was used, and closed; otherwise like `Reserve`.

    ``usage`` None: what the charging system was told so far. After a `ChargingFailure` there is nothing more
    to do: it is settled as soon as that is possible.
    """

    __slots__ = ("session", "until", "usage")

    def __init__(self, session: str, usage: Usage | None, until: float) -> None:
        self.session = session
        self.usage = usage
        self.until = until

    def __await__(self) -> Generator[Request, Any, Settled | ChargingFailure]:
        """Hand the request to the engine."""
        return (yield self)  # type: ignore[no-any-return]


Request: TypeAlias = Lookup | NextReport | Send | Locate | ClaimPass | Reserve | Extend | Settle
ServiceRun: TypeAlias = Coroutine[Request, Any, "ServiceRun | None"]
"""A service's coroutine. One that returns another goes on with that: what the first has kept is free."""


class NodeSettings(Struct, frozen=True):
    """What every service sees of the node's own configuration.

    Attributes:
        numbering: ``[numbering]``.
        on_failure: ``[store] on_failure``: what a call gets when the store can't say.
        announcements: ``[announcements]``: `scp.services.announcing` has them heard.
        switches: ``[switches]``: what some switches do otherwise; ``switches.of(call.origin)``.
        asks_hlr: whether this node can ask an HLR (`Locate`), that is, has a ``[map]`` table.
    """

    numbering: Numbering
    on_failure: OnFailure = OnFailure.CONTINUE
    announcements: Mapping[str, Announcement] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)
    asks_hlr: bool = False


class Service(Protocol):
    """A service: its name in metrics and config, and what runs for one call."""

    name: str

    def run(self, call: Call) -> ServiceRun:
        """Return the coroutine that serves ``call``."""
        ...


@runtime_checkable
class ResumableService(Service, Protocol):
    """A service that keeps its state (`Call.keep`) and can go on with a call that another node began."""

    def resume(self, call: Call, state: bytes) -> ServiceRun:
        """Return the coroutine that goes on: it awaits what the other would have awaited.

        Args:
            call: with the first request and its decision; nothing is in the outbox.
            state: what was kept, as MessagePack. What was reported since may be reported again.
        """
        ...


class ServiceFactory(Protocol):
    """The entry point (group ``camel_scp.services``): builds a service from its configuration table."""

    def __call__(self, settings: dict[str, Any], node: NodeSettings) -> Service:
        """Return the service; raise ``ValueError("KEY: what is wrong")`` for a key of ``settings``.

        ``service_keys`` is not among the settings: it is the registry's.
        """
        ...


ENTRY_POINT_GROUP: Final = "camel_scp.services"
