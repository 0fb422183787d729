"""Nodes with the same instance or name on one Redis find each other; one that is started again meets nobody."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import structlog
from typer.testing import CliRunner

from oracles.servers import free_tcp_port
from oracles.waiting import until
from scp.app.duplicate_nodes import EXPIRES_MS, IDENTITIES, DuplicateDetector, NodeIdentity, this_process
from scp.app.event_log import EventLog
from scp.app.metrics import NodeMetrics
from scp.app.node import Node
from scp.app.process import StructuredEventLog
from scp.cli import app
from scp.config import Config, loads
from scp.ports import StoreError
from scp.store.redis import RedisStore
from scp.store.redis_membership import Member
from scp.store.redis_url import parse_redis_url
from scp.telemetry import logs
from scp.telemetry.null import NullTelemetry

SEEDS = itertools.count(1)  # nodes that run at once differ
CONFIG = """
[node]
name = "{name}"
instance = {instance}
point_code = "0-23-1"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
[store]
url = "{url}"
[charging]
records = "sqlite::memory:"
[numbering]
country_code = "46"
"""


def config(url: str, *, name: str = "scp-1", instance: int = 7) -> Config:
    return loads(CONFIG.format(url=url, name=name, instance=instance, port=free_tcp_port()), {})


# --- what is a duplicate ---


class FakeMembership:
    """A membership that has the entries that a test gives it."""

    def __init__(self) -> None:
        self.others: dict[bytes, int] = {}
        self.error: StoreError | None = None

    async def renew(self, identity: str, node: bytes, for_ms: int) -> list[Member]:
        if self.error is not None:
            raise self.error
        others = self.others if identity == "instance:7" else {}
        return [Member(node, for_ms), *(Member(*each) for each in others.items())]


class Heard:
    """What a `DuplicateDetector` tells."""

    def __init__(self) -> None:
        self.membership: Any = FakeMembership()
        self.told: list[tuple[str, list[str]]] = []
        self.failures: list[str] = []
        me = NodeIdentity("scp-1", 7, "here", 1, "a")
        self.duplicates = DuplicateDetector(
            self.membership, me, self._tell, self.failures.append, every=0.001
        )

    def _tell(self, identity: str, others: list[NodeIdentity]) -> None:
        self.told.append((identity, [each.describe() for each in others]))

    def renew(self) -> None:
        asyncio.run(self.duplicates.renew())


OTHER = msgspec.json.encode(NodeIdentity("scp-2", 7, "there", 2, "b"))


def test_what_a_killed_process_left_is_no_duplicate() -> None:
    heard = Heard()
    heard.membership.others = {OTHER: 1000}
    for _ in range(3):
        heard.renew()
    heard.membership.others = {}
    heard.renew()
    assert heard.told == []


def test_one_that_renews_is_a_duplicate_until_it_is_removed() -> None:
    heard = Heard()
    for expiry in (1000, 2000, 3000):
        heard.membership.others = {OTHER: expiry, b"of a later release": expiry}
        heard.renew()
    assert heard.told == [("instance 7", ["scp-2 (instance 7) on there, pid 2"])]
    heard.membership.others = {}
    heard.renew()
    assert heard.told[1:] == [("instance 7", [])]
    heard.membership.others = {OTHER: 4000}
    heard.renew()
    assert len(heard.told) == 2, "seen for the first time again"


def test_a_membership_that_cant_be_asked_changes_nothing_and_says_so_if_somebody_has_to_mend_it() -> None:
    heard = Heard()
    for expiry in (1000, 2000):
        heard.membership.others = {OTHER: expiry}
        heard.renew()

    async def test() -> None:
        for kind in ("unreachable", "auth"):
            heard.membership.error = StoreError(f"redis: {kind}", kind)
            heard.duplicates.start()
            await asyncio.sleep(0.05)
            await_done = heard.duplicates._task
            assert await_done is not None
            assert not await_done.done()
            await_done.cancel()

    asyncio.run(test())
    assert heard.failures == ["redis: auth"]
    assert heard.duplicates.found["instance"], "what was known stays"


# --- nodes ---


class Log(EventLog):
    """What a node says of duplicates."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[str]]] = []

    def duplicates(self, identity: str, others: list[str]) -> None:
        self.said.append((identity, others))


@contextlib.asynccontextmanager
async def running(config: Config, log: Log) -> AsyncIterator[Node]:
    node = Node(config, Random(next(SEEDS)), NullTelemetry(), log, entry_points=())
    assert node.duplicates is not None
    node.duplicates._every = 0.02
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def duplicates_counted(node: Node) -> dict[str, float]:
    families = {each.name: each for each in NodeMetrics(node).collect()}
    return {each.labels["identity"]: each.value for each in families["scp_node_duplicates"].samples}


def identities(node: Node) -> dict[str, bool]:
    """By identity, whether ``/health`` says that something is wrong with it."""
    return {part.name: bool(part.check) for part in node.components() if part.group == "node:identity"}


