"""What the tests of the load generator and the benchmarks share."""

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

sys.path.append(str(Path(__file__).parents[1] / "simulator"))  # scripted_scf.py


@pytest.fixture(autouse=True)
def few_calls_at_once(monkeypatch):
    """Keep few calls outstanding: a node of plain Python on a busy machine can answer no 240 in time."""
    from scp.bench import benchmark, comparison, scale, scenarios, soak

    few = {name: replace(scenario, window=8) for name, scenario in scenarios.SCENARIOS.items()}
    for module in (benchmark, comparison):
        monkeypatch.setattr(module, "SCENARIOS", few)
    monkeypatch.setattr(soak, "_STEER", few["steer"])
    monkeypatch.setattr(scale, "_WINDOW", 8)
