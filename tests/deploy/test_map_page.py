"""deploy/map.md: from a running node to "roaming is known by itself", as the page has it."""

from __future__ import annotations

import re
from pathlib import Path

from oracles import page
from oracles.servers import free_ports

PAGE = (Path(__file__).parents[2] / "deploy" / "map.md").read_text(encoding="utf-8")


def test_the_readme_leads_to_these_lines() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "(deploy/map.md#in-ten-lines)" in readme
    block = PAGE.partition("\n## In ten lines\n")[2].partition("\n## ")[0]
    assert block.count("```sh\n") == 1


def test_the_pages_lines_run_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs."""
    msc, hlr, metrics = free_ports(3)
    config = "".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
    (lines,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert lines.count("\n") == 10
    swaps = (
        ("port = 2906", f"port = {hlr}"),
        ('destinations = ["0-23-3"]', f'port = {msc}\ndestinations = ["0-23-3"]'),
    )
    config = page.swapped(config, swaps) + f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n'
    (tmp_path / "map.toml").write_text(config)
    swaps = (
        ("127.0.0.1:2906", f"127.0.0.1:{hlr}"),
        ("camel-scp msc", f"camel-scp msc --to 127.0.0.1:{msc}"),
    )
    shown = page.run(page.swapped(lines, swaps), tmp_path)
    assert "connect 990011234567" in shown
    assert shown.count(": result") == 1
    assert "1 anyTimeInterrogation" in (tmp_path / "hlr.log").read_text()
