"""What all commands have in common: exit statuses, and what can't be done said in words on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from scp.config import Config

FAILED: Final = 1
"""Exit status: it ran, and the answer is no."""
UNUSABLE: Final = 2
"""Exit status: it could not be done; the command line, a file or what it needs is wrong or not there."""


def say(text: str) -> None:
    """Print to standard error."""
    typer.echo(text, err=True)


def fail(text: str) -> typer.Exit:
    """Say why it can't be done; to be raised."""
    say(text)
    return typer.Exit(UNUSABLE)


def configuration(path: Path) -> Config:
    """Return the configuration in a file.

    Raises:
        typer.Exit: it has faults; each was said, in a line with the path of its key.
    """
    from scp.config import ConfigError, load  # noqa: PLC0415 - of use to a command that has a configuration

    try:
        return load(path)
    except ConfigError as error:
        raise fail("\n".join(f"{path}: {fault}" for fault in error.faults)) from None
