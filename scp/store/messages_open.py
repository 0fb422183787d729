"""From a URL to a store of text messages, and what it is where none is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.messages_sqlite import SqliteMessages
from scp.store.sqlite_base import MEMORY

if TYPE_CHECKING:
    from scp.message_ports import MessageStore

_SQLITE: Final = "sqlite:"


def open_messages(url: str | None, store_url: str) -> MessageStore:
    """Return the store of text messages that ``url`` names, not yet opened.

    Args:
        url: as for a store; None: the store's Redis, or a file beside the store's.
        store_url: of the subscriber store.

    Raises:
        StoreError: kind "config".
    """
    given = _beside(store_url) if url is None else url
    if given.startswith(_SQLITE):
        return SqliteMessages(given.removeprefix(_SQLITE))
    from scp.store.messages_redis import RedisMessages  # noqa: PLC0415 - only who has Redis needs its client
    from scp.store.redis_url import parse_redis_url  # noqa: PLC0415

    if not given.startswith(("redis:", "rediss:", "redis+", "rediss+")):
        raise StoreError("no store of text messages for this URL: it may be in SQLite or Redis", "config")
    return RedisMessages(parse_redis_url(given))


def _beside(store_url: str) -> str:
    if store_url.startswith(_SQLITE) and not store_url.endswith(MEMORY):
        return store_url + ".messages"
    return store_url
