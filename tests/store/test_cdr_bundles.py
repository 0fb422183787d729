"""Call attempts that lie many to a row: each is found by number, id and leg, once, as if it had a row of its own."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.cdrs import run, voip
from oracles.examples import examples
from scp.domain.cdr import ATTEMPT_ROW, Bundle, CallAttempt, ChargeRecord, leg
from scp.ports import StoredCdr, StoreError
from scp.store import cdr_bundles, cdr_file
from scp.store.cdr_file import CdrFile
from scp.store.cdr_sqlite import SqliteCdrStore

BOOT = "scp-1-19abc-"


def row(**fields) -> tuple:
    plain = {
        "received_ms": 1000,
        "decided_ms": 1001,
        "service": "voip-forwarding",
        "service_key": 100,
        "trigger": "terminating",
        "action": "connect",
        "reason": "forwarded-always",
        "a_number": "46701",
        "b_number": "46702",
        "number": "9946702",
        "call_reference": "",
        "msc_address": "",
        "imsi": "240010123456789",
    }
    assert tuple(plain) == ATTEMPT_ROW[: len(plain)]
    return tuple((plain | fields).values())


def bundle(number: int, *rows: tuple, boot: str = BOOT, node: str = "scp-1") -> Bundle:
    legs = [leg(each[10], each[11]) if len(each) > 11 else None for each in rows]
    return Bundle(node, boot, number, len(rows), json.dumps(rows), json.dumps(legs))


def called(reference: str, msc: str = "46700000001") -> tuple:
    return row(call_reference=reference, msc_address=msc)


def charge(number: int = 1, **fields) -> ChargeRecord:
    amounts = {"reserved_ms": 1, "ended_ms": 2, "granted_seconds": 60, "used_seconds": 5}
    names = {
        "node": "scp-1",
        "account": "1",
        "call_id": "c",
        "a_number": "1",
        "b_number": "2",
        "reservation": "00",
    }
    return ChargeRecord(id=f"charge-{number}", **amounts | names | fields)


def ids(records: list[StoredCdr]) -> list[str]:
    return [json.loads(each.json)["id"] for each in records]


def attempts(*numbers: int) -> list[str]:
    return [f"{BOOT}{number:x}" for number in numbers]


def test_a_row_is_shown_as_the_record_that_it_is_short_for() -> None:
    async def body(store):
        unread = row()[:7]
        over = (*called("01ab"), 1500, None, 16)
        await store.add_bundles([bundle(9, unread, over)])
        first, second = [json.loads(each.json) for each in await store.page(0, 10)]
        assert first == {
            "kind": "attempt",
            "id": f"{BOOT}9",
            "node": "scp-1",
            "received_ms": 1000,
            "decided_ms": 1001,
            "service": "voip-forwarding",
            "service_key": 100,
            "trigger": "terminating",
            "action": "connect",
            "reason": "forwarded-always",
        }
        assert (second["id"], second["call_reference"], second["imsi"]) == (
            f"{BOOT}a",
            "01ab",
            "240010123456789",
        )
        assert (second["answered_ms"], second["release_cause"]) == (1500, 16)
        assert "disconnected_ms" not in second
        for each in (first, second):
            assert json.loads(json.dumps(each)) == json.loads((await store.get(each["id"])).json)

    run(body)


def test_a_bundle_is_there_once() -> None:
    """It is written again where nobody knew whether it was: the second time is none."""

    async def body(store):
        twice = bundle(0, row(), row())
        assert await store.add_bundles([twice]) == 2
        assert await store.add_bundles([twice, bundle(2, row())]) == 1
        assert await store.add_bundles([bundle(0, row(), boot="scp-1-20000-")]) == 1
        assert await store.add_bundles([]) == 0
        page = await store.page(0, 10)
        assert ids(page) == [*attempts(0, 1, 2), "scp-1-20000-0"]
        assert [each.seq for each in page] == [1, 2, 3, 4]

    run(body)


def test_numbers_go_on_between_rows_and_bundles() -> None:
    async def body(store):
        await store.add([voip(1)])
        await store.add_bundles([bundle(0, row(), row(), row())])
        await store.add([voip(2), charge(3)])
        await store.add_bundles([bundle(3, row())])
        everything = ["voip-1", *attempts(0, 1, 2), "voip-2", "charge-3", *attempts(3)]
        assert [(each.seq, ids([each])[0]) for each in await store.page(0, 99)] == list(
            enumerate(everything, 1)
        )
        for after in range(9):
            for most in range(1, 9):
                assert ids(await store.page(after, most)) == everything[after : after + most]

    run(body)


@pytest.mark.parametrize(
    "record_id",
    [
        "",
        "-",
        BOOT,
        f"{BOOT}3",
        f"{BOOT}00",
        f"{BOOT}+1",
        f"{BOOT}0_1",
        f"{BOOT}0x1",
        f"{BOOT}{'f' * 40}",
        "x-1",
        "1",
    ],
)
def test_ids_that_no_record_has(record_id: str) -> None:
    async def body(store):
        await store.add_bundles([bundle(0, row(), row(), row()), bundle(16, row())])
        assert await store.get(record_id) is None
        assert await store.related(record_id, 10) == []
        assert ids([await store.get(f"{BOOT}10")]) == attempts(16)

    run(body)


@pytest.mark.parametrize("runs_of", [1, 3, 8_192])
def test_what_belongs_to_one_call(monkeypatch: pytest.MonkeyPatch, runs_of: int) -> None:
    """Whether the legs wait to be sorted, or are, or some."""
    monkeypatch.setattr(cdr_bundles, "RUN", runs_of)

    async def body(store):
        await store.add_bundles([bundle(0, called("01ab"), called("01ab", "46702"), row())])
        await store.add(
            [
                voip(4, call_id="call-1", call_reference="01AB", msc_address="46700000001"),
                voip(5, call_id="call-2"),
                charge(6, call_id="call-1"),
            ]
        )
        await store.add_bundles([bundle(3, row(), called("01ab"))])
        await store.add_bundles([bundle(5, called("ffff"))])
        call = [*attempts(0), "voip-4", "charge-6", *attempts(4)]
        for each in call:
            assert ids(await store.related(each, 10)) == call
        assert len(await store.related("charge-6", 2)) == 2
        for alone in (*attempts(1, 2, 3, 5), "voip-5"):
            assert ids(await store.related(alone, 10)) == [alone]

    run(body)


def test_legs_are_sorted_into_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdr_bundles, "RUN", 50)
    chance = random.Random(3)
    references = [f"{chance.randrange(40):04x}" for _ in range(400)]

    async def body(store):
        for start in range(0, 400, 20):
            await store.add_bundles([bundle(start, *map(called, references[start : start + 20]))])
        runs = "SELECT count(DISTINCT run), count(*) FROM leg"
        assert await store._writer.read(lambda c: c.execute(runs).fetchone()) == (6, 360)
        for number in (0, 59, 60, 200, 399):
            alike = [n for n, each in enumerate(references) if each == references[number]]
            assert ids(await store.related(attempts(number)[0], 100)) == attempts(*alike)

    run(body)


def test_when_they_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdr_bundles, "RUN", 2)
    now = [100.0]

    async def body(store):
        await store.add([voip(1)])
        await store.add_bundles([bundle(0, *[called("01ab")] * 3), bundle(3, called("01ab"), called("01ab"))])
        now[0] = 200.0
        await store.add_bundles([bundle(5, called("01ab"))])
        assert ids(await store.page(0, 9, since_ms=150_000)) == attempts(5)
        assert ids(await store.page(0, 9, until_ms=150_000)) == ["voip-1", *attempts(0, 1, 2, 3, 4)]
        assert await store.forget(100_000, 10) == 0
        assert await store.forget(150_000, 10) == 1
        assert await store.forget(150_000, 2) == 3  # a bundle goes as one
        assert ids(await store.related(attempts(5)[0], 10)) == attempts(3, 4, 5)
        assert await store.forget(150_000, 10) == 2
        assert await store.forget(150_000, 10) == 0
        assert ids(await store.related(attempts(5)[0], 10)) == attempts(5)
        assert await store.forget(10**15, 10) == 1
        left = "SELECT (SELECT count(*) FROM leg) + (SELECT count(*) FROM bundle_legs)"
        assert await store._writer.read(lambda c: c.execute(left).fetchone()) == (0,)
        await store.add_bundles([bundle(6, called("01ab"))])
        assert [each.seq for each in await store.page(0, 9)] == [8]  # numbers are never used again

    run(body, clock=lambda: now[0])


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("attempts"), st.lists(st.sampled_from(["", "01", "02", "03"]), min_size=1, max_size=6)
        ),
        st.tuples(st.just("voip"), st.sampled_from(["", "01", "02", "03"])),
        st.tuples(st.just("forget"), st.integers(1, 9)),
    ),
    max_size=20,
)


@examples(40)
@given(STEPS, st.integers(1, 9), st.integers(1, 7))
def test_it_is_as_if_each_had_a_row(steps, runs_of: int, most: int) -> None:
    """The same records as bundles and as rows: the same pages, the same calls; what is forgotten is the oldest."""

    async def body(bundled, plain):
        made = 0
        for number, (what, given_) in enumerate(steps):
            if what == "attempts":
                rows = [called(each) if each else row() for each in given_]
                new = bundle(made, *rows)
                await bundled.add_bundles([new])
                await plain.add(
                    [CallAttempt(f"{BOOT}{n:x}", "scp-1", *each) for n, each in enumerate(rows, made)]
                )
                made += len(rows)
            elif what == "voip":
                fields = {"call_reference": given_, "msc_address": "46700000001"} if given_ else {}
                for store in (bundled, plain):
                    await store.add([voip(number, call_id=str(number % 3), **fields)])
            else:
                await bundled.forget(10**15, given_)
                kept = {each.seq for each in await bundled.page(0, 999)}
                gone = [each.seq for each in await plain.page(0, 999) if each.seq not in kept]
                marks = ",".join(map(str, gone))
                await plain._writer.write(
                    lambda c, m=marks: c.execute(f"DELETE FROM cdr WHERE seq IN ({m})").rowcount
                )
        whole = await plain.page(0, 999)
        assert await bundled.page(0, 999) == whole
        assert await bundled.page(most, most) == await plain.page(most, most)
        for each in whole:
            name = json.loads(each.json)["id"]
            assert await bundled.get(name) == each
            assert await bundled.related(name, 999) == await plain.related(name, 999)

    async def main() -> None:
        stores = [SqliteCdrStore(":memory:") for _ in range(2)]
        for store in stores:
            await store.open()
        try:
            await body(*stores)
        finally:
            for store in stores:
                await store.close()

    before = cdr_bundles.RUN
    cdr_bundles.RUN = runs_of
    try:
        asyncio.run(main())
    finally:
        cdr_bundles.RUN = before


def test_no_room_on_the_disk(tmp_path: Path) -> None:
    """A real refusal of SQLite's: nothing of the bundles is there, and they are taken once there is room."""

    async def body(store):
        async def limit(pages: int) -> None:
            await store._writer.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())

        large = [bundle(0, row()), bundle(1, *[called("01ab")] * 999)]
        await limit(1)
        with pytest.raises(StoreError) as raised:
            await store.add_bundles(large)
        assert raised.value.kind == "disk-full"
        await limit(1 << 30)
        assert await store.page(0, 9) == []
        assert await store.add_bundles(large) == 1000
        assert [each.seq for each in await store.page(998, 9)] == [999, 1000]

    run(body, str(tmp_path / "cdr.db"))


