"""`kill -9` at any instant: what was acknowledged stands, nothing is charged twice or forgotten, the sums agree.

CAMEL_SCP_RESERVATIONS=10000 for the long version.
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

import pytest
from crash_worker import ACCOUNTS, CREDIT, TARIFF, plan, room

from scp.domain.reservation import OPEN, State

RESERVATIONS = int(os.environ.get("CAMEL_SCP_RESERVATIONS", "1000"))
MEAN_LIFE = 0.06  # seconds, after the first acknowledgement
WORKER = Path(__file__).with_name("crash_worker.py")


def live(url: str, cdrs: Path, first: int, life: float) -> dict[int, int]:
    """Let a worker live for a while, or until it is done; return what it acknowledged."""
    with subprocess.Popen(
        [sys.executable, str(WORKER), url, str(cdrs), str(first), str(RESERVATIONS)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as worker:
        reaper: threading.Timer | None = None
        acknowledged: dict[int, int] = {}
        for line in worker.stdout:
            if reaper is None:
                reaper = threading.Timer(life, worker.kill)
                reaper.start()
            assert not line.startswith("!"), line
            if line.endswith("\n"):
                number, charged = line.split()
                acknowledged[int(number)] = int(charged)
        worker.wait()
        if reaper is not None:
            reaper.cancel()
        assert worker.returncode in (0, -9)
    return acknowledged


def check(url: str, cdrs: Path, acknowledged: dict[int, int]) -> None:
    async def main() -> None:
        place = room(url, str(cdrs))
        await place.start()
        try:
            await place.record()
            for number, charged in acknowledged.items():
                request, _, used = plan(number)
                found = await place.ledger.reservation(request.id)
                assert found.charged == charged
                assert found.state is (State.RELEASED if used is None else State.COMMITTED)
            found = [await place.ledger.reservation(plan(n)[0].id) for n in range(RESERVATIONS)]
            made = [each for each in found if each is not None]
            committed = [each for each in made if each.state is State.COMMITTED]
            for each in committed:
                expected = min(TARIFF.cost(each.used_seconds), TARIFF.cost(each.granted_seconds))
                assert each.charged == expected
            accounts = [await place.ledger.account(msisdn) for msisdn in ACCOUNTS]
            changes = sum(CREDIT - account.balance for account in accounts)
            records = [json.loads(each.json) for each in await place.cdrs.page(0, 10**6)]
            assert len({each["id"] for each in records}) == len(records) == len(committed)
            assert sum(each.charged for each in committed) == changes
            assert changes == sum(each.get("charged", 0) for each in records)
            assert sum(a.held for a in accounts) == sum(e.held for e in made if e.state in OPEN)
            assert await place.ledger.unrecorded(1) == []
        finally:
            await place.stop()

    asyncio.run(main())


def kill_again_and_again(url: str, cdrs: Path) -> None:
    chance = random.Random(7)
    acknowledged: dict[int, int] = {}
    lives = 0
    while len(acknowledged) < RESERVATIONS:
        first = next(n for n in range(RESERVATIONS) if n not in acknowledged)
        for number, charged in live(url, cdrs, first, chance.expovariate(1 / MEAN_LIFE)).items():
            assert acknowledged.setdefault(number, charged) == charged  # the second answer is the first one
        lives += 1
        if lives % 4 == 1:
            check(url, cdrs, acknowledged)
    check(url, cdrs, acknowledged)
    assert lives > 1
    print(f"{RESERVATIONS} reservations in {lives} lives")


def test_sqlite(tmp_path: Path) -> None:
    kill_again_and_again(f"sqlite:{tmp_path / 'ledger.db'}", tmp_path / "cdr.db")


def test_redis(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kill_again_and_again(request.getfixturevalue("redis_url"), tmp_path / "cdr.db")
