"""Membership of running nodes on real servers: one Redis, behind Sentinel, and a Cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oracles import redis_lab
from oracles.waiting import until
from scp.ports import StoreError
from scp.store.redis import RedisStore
from scp.store.redis_url import parse_redis_url

LONG = 60_000
"""Milliseconds: no entry expires because a test is slow."""


def store(url: str) -> RedisStore:
    return RedisStore(parse_redis_url(url))


@pytest.mark.parametrize("lab", [redis_lab.single, redis_lab.sentinel, redis_lab.cluster])
def test_a_node_that_renews_sees_the_others(lab, tmp_path: Path) -> None:
    async def test(url: str) -> None:
        one, two = store(url), store(url)
        await one.open()
        await two.open()
        first = await one.membership.renew("instance:7", b"one", LONG)
        assert [each.node for each in first] == [b"one"]
        assert await two.membership.look("instance:7") == first
        both = {each.node: each.until_ms for each in await two.membership.renew("instance:7", b"two", LONG)}
        assert both.keys() == {b"one", b"two"}
        again = {each.node: each.until_ms for each in await one.membership.renew("instance:7", b"one", LONG)}
        assert again[b"two"] == both[b"two"]
        assert again[b"one"] >= both[b"one"]
        assert await one.membership.look("instance:8") == []
        await one.membership.remove("instance:7", b"one")
        await one.membership.remove("instance:7", b"one")
        assert [each.node for each in await two.membership.look("instance:7")] == [b"two"]
        await one.close()
        await two.close()

    with lab(tmp_path) as redis:
        asyncio.run(test(redis.url))


def test_an_entry_that_is_not_renewed_expires_and_leaves_no_key(tmp_path: Path) -> None:
    async def test(redis: redis_lab.Lab) -> None:
        one = store(f"{redis.url}?prefix=mine")
        await one.open()
        client = redis.servers[0].client()
        client.script_flush()  # as after a restart of the server
        await one.membership.renew("name:scp-1", b"gone", 1)
        await until(lambda: one.membership.look("name:scp-1"), lambda found: not found)
        assert [each.node for each in await one.membership.renew("name:scp-1", b"one", 1)] == [b"one"]
        await until(lambda: not client.exists("mine:nodes:name:scp-1"))
        await one.close()
        with pytest.raises(StoreError, match="closed"):
            await one.membership.renew("name:scp-1", b"one", LONG)

    with redis_lab.single(tmp_path) as redis:
        asyncio.run(test(redis))


def test_a_user_that_may_not_renew_is_told_so(tmp_path: Path) -> None:
    async def test(redis: redis_lab.Lab) -> None:
        redis.servers[0].client().execute_command(
            "ACL", "SETUSER", "scp", "on", ">secret", "~camel-scp:meta", "~camel-scp:s:*", "+@all"
        )
        one = store(redis.url.replace("redis://", "redis://scp:secret@"))
        await one.open()
        with pytest.raises(StoreError) as refused:
            await one.membership.renew("instance:7", b"one", LONG)
        assert refused.value.kind == "auth"
        await one.close()

    with redis_lab.single(tmp_path) as redis:
        asyncio.run(test(redis))
