"""What sweeps behind charging: by a clock that somebody may set."""

from __future__ import annotations

import asyncio

from oracles.waiting import PATIENCE
from scp.charging import service
from scp.charging.service import SETTLE_SECONDS, ChargingService
from scp.domain.cdr import VoipRecord
from scp.domain.reservation import Reservation, State
from scp.store.cdr_sqlite import SqliteCdrStore
from scp.store.ledger_sqlite import SqliteLedger

NOW = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
MANY = 10


class Clocks:
    """The wall's, and one that nobody sets."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 0.0

    def passes(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms / 1000


def test_no_record_is_dropped_by_a_clock_that_was_set_ahead(monkeypatch) -> None:
    monkeypatch.setattr(service, "SWEEP_SECONDS", 0.005)
    clocks = Clocks()
    said: list[str] = []
    cdrs = SqliteCdrStore(":memory:", clock=lambda: clocks.wall / 1000)
    swept = ChargingService(
        SqliteLedger(":memory:"),
        cdrs,
        NothingExpires(),
        None,
        node="scp-test",
        currency="SEK",
        retention_ms=30 * DAY,
        failed=said.append,
        wall=lambda: clocks.wall,
        steady=lambda: clocks.steady,
    )

    async def rounds() -> int:
        """Let some rounds pass; how many records are left."""
        before = swept.system.sweeps
        while swept.system.sweeps < before + 5:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.005)
        return len(await cdrs.page(0, 10))

    async def main() -> None:
        await swept.start()
        leg = {"call_id": "c", "a_number": "46701", "b_number": "46702", "started_ms": 1, "ended_ms": 2}
        await cdrs.add([VoipRecord(id="voip-1", **leg)])
        assert await rounds() == 1
        clocks.wall += 400 * DAY
        clocks.passes(60_000)
        assert await rounds() == 1
        (leap,) = said
        assert "9600 h ahead" in leap
        clocks.wall -= 400 * DAY  # it is set right
        clocks.passes(int(SETTLE_SECONDS * 1000))
        assert await rounds() == 1
        assert said == [leap]
        for _ in range(31):
            clocks.passes(DAY)
            left = await rounds()
        assert left == 0
        await swept.stop()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_what_is_charged_while_records_are_written_gathers_for_the_next_write() -> None:
    class Slow(SqliteCdrStore):
        """During each write one more call is charged."""

        writes = 0

        async def add(self, records):
            self.writes += 1
            if self.writes < MANY:
                swept.charged(charge(self.writes))
            return await super().add(records)

    cdrs, ledger = Slow(":memory:"), SqliteLedger(":memory:")
    swept = ChargingService(
        ledger,
        cdrs,
        NothingExpires(),
        None,
        node="scp-test",
        currency="SEK",
        retention_ms=30 * DAY,
        failed=[].append,
        wall=lambda: NOW,
    )

    def charge(number: int) -> Reservation:
        return Reservation(
            id=f"00{number:04x}",
            account="46701",
            call_id="c",
            a_number="46701",
            b_number="46702",
            created_ms=NOW,
            state=State.COMMITTED,
        )

    async def main() -> None:
        await cdrs.open()
        await ledger.open()
        swept.charged(charge(0))
        assert [await swept.record() for _ in range(3)] == [1, 1, 1]
        assert cdrs.writes == 3
        assert len(await cdrs.page(0, MANY)) == 3
        await ledger.close()
        await cdrs.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


class NothingExpires:
    sweeps = 0

    async def expire(self, _now_ms: int) -> int:
        self.sweeps += 1
        return 0
