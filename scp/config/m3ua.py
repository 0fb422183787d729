"""``[m3ua]``: the peers, their roles, timers and transports."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Final, Literal

from msgspec import Meta, Struct

from scp.config.networks import DEFAULT_NETWORK
from scp.config.reader import Fault
from scp.config.value_types import Address, Name, Port, Seconds, UInt32, one_or_more
from scp.config.values import PointCode

if TYPE_CHECKING:
    from collections.abc import Iterator


PYSCTP: Final = "pysctp"
PYSCTP_FAULTY: Final = (0, 7, 3)
"""The newest version that is known to be faulty; there was no later one when this was written."""


class PeerRole(StrEnum):
    """Our M3UA role towards the peer, and which side connects."""

    ASP = "asp"
    ASP_LISTEN = "asp-listen"
    IPSP = "ipsp"
    IPSP_LISTEN = "ipsp-listen"

    @property
    def listens(self) -> bool:
        """Whether the peer connects to us."""
        return self in (PeerRole.ASP_LISTEN, PeerRole.IPSP_LISTEN)

    @property
    def ipsp(self) -> bool:
        """Whether the peer is no gateway but a signalling point itself (RFC 4666 §1.4.8, single exchange)."""
        return self in (PeerRole.IPSP, PeerRole.IPSP_LISTEN)


class TrafficMode(StrEnum):
    """Traffic Mode Type (RFC 4666 §3.7.1); "unspecified" sends none and takes what the gateway has.

    In "broadcast" the gateway gives every message to every active ASP of the AS, and it is theirs to settle
    who answers. Our nodes do not, each answers what it gets: from two, a switch has two answers to every
    question. So it fits one node, beside ASPs that only listen.
    """

    UNSPECIFIED = "unspecified"
    OVERRIDE = "override"
    LOADSHARE = "loadshare"
    BROADCAST = "broadcast"


class PeerTimers(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.timers]``; all in seconds but ``attempts``.

    Attributes:
        ack_s: T(ack), until a request is sent again (RFC 4666 §4.3.4: 2 s by default).
        attempts: requests without an answer before the ASP starts anew.
        retry_s: until a request that the gateway refused is sent again.
        congestion_s: how long a SCON holds.
        recovery_s: T(r), for role ipsp-listen: how long messages wait for a peer that became inactive
            (RFC 4666 §4.3.2).
        connect_s: how long one attempt to connect may take.
        reconnect_first_s: until the second attempt; doubled with each.
        reconnect_most_s: the most that is waited between attempts.
    """

    ack_s: Seconds = 2.0
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_s: Seconds = 10.0
    congestion_s: Seconds = 10.0
    recovery_s: Seconds = 2.0
    connect_s: Seconds = 5.0
    reconnect_first_s: Seconds = 0.5
    reconnect_most_s: Seconds = 30.0

    def faults(self) -> Iterator[Fault]:
        """Yield a fault where the longest back-off is shorter than the first."""
        if self.reconnect_most_s < self.reconnect_first_s:
            yield Fault("reconnect_most_s", f"less than reconnect_first_s ({self.reconnect_first_s:g})")


def unusable_pysctp() -> str:
    """Return why the pysctp that is installed can't be used; "" if it can.

    ``CAMEL_SCP_PYSCTP=any`` in the environment takes any version: for tests.
    """
    try:
        installed = version("pysctp")
    except PackageNotFoundError:
        return "pysctp is not installed"
    if os.environ.get("CAMEL_SCP_PYSCTP") == "any":
        return ""
    numbers = tuple(int(part) for part in re.findall(r"\d+", installed)[:3])
    if numbers > PYSCTP_FAULTY:
        return ""
    return (
        f"pysctp {installed} leaks memory with every message and writes beyond its buffers; no version up to "
        f"{'.'.join(map(str, PYSCTP_FAULTY))} is taken: leave `library` out (deploy/pysctp.md)"
    )


