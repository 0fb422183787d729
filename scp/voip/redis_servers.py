"""Which Redis the brains share: one server, the master that sentinels name, or a cluster.

The URL is that of the node's store (`scp.store.redis_url`). In a cluster all keys have one hash tag, so that
one script changes what belongs together. Of one server's URL redis-py reads all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import redis
from redis import asyncio as aredis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from scp.ports import StoreError as UrlError
from scp.store.redis_url import Kind, parse_redis_url

if TYPE_CHECKING:
    from scp.store.redis_url import RedisUrl

ERRORS: Final = (RedisError, RedisClusterException)
"""What redis-py's clients raise."""
ANSWER_SECONDS: Final = 5.0
"""How long Redis may take."""
SENTINEL_SECONDS: Final = 0.5
"""How long a sentinel may take."""


class Servers(NamedTuple):
    """Where commands go.

    Attributes:
        client: sends them, and blocks.
        prefix: what all keys begin with.
        acks: replicas that must have a write before it is kept.
        ack_ms: how long to wait for them, in milliseconds.
    """

    client: redis.Redis
    prefix: str
    acks: int = 0
    ack_ms: int = 0


class NewestSentinel(Sentinel):
    """Asks all sentinels; the newest configuration counts: a partition may have left one behind."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's host and port; raises `MasterNotFoundError`."""
        found: list[tuple[int, tuple[str, int]]] = []
        why = "no answer"
        for sentinel in self.sentinels:
            try:
                state = cast("dict[str, Any]", sentinel.sentinel_master(service_name))
            except RedisError as error:
                why = str(error)
            else:
                found.append((state["config-epoch"], (state["ip"], state["port"])))
        if not found:
            raise MasterNotFoundError(f"no sentinel names a master: {why}")
        return max(found)[1]


def connected(url: str) -> Servers:
    """Return the servers of a URL.

    Raises:
        one of `ERRORS`, ValueError: they can't be used, or the URL is none; says why.
    """
    if url.startswith(("redis:", "rediss:")):
        once = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS, "protocol": 2}
        return Servers(redis.Redis.from_url(url, **once), "camel-scp:voip")
    read = _read(url)
    acks = (read.replicas_to_wait_for, read.ack_ms)
    if read.kind is Kind.SENTINEL:
        master = cast("Any", _sentinels(read)).master_for(read.service)  # redis-py has no types here
        return Servers(master, f"{read.prefix}:voip", *acks)
    nodes = [ClusterNode(host, port) for host, port in read.hosts]
    cluster = RedisCluster(startup_nodes=nodes, dynamic_startup_nodes=False, **_options(read))
    return Servers(cast("redis.Redis", cluster), f"{{{read.prefix}:voip}}", *acks)


async def listener(url: str, key: str) -> aredis.Redis:
    """Return a client to listen with: to the server that has `key` now.

    Raises:
        one of `ERRORS`: no server can be asked which it is.
    """
    asked: dict[str, Any] = {
        "socket_connect_timeout": ANSWER_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "health_check_interval": int(ANSWER_SECONDS),
        "protocol": 2,
    }
    if url.startswith(("redis:", "rediss:")):
        return aredis.Redis.from_url(url, **asked)
    read = _read(url)
    host, port = await asyncio.to_thread(_where, read, key)
    return aredis.Redis(host=host, port=port, db=read.database, **(_options(read) | asked))


def _where(read: RedisUrl, key: str) -> tuple[str, int]:
    if read.kind is Kind.SENTINEL:
        return _sentinels(read).discover_master(read.service)
    nodes = [ClusterNode(host, port) for host, port in read.hosts]
    cluster = RedisCluster(startup_nodes=nodes, dynamic_startup_nodes=False, **_options(read))
    try:
        node = cast("ClusterNode", cluster.get_node_from_key(key))
        return node.host, int(node.port)
    finally:
        cluster.close()


def _read(url: str) -> RedisUrl:
    try:
        return parse_redis_url(url)
    except UrlError as error:
        raise ValueError(str(error).removeprefix("redis: ")) from None


def _sentinels(read: RedisUrl) -> NewestSentinel:
    options = _options(read)
    theirs = options | {"username": read.sentinel_user or None, "password": read.sentinel_password or None}
    theirs |= {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    once_more = Retry(NoBackoff(), 1)  # by default redis-py waits for seconds: a write is refused sooner
    made: Any = NewestSentinel
    found = made(read.hosts, sentinel_kwargs=theirs, db=read.database, retry=once_more, **options)
    return cast("NewestSentinel", found)


def _options(read: RedisUrl) -> dict[str, Any]:
    """Return what redis-py's clients are made with."""
    found: dict[str, Any] = {
        "username": read.user or None,
        "password": read.password or None,
        "client_name": "camel-scp",
        "protocol": 2,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
    }
    if read.tls:
        found |= {"ssl": True, "ssl_ca_certs": read.ca or None, "ssl_certfile": read.certificate or None}
        found |= {"ssl_keyfile": read.key or None}
        if not read.verify:
            found |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return found
