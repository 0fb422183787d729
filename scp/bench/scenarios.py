"""The benchmark's scenarios, their duration, and the subscribers that are called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from scp.bench.load import LoadCall
from scp.domain.subscriber import Subscriber, When
from scp.simulator.expect import Action, Expectation
from scp.simulator.scenario import Scenario as CallScenario
from scp.store.beside import open_ledger
from scp.store.open import open_store
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from random import Random

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
        charged: whether they are charged and journalled: a quota, answer, one more, the call's end.
        records: whether every call leaves a CDR. It is not over before the last CDR is on the disk.
    """

    summary: str
    store: str = ""
    codec: str = "fast"
    window: int = 240
    held: bool = False
    charged: bool = False
    records: bool = False

    @property
    def controlled(self) -> bool:
        """Whether its dialogues are held open."""
        return self.held or self.charged

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
    "held-charged": Scenario(
        summary="InitialDP, a quota with Continue, answer, one more quota, disconnect; journalled, on Redis",
        store="redis",
        charged=True,
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
"""The scenarios that run where none is named."""
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

HOME: Final = "4670"
"""What the numbers of subscribers and of the VLRs at home begin with."""
ABROAD: Final = CallScenario(vlr="33609000001", b_nature=NatureOfAddress.INTERNATIONAL)
"""A call to a subscriber who roams."""
PREFIX: Final = "99"
_CHUNK: Final = 20_000
_RICH: Final = 1_000_000_000


def msisdn(number: int) -> str:
    """Return the MSISDN of a subscriber, of 11 digits."""
    return f"{HOME}{number:07d}"


def subscriber(number: int) -> Subscriber:
    """Return a record: all are registered and forward while roaming, but every other one switched it off."""
    digits = msisdn(number)
    return Subscriber(
        digits,
        imsi=f"24001{number:010d}",
        authorized=True,
        aor=f"sip:+{digits}@voip.example",
        forwarding=number % 2 == 0,
        when=When.ROAMING,
    )


async def fill(url: str, count: int) -> None:
    """Write ``count`` subscribers to the store of ``url``; raises `StoreError`."""
    store = open_store(url)
    await store.open()
    try:
        for start in range(0, count, _CHUNK):
            await store.put_many([subscriber(n) for n in range(start, min(start + _CHUNK, count))])
    finally:
        await store.close()


def payers(count: int) -> list[int]:
    """Return the numbers of the first subscribers that don't forward."""
    return list(range(1, 2 * count, 2))


async def fund(url: str, count: int) -> None:
    """Give the first payers an account in the ledger of a store; raises `StoreError`."""
    ledger = open_ledger(None, url, "bench")
    await ledger.open()
    try:
        numbers = payers(count)
        for start in range(0, count, _CHUNK):
            some = numbers[start : start + _CHUNK]
            await asyncio.gather(*(ledger.credit(msisdn(n), "bench", _RICH, 1) for n in some))
    finally:
        await ledger.close()


def calls(
    subscribers: int,
    most: int,
    random: Random,
    *,
    canned: bool = False,
    ended: bool = True,
    charged: bool = False,
    first: int | None = None,
) -> list[LoadCall]:
    """Return calls to ``most`` subscribers, with the answer that each must get.

    Args:
        subscribers: how many there are.
        most: how many calls; a load test repeats them.
        random: the source of chance.
        canned: every answer is Continue.
        ended: the answer comes in TC-END.
        charged: they are the first that don't forward, and pay for calls abroad.
        first: None: they are drawn at random; else they are this one and those that follow.
    """
    if charged:
        drawn = payers(min(most, subscribers // 2))
    elif first is None:
        drawn = [random.randrange(subscribers) for _ in range(most)]
    else:
        drawn = list(range(first, min(first + most, subscribers)))
    steered = [number % 2 == 0 and not canned for number in drawn]
    return [
        LoadCall(
            b_number=msisdn(number),
            expected=Expectation(action=Action.CONNECT, number=f"{PREFIX}{msisdn(number)}", ended=ended)
            if connected
            else Expectation(action=Action.CONTINUE, ended=ended),
        )
        for number, connected in zip(drawn, steered, strict=True)
    ]
