"""The results of a benchmark, and their JSON."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, final

from msgspec import Struct

from scp.bench.machine import Machine  # noqa: TC001 - the annotation is read at run time
from scp.bench.scenarios import CODEC, ECHO, PARTS, REFERENCE, REPLAY, SCALE, SOAK, Size

if TYPE_CHECKING:
    from scp.bench.load import LoadReport

_MICRO: Final = 1e6
_THOUSAND: Final = 1e3
_NUMBER: Final = re.compile(r"[0-9]{5,}")


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds from a call to its answer, in the round with the lowest p99.

    Attributes:
        rate: calls a second.
        p50_ms, p99_ms, p999_ms: from when the call was sent.
        due_p99_ms: from when it was due.
        late_p99_ms: from when it was due to when it was sent: the generator's own lateness.
        worst_p99_ms: `p99_ms` of the worst round: the effect of other load on the machine.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    due_p99_ms: float
    late_p99_ms: float
    worst_p99_ms: float


class Saturation(Struct, frozen=True, kw_only=True):
    """The best round at saturation.

    Attributes:
        calls_per_s: answered.
        cpu_us_per_call: of the node, all its threads.
        node_busy: share of the time that the node had its processor.
        elsewhere_busy: share that others had it.
        generator_busy: share of the time that the generator worked; below 1, it was not the limit.
        generator_us_per_call: its CPU time a call.
    """

    calls_per_s: float
    cpu_us_per_call: float
    node_busy: float
    elsewhere_busy: float
    generator_busy: float
    generator_us_per_call: float


@final
class Tally:
    """Counts of a scenario's runs, and the best of its rounds.

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


class Result(Struct, frozen=True, kw_only=True):
    """The result of a scenario.

    Attributes:
        saturation: the best round.
        half, most: latencies at 50 % and at 80 % of it.
        memory_mib: of the node after it.
        bytes_per_subscriber: of the node's memory; None where it keeps none of them.
        bytes_per_dialogue: of the node's memory; None where dialogues are not held open.
        calls: that were made in all.
        faults: answers that were wrong or missing, in words.
    """

    saturation: Saturation
    half: Latency
    most: Latency
    memory_mib: float
    bytes_per_subscriber: float | None
    bytes_per_dialogue: float | None
    calls: int
    faults: tuple[str, ...] = ()


class Scaled(Struct, frozen=True, kw_only=True):
    """Several nodes behind one AS and one Redis, at saturation.

    Attributes:
        calls_per_s: of all nodes.
        cpu_us_per_call: of a node, on average.
        redis_us_per_call: of the Redis server.
        generator_us_per_call: of the generator.
        nodes_busy: share of a processor that each node had.
        machine_busy: share of all processors in use, by all processes; at 1 the machine is the limit.
        faults: as `Result.faults`.
    """

    calls_per_s: float
    cpu_us_per_call: float
    redis_us_per_call: float
    generator_us_per_call: float
    nodes_busy: tuple[float, ...]
    machine_busy: float
    faults: tuple[str, ...] = ()


class ReplaySpeed(Struct, frozen=True, kw_only=True):
    """A capture, replayed and decoded by tshark: messages for each second of CPU time, start included.

    Attributes:
        messages: of the capture.
        messages_per_cpu_s: that ``camel-scp replay`` decodes and decides.
        tshark_per_cpu_s: that tshark decodes, with the fields that a replay looks at.
        ratio: of the two.
    """

    messages: int
    messages_per_cpu_s: float
    tshark_per_cpu_s: float
    ratio: float


