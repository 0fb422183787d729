"""Where the simulated MSC's association goes to or comes from, and who it is to the other side."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from scp.net.lend import OneAtATime
from scp.net.tcp import DEFAULT_PORT, Connector, Listener
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, Role, SgpSettings
from scp.stack.m3ua.sgp import Sgp

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.ports import TransportUser

Machine: TypeAlias = Asp | Sgp


class Side(StrEnum):
    """What the simulator is in M3UA."""

    GATEWAY = "sg"  # the gsmSCF is an ASP of ours
    ASP = "asp"  # towards an STP
    IPSP = "ipsp"  # towards a gsmSCF without anything between


class Endpoint(Struct, frozen=True, kw_only=True):
    """One association.

    Attributes:
        side: who we are.
        listen: whether the other side connects to us.
        addresses: remote addresses, tried in turn; of a listening side the local ones.
        port: remote, or local, port.
    """

    side: Side = Side.GATEWAY
    listen: bool = False
    addresses: tuple[str, ...] = ("127.0.0.1",)
    port: int = DEFAULT_PORT


def machine(side: Side, routing_context: int) -> Machine:
    """Return the M3UA machine for one side of an association."""
    if side is Side.GATEWAY:
        return Sgp(SgpSettings(routing_context=routing_context))
    role = Role.IPSP if side is Side.IPSP else Role.ASP
    return Asp(AspSettings(role=role, routing_context=routing_context))


def attach(
    endpoint: Endpoint, user: TransportUser, random: Random, failed: Callable[[str], None]
) -> Connector | Listener:
    """Return what keeps the association up once it is started.

    Args:
        endpoint: where.
        user: who uses it; one association at a time.
        random: for the jitter of reconnections.
        failed: told, in words, of every attempt that failed and every connection refused.
    """
    if not endpoint.listen:
        return Connector("msc", endpoint.addresses, endpoint.port, user, random=random, failed=failed)
    return Listener(
        "msc",
        endpoint.addresses,
        endpoint.port,
        OneAtATime(user).take,
        refused=lambda address: failed(f"{address}: refused, another association is up"),
    )
