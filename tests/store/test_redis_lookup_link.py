"""A link that is closed while it dials again."""

from __future__ import annotations

import asyncio

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from oracles.waiting import PATIENCE
from scp.store.redis_lookup import LookupLink, Watchers


async def _refused() -> Connection:
    raise RedisConnectionError("refused")


def test_a_link_ends_that_is_told_to_hurry_and_closed_at_once() -> None:
    """A failover that came along with a stop once kept the process from ending."""

    async def run() -> bool:
        link = LookupLink(_refused, Watchers())
        link.start()
        task = next(one for one in asyncio.all_tasks() if one is not asyncio.current_task())
        await link.tried.wait()
        for _ in range(5):  # it is in its pause, however many turns that takes
            await asyncio.sleep(0)
        link.drop("another server is the master")
        closing = asyncio.create_task(link.close())
        done, _ = await asyncio.wait([closing], timeout=PATIENCE)
        if not done:
            task.cancel()
        await closing
        return bool(done)

    assert asyncio.run(run())
