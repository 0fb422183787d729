"""The life of the VoIP service's process: start, reload, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final

import uvloop

from scp.config import ConfigError
from scp.telemetry.logs import configure, get_logger
from scp.telemetry.server import MetricsServer, process_collectors
from scp.voip.brain import Brain
from scp.voip.config import load
from scp.voip.directory import Directory
from scp.voip.evapi import Evapi
from scp.voip.metrics import VoipMetrics
from scp.voip.scp_link import ScpLink
from scp.voip.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from scp.voip.config import VoipConfig

OK: Final = 0
FAILED: Final = 1
UNDRAINED: Final = 3
DRAIN_LIMIT: Final = 10.0
"""Seconds that a drain gives what is under way."""


def fill(directory: Directory, store: Store, config: VoipConfig) -> list[str]:
    """Load the store's records, and those of the file in their place; return what does not fit."""
    faults = store.load(directory)
    for identity in config.identities:
        try:
            directory.put_identity(identity)
        except ValueError as error:
            faults.append(f"identities: {identity.msisdn}: {error}")
    for device in config.devices:
        directory.put_device(device.device(config.voip.domain))
    return faults


def serve(config: VoipConfig, file: Path) -> int:
    """Run until SIGTERM or SIGINT and return the exit status; SIGHUP reads the file again."""
    configure(config.telemetry.log_level, mask_numbers=config.telemetry.mask_numbers)
    with contextlib.suppress(KeyboardInterrupt):
        return uvloop.run(_serve(config, file))
    return FAILED


async def _serve(config: VoipConfig, file: Path) -> int:
    log = get_logger(voip=config.voip.name)
    directory = Directory()
    try:
        store = Store(config.store.url)
    except StoreError as error:
        log.error("can't start", what=str(error))  # noqa: TRY400 - said in words
        return FAILED
    for fault in fill(directory, store, config):
        log.error("not in the directory", what=fault)
    metrics = VoipMetrics(directory)
    scp = None
    if config.scp is not None:
        given = config.scp
        scp = ScpLink(given.url, given.token.reveal(), given.deadline_ms / 1000, given.at_once)
    brain = Brain(config, directory, store, metrics, scp)
    listen = config.telemetry.metrics
    page = MetricsServer(listen.host, listen.port, (metrics, *process_collectors()))
    link = Evapi(config.sip.brain.host or "127.0.0.1", config.sip.brain.port, config.voip.name, brain)
    running: asyncio.Task[None] | None = None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        await page.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, brain, file)
        running = asyncio.ensure_future(link.run())
        log.info(
            "started", identities=len(directory), kamailio=link.address, metrics=f"{listen.host}:{page.port}"
        )
        await stop.wait()
        log.info("draining", limit_s=DRAIN_LIMIT)
        drained = await brain.stop(DRAIN_LIMIT)
        log.info("stopped", drained=drained)
    except OSError as error:
        log.error("can't start", what=str(error))  # noqa: TRY400 - said in words
        return FAILED
    else:
        return OK if drained else UNDRAINED
    finally:
        if running is not None:
            running.cancel()
        await page.close()
        if scp is not None:
            await scp.close()
        store.close()


def _reload(brain: Brain, file: Path) -> None:
    """Read the file again: rules, trunks, identities and devices; the rest needs a start."""
    log = get_logger(voip=brain.config.voip.name)
    try:
        config = load(file)
    except ConfigError as error:
        faults = [str(one) for one in error.faults]
        log.error("reload refused, the configuration in use stays", faults=faults)  # noqa: TRY400
        return
    configure(config.telemetry.log_level, mask_numbers=config.telemetry.mask_numbers)
    for fault in brain.adopt(config):
        log.error("not in the directory", what=fault)
    log.info("reloaded", identities=len(brain.directory))
