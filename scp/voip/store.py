"""Where the directory outlives the process: each record is a row of JSON, in SQLite or in Redis.

A write is kept when it returns. Directories are written seldom (somebody joins, leaves, changes a device),
and read once, at the start; of a Redis, also what other brains write is heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, final

import msgspec

from scp.voip.admission import Enrolment
from scp.voip.directory import Device, Directory, Identity
from scp.voip.records import Cursor, Inbound, OneTime, Quarantine, Sent, Token
from scp.voip.redis_servers import listener
from scp.voip.rows import RedisRows, Row, SqliteRows, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redis.asyncio import Redis

    from scp.voip.rows import Rows

__all__ = ["Store", "StoreError"]

AnyRecord: TypeAlias = Identity | Device | Token | Enrolment | Quarantine | OneTime | Inbound | Cursor | Sent
Record = TypeVar("Record", Identity, Device, Token, Enrolment, Quarantine, OneTime, Inbound, Cursor, Sent)

_KINDS: Final[dict[type, tuple[str, str]]] = {
    Identity: ("identity", "msisdn"),
    Device: ("device", "id"),
    Token: ("token", "sha256"),
    Enrolment: ("enrolment", "id"),
    Quarantine: ("quarantine", "number"),
    OneTime: ("one-time", "number"),
    Inbound: ("inbound", "id"),
    Cursor: ("cursor", "name"),
    Sent: ("sent", "id"),
}
"""Of each kind of record its name in the store, and the attribute that it is found by."""


@final
class Store:
    """The directory's records.

    Args:
        url: ``sqlite:PATH``, ``sqlite::memory:``, or of a Redis: see `scp.voip.rows.RedisRows`.

    Raises:
        StoreError: it can't be opened.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._rows: Rows = (
            RedisRows(url) if url.startswith("redis") else SqliteRows(url.removeprefix("sqlite:"))
        )
        self._encode = msgspec.json.Encoder().encode

    @property
    def shared(self) -> bool:
        """Whether other brains may write it too."""
        return isinstance(self._rows, RedisRows)

    async def listener(self) -> Redis:
        """Return a client that hears what brains write; raises `redis.RedisError`."""
        return await listener(
            self.url, self._rows.registered_key if isinstance(self._rows, RedisRows) else ""
        )

    def load(self, directory: Directory) -> list[str]:
        """Fill a directory; return what is unreadable or does not fit, in words."""
        faults: list[str] = []
        for identity in self.read(Identity, faults):
            try:
                directory.put_identity(identity)
            except ValueError as error:
                faults.append(f"identity {identity.msisdn}: {error}")
        for device in self.read(Device, faults):
            directory.put_device(device)
        return faults

    def read(self, of: type[Record], faults: list[str]) -> Iterator[Record]:
        """Yield all records of a kind; what is unreadable is added to `faults` in words."""
        kind = _KINDS[of][0]
        decode = msgspec.json.Decoder(of).decode
        for name, body in self._rows.read(kind):
            try:
                yield decode(body)
            except msgspec.DecodeError as error:
                faults.append(f"{kind} {name}: {error}")

    def differences(self, directory: Directory) -> list[Row]:
        """Return the rows that would make a directory what the store is; raises `StoreError`."""
        now = Directory()
        self.load(now)
        put: list[Identity | Device] = [one for one in now.devices() if directory.device(one.id) != one]
        put += [one for one in now.identities() if directory.identity(one.msisdn) != one]
        gone: list[Identity | Device] = [
            one for one in list(directory.identities()) if now.identity(one.msisdn) is None
        ]
        gone += [one for one in list(directory.devices()) if now.device(one.id) is None]
        return [Row(*_key(one), None) for one in gone] + [Row(*_key(one), self._encode(one)) for one in put]

    def put(self, records: Iterable[AnyRecord]) -> None:
        """Keep records, all or none; they are kept when it returns."""
        self.change(put=records)

    def remove(self, records: Iterable[AnyRecord]) -> None:
        """Forget records, all or none."""
        self.change(remove=records)

    def change(
        self,
        put: Iterable[AnyRecord] = (),
        remove: Iterable[AnyRecord] = (),
        expect: Iterable[AnyRecord] = (),
        absent: Iterable[AnyRecord] = (),
    ) -> bool:
        """Keep and forget records, all or none, if those of `expect` are there just as they are given.

        Returns:
            False if one of them is not, or one with the key of one of `absent` is there: nothing was changed.
        """
        rows = [Row(*_key(one), None) for one in remove]
        rows += [Row(*_key(one), self._encode(one)) for one in put]
        expected = [Row(*_key(one), self._encode(one)) for one in expect]
        expected += [Row(*_key(one), None) for one in absent]
        return self._rows.write(rows, expected)

    def get(self, of: type[Record], name: str) -> Record | None:
        """Return a record, None if there is none; raises `msgspec.DecodeError`."""
        body = self._rows.get(_KINDS[of][0], name)
        return None if body is None else msgspec.json.decode(body, type=of)

    def registered(self) -> list[str]:
        """Return the identities that the node was told are registered."""
        return self._rows.registered()

    def mark_registered(self, changes: Iterable[tuple[str, bool]]) -> None:
        """Keep what the node was told, all or none: (MSISDN, registered)."""
        given = list(changes)
        if given:
            self._rows.mark(given)

    def close(self) -> None:
        """Close it."""
        self._rows.close()


def _key(record: AnyRecord) -> tuple[str, str]:
    kind, attribute = _KINDS[type(record)]
    return kind, getattr(record, attribute)
