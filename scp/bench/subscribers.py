"""The subscribers of a benchmark: n of them, numbered, every other one steered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.bench.load import LoadCall
from scp.domain.subscriber import Subscriber, When
from scp.simulator.expect import Action, Expectation
from scp.simulator.scenario import Scenario
from scp.store.open import open_store
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from random import Random

HOME: Final = "4670"
"""What the numbers of subscribers and of the VLRs at home begin with."""
ABROAD: Final = Scenario(vlr="33609000001", b_nature=NatureOfAddress.INTERNATIONAL)
"""A call to a subscriber who roams."""
PREFIX: Final = "99"
_CHUNK: Final = 20_000


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


def calls(
    subscribers: int,
    most: int,
    random: Random,
    *,
    canned: bool = False,
    ended: bool = True,
    first: int | None = None,
) -> list[LoadCall]:
    """Return calls to ``most`` subscribers, with the answer that each must get.

    Args:
        subscribers: how many there are.
        most: how many calls; a load test repeats them.
        random: the source of chance.
        canned: every answer is Continue.
        ended: the answer comes in TC-END.
        first: None: they are drawn at random; else they are this one and those that follow.
    """
    if first is None:
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
