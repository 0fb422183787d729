"""A program: runs ``camel-scp`` with the arguments given, and notes what Python does for the first time.

Each line of the file that ``AUDITED`` names: monotonic seconds, process id, what (``import``, ``compile``, ``regex``,
``open``, ``thread``), and of what. It is Python's own audit hook (PEP 578) that says so, not a look at `sys.modules`: an
import that fails is one too.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import time
from typing import Any

NOTES = os.open(os.environ["AUDITED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_compile = re._compiler.compile  # type: ignore[attr-defined]


def note(what: str, of: object) -> None:
    os.write(NOTES, f"{time.monotonic()} {os.getpid()} {what} {of}\n".encode())


def hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "import":
        note("import", args[0])
    elif event == "open":
        note("open", args[0])
    elif event == "_thread.start_new_thread":
        note("thread", getattr(args[0], "__qualname__", args[0]))
    elif event == "compile" and args[1] not in (
        "<string>",
        "<unknown>",
    ):  # an annotation; a line in a traceback
        note("compile", args[1])


def compiled(pattern: object, flags: int = 0) -> Any:
    note("regex", repr(pattern)[:100])
    return _compile(pattern, flags)


re._compiler.compile = compiled  # type: ignore[attr-defined]
sys.addaudithook(hook)
sys.argv[0] = "camel-scp"
runpy.run_module("scp.cli", run_name="__main__", alter_sys=True)
