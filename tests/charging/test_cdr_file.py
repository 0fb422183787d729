"""Where the records of a node with Redis are, and what becomes of a file with the name that it once had."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from scp.domain.call import Trigger
from scp.domain.cdr import Bundle, CallAttempt, VoipRecord
from scp.domain.decision import Action
from scp.domain.reason import Reason
from scp.ports import CdrStore, StoreError
from scp.store.beside import open_cdrs
from scp.store.cdr_file import EARLIER, NodeCdrFile
from scp.store.cdr_sqlite import SqliteCdrStore

REDIS = "redis://127.0.0.1/0"
ROW = {"received_ms": 1, "decided_ms": 1, "service": "s", "service_key": 100, "trigger": Trigger.TERMINATING}


def attempt(name: str, node: str) -> CallAttempt:
    return CallAttempt(id=name, node=node, action=Action.CONTINUE, reason=Reason.NOT_REGISTERED, **ROW)


ONE_ROW = '[[1, 1, "s", 100, null, "continue", "not-registered"]]'
VOIP = VoipRecord(id="voip-1", call_id="c", a_number="1", b_number="2", started_ms=1, ended_ms=2)


async def kept(store: CdrStore, *records: object) -> list[tuple[int, str]]:
    """Add records; what is in the file then, as numbers and bodies."""
    await store.open()
    try:
        if records:
            await store.add(records)
        return [(each.seq, each.json) for each in await store.page(0, 100)]
    finally:
        await store.close()


def earlier(directory: Path, *records: object) -> list[tuple[int, str]]:
    return asyncio.run(kept(SqliteCdrStore(str(directory / EARLIER)), *records))


def of(node: str, directory: Path, *, read_only: bool = False) -> SqliteCdrStore:
    return SqliteCdrStore(NodeCdrFile(node, directory=directory, read_only=read_only))


def test_two_nodes_of_one_directory_have_a_file_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        stores = [open_cdrs(None, REDIS, f"scp-{number}") for number in (1, 2)]
        for store in stores:
            await store.open()
        for number, store in enumerate(stores):
            await store.add([attempt(f"a-{number}", "any")])
        assert [len(await store.page(0, 10)) for store in stores] == [1, 1]
        for store in stores:
            await store.close()

    asyncio.run(main())
    assert {path.name for path in tmp_path.glob("*.cdr")} == {"scp-1.cdr", "scp-2.cdr"}


@pytest.mark.parametrize("records", [[attempt("a-1", "scp-1"), VOIP], [VOIP], []])
def test_an_earlier_file_is_taken_over_with_its_numbers(tmp_path: Path, records: list[object]) -> None:
    before = earlier(tmp_path, *records)
    assert asyncio.run(kept(of("scp-1", tmp_path, read_only=True))) == before
    after = asyncio.run(kept(of("scp-1", tmp_path), attempt("a-2", "scp-1")))
    assert after[:-1] == before
    assert after[-1][0] == len(before) + 1
    assert {path.name for path in tmp_path.glob("*.cdr*")} == {
        "scp-1.cdr",
        f"{EARLIER}.lock",
        "scp-1.cdr.lock",
    }


def test_what_a_killed_node_had_only_in_its_log_is_taken_over(tmp_path: Path) -> None:
    if (child := os.fork()) == 0:  # ends as by kill -9: nothing is closed, the log is not moved into the file

        async def main() -> None:
            store = SqliteCdrStore(str(tmp_path / EARLIER))
            await store.open()
            await store.add([attempt("a-1", "scp-1")])
            os._exit(0)

        asyncio.run(main())
    os.waitpid(child, 0)
    assert (tmp_path / f"{EARLIER}-wal").stat().st_size > 0
    assert [seq for seq, _ in asyncio.run(kept(of("scp-1", tmp_path)))] == [1]
    assert not (tmp_path / f"{EARLIER}-wal").exists()


def test_another_nodes_file_is_left_alone(tmp_path: Path) -> None:
    before = earlier(tmp_path, attempt("a-1", "scp-1"), VOIP)
    assert asyncio.run(kept(of("scp-2", tmp_path))) == []
    assert earlier(tmp_path) == before


@pytest.mark.parametrize(("node", "numbers"), [("scp-1", [1, 2]), ("scp-2", [])])
def test_whose_a_file_is_that_has_call_attempts_in_bundles(
    tmp_path: Path, node: str, numbers: list[int]
) -> None:
    async def main() -> None:
        store = SqliteCdrStore(str(tmp_path / EARLIER))
        await store.open()
        await store.add([attempt("a-1", "scp-2")])
        await store.add_bundles([Bundle("scp-1", "scp-1-1-", 0, 1, ONE_ROW, "[null]")])
        await store.close()

    asyncio.run(main())
    assert [seq for seq, _ in asyncio.run(kept(of(node, tmp_path)))] == numbers


def test_a_file_in_use_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        used = SqliteCdrStore(str(tmp_path / EARLIER))
        await used.open()
        await used.add([attempt("a-1", "scp-1")])
        assert await kept(of("scp-1", tmp_path)) == []
        assert len(await used.page(0, 10)) == 1
        await used.close()

    asyncio.run(main())


def test_a_new_file_wins_over_an_earlier_one(tmp_path: Path) -> None:
    asyncio.run(kept(of("scp-1", tmp_path), attempt("a-9", "scp-1")))
    before = earlier(tmp_path, attempt("a-1", "scp-1"))
    assert [seq for seq, _ in asyncio.run(kept(of("scp-1", tmp_path)))] == [1]
    assert earlier(tmp_path) == before


def test_a_damaged_earlier_file_is_named(tmp_path: Path) -> None:
    (tmp_path / EARLIER).write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
    with pytest.raises(StoreError, match=EARLIER) as raised:
        asyncio.run(kept(of("scp-1", tmp_path)))
    assert raised.value.kind == "corrupt"
