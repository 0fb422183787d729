"""The scenario ``echo``: a server with the node's event loop, sockets and M3UA, and one canned answer.

It has no SCCP, TCAP, CAP, service, store or telemetry. So it shows what the machine can do at most, and the
ratio of another scenario to it shows what the SCP itself costs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final, final

import uvloop

from scp.net.single_user import SingleUser
from scp.net.tcp import Listener
from scp.stack.m3ua.asp import Asp
from ss7.cap.contexts import CAP_V2
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke
from ss7.sccp import decode, udt
from ss7.tcap import build_end
from ss7.tcap_dialogue import Aare, encode_dialogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.ports import Transport
    from ss7.m3ua import Data

_TID: Final = b"\x00\x00\x00\x00"
_OTID_AT: Final = 5
"""Where the originating transaction id starts in a BEGIN of 128 to 255 octets: 62 81 LL 48 04."""


@final
class Echo:
    """A `TransportUser` that answers every BEGIN with the same TC-END, its transaction id put in."""

    def __init__(self) -> None:
        self._asp = Asp()
        self._transport: Transport | None = None
        self._before = b""
        self._after = b""

    def connected(self, transport: Transport) -> None:
        """Come up."""
        self._transport = transport
        self._asp.connected(time.monotonic(), transport.streams)
        self._flush()

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Answer a batch."""
        now = time.monotonic()
        asp = self._asp
        for stream, message in messages:
            data = asp.receive(message, stream, now)
            if data is not None:
                if not self._before:
                    self._prepare(data)
                at = data.payload.index(b"\x62\x81", 5) + _OTID_AT
                answer = self._before + data.payload[at : at + 4] + self._after
                asp.send(data.dpc, data.opc, data.ni, data.sls, answer)
        self._flush()

    def disconnected(self, reason: str) -> None:
        """Wait for the next."""
        del reason
        self._transport = None
        self._asp.lost(time.monotonic())

    def _prepare(self, data: Data) -> None:
        """Make the answer of the first message's addresses."""
        unit = decode(data.payload)
        end = build_end(_TID, encode_dialogue(Aare(CAP_V2.octets)), [encode_invoke(1, Opcode.CONTINUE)])
        answer = udt(unit.calling_raw, unit.called_raw, end, 1)
        self._before, _, self._after = answer.partition(_TID)

    def _flush(self) -> None:
        if self._transport is not None and self._asp.outbox:
            self._transport.send(self._asp.outbox[:])
            self._asp.outbox.clear()
            self._asp.events.clear()


async def _serve(port: int) -> None:
    listener = Listener("echo", ("127.0.0.1",), port, SingleUser(Echo()).take)
    await listener.start()
    print("started", flush=True)  # noqa: T201 - what the benchmark waits for
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
