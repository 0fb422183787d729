"""The file of a node's call detail records: what is in it, and what it was called before.

With Redis the file is ``NODE.cdr``, so that nodes may share a working directory. It used to be `EARLIER`
for all of them. A node that has no file yet takes that one over if the records in it are its own: it keeps
its numbers (``seq``), so that who fetches records goes on behind the last one that he has. Another node's is
left alone, as is one that is in use.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from scp.ports import StoreError
from scp.store.sqlite_base import SqliteFile, translated
from scp.store.sqlite_schema import Schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

EARLIER: Final = "camel-scp.cdr"

_SCHEMA: Final = Schema(
    0x43414D44,  # "CAMD": D for detail records
    (
        (
            """
            CREATE TABLE cdr (
                seq INTEGER PRIMARY KEY AUTOINCREMENT,
                id TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL,
                kept_ms INTEGER NOT NULL,
                call_id TEXT,
                leg TEXT,
                body TEXT NOT NULL
            ) STRICT
            """,
            "CREATE INDEX cdr_call ON cdr (call_id) WHERE call_id IS NOT NULL",
            "CREATE INDEX cdr_leg ON cdr (leg) WHERE leg IS NOT NULL",
        ),
        # 2: call attempts, many to a row; see scp.store.cdr_bundles. All take their seq from cdr's sequence.
        (
            """
            CREATE TABLE bundle (
                first INTEGER PRIMARY KEY,
                node TEXT NOT NULL,
                boot TEXT NOT NULL,
                number INTEGER NOT NULL,
                records INTEGER NOT NULL CHECK (records > 0),
                kept_ms INTEGER NOT NULL,
                rows TEXT NOT NULL,
                UNIQUE (boot, number)
            ) STRICT
            """,
            "CREATE TABLE bundle_legs (first INTEGER PRIMARY KEY, legs TEXT NOT NULL) STRICT",
            """
            CREATE TABLE leg (
                run INTEGER NOT NULL,
                leg TEXT NOT NULL,
                seq INTEGER NOT NULL,
                PRIMARY KEY (run, leg, seq)
            ) STRICT, WITHOUT ROWID
            """,
            """
            INSERT INTO sqlite_sequence (name, seq)
            SELECT 'cdr', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'cdr')
            """,
        ),
    ),
    "a file of call detail records",
)
_BUNDLED: Final = 2
"""The schema's version from which on a file has bundles."""
# The VoIP service's own records name no node.
_WHOSE: Final = """
SELECT node FROM (
    SELECT seq, body ->> 'node' AS node FROM cdr WHERE kind != 'voip'
    UNION ALL SELECT first, node FROM bundle
) ORDER BY seq DESC LIMIT 1
"""


class CdrFile(SqliteFile):
    """The records' file."""

    schema = _SCHEMA

    def _connect(self) -> sqlite3.Connection:
        """Connect; who only reads an earlier release's file sees its records, and no bundles."""
        connection = super()._connect()
        try:
            if self.read_only and connection.execute("PRAGMA user_version").fetchone()[0] < _BUNDLED:
                for statement in _SCHEMA.migrations[_BUNDLED - 1][:-1]:
                    connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        except BaseException:
            connection.close()
            raise
        return connection


@final
class NodeCdrFile(CdrFile):
    """The records' file of a node that was told no name for it.

    Args:
        node: the node's name.
        directory: where the file is.
        read_only: look, but take over nothing.
    """

    def __init__(self, node: str, *, directory: Path = Path(), read_only: bool = False) -> None:
        super().__init__(str(directory / f"{node}.cdr"), read_only=read_only)
        self._node = node
        self._earlier = directory / EARLIER

    def open(self) -> None:
        """Open it, or first make the earlier file it; raises `StoreError`."""
        with translated(self.path):
            if not Path(self.path).exists() and self._earlier.exists() and self._is_ours():
                if self.read_only:
                    self.path = str(self._earlier)
                else:
                    self._take_over()
        super().open()

    def _is_ours(self) -> bool:
        """Return whether the earlier file's latest record is of this node, or of none."""
        file = CdrFile(str(self._earlier), read_only=True)
        with _opened(file), file.reading() as connection:
            latest = connection.execute(_WHOSE).fetchone()
        return latest is None or latest[0] == self._node

    def _take_over(self) -> None:
        """Give the earlier file its new name, unless somebody uses it.

        It is opened and closed first: the close of the last connection moves what is in its log into the
        file (sqlite.org/wal.html), so that one rename is all. A crash before leaves the old name, one
        behind it the new.
        """
        file = CdrFile(str(self._earlier))
        try:
            with _opened(file):
                pass
        except StoreError as error:
            if error.kind != "locked":
                raise
            return
        self._earlier.rename(self.path)


@contextlib.contextmanager
def _opened(file: CdrFile) -> Iterator[None]:
    file.open()
    try:
        yield
    finally:
        file.close()
