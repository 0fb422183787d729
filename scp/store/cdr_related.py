"""What belongs to one call: records that share a correlation id with one, or with one of those, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.domain.cdr import leg
from scp.ports import StoredCdr
from scp.store import cdr_bundles

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_COLUMNS: Final = "SELECT seq, call_id, leg, body FROM cdr"
_WITH_ID: Final = f"{_COLUMNS} WHERE id = ?"
_WITH_CALL: Final = f"{_COLUMNS} WHERE call_id = ? ORDER BY seq LIMIT ?"
_WITH_LEG: Final = f"{_COLUMNS} WHERE leg = ? ORDER BY seq LIMIT ?"


def get(connection: sqlite3.Connection, record_id: str) -> StoredCdr | None:
    """Return the record with an id."""
    return next((record for record, _, _ in _first(connection, record_id)), None)


def related(connection: sqlite3.Connection, record_id: str, most: int) -> list[StoredCdr]:
    """Return the records of the call that ``record_id`` belongs to, up to ``most``, by their numbers."""
    found: dict[int, StoredCdr] = {}
    asked: set[tuple[str | None, str | None]] = {(None, None)}
    reached = list(_first(connection, record_id))
    while reached:
        record, call_id, its_leg = reached.pop()
        if record.seq in found:
            continue
        found[record.seq] = record
        for shared in ((call_id, None), (None, its_leg)):
            if shared not in asked and len(found) < most:
                asked.add(shared)
                reached.extend(_sharing(connection, shared, most))
    return sorted(found.values())[:most]


Reached = tuple[StoredCdr, str | None, str | None]


def _first(connection: sqlite3.Connection, record_id: str) -> Iterator[Reached]:
    for seq, call_id, its_leg, body in connection.execute(_WITH_ID, (record_id,)):
        yield StoredCdr(seq, body), call_id, its_leg
        return
    bundled = cdr_bundles.get(connection, record_id)
    if bundled is not None:
        seq, attempt = bundled
        yield cdr_bundles.stored(seq, attempt), None, leg(attempt.call_reference, attempt.msc_address)


def _sharing(
    connection: sqlite3.Connection, shared: tuple[str | None, str | None], most: int
) -> Iterator[Reached]:
    """Yield the records with a VoIP service's id of the call, or else those of a leg."""
    call_id, its_leg = shared
    query, value = (_WITH_LEG, its_leg) if call_id is None else (_WITH_CALL, call_id)
    for seq, its_call, other_leg, body in connection.execute(query, (value, most)):
        yield StoredCdr(seq, body), its_call, other_leg
    if its_leg is not None:
        for seq, attempt in cdr_bundles.with_leg(connection, its_leg, most):
            yield cdr_bundles.stored(seq, attempt), None, its_leg
