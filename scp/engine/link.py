"""A link: an association and its M3UA machine. It stands between a transport and `Signalling`.

What happens on a link is reported to an `Observer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, final

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import AspState
from scp.stack.m3ua.sgp import Sgp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.engine.network import Ss7Network
    from scp.ports import Transport
    from scp.stack.m3ua.destinations import Destinations
    from scp.stack.m3ua.events import Event

Machine: TypeAlias = Asp | Sgp

NONE: Final = -2
"""In place of a routing context: no AS can carry the message."""


class LinkOwner(Protocol):
    """What a link reports to: `scp.engine.signalling.Signalling`."""

    def link_connected(self, link: Link) -> None:
        """The link's association is up."""
        ...

    def received(self, link: Link, messages: Sequence[tuple[int, bytes]]) -> None:
        """Process a batch of (stream, M3UA message) and send what they cause."""
        ...

    def link_probed(self, link: Link) -> None:
        """The link's peer is to prove that it is there: send it a BEAT."""
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

    def other_indicator(self, link: Link, network: Ss7Network, indicator: int, answered: bool) -> None:
        """DATA of ``network`` came on the link with another network indicator, for the first time.

        It is answered with that one, or discarded.
        """
        ...

    def bug(self, name: str, error: Exception) -> None:
        """This program failed while it processed a message from link ``name``; the message was discarded."""
        ...


@final
class Link:
    """An association and its M3UA machine; the `ProbedUser` of its transport.

    Attributes:
        network: of its DATA; the first one where there are several.
        shared: whether it leads to several networks.
        destinations: state of destinations as the gateway reported it (SSNM); None where we are the gateway.
            Of a shared link's first network: see `destinations_in`.
        reaches: point codes behind the peer; empty: all.
        alone: it takes all traffic that it can (override); else it shares traffic by SLS.
        transport: of the association; None while there is none.
        others: how often DATA came with a network indicator of none of its networks, by indicator.

    Args:
        owner: what it reports to.
        name: of the peer.
        machine: M3UA.
        networks: where it leads, with the routing context of each; -1: no routing context tells.
        reaches: see the attribute.
        alone: see the attribute.
    """

    def __init__(
        self,
        owner: LinkOwner,
        name: str,
        machine: Machine,
        networks: Sequence[tuple[int, Ss7Network]],
        reaches: frozenset[int],
        *,
        alone: bool,
    ) -> None:
        self._owner = owner
        self.name = name
        self.machine = machine
        self.network = networks[0][1]
        self.shared = any(network is not self.network for _, network in networks)
        self.others: dict[int, int] = {}
        self._networks = networks
        self._told: set[int] = (
            set()
        )  # indicators of `others` that were reported since the association came up
        self.destinations = machine.destinations if isinstance(machine, Asp) else None
        self._destinations: dict[Ss7Network, Destinations] = {}
        if self.shared and isinstance(machine, Asp):
            contexts: dict[Ss7Network, list[int]] = {}
            for context, network in networks:
                contexts.setdefault(network, []).append(context)
            machine.keep_apart(list(contexts.values()))
            self._destinations = {each: machine.destinations_of(of[0]) for each, of in contexts.items()}
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

    def carries(self, network: Ss7Network) -> bool:
        """Whether DATA of this network can go out now."""
        if not self.shared:
            return self.machine.state is AspState.ACTIVE and network.configured is self.network
        return self.context(network, -1) != NONE

    def destinations_in(self, network: Ss7Network) -> Destinations | None:
        """Return what the gateway has said of this network's destinations; None where we are the gateway."""
        return self._destinations.get(network.configured, self.destinations)

    def leads_to(self, network: Ss7Network) -> bool:
        """Whether this is a network of the link's."""
        return any(each is network.configured for _, each in self._networks)

    def served(self, context: int) -> list[Ss7Network]:
        """Return the networks of the AS with this routing context; -1: those that none tells apart."""
        return [network for own, network in self._networks if own == context]

    def network_of(self, context: int, indicator: int) -> Ss7Network:
        """Return the network of DATA that came on a shared link.

        Args:
            context: its routing context; -1: it had none.
            indicator: its network indicator, which decides where the routing context does not.
        """
        found: Ss7Network | None = None
        for own, network in self._networks:
            if own in (-1, context):
                if network.indicator == indicator:
                    return network
                found = found or network
        return found or self.network

    def context(self, network: Ss7Network, wanted: int) -> int:
        """Return the routing context that DATA of this network goes with; `NONE`: it can't go now.

        Args:
            network: where it goes.
            wanted: the routing context of the message that it answers; -1: there was none.
        """
        if not self.shared:
            return wanted
        found = NONE
        servers = self.machine.servers
        for own, each in self._networks:
            if each is not network.configured:
                continue
            if own < 0:
                return wanted if self.active else NONE
            if own in servers and servers[own].sends:
                if own == wanted:
                    return own
                if found == NONE:
                    found = own
        return found

    def reports(self, indicator: int) -> bool:
        """Count DATA with an indicator of none of its networks; True: it is to be reported.

        It is once for each association.
        """
        self.others[indicator] = self.others.get(indicator, 0) + 1
        if indicator in self._told:
            return False
        self._told.add(indicator)
        return True

    def connected(self, transport: Transport) -> None:
        """The association is up: the ASP asks to come up."""
        self.transport = transport
        self._told.clear()
        self._owner.link_connected(self)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Process a batch of (stream, M3UA message)."""
        self._owner.received(self, messages)

    def disconnected(self, reason: str) -> None:
        """The association is gone."""
        self.transport = None
        reason, self._given_up = self._given_up or reason, ""
        self._owner.link_lost(self, reason)

    def probe(self) -> None:
        """Send a BEAT, which a living peer answers (RFC 4666 §3.5.6)."""
        self._owner.link_probed(self)

    def give_up(self, why: str) -> None:
        """Abort the association; ``why`` is the reason that is reported."""
        if self.transport is not None:
            self._given_up = why
            self.transport.close(abort=True)
