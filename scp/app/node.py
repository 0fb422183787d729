"""Wires a node: from a configuration to running transports, stack, engine, store and pages."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from socket import gethostname
from typing import TYPE_CHECKING, final

from scp.app.call_path import add_link, call_path
from scp.app.charging import charge_steps, charging_service
from scp.app.duplicate_nodes import duplicate_detector
from scp.app.held_calls import HeldCallsService
from scp.app.links import attachment, why_not
from scp.app.messages import text_messaging
from scp.app.overload import limits_of, memory_of, pressure_on
from scp.app.preload import preload
from scp.app.settings import node_settings
from scp.app.status import Seen, components
from scp.app.tracing import Tracing
from scp.charging.fault_state import FaultState
from scp.common.passes import StoredPasses
from scp.common.report_limiter import ReportLimiter
from scp.domain.rules import Rules
from scp.domain.whereabouts import LocateFailure
from scp.engine.admission import Admission
from scp.engine.drain import drain
from scp.engine.observers import OBSERVER, FanOut
from scp.engine.scheduler import LoopTime
from scp.engine.status import StatusBoard
from scp.engine.tc_users import TcUsers
from scp.failover.journaling_transport import JournalingTransport
from scp.map_ports import MapTelemetry
from scp.message_ports import MessageTelemetry
from scp.ports import ChargingTelemetry, StoreError
from scp.services.charge_explained import payment, typed_party
from scp.services.registry import build_services, installed
from scp.services.whereabouts import asking_of
from scp.store.open import changes_of, membership_of, open_store
from scp.telemetry.metrics import Metrics
from scp.telemetry.number_traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from random import Random

    from litestar import Router

    from scp.api.server import ApiServer
    from scp.app.event_log import EventLog
    from scp.app.links import Attachment
    from scp.app.map import MapParts
    from scp.config import Config, Peer, SmsControl
    from scp.config.api import Api
    from scp.console.devices import Devices
    from scp.console.hub import Hub
    from scp.console.recent_calls import RecentCalls
    from scp.console.sources import Sources
    from scp.domain.call import CallFacts
    from scp.domain.cdr import Row
    from scp.domain.outcome import Decision, Step
    from scp.domain.subscriber import Subscriber
    from scp.domain.whereabouts import Located
    from scp.engine.cap.sms import SmsControlUser
    from scp.engine.cap.user import CapUser
    from scp.engine.link import Link
    from scp.engine.load_monitor import LoadMonitor
    from scp.engine.observers import AnswerObserver
    from scp.engine.signalling import Signalling
    from scp.engine.status import ComponentStatus, Condition, LinkStatus
    from scp.failover.guardian import Guardian
    from scp.ports import SubscriberStore, Telemetry
    from scp.services.api import Service
    from scp.services.registry import EntryPoint
    from scp.services.whereabouts import Asking
    from scp.stack.tcap import Dialogue


@final
class Node:
    """One node.

    Args:
        config: everything that an operator sets.
        random: transaction ids start, and reconnections jitter, at random.
        telemetry: counts.
        event_log: takes operator-visible events.
        entry_points: services that other distributions add; None: those that are installed now.
        guardian: answers if this process dies; None: there is none.
    """

    def __init__(
        self,
        config: Config,
        random: Random,
        telemetry: Telemetry,
        event_log: EventLog,
        entry_points: Iterable[EntryPoint] | None = None,
        guardian: Guardian | None = None,
    ) -> None:
        self.config = config
        self._entry_points = tuple(installed() if entry_points is None else entry_points)
        self.guardian = guardian
        self.draining = False
        self._random = random
        self._telemetry = telemetry
        self._event_log = event_log
        self.store: SubscriberStore = open_store(config.store.url.reveal(), telemetry=telemetry)
        self.services = self._built(config)
        self.status = StatusBoard(time.time, ReportLimiter(event_log.link, time.monotonic))
        self.signalling: Signalling | None = None
        self.cap: CapUser | None = None
        self.api: ApiServer | None = None
        self.map: MapParts | None = None
        self.admission = Admission(limits_of(config))
        self._pressure: LoadMonitor | None = None
        self.charging = charging_service(
            config,
            random,
            event_log.charging,
            telemetry if isinstance(telemetry, ChargingTelemetry) else None,
        )
        self.messaging = text_messaging(
            config,
            random,
            event_log.messages,
            telemetry if isinstance(telemetry, MessageTelemetry) else None,
            telemetry.discard,
        )
        self.traces = Traces(time.time)
        self.tracing = Tracing(config, self.traces, event_log)
        self.duplicates = duplicate_detector(
            config,
            self.store,
            random,
            lambda identity, others: event_log.duplicates(identity, [each.describe() for each in others]),
            lambda why: event_log.watching("nodes that are alike can't be found", trouble=True, why=why),
        )
        self.held: HeldCallsService | None = None
        if config.journal.enabled:
            self.held = HeldCallsService(config, self.store, random, event_log.journal)
        self._attachments: list[Attachment] = []
        self.store_fault = FaultState(lambda _: None)
        self._seen = Seen()
        self._console: Hub | None = None
        self._devices: Devices | None = None
        self._sms: SmsControlUser | None = None
        self.config_file: Path | None = None
        self.sources: Sources | None = None  # what the process that runs it knows of it, for the console

    async def start(self, observer: AnswerObserver | None = None) -> None:
        """`prepare` the node, then `attach` its peers; raises as they do."""
        await self.prepare(observer)
        await self.attach()

    async def prepare(self, observer: AnswerObserver | None = None) -> None:
        """Open the stores, serve the API, and load whatever a call may need: no peer is attached before.

        Raises:
            StoreError: the store does not open, and it will not without somebody's help.
            OSError: an address can't be listened on; the text begins with the key that has it.
        """
        config = self.config
        loading = asyncio.get_running_loop().run_in_executor(None, preload, config)
        try:
            await self._open_stores()
        finally:
            await loading
        source = LoopTime(asyncio.get_running_loop())
        signalling, cap = call_path(
            config,
            source,
            self._random,
            self._telemetry,
            self.status,
            self.services,
            self.store,
            on_bug=self._event_log.service_bug,
            observer=self._observer(observer),
            watcher=self.charging.sink,
            admission=self.admission,
            quota=self.charging.quotas,
        )
        self.signalling, self.cap = signalling, cap
        cap.passes = StoredPasses(self.store, self._event_log.pass_not_written)
        if config.map is not None:
            await self._speak_map(config, signalling, cap).start()
        if config.sms_control is not None:
            self._control_messages(config, config.sms_control, signalling)
        if self.held is not None:
            await self.held.start(signalling, cap, self.charging.sink)
        self.tracing.start(signalling)
        self._pressure = pressure_on(config, source, self.admission, signalling.tcap, self._overloaded)
        if config.api is not None:
            await self._serve_api(config.api, cap)

    async def _serve_api(self, settings: Api, cap: CapUser) -> None:
        """Serve the API, with a router for each part that the node has; see `prepare`."""
        from scp.api.charging import charging_router  # noqa: PLC0415 - as `preload` did
        from scp.api.discards import discards_router  # noqa: PLC0415
        from scp.api.held_calls import held_calls_router  # noqa: PLC0415
        from scp.api.server import serve_api  # noqa: PLC0415
        from scp.api.traces import traces_router  # noqa: PLC0415

        routers = [
            charging_router(self.charging),
            discards_router(self.status.discards),
            held_calls_router(cap, lambda: self.config.numbering),
            traces_router(self.traces),
        ]
        if self.messaging is not None:
            from scp.api.messages import messages_router  # noqa: PLC0415

            routers.append(messages_router(self.messaging.queue, self.messaging.config))
        if self.map is not None:
            from scp.api.whereabouts import whereabouts_router  # noqa: PLC0415

            routers.append(whereabouts_router(self.map))
        if settings.console:
            routers.append(self._console_router())
        self.api = await serve_api(settings, self, routers)
        if (changes := changes_of(self.store)) is not None:
            self.api.share(changes, self.name)
        if self._console is not None:
            self._console.start()

    def _console_router(self) -> Router:
        """Return the console's part of the API."""
        from scp.console.alerts import Alerts  # noqa: PLC0415
        from scp.console.captures import Captures  # noqa: PLC0415
        from scp.console.context import ConsoleContext  # noqa: PLC0415
        from scp.console.hub import Hub  # noqa: PLC0415 - as `preload` did
        from scp.console.nodes import Nodes  # noqa: PLC0415
        from scp.console.recent_calls import RecentCalls  # noqa: PLC0415
        from scp.console.routes import console_router  # noqa: PLC0415
        from scp.console.sources import Drift, Sources  # noqa: PLC0415
        from scp.console.views import state_of  # noqa: PLC0415

        config, started = self.config, time.time()
        metrics = self._telemetry if isinstance(self._telemetry, Metrics) else None
        nodes = Nodes(
            membership_of(self.store),
            lambda: state_of(self, metrics, config.node.instance, self._api_url(), started),
        )
        calls = RecentCalls(config.node.name, config.numbering, time.time, asks=config.map is not None)
        if config.api is not None and config.api.voip is not None:
            from scp.console.devices import Devices  # noqa: PLC0415

            self._devices = Devices(config.api.voip.url, config.api.voip.token.reveal())
        sources = self.sources or Sources((), lambda: Drift(""))
        alerts = Alerts(config.node.name, sources.collectors) if sources.collectors else None
        self._console = Hub(self, calls, metrics, nodes, alerts)
        context = ConsoleContext(
            self._console,
            self.charging.cdrs,
            sources.drift,
            self._devices,
            asks_hlr=config.map is not None,
        )
        return console_router(context, Captures(self.config_file))

    def _api_url(self) -> str:
        """Return where others find the API: as configured, else by the address that it listens on."""
        api = self.config.api
        if api is None or self.api is None:
            return ""
        if api.url is not None:
            return api.url
        host, port = self.api.address
        anywhere = host in ("", "0.0.0.0", "::")  # noqa: S104 - is it that?
        return self.api.url if not anywhere else f"{self.api.url.partition(':')[0]}://{gethostname()}:{port}"

    def _speak_map(self, config: Config, signalling: Signalling, cap: CapUser) -> MapParts:
        """Add what speaks MAP, and return it."""
        from scp.app.map import MapParts  # noqa: PLC0415 - as `preload` did

        users, telemetry = signalling.user, self._telemetry
        assert isinstance(users, TcUsers)
        assert isinstance(telemetry, MapTelemetry)
        self.map = MapParts(
            config,
            signalling,
            users,
            cap,
            self.store,
            telemetry,
            self._event_log.mobility_not_written,
            self._event_log.arming_failed,
        )
        if self.messaging is not None and self.messaging.by_map is not None:
            self.map.deliver(self.messaging.by_map, signalling, users)
        return self.map

    def _control_messages(self, config: Config, policy: SmsControl, signalling: Signalling) -> None:
        """Add what answers for short messages."""
        from scp.engine.cap.sms import CONTEXTS_SERVED, SmsControlUser  # noqa: PLC0415 - as `preload` did

        users = signalling.user
        assert isinstance(users, TcUsers)
        user = SmsControlUser(
            signalling,
            policy,
            lambda: self.rules(None),
            self.store,
            self._telemetry,
            signalling.clock,
            self.store_deadline,
            quota=self.charging.quotas,
            record=None if self.charging.sink is None else self.charging.sink.row,
            outcome=self._telemetry.controlled if isinstance(self._telemetry, Metrics) else None,
        )
        self._sms = user
        for ssn in config.ssns:
            users.add(user, ssn, CONTEXTS_SERVED)

    async def _open_stores(self) -> None:
        """Open the subscriber store, and what charging keeps; see `prepare`."""
        try:
            await self.store.open()
        except StoreError as error:
            if error.kind != "unreachable":
                raise  # else it goes on trying: until it is there, calls go on by policy and /readyz says why
        if self.duplicates is not None:
            self.duplicates.start()
        await self.charging.start()
        if self.messaging is not None:
            await self.messaging.queue.start()

    async def attach(self) -> None:
        """Let the peers in, or connect to them, and begin to watch the load.

        Raises:
            OSError: an address can't be listened on; the text begins with the key that has it.
        """
        assert self.signalling is not None
        assert self._pressure is not None
        for number, peer in enumerate(self.config.m3ua.peers):
            self.status.expect(
                peer.name, peer.transport, peer.destinations, peer.routing_contexts, waits=peer.role.listens
            )
            attached = self._attached(number, peer, add_link(self.signalling, self.config, peer))
            self._attachments.append(attached)
            try:
                await attached.start()
            except OSError as error:
                raise OSError(f"m3ua.peers[{number}]: {why_not(peer, error)}") from None
        self._pressure.start()

    def _attached(self, number: int, peer: Peer, link: Link) -> Attachment:
        """Return what brings a peer's association up, watched by the guardian if there is one."""
        guardian = self.guardian
        if guardian is None:
            return attachment(peer, link, self.status, self._telemetry, self._random)
        journaling = JournalingTransport(number, link, guardian.ring, guardian)
        return attachment(peer, journaling, self.status, self._telemetry, self._random, journaling.framer)

    def _built(self, config: Config) -> dict[int, Service]:
        """Return the services of a configuration; raises `ServiceConfigError`."""
        return build_services(
            config.services,
            node_settings(config),
            self._entry_points,
        )

    def _observer(self, observer: AnswerObserver | None) -> AnswerObserver | None:
        """Return the observer of all answers: the CDRs' sink, ``observer``, both, or none."""
        sink = self.charging.sink
        if sink is None or observer is None:
            return sink or observer
        return FanOut(sink, observer)

    def watch_calls(self, calls: RecentCalls | None) -> None:
        """Show answers and every message to ``calls`` from now on; None: to nobody."""
        self.tracing.watch(calls)
        if self.cap is not None:
            self.cap.observers.sample = None if calls is None else calls.sample
            self.cap.observers.onlooker = calls
        if self._sms is not None:
            self._sms.observer = None if calls is None else partial(self._show_message, calls)

    def _show_message(self, calls: RecentCalls, dialogue: Dialogue, row: Row, seconds: float) -> None:
        """Show a message under control; a fault in it costs no message."""
        try:
            calls.message(dialogue, row, seconds)
        except Exception as bug:  # noqa: BLE001 - see above
            self._event_log.service_bug(OBSERVER, bug)

    def _overloaded(self, level: int, why: str) -> None:
        self._telemetry.overload(level)
        self._event_log.overload(level, why)

    def adopt(self, config: Config, observer: AnswerObserver | None = None) -> None:
        """Run with what `scp.app.reload.LIVE` names of another configuration, or raise and change nothing.

        Calls in progress end with the service that they began with.

        Args:
            config: `scp.app.reload.Plan.config`.
            observer: as for `start`.

        Raises:
            ServiceConfigError: a service refuses its settings.
        """
        services = self._built(config)
        self.config = config
        self.services = services
        if self.cap is not None:
            self.cap.services = services
            self.cap.store_deadline = config.store.deadline_ms / 1000
            self.cap.answer_deadline = config.engine.answer_deadline_ms / 1000
            self.cap.observers.observer = self._observer(observer)
        self.admission.adopt(limits_of(config))
        if self._pressure is not None:
            self._pressure.memory = memory_of(config)
        self.tracing.adopt(config)
        if self.map is not None:
            self.map.adopt(config)
        if self.charging.sink is not None:
            self.charging.sink.numbering = config.numbering
        if self._console is not None:
            self._console.calls.numbering = config.numbering
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
        """The states of other nodes' subsystems, as SCCP management reported them."""
        return self.status.subsystems

    def links(self) -> Iterable[LinkStatus]:
        """Return the state of every link."""
        return self.status.links.values()

    def components(self) -> Iterable[ComponentStatus]:
        """Return the state of what this node has beside its links and its store."""
        return map(self._seen.complete, components(self))

    def look(self) -> None:
        """See how the parts are, so that it is known since when; called each second."""
        self.store_fault.report(self.store.usable())
        for _ in self.components():
            pass

    def rules(self, service_key: int | None) -> Rules | None:
        """Return what the service of this key steers by (None: the first that does); None if it does not."""
        rules = getattr(self._steering(service_key), "rules", None)
        return rules if isinstance(rules, Rules) else None

    def _steering(self, service_key: int | None) -> Service | None:
        """Return the service of this key, None: the first that steers; None: it does not."""
        services = self.services.values() if service_key is None else [self.services.get(service_key)]
        return next((each for each in services if isinstance(getattr(each, "rules", None), Rules)), None)

    def asking(self, service_key: int | None) -> Asking:
        """Return when the service of this key (None: the first that steers) asks an HLR for places."""
        return asking_of(self._steering(service_key))

    async def charge(
        self, service_key: int | None, facts: CallFacts, decision: Decision, parties: tuple[str, str]
    ) -> Sequence[Step]:
        """Return what a call would be charged, and whether its payer has the money."""
        numbering = self.config.numbering
        typed = typed_party(numbering, parties[0]), typed_party(numbering, parties[1])
        who = payment(self._steering(service_key), numbering, facts, decision, typed)
        return await charge_steps(who, self.config.charging, self.charging.ledger)

    async def locate(self, msisdn: str) -> Located:
        """Return where a subscriber is, as the HLR says."""
        return LocateFailure.OFF if self.map is None else await self.map.locate(msisdn)

    async def written(self, records: Iterable[Subscriber]) -> None:
        """Note that the API has written these."""
        if self.map is not None and self.map.arming is not None:
            await self.map.arming.noted(records)

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

        See `scp.app.call_path.drain`; `stop` ends the associations.
        """
        if self.signalling is None or self.cap is None:
            return True
        self.draining = True
        self.cap.draining = True
        if self.held is not None:
            await self.held.hand_over()
        return await drain(self.signalling, self.cap, limit)

    async def stop(self, *, abort: bool = False) -> None:
        """Close the API, the associations, then the store."""
        if self._console is not None:
            await self._console.stop()
        if self._devices is not None:
            await self._devices.close()
        if self.api is not None:
            await self.api.close()
            self.api = None
        if self.held is not None:
            await self.held.hand_over()
        for attached in self._attachments:
            await attached.close(abort=abort)
        self._attachments.clear()
        if self._pressure is not None:
            self._pressure.stop()
        self.tracing.stop()
        if self.signalling is not None:
            self.signalling.stop()
        if self.duplicates is not None:
            await self.duplicates.stop()
        if self.messaging is not None:
            await self.messaging.queue.stop()
        await self.charging.stop()
        if self.held is not None:
            await self.held.stop()
        if self.map is not None:
            await self.map.close()
        await self.store.close()
