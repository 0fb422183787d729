"""Writes call detail records as NDJSON, or as CSV with one column for every field of any kind."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import msgspec

from scp.domain.cdr import COLUMNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scp.ports import CdrStore, StoredCdr

PAGE: Final = 500


def as_json(record: StoredCdr) -> str:
    """Return a record as one JSON object, its number first."""
    return f'{{"seq":{record.seq},{record.json[1:]}'


def ndjson_lines(records: list[StoredCdr]) -> bytes:
    """Return records as NDJSON."""
    return "".join(f"{as_json(record)}\n" for record in records).encode()


def csv_lines(records: list[StoredCdr]) -> bytes:
    """Return records as CSV (RFC 4180), without the header.

    Every value stands as it was received. What the VoIP service sent may begin with ``=``, ``+``, ``-`` or
    ``@``, which spreadsheets take for a formula, and the apostrophe that would keep them from it is no part
    of CSV: to mediation, which this file is for, ``'+46701234567`` is another number than the switch's. Who
    opens it in a spreadsheet imports its columns as text; long numbers would be rounded as well.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    for record in records:
        writer.writerow({"seq": record.seq, **msgspec.json.decode(record.json)})
    return out.getvalue().encode()


CSV_HEADER: Final = (",".join(COLUMNS) + "\r\n").encode()
FORMATS: Final[dict[str, tuple[bytes, Callable[[list[StoredCdr]], bytes]]]] = {
    "ndjson": (b"", ndjson_lines),
    "csv": (CSV_HEADER, csv_lines),
}


async def export(
    store: CdrStore, form: str, after: int = 0, *, since_ms: int = 0, until_ms: int = 0
) -> AsyncIterator[bytes]:
    """Yield all records above the number ``after`` in pieces; ``form`` is a key of `FORMATS`."""
    header, lines = FORMATS[form]
    if header:
        yield header
    while records := await store.page(after, PAGE, since_ms=since_ms, until_ms=until_ms):
        yield lines(records)
        after = records[-1].seq
