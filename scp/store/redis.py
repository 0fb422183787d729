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
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final
from zlib import crc32

import hiredis
import msgspec

from scp.ports import PENDING, StoreError, VersionConflictError
from scp.services.api import StoreFailure
from scp.store.record import SCHEMA, RecordError, check, pack, unpack
from scp.store.redis_cache import ABSENT, Cache
from scp.store.redis_cluster import Cluster
from scp.store.redis_errors import TRANSIENT, checked, kind_of
from scp.store.redis_link import Link
from scp.store.redis_scripts import DELETE, LOAD_ALL, PUT, PUT_MANY, Keys, bucket_number, meta_key
from scp.store.redis_single import Sentinel, Single, Watchers
from scp.store.redis_url import Kind, RedisUrl
from scp.store.redis_wire import IGNORED, Expected, Reply, Request, Write
from scp.store.redis_wire import pack as command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from scp.domain.subscriber import Subscriber
    from scp.ports import Clock, Found, Pending, Telemetry, Waiter
    from scp.store.redis_scripts import Script

Deployment: TypeAlias = Single | Cluster

SLICE: Final = 250
"""Records handled between two turns of the event loop, and changed by one script."""
SCAN_BUCKETS: Final = 256
"""Buckets that are read at a time."""
COUNT_BUCKETS: Final = 4096

_DEPLOYMENTS: Final[dict[Kind, Callable[..., Deployment]]] = {
    Kind.SINGLE: Single,
    Kind.SENTINEL: Sentinel,
    Kind.CLUSTER: Cluster,
}
_MULTI: Final = command(("MULTI",))
_EXEC: Final = command(("EXEC",))


async def _nowhere() -> Any:
    raise StoreError("redis: the store is not open", "closed")


