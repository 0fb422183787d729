"""Where records are kept: rows of a SQLite file, for one brain, or of a Redis, for several. Both block."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast, final

import msgspec

from scp.voip.redis_servers import ERRORS, connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registered (msisdn TEXT PRIMARY KEY) WITHOUT ROWID;
"""
AT_ONCE: Final = 1000
"""Rows that are read from Redis in one piece."""


class StoreError(Exception):
    """The store can't be used; says why."""


class Row(NamedTuple):
    """A record: its kind, its id, and its JSON; None: it is to be, or was, removed."""

    kind: str
    id: str
    body: bytes | None


class Rows(Protocol):
    """Records as rows; each raises `StoreError`."""

    def read(self, kind: str) -> Iterable[tuple[str, bytes]]:
        """Return id and body of each record of a kind."""
        ...

    def get(self, kind: str, name: str) -> bytes | None:
        """Return the body of a record, None if there is none."""
        ...

    def write(self, rows: Sequence[Row], expected: Sequence[Row] = ()) -> bool:
        """Put and remove, all or none, if what is expected is there, octet for octet; False if it is not."""
        ...

    def registered(self) -> list[str]:
        """Return the identities that the node was told are registered."""
        ...

    def mark(self, changes: Sequence[tuple[str, bool]]) -> None:
        """Keep what the node was told: (MSISDN, registered)."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@final
class SqliteRows:
    """Rows of a file: a write is on the disk when it returns (WAL, full synchronisation).

    Args:
        path: of the file, or ``:memory:``.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        """Reads and writes come from several threads; a transaction is the connection's, not the thread's."""
        try:
            self._db = sqlite3.connect(path, timeout=5, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"store.url: {path}: {error}") from None

    def read(self, kind: str) -> Iterable[tuple[str, bytes]]:
        """See `Rows`."""
        with self._lock:
            return self._db.execute(
                "SELECT id, body FROM records WHERE kind = ? ORDER BY id", (kind,)
            ).fetchall()

    def get(self, kind: str, name: str) -> bytes | None:
        """See `Rows`."""
        with self._lock:
            found = self._db.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, name))
            row: tuple[bytes] | None = found.fetchone()
            return None if row is None else row[0]

    def write(self, rows: Sequence[Row], expected: Sequence[Row] = ()) -> bool:
        """See `Rows`."""
        put = [row for row in rows if row.body is not None]
        gone = [(kind, name) for kind, name, body in rows if body is None]
        with self._transaction() as work:
            for kind, name, body in expected:
                found = work.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, name))
                if found.fetchone() != (None if body is None else (body,)):
                    return False
            work.executemany("DELETE FROM records WHERE kind = ? AND id = ?", gone)
            work.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", put)
        return True

    def registered(self) -> list[str]:
        """See `Rows`."""
        with self._lock:
            return [msisdn for (msisdn,) in self._db.execute("SELECT msisdn FROM registered")]

    def mark(self, changes: Sequence[tuple[str, bool]]) -> None:
        """See `Rows`."""
        put = [(one,) for one, yes in changes if yes]
        gone = [(one,) for one, yes in changes if not yes]
        with self._transaction() as work:
            work.executemany("INSERT OR IGNORE INTO registered VALUES (?)", put)
            work.executemany("DELETE FROM registered WHERE msisdn = ?", gone)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One at a time; on the disk at its end, or nothing is written."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreError(f"{self._path}: {error}") from None
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """See `Rows`."""
        with self._lock:
            self._db.close()


CHANGES: Final = "camel-scp:voip:changes"
"""Channel on which each write is told: a `Row` as MessagePack."""
_CHANGE: Final = f"""
local at = 2
for _ = 1, tonumber(ARGV[1]) do
  if (redis.call('HGET', ARGV[at], ARGV[at + 1]) or '') ~= ARGV[at + 2] then return 0 end
  at = at + 3
end
while at <= #ARGV do
  if ARGV[at + 2] == '' then redis.call('HDEL', ARGV[at], ARGV[at + 1])
  else redis.call('HSET', ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
  redis.call('PUBLISH', '{CHANGES}', ARGV[at + 3])
  at = at + 4
end
return 1
"""
"""Hash, id and body of what is expected, then of what is written, with its message; no body: not there. KEYS:
one of the service's, which says the server."""
_MARK: Final = "for n = 1, #ARGV, 2 do redis.call(ARGV[n], KEYS[1], ARGV[n + 1]) end return 1"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[str, str, bytes | None]).decode


@final
class RedisRows:
    """Rows of a Redis: a hash for each kind. What is written is told to all brains in the same transaction.

    Args:
        url: ``redis://…`` or ``rediss://…`` as redis-py takes it, ``redis+sentinel://…`` or ``redis+cluster://…``
            as the node's store does; its database is the service's own.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._servers = connected(url)
            self._redis = self._servers.client
            self._redis.ping()
        except (*ERRORS, ValueError) as error:
            raise StoreError(f"store.url: {error}") from None
        self.registered_key = f"{self._servers.prefix}:registered"

    def read(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """See `Rows`."""
        try:
            found = self._redis.hscan_iter(self._hash(kind), count=AT_ONCE)
            for name, body in cast("Iterable[tuple[bytes, bytes]]", found):
                yield name.decode(), body
        except ERRORS as error:
            raise StoreError(f"redis: {error}") from None

    def get(self, kind: str, name: str) -> bytes | None:
        """See `Rows`."""
        try:
            return cast("bytes | None", self._redis.hget(self._hash(kind), name))
        except ERRORS as error:
            raise StoreError(f"redis: {error}") from None

    def write(self, rows: Sequence[Row], expected: Sequence[Row] = ()) -> bool:
        """See `Rows`."""
        words: list[str | bytes | int] = [len(expected)]
        for one in expected:
            words += [self._hash(one.kind), one.id, b"" if one.body is None else one.body]
        for one in rows:
            words += [self._hash(one.kind), one.id, b"" if one.body is None else one.body, _encode(one)]
        return bool(self._acknowledged("EVAL", _CHANGE, 1, self.registered_key, *words))

    def registered(self) -> list[str]:
        """See `Rows`."""
        try:
            found = cast("set[bytes]", self._redis.smembers(self.registered_key))
            return [one.decode() for one in found]
        except ERRORS as error:
            raise StoreError(f"redis: {error}") from None

    def mark(self, changes: Sequence[tuple[str, bool]]) -> None:
        """See `Rows`."""
        words = [word for msisdn, yes in changes for word in ("SADD" if yes else "SREM", msisdn)]
        self._acknowledged("EVAL", _MARK, 1, self.registered_key, *words)

    def close(self) -> None:
        """See `Rows`."""
        self._redis.close()

    def _hash(self, kind: str) -> str:
        return f"{self._servers.prefix}:{kind}"

    def _acknowledged(self, *words: str | bytes | int) -> Any:
        """Return the reply to a write once enough replicas have it; raises `StoreError`."""
        _, _, acks, ack_ms = self._servers
        try:
            if not acks:
                return self._redis.execute_command(*words)
            with self._redis.pipeline(transaction=False) as work:  # WAIT is about its own connection's writes
                work.execute_command(*words)
                work.execute_command("WAIT", acks, ack_ms)
                done, have = work.execute()
        except ERRORS as error:
            raise StoreError(f"redis: {error}") from None
        if have < acks:
            raise StoreError(f"redis: {have} replicas have the write, {acks} must (acks)")
        return done


def change(message: bytes) -> Row:
    """Return what a message of the channel tells; raises `msgspec.DecodeError`."""
    return Row(*_decode(message))
