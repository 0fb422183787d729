"""Reserves, extends and commits from many clients until it is killed; prints what was acknowledged.

Usage: crash_worker.py LEDGER-URL CDR-PATH FIRST COUNT. Reservation n is the same in every life: its id, what it
asks for and how it ends depend on n only, so that a client that got no answer asks again.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

from scp.charging.local import LocalCharging
from scp.charging.service import ChargingService
from scp.domain.reservation import reservation_id
from scp.domain.tariff import Tariff, TariffTable
from scp.ports import ChargingRequest
from scp.store.beside import open_ledger
from scp.store.cdr_sqlite import SqliteCdrStore

ACCOUNTS = [f"4670000{n:04d}" for n in range(10)]
CREDIT = 1_000_000
TARIFF = Tariff("46", 7, per_seconds=11, setup=3, minimum_seconds=20, increment_seconds=6)
CLIENTS = 25


def room(ledger_url: str, cdr_path: str) -> ChargingService:
    ledger = open_ledger(ledger_url, ledger_url, "scp-1")
    system = LocalCharging(
        ledger,
        TariffTable([TARIFF]),
        lambda: int(time.time() * 1000),
        lambda _: 0,
        grace_ms=3_600_000,
        max_seconds=3600,
    )
    return ChargingService(
        ledger,
        SqliteCdrStore(cdr_path),
        system,
        None,
        node="scp-1",
        currency="EUR",
        retention_ms=10**12,
        failed=lambda fault: say(f"! {fault}") if fault else None,
    )


def say(line: str) -> None:
    """Write a line in one piece: a process that is killed leaves it whole or not at all."""
    sys.stdout.write(f"{line}\n")  # print writes its end apart where Python does not buffer
    sys.stdout.flush()


def plan(number: int) -> tuple[ChargingRequest, int | None, int | None]:
    """The request, the total it is extended to, the seconds used (None: it is released)."""
    chance = random.Random(number)
    account = chance.choice(ACCOUNTS)
    identity = reservation_id(account, number.to_bytes(8, "big"))
    request = ChargingRequest(
        identity, account, f"call-{number}", account, "4612345678", 60 * chance.randint(1, 5), "f"
    )
    return (
        request,
        chance.choice([None, 360, 540]),
        chance.choice([None, 0, chance.randint(1, 900), chance.randint(1, 900)]),
    )


async def client(place: ChargingService, numbers: list[int]) -> None:
    while numbers:
        number = numbers.pop(0)
        request, total, used = plan(number)
        grant = await place.system.create(request)
        assert grant.reservation is not None, grant
        if total is not None:
            await place.system.update(request.id, total)
        grant = await place.system.release(request.id, used)
        assert grant.denied is None, grant
        place.committed()
        say(f"{number} {grant.reservation.charged}")


async def main() -> None:
    url, path, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    place = room(url, path)
    await place.start()
    for account in ACCOUNTS:
        await place.ledger.credit(account, "start", CREDIT, 1)
    numbers = list(range(first, count))
    await asyncio.gather(*(client(place, numbers) for _ in range(CLIENTS)))
    await place.stop()


if __name__ == "__main__":
    asyncio.run(main())
