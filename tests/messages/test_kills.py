"""A message that was accepted is delivered once or reported, whoever is killed when."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kill_run import run

from oracles.servers import redis_server


def test_each_message_is_delivered_once_or_reported(tmp_path: Path) -> None:
    states = run(tmp_path, count=200, kills=3, seed=4)
    assert sum(states.values()) == 200
    assert states["delivered"] > 100


def test_two_nodes_on_one_redis_send_each_message_once(tmp_path: Path) -> None:
    """Both are asked for each of the messages; either may send it, and its receipt comes to any."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    with redis_server(tmp_path) as url:
        states = run(tmp_path, count=120, kills=2, seed=7, url=url, nodes=2)
    assert sum(states.values()) == 120
    assert states["delivered"] >= 120 - 2 * 40  # a kill leaves in doubt what either node had on its way: 20
