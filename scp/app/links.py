"""Wires a node's links: from ``[[m3ua.peers]]`` to an M3UA machine and the association that it runs over."""

from __future__ import annotations

import errno
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.config.m3ua import PYSCTP
from scp.net.reconnect import Backoff
from scp.net.sctp import Connector as SctpConnector
from scp.net.sctp import Listener as SctpListener
from scp.net.sctp_association import Watcher
from scp.net.sctp_socket import SctpSettings
from scp.net.single_user import SingleUser
from scp.net.tcp import Connector, Listener
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, Key, Role, SgpSettings, Timers, TrafficMode
from scp.stack.m3ua.sgp import Sgp
from ss7.m3ua_framer import Framer as M3uaFramer
from ss7.m3ua_parameters import KeyDestination

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.config import Peer
    from scp.engine.link import Machine
    from scp.engine.status import StatusBoard
    from scp.net.sctp_socket import SctpSocket
    from scp.net.tcp import Framer
    from scp.ports import Telemetry, TransportUser

Attachment: TypeAlias = Connector | Listener | SctpConnector | SctpListener


_ADVICE: Final = {
    errno.EADDRINUSE: "another program has it (ss -lntup names it), or this file gives it twice",
    errno.EADDRNOTAVAIL: "this machine does not have it (ip address lists those that it has)",
    errno.EACCES: "a port below 1024 needs the capability net_bind_service",
}


def why_not(peer: Peer, error: OSError) -> str:
    """Return in words why a peer's addresses can't be used, and what to do."""
    if isinstance(error, socket.gaierror):
        names = ", ".join((*peer.local, *peer.remote))
        return (
            f"{names}: {str(error.strerror).lower()}; nothing resolves one of these names (getent hosts NAME)"
        )
    number = error.errno or 0
    if not number:
        return str(error.strerror or error)
    where = f"{', '.join(peer.local) or '*'} port {peer.port}: {os.strerror(number).lower()}"
    return f"{where}; {_ADVICE[number]}" if number in _ADVICE else where


def routing_key(peer: Peer, point_code: int) -> Key | None:
    """Return the routing key that a peer wants registered; ``point_code`` is the node's own."""
    wanted = peer.routing_key
    if wanted is None:
        return None
    own = point_code if wanted.point_code is None else wanted.point_code
    return Key(destinations=(KeyDestination(own, wanted.service_indicators, wanted.origins),))


def machine(peer: Peer, point_code: int = 0) -> Machine:
    """Return the M3UA machine for a peer: the ASP, or the answering side where an IPSP connects to us."""
    role = peer.role
    timers = Timers(
        ack=peer.timers.ack_s,
        attempts=peer.timers.attempts,
        retry=peer.timers.retry_s,
        beat=peer.beat,
        congestion=peer.timers.congestion_s,
        recovery=peer.timers.recovery_s,
    )
    contexts = peer.routing_contexts
    appearances = peer.network_appearances
    appearance = appearances[0] if len(appearances) == 1 else -1
    several = appearances if len(appearances) > 1 else ()
    mode = TrafficMode[peer.traffic_mode.name]
    if role.ipsp and role.listens:
        return Sgp(
            SgpSettings(
                routing_contexts=contexts,
                network_appearance=appearance,
                network_appearances=several,
                traffic_mode=mode,
                timers=timers,
            )
        )
    return Asp(
        AspSettings(
            role=Role.IPSP if role.ipsp else Role.ASP,
            routing_contexts=contexts,
            network_appearance=appearance,
            network_appearances=several,
            traffic_mode=mode,
            asp_identifier=-1 if peer.asp_identifier is None else peer.asp_identifier,
            key=routing_key(peer, point_code),
            audit=tuple(peer.destinations),
            timers=timers,
        )
    )


def sctp_settings(peer: Peer) -> SctpSettings:
    """Return a peer's SCTP parameters."""
    sctp = peer.sctp
    return SctpSettings(
        rto_initial=sctp.rto_initial_s,
        rto_min=sctp.rto_min_s,
        rto_max=sctp.rto_max_s,
        heartbeat=sctp.heartbeat_s,
        path_retransmissions=sctp.path_retransmissions,
        association_retransmissions=sctp.association_retransmissions,
        init_attempts=sctp.init_attempts,
        streams=sctp.streams,
        kind=_socket_class(sctp.library),
    )


def _socket_class(library: str) -> type[SctpSocket] | None:
    if library != PYSCTP:
        return None
    from scp.net.pysctp_socket import PysctpSocket  # noqa: PLC0415 - needs an extra, which few install

    return PysctpSocket


def attachment(
    peer: Peer,
    user: TransportUser,
    status: StatusBoard,
    telemetry: Telemetry,
    random: Random,
    framer: Callable[[], Framer] = M3uaFramer,
) -> Attachment:
    """Return what brings the association of ``peer`` up and keeps it.

    Args:
        peer: of the configuration.
        user: its link, or what stands before it.
        status: told what happens.
        telemetry: counts.
        random: for pauses.
        framer: makes the framer of each TCP connection.
    """
    watcher = _LinkWatcher(peer.name, status, telemetry)
    if peer.role.listens:
        return _listener(peer, user, watcher, framer)
    return _connector(peer, user, watcher, random, framer)


def _listener(
    peer: Peer, user: TransportUser, watcher: _LinkWatcher, framer: Callable[[], Framer]
) -> Attachment:
    """Return what waits for ``peer`` to connect to us."""
    single = SingleUser(user, from_anywhere=not peer.remote)
    listener: Callable[..., Attachment] = partial(Listener, framer=framer)
    if peer.transport == "sctp":
        listener = partial(SctpListener, settings=sctp_settings(peer), watcher=watcher)
    return listener(
        peer.name,
        peer.local,
        peer.port,
        single.take,
        allowed=peer.remote,
        refused=watcher.refused,
        contend=single.contend,
    )


def _connector(
    peer: Peer, user: TransportUser, watcher: _LinkWatcher, random: Random, framer: Callable[[], Framer]
) -> Attachment:
    """Return what connects to ``peer``, again and again."""
    timers = peer.timers
    connector: Callable[..., Attachment] = partial(Connector, framer=framer)
    if peer.transport == "sctp":
        settings = sctp_settings(peer)
        connector = partial(SctpConnector, local_port=peer.local_port, settings=settings, watcher=watcher)
    return connector(
        peer.name,
        peer.remote,
        peer.port,
        user,
        random=random,
        local=peer.local,
        backoff=Backoff(timers.reconnect_first_s, timers.reconnect_most_s),
        failed=watcher.failed,
        connect_timeout=timers.connect_s,
    )


@final
class _LinkWatcher(Watcher):
    """Tells the status board what one link goes through: how its association comes, fares and ends."""

    def __init__(self, name: str, board: StatusBoard, telemetry: Telemetry) -> None:
        self._name = name
        self._board = board
        self._telemetry = telemetry

    def failed(self, reason: str) -> None:
        """Take why an attempt failed."""
        self._board.failed(self._name, reason)

    def refused(self, address: str, why: str) -> None:
        """Take whose connection was refused, and why."""
        self.failed(f"a connection from {address} was refused: {why}")

    def note(self, what: str, trouble: bool) -> None:
        """See `Watcher`."""
        self._board.note(self._name, what, trouble)

    def path(self, address: str, state: str) -> None:
        """See `Watcher`."""
        self._board.path(self._name, address, state)

    def discard(self, reason: str, octets: bytes) -> None:
        """See `Watcher`."""
        self._telemetry.discard("sctp", reason)
        self._board.discarded(self._name, "sctp", reason, octets)
