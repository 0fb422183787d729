"""deploy/charged-calls.md: from nothing to a charged call, as the page has it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from oracles import page
from oracles.servers import free_ports

PAGE = (Path(__file__).parents[2] / "deploy" / "charged-calls.md").read_text(encoding="utf-8")


def test_the_pages_lines_run_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs."""
    msc, api, metrics = free_ports(3)
    (config,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (lines,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
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
