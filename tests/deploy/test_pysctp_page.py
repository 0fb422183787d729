"""deploy/pysctp.md: its script says what the page says."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "deploy" / "pysctp.md").read_text(encoding="utf-8")


def test_the_script_shows_the_faults_that_the_page_tells_of() -> None:
    try:
        version = metadata.version("pysctp")
    except metadata.PackageNotFoundError:
        pytest.skip("pysctp is not installed (it needs gcc and libsctp-dev to build)")
    if version != "0.7.3":
        pytest.skip(f"the page is about pysctp 0.7.3, here is {version}: are the faults mended?")
    script = PAGE.partition("```python\n")[2].partition("```")[0]
    said = PAGE.partition("It says, with 0.7.3:\n\n```\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == said
