"""Moving many records between files and a store, so that what was interrupted can be taken up again.

A file is NDJSON (one object a line, fields as those of `Subscriber`) or CSV (a header with the same names,
``true`` and ``false``, locations separated by spaces, nothing for what is absent). A line replaces the whole
record; its version is not taken over.

How far an import got is in ``FILE.import`` beside the file, written when the store has acknowledged it.
Repeating lines does no harm, so a crash costs at most some lines done twice. An export grows in ``FILE.part``
and gets its name when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import io
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
from msgspec import Struct

from scp.domain.subscriber import Subscriber
from scp.store.record_format import check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scp.ports import SubscriberStore

CHUNK: Final = 128 * 1024
"""Octets of the file that become one `put_many`: some 1,000 records."""
IN_FLIGHT: Final = 16
"""Chunks on their way to the store at a time: what SQLite writes together, with one sync of the disk."""
JOURNAL_SECONDS: Final = 0.5
FIELDS: Final = (*(name for name in Subscriber.__struct_fields__ if name not in {"version", "passes"}),)


class TransferError(Exception):
    """It can't be done; the text says why, for the operator."""


class State(Struct):
    """How far a transfer is."""

    digest: str = ""
    octets: int = 0
    lines: int = 0
    records: int = 0
    refused: int = 0


@final
class Ndjson:
    """One JSON object a line."""

    _decode = msgspec.json.Decoder(Subscriber).decode
    _encode = msgspec.json.Encoder().encode
    header = b""

    def read(self, line: bytes) -> Subscriber:
        """Return a line's record; raises `ValueError`."""
        return Ndjson._decode(line)

    def write(self, record: Subscriber) -> bytes:
        """Return a record's line."""
        return Ndjson._encode(record) + b"\n"

    def msisdn(self, line: bytes) -> str:
        """Return the MSISDN in a line that `write` made."""
        return Ndjson._decode(line).msisdn


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{name} must be true or false")
    return text == "true"


