"""State of every link, for the operator: up or not, since when, the reason, and what to check."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct, field

from scp.engine.discards import Discards
from scp.engine.network import INDICATORS
from scp.stack.m3ua.destinations import within
from scp.stack.m3ua.events import (
    AspState,
    AsStateChange,
    Availability,
    BringDown,
    Congestion,
    DestinationChange,
    ErrorReceived,
    ErrorSent,
    Registered,
    RegistrationRefused,
    ServerChange,
    StateChange,
    Unanswered,
    UserPartUnavailable,
)
from scp.stack.sccp_settings import Status
from ss7.pointcode import MAX_ITU, format_point_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.engine.link import Link
    from scp.engine.network import Ss7Network
    from scp.stack.m3ua.events import Event

_CHECK_CONNECTION: Final = (
    "address and port, a firewall between, whether the peer runs and allows our address"
)
_CHECK_WAITING: Final = (
    "at the peer, which connects to us: our address and port; whether remote has its own, a firewall between"
)
_CHECK_ASP: Final = "the peer's entry for this ASP: routing context, traffic mode, ASP identifier, point code"
_CHECK_INDICATOR: Final = (
    "network_indicator of the network, and which network the peer leads to; at the peer, the same for our ASP"
)
_CHECK_PATH: Final = "routing and firewalls between this host and that address, and the peer's network card"
_CHECK_DESTINATION: Final = "with the gateway's operator: its route to the point code"
_CHECK_SUBSYSTEM: Final = "with the operator of that point code: whether the subsystem is in service"

CLOSED_BY_US: Final = "closed by us"
"""What transports say when we wanted it so."""
ALL: Final = "all"
"""Name of all destinations at once, of which a gateway that is isolated speaks (RFC 4666 §3.4.1)."""
UNSAID: Final = "nothing said of it"
"""State of a destination that the gateway has not spoken of: traffic may go to it (RFC 4666 §4.5.2)."""

_BITS: Final = MAX_ITU.bit_length()
_PATH_UP: Final = "up"
_MOST: Final = 1024
"""Destinations, and subsystems, that are shown; a gateway may speak of any number."""


class Condition(Struct):
    """State of something that is a part of a link or behind one.

    Attributes:
        state: in a word or a few.
        since: seconds since 1970.
        check: what to look at; "" where nothing is wrong.
    """

    state: str
    since: float
    check: str = ""


class ServerStatus(Struct):
    """State of one of several application servers of a link; times are in seconds since 1970.

    Attributes:
        asp: state of the ASP in it.
        since: when that was the latest change.
        application_server: state of the AS as the peer notified it, "" if it did not.
        server_since: when that was the latest change.
    """

    asp: str
    since: float
    application_server: str = ""
    server_since: float = 0.0

    @property
    def check(self) -> str:
        """What to look at; "" where nothing is wrong."""
        return "" if self.asp == AspState.ACTIVE else _CHECK_ASP


class LinkStatus(Struct):
    """State of one link.

    Attributes:
        name: the peer's name.
        connected: the association is up.
        asp: state of the ASP (RFC 4666 §4.3.1); of several application servers the one nearest to active.
        since: when the latest change of association or ASP was, in seconds since 1970.
        application_server: state of the AS as the peer notified it, "" if it did not.
        last_error: in words; "" if there never was one. It stays after recovery.
        check: what to look at while the link is not active; "" when it is.
        waits: the peer connects to us, not we to it.
        transport: "sctp" or "tcp".
        associated: when the association came up or was lost.
        server_since: when the AS had its latest change.
        servers: the application servers by routing context, where there are several; else the two above hold.
        last_error_at: when that was.
        paths: the peer's addresses, over SCTP.
        destinations: point codes that the gateway spoke of, and those that are configured.
        other_indicators: network indicators of DATA that are none of its networks', by name, since the
            association came up: "answered" or "discarded".
    """

    name: str
    connected: bool
    asp: str
    since: float
    application_server: str = ""
    last_error: str = ""
    check: str = _CHECK_CONNECTION
    waits: bool = False
    transport: str = ""
    associated: float = 0.0
    server_since: float = 0.0
    servers: dict[int, ServerStatus] = field(default_factory=dict)
    last_error_at: float = 0.0
    paths: dict[str, Condition] = field(default_factory=dict)
    destinations: dict[str, Condition] = field(default_factory=dict)
    other_indicators: dict[str, Condition] = field(default_factory=dict)


class ComponentStatus(Struct):
    """State of what a node has beside its links and its store. None of it keeps a node from taking calls.

    Attributes:
        group: what it is: a key of ``/health``.
        name: which one, where there may be several; else the group's in a word.
        kind: "component", "datastore" or "system", as health+json has it.
        state: in words.
        since: seconds since 1970.
        check: what to look at; "" where nothing is wrong.
        last_error: in words; "" if there never was one. It stays after recovery.
        last_error_at: when that was, in seconds since 1970.
    """

    group: str
    name: str
    kind: str
    state: str
    since: float
    check: str = ""
    last_error: str = ""
    last_error_at: float = 0.0


@final
class StatusBoard:
    """The `Observer` that keeps a `LinkStatus` for each link and passes every change on.

    Args:
        wall: seconds since 1970.
        report: told ``(link, what happened, is it trouble)``, for the log.

    Attributes:
        links: by name.
        subsystems: of other nodes, as SCMG told: "SSN at POINT-CODE".
        discards: what was thrown away.
    """

    def __init__(self, wall: Callable[[], float], report: Callable[[str, str, bool], None]) -> None:
        self._wall = wall
        self._report = report
        self.links: dict[str, LinkStatus] = {}
        self.subsystems: dict[str, Condition] = {}
        self.discards = Discards(wall)
        self._ranges: dict[str, tuple[int, int]] = {}  # name of a destination → point code, wildcard bits

    def expect(
        self,
        name: str,
        transport: str = "",
        destinations: tuple[int, ...] = (),
        contexts: tuple[int, ...] = (),
        *,
        waits: bool = False,
    ) -> None:
        """Show a link before it first connects.

        Args:
            name: the peer's.
            transport: "sctp" or "tcp".
            destinations: point codes behind it, as configured.
            contexts: the routing contexts that it has.
            waits: the peer connects to us.
        """
        now = self._wall()
        self._ranges.update([(_point_codes(each, 0), (each, 0)) for each in destinations])
        self.links[name] = LinkStatus(
            name,
            False,
            AspState.DOWN,
            now,
            check=_CHECK_WAITING if waits else _CHECK_CONNECTION,
            waits=waits,
            transport=transport,
            associated=now,
            destinations={_point_codes(each, 0): _unknown(now) for each in destinations},
            servers={each: ServerStatus(AspState.DOWN, now) for each in contexts if len(contexts) > 1},
        )

    # -- the association -------------------------------------------------------------------------------------

    def failed(self, name: str, reason: str) -> None:
        """An attempt to connect failed, or a connection was refused."""
        if reason != self.links[name].last_error:
            self._report(name, reason, True)
        self._trouble(self.links[name], reason)

    def connection(self, link: Link, reason: str) -> None:
        """See `scp.engine.link.Observer`."""
        status = self.links[link.name]
        status.connected = not reason
        status.since = status.associated = self._wall()
        away = _CHECK_WAITING if status.waits else _CHECK_CONNECTION
        status.check = away if reason else _CHECK_ASP
        for code in status.destinations:  # what was said on one association doesn't hold on the next
            status.destinations[code] = _unknown(status.since)
        if not reason:
            status.other_indicators.clear()
        else:
            status.application_server = ""
            for server in status.servers.values():
                server.application_server = ""
        if reason and reason != CLOSED_BY_US:
            self._trouble(status, reason)
        ours = reason == CLOSED_BY_US
        words = f"association lost: {reason}" if reason and not ours else "association closed"
        self._report(link.name, words if reason else "association up", bool(reason) and not ours)

    def note(self, name: str, what: str, trouble: bool) -> None:
        """Something happened to a link's association that did not end it."""
        if trouble:
            self._trouble(self.links[name], what)
        self._report(name, what, trouble)

    def path(self, name: str, address: str, state: str) -> None:
        """One of the peer's addresses has another state; "": it is none of the peer's any more."""
        paths = self.links[name].paths
        if state:
            paths[address] = Condition(state, self._wall(), "" if state == _PATH_UP else _CHECK_PATH)
        else:
            paths.pop(address, None)

    def discarded(self, name: str, layer: str, reason: str, octets: bytes) -> None:
        """See `scp.engine.link.Observer`."""
        self.discards.add(name, layer, reason, octets)

    def other_indicator(self, link: Link, network: Ss7Network, indicator: int, answered: bool) -> None:
        """See `scp.engine.link.Observer`."""
        found, ours = INDICATORS[indicator], INDICATORS[network.indicator]
        what = f"is answered with {found}" if answered else "is discarded"
        state, check = ("answered", "") if answered else ("discarded", _CHECK_INDICATOR)
        self.links[link.name].other_indicators[found] = Condition(state, self._wall(), check)
        self.note(
            link.name,
            f"DATA has network indicator {found}, network {network.name} has {ours}: it {what}",
            True,
        )

    def bug(self, name: str, error: Exception) -> None:
        """See `scp.engine.link.Observer`: the exception and where it was raised."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        self._report(name, f"a message was discarded, by a fault of this program: {error!r}{where}", True)

    # -- M3UA ------------------------------------------------------------------------------------------------

    def link_event(self, link: Link, event: Event) -> None:
        """See `scp.engine.link.Observer`."""
        status = self.links[link.name]
        if isinstance(event, StateChange):
            self._asp(status, event)
        elif isinstance(event, ServerChange):
            self._server(status, event)
        elif isinstance(event, AsStateChange):
            self._application_server(status, event)
        elif isinstance(event, DestinationChange):
            self._destination(status, event.point_code, event.mask, event.availability)
        elif isinstance(event, Congestion):
            state = f"congested, level {event.level}" if event.level else Availability.AVAILABLE
            self._destination(status, event.point_code, event.mask, state)
        elif isinstance(event, Registered):
            self._report(link.name, f"routing context {event.routing_context} was registered", False)
        elif (words := _words(event)) is not None:
            self._trouble(status, words)
            self._report(link.name, words, True)

    def _asp(self, status: LinkStatus, event: StateChange) -> None:
        status.asp = event.new
        status.since = self._wall()
        if event.new is AspState.ACTIVE:
            status.check = ""
        elif status.connected:
            status.check = _CHECK_ASP
        self._report(status.name, f"ASP {event.new}: {event.why}", event.old is AspState.ACTIVE)

    def _server(self, status: LinkStatus, event: ServerChange) -> None:
        server = status.servers.get(event.routing_context)
        if server is not None:
            server.asp, server.since = event.new, self._wall()
        what = f"ASP {event.new} for routing context {event.routing_context}: {event.why}"
        self._report(status.name, what, event.new is not AspState.ACTIVE and status.asp == AspState.ACTIVE)

    def _application_server(self, status: LinkStatus, event: AsStateChange) -> None:
        state, context = event.new.name.lower(), event.routing_context
        server = status.servers.get(context, status)
        server.application_server, server.server_since = state, self._wall()
        which = f" for routing context {context}" if context >= 0 else ""
        self._report(status.name, f"AS {state}{which}", False)

    def _destination(self, status: LinkStatus, point_code: int, mask: int, state: str) -> None:
        name = _point_codes(point_code, mask)
        fine = state == Availability.AVAILABLE
        known = status.destinations.get(name)
        if known is None and len(status.destinations) >= _MOST:
            return
        self._ranges[name] = point_code, mask
        said = Condition(str(state), self._wall(), "" if fine else _CHECK_DESTINATION)
        for each, condition in status.destinations.items():  # what is said of a range is said of its parts
            if mask and condition.state != state and self._within(each, point_code, mask):
                status.destinations[each] = said
        if known is None or known.state != state:
            status.destinations[name] = said
            self._report(status.name, f"destination {name} is {state}", not fine)

    def _within(self, name: str, point_code: int, mask: int) -> bool:
        """Whether a known destination is a part of a range."""
        first, bits = self._ranges[name]
        return name != ALL and bits <= mask and within(first, point_code, mask)

    # -- SCCP ------------------------------------------------------------------------------------------------

    def subsystem(self, point_code: int, ssn: int, state: str) -> None:
        """See `scp.engine.link.Observer`."""
        name = f"{ssn} at {format_point_code(point_code)}"
        if name not in self.subsystems and len(self.subsystems) >= _MOST:
            return
        fine = state == Status.ALLOWED
        self.subsystems[name] = Condition(str(state), self._wall(), "" if fine else _CHECK_SUBSYSTEM)
        self._report("", f"subsystem {name} is {state}", not fine)

    def _trouble(self, status: LinkStatus, what: str) -> None:
        status.last_error = what
        status.last_error_at = self._wall()


def _unknown(now: float) -> Condition:
    return Condition(UNSAID, now)


def _point_codes(point_code: int, mask: int) -> str:
    """Return a point code, or a range of them: its first one and how many bits are wild, or `ALL`."""
    if mask >= _BITS:
        return ALL
    first = format_point_code(point_code)
    return f"{first}/{mask}" if mask else first


def _words(event: Event) -> str | None:
    """Say an event that is trouble in words; None for one that is not."""
    if isinstance(event, ErrorReceived):
        answer = f", in answer to {event.refused}" if event.refused else ""
        return f"the peer sent ERR: {event.text} ({event.code:#04x}){answer}"
    if isinstance(event, ErrorSent):
        return f"ERR sent: {event.why}"
    if isinstance(event, RegistrationRefused):
        return f"REG REQ refused: status {event.status}, {event.text}"
    if isinstance(event, BringDown):
        return event.why
    if isinstance(event, Unanswered):
        return f"{event.request} was not answered {event.attempts} times in a row"
    if isinstance(event, UserPartUnavailable):
        return f"user part {event.user} is not available at {format_point_code(event.point_code)}"
    return None
