"""Answers pending calls and shuts the ASPs down after the node has died."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.domain.lookup import StoreFailure
from scp.engine.drain import drain
from scp.engine.status import StatusBoard
from scp.failover.relay import Bringer
from scp.failover.traffic_ring import Kind
from scp.held_call_ports import NOBODY
from scp.net.sctp_association import SctpAssociation
from scp.net.sctp_socket import SctpSocket
from scp.net.tcp import Limits, TcpConnection
from scp.ports import StoreError
from scp.store.open import membership_of, open_held_calls
from scp.telemetry.null import NullTelemetry
from ss7 import m3ua, sccp, tcap
from ss7.errors import DecodeError
from ss7.m3ua_framer import Framer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scp.config import Config, Peer
    from scp.domain.decision import Decision
    from scp.domain.lookup import Found
    from scp.engine.cap.user import CapUser
    from scp.engine.link import Link, Observer
    from scp.engine.observers import AnswerObserver
    from scp.engine.signalling import Signalling
    from scp.failover.socket_copy import SocketCopy
    from scp.failover.traffic_ring import Entry, TrafficRing
    from scp.ports import SubscriberLookup, Telemetry, Transport, Waiter
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg
    from ss7.m3ua import Data

_DATA: Final = b"\x01\x01"  # class and type (RFC 4666 §3.1.2)
LEAVE: Final = 1.0
"""Seconds that what waits in the sockets may take."""
READ_SECONDS: Final = 0.05
"""How long what waits in the sockets is given to be read."""
HELD_SECONDS: Final = 10.0
"""How long a switch may wait for instructions in an open dialogue: what is older was answered, or is over."""
AT_ONCE: Final = 200
"""Messages of held calls that are left at a time."""
STORE_SECONDS: Final = 10.0
"""How long the store of held calls may take over messages that are left; one that is away says so at once."""
MARGIN: Final = 0.1
"""Seconds beyond the deadline for answers: what is older was answered, or its caller has given up."""


class TakeoverResult(NamedTuple):
    """What the guardian did: calls that it answered, associations that it took leave of, others."""

    answered: int
    left: int
    cut: int

    def describe(self) -> str:
        """Return it in words, for the log."""
        cut = f", closed as they were, cut in the middle of a message: {self.cut}" if self.cut else ""
        return f"the node's process died; associations taken down in good order: {self.left}{cut}"


class Wiring(NamedTuple):
    """How a call path is built from a configuration: the node's own way, with no services.

    Attributes:
        call_path: signalling and the TC-user for CAP, given telemetry, status board, store and observer of
            answers.
        add_link: gives signalling a link for a peer.
    """

    call_path: Callable[
        [Config, Telemetry, Observer, SubscriberLookup, AnswerObserver], tuple[Signalling, CapUser]
    ]
    add_link: Callable[[Signalling, Config, Peer], Link]


async def take_over(
    config: Config, associations: Mapping[int, SocketCopy], ring: TrafficRing, wiring: Wiring
) -> TakeoverResult:
    """Answer by policy what the node had read and not answered, and what is still to be read; then leave.

    ASPIA, its acknowledgement, ASPDN and the end of the association follow as in a drain, so that gateways
    send no more here. A message in a dialogue that the node held open is left to the node that adopts its
    call, if it is journalled; else the dialogue is gone, and it gets P-Abort.

    Args:
        config: of the node.
        associations: what the node had, by the number of the peer.
        ring: the last traffic.
        wiring: builds what answers.
    """
    counter = _Counter()
    quiet = StatusBoard(time.time, lambda *_: None)
    signalling, cap = wiring.call_path(config, NullTelemetry(), quiet, _NoStore(), counter)
    cap.draining = True
    leaver = Leaver(config, signalling) if config.journal.enabled else None
    now = time.monotonic()
    oldest = now - config.engine.answer_deadline_ms / 1000 - MARGIN
    unanswered = Unanswered(ring.entries(), oldest, oldest if leaver is None else now - HELD_SECONDS)
    links: list[InheritedLink] = []
    cut = 0
    for number, copy in associations.items():
        peer = config.m3ua.peers[number]
        pending = unanswered.links.get(number) or PendingTraffic()
        if peer.transport == "tcp" and pending.unsent:
            copy.endpoint.close()  # a message may have gone in part: nothing after it would be read
            cut += 1
            continue
        quiet.expect(peer.name, peer.transport, peer.destinations, peer.routing_contexts)
        link = InheritedLink(wiring.add_link(signalling, config, peer), copy, pending)
        await link.take_over(peer.transport == "tcp")
        links.append(link)
    for link in links:
        link.catch_up()
    if leaver is not None:
        await leaver.settle()
    await drain(signalling, cap, LEAVE)
    if leaver is not None:
        await leaver.close()
    for link in links:
        await link.leave()
    return TakeoverResult(counter.count, len(links), cut)


class PendingTraffic:
    """What the ring says of a link's association."""

    def __init__(self) -> None:
        self.pending: dict[object, list[bytes]] = {}  # messages by the transaction that they are of
        self.rest = b""
        self.unsent: list[object] = []  # transactions whose answers the kernel has not taken


