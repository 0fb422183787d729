"""What the console's API calls answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from scp.api.health import Check, Health, observe, observe_node
from scp.console.nodes import NodeState, NodeView
from scp.console.sip_calls import SipEvent
from scp.domain.cdr import CallAttempt
from scp.domain.reason import FAILURES, Reason, explain

if TYPE_CHECKING:
    from scp.api.context import Context
    from scp.api.context import NodeView as Viewed
    from scp.console.recent_calls import KeptCall, RecentCalls
    from scp.telemetry.metrics import Metrics


class CallCount(Struct, frozen=True):
    """Calls since the node started, by what was answered, and why; ``failed``: something was wrong."""

    service: str
    action: str
    reason: str
    explanation: str
    failed: bool
    count: int


class Overview(Struct, frozen=True):
    """The state of a node at a moment. Counts are since its start: rates are differences.

    ``answer_bounds`` are seconds; ``answer_counts`` has how many answers took so long, and longer than
    the bound before; its last are the slower ones. ``not_kept`` are calls that came too fast to be shown.
    ``nodes`` are this node and the others on the same Redis.
    """

    time_ms: int
    name: str
    version: str
    status: str
    why_not_ready: tuple[str, ...]
    checks: dict[str, tuple[Check, ...]]
    calls: tuple[CallCount, ...]
    answer_bounds: tuple[float, ...]
    answer_counts: tuple[int, ...]
    dialogues_open: int
    overload_level: int
    last_call: int
    not_kept: int
    nodes: tuple[NodeView, ...] = ()


class AttemptView(Struct, frozen=True):
    """A call attempt as the stream shows it: its record, and what the record has not."""

    number: int
    attempt: CallAttempt
    explanation: str
    failed: bool
    answer_ms: float
    over: bool
    messages: int


class AttemptList(Struct, frozen=True):
    """Call attempts that are kept, the latest first."""

    attempts: tuple[AttemptView, ...]
    kept: int
    not_kept: int


class AttemptDetail(Struct, frozen=True):
    """One call attempt with its messages, decoded; ``left_out``: how many more it had than are kept.

    ``sip_call`` is the VoIP service's id of its other half, "" if there is none or it is not known yet;
    ``sip`` is what the VoIP service has told of it, in order.
    """

    call: AttemptView
    messages: list[dict[str, Any]]
    left_out: int
    sip_call: str = ""
    sip: tuple[SipEvent, ...] = ()


class AttemptRecords(Struct, frozen=True):
    """The call detail records of one call attempt, oldest first: its own, the SIP leg's, its charges."""

    records: list[Any]


class Session(Struct, frozen=True):
    """Whose token it is, what it may do, until which day, on which node.

    ``devices``: the VoIP service is asked for them; ``whereabouts``: the HLR is, where somebody is.
    """

    key: str
    scopes: tuple[str, ...]
    node: str
    version: str
    devices: bool = False
    until: str | None = None
    whereabouts: bool = False


def attempt_view(kept: KeptCall) -> AttemptView:
    """Return a call that was kept."""
    reason = Reason(kept.attempt.reason)
    return AttemptView(
        int(kept.attempt.id, 16),
        kept.attempt,
        explain(reason),
        reason in FAILURES,
        round(kept.seconds * 1000, 3),
        kept.over,
        len(kept.messages) + kept.left_out,
    )


def state_of(node: Viewed, metrics: Metrics | None, instance: int, url: str, started: float) -> NodeState:
    """Return the state of a node in brief, as it tells others."""
    health = observe_node(node)
    calls = failed = 0
    for _, reason, _, count in () if metrics is None else metrics.call_counts():
        calls += count
        failed += count if reason in FAILURES else 0
    return NodeState(
        node.name,
        instance,
        url,
        health.version,
        health.status,
        health.notes,
        calls,
        failed,
        0 if metrics is None else metrics.dialogues_open,
        0 if metrics is None else metrics.overload_level,
        int(started * 1000),
        int(time.time() * 1000),
    )


def overview(
    context: Context, metrics: Metrics | None, calls: RecentCalls, nodes: tuple[NodeView, ...]
) -> Overview:
    """Return the state of the node now."""
    health: Health = observe(context)
    return Overview(
        int(time.time() * 1000),
        context.node.name,
        health.version,
        health.status,
        health.notes,
        health.checks,
        () if metrics is None else tuple(_counts(metrics)),
        () if metrics is None else metrics.answers.bounds,
        () if metrics is None else tuple(metrics.answers.buckets),
        0 if metrics is None else metrics.dialogues_open,
        0 if metrics is None else metrics.overload_level,
        calls.count,
        calls.unseen,
        nodes,
    )


def _counts(metrics: Metrics) -> list[CallCount]:
    return [
        CallCount(service, str(action), str(reason), explain(reason), reason in FAILURES, count)
        for service, reason, action, count in metrics.call_counts()
        if count
    ]
