"""The shared store: Redis, stand-alone, behind Sentinel or as a Cluster.

- `RedisStore.find` puts one HGET into the connection's next write; the reply goes straight to the waiter.
  With ``cached=true`` what was read is kept until Redis says that it changed (`redis_cache`).
- Writes are compare-and-set in a Lua script. They are **acknowledged** when the master has carried them out
  and ``acks`` replicas have them (WAIT; 1 with Sentinel): then a failover to an up-to-date replica, which is
  what Sentinel chooses, keeps them. A write that only a partitioned master took is not acknowledged, so there
  are no two truths; what became of one that failed as "unacknowledged" is known after reading it again.
- What outlives a power cut is what the server's own persistence says (``appendfsync``).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, final
from zlib import crc32

import hiredis

from scp.domain.lookup import PENDING, StoreFailure
from scp.ports import TRANSIENT, StoreError
from scp.store.record_format import SCHEMA, RecordError, check, unpack
from scp.store.redis_cache import ABSENT, Cache
from scp.store.redis_changes import RedisChanges
from scp.store.redis_deployment import deployment_of
from scp.store.redis_errors import answered, kind_of
from scp.store.redis_lookup import LookupLink, Watchers
from scp.store.redis_membership import Membership
from scp.store.redis_records import Records
from scp.store.redis_scripts import Keys, bucket_number, meta_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from scp.domain.lookup import Found, Pending
    from scp.domain.moves import Move, Moved
    from scp.domain.subscriber import Subscriber
    from scp.ports import Telemetry, Waiter
    from scp.store.redis_requests import Reply
    from scp.store.redis_url import RedisUrl

Done = TypeVar("Done")

PREPARE_PAUSE: Final = 0.5
"""Seconds between two attempts to read what the store says of itself."""


async def _nowhere() -> Any:
    raise StoreError("redis: the store is not open", "closed")


@final
class _Lookup:
    """One `find` on its way: a `scp.store.redis_lookup.Lookup`."""

    __slots__ = ("bucket", "epoch", "msisdn", "octets", "redirects", "store", "waiter")

    def __init__(
        self, store: RedisStore, msisdn: str, waiter: Waiter, octets: bytes, bucket: int, epoch: int
    ) -> None:
        self.store = store
        self.msisdn = msisdn
        self.waiter = waiter
        self.octets = octets
        self.redirects = 0
        self.bucket = bucket
        self.epoch = epoch

    def reply(self, value: Reply) -> None:
        """Hand the record to the waiter."""
        if type(value) is bytes:
            try:
                found: Found = unpack(self.msisdn, value)
            except RecordError:
                self.store.lookup_failed(self.waiter, "corrupt")
                return
        elif value is None:
            found, value = None, ABSENT
        else:
            self.store.lookup_refused(self, value)
            return
        cache = self.store.cache
        if cache is not None:
            cache.keep(self.bucket, self.msisdn, value, self.epoch)
        self.waiter.found(found)

    def lost(self) -> None:
        """Tell the waiter that nothing will come."""
        self.store.lookup_failed(self.waiter, "unavailable")


@final
class RedisStore:
    """`scp.ports.SubscriberStore` on Redis 6 or later. Not thread-safe: use it from one event loop.

    In a cluster `put_many` is all or nothing for each bucket, not for the call: after a `StoreError` repeat
    it.

    Args:
        url: where, and how.
        read_only: refuse writes.
        telemetry: told how long each operation took and which failed; of lookups (``find``) it is told a
            sample of round trips, and every failure.

    Attributes:
        cache: what was read, if the URL says ``cached=true``.
        membership: the nodes that share the store.
        changes: what they tell of changes through their APIs.
    """

    def __init__(
        self,
        url: RedisUrl,
        *,
        read_only: bool = False,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.url = url
        self.read_only = read_only
        self.cache: Cache | None = None
        self._telemetry = telemetry
        watchers = Watchers(self._link_changed, self._invalidated, self._timed)
        self._deployment = deployment_of(url, watchers)
        self.membership = Membership(self._deployment.client, url.prefix)
        self.changes = RedisChanges(self._deployment.client, url.prefix)
        self._use(Keys(url.prefix, 1))
        self._nowhere = [LookupLink(_nowhere, Watchers())]
        self._links = self._nowhere
        self._mask = 0
        self._most = url.in_flight
        self._opened = False
        self._unusable: StoreError | None = StoreError("redis: the store is not open", "closed")
        self._preparing: asyncio.Task[None] | None = None

    # --- the call path ---

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:
        """Ask for the record; a failure at once while there is no connection or too much is on its way."""
        digits = msisdn.encode()
        bucket = crc32(digits) & self._mask
        cache = self.cache
        epoch = 0
        if cache is not None:
            packed = cache.get(bucket, msisdn)
            if packed is not None:
                return unpack(msisdn, packed) if packed else None
            epoch = cache.epoch
        connection = self._links[bucket].connection
        if connection is None:
            return self._not_now("unavailable")
        if len(connection.requests.pending) >= self._most:
            return self._not_now("overload")
        octets = b"%b%05x\r\n$%d\r\n%b\r\n" % (self._keys.head, bucket, len(digits), digits)
        connection.send(octets, _Lookup(self, msisdn, waiter, octets, bucket, epoch))
        return PENDING

    def _not_now(self, kind: str) -> StoreFailure:
        if self._telemetry is not None:
            self._telemetry.store("find", 0.0, kind)
        return StoreFailure.UNAVAILABLE

    def lookup_failed(self, waiter: Waiter, kind: str) -> None:
        """Tell a waiter that there will be no record, and count why."""
        waiter.found(self._not_now(kind))

    def lookup_refused(self, lookup: _Lookup, error: Reply) -> None:
        """Follow a cluster's redirection; anything else that is no record is a failure."""
        if not isinstance(error, hiredis.ReplyError):
            self.lookup_failed(lookup.waiter, "corrupt")
        elif not self._deployment.redirect(lookup, str(error)):
            self.lookup_failed(lookup.waiter, kind_of(str(error)))

    def usable(self) -> str:
        """Return "" or why lookups are not answered."""
        if self._unusable is not None:
            return str(self._unusable)
        trouble = self._deployment.trouble()
        return "" if trouble is None else str(trouble)

    # --- opening and closing ---

    async def open(self) -> None:
        """Connect, and make the store if there is none.

        After a `StoreError` of the kind "unreachable" or "unavailable" the store goes on trying by itself,
        and is usable once it has got through: a node may start without its Redis. After any other it is
        closed.

        Raises:
            StoreError: kind "unreachable", "auth", "too-old", "missing", "newer" (a newer camel-scp's store),
                "foreign" (the prefix is somebody else's).
        """
        if self._opened:
            return
        self._opened = True
        started = time.monotonic()
        self._unusable = StoreError("redis: not connected yet", "unreachable")
        try:
            await self._deployment.start()
            await self._prepare()
        except StoreError as error:
            self._told("open", started, error.kind)
            self._unusable = error
            if error.kind in TRANSIENT:
                raise StoreError(str(error), "unreachable") from None
            await self.close()
            raise
        self._told("open", started)

    async def close(self) -> None:
        """Let writes that were begun be answered, then hang up."""
        self._opened = False
        self._unusable = StoreError("redis: the store is closed", "closed")
        if self._preparing is not None:
            self._preparing.cancel()
        await self._deployment.close()
        self._links = self._nowhere
        self._mask = 0
        self.cache = None

    async def _prepare(self) -> None:
        """Learn how many buckets the store has; make it if it is new."""
        deployment = self._deployment
        key = meta_key(self.url.prefix)
        meta = await answered(deployment.client.execute_command("HGETALL", key))
        if not self.read_only and not {b"buckets", b"schema"} <= meta.keys():
            for name, value in (("buckets", self.url.buckets), ("schema", SCHEMA)):  # others may do so too
                await answered(deployment.writes.execute_command("HSETNX", key, name, value))
            meta = await answered(deployment.client.execute_command("HGETALL", key))
        if not meta:
            raise StoreError(f"redis: there is no store with the prefix {self.url.prefix}", "missing")
        try:
            buckets, schema = int(meta[b"buckets"]), int(meta[b"schema"])
        except (KeyError, ValueError):
            raise StoreError(f"redis: {key.decode()} is not this program's", "foreign") from None
        if schema > SCHEMA:
            raise StoreError(
                f"redis: the store's records have schema {schema}, this camel-scp knows those up to "
                f"{SCHEMA}: run the newer release",
                "newer",
            )
        if self._links is self._nowhere or buckets != self._keys.buckets:
            self._use(Keys(self.url.prefix, buckets))
            self.cache = Cache(buckets, self.url.cache_records) if self.url.cached else None
            deployment.spread(self._keys.names)
            self._links = deployment.links
            self._mask = buckets - 1
        self._unusable = None

    def _use(self, keys: Keys) -> None:
        self._keys = keys
        self._records = Records(self._deployment, keys, self._changed)

    # --- what the deployment tells ---

    def _invalidated(self, push: Sequence[Any]) -> None:
        """Take an invalidation: the keys that changed, or None when all did (FLUSHALL)."""
        cache = self.cache
        if cache is None or push[0] != b"invalidate":
            return
        if push[1] is None:
            cache.clear()
            return
        for key in push[1]:
            number = bucket_number(key)
            if 0 <= number < self._keys.buckets:
                cache.drop(number)

    def _link_changed(self, link: LookupLink) -> None:
        """Forget what was read, since what a link tracked is not known; look at the store of a new server."""
        if self.cache is not None:
            self.cache.clear()
        if link.connection is not None and self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare_again())

    async def _prepare_again(self) -> None:
        """See whether the store is the one that we know, as often as it takes."""
        try:
            while True:
                try:
                    await self._prepare()
                except StoreError as error:
                    transient = error.kind in TRANSIENT
                    if self._unusable is not None or not transient:
                        self._unusable = error
                    if not transient:
                        return
                else:
                    return
                await asyncio.sleep(PREPARE_PAUSE)
        finally:
            self._preparing = None

    # --- administration ---

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record from the master."""
        return await self._timed_as("get", lambda: self._readable().get(msisdn))

    async def count(self) -> int:
        """Return how many records there are."""
        return await self._readable().count()

    async def scan(self, after: str = "") -> AsyncIterator[Subscriber]:
        """Iterate over the records, see `Records.scan`."""
        async for record in self._readable().scan(after):
            yield record

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set, see `scp.ports.SubscriberStore.put`.

        Raises:
            ValueError: the record is not one that a store may hold (`scp.store.record_format.check`).
        """
        check(record)
        return await self._timed_as("put", lambda: self._writable().put(record))

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; 0 for one that is not there does nothing."""
        await self._timed_as("delete", lambda: self._writable().delete(msisdn, version))

    async def move(self, move: Move) -> Moved:
        """See `scp.ports.SubscriberStore.move`; one script, with Redis' clock."""
        return await self._timed_as("move", lambda: self._writable().move(move))

    async def put_many(self, records: Sequence[Subscriber]) -> None:
        """Overwrite all; of two with the same MSISDN the later one stays."""
        packed = await self._writable().packed(records)
        if packed:
            await self._timed_as("put_many", lambda: self._writable().put_many(packed))

    # --- helpers ---

    def _readable(self) -> Records:
        if self._unusable is not None:
            raise StoreError(str(self._unusable), self._unusable.kind)
        return self._records

    def _writable(self) -> Records:
        records = self._readable()
        if self.read_only:
            raise StoreError("redis: opened for reading only", "read-only")
        return records

    def _changed(self, buckets: Sequence[int]) -> None:
        if self.cache is not None:
            self.cache.changed(buckets)

    async def _timed_as(self, operation: str, work: Callable[[], Awaitable[Done]]) -> Done:
        started = time.monotonic()
        kind = ""
        try:
            return await work()
        except StoreError as error:
            kind = error.kind
            raise
        finally:
            self._told(operation, started, kind)

    def _timed(self, seconds: float) -> None:
        if self._telemetry is not None:
            self._telemetry.store("find", seconds)

    def _told(self, operation: str, started: float, error: str = "") -> None:
        if self._telemetry is not None:
            self._telemetry.store(operation, time.monotonic() - started, error)
