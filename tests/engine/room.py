"""A node and switches around it on loopback associations, on a clock that only the test moves.

The node is what `serve` runs, from M3UA up; a `Switch` is a gateway that says whatever octets the test gives it and
keeps what comes back. All that the node sends goes to the recorder, for tshark to judge.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracles import loopback
from oracles.recorder import Recorder
from scp.domain.decision import Decision
from scp.domain.lookup import PENDING, Found, Pending, StoreFailure
from scp.domain.numbers import Numbering
from scp.domain.rules import OnFailure, Rules
from scp.domain.subscriber import Subscriber, When
from scp.engine.cap.user import CapUser
from scp.engine.link import Link
from scp.engine.network import Ss7Network
from scp.engine.return_path import ReturnPath
from scp.engine.signalling import Signalling
from scp.engine.status import StatusBoard
from scp.engine.tc_users import TcUsers
from scp.ports import Waiter
from scp.services.api import Service
from scp.services.voip_forwarding import VoipForwarding
from scp.simulator.idp import initial_dp
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, SgpSettings
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp import Sccp
from scp.stack.sccp_reassembly import Reassembly
from scp.stack.sccp_settings import SccpSettings
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from ss7 import rose, sccp, tcap
from ss7.cap.codec import FAST, Codec
from ss7.cap.contexts import BY_VERSION, CALL_CONTROL, REFUSALS
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE
from ss7.m3ua import Data
from ss7.reference_tcap import REFERENCE_TCAP
from ss7.sccp import UnitData, UnitDataService
from ss7.tcap_dialogue import Aarq, encode_dialogue

NETWORK = Network()
NUMBERING = Numbering(country_code="46", never_steer=frozenset({"112"}), home_vlr=("4670",))
DIALLED = "0011234567"
STEERED = "990011234567"
MSISDN = "11234567"
READY = Subscriber(MSISDN, authorized=True, aor="sip:b@voip.example", forwarding=True)
ROAMER = Subscriber(
    MSISDN, authorized=True, aor="sip:b@voip.example", forwarding=True, when=When.ROAMING, roaming=True
)
ABROAD, AT_HOME = "31651000000", "46709000001"
SERVICE_KEY = 100

_otids = itertools.count(0x10000000)
_rooms = itertools.count()


def new_otid() -> bytes:
    return next(_otids).to_bytes(4, "big")


def idp(version: int = 2, **scenario: Any) -> bytes:
    """The argument of an InitialDP."""
    return FAST.encode_argument(
        Opcode.INITIAL_DP,
        initial_dp(
            Scenario(version=version, **{"b_number": DIALLED, "b_nature": 2, **scenario}), b"\x01\x02"
        ),
        version,
    )


def forwarding(on_failure: OnFailure = OnFailure.CONTINUE) -> VoipForwarding:
    return VoipForwarding(Rules(NUMBERING, prefix="99", on_failure=on_failure))


class HandMovedLoop:
    """A `scp.engine.scheduler.TimeSource`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, action: Callable[[], None]) -> Timer:
        timer = Timer(action)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_soon(self, action: Callable[[], None]) -> None:
        action()

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not timer.cancelled:
                timer.action()
        self.now = until


