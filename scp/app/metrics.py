"""A node's metrics, and those that are looked up in it when it is scraped: what is up, and how much waits."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, final

from prometheus_client.registry import Collector

import ss7.ber
from scp.telemetry import catalogue as c
from scp.telemetry.metrics import Metrics, counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from scp.app.node import Node
    from scp.config import Config
    from scp.engine.status import Condition


def build_info() -> tuple[str, bool]:
    """Return the version, and whether the hot modules run compiled."""
    return metadata.version("camel-scp"), not ss7.ber.__file__.endswith(".py")


def metrics_for(config: Config, services: list[str]) -> Metrics:
    """Return the metrics of a node with this configuration."""
    version, compiled = build_info()
    return Metrics(
        services,
        [peer.name for peer in config.m3ua.peers],
        version=version,
        codec=config.engine.codec,
        compiled=compiled,
    )


@final
class NodeMetrics(Collector):
    """The collector of `scp.telemetry.catalogue.STATE_CATALOGUE`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield the families, in the catalogue's order."""
        node = self._node
        links = tuple(node.links())
        sink = node.charging.sink
        yield gauge(c.READY, [((), int(not node.why_not_ready()))])
        yield gauge(c.DRAINING, [((), int(node.draining))])
        yield gauge(c.STORE_USABLE, [((), int(not node.store.usable()))])
        yield gauge(c.ASSOCIATION, [((link.name,), int(link.connected)) for link in links])
        yield gauge(
            c.AS_STATE,
            [
                ((link.name, state), states.count(state))
                for link in links
                for states in (
                    [each.application_server or "unknown" for each in link.servers.values() or (link,)],
                )
                for state in c.AS_STATES
            ],
        )
        destinations = ((link.name, link.destinations.values()) for link in links)
        yield gauge(c.DESTINATIONS, _by_state(destinations, c.DESTINATION_STATES))
        paths = ((link.name, link.paths.values()) for link in links)
        yield gauge(c.PATHS, _by_state(paths, c.PATH_STATES))
        found = Counter(_state(each, c.SUBSYSTEM_STATES) for each in node.subsystems().values())
        yield gauge(c.SUBSYSTEMS, [((state,), found[state]) for state in c.SUBSYSTEM_STATES])
        yield gauge(c.CDRS_WAITING, [((), 0 if sink is None else sink.waiting)])
        yield gauge(c.DIALOGUES_LIMIT, [((), node.config.engine.max_dialogues)])
        declines = {} if node.engine is None else node.engine.declines
        yield counter(c.DECLINES, [((link.name,), declines.get(link.name, 0)) for link in links])


def _by_state(
    groups: Iterable[tuple[str, Iterable[Condition]]], states: tuple[str, ...]
) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield how many conditions of each peer are in each of the states."""
    for peer, conditions in groups:
        found = Counter(_state(each, states) for each in conditions)
        for state in states:
            yield (peer, state), found[state]


def _state(condition: Condition, states: tuple[str, ...]) -> str:
    """Return the condition's state as a label: its first word ("congested, level 2"), the last if unknown."""
    word = condition.state.partition(",")[0]
    return word if word in states else states[-1]
