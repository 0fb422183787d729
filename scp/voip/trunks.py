"""Which trunk an address is of."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.voip.config import VoipConfig


def trunk_finder(config: VoipConfig) -> Callable[[str], str]:
    """Return a function from an address to the name of the trunk that it is of, "" if it is of none."""
    networks = [
        (ip_network(network, strict=False), trunk.name)
        for trunk in config.trunks
        for network in trunk.addresses
    ]

    def find(text: str) -> str:
        try:
            address = ip_address(text)
        except ValueError:
            return ""
        return next((name for network, name in networks if address in network), "")

    return find
