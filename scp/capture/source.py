"""Opens a capture, a file or standard input, gzip or plain, and hands out its messages in bounded memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, cast, final

from scp.capture.wire.dissector import Dissector
from scp.capture.wire.messages import Message, Reader
from scp.capture.wire.pcap import parser_for
from scp.capture.wire.values import Fault

if TYPE_CHECKING:
    import io
    from collections import Counter
    from collections.abc import Iterator

    from scp.capture.wire.pcap import Parser
    from scp.capture.wire.values import Frame

Item: TypeAlias = Message | Fault

CHUNK: Final = 1 << 18
"""Octets that are read at a time; a pipe gives what it has."""
_GZIP: Final = b"\x1f\x8b"
STDIN: Final = "-"


class CaptureError(Exception):
    """A file that is no capture, or can't be read at all."""


@final
class Capture:
    """A capture that is read once, from its beginning.

    Args:
        path: of the file; "-" is standard input.
        dissector: reads packets; the ordinary one by default.

    Attributes:
        counts: what is neither a message nor a fault, "packets", and faults as "fault:layer: reason".
        read: octets of the file so far (compressed ones of a compressed file).
        size: of the file in octets; 0 where it can't be known.

    Raises:
        CaptureError: there is no such file, or it is no capture.
    """

    def __init__(self, path: str | Path, dissector: Dissector | None = None) -> None:
        self._dissector = dissector or Dissector()
        self.counts: Counter[str] = self._dissector.counts
        self._reader = Reader(self.counts)
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
        dissector = self._dissector
        for frames in self.frames():
            items: list[Item] = []
            for frame in frames:
                dissector.packet(frame)
                if dissector.signals:
                    self._read_signals(items)
                if dissector.faults:
                    self._take_faults(dissector.faults, items)
            self._end_batch(items)
            yield items
        items = []
        dissector.finish()
        self._read_signals(items)
        self._end_batch(items)
        self._raw.close()
        yield items

    def __iter__(self) -> Iterator[Item]:
        for items in self.batches():
            yield from items

    def _read_signals(self, items: list[Item]) -> None:
        reader = self._reader
        for signal in self._dissector.signals:
            message = reader.read(signal)
            if message is not None:
                items.append(message)
            if reader.faults:
                self._take_faults(reader.faults, items)
        self._dissector.signals.clear()

    def _end_batch(self, items: list[Item]) -> None:
        self._take_faults(self._dissector.faults, items)
        self._take_faults(self._parser.faults, items)
        self.counts["packets"] = self._parser.packets

    def _take_faults(self, faults: list[Fault], items: list[Item]) -> None:
        for fault in faults:
            self.counts[f"fault:{fault.layer}: {_without_figures(fault.reason)}"] += 1
        items.extend(faults)
        faults.clear()

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
        if sys.stdin is None:  # closed by who started us
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
