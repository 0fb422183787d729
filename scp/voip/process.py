"""The life of the VoIP service's process: start, reload, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final, Self, final

import uvloop

from scp.config import ConfigError
from scp.ports import StoreError as MessageStoreError
from scp.telemetry.logs import configure, get_logger
from scp.telemetry.server import MetricsServer, process_collectors
from scp.voip.accounts import Accounts
from scp.voip.api.app import ApiServer, serve_api
from scp.voip.brain import Brain
from scp.voip.changes import follow
from scp.voip.config import load
from scp.voip.directory import Directory
from scp.voip.evapi import Evapi
from scp.voip.feed import Feed
from scp.voip.inbox import Inbox
from scp.voip.metrics import VoipMetrics
from scp.voip.scp_link import ScpLink
from scp.voip.store import Store, StoreError
from scp.voip.texts import Texts, path_of

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
    async with contextlib.AsyncExitStack() as stack:
        try:
            service = await Service.started(config, stack)
        except (OSError, StoreError, MessageStoreError) as error:
            log.error("can't start", what=str(error))  # noqa: TRY400 - said in words
            return FAILED
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, service, file)
        log.info(
            "started",
            identities=len(service.brain.directory),
            kamailio=", ".join(link.address for link in service.links),
            metrics=f"{config.telemetry.metrics.host}:{service.page.port}",
            api="" if service.api is None else service.api.url,
        )
        await stop.wait()
        log.info("draining", limit_s=DRAIN_LIMIT)
        drained = await service.brain.stop(DRAIN_LIMIT)
        log.info("stopped", drained=drained)
        return OK if drained else UNDRAINED


@final
class Service:
    """What one process runs: the brain, its links, its pages, its API, its messages."""

    def __init__(
        self,
        brain: Brain,
        links: list[Evapi],
        page: MetricsServer,
        api: ApiServer | None,
        texts: Texts | None,
    ) -> None:
        self.brain = brain
        self.links = links
        self.page = page
        self.api = api
        self.texts = texts

    @classmethod
    async def started(cls, config: VoipConfig, stack: contextlib.AsyncExitStack) -> Self:
        """Start everything; ``stack`` ends it.

        Raises:
            OSError: an address can't be listened on, a file not opened.
            StoreError: the store can't be used; scp.ports.StoreError: that of messages.
        """
        log = get_logger(voip=config.voip.name)
        directory = Directory()
        store = Store(config.store.url)
        stack.callback(store.close)
        for fault in fill(directory, store, config):
            log.error("not in the directory", what=fault)
        metrics = VoipMetrics(directory)
        scp = None
        if config.scp is not None:
            given = config.scp
            scp = ScpLink(given.url, given.token.reveal(), given.deadline_ms / 1000, given.at_once)
            stack.push_async_callback(scp.close)
        brain = Brain(config, directory, store, metrics, scp)
        listen = config.telemetry.metrics
        page = MetricsServer(listen.host, listen.port, (metrics, *process_collectors()))
        await page.start()
        stack.push_async_callback(page.close)
        texts = None
        if config.messages is not None:
            texts = Texts(config.messages, path_of(config), config.voip.name, metrics, log)
            await texts.start()
            stack.push_async_callback(texts.stop)
        brain.inbox = inbox = Inbox(brain, store, texts)
        inbox.start()
        stack.push_async_callback(inbox.stop)
        accounts = Accounts(brain, store, texts, scp)
        for fault in (*accounts.faults, *inbox.faults, *brain.one_time.faults):
            log.error("unreadable record", what=fault)
        if store.shared:
            metrics.store_up = True
            stack.callback(asyncio.ensure_future(follow(store, brain, accounts, inbox)).cancel)
        api = None
        if config.api is not None:
            brain.feed = Feed()
            inbox.told = brain.feed.publish
            api = await serve_api(config.api, brain, accounts, inbox)
            stack.push_async_callback(api.close)
            stack.callback(brain.feed.close)
        links = [
            Evapi(one.host or "127.0.0.1", one.port, config.voip.name, brain)
            for one in (config.sip.brain, *config.sip.kamailios)
        ]
        for link in links:
            stack.callback(asyncio.ensure_future(link.run()).cancel)
        return cls(brain, links, page, api, texts)


def _reload(service: Service, file: Path) -> None:
    """Read the file again: rules, trunks, identities and devices; the rest needs a start."""
    brain = service.brain
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
    if service.api is not None and config.api is not None:
        service.api.context.adopt(config.api)
    log.info("reloaded", identities=len(brain.directory))
