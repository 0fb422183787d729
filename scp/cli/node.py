"""Commands that run a node or check its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scp.command import FAILED, configuration, fail, say


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="keep the node running until Ctrl-C")] = False,
    voip: Annotated[
        bool, typer.Option("--voip", help="no calls: node, brain and Kamailio for softphones until Ctrl-C")
    ] = False,
) -> None:
    """Run a node and a simulated MSC in one process: calls, their answers, and why.

    Exit status: 0 all answers were as expected, 1 one was not, 2 what --voip needs is not there.
    """
    from scp.app.demo import keep_voip, run

    if voip:
        try:
            keep_voip()
        except OSError as error:
            raise fail(str(error)) from None
        return
    raise typer.Exit(0 if run(keep=keep) else FAILED)


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="the configuration, TOML")],
) -> None:
    """Run a node until SIGTERM, which drains it; SIGHUP has it read its configuration again.

    Exit status: 0 it was drained, 1 it could not start, 2 the configuration is wrong.
    """
    from scp.app.process import serve as run

    raise typer.Exit(run(configuration(config), config))


def check(
    file: Annotated[Path, typer.Argument(help="the configuration, TOML")],
    offline: Annotated[
        bool, typer.Option("--offline", help="don't ask the store's Redis which other nodes run")
    ] = False,
) -> None:
    """Validate a configuration: every error with its path, and what a node would bind and connect to.

    A file with a table [voip] is the VoIP service's.

    Where the store is in Redis, it says as well which running nodes have this one's instance or name.

    Exit status: 0 a node can start with it, 2 it can't.
    """
    from scp.app.preflight import duplicates, missing_folders, preflight
    from scp.config import describe
    from scp.voip.commands import check as check_voip
    from scp.voip.config import is_voip

    if is_voip(file):
        check_voip(file)
        return
    config = configuration(file)
    if faults := list(preflight(config)):
        raise fail("\n".join(f"{file}: {fault}" for fault in faults))
    typer.echo(describe(config))
    for fault in missing_folders(config):
        say(f"{file}: {fault}, and the node makes none")
    for words in () if offline else duplicates(config):
        say(f"{file}: {words}")


def example(
    voip: Annotated[bool, typer.Option("--voip", help="the VoIP service's, voip.toml")] = False,
) -> None:
    """Print a commented configuration with every key."""
    from scp.config import EXAMPLE
    from scp.voip.example import EXAMPLE as VOIP_EXAMPLE

    typer.echo(VOIP_EXAMPLE if voip else EXAMPLE, nl=False)
