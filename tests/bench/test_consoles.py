"""What open consoles cost: one node with streams open beside one without, and the streams are read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from test_bench import TINY
from typer.testing import CliRunner

from scp.bench import consoles
from scp.bench.scenarios import SCENARIOS
from scp.cli import app


def test_a_node_with_consoles_is_measured_beside_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "SCENARIOS", {"steer-sqlite": replace(SCENARIOS["steer-sqlite"], window=8)})
    monkeypatch.setattr(consoles, "QUIET", 0.0)
    monkeypatch.setattr(consoles, "_SETTLE", 0.0)
    told: list[str] = []
    found = consoles.with_consoles(["steer-sqlite"], TINY, 2, told.append)
    (measured,) = found.scenarios.values()
    assert found.faults == []
    assert [text for text in told if "pair" in text] == [
        "steer-sqlite: pair 1 of 2",
        "steer-sqlite: pair 2 of 2",
    ]
    assert len(measured.here) == len(measured.there) == 2
    assert all(each.cpu_us_per_call > 0 for each in (*measured.here, *measured.there))


@pytest.mark.parametrize(
    ("words", "why"), [(["echo"], "there are"), (["--against", "."], "a comparison of its own")]
)
def test_what_makes_no_sense_with_consoles_is_refused(words: list[str], why: str) -> None:
    result = CliRunner().invoke(app, ["bench", "--consoles", "5", *words])
    assert result.exit_code == 2
    assert why in " ".join(result.output.replace("│", " ").split())
