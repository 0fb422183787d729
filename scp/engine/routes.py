"""Choice of the link for a message: the one it belongs to, or the best of those that are active.

Two things decide, in this order (`COST`): the state of the destination as the gateways report it (DUNA, DRST,
SCON; RFC 4666 §3.4), then how the links share traffic. A link in override is used alone, in the order of the
configuration; links in loadshare and broadcast share by SLS, so that a dialogue's messages stay in order
(Q.714 §1.1.2.2). In broadcast the gateway sends to all of its ASPs; a message of an ASP goes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.stack.m3ua.events import Availability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.engine.link import Link
    from scp.engine.network import Ss7Network

COST: Final[dict[tuple[Availability, bool], int]] = {
    (Availability.AVAILABLE, False): 0,
    (Availability.AVAILABLE, True): 1,
    (Availability.RESTRICTED, False): 2,
    (Availability.RESTRICTED, True): 3,
    (Availability.UNAVAILABLE, False): 4,
    (Availability.UNAVAILABLE, True): 4,
}
"""(availability, congested) of the destination through a link → cost of that link; the lowest wins."""
FREE: Final = 0
CONGESTED: Final = frozenset((1, 3))
UNREACHABLE: Final = 4


def cost(link: Link, network: Ss7Network, point_code: int, now: float) -> int:
    """Return the cost of this link to ``point_code`` of a network, by what its gateway has reported."""
    destinations = link.destinations_in(network) if link.shared else link.destinations
    if destinations is None or destinations.silent:
        return FREE
    congested = destinations.congestion(point_code, now) > 0
    return COST[destinations.availability(point_code), congested]


def choose(
    links: Sequence[Link], current: Link, network: Ss7Network, point_code: int, sls: int, now: float
) -> Link:
    """Return the link for a message to ``point_code``.

    Args:
        links: all, in the order of the configuration.
        current: the one that it belongs to; it stays with that while no other is better.
        network: of the point code.
        point_code: destination.
        sls: its signalling link selection.
        now: seconds.
    """
    active = [link for link in links if link.carries(network)]
    if not active:
        return current
    ways = [link for link in active if not link.reaches or point_code in link.reaches] or active
    costs = [cost(link, network, point_code, now) for link in ways]
    least = min(costs)
    best = [link for link, each in zip(ways, costs, strict=True) if each == least]
    if current in best:
        return current
    alone = next((link for link in best if link.alone), None)
    return alone or best[sls % len(best)]


def leads(links: Sequence[Link], network: Ss7Network, point_code: int, now: float) -> bool:
    """Whether a message to ``point_code`` has a way now: an active link to it whose gateway has one.

    A point code that no link is configured for counts as behind each of them.
    """
    named = any(link.leads_to(network) and point_code in link.reaches for link in links)
    return any(
        link.carries(network)
        and (not named or not link.reaches or point_code in link.reaches)
        and cost(link, network, point_code, now) < UNREACHABLE
        for link in links
    )
