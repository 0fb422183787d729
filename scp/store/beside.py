"""From URLs to the stores beside that of subscribers, and where each is if none is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.armed_sqlite import SqliteArmed
from scp.store.cdr_file import CdrFile, NodeCdrFile
from scp.store.cdr_sqlite import SqliteCdrStore
from scp.store.ledger_sqlite import SqliteLedger
from scp.store.messages_sqlite import SqliteMessages
from scp.store.sqlite_base import MEMORY

if TYPE_CHECKING:
    from scp.map_ports import ArmedStore
    from scp.message_ports import MessageStore
    from scp.ports import CdrStore, Ledger
    from scp.store.redis_url import RedisUrl

_SQLITE: Final = "sqlite:"


def open_ledger(url: str | None, store_url: str, node: str, *, read_only: bool = False) -> Ledger:
    """Return the ledger that ``url`` names, not yet opened.

    Args:
        url: as for a store; None: the store's Redis, or a file beside the store's.
        store_url: of the subscriber store.
        node: the node's name.
        read_only: for tools beside a running node.

    Raises:
        StoreError: kind "config".
    """
    given = _beside(store_url, ".ledger") if url is None else url
    if given.startswith(_SQLITE):
        return SqliteLedger(_path(given), read_only=read_only)
    from scp.store.ledger_redis import RedisLedger  # noqa: PLC0415 - only who has Redis needs its client

    return RedisLedger(_redis(given, "ledger"), node)


def open_messages(url: str | None, store_url: str) -> MessageStore:
    """Return the store of text messages that ``url`` names, not yet opened. As `open_ledger`."""
    given = _beside(store_url, ".messages") if url is None else url
    if given.startswith(_SQLITE):
        return SqliteMessages(_path(given))
    from scp.store.messages_redis import RedisMessages  # noqa: PLC0415 - as above

    return RedisMessages(_redis(given, "store of text messages"))


def open_armed(url: str | None, store_url: str) -> ArmedStore:
    """Return the store of armed M-CSIs that ``url`` names, not yet opened. As `open_ledger`."""
    given = _beside(store_url, ".armed") if url is None else url
    if given.startswith(_SQLITE):
        return SqliteArmed(_path(given))
    from scp.store.armed_redis import RedisArmed  # noqa: PLC0415 - as above

    return RedisArmed(_redis(given, "store of armed M-CSIs"))


def open_cdrs(url: str | None, store_url: str, node: str, *, read_only: bool = False) -> CdrStore:
    """Return the file of call detail records, not yet opened.

    Args:
        url: ``sqlite:PATH``; None: a file beside the store's, or with Redis ``NODE.cdr``.
        store_url: of the subscriber store.
        node: the node's name.
        read_only: for tools beside a running node.

    Raises:
        StoreError: kind "config".
    """
    given = _beside(store_url, ".cdr") if url is None else url
    if given.startswith(_SQLITE):
        return SqliteCdrStore(CdrFile(_path(given), read_only=read_only))
    return SqliteCdrStore(NodeCdrFile(node, read_only=read_only))


def cdrs_file(url: str | None, store_url: str, node: str) -> Path | None:
    """Return where a node's file of call detail records is; None if they are in memory. As `open_cdrs`."""
    given = _beside(store_url, ".cdr") if url is None else url
    if not given.startswith(_SQLITE):
        return Path(f"{node}.cdr")
    return None if given.endswith(MEMORY) else Path(given.removeprefix(_SQLITE))


def _path(url: str) -> str:
    """Return the path of a ``sqlite:`` URL; without one SQLite would forget all when it is closed."""
    path = url.removeprefix(_SQLITE)
    if not path:
        raise StoreError("sqlite: the path is missing; write sqlite:PATH or sqlite::memory:", "config")
    return path


def _beside(store_url: str, suffix: str) -> str:
    if store_url.startswith(_SQLITE) and not store_url.endswith(MEMORY):
        return store_url + suffix
    return store_url


def _redis(url: str, what: str) -> RedisUrl:
    """Return what a URL of a Redis says; raise `StoreError` if it is none."""
    from scp.store.redis_url import parse_redis_url  # noqa: PLC0415 - as above

    if not url.startswith(("redis:", "rediss:", "redis+", "rediss+")):
        raise StoreError(f"no {what} for this URL: it may be in SQLite or Redis", "config")
    return parse_redis_url(url)
