"""A switch that holds calls through real nodes over TCP: message by message, as a test says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import Any

from oracles.waiting import until

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py
sys.path.append(str(Path(__file__).parents[1] / "node"))  # test_node.py

from room import Answer, Switch, idp, new_otid
from test_node import Field, begin

from scp.net.tcp import Connector
from scp.simulator.charged import Reported
from scp.simulator.reports import charging_report
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.events import (
    BusyInfo,
    DisconnectInfo,
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    EventTypeBCSM,
    MessageType,
    MiscCallInfo,
)
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg
from ss7.cause import Cause, CauseValue
from ss7.isup import CalledPartyNumber
from ss7.rose import Invoke, encode_invoke, encode_return_result
from ss7.tcap_dialogue import Aarq, encode_dialogue

E = EventTypeBCSM
_TEST = [Opcode.ACTIVITY_TEST]
_ASIDE = (_TEST, [Opcode.RESET_TIMER])
CONNECTED = [Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONNECT]


class Said(list[Answer]):
    """What nodes said; each is shown to the switch."""

    def __init__(self, switch: HeldSwitch) -> None:
        super().__init__()
        self.switch = switch

    def append(self, answer: Answer) -> None:
        super().append(answer)
        if answer.opcodes == _TEST:
            self.switch.tested(answer)


class HeldSwitch:
    """A gateway with a switch behind it, which can have associations with several nodes.

    A node that asks whether a call is still there is told so, unless the call is ``lost``.

    Attributes:
        lost: the switch's transaction ids of calls that it knows nothing of any more.
        killed: whether a node was: the one that goes on with its calls says again what may not have left, octet
            for octet.
    """

    def __init__(self) -> None:
        self.field = Field()
        self.field.said = Said(self)
        self.lost: set[bytes] = set()
        self.killed = False
        self._said: dict[bytes, list[Answer]] = {}
        self._sorted = 0
        self.links: dict[int, tuple[Switch, Connector]] = {}

    async def connect(self, port: int) -> None:
        """Connect to a node, and wait until it is active."""
        switch = Switch(self.field, f"msc-{port}")
        connector = Connector(f"msc-{port}", ("127.0.0.1",), port, switch, random=Random(1))
        await connector.start()
        self.links[port] = switch, connector
        await until(lambda: switch.machine.state.value == "active")

    async def disconnect(self, port: int) -> None:
        _, connector = self.links.pop(port)
        await connector.close(abort=True)

    async def close(self) -> None:
        for port in list(self.links):
            await self.disconnect(port)

    def switch(self, port: int) -> Switch:
        return self.links[port][0]

    def send(self, port: int, octets: bytes) -> None:
        self.switch(port).tcap(octets)

    def tested(self, answer: Answer) -> None:
        """Answer ActivityTest, or refuse the transaction (TS 29.078 §11.1)."""
        message = answer.message
        octets = tcap.build_p_abort(message.otid, tcap.UNRECOGNIZED_TRANSACTION_ID)
        if message.dtid not in self.lost:
            result = encode_return_result(message.components[0].invoke_id)
            octets = tcap.build_continue(message.dtid, message.otid, b"", [result])
        for port in list(self.links)[:1]:
            asyncio.get_running_loop().call_soon(self.send, port, octets)

    def begin(self, port: int, **scenario: Any) -> HeldCall:
        call = HeldCall(self, new_otid())
        octets = begin(call.otid)
        if scenario:
            invoke = encode_invoke(1, Opcode.INITIAL_DP, idp(2, **scenario))
            octets = tcap.build_begin(call.otid, encode_dialogue(Aarq(BY_VERSION[2].octets)), [invoke])
        self.send(port, octets)
        return call

    def charged(self, port: int, caller: str) -> HeldCall:
        """Make a call that its caller pays for."""
        return self.begin(port, trigger="originating", a_number=caller, b_number="46701234567", b_nature=4)

    def said_to(self, otid: bytes) -> list[Answer]:
        """What nodes said in a call."""
        said = self.field.said
        for each in said[self._sorted :]:
            self._said.setdefault(each.message.dtid, []).append(each)
        self._sorted = len(said)
        return self._said.get(otid, [])

    async def held(self, port: int) -> HeldCall:
        """Make a call and have it connected to the VoIP side, under control."""
        call = self.begin(port)
        answer = await call.answer(1)
        assert answer.opcodes == CONNECTED
        return call


class HeldCall:
    """One call.

    Attributes:
        position: its number among many.
        tenths: how long it is talked in, by its switch.
    """

    def __init__(self, of: HeldSwitch, otid: bytes) -> None:
        self.position = 0
        self.of = of
        self.otid = otid
        self.tenths = 1234
        self._ids = 10

    @property
    def said(self) -> list[Answer]:
        return self.of.said_to(self.otid)

    @property
    def answers(self) -> list[Answer]:
        """What the node said, but for the question whether the call is still there, and that it takes longer."""
        found = [each for each in self.said if each.opcodes not in _ASIDE]
        if not self.of.killed:
            return found
        return [each for at, each in enumerate(found) if not at or each.octets != found[at - 1].octets]

    async def answer(self, number: int) -> Answer:
        """The node's message of this number, the first is 1; no other may come twice or out of turn."""
        await until(lambda: len(self.answers) >= number)
        return self.answers[number - 1]

    async def ended(self, number: int, *opcodes: Opcode) -> None:
        """Wait for the node's message of this number: it ends the dialogue, with these operations."""
        await self.answer(number)
        said = [(each.message.kind, each.opcodes) for each in self.answers]
        assert said[number - 1 :] == [(tcap.END, [*opcodes])], f"kinds and opcodes: {said}"

    @property
    def dtid(self) -> bytes:
        """The node's transaction id."""
        return self.answers[0].message.otid

    def report(self, port: int, event: EventTypeBCSM, cause: int | None = None) -> None:
        """Report an event: an interruption where the switch waits, else a notification."""
        busy, over = E.O_CALLED_PARTY_BUSY, E.O_DISCONNECT
        special = None
        if cause is not None:
            octets = Cause(cause).encode()
            if event is busy:
                special = EventSpecificInformationBCSM("oCalledPartyBusySpecificInfo", BusyInfo(octets))
            elif event is over:
                special = EventSpecificInformationBCSM("oDisconnectSpecificInfo", DisconnectInfo(octets))
        kind = MessageType.REQUEST if event in (busy, E.O_NO_ANSWER) else MessageType.NOTIFICATION
        argument = EventReportBCSMArg(event, special, misc_call_info=MiscCallInfo(kind))
        self._ids += 1
        octets = FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
        component = encode_invoke(self._ids, Opcode.EVENT_REPORT_BCSM, octets)
        self.of.send(port, tcap.build_continue(self.otid, self.dtid, b"", [component]))

    def used(self, port: int, tenths: int, *, active: bool = True) -> None:
        """Report the time since answer, in 100 ms: of a period that is used up, or of the call that has ended."""
        self._ids += 1
        argument = charging_report(Reported(tenths / 10, 1), 2, active=active)
        octets = FAST.encode_argument(Opcode.APPLY_CHARGING_REPORT, argument, 2)
        component = encode_invoke(self._ids, Opcode.APPLY_CHARGING_REPORT, octets)
        self.of.send(port, tcap.build_continue(self.otid, self.dtid, b"", [component]))

    def busy(self, port: int) -> None:
        self.report(port, E.O_CALLED_PARTY_BUSY, CauseValue.USER_BUSY)

    def answered(self, port: int) -> None:
        self.report(port, E.O_ANSWER)

    def cleared(self, port: int) -> None:
        self.report(port, E.O_DISCONNECT, CauseValue.NORMAL_CALL_CLEARING)


def number_in(answer: Answer) -> str:
    """The digits that a message's Connect is for."""
    for component in answer.message.components:
        if isinstance(component, Invoke) and component.opcode == Opcode.CONNECT:
            argument: ConnectArg = FAST.decode_argument(Opcode.CONNECT, component.parameter, 2)
            return CalledPartyNumber.decode(argument.destination_routing_address[0]).digits
    return ""
