"""The life of a serving process: start, reload, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final, final

import uvloop

from scp.app.call_path import add_link, without_services
from scp.app.collector import Collector
from scp.app.event_log import EventLog
from scp.app.held_calls import load_held_calls
from scp.app.metrics import NodeMetrics, build_info, metrics_for
from scp.app.node import Node
from scp.app.reload import plan
from scp.app.service_manager import ALIVE, READY, STOPPING, ServiceManager
from scp.config import ConfigError, load
from scp.console.sources import Drift, Sources
from scp.engine.return_path import ReturnPath
from scp.engine.sampling import Sampled
from scp.failover.counters import counters_file
from scp.failover.guardian import start_guardian
from scp.failover.takeover import Wiring
from scp.ports import StoreError
from scp.services.idp import calling_digits, read_call
from scp.services.registry import ServiceConfigError
from scp.telemetry.logs import SHOWN, calls_a_second, configure, cut_octets, get_logger, get_tracer, log_call
from scp.telemetry.server import MetricsServer, process_collectors, watch_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from scp.app.reload import Plan
    from scp.config import Config
    from scp.domain.decision import Decision
    from scp.engine.admission import Admission
    from scp.failover.guardian import Guardian
    from scp.stack.tcap import Dialogue
    from scp.telemetry.metrics import Metrics
    from ss7.cap.types import InitialDPArg

OK: Final = 0
FAILED: Final = 1
UNDRAINED: Final = 3
"""Exit status: stopped by its time limit with calls still open."""

DRAIN_LIMIT: Final = 30.0
"""Seconds that a drain gives open dialogues."""

STATUS_SECONDS: Final = 1.0
"""How often the service manager is told, at the least."""


class StructuredEventLog(EventLog):
    """Says in the log what happens."""

    def __init__(self, config: Config) -> None:
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go on with another configuration; `scp.telemetry.logs.configure` comes first."""
        self.log = get_logger(node=config.node.name)
        self._tracer = get_tracer(node=config.node.name)
        self._numbering = config.numbering
        self._mask = config.telemetry.mask_numbers
        self._unmask = self._mask and config.telemetry.unmask_traced

    def observer(self, config: Config, admission: Admission) -> Sampled | None:
        """Return the observer that logs calls; None if none are to be logged, which costs nothing."""
        telemetry = config.telemetry
        rate = calls_a_second(telemetry.log_level, telemetry.calls_per_second)
        return None if rate is None else Sampled(self, admission, rate, time.monotonic)

    def link(self, name: str, what: str, trouble: bool) -> None:
        """See `EventLog`."""
        (self.log.warning if trouble else self.log.info)("link", peer=name, what=what)

    def charging(self, what: str, trouble: bool, *, wanted: bool = True) -> None:
        """See `EventLog`."""
        level = "info" if not trouble else "error" if wanted else "warning"
        getattr(self.log, level)("charging", what=what)

    def journal(self, trouble: str) -> None:
        """See `EventLog`."""
        if trouble:
            self.log.error("held calls are not journalled: they end with this process", reason=trouble)
        else:
            self.log.info("held calls are journalled again")

    def messages(self, what: str, trouble: bool) -> None:
        """See `EventLog`."""
        (self.log.warning if trouble else self.log.info)("messages", what=what)

    def watching(self, what: str, *, trouble: bool = False, **fields: Any) -> None:
        """See `EventLog`."""
        (self.log.error if trouble else self.log.info)("watching", what=what, **fields)

    def traced(self, msisdn: str, peer: str, message: dict[str, Any], *, sent: bool) -> None:
        """See `EventLog`."""
        fields: dict[str, Any] = {"number": msisdn, "peer": peer, "direction": "out" if sent else "in"}
        if self._unmask:
            fields[SHOWN] = msisdn.removeprefix(self._numbering.country_code)
        self._tracer.info("trace", **fields, **(cut_octets(message) if self._mask else message))

    def duplicates(self, identity: str, others: list[str]) -> None:
        """See `EventLog`."""
        if others:
            self.log.error("another running node has this one's identity", identity=identity, others=others)
        else:
            self.log.info("no other node has this one's identity any more", identity=identity)

    def overload(self, level: int, why: str) -> None:
        """See `EventLog`."""
        (self.log.warning if level else self.log.info)("overload", level=level, signals=why)

    def arming_failed(self, why: str) -> None:
        """See `EventLog`."""
        self.log.error("M-CSIs are not armed as they should be", reason=why)

    def mobility_not_written(self, why: str) -> None:
        """See `EventLog`."""
        self.log.error("what a VLR told is not written; it was told so", reason=why)

    def pass_not_written(self, why: str) -> None:
        """See `EventLog`."""
        self.log.error("a pass could not be claimed, its call went on", reason=why)

    def ready(self, reasons: list[str]) -> None:
        """Say that the node is ready, or why not: what ``/readyz`` says, when it changes."""
        if reasons:
            self.log.warning("not ready: it steers no calls", reasons=reasons)
        else:
            self.log.info("ready")

    def service_bug(self, service: str, error: Exception) -> None:
        """See `EventLog`."""
        self.log.error("service failed, call continued", service=service, exc_info=error)

    def inherited(self, what: str, answered: int) -> None:
        """Say what the guardian did after the node's death."""
        self.log.error("guardian", what=what, calls_answered=answered)

    def unguarded(self, reason: str) -> None:
        """Say that there is no guardian any more."""
        self.log.error(
            "guardian lost: calls in progress go unanswered if this process is killed", reason=reason
        )

    def cannot_start(self, error: Exception) -> int:
        """Say why and return the exit status."""
        self.log.error("cannot start", reason=str(error))
        return FAILED

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """See `scp.engine.observers.AnswerObserver`."""
        log_call(
            self.log,
            service=service,
            decision=decision,
            a_number="" if idp is None else calling_digits(idp),
            b_number="" if idp is None else read_call(idp, self._numbering).digits,
            seconds=seconds,
            peer=dialogue.path.link.name if isinstance(dialogue.path, ReturnPath) else "",
            dialogue=dialogue.local_tid.hex(),
        )