def test_two_nodes_with_one_instance_both_say_so_until_one_is_gone(redis_url: str) -> None:
    async def test() -> None:
        one, two = Log(), Log()
        async with running(config(redis_url), one) as node:
            await until(lambda: node.store.usable() == "")
            assert duplicates_counted(node) == dict.fromkeys(IDENTITIES, 0)
            assert identities(node) == {"instance": False, "name": False}
            async with running(config(redis_url, name="scp-2"), two) as other:
                await until(lambda: one.said and two.said)
                assert one.said[0][0] == two.said[0][0] == "instance 7"
                assert one.said[0][1][0].startswith("scp-2 (instance 7) on ")
                for each in (node, other):
                    assert duplicates_counted(each) == {"instance": 1, "name": 0}
                    assert identities(each) == {"instance": True, "name": False}
                    assert "no ASP is active" in each.why_not_ready()
                    assert not [why for why in each.why_not_ready() if "instance" in why]
            await until(lambda: len(one.said) == 2)
            assert one.said[1] == ("instance 7", [])
            assert duplicates_counted(node) == dict.fromkeys(IDENTITIES, 0)

    asyncio.run(test())


def test_a_node_that_was_killed_and_started_again_meets_nobody(redis_url: str) -> None:
    async def test() -> None:
        log = Log()
        async with running(config(redis_url), Log()) as killed:
            await until(lambda: killed.store.usable() == "")
            duplicates = killed.duplicates
            assert duplicates is not None
            assert duplicates._task is not None
            duplicates._task.cancel()  # it removes nothing
            duplicates._task = None
            entry = duplicates._octets
            await duplicates._membership.renew("instance:7", entry, 600_000)  # none of a test's ends too soon
            async with running(config(redis_url), log) as node:
                assert node.duplicates is not None
                seen = node.duplicates._first
                await until(lambda: entry in seen["instance"])
                for _ in range(5):
                    await node.duplicates.renew()
                assert entry in seen["instance"]
                assert log.said == []

    asyncio.run(test())


def test_a_node_that_starts_without_its_redis_renews_once_it_is_there(tmp_path: Path) -> None:
    from oracles import redis_lab

    async def test(redis: redis_lab.Lab) -> None:
        one, two = Log(), Log()
        async with running(config(redis.url), one), running(config(redis.url, instance=8), two):
            await asyncio.sleep(0.1)
            assert one.said == two.said == []
            await asyncio.to_thread(redis.servers[0].start)
            await until(lambda: one.said and two.said)
            assert one.said[0][0] == "name scp-1"

    with redis_lab.single(tmp_path) as redis:
        redis.servers[0].kill()
        redis.servers[0].folder.joinpath("redis.log").unlink()
        asyncio.run(test(redis))


def test_a_node_with_a_store_of_its_own_has_no_duplicates() -> None:
    node = Node(config("sqlite::memory:"), Random(1), NullTelemetry(), Log(), entry_points=())
    assert node.duplicates is None
    assert duplicates_counted(node) == dict.fromkeys(IDENTITIES, 0)
    assert identities(node) == {}


def test_the_log_has_the_other_nodes_process_id_in_full() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", stream=stream)
    try:
        StructuredEventLog(config("sqlite::memory:")).duplicates(
            "instance 7", ["scp-2 (instance 7) on there, pid 4194303"]
        )
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "pid 4194303" in stream.getvalue()


# --- check ---


def check(tmp_path: Path, url: str, *options: str, **settings: Any) -> tuple[int, str]:
    file = tmp_path / "scp.toml"
    file.write_text(CONFIG.format(**{"url": url, "name": "scp-1", "instance": 7, "port": 2905} | settings))
    result = CliRunner().invoke(app, ["check", *options, str(file)])
    return result.exit_code, result.stderr


def test_check_says_who_runs_with_the_same_instance_or_name(redis_url: str, tmp_path: Path) -> None:
    assert check(tmp_path, redis_url) == (0, ""), "there is no store yet"
    itself = this_process(config(redis_url))
    stranger = NodeIdentity("scp-9", 7, "elsewhere", 4711, "x")

    async def renew() -> None:
        store = RedisStore(parse_redis_url(redis_url))
        await store.open()
        for each in (itself, stranger):
            for kind in IDENTITIES:
                await store.membership.renew(each.identity(kind), msgspec.json.encode(each), EXPIRES_MS * 10)
        await store.close()

    asyncio.run(renew())
    code, said = check(tmp_path, redis_url)
    assert code == 0
    assert said.count("\n") == 1, said
    assert "instance 7 is taken by a running node, scp-9 (instance 7) on elsewhere, pid 4711" in said
    assert check(tmp_path, redis_url, "--offline") == (0, "")
    assert check(tmp_path, redis_url, name="scp-3", instance=8) == (0, "")
    code, said = check(tmp_path, redis_url, name="scp-9", instance=8)
    assert (code, "name scp-9 is taken" in said) == (0, True), said


def test_check_says_that_it_could_not_ask(tmp_path: Path) -> None:
    port = free_tcp_port()
    code, said = check(tmp_path, f"redis://127.0.0.1:{port}/0")
    assert (code, "can't be asked: redis: " in said, f"127.0.0.1:{port}" in said) == (0, True, True), said
