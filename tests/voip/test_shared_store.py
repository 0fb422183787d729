"""The Redis that brains share: what one writes the others hear, wherever it is, and after its master has died."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from oracles import redis_lab
from oracles.waiting import PATIENCE
from scp.voip.directory import Identity
from scp.voip.rows import CHANGES, change
from scp.voip.store import Store, StoreError

ONE, OTHER = Identity("46701234567"), Identity("46701234568")


async def hears(store: Store, identity: Identity) -> None:
    """Return when a client that listens at `store` has heard of an identity, which another one keeps meanwhile."""
    writes = Store(store.url)
    client = await store.listener()
    async with asyncio.timeout(PATIENCE), client, client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(CHANGES)
        await channel.ping()
        await asyncio.to_thread(writes.put, [identity])
        while (message := await channel.get_message(timeout=1)) is None or message["type"] != "message":
            pass
    row = change(message["data"])
    assert (row.kind, row.id) == ("identity", identity.msisdn)
    writes.close()


def test_what_one_brain_writes_another_hears(servers: redis_lab.Lab | None, url: str) -> None:
    if servers is None:
        pytest.skip("a file is one brain's")
    store = Store(url)
    asyncio.run(hears(store, ONE))
    assert list(store.read(Identity, [])) == [ONE]
    store.close()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
def test_a_master_that_dies_takes_nothing_along_that_was_kept(tmp_path: Path) -> None:
    with redis_lab.sentinel(tmp_path) as lab:
        store = Store(lab.url)
        store.put([ONE])
        first = lab.master()
        lab.give_up_soon()
        first.kill()

        async def after() -> None:
            async with asyncio.timeout(PATIENCE):
                while True:
                    with contextlib.suppress(StoreError, RedisError):
                        assert list(await asyncio.to_thread(lambda: list(store.read(Identity, [])))) == [ONE]
                        break
                with pytest.raises(StoreError, match="0 replicas have the write, 1 must"):
                    await asyncio.to_thread(store.put, [OTHER])
                await asyncio.to_thread(first.start)
                follow = lambda: first.client().replicaof("127.0.0.1", str(lab.master().port))  # noqa: E731
                await asyncio.to_thread(follow)  # sentinels do so after 10 s
                while True:
                    try:
                        await hears(store, OTHER)
                    except (StoreError, RedisError):
                        await asyncio.sleep(0.1)
                    else:
                        return

        asyncio.run(after())
        assert {one.msisdn for one in store.read(Identity, [])} == {ONE.msisdn, OTHER.msisdn}
        store.close()


@pytest.mark.parametrize(
    "url", ["redis+sentinel://127.0.0.1:1", "redis+cluster://127.0.0.1:1", "redis://127.0.0.1:1/x"]
)
def test_servers_that_are_not_there_are_said_in_words(url: str) -> None:
    with pytest.raises(StoreError, match=r"^store.url: "):
        Store(url)
