"""Call detail records: kept once, found by their correlation ids, exported, forgotten; and never in a call's way."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oracles.cdrs import run, voip
from oracles.waiting import until
from scp.charging import sink as sink_module
from scp.charging.bundles import TOGETHER
from scp.charging.export import export
from scp.charging.sink import SLICE, CdrSink
from scp.cli import app
from scp.domain.call import Trigger
from scp.domain.cdr import COLUMNS, Bundle, CallAttempt, ChargeRecord
from scp.domain.decision import Action, Decision
from scp.domain.numbers import Numbering
from scp.domain.reason import Reason
from scp.ports import StoreError
from scp.stack.tcap_dialogue import CLOSED, Dialogue
from scp.store.cdr_sqlite import SqliteCdrStore
from ss7.cap.types import InitialDPArg

NUMBERING = Numbering(country_code="46")
DECISION = Decision(Action.CONNECT, Reason.FORWARDED_ALWAYS, "990011234567")
IDP = InitialDPArg(
    service_key=100,
    called_party_number=bytes.fromhex("0390101032547698"),
    calling_party_number=bytes.fromhex("0313000032547698"),
    imsi=bytes.fromhex("42000121436587f9"),
    call_reference_number=b"\x01\xab",
    msc_address=bytes.fromhex("916407000000f1"),
)


def attempt(number: int = 1, **fields) -> CallAttempt:
    plain = {
        "id": f"a-{number}",
        "node": "scp-1",
        "received_ms": 1000,
        "decided_ms": 1001,
        "service": "voip-forwarding",
        "service_key": 100,
        "trigger": Trigger.TERMINATING,
        "action": Action.CONNECT,
        "reason": Reason.FORWARDED_ALWAYS,
    }
    return CallAttempt(**plain | fields)


def charge(number: int = 1, **fields) -> ChargeRecord:
    plain = {
        "id": f"charge-{number}",
        "node": "scp-1",
        "account": "46700000001",
        "call_id": "c",
        "a_number": "1",
        "b_number": "2",
        "reservation": "00",
        "reserved_ms": 1,
        "ended_ms": 2,
        "granted_seconds": 60,
        "used_seconds": 5,
    }
    return ChargeRecord(**plain | fields)


def ids(records) -> list[str]:
    return [json.loads(each.json)["id"] for each in records]


def test_each_once_by_its_id() -> None:
    async def body(store):
        assert await store.add([attempt(1), attempt(2), attempt(1)]) == 2
        assert await store.add([attempt(2, a_number="other"), voip(3)]) == 1
        assert await store.add([]) == 0
        page = await store.page(0, 10)
        assert ids(page) == ["a-1", "a-2", "voip-3"]
        assert [each.seq for each in page] == sorted(each.seq for each in page)
        assert ids(await store.page(page[0].seq, 1)) == ["a-2"]
        assert "a_number" not in (await store.get("a-2")).json
        assert await store.get("a-3") is None

    run(body)


def test_what_belongs_to_one_call() -> None:
    async def body(store):
        switch = {"call_reference": "01ab", "msc_address": "46701"}
        await store.add(
            [
                attempt(1, **switch),
                attempt(2, call_reference="01ab", msc_address="46702"),
                attempt(3),
                voip(4, call_id="call-1", call_reference="01AB", msc_address="46701"),
                voip(5, call_id="call-2"),
                charge(6, call_id="call-1"),
                charge(7, call_id="call-2"),
            ]
        )
        for each in ("a-1", "voip-4", "charge-6"):
            assert ids(await store.related(each, 10)) == ["a-1", "voip-4", "charge-6"]
        assert ids(await store.related("charge-7", 10)) == ["voip-5", "charge-7"]
        assert ids(await store.related("a-2", 10)) == ["a-2"]
        assert ids(await store.related("a-3", 10)) == ["a-3"]
        assert await store.related("a-9", 10) == []

    run(body)


def test_when_they_are_forgotten() -> None:
    now = [100.0]

    async def body(store):
        await store.add([attempt(1), attempt(2)])
        now[0] = 200.0
        await store.add([attempt(3)])
        assert ids(await store.page(0, 9, since_ms=150_000)) == ["a-3"]
        assert ids(await store.page(0, 9, until_ms=150_000)) == ["a-1", "a-2"]
        assert await store.forget(100_000, 10) == 0
        assert await store.forget(150_000, 1) == 1
        assert await store.forget(150_000, 10) == 1
        assert await store.forget(150_000, 10) == 0
        (left,) = await store.page(0, 9)
        assert await store.forget(10**15, 10) == 1
        await store.add([attempt(4)])
        assert (await store.page(0, 9))[0].seq > left.seq  # numbers are never used again

    run(body, clock=lambda: now[0])


def test_export() -> None:
    async def body(store):
        await store.add([attempt(n, a_number='4"6,') for n in range(1203)])
        await store.add([voip(1), charge(1, charged=12)])
        lines = b"".join([piece async for piece in export(store, "ndjson")]).splitlines()
        assert len(lines) == 1205
        assert json.loads(lines[0]) | {"seq": 1, "kind": "attempt", "id": "a-0"} == json.loads(lines[0])
        table = b"".join([piece async for piece in export(store, "csv")]).decode()
        rows = list(csv.DictReader(io.StringIO(table)))
        assert tuple(rows[0]) == COLUMNS
        assert len(rows) == 1205
        assert rows[7]["a_number"] == '4"6,'
        assert (rows[-1]["kind"], rows[-1]["charged"], rows[-1]["service"]) == ("charge", "12", "")
        later = [piece async for piece in export(store, "ndjson", json.loads(lines[-2])["seq"])]
        assert json.loads(b"".join(later))["id"] == "charge-1"

    run(body)


@pytest.mark.parametrize("value", ["+46701234567", "=1+2", "-1", "@x", "'a"])
def test_a_csv_has_values_as_they_came_whatever_a_spreadsheet_makes_of_them(value: str) -> None:
    async def body(store):
        await store.add([voip(1, a_number=value, call_id=value)])
        table = b"".join([piece async for piece in export(store, "csv")]).decode()
        (row,) = csv.DictReader(io.StringIO(table))
        assert (row["a_number"], row["call_id"]) == (value, value)

    run(body)


# --- the sink ---


def sink(store, **options) -> CdrSink:
    return CdrSink(store, "scp-1", NUMBERING, lambda fault: None, **options)


async def written(it: CdrSink) -> None:
    await until(lambda: not it.waiting)


ENDED = Dialogue(b"\0\0\0\1", b"\1", None, b"", 0.0)
ENDED.state = CLOSED


def show(to: CdrSink, times: int, idp: InitialDPArg | None = IDP) -> None:
    for _ in range(times):
        to.answered(ENDED, "voip-forwarding", idp, DECISION, 0.25)


def test_a_call_leaves_its_record() -> None:
    async def body(store):
        it = sink(store, wall=lambda: 1000.0)
        show(it, 1)
        show(it, 1, None)
        assert it.waiting == 2
        await it.flush()
        assert (it.waiting, it.written) == (0, 2)
        first, second = [json.loads(each.json) for each in await store.page(0, 9)]
        assert first == {
            "kind": "attempt",
            "id": "scp-1-f4240-0",
            "node": "scp-1",
            "received_ms": 999_750,
            "decided_ms": 1_000_000,
            "service": "voip-forwarding",
            "service_key": 100,
            "trigger": "originating",
            "action": "connect",
            "reason": "forwarded-always",
            "a_number": first["a_number"],
            "b_number": first["b_number"],
            "number": "990011234567",
            "call_reference": "01ab",
            "msc_address": "46700000001",
            "imsi": first["imsi"],
        }
        assert first["a_number"]
        assert first["b_number"]
        assert second["trigger"] is None
        assert second["id"] == "scp-1-f4240-1"

    run(body)


def test_it_writes_by_itself_and_what_waits_at_the_end() -> None:
    async def body(store):
        it = sink(store)
        it.start()
        show(it, 10)
        await written(it)
        assert it.written == 10
        show(it, 5)
        await it.stop()
        assert it.written == 15
        assert len(await store.page(0, 99)) == 15

    run(body)


class Full:
    """A store whose disk is full until it is not; a batch may have been written before it said so."""

    def __init__(self, store: SqliteCdrStore) -> None:
        self.store = store
        self.full = True
        self.writes_first = False

    async def add_bundles(self, bundles) -> int:
        if self.full and not self.writes_first:
            raise StoreError("the disk is full", "disk-full")
        count = await self.store.add_bundles(bundles)
        if self.full:
            raise StoreError("who knows", "io-error")
        return count


def test_a_stop_waits_a_little_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "RETRY_SECONDS", 0.05)
    said: list[str] = []

    async def body(store):
        full = Full(store)
        it = CdrSink(full, "scp-1", NUMBERING, said.append)
        it.start()
        show(it, 7)
        asyncio.get_running_loop().call_later(0.07, setattr, full, "full", False)
        await it.stop()
        assert it.written == 7

    run(body)
    assert not any("are lost" in line for line in said)


def test_records_that_a_stop_finds_no_room_for_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "RETRY_SECONDS", 0.01)
    said: list[str] = []

    async def body(store):
        it = CdrSink(Full(store), "scp-1", NUMBERING, said.append)
        it.start()
        show(it, 7)
        await it.stop()

    run(body)
    assert said[-1] == "7 call detail records are lost: the disk is full"


@pytest.mark.parametrize("writes_first", [False, True])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, writes_first: bool) -> None:
    """Calls go on; what does not fit is counted; what was kept is written once when there is room again."""
    monkeypatch.setattr(sink_module, "MOST_WAITING", 100)
    monkeypatch.setattr(sink_module, "RETRY_SECONDS", 0.02)
    said: list[str] = []

    async def body(store):
        disk = Full(store)
        disk.writes_first = writes_first
        it = CdrSink(disk, "scp-1", NUMBERING, said.append)
        it.start()
        show(it, 60)
        await until(lambda: said)
        show(it, 60)
        await until(lambda: it.dropped)
        assert (it.waiting, it.written, it.dropped) == (100, 0, 20)
        assert said == ["who knows" if writes_first else "the disk is full"]
        disk.full = False
        await written(it)
        show(it, 1)
        await it.stop()
        assert (it.written, it.dropped) == (101, 20)
        kept = ids(await store.page(0, 1000))
        assert len(kept) == len(set(kept)) == 101
        assert said[1:] == [""]

    run(body)


def test_sqlite_that_can_not_grow(tmp_path: Path) -> None:
    """A real refusal of SQLite's: nothing of the batch is there, later batches are taken."""

    async def body(store):
        await store.add([attempt(1)])

        async def limit(pages: int) -> None:
            await store._writer.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())

        await limit(1)
        with pytest.raises(StoreError) as raised:
            await store.add([attempt(n, a_number="9" * 60) for n in range(2, 1000)])
        assert raised.value.kind == "disk-full"
        await limit(1 << 30)
        assert ids(await store.page(0, 9)) == ["a-1"]
        assert await store.add([attempt(2)]) == 1

    run(body, str(tmp_path / "cdr.db"))


