"""What commands on captures take and print: a capture, JSON or text, a line of what was read.

What is wrong with an input ends the command with one line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from scp.command import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.capture.source import Capture

# ruff: noqa: PLC0415 - each command imports what it needs when it runs

CaptureFile = Annotated[str, typer.Argument(help="pcap or pcapng, gzip or not; - is standard input")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line")]


def open_capture(file: str) -> Capture:
    """Return a capture at its beginning."""
    from scp.capture.source import Capture, CaptureError

    try:
        return Capture(file)
    except CaptureError as error:
        raise fail(str(error)) from None


def account(counts: Mapping[str, int]) -> str:
    """Return what was read of a capture and what was not, in one line."""
    faults = sum(count for name, count in counts.items() if name.startswith("fault:"))
    others = sorted(
        f"{count} {name.replace('-', ' ')}"
        for name, count in counts.items()
        if name != "packets" and not name.startswith("fault:")
    )
    packets = counts.get("packets", 0)
    return ", ".join((f"{packets} packet{'s' * (packets != 1)}", f"{faults} undecodable", *others))


def printer(*, as_json: bool, as_lines: bool = False) -> Callable[[dict[str, Any]], object]:
    """Return what prints a message or a dialogue: as JSON, as a line, or as a tree."""
    from scp.capture.text import line, tree

    if as_json:
        encode = msgspec.json.Encoder().encode
        return lambda shown: sys.stdout.write(encode(shown).decode() + "\n")
    write = line if as_lines else tree
    return lambda shown: sys.stdout.write(write(shown) + "\n")
