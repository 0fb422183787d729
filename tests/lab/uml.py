"""Runs a command under a kernel that has SCTP: User Mode Linux, an ordinary process, on the host's own root.

The guest sees the host's files read-only, has its own loopback (127.0.0.0/8 and `ADDRESSES` for multi-homing), /tmp
and process table, one CPU, and is slow: a place for function, not for speed. ``/run/lab`` in the guest is the run's
folder, which both sides can write to. Needs Debian's user-mode-linux, kmod and iproute2.

From a shell: ``python tests/lab/uml.py COMMAND…`` prints the command's output and leaves with its exit status.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ADDRESSES: Final = ("10.23.0.1", "10.23.1.1", "10.23.0.2", "10.23.1.2")
INIT: Final = Path(__file__).with_name("guest-init.sh").resolve()
ROOT: Final = INIT.parents[2]
MODULES: Final = Path("/usr/lib/uml/modules")


@dataclass(frozen=True)
class Result:
    """What became of a command.

    Attributes:
        status: its exit status, or -1 if the guest did not get so far in time.
        output: its standard output and error.
        console: what the guest's kernel said, for when there is no status.
        seconds: from start of the guest to its end.
    """

    status: int
    output: str
    console: str
    seconds: float


def unavailable() -> str:
    """Return "" if the lab works here, else what is missing."""
    missing = [tool for tool in ("linux.uml", "modprobe", "ip") if not find(tool)]
    if missing:
        return f"the SCTP lab needs {' '.join(missing)}"
    return "" if MODULES.is_dir() else f"the SCTP lab needs {MODULES}"


def find(tool: str) -> str | None:
    """Return a tool's path; administrators' folders are not on everybody's PATH."""
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def run(
    command: Sequence[str],
    *,
    seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
    memory_mb: int = 512,
) -> Result:
    """Boot, run one command in the repository's root, power off.

    Args:
        command: program and arguments, as the guest finds them: the host's files.
        seconds: for everything, the boot's two or three included; then the guest is killed.
        environment: variables to add.
        memory_mb: the guest's memory.
    """
    with tempfile.TemporaryDirectory(prefix="camel-scp-lab-") as folder:
        lab = Path(folder)
        variables = [f"export {name}={shlex.quote(value)}\n" for name, value in (environment or {}).items()]
        script = f"cd {shlex.quote(str(ROOT))} || exit 126\n{''.join(variables)}exec {shlex.join(command)}\n"
        (lab / "command").write_text(script, encoding="utf-8")
        start = time.monotonic()
        boot(lab, memory_mb, seconds)
        return Result(
            status=int(read(lab / "status") or -1),
            output=read(lab / "output"),
            console=read(lab / "console"),
            seconds=time.monotonic() - start,
        )


def on_own_network(command: Sequence[str]) -> list[str]:
    """Return what runs a command on this kernel with a loopback and addresses of its own. Takes root."""
    addresses = "".join(f"ip address add {address}/32 dev lo; " for address in ADDRESSES)
    script = f"ip link set lo up; {addresses}cd {shlex.quote(str(ROOT))}; exec {shlex.join(command)}"
    return ["unshare", "--net", "sh", "-c", script]


def boot(lab: Path, memory_mb: int, seconds: float) -> None:
    """Run the guest kernel to its end, or kill it with all its processes when its time is up."""
    kernel = [
        find("linux.uml") or "linux.uml",
        f"mem={memory_mb}M",
        "root=/dev/root",
        "rootfstype=hostfs",
        "ro",
        f"init={INIT}",
        f"lab={lab}",
        f"tree={ROOT}",
        f"uml_dir={lab}/",
        "umid=lab",
        "con0=null,fd:1",
        "con=null",
        "ssl=null",
        "panic=-1",
    ]
    with (
        (lab / "console").open("wb") as console,
        subprocess.Popen(
            kernel,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as guest,
    ):
        try:
            guest.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(guest.pid, signal.SIGKILL)


def read(path: Path) -> str:
    """Return a file's text, "" if there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def main() -> int:
    """Run the command line's command."""
    missing = unavailable()
    if missing:
        print(missing, file=sys.stderr)
        return 1
    result = run(sys.argv[1:], seconds=float(os.environ.get("LAB_SECONDS", "600")))
    print(result.output, end="")
    if result.status < 0:
        print(result.console, file=sys.stderr)
    return result.status if result.status >= 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
