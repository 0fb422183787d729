"""The SQLite schema: a table of migrations, one row a version. Rows are only ever appended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scp.ports import StoreError

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x43414D4C  # "CAML", in the file's header (`PRAGMA application_id`)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    # 1: the record of one subscriber. STRICT and the CHECKs hold rows that others write to what the node
    # can read.
    (
        """
        CREATE TABLE subscriber (
            msisdn TEXT NOT NULL PRIMARY KEY CHECK (length(msisdn) BETWEEN 5 AND 15),
            imsi TEXT,
            authorized INTEGER NOT NULL CHECK (authorized IN (0, 1)),
            aor TEXT,
            forwarding_number TEXT,
            forwarding INTEGER NOT NULL CHECK (forwarding IN (0, 1)),
            condition TEXT NOT NULL CHECK (condition IN ('always', 'roaming', 'locations')),
            locations TEXT NOT NULL,
            roaming INTEGER CHECK (roaming IN (0, 1)),
            vlr TEXT,
            version INTEGER NOT NULL CHECK (version > 0)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        "ALTER TABLE subscriber ADD COLUMN rescue INTEGER CHECK (rescue IN (0, 1))",
        "ALTER TABLE subscriber ADD COLUMN rescue_number TEXT",
    ),
    ("ALTER TABLE subscriber ADD COLUMN passes TEXT",),
    (  # 4: which messages of VLRs and HLRs came (scp.domain.moves)
        "CREATE TABLE moved (msisdn TEXT NOT NULL PRIMARY KEY, known BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
)


class Schema(NamedTuple):
    """What a file is to contain.

    Attributes:
        application_id: tells the program's kinds of file apart (``PRAGMA application_id``).
        migrations: the steps to the newest version.
        what: for people.
    """

    application_id: int
    migrations: tuple[tuple[str, ...], ...]
    what: str


SUBSCRIBERS: Final = Schema(APPLICATION_ID, MIGRATIONS, "a subscriber store")


def migrate(
    connection: sqlite3.Connection,
    migrations: tuple[tuple[str, ...], ...] = MIGRATIONS,
    schema: Schema = SUBSCRIBERS,
) -> tuple[int, int]:
    """Bring the database to the newest version, all steps in one transaction.

    Returns:
        The version found and the version now.

    Raises:
        StoreError: it is another program's database (kind "foreign") or a newer camel-scp's (kind "newer").
        sqlite3.Error: as SQLite says; nothing was changed.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection, len(migrations), schema)
        for step in migrations[found:]:
            for statement in step:
                connection.execute(statement)
        if found < len(migrations):
            connection.execute(f"PRAGMA application_id = {schema.application_id}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found, len(migrations)


def _version(connection: sqlite3.Connection, newest: int, schema: Schema) -> int:
    """Return the schema version; 0 for a new, empty database. Refuse others' files and newer ones."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == schema.application_id:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > newest:
            raise StoreError(
                f"the database has schema version {version}, this camel-scp knows those up to {newest}: "
                "run the newer release, or restore the backup made before the upgrade",
                "newer",
            )
        return version
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != 0 or tables != 0:
        raise StoreError(f"the file is another program's SQLite database, not {schema.what}", "foreign")
    return 0
