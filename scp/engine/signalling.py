"""Joins links (M3UA), SCCP and TCAP for a TC-user: the SCP's engine, or the MSC simulator.

Messages come in batches, as many as one read brought; all that they cause goes out in one write a link.

Each `Ss7Network` has an SCCP of its own. DATA belongs to a network of its link, by routing context or network
indicator; its answer goes out in that network. DATA with an indicator of none of them is answered with the
indicator that it came with, or discarded (`Ss7Network.with_indicator`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.engine.link import NONE, Link
from scp.engine.return_path import ReturnPath, ReturnPaths
from scp.engine.routes import CONGESTED, UNREACHABLE, choose, cost, leads
from scp.engine.scheduler import Scheduler
from scp.stack.m3ua.events import AspState, BringDown, Discard, DiscardReason, ServerChange, StateChange
from scp.stack.sccp_settings import DISCARD, SUBSYSTEM
from ss7.errors import EncodeError
from ss7.m3ua import MESSAGES
from ss7.sccp import UnitData
from ss7.sccp import decode as decode_sccp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.engine.admission import Admission
    from scp.engine.link import Machine, Observer
    from scp.engine.network import Ss7Network
    from scp.engine.observers import Tap
    from scp.engine.scheduler import TimeSource
    from scp.engine.tc import StrayTaker, TcUser
    from scp.ports import Telemetry
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
        networks: that the node stands in; the first is that of links which name none.
        tcap: transactions.
        telemetry: counts.
        observer: of links and of what happens below TC.
        admission: gets how long the node has worked on what it read; None: every call is admitted.

    Attributes:
        networks: as given, and those of other indicators once DATA came with one.
        links: in the order of the configuration.
        user: the TC-user.
        tap: sees every message; None costs nothing.
        strays: takes messages for transactions that are not here, if `Tcap.defers_strays`.
    """

    def __init__(
        self,
        source: TimeSource,
        networks: Sequence[Ss7Network],
        tcap: Tcap,
        telemetry: Telemetry,
        observer: Observer,
        admission: Admission | None = None,
    ) -> None:
        self.clock: Callable[[], float] = source.time
        self.networks = list(networks)
        self.tcap = tcap
        self.telemetry = telemetry
        self.observer = observer
        self.admission = admission
        self.links: list[Link] = []
        self.user: TcUser | None = None
        self.tap: Tap | None = None
        self.strays: StrayTaker | None = None
        self._from = ""  # the link and the message in hand, for samples of discarded messages
        self._message = b""
        self._leaving = False
        self._paths = ReturnPaths()
        self._scheduler = Scheduler(source, self._tick)
        self._soon = source.call_soon
        self._unwritten = 0  # calls of `flush`, and one more while `_flush` is scheduled

    def add_link(
        self,
        name: str,
        machine: Machine,
        reaches: frozenset[int] = frozenset(),
        *,
        alone: bool = False,
        networks: Sequence[tuple[int, Ss7Network]] = (),
    ) -> Link:
        """Make a link; its transport calls it from then on. Arguments as for `Link`."""
        link = Link(self, name, machine, networks or ((-1, self.networks[0]),), reaches, alone=alone)
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

    def link_probed(self, link: Link) -> None:
        """See `LinkOwner`."""
        link.machine.probe()
        self._after()

    def link_lost(self, link: Link, reason: str) -> None:
        """An association is gone."""
        now = self.clock()
        self.observer.connection(link, reason)
        link.machine.lost(now)
        self._after()

    def leave(self) -> None:
        """Send SSP to the concerned signalling points; messages for our subsystems are still taken."""
        self._leaving = True
        for network in self.networks:
            if network.sccp.announces:
                network.sccp.out_of_service(self.clock(), refuse=False)
                self._sccp_says(network)
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
        machine, tcap = link.machine, self.tcap
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
            if machine.events:
                self._machine_events(link)
            if tcap.events:
                self._tcap_events()
        self._from, self._message = "", b""
        if data_count:
            self.telemetry.m3ua_message(link.name, "in", "DATA", data_count)
        self._after()
        if admission is not None:
            tcap.refusing = False
            admission.batch_done(self.clock(), link.transport is not None and link.transport.more)

    def _failed(self, bug: Exception) -> None:
        """Discard the message in hand, since this program failed over it, and report that."""
        self.discard("cap", INTERNAL)
        self.observer.bug(self._from, bug)

    def _data(self, link: Link, data: Data, now: float) -> None:
        """DATA: through SCCP and TCAP to the user."""
        network = link.network
        if link.shared:
            network = link.network_of(data.routing_context, data.ni)
        if data.ni != network.indicator:
            other = self._other_indicator(link, network, data.ni)
            if other is None:
                return
            network = other
        sccp = network.sccp
        unit = sccp.receive(data, now)
        if sccp.own or sccp.events:
            self._sccp_says(network, link, data.routing_context)
        if unit is None:
            return
        if type(unit) is UnitData:
            calling, context = unit.calling_raw, data.routing_context
            dpc = sccp.route_back(calling, data.opc)
            if sccp.translates:
                dpc = self._translated(network, calling, dpc, data.sls, now)
            own = sccp.own_address(unit.called_raw)
            seen = b"" if self.tap is None else self._message
            path = ReturnPath(link, data.dpc, dpc, data.sls, calling, own, context, network, seen)
            indication = self.tcap.receive(unit.data, path, now)
        else:
            indication = self.tcap.notice(unit.data, unit.cause, now)
        if indication is None:
            if self.tcap.strays:
                self._strays()
        elif self.user is not None:
            self.user.indication(indication, now)
        if self.tcap.outbox:
            self._tcap_out()

    def _strays(self) -> None:
        """Hand over messages for transactions that are not here."""
        strays = self.tcap.strays[:]
        self.tcap.strays.clear()
        for tid, octets, path in strays:
            if self.strays is None or not isinstance(path, ReturnPath):
                self.tcap.refuse_stray(octets, path)
            else:
                self.strays.stray(tid, octets, path)

    def take(self, octets: bytes, path: object) -> None:
        """Take a message of a dialogue that was adopted, or that another node has received for this one."""
        now = self.clock()
        indication = self.tcap.receive(octets, path, now)
        if indication is None:
            for _, stray, way in self.tcap.strays:
                self.tcap.refuse_stray(stray, way)
            self.tcap.strays.clear()
        elif self.user is not None:
            self.user.indication(indication, now)
        self._answer_and_flush()

    def refuse(self, octets: bytes, path: object) -> None:
        """Answer a message for a transaction that nobody has."""
        self.tcap.refuse_stray(octets, path)
        self._answer_and_flush()

    def _answer_and_flush(self) -> None:
        if self.tcap.outbox:
            self._tcap_out()
        self.flush()

    def _other_indicator(self, link: Link, network: Ss7Network, indicator: int) -> Ss7Network | None:
        """Return the network that DATA with this indicator is taken in; None: it is discarded."""
        other = network.with_indicator(indicator)
        if link.reports(indicator):
            self.observer.other_indicator(link, network, indicator, other is not None)
        if other is None:
            self.discard("m3ua", DiscardReason.NETWORK_INDICATOR)
        elif other not in self.networks:
            self.networks.append(other)
        return other

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Send a TCAP message on its dialogue's `ReturnPath`; b"" is nothing. It leaves with the batch.

        With ``return_on_error`` (and if `SccpSettings` agrees) TC-NOTICE follows if it can't be delivered. A
        message that SCCP can't carry is discarded: its addresses leave no room for data, or it is too long
        for 16 segments.
        """
        if not octets or not isinstance(path, ReturnPath):
            return
        link, network = path.link, path.network
        sccp = network.sccp
        said = link.destinations_in(network) if link.shared else link.destinations
        if not link.carries(network) or not (said is None or said.silent):
            now = self.clock()
            if sccp.translates:
                path.dpc = self._translated(network, path.called, path.dpc, path.sls, now)
            link = path.link = choose(self.links, link, network, path.dpc, path.sls, now)
        try:
            sccp.send(
                path.called,
                path.calling,
                octets,
                dpc=path.dpc,
                sls=path.sls,
                return_on_error=sccp.asks_return[return_on_error],
            )
        except EncodeError:
            self.discard("sccp", UNSENDABLE)
            return
        self._sccp_out(link, network, path.opc, path.context)

    def path(self, called: bytes, calling: bytes, otherwise: int, sls: int) -> ReturnPath | None:
        """See `DialogueOpener`. It goes out in the first network."""
        network, now = self.networks[0], self.clock()
        link = next((each for each in self.links if each.carries(network)), None)
        if link is None:
            return None
        dpc = otherwise
        if network.sccp.translates:
            dpc = self._translated(network, called, otherwise, sls, now)
        if not leads(self.links, network, dpc, now):
            return None
        link = choose(self.links, link, network, dpc, sls, now)
        return ReturnPath(link, network.sccp.settings.point_codes[0], dpc, sls, called, calling, -1, network)

    def reaches(self, called: bytes, calling: bytes, otherwise: int, ssn: int) -> bool:
        """See `DialogueOpener`."""
        path = self.path(called, calling, otherwise, 0)
        return path is not None and (path.dpc, ssn) not in path.network.sccp.prohibited_subsystems()

    def keep(self, path: object) -> object:
        """Return the path for a dialogue that is held: one object for all with the same values."""
        return self._paths.shared(path) if isinstance(path, ReturnPath) else path

    def _translated(self, network: Ss7Network, called: bytes, otherwise: int, sls: int, now: float) -> int:
        """Return the point code for a title: the first of its translation that can be reached."""
        codes = network.sccp.translate(called, sls)
        for code in codes:
            if any(
                link.carries(network) and cost(link, network, code, now) < UNREACHABLE for link in self.links
            ):
                return code
        return codes[0] if codes else otherwise

    def _sccp_out(self, link: Link, network: Ss7Network, opc: int, context: int) -> None:
        """Send the user's messages; without an active link they are lost, as any message of MTP may be."""
        if link.shared:
            context = link.context(network, context)
        send, indicator, outbox = link.machine.send, network.indicator, network.sccp.outbox
        for dpc, sls, payload in outbox:
            if context == NONE or not send(opc, dpc, indicator, sls, payload, context):
                self.discard("m3ua", DiscardReason.NOT_ACTIVE)
        outbox.clear()

    def _sccp_says(self, network: Ss7Network, link: Link | None = None, context: int = -1) -> None:
        """Send messages of SCCP itself, and report its events.

        Args:
            network: whose SCCP.
            link: that the cause came on; None: it was no received message.
            context: routing context of the cause; -1: it had none.
        """
        if network.sccp.own:
            first = link or next((each for each in self.links if each.leads_to(network)), None)
            if first is not None:
                self._sccp_own(network, first, context)
        events = network.sccp.events
        for told in events:
            if told.kind == DISCARD:
                self.discard("sccp", told.reason)
            elif told.kind == SUBSYSTEM:
                self.observer.subsystem(told.point_code, told.ssn, told.reason)
        events.clear()

    def _sccp_own(self, network: Ss7Network, link: Link, context: int) -> None:
        """Send messages of SCCP itself: returned messages and management, which no call waits for.

        A called global title is translated as in every message (Q.714 §2.4).

        Nothing is sent to a congested destination: of all messages these matter least (Q.714 §2.6: UDTS has
        importance 3, UDT 4). So a SCON is heeded while every call is answered.
        """
        sccp, now = network.sccp, self.clock()
        own = sccp.own[:]
        sccp.own.clear()
        for opc, otherwise, sls, payload in own:
            dpc = otherwise
            if sccp.translates:
                dpc = self._translated(network, decode_sccp(payload).called_raw, otherwise, sls, now)
            way = choose(self.links, link, network, dpc, sls, now)
            as_server = way.context(network, context)
            if cost(way, network, dpc, now) in CONGESTED:
                self.discard("m3ua", DiscardReason.CONGESTED)
            elif as_server == NONE or not way.machine.send(
                opc, dpc, network.indicator, sls, payload, as_server
            ):
                self.discard("m3ua", DiscardReason.NOT_ACTIVE)

    def _tcap_out(self) -> None:
        """Send what TCAP answered by itself."""
        answers = self.tcap.outbox[:]
        self.tcap.outbox.clear()
        for path, octets in answers:
            self.send(path, octets)

    def flush(self) -> None:
        """Send what is queued; to be called for messages that no batch and no tick caused.

        It is written once all that the event loop brought at the same time was processed, or `AT_ONCE` of
        it: answers of a store come many in one read, as messages do, and share writes as well.
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
        """Write what a batch or tick caused, report events, and set the timer."""
        for link in self.links:
            machine = link.machine
            if machine.outbox:
                self._write(link, machine.outbox)
            if machine.events:
                self._machine_events(link)
        if self.tcap.events:
            self._tcap_events()
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
        """Count a discarded message, or part of one, and show the message that is being processed."""
        self.telemetry.discard(layer, reason)
        sheds = self.admission is not None and self.admission.sheds
        self.observer.discarded(self._from, layer, reason, b"" if sheds else self._message)

    def _machine_events(self, link: Link) -> None:
        """Report what the link's M3UA machine has to say, and act on it."""
        events = link.machine.events[:]
        link.machine.events.clear()
        for event in events:
            if isinstance(event, StateChange):
                self.telemetry.asp_state(link.name, event.new)
                if event.new is AspState.ACTIVE:
                    self._announce(link, -1)
            elif isinstance(event, ServerChange):
                if event.new is AspState.ACTIVE:
                    self._announce(link, event.routing_context)
            elif isinstance(event, Discard):
                self.discard("m3ua", event.reason)
            elif isinstance(event, BringDown):
                link.give_up(event.why)
            self.observer.link_event(link, event)

    def _announce(self, link: Link, context: int) -> None:
        """Send SSA to the concerned signalling points of the networks of an AS that has become active."""
        for network in link.served(context):
            if network.sccp.announces and not self._leaving:
                network.sccp.in_service(self.clock())
                self._sccp_says(network, link, context)

    def _tcap_events(self) -> None:
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
        due = self.tcap.next_deadline()
        for network in self.networks:
            due = min(due, network.sccp.next_deadline())
        for link in self.links:
            due = min(due, link.machine.next_deadline())
        return due if self.user is None else min(due, self.user.next_deadline())

    def _tick(self, now: float) -> float:
        """Do what is due in every layer; return when `tick` is due next."""
        for link in self.links:
            if link.machine.next_deadline() <= now:
                link.machine.tick(now)
        for network in self.networks:
            network.sccp.tick(now)
            self._sccp_says(network)
        for indication in self.tcap.tick(now):
            if self.user is not None:
                self.user.indication(indication, now)
        if self.tcap.outbox:
            self._tcap_out()
        if self.user is not None:
            self.user.tick(now)
        self._after()
        return self._next_deadline()
