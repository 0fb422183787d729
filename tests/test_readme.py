"""The README shows what happens: its demo output, its configuration, its commands."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from oracles import page
from oracles.servers import free_ports
from scp.app import demo
from scp.cli import COMMANDS, app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PCAPS = ROOT / "pcaps"


def timeless(text: str) -> list[str]:
    """Return lines without what differs from run to run: times, the port, what blanks the times leave."""
    text = re.sub(r"\d+\.\d+", "#", text)
    text = re.sub(r"127\.0\.0\.1:\d+|#\.#:\d+", "ADDRESS", text)
    return [re.sub(r"[ ─]+", " ", line).strip() for line in text.splitlines()]


def test_the_demo_passes_and_the_readme_shows_its_output() -> None:
    console = Console(record=True, quiet=False, highlight=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    passed = demo.run(keep=False, console=console)
    text = console.export_text()
    assert passed, text
    printed = timeless(text)
    shown = timeless(re.search(r"```text\n(.*?)\n```", README, re.DOTALL)[1])  # type: ignore[index]
    missing = [line for line in shown if line and line != "…" and line not in printed]
    assert not missing
    assert any(line.endswith("settled, 4 charged") for line in printed), (
        "the charged call's money is beside it"
    )
    assert any(line.endswith("connected to 0011234567, released with cause 16 │") for line in printed), (
        "rescued"
    )


def test_a_wrong_answer_fails_the_demo(monkeypatch) -> None:
    steered, continued = demo.CARDS[0], demo.CARDS[1]
    monkeypatch.setattr(demo, "CARDS", (steered, replace(continued, expected=steered.expected)))
    monkeypatch.setattr(demo, "CONTROLLED", ())
    monkeypatch.setattr(demo.demo_voip_service, "missing", lambda: "what another test shows")
    assert CliRunner().invoke(app, ["demo"]).exit_code == 1


def test_the_readmes_first_calls_are_made_as_they_stand(tmp_path: Path) -> None:
    """Other ports are all that differs: those of the page may be taken here."""
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    m3ua, api, metrics = free_ports(3)
    first, charged = re.findall(r"```sh\n(TOKEN=.*?|cat >>.*?)```", README, re.DOTALL)
    swaps = (
        ('role = "asp-listen"\n', f'role = "asp-listen"\nport = {m3ua}\n'),
        ("[api]\n", f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n[api]\nlisten = "127.0.0.1:{api}"\n'),
        ("127.0.0.1:8080", f"127.0.0.1:{api}"),
        ("camel-scp msc", f"camel-scp msc --to 127.0.0.1:{m3ua}"),
        ("camel-scp explain", f"camel-scp explain --node http://127.0.0.1:{api}"),
    )
    shown = page.run(page.swapped(first + charged, swaps), tmp_path)
    assert "connect 990011234567" in shown
    assert "forwarded-roaming" in shown
    account = shown.rpartition("as expected")[2]
    talked = float(re.findall(r"talked ([0-9.]+) s", shown)[-1])  # 2.3; a busy machine may hang up later
    left = json.loads(account[account.index("{") :])["balance"]
    assert left in {20 - math.ceil(talked - 0.05), 20 - math.ceil(talked + 0.05)}


def test_the_captures_pages_commands_find_the_same_answers(tmp_path: Path, monkeypatch) -> None:
    text, _ = re.findall(r"<<END\n(.*?)END\n", README, re.DOTALL)
    (tmp_path / "scp.toml").write_text(re.sub(r"\$\(.*\)", "0" * 64, text), encoding="utf-8")
    (tmp_path / "pcaps").symlink_to(PCAPS)
    monkeypatch.chdir(tmp_path)
    page = (PCAPS / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"(?m)^    camel-scp (.*)$", page)
    assert len(commands) == 3
    for command in commands:
        if "--to" not in command:
            done = CliRunner().invoke(app, command.split())
            assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").stat().st_size


def test_the_readme_names_the_commands_there_are() -> None:
    named = set(re.findall(r"\| `camel-scp ([a-z-]+)", README))
    assert named == set(COMMANDS)
