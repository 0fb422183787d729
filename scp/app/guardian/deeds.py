"""What the guardians of a node have done, kept in a file: each acts once, when its node is dead, and ends.

The node that is started next shows it in its metrics, so counts go on over the deaths that they are about.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, final

import msgspec
from msgspec import Struct

from scp.store.ledger_open import cdrs_file

if TYPE_CHECKING:
    from pathlib import Path

    from scp.config import Config

SUFFIX: Final = ".guardian"


class Deeds(Struct, frozen=True):
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


_decode: Final = msgspec.json.Decoder(Deeds).decode


@final
class DeedsFile:
    """The file. A guardian writes it, when nobody else of its node runs; the node reads it.

    Args:
        path: None: there is none, and nothing is remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read = Deeds()
        self._stamp = 0

    def read(self) -> Deeds:
        """Return what it has; one that is not there or damaged has nothing. Cheap while it is the same."""
        if self._path is None:
            return self._read
        with contextlib.suppress(OSError, msgspec.DecodeError):
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._read, self._stamp = _decode(self._path.read_bytes()), stamp
        return self._read

    def add(self, answered: int, at: float) -> str:
        """Note that a guardian acted; return what to say of that, "" if all went well.

        The file is replaced as a whole and synced: the host may be about to die as well.
        """
        if self._path is None:
            return ""
        before = self.read()
        deeds = Deeds(before.kills + 1, before.answered + answered, at, answered)
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("wb") as file:
                file.write(msgspec.json.encode(deeds))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            return f"; not noted for the metrics: {self._path}: {error.strerror or error}"
        return ""


def deeds_file(config: Config) -> DeedsFile:
    """Return the file of a node: beside its call detail records, which are its own as well."""
    charging = config.charging
    records = cdrs_file(
        charging.records and charging.records.reveal(), config.store.url.reveal(), config.node.name
    )
    return DeedsFile(None if records is None else records.with_suffix(SUFFIX))
