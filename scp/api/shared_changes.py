"""Tells other nodes on the same Redis what was changed through this node's API, and reads what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from scp.api.change_log import MOST, Change
from scp.common.tasks import end_tasks
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.api.change_log import ChangeLog

SOON: Final = 0.1
"""Seconds from a change until it is told: those that come meanwhile go with it."""
AGAIN: Final = 1.0
"""Seconds until what could not be told is tried again."""
AT_ONCE: Final = 200
"""Changes that are told, or asked for, at once."""
MOST_OCTETS: Final = 16_384
"""Octets of one; a larger one goes without its records."""


class Stream(Protocol):
    """What the nodes share; `scp.store.redis_changes.RedisChanges` has it."""

    async def add(self, entries: Sequence[bytes], kept: int) -> None:
        """Append entries; raises `StoreError`."""
        ...

    async def after(self, last: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """Return (id, entry) behind an id, oldest first; raises `StoreError`."""
        ...


class _Told(Struct, frozen=True):
    """An entry: a change, and which process of which node made it."""

    process: str
    node: str
    change: Change


_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_decode: Final = msgspec.json.Decoder(_Told).decode


@final
class SharedChanges:
    """This node's changes among those of all.

    Args:
        log: of this node; gets those of the others.
        stream: that they share.
        node: this node's name.

    Attributes:
        trouble: why the others' can't be read, or this node's not be told; "" while they can.
    """

    def __init__(self, log: ChangeLog, stream: Stream, node: str) -> None:
        self.trouble = ""
        self._log = log
        self._stream = stream
        self._node = node
        self._process = secrets.token_hex(8)
        self._waiting: deque[Change] = deque(maxlen=MOST)
        self._last = b"-"
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        log.told = self._tell

    async def stop(self) -> None:
        """Tell what waits, as far as that can be done at once."""
        self._log.told = None
        await end_tasks(self._task)
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(AGAIN):
                await self._send()

    async def pull(self) -> str:
        """Read what the others have told since the last time; return why it can't be done, or ""."""
        found: list[Change] = []
        async with self._reading:
            try:
                while page := await self._stream.after(self._last, AT_ONCE):
                    self._last = page[-1][0]
                    found += [change for _, entry in page for change in self._taken(entry)]
                    if len(page) < AT_ONCE:
                        break
            except StoreError as error:
                self.trouble = str(error)
            else:
                self.trouble = ""
            self._log.merge(found)
        return self.trouble

    def _taken(self, entry: bytes) -> list[Change]:
        try:
            told = _decode(entry)
        except msgspec.MsgspecError:  # of another release
            return []
        if told.process == self._process:
            return []
        return [replace(told.change, node="" if told.node == self._node else told.node)]

    def _tell(self, change: Change) -> None:
        self._waiting.append(change)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Tell what waits until nothing does."""
        pause = SOON
        while self._waiting:
            await asyncio.sleep(pause)
            try:
                await self._send()
            except StoreError:
                pause = AGAIN
            else:
                pause = SOON
        self._task = None

    async def _send(self) -> None:
        """Tell everything that waits; what could not be told waits again."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await self._stream.add([self._entry(each) for each in batch], MOST)
            except BaseException:
                self._waiting.extendleft(reversed(batch[: MOST - len(self._waiting)]))
                raise

    def _entry(self, change: Change) -> bytes:
        entry = _encode(_Told(self._process, self._node, change))
        if len(entry) > MOST_OCTETS:
            entry = _encode(_Told(self._process, self._node, replace(change, before=None, after=None)))
        return entry
