"""The embedded ledger: accounts and reservations in an SQLite file of their own.

Its own file, because a bulk load of subscribers must not stand before a call's money in one queue, and
because the subscribers' file may have no other writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import structs

from scp.domain.reservation import OPEN, Account, Event, Outcome, Reservation, Result, State, advance
from scp.domain.tariff import MAX_AMOUNT
from scp.ports import Totals
from scp.store.sqlite_base import SqliteFile
from scp.store.sqlite_group import GroupStore, GroupWriter
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from scp.domain.reservation import Step

_SCHEMA: Final = Schema(
    0x43414D51,  # "CAMQ": Q for quota
    (
        (
            """
            CREATE TABLE account (
                msisdn TEXT NOT NULL PRIMARY KEY,
                balance INTEGER NOT NULL CHECK (balance >= 0),
                held INTEGER NOT NULL CHECK (held BETWEEN 0 AND balance)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE credit (
                msisdn TEXT NOT NULL,
                id TEXT NOT NULL,
                amount INTEGER NOT NULL,
                at_ms INTEGER NOT NULL,
                PRIMARY KEY (msisdn, id)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE reservation (
                id TEXT NOT NULL PRIMARY KEY,
                account TEXT NOT NULL,
                state TEXT NOT NULL,
                held INTEGER NOT NULL CHECK (held >= 0),
                charged INTEGER NOT NULL CHECK (charged >= 0),
                expires_ms INTEGER NOT NULL,
                ended_ms INTEGER NOT NULL,
                recorded INTEGER NOT NULL CHECK (recorded IN (0, 1)),
                body TEXT NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE TABLE forgotten (charged INTEGER NOT NULL) STRICT",
            "INSERT INTO forgotten VALUES (0)",
            "CREATE INDEX reservation_open ON reservation (expires_ms) WHERE ended_ms = 0",
            "CREATE INDEX reservation_ended ON reservation (ended_ms) WHERE ended_ms > 0",
            "CREATE INDEX reservation_unrecorded ON reservation (id) WHERE recorded = 0",
        ),
    ),
    "a ledger",
)

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Reservation).decode


class LedgerFile(SqliteFile):
    """The ledger's file."""

    schema = _SCHEMA


