"""``camel-scp cdrs``: exports a node's call detail records, also while the node runs."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from scp.command import FAILED, configuration, say

if TYPE_CHECKING:
    from scp.config import Config

app = typer.Typer(help="Call detail records.", no_args_is_help=True, add_completion=False)


class Form(StrEnum):
    """What a record is written as."""

    NDJSON = "ndjson"
    CSV = "csv"


@app.callback()
def cdrs() -> None:
    """Call detail records."""


@app.command()
def export(
    config: Annotated[Path, typer.Option("--config", "-c", help="the node's configuration, TOML")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a file; without it stdout")] = None,
    form: Annotated[Form, typer.Option("--format", help="what a record is written as")] = Form.NDJSON,
    after: Annotated[int, typer.Option(min=0, help="begin behind the record with this seq")] = 0,
    since_ms: Annotated[int, typer.Option(min=0, help="kept at or after, ms since 1970")] = 0,
    until_ms: Annotated[int, typer.Option(min=0, help="kept before, ms since 1970; 0: no end")] = 0,
) -> None:
    """Write the records of a node, oldest first; the node may be running. To go on later: --after."""
    from scp.ports import StoreError

    settings = configuration(config)
    try:
        if output is None:
            asyncio.run(_write(settings, sys.stdout.buffer, form, after, (since_ms, until_ms)))
            return
        with output.open("wb") as file:
            asyncio.run(_write(settings, file, form, after, (since_ms, until_ms)))
    except (StoreError, OSError) as error:
        say(str(error))
        raise typer.Exit(FAILED) from None


async def _write(config: Config, to: BinaryIO, form: Form, after: int, kept: tuple[int, int]) -> None:
    from scp.charging.export import export as pieces
    from scp.store.beside import open_cdrs

    records, store_url = config.charging.records, config.store.url.reveal()
    store = open_cdrs(records and records.reveal(), store_url, config.node.name, read_only=True)
    await store.open()
    try:
        async for piece in pieces(store, form.value, after, since_ms=kept[0], until_ms=kept[1]):
            to.write(piece)
        to.flush()
    finally:
        await store.close()
