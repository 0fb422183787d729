"""Runs the shell lines of a page as they stand, but for what may be taken here: ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path


def swapped(text: str, swaps: Iterable[tuple[str, str]]) -> str:
    """Return the text with each first string of a pair, which has to be in it, replaced by the second."""
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    return text


def run(lines: str, folder: Path, *, environment: Mapping[str, str] = {}, at_end: str = "wait $NODE") -> str:
    """Run lines in bash, which ends at the first that fails, and return what they print.

    The programs that they leave in the background are killed. What is printed goes to files: a pipe would be
    read for as long as such a program holds it.

    Args:
        lines: they find ``camel-scp`` in the PATH.
        folder: where they run.
        environment: further variables.
        at_end: what is waited for.
    """
    program = folder / "camel-scp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scp.cli "$@"\n')
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **environment,
    }
    command = ["bash", "-eu", "-c", lines + at_end]
    printed, complained = folder / "page.stdout", folder / "page.stderr"
    with printed.open("wb") as out, complained.open("wb") as errors:
        shell = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=out, stderr=errors, start_new_session=True
        )
        try:
            status = shell.wait(300)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    logs = [printed, complained, *folder.glob("*.log")]
    assert status == 0, "\n".join(f"{log.name}:\n{log.read_text(errors='replace')}" for log in logs)
    return printed.read_text()