class Timer:
    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Counts:
    """A `Telemetry` that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Decision]] = []
        self.discards: list[tuple[str, str]] = []
        self.outcomes: list[str] = []
        self.operations: list[tuple[int, str]] = []
        self.opened = 0
        self.level = 0
        self.seconds = 0.0

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((service, decision))
        self.seconds = seconds

    def operation(self, opcode: int, direction: str) -> None:
        self.operations.append((opcode, direction))

    def dialogue_opened(self) -> None:
        self.opened += 1

    def dialogue_closed(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def discard(self, layer: str, reason: str) -> None:
        self.discards.append((layer, str(reason)))

    def m3ua_message(self, peer: str, direction: str, kind: str, count: int = 1) -> None:
        pass

    def asp_state(self, peer: str, state: str) -> None:
        pass

    def overload(self, level: int) -> None:
        self.level = level

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        pass


class HandMovedStore:
    """Answers at once, or when the test says so, or never, or not as its protocol says."""

    def __init__(self, records: Mapping[str, Subscriber]) -> None:
        self.records = records
        self.slow = False
        self.failure: StoreFailure | None = None
        self.bug: Exception | None = None
        self.waiting: list[tuple[str, Waiter]] = []

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:
        if self.bug is not None:
            raise self.bug
        if self.failure is not None:
            return self.failure
        if self.slow:
            self.waiting.append((msisdn, waiter))
            return PENDING
        return self.records.get(msisdn)

    def answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for msisdn, waiter in waiting:
            waiter.found(self.records.get(msisdn))

    def usable(self) -> str:
        return ""


@dataclass
class Answer:
    """A TCAP message of the node's, with what carried it."""

    message: tcap.Message
    octets: bytes
    unit: UnitData
    opc: int
    dpc: int
    sls: int
    context: int = -1
    ni: int = 0

    @property
    def component(self) -> Any:
        [component] = self.message.components
        return component

    @property
    def opcodes(self) -> list[Any]:
        return [component.opcode for component in self.message.components]

    @property
    def problem(self) -> tuple[int, int]:
        reject = self.component
        assert isinstance(reject, rose.Reject), reject
        return reject.problem_type, reject.problem


class Switch:
    """The other end of one association: a gateway with an MSC behind it."""

    def __init__(self, room: Room, name: str, contexts: tuple[int, ...] = ()) -> None:
        self.room = room
        self.name = name
        self.machine = Sgp(SgpSettings(routing_contexts=contexts))
        self.transport: Any = None
        self.answers: list[Answer] = []
        self.returned: list[UnitDataService] = []
        self.heard: list[bytes] = []
        self.data: list[Data] = []
        self.reassembly = Reassembly(SccpSettings())

    # a TransportUser

    def connected(self, transport: Any) -> None:
        self.transport = transport
        self.machine.connected(self.room.loop.now, transport.streams)
        self._write()

    def received(self, messages: Any) -> None:
        for stream, message in messages:
            self.heard.append(message)
            data = self.machine.receive(message, stream, self.room.loop.now)
            if data is None:
                continue
            unit = sccp.decode(data.payload)
            self.data.append(data)
            if isinstance(unit, UnitDataService):
                self.returned.append(unit)
                continue
            if unit.segmentation is not None:
                whole = self.reassembly.receive(unit, unit.segmentation, data.opc, data.dpc, data.sls, 0.0)
                if whole is None:
                    continue
                unit = whole
            if unit.called.ssn != 1:
                answer = Answer(
                    tcap.decode(unit.data),
                    unit.data,
                    unit,
                    data.opc,
                    data.dpc,
                    data.sls,
                    data.routing_context,
                    data.ni,
                )
                self.answers.append(answer)
                self.room.said.append(answer)
        self._write()

    def disconnected(self, reason: str) -> None:
        self.transport = None
        self.machine.lost(self.room.loop.now)

    # what the test has it say

    def m3ua(self, octets: bytes, stream: int = 1) -> None:
        """Any octets as an M3UA message."""
        if self.transport is not None:
            self.transport.send([(stream, octets)])
        self.room.turn()

    def sccp(self, octets: bytes, **fields: int) -> None:
        """Any octets as the payload of a DATA message."""
        routing = {"opc": NETWORK.point_code, "dpc": NETWORK.scp_point_code, "ni": 0, "sls": 5, **fields}
        self.machine.send(payload=octets, **routing)  # type: ignore[arg-type]
        self._write()
        self.room.turn()

    def tcap(self, octets: bytes, called: bytes = b"", calling: bytes = b"", sls: int = 5) -> None:
        """Any octets as the user data of a UDT, or of an XUDT where they are too long for one."""
        called, calling = called or NETWORK.called(), calling or NETWORK.calling()
        layer = Sccp(SccpSettings(), next(_otids) & 0xFFFFFF)
        layer.send(called, calling, octets, dpc=0, sls=sls)
        for _, _, message in layer.outbox:
            self.sccp(message, sls=sls)

    def _write(self) -> None:
        if self.machine.outbox and self.transport is not None:
            self.transport.send(self.machine.outbox[:])
        self.machine.outbox.clear()
        self.machine.events.clear()


