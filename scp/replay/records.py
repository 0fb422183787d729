"""Subscribers that a replay looks up: a copy of a store, or an export of one. `records_api` asks a node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import msgspec

from scp.ports import StoreError
from scp.store.open import open_store
from scp.store.transfer import TransferError, form_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scp.domain.lookup import Found, Pending
    from scp.domain.subscriber import Subscriber
    from scp.ports import Waiter

_API_SCHEMES: Final = ("http://", "https://")
_EXPORTS: Final = (".ndjson", ".jsonl", ".csv")
_EMPTY: Final = ("", "sqlite::memory:")  # the latter is empty in every process that begins


class RecordsError(Exception):
    """The subscribers can't be read; the text is the reason."""


@final
class Snapshot:
    """Records in memory; a `scp.ports.SubscriberLookup` that answers at once."""

    def __init__(self, records: Mapping[str, Subscriber]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:  # noqa: ARG002 - it never has to wait
        """Return the record, None if there is none."""
        return self._records.get(msisdn)

    def usable(self) -> str:
        """Return "": it always is."""
        return ""


def is_api(where: str) -> bool:
    """Whether this is the base URL of a running node's API."""
    return where.startswith(_API_SCHEMES)


def stored_records(where: str) -> Snapshot:
    """Return the subscribers of ``where``.

    Args:
        where: a store's URL, of which a copy is taken, or a file that ``subscribers export`` wrote. "" is a
            store without anybody in it.

    Raises:
        RecordsError: they can't be had from there.
    """
    if where in _EMPTY:
        return Snapshot({})
    try:
        if where.endswith(_EXPORTS):
            return Snapshot({record.msisdn: record for record in _exported(Path(where))})
        return Snapshot(asyncio.run(_copied(where)))
    except (StoreError, TransferError, msgspec.MsgspecError, ValueError, OSError) as error:
        raise RecordsError(f"{where.partition('@')[0]}: {error}") from error


def _exported(path: Path) -> Iterator[Subscriber]:
    with path.open("rb") as file:
        first = file.readline()
        form = form_of(path, first)
        if path.suffix != ".csv" and first.strip():
            yield form.read(first)
        for line in file:
            if line.strip():
                yield form.read(line)


async def _copied(url: str) -> dict[str, Subscriber]:
    store = open_store(url, read_only=True)
    await store.open()
    try:
        return {record.msisdn: record async for record in store.scan()}
    finally:
        await store.close()