class Soaked(Struct, frozen=True, kw_only=True):
    """A node under full load for long.

    Attributes:
        calls: that were made.
        seconds: that took.
        memory_mib: of the node, after the warm-up and after each tenth.
        growth_bytes_per_call: of its memory, from half way to the end.
        faults: as `Result.faults`.
    """

    calls: int
    seconds: float
    memory_mib: tuple[float, ...]
    growth_bytes_per_call: float
    faults: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """The results of all scenarios.

    Attributes:
        machine: where.
        size: how much.
        results: by scenario.
        codec: as `codec_times` returns it; empty if it was not asked for.
        parts: microseconds of a call above the socket, as `part_times` returns them; empty likewise.
        scale: by number of nodes; empty likewise.
        replay: as `against_tshark` returns it; None likewise.
        soak: None likewise.
    """

    machine: Machine
    size: Size
    results: dict[str, Result]
    codec: dict[str, dict[str, dict[str, float]]]
    parts: dict[str, float]
    scale: dict[int, Scaled] = {}
    replay: ReplaySpeed | None = None
    soak: Soaked | None = None

    @property
    def faults(self) -> list[str]:
        """What was wrong, in words, each with its scenario."""
        found = [f"{name}: {fault}" for name, result in self.results.items() for fault in result.faults]
        found += [f"{SCALE} {nodes}: {fault}" for nodes, one in self.scale.items() for fault in one.faults]
        return found + [f"{SOAK}: {fault}" for fault in (self.soak.faults if self.soak else ())]


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as ``--json`` prints it."""
    scenarios: dict[str, Any] = {name: _flat(result) for name, result in report.results.items()}
    if report.codec:
        scenarios[CODEC] = report.codec
    if report.parts:
        scenarios[PARTS] = report.parts
    if report.scale:
        scenarios[SCALE] = {str(nodes): scaled for nodes, scaled in report.scale.items()}
    if report.replay is not None:
        scenarios[REPLAY] = report.replay
    if report.soak is not None:
        scenarios[SOAK] = report.soak
    return {
        "machine": report.machine,
        "size": report.size,
        "scenarios": scenarios,
        "ratios": ratios(report),
        "cpu_ratios": ratios(report, of_cpu=True),
    }


def ratios(report: Report, *, of_cpu: bool = False) -> dict[str, float]:
    """Return calls a second of every scenario over those of ``reference`` and ``echo``, as far as they ran.

    Args:
        report: of one run.
        of_cpu: calls a second of CPU time instead, which other work on the machine does not take away.
    """

    def speed(name: str) -> float:
        saturation = report.results[name].saturation
        return _MICRO / max(saturation.cpu_us_per_call, 1e-3) if of_cpu else saturation.calls_per_s

    return {
        f"{name}/{base}": round(speed(name) / speed(base), 3)
        for base in (REFERENCE, ECHO)
        if base in report.results
        for name in report.results
        if name not in (base, ECHO)
    }


def _flat(result: Result) -> dict[str, Any]:
    """Return what the scenarios of ``--json`` have: latencies without a name are those at half load."""
    best, half, most = result.saturation, result.half, result.most
    return {
        "calls_per_s": round(best.calls_per_s, 1),
        "cpu_us_per_call": round(best.cpu_us_per_call, 2),
        **_times(half),
        "at_80": _times(most),
        "node_busy": round(best.node_busy, 3),
        "elsewhere_busy": round(best.elsewhere_busy, 3),
        "generator_busy": round(best.generator_busy, 3),
        "generator_us_per_call": round(best.generator_us_per_call, 2),
        "memory_mib": round(result.memory_mib, 1),
        "bytes_per_subscriber": None
        if result.bytes_per_subscriber is None
        else round(result.bytes_per_subscriber),
        "bytes_per_dialogue": None if result.bytes_per_dialogue is None else round(result.bytes_per_dialogue),
        "calls": result.calls,
        "faults": list(result.faults),
    }


def _times(latency: Latency) -> dict[str, float]:
    return {
        "p50_ms": latency.p50_ms,
        "p99_ms": latency.p99_ms,
        "p999_ms": latency.p999_ms,
        "due_p99_ms": latency.due_p99_ms,
        "late_p99_ms": latency.late_p99_ms,
        "worst_p99_ms": latency.worst_p99_ms,
    }
