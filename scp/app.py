"""Wires a node: from a configuration to running transports, stack, engine, store and pages."""

from __future__ import annotations

import asyncio
import time
from importlib import metadata
from typing import TYPE_CHECKING, Final, TypeAlias, final

import ss7.ber
from scp.charging_wiring import Both, charging_room
from scp.domain.rules import Rules
from scp.engine.engine import Engine
from scp.engine.signalling import Signalling
from scp.engine.status import StatusBoard
from scp.engine.ticker import LoopTime
from scp.net.lend import OneAtATime
from scp.net.redial import Backoff
from scp.net.sctp import Connector as SctpConnector
from scp.net.sctp import Listener as SctpListener
from scp.net.sctp_association import Watcher
from scp.net.sctp_socket import SctpSettings
from scp.net.tcp import Connector, Listener
from scp.overload_wiring import Sheddable, admission_for, pressure_on
from scp.ports import ChargingTelemetry, StoreError
from scp.services.api import NodeSettings
from scp.services.registry import build_services, installed
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, Key, Role, SgpSettings, Timers, TrafficMode
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings, Translation
from scp.stack.tcap import Tcap, TcapSettings
from scp.store.open import open_store
from scp.telemetry.metrics import Metrics
from ss7.cap.codec import FAST
from ss7.cap.contexts import CONTEXTS
from ss7.m3ua_parameters import KeyDestination
from ss7.pointcode import parse_point_code
from ss7.sccp import GlobalTitle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from scp.api.server import ApiServer
    from scp.config import Config, Peer
    from scp.engine.engine import AnswerObserver
    from scp.engine.pressure import Pressure
    from scp.engine.signalling import Link, Machine
    from scp.engine.status import Condition, LinkStatus
    from scp.ports import SubscriberStore, Telemetry
    from scp.services.api import Service
    from scp.services.registry import EntryPoint
    from ss7.cap.codec import Codec
    from ss7.tcap import TcapCodec

Attachment: TypeAlias = Connector | Listener | SctpConnector | SctpListener

DRAIN_STEP: Final = 0.05
"""Seconds between two looks at whether a drain is done."""
ACK_LIMIT: Final = 2.0
"""Seconds that a drain waits for the acknowledgement of ASPIA and of ASPDN."""


class Reporter:
    """Where a node says what happens; the log is one."""

    def link(self, name: str, what: str, trouble: bool) -> None:
        """Something happened to a link."""

    def charging(self, what: str, trouble: bool) -> None:
        """Charging, or the keeping of CDRs, began to fail or works again."""

    def overload(self, level: int, why: str) -> None:
        """The level of overload is another one (0: none), because of these signals."""

    def service_bug(self, service: str, error: Exception) -> None:
        """A service raised; the call was continued."""


