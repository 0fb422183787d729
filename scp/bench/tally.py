"""What runs of the load generator came to, and the one that counts."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from scp.bench.results import Latency

if TYPE_CHECKING:
    from scp.bench.load import LoadReport
    from scp.bench.results import Saturation

_NUMBER: Final = re.compile(r"[0-9]{5,}")
_THOUSAND: Final = 1e3


@final
class Tally:
    """What a scenario's runs came to so far.

    Attributes:
        best: the round with the most calls a second.
        calls: made in all.
    """

    def __init__(self) -> None:
        self.best: Saturation | None = None
        self.calls = 0
        self._wrong: Counter[str] = Counter()
        self._trouble: dict[str, None] = {}

    def add(self, report: LoadReport) -> None:
        """Count a run's calls and note what was wrong."""
        self.calls += report.sent
        for reason, count in report.wrong.items():
            self._wrong[_NUMBER.sub("…", reason)] += count
        self._wrong["missing"] += report.missing
        self._trouble |= dict.fromkeys(report.trouble)

    def lost_records(self, count: int) -> None:
        """Note that so many calls left no CDR."""
        self._wrong["without a CDR"] += count

    def saturated(self, found: Saturation) -> None:
        """Take a round's figures."""
        if self.best is None or found.calls_per_s > self.best.calls_per_s:
            self.best = found

    @property
    def faults(self) -> tuple[str, ...]:
        """What was wrong, in words."""
        counted = [f"{count:,} times {reason}" for reason, count in self._wrong.items() if count]
        return (*counted, *self._trouble)


def latency(reports: list[LoadReport], rate: float) -> Latency:
    """Return the latencies of the round with the lowest p99; ``rate`` is calls a second."""
    in_order = sorted(reports, key=lambda report: report.since_sent_us["99"])
    best, worst = in_order[0], in_order[-1]
    return Latency(
        rate=rate,
        p50_ms=best.since_sent_us["50"] / _THOUSAND,
        p99_ms=best.since_sent_us["99"] / _THOUSAND,
        p999_ms=best.since_sent_us["99.9"] / _THOUSAND,
        due_p99_ms=best.latency_us["99"] / _THOUSAND,
        late_p99_ms=best.late_us["99"] / _THOUSAND,
        worst_p99_ms=worst.since_sent_us["99"] / _THOUSAND,
    )
