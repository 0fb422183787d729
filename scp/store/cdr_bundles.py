"""Call attempts in the file of call detail records: many to a row, as an array of arrays.

A record in a row of its own, with its id and its leg in indexes, costs SQLite 10 µs: more than half the call.
So what a node writes together (`scp.domain.cdr.Bundle`) is one row, and no record has an entry of its own:

- by number (``seq``): a bundle has the numbers from ``first`` on;
- by id: the ids of a bundle are numbered too, from ``number`` on; that number is unique for a ``boot``, so a
  bundle that is written again, because nobody knew whether it was, is there once;
- by leg: the legs of new bundles wait in ``bundle_legs`` and are looked through. Once there are `RUN` of them
  they are sorted and become a run of the index ``leg``, behind the last one, so that the pages of the index
  are written once, in order. One look into each run finds a leg.
"""

from __future__ import annotations

from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from scp.domain.cdr import Bundle, CallAttempt, attempt_id, attempt_of
from scp.ports import StoredCdr, StoreError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

RUN: Final = 8_192
"""Records in a run of the index: sorting them takes 6 ms."""

_NEXT: Final = "SELECT seq + 1, (SELECT min(first) FROM bundle_legs) FROM sqlite_sequence WHERE name = 'cdr'"
_TAKE: Final = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'cdr'"
# Each of these goes on with rows of values, as many as there are bundles.
_ARE_THERE: Final = """
WITH wanted (boot, number) AS (VALUES {}) SELECT boot, number FROM wanted JOIN bundle USING (boot, number)
"""
_ADD: Final = "INSERT INTO bundle (first, node, boot, number, records, kept_ms, rows) VALUES {}"
_ADD_LEGS: Final = "INSERT INTO bundle_legs (first, legs) VALUES {}"
_SORT: Final = """
INSERT INTO leg (run, leg, seq)
SELECT ?, value, first + key FROM bundle_legs, json_each(legs) WHERE value IS NOT NULL ORDER BY 2, 3
"""
_FROM: Final = """
SELECT first, node, boot, number, records, rows FROM bundle
WHERE first >= coalesce((SELECT max(first) FROM bundle WHERE first <= ?), 0) AND kept_ms >= ? AND kept_ms < ?
ORDER BY first
"""
_WITH_ID: Final = """
SELECT first, node, boot, number, records, rows FROM bundle
WHERE boot = ? AND number <= ? ORDER BY number DESC LIMIT 1
"""
_WITH_SEQ: Final = """
SELECT first, node, boot, number, records, rows FROM bundle WHERE first <= ? ORDER BY first DESC LIMIT 1
"""
# A skip from run to run, as none of them is looked through.
_WITH_LEG: Final = """
WITH RECURSIVE runs (run) AS (
    SELECT min(run) FROM leg
    UNION ALL
    SELECT (SELECT min(run) FROM leg WHERE leg.run > runs.run) FROM runs WHERE run IS NOT NULL
)
SELECT seq FROM runs JOIN leg USING (run) WHERE leg.leg = ?1
UNION
SELECT first + key FROM bundle_legs, json_each(legs) WHERE value = ?1
LIMIT ?2
"""
_OLDEST: Final = "SELECT first, records, kept_ms FROM bundle ORDER BY first LIMIT ?"
_FORGET: Final = "DELETE FROM bundle WHERE first <= ?"
_FORGET_LEGS: Final = "DELETE FROM bundle_legs WHERE first <= ?"
_FORGET_RUNS: Final = """
DELETE FROM leg WHERE run < coalesce(
    (SELECT min(first) FROM bundle), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'cdr'))
"""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[list[Any]]).decode


