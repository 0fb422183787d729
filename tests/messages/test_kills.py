"""A message that was accepted is delivered once or reported, whoever is killed when."""

from __future__ import annotations

from pathlib import Path

from kill_run import run


def test_each_message_is_delivered_once_or_reported(tmp_path: Path) -> None:
    states = run(tmp_path, count=300, kills=5, seed=4)
    assert sum(states.values()) == 300
    assert states["delivered"] > 150
