"""Both stores of text messages pass the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from message_contract import MessageContract, NewStore

from oracles.redis_lab import Lab
from scp.ports import StoreError
from scp.store.beside import open_messages
from scp.store.messages_redis import RedisMessages
from scp.store.messages_sqlite import SqliteMessages
from scp.store.redis_url import parse_redis_url


class TestSqliteFile(MessageContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        return lambda: SqliteMessages(str(tmp_path / "messages.db"))


class TestSqliteMemory(MessageContract):
    durable = False

    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: SqliteMessages(":memory:")


def on(lab: Lab, fresh: str) -> NewStore:
    return lambda: RedisMessages(parse_redis_url(f"{lab.url}?{fresh}"))


class TestRedis(MessageContract):
    @pytest.fixture
    def new_store(self, single: Lab, fresh: str) -> NewStore:
        return on(single, fresh)


class TestCluster(MessageContract):
    @pytest.fixture
    def new_store(self, cluster: Lab, fresh: str) -> NewStore:
        return on(cluster, fresh)


def test_where_messages_are_if_nobody_says(tmp_path: Path) -> None:
    store = open_messages(None, f"sqlite:{tmp_path}/scp.db")
    assert store.usable() == f"{tmp_path}/scp.db.messages: not open"
    assert isinstance(open_messages(None, "redis://127.0.0.1:1"), RedisMessages)
    with pytest.raises(StoreError) as raised:
        open_messages("mysql://x", "sqlite::memory:")
    assert raised.value.kind == "config"
