"""A loop that has work without end, and a thread that writes beside it on the same processor."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scp.store import gil_yield
from scp.store.cdr_file import CdrFile
from scp.store.gil_yield import GilYield
from scp.store.sqlite_group import GroupWriter

TURN = 0.0003  # seconds of the processor: far below Python's switch interval
WRITES = 5
MOST_TURNS = 20_000


@pytest.fixture
def one_processor() -> Iterator[None]:
    had = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(had)})
    yield
    os.sched_setaffinity(0, had)


def work() -> None:
    end = time.thread_time() + TURN
    while time.thread_time() < end:
        pass


async def turns_until_written(writer: GroupWriter) -> int:
    async def write() -> None:
        for _ in range(WRITES):
            await writer.write(lambda c: c.execute("UPDATE sqlite_sequence SET seq = seq + 1").rowcount)

    writing = asyncio.ensure_future(write())
    turns = 0
    while not writing.done() and turns < MOST_TURNS:
        work()
        turns += 1
        await asyncio.sleep(0)
    await writing
    return turns


@pytest.mark.usefixtures("one_processor")
def test_a_thread_writes_beside_a_loop_that_never_idles(tmp_path: Path) -> None:
    async def main() -> int:
        writer = GroupWriter(CdrFile(str(tmp_path / "cdr.db")), "cdr")
        await writer.open()
        try:
            return await turns_until_written(writer)
        finally:
            await writer.close()

    assert asyncio.run(main()) < MOST_TURNS / 2


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(gil_yield.time, "sleep", taken.append)
    return taken


def test_a_loop_that_idles_gives_no_moment_away(moments: list[float]) -> None:
    async def main() -> None:
        way = GilYield(asyncio.get_running_loop())
        await asyncio.sleep(20 * gil_yield.LOOK_SECONDS)
        way.stop()

    asyncio.run(main())
    assert len(moments) < 10  # of 20 looks; a machine that was busy elsewhere may make one look like no wait


def test_it_ends_when_it_is_told(moments: list[float]) -> None:
    async def main() -> None:
        way = GilYield(asyncio.get_running_loop())
        for _ in range(100):
            work()
            await asyncio.sleep(0)
        way.stop()
        before = len(moments)
        assert before
        for _ in range(100):
            work()
            await asyncio.sleep(0)
        assert len(moments) == before

    asyncio.run(main())
