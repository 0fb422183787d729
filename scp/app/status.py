"""The state of a node's components for ``/health`` and ``camel-scp status``, beside links and store.

Readiness is whether the node steers calls; nothing here decides about it. A full disk, a ledger that fails or
a charging function that is away are the same for every node, or cost records where taking the node out
would cost calls: they are warnings, and alerts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, final

from scp.domain.armed import ArmState
from scp.engine.status import ComponentStatus
from scp.telemetry.label_values import IDENTITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scp.app.arming import ArmingKeeper
    from scp.app.duplicate_nodes import DuplicateDetector
    from scp.app.held_calls import HeldCallsService
    from scp.app.map import MapParts
    from scp.app.messages import TextMessaging
    from scp.app.tracing import RecordingStatus, Tracing
    from scp.charging.nchf_http import ChfClient
    from scp.charging.ro_client import RoClient
    from scp.charging.service import ChargingService
    from scp.charging.sink import CdrSink
    from scp.failover.guardian import Guardian
    from scp.failover.presence import NodeAddress
    from scp.failover.relay import Relay
    from scp.messages.smpp.esme import Esme
    from scp.telemetry.number_traces import Traces

MANY_WAITING: Final = 100_000
"""Records that wait: a fifth of what is kept before they are dropped. The alert ScpCdrsWaiting has it too."""
LONG_WAITING: Final = 60.0
"""Seconds that a record waits; that alert has it as well."""
MESSAGES_LATE: Final = 300.0
"""Seconds that a text message is due; the alert ScpMessagesWaiting has it as well."""
LATELY: Final = 600.0
"""Seconds for which something that is over still counts as wrong."""

CHECKS: Final = {
    "records": "the disk that charging.records is on: full, slow, read-only?",
    "ledger": "charging.ledger: its disk, or the Redis that it names and the way there",
    "function": "charging.chf: its address, its certificates, with its operator whether it runs",
    "ro": "charging.ro: servers, realms, TLS; with the charging system's operator whether it runs",
    "smsc": "messages.smpp: addresses, system_id, password, TLS; with the SMSC's operator whether it runs",
    "hlr": "map.gateway and sccp.translations; the way of the HLR's answers to sccp.global_title and map.ssn",
    "arming": "map.arming: with the HLR's operator what it refuses; GET /v1/mobility/{msisdn} says why",
    "messages": "whether the SMSC is bound and throttles; messages.store: its disk, or its Redis",
    "duplicate": "the configurations of both nodes: instance and name have to be unique among running nodes",
    "guardian": "why it ended (out of memory: journalctl -k); then restart the node when that suits",
    "journal": "the store of held calls: its disk, or store.url's Redis and the way there",
    "recording": "recording.folder: is it there, writable, its disk full? Then reload",
}
"""What to look at where something is wrong."""


UNKNOWN: Final = 0.0
"""The ``since`` of a part that does not know since when it is as it is."""


@final
class Seen:
    """Remembers since when parts are in order, or not, that do not know it: as it was seen (`Node.look`).

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._states: dict[tuple[str, str], tuple[bool, float]] = {}

    def complete(self, part: ComponentStatus) -> ComponentStatus:
        """Set a part's ``since`` if it is `UNKNOWN`."""
        key, wrong = (part.group, part.name), bool(part.check)
        before = self._states.get(key)
        if before is None or before[0] != wrong:
            before = self._states[key] = wrong, part.since or self._wall()
        if part.since == UNKNOWN:
            part.since = before[1]
        return part


class Parts(Protocol):
    """What a node has beside its links and its store."""

    charging: ChargingService
    duplicates: DuplicateDetector | None
    messaging: TextMessaging | None
    guardian: Guardian | None
    held: HeldCallsService | None
    map: MapParts | None
    tracing: Tracing
    traces: Traces


