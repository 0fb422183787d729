"""A link: an association and its M3UA machine. It stands between a transport and `Signalling`.

What happens on a link is reported to an `Observer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, final

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import AspState
from scp.stack.m3ua.sgp import Sgp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.ports import Transport
    from scp.stack.m3ua.events import Event

Machine: TypeAlias = Asp | Sgp


class LinkOwner(Protocol):
    """What a link reports to: `scp.engine.signalling.Signalling`."""

    def link_connected(self, link: Link) -> None:
        """The link's association is up."""
        ...

    def received(self, link: Link, messages: Sequence[tuple[int, bytes]]) -> None:
        """Process a batch of (stream, M3UA message) and send what they cause."""
        ...

    def link_lost(self, link: Link, reason: str) -> None:
        """The link's association is lost."""
        ...


class Observer(Protocol):
    """Receives events below TC: of links, of SCCP management, of discarded messages."""

    def link_event(self, link: Link, event: Event) -> None:
        """The link's M3UA machine reports a change of state, or a discarded message."""
        ...

    def connection(self, link: Link, reason: str) -> None:
        """The link's association came up (reason "") or was lost."""
        ...

    def subsystem(self, point_code: int, ssn: int, state: str) -> None:
        """SCMG reported a remote subsystem: "allowed", "prohibited" or "congested"."""
        ...

    def discarded(self, name: str, layer: str, reason: str, octets: bytes) -> None:
        """A message was discarded. ``name`` is the link that it came on, ``octets`` the M3UA message.

        Both are empty where it was not a received one: a message of ours, or a reassembly that timed out.
        """
        ...

    def bug(self, name: str, error: Exception) -> None:
        """This program failed while it processed a message from link ``name``; the message was discarded."""
        ...


@final
class Link:
    """An association and its M3UA machine; the `TransportUser` of its transport.

    Attributes:
        destinations: state of destinations as the gateway reported it (SSNM); None where we are the gateway.
        reaches: point codes behind the peer; empty: all.
        alone: it takes all traffic that it can (override); else it shares traffic by SLS.
        transport: of the association; None while there is none.
    """

    def __init__(
        self, owner: LinkOwner, name: str, machine: Machine, reaches: frozenset[int], *, alone: bool
    ) -> None:
        self._owner = owner
        self.name = name
        self.machine = machine
        self.destinations = machine.destinations if isinstance(machine, Asp) else None
        self.reaches = reaches
        self.alone = alone
        self.transport: Transport | None = None
        self._given_up = ""  # why we end the association; its transport does not know

    @property
    def active(self) -> bool:
        """Whether DATA can go out."""
        return self.machine.state is AspState.ACTIVE

    @property
    def up(self) -> bool:
        """Whether the ASP is up (inactive or active)."""
        return self.machine.state is not AspState.DOWN

    def connected(self, transport: Transport) -> None:
        """The association is up: the ASP asks to come up."""
        self.transport = transport
        self._owner.link_connected(self)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Process a batch of (stream, M3UA message)."""
        self._owner.received(self, messages)

    def disconnected(self, reason: str) -> None:
        """The association is gone."""
        self.transport = None
        reason, self._given_up = self._given_up or reason, ""
        self._owner.link_lost(self, reason)

    def give_up(self, why: str) -> None:
        """Abort the association; ``why`` is the reason that is reported."""
        if self.transport is not None:
            self._given_up = why
            self.transport.close(abort=True)
