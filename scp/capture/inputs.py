"""What commands on captures are given: a capture, a configuration, subscribers. What is wrong is one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from scp.command import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.capture.source import Capture
    from scp.config import Config
    from scp.ports import SubscriberLookup
    from scp.services.api import Service

# ruff: noqa: PLC0415 - each command imports what it needs when it runs

CaptureFile = Annotated[str, typer.Argument(help="pcap or pcapng, gzip or not; - is standard input")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="the node's configuration, TOML")]
Store = Annotated[
    str,
    typer.Option(help="a store's URL, a file of `subscribers export`, or a running node's API; as store.url"),
]
Token = Annotated[
    str,
    typer.Option(
        help="for the API, scope read: env:NAME, file:PATH or the token itself", envvar="CAMEL_SCP_TOKEN"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line")]


def open_capture(file: str) -> Capture:
    """Return a capture at its beginning."""
    from scp.capture.source import Capture, CaptureError

    try:
        return Capture(file)
    except CaptureError as error:
        raise fail(str(error)) from None


def services_of(settings: Config) -> dict[int, Service]:
    """Return the services of a configuration, by service key."""
    from scp.services.api import NodeSettings
    from scp.services.registry import ServiceConfigError, build_services, installed

    node = NodeSettings(settings.numbering, settings.store.on_failure)
    try:
        return build_services(settings.services, node, installed())
    except ServiceConfigError as error:
        raise fail(str(error)) from None


def records_of(where: str, token: str) -> SubscriberLookup:
    """Return the subscribers of a store, an export, or a running node."""
    from scp.capture.records import RecordsError, open_records

    try:
        return open_records(where, token_of(token))
    except RecordsError as error:
        raise fail(str(error)) from None


def token_of(text: str) -> str:
    """Return a token that is given as ``env:NAME``, ``file:PATH`` or itself."""
    from scp.config.values import Secret

    try:
        return Secret.parse(text, os.environ).reveal()
    except ValueError as error:
        raise fail(f"--token: {error}") from None


def account(counts: Mapping[str, int]) -> str:
    """Return what was read of a capture and what was not, in one line."""
    faults = sum(count for name, count in counts.items() if name.startswith("fault:"))
    others = sorted(
        f"{count} {name.replace('-', ' ')}"
        for name, count in counts.items()
        if name != "packets" and not name.startswith("fault:")
    )
    return ", ".join((f"{counts.get('packets', 0)} packets", f"{faults} undecodable", *others))


def printer(*, as_json: bool, as_lines: bool = False) -> Callable[[dict[str, Any]], object]:
    """Return what prints a message or a dialogue: as JSON, as a line, or as a tree."""
    from scp.capture.lines import line, tree

    if as_json:
        encode = msgspec.json.Encoder().encode
        return lambda shown: sys.stdout.write(encode(shown).decode() + "\n")
    write = line if as_lines else tree
    return lambda shown: sys.stdout.write(write(shown) + "\n")