def add(connection: sqlite3.Connection, bundles: Sequence[Bundle], now_ms: int) -> int:
    """Keep bundles, each once; return how many records were new. Inside a transaction.

    As few statements for any number of them: behind each this thread waits for Python's lock, milliseconds
    while calls come without end (`scp.store.gil_yield`), and is to keep up with them all the same.
    """
    there = set(_for_all(connection, _ARE_THERE, [each[1:3] for each in bundles]) if bundles else ())
    new = [each for each in bundles if each[1:3] not in there]
    if not new:
        return 0
    found: tuple[int, int | None] = connection.execute(_NEXT).fetchone()
    first, oldest = found
    starts = list(accumulate((each.records for each in new), initial=first))
    end = starts.pop()
    _for_all(
        connection,
        _ADD,
        [(start, *each[:4], now_ms, each.rows) for start, each in zip(starts, new, strict=True)],
    )
    _for_all(connection, _ADD_LEGS, [(start, each.legs) for start, each in zip(starts, new, strict=True)])
    connection.execute(_TAKE, (end - 1,))
    if end - (first if oldest is None else oldest) >= RUN:
        connection.execute(_SORT, (starts[-1],))
        connection.execute("DELETE FROM bundle_legs")
    return end - first


def _for_all(connection: sqlite3.Connection, query: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run one statement on rows of values that are all of one length; return what it finds."""
    values = f"({', '.join('?' * len(rows[0]))})"
    found = connection.execute(query.format(", ".join([values] * len(rows))), list(chain.from_iterable(rows)))
    return found.fetchall()


def page(
    connection: sqlite3.Connection, after: int, most: int, since_ms: int, until_ms: int
) -> list[StoredCdr]:
    """Return up to ``most`` records above the number ``after``, kept since and until."""
    found = connection.execute(_FROM, (after + 1, since_ms, until_ms))
    return list(islice((record for row in found for record in _records(row, after + 1)), most))


def get(connection: sqlite3.Connection, record_id: str) -> tuple[int, CallAttempt] | None:
    """Return the record with an id and its number, None if it is in no bundle."""
    boot, dash, digits = record_id.rpartition("-")
    boot += dash
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    row = connection.execute(_WITH_ID, (boot, min(number, _MOST))).fetchone()
    if row is None or record_id != attempt_id(boot, number):  # 007 and 7 are different ids
        return None
    return next(_attempts(row, row[0] + number - row[3]), None)


def with_leg(connection: sqlite3.Connection, leg: str, most: int) -> Iterator[tuple[int, CallAttempt]]:
    """Yield up to ``most`` records of a leg with their numbers."""
    for (seq,) in connection.execute(_WITH_LEG, (leg, most)).fetchall():
        row = connection.execute(_WITH_SEQ, (seq,)).fetchone()
        if row is not None:
            yield from islice(_attempts(row, seq), 1)


def forget(connection: sqlite3.Connection, before_ms: int, most: int) -> int:
    """Drop the oldest bundles if they were kept before: the first, and more up to ``most`` records.

    Returns:
        How many records those had.
    """
    count, last = 0, 0
    for first, records, kept_ms in connection.execute(_OLDEST, (most,)).fetchall():
        if kept_ms >= before_ms or (count and count + records > most):
            break
        count, last = count + records, first
    if count:
        connection.execute(_FORGET, (last,))
        connection.execute(_FORGET_LEGS, (last,))
        connection.execute(_FORGET_RUNS)
    return count


def stored(seq: int, attempt: CallAttempt) -> StoredCdr:
    """Return a record as it is shown."""
    return StoredCdr(seq, _encode(attempt).decode())


_MOST: Final = (1 << 63) - 1
"""The greatest integer that SQLite has."""


def _records(row: Sequence[Any], start: int) -> Iterator[StoredCdr]:
    return (stored(seq, attempt) for seq, attempt in _attempts(row, start))


def _attempts(row: Sequence[Any], start: int) -> Iterator[tuple[int, CallAttempt]]:
    """Yield the records of a bundle from the number ``start`` on; raises `StoreError` if it can't be read."""
    first, node, boot, number, records, rows = row
    try:
        decoded = _decode(rows)
        for at in range(max(0, start - first), len(decoded)):
            yield first + at, attempt_of(attempt_id(boot, number + at), node, decoded[at])
    except (msgspec.MsgspecError, TypeError) as error:  # TypeError: a row of too few values
        last = first + records - 1
        raise StoreError(f"the records {first} to {last} can't be read: {error}", "corrupt") from None
