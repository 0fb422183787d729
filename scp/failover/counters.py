"""Counters of what guardians have done, kept in a file: a guardian ends once it has acted.

The node that is started next shows it in its metrics, so counts go on over the deaths that they are about.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import Struct

from scp.store.beside import cdrs_file

if TYPE_CHECKING:
    from pathlib import Path

    from scp.config import Config

SUFFIX: Final = ".guardian"


class FailoverCounters(Struct, frozen=True):
    """What was done so far.

    Attributes:
        kills: how often a process of this node died without an end in good order.
        answered: calls that guardians have answered.
        last_at: when the last one acted, in seconds since 1970; 0: none has.
        last_answered: calls that it answered.
    """

    kills: int = 0
    answered: int = 0
    last_at: float = 0.0
    last_answered: int = 0


SIZE: Final = 256
"""Octets of the file: longer than any counters, so that noting some needs no room on the disk."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(FailoverCounters).decode


@final
class FailoverCountersFile:
    """The file. The node reads it; its guardian writes it, once the node has died.

    It is opened and has its size when the node starts: a disk that is full by then, or a folder that is gone,
    keeps nobody from noting a death, and a dead node makes no file that was not there.

    Args:
        path: None: there is none, and nothing is remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd = -1
        self._why = ""
        if path is None:
            return
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if os.fstat(self._fd).st_size < SIZE:
                self._write(self.read())
        except OSError as error:
            self._why = error.strerror or str(error)

    def read(self) -> FailoverCounters:
        """Return what it has; one that is not there or damaged has nothing."""
        if self._fd >= 0:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                return _decode(os.pread(self._fd, SIZE, 0))
        return FailoverCounters()

    def add(self, answered: int, at: float) -> str:
        """Note that a guardian acted; return what to say of that, "" if all went well."""
        if self._fd >= 0:
            before = self.read()
            try:
                self._write(FailoverCounters(before.kills + 1, before.answered + answered, at, answered))
                os.fsync(self._fd)  # the host may be about to die as well
            except OSError as error:
                self._why = error.strerror or str(error)
        return f"; not noted for the metrics: {self._path}: {self._why}" if self._why else ""

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _write(self, counters: FailoverCounters) -> None:
        os.pwrite(self._fd, _encode(counters).ljust(SIZE - 1) + b"\n", 0)


def counters_file(config: Config) -> FailoverCountersFile:
    """Return the file of a node: beside its call detail records, which are its own as well."""
    charging = config.charging
    records = cdrs_file(
        charging.records and charging.records.reveal(), config.store.url.reveal(), config.node.name
    )
    return FailoverCountersFile(None if records is None else records.with_suffix(SUFFIX))
