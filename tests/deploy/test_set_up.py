"""`deploy/setup.sh` on a machine that has next to nothing: what it asks apt-get for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("cat", "chmod", "dirname", "grep", "printf", "rm", "tail")
SAYS_ROOT = "#!/bin/sh\necho 0\n"
APT_GET = '#!/bin/sh\necho "$@" >>"$0.log"\n'
APT_CACHE = """#!/bin/sh
case "$2" in
  user-mode-linux) echo "N: Unable to locate package $2" >&2 ;;
  chromium-headless-shell) printf '%s:\\n  Installed: (none)\\n  Candidate: (none)\\n' "$2" ;;
  *)
    printf '%s:\\n  Installed: (none)\\n  Candidate: 1:2.3-4\\n' "$2"
    # The table of versions follows, and whoever stops reading at the candidate ends this program with SIGPIPE.
    exec printf '     5:7.0.15-1 500 %050000d\\n' 1 2 3 4 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs, and a checkout with the script; the guard against services stands there too."""
    programs, checkout = tmp_path / "bin", tmp_path / "checkout" / "deploy"
    programs.mkdir()
    checkout.mkdir(parents=True)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (programs / tool).symlink_to(found)
    for name, text in (("id", SAYS_ROOT), ("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    script = (ROOT / "deploy" / "setup.sh").read_text()
    guard = "/usr/sbin/policy-rc.d"
    assert guard in script
    (checkout / "setup.sh").write_text(script.replace(guard, str(tmp_path / "guard")))
    return tmp_path


def set_up(machine: Path, aim: str) -> tuple[str, list[str]]:
    """What it says, and what apt-get is asked."""
    bash = shutil.which("bash")
    assert bash is not None
    environment = {"PATH": str(machine / "bin"), "PYTHON": "python-that-is-not-there"}
    command = [bash, str(machine / "checkout" / "deploy" / "setup.sh"), aim]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1  # without Python there is no more that it can do
    assert "no python-that-is-not-there; install Python 3.11 or later" in done.stderr
    return done.stderr, (machine / "bin" / "apt-get.log").read_text().splitlines()


def test_packages_that_the_system_does_not_have_do_not_keep_others_away(machine: Path) -> None:
    said, [update, install] = set_up(machine, "test")
    assert update.split()[0] == "update"
    packages = install.partition("--no-install-recommends ")[2].split()
    assert {"python3", "redis-server", "tshark", "osmo-stp"} <= set(packages)
    for package in ("user-mode-linux", "chromium-headless-shell"):
        assert package not in packages
        assert f"there is no package {package} for this system" in said
        assert f"missing: {package} (" in said
    assert not (machine / "guard").exists()


def test_what_only_tests_need_is_not_asked_for_a_run(machine: Path) -> None:
    _, [_, install] = set_up(machine, "run")
    assert install.partition("--no-install-recommends ")[2].split() == ["python3", "python3-venv"]


def test_each_package_has_a_line_of_three_parts_and_none_stands_twice() -> None:
    script = (ROOT / "deploy" / "setup.sh").read_text()
    lines = [line for line in script.splitlines() if " ~ " in line and not line.startswith("#")]
    assert len(lines) > 10
    assert {line.count("~") for line in lines} == {2}
    packages = [line.partition(" ")[0] for line in lines]
    assert sorted(set(packages)) == sorted(packages)


def test_no_setting_of_the_makefile_has_two_defaults() -> None:
    """The first of them would hold for both."""
    named = re.findall(r"(?m)^([A-Z_]+) \?=", (ROOT / "Makefile").read_text())
    assert len(named) > 5
    assert len(named) == len(set(named))
