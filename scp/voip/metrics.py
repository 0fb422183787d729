"""The brain's metrics: counted in plain dicts, made Prometheus's at a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from scp.domain.message import State
from scp.message_ports import Taken
from scp.telemetry.histogram import Histogram
from scp.voip.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scp.voip.directory import Directory
    from scp.voip.messages import Counted

BUCKETS: Final = (100e-6, 300e-6, 1e-3, 3e-3, 10e-3, 30e-3, 100e-3, 200e-3, 300e-3, 1.0)
"""Seconds of a decision, up to the deadline of it and beyond."""
TOLD: Final = ("registered", "deregistered", "failed")
ADMITTED: Final = ("yes", "no")
MESSAGES: Final = (*State, "received")
ANSWERED: Final = ("taken", "refused", "later", "unknown")
COUNTED: Final = ("scanner", "malformed", "flood", "wrong_digest", "late", "away", "no_relay", "unreadable")
ONE_TIME: Final = ("given", "called", "refused", "none-free", "not-told")
MONEY: Final = ("granted", "denied", "failed", "committed", "released", "unsettled")


@final
class VoipMetrics:
    """What is counted, and the collector of it (`scp.telemetry.server.Collector`).

    Attributes:
        links: name of each Kamailio, and whether its link is up.
        kamailios: name of each Kamailio, and what it has counted.
        store_up: whether a shared store's changes are heard; None: it is this brain's own.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.links: dict[str, bool] = {}
        self.calls: dict[str, int] = dict.fromkeys(Reason, 0)
        self.decision = Histogram(BUCKETS)
        self.admitted = dict.fromkeys(ADMITTED, 0)
        self.told = dict.fromkeys(TOLD, 0)
        self.money = dict.fromkeys(MONEY, 0)
        self.passes = dict.fromkeys(("granted", "failed"), 0)
        self.one_time = dict.fromkeys(ONE_TIME, 0)
        self.unreadable = 0
        self.kamailios: dict[str, Counted] = {}
        self.store_up: bool | None = None
        self.messages: dict[str, int] = dict.fromkeys(MESSAGES, 0)
        self.submissions: dict[str, int] = dict.fromkeys(Taken, 0)
        self.receipts_unmatched = 0
        self.answered = dict.fromkeys(ANSWERED, 0)

    # --- scp.message_ports.MessageTelemetry ---

    def message(self, result: str) -> None:
        """A text message came to this state, or came in."""
        self.messages[result] = self.messages.get(result, 0) + 1

    def submission(self, result: str) -> None:
        """A part was handed to the SMSC, with this result."""
        self.submissions[result] += 1

    def unmatched_receipt(self) -> None:
        """A receipt came for a message that nobody knows."""
        self.receipts_unmatched += 1

    def message_answered(self, result: str) -> None:
        """A device has answered a text message."""
        self.answered[result] += 1

    def decided(self, reason: Reason, seconds: float) -> None:
        """A call was decided so many seconds after the question came."""
        self.calls[reason] += 1
        self.decision.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        yield _counter("voip_calls", "Calls by the reason of their decision.", "reason", self.calls)
        yield HistogramMetricFamily(
            "scp_voip_decision_seconds",
            "From Kamailio's question to the answer.",
            buckets=self.decision.cumulative(),
            sum_value=self.decision.sum,
        )
        yield _counter(
            "voip_device_checks", "Devices asked about, by whether they may.", "admitted", self.admitted
        )
        yield _counter(
            "voip_registrations_told", "What the node was told of identities.", "result", self.told
        )
        yield _counter("voip_passes", "Passes asked of the node for calls to mobiles.", "result", self.passes)
        yield _counter("voip_one_time", "One-time numbers by what became of them.", "result", self.one_time)
        yield _counter("voip_charging", "Reservations by what came of them.", "result", self.money)
        yield _counter(
            "voip_messages", "Text messages by the state that they came to.", "state", self.messages
        )
        yield _counter(
            "voip_message_parts", "What the SMSC said to parts of them.", "result", self.submissions
        )
        yield _counter("voip_message_answers", "What devices said to text messages.", "result", self.answered)
        yield CounterMetricFamily(
            "scp_voip_receipts_unmatched",
            "Receipts of messages that nobody knows.",
            value=self.receipts_unmatched,
        )
        yield CounterMetricFamily(
            "scp_voip_unreadable", "Messages of Kamailio that can't be read.", value=self.unreadable
        )
        identities = list(self._directory.identities())
        yield _gauge("voip_identities", "Identities in the directory.", len(identities))
        bound = sum(1 for one in identities if self._directory.bindings(one.msisdn))
        yield _gauge("voip_identities_bound", "Identities with a device that is registered.", bound)
        family = GaugeMetricFamily("scp_voip_link_up", "Whether Kamailio asks us.", labels=("kamailio",))
        yield from self._of_kamailios()
        if self.store_up is not None:
            yield _gauge("voip_store_up", "Whether the shared store answers.", int(self.store_up))
        for name, up in self.links.items():
            family.add_metric((name,), int(up))
        yield family

    def _of_kamailios(self) -> Iterable[Metric]:
        """Yield what the Kamailios have counted, and the calls that are there."""
        counted = CounterMetricFamily(
            "scp_voip_kamailio", "What Kamailio dropped, refused or decided.", labels=("kamailio", "what")
        )
        dialogs = GaugeMetricFamily("scp_voip_dialogs", "Calls that are under way.", labels=("kamailio",))
        for name, found in self.kamailios.items():
            for what in COUNTED:
                counted.add_metric((name, what), getattr(found, what))
            dialogs.add_metric((name,), found.dialogs)
        yield counted
        yield dialogs


def _counter(name: str, help_: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"scp_{name}", help_, labels=(label,))
    for value, count in values.items():
        family.add_metric((str(value),), count)
    return family


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"scp_{name}", help_, value=value)
