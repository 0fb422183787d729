"""The examples of properties: the same in every run of `make test`, new ones with each seed of `make thorough`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
SUITE = """
import elsewhere
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from oracles.examples import examples

@given(st.tuples(st.integers(), st.text(), st.binary(), st.sampled_from(sorted({"one", "two", "three"}))))
def test_values(values):
    print(ascii(values))

@examples(4)
@given(st.floats())
def test_few(value):
    print(value)

class Steps(RuleBasedStateMachine):
    @rule(value=st.integers())
    def step(self, value):
        print("step", value)

TestSteps = Steps.TestCase
TestSteps.settings = examples(3, stateful_step_count=5)
"""


def run(folder: Path, constants: int, options: str = "", **environment: str) -> list[str]:
    """What the suite's examples are where a module with so many constants of its own is imported."""
    folder.mkdir()
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "elsewhere.py").write_text(f"CONSTANTS = {[7919 * n for n in range(1, 1 + constants)]}")
    (folder / "conftest.py").write_text("from oracles import examples\nexamples.choose_profile()\n")
    command = [sys.executable, "-m", "pytest", "-qs", "-p", "_hypothesis_pytestplugin", *options.split()]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "CAMEL_SCP_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**plain, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if " passed in " not in line]


def test_examples_are_the_same_whatever_else_is_imported(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 0, PYTHONHASHSEED="0")
    assert 100 < len(first) < 130
    assert run(tmp_path / "second", 500, PYTHONHASHSEED="99") == first


def test_thorough_examples_are_many_and_follow_the_seed(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 0, "--hypothesis-seed=1", CAMEL_SCP_THOROUGH="5")
    assert len(first) > 500
    assert run(tmp_path / "again", 0, "--hypothesis-seed=1", CAMEL_SCP_THOROUGH="5") == first
    assert run(tmp_path / "other", 0, "--hypothesis-seed=2", CAMEL_SCP_THOROUGH="5") != first


def test_properties_inside_other_tests_are_marked_for_a_thorough_run() -> None:
    """Hypothesis marks what it runs itself; a property that a test calls is marked by hand."""
    found, unmarked = 0, []
    for file in TESTS.rglob("*.py"):
        for test in ast.walk(ast.parse(file.read_text())):
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                calls = [node for part in test.body for node in ast.walk(part) if isinstance(node, ast.Call)]
                if {"given", "run_state_machine_as_test"} & {ast.unparse(call.func) for call in calls}:
                    found += 1
                    if "pytest.mark.hypothesis" not in map(ast.unparse, test.decorator_list):
                        unmarked.append(f"{file}: {test.name}")
    assert found >= 4
    assert not unmarked


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by it: the second one would be an error of collection."""
    names = [file.name for file in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
