"""Tables and the progress bar that ``replay`` and ``explain`` print."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scp.domain.reason import Reason, explain
from scp.replay.compare import Verdict
from scp.replay.report import NODE, WE, Report

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from scp.capture.json_view import JsonDict
    from scp.capture.source import Capture

LISTED: Final = 20
"""Dialogues that a table lists; --json and --html have all."""
WIDTH: Final = 110
"""Columns that the tables take, also where the output is no terminal."""
_VERDICTS: Final = {
    Verdict.SAME: "same answer",
    Verdict.DIFFERENT: "different answer",
    Verdict.UNANSWERED: "no answer in the capture",
    Verdict.SILENT: "no answer of {whose}",
}
_WHOSE: Final = {WE: "ours", NODE: "the node's"}


@contextlib.contextmanager
def progress(capture: Capture, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far a file is read; yields what takes the number of messages so far."""
    bar = Progress(
        TextColumn("{task.fields[messages]:,} messages"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not capture.size,
    )
    with bar:
        task = bar.add_task("", total=capture.size or None, messages=0)

        def moved(messages: int) -> None:
            bar.update(task, completed=capture.read, messages=messages)

        yield moved


def print_summary(report: Report, skipped: Counter[str], seconds: float) -> None:
    """Print the counts, and the first dialogues that are not the same."""
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    total = sum(report.verdicts.values())
    console.print(_verdicts(report, total))
    console.print(_decisions(report))
    if report.fields:
        console.print(_fields(report))
    odd = [shown for shown in report.kept if shown["verdict"] != Verdict.SAME]
    if odd:
        console.print(_dialogues(odd[:LISTED], report.who))
        more = sum(report.verdicts.values()) - report.verdicts[Verdict.SAME] - min(len(odd), LISTED)
        if more:
            console.print(f"… and {more} more: --json or --html has them")
    for reason, count in skipped.most_common():
        console.print(f"{count} messages were not replayed: {reason}")
    console.print(f"{total} dialogues in {seconds:.1f} s")


def _verdicts(report: Report, total: int) -> Table:
    table = Table(title="Answers", title_justify="left")
    table.add_column("")
    table.add_column("dialogues", justify="right")
    table.add_column("%", justify="right")
    for verdict, words in _VERDICTS.items():
        count = report.verdicts[verdict]
        table.add_row(
            words.format(whose=_WHOSE[report.who]), str(count), f"{100 * count / total:.1f}" if total else ""
        )
    return table


def _decisions(report: Report) -> Table:
    ours = report.who == WE
    table = Table(title="\nOur decisions" if ours else "\nThe node's answers", title_justify="left")
    for column in ("action", "dialogues", *(("reason", "") if ours else ())):
        table.add_column(column, justify="right" if column == "dialogues" else "left")
    for (action, reason), count in report.decisions.most_common():
        words = (reason, explain(Reason(reason)) if reason else "")
        table.add_row(action, str(count), *(words if ours else ()))
    return table


def _fields(report: Report) -> Table:
    table = Table(title="\nWhat differs", title_justify="left")
    table.add_column("field")
    table.add_column("dialogues", justify="right")
    for field, count in report.fields.most_common(LISTED):
        table.add_row(field, str(count))
    return table


def _dialogues(dialogues: list[JsonDict], who: str) -> Table:
    table = Table(title="\nDialogues", title_justify="left")
    last = "our reason" if who == WE else "what else"
    for column in ("frame", "A", "B", "the capture's SCP", who, last):
        table.add_column(column, no_wrap=column in {"frame", "A", "B"}, overflow="fold")
    for shown in dialogues:
        table.add_row(
            str(shown["frame"]),
            shown["a_number"],
            shown["b_number"],
            "\n".join(shown["theirs"]) or "nothing",
            "\n".join(shown["ours"]) or "nothing",
            "\n".join((*filter(None, (shown.get("reason"),)), *shown.get("notes", ()))),
        )
    return table


def print_times(times: Sequence[float]) -> None:
    """Print how long a live node's answers took, in milliseconds from each request."""
    if not times:
        return
    ordered = sorted(times)
    points = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    words = (
        f"{name} {1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:,.1f}"
        for name, share in points.items()
    )
    Console(highlight=False).print(f"ms to the node's answer: {', '.join(words)}")


def print_explanation(shown: JsonDict) -> None:
    """Print a decision, as `Explanation.as_json` and the API's dry run have it, with the path to it."""
    console = Console(highlight=False)
    number = f" {shown['number']} ({shown['nature']})" if shown["number"] else ""
    console.print(f"{shown['action']}{number}: {shown['reason']}")
    console.print(shown["explanation"])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "condition", "value", "outcome"):
        table.add_column(column)
    for place, step in enumerate(shown["path"], 1):
        table.add_row(str(place), step["condition"], step["value"], step["outcome"])
    console.print(table)
