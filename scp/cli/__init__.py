"""The command ``camel-scp``. A command is imported when it is used: imports are most of its start."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Final = {
    "demo": "scp.cli.node:demo",
    "serve": "scp.cli.node:serve",
    "check": "scp.cli.node:check",
    "example": "scp.cli.node:example",
    "msc": "scp.cli.msc:msc",
    "hlr": "scp.cli.hlr:hlr",
    "smsc": "scp.cli.smsc:smsc",
    "subscribers": "scp.store.commands:app",
    "cdrs": "scp.cli.cdrs:app",
    "status": "scp.cli.status:status",
    "decode": "scp.capture.commands:decode",
    "replay": "scp.replay.replay_command:replay",
    "explain": "scp.replay.explain_command:explain",
    "anonymise": "scp.capture.commands:anonymise",
    "voip": "scp.voip.commands:app",
    "bench": "scp.bench.commands:bench",
}
"""Where each command is: a function, or a `typer.Typer` of several."""


class Lazy(TyperGroup):
    """A group whose commands are those of `COMMANDS`, found when they are asked for.

    `Any` stands where typer's annotations say click's types: some versions of typer bring their own click.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """See `click.Group`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """See `click.Group`."""
        del ctx
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        from scp.cli.examples import epilog

        module, _, name = place.partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            found.command(cmd_name)(function)
        command = get_command(found)
        command.name = cmd_name
        command.epilog = epilog(cmd_name)
        for name, inner in getattr(command, "commands", {}).items():
            inner.epilog = epilog(cmd_name, name)
        return command


app = typer.Typer(
    name="camel-scp",
    cls=Lazy,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from scp.version import COMPILED, VERSION

        typer.echo(f"camel-scp {VERSION}, {'compiled' if COMPILED else 'plain Python'}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="what is installed")
    ] = False,
) -> None:
    """A CAMEL service control point: answers the InitialDP of MSCs with Connect or Continue."""


def main() -> None:
    """Run the command; the entry point."""
    if sys.argv[1:2] == ["bench"] and "--help" not in sys.argv:
        from scp.bench.build import run_on_build

        run_on_build()
    _take_any_text()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - what is left of the text goes nowhere
        if error.errno == errno.ENOSPC:
            typer.echo(f"standard output: {error.strerror}", err=True)
        sys.exit(1)


def _take_any_text() -> None:
    """Have standard output and error take every text: closed ones, and those whose locale has no arrows."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
