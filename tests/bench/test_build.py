"""Which code a benchmark runs on: in a checkout the compiled build, if it is as new as the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scp.bench import build
from scp.bench.build import fresh_build


def test_a_build_that_is_older_than_the_code_is_left_alone(tmp_path: Path) -> None:
    source, made = tmp_path / "scp" / "version.py", tmp_path / "build" / "compiled" / ".made"
    source.parent.mkdir()
    made.parent.mkdir(parents=True)
    source.touch()
    assert fresh_build(tmp_path) is None
    made.touch()
    os.utime(source, (1, 1))
    assert fresh_build(tmp_path) == made.parent
    os.utime(made, (0, 0))
    assert fresh_build(tmp_path) is None


def test_a_benchmark_runs_on_the_build(tmp_path: Path) -> None:
    """A copy of the command's package, and a build whose command says that it ran."""
    compiled = tmp_path / "build" / "compiled"
    for folder, text in (
        (compiled / "scp" / "cli", "import sys; print('the build', *sys.argv[1:])"),
        (
            tmp_path / "scp" / "cli",
            "from scp.bench.build import run_on_build; run_on_build(); print('plain')",
        ),
    ):
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(text)
    (tmp_path / "scp" / "bench").mkdir()
    (tmp_path / "scp" / "bench" / "build.py").write_text(Path(build.__file__).read_text())
    (tmp_path / "setup.py").touch()

    def run() -> list[str]:
        command = [sys.executable, "-m", "scp.cli", "bench", "--quick"]
        environment = {name: value for name, value in os.environ.items() if name != build.TRIED}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(tmp_path)},
        )
        return (done.stdout + done.stderr).split()

    assert "plain" in run()
    (compiled / ".made").touch()
    assert run() == ["the", "build", "bench", "--quick"]
