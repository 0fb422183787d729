from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from contract import everything, records, subscriber
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from oracles.redis_lab import Lab
from scp.domain.subscriber import Subscriber, When
from scp.ports import StoreError
from scp.store import open_store
from scp.store.commands import app
from scp.store.transfer import FIELDS, Csv, Import, Ndjson, State, TransferError

HEADER = ",".join(FIELDS)
runner = CliRunner()


def loaded(
    path: Path, store: str, **options: object
) -> tuple[State, list[Subscriber], list[tuple[int, str]]]:
    faults: list[tuple[int, str]] = []

    async def main() -> tuple[State, list[Subscriber]]:
        opened = open_store(store)
        await opened.open()
        try:
            state = await Import(opened, path, refused=lambda *fault: faults.append(fault), **options).run()
            return state, await everything(opened)
        finally:
            await opened.close()

    return *asyncio.run(main()), faults


@given(st.lists(records, max_size=5))
def test_what_is_written_is_read(given: list[Subscriber]) -> None:
    for form in (Ndjson(), Csv(Csv.header)):
        for record in given:
            if form.header and record.aor == "":
                continue  # an empty cell is an absent value
            line = form.write(record)
            kept = replace(record, passes=()) if form.header else record  # half a minute's, no table's
            assert form.read(line) == kept
            assert form.msisdn(line) == record.msisdn
            assert line.count(b"\n") == 1


def test_wrong_lines_are_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    lines = [
        '{"msisdn":"46701"}',
        "",
        "{",
        '{"msisdn":"x"}',
        '{"msisdn":"46702","when":"never"}',
        '{"imsi":"1"}',
        "\udcff",
    ]
    path.write_text("\n".join(lines), errors="surrogateescape")
    state, got, faults = loaded(path, "sqlite::memory:")
    assert got == [Subscriber("46701", version=1)]
    assert [number for number, _ in faults] == [3, 4, 5, 6, 7]
    assert (state.records, state.refused) == (1, 5)
    assert "msisdn must be" in faults[1][1]
    assert not (tmp_path / "in.ndjson.import").exists()


def test_a_file_beside_which_nothing_can_be_written_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "in.ndjson"
    path.write_text('{"msisdn":"46701"}\n')
    (tmp_path / "in.ndjson.import.new").mkdir()  # as if the folder were read-only, also for root
    state, got, _ = loaded(path, "sqlite::memory:")
    assert (state.records, got) == (1, [Subscriber("46701", version=1)])


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "aor,msisdn,authorized,when,locations,roaming\n"
        '"sip:a,b@c",46701,true,locations,4670 4671,false\n'
        ",46702,,,,\n"
        ",46703,yes,,,\n"
        ",46704\n"
    )
    _state, got, faults = loaded(path, "sqlite::memory:")
    assert got == [
        Subscriber(
            "46701",
            authorized=True,
            aor="sip:a,b@c",
            when=When.LOCATIONS,
            locations=("4670", "4671"),
            roaming=False,
            version=1,
        ),
        Subscriber("46702", version=1),
    ]
    assert faults == [(4, "authorized must be true or false"), (5, "2 values, the header names 6 columns")]
    path.write_text("number,name\n1,2\n")
    with pytest.raises(TransferError, match="columns"):
        loaded(path, "sqlite::memory:")
    with pytest.raises(TransferError, match="No such file"):
        loaded(tmp_path / "nothing.csv", "sqlite::memory:")


class Failing:
    """A store that goes away after some calls."""

    def __init__(self, store, calls: int) -> None:
        self.store = store
        self.calls = calls

    async def put_many(self, batch) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise StoreError("gone", "unreachable")
        await self.store.put_many(batch)


