"""``camel-scp subscribers import|export|show``: many records, or one, from the command line."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
import typer

from scp.command import FAILED, configuration, say
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rich.progress import Progress

    from scp.domain.subscriber import Subscriber
    from scp.ports import SubscriberStore
    from scp.store.transfer import State

T = TypeVar("T")

SHOWN_FAULTS: Final = 20
COLLECT_AFTER: Final = 20_000
"""New objects after which garbage is looked for while many records are moved; Python's own number is 700."""

app = typer.Typer(
    help="Load, save and look at subscribers, in SQLite or Redis.", no_args_is_help=True, add_completion=False
)

Url = Annotated[str, typer.Option("--store", help="the store's URL", metavar="URL")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="take store.url from there")]
RecordsFile = Annotated[Path, typer.Argument(help="NDJSON, or CSV if its name ends in .csv", dir_okay=False)]
Restart = Annotated[bool, typer.Option("--restart", help="do not go on with what was interrupted")]


def _url(url: str, config: Path | None) -> str:
    if url:
        return url
    if config is None:
        raise typer.BadParameter("say which store: --store URL or --config FILE")
    return configuration(config).store.url.reveal()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Have garbage collected rarely: records are no circles, and looking for some is 8 % of an import."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _faults_said() -> Iterator[None]:
    """Say what went wrong with a store or a file, and exit."""
    from scp.store.transfer import TransferError  # noqa: PLC0415 - a command imports what it needs, when it runs

    try:
        yield
    except (StoreError, TransferError) as error:
        say(str(error))
        raise typer.Exit(FAILED) from None


def _with_store(url: str, work: Callable[[SubscriberStore], Awaitable[T]], *, read_only: bool) -> T:
    """Run ``work`` on the open store; raises `StoreError` and `TransferError`."""
    from scp.store.open import open_store  # noqa: PLC0415 - as above

    async def main() -> T:
        store = open_store(url, read_only=read_only)
        try:
            await store.open()
            return await work(store)
        finally:
            await store.close()

    with _rare_collections():
        return asyncio.run(main())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@contextmanager
def _bar() -> Iterator[Progress]:
    """Show how far it is; where it fails before the first record, nothing."""
    with _progress() as progress:
        try:
            yield progress
        except Exception:
            progress.live.transient = not any(task.completed for task in progress.tasks)
            raise


def _progress() -> Progress:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("records: {task.fields[said]}"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


@app.command("import")
def import_(
    file: RecordsFile,
    store: Url = "",
    config: ConfigFile = None,
    restart: Restart = False,
) -> None:
    """Load records from a file; each line replaces the whole record, wrong ones are named and left out.

    Interrupted, it goes on where it was when it is started again with the same file.

    Exit status: 0 all lines are in the store, 1 some were refused or the store failed, 2 no store is named.
    """
    from scp.store.transfer import Import  # noqa: PLC0415

    url = _url(store, config)
    faults = 0

    def refused(number: int, why: str) -> None:
        nonlocal faults
        faults += 1
        if faults <= SHOWN_FAULTS:
            say(f"{file}:{number}: {why}")

    started = time.monotonic()
    with _faults_said(), _bar() as bar:
        task = bar.add_task("import", total=file.stat().st_size if file.exists() else 0, said="0")

        def moved(state: State) -> None:
            bar.update(task, completed=state.octets, said=f"{state.records:,}")

        async def work(opened: SubscriberStore) -> State:
            return await Import(opened, file, restart=restart, moved=moved, refused=refused).run()

        state = _with_store(url, work, read_only=False)
    seconds = time.monotonic() - started
    refusals = _counted(state.refused, "line")
    typer.echo(f"{_counted(state.records, 'record')} in {seconds:.1f} s, {refusals} refused")
    raise typer.Exit(FAILED if state.refused else 0)


@app.command("export")
def export_(
    file: RecordsFile,
    store: Url = "",
    config: ConfigFile = None,
    restart: Restart = False,
) -> None:
    """Save all records to a file. Interrupted, it goes on where it was when it is started again."""
    from scp.store.transfer import export  # noqa: PLC0415

    if str(file) == "-":
        raise typer.BadParameter("a file's name is needed, - is none: what is interrupted is taken up there")
    url = _url(store, config)
    started = time.monotonic()
    with _faults_said(), _bar() as bar:

        async def work(opened: SubscriberStore) -> int:
            task = bar.add_task("export", total=await opened.count(), said="0")

            def moved(number: int) -> None:
                bar.update(task, completed=number, said=f"{number:,}")

            return await export(opened, file, restart=restart, moved=moved)

        number = _with_store(url, work, read_only=True)
    typer.echo(f"{_counted(number, 'record')} in {time.monotonic() - started:.1f} s")


@app.command()
def show(
    msisdn: Annotated[str, typer.Argument(help="E.164 digits; + and spaces are accepted")],
    store: Url = "",
    config: ConfigFile = None,
) -> None:
    """Print one record, with every field."""
    from scp.domain.numbers import parse_msisdn  # noqa: PLC0415

    try:
        digits = parse_msisdn(msisdn)
    except ValueError as error:
        raise typer.BadParameter(f"{msisdn!r}: {error}") from None

    async def work(opened: SubscriberStore) -> Subscriber | None:
        return await opened.get(digits)

    with _faults_said():
        record = _with_store(_url(store, config), work, read_only=True)
    if record is None:
        say(f"no record for {digits}")
        raise typer.Exit(FAILED)
    fields = msgspec.structs.asdict(record)
    typer.echo(msgspec.json.format(msgspec.json.encode(fields)).decode())
