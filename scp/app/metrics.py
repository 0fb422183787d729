"""A node's metrics, and the gauges that are read from the node when it is scraped."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Final, final

from prometheus_client.registry import Collector

import ss7.ber
from scp.domain.armed import ArmState
from scp.engine.network import INDICATORS
from scp.failover.counters import FailoverCounters
from scp.held_call_ports import Kept
from scp.telemetry import label_values as v
from scp.telemetry import state_catalogue as c
from scp.telemetry.logs import lines_lost
from scp.telemetry.metrics import Metrics, counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from scp.app.duplicate_nodes import DuplicateDetector
    from scp.app.held_calls import HeldCallsService
    from scp.app.messages import TextMessaging
    from scp.app.node import Node
    from scp.app.tracing import RecordingStatus
    from scp.charging.service import ChargingService
    from scp.config import Config
    from scp.engine.status import Condition
    from scp.failover.guardian import Guardian


def build_info() -> tuple[str, bool]:
    """Return the version, and whether the hot modules run compiled."""
    return metadata.version("camel-scp"), not ss7.ber.__file__.endswith(".py")


SMS_CONTROL: Final = "sms-control"
"""The service of short messages, beside those of calls."""


def metrics_for(config: Config, services: list[str]) -> Metrics:
    """Return the metrics of a node with this configuration."""
    version, compiled = build_info()
    return Metrics(
        services if config.sms_control is None else [*services, SMS_CONTROL],
        [peer.name for peer in config.m3ua.peers],
        version=version,
        codec=config.engine.codec,
        compiled=compiled,
    )


@final
class NodeMetrics(Collector):
    """The collector of `scp.telemetry.state_catalogue.STATE_CATALOGUE`."""

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
                for state in v.AS_STATES
            ],
        )
        destinations = ((link.name, link.destinations.values()) for link in links)
        yield gauge(c.DESTINATIONS, _by_state(destinations, v.DESTINATION_STATES))
        paths = ((link.name, link.paths.values()) for link in links)
        yield gauge(c.PATHS, _by_state(paths, v.PATH_STATES))
        found = Counter(_state(each, v.SUBSYSTEM_STATES) for each in node.subsystems().values())
        yield gauge(c.SUBSYSTEMS, [((state,), found[state]) for state in v.SUBSYSTEM_STATES])
        yield gauge(c.CDRS_WAITING, [((), 0 if sink is None else sink.waiting)])
        yield from _of_charging(node.charging)
        counts = {} if node.map is None or node.map.arming is None else node.map.arming.counts
        yield gauge(c.ARMED, [((str(state),), counts.get(state, 0)) for state in ArmState])
        yield from _of_messages(node.messaging)
        yield gauge(c.DUPLICATES, _duplicates(node.duplicates))
        yield from _of_guardian(node.guardian)
        yield from _of_held_calls(node.held)
        yield from _of_recording(node.tracing.recording())
        yield gauge(c.TRACES, [((), len(node.traces.all()))])
        yield counter(c.TRACES_REFUSED, [((), node.traces.refused)])
        written, skipped = node.traces.written, node.traces.skipped
        yield counter(c.TRACED, [(("written",), written), (("skipped",), skipped)])
        yield counter(c.LOG_LINES_LOST, [((), lines_lost())])
        yield gauge(c.DIALOGUES_LIMIT, [((), node.config.engine.max_dialogues)])
        declines = {} if node.cap is None else node.cap.declines
        yield counter(c.DECLINES, [((link.name,), declines.get(link.name, 0)) for link in links])
        unreadable = {} if node.cap is None else node.cap.unreadable
        labels = [(link.name, parameter) for link in links for parameter in v.PARAMETERS]
        yield counter(c.UNREADABLE, [(pair, unreadable.get(pair, 0)) for pair in labels])
        signalling = () if node.signalling is None else node.signalling.links
        yield counter(
            c.OTHER_INDICATORS,
            [
                ((link.name, indicator), link.others.get(code, 0))
                for link in signalling
                for code, indicator in enumerate(INDICATORS)
            ],
        )


def _of_charging(service: ChargingService) -> Iterator[Metric]:
    """Yield what is looked up in charging, behind how many records wait."""
    oldest = 0.0 if service.sink is None else service.sink.oldest_seconds
    yield gauge(c.CDRS_OLDEST, [((), oldest)])
    yield gauge(c.LEDGER_USABLE, [((), int(not service.ledger_fault()))])
    results = dict.fromkeys(v.CHF_RESULTS, 0) if service.function is None else service.function.results
    yield counter(c.CHF_REQUESTS, [((result,), results[result]) for result in v.CHF_RESULTS])
    servers = service.servers
    results = dict.fromkeys(v.CHF_RESULTS, 0) if servers is None else servers.results
    yield counter(c.RO_REQUESTS, [((result,), results[result]) for result in v.CHF_RESULTS])
    yield counter(c.RO_REPEATED, [((), 0 if servers is None else servers.repeated)])
    yield gauge(c.RO_MISSING, [((), 0 if servers is None else servers.missing)])


def _of_messages(messaging: TextMessaging | None) -> Iterator[Metric]:
    esme = None if messaging is None else messaging.esme
    yield gauge(c.SMSC_MISSING, [((), 0 if esme is None else esme.missing)])
    yield gauge(c.MESSAGES_OPEN, [((), 0 if messaging is None else messaging.queue.open)])
    yield gauge(c.MESSAGES_WAITING, [((), 0.0 if messaging is None else messaging.queue.waiting_seconds)])


def _duplicates(duplicates: DuplicateDetector | None) -> list[tuple[tuple[str, ...], float]]:
    return [((kind,), 0 if duplicates is None else len(duplicates.found[kind])) for kind in v.IDENTITIES]


def _of_guardian(guardian: Guardian | None) -> Iterator[Metric]:
    counters = FailoverCounters() if guardian is None else guardian.counters.read()
    current = "off" if guardian is None else "lost" if guardian.lost else "armed"
    yield gauge(c.GUARDIAN, [((state,), int(state == current)) for state in v.GUARDIAN_STATES])
    yield counter(c.KILLS, [((), counters.kills)])
    yield counter(c.KILLED_CALLS, [((), counters.answered)])


def _of_held_calls(service: HeldCallsService | None) -> Iterator[Metric]:
    journal = None if service is None else service.journal
    adoption = None if service is None else service.adoption
    yield gauge(c.HELD_CALLS, [((), 0 if journal is None else journal.open)])
    writes = {} if journal is None else journal.writes
    yield counter(
        c.JOURNAL_WRITES, [((result,), writes.get(Kept(result), 0)) for result in v.JOURNAL_RESULTS]
    )
    yield counter(c.JOURNAL_SECONDS, [((), 0.0 if journal is None else journal.seconds)])
    yield counter(c.UNJOURNALLED, [((), 0 if journal is None else journal.unjournalled)])
    counts = {} if adoption is None else adoption.counts
    yield counter(c.HELD_EVENTS, [((event,), counts.get(event, 0)) for event in v.HELD_EVENT_NAMES])


def _of_recording(recording: RecordingStatus) -> Iterator[Metric]:
    yield gauge(c.RECORDING, [((state,), int(state == recording.state)) for state in v.RECORDING_STATES])
    messages = recording.messages
    yield counter(
        c.RECORDED,
        [((label,), messages.get(words, 0)) for words, label in v.RECORDING_RESULTS.items()],
    )
    yield counter(c.RECORDED_OCTETS, [((), recording.octets)])


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