def test_what_a_call_pays(slowdown: float, capsys: pytest.CaptureFixture[str]) -> None:
    """The call path: about 0.3 µs. Off it a row is made and written in few µs, in slices that let calls through."""

    async def body(store):
        it = sink(store)
        answered, times = it.answered, 5_000
        a_call = spent = cpu = late = 1.0
        for _ in range(5):
            started = time.thread_time()
            for _ in range(times):
                answered(ENDED, "voip-forwarding", IDP, DECISION, 0.0001)
            a_call = min(a_call, (time.thread_time() - started) / times)
            started, cpu_started, most = time.perf_counter(), time.process_time(), 0.0
            flushing = asyncio.ensure_future(it.flush())
            while not flushing.done():
                tick = time.perf_counter()
                await asyncio.sleep(0.001)
                most = max(most, time.perf_counter() - tick - 0.001)
            spent = min(spent, (time.perf_counter() - started) / times)
            cpu = min(cpu, (time.process_time() - cpu_started) / times)
            late = min(late, most)
        with capsys.disabled():
            print(
                f"\nCDR: {a_call * 1e6:.2f} µs in the call; off it {spent * 1e6:.1f} µs, {cpu * 1e6:.1f} µs CPU,"
                f" loop late by {late * 1e3:.1f} ms at most"
            )
        assert a_call < 1e-6 * slowdown
        assert it.written == 5 * times

    run(body)