@pytest.mark.parametrize("name", ["in.ndjson", "in.csv"])
def test_an_interrupted_import_goes_on_where_it_was(
    tmp_path: Path, name: str, single: Lab, fresh: str
) -> None:
    path = tmp_path / name
    form = Csv(Csv.header) if name.endswith(".csv") else Ndjson()
    wanted = [subscriber(number, authorized=True) for number in range(20_000)]
    path.write_bytes(form.header + b"".join(map(form.write, wanted)))

    async def main() -> None:
        store = open_store(f"{single.url}?{fresh}")
        await store.open()
        with pytest.raises(StoreError, match="gone"):
            await Import(Failing(store, 3), path).run()
        left = json.loads((tmp_path / f"{name}.import").read_bytes())
        assert 0 < left["records"] == left["lines"] - bool(form.header) < 20_000
        seen = []
        state = await Import(store, path, moved=lambda state: seen.append(state.records)).run()
        assert state.records == 20_000 == seen[-1]
        assert seen[0] > left["records"]
        got = await everything(store)
        assert {record.msisdn for record in got} == {record.msisdn for record in wanted}
        assert all(record.authorized for record in got)
        again = await Import(store, path, restart=True).run()
        assert again.records == 20_000
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["out.ndjson", "out.csv"])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_commands(tmp_path: Path, single: Lab, fresh: str, name: str, kind: str) -> None:
    store = f"sqlite:{tmp_path / 'store.db'}" if kind == "sqlite" else f"{single.url}?{fresh}"
    source = tmp_path / "in.ndjson"
    source.write_bytes(
        b"".join(Ndjson().write(subscriber(number, aor=f"sip:{number}")) for number in range(3000))
    )
    done = runner.invoke(app, ["import", str(source), "--store", store])
    assert done.exit_code == 0, done.output
    assert "3000 records" in done.output
    shown = runner.invoke(app, ["show", "+46 700 000 007", "--store", store])
    assert json.loads(shown.stdout) == {
        "msisdn": "46700000007", "imsi": None, "authorized": False, "aor": "sip:7", "forwarding_number": None,
        "forwarding": False, "when": "always", "locations": [], "roaming": None, "vlr": None, "version": 1,
        "rescue": None, "rescue_number": None, "passes": [],
    }  # fmt: skip
    out = tmp_path / name
    done = runner.invoke(app, ["export", str(out), "--store", store])
    assert done.exit_code == 0, done.output
    whole = out.read_bytes()
    assert len(set(whole.splitlines())) == 3000 + name.endswith(".csv")
    out.unlink()
    (tmp_path / f"{name}.part").write_bytes(whole[: len(whole) // 2])  # interrupted within a line
    done = runner.invoke(app, ["export", str(out), "--store", store])
    assert "3000 records" in done.output
    assert out.read_bytes() == whole


def test_commands_that_fail(tmp_path: Path) -> None:
    assert runner.invoke(app, ["show", "46700000001"]).exit_code == 2
    missing = runner.invoke(app, ["show", "46700000001", "--store", "redis://127.0.0.1:1"])
    assert (missing.exit_code, "redis" in missing.output) == (1, True)
    store = f"sqlite:{tmp_path / 'store.db'}"
    wrong = tmp_path / "in.ndjson"
    wrong.write_text("{}\n" * 30)
    done = runner.invoke(app, ["import", str(wrong), "--store", store])
    assert done.exit_code == 1
    assert "30 lines refused" in done.output
    assert done.output.count("msisdn") == 20
    assert runner.invoke(app, ["show", "46700000001", "--store", store]).exit_code == 1
    wrong.write_text('{"msisdn": "46700000001"}\n')
    done = runner.invoke(app, ["import", str(wrong), "--store", store, "--restart"])
    assert "\n1 record in " in f"\n{done.stdout}"
    for words in (
        [str(wrong), "--store", "sqlite:/nonexistent/x"],
        [str(tmp_path / "none"), "--store", store],
    ):
        done = runner.invoke(app, ["import", *words])
        assert (done.exit_code, "No such file" in done.stderr, "records: " in done.stderr) == (1, True, False)
