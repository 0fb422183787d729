"""The command ``camel-scp bench``, and its tables."""

from __future__ import annotations

import shutil
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from scp.bench.api import API
from scp.bench.api import measure as measure_api
from scp.bench.benchmark import run
from scp.bench.comparison import COMPARED, TOLERANCE, compare, comparison_as_json, medians
from scp.bench.consoles import WITH, with_consoles
from scp.bench.plot import plot as draw
from scp.bench.results import as_json, ratios
from scp.bench.scenarios import ALL, FULL, NAMES, QUICK, REPLAY, SOAK
from scp.bench.server import ServerError
from scp.ports import StoreError

if TYPE_CHECKING:
    from scp.bench.comparison import Comparison, Spread
    from scp.bench.machine import Machine
    from scp.bench.results import Latency, ReplaySpeed, Report, Soaked
    from scp.bench.scenarios import Size


def bench(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"{', '.join(NAMES)}; all but {SOAK}, {REPLAY} if tshark is installed; {API}, alone"
        ),
    ] = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="seconds instead of minutes, fewer subscribers")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    soak: Annotated[
        int | None, typer.Option(min=1000, help=f"calls of {SOAK}, 10,000,000 otherwise; runs that alone")
    ] = None,
    realtime: Annotated[
        bool, typer.Option(help="real-time priority for node, Redis and generator, where permitted")
    ] = True,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="write a figure of the scenarios to this file, SVG")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="another checkout: measure both and compare, exit status 1 if slower"),
    ] = None,
    consoles: Annotated[
        int | None,
        typer.Option(
            "--consoles", min=1, max=32, help="measure with so many consoles open, and without, by turns"
        ),
    ] = None,
) -> None:
    """Measure calls a second, CPU time, latency and memory.

    Exit status: 0 every answer was right, 1 one was missing or wrong, or with --against a scenario is slower,
    2 something needed is not there.
    """
    if against is not None and plot is not None:
        raise typer.BadParameter("--plot draws one tree's scenarios, not a comparison")
    if consoles is not None and (against is not None or plot is not None or soak is not None):
        raise typer.BadParameter("--consoles is a comparison of its own")
    size = QUICK if quick else FULL
    if soak is not None:
        scenarios, size = [SOAK], replace(size, soaked=soak)
    if scenarios == [API]:
        _api(seconds=2 if quick else 10, json=json)
    names = _names(scenarios, compares=against is not None, consoles=consoles is not None)
    try:
        if consoles is not None:
            found = with_consoles(names, size, consoles, _tell, realtime=realtime)
            _compare(found, f"With {consoles} consoles open, beside none", json=json)
        if against is not None:
            _compare(compare(names, size, against, _tell, realtime=realtime), json=json)
        report = run(names, size, _tell, realtime=realtime)
    except (OSError, ServerError, StoreError, TimeoutError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    _end(report, plot, json=json)


def _tell(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"[dim]{text}[/dim]")


def _names(asked: list[str] | None, *, compares: bool, consoles: bool) -> list[str]:
    """Return the scenarios to measure: those that are asked for, or what is measured otherwise.

    Raises:
        BadParameter: for one that there is not, or not with these options.
    """
    known = WITH if consoles else COMPARED if compares else NAMES
    if not asked and consoles:
        return ["steer"]
    names = asked or [
        name for name in ALL if name in known and (name != REPLAY or compares or shutil.which("tshark"))
    ]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return names


def _end(report: Report, plot: Path | None, *, json: bool) -> NoReturn:
    """Print a report, draw it, and leave."""
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(as_json(report))))
    else:
        _show(report)
    if plot is not None:
        plot.write_text(draw(report), encoding="utf-8")
    for fault in report.faults:
        typer.echo(fault, err=True)
    raise typer.Exit(1 if report.faults else 0)


def _api(*, seconds: float, json: bool) -> NoReturn:
    """Measure the HTTP API, print what came of it, and leave."""
    table = _table(
        "The HTTP API: charged calls (reserve, commit, leg), flags (written, read)",
        "a second",
        "node CPU µs each",
        "client CPU µs each",
        "at a rate of",
        "p50 ms",
        "p99 ms",
        "wrong",
    )
    wrong = 0
    found = []
    try:
        for each in measure_api(seconds, lambda text: typer.echo(text, err=True)):
            found.append(each)
            wrong += each.wrong
            figures = (each.per_s, each.node_us, each.client_us, each.rate)
            cells = [f"{figure:,.0f}" for figure in figures] + [f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}"]
            table.add_row(f"{each.what}, {each.store}", *cells, str(each.wrong))
    except (OSError, ServerError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        Console(highlight=False, width=120).print(table)
    raise typer.Exit(1 if wrong else 0)


def _compare(comparison: Comparison, title: str = "", *, json: bool) -> NoReturn:
    """Print a comparison and leave."""
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(comparison_as_json(comparison))))
    else:
        console = Console(highlight=False, width=120)
        _head(console, comparison.machine, comparison.size)
        console.print(_comparison(comparison, title or f"This code beside {comparison.against}"))
    for fault in comparison.faults:
        typer.echo(fault, err=True)
    slower = [name for name, each in comparison.scenarios.items() if each.slower]
    raise typer.Exit(1 if comparison.faults or slower else 0)


def _comparison(comparison: Comparison, title: str) -> Table:
    table = _table(
        title,
        "calls/s",
        "there",
        "ratio (least to most)",
        "CPU µs a call",
        "there",
        "ratio (least to most)",
        "",
    )
    for name, each in comparison.scenarios.items():
        here, there = medians(each.here), medians(each.there)
        table.add_row(
            name,
            f"{here['calls_per_s']:,.0f}",
            f"{there['calls_per_s']:,.0f}",
            _ratio(each.speed),
            f"{here['cpu_us_per_call']:,.1f}",
            f"{there['cpu_us_per_call']:,.1f}",
            _ratio(each.cpu),
            "slower" if each.slower else "",
        )
    table.caption = (
        "medians of all rounds; slower: more CPU time in every pair of rounds, by more than "
        f"{TOLERANCE - 1:.0%} in the median"
    )
    return table


