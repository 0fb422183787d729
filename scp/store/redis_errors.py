"""What the errors of redis-py and of a Redis server mean to the operator: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.exceptions import RedisClusterException, RedisError, ResponseError

from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.commands.core import AsyncScript

T = TypeVar("T")

# First word of a server's error → (kind, what it means). A kind is a metric label.
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
    "NOSCRIPT": ("unavailable", "the server has lost the script"),
}


def kind_of(text: str) -> str:
    """Return the kind of a server's error by its text."""
    return _MEANING.get(text.partition(" ")[0], ("error", ""))[0]


def translate(error: BaseException) -> StoreError:
    """Return an error of redis-py, or of a server, as the store's own."""
    if isinstance(error, StoreError):
        return error
    while isinstance(error, RedisClusterException) and (cause := error.__cause__ or error.__context__):
        error = cause  # why the cluster's map could not be read
    text = str(error)
    code = getattr(error, "status_code", None) or text.partition(" ")[0]
    if code in _MEANING:
        kind, meaning = _MEANING[code]
        return StoreError(f"redis: {meaning} ({text})", kind)
    return StoreError(f"redis: {text}", "error" if isinstance(error, ResponseError) else "unreachable")


async def answered(reply: Awaitable[T]) -> T:
    """Return a reply; raise `StoreError` for an error of redis-py or of the server."""
    try:
        return await reply
    except (RedisError, RedisClusterException, OSError) as error:
        raise translate(error) from None


async def run_script(script: AsyncScript, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
    """Run a Lua script, return its reply; raises as `answered`.

    Where several run at once each is a task, and one that is cancelled before it began has made nothing yet
    that would have to be awaited.
    """
    return await answered(script(keys, arguments))
