"""From a store URL to a store: one row a scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from scp.ports import StoreError
from scp.store.redis_url import parse_redis_url
from scp.store.sqlite import SqliteStore
from scp.store.sqlite_base import MEMORY

if TYPE_CHECKING:
    from scp.held_call_ports import HeldCalls
    from scp.ports import SubscriberStore, Telemetry
    from scp.store.redis_changes import RedisChanges
    from scp.store.redis_membership import Membership


class _Opener(Protocol):
    def __call__(self, url: str, *, read_only: bool, telemetry: Telemetry | None) -> SubscriberStore: ...


def _sqlite(url: str, *, read_only: bool, telemetry: Telemetry | None) -> SubscriberStore:
    path = url.partition(":")[2]
    if not path:
        raise StoreError("sqlite: the path is missing; write sqlite:PATH or sqlite::memory:", "config")
    return SqliteStore(path, read_only=read_only, telemetry=telemetry)


def _redis(url: str, *, read_only: bool, telemetry: Telemetry | None) -> SubscriberStore:
    from scp.store.redis import RedisStore  # noqa: PLC0415 - redis-py takes 60 ms and 9 MB

    return RedisStore(parse_redis_url(url), read_only=read_only, telemetry=telemetry)


SCHEMES: Final[dict[str, _Opener]] = {
    "sqlite": _sqlite,
    "redis": _redis,
    "rediss": _redis,
    "redis+sentinel": _redis,
    "rediss+sentinel": _redis,
    "redis+cluster": _redis,
    "rediss+cluster": _redis,
}


def membership_of(store: SubscriberStore | HeldCalls) -> Membership | None:
    """Return the nodes that share a store; None where no other node can have it (SQLite)."""
    return getattr(store, "membership", None)


def changes_of(store: SubscriberStore) -> RedisChanges | None:
    """Return what nodes that share a store tell of changes; None where no other node can have it (SQLite)."""
    return getattr(store, "changes", None)


def open_held_calls(store_url: str) -> HeldCalls:
    """Return the store of held calls of a node, not yet opened: in its Redis, or beside its SQLite file.

    Args:
        store_url: of the subscriber store; see `open_store`.

    Raises:
        StoreError: kind "config".
    """
    scheme, _, path = store_url.partition(":")
    if scheme == "sqlite":
        from scp.store.held_sqlite import SqliteHeldCalls  # noqa: PLC0415 - only nodes with a journal need it

        return SqliteHeldCalls(path if path == MEMORY else f"{path}.held")
    from scp.store.held_redis import RedisHeldCalls  # noqa: PLC0415 - redis-py takes 60 ms and 9 MB

    return RedisHeldCalls(parse_redis_url(store_url))


def open_store(url: str, *, read_only: bool = False, telemetry: Telemetry | None = None) -> SubscriberStore:
    """Return the store that ``url`` names, not yet opened (``await store.open()``).

    Args:
        url: ``sqlite:PATH``, ``sqlite::memory:`` or a Redis URL (`scp.store.redis_url`). A relative path is
            taken from the working directory.
        read_only: for tools that only look; see the store's class.
        telemetry: told of every operation.

    Raises:
        StoreError: kind "config": no such scheme, or a URL that its scheme does not allow. The URL is not
            repeated, it may hold a password.
    """
    scheme, colon, _rest = url.partition(":")
    opener = SCHEMES.get(scheme)
    if not colon or opener is None:
        known = ", ".join(sorted(SCHEMES))
        shown = scheme if colon and scheme.replace("+", "").isalnum() else "(none)"
        raise StoreError(f"no store for the URL scheme {shown}; this version has: {known}", "config")
    return opener(url, read_only=read_only, telemetry=telemetry)
