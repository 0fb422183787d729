"""Finds what would keep a node from starting although its configuration is valid (``camel-scp check``).

Nothing is opened that a running node has open, and nothing is written. Only `duplicates` connects.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import structs

from scp.app.duplicate_nodes import this_process, who_is_there
from scp.app.settings import node_settings
from scp.config import Fault
from scp.messages.smpp.settings import smpp_tls
from scp.ports import StoreError
from scp.services.registry import ServiceConfigError, build_services, installed
from scp.store.beside import open_armed, open_cdrs, open_ledger, open_messages
from scp.store.open import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.config import Config

_SQLITE: Final = "sqlite:"
_MEMORY: Final = "sqlite::memory:"


def preflight(config: Config) -> Iterator[Fault]:
    """Yield what is wrong: services that are not there or refuse settings, URLs, certificates."""
    yield from _services(config)
    yield from _urls(config)
    if config.api is not None and config.api.tls is not None:
        from scp.api.tls import tls_faults  # noqa: PLC0415 - only a configuration with TLS needs it

        for fault in tls_faults(config.api.tls):
            yield Fault(f"api.tls.{fault.path}", fault.reason)


def duplicates(config: Config) -> Iterator[str]:
    """Ask the Redis of the store for running nodes like this one, and yield what to say of them, in words.

    The very node that the configuration is of may run: one with the same name, instance and host is it. It
    takes up to `scp.app.duplicate_nodes.ASK_SECONDS`, and where the store is not in Redis nothing.
    """
    me = this_process(config)
    try:
        found = asyncio.run(who_is_there(config))
    except StoreError as error:
        yield f"whether other nodes have its instance or name can't be asked: {error}"
        return
    for kind, others in found.items():
        for each in others:
            if structs.replace(each, pid=me.pid, token="") != me:
                identity = me.identity(kind).replace(":", " ")
                yield f"{identity} is taken by a running node, {each.describe()}: both have to be unique"


def missing_folders(config: Config) -> Iterator[Fault]:
    """Yield the folders that there are not, of files that a node makes: the service manager may make them."""
    charging, api = config.charging, config.api
    for path, secret in (
        ("store.url", config.store.url),
        ("charging.ledger", charging.ledger),
        ("charging.records", charging.records),
        (
            "map.arming.state",
            None if config.map is None or config.map.arming is None else config.map.arming.state,
        ),
        ("messages.store", None if config.messages is None else config.messages.store),
    ):
        url = "" if secret is None else secret.reveal()
        if url.startswith(_SQLITE) and url != _MEMORY:
            yield from _folder(path, Path(url.removeprefix(_SQLITE)).parent)
    if api is not None and api.audit is not None:
        yield from _folder("api.audit", Path(api.audit).parent)
    if config.recording is not None:
        yield from _folder("recording.folder", Path(config.recording.folder))


def _services(config: Config) -> Iterator[Fault]:
    settings = node_settings(config)
    for name, table in config.services.items():
        try:
            build_services({name: table}, settings, installed())
        except ServiceConfigError as error:
            yield Fault(error.path, error.reason)


def _urls(config: Config) -> Iterator[Fault]:
    store = config.store.url.reveal()
    try:
        open_store(store)
    except StoreError as error:
        yield Fault("store.url", str(error))
        return
    if config.messages is not None:
        kept = config.messages.store
        try:
            open_messages(kept and kept.reveal(), store)
        except (StoreError, ValueError) as error:
            yield Fault("messages.store", str(error))
        try:
            if config.messages.smpp is not None:
                smpp_tls(config.messages.smpp)
        except OSError as error:
            yield Fault("messages.smpp.tls", str(error))
    if config.map is not None and config.map.arming is not None:
        state = config.map.arming.state
        try:
            open_armed(state and state.reveal(), store)
        except (StoreError, ValueError) as error:
            yield Fault("map.arming.state", str(error))
    ledger, records = config.charging.ledger, config.charging.records
    try:
        open_ledger(ledger and ledger.reveal(), store, config.node.name)
    except (StoreError, ValueError) as error:
        yield Fault("charging.ledger", str(error))
    try:
        open_cdrs(records and records.reveal(), store, config.node.name)
    except StoreError as error:
        yield Fault("charging.records", str(error))


def _folder(path: str, folder: Path) -> Iterator[Fault]:
    if not folder.is_dir():
        yield Fault(path, f"{folder}: {'not a folder' if folder.exists() else 'there is no such folder'}")