@final
class Node:
    """One node.

    Args:
        config: everything that an operator sets.
        random: transaction ids start, and reconnections jitter, at random.
        telemetry: who counts.
        reporter: who is told in words.
        entry_points: services that other distributions add.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        telemetry: Telemetry,
        reporter: Reporter,
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> None:
        self.config = config
        self._entry_points = entry_points
        self.draining = False
        self._random = random
        self._telemetry = telemetry
        self._reporter = reporter
        self.store: SubscriberStore = open_store(config.store.url.reveal(), telemetry=telemetry)
        self.services = self._built(config)
        self.status = StatusBoard(time.time, reporter.link)
        self.signalling: Signalling | None = None
        self.engine: Engine | None = None
        self.api: ApiServer | None = None
        self.admission = admission_for(config)
        self._pressure: Pressure | None = None
        self.charging = charging_room(
            config,
            random,
            lambda trouble: reporter.charging(trouble or "works again", bool(trouble)),
            telemetry if isinstance(telemetry, ChargingTelemetry) else None,
        )
        self._attachments: list[Attachment] = []

    async def start(self, observer: AnswerObserver | None = None) -> None:
        """Open the store, let the peers in, serve the API.

        Raises:
            StoreError: the store does not open, and it will not without somebody's help.
            OSError: an address can't be listened on.
        """
        config = self.config
        try:
            await self.store.open()
        except StoreError as error:
            if error.kind != "unreachable":
                raise  # else it goes on trying: until it is there, calls go on by policy and /readyz says why
        await self.charging.start()
        source = LoopTime(asyncio.get_running_loop())
        codec, tcap_codec = codecs(config.engine.codec)
        self.signalling = signalling = Signalling(
            source,
            Sccp(sccp_settings(config), self._random.randrange(1 << 24)),
            Tcap(tcap_settings(config, self._random), tcap_codec),
            config.node.network_indicator.code,
            self._telemetry,
            self.status,
            self.admission,
        )
        self.engine = signalling.user = Engine(
            signalling,
            self.services,
            self.store,
            codec,
            self._telemetry,
            source.time,
            store_deadline=config.store.deadline_ms / 1000,
            answer_deadline=config.engine.answer_deadline_ms / 1000,
            on_bug=self._reporter.service_bug,
            observer=self._observer(observer),
            admission=self.admission,
        )
        self._pressure = pressure_on(config, source, self.admission, signalling.tcap, self._overloaded)
        for peer in config.m3ua.peers:
            self.status.expect(peer.name, peer.transport, peer.destinations)
            link = signalling.add_link(
                peer.name,
                machine(peer, config.node.point_code),
                frozenset(peer.destinations),
                alone=TrafficMode[peer.traffic_mode.name] is TrafficMode.OVERRIDE,
            )
            attachment = self._attach(peer, link)
            self._attachments.append(attachment)
            await attachment.start()
        if config.api is not None:
            from scp.api.charging import charging_router  # noqa: PLC0415 - half a second that only …
            from scp.api.discards import discards_router  # noqa: PLC0415 - likewise
            from scp.api.server import serve_api  # noqa: PLC0415 - … the API costs

            routers = [charging_router(self.charging), discards_router(self.status.discards)]
            self.api = await serve_api(config.api, self, routers)
        self._pressure.start()

    def _built(self, config: Config) -> dict[int, Service]:
        """Return the services of a configuration; raises `ServiceConfigError`."""
        return build_services(
            config.services,
            NodeSettings(config.numbering, config.store.on_failure),
            installed() if self._entry_points is None else self._entry_points,
        )

    def _observer(self, observer: AnswerObserver | None) -> AnswerObserver | None:
        """Return who is shown every answer: the CDRs' sink, if there is one, beside ``observer``."""
        sink = self.charging.sink
        if observer is not None:
            observer = Sheddable(observer, self.admission)
        if sink is None:
            return observer
        return sink if observer is None else Both(sink, observer)

    def _overloaded(self, level: int, why: str) -> None:
        self._telemetry.overload(level)
        self._reporter.overload(level, why)

    def adopt(self, config: Config, observer: AnswerObserver | None = None) -> None:
        """Run with what `scp.reload.LIVE` names of another configuration, or raise and change nothing.

        Calls in progress end with the service that they began with.

        Args:
            config: `scp.reload.Plan.config`.
            observer: as for `start`.

        Raises:
            ServiceConfigError: a service refuses its settings.
        """
        services = self._built(config)
        self.config = config
        self.services = services
        if self.engine is not None:
            self.engine.services = services
            self.engine.store_deadline = config.store.deadline_ms / 1000
            self.engine.answer_deadline = config.engine.answer_deadline_ms / 1000
            self.engine.observer = self._observer(observer)
        if self.charging.sink is not None:
            self.charging.sink.numbering = config.numbering
        if self.api is not None and config.api is not None:
            self.api.adopt(config.api)

    # --- what the API sees of a node (`scp.api.context.NodeView`) ---

    @property
    def name(self) -> str:
        """The node's name."""
        return self.config.node.name

    @property
    def store_deadline(self) -> float:
        """Seconds that a lookup for a call may take."""
        return self.config.store.deadline_ms / 1000

    def subsystems(self) -> dict[str, Condition]:
        """What was said of other nodes' subsystems."""
        return self.status.subsystems

    def links(self) -> Iterable[LinkStatus]:
        """Return the state of every link."""
        return self.status.links.values()

    def rules(self, service_key: int | None) -> Rules | None:
        """Return what the service of this key steers by (None: the first that does); None if it does not."""
        services = self.services.values() if service_key is None else [self.services.get(service_key)]
        found = (getattr(service, "rules", None) for service in services)
        return next((rules for rules in found if isinstance(rules, Rules)), None)

    def _attach(self, peer: Peer, link: Link) -> Attachment:
        """Return what brings the association of ``peer`` up and keeps it."""
        watcher = _LinkWatcher(peer.name, self.status, self._telemetry)

        def failed(reason: str) -> None:
            self.status.failed(peer.name, reason)

        if peer.role.listens:

            def refused(address: str) -> None:
                failed(f"a connection from {address} was refused: not in remote, or another is up")

            take = OneAtATime(link).take
            if peer.transport == "sctp":
                return SctpListener(
                    peer.name,
                    peer.local,
                    peer.port,
                    take,
                    allowed=peer.remote,
                    refused=refused,
                    settings=sctp_settings(peer),
                    watcher=watcher,
                )
            return Listener(peer.name, peer.local, peer.port, take, allowed=peer.remote, refused=refused)
        timers = peer.timers
        if peer.transport == "sctp":
            return SctpConnector(
                peer.name,
                peer.remote,
                peer.port,
                link,
                random=self._random,
                local=peer.local,
                local_port=peer.local_port,
                backoff=Backoff(timers.reconnect_first_s, timers.reconnect_most_s),
                failed=failed,
                settings=sctp_settings(peer),
                watcher=watcher,
                connect_timeout=timers.connect_s,
            )
        return Connector(
            peer.name,
            peer.remote,
            peer.port,
            link,
            random=self._random,
            local=peer.local,
            backoff=Backoff(timers.reconnect_first_s, timers.reconnect_most_s),
            failed=failed,
            connect_timeout=timers.connect_s,
        )

    def why_not_ready(self) -> list[str]:
        """Return, in words, why this node should get no calls; nothing if it should."""
        reasons = ["draining"] if self.draining else []
        if store := self.store.usable():
            reasons.append(f"store: {store}")
        if self.signalling is None or not any(link.active for link in self.signalling.links):
            reasons.append("no ASP is active")
        return reasons

    async def drain(self, limit: float) -> bool:
        """Let the calls in progress end and take the ASPs down; True if all ended within ``limit`` seconds.

        An inactive ASP can't send DATA (RFC 4666 §4.3.1), so ASPIA waits for the open dialogues; what comes
        meanwhile is continued at once and opens none. Then ASPIA, ASPDN, and the end of the association.
        """
        signalling, engine = self.signalling, self.engine
        if signalling is None or engine is None:
            return True
        self.draining = engine.draining = True
        until = time.monotonic() + limit
        ended = await _wait(lambda: not len(signalling.tcap), until)
        signalling.deactivate()
        inactive = await _wait(lambda: not any(link.active for link in signalling.links), until + ACK_LIMIT)
        signalling.down()
        await _wait(lambda: not any(link.up for link in signalling.links), until + 2 * ACK_LIMIT)
        return ended and inactive

    async def stop(self, *, abort: bool = False) -> None:
        """Close the API, the associations, then the store."""
        if self.api is not None:
            await self.api.close()
            self.api = None
        for attachment in self._attachments:
            await attachment.close(abort=abort)
        self._attachments.clear()
        if self._pressure is not None:
            self._pressure.stop()
        if self.signalling is not None:
            self.signalling.stop()
        await self.charging.stop()
        await self.store.close()