def components(node: Parts) -> Iterator[ComponentStatus]:
    """Yield the state of everything that the node has; what nobody has asked for is left out."""
    yield _records(node.charging.sink)
    yield _ledger(node.charging)
    if node.charging.servers is not None:
        yield _servers(node.charging.servers)
    elif node.charging.function is not None:
        yield _function(node.charging.function)
    if node.messaging is not None:
        yield from _messages(node.messaging)
    if node.map is not None:
        yield _hlr(node.map)
        if node.map.arming is not None:
            yield _arming(node.map.arming)
    if node.duplicates is not None:
        yield from _identities(node.duplicates)
    if node.guardian is not None:
        yield _guardian(node.guardian)
    if node.held is not None:
        yield _journal(node.held)
    recording = node.tracing.recording()
    if recording.state != "off" or recording.failure:
        yield _recording(recording)
    if traces := node.traces.all():
        running = f"{len(traces)} numbers are traced" if len(traces) > 1 else "a number is traced"
        yield ComponentStatus("node:traces", "traces", "component", running, traces[0].began)


def _records(sink: CdrSink | None) -> ComponentStatus:
    part = ComponentStatus(
        "charging:records", "call detail records", "datastore", "not made of call attempts", UNKNOWN
    )
    if sink is None:
        return part
    fault, oldest = sink.fault, sink.oldest_seconds
    part.since, part.last_error, part.last_error_at = fault.since, fault.last, fault.last_at
    waiting = (
        f"{sink.waiting:,} wait, the oldest for {oldest:.0f} s at the most" if sink.waiting else "none waits"
    )
    part.state = f"{waiting}; {sink.dropped:,} were dropped" if sink.dropped else waiting
    lately = sink.dropped_at > time.time() - LATELY
    if fault.now or lately or sink.waiting > MANY_WAITING or oldest > LONG_WAITING:
        part.check = CHECKS["records"]
    return part


def _ledger(service: ChargingService) -> ComponentStatus:
    """The ledger fails if it says so itself, or if what was last asked of it failed."""
    fails = service.ledger_fault()
    latest = max(service.state, service.requests, service.fault, key=lambda each: each.last_at)
    return ComponentStatus(
        "charging:ledger",
        "ledger",
        "datastore",
        "fails" if fails else "usable",
        service.state.since,
        CHECKS["ledger"] if fails else "",
        fails or latest.last,
        latest.last_at,
    )


def _function(client: ChfClient) -> ComponentStatus:
    fault, results = client.fault, client.results
    if fault.now:
        state = "does not answer"
    else:
        state = "answers" if results["answered"] or results["refused"] else "not asked yet"
    return ComponentStatus(
        "charging:function",
        "charging function",
        "system",
        state,
        fault.since,
        CHECKS["function"] if fault.now else "",
        fault.last,
        fault.last_at,
    )


def _servers(client: RoClient) -> ComponentStatus:
    """The online charging system is wrong while one of its servers is away, or the last request failed."""
    fault, missing = client.fault, client.missing
    away = "; ".join(f"{each.name}: {each.fault or 'silent'}" for each in client.peers if each.missing)
    return ComponentStatus(
        "charging:function",
        "online charging system",
        "system",
        f"{len(client.peers) - missing} of {len(client.peers)} servers connected",
        fault.since,
        CHECKS["ro"] if fault.now or missing else "",
        away or fault.last,
        time.time() if away else fault.last_at,
    )


def _hlr(parts: MapParts) -> ComponentStatus:
    """The HLR is wrong while it is left alone since it does not answer."""
    silent = parts.silent_for()
    return ComponentStatus(
        "map:hlr",
        "HLR",
        "system",
        "does not answer" if silent else f"{len(parts.places)} places remembered",
        time.time() - silent if silent else UNKNOWN,
        CHECKS["hlr"] if silent else "",
    )


def _arming(keeper: ArmingKeeper) -> ComponentStatus:
    """M-CSIs are wrong where the HLR refuses some, or the store fails."""
    counts = keeper.counts
    refused, waiting = counts[ArmState.REFUSED], counts[ArmState.WAITING]
    return ComponentStatus(
        "map:arming",
        "M-CSIs",
        "component",
        f"{counts[ArmState.ARMED]:,} armed, {waiting:,} wait, {refused:,} refused",
        UNKNOWN,
        CHECKS["arming"] if refused or keeper.fault else "",
        keeper.fault or keeper.last_refusal,
        time.time() if refused or keeper.fault else 0.0,
    )


