"""deploy/charged-calls.md: from nothing to a charged call, as the page has it."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

from oracles import page
from oracles.servers import free_ports

sys.path.append(str(Path(__file__).parents[1] / "charging"))  # ocs.py

from ocs import Books, Ocs

PAGE = (Path(__file__).parents[2] / "deploy" / "charged-calls.md").read_text(encoding="utf-8")
OURS, ELSEWHERE = PAGE.split("## By the operator's own system")


def blocks(text: str) -> tuple[str, str]:
    """The one configuration and the one list of commands in a part of the page."""
    (config,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (lines,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return config, lines


def test_the_pages_lines_run_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs."""
    msc, api, metrics = free_ports(3)
    config, lines = blocks(OURS)
    assert lines.count("\n") == 10
    swaps = (
        ("127.0.0.1:8080", f"127.0.0.1:{api}"),
        ('local = ["127.0.0.1"]', f'local = ["127.0.0.1"]\nport = {msc}'),
    )
    config = page.swapped(config, swaps) + f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n'
    (tmp_path / "charged.toml").write_text(config)
    swaps = (
        ("127.0.0.1:8080", f"127.0.0.1:{api}"),
        ("camel-scp msc", f"camel-scp msc --to 127.0.0.1:{msc}"),
    )
    output = page.run(page.swapped(lines, swaps), tmp_path, at_end="")
    shown = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    balances = [each["balance"] for each in shown if "balance" in each]
    records = {each["kind"]: each for each in shown if "kind" in each}
    call, charge = records["attempt"], records["charge"]
    assert call["charged_ms"] >= 2_300
    seconds = math.ceil(call["charged_ms"] / 1000)  # 3; a busy machine may hang up later
    assert balances == [20, 20 - seconds]
    assert (call["charge"], call["tariff"], call["release_cause"]) == (seconds, "46", 16)
    assert (charge["used_seconds"], charge["charged"]) == (seconds, seconds)
    assert call["reservation"] == charge["reservation"]


def test_the_lines_with_an_online_charging_system_run_as_they_stand(tmp_path: Path) -> None:
    """It is the tests' own; another one is no other to the node."""
    msc, metrics = free_ports(2)
    ocs = Ocs(Books(balance=20, price=60)).up()
    try:
        config, lines = blocks(ELSEWHERE)
        assert lines.count("\n") <= 10
        swaps = [("127.0.0.1:9464", f"127.0.0.1:{metrics}")]
        configured = (
            ("127.0.0.1:3868", f"127.0.0.1:{ocs.port}"),
            ('local = ["127.0.0.1"]', f'local = ["127.0.0.1"]\nport = {msc}'),
        )
        (tmp_path / "charged.toml").write_text(page.swapped(config, (*swaps, *configured)))
        swaps.append(("camel-scp msc", f"camel-scp msc --to 127.0.0.1:{msc}"))
        output = page.run(page.swapped(lines, tuple(swaps)), tmp_path, at_end="")
    finally:
        ocs.down()
    records = {each["kind"]: each for each in map(json.loads, output.splitlines()[-2:])}
    call, charge = records["attempt"], records["charge"]
    assert (call["release_cause"], call["reservation"]) == (16, charge["reservation"])
    assert charge["used_seconds"] == math.ceil(call["charged_ms"] / 1000)
    assert ocs.books.used == [charge["used_seconds"]]
    assert ocs.books.balance == 20 - charge["used_seconds"]
    kinds = [each.cc_request_type for each in ocs.books.requests]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == (1, {2}, 3)