@final
class _LinkWatcher(Watcher):
    """Tells the status board what the association of one link goes through."""

    def __init__(self, name: str, board: StatusBoard, telemetry: Telemetry) -> None:
        self._name = name
        self._board = board
        self._telemetry = telemetry

    def note(self, what: str, trouble: bool) -> None:
        """See `Watcher`."""
        self._board.note(self._name, what, trouble)

    def path(self, address: str, state: str) -> None:
        """See `Watcher`."""
        self._board.path(self._name, address, state)

    def discard(self, reason: str, octets: bytes) -> None:
        """See `Watcher`."""
        self._telemetry.discard("sctp", reason)
        self._board.discarded(self._name, "sctp", reason, octets)


async def _wait(done: Callable[[], bool], until: float) -> bool:
    """Look again and again whether something is done; False if it is not by ``until`` (monotonic seconds)."""
    while not done():
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(DRAIN_STEP)  # a poll: what is waited for lives in machines that do not call back
    return True


def build_info() -> tuple[str, bool]:
    """Return the version, and whether the hot modules run compiled."""
    return metadata.version("camel-scp"), not ss7.ber.__file__.endswith(".py")


def metrics_for(config: Config, services: list[str]) -> Metrics:
    """Return the metrics of a node with this configuration."""
    version, compiled = build_info()
    return Metrics(
        services,
        [peer.name for peer in config.m3ua.peers],
        version=version,
        codec=config.engine.codec,
        compiled=compiled,
    )


