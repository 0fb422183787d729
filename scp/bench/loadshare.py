"""The associations over which a load test shares its calls, each with its M3UA machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

from scp.simulator.endpoint import machine
from scp.stack.m3ua.events import AspState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.ports import Transport
    from scp.simulator.endpoint import Endpoint


class Owner(Protocol):
    """The load generator, as an association sees it."""

    trouble: list[str]
    clock: Callable[[], float]

    def changed(self) -> None:
        """An association became active, or is active no more."""
        ...

    def received(self, association: Association, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take a batch of M3UA messages."""
        ...


@final
class Association:
    """One association; the `TransportUser` of its transport.

    Each tells its ASP (NTFY) of itself only, as if it were alone in its application server.

    Attributes:
        name: where it goes to, or comes in.
        active: whether it takes calls (ASP-ACTIVE, RFC 4666 §4.3.1).
        begun: calls that went this way.
    """

    def __init__(self, owner: Owner, endpoint: Endpoint, routing_context: int) -> None:
        self.name = f"{','.join(endpoint.addresses)}:{endpoint.port}"
        self.active = False
        self.begun = 0
        self._owner = owner
        self._machine = machine(endpoint.side, routing_context)
        self._transport: Transport | None = None

    def connected(self, transport: Transport) -> None:
        """Let the M3UA machine come up."""
        self._transport = transport
        self._machine.connected(self._owner.clock(), transport.streams)
        self._after()

    def disconnected(self, reason: str) -> None:
        """Note it; the answers to calls in progress will be missing."""
        self._transport = None
        self.failed(reason)
        self._machine.lost(self._owner.clock())
        self._after()

    def failed(self, reason: str) -> None:
        """An attempt to connect failed, or the association was lost."""
        self._owner.trouble.append(reason)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take a batch."""
        self._owner.received(self, messages)

    def manage(self, stream: int, message: bytes, now: float) -> None:
        """Take a message that is no DATA."""
        self._machine.receive(message, stream, now)
        self._after()

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        """Send a batch, in one write; without an association it is lost."""
        if messages and self._transport is not None:
            self._transport.send(messages)

    def stream(self, sls: int) -> int:
        """DATA keeps off stream 0 (RFC 4666 §1.4.7) where there are others; the SLS chooses among them."""
        streams = 0 if self._transport is None else self._transport.streams - 1
        return 1 + sls % streams if streams else 0

    def _after(self) -> None:
        """Send what the machine wants to, and see whether it is active."""
        machine = self._machine
        self.send(machine.outbox[:])
        machine.outbox.clear()
        machine.events.clear()
        active = self._transport is not None and machine.state is AspState.ACTIVE
        if active is not self.active:
            self.active = active
            self._owner.changed()
