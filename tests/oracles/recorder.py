"""Keeps what nodes send in the tests, for one judgement at the end."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Final

from oracles import tshark
from oracles.sigtran_pcap import Frame, Layer

LIMIT: Final = 40_000  # distinct messages a process; tshark takes about a second for 20,000

# What tshark says that is no fault of the node's, with the reason.
ALLOWED: Final[Mapping[str, str]] = {}


class Recorder:
    """Takes every message that a node sends; equal messages are kept once.

    A node's message depends on its test's input, and thousands of inputs make equal messages: the set stays small.
    """

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._seen: set[tuple[Layer, bool, bytes]] = set()
        self._associations = itertools.count(1)

    def __len__(self) -> int:
        return len(self._frames)

    def association(self) -> int:
        """Return a number for one test's association: IP addresses of its own."""
        return next(self._associations)

    def sent(
        self, octets: bytes, layer: Layer = Layer.M3UA, *, stream: int = 1, association: int = 0
    ) -> None:
        """Take a message that a node sent."""
        self._take(Frame(octets, layer, stream=stream, association=association, origin=current_test()))

    def received(
        self, octets: bytes, layer: Layer = Layer.M3UA, *, stream: int = 1, association: int = 0
    ) -> None:
        """Take a message that a node received: not judged, but tells tshark what an answer belongs to."""
        self._take(
            Frame(octets, layer, sent=False, stream=stream, association=association, origin=current_test())
        )

    def problems(self) -> list[tshark.Problem]:
        """Have tshark judge all there is."""
        return tshark.problems(self._frames, ALLOWED) if self._frames else []

    def _take(self, frame: Frame) -> None:
        key = (frame.layer, frame.sent, frame.octets)
        if key in self._seen or len(self._frames) >= LIMIT:
            return
        self._seen.add(key)
        self._frames.append(frame)


def current_test() -> str:
    """Return the name of the running test."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
