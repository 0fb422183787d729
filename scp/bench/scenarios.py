"""The benchmark's scenarios and how long they are measured: what others need to know to repeat them."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

CODEC: Final = "codec"
PARTS: Final = "parts"
REPLAY: Final = "replay"
SCALE: Final = "scale"
SOAK: Final = "soak"
ECHO: Final = "echo"
REFERENCE: Final = "reference"


class Scenario(Struct, frozen=True, kw_only=True):
    """One scenario with a server.

    Attributes:
        summary: what it is, for people.
        store: "sqlite", "redis", "redis-cached", or "" for none.
        codec: ``engine.codec``.
        window: calls outstanding at saturation; 256 in one batch would look like a backlog to the node.
        held: whether the calls' dialogues are held open until they are over.
        records: whether every call leaves a CDR. It is not over before the last CDR is on the disk.
    """

    summary: str
    store: str = ""
    codec: str = "fast"
    window: int = 240
    held: bool = False
    records: bool = False

    @property
    def remembers(self) -> bool:
        """Whether the node has the subscribers in its own memory."""
        return self.store in ("sqlite", "redis-cached")


SCENARIOS: Final = {
    "steer": Scenario(
        summary="InitialDP to Connect or Continue in TC-END, each record read from Redis", store="redis"
    ),
    "steer-sqlite": Scenario(summary="the same, the records in the embedded SQLite store", store="sqlite"),
    "steer-recorded": Scenario(
        summary="as steer-sqlite, and every call leaves a CDR", store="sqlite", records=True
    ),
    "steer-cached": Scenario(
        summary="as steer, with cached=true, after every subscriber was called once", store="redis-cached"
    ),
    "held": Scenario(
        summary="InitialDP, RequestReport with Connect or Continue, answer, disconnect, Continue in TC-END",
        store="sqlite",
        held=True,
    ),
    REFERENCE: Scenario(
        summary="as steer-sqlite, but pycrate decodes and encodes all of TCAP and CAP",
        store="sqlite",
        codec="reference",
        window=32,
    ),
    ECHO: Scenario(summary="the same loop, sockets and M3UA machine, a canned answer: the machine's limit"),
}
ALL: Final = (*SCENARIOS, CODEC, SCALE, REPLAY)
"""What is run where nothing is chosen."""
NAMES: Final = (*ALL, SOAK)


class Size(Struct, frozen=True, kw_only=True):
    """How long to measure.

    Attributes:
        subscribers: in the store.
        numbers: subscribers that are called.
        rounds: turns of each scenario at saturation.
        seconds: of one of them.
        latency_seconds: of a turn at each of the two rates; there are ``rounds`` of them as well.
        codec_seconds: for each step of the codec.
        dialogues: held open at once, to see what memory they take.
        replayed: dialogues of the capture that `replay` replays.
        soaked: calls of `soak`.
    """

    subscribers: int
    numbers: int
    rounds: int
    seconds: float
    latency_seconds: float
    codec_seconds: float
    dialogues: int
    replayed: int
    soaked: int


FULL: Final = Size(
    subscribers=1_000_000,
    numbers=100_000,
    rounds=5,
    seconds=3.0,
    latency_seconds=3.0,
    codec_seconds=0.5,
    dialogues=50_000,
    replayed=200_000,
    soaked=10_000_000,
)
QUICK: Final = Size(
    subscribers=100_000,
    numbers=20_000,
    rounds=3,
    seconds=1.0,
    latency_seconds=0.7,
    codec_seconds=0.1,
    dialogues=20_000,
    replayed=20_000,
    soaked=500_000,
)