@final
class Csv:
    """Comma-separated values; the header names the columns, in any order."""

    header = ",".join(FIELDS).encode() + b"\n"

    def __init__(self, header: bytes) -> None:
        self._columns = next(csv.reader([header.decode("utf-8-sig", "replace")]), [])
        unknown = [name for name in self._columns if name not in (*FIELDS, "version")]
        if unknown or "msisdn" not in self._columns:
            raise TransferError(f"line 1 must name the columns: msisdn and any of {', '.join(FIELDS[1:])}")

    def read(self, line: bytes) -> Subscriber:
        """See `Ndjson.read`."""
        try:
            return self._record(next(csv.reader([line.decode()])))
        except csv.Error as error:
            raise ValueError(str(error)) from None

    def _record(self, row: list[str]) -> Subscriber:
        if len(row) != len(self._columns):
            raise ValueError(f"{len(row)} values, the header names {len(self._columns)} columns")
        fields: dict[str, Any] = {
            name: value for name, value in zip(self._columns, row, strict=True) if value
        }
        fields.pop("version", None)
        for name in ("authorized", "forwarding", "roaming", "rescue"):
            if name in fields:
                fields[name] = _flag(name, fields[name])
        if "locations" in fields:
            fields["locations"] = tuple(fields["locations"].split())
        return msgspec.convert(fields, Subscriber)

    def write(self, record: Subscriber) -> bytes:
        """Return a record's line, with the columns in the order of `FIELDS`."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(_cell(getattr(record, name)) for name in FIELDS)
        return text.getvalue().encode()

    def msisdn(self, line: bytes) -> str:
        """See `Ndjson.msisdn`."""
        return line.partition(b",")[0].decode()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


def form_of(path: Path, header: bytes) -> Ndjson | Csv:
    """Return how a file is written, by its name; ``header`` is its first line."""
    return Csv(header) if path.suffix.lower() == ".csv" else Ndjson()


@final
class Import:
    """Loads a file into a store.

    Args:
        store: open.
        path: the file.
        restart: begin at the beginning, whatever an earlier import left.
        moved: told the state after each chunk that the store has.
        refused: told the number and the fault of each line that is none.
    """

    def __init__(
        self,
        store: SubscriberStore,
        path: Path,
        *,
        restart: bool = False,
        moved: Callable[[State], None] = lambda _: None,
        refused: Callable[[int, str], None] = lambda _number, _why: None,
    ) -> None:
        self._store = store
        self._path = path
        self._journal = path.with_name(path.name + ".import")
        self._restart = restart
        self._moved = moved
        self._refused = refused
        self._state = State()
        self._written = 0.0

    async def run(self) -> State:
        """Load it; return what was done, with what an interrupted run did before.

        Raises:
            TransferError: the file can't be read, or is not what its name says.
            StoreError: the store could not take it; the next run goes on from there.
        """
        try:
            with self._path.open("rb") as file:
                return await self._load(file)
        except OSError as error:
            raise TransferError(f"{self._path}: {error.strerror}") from None

    async def _load(self, file: io.BufferedReader) -> State:
        first = file.readline()
        form = form_of(self._path, first)
        digest = hashlib.sha256(first + str(self._path.stat().st_size).encode()).hexdigest()
        state = self._state = self._earlier(digest)
        if state.octets:
            file.seek(state.octets)
        elif not isinstance(form, Csv):
            file.seek(0)
        lines = state.lines or int(isinstance(form, Csv))
        ahead: deque[tuple[asyncio.Task[None], State]] = deque()
        try:
            while chunk := file.readlines(CHUNK):
                records = self._read(form, chunk, lines)
                lines += len(chunk)
                after = State(digest, file.tell(), lines, len(records), 0)
                ahead.append((asyncio.create_task(self._store.put_many(records)), after))
                if len(ahead) > IN_FLIGHT:
                    await self._settle(*ahead.popleft())
                await asyncio.sleep(0)
            while ahead:
                await self._settle(*ahead.popleft())
        finally:
            for task, _ in ahead:
                task.cancel()
            await asyncio.gather(*(task for task, _ in ahead), return_exceptions=True)
            self._note(always=True)
        self._journal.unlink(missing_ok=True)
        return self._state

    def _read(self, form: Ndjson | Csv, chunk: Sequence[bytes], before: int) -> list[Subscriber]:
        records: list[Subscriber] = []
        for number, line in enumerate(chunk, before + 1):
            if line.isspace():
                continue
            try:
                record = form.read(line)
                check(record)
            except ValueError as error:  # msgspec's errors are ValueErrors too
                self._state.refused += 1
                self._refused(number, str(error))
            else:
                records.append(record)
        return records

    async def _settle(self, task: asyncio.Task[None], after: State) -> None:
        await task
        state = self._state
        state.digest, state.octets, state.lines = after.digest, after.octets, after.lines
        state.records += after.records
        self._note()
        self._moved(state)

    def _note(self, *, always: bool = False) -> None:
        if always or time.monotonic() - self._written >= JOURNAL_SECONDS:
            self._written = time.monotonic()
            new = self._journal.with_name(self._journal.name + ".new")
            with contextlib.suppress(OSError):  # a read-only folder: what is interrupted there begins anew
                new.write_bytes(msgspec.json.encode(self._state))
                new.replace(self._journal)

    def _earlier(self, digest: str) -> State:
        """Return how far an interrupted import of the very same file got."""
        try:
            state = msgspec.json.decode(self._journal.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return State()
        return State() if self._restart or state.digest != digest else state


async def export(
    store: SubscriberStore,
    path: Path,
    *,
    restart: bool = False,
    moved: Callable[[int], None] = lambda _: None,
) -> int:
    """Write all records to a file; return how many it has.

    Args:
        store: open.
        path: the file; ``.csv`` is CSV, anything else NDJSON.
        restart: do not go on with what an interrupted export left.
        moved: told how many records are written, now and then.

    Raises:
        TransferError: the file can't be written.
        StoreError: the store could not read; the next run goes on from there.
    """
    part = path.with_name(path.name + ".part")
    try:
        if restart:
            part.unlink(missing_ok=True)
        number = await _append(store, part, form_of(path, Csv.header), moved)
        part.replace(path)
    except OSError as error:
        raise TransferError(f"{path}: {error.strerror}") from None
    return number


async def _append(
    store: SubscriberStore, part: Path, form: Ndjson | Csv, moved: Callable[[int], None]
) -> int:
    after, number = _last(part, form)
    with part.open("ab") as file:
        if not file.tell():
            file.write(form.header)
        async for record in store.scan(after):
            file.write(form.write(record))
            number += 1
            if number % 1000 == 0:
                moved(number)
                await asyncio.sleep(0)
        file.flush()
        os.fsync(file.fileno())
    moved(number)
    return number


def _last(part: Path, form: Ndjson | Csv) -> tuple[str, int]:
    """Cut a line that is not whole; return the last record's MSISDN and how many there are."""
    if not part.exists():
        return "", 0
    whole, last, number = 0, b"", 0
    with part.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            last = line
            number += 1
        file.truncate(whole)
    number -= 1 if form.header and number else 0
    return (form.msisdn(last), number) if number else ("", 0)
