"""A charging system whose results are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from scp.ports import ChargingRequest, ChargingSystem, ChargingTelemetry, Grant


@final
class Counted:
    """`scp.ports.ChargingSystem` that counts what came of each request to another."""

    def __init__(self, system: ChargingSystem, telemetry: ChargingTelemetry) -> None:
        self._system = system
        self._telemetry = telemetry

    async def create(self, request: ChargingRequest) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return self._told(await self._system.create(request), "approved")

    async def update(self, reservation_id: str, minutes: int) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        return self._told(await self._system.update(reservation_id, minutes), "extended")

    async def release(self, reservation_id: str, used_seconds: int | None) -> Grant:
        """See `scp.ports.ChargingSystem`."""
        done = "released" if used_seconds is None else "committed"
        return self._told(await self._system.release(reservation_id, used_seconds), done)

    async def expire(self, now_ms: int) -> int:
        """See `scp.ports.ChargingSystem`."""
        count = await self._system.expire(now_ms)
        for _ in range(count):
            self._telemetry.reservation("expired")
        return count

    def _told(self, grant: Grant, done: str) -> Grant:
        self._telemetry.reservation(done if grant.denied is None else str(grant.denied))
        return grant
