"""The switch's link of a live replay: TCAP octets as captured, in SCCP and M3UA of our own.

`scp.engine.signalling` has TCAP in it, which would neither send a message that is wrong, as captures have
them, nor take the answer to a dialogue that it did not open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias, final

from msgspec import Struct

from scp.engine.scheduler import LoopTime, Scheduler
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import AspState, BringDown, ErrorReceived, RegistrationRefused, Unanswered
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from ss7.sccp import UnitData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.ports import Transport
    from scp.stack.m3ua.events import Event

Machine: TypeAlias = Asp | Sgp


class Label(Struct, frozen=True, kw_only=True):
    """The addresses of all that is sent.

    Attributes:
        opc: point code of the switch.
        dpc: of the gsmSCF, or where its title is translated.
        network_indicator: 0 to 3.
        ssn: of the switch.
        called: octets of the gsmSCF's SCCP address.
        calling: octets of the switch's.
    """

    opc: int
    dpc: int
    network_indicator: int
    ssn: int
    called: bytes
    calling: bytes


@final
class ReplayTransport:
    """One association, the switch's end; the `scp.ports.TransportUser` of its transport.

    Args:
        machine: M3UA, on whichever side.
        label: of all that is sent.
        heard: takes the TCAP octets of what comes.
        returned: takes those of ours that SCCP returns, with the return cause (Q.713 §3.12).

    Attributes:
        trouble: what happened to the association, in words; the latest is last.
    """

    def __init__(
        self,
        machine: Machine,
        label: Label,
        heard: Callable[[bytes], None],
        returned: Callable[[bytes, int], None],
    ) -> None:
        self.trouble: list[str] = []
        self._machine = machine
        self._label = label
        self._heard = heard
        self._returned = returned
        self._sccp = Sccp(SccpSettings(point_codes=(label.opc,), ssns=(label.ssn,)))
        self._transport: Transport | None = None
        self._changed = asyncio.Event()
        time = LoopTime(asyncio.get_running_loop())
        self._scheduler = Scheduler(time, self._tick)
        self._clock = time.time

    @property
    def active(self) -> bool:
        """Whether messages can go out."""
        return self._machine.state is AspState.ACTIVE

    async def until_active(self, seconds: float) -> None:
        """Wait until messages can go out.

        Raises:
            TimeoutError: they can't within ``seconds``; the text is what happened instead.
        """
        try:
            async with asyncio.timeout(seconds):
                while not self.active:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            why = f": {self.trouble[-1]}" if self.trouble else ""
            raise TimeoutError(f"association not active after {seconds:g} s{why}") from None

    def failed(self, why: str) -> None:
        """Note why there is no association."""
        if why not in self.trouble[-1:]:
            self.trouble.append(why)

    def stop(self) -> None:
        """Stop the clock."""
        self._scheduler.stop()

    # -- the transport's user ------------------------------------------------------------------------------

    def connected(self, transport: Transport) -> None:
        """The association is up."""
        self._transport = transport
        self._machine.connected(self._clock(), transport.streams)
        self.flush()

    def disconnected(self, reason: str) -> None:
        """The association is gone."""
        self._transport = None
        self.failed(reason)
        self._machine.lost(self._clock())
        self.flush()

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take a batch of M3UA messages."""
        now = self._clock()
        for stream, message in messages:
            data = self._machine.receive(message, stream, now)
            unit = None if data is None else self._sccp.receive(data, now)
            if unit is None:
                continue
            if isinstance(unit, UnitData):
                self._heard(unit.data)
            else:
                self._returned(unit.data, unit.cause)
        self.flush()

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, octets: bytes, sls: int) -> bool:
        """Queue a TCAP message; messages with the same SLS stay in order. It leaves with `flush`.

        Returns:
            False while there is no active association: the message is lost.

        Raises:
            EncodeError: it is longer than 16 segments of SCCP carry.
        """
        label = self._label
        self._sccp.send(label.called, label.calling, octets, dpc=label.dpc, sls=sls, return_on_error=True)
        self._drain()
        return self.active

    def flush(self) -> None:
        """Write what is queued, and set the timer."""
        self._drain()
        machine = self._machine
        if machine.outbox and self._transport is not None:
            self._transport.send(machine.outbox[:])
        machine.outbox.clear()
        if machine.events:
            for event in machine.events:
                self._note(event)
            machine.events.clear()
            self._changed.set()
        self._sccp.events.clear()
        self._scheduler.at(min(machine.next_deadline(), self._sccp.next_deadline()))

    def _drain(self) -> None:
        label = self._label
        for dpc, sls, payload in self._sccp.outbox:
            self._machine.send(label.opc, dpc, label.network_indicator, sls, payload)
        self._sccp.outbox.clear()

    def _note(self, event: Event) -> None:
        match event:
            case ErrorReceived() | RegistrationRefused():
                self.failed(f"the peer reports: {event.text}")
            case Unanswered():
                self.failed(f"{event.request} is not answered")
            case BringDown():
                self.failed(event.why)
                if self._transport is not None:
                    self._transport.close(abort=True)
            case _:
                pass

    def _tick(self, now: float) -> float:
        self._machine.tick(now)
        self._sccp.tick(now)
        self.flush()
        return min(self._machine.next_deadline(), self._sccp.next_deadline())
