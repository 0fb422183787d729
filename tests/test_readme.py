"""The README shows what happens: its demo output, its configuration, its commands."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from scp.app import demo
from scp.cli import COMMANDS, app
from scp.config import loads

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def timeless(text: str) -> list[str]:
    """Return lines without what differs from run to run: times, the port, what blanks the times leave."""
    text = re.sub(r"\d+\.\d+", "#", text)
    text = re.sub(r"127\.0\.0\.1:\d+|#\.#:\d+", "ADDRESS", text)
    return [re.sub(r"[ ─]+", " ", line).strip() for line in text.splitlines()]


def test_the_demo_passes_and_the_readme_shows_its_output() -> None:
    console = Console(record=True, quiet=False, highlight=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    assert demo.run(keep=False, console=console)
    printed = timeless(console.export_text())
    shown = timeless(re.search(r"```text\n(.*?)\n```", README, re.DOTALL)[1])  # type: ignore[index]
    missing = [line for line in shown if line and line != "…" and line not in printed]
    assert not missing


def test_a_wrong_answer_fails_the_demo(monkeypatch) -> None:
    steered, continued = demo.CARDS[0], demo.CARDS[1]
    monkeypatch.setattr(demo, "CARDS", (steered, replace(continued, expected=steered.expected)))
    assert CliRunner().invoke(app, ["demo"]).exit_code == 1


def test_the_readmes_configuration_is_accepted() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        loads(re.sub(r"(?m)^   ", "", block), {})


def test_the_readme_names_the_commands_there_are() -> None:
    named = set(re.findall(r"\| `camel-scp ([a-z-]+)", README))
    assert named == set(COMMANDS)