@final
class Unanswered:
    """What came and was not answered: read from a ring.

    What can't be read here (a segment of a message, say) counts as not answered: a switch discards an answer
    to a transaction that is over (Q.774 §3.2.1.3.3).

    Args:
        entries: of the ring.
        since: monotonic seconds; what came before it is left out.
        held_since: the same for what came in open dialogues, where switches wait for longer.

    Attributes:
        links: by number.
    """

    def __init__(self, entries: Iterable[Entry], since: float, held_since: float = inf) -> None:
        held_since = min(since, held_since)
        self.links: dict[int, PendingTraffic] = {}
        for link, kind, at, octets in entries:
            if kind == Kind.BEGUN:
                self.links[link] = PendingTraffic()
                continue
            pending = self.links.setdefault(link, PendingTraffic())
            if kind == Kind.READ:
                pending.rest = b""
                if at >= held_since:
                    self._came(pending, octets, all_of_it=at >= since)
            elif kind == Kind.REST:
                pending.rest = octets
            else:
                self._went(pending, octets, kind)

    @staticmethod
    def _came(pending: PendingTraffic, octets: bytes, *, all_of_it: bool) -> None:
        for message in Framer().feed(octets):
            if message[2:4] != _DATA:
                continue
            said = _said(message)
            if not all_of_it and (said is None or not said[2]):
                continue
            transaction: object = object() if said is None else (said[0].opc, said[1])
            pending.pending.setdefault(transaction, []).append(message)

    @staticmethod
    def _went(pending: PendingTraffic, octets: bytes, kind: Kind) -> None:
        """Note answers. What the kernel had not taken has gone once something that came after it has.

        Of what was being sent it is not known. TC-END is said again: a second one is discarded.
        TC-CONTINUE has gone: it holds a call, for which TC-END would be the end of control and charging.
        """
        heard = [_said(message) for message in Framer().feed(octets)]
        answered = [(said[0].dpc, said[2]) for said in heard if said is not None]
        if kind == Kind.UNSENT:
            pending.unsent += answered
        elif kind == Kind.SENDING:
            for said in heard:
                if said is not None and said[1]:
                    pending.pending.pop((said[0].dpc, said[2]), None)
        else:
            for transaction in (*pending.unsent, *answered):
                pending.pending.pop(transaction, None)
            pending.unsent.clear()


def _said(message: bytes) -> tuple[Data, bytes, bytes] | None:
    """Return DATA with the transaction ids of its sender and its receiver; None: it can't be read."""
    try:
        data = m3ua.decode_data(message)
        unit = sccp.decode(data.payload)
        if not isinstance(unit, sccp.UnitData):
            return None
        said = tcap.decode(unit.data)
    except DecodeError:
        return None
    return data, said.otid, said.dtid