class PeerSctp(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.sctp]``: protocol parameters of RFC 9260 §16, by default for signalling.

    RFC 9260's own values would take a minute to give up a path. With these, traffic leaves a silent path
    after one RTO; the path is reported down after four.

    Attributes:
        rto_initial_s: until there is a measured round trip.
        rto_min_s: above the delay of the peer's SACKs, which is 0.2 s as a rule.
        rto_max_s: the most that is waited for an acknowledgement.
        heartbeat_s: HB.interval, how often an idle path is tested; 0: never.
        path_retransmissions: Path.Max.Retrans, after which a path counts as down.
        association_retransmissions: Association.Max.Retrans, after which the association does.
        init_attempts: Max.Init.Retransmits.
        streams: asked for each way: one for management and one for each SLS by default.
        library: "pysctp" has associations and messages go through that library; "": through Python's own
            sockets. See ``deploy/pysctp.md``.
    """

    rto_initial_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 1.0
    rto_min_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 0.3
    rto_max_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 3.0
    heartbeat_s: Annotated[float, Meta(ge=0, le=3600, description="seconds, from 0 to 3600")] = 10.0
    path_retransmissions: Annotated[int, Meta(ge=1, le=100)] = 3
    association_retransmissions: Annotated[int, Meta(ge=1, le=100)] = 6
    init_attempts: Annotated[int, Meta(ge=1, le=100)] = 8
    streams: Annotated[int, Meta(ge=2, le=257)] = 17
    library: Literal["", "pysctp"] = ""

    def faults(self) -> Iterator[Fault]:
        """Yield RTOs out of order, which the kernel would refuse, and a pysctp that can't be used."""
        if self.library and (reason := unusable_pysctp()):
            yield Fault("library", reason)
        if not self.rto_min_s <= self.rto_initial_s <= self.rto_max_s:
            yield Fault("rto_initial_s", "must lie between rto_min_s and rto_max_s")


