"""Addresses of hosts, as one writes them and as they are compared."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


async def resolve(hosts: Sequence[str]) -> list[str]:
    """Return the numeric addresses of hosts, in their order, each once."""
    found: dict[str, None] = {}
    for host in hosts:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found.update((str(info[4][0]), None) for info in infos)
    return list(found)


def plain(address: str) -> str:
    """Return a numeric address without zone, an IPv4 one without its IPv6 wrapping."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
