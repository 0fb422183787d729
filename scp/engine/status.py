"""What an operator asks first: is the link up, since when, and if not, why and what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from scp.stack.m3ua.events import (
    AspState,
    AsStateChange,
    BringDown,
    ErrorReceived,
    ErrorSent,
    RegistrationRefused,
    StateChange,
    Unanswered,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.engine.signalling import Link
    from scp.stack.m3ua.events import Event

_CHECK_CONNECTION: Final = (
    "address and port, a firewall between, whether the peer runs and allows our address"
)
_CHECK_ASP: Final = "the peer's entry for this ASP: routing context, traffic mode, ASP identifier, point code"


class LinkStatus(Struct):
    """State of one link.

    Attributes:
        name: the peer's name.
        connected: the association is up.
        asp: state of the ASP (RFC 4666 §4.3.1).
        since: when the latest change was, in seconds since 1970.
        application_server: state of the AS as the peer notified it, "" if it did not.
        last_error: in words; "" if there never was one. It stays after recovery.
        check: what to look at while the link is not active; "" when it is.
    """

    name: str
    connected: bool
    asp: str
    since: float
    application_server: str = ""
    last_error: str = ""
    check: str = _CHECK_CONNECTION


@final
class StatusBoard:
    """The `Observer` that keeps a `LinkStatus` for each link and passes every change on.

    Args:
        wall: seconds since 1970.
        report: told ``(link, what happened, is it trouble)``, for the log.
    """

    def __init__(self, wall: Callable[[], float], report: Callable[[str, str, bool], None]) -> None:
        self._wall = wall
        self._report = report
        self.links: dict[str, LinkStatus] = {}

    def expect(self, name: str) -> None:
        """Show a link before it first connects."""
        self.links[name] = LinkStatus(name, False, AspState.DOWN, self._wall())

    def failed(self, name: str, reason: str) -> None:
        """An attempt to connect failed, or a connection was refused."""
        status = self.links[name]
        if reason != status.last_error:
            self._report(name, reason, True)
        status.last_error = reason

    def connection(self, link: Link, reason: str) -> None:
        """See `scp.engine.signalling.Observer`."""
        status = self.links[link.name]
        status.connected = not reason
        status.since = self._wall()
        status.check = _CHECK_CONNECTION if reason else _CHECK_ASP
        if reason:
            status.application_server = ""
            status.last_error = reason
        self._report(link.name, f"association lost: {reason}" if reason else "association up", bool(reason))

    def link_event(self, link: Link, event: Event) -> None:
        """See `scp.engine.signalling.Observer`."""
        status = self.links[link.name]
        if isinstance(event, StateChange):
            status.asp = event.new
            status.since = self._wall()
            if event.new is AspState.ACTIVE:
                status.check = ""
            elif status.connected:
                status.check = _CHECK_ASP
            self._report(link.name, f"ASP {event.new}: {event.why}", event.old is AspState.ACTIVE)
        elif isinstance(event, AsStateChange):
            status.application_server = event.new.name.lower()
            self._report(link.name, f"AS {status.application_server}", False)
        elif (words := _words(event)) is not None:
            status.last_error = words
            self._report(link.name, words, True)


def _words(event: Event) -> str | None:
    """Say an event that is trouble in words; None for one that is not."""
    if isinstance(event, ErrorReceived):
        return f"the peer sent ERR: {event.text}"
    if isinstance(event, ErrorSent):
        return f"ERR sent: {event.why}"
    if isinstance(event, RegistrationRefused):
        return f"routing key refused: {event.text}"
    if isinstance(event, BringDown):
        return event.why
    if isinstance(event, Unanswered):
        return f"{event.request} was not answered {event.attempts} times in a row"
    return None
