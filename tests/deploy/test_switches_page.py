"""The page on switches: its lines have an announcement heard, and the options that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from oracles import page
from oracles.servers import free_ports
from scp.cli import app
from scp.config import EXAMPLE

PAGE = (Path(__file__).parents[2] / "deploy" / "switches.md").read_text(encoding="utf-8")


def test_a_caller_without_credit_hears_it_by_the_pages_lines(tmp_path: Path) -> None:
    """Other ports are all that differs: those of the page may be taken here."""
    m3ua, metrics = free_ports(2)
    (lines,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    swaps = (
        ('role = "asp-listen"\n', f'role = "asp-listen"\nport = {m3ua}\n'),
        ("[store]\n", f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n[store]\n'),
        ("camel-scp msc", f"camel-scp msc --to 127.0.0.1:{m3ua}"),
    )
    shown = page.run(page.swapped(lines, swaps), tmp_path)
    for words in ("playAnnouncement message 5", "specializedResourceReport", "releaseCall cause 21"):
        assert words in shown
    assert "continued, released with cause 21" in shown


def test_the_options_and_keys_that_it_names_are_there() -> None:
    shown = CliRunner().invoke(app, ["msc", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    named = set(re.findall(r"[` ](--[a-z][a-z-]+)", PAGE))
    assert len(named) > 15
    assert {option for option in named if option not in plain} == set()
    for key in ("charged_time", "abandon_report", "announce", "patience_s", "report_s"):
        assert key in PAGE
        assert re.search(rf"\b{key} = ", EXAMPLE)