class Overheard:
    """The node's link and, once connected, its transport: what goes either way is shown to the recorder."""

    def __init__(self, link: Link, recorder: Recorder | None, association: int) -> None:
        self.link = link
        self.recorder = recorder
        self.association = association
        self.transport: Any = None

    def connected(self, transport: Any) -> None:
        self.transport = transport
        self.name, self.streams, self.more = transport.name, transport.streams, False
        self.link.connected(self)

    def received(self, messages: Any) -> None:
        if self.recorder is not None:
            for stream, message in messages:
                self.recorder.received(message, stream=stream, association=self.association)
        self.link.received(messages)

    def disconnected(self, reason: str) -> None:
        self.link.disconnected(reason)

    def send(self, messages: Any) -> None:
        messages = list(messages)
        if self.recorder is not None:
            for stream, message in messages:
                self.recorder.sent(message, stream=stream, association=self.association)
        self.transport.send(messages)

    def close(self, *, abort: bool = False) -> None:
        self.transport.close(abort=abort)


class Room:
    """The node with its ``switches``; ``switch`` is the first."""

    def __init__(
        self,
        *records: Subscriber,
        services: Mapping[int, Service] | None = None,
        codec: str = "fast",
        arguments: Codec | None = None,
        max_dialogues: int = 1000,
        links: int = 1,
        recorder: Recorder | None = None,
        sccp_settings: SccpSettings | None = None,
        contexts: tuple[int, ...] = (),
        strict: bool = False,
        networks: Sequence[Ss7Network] = (),
        leads_to: Sequence[Sequence[tuple[int, Ss7Network]]] = (),
    ) -> None:
        self.loop = HandMovedLoop()
        self.counts = Counts()
        self.store = HandMovedStore({record.msisdn: record for record in records})
        self.bugs: list[tuple[str, Exception]] = []
        self.pump = loopback.Pump()
        self.log: list[str] = []
        self.shown: list[Decision] = []
        self.said: list[Answer] = []
        self._recorder = recorder
        board = StatusBoard(lambda: 0.0, lambda name, what, trouble: self.log.append(f"{name}: {what}"))
        argument_codec: Codec = arguments or (FAST if codec == "fast" else REFERENCE)
        number = next(_rooms)  # what tshark relates messages by is not the same twice in a session
        settings = TcapSettings(
            instance=7,
            first_id=number << 8 & 0xFFFFFF,
            contexts=CALL_CONTROL,
            refusals=REFUSALS,
            max_dialogues=max_dialogues,
        )
        own = sccp_settings or SccpSettings(point_codes=(NETWORK.scp_point_code,))
        self.node = Signalling(
            self.loop,
            networks or [Ss7Network(Sccp(own, number << 12))],
            Tcap(settings, None if codec == "fast" else REFERENCE_TCAP),
            self.counts,
            board,
        )
        self.cap = CapUser(
            self.node,
            services if services is not None else {SERVICE_KEY: forwarding()},
            self.store,
            argument_codec,
            self.counts,
            self.loop.time,
            on_bug=lambda service, bug: self.bugs.append((service, bug)),
            observer=self,
            strict=strict,
        )
        self.node.user = self.users = TcUsers(self.node)
        self.users.add(self.cap, NETWORK.scp_ssn, CALL_CONTROL)
        self.links: list[Link] = []
        self.switches: list[Switch] = []
        for number in range(links):
            name = f"stp-{number}"
            board.expect(name, contexts=contexts)
            asp = Asp(AspSettings(routing_contexts=contexts))
            there = leads_to[number] if leads_to else ()
            self.links.append(self.node.add_link(name, asp, networks=there))
            self.switches.append(Switch(self, name, contexts))
            self.connect(number)
        self.switch = self.switches[0]

    def answered(self, dialogue: Any, service: str, idp: Any, decision: Decision, seconds: float) -> None:
        """Be the engine's observer."""
        self.shown.append(decision)

    def connect(self, number: int = 0) -> None:
        association = 0 if self._recorder is None else self._recorder.association()
        overheard = Overheard(self.links[number], self._recorder, association)
        loopback.pair(overheard, self.switches[number], schedule=self.pump)
        self.turn()
        assert self.links[number].active
        assert self.switches[number].machine.state.value == "active"

    def disconnect(self, number: int = 0) -> None:
        self.switches[number].transport.close(abort=True)
        self.turn()

    def turn(self) -> None:
        self.pump.run()

    def advance(self, seconds: float) -> None:
        """Let time pass in steps, so that messages move in between."""
        until = self.loop.now + seconds
        while (step := min(until, max(self.loop.now + 0.005, self._next()))) < until:
            self.loop.advance(step - self.loop.now)
            self.turn()
        self.loop.advance(until - self.loop.now)
        self.turn()

    def _next(self) -> float:
        return self.node._next_deadline()

    def past_sccp(self, octets: bytes) -> None:
        """Give TCAP what SCCP's limits would keep from it."""
        link, now = self.links[0], self.loop.now
        path = ReturnPath(
            link, NETWORK.scp_point_code, NETWORK.point_code, 5, NETWORK.calling(), NETWORK.called()
        )
        indication = self.node.tcap.receive(octets, path, now)
        if indication is not None:
            self.cap.indication(indication, now)
        self.node._tcap_out()
        self.node.flush()
        self.turn()

    def store_answers(self) -> None:
        """Everything that the store was asked and has not answered."""
        self.store.answer()
        self.turn()

    # calls

    def send(self, octets: bytes, **fields: Any) -> None:
        self.switch.tcap(octets, **fields)

    def begin(
        self, *components: bytes, version: int = 2, otid: bytes = b"", portion: bool = True, **fields: Any
    ) -> bytes:
        """Open a dialogue with these components; return its id at the switch."""
        otid = otid or new_otid()
        dialogue = encode_dialogue(Aarq(BY_VERSION[version].octets)) if portion else b""
        self.send(tcap.build_begin(otid, dialogue, list(components)), **fields)
        return otid

    def call(self, version: int = 2, *, portion: bool = True, invoke_id: int = 1, **scenario: Any) -> bytes:
        """Begin with an InitialDP."""
        argument = idp(version, **scenario)
        invoke = rose.encode_invoke(invoke_id, Opcode.INITIAL_DP, argument)
        return self.begin(invoke, version=version, portion=portion)

    def go_on(self, otid: bytes, *components: bytes) -> None:
        """A CONTINUE in the dialogue, which the node has answered."""
        self.send(tcap.build_continue(otid, self.tid(otid), b"", list(components)))

    def end(self, otid: bytes, *components: bytes) -> None:
        self.send(tcap.build_end(self.tid(otid), b"", list(components)))

    def abort(self, otid: bytes, tid: bytes = b"") -> None:
        self.send(tcap.build_abort(tid or self.tid(otid), b""))

    def tid(self, otid: bytes) -> bytes:
        """The node's id for a dialogue, from its first CONTINUE."""
        return next(answer.message.otid for answer in self.answers(otid) if answer.message.otid)

    def answers(self, otid: bytes) -> list[Answer]:
        """What the node said in a dialogue, in its order, on whatever link."""
        return [answer for answer in self.said if answer.message.dtid == otid]

    def answer(self, otid: bytes) -> Answer:
        """The one answer that there is."""
        [answer] = self.answers(otid)
        return answer

    @property
    def waiting_tid(self) -> bytes:
        """The node's id of the dialogue that was opened last."""
        return list(self.node.tcap._dialogues)[-1]

    @property
    def decision(self) -> Decision:
        return self.counts.calls[-1][1]

    def serves(self) -> None:
        """The next call is served."""
        otid = self.call(2)
        assert self.answer(otid).opcodes in ([Opcode.CONNECT], [Opcode.CONTINUE])

    def nothing_left(self) -> None:
        """No dialogue, timer, service or count stays behind once all times are over."""
        self.advance(200_000.0)
        assert not len(self.node.tcap)
        assert not len(self.cap._deadlines)
        assert not self.node.tcap._timers
        assert self.counts.opened == len(self.counts.outcomes)
        assert self.node._next_deadline() == float("inf")
