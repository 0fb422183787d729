"""The commands that run a node, and those that read its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scp.config import Config, Fault

FAILED: Final = 1
"""Exit status: it ran, and the answer is no."""
UNUSABLE: Final = 2
"""Exit status: the command line or a file is wrong."""


def _config(path: Path) -> Config:
    from scp.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        raise _unusable(path, error.faults) from None


def _unusable(path: Path, faults: Iterable[Fault]) -> typer.Exit:
    for fault in faults:
        typer.echo(f"{path}: {fault}", err=True)
    return typer.Exit(UNUSABLE)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave the pages up until interrupted")] = False,
) -> None:
    """A node and a simulated MSC in one process: calls, their answers, and why."""
    from scp.app.demo import run

    raise typer.Exit(0 if run(keep=keep) else FAILED)


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="the configuration, TOML")],
) -> None:
    """Run a node until SIGTERM, which drains it; SIGHUP has it read its configuration again."""
    from scp.app.process import serve as run

    raise typer.Exit(run(_config(config), config))


def check(
    file: Annotated[Path, typer.Argument(help="the configuration, TOML")],
    offline: Annotated[
        bool, typer.Option("--offline", help="don't ask the store's Redis which other nodes run")
    ] = False,
) -> None:
    """Validate a configuration: every error with its path, and what a node would bind and connect to.

    Where the store is in Redis, it says as well which running nodes have this one's instance or name.
    """
    from scp.app.preflight import missing_folders, preflight, twins
    from scp.config import describe

    config = _config(file)
    if faults := list(preflight(config)):
        raise _unusable(file, faults)
    typer.echo(describe(config))
    for fault in missing_folders(config):
        typer.echo(f"{file}: {fault}, and the node makes none", err=True)
    for words in () if offline else twins(config):
        typer.echo(f"{file}: {words}", err=True)


def example() -> None:
    """Print a commented configuration with every key."""
    from scp.config import EXAMPLE

    typer.echo(EXAMPLE, nl=False)
