"""Captures that somebody drops on the console: decoded, replayed, or without numbers, by another process.

A capture may hold a million messages, and the node has calls to answer: so ``camel-scp decode``, ``replay``
and ``anonymise`` do the work, behind the calls (nice 10: on a full machine nice 19 never ended), and read
from a pipe: nothing is kept. One runs at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar, final

from litestar import Request, Response, post
from litestar.params import QueryParameter
from msgspec import Raw, Struct

from scp.api.openapi import answer, call
from scp.api.problems import TOO_LARGE, ProblemError, define
from scp.config import Scope

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from litestar.handlers import HTTPRouteHandler

_Read = TypeVar("_Read")

Lines: TypeAlias = Annotated[
    int, QueryParameter(ge=1, le=5000, description="Messages, or dialogues, at the most.")
]

MOST_OCTETS: Final = 64 << 20
"""Octets of a capture."""
SECONDS: Final = 120.0
"""That the work on one may take."""
_LINE: Final = 1 << 20
"""Octets of a line of output, at the most; a longer one is a fault."""
_TAG: Final = "console"

BUSY: Final = define(
    "capture-busy",
    503,
    "Another capture is being worked on",
    "Try again when that is done; large ones are better read by camel-scp decode and replay.",
)
UNREADABLE_CAPTURE: Final = define(
    "unreadable-capture",
    422,
    "The file can't be read as a capture, or nothing in it could be used",
    "The detail has what the command said. pcap and pcapng are read, gzipped or not.",
)


class CaptureContents(Struct, frozen=True):
    """What a command said of a capture, an object each; ``more``: there was more than was asked for."""

    items: list[Raw]
    more: bool
    account: str


@final
class Captures:
    """Works on captures.

    Args:
        config: the node's configuration file, which a replay decides by; None: it has none.
    """

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self._lock = asyncio.Lock()

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the API calls."""

        @post(
            "/v1/captures/decoded",
            operation_id="decodeCapture",
            status_code=200,
            request_max_body_size=None,
            **call(Scope.TRACE, TOO_LARGE, UNREADABLE_CAPTURE, BUSY, tag=_TAG),
        )
        async def decode(request: Request[Any, Any, Any], limit: Lines = 1000) -> Response[CaptureContents]:
            """Decode the messages of a capture, which is the body. Scope: trace."""
            return answer(await self._lines(request, ["decode", "-", "--json", "--octets"], limit))

        @post(
            "/v1/captures/replayed",
            operation_id="replayCapture",
            status_code=200,
            request_max_body_size=None,
            **call(Scope.TRACE, TOO_LARGE, UNREADABLE_CAPTURE, BUSY, tag=_TAG),
        )
        async def replay(request: Request[Any, Any, Any], limit: Lines = 500) -> Response[CaptureContents]:
            """Decide a capture's calls by this node's configuration and records. Scope: trace."""
            if self._config is None:
                raise ProblemError(UNREADABLE_CAPTURE, "the node has no configuration file to decide by")
            command = ["replay", "-", "-c", str(self._config), "--json", "--messages"]
            return answer(await self._lines(request, command, limit))

        @post(
            "/v1/captures/anonymised",
            operation_id="anonymiseCapture",
            status_code=200,
            media_type="application/octet-stream",
            request_max_body_size=None,
            **call(Scope.TRACE, TOO_LARGE, UNREADABLE_CAPTURE, BUSY, tag=_TAG),
        )
        async def anonymise(request: Request[Any, Any, Any]) -> Response[bytes]:
            """Return a capture with every number, IMSI and address replaced, as pcapng. Scope: trace."""

            async def whole(process: Process) -> bytes:
                assert process.stdout is not None
                return await process.stdout.read()

            octets, _ = await self._run(request, ["anonymise", "-", "-"], whole)
            return Response(octets, media_type="application/octet-stream")

        return [decode, replay, anonymise]

    async def _lines(
        self, request: Request[Any, Any, Any], command: list[str], limit: int
    ) -> CaptureContents:
        """Return the first objects that a command writes, one a line."""
        items: list[Raw] = []

        async def lines(process: Process) -> bool:
            assert process.stdout is not None
            async for line in process.stdout:
                if len(items) == limit:
                    process.kill()
                    return True
                if line.startswith(b"{"):
                    items.append(Raw(line))
            return False

        more, account = await self._run(request, command, lines)
        return CaptureContents(items, more, account)

    async def _run(
        self,
        request: Request[Any, Any, Any],
        command: list[str],
        read: Callable[[Process], Awaitable[_Read]],
    ) -> tuple[_Read, str]:
        """Let a command of ours read a request's body; return what ``read`` makes of it, and its account.

        Raises:
            ProblemError: another one runs, it did not end in time, or it could not use the capture.
        """
        if self._lock.locked():
            raise ProblemError(BUSY)
        async with self._lock:
            process = await asyncio.create_subprocess_exec(
                *("nice", "-n", "10", sys.executable, "-m", "scp.cli", *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE,
                env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
            )
            assert process.stderr is not None
            tasks = (
                asyncio.ensure_future(_feed(request, process)),
                asyncio.ensure_future(read(process)),
                asyncio.ensure_future(process.stderr.read()),
            )
            try:
                async with asyncio.timeout(SECONDS):
                    _, found, said = await asyncio.gather(*tasks)
                    await process.wait()
            except TimeoutError:
                why = f"it took more than {SECONDS:g} s; camel-scp decode and replay read it on any host"
                raise ProblemError(UNREADABLE_CAPTURE, why) from None
            except ValueError:
                raise ProblemError(UNREADABLE_CAPTURE, f"a line has more than {_LINE} octets") from None
            finally:
                for task in tasks:
                    task.cancel()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        account = said[-4096:].decode("utf-8", "replace").strip().removeprefix("-: ")
        ended = process.returncode
        enough = ended == -signal.SIGKILL and found is True  # `_lines` has killed it
        if ended not in (0, 1) and not enough:
            raise ProblemError(UNREADABLE_CAPTURE, account or f"the command ended with status {ended}")
        return found, account


async def _feed(request: Request[Any, Any, Any], process: Process) -> None:
    """Write a request's body to a process; what it does not want any more is read and thrown away."""
    assert process.stdin is not None
    total = 0
    async for piece in request.stream():
        total += len(piece)
        if total > MOST_OCTETS:
            raise ProblemError(TOO_LARGE, f"a capture has at most {MOST_OCTETS} octets")
        if not process.stdin.is_closing():  # uvloop raises RuntimeError where a closed pipe is written to
            with contextlib.suppress(ConnectionError):
                process.stdin.write(piece)
                await process.stdin.drain()
    with contextlib.suppress(ConnectionError):
        process.stdin.close()
