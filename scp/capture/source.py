"""Captures, from a file or standard input, gzip or plain: their messages, read in bounded memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, TypeAlias, cast, final

from scp.capture.wire.dissector import Dissector
from scp.capture.wire.messages import Message, Reader
from scp.capture.wire.pcap import parser_for
from scp.capture.wire.values import Fault

if TYPE_CHECKING:
    import io
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from scp.capture.wire.pcap import Parser
    from scp.capture.wire.values import Frame

Item: TypeAlias = Message | Fault

CHUNK: Final = 1 << 18
"""Octets that are read at a time; a pipe gives what it has."""
_GZIP: Final = b"\x1f\x8b"
STDIN: Final = "-"


class CaptureError(Exception):
    """A file that is no capture, or can't be read at all."""


class MessageSource(Protocol):
    """What yields messages and faults: a `Capture`, or packets of scapy.

    Attributes:
        counts: see `PacketReader`.
    """

    counts: Counter[str]

    def again(self) -> MessageSource | None:
        """Return the same messages from the first on; None if they can be read once only."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Yield messages and faults in the order of their packets."""
        ...


@final
class PacketReader:
    """Turns packets, wherever they are from, into messages and faults.

    Attributes:
        counts: what is neither a message nor a fault, "packets", and faults as "fault:layer: reason".
    """

    def __init__(self) -> None:
        self._dissector = Dissector()
        self.counts: Counter[str] = self._dissector.counts
        self._messages = Reader(self.counts)

    def read(self, frames: Iterable[Frame], items: list[Item]) -> None:
        """Append what packets bring, in their order."""
        dissector = self._dissector
        for frame in frames:
            dissector.packet(frame)
            if dissector.signals:
                self._read_signals(items)
            if dissector.faults:
                self.take_faults(dissector.faults, items)

    def finish(self, items: list[Item]) -> None:
        """Append what still waited for packets that did not come."""
        self._dissector.finish()
        self._read_signals(items)
        self.take_faults(self._dissector.faults, items)

    def take_faults(self, faults: list[Fault], items: list[Item]) -> None:
        """Count faults and append them; ``faults`` is empty afterwards."""
        for fault in faults:
            self.counts[f"fault:{fault.layer}: {_without_figures(fault.reason)}"] += 1
        items.extend(faults)
        faults.clear()

    def _read_signals(self, items: list[Item]) -> None:
        messages = self._messages
        for signal in self._dissector.signals:
            message = messages.read(signal)
            if message is not None:
                items.append(message)
            if messages.faults:
                self.take_faults(messages.faults, items)
        self._dissector.signals.clear()


@final
class Capture:
    """A capture that is read once, from its beginning.

    Args:
        path: of the file; "-" is standard input.

    Attributes:
        counts: see `PacketReader`.
        read: octets of the file so far (compressed ones of a compressed file).
        size: of the file in octets; 0 where it can't be known.

    Raises:
        CaptureError: there is no such file, or it is no capture.
    """

    def __init__(self, path: str | Path) -> None:
        self._packets = PacketReader()
        self.counts: Counter[str] = self._packets.counts
        self._path = str(path)
        self._raw, self.size = _open(path)
        self._stream, self._parser, self._first = _begin(self._raw, self._path)

    def again(self) -> Capture | None:
        """Return the same capture at its beginning; None for standard input and what else is read once."""
        return Capture(self._path) if self.size and Path(self._path).is_file() else None

    @property
    def read(self) -> int:
        """Octets of the file so far."""
        try:
            return self._raw.tell()
        except (OSError, ValueError):
            return 0

    def frames(self) -> Iterator[list[Frame]]:
        """Yield the packets, in lists of what was read together."""
        parser = self._parser
        yield parser.feed(self._first)
        for chunk in self._chunks():
            yield parser.feed(chunk)
        yield parser.finish()

    def batches(self) -> Iterator[list[Item]]:
        """Yield messages and faults in the order of their packets, in lists of what was read together."""
        for frames in self.frames():
            items: list[Item] = []
            self._packets.read(frames, items)
            self._end_batch(items)
            yield items
        items = []
        self._packets.finish(items)
        self._end_batch(items)
        self._raw.close()
        yield items

    def __iter__(self) -> Iterator[Item]:
        for items in self.batches():
            yield from items

    def _end_batch(self, items: list[Item]) -> None:
        self._packets.take_faults(self._parser.faults, items)
        self.counts["packets"] = self._parser.packets

    def _chunks(self) -> Iterator[bytes]:
        """Yield the file's octets; damaged compression ends it, with a fault."""
        try:
            while chunk := self._stream.read1(CHUNK):
                yield chunk
        except (OSError, EOFError, zlib.error) as error:
            self._parser.faults.append(
                Fault(self._parser.packets + 1, 0.0, "capture", f"the file can't be read on: {error}")
            )


def _without_figures(reason: str) -> str:
    """Return a fault's reason with its figures as ``N``: there are never more kinds than can be listed."""
    return " ".join("N" if any(c.isdigit() for c in word) else word for word in reason.split(" "))


def _open(path: str | Path) -> tuple[BinaryIO, int]:
    if str(path) == STDIN:
        if sys.stdin is None:  # closed by the parent process
            raise CaptureError("-: standard input is closed")
        return sys.stdin.buffer, 0
    try:
        return Path(path).open("rb"), Path(path).stat().st_size
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from error


def _begin(raw: BinaryIO, name: str) -> tuple[io.BufferedReader, Parser, bytes]:
    """Return the stream of the file's octets, what parses them, and the first of them."""
    stream = cast("io.BufferedReader", raw)
    if stream.peek(2)[:2] == _GZIP:
        stream = cast("io.BufferedReader", gzip.GzipFile(fileobj=raw))
    first = b""
    try:
        while len(first) < 4 and (more := stream.read1(4 - len(first))):
            first += more
    except (OSError, EOFError, zlib.error) as error:
        raise CaptureError(f"{name}: {error}") from error
    parser = parser_for(first)
    if parser is None:
        raise CaptureError(f"{name}: {'neither pcap nor pcapng' if first else 'empty'}")
    return stream, parser, first