@final
class _Lookup(Expected):
    """One `find` on its way."""

    __slots__ = ("bucket", "epoch", "msisdn", "store", "waiter")

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

    def lost(self, reason: str) -> None:  # noqa: ARG002 - the call goes on by policy, whatever the reason
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
        clock: monotonic seconds.

    Attributes:
        cache: what was read, if the URL says ``cached=true``.
    """

    def __init__(
        self,
        url: RedisUrl,
        *,
        read_only: bool = False,
        telemetry: Telemetry | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.url = url
        self.read_only = read_only
        self.cache: Cache | None = None
        self._telemetry = telemetry
        self._clock = clock
        self._deployment: Deployment | None = None
        self._keys = Keys(url.prefix, 1)
        self._reads = [Link(_nowhere)]
        self._mask = 0
        self._most = url.in_flight
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
        wire = self._reads[bucket].wire
        if wire is None:
            return self._not_now("unavailable")
        if len(wire.pending) >= self._most:
            return self._not_now("overload")
        octets = b"%b%05x\r\n$%d\r\n%b\r\n" % (self._keys.head, bucket, len(digits), digits)
        wire.send(octets, _Lookup(self, msisdn, waiter, octets, bucket, epoch))
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
        elif self._deployment is None or not self._deployment.redirect(lookup, str(error)):
            self.lookup_failed(lookup.waiter, kind_of(error))

    def usable(self) -> str:
        """Return "" or why lookups are not answered."""
        if self._unusable is not None:
            return str(self._unusable)
        trouble = self._deployment.trouble() if self._deployment is not None else None
        return "" if trouble is None else str(trouble)

    # --- opening and closing ---

    async def open(self) -> None:
        """Connect, and make the store if there is none.

        After a `StoreError` of the kind "unreachable" or "unavailable" the store goes on trying by itself,
        and is usable once it has got through: a node may start without its Redis. After any other it is
        closed.

        Raises:
            StoreError: kind "config" (TLS files), "unreachable", "auth", "too-old", "missing", "newer" (a
                newer camel-scp's store), "foreign" (the prefix is somebody else's).
        """
        if self._deployment is not None:
            return
        started = self._clock()
        watchers = Watchers(
            self._invalidated, self._timed, self._reads_changed, self._writes_changed, self._rerouted
        )
        first = () if self.read_only else LOAD_ALL
        deployment = _DEPLOYMENTS[self.url.kind](self.url, watchers, first)
        self._unusable = StoreError("redis: not connected yet", "unreachable")
        self._deployment = deployment
        try:
            await deployment.start()
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
        deployment, self._deployment = self._deployment, None
        self._unusable = StoreError("redis: the store is closed", "closed")
        if self._preparing is not None:
            self._preparing.cancel()
        if deployment is not None:
            await deployment.close()
        self._reads = [Link(_nowhere)]
        self._mask = 0
        self.cache = None

    async def _prepare(self) -> None:
        """Learn how many buckets the store has; make it if it is new."""
        deployment = self._opened
        key = meta_key(self.url.prefix)
        meta = checked(await self._request(deployment.link_of(key), ("HGETALL", key)))
        if not self.read_only and not {b"buckets", b"schema"} <= meta.keys():
            for name, value in (("buckets", self.url.buckets), ("schema", SCHEMA)):  # others may do so too
                await self._write(deployment.link_of(key), command(("HSETNX", key, name, value)))
            meta = checked(await self._request(deployment.link_of(key), ("HGETALL", key)))
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
        if not deployment.reads or buckets != self._keys.buckets:
            self._keys = Keys(self.url.prefix, buckets)
            self.cache = Cache(buckets, self.url.cache_records) if self.url.cached else None
            deployment.spread(self._keys.names)
            self._rerouted()
        self._unusable = None

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

    def _reads_changed(self, link: Link) -> None:  # noqa: ARG002 - any one: what it tracked is not known
        if self.cache is not None:
            self.cache.clear()

    def _writes_changed(self, link: Link) -> None:
        """A server is there again: see whether its store is the one that we know."""
        deployment = self._deployment
        if link.wire is None or deployment is None or self._preparing is not None:
            return
        if deployment.link_of(meta_key(self.url.prefix)) is link:
            self._preparing = asyncio.create_task(self._prepare_again())

    async def _prepare_again(self) -> None:
        try:
            await self._prepare()
        except StoreError as error:
            if error.kind not in TRANSIENT or self._unusable is not None:
                self._unusable = error
        finally:
            self._preparing = None

    def _rerouted(self) -> None:
        deployment = self._deployment
        if deployment is not None and len(deployment.reads) == self._keys.buckets:
            self._reads = deployment.reads
            self._mask = self._keys.buckets - 1
        if self.cache is not None:
            self.cache.clear()

    # --- administration: reading ---

    async def get(self, msisdn: str) -> Subscriber | None:
        """Read one record from the master."""
        found: Subscriber | None = await self._timed_as("get", self._get(msisdn))
        return found

    async def _get(self, msisdn: str) -> Subscriber | None:
        bucket = self._bucket(msisdn)
        link = self._opened.writes[bucket]
        return _unpacked(msisdn, await self._request(link, ("HGET", self._keys.names[bucket], msisdn)))

    async def count(self) -> int:
        """Return how many records there are."""
        total = 0
        self._require_open()
        for start in range(0, self._keys.buckets, COUNT_BUCKETS):
            total += sum(await self._ask_buckets("HLEN", start, COUNT_BUCKETS))
        return total

    async def scan(self, after: str = "") -> AsyncIterator[Subscriber]:
        """Iterate over the records behind ``after`` in the store's own order: by bucket, then by MSISDN.

        No record comes twice. Those that can't be read are left out, and a `StoreError` of the kind "corrupt"
        at the end says how many there were.
        """
        self._require_open()
        first = self._keys.bucket(after) if after else 0
        unreadable = 0
        for start in range(first, self._keys.buckets, SCAN_BUCKETS):
            for number, fields in enumerate(await self._ask_buckets("HGETALL", start, SCAN_BUCKETS), start):
                for name in sorted(fields):
                    msisdn = name.decode("ascii", "replace")
                    if number == first and msisdn <= after:
                        continue
                    try:
                        record = unpack(msisdn, fields[name])
                    except RecordError:
                        unreadable += 1
                    else:
                        yield record
        if unreadable:
            raise StoreError(f"redis: {unreadable} records could not be read and were left out", "corrupt")

    async def _ask_buckets(self, verb: str, start: int, number: int) -> list[Reply]:
        deployment = self._opened
        asked = [
            self._request(link, (verb, name))
            for link, name in zip(
                deployment.writes[start : start + number],
                self._keys.names[start : start + number],
                strict=True,
            )
        ]
        replies = await asyncio.gather(*asked, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return [checked(reply) for reply in replies]

    def _request(self, link: Link, words: tuple[str | bytes | int, ...]) -> asyncio.Future[Reply]:
        """Send a command now; the future's result may be an error that has to be `checked`."""
        octets = command(words)
        made = Request(octets, self._opened.redirect)
        try:
            link.up.send(octets, made)
        except StoreError as error:
            made.fail(error)
        return made.future

    # --- administration: writing ---

    async def put(self, record: Subscriber) -> Subscriber:
        """Compare and set, see `scp.ports.SubscriberStore.put`.

        Raises:
            ValueError: the record is not one that a store may hold (`scp.store.record.check`).
        """
        check(record)
        new = msgspec.structs.replace(record, version=record.version + 1)
        change = self._change(PUT, record.msisdn, (record.version, pack(new)))
        conflict = await self._timed_as("put", change)
        if conflict == 1:
            return new
        raise VersionConflictError(record.msisdn, _unpacked(record.msisdn, conflict))

    async def delete(self, msisdn: str, version: int) -> None:
        """Remove the record if its version is ``version``; 0 for one that is not there does nothing."""
        conflict = await self._timed_as("delete", self._change(DELETE, msisdn, (version,)))
        if conflict != 1:
            raise VersionConflictError(msisdn, _unpacked(msisdn, conflict))

    async def put_many(self, records: Sequence[Subscriber]) -> None:
        """Overwrite all; of two with the same MSISDN the later one stays."""
        packed: list[tuple[int, str, bytes]] = []
        self._require_writable()
        for start in range(0, len(records), SLICE):
            for record in records[start : start + SLICE]:
                check(record)
                new = msgspec.structs.replace(record, version=1)
                packed.append((self._keys.bucket(record.msisdn), record.msisdn, pack(new)))
            await asyncio.sleep(0)
        if packed:
            await self._timed_as("put_many", self._change_many(packed))

    async def _change(self, script: Script, msisdn: str, arguments: tuple[int | bytes, ...]) -> Reply:
        """Run a script on one record's bucket; return 1, or what is there in place of what was expected."""
        self._require_writable()
        bucket = self._keys.bucket(msisdn)
        names = (self._keys.names[bucket],)
        link = self._opened.writes[bucket]
        try:
            return await self._with_script(
                lambda whole: self._write(link, script.call(names, (msisdn, *arguments), whole=whole))
            )
        finally:
            self._changed([bucket])

    async def _change_many(self, packed: Sequence[tuple[int, str, bytes]]) -> None:
        self._require_writable()
        deployment = self._opened
        write = self._write_together if deployment.transactions else self._write_by_bucket
        try:
            await self._with_script(lambda whole: write(deployment, packed, whole))
        finally:
            self._changed([bucket for bucket, _, _ in packed])

    async def _write_together(
        self, deployment: Deployment, packed: Sequence[tuple[int, str, bytes]], whole: bool
    ) -> None:
        """Write all records in one transaction of one server, a script call for each slice."""
        link = deployment.writes[0]
        calls = [
            self._put_many(packed[start : start + SLICE], whole) for start in range(0, len(packed), SLICE)
        ]
        if len(calls) == 1:
            await self._write(link, calls[0])
            return
        wire = link.up
        for octets in (_MULTI, *calls):
            wire.send(octets, IGNORED)
        await self._write(link, _EXEC)

    async def _write_by_bucket(
        self, deployment: Deployment, packed: Sequence[tuple[int, str, bytes]], whole: bool
    ) -> None:
        """Write bucket by bucket, all at once: each may be on another server."""
        buckets: dict[int, list[tuple[int, str, bytes]]] = {}
        for each in packed:
            buckets.setdefault(each[0], []).append(each)
        writes = [
            self._write(deployment.writes[bucket], self._put_many(records, whole))
            for bucket, records in buckets.items()
        ]
        for outcome in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _put_many(self, packed: Sequence[tuple[int, str, bytes]], whole: bool) -> bytes:
        names = self._keys.names
        fields = [field for _, msisdn, record in packed for field in (msisdn, record)]
        return PUT_MANY.call([names[bucket] for bucket, _, _ in packed], fields, whole=whole)

    async def _with_script(self, send: Callable[[bool], Awaitable[Any]]) -> Reply:
        """Call a script by its digest; by its text if the server has lost it (SCRIPT FLUSH)."""
        try:
            return await send(False)
        except StoreError as error:
            if error.kind != "no-script":
                raise
        return await send(True)

    async def _write(self, link: Link, octets: bytes) -> Reply:
        """Send a write, and return its reply when it is acknowledged."""
        write = Write(octets, self._opened.redirect)
        link.up.write(octets, write)
        try:
            return checked(await write.future)
        except StoreError as error:
            if error.kind == "read-only" and self._deployment is not None:
                self._deployment.outdated(str(error))
            raise

    def _changed(self, buckets: Sequence[int]) -> None:
        if self.cache is not None:
            self.cache.changed(buckets)

    # --- helpers ---

    @property
    def _opened(self) -> Deployment:
        if self._deployment is None:
            raise StoreError(str(self._unusable), "closed")
        return self._deployment

    def _require_open(self) -> None:
        if self._unusable is not None:
            raise StoreError(str(self._unusable), self._unusable.kind)

    def _require_writable(self) -> None:
        self._require_open()
        if self.read_only:
            raise StoreError("redis: opened for reading only", "read-only")

    def _bucket(self, msisdn: str) -> int:
        self._require_open()
        return self._keys.bucket(msisdn)

    async def _timed_as(self, operation: str, work: Awaitable[Any]) -> Any:
        started = self._clock()
        kind = ""
        try:
            return await work
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
            self._telemetry.store(operation, self._clock() - started, error)


def _unpacked(msisdn: str, packed: Reply) -> Subscriber | None:
    value = checked(packed)
    if value is None:
        return None
    try:
        return unpack(msisdn, value)
    except RecordError as error:
        raise StoreError(f"redis: {error}", "corrupt") from None
