"""What asks every bucket at once, cancelled before it has asked: nothing is left that nobody awaits."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest
from ledger_contract import reservation

from oracles.redis_lab import Lab
from scp.store.held_redis import RedisHeldCalls
from scp.store.ledger_redis import RedisLedger
from scp.store.redis_url import parse_redis_url


def asking(what: str, held: RedisHeldCalls, ledger: RedisLedger) -> Coroutine[Any, Any, object]:
    match what:
        case "held":
            return held.due(0, 1)
        case "recorded":
            return ledger.recorded([reservation(number).id for number in range(3)])
        case _:
            return ledger.forget(0, 1)


@pytest.mark.parametrize("what", ["held", "recorded", "forget"])
def test_a_question_that_is_cancelled_at_once_leaves_nothing_that_was_never_awaited(
    single: Lab, fresh: str, what: str
) -> None:
    url = parse_redis_url(f"{single.url}?{fresh}")

    async def main() -> None:
        held, ledger = RedisHeldCalls(url), RedisLedger(url, "scp-1")
        await held.open()
        await ledger.open()
        asked = asyncio.ensure_future(asking(what, held, ledger))
        await asyncio.sleep(0)  # it has made a task for each bucket, and none of them has begun
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()
        await held.close()
        await ledger.close()

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert [str(each.message) for each in found if "never awaited" in str(each.message)] == []
