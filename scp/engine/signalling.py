"""Joins links (M3UA), SCCP and TCAP for whoever uses TC: the SCP's engine, or the MSC simulator.

Messages come in batches, as many as one read brought; all that they cause goes out in one write a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.engine.link import Link
from scp.engine.return_path import ReturnPath, ReturnPaths
from scp.engine.routes import CONGESTED, UNREACHABLE, choose, cost
from scp.engine.scheduler import Scheduler
from scp.stack.m3ua.events import AspState, BringDown, Discard, DiscardReason, StateChange
from scp.stack.sccp_settings import DISCARD, SUBSYSTEM
from ss7.errors import EncodeError
from ss7.m3ua import MESSAGES
from ss7.sccp import UnitData
from ss7.sccp import decode as decode_sccp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.engine.admission import Admission
    from scp.engine.link import Machine, Observer
    from scp.engine.observers import Tap
    from scp.engine.scheduler import TimeSource
    from scp.engine.tc import TcUser
    from scp.ports import Telemetry
    from scp.stack.sccp import Sccp
    from scp.stack.tcap import Tcap
    from ss7.m3ua import Data

UNSENDABLE: Final = "unsendable"
"""Why a message of ours was discarded: SCCP can't carry it to its destination."""
INTERNAL: Final = "internal-error"
"""Why a received message was discarded: this program failed over it."""

_EVERY: Final = 15
"""A mask: after so many messages and one the clock is read, to see whether what begins is refused."""

AT_ONCE: Final = 64
"""Answers that gather, and then are written: a system call (some 5 µs) is little for each of them, and the
first waits for less than a millisecond, not for the end of the batch. A power of 2."""

_DATA_CLASS: Final = 1
_CLASS: Final = 2  # octets of the common header (RFC 4666 §3.1)
_TYPE: Final = 3
_KINDS: Final[dict[int, str]] = {kind: message.name for kind, message in MESSAGES.items()}