@final
class SqliteLedger(GroupStore):
    """`scp.ports.Ledger` on one SQLite file, or ``:memory:``. Use it from one event loop."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        super().__init__(GroupWriter(LedgerFile(path, read_only=read_only), "ledger"))

    # --- accounts ---

    async def account(self, msisdn: str) -> Account | None:
        """See `scp.ports.Ledger`."""
        return await self._writer.read(lambda connection: _account(connection, msisdn))

    async def credit(self, msisdn: str, credit_id: str, amount: int, at_ms: int) -> Outcome:
        """See `scp.ports.Ledger`."""

        def change(connection: sqlite3.Connection) -> Outcome:
            before = connection.execute(
                "SELECT amount FROM credit WHERE msisdn = ? AND id = ?", (msisdn, credit_id)
            ).fetchone()
            account = _account(connection, msisdn)
            if before is not None:
                return Outcome(Result.REPEATED if before[0] == amount else Result.REFUSED, account)
            account = account or Account(msisdn)
            if account.available + amount < 0 or account.balance + amount > MAX_AMOUNT:
                return Outcome(Result.INSUFFICIENT, account)
            account = structs.replace(account, balance=account.balance + amount)
            connection.execute(
                "INSERT OR REPLACE INTO account VALUES (?, ?, ?)", (msisdn, account.balance, account.held)
            )
            connection.execute("INSERT INTO credit VALUES (?, ?, ?, ?)", (msisdn, credit_id, amount, at_ms))
            return Outcome(Result.DONE, account)

        return await self._writer.write(change)

    # --- reservations ---

    async def reservation(self, reservation_id: str) -> Reservation | None:
        """See `scp.ports.Ledger`."""
        return await self._writer.read(lambda connection: _reservation(connection, reservation_id))

    async def reserve(self, reservation: Reservation, step: Step) -> Outcome:
        """See `scp.ports.Ledger`."""
        new = structs.replace(reservation, state=State.NONE)
        return await self._writer.write(
            lambda connection: _apply(connection, _reservation(connection, new.id) or new, step)
        )

    async def step(self, reservation_id: str, step: Step) -> Outcome:
        """See `scp.ports.Ledger`."""

        def change(connection: sqlite3.Connection) -> Outcome:
            found = _reservation(connection, reservation_id)
            return Outcome(Result.UNKNOWN) if found is None else _apply(connection, found, step)

        return await self._writer.write(change)

    async def due(self, now_ms: int, most: int) -> list[str]:
        """See `scp.ports.Ledger`."""
        query = (
            "SELECT id FROM reservation WHERE ended_ms = 0 AND expires_ms <= ? ORDER BY expires_ms LIMIT ?"
        )
        return await self._writer.read(lambda c: [row[0] for row in c.execute(query, (now_ms, most))])

    async def unrecorded(self, most: int, known: Collection[str] = ()) -> list[Reservation]:
        """See `scp.ports.Ledger`."""
        query = "SELECT id, body FROM reservation WHERE recorded = 0 LIMIT ?"
        rows = await self._writer.read(lambda c: c.execute(query, (most + len(known),)).fetchall())
        return [_decode(body) for each, body in rows if each not in known][:most]

    async def recorded(self, reservation_ids: Sequence[str]) -> None:
        """See `scp.ports.Ledger`."""
        rows = [(each,) for each in reservation_ids]
        await self._writer.write(
            lambda c: c.executemany("UPDATE reservation SET recorded = 1 WHERE id = ?", rows).rowcount
        )

    async def forget(self, before_ms: int, most: int) -> int:
        """See `scp.ports.Ledger`."""
        query = (
            "DELETE FROM reservation WHERE id IN (SELECT id FROM reservation WHERE ended_ms > 0 "
            "AND ended_ms < ? AND recorded = 1 ORDER BY ended_ms LIMIT ?) RETURNING charged"
        )

        def change(connection: sqlite3.Connection) -> int:
            charges = [row[0] for row in connection.execute(query, (before_ms, most))]
            connection.execute("UPDATE forgotten SET charged = charged + ?", (sum(charges),))
            return len(charges)

        return await self._writer.write(change)

    async def totals(self) -> Totals:
        """See `scp.ports.Ledger`."""

        def look(connection: sqlite3.Connection) -> Totals:
            balance, held = connection.execute(
                "SELECT coalesce(sum(balance), 0), coalesce(sum(held), 0) FROM account"
            ).fetchone()
            (credited,) = connection.execute("SELECT coalesce(sum(amount), 0) FROM credit").fetchone()
            (charged,) = connection.execute(
                "SELECT coalesce(sum(charged), 0) + (SELECT charged FROM forgotten) FROM reservation"
            ).fetchone()
            return Totals(balance, held, credited, charged)

        return await self._writer.read(look)


def _account(connection: sqlite3.Connection, msisdn: str) -> Account | None:
    row = connection.execute("SELECT balance, held FROM account WHERE msisdn = ?", (msisdn,)).fetchone()
    return None if row is None else Account(msisdn, *row)


def _reservation(connection: sqlite3.Connection, reservation_id: str) -> Reservation | None:
    row = connection.execute("SELECT body FROM reservation WHERE id = ?", (reservation_id,)).fetchone()
    return None if row is None else _decode(row[0])


def _apply(connection: sqlite3.Connection, found: Reservation, step: Step) -> Outcome:
    outcome = advance(_account(connection, found.account), found, step)
    if outcome.result is Result.DONE and outcome.account is not None and outcome.reservation is not None:
        _write(connection, outcome.account, outcome.reservation, step)
    return outcome


def _write(connection: sqlite3.Connection, account: Account, reservation: Reservation, step: Step) -> None:
    # Without an account there is nothing to change in one: the reservation's amounts are 0.
    connection.execute(
        "UPDATE account SET balance = ?, held = ? WHERE msisdn = ?",
        (account.balance, account.held, account.msisdn),
    )
    connection.execute(
        "INSERT OR REPLACE INTO reservation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            reservation.id,
            reservation.account,
            reservation.state.value,
            reservation.held if reservation.state in OPEN else 0,
            reservation.charged,
            reservation.expires_ms,
            reservation.ended_ms,
            step.event not in (Event.COMMIT, Event.SETTLE),
            _encode(reservation).decode(),
        ),
    )