@final
class InheritedLink:
    """A link of the guardian's own on an association of the node's; the `TransportUser` of its transport."""

    def __init__(self, link: Link, copy: SocketCopy, pending: PendingTraffic) -> None:
        self._link = link
        self._copy = copy
        self._pending = pending
        self._association: TcpConnection | SctpAssociation | None = None

    async def take_over(self, tcp: bool) -> None:
        """Go on where the node ended."""
        name, endpoint = self._copy.name, self._copy.endpoint
        if tcp:
            framer = Framer()
            framer.feed(self._pending.rest)
            loop = asyncio.get_running_loop()
            _, self._association = await loop.create_connection(
                lambda: TcpConnection(name, self, framer, Limits()), sock=endpoint
            )
        else:
            self._association = SctpAssociation(name, SctpSocket(endpoint), self, Limits())
            self._association.begin(endpoint.getpeername()[1])

    def catch_up(self) -> None:
        """Work on what was read and not answered."""
        # DATA is not on stream 0 (RFC 4666 §1.4.7), but where there is no other.
        stream = min(1, self._streams() - 1)
        pending = self._pending.pending.values()
        self._link.received([(stream, octets) for messages in pending for octets in messages])

    async def leave(self) -> None:
        """End the association."""
        if self._association is not None:
            self._association.close()
            await asyncio.wait([self._association.lost], timeout=LEAVE)

    def _streams(self) -> int:
        return 1 if self._association is None else self._association.streams

    def connected(self, transport: Transport) -> None:
        """Replay to the machine what the peer sent to the node's, and send nothing of what it answers."""
        self._link.transport = transport
        machine, now = self._link.machine, time.monotonic()
        machine.connected(now, transport.streams)
        for stream, octets in self._copy.management:
            machine.receive(octets, stream, now)
        machine.outbox.clear()
        machine.events.clear()

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """See `TransportUser`."""
        self._link.received(messages)

    def disconnected(self, reason: str) -> None:
        """See `TransportUser`."""
        self._link.disconnected(reason)


@final
class Leaver:
    """Leaves messages of held calls to the node that adopts them; a `scp.engine.tc.StrayTaker`.

    Where the store can't be asked nothing is said to the switch: its call may still be adopted.
    """

    def __init__(self, config: Config, signalling: Signalling) -> None:
        self._held = open_held_calls(config.store.url.reveal())
        self._bringer = Bringer(membership_of(self._held))
        self._opened = False
        self._dead = config.node.instance
        self._signalling = signalling
        self._waiting: list[tuple[bytes, bytes, object]] = []
        self._task: asyncio.Task[None] | None = None
        signalling.tcap.defers_strays = True
        signalling.strays = self

    def stray(self, tid: bytes, octets: bytes, path: object) -> None:
        """See `scp.engine.tc.StrayTaker`."""
        self._waiting.append((tid, octets, path))
        if self._task is None:
            self._task = asyncio.create_task(self._leave_all())

    async def settle(self) -> None:
        """Return when what the node had read, and what waits in its sockets, is left."""
        await asyncio.sleep(READ_SECONDS)
        while self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Leave the last messages, then let go of the store, which the next process may be waiting for."""
        await self.settle()
        await self._bringer.close()
        if self._opened:
            await self._held.close()

    async def _leave_all(self) -> None:
        """Leave what waits, many calls at a time; a call's messages in their order."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                if not self._opened:
                    await self._held.open()
                    self._opened = True
            while self._waiting:
                calls: dict[bytes, list[tuple[bytes, object]]] = {}
                for tid, octets, path in self._waiting[:AT_ONCE]:
                    calls.setdefault(tid, []).append((octets, path))
                del self._waiting[:AT_ONCE]
                async with asyncio.timeout(STORE_SECONDS):  # for these: a node may have had thousands
                    await asyncio.gather(*(self._leave(*each) for each in calls.items()))
        except (StoreError, TimeoutError):
            self._waiting.clear()
        finally:
            self._task = None

    async def _leave(self, tid: bytes, messages: list[tuple[bytes, object]]) -> None:
        """Leave the messages of one call."""
        while messages:
            octets, path = messages[0]
            entry = await self._held.get(tid)
            if entry is None:
                self._signalling.refuse(octets, path)
            elif entry.owner not in (self._dead, NOBODY):  # a node has adopted the call meanwhile
                await self._bringer.bring(entry.owner, tid, octets)
            elif not await self._held.release(tid, entry.fence, entry.owner, octets):
                continue  # it was claimed just now: a node that has the call must not lose it
            del messages[0]


@final
class _NoStore:
    """A store that is not asked: a node that drains looks nobody up."""

    def find(self, msisdn: str, waiter: Waiter) -> Found:  # noqa: ARG002 - the protocol's
        """See `scp.ports.SubscriberLookup`."""
        return StoreFailure.UNAVAILABLE

    def usable(self) -> str:
        """See `scp.ports.SubscriberLookup`."""
        return "the node is dead"


@final
class _Counter:
    """An `AnswerObserver` that counts."""

    def __init__(self) -> None:
        self.count = 0

    def answered(
        self,
        dialogue: Dialogue,  # noqa: ARG002 - the protocol's
        service: str,  # noqa: ARG002
        idp: InitialDPArg | None,  # noqa: ARG002
        decision: Decision,  # noqa: ARG002
        seconds: float,  # noqa: ARG002
    ) -> None:
        """Count."""
        self.count += 1