@final
class Signalling:
    """Links, SCCP and TCAP of one node.

    Args:
        source: the clock and its timers.
        sccp: routing, ours or not.
        tcap: transactions.
        network_indicator: of outgoing DATA, 0 to 3.
        telemetry: who counts.
        observer: who is told of links.
        admission: told how long the node has worked on what it read; None: nobody asks.

    Attributes:
        tap: sees every message; None: nobody looks, which costs nothing.
    """

    def __init__(
        self,
        source: TimeSource,
        sccp: Sccp,
        tcap: Tcap,
        network_indicator: int,
        telemetry: Telemetry,
        observer: Observer,
        admission: Admission | None = None,
    ) -> None:
        self.clock: Callable[[], float] = source.time
        self.sccp = sccp
        self.tcap = tcap
        self.network_indicator = network_indicator
        self.telemetry = telemetry
        self.observer = observer
        self.admission = admission
        self.links: list[Link] = []
        self.user: TcUser | None = None
        self.tap: Tap | None = None
        self._from = ""  # the link and the message that are worked on, for samples of what is discarded
        self._message = b""
        self._leaving = False
        self._paths = ReturnPaths()
        self._scheduler = Scheduler(source, self._tick)
        self._soon = source.call_soon
        self._unwritten = 0  # times that `flush` was asked for, and one while `_flush` is to come

    def add_link(
        self, name: str, machine: Machine, reaches: frozenset[int] = frozenset(), *, alone: bool = False
    ) -> Link:
        """Make a link; its transport calls it from then on. ``reaches`` and ``alone`` as for `Link`."""
        link = Link(self, name, machine, reaches, alone=alone)
        self.links.append(link)
        self.telemetry.asp_state(name, machine.state)
        return link

    # -- links ---------------------------------------------------------------------------------------------

    def link_connected(self, link: Link) -> None:
        """An association is up."""
        now = self.clock()
        self.observer.connection(link, "")
        assert link.transport is not None
        link.machine.connected(now, link.transport.streams)
        self._after()

    def link_lost(self, link: Link, reason: str) -> None:
        """An association is gone."""
        now = self.clock()
        self.observer.connection(link, reason)
        link.machine.lost(now)
        self._after()

    def leave(self) -> None:
        """Tell the concerned signalling points that our subsystem goes (SSP); what comes is still taken."""
        if self.sccp.announces and self.links:
            self._leaving = True
            self.sccp.out_of_service(self.clock(), refuse=False)
            self._sccp_own(self.links[0], self.sccp.point_code)
            self._after()

    def deactivate(self) -> None:
        """Ask for no more traffic (ASPIA); the links' states say when that is granted. Begins a drain."""
        now = self.clock()
        for link in self.links:
            link.machine.deactivate(now)
        self._after()

    def down(self) -> None:
        """Take the ASPs down (ASPDN): ends a drain."""
        now = self.clock()
        for link in self.links:
            link.machine.down(now)
        self._after()

    # -- in ------------------------------------------------------------------------------------------------

    def received(self, link: Link, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take a batch of M3UA messages from ``link``."""
        now = self.clock()
        machine, sccp, tcap = link.machine, self.sccp, self.tcap
        admission = self.admission
        if admission is not None:
            admission.batch_begun(link.name, now, len(messages))
        if self.tap is not None:
            self.tap.heard(link.name, messages)
        take = machine.receive
        self._from = link.name
        data_count = 0
        for stream, message in messages:
            self._message = message
            data = take(message, stream, now)
            if data is not None:
                data_count += 1
                if admission is not None and not data_count & _EVERY:
                    tcap.refusing = admission.refuses(self.clock())
                try:
                    self._data(link, data, now)
                except Exception as bug:  # noqa: BLE001 - else one message ends an association with all its calls
                    self._failed(bug)
                if not data_count & AT_ONCE - 1:
                    self._after()
            elif len(message) > _TYPE:
                kind = message[_CLASS] << 8 | message[_TYPE]
                self.telemetry.m3ua_message(link.name, "in", _KINDS.get(kind, "other"))
            if machine.events or sccp.events or tcap.events:
                self._tell(link)
        self._from, self._message = "", b""
        if data_count:
            self.telemetry.m3ua_message(link.name, "in", "DATA", data_count)
        self._after()
        if admission is not None:
            tcap.refusing = False
            admission.batch_done(self.clock(), link.transport is not None and link.transport.more)

    def _failed(self, bug: Exception) -> None:
        """Go on after a fault of this program's own: the message in hand is lost, and shown as it is."""
        self.discard("cap", INTERNAL)
        self.observer.bug(self._from, bug)

    def _data(self, link: Link, data: Data, now: float) -> None:
        """DATA: through SCCP and TCAP to the user."""
        unit = self.sccp.receive(data, now)
        if self.sccp.outbox:
            self._sccp_own(link, data.dpc, data.routing_context)
        if unit is None:
            return
        if type(unit) is UnitData:
            sccp = self.sccp
            dpc = sccp.route_back(unit.calling_raw, data.opc)
            if sccp.translates:
                dpc = self._translated(unit.calling_raw, dpc, data.sls, now)
            own = sccp.own_address(unit.called_raw)
            path = ReturnPath(link, data.dpc, dpc, data.sls, unit.calling_raw, own, data.routing_context)
            indication = self.tcap.receive(unit.data, path, now)
        else:
            indication = self.tcap.notice(unit.data, unit.cause, now)
        if indication is not None and self.user is not None:
            self.user.indication(indication, now)
        if self.tcap.outbox:
            self._tcap_out()

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Send a TCAP message on its dialogue's `ReturnPath`; b"" is nothing. It leaves with the batch.

        With ``return_on_error`` (and if `SccpSettings` agrees) TC-NOTICE says if it can't be delivered. What
        can't be sent is counted: to a calling address that leaves SCCP no room for data, or too long for 16
        segments.
        """
        if not octets or not isinstance(path, ReturnPath):
            return
        link = path.link
        if not link.active or not (link.destinations is None or link.destinations.silent):
            now = self.clock()
            if self.sccp.translates:
                path.dpc = self._translated(path.called, path.dpc, path.sls, now)
            link = path.link = choose(self.links, link, path.dpc, path.sls, now)
        try:
            self.sccp.send(
                path.called,
                path.calling,
                octets,
                dpc=path.dpc,
                sls=path.sls,
                return_on_error=self.sccp.asks_return[return_on_error],
            )
        except EncodeError:
            self.discard("sccp", UNSENDABLE)
            return
        self._sccp_out(link, path.opc, path.context)

    def keep(self, path: object) -> object:
        """Return the way back for a dialogue that is held: one object for all that have the same."""
        return self._paths.shared(path) if isinstance(path, ReturnPath) else path

    def _translated(self, called: bytes, otherwise: int, sls: int, now: float) -> int:
        """Return the point code for a title: the first of its translation that can be reached."""
        codes = self.sccp.translate(called, sls)
        for code in codes:
            if any(link.active and cost(link, code, now) < UNREACHABLE for link in self.links):
                return code
        return codes[0] if codes else otherwise

    def _sccp_out(self, link: Link, opc: int, context: int) -> None:
        """Send what SCCP wants sent; without an active link it is lost, as any message of MTP may be."""
        send = link.machine.send
        for dpc, sls, payload in self.sccp.outbox:
            if not send(opc, dpc, self.network_indicator, sls, payload, context):
                self.discard("m3ua", DiscardReason.NOT_ACTIVE)
        self.sccp.outbox.clear()

    def _sccp_own(self, link: Link, opc: int, context: int = -1) -> None:
        """Send what SCCP has to say itself: returned messages and management, which no call waits for.

        What goes to a global title is translated as everything else is (Q.714 §2.4).

        To a congested destination they are not sent: of all messages they matter least (Q.714 §2.6: UDTS has
        importance 3, UDT 4), and that is how a SCON is heeded while every call is answered.
        """
        sccp, now = self.sccp, self.clock()
        own = sccp.outbox[:]
        sccp.outbox.clear()
        for otherwise, sls, payload in own:
            dpc = otherwise
            if sccp.translates:
                dpc = self._translated(decode_sccp(payload).called_raw, otherwise, sls, now)
            way = choose(self.links, link, dpc, sls, now)
            if cost(way, dpc, now) in CONGESTED:
                self.discard("m3ua", DiscardReason.CONGESTED)
            elif not way.machine.send(opc, dpc, self.network_indicator, sls, payload, context):
                self.discard("m3ua", DiscardReason.NOT_ACTIVE)

    def _tcap_out(self) -> None:
        """Send what TCAP answered by itself."""
        answers = self.tcap.outbox[:]
        self.tcap.outbox.clear()
        for path, octets in answers:
            self.send(path, octets)

    def flush(self) -> None:
        """Send what is queued; for whoever acts outside a batch or a tick.

        It leaves once all that the event loop brought at the same time was dealt with, or `AT_ONCE` of it:
        answers of a store come many in one read, as messages do, and share writes as well.
        """
        self._unwritten += 1
        if self._unwritten == 1:
            self._soon(self._flush)
        elif self._unwritten > AT_ONCE:
            self._unwritten = 1  # and `_flush` is still to come
            self._after()

    def _flush(self) -> None:
        self._unwritten = 0
        self._after()

    def _after(self) -> None:
        """Write what a batch or tick caused, tell what happened, and set the timer."""
        for link in self.links:
            machine = link.machine
            if machine.outbox:
                self._write(link, machine.outbox)
            if machine.events or self.sccp.events or self.tcap.events:
                self._tell(link)
        self._scheduler.at(self._next_deadline())

    def _write(self, link: Link, outbox: list[tuple[int, bytes]]) -> None:
        data_count = 0
        for _, message in outbox:
            if message[_CLASS] == _DATA_CLASS:
                data_count += 1
            else:
                kind = message[_CLASS] << 8 | message[_TYPE]
                self.telemetry.m3ua_message(link.name, "out", _KINDS[kind])
        if data_count:
            self.telemetry.m3ua_message(link.name, "out", "DATA", data_count)
        if link.transport is not None:
            if self.tap is not None:
                self.tap.said(link.name, outbox)
            link.transport.send(outbox[:])
        outbox.clear()

    def discard(self, layer: str, reason: str) -> None:
        """Count something that was thrown away, and show the message that it came in."""
        self.telemetry.discard(layer, reason)
        sheds = self.admission is not None and self.admission.sheds
        self.observer.discarded(self._from, layer, reason, b"" if sheds else self._message)

    def _tell(self, link: Link) -> None:
        """Pass on what the layers have to say."""
        events = link.machine.events[:]
        link.machine.events.clear()
        for event in events:
            if isinstance(event, StateChange):
                self.telemetry.asp_state(link.name, event.new)
                if event.new is AspState.ACTIVE and self.sccp.announces and not self._leaving:
                    self.sccp.in_service(self.clock())
                    self._sccp_own(link, self.sccp.point_code)
            elif isinstance(event, Discard):
                self.discard("m3ua", event.reason)
            elif isinstance(event, BringDown):
                link.give_up(event.why)
            self.observer.link_event(link, event)
        for told in self.sccp.events:
            if told.kind == DISCARD:
                self.discard("sccp", told.reason)
            elif told.kind == SUBSYSTEM:
                self.observer.subsystem(told.point_code, told.ssn, told.reason)
        self.sccp.events.clear()
        for _, reason in self.tcap.events:
            self.discard("tcap", reason)
        self.tcap.events.clear()

    # -- time ----------------------------------------------------------------------------------------------

    def wake_at(self, due: float) -> None:
        """Make sure that the user's ``tick`` is called at ``due`` (seconds of the loop's clock)."""
        self._scheduler.at(due)

    def stop(self) -> None:
        """Stop the clock: no timer runs from here on."""
        self._scheduler.stop()

    def _next_deadline(self) -> float:
        due = min(self.tcap.next_deadline(), self.sccp.next_deadline())
        for link in self.links:
            due = min(due, link.machine.next_deadline())
        return due if self.user is None else min(due, self.user.next_deadline())

    def _tick(self, now: float) -> float:
        """Do what is due everywhere and return when there is more."""
        for link in self.links:
            if link.machine.next_deadline() <= now:
                link.machine.tick(now)
        self.sccp.tick(now)
        if self.sccp.outbox:
            self._sccp_own(self.links[0], self.sccp.point_code)
        for indication in self.tcap.tick(now):
            if self.user is not None:
                self.user.indication(indication, now)
        if self.tcap.outbox:
            self._tcap_out()
        if self.user is not None:
            self.user.tick(now)
        self._after()
        return self._next_deadline()
