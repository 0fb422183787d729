from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contract import A, NewStore, StoreContract, everything, find, opened, run, subscriber

from scp.domain.subscriber import Subscriber
from scp.ports import StoreError
from scp.services.api import StoreFailure
from scp.store import open_store
from scp.store.record_format import to_row
from scp.store.sqlite_file import SORTED, TOGETHER, Database
from scp.store.sqlite_schema import APPLICATION_ID, MIGRATIONS, migrate


class TestFile(StoreContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        return lambda: open_store(f"sqlite:{tmp_path / 'store.db'}")


class TestMemory(StoreContract):
    durable = False

    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: open_store("sqlite::memory:")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def failure(path: Path | str, **options: bool) -> StoreError:
    """Open a store that can't be opened and return what it says."""

    async def main() -> StoreError:
        store = open_store(f"sqlite:{path}", **options)
        with pytest.raises(StoreError) as raised:
            await store.open()
        assert store.usable() != ""
        assert store.find(A, None) is StoreFailure.UNAVAILABLE
        return raised.value

    return asyncio.run(main())


def filled(path: Path, records: int = 10) -> None:
    run(
        lambda: open_store(f"sqlite:{path}"),
        lambda store: store.put_many([subscriber(n) for n in range(records)]),
    )


# --- what can be wrong with a file ---


def test_a_file_to_be_read_that_is_not_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = failure("store.db", read_only=True)
    assert (str(error), error.kind) == (f"store.db: no such file in {tmp_path}", "cannot-open")
    assert not list(tmp_path.iterdir())


def test_not_a_database(path: Path) -> None:
    path.write_bytes(b"msisdn;imsi\n" * 1000)
    error = failure(path)
    assert error.kind == "corrupt"
    assert str(path) in str(error)


def test_damaged_pages(path: Path) -> None:
    filled(path, 2000)
    octets = bytearray(path.read_bytes())
    octets[2 * 4096 : 6 * 4096] = b"\xa5" * 4 * 4096
    path.write_bytes(octets)
    assert failure(path).kind == "corrupt"


def test_another_programs_database(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (id)")
    other.close()
    assert failure(path).kind == "foreign"


def test_a_newer_schema(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other.close()
    error = failure(path)
    assert error.kind == "newer"
    assert f"{len(MIGRATIONS) + 1}" in str(error)


def test_no_such_folder(path: Path) -> None:
    assert failure(path.parent / "missing" / "store.db").kind == "cannot-open"
    assert failure(path, read_only=True).kind == "cannot-open"


def test_a_folder_in_place_of_a_file(path: Path) -> None:
    path.mkdir()
    assert failure(path).kind == "cannot-open"


def test_what_is_no_database_is_left_as_it_is_with_nothing_beside_it(path: Path) -> None:
    path.write_bytes(b"no database, whatever its name says\n")
    assert failure(path).kind == "corrupt"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    path.write_bytes(b"")
    filled(path)  # as sqlite3 has it, an empty file is an empty database


def test_a_file_that_can_only_be_read_is_refused_when_it_is_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens it so where the process may not write: without a word, until something is written."""
    filled(path)
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, **how: connect(f"file:{name}?mode=ro", **how | {"uri": True})
    )
    error = failure(path)
    assert error.kind == "read-only"
    assert "can't be written" in str(error)
    monkeypatch.undo()
    filled(path)


def test_a_full_disk_keeps_no_node_from_starting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    connect = sqlite3.connect

    def full(*args, **how):
        connection = connect(*args, **how)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    size = Path(f"{path}-wal").stat().st_size if Path(f"{path}-wal").exists() else 0
    database = Database(str(path))
    database.open()
    try:
        assert len(database.load()) == 10
        assert Path(f"{path}-wal").stat().st_size == size  # nothing was written to find out
    finally:
        database.close()


def test_locked_by_another_process(path: Path) -> None:
    code = f"import sys; from scp.store.sqlite_file import Database; d = Database({str(path)!r}); d.open(); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout.readline() == b"open\n"
        error = failure(path)
        assert error.kind == "locked"
        assert f"pid {owner.pid}" in str(error)
        owner.kill()
        owner.wait()
        filled(path)  # the kernel let go of the lock


def test_two_stores_of_one_process(path: Path) -> None:
    async def body(store):
        await store.put(Subscriber(A))
        with pytest.raises(StoreError) as raised:
            await open_store(f"sqlite:{path}").open()
        assert raised.value.kind == "locked"

    run(lambda: open_store(f"sqlite:{path}"), body)


def test_write_lock_of_another_program_is_waited_for_and_then_reported(path, monkeypatch) -> None:
    monkeypatch.setattr("scp.store.sqlite_base.BUSY_SECONDS", 0.05)

    async def body(store):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as raised:
            await store.put(Subscriber(A))
        assert raised.value.kind == "locked"
        assert store.find(A, None) is None
        other.execute("ROLLBACK")
        other.close()
        assert (await store.put(Subscriber(A))).version == 1

    run(lambda: open_store(f"sqlite:{path}"), body)


def test_disk_full_fails_the_writes_of_the_batch_and_no_more(path: Path) -> None:
    async def body(store):
        first = await store.put(subscriber(0))
        connection = store._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError) as raised:
            await store.put_many([subscriber(number) for number in range(1, 2000)])
        assert raised.value.kind == "disk-full"
        long = "sip:" + "x" * 5000
        puts = (store.put(subscriber(number, aor=long)) for number in range(1, 20))
        results = await asyncio.gather(*puts, return_exceptions=True)
        assert {error.kind for error in results} == {"disk-full"}
        assert results[0] is not results[1]
        assert await everything(store) == [first]
        assert await find(store, subscriber(1).msisdn) is None
        assert store.usable() == ""
        connection.execute("PRAGMA max_page_count = 100000")
        await store.put(subscriber(1))
        assert await store.count() == 2

    run(lambda: open_store(f"sqlite:{path}"), body)


def test_a_write_behind_the_nodes_back_stops_further_writes(path: Path) -> None:
    async def body(store):
        await store.put(Subscriber(A))
        with sqlite3.connect(path) as other:
            other.execute("UPDATE subscriber SET authorized = 1")
        other.close()
        with pytest.raises(StoreError) as raised:
            await store.put(Subscriber(A, version=1))
        assert raised.value.kind == "foreign-write"
        assert await find(store, A) == Subscriber(A, version=1)

    run(lambda: open_store(f"sqlite:{path}"), body)
    run(lambda: open_store(f"sqlite:{path}"), lambda store: store.put(Subscriber(A, version=1)))


def test_the_database_itself_refuses_what_the_node_could_not_read(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as other:
        for change in (
            "condition = 'sometimes'",
            "authorized = 2",
            "version = 'x'",
            "roaming = 7",
            "locations = NULL",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                other.execute(f"UPDATE subscriber SET {change}")
    other.close()


# --- looking at a running node's file ---


def test_read_only_beside_the_owner(path: Path) -> None:
    async def body(store):
        await store.put(subscriber(1))
        async with opened(lambda: open_store(f"sqlite:{path}", read_only=True)) as viewer:
            assert await viewer.count() == 1
            assert await find(viewer, subscriber(1).msisdn) == subscriber(1, version=1)
            await store.put(subscriber(2))
            assert len(await everything(viewer)) == 2
            with pytest.raises(StoreError) as raised:
                await viewer.put(subscriber(3))
            assert raised.value.kind == "read-only"
        await store.put(subscriber(3))

    run(lambda: open_store(f"sqlite:{path}"), body)


def test_sqlites_own_refusal_to_write(path: Path) -> None:
    filled(path)
    viewer = Database(str(path), read_only=True)
    viewer.open()
    with pytest.raises(StoreError) as raised:
        viewer.commit([], [A], {})
    assert raised.value.kind == "read-only"
    viewer.close()
    with pytest.raises(StoreError) as raised:
        viewer.load()
    assert raised.value.kind == "closed"


# --- schema ---


def test_migrations_run_once_in_order_and_keep_the_records(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    steps = (
        *MIGRATIONS,
        ("ALTER TABLE subscriber ADD COLUMN note TEXT",),
        ("UPDATE subscriber SET note = 'two'",),
    )
    assert migrate(connection, steps) == (len(MIGRATIONS), len(steps))
    assert migrate(connection, steps) == (len(steps), len(steps))
    assert connection.execute("SELECT count(*) FROM subscriber WHERE note = 'two'").fetchone() == (10,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


def test_a_failing_migration_changes_nothing(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    steps = (*MIGRATIONS, ("ALTER TABLE subscriber ADD COLUMN note TEXT", "UPDATE nothing SET x = 1"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, steps)
    assert not connection.in_transaction
    assert migrate(connection) == (len(MIGRATIONS), len(MIGRATIONS))
    assert "note" not in str(connection.execute("SELECT sql FROM sqlite_schema").fetchall())
    connection.close()


# --- durability ---


@pytest.mark.parametrize("count", [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * SORTED + 1])
def test_any_number_of_rows_in_any_order(path: Path, count: int) -> None:
    database = Database(str(path))
    database.open()
    rows = [to_row(Subscriber(f"4670{number:07d}", version=1)) for number in range(count)]
    for version in (1, 2):
        wanted = [(*row[:-1], version) for row in rows]
        random.Random(version).shuffle(wanted)
        database.commit(wanted, [], {})
        assert database.page("", 10_000) == sorted(wanted)
    database.close()


def test_every_commit_is_synced() -> None:
    database = Database(":memory:")
    database.open()
    assert database._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    database.close()


def test_find_shows_nothing_that_is_not_committed(path: Path) -> None:
    async def body(store):
        seen_before_commit = []
        commit = store._database.commit

        def watched(upserts, deletions, moved):
            seen_before_commit.append(store.find(A, None))
            commit(upserts, deletions, moved)
            seen_before_commit.append(store.find(A, None))

        store._database.commit = watched
        await store.put(Subscriber(A))
        assert seen_before_commit == [None, None]
        assert await find(store, A) == Subscriber(A, version=1)

    run(lambda: open_store(f"sqlite:{path}"), body)


WRITER = """
import asyncio, os, sys
from scp.store import open_store
from scp.domain.subscriber import Subscriber

async def write(store, worker):
    msisdn = f"4670000{worker:04d}"
    record = await store.get(msisdn) or Subscriber(msisdn)
    while True:
        record = await store.put(record)
        os.write(1, f"{msisdn} {record.version}\\n".encode())

async def main():
    store = open_store(f"sqlite:{sys.argv[1]}")
    await store.open()
    await asyncio.gather(*(write(store, worker) for worker in range(20)))

asyncio.run(main())
"""


def test_kill_9_loses_nothing_acknowledged(path: Path) -> None:
    acknowledged: dict[str, int] = {}
    moments = random.Random(9)
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            said = writer.stdout.readline()
            assert said
            time.sleep(moments.uniform(0.0, 0.25))
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.read()
        for line in said.decode().splitlines(keepends=True):
            if line.endswith("\n"):
                msisdn, version = line.split()
                acknowledged[msisdn] = int(version)

        async def body(store):
            for msisdn, version in acknowledged.items():
                record = await find(store, msisdn)
                # A write may be on the disk without its answer having been read; never the other way round.
                assert record is not None, msisdn
                assert record.version >= version, msisdn

        run(lambda: open_store(f"sqlite:{path}"), body)
    assert sum(acknowledged.values()) > 1000


# --- URLs and telemetry ---


@pytest.mark.parametrize(
    "url", ["", "store.db", "mysql://:secret@host/0", "sqlite", "sqlite:", "://x", "se cret:x"]
)
def test_urls_that_name_no_store(url: str) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(url)
    assert raised.value.kind == "config"
    assert "secret" not in str(raised.value)
    assert "sqlite" in str(raised.value)


def test_telemetry_hears_of_every_operation(path: Path) -> None:
    told = []

    class Telemetry:
        def store(self, operation, seconds, error=""):
            assert 0 <= seconds < 5
            told.append((operation, error))

    async def main() -> None:
        store = open_store(f"sqlite:{path}", telemetry=Telemetry())
        await store.open()
        await store.put(subscriber(1))
        await store.delete(subscriber(1).msisdn, 1)
        await store.put_many([subscriber(2)])
        await store.close()
        with pytest.raises(StoreError):
            await store.put(subscriber(1))

    asyncio.run(main())
    path.unlink()
    path.mkdir()

    async def fail() -> None:
        with pytest.raises(StoreError):
            await open_store(f"sqlite:{path}", telemetry=Telemetry()).open()

    asyncio.run(fail())
    assert told == [
        ("load", ""),
        ("put", ""),
        ("delete", ""),
        ("put_many", ""),
        ("put", "closed"),
        ("load", "cannot-open"),
    ]


TURKISH = """
import asyncio
from scp.domain.cdr import VoipRecord
from scp.store.cdr_sqlite import SqliteCdrStore

async def main():
    store = SqliteCdrStore(":memory:")
    await store.open()
    leg = VoipRecord(id="voip-1", call_id="c", a_number="1", b_number="2", started_ms=1, ended_ms=2)
    print(await store.add([leg]), await store.add([leg]))
    await store.close()

asyncio.run(main())
"""


def test_rows_are_counted_where_a_small_i_has_another_capital(tmp_path: Path) -> None:
    """Python looks for INSERT by the locale's letters, of which Turkish has two "i"."""
    made = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(tmp_path / "tr_TR.UTF-8")]
    if not shutil.which("localedef") or subprocess.run(made, check=False, capture_output=True).returncode:
        pytest.skip("the locale tr_TR can't be made: the package locales is not installed")
    environ = os.environ | {"LOCPATH": str(tmp_path), "LC_ALL": "tr_TR.UTF-8"}
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", TURKISH], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1 0\n", "")
