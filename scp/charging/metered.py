"""A charging system that counts results and reports failures of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.ports import Denied, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from scp.charging.fault_state import FaultState
    from scp.ports import ChargingRequest, ChargingSystem, ChargingTelemetry, Grant

LEDGER_FAILED: Final = "ledger-failed"
"""The result of a request that the ledger could not carry out."""


@final
class MeteredCharging:
    """`scp.ports.ChargingSystem` that counts what came of each request to another.

    Args:
        system: the other.
        telemetry: counts; None: nothing is counted.
        fault: told what the ledger failed with, and when a request went well again.
    """

    def __init__(
        self, system: ChargingSystem, telemetry: ChargingTelemetry | None, fault: FaultState
    ) -> None:
        self._system = system
        self._telemetry = telemetry
        self._fault = fault

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return await self._told(self._system.create(request), "approved")

    async def update(self, reservation_id: str, seconds: int, step: int = 1) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return await self._told(self._system.update(reservation_id, seconds, step), "extended")

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        done = "released" if used_seconds is None else "committed"
        return await self._told(self._system.release(reservation_id, used_seconds), done)

    async def expire(self, now_ms: int) -> int:
        """See `scp.ports.ChargingSystem`."""
        count = await self._system.expire(now_ms)
        for _ in range(count):
            self._count("expired")
        return count

    async def _told(self, request: Awaitable[Grant], done: str) -> Grant:
        try:
            grant = await request
        except StoreError as error:
            if error.kind == Denied.UNAVAILABLE:  # the charging function could not be told: no ledger failed
                self._count(Denied.UNAVAILABLE)
            else:
                self._count(LEDGER_FAILED)
                self._fault.report(str(error))
            raise
        self._fault.report("")
        self._count(done if grant.denied is None else grant.denied)
        return grant

    def _count(self, result: str) -> None:
        if self._telemetry is not None:
            self._telemetry.reservation(str(result))