class Disk:
    """A store that writes as long as its disk ``works``."""

    def __init__(self) -> None:
        self.works = asyncio.Event()
        self.works.set()
        self.bundles: list[Bundle] = []

    async def add_bundles(self, bundles) -> int:
        await asyncio.sleep(0)
        await self.works.wait()
        self.bundles.extend(bundles)
        return sum(each.records for each in bundles)


def test_calls_come_no_faster_than_their_rows_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls in every turn of the loop: none is dropped, and few wait however long that lasts."""
    monkeypatch.setattr(sink_module, "PACE_SECONDS", 0.0)

    async def main() -> None:
        store = Disk()
        it = sink(store)
        it.start()
        most = 0
        for _ in range(200):
            show(it, 250)
            await asyncio.sleep(0)
            most = max(most, len(it._waiting))
        await it.stop()
        assert (it.written, it.dropped) == (50_000, 0)
        assert most <= 250 * 10
        assert max(each.records for each in store.bundles) <= TOGETHER
        numbers = [each.number for each in store.bundles]
        assert numbers == [sum(each.records for each in store.bundles[:n]) for n in range(len(numbers))]

    asyncio.run(main())


def test_while_the_disk_stalls_rows_wait_and_none_is_dropped() -> None:
    async def main() -> None:
        store = Disk()
        store.works.clear()
        it = sink(store)
        it.start()
        for _ in range(30):
            show(it, 1_000)
            await asyncio.sleep(0.001)
        await until(lambda: not it._waiting)  # what waits is rows, a tenth of what calls take
        assert (it.waiting, it.written, store.bundles) == (30_000, 0, [])
        store.works.set()
        await it.stop()
        assert (it.written, it.dropped, it.waiting) == (30_000, 0, 0)

    asyncio.run(main())


def test_the_loop_goes_on_while_rows_are_made() -> None:
    async def main() -> None:
        it = sink(Disk())
        show(it, 10 * SLICE)
        turns = 0
        flushing = asyncio.ensure_future(it.flush())
        while not flushing.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 4

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(12))
def test_a_held_calls_record_is_on_the_disk_when_all_that_came_before_it_is_done_with(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Whatever comes behind it, and whenever a write ends: with that, the journal lets go of the call."""
    monkeypatch.setattr(sink_module, "PACE_SECONDS", 0.0)
    held = Dialogue(b"\0\0\0\2", b"\1", None, b"", 0.0)

    class Slow(Disk):
        async def add_bundles(self, bundles) -> int:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await super().add_bundles(bundles)

    async def main() -> None:
        store = Slow()
        it = sink(store)
        let_go: list[bool] = []

        def done(count: int) -> None:
            if count >= position:
                let_go.append(any("of-a-held-call" in each.rows for each in store.bundles))

        position = 1_000_000
        it.on_written = done
        it.start()
        it.answered(held, "of-a-held-call", IDP, DECISION, 0.25)
        show(it, 1)
        for _ in range(4):
            await asyncio.sleep(0)
        it.over(held)
        position = it.position()
        show(it, 10 * SLICE)
        await written(it)
        assert let_go
        assert all(let_go)
        await it.stop()

    asyncio.run(main())