def _ratio(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"


def _show(report: Report) -> None:
    console = Console(highlight=False, width=120)
    _head(console, report.machine, report.size)
    if report.results:
        console.print(_saturation(report))
        console.print(_latency(report))
        if ratios(report):
            console.print(_ratios(report))
    if report.codec:
        console.print(_codec(report))
        console.print(_parts(report))
    if report.scale:
        console.print(_scale(report))
    if report.replay is not None:
        console.print(_replay(report.replay))
    if report.soak is not None:
        console.print(_soak(report.soak))


def _head(console: Console, machine: Machine, size: Size) -> None:
    """Say where and with how much it was measured."""
    code = "compiled by mypyc" if machine.compiled else "plain Python, not compiled"
    priority = "real-time priority (SCHED_RR)" if machine.realtime else "without real-time priority"
    console.print(
        f"{machine.cpu}, {machine.system}, Python {machine.python}, {code}\n"
        f"node on processor {machine.node_core}, generator on {machine.generator_core}, {priority}; "
        f"run queue at the start: {machine.load:.1f}; {size.subscribers:,} subscribers\n"
    )


def _saturation(report: Report) -> Table:
    table = _table(
        "At saturation",
        "calls/s",
        "CPU µs a call",
        "node",
        "others",
        "generator",
        "MiB",
        "B/subscriber",
        "B/dialogue",
    )
    for name, result in report.results.items():
        best = result.saturation
        table.add_row(
            name,
            f"{best.calls_per_s:,.0f}",
            f"{best.cpu_us_per_call:,.1f}",
            f"{best.node_busy:.0%}",
            f"{best.elsewhere_busy:.0%}",
            f"{best.generator_busy:.0%}",
            f"{result.memory_mib:,.0f}",
            "" if result.bytes_per_subscriber is None else f"{result.bytes_per_subscriber:,.0f}",
            "" if result.bytes_per_dialogue is None else f"{result.bytes_per_dialogue:,.0f}",
        )
    table.caption = (
        "node, others: their shares of the node's processor; generator: its share of its own processor"
    )
    return table


def _latency(report: Report) -> Table:
    table = _table(
        "Milliseconds to the answer",
        "at 50 %: p50",
        "p99",
        "p99.9",
        "late",
        "worst",
        "at 80 %: p50",
        "p99",
        "p99.9",
        "late",
        "worst",
    )
    for name, result in report.results.items():
        table.add_row(name, *(f"{time:,.2f}" for each in (result.half, result.most) for time in _times(each)))
    table.caption = (
        "late: p99 of what the generator itself was late, not in the others; worst: p99 of the worst round"
    )
    return table


def _times(latency: Latency) -> tuple[float, ...]:
    return latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.late_p99_ms, latency.worst_p99_ms


def _scale(report: Report) -> Table:
    table = _table(
        "Nodes that share an AS and a Redis",
        "calls/s",
        "CPU µs a call: node",
        "Redis",
        "generator",
        "each node's share of a processor",
        "machine",
    )
    for nodes, found in report.scale.items():
        table.add_row(
            str(nodes),
            f"{found.calls_per_s:,.0f}",
            f"{found.cpu_us_per_call:.1f}",
            f"{found.redis_us_per_call:.1f}",
            f"{found.generator_us_per_call:.1f}",
            ", ".join(f"{busy:.0%}" for busy in found.nodes_busy),
            f"{found.machine_busy:.0%}",
        )
    table.caption = "machine: how much of all its processors was used; at 100 % it is what bounds"
    return table


def _replay(replay: ReplaySpeed) -> Table:
    table = _table(
        f"A capture of {replay.messages:,} messages, messages a CPU second", "replay", "tshark", "ratio"
    )
    table.add_row(
        "", f"{replay.messages_per_cpu_s:,.0f}", f"{replay.tshark_per_cpu_s:,.0f}", f"{replay.ratio:.2f}"
    )
    return table


def _soak(soak: Soaked) -> Table:
    tenths = [f"{n * 10} %" for n in range(len(soak.memory_mib))]
    table = _table(f"{soak.calls:,} calls in {soak.seconds:,.0f} s: MiB of the node after …", *tenths)
    table.add_row("", *(f"{memory:,.1f}" for memory in soak.memory_mib))
    table.caption = f"growth from half way: {soak.growth_bytes_per_call:.3f} octets a call"
    return table


def _ratios(report: Report) -> Table:
    table = _table("Ratios", "calls/s", "calls a CPU second")
    by_cpu = ratios(report, of_cpu=True)
    for pair, ratio in ratios(report).items():
        table.add_row(pair, f"{ratio:.2f}", f"{by_cpu[pair]:.2f}")
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _parts(report: Report) -> Table:
    table = _table("A call of steer-sqlite above the socket, µs", *report.parts)
    table.add_row("", *(f"{micros:.2f}" for micros in report.parts.values()))
    table.caption = "codec: CAP's arguments; stack: M3UA to TCAP, and the engine; the rest is network"
    return table


def _codec(report: Report) -> Table:
    table = _table("Codec, µs a message", *report.codec)
    for direction, layers in report.codec["fast"].items():
        for layer in layers:
            table.add_row(
                f"{direction} {layer}",
                *(f"{times[direction][layer]:,.2f}" for times in report.codec.values()),
                end_section=layer == "all",
            )
    return table
