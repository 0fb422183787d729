"""Both ledgers pass the contract."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis
from ledger_contract import A, LedgerContract, NewLedger, commit, reservation, reserve

from oracles.redis_lab import Lab
from oracles.servers import answers_tcp, running
from oracles.waiting import until
from scp.domain.reservation import Result
from scp.ports import StoreError
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


def on(lab: Lab, fresh: str) -> NewLedger:
    return lambda: RedisLedger(parse_redis_url(f"{lab.url}?{fresh}"), "scp-1")


class TestRedis(LedgerContract):
    @pytest.fixture
    def new_ledger(self, single: Lab, fresh: str) -> NewLedger:
        return on(single, fresh)


class TestSentinel(LedgerContract):
    @pytest.fixture
    def new_ledger(self, sentinel: Lab, fresh: str) -> NewLedger:
        return on(sentinel, fresh)


class TestCluster(LedgerContract):
    @pytest.fixture
    def new_ledger(self, cluster: Lab, fresh: str) -> NewLedger:
        return on(cluster, fresh)


def test_each_node_writes_its_own_records(single: Lab, fresh: str) -> None:
    """What one node charged the other does not record: a charge has one CDR, on one node."""
    url = parse_redis_url(f"{single.url}?{fresh}")

    async def main() -> None:
        one, other = RedisLedger(url, "scp-1"), RedisLedger(url, "scp-2")
        await one.open()
        await other.open()
        await one.credit(A, "p", 100, 1)
        await one.reserve(reservation(), reserve(60))
        await other.step(reservation().id, commit(50))  # any node may settle what another reserved
        assert await one.unrecorded(9) == []
        assert [each.charged for each in await other.unrecorded(9)] == [50]
        await one.close()
        await other.close()

    asyncio.run(main())


def test_scripts_that_the_server_lost(single: Lab, fresh: str) -> None:
    async def main() -> None:
        ledger = on(single, fresh)()
        await ledger.open()
        with redis.Redis.from_url(single.url) as client:
            client.script_flush()
        assert (await ledger.credit(A, "p", 100, 1)).result is Result.DONE
        assert (await ledger.reserve(reservation(), reserve(60))).result is Result.DONE
        await ledger.close()

    asyncio.run(main())


def test_it_is_usable_once_its_server_is_there(tmp_path: Path, free_tcp_port: int) -> None:
    """A node may start without its Redis: the ledger goes on trying."""
    url = parse_redis_url(f"redis://127.0.0.1:{free_tcp_port}")
    command = ["redis-server", "--port", str(free_tcp_port), "--save", "", "--dir", str(tmp_path)]
    server = running(command, lambda: answers_tcp(free_tcp_port), tmp_path / "redis.log")

    async def main() -> None:
        ledger = RedisLedger(url, "scp-1")
        with pytest.raises(StoreError) as raised:
            await ledger.open()
        assert raised.value.kind == "unreachable"
        assert ledger.usable() != ""
        with pytest.raises(StoreError):
            await ledger.credit(A, "p", 100, 1)
        await asyncio.to_thread(server.__enter__)
        await until(lambda: not ledger.usable())
        assert (await ledger.credit(A, "p", 100, 1)).result is Result.DONE
        await ledger.close()

    try:
        asyncio.run(main())
    finally:
        server.__exit__(None, None, None)