# --- the command ---

CONFIG = """
[node]
point_code = 1
[[m3ua.peers]]
name = "a"
remote = ["127.0.0.1"]
[numbering]
country_code = "46"
[store]
url = "sqlite:{path}"
"""


def test_the_command(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(CONFIG.format(path=tmp_path / "store.db"))
    runner = CliRunner()
    missing = runner.invoke(app, ["cdrs", "export", "-c", str(config)])
    assert missing.exit_code == 1
    run(lambda store: store.add([attempt(1), voip(2)]), str(tmp_path / "store.db.cdr"))
    shown = runner.invoke(app, ["cdrs", "export", "-c", str(config), "--after", "1"])
    assert shown.exit_code == 0
    assert json.loads(shown.output)["id"] == "voip-2"
    out = tmp_path / "out.csv"
    assert (
        runner.invoke(app, ["cdrs", "export", "-c", str(config), "--format", "csv", "-o", str(out)]).exit_code
        == 0
    )
    assert len(out.read_text().splitlines()) == 3
    assert runner.invoke(app, ["cdrs", "export", "-c", str(tmp_path / "none")]).exit_code == 2


def test_the_file_is_not_taken_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (id)")
    other.close()
    with pytest.raises(StoreError) as raised:
        run(lambda store: store.page(0, 1), str(path))
    assert raised.value.kind == "foreign"