def serve(config: Config, file: Path) -> int:
    """Run a node until SIGTERM or SIGINT and return the exit status; a second signal ends a drain at once.

    Args:
        config: what to run with.
        file: where that came from; read again on SIGHUP.
    """
    configure(config.telemetry.log_level, mask_numbers=config.telemetry.mask_numbers)
    event_log = StructuredEventLog(config)
    guardian = None
    if config.node.guardian:
        load_held_calls(config)
        wiring = Wiring(without_services, add_link)
        guardian = start_guardian(config, counters_file(config), event_log.inherited, wiring)
        guardian.on_loss = event_log.unguarded
    try:
        with contextlib.suppress(KeyboardInterrupt):
            return uvloop.run(_serve(config, file, event_log, guardian))
    finally:
        if guardian is not None:
            guardian.dismiss()
    return FAILED


async def _serve(config: Config, file: Path, event_log: StructuredEventLog, guardian: Guardian | None) -> int:
    metrics = metrics_for(config, sorted(config.services))
    try:
        node = Node(config, SystemRandom(), metrics, event_log, guardian=guardian)
        node.config_file = file
    except (ServiceConfigError, StoreError) as error:
        return event_log.cannot_start(error)
    telemetry = config.telemetry.metrics
    collectors = (metrics, NodeMetrics(node), *process_collectors())
    node.sources = Sources(collectors, lambda: _drift(node, file))
    page = MetricsServer(telemetry.host, telemetry.port, collectors)
    manager = ServiceManager(os.environ)
    signals = _Signals()
    collector = Collector(lambda: metrics.dialogues_open, asyncio.get_running_loop().call_soon)
    collector.wait()
    beside = [asyncio.ensure_future(watch_loop(metrics.loop_lag))]
    try:
        await page.start()
        await node.prepare(event_log.observer(config, node.admission))
        collector.start()
        await node.attach()
        metrics.config_loaded(time.time())
        event_log.log.info("started", version=build_info()[0], metrics=str(telemetry))
        manager.tell(READY)
        beside.append(asyncio.ensure_future(_keep_told(manager, node, event_log)))
        beside.append(
            asyncio.ensure_future(
                _reload_when_asked(signals, _Reload(node, metrics, event_log, file), manager)
            )
        )
        await signals.first()
        manager.tell(STOPPING)
        event_log.log.info("draining", limit_s=DRAIN_LIMIT)
        drained = await signals.or_second(node.drain(DRAIN_LIMIT))
        event_log.log.info("stopped", drained=drained)
    except (OSError, StoreError) as error:
        return event_log.cannot_start(error)
    else:
        return OK if drained else UNDRAINED
    finally:
        collector.stop()
        await node.stop()
        await page.close()
        for task in beside:
            task.cancel()