class RoutingKey(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.routing_key]``: registered with REG REQ (RFC 4666 §4.4.1); ``{}`` is all to us.

    The gateway assigns the routing context, whatever ``routing_context`` says.

    Attributes:
        point_code: destination; None: our own in the peer's network.
        origins: originating point codes that it is limited to; empty: all.
        service_indicators: user parts that it is limited to; 3 is SCCP (Q.704 §14.2.1). Empty: all, which
            every gateway takes; some route by destination alone, and refuse a key that has more (Osmocom's
            STP does, with status 9). What comes for another user part is discarded here, and counted.
    """

    point_code: PointCode | None = None
    origins: tuple[PointCode, ...] = ()
    service_indicators: tuple[Annotated[int, Meta(ge=0, le=15)], ...] = ()


TCP_HEARTBEAT_S: Final = 30.0


class Peer(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[m3ua.peers]]``: a gateway (STP) or another signalling point.

    Attributes:
        name: in logs and metrics.
        transport: SCTP, or TCP as Osmocom's STP offers it.
        role: "asp" and "ipsp" connect, "asp-listen" and "ipsp-listen" are connected to.
        remote: the peer's addresses, all of one host; where we listen: who may connect, empty for anybody.
        local: our addresses to bind; empty: the system chooses, or all where we listen.
        port: the peer's port, or where we listen: ours.
        local_port: ours where we connect; 0: the system chooses.
        routing_context: of our application server; a list where we serve several over this association, each
            of which is made active and answered as itself (RFC 4666 §1.4.2.1). None where the gateway has one
            only and wants none.
        network_appearance: None: not sent (RFC 4666 §3.3.1). Of several: one for each routing context.
        asp_identifier: None: not sent (RFC 4666 §3.5.1).
        traffic_mode: asked for in ASPAC.
        network: name of the network that the peer leads to: "default", or one of ``[networks]``. A list where
            several share the association: one for each of `routing_context`, in its order; or without several
            routing contexts, networks of different indicators, by which DATA is told apart.
        destinations: point codes behind this peer, for DAUD and for messages that are no answers; empty: all.
        heartbeat_s: T(beat) between BEATs, 0 for none; by default none over SCTP, which has heartbeats of its
            own (RFC 4666 §4.3.4.6), and 30 over TCP.
        routing_key: see `RoutingKey`; None: the gateway has ours configured.
        timers: see `PeerTimers`.
        sctp: see `PeerSctp`.
    """

    name: Name
    transport: Literal["sctp", "tcp"] = "sctp"
    role: PeerRole = PeerRole.ASP
    remote: tuple[Address, ...] = ()
    local: tuple[Address, ...] = ()
    port: Port = 2905
    local_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    routing_context: UInt32 | tuple[UInt32, ...] | None = None
    network_appearance: UInt32 | tuple[UInt32, ...] | None = None
    asp_identifier: UInt32 | None = None
    traffic_mode: TrafficMode = TrafficMode.LOADSHARE
    network: Name | tuple[Name, ...] = DEFAULT_NETWORK
    destinations: tuple[PointCode, ...] = ()
    heartbeat_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    routing_key: RoutingKey | None = None
    timers: PeerTimers = PeerTimers()
    sctp: PeerSctp = PeerSctp()

    @property
    def routing_contexts(self) -> tuple[int, ...]:
        """The values of `routing_context`, a single one or a list."""
        return () if self.routing_context is None else one_or_more(self.routing_context)

    @property
    def network_appearances(self) -> tuple[int, ...]:
        """The values of `network_appearance`, a single one or a list."""
        return () if self.network_appearance is None else one_or_more(self.network_appearance)

    @property
    def networks(self) -> tuple[str, ...]:
        """The values of `network`, a single one or a list."""
        return one_or_more(self.network)

    @property
    def network_of_contexts(self) -> dict[int, str]:
        """The network of each routing context; empty where routing contexts do not tell networks apart."""
        contexts, networks = self.routing_contexts, self.networks
        return dict(zip(contexts, networks, strict=True)) if len(contexts) == len(networks) > 1 else {}

    @property
    def beat(self) -> float:
        """T(beat) in seconds: as configured, or the default of the peer's transport; 0: no BEAT."""
        if self.heartbeat_s is not None:
            return self.heartbeat_s
        return TCP_HEARTBEAT_S if self.transport == "tcp" else 0.0

    def faults(self) -> Iterator[Fault]:
        """Yield what is missing or makes no sense for the role."""
        if not self.role.listens and not self.remote:
            yield Fault("remote", f"required for role {self.role}: the peer's addresses")
        yield from _no_addresses("remote", self.remote)
        yield from _no_addresses("local", self.local)
        if self.routing_key is not None and self.role.ipsp:
            yield Fault("routing_key", f"role {self.role} has no gateway to register it with")
        contexts = self.routing_contexts
        if len(set(contexts)) < len(contexts):
            yield Fault("routing_context", "each once")
        appearances = self.network_appearances
        if len(appearances) > 1 and len(appearances) != len(contexts):
            reason = f"{len(appearances)} for the {len(contexts)} of routing_context: one for each, or one"
            yield Fault("network_appearance", reason)
        yield from self._network_faults()
        if self.routing_key is not None and len(contexts) > 1:
            yield Fault("routing_context", "one at most beside routing_key, which has the gateway assign it")
        if self.role.listens and self.local_port:
            yield Fault("local_port", f"for role {self.role} give our port as port")

    def _network_faults(self) -> Iterator[Fault]:
        """Yield a list of networks that does not fit the routing contexts, or what is given for one only."""
        contexts, networks = self.routing_contexts, self.networks
        if not networks:
            yield Fault("network", "one or more are needed")
        if len(networks) > 1 and len(contexts) > 1 and len(contexts) != len(networks):
            yield Fault(
                "network", f"{len(networks)} for the {len(contexts)} of routing_context: one for each"
            )
        if len(set(networks)) == 1:
            return
        for key, given in (("destinations", self.destinations), ("routing_key", self.routing_key)):
            if given:
                yield Fault(key, "not for a peer with several networks: its point codes are of which?")


def _no_addresses(key: str, given: tuple[str, ...]) -> Iterator[Fault]:
    """Yield what is neither a host's name nor an address: most often an address with a port."""
    for index, text in enumerate(given):
        if ":" not in text and not text.rpartition(".")[2].isdigit():
            continue
        try:
            ip_address(text)
        except ValueError:
            reason = f"'{text}' is no address: IPv4 or IPv6, the port of all of them is given as port"
            yield Fault(f"{key}[{index}]", reason)


class M3ua(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua]``."""

    peers: tuple[Peer, ...]

    def faults(self) -> Iterator[Fault]:
        """Yield peers of one name and listeners of one address."""
        if not self.peers:
            yield Fault("peers", "at least one is needed")
        names: dict[str, int] = {}
        sockets: dict[tuple[str, str, int], str] = {}
        for index, peer in enumerate(self.peers):
            if names.setdefault(peer.name, index) != index:
                yield Fault(
                    f"peers[{index}].name", f"{peer.name} is peers[{names[peer.name]}]'s name already"
                )
            if peer.role.listens:
                for address in peer.local or ("",):
                    owner = sockets.setdefault((peer.transport, address, peer.port), peer.name)
                    if owner != peer.name:
                        yield Fault(
                            f"peers[{index}].port", f"{owner} listens on {address}:{peer.port} already"
                        )
