"""Both ledgers pass the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_contract import LedgerContract, NewLedger

from scp.store.ledger_redis import RedisLedger
from scp.store.ledger_sqlite import SqliteLedger
from scp.store.redis_url import parse_redis_url


class TestSqliteFile(LedgerContract):
    @pytest.fixture
    def new_ledger(self, tmp_path: Path) -> NewLedger:
        return lambda: SqliteLedger(str(tmp_path / "ledger.db"))


class TestSqliteMemory(LedgerContract):
    durable = False

    @pytest.fixture
    def new_ledger(self) -> NewLedger:
        return lambda: SqliteLedger(":memory:")


class TestRedis(LedgerContract):
    @pytest.fixture
    def new_ledger(self, redis_url: str) -> NewLedger:
        return lambda: RedisLedger(parse_redis_url(redis_url), "scp-1")
