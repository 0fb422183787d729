"""The life of a serving process: start, signals, drain, end; the pages beside the node."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from random import SystemRandom
from typing import TYPE_CHECKING, Final

import uvloop

from scp.app import Node, Reporter, build_info, metrics_for
from scp.ports import StoreError
from scp.services.idp import calling_digits, read_call
from scp.services.registry import ServiceConfigError
from scp.telemetry.logs import calls_are_logged, configure, get_logger, log_call
from scp.telemetry.server import MetricsServer, process_collectors, watch_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scp.config import Config
    from scp.domain.decision import Decision
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg

OK: Final = 0
FAILED: Final = 1
UNDRAINED: Final = 3
"""Exit status: stopped by its time limit with calls still open."""

DRAIN_LIMIT: Final = 30.0
"""Seconds that a drain gives open dialogues."""


class LogReporter(Reporter):
    """Says in the log what happens."""

    def __init__(self, config: Config) -> None:
        self.log = get_logger(node=config.node.name)
        self._numbering = config.numbering

    def link(self, name: str, what: str, trouble: bool) -> None:
        """See `Reporter`."""
        (self.log.warning if trouble else self.log.info)("link", peer=name, what=what)

    def charging(self, what: str, trouble: bool) -> None:
        """See `Reporter`."""
        (self.log.error if trouble else self.log.info)("charging", what=what)

    def service_bug(self, service: str, error: Exception) -> None:
        """See `Reporter`."""
        self.log.error("service failed, call continued", service=service, exc_info=error)

    def cannot_start(self, error: Exception) -> int:
        """Say why and return the exit status."""
        self.log.error("cannot start", reason=str(error))
        return FAILED

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """See `scp.engine.engine.AnswerObserver`."""
        log_call(
            self.log,
            service=service,
            decision=decision,
            a_number="" if idp is None else calling_digits(idp),
            b_number="" if idp is None else read_call(idp, self._numbering).digits,
            seconds=seconds,
            dialogue=dialogue.local_tid.hex(),
        )


def serve(config: Config) -> int:
    """Run a node until SIGTERM or SIGINT and return the exit status; a second signal ends a drain at once."""
    with contextlib.suppress(KeyboardInterrupt):
        return uvloop.run(_serve(config))
    return FAILED


async def _serve(config: Config) -> int:
    configure(config.telemetry.log_level, mask_numbers=config.telemetry.mask_numbers)
    reporter = LogReporter(config)
    metrics = metrics_for(config, sorted(config.services))
    try:
        node = Node(config, SystemRandom(), metrics, reporter)
    except (ServiceConfigError, StoreError) as error:
        return reporter.cannot_start(error)
    page = MetricsServer(
        config.telemetry.metrics.host, config.telemetry.metrics.port, (metrics, *process_collectors())
    )
    lag = asyncio.ensure_future(watch_loop(metrics.loop_lag))
    signals = _Signals()
    try:
        await page.start()
        await node.start(reporter if calls_are_logged(config.telemetry.log_level) else None)
        reporter.log.info("started", version=build_info()[0], metrics=str(config.telemetry.metrics))
        # What start-up made lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        await signals.first()
        reporter.log.info("draining", limit_s=DRAIN_LIMIT)
        drained = await signals.or_second(node.drain(DRAIN_LIMIT))
        reporter.log.info("stopped", drained=drained)
    except (OSError, StoreError) as error:
        return reporter.cannot_start(error)
    else:
        return OK if drained else UNDRAINED
    finally:
        await node.stop()
        await page.close()
        lag.cancel()


class _Signals:
    """SIGTERM and SIGINT, the first and the second one."""

    def __init__(self) -> None:
        self._events = (asyncio.Event(), asyncio.Event())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._caught)

    def _caught(self) -> None:
        first, second = self._events
        (second if first.is_set() else first).set()

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
