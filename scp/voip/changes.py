"""What other brains write into the Redis that they share is heard, and read anew after each gap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from scp.telemetry.logs import get_logger
from scp.voip.directory import Device, Identity
from scp.voip.redis_servers import ERRORS
from scp.voip.rows import CHANGES, Row, StoreError, change

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.voip.accounts import Accounts
    from scp.voip.brain import Brain
    from scp.voip.inbox import Inbox
    from scp.voip.store import Store

RECONNECT_FIRST: Final = 0.1
RECONNECT_MOST: Final = 5.0
"""Seconds between two attempts to connect."""
ASK_SECONDS: Final = 5.0
"""After which a server that says nothing is asked whether it is there."""


async def follow(store: Store, brain: Brain, accounts: Accounts, inbox: Inbox) -> None:
    """Keep what a brain has in memory as the store is, until cancelled."""

    def changed(row: Row) -> None:
        try:
            apply(brain, row)
            accounts.changed(row)
            inbox.changed(row)
        except (msgspec.DecodeError, ValueError) as error:
            log.error("unreadable record", what=f"{row.kind} {row.id}: {error}")  # noqa: TRY400 - said in words

    log = get_logger(voip=brain.config.voip.name)
    wait = RECONNECT_FIRST
    while True:
        try:
            await _listen(store, brain, (accounts, inbox), changed)
        except (*ERRORS, OSError, StoreError, TimeoutError) as error:
            if wait == RECONNECT_FIRST:
                log.warning("the store does not answer: calls go on by what was read", what=str(error))
        await asyncio.sleep(wait)
        wait = RECONNECT_FIRST if brain.metrics.store_up else min(wait * 2, RECONNECT_MOST)
        brain.metrics.store_up = False


async def _listen(
    store: Store, brain: Brain, others: tuple[Accounts, Inbox], changed: Callable[[Row], None]
) -> None:
    client = await store.listener()
    async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(CHANGES)
        for row in await asyncio.to_thread(store.differences, brain.directory):
            changed(row)
        for each in others:
            await asyncio.to_thread(each.read)
        await asyncio.to_thread(brain.one_time.read)
        # a Redis that has lost its data: the next brain that starts asks for the bindings of these
        told = [(msisdn, True) for msisdn in brain.registrations.told_registered()]
        await asyncio.to_thread(store.mark_registered, told)
        brain.metrics.store_up = True
        while True:
            message = await channel.get_message(timeout=ASK_SECONDS)
            if message is None:
                continue
            try:
                row = change(message["data"])
            except msgspec.DecodeError:
                continue  # somebody else's
            changed(row)


def apply(brain: Brain, row: Row) -> None:
    """Have a brain's directory as a record says that another brain has written, or this one.

    Raises:
        ValueError: it can't be read (`msgspec.DecodeError`), or does not fit into the directory.
    """
    if row.kind == "identity":
        _identity(brain, row)
    elif row.kind == "device":
        _device(brain, row)
    elif row.kind == "one-time":
        brain.one_time.changed(row)


def _identity(brain: Brain, row: Row) -> None:
    if any(one.msisdn == row.id for one in brain.config.identities):
        return  # the file's stands
    before = brain.directory.identity(row.id)
    if row.body is None:
        if before is not None:
            brain.leave(row.id)
        return
    identity = msgspec.json.decode(row.body, type=Identity)
    if before != identity:
        brain.directory.put_identity(identity)


def _device(brain: Brain, row: Row) -> None:
    if any(one.id == row.id for one in brain.config.devices):
        return
    device = None if row.body is None else msgspec.json.decode(row.body, type=Device)
    before = brain.directory.device(row.id)
    if before == device:
        return
    if before is not None:
        brain.forget(row.id)
    if device is None:
        brain.directory.remove_device(row.id)
    else:
        brain.directory.put_device(device)