def codecs(name: str) -> tuple[Codec, TcapCodec | None]:
    """Return the CAP codec and the TCAP codec (None: the machine's own) for ``engine.codec``."""
    if name == "fast":
        return FAST, None
    from ss7 import reference, reference_tcap  # noqa: PLC0415 - half a second that only the reference codec costs

    return reference.REFERENCE, reference_tcap.REFERENCE_TCAP


def routing_key(peer: Peer, point_code: int) -> Key | None:
    """Return the routing key that a peer wants registered; ``point_code`` is the node's own."""
    wanted = peer.routing_key
    if wanted is None:
        return None
    own = point_code if wanted.point_code is None else wanted.point_code
    return Key(destinations=(KeyDestination(own, wanted.service_indicators, wanted.origins),))


def machine(peer: Peer, point_code: int = 0) -> Machine:
    """Return the M3UA machine for a peer: the ASP, or the answering side where an IPSP connects to us."""
    role = peer.role
    timers = Timers(
        ack=peer.timers.ack_s,
        attempts=peer.timers.attempts,
        retry=peer.timers.retry_s,
        beat=peer.beat,
        congestion=peer.timers.congestion_s,
    )
    context = -1 if peer.routing_context is None else peer.routing_context
    appearance = -1 if peer.network_appearance is None else peer.network_appearance
    mode = TrafficMode[peer.traffic_mode.name]
    if role.ipsp and role.listens:
        return Sgp(
            SgpSettings(
                routing_context=context, network_appearance=appearance, traffic_mode=mode, timers=timers
            )
        )
    return Asp(
        AspSettings(
            role=Role.IPSP if role.ipsp else Role.ASP,
            routing_context=context,
            network_appearance=appearance,
            traffic_mode=mode,
            asp_identifier=-1 if peer.asp_identifier is None else peer.asp_identifier,
            key=routing_key(peer, point_code),
            audit=tuple(peer.destinations),
            timers=timers,
        )
    )


def sctp_settings(peer: Peer) -> SctpSettings:
    """Return a peer's SCTP parameters."""
    sctp = peer.sctp
    return SctpSettings(
        rto_initial=sctp.rto_initial_s,
        rto_min=sctp.rto_min_s,
        rto_max=sctp.rto_max_s,
        heartbeat=sctp.heartbeat_s,
        path_retransmissions=sctp.path_retransmissions,
        association_retransmissions=sctp.association_retransmissions,
        init_attempts=sctp.init_attempts,
        streams=sctp.streams,
    )


def sccp_settings(config: Config) -> SccpSettings:
    """Return SCCP's settings; an allowed caller with a dash is a point code, any other a prefix."""
    sccp = config.sccp
    return SccpSettings(
        point_codes=(config.node.point_code, *config.node.also),
        ssn=sccp.ssn,
        global_title=None if sccp.global_title is None else GlobalTitle(sccp.global_title),
        allowed_prefixes=tuple(caller for caller in sccp.allowed_callers if "-" not in caller),
        allowed_point_codes=tuple(parse_point_code(each) for each in sccp.allowed_callers if "-" in each),
        translations=tuple(
            Translation(each.prefix, tuple(each.point_codes), each.mode == "loadshare")
            for each in sccp.translations
        ),
        return_on_error=sccp.return_on_error,
        t_reassembly=sccp.reassembly_s,
    )


def tcap_settings(config: Config, random: Random) -> TcapSettings:
    """Return TCAP's settings: call control contexts only, transaction ids that start at random."""
    return TcapSettings(
        instance=config.node.instance,
        first_id=random.randrange(1 << 24),
        max_dialogues=config.engine.max_dialogues,
        contexts=frozenset(context.octets for context in CONTEXTS if context.call_control),
        idle_limit=config.engine.dialogue_limit_s,
    )
