"""The code that ``camel-scp bench`` measures: in a checkout, the compiled build that ``make compiled`` left.

An installed wheel holds what its installation compiled, and nothing here applies to it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import scp

CHECKOUT: Final = Path(scp.__file__).resolve().parents[1]
TRIED: Final = "CAMEL_SCP_ON_BUILD"
"""Environment variable that ends the search: set for the process that is started on a build."""


def fresh_build(checkout: Path) -> Path | None:
    """Return the compiled build of a checkout, unless a source is younger than it or there is none."""
    made = checkout / "build" / "compiled" / ".made"
    if not made.exists():
        return None
    sources = (path for folder in ("scp", "codecs") for path in (checkout / folder).rglob("*.py"))
    newest = max((path.stat().st_mtime for path in sources), default=0.0)
    return made.parent if newest <= made.stat().st_mtime else None


def run_on_build() -> None:
    """Start this command again on the compiled build, if this is plain code in a checkout that has one.

    Return if there is none; in a checkout, print how to make one.
    """
    if not (CHECKOUT / "setup.py").exists() or TRIED in os.environ:
        return
    build = fresh_build(CHECKOUT)
    if build is None:
        sys.stderr.write(
            "camel-scp: this is plain Python; `make bench` compiles it first, `ARGS=…` for options\n"
        )
        return
    environment = os.environ | {
        TRIED: "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(build), os.environ.get("PYTHONPATH")])),
    }
    # -P: the current folder may be the checkout, whose plain code would come first.
    command = [sys.executable, "-P", "-m", "scp.cli", *sys.argv[1:]]
    os.execve(command[0], command, environment)  # noqa: S606 - this very program
