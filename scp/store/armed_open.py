"""From a URL to a store of armed M-CSIs, and what it is where none is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.ports import StoreError
from scp.store.armed_sqlite import SqliteArmed
from scp.store.sqlite_base import MEMORY

if TYPE_CHECKING:
    from scp.ports import ArmedStore

_SQLITE: Final = "sqlite:"


def open_armed(url: str | None, store_url: str) -> ArmedStore:
    """Return the store that ``url`` names, not yet opened.

    Args:
        url: as for a store; None: the store's Redis, or a file beside the store's.
        store_url: of the subscriber store.

    Raises:
        StoreError: kind "config".
    """
    given = _beside(store_url) if url is None else url
    if given.startswith(_SQLITE):
        return SqliteArmed(given.removeprefix(_SQLITE))
    from scp.store.armed_redis import RedisArmed  # noqa: PLC0415 - only who has Redis needs its client
    from scp.store.redis_url import parse_redis_url  # noqa: PLC0415

    if not given.startswith(("redis:", "rediss:", "redis+", "rediss+")):
        raise StoreError("no store of armed M-CSIs for this URL: it may be in SQLite or Redis", "config")
    return RedisArmed(parse_redis_url(given))


def _beside(store_url: str) -> str:
    if store_url.startswith(_SQLITE) and not store_url.endswith(MEMORY):
        return store_url + ".armed"
    return store_url
