"""Runs the shell lines of a page as they stand, but for what may be taken here: ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def swapped(text: str, swaps: Iterable[tuple[str, str]]) -> str:
    """Return the text with each first string of a pair, which has to be in it, replaced by the second."""
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    return text


def run(lines: str, folder: Path, *, at_error: str = "kill $NODE", at_end: str = "wait $NODE") -> str:
    """Run lines in bash, which ends at the first that fails, and return what they print.

    Args:
        lines: they find ``camel-scp`` in the PATH.
        folder: where they run.
        at_error: what ends the programs that they have started.
        at_end: what is waited for.
    """
    program = folder / "camel-scp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scp.cli "$@"\n')
    program.chmod(0o755)
    environ = os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = ["bash", "-eu", "-c", f"trap '{at_error}' ERR\n{lines}{at_end}"]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    logs = [f"{log.name}:\n{log.read_text(errors='replace')}" for log in folder.glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    return done.stdout
