"""``camel-scp status``: shows a running node's links, components and discarded messages."""

from __future__ import annotations

import os
import ssl
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from scp.command import FAILED, fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from scp.config import HostPort

TOKEN: Final = "CAMEL_SCP_TOKEN"  # noqa: S105 - its name
"""Environment variable with the token for what needs one."""

_GROUPS: Final = {
    "m3ua:association": "association",
    "sctp:path": "path",
    "m3ua:asp": "ASP",
    "m3ua:as": "AS",
    "m3ua:destination": "destination",
    "m3ua:network-indicator": "indicator",
    "sccp:subsystem": "subsystem",
    "store:records": "store",
    "charging:records": "CDRs",
    "charging:ledger": "ledger",
    "charging:function": "CHF",
    "node:identity": "identity",
    "node:guardian": "guardian",
    "node:recording": "recording",
    "node:traces": "traces",
}
_COLOURS: Final = {"pass": "green", "warn": "yellow", "fail": "red"}


def status(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="the node's configuration: where its API listens")
    ] = None,
    url: Annotated[str, typer.Option("--url", "--node", help="the API's base URL instead")] = "",
    discards: Annotated[
        bool, typer.Option("--discards", help=f"what was thrown away; needs a token with read in {TOKEN}")
    ] = False,
    ca: Annotated[Path | None, typer.Option("--ca", help="whom to trust, PEM, where the API has TLS")] = None,
    json: Annotated[bool, typer.Option("--json", help="what the API says, as it is")] = False,
) -> None:
    """Say what is wrong with a node: links, store, CDRs, charging; since when, the last error, what to check.

    Exit status: 0 it takes calls, 1 it does not, 2 it can't be asked.
    """
    base = url or _base(config)
    answer = _get(f"{base}{'/v1/discards' if discards else '/health'}", ca)
    if json:
        typer.echo(answer.text)
    else:
        console = Console(highlight=False)
        (show_discards if discards else show_health)(answer.json(), console)
    if answer.is_error:
        raise typer.Exit(FAILED)


def _base(config: Path | None) -> str:
    """Return where the API of the node with this configuration is."""
    if config is None:
        return "http://127.0.0.1:8080"
    try:
        listen, tls = _listens(config)
    except (OSError, ValueError) as error:
        raise fail(f"{config}: {getattr(error, 'strerror', None) or error}") from None
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{listen.port}"


def _listens(config: Path) -> tuple[HostPort, bool]:
    """Return where the API listens, and whether it has TLS; raises OSError, or ValueError in words.

    Nothing else is read of the file: the user need not have the secrets, which may be in variables of the
    service's own, and the node may run though somebody has spoilt another table since.
    """
    from scp.config import Api, HostPort

    api = tomllib.loads(config.read_text(encoding="utf-8-sig")).get("api")
    if not isinstance(api, dict):
        raise ValueError("a node without [api] can't be asked")  # noqa: TRY004 - what stands in a file
    return HostPort.parse(api["listen"]) if "listen" in api else Api().listen, "tls" in api


def _get(url: str, ca: Path | None) -> httpx.Response:
    import httpx

    from scp.client.connection import in_words

    token = os.environ.get(TOKEN, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verify = ssl.create_default_context(cafile=None if ca is None else str(ca))
    try:
        answer = httpx.get(url, headers=headers, timeout=10, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise fail(f"{url}: {in_words(error)}; is the node running, and its [api] there?") from None
    if answer.status_code in (401, 403):
        raise fail(f"{url}: refused; put a token with the scope read into {TOKEN}")
    return answer


def show_health(health: Mapping[str, Any], console: Console, now: datetime | None = None) -> None:
    """Print the node's health: a line each, what is wrong with what to look at."""
    now = now or datetime.now(UTC)
    colour = _COLOURS[health["status"]]
    takes = "steers no calls" if health["status"] == "fail" else "takes calls"
    console.print(f"{health['serviceId']} {health['version']}: [{colour}]{takes}[/]")
    for note in health["notes"]:
        console.print(f"  {note}", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "state", "for", "last error", "check"):
        table.add_column(column, overflow="fold")
    others = {group: group for group in health["checks"] if group not in _GROUPS}  # of a newer node
    for group, name in {**_GROUPS, **others}.items():
        for check in health["checks"].get(group, ()):
            error = check.get("lastError") or ("" if check.get("check") else check.get("output", ""))
            if error and check.get("lastErrorTime"):
                error = f"{error} ({age(check['lastErrorTime'], now)} ago)"
            table.add_row(
                name,
                check["componentId"],
                f"[{_COLOURS[check['status']]}]{check['observedValue']}[/]",
                age(check["time"], now),
                error,
                check.get("check", ""),
            )
    console.print(table)


def show_discards(answer: Mapping[str, Any], console: Console) -> None:
    """Print what was thrown away, with its samples."""
    kinds = answer["discards"]
    if not kinds:
        console.print("nothing was thrown away")
    for kind in kinds:
        console.print(f"[bold]{kind['layer']} {kind['reason']}[/]: {kind['count']:,}")
        for sample in kind["samples"]:
            cut = "" if len(sample["hex"]) == 2 * sample["size"] else " (cut)"
            console.print(
                f"  {sample['time']} {sample['peer']}, {sample['size']} octets{cut}\n    {sample['hex']}",
                markup=False,
                soft_wrap=True,
            )


def age(since: str, now: datetime) -> str:
    """Return how long ago that was, in its two largest units."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for unit, name, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // smaller} {small}"
    return f"{seconds} s"
