"""A node and a switch on two ends of a loopback association, on a clock that only the test moves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from scp.domain.decision import Decision
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber
from scp.engine.engine import Engine
from scp.engine.signalling import Link, Path, Signalling
from scp.engine.status import StatusBoard
from scp.net import loopback
from scp.ports import PENDING, Found, Pending, Waiter
from scp.services.api import Service, StoreFailure
from scp.services.voip_forwarding import VoipForwarding
from scp.simulator.network import Network
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from scp.stack.tcap import Tcap, TcapSettings
from ss7.cap.codec import FAST, Codec
from ss7.cap.contexts import CONTEXTS
from ss7.tcap import TcapCodec

NETWORK = Network()
NUMBERING = Numbering(country_code="46", never_steer=("112",), home_vlr=("4670",))
RULES = Rules(NUMBERING, prefix="99")


class HandMovedLoop:
    """What `Signalling` needs of an event loop."""

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
        self.opened = 0

    def call(self, service: str, decision: Decision, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((service, decision))

    def operation(self, opcode: int, direction: str) -> None:
        pass

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

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        pass


class HandMovedStore:
    """Answers at once, or when the test says so, or never."""

    def __init__(self, records: Mapping[str, Subscriber]) -> None:
        self.records = records
        self.slow = False
        self.failure: StoreFailure | None = None
        self.waiting: list[tuple[str, Waiter]] = []

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:
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


class SwitchUser:
    """The switch's TC-user: keeps indications."""

    def __init__(self) -> None:
        self.indications: list[Any] = []

    def indication(self, indication: Any, now: float) -> None:
        self.indications.append(indication)

    def next_deadline(self) -> float:
        return float("inf")

    def tick(self, now: float) -> None:
        pass


class Room:
    """``switch`` and ``node`` with a link each; `turn` moves what was sent."""

    def __init__(
        self,
        records: Mapping[str, Subscriber],
        services: Mapping[int, Service] | None = None,
        *,
        codec: Codec = FAST,
        tcap_codec: TcapCodec | None = None,
        max_dialogues: int = 1000,
        sent: Callable[[bytes, int], None] = lambda message, stream: None,
    ) -> None:
        self.loop = HandMovedLoop()
        self.counts = Counts()
        self.store = HandMovedStore(records)
        self.bugs: list[Exception] = []
        self.pump = loopback.Pump()
        self.user = SwitchUser()
        self.log: list[str] = []
        report = lambda name, what, trouble: self.log.append(f"{name}: {what}")  # noqa: E731
        contexts = frozenset(context.octets for context in CONTEXTS if context.call_control)
        self.node = self._signalling(
            Sccp(SccpSettings(point_codes=(NETWORK.scp_point_code,))),
            Tcap(TcapSettings(instance=7, contexts=contexts, max_dialogues=max_dialogues), tcap_codec),
            self.counts,
            StatusBoard(lambda: 0.0, report),
        )
        self.engine = self.node.user = Engine(
            self.node,
            services if services is not None else {100: VoipForwarding(RULES)},
            self.store,
            codec,
            self.counts,
            self.loop.time,
            on_bug=lambda service, bug: self.bugs.append(bug),
        )
        self.switch = self._signalling(
            Sccp(SccpSettings()), Tcap(TcapSettings(instance=1)), Counts(), StatusBoard(lambda: 0.0, report)
        )
        self.switch.user = self.user
        for board, name in ((self.node.observer, "node"), (self.switch.observer, "switch")):
            board.expect(name)  # type: ignore[attr-defined]
        self.node_link = self.node.add_link("node", Asp())
        self.switch_link = self.switch.add_link("switch", Sgp())
        self._sent = sent
        self.connect()

    def _signalling(self, sccp: Sccp, tcap: Tcap, counts: Counts, board: StatusBoard) -> Signalling:
        return Signalling(self.loop, sccp, tcap, 0, counts, board)  # type: ignore[arg-type]

    def connect(self) -> None:
        loopback.pair(Overheard(self.node_link, self._sent), self.switch_link, schedule=self.pump)
        self.turn()
        assert self.node_link.active
        assert self.switch_link.active

    def turn(self) -> None:
        self.pump.run()

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)
        self.turn()

    def path(self) -> Path:
        network = NETWORK
        return Path(
            self.switch_link,
            network.point_code,
            network.scp_point_code,
            5,
            network.called(),
            network.calling(),
        )

    def raw(self, octets: bytes) -> None:
        """Send TCAP octets of any kind to the node."""
        self.switch.send(self.path(), octets)
        self.switch.flush()
        self.turn()

    def begin(self, context: bytes, *components: bytes) -> Any:
        """Open a dialogue with components, and return it."""
        dialogue = self.switch.tcap.open(self.path(), context, self.loop.time())
        self.raw(self.switch.tcap.begin(dialogue, list(components), self.loop.time()))
        return dialogue

    def invoke(self, dialogue: Any, opcode: int, parameter: bytes) -> bytes:
        return self.switch.tcap.invoke(dialogue, opcode, parameter, 2, 30.0)


class Overheard:
    """The node's link, with everything that it sends shown to somebody."""

    def __init__(self, link: Link, sent: Callable[[bytes, int], None]) -> None:
        self._link = link
        self._sent = sent

    def connected(self, transport: Any) -> None:
        self._link.connected(OverheardTransport(transport, self._sent))

    def received(self, messages: Any) -> None:
        self._link.received(messages)

    def disconnected(self, reason: str) -> None:
        self._link.disconnected(reason)


class OverheardTransport:
    def __init__(self, transport: Any, sent: Callable[[bytes, int], None]) -> None:
        self._transport = transport
        self._sent = sent
        self.name = transport.name
        self.streams = transport.streams

    def send(self, messages: Any) -> None:
        messages = list(messages)
        for stream, message in messages:
            self._sent(message, stream)
        self._transport.send(messages)

    def close(self, *, abort: bool = False) -> None:
        self._transport.close(abort=abort)
