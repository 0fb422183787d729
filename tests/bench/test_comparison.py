"""This code beside another checkout's: both run, and a scenario that got slower is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_bench import RESULT, TINY
from typer.testing import CliRunner

from scp.bench import commands, comparison
from scp.bench.comparison import COMPARED, Compared, Comparison, compare
from scp.bench.machine import describe
from scp.bench.server import ServerError, other_tree
from scp.cli import app

CHECKOUT = Path(__file__).parents[2]


def rounds(*micros: float) -> tuple:
    return tuple(
        replace(RESULT.saturation, cpu_us_per_call=each, calls_per_s=1e6 / each / 2) for each in micros
    )


def compared(here: tuple[float, ...], there: tuple[float, ...], *faults: str) -> Compared:
    return Compared(here=rounds(*here), there=rounds(*there), faults=faults)


def test_both_trees_run_every_scenario_and_every_answer_is_right():
    told = []
    found = compare(("steer-sqlite", "echo", "replay"), TINY, CHECKOUT, told.append)
    assert found.faults == []
    assert [text for text in told if text.startswith("pair")] == ["pair 1 of 2", "pair 2 of 2"]
    assert list(found.scenarios) == ["steer-sqlite", "echo", "replay"]
    for each in found.scenarios.values():
        assert len(each.here) == len(each.there) == 2
        assert all(one.calls_per_s > 0 for one in (*each.here, *each.there))
        assert each.speed.least <= each.speed.median <= each.speed.most


def test_the_codec_is_measured_by_each_trees_own_benchmark():
    found = comparison._codec(other_tree(CHECKOUT, compiled=False))
    assert list(found) == ["codec", "parts"]
    assert all(one.cpu_us_per_call > 1 for one in found.values())


@pytest.mark.parametrize(
    ("here", "there", "slower"),
    [
        ((11.0, 12.0, 11.5), (10.0, 10.0, 11.0), True),
        ((11.0, 9.9, 11.5), (10.0, 10.0, 10.0), False),  # one pair says otherwise
        ((10.1, 10.1, 10.1), (10.0, 10.0, 10.0), False),  # always, but by less than a run can show
        ((9.0, 9.0, 9.0), (10.0, 10.0, 10.0), False),
    ],
)
def test_slower_is_what_takes_more_cpu_time_in_every_pair(here, there, slower):
    assert compared(here, there).slower is slower


def test_ratios_are_of_pairs():
    found = compared((10.0, 30.0, 22.0), (10.0, 20.0, 20.0))
    assert (found.cpu.median, found.cpu.least, found.cpu.most) == (1.1, 1.0, 1.5)
    assert (found.speed.median, found.speed.least, found.speed.most) == (0.909, 0.667, 1.0)


@pytest.mark.parametrize(
    ("scenarios", "status"),
    [
        ({"steer": compared((10.0,), (10.0,))}, 0),
        ({"steer": compared((10.0,), (10.0,)), "held": compared((20.0,), (10.0,))}, 1),
        ({"steer": compared((10.0,), (10.0,), "3 times missing")}, 1),
    ],
)
def test_the_command_says_what_is_slower_and_fails(monkeypatch, scenarios, status):
    asked = []

    def fake(names, size, checkout, tell, *, realtime):
        asked.append((names, checkout))
        return Comparison(machine=describe(), size=size, against=str(checkout), scenarios=scenarios)

    monkeypatch.setattr(commands, "compare", fake)
    table = CliRunner().invoke(app, ["bench", "--against", "/elsewhere", *scenarios])
    assert table.exit_code == status
    assert ("2.00 (2.00 to 2.00)" in table.output) is ("held" in scenarios)
    assert ("steer: 3 times missing" in table.output) is any(each.faults for each in scenarios.values())
    parsed = CliRunner().invoke(app, ["bench", "--json", "--against", "/elsewhere"])
    assert parsed.exit_code == status
    shown = json.loads(parsed.stdout)
    assert shown["scenarios"]["steer"]["cpu_ratio"] == {"median": 1.0, "least": 1.0, "most": 1.0}
    assert {name for name, each in shown["scenarios"].items() if each["slower"]} == set(scenarios) - {"steer"}
    assert asked == [(list(scenarios), Path("/elsewhere")), (list(COMPARED), Path("/elsewhere"))]


@pytest.mark.parametrize("arguments", [["scale"], ["--soak", "5000"], ["--plot", "x.svg"]])
def test_what_is_not_compared_is_refused(arguments):
    result = CliRunner().invoke(app, ["bench", "--against", str(CHECKOUT), *arguments])
    assert result.exit_code == 2
    assert arguments[0].strip("-") in result.output


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(ServerError, match="no checkout of camel-scp"):
        other_tree(tmp_path, compiled=False)


def test_compiled_code_is_compared_with_a_build_as_new_as_its_sources(tmp_path):
    source, made = tmp_path / "scp" / "bench" / "__init__.py", tmp_path / "build" / "compiled" / ".made"
    source.parent.mkdir(parents=True)
    source.touch()
    made.parent.mkdir(parents=True)
    with pytest.raises(ServerError, match="make compiled there"):
        other_tree(tmp_path, compiled=True)
    made.touch()
    os.utime(source, (1, 1))
    assert other_tree(tmp_path, compiled=True).places == (made.parent,)
