"""What a Redis server's errors mean to who runs the node: one table, read where errors leave the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import hiredis

from scp.ports import StoreError

if TYPE_CHECKING:
    from scp.store.redis_wire import Reply

# First word of the error → (kind, what it means). A kind is a metric label.
_MEANING: Final = {
    "NOAUTH": ("auth", "the server wants a password"),
    "WRONGPASS": ("auth", "user or password is wrong, or the user is disabled"),
    "NOPERM": ("auth", "the user may not do this (ACL)"),
    "NOPROTO": ("too-old", "the server does not speak RESP3: Redis 6 or later is needed"),
    "READONLY": ("read-only", "the server is a replica now"),
    "NOREPLICAS": (
        "unacknowledged",
        "too few replicas are connected (min-replicas-to-write); nothing was written",
    ),
    "LOADING": ("unavailable", "the server is loading its data"),
    "BUSY": ("unavailable", "the server is busy with a script"),
    "MASTERDOWN": ("unavailable", "the replica has lost its master"),
    "CLUSTERDOWN": ("unavailable", "the cluster is down"),
    "TRYAGAIN": ("unavailable", "the cluster is moving these keys"),
    "MOVED": ("unavailable", "the cluster has moved these keys"),
    "ASK": ("unavailable", "the cluster is moving these keys"),
    "OOM": ("full", "the server is out of memory (maxmemory)"),
    "MISCONF": ("full", "the server can't save to its disk and refuses writes"),
    "WRONGTYPE": ("foreign", "a key of the store holds something else"),
    "NOSCRIPT": ("no-script", "the server does not have the script"),
    "EXECABORT": ("unavailable", "the transaction was refused"),
}
TRANSIENT: Final = frozenset({"unreachable", "unavailable", "read-only", "unacknowledged"})
"""Kinds that may be over with the next attempt; the others need somebody."""


def kind_of(error: hiredis.ReplyError) -> str:
    """Return the error's kind."""
    return _MEANING.get(str(error).partition(" ")[0], ("error", ""))[0]


def translate(error: hiredis.ReplyError) -> StoreError:
    """Return a server's error as the store's own."""
    text = str(error)
    kind, meaning = _MEANING.get(text.partition(" ")[0], ("error", ""))
    return StoreError(f"redis: {meaning} ({text})" if meaning else f"redis: {text}", kind)


def checked(value: Reply) -> Reply:
    """Return a reply that is no error; raise one that is, or that a transaction's list has inside."""
    if isinstance(value, hiredis.ReplyError):
        _raise(value)
    if type(value) is list:
        for each in value:
            if isinstance(each, hiredis.ReplyError):
                _raise(each)
    return value


def _raise(error: hiredis.ReplyError) -> NoReturn:
    raise translate(error) from None
