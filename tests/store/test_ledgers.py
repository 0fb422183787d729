"""Both ledgers pass the contract."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
import redis
from ledger_contract import A, LedgerContract, NewLedger, commit, consistent, reservation, reserve
from msgspec import structs

from oracles.redis_lab import Lab
from oracles.servers import answers_tcp, running
from oracles.waiting import until
from scp.domain.reservation import Account, Result, State, bucket_of, reservation_id
from scp.domain.tariff import Tariff
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


def test_a_damaged_reservation_is_named_and_harms_no_other(single: Lab, fresh: str) -> None:
    async def main() -> None:
        ledger = on(single, fresh)()
        await ledger.open()
        await ledger.credit(A, "p", 100, 1)
        with redis.Redis.from_url(single.url) as client:
            for number in (1, 2, 3):
                await ledger.reserve(reservation(number), reserve(10))
            (key,) = client.keys(f"{{{parse_redis_url(f'{single.url}?{fresh}').prefix}:l:*:res")
            one, two = (bytes.fromhex(reservation(number).id[2:]) for number in (1, 2))
            value = client.hget(key, one)
            client.hset(key, one, value[:-1])
            client.hset(key, two, b"?")
        with pytest.raises(StoreError, match=f"{reservation(1).id}: reservation: it ends after") as raised:
            await ledger.reservation(reservation(1).id)
        assert raised.value.kind == "foreign"
        for number in (1, 2):
            with pytest.raises(StoreError):
                await ledger.step(reservation(number).id, commit(10))
        assert (await ledger.step(reservation(3).id, commit(10))).result is Result.DONE
        await ledger.close()

    asyncio.run(main())


EARLIER = {
    reservation(1): {"state": "extended", "held": 30, "granted": 120, "expires": 90_000, "steps": 2},
    reservation(2): {
        "state": "released",
        "held": 5,
        "granted": 60,
        "expires": 7000,
        "ended": 8000,
        "steps": 2,
    },
    reservation(3, tariff=Tariff("46", 12)): {
        "state": "committed",
        "held": 40,
        "granted": 60,
        "expires": 9000,
    }
    | {"steps": 2, "used": 33, "charged": 7, "ended": 9500, "recorded": 0},
    reservation(4): {"state": "denied", "ended": 1000, "steps": 1},
}
"""What never changes, and the fields that did."""


def write_earlier(client: redis.Redis, prefix: str) -> None:
    """As the ledger wrote it before: 93 of 100 are left, of which 30 are held."""
    tag = f"{{{prefix}:l:{bucket_of(A):02x}}}"
    client.hset(f"{tag}:balance", A, 93)
    client.hset(f"{tag}:held", A, 30)
    client.hset(f"{tag}:credits:{A}", "p", 100)
    client.hset(f"{tag}:sums", mapping={"credited": 100, "charged": 7})
    for body, changing in EARLIER.items():
        fields = {**changing, "account": A, "body": msgspec.json.encode(body)}
        client.hset(f"{tag}:r:{body.id}", mapping=fields)
        ended = changing.get("ended", 0)
        client.zadd(f"{tag}:ended" if ended else f"{tag}:open", {body.id: ended or changing["expires"]})
        if "recorded" in changing:
            client.sadd(f"{tag}:out:scp-1", body.id)


@pytest.mark.parametrize("lab", ["single", "cluster"])
def test_reservations_of_the_earlier_layout_go_on(
    lab: str, fresh: str, request: pytest.FixtureRequest
) -> None:
    where: Lab = request.getfixturevalue(lab)
    names = {"held": "held", "granted": "granted_seconds", "expires": "expires_ms", "steps": "steps"}
    names |= {"used": "used_seconds", "charged": "charged", "ended": "ended_ms", "state": "state"}
    prefix = parse_redis_url(f"{where.url}?{fresh}").prefix
    if lab == "single":
        client = redis.Redis.from_url(where.url)
    else:
        client = redis.RedisCluster.from_url(where.url.replace("redis+cluster", "redis").partition(",")[0])
    with client:
        write_earlier(client, prefix)

    async def main() -> None:
        ledger = on(where, fresh)()
        await ledger.open()
        for body, changing in EARLIER.items():
            changed = {names[name]: each for name, each in changing.items() if name in names}
            changed["state"] = State(changed["state"])
            assert await ledger.reservation(body.id) == structs.replace(body, **changed)
        assert await ledger.due(90_000, 9) == [reservation(1).id]
        assert [each.id for each in await ledger.unrecorded(9)] == [reservation(3).id]
        await consistent(ledger)
        settled = await ledger.step(reservation(1).id, commit(20))
        assert settled.account == Account(A, 73, 0)
        await ledger.recorded([reservation(1).id, reservation(3).id])
        assert await ledger.unrecorded(9) == []
        assert await ledger.forget(10**12, 9) == len(EARLIER)
        assert await ledger.due(10**12, 9) == []
        await consistent(ledger)
        await ledger.close()

    asyncio.run(main())
    if lab == "single":
        with client:
            left = {key.rpartition(b"}:")[2].decode() for key in client.keys(f"{{{prefix}:l:*")}
        assert left == {"balance", "held", "sums", f"credits:{A}"}


def test_an_open_reservation_takes_less_than_200_octets_in_redis(single: Lab, fresh: str) -> None:
    """Beside such as have ended: these make Redis keep all as a table, not as one short string."""
    many, accounts = 3000, [f"4670000{number:04d}" for number in range(200)]
    tariff = Tariff("33", 6)

    async def main() -> int:
        ledger = on(single, fresh)()
        await ledger.open()
        await asyncio.gather(*(ledger.credit(account, "p", 10**9, 1) for account in accounts))

        async def one(number: int, *, ends: bool) -> None:
            account = accounts[number % len(accounts)]
            own = reservation_id(account, number.to_bytes(10, "big"))
            new = structs.replace(reservation(number, account), id=own, call_id=own, a_number="46700000009")
            new = structs.replace(new, tariff=tariff, local_start=new.created_ms // 1000 + 3600)
            step = reserve(60, new.created_ms + 60_000)
            assert (await ledger.reserve(new, step)).result is Result.DONE
            if ends:
                await ledger.step(own, commit(6))

        await asyncio.gather(*(one(number, ends=True) for number in range(1000)))
        with redis.Redis.from_url(single.url) as client:
            before = client.info("memory")["used_memory"]
            for start in range(1000, 1000 + many, 100):
                await asyncio.gather(*(one(number, ends=False) for number in range(start, start + 100)))
            used = client.info("memory")["used_memory"] - before
        await ledger.close()
        return used // many

    octets = asyncio.run(main())
    print(f"\n{octets} octets a reservation")
    assert octets < 200


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
