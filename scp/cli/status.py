"""``camel-scp status``: what a running node says of its links, and of what it threw away."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

FAILED: Final = 1
UNUSABLE: Final = 2
TOKEN: Final = "CAMEL_SCP_TOKEN"  # noqa: S105 - its name
"""Environment variable with the token for what needs one."""

_GROUPS: Final = {
    "m3ua:association": "association",
    "sctp:path": "path",
    "m3ua:asp": "ASP",
    "m3ua:as": "AS",
    "m3ua:destination": "destination",
    "sccp:subsystem": "subsystem",
    "store:records": "store",
}
_COLOURS: Final = {"pass": "green", "warn": "yellow", "fail": "red"}


def status(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="the node's configuration: where its API listens")
    ] = None,
    url: Annotated[str, typer.Option("--url", help="the API's base URL instead")] = "",
    discards: Annotated[
        bool, typer.Option("--discards", help=f"what was thrown away; needs a token with read in {TOKEN}")
    ] = False,
    ca: Annotated[Path | None, typer.Option("--ca", help="whom to trust, PEM, where the API has TLS")] = None,
    json: Annotated[bool, typer.Option("--json", help="what the API says, as it is")] = False,
) -> None:
    """Say why a node is down: every link's state, since when, the last error and what to check.

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
    from scp.config import ConfigError, load

    if config is None:
        return "http://127.0.0.1:8080"
    try:
        api = load(config).api
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(f"{config}: {fault}", err=True)
        raise typer.Exit(UNUSABLE) from None
    if api is None:
        typer.echo(f"{config}: a node without [api] can't be asked", err=True)
        raise typer.Exit(UNUSABLE)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(api.listen.host, api.listen.host)  # noqa: S104 - undone
    scheme = "http" if api.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{api.listen.port}"


def _get(url: str, ca: Path | None) -> httpx.Response:
    import httpx

    token = os.environ.get(TOKEN, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verify = ssl.create_default_context(cafile=None if ca is None else str(ca))
    try:
        answer = httpx.get(url, headers=headers, timeout=10, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        typer.echo(f"{url}: {error}; is the node running, and its [api] there?", err=True)
        raise typer.Exit(UNUSABLE) from None
    if answer.status_code in (401, 403):
        typer.echo(f"{url}: refused; put a token with the scope read into {TOKEN}", err=True)
        raise typer.Exit(UNUSABLE)
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
    for group, name in _GROUPS.items():
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
