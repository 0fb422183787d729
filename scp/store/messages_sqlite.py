"""Text messages in an SQLite file of their own (`scp.message_ports.MessageStore`).

Its own file, for the reason that the ledger has one: a bulk load must not stand before a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import structs

from scp.domain.message import Event, Message, Received
from scp.message_ports import SeqEvent
from scp.store.message_format import FIELDS, joined, received_event
from scp.store.sqlite_base import SqliteFile
from scp.store.sqlite_group import GroupStore, GroupWriter
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3

    from scp.message_ports import Piece

_SCHEMA: Final = Schema(
    0x43414D54,  # "CAMT": T for text
    (
        (
            """
            CREATE TABLE message (
                id TEXT NOT NULL PRIMARY KEY,
                version INTEGER NOT NULL CHECK (version > 0),
                state TEXT NOT NULL,
                node TEXT NOT NULL,
                recipient TEXT NOT NULL,
                own_reference INTEGER NOT NULL,
                due_ms INTEGER NOT NULL,
                expires_ms INTEGER NOT NULL,
                created_ms INTEGER NOT NULL,
                changed_ms INTEGER NOT NULL,
                body TEXT NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX message_due ON message (due_ms) WHERE due_ms > 0",
            "CREATE INDEX message_open ON message (expires_ms) WHERE due_ms > 0",
            "CREATE INDEX message_over ON message (changed_ms) WHERE due_ms = 0",
            "CREATE INDEX message_sending ON message (node) WHERE state = 'sending'",
            "CREATE INDEX message_to ON message (recipient, own_reference)",
            """
            CREATE TABLE reference (
                reference TEXT NOT NULL PRIMARY KEY,
                id TEXT NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX reference_of ON reference (id)",
            """
            CREATE TABLE event (
                seq INTEGER PRIMARY KEY AUTOINCREMENT,
                at_ms INTEGER NOT NULL,
                body TEXT NOT NULL
            ) STRICT
            """,
            "CREATE INDEX event_at ON event (at_ms)",
            """
            CREATE TABLE piece (
                sender TEXT NOT NULL,
                recipient TEXT NOT NULL,
                reference INTEGER NOT NULL,
                total INTEGER NOT NULL,
                number INTEGER NOT NULL,
                at_ms INTEGER NOT NULL,
                body TEXT NOT NULL,
                PRIMARY KEY (sender, recipient, reference, total, number)
            ) STRICT, WITHOUT ROWID
            """,
        ),
    ),
    "a store of text messages",
)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode
_decode_received: Final = msgspec.json.Decoder(Received).decode


class MessageFile(SqliteFile):
    """The file of text messages."""

    schema = _SCHEMA


@final
class SqliteMessages(GroupStore):
    """`scp.message_ports.MessageStore` on one SQLite file, or ``:memory:``. Use it from one event loop."""

    def __init__(self, path: str) -> None:
        super().__init__(GroupWriter(MessageFile(path), "messages"))

    # --- messages ---

    async def add(self, message: Message, event: Event) -> tuple[Message, bool]:
        """See `scp.message_ports.MessageStore`."""

        def change(connection: sqlite3.Connection) -> tuple[Message, bool]:
            there = _message(connection, message.id)
            return (there, False) if there is not None else (_write(connection, message, event), True)

        return await self._writer.write(change)

    async def get(self, message_id: str) -> Message | None:
        """See `scp.message_ports.MessageStore`."""
        return await self._writer.read(lambda connection: _message(connection, message_id))

    async def put(self, message: Message, event: Event | None) -> Message | None:
        """See `scp.message_ports.MessageStore`."""

        def change(connection: sqlite3.Connection) -> Message | None:
            row = connection.execute("SELECT version FROM message WHERE id = ?", (message.id,)).fetchone()
            return None if row is None or row[0] != message.version else _write(connection, message, event)

        return await self._writer.write(change)

    async def find(self, reference: str, recipient: str, own_reference: int) -> Message | None:
        """See `scp.message_ports.MessageStore`."""

        def look(connection: sqlite3.Connection) -> Message | None:
            row = connection.execute(
                "SELECT body FROM reference JOIN message USING (id) WHERE reference = ?", (reference,)
            ).fetchone()
            if row is not None:
                return _decode(row[0])
            found = connection.execute(
                "SELECT body FROM message WHERE recipient = ? AND own_reference = ? ORDER BY created_ms DESC",
                (recipient, own_reference),
            )
            messages = (_decode(each[0]) for each in found)
            return next((each for each in messages if any(not part.reference for part in each.parts)), None)

        return await self._writer.read(look)

    async def due(self, now_ms: int, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._listed(
            "SELECT body FROM message WHERE due_ms > 0 AND due_ms <= ? ORDER BY due_ms LIMIT ?", now_ms, most
        )

    async def expired(self, now_ms: int, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._listed(
            "SELECT body FROM message WHERE due_ms > 0 AND expires_ms <= ? AND state = 'queued' "
            "ORDER BY expires_ms LIMIT ?",
            now_ms,
            most,
        )

    async def waiting(self, recipient: str, most: int) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        query = "SELECT body FROM message WHERE recipient = ? AND state = 'queued' AND due_ms > 0 LIMIT ?"
        return await self._listed(query, recipient, most)

    async def sending(self, node: str) -> list[Message]:
        """See `scp.message_ports.MessageStore`."""
        return await self._listed("SELECT body FROM message WHERE state = 'sending' AND node = ?", node)

    async def open_messages(self) -> tuple[int, int]:
        """See `scp.message_ports.MessageStore`."""

        def look(connection: sqlite3.Connection) -> tuple[int, int]:
            count, oldest = connection.execute(
                "SELECT count(*), coalesce(min(due_ms), 0) FROM message WHERE due_ms > 0"
            ).fetchone()
            return count, oldest

        return await self._writer.read(look)

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.message_ports.MessageStore`."""

        def change(connection: sqlite3.Connection) -> int:
            rows = connection.execute(
                "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE due_ms = 0 AND changed_ms < ? "
                "ORDER BY changed_ms LIMIT ?) RETURNING id",
                (before_ms, most),
            ).fetchall()
            connection.executemany("DELETE FROM reference WHERE id = ?", rows)
            connection.execute(
                "DELETE FROM event WHERE seq IN "
                "(SELECT seq FROM event WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
                (before_ms, most * 4),
            )
            connection.execute("DELETE FROM piece WHERE at_ms < ?", (before_ms,))
            return len(rows)

        return await self._writer.write(change)

    async def _listed(self, query: str, *values: str | int) -> list[Message]:
        return await self._writer.read(lambda c: [_decode(row[0]) for row in c.execute(query, values)])

    # --- what comes in, what happened ---

    async def receive(self, piece: Piece) -> Received | None:
        """See `scp.message_ports.MessageStore`."""

        def change(connection: sqlite3.Connection) -> Received | None:
            whole = piece.whole if piece.total == 1 else _complete(connection, piece)
            if whole is not None:
                _append(connection, received_event(whole))
            return whole

        return await self._writer.write(change)

    async def events(self, after: int, most: int) -> list[SeqEvent]:
        """See `scp.message_ports.MessageStore`."""
        query = "SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
        return await self._writer.read(lambda c: [SeqEvent(*row) for row in c.execute(query, (after, most))])


def _message(connection: sqlite3.Connection, message_id: str) -> Message | None:
    row = connection.execute("SELECT body FROM message WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else _decode(row[0])


def _write(connection: sqlite3.Connection, message: Message, event: Event | None) -> Message:
    new = structs.replace(message, version=message.version + 1)
    connection.execute(
        "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*(getattr(new, name) for name in FIELDS), _encode(new).decode()),
    )
    references = [(part.reference, new.id) for part in new.parts if part.reference]
    connection.executemany("INSERT OR REPLACE INTO reference VALUES (?, ?)", references)
    if event is not None:
        _append(connection, event)
    return new


def _append(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "INSERT INTO event (at_ms, body) VALUES (?, ?)", (event.at_ms, _encode(event).decode())
    )


def _complete(connection: sqlite3.Connection, piece: Piece) -> Received | None:
    """Keep a part; return the whole if it is the last one, and drop the parts."""
    key = (piece.whole.sender, piece.whole.recipient, piece.reference, piece.total)
    connection.execute(
        "INSERT OR REPLACE INTO piece VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*key, piece.number, piece.whole.at_ms, _encode(piece.whole).decode()),
    )
    same = "sender = ? AND recipient = ? AND reference = ? AND total = ?"
    rows = connection.execute(f"SELECT body FROM piece WHERE {same} ORDER BY number", key).fetchall()  # noqa: S608
    if len(rows) < piece.total:
        return None
    connection.execute(f"DELETE FROM piece WHERE {same}", key)  # noqa: S608 - of constants
    return joined([_decode_received(row[0]) for row in rows])
