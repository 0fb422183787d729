"""A telemetry that counts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from scp.domain.decision import Decision


@final
class NullTelemetry:
    """`scp.ports.Telemetry` that counts nothing."""

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        """Count nothing."""

    def operation(self, opcode: int, direction: str) -> None:
        """Count nothing."""

    def dialogue_opened(self) -> None:
        """Count nothing."""

    def dialogue_closed(self, outcome: str) -> None:
        """Count nothing."""

    def discard(self, layer: str, reason: str) -> None:
        """Count nothing."""

    def m3ua_message(self, peer: str, direction: str, kind: str, count: int = 1) -> None:
        """Count nothing."""

    def asp_state(self, peer: str, state: str) -> None:
        """Count nothing."""

    def overload(self, level: int) -> None:
        """Count nothing."""

    def enquiry(self, operation: str, outcome: str, seconds: float) -> None:
        """Count nothing."""

    def located(self, result: str) -> None:
        """Count nothing."""

    def mobility(self, event: str, result: str) -> None:
        """Count nothing."""

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        """Count nothing."""
