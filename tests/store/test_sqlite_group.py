"""Group commit: what becomes of the changes that wait, whatever ends the committer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from scp.ports import StoreError
from scp.store.sqlite_base import SqliteFile
from scp.store.sqlite_group import GroupWriter

HANGS = 120.0
"""Seconds after which a change is taken for one that nobody ends."""


def run(path: Path, body: Callable[[GroupWriter], Awaitable[None]]) -> None:
    async def main() -> None:
        writer = GroupWriter(SqliteFile(str(path / "group.db")), "group")
        await writer.open()
        try:
            await writer.write(lambda c: c.execute("CREATE TABLE seen (what TEXT)"))
            await asyncio.wait_for(body(writer), HANGS)
        finally:
            await writer.close()

    asyncio.run(main())


def adding(what: str) -> Callable[[sqlite3.Connection], int]:
    return lambda c: c.execute("INSERT INTO seen VALUES (?)", (what,)).rowcount


def seen(connection: sqlite3.Connection) -> list[str]:
    return [what for (what,) in connection.execute("SELECT what FROM seen ORDER BY rowid")]


def test_a_change_with_a_fault_of_ours_ends_all_that_wait_and_none_later(tmp_path: Path) -> None:
    started, release = threading.Event(), threading.Event()

    def faulty(connection: sqlite3.Connection) -> int:
        adding("faulty")(connection)
        started.set()
        release.wait(HANGS)
        raise ZeroDivisionError

    async def body(writer: GroupWriter) -> None:
        first = asyncio.ensure_future(writer.write(faulty))
        await asyncio.to_thread(started.wait, HANGS)  # the first batch is in the thread
        second = asyncio.ensure_future(writer.write(adding("second")))  # and this one is queued
        await asyncio.sleep(0)
        release.set()
        for each in await asyncio.gather(first, second, return_exceptions=True):
            assert isinstance(each, StoreError)
            assert each.kind == "closed"
        assert await writer.write(adding("third")) == 1
        assert await writer.read(seen) == ["third"]

    run(tmp_path, body)


def test_a_closed_writer_has_committed_what_was_queued(tmp_path: Path) -> None:
    async def body(writer: GroupWriter) -> None:
        queued = asyncio.ensure_future(writer.write(adding("queued")))
        await asyncio.sleep(0)
        await writer.close()
        assert await queued == 1
        with pytest.raises(StoreError, match="not open") as raised:
            await writer.write(adding("late"))
        assert raised.value.kind == "closed"
        await writer.open()
        assert await writer.read(seen) == ["queued"]

    run(tmp_path, body)


def test_a_change_that_nobody_waits_for_any_more_harms_none_beside_it(tmp_path: Path) -> None:
    async def body(writer: GroupWriter) -> None:
        left, stays = (asyncio.ensure_future(writer.write(adding(what))) for what in ("left", "stays"))
        await asyncio.sleep(0)
        left.cancel()
        assert await stays == 1
        assert await writer.read(seen) == ["left", "stays"]

    run(tmp_path, body)


def test_a_writer_of_a_file_for_reading_does_not_try_to_write(tmp_path: Path) -> None:
    async def nothing(_: GroupWriter) -> None:
        pass

    run(tmp_path, nothing)  # there is a file

    async def main() -> None:
        writer = GroupWriter(SqliteFile(str(tmp_path / "group.db"), read_only=True), "group")
        await writer.open()
        try:
            assert await writer.read(seen) == []
            with pytest.raises(StoreError, match="opened for reading only") as raised:
                await writer.write(lambda _: pytest.fail("the change was run"))
            assert raised.value.kind == "read-only"
        finally:
            await writer.close()

    asyncio.run(main())
