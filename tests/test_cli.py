"""The command: what there is, and that a start imports no more than it uses."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from oracles.waiting import PATIENCE
from scp import version as scp_version
from scp.cli import COMMANDS, app
from scp.cli.examples import EXAMPLES


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: camel-scp {name}" in result.output


def test_all_are_listed() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f" {name} " in result.output for name in COMMANDS)


def test_an_unknown_one_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["server"])
    assert result.exit_code == 2
    assert "No such command 'server'" in result.output


def test_a_start_imports_no_room() -> None:
    program = (
        "import sys, scp.cli; print(*(name for name in sys.modules if name.startswith(('scp.', 'ss7'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"scp.cli"}


CAPTURE = str(Path(__file__).parents[1] / "pcaps" / "cap2-steered.pcapng")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["msc", "--cap", "5"], "--cap"),
        (["msc", "--load", "--rate", "-5"], "--rate"),
        (["msc", "--ssn", "256"], "--ssn"),
        (["subscribers", "import", ".", "--store", "sqlite::memory:"], "is a directory"),
        (["subscribers", "show", "44x", "--store", "sqlite::memory:"], "decimal digits only"),
        (["anonymise", CAPTURE, "/no/such/folder/out"], "/no/such/folder/out: No such file or directory"),
        (["decode", "--hex", "62", CAPTURE], "not both"),
        (["decode", os.devnull], "/dev/null: empty"),
        (["subscribers", "export", "-", "--store", "sqlite::memory:"], "a file's name"),
    ],
)
def test_bad_input_is_said_in_words(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output
    assert isinstance(result.exception, SystemExit)  # and no traceback


def test_a_closed_standard_input_is_said_in_words() -> None:
    command = f"{shlex.quote(sys.executable)} -m scp.cli decode - <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "-: standard input is closed\n")


@pytest.mark.parametrize("words", [f"decode {CAPTURE}", f"decode {CAPTURE} --lines", "example", "--help"])
@pytest.mark.parametrize(
    ("out", "status", "said"),
    [
        (">/dev/full", 1, "standard output: No space left on device\n"),
        (">&-", 0, ""),
        ("| head -0", 0, ""),
        (">latin-1", 0, ""),
    ],
)
def test_an_output_that_takes_no_text_or_not_every_letter(
    tmp_path: Path, words: str, out: str, status: int, said: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m scp.cli {words} {out}"
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        ["sh", "-c", command], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert (done.returncode, done.stderr.replace("20 packets, 0 undecodable\n", "")) == (status, said)


def test_the_version_says_what_runs() -> None:
    result = CliRunner().invoke(app, ["--version"])
    built = "compiled" if scp_version.COMPILED else "plain Python"
    assert result.output == f"camel-scp {scp_version.VERSION}, {built}\n"


def test_a_capture_is_not_written_over_itself(tmp_path: Path) -> None:
    capture = tmp_path / "a.pcapng"
    capture.write_bytes(Path(CAPTURE).read_bytes())
    (tmp_path / "same").symlink_to(capture)
    for out in (capture, tmp_path / "same"):
        result = CliRunner().invoke(app, ["anonymise", str(capture), str(out)])
        assert (result.exit_code, result.output) == (
            2,
            f"{out}: this is the capture itself; give another file\n",
        )
    assert capture.read_bytes() == Path(CAPTURE).read_bytes()


@pytest.mark.parametrize("words", [["subscribers", "export"], ["explain"]])
def test_the_help_has_all_its_words(words: list[str]) -> None:  # "[store]" would be markup, and left out
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert "store.url" in result.output


def test_a_page_that_can_not_be_written_is_said_in_words(tmp_path: Path) -> None:
    config, records = tmp_path / "scp.toml", tmp_path / "records.ndjson"
    config.write_text(CliRunner().invoke(app, ["example"]).output)
    records.touch()
    words = ["replay", CAPTURE, "-c", str(config), "--store", str(records), "--html", "/no/such/page"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "/no/such/page: No such file or directory" in result.output


def test_every_command_has_examples_that_are_shown() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, examples in EXAMPLES.items():
        shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        for line, what in examples:
            assert f"{line}   ({what})" in shown


def test_each_command_of_a_group_shows_its_own_examples() -> None:
    groups = {name: command for name in COMMANDS if (command := get_command(app).get_command(None, name))}
    of_groups = [(name, inner) for name, group in groups.items() for inner in getattr(group, "commands", {})]
    assert {name for name, _ in of_groups} >= {"subscribers", "cdrs"}
    for name, inner in of_groups:
        shown = CliRunner().invoke(app, [name, inner, "--help"], env={"COLUMNS": "200"}).output
        examples = shown.partition("Examples:")[2]
        assert f"camel-scp {name} {inner}" in examples
        assert examples.count("camel-scp ") == examples.count(f"camel-scp {name} {inner}")


@pytest.mark.parametrize("line", [line for examples in EXAMPLES.values() for line, _ in examples])
def test_examples_are_commands_that_are_there(line: str) -> None:
    """The words are taken as the command takes them, which is not run."""
    _, found, rest = line.partition("camel-scp ")
    assert found
    words = shlex.split(rest.partition(" > ")[0])
    command = get_command(app)
    while isinstance(command, TyperGroup) and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(typer.Context(command), name)
        assert command is not None, name
    command.make_context(line, words)


@pytest.mark.parametrize(
    ("typed", "word", "offered"),
    [("camel-scp se", 1, ["serve"]), ("camel-scp decode --he", 2, ["--hex", "--help"])],
)
def test_a_shell_completes_commands_and_options(typed: str, word: int, offered: list[str]) -> None:
    environ = os.environ | {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(word),
        "_CAMEL_SCP_COMPLETE": "complete_bash",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    program = "import sys; sys.argv[0] = 'camel-scp'; from scp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.stdout.split() == offered, done.stderr