@pytest.mark.parametrize("rows", ["[[1", "{}", '"x"', "[1]", "", "[[1,2],[1,2]]", f"[{[1] * 30}]"])
def test_a_damaged_bundle_is_said_and_hides_no_other(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "cdr.db"
    run(
        lambda store: store.add_bundles([bundle(0, row()), bundle(1, row(), row()), bundle(3, row())]),
        str(path),
    )
    with sqlite3.connect(path) as other:
        other.execute("UPDATE bundle SET rows = ? WHERE first = 2", (rows,))
    other.close()

    async def body(store):
        with pytest.raises(StoreError, match="records 2 to 3 can't be read") as raised:
            await store.page(0, 10)
        assert raised.value.kind == "corrupt"
        assert ids(await store.page(0, 1)) == attempts(0)
        assert ids(await store.page(3, 10)) == attempts(3)
        assert await store.add_bundles([bundle(4, row())]) == 1

    run(body, str(path))


# --- files of an earlier release ---


def earlier_release(path: Path, monkeypatch: pytest.MonkeyPatch, *records: object) -> None:
    """A file of schema version 1, with records."""
    schema = cdr_file.CdrFile.schema
    with monkeypatch.context() as patch:
        patch.setattr(cdr_file.CdrFile, "schema", schema._replace(migrations=schema.migrations[:1]))
        run(lambda store: store.add(records), str(path))


OLD = CallAttempt("scp-1-1-0", "scp-1", *called("01ab"))


@pytest.mark.parametrize("records", [[], [OLD, voip(1)]])
def test_an_earlier_file_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records) -> None:
    path = tmp_path / "cdr.db"
    earlier_release(path, monkeypatch, *records)

    async def body(store):
        await store.add_bundles([bundle(0, called("01ab"))])
        page = await store.page(0, 10)
        assert ids(page) == [*(each.id for each in records), *attempts(0)]
        assert [each.seq for each in page] == list(range(1, len(records) + 2))
        if records:
            assert ids(await store.related(OLD.id, 9)) == [OLD.id, *attempts(0)]

    run(body, str(path))


def test_an_earlier_file_can_be_looked_at_beside_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cdr.db"
    earlier_release(path, monkeypatch, OLD)
    before = path.read_bytes()

    async def body(store):
        assert ids(await store.page(0, 10)) == ids(await store.related(OLD.id, 9)) == [OLD.id]
        assert await store.get("scp-1-1-7") is None
        with pytest.raises(StoreError) as raised:
            await store.add_bundles([bundle(0, row())])
        assert raised.value.kind == "read-only"

    run(body, CdrFile(str(path), read_only=True))
    assert path.read_bytes() == before


def test_a_file_in_use_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "cdr.db"

    async def body(store):
        await store.add_bundles([bundle(0, called("01ab"), row())])

        async def look(other):
            assert ids(await other.page(0, 10)) == attempts(0, 1)
            await store.add_bundles([bundle(2, row())])
            assert ids(await other.page(0, 10)) == attempts(0, 1, 2)

        beside = SqliteCdrStore(CdrFile(str(path), read_only=True))
        await beside.open()
        try:
            await look(beside)
        finally:
            await beside.close()

    run(body, str(path))
