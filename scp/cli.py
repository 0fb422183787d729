"""The command ``camel-scp``. Each command imports what it needs itself, to start as fast as it can."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scp.capture.commands import anonymise, decode, explain, replay
from scp.cdr_commands import app as cdrs
from scp.simulator.bench_commands import bench
from scp.simulator.commands import msc
from scp.status_command import status
from scp.store.commands import app as subscribers

if TYPE_CHECKING:
    from scp.config import Config

app = typer.Typer(
    name="camel-scp",
    help="A CAMEL service control point: answers the InitialDP of MSCs with Connect or Continue.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(msc)
app.add_typer(subscribers, name="subscribers")
app.add_typer(cdrs, name="cdrs")
app.command()(bench)
app.command()(decode)
app.command()(replay)
app.command()(explain)
app.command()(anonymise)
app.command()(status)

FAILED: Final = 1
"""Exit status: it ran, and the answer is no."""
UNUSABLE: Final = 2
"""Exit status: the command line or a file is wrong."""


def main() -> None:
    """Run the command; the entry point."""
    app()


def _config(path: Path) -> Config:
    from scp.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(f"{path}: {fault}", err=True)
        raise typer.Exit(UNUSABLE) from None


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave the pages up until interrupted")] = False,
) -> None:
    """A node and a simulated MSC in one process: calls, their answers, and why."""
    from scp.demo import run

    raise typer.Exit(0 if run(keep=keep) else FAILED)


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="the configuration, TOML")],
) -> None:
    """Run a node until SIGTERM, which drains it; SIGHUP has it read its configuration again."""
    from scp.process import serve as run

    raise typer.Exit(run(_config(config), config))


@app.command()
def check(file: Annotated[Path, typer.Argument(help="the configuration, TOML")]) -> None:
    """Validate a configuration: every error with its path, and what a node would bind and connect to."""
    from scp.config import describe

    typer.echo(describe(_config(file)))


@app.command()
def example() -> None:
    """Print a commented configuration with every key."""
    from scp.config import EXAMPLE

    typer.echo(EXAMPLE, nl=False)


if __name__ == "__main__":
    main()