def _smsc(esme: Esme) -> ComponentStatus:
    away = (esme.last_error or "not bound yet") if esme.missing else ""
    return ComponentStatus(
        "messages:smsc",
        "SMSC",
        "system",
        "not bound" if away else "throttles" if esme.usable() else "bound",
        esme.since / 1000,
        CHECKS["smsc"] if away else "",
        esme.last_error,
        esme.last_error_at / 1000,
    )


def _messages(messaging: TextMessaging) -> Iterator[ComponentStatus]:
    """Yield the SMSC, if messages go there, and the queue."""
    if messaging.esme is not None:
        yield _smsc(messaging.esme)
    queue = messaging.queue
    late = queue.waiting_seconds > MESSAGES_LATE
    yield ComponentStatus(
        "messages:queue",
        "text messages",
        "datastore",
        f"fails: {queue.fault}" if queue.fault else f"{queue.open:,} under way",
        UNKNOWN,
        CHECKS["messages"] if queue.fault or late else "",
        queue.fault,
        time.time() if queue.fault else 0.0,
    )


def _identities(duplicates: DuplicateDetector) -> Iterator[ComponentStatus]:
    for kind in IDENTITIES:
        others = duplicates.found[kind]
        described = ", ".join(each.describe() for each in others)
        yield ComponentStatus(
            "node:identity",
            kind,
            "component",
            f"another running node has it too: {described}" if others else "no other running node has it",
            duplicates.since[kind],
            CHECKS["duplicate"] if others else "",
        )


def _guardian(guardian: Guardian) -> ComponentStatus:
    counters = guardian.counters.read()
    state = (
        "lost: calls in progress go unanswered if this process is killed" if guardian.lost else "stands by"
    )
    if counters.kills:
        state += f"; deaths of this node so far: {counters.kills}, calls answered then: {counters.answered}"
    last = f"the node's process died, calls answered: {counters.last_answered}" if counters.kills else ""
    return ComponentStatus(
        "node:guardian",
        "guardian",
        "component",
        state,
        guardian.lost_at or guardian.since,
        CHECKS["guardian"] if guardian.lost else "",
        guardian.lost or last,
        guardian.lost_at or counters.last_at,
    )


def _journal(service: HeldCallsService) -> ComponentStatus:
    journal, adoption = service.journal, service.adoption
    part = ComponentStatus("node:journal", "held calls", "datastore", "not begun", UNKNOWN)
    if journal is None or adoption is None:
        return part
    fault, counts = service.fault, adoption.counts
    part.since, part.last_error, part.last_error_at = fault.since, fault.last, fault.last_at
    part.state = f"{journal.open:,} journalled, {counts['adopted']:,} adopted so far"
    if adoption.waiting:
        part.state += f"; {adoption.waiting:,} of the process before are asked for once a peer is attached"
    if journal.unjournalled:
        part.state += f"; {journal.unjournalled:,} steps without a record"
    if service.presence is not None:
        others = ", ".join(_other_node(each, adoption.relay) for each in service.presence.nodes.values())
        part.state += f"; other nodes: {others or 'none'}"
    if fault.now or journal.unjournalled_at > time.time() - LATELY:
        part.check = CHECKS["journal"]
    return part


def _other_node(node: NodeAddress, relay: Relay | None) -> str:
    """Name a node; without a link to it its calls are adopted here when a message of theirs comes."""
    linked = relay is not None and relay.up(node.instance)
    return node.name if linked else f"{node.name} (no link)"


def _recording(recording: RecordingStatus) -> ComponentStatus:
    written = recording.messages.get("written", 0)
    left_out = sum(recording.messages.values()) - written
    return ComponentStatus(
        "node:recording",
        "recording",
        "component",
        f"{recording.state}; {written:,} messages written, {left_out:,} left out",
        recording.since,
        CHECKS["recording"] if recording.state == "failed" else "",
        recording.failure,
        recording.failed_at,
    )
