"""The simulated MSC's association: its addresses, its transport, and its M3UA role."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from scp.net.sctp import Connector as SctpConnector
from scp.net.sctp import Listener as SctpListener
from scp.net.single_user import SingleUser
from scp.net.tcp import DEFAULT_PORT, Connector, Listener
from scp.simulator.network import Carrier, Side
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, Role, SgpSettings
from scp.stack.m3ua.sgp import Sgp

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.ports import TransportUser

Machine: TypeAlias = Asp | Sgp
Attachment: TypeAlias = Connector | Listener | SctpConnector | SctpListener


class Endpoint(Struct, frozen=True, kw_only=True):
    """One association.

    Attributes:
        side: the M3UA role.
        listen: whether the other side connects to us.
        addresses: remote addresses, tried in turn; of a listening side the local ones.
        port: remote, or local, port.
        carrier: over SCTP, ``addresses`` are all of one host, and of one association.
        local: of a connecting side over SCTP: its own addresses; empty: the system's choice.
        local_port: its own port; 0: the system's choice.
    """

    side: Side = Side.GATEWAY
    listen: bool = False
    addresses: tuple[str, ...] = ("127.0.0.1",)
    port: int = DEFAULT_PORT
    carrier: Carrier = Carrier.TCP
    local: tuple[str, ...] = ()
    local_port: int = 0


def machine(side: Side, routing_context: int) -> Machine:
    """Return the M3UA machine for one side of an association."""
    contexts = () if routing_context < 0 else (routing_context,)
    if side is Side.GATEWAY:
        return Sgp(SgpSettings(routing_contexts=contexts))
    role = Role.IPSP if side is Side.IPSP else Role.ASP
    return Asp(AspSettings(role=role, routing_contexts=contexts))


def attach(
    endpoint: Endpoint, user: TransportUser, random: Random, failed: Callable[[str], None]
) -> Attachment:
    """Return the connector or listener that keeps the association up once it is started.

    Args:
        endpoint: where.
        user: the transport's user; it has one association at a time.
        random: for the jitter of reconnections.
        failed: called, with a reason, for every attempt that failed and every connection refused.
    """

    def refused(address: str, why: str) -> None:
        failed(f"{address}: refused, {why}")

    addresses, port, sctp = endpoint.addresses, endpoint.port, endpoint.carrier is Carrier.SCTP
    if endpoint.listen:
        single = SingleUser(user, from_anywhere=True)
        if sctp:
            return SctpListener("msc", addresses, port, single.take, refused=refused, contend=single.contend)
        return Listener("msc", addresses, port, single.take, refused=refused, contend=single.contend)
    if sctp:
        return SctpConnector(
            "msc",
            addresses,
            port,
            user,
            random=random,
            local=endpoint.local,
            local_port=endpoint.local_port,
            failed=failed,
        )
    return Connector("msc", addresses, port, user, random=random, failed=failed)
