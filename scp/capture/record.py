"""Recordings of a node's traffic, of all or of chosen numbers, as pcapng that Wireshark and `replay` read.

Recording must never cost a call: what is too much for the rate is counted and not written, a disk that fails
ends the recording.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from scp.capture.anonymise import Anonymiser
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.finder import HERE, Finder, Signals, there_of
from scp.capture.wire.messages import Reader
from scp.capture.write import Association, PcapNgWriter
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import BinaryIO

    from scp.capture.wire.messages import Message
    from scp.domain.numbers import Numbering


FLUSHED: Final = 1.0
"""Seconds after which a written message flushes those before it to the disk."""


class RecordSettings(Struct, frozen=True, kw_only=True):
    """What is recorded, and how much of it.

    Attributes:
        numbers: E.164; only the calls from and to them; empty: every message.
        peers: only these peers' messages; empty: all peers'.
        max_octets: of one file; then the next one is begun.
        files: how many are kept; the oldest is deleted.
        rate: messages a second that are written at most.
        key: masks numbers, point codes and addresses with this key; b"" writes messages as they are.
    """

    numbers: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    max_octets: int = 64 << 20
    files: int = 4
    rate: int = 5_000
    key: bytes = b""


@final
class Recorder:
    """Writes recordings to ``folder``: NAME-0001.pcapng and on, after those that are there.

    Args:
        folder: it has to exist.
        name: of the files.
        settings: see `RecordSettings`.
        numbering: how numbers become E.164.
        clock: seconds since 1970.

    Attributes:
        written: messages.
        octets: that they took in all files, whose heads are left out.
        dropped: messages over the rate, or that could not be masked, and whatever came after the disk failed.
        failure: why recording has ended; "" while it runs.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: RecordSettings,
        numbering: Numbering,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.written = 0
        self.octets = 0
        self.dropped: Counter[str] = Counter()
        self.failure = ""
        self._folder = folder
        self._name = name
        self._settings = settings
        self._clock = clock
        self._reader = Reader(Counter())
        self._signals = Signals()
        self._finder = Finder(numbering, settings.numbers) if settings.numbers else None
        self._anonymiser = Anonymiser(Disguise(settings.key)) if settings.key else None
        self._wires: dict[str, Association] = {}
        self._file: BinaryIO | None = None
        self._writer: PcapNgWriter | None = None
        self._octets = 0
        self._flushed = 0.0
        self._number = _latest(folder, name)
        self._allowance = float(settings.rate)
        self._refilled = clock()

    def take(self, peer: str, stream: int, octets: bytes, *, sent: bool) -> None:
        """Take one M3UA message."""
        if self.failure:
            self.dropped["recording has ended"] += 1
            return
        if self._settings.peers and peer not in self._settings.peers:
            return
        if self._finder is not None and not self._finder.may_be(octets):
            return
        now = self._clock()
        message: Message | None = None
        signal = self._signals.of(peer, stream, octets, now, sent=sent)
        if self._finder is not None:
            found = self._finder.find(signal)
            if found is None:
                return
            message = found.message
        if not self._allowed(now):
            self.dropped["over the rate"] += 1
            return
        if self._anonymiser is not None and message is None:
            message = self._reader.read(signal)
            self._reader.faults.clear()
        try:
            for each in self._masked(message, octets):
                self._write(now, self._wire(peer), each, stream, sent=sent)
        except OSError as error:
            self.failure = str(error)
            self.close()

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None

    def _wire(self, peer: str) -> Association:
        wire = self._wires.get(peer)
        if wire is None:
            number = len(self._wires)
            wire = self._wires[peer] = Association(HERE, there_of(number), tag=2 * number + 4)
        return wire

    def _allowed(self, now: float) -> bool:
        """A token bucket of one second's messages."""
        rate = self._settings.rate
        self._allowance = min(float(rate), self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def _masked(self, message: Message | None, octets: bytes) -> Iterable[bytes]:
        if self._anonymiser is None:
            return (octets,)
        try:
            return list(self._anonymiser.rewritten(message)) if message is not None else ()
        except (NotUnderstoodError, DecodeError, EncodeError):
            self.dropped["not masked"] += 1
            return ()

    def _write(self, now: float, wire: Association, octets: bytes, stream: int, *, sent: bool) -> None:
        if self._writer is None or self._octets > self._settings.max_octets:
            self._next_file()
        assert self._writer is not None
        for packet in wire.packets(octets, sent=sent, stream=max(0, stream)):
            size = self._writer.write(now, packet)
            self._octets += size
            self.octets += size
        self.written += 1
        if self._file is not None and now - self._flushed >= FLUSHED:
            self._file.flush()
            self._flushed = now

    def _next_file(self) -> None:
        self.close()
        self._number += 1
        self._file = self._path(self._number).open("wb", buffering=1 << 16)
        self._writer = PcapNgWriter(self._file, comment="masked" if self._settings.key else "")
        self._octets = 0
        self._path(self._number - self._settings.files).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:04d}.pcapng"


def _latest(folder: Path, name: str) -> int:
    """Return the number of the last recording that is there, 0 if there is none."""
    numbers = (path.stem.removeprefix(f"{name}-") for path in folder.glob(f"{name}-*.pcapng"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)
