"""The node's metrics: counted in plain dicts and lists, converted to Prometheus's types at a scrape.

One thread counts and renders, the event loop's (`scp.telemetry.server`); nothing is locked.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from scp.telemetry import catalogue as c
from scp.telemetry import label_values as v
from scp.telemetry.histogram import Histogram
from scp.telemetry.label_values import OTHER
from scp.telemetry.map_metrics import MapCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scp.domain.decision import Action, Decision
    from scp.domain.reason import Reason
    from scp.telemetry.catalogue import Spec

_BOUNDS: Final = c.ANSWER_BUCKETS


@final
class Metrics:
    """`scp.ports.Telemetry`, and the collector of what it was told (`scp.telemetry.server.Collector`).

    Args:
        services: names of the services that calls can have.
        peers: names of the M3UA peers.
        version: of camel-scp.
        codec: "fast" or "reference".
        compiled: whether the hot modules run compiled.
    """

    def __init__(
        self,
        services: Iterable[str] = (),
        peers: Iterable[str] = (),
        *,
        version: str = "",
        codec: str = "fast",
        compiled: bool = False,
    ) -> None:
        self.overload_level = 0
        self.restart_needed = 0
        self._build = (version, platform.python_version(), codec, "yes" if compiled else "no")
        self._calls: dict[str, dict[Reason, dict[Action, int]]] = {}
        self.know_services((*services, v.NO_SERVICE, OTHER))
        self._answer = Histogram(c.ANSWER_BUCKETS)
        self._buckets = self._answer.buckets
        self._answer_sum = 0.0
        self._open = 0
        self._outcomes = dict.fromkeys(v.OUTCOMES, 0)
        self._operations = {
            direction: dict.fromkeys((*v.OPERATION_NAMES, -1), 0) for direction in v.DIRECTIONS
        }
        self._discards = {
            layer: dict.fromkeys(reasons, 0) for layer, reasons in v.DISCARD_REASONS_BY_LAYER.items()
        }
        self._messages = {
            peer: {direction: dict.fromkeys(v.MESSAGE_TYPES, 0) for direction in v.DIRECTIONS}
            for peer in (*peers, OTHER)
        }
        self._states = dict.fromkeys(peers, "down")
        self._store = {operation: Histogram(c.STORE_BUCKETS) for operation in v.STORE_OPERATIONS}
        self._store_errors = dict.fromkeys(v.STORE_ERROR_KINDS, 0)
        self._reservations = dict.fromkeys(v.RESERVATION_RESULTS, 0)
        self._cdrs = dict.fromkeys(v.CDR_RESULTS, 0)
        self._messages_by_state = dict.fromkeys(v.MESSAGE_RESULTS, 0)
        self._submissions = dict.fromkeys(v.SUBMISSION_RESULTS, 0)
        self._controlled = dict.fromkeys(v.CONTROLLED_OUTCOMES, 0)
        self._unmatched_receipts = 0
        self._map = MapCounts()
        self._lag = Histogram(c.LAG_BUCKETS)
        self._reloads = dict.fromkeys(v.RELOAD_RESULTS, 0)
        self._reload_ok = True
        self._reload_at = 0.0

    # --- scp.ports.Telemetry ---

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        """One InitialDP was answered, ``seconds`` after it came in."""
        try:
            self._calls[service][decision.reason][decision.action] += 1
        except KeyError:
            self._unforeseen_call(service, decision)
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._answer_sum += seconds

    def _unforeseen_call(self, service: str, decision: Decision) -> None:
        """An unknown service is "other"; an unforeseen pair is still one of two enumerations' values."""
        actions = self._calls.get(service, self._calls[OTHER]).setdefault(decision.reason, {})
        actions[decision.action] = actions.get(decision.action, 0) + 1

    def operation(self, opcode: int, direction: str) -> None:
        """One CAP operation came ("in") or went ("out")."""
        counts = self._operations[direction]
        counts[opcode if opcode in counts else -1] += 1

    def dialogue_opened(self) -> None:
        """A dialogue was opened."""
        self._open += 1

    def dialogue_closed(self, outcome: str) -> None:
        """A dialogue is over, by one of `scp.telemetry.label_values.OUTCOMES`."""
        self._open -= 1
        self._outcomes[outcome if outcome in self._outcomes else OTHER] += 1

    def discard(self, layer: str, reason: str) -> None:
        """A message or part of it was thrown away."""
        counts = self._discards.get(layer)
        if counts is None:
            counts = self._discards[OTHER]
        counts[reason if reason in counts else OTHER] += 1

    def m3ua_message(self, peer: str, direction: str, kind: str, count: int = 1) -> None:
        """``count`` M3UA messages came or went; ``kind`` as RFC 4666 abbreviates it."""
        directions = self._messages.get(peer)
        if directions is None:
            directions = self._messages[OTHER]
        counts = directions[direction]
        counts[kind if kind in counts else OTHER] += count

    def asp_state(self, peer: str, state: str) -> None:
        """An ASP changed its state; a peer that is not configured has none to show."""
        if peer in self._states and state in v.ASP_STATES:
            self._states[peer] = state

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        """A store operation took ``seconds``; ``error`` is its kind, if it failed."""
        self._store[operation if operation in self._store else OTHER].observe(seconds)
        if error:
            self._store_errors[error if error in self._store_errors else OTHER] += 1

    # --- scp.ports.ChargingTelemetry ---

    def reservation(self, result: str) -> None:
        """One request for minutes, or about a reservation, came to ``result``."""
        self._reservations[result if result in self._reservations else OTHER] += 1

    def cdrs(self, result: str, count: int) -> None:
        """``count`` CDRs of call attempts were "written" or "dropped"."""
        self._cdrs[result if result in self._cdrs else OTHER] += count

    # --- scp.ports.MessageTelemetry ---

    def message(self, result: str) -> None:
        """A text message came to a state, or came in ("received")."""
        self._messages_by_state[result if result in self._messages_by_state else OTHER] += 1

    def submission(self, result: str) -> None:
        """A part of a text message was handed over, with this result."""
        self._submissions[result if result in self._submissions else OTHER] += 1

    def unmatched_receipt(self) -> None:
        """A receipt came for a message that nobody knows."""
        self._unmatched_receipts += 1

    def controlled(self, outcome: str) -> None:
        """A short message under control that somebody pays for came to this."""
        self._controlled[outcome if outcome in self._controlled else OTHER] += 1

    # --- scp.ports.MapTelemetry ---

    def enquiry(self, operation: str, outcome: str, seconds: float) -> None:
        """An enquiry that this node began is over."""
        self._map.enquiry(operation, outcome, seconds)

    def located(self, result: str) -> None:
        """A service asked for a place."""
        self._map.located(result)

    def mobility(self, event: str, result: str) -> None:
        """A VLR or HLR told something."""
        self._map.mobility(event, result)

    # --- beside the ports ---

    def know_services(self, names: Iterable[str]) -> None:
        """Show these services' calls from now on, at 0; what is known already goes on counting."""
        for service in names:
            if service not in self._calls:
                reasons: dict[Reason, dict[Action, int]] = {}
                for action, reason in v.call_pairs(service):
                    reasons.setdefault(reason, {})[action] = 0
                self._calls[service] = reasons

    def config_loaded(self, at: float) -> None:
        """A configuration is in use since ``at`` (seconds since 1970): the one of the start."""
        self._reload_at = at

    def reloaded(self, success: bool, at: float) -> None:
        """A configuration was taken over, or refused, at ``at`` (seconds since 1970)."""
        self._reloads["success" if success else "failure"] += 1
        self._reload_ok = success
        if success:
            self._reload_at = at

    def overload(self, level: int) -> None:
        """The level of overload is another one."""
        self.overload_level = level

    def loop_lag(self, seconds: float) -> None:
        """The event loop woke a sleeper ``seconds`` too late."""
        self._lag.observe(seconds)

    @property
    def dialogues_open(self) -> int:
        """How many dialogues are open."""
        return self._open

    @property
    def answers(self) -> Histogram:
        """Answer times of calls."""
        return self._answer

    def call_counts(self) -> Iterator[tuple[str, Reason, Action, int]]:
        """Yield how many calls had a service, a reason and an action."""
        for service, reasons in self._calls.items():
            for reason, actions in reasons.items():
                for action, count in actions.items():
                    yield service, reason, action, count

    # --- scraping ---

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the catalogue, in its order."""
        yield counter(
            c.CALLS,
            (((service, action, reason), count) for service, reason, action, count in self.call_counts()),
        )
        self._answer.sum = self._answer_sum
        yield _histogram(c.ANSWER, [((), self._answer)])
        yield gauge(c.DIALOGUES_OPEN, [((), self._open)])
        yield counter(c.DIALOGUES, (((outcome,), count) for outcome, count in self._outcomes.items()))
        yield counter(
            c.OPERATIONS_TOTAL,
            (
                ((v.OPERATION_NAMES.get(opcode, OTHER), direction), count)
                for direction, counts in self._operations.items()
                for opcode, count in counts.items()
            ),
        )
        yield counter(
            c.DISCARDS,
            (
                ((layer, reason), count)
                for layer, reasons in self._discards.items()
                for reason, count in reasons.items()
            ),
        )
        yield from self._map_families()
        yield counter(
            c.M3UA_MESSAGES,
            (
                ((peer, direction, kind), count)
                for peer, directions in self._messages.items()
                for direction, kinds in directions.items()
                for kind, count in kinds.items()
            ),
        )
        yield gauge(
            c.ASP_STATE,
            (
                ((peer, state), int(state == current))
                for peer, current in self._states.items()
                for state in v.ASP_STATES
            ),
        )
        yield _histogram(c.STORE, (((name,), histogram) for name, histogram in self._store.items()))
        yield counter(c.STORE_ERRORS, (((kind,), count) for kind, count in self._store_errors.items()))
        yield counter(c.RESERVATIONS, (((result,), n) for result, n in self._reservations.items()))
        yield counter(c.CDRS, (((result,), n) for result, n in self._cdrs.items()))
        yield counter(c.MESSAGES_TOTAL, (((result,), n) for result, n in self._messages_by_state.items()))
        yield counter(c.SUBMISSIONS, (((result,), n) for result, n in self._submissions.items()))
        yield counter(c.UNMATCHED_RECEIPTS, [((), self._unmatched_receipts)])
        yield counter(c.CONTROLLED, (((outcome,), n) for outcome, n in self._controlled.items()))
        yield gauge(c.OVERLOAD, [((), self.overload_level)])
        yield _histogram(c.LAG, [((), self._lag)])
        yield gauge(c.BUILD, [(self._build, 1)])
        yield counter(c.RELOADS, (((result,), count) for result, count in self._reloads.items()))
        yield gauge(c.RELOAD_OK, [((), int(self._reload_ok))])
        yield gauge(c.RELOAD_TIME, [((), self._reload_at)])
        yield gauge(c.RESTART_NEEDED, [((), self.restart_needed)])

    def _map_families(self) -> Iterator[Metric]:
        """Yield what is counted of MAP."""
        counts = self._map
        for spec, by in ((c.ENQUIRIES, counts.enquiries), (c.MOBILITY, counts.events)):
            yield counter(
                spec,
                (((one, other), count) for one, others in by.items() for other, count in others.items()),
            )
        yield _histogram(c.ENQUIRY, [((), counts.seconds)])
        yield counter(c.PLACES, (((result,), count) for result, count in counts.places.items()))


def counter(spec: Spec, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """Return a counter's family: (label values, count) each."""
    family = CounterMetricFamily(spec.name, spec.help, labels=spec.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def gauge(spec: Spec, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """Return a gauge's family: (label values, value) each."""
    family = GaugeMetricFamily(spec.name, spec.help, labels=spec.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _histogram(spec: Spec, samples: Iterable[tuple[tuple[str, ...], Histogram]]) -> Metric:
    family = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
    for labels, histogram in samples:
        family.add_metric(labels, histogram.cumulative(), histogram.sum)
    return family
