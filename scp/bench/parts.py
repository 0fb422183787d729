"""The CPU time of a call by its parts: the call path in one process, first whole, then with parts left out.

There is no socket: batches of messages are handed to the link, and what it sends is dropped. The difference
that leaving out a part makes is the cost of the part.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from scp.bench.scenarios import ABROAD, HOME, PREFIX, msisdn, subscriber
from scp.bench.template import Template
from scp.domain.decision import Action, Decision
from scp.domain.numbers import Numbering
from scp.domain.reason import Reason
from scp.domain.rules import OnFailure
from scp.engine.cap.user import CapUser
from scp.engine.network import Ss7Network
from scp.engine.signalling import Signalling
from scp.engine.tc_users import TcUsers
from scp.services.api import NodeSettings
from scp.services.voip_forwarding import voip_forwarding
from scp.simulator.idp import called_party_octets, initial_dp
from scp.simulator.network import Network
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from scp.store.open import open_store
from scp.telemetry.metrics import Metrics
from scp.telemetry.null import NullTelemetry
from ss7.cap.codec import FAST
from ss7.cap.contexts import CALL_CONTROL, CAP_V2
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg
from ss7.isup import CalledPartyNumber
from ss7.sccp import GlobalTitle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from scp.domain.subscriber import Subscriber
    from scp.engine.link import Link
    from scp.ports import SubscriberLookup, Telemetry, Waiter
    from scp.services.api import Call, Service
    from scp.simulator.scenario import Scenario
    from scp.stack.m3ua.events import Event

BATCH: Final = 64
_SUBSCRIBERS: Final = 10_000
_STRIDE: Final = 37
_CONTINUED: Final = Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
_SERVICE_KEY: Final = 100


def part_times(seconds: float) -> dict[str, float]:
    """Time the call path, for about ``seconds``; the quickest batch counts.

    Returns:
        microseconds a call: "telemetry", "store", "service", "codec" (of CAP's arguments), "stack" (M3UA,
        SCCP, TCAP and the engine), and their sum "all".
    """
    return asyncio.run(_measured(seconds))


async def _measured(seconds: float) -> dict[str, float]:
    async with _store() as store:
        steering = voip_forwarding({"prefix": PREFIX}, NodeSettings(_NUMBERING, OnFailure.CONTINUE))
        metrics = Metrics(["voip-forwarding"], ["msc"])
        whole, uncounted, unread, canned, codec = _quickest(
            (
                Rig(steering, store, metrics).run,
                Rig(steering, store, NullTelemetry()).run,
                Rig(steering, _OneRecord(), NullTelemetry()).run,
                Rig(_Canned(), _OneRecord(), NullTelemetry()).run,
                _code,
            ),
            seconds,
        )
    parts = {
        "telemetry": whole - uncounted,
        "store": uncounted - unread,
        "service": unread - canned,
        "codec": codec,
        "stack": canned - codec,
        "all": whole,
    }
    return {part: round(micros, 2) for part, micros in parts.items()}


_NUMBERING: Final = Numbering("46", home_vlr=(HOME,))


@asynccontextmanager
async def _store() -> AsyncIterator[SubscriberLookup]:
    store = open_store("sqlite::memory:")
    await store.open()
    try:
        await store.put_many([subscriber(number) for number in range(_SUBSCRIBERS)])
        yield store
    finally:
        await store.close()


class _OneRecord:
    """A lookup that always finds the same two subscribers, in turn."""

    def __init__(self) -> None:
        self._records = (subscriber(0), subscriber(1))
        self._turn = 0

    def find(self, msisdn: str, waiter: Waiter) -> Subscriber:  # noqa: ARG002 - see `scp.ports`
        """See `scp.ports.SubscriberLookup`."""
        self._turn ^= 1
        return self._records[self._turn]

    def usable(self) -> str:
        """See `scp.ports.SubscriberLookup`."""
        return ""


class _Canned:
    """A service that reads nothing, and answers Connect and Continue in turn."""

    name = "voip-forwarding"

    def __init__(self) -> None:
        self._turn = 0

    async def run(self, call: Call) -> None:
        """See `scp.services.api.Service`."""
        self._turn ^= 1
        call.decided(_CONTINUED)
        if self._turn:
            call.invoke(Opcode.CONNECT, _CONNECT)
        else:
            call.invoke(Opcode.CONTINUE)


_CONNECT: Final = ConnectArg((CalledPartyNumber(f"{PREFIX}{msisdn(0)}", 4, 1, inn=False).encode(),))


class _Never:
    """A timer that does not fire."""

    def cancel(self) -> None:
        """See `scp.engine.scheduler.Timer`."""


class _Time:
    """A clock without timers: nothing waits here."""

    time = staticmethod(time.monotonic)

    def call_at(self, when: float, action: Callable[[], None]) -> _Never:  # noqa: ARG002 - see `TimeSource`
        """See `scp.engine.scheduler.TimeSource`."""
        return _Never()

    def call_soon(self, action: Callable[[], None]) -> None:
        """See `scp.engine.scheduler.TimeSource`; no lookup waits here."""
        action()


class _Sink:
    """A transport that keeps the last batch only."""

    name = "sink"
    streams = 1
    more = False

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """See `scp.ports.Transport`."""
        self.sent = list(messages)

    def close(self, *, abort: bool = False) -> None:
        """See `scp.ports.Transport`."""


class Rig:
    """A node from M3UA up, without a socket.

    Attributes:
        batch: InitialDPs, as one read would bring them.
        sink: where the answers go.
    """

    def __init__(self, service: Service, store: SubscriberLookup, telemetry: Telemetry) -> None:
        source = _Time()
        network = Network()
        settings = SccpSettings(
            point_codes=(network.scp_point_code,),
            ssns=(network.scp_ssn,),
            global_title=GlobalTitle(network.scp_global_title),
        )
        self._signalling = Signalling(
            source,
            [Ss7Network(Sccp(settings), network.network_indicator)],
            Tcap(TcapSettings()),
            telemetry,
            _Unheard(),
        )
        cap = CapUser(
            self._signalling,
            {_SERVICE_KEY: service},
            store,
            FAST,
            telemetry,
            source.time,
            on_bug=_raise,
        )
        self._signalling.user = users = TcUsers(self._signalling)
        users.add(cap, network.scp_ssn, CALL_CONTROL)
        self.sink = _Sink()
        self._link = self._signalling.add_link("msc", Asp())
        self.batch = _batch(network)
        self._come_up()

    def _come_up(self) -> None:
        """Play the gateway until the ASP is active."""
        gateway = Sgp()
        gateway.connected(0.0, 1)
        self._link.connected(self.sink)
        while not self._link.active:
            for stream, message in self.sink.sent:
                gateway.receive(message, stream, 0.0)
            self._link.received(gateway.outbox[:])
            gateway.outbox.clear()

    def run(self) -> None:
        """Serve the batch."""
        self._link.received(self.batch)


class _Unheard:
    """An observer of links that says nothing."""

    def link_event(self, link: Link, event: Event) -> None:
        """See `scp.engine.link.Observer`."""

    def connection(self, link: Link, reason: str) -> None:
        """See `scp.engine.link.Observer`."""

    def subsystem(self, point_code: int, ssn: int, state: str) -> None:
        """See `scp.engine.link.Observer`."""

    def other_indicator(self, link: Link, network: Ss7Network, indicator: int, answered: bool) -> None:
        """See `scp.engine.link.Observer`."""

    def discarded(self, name: str, layer: str, reason: str, octets: bytes) -> None:
        """See `scp.engine.link.Observer`."""

    def bug(self, name: str, error: Exception) -> None:
        """See `scp.engine.link.Observer`."""


def _raise(service: str, error: Exception) -> None:
    raise RuntimeError(service) from error


def _batch(network: Network) -> list[tuple[int, bytes]]:
    template = Template(ABROAD, network)
    batch = []
    for number in range(BATCH):
        called = called_party_octets(_calling(number * _STRIDE))
        batch.append((0, template.message(number.to_bytes(4, "big"), called)))
    return batch


def _calling(number: int) -> Scenario:
    return replace(ABROAD, b_number=msisdn(number))


_INITIAL_DP: Final = FAST.encode_argument(Opcode.INITIAL_DP, initial_dp(ABROAD, b"\1\2\3\4"), CAP_V2.version)


def _code() -> None:
    """Decode and encode the arguments of a batch."""
    for turn in range(BATCH):
        FAST.decode_argument(Opcode.INITIAL_DP, _INITIAL_DP, CAP_V2.version)
        if turn & 1:
            FAST.encode_argument(Opcode.CONNECT, _CONNECT, CAP_V2.version)
        else:
            FAST.encode_argument(Opcode.CONTINUE, None, CAP_V2.version)


def _quickest(steps: Sequence[Callable[[], None]], seconds: float) -> list[float]:
    """Return the microseconds a call of the quickest batch of each; they take turns for ``seconds``."""
    best = [1.0] * len(steps)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for number, step in enumerate(steps):
            started = time.perf_counter()
            step()
            best[number] = min(best[number], time.perf_counter() - started)
    return [time_taken / BATCH * 1e6 for time_taken in best]
