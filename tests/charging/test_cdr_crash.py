"""`kill -9` at any instant: every CDR that was written is there, once, and only the latest calls have none.

CAMEL_SCP_LIVES=200 for the long version.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from scp.store.cdr_sqlite import SqliteCdrStore

LIVES = int(os.environ.get("CAMEL_SCP_LIVES", "8"))
MEAN_LIFE = 0.15  # seconds, after the first line
WORKER = Path(__file__).with_name("cdr_worker.py")


class Line(NamedTuple):
    """What the worker said: when, the number of the next call, how many of this life are written."""

    at: float
    number: int
    written: int


def live(path: Path, first: int, seconds: float) -> list[Line]:
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(path), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as worker:
        lines: list[Line] = []
        reaper = threading.Timer(seconds, worker.kill)
        for line in worker.stdout:
            if not lines:
                reaper.start()
            if line.endswith("\n"):
                at, number, written = line.split()
                lines.append(Line(float(at), int(number), int(written)))
        worker.wait()
    reaper.cancel()
    assert worker.returncode == -9
    return lines


async def kept(path: Path) -> list[dict]:
    store = SqliteCdrStore(str(path))
    await store.open()
    try:
        records, after = [], 0
        while page := await store.page(after, 1000):
            records += [json.loads(each.json) for each in page]
            after = page[-1].seq
        for each in random.Random(1).sample(records, min(20, len(records))):
            assert [json.loads(r.json) for r in await store.related(each["id"], 9)] == [each]
        return records
    finally:
        await store.close()


def test_killed_again_and_again(tmp_path: Path) -> None:
    path, chance = tmp_path / "cdr.db", random.Random(11)
    first, before, late = 0, 0, []
    for _ in range(LIVES):
        lines = live(path, first, chance.expovariate(1 / MEAN_LIFE))
        records = asyncio.run(kept(path))
        assert len({each["id"] for each in records}) == len(records)
        numbers = [int(each["call_reference"], 16) for each in records[before:]]
        assert numbers == list(range(first, first + len(numbers)))  # none is missing in between
        assert len(numbers) >= lines[-1].written  # and what it knew as written is there
        lost = [line for line in lines if line.number > first + len(numbers)]
        late.append(1e3 * (lost[-1].at - lost[0].at) if lost else 0.0)
        first, before = lines[-1].number + 1000, len(records)
    print(
        f"{before} records in {LIVES} lives; calls of {sum(late) / LIVES:.0f} ms were lost, {max(late):.0f} at most"
    )
