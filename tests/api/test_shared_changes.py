"""Changes through the APIs of nodes on one Redis: each shows those of all, once, in the order of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oracles import redis_lab
from scp.api.change_log import Change, ChangeLog
from scp.api.shared_changes import AT_ONCE, MOST_OCTETS, SharedChanges, _encode
from scp.config import Scope
from scp.ports import StoreError
from scp.store.redis import RedisStore
from scp.store.redis_changes import FIRST
from scp.store.redis_url import parse_redis_url

EVERY = frozenset(Scope)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBER = "46701234567"
LINE = (
    b'{"timestamp":"2026-01-01T00:00:01.000000+00:00","result":"changed","who":"care",'
    b'"what":"PUT /v1/forwarding/46701234567","before":null,"after":{"second":1}}'
)
"""Of an audit file: the first change of a node."""


class Node:
    """The changes of a node."""

    def __init__(self, stream: Any, name: str) -> None:
        self.log = ChangeLog()
        self.shared = SharedChanges(self.log, stream, name)

    def change(self, second: int, after: Any = None) -> None:
        time = NOW + timedelta(seconds=second)
        self.log.add(time, "care", f"PUT /v1/forwarding/{NUMBER}", None, after or {"second": second})

    async def seen(self) -> list[tuple[str, int]]:
        """Node and second of every change, the latest first."""
        assert await self.shared.pull() == ""
        return [(each.node, each.after["second"]) for each in self.log.of(NUMBER, EVERY, 5000)]


@pytest.mark.parametrize("lab", [redis_lab.single, redis_lab.cluster])
def test_each_node_shows_those_of_all_once_in_the_order_of_time(lab: Any, tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        one, two = Node(store.changes, "one"), Node(store.changes, "two")
        one.change(1)
        two.change(2)
        one.change(3)
        for node in (one, two):
            await node.shared.stop()  # what waits is told
        assert await one.seen() == await one.seen() == [("", 3), ("two", 2), ("", 1)]
        assert await two.seen() == [("one", 3), ("", 2), ("one", 1)]
        again = Node(store.changes, "one")  # after a start it knows what it told before
        again.log.recall([LINE])
        assert await again.seen() == [("", 3), ("two", 2), ("", 1)]
        assert again.log.of(NUMBER, EVERY - {Scope.READ}, 10) == ()

    with lab(tmp_path) as redis:
        run(redis.url, test)


def test_many_large_and_strange_ones(tmp_path: Path) -> None:
    async def test(store: RedisStore) -> None:
        one, two = Node(store.changes, "one"), Node(store.changes, "two")
        for second in range(2 * AT_ONCE + 7):
            one.change(second)
        one.change(5000, {"second": 5000, "text": "x" * MOST_OCTETS})
        await one.shared.stop()
        await store.changes.add([b"of another release", _encode({"process": 1})], 2000)
        assert await two.shared.pull() == ""
        (large, *others) = two.log.of(NUMBER, EVERY, 5000)
        assert (large.before, large.after) == (None, None)
        assert [each.after["second"] for each in others] == list(reversed(range(2 * AT_ONCE + 7)))
        assert all(len(entry) <= MOST_OCTETS for _, entry in await store.changes.after(FIRST, 5000))

    with redis_lab.single(tmp_path) as redis:
        run(redis.url, test)


class Broken:
    """A Redis that can't be asked, until it can."""

    def __init__(self) -> None:
        self.works = False
        self.told: list[bytes] = []

    async def add(self, entries: list[bytes], kept: int) -> None:
        if not self.works:
            raise StoreError("redis: connection refused")
        self.told += entries

    async def after(self, last: bytes, most: int) -> list[tuple[bytes, bytes]]:
        if not self.works:
            raise StoreError("redis: connection refused")
        return []


def test_while_redis_is_away_its_own_are_shown_and_why_others_lack_and_nothing_is_lost() -> None:
    async def test() -> None:
        stream = Broken()
        node = Node(stream, "one")
        node.change(1)
        await node.shared.stop()
        assert await node.shared.pull() == "redis: connection refused"
        assert [each.after for each in node.log.of("", EVERY, 5)] == [{"second": 1}]
        node.change(2)  # nobody is told: it has stopped
        stream.works = True
        await node.shared.stop()
        assert [b'"second":1' in entry for entry in stream.told] == [True]
        assert await node.shared.pull() == ""

    asyncio.run(test())


def test_what_is_told_again_is_one_change() -> None:
    log = ChangeLog()
    change = Change("2026-01-01T00:00:01.000+00:00", "care", "PUT /v1/forwarding/46701", None, {}, "two")
    log.merge([change, change])  # who was cut off before the answer tells it again
    log.merge([change])
    assert log.of("46701", EVERY, 5) == (change,)


def run(url: str, test: Callable[[RedisStore], Awaitable[None]]) -> None:
    """Run a test on an open store."""

    async def opened() -> None:
        store = RedisStore(parse_redis_url(url))
        await store.open()
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(opened())
