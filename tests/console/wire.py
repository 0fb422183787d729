"""What a switch and a node say to each other, written down between them: the wire, for tests to compare with."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from oracles.sigtran_pcap import Frame

_HEADER = 8
"""Octets of M3UA's common header; the last four are the message's length (RFC 4666 §3.1)."""


class Wire:
    """A TCP relay that keeps every M3UA message that goes through it, with its direction, in order.

    Args:
        target: port of the node.

    Attributes:
        port: where the switch connects.
        frames: all messages so far; ``sent``: by the node.
    """

    def __init__(self, target: int) -> None:
        self.frames: list[Frame] = []
        self._target = target
        self._node: socket.socket | None = None
        self._answers = threading.Lock()
        self._asks = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._listener.close()

    def inject(self, octets: bytes) -> None:
        """Send a message to the node as if the switch had, between two of the switch's."""
        assert self._node is not None
        with self._asks:
            self.frames.append(Frame(octets, sent=False, at=time.time()))
            self._node.sendall(octets)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing of the switch's through for a while: what it sends waits."""
        with self._asks:
            yield

    def dialogue(self, otid: bytes, since: int = 0) -> list[Frame]:
        """Return the messages of the dialogue that a switch began with a transaction id."""
        theirs, ours = _id(0x48, otid), [_id(0x49, otid)]
        found = []
        for frame in self.frames[since:]:
            if frame.sent and ours[0] in frame.octets:
                at = frame.octets.find(b"\x48", frame.octets.find(b"\x65"))
                if len(ours) == 1 and frame.octets.find(ours[0]) > at > 0:
                    ours.append(_id(0x49, frame.octets[at + 2 : at + 2 + frame.octets[at + 1]]))
                found.append(frame)
            elif not frame.sent and (theirs in frame.octets or (len(ours) == 2 and ours[1] in frame.octets)):
                found.append(frame)
        return found

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                switch, _ = self._listener.accept()
                node = self._node = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, sent in ((switch, node, False), (node, switch, True)):
                    threading.Thread(target=self._pump, args=(source, sink, sent), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, sent: bool) -> None:
        with contextlib.suppress(OSError):
            for octets in _messages(source):
                with self._answers if sent else self._asks:
                    self.frames.append(Frame(octets, sent=sent, at=time.time()))
                    sink.sendall(octets)
        for each in (sink, source):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _messages(source: socket.socket) -> Iterator[bytes]:
    """Yield whole M3UA messages until the other side ends the connection."""
    with source.makefile("rb") as stream:
        while header := stream.read(_HEADER):
            yield header + stream.read(int.from_bytes(header[4:], "big") - _HEADER)


def _id(tag: int, tid: bytes) -> bytes:
    return bytes((tag, len(tid))) + tid