def _drift(node: Node, file: Path) -> Drift:
    """Return how a node's file differs from what runs; keys of secrets are named, their values are not."""
    try:
        found = plan(node.config, load(file))
    except ConfigError as error:
        return Drift(str(file), faults=tuple(str(each) for each in error.faults))
    return Drift(str(file), found.live, found.restart)


async def _keep_told(manager: ServiceManager, node: Node, event_log: StructuredEventLog) -> None:
    """Tell the service manager that the loop turns, and it and the log whether the node steers calls."""
    told: list[str] | None = None
    while True:
        if manager.watchdog:
            manager.tell(ALIVE)
        if node.guardian is not None:
            node.guardian.check()
        node.look()
        reasons = node.why_not_ready()
        if reasons != told:
            manager.status(f"steers no calls: {'; '.join(reasons)}" if reasons else "takes calls")
            event_log.ready(reasons)
            told = reasons
        await asyncio.sleep(min(STATUS_SECONDS, manager.watchdog / 3 or STATUS_SECONDS))


async def _reload_when_asked(signals: _Signals, reload: _Reload, manager: ServiceManager) -> None:
    while True:
        await signals.reload()
        manager.reloading()
        reload()
        manager.tell(READY)


@final
class _Reload:
    """Reads the configuration again and has the node run with what it can take over."""

    def __init__(self, node: Node, metrics: Metrics, event_log: StructuredEventLog, file: Path) -> None:
        self._node = node
        self._metrics = metrics
        self._event_log = event_log
        self._file = file

    def __call__(self) -> None:
        """Take over the file as a whole, or say what is wrong with it and change nothing."""
        try:
            found = plan(self._node.config, load(self._file))
            observer = self._event_log.observer(found.config, self._node.admission)
            self._node.adopt(found.config, observer)
        except ConfigError as error:
            self._refused([str(fault) for fault in error.faults])
        except Exception as error:  # noqa: BLE001 - a service of another distribution may raise anything
            self._refused([str(error) or type(error).__name__])
        else:
            self._taken(found)

    def _refused(self, faults: list[str]) -> None:
        self._metrics.reloaded(False, time.time())
        self._event_log.log.error("reload refused, the configuration in use stays", faults=faults)

    def _taken(self, found: Plan) -> None:
        telemetry = found.config.telemetry
        configure(telemetry.log_level, mask_numbers=telemetry.mask_numbers)
        self._event_log.configure(found.config)
        self._metrics.know_services(sorted(found.config.services))
        self._metrics.restart_needed = len(found.restart)
        self._metrics.reloaded(True, time.time())
        log = self._event_log.log
        log.info("reloaded", changed=found.live)
        if found.restart:
            log.warning("restart needed", changed=found.restart)


class _Signals:
    """SIGTERM and SIGINT, the first and the second one; SIGHUP."""

    def __init__(self) -> None:
        self._events = (asyncio.Event(), asyncio.Event())
        self._reload = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._caught)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def _caught(self) -> None:
        first, second = self._events
        (second if first.is_set() else first).set()

    async def reload(self) -> None:
        """Return after the next SIGHUP; several that came meanwhile are one."""
        await self._reload.wait()
        self._reload.clear()

    async def first(self) -> None:
        await self._events[0].wait()

    async def or_second(self, drain: Coroutine[None, None, bool]) -> bool:
        """Return what the drain returns, or False as soon as a second signal comes."""
        draining = asyncio.ensure_future(drain)
        second = asyncio.ensure_future(self._events[1].wait())
        await asyncio.wait((draining, second), return_when=asyncio.FIRST_COMPLETED)
        second.cancel()
        if draining.done():
            return draining.result()
        draining.cancel()
        return False
