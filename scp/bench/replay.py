"""The scenario ``replay``: the speed of ``camel-scp replay`` beside that of tshark, on the same capture.

They run one after the other; measured is the CPU time that each takes, its start included, which other load
on the machine does not change. The capture has InitialDPs over SCTP with their answers. The replay decodes
all messages, decides every call and compares the answers; tshark prints the fields that this needs.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scp.bench.results import ReplaySpeed
from scp.bench.scenarios import REPLAY
from scp.bench.server import OWN, ServerError, environment, python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.bench.server import Tree

FIELDS: Final = (
    "frame.number",
    "tcap.otid",
    "tcap.dtid",
    "camel.local",
    "camel.serviceKey",
    "e164.called_party_number.digits",
    "e164.calling_party_number.digits",
)
_CONFIG: Final = """\
[node]
point_code = 185

[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]

[numbering]
country_code = "46"
home_vlr = ["4670"]

[services.voip-forwarding]
service_keys = [100]
prefix = "99"
"""


def against_tshark(folder: Path, dialogues: int, tell: Callable[[str], None]) -> ReplaySpeed:
    """Make a capture of so many dialogues and have both programs read it.

    Raises:
        ServerError: tshark is not installed, or one of the two failed.
    """
    tshark = tshark_program()
    home = folder / REPLAY
    home.mkdir()
    tell(f"{REPLAY}: writing a capture of {2 * dialogues:,} messages")
    arguments = make_capture(home, dialogues)
    tell(f"{REPLAY}: tshark")
    fields = [word for field in FIELDS for word in ("-e", field)]
    theirs = _cpu_seconds_of([tshark, "-n", "-r", arguments[0], "-T", "fields", *fields], home)
    tell(REPLAY)
    ours = replay_seconds(OWN, arguments, home)
    messages = 2 * dialogues
    return ReplaySpeed(
        messages=messages,
        messages_per_cpu_s=round(messages / ours),
        tshark_per_cpu_s=round(messages / theirs),
        ratio=round(theirs / ours, 2),
    )


def tshark_program() -> str:
    """Return the path of tshark; raises `ServerError` if it is not installed."""
    program = shutil.which("tshark")
    if program is None:
        raise ServerError(f"tshark is not installed, which {REPLAY} compares with")
    return program


def make_capture(home: Path, dialogues: int) -> list[str]:
    """Write a capture of so many dialogues to a folder; return the arguments of ``replay`` for it."""
    capture, config, subscribers = (
        str(home / name) for name in ("calls.pcap", "scp.toml", "subscribers.ndjson")
    )
    Path(config).write_text(_CONFIG, encoding="utf-8")
    _cpu_seconds_of(python(OWN, "scp.bench.replay_capture", capture, subscribers, str(dialogues)), home)
    return [capture, "-c", config, "--store", subscribers]


def replay_seconds(tree: Tree, arguments: list[str], home: Path) -> float:
    """Return the CPU seconds that ``replay`` takes with a tree's code."""
    return _cpu_seconds_of(python(tree, "scp.cli", "replay", *arguments), home, environment(tree.places))


def _cpu_seconds_of(command: list[str], folder: Path, variables: Mapping[str, str] | None = None) -> float:
    """Return the CPU seconds that a command took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Path(os.devnull).open("wb") as nowhere:
        done = subprocess.run(  # noqa: S603 - our own interpreter, or tshark
            command,
            stdout=nowhere,
            stderr=subprocess.PIPE,
            check=False,
            cwd=folder,
            env=os.environ | (variables or {}),
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-1000:]
        raise ServerError(f"{Path(command[0]).name}: exit status {done.returncode}: {said}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
