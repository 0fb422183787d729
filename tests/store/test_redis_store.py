"""What the contract does not say: URLs, log-in, TLS, damaged records, lost scripts, other programs' keys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract import A, Waiting, everything, find, message, subscriber
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from redis.crc import key_slot

from oracles import redis_lab
from oracles.examples import examples
from oracles.redis_lab import Lab
from scp.domain.lookup import PENDING
from scp.domain.moves import MOST, RECENT, TIMES, TOLERANCE, remembered
from scp.domain.subscriber import Subscriber
from scp.ports import StoreError
from scp.services.api import StoreFailure
from scp.store import open_store
from scp.store.record_format import EARLIER, SCHEMA, RecordError, pack, unpack, version_of
from scp.store.redis_url import Address, Kind, parse_redis_url


class Told:
    """A telemetry that counts what the store says."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def store(self, operation: str, seconds: float, error: str = "") -> None:
        assert seconds >= 0
        self.seen[operation, error] += 1


# --- URLs ---


def test_urls() -> None:
    url = parse_redis_url("redis://host")
    assert (url.kind, url.hosts, url.tls, url.database) == (Kind.SINGLE, (Address("host", 6379),), False, 0)
    url = parse_redis_url("rediss://scp:p%40ss%2Fw@[::1]:7000/3?cached=true&acks=2&ca=/etc/ca.pem")
    assert (url.tls, url.user, url.password, url.database) == (True, "scp", "p@ss/w", 3)
    assert (url.hosts, url.cached, url.replicas_to_wait_for) == ((Address("::1", 7000),), True, 2)
    url = parse_redis_url("redis+sentinel://:pw@a,b:1,c/main/2?sentinel_password=x")
    assert url.hosts == (Address("a", 26379), Address("b", 1), Address("c", 26379))
    assert (url.service, url.database, url.user, url.password) == ("main", 2, "", "pw")
    assert url.replicas_to_wait_for == 1
    url = parse_redis_url("rediss+cluster://a:1,b:2")
    assert (url.kind, url.tls, url.replicas_to_wait_for) == (Kind.CLUSTER, True, 0)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://", "host"),
        ("redis:path", "host"),
        ("redis://:s3c#ret@a/0", "write # as %23"),
        ("redis://:s3c/ret@a/0", "in a password / and ?"),
        ("redis://:s3c?ret@a/0", "in a password / and ?"),
        ("redis://a,b", "one host"),
        ("redis://a:0", "port"),
        ("redis://a:99999", "port"),
        ("redis://a:x", "host"),
        ("redis://a/one", "database"),
        ("redis://a/1/2", "database"),
        ("redis://a#b", "#"),
        ("redis+sentinel://a", "service"),
        ("redis+cluster://a/1", "cluster"),
        ("redis://a?cache=true", "no option 'cache'"),
        ("redis://a?cached=yes", "cached must be true or false"),
        ("redis://a?cached=true&cached=true", "twice"),
        ("redis://a?buckets=1000", "power of two"),
        ("redis://a?acks=-1", "acks must be a number"),
        ("redis://a?prefix={x}", "prefix must be"),
        ("rediss://a?ca=/nowhere.pem", "ca, certificate or key"),
        ("rediss://a?certificate=/nowhere.pem", "ca, certificate or key"),
    ],
)
def test_urls_that_are_wrong(url: str, said: str) -> None:
    async def main() -> None:
        with pytest.raises(StoreError) as raised:
            await open_store(url.replace("://", "://:secret@")).open()
        assert raised.value.kind == "config"
        assert said in str(raised.value)
        assert "secret" not in str(raised.value)

    asyncio.run(main())


def test_slots() -> None:
    """The check value of CRC-16/XMODEM, and examples that redis-server was asked for."""
    assert key_slot(b"123456789") == 0x31C3
    assert key_slot(b"foo") == 12182


def test_the_server_agrees_on_slots(cluster: Lab) -> None:
    client = cluster.servers[0].client()
    for number in range(50):
        key = f"camel-scp:s:{number:05x}"
        assert client.execute_command("CLUSTER", "KEYSLOT", key) == key_slot(key.encode())


# --- log-in and TLS ---


def opened_with(url: str) -> str:
    """Open, write and close; return the kind of the error, if any."""

    async def main() -> str:
        store = open_store(url)
        try:
            await store.open()
            await store.put(Subscriber(A))
            assert (await find(store, A)).version == 1
        except StoreError as error:
            return error.kind
        finally:
            await store.close()
        return ""

    return asyncio.run(main())


def test_password_and_user(tmp_path: Path) -> None:
    with redis_lab.single(tmp_path) as lab:
        port = lab.servers[0].port
        lab.servers[0].client().config_set("requirepass", "p@ss")
        assert opened_with(f"redis://127.0.0.1:{port}") == "auth"
        assert opened_with(f"redis://:wrong@127.0.0.1:{port}") == "auth"
        assert opened_with(f"redis://:p%40ss@127.0.0.1:{port}/5") == ""
        admin = redis_lab.redis.Redis(port=port, password="p@ss")
        admin.acl_setuser("scp", enabled=True, passwords=["+x"], keys=["camel-scp:*"], categories=["+@all"])
        assert opened_with(f"redis://scp:x@127.0.0.1:{port}/6") == ""
        assert opened_with(f"redis://scp:x@127.0.0.1:{port}/6?prefix=other") == "auth"


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server with TLS and client certificates, and the folder of its files."""
    certificate, key = tmp_path / "node.crt", tmp_path / "node.key"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*made, "-keyout", key, "-out", certificate, *names], check=True, capture_output=True)
    port = redis_lab.free_tcp_port()
    files = (
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-ca-cert-file",
        str(certificate),
    )
    with redis_lab.single(tmp_path, "--tls-port", str(port), *files):
        yield port, tmp_path


def test_tls(tls: tuple[int, Path]) -> None:
    port, folder = tls
    ours = f"certificate={folder}/node.crt&key={folder}/node.key"
    assert opened_with(f"rediss://127.0.0.1:{port}?ca={folder}/node.crt&{ours}") == ""
    assert opened_with(f"rediss://127.0.0.1:{port}?{ours}") == "unreachable"  # whose certificate is that?
    assert opened_with(f"rediss://127.0.0.1:{port}?verify=false&{ours}&prefix=b") == ""
    assert opened_with(f"redis://127.0.0.1:{port}") != ""


# --- what is loaded ---

OPEN_ONE = """
import sys
import scp.app.node
from scp.store.open import open_store
open_store({url!r})
print("redis" in sys.modules)
"""


@pytest.mark.parametrize(("url", "loaded"), [("sqlite::memory:", "False"), ("redis://127.0.0.1", "True")])
def test_redis_py_is_loaded_where_a_store_wants_it(url: str, loaded: str) -> None:
    """It takes 60 ms and 9 MB: a node with SQLite does without, one with Redis has it before it is ready."""
    code = OPEN_ONE.format(url=url)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == loaded


# --- records and keys that are not as we left them ---


def raw(lab: Lab, prefix: str):
    client = lab.servers[0].client()
    return client, lambda msisdn: next(
        key for key in client.scan_iter(f"{prefix}:s:*") if client.hexists(key, msisdn)
    )


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"x",
        b"\x95\x01\xce\x00\x00\x00\x03",
        pack(subscriber(1))[:-1],
        b"\x93\x01\xce\0\0\0\1\x7f",
        b"\xff" * 30,
    ],
)
def test_a_damaged_record_is_a_failure_and_can_be_replaced(single: Lab, fresh: str, damage: bytes) -> None:
    async def main() -> None:
        told = Told()
        store = open_store(f"{single.url}?{fresh}", telemetry=told)
        await store.open()
        await store.put_many([subscriber(1), subscriber(2, authorized=True)])
        client, key_of = raw(single, store.url.prefix)
        bad = subscriber(1).msisdn
        client.hset(key_of(bad), bad, damage)
        assert await find(store, bad) is StoreFailure.UNAVAILABLE
        assert told.seen["find", "corrupt"] == 1
        assert await find(store, subscriber(2).msisdn) == subscriber(2, authorized=True, version=1)
        with pytest.raises(StoreError) as raised:
            await store.get(bad)
        assert raised.value.kind == "corrupt"
        scan = store.scan()
        assert await anext(scan) == subscriber(2, authorized=True, version=1)
        with pytest.raises(StoreError, match="1 records"):
            await anext(scan)
        await store.put_many([subscriber(1, imsi="1")])
        assert (await find(store, bad)).imsi == "1"
        await store.close()

    asyncio.run(main())


def test_records_of_other_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Subscriber(A, imsi="1", version=7)
    newer = bytearray(pack(record))
    newer[1] = SCHEMA + 1
    with pytest.raises(RecordError, match=f"schema {SCHEMA + 1}"):
        unpack(A, bytes(newer))
    older = bytearray(pack(record))
    older[1] = 0
    with pytest.raises(RecordError, match="damaged"):
        unpack(A, bytes(older))
    monkeypatch.setitem(EARLIER, 0, lambda msisdn, packed: Subscriber(msisdn, version=version_of(packed)))
    assert unpack(A, bytes(older)) == Subscriber(A, version=7)


@given(st.binary(max_size=60))
def test_any_octets_are_a_record_or_an_error(octets: bytes) -> None:
    with contextlib.suppress(RecordError):
        assert isinstance(unpack(A, octets), Subscriber)


def test_a_newer_store_and_somebody_elses(single: Lab, fresh: str) -> None:
    url = f"{single.url}?{fresh}"
    assert opened_with(url) == ""
    meta = f"{parse_redis_url(url).prefix}:meta"
    client = single.servers[0].client()
    client.hset(meta, "schema", SCHEMA + 1)
    assert opened_with(url) == "newer"
    client.hset(meta, "schema", "x")
    assert opened_with(url) == "foreign"
    client.delete(meta)
    client.set(meta, "x")
    assert opened_with(url) == "foreign"


def test_the_first_to_open_decides_how_many_buckets(single: Lab, fresh: str) -> None:
    async def main() -> None:
        one = open_store(f"{single.url}?{fresh}")
        other = open_store(f"{single.url}?{fresh.replace('256', '1024')}")
        await one.open()
        await other.open()
        await other.put_many([subscriber(number) for number in range(100)])
        assert len(await everything(one)) == 100
        assert await find(one, subscriber(5).msisdn) == subscriber(5, version=1)
        await one.close()
        await other.close()

    asyncio.run(main())


def test_reading_only(single: Lab, fresh: str) -> None:
    async def main() -> None:
        store = open_store(f"{single.url}?{fresh}", read_only=True)
        with pytest.raises(StoreError) as raised:
            await store.open()
        assert raised.value.kind == "missing"
        writing = open_store(f"{single.url}?{fresh}")
        await writing.open()
        await writing.put(Subscriber(A))
        await store.open()
        assert (await find(store, A)).version == 1
        for attempt in (store.put(Subscriber(A)), store.delete(A, 1), store.put_many([Subscriber(A)])):
            with pytest.raises(StoreError) as raised:
                await attempt
            assert raised.value.kind == "read-only"
        await writing.close()
        await store.close()

    asyncio.run(main())


def test_a_script_that_the_server_lost(single: Lab, fresh: str) -> None:
    async def main() -> None:
        store = open_store(f"{single.url}?{fresh}")
        await store.open()
        client = single.servers[0].client()
        client.script_flush()
        assert (await store.put(Subscriber(A))).version == 1
        client.script_flush()
        await store.put_many([subscriber(number) for number in range(700)])
        assert await store.count() == 700  # A is subscriber(1)
        client.script_flush()
        await store.delete(A, 2)
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("lab", ["single", "cluster"])
def test_writes_that_too_few_replicas_have(lab: str, fresh: str, request: pytest.FixtureRequest) -> None:
    """They are in the store and not acknowledged, however long replicas have; reading needs none."""
    servers: Lab = request.getfixturevalue(lab)

    async def main() -> None:
        made = open_store(f"{servers.url}?{fresh}")
        await made.open()
        await made.close()
        store = open_store(f"{servers.url}?{fresh}&acks=1&ack_ms=1500")
        await store.open()
        for attempt in (store.put(Subscriber(A)), store.put_many([subscriber(2), subscriber(3)])):
            with pytest.raises(StoreError) as raised:
                await attempt
            assert raised.value.kind == "unacknowledged"
        assert (await store.get(A)).version == 1
        assert await store.count() == 3
        await store.close()

    asyncio.run(main())


def test_too_much_on_its_way_is_refused_at_once(single: Lab, fresh: str) -> None:
    async def main() -> None:
        told = Told()
        store = open_store(f"{single.url}?{fresh}&in_flight=10", telemetry=told)
        await store.open()
        waiting = [Waiting() for _ in range(15)]
        results = [store.find(A, waiter) for waiter in waiting]
        assert results == [PENDING] * 10 + [StoreFailure.UNAVAILABLE] * 5
        assert told.seen["find", "overload"] == 5
        assert await asyncio.gather(*(waiter.answer for waiter in waiting[:10])) == [None] * 10
        assert await find(store, A) is None
        assert told.seen["find", ""] > 0
        await store.close()

    asyncio.run(main())


def test_replicas_answer_lookups(sentinel: Lab, fresh: str) -> None:
    async def main() -> None:
        store = open_store(f"{sentinel.url}?{fresh}&replicas=true")
        await store.open()
        await store.put(Subscriber(A))  # acknowledged by the replica
        replica = next(server for server in sentinel.servers if server is not sentinel.master()).client()
        before = replica.info("commandstats").get("cmdstat_hget", {"calls": 0})["calls"]
        for _ in range(10):
            assert (await find(store, A)).version == 1
        assert replica.info("commandstats")["cmdstat_hget"]["calls"] == before + 10
        await store.close()

    asyncio.run(main())


# --- messages of VLRs ---


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(-3 * TOLERANCE, 3 * TOLERANCE),
    came=st.sampled_from([0, RECENT // 2, 2 * RECENT]),
    known=st.integers(0, MOST),
    number=st.integers(0, MOST + 1),
    age=st.none() | st.integers(0, 3 * TOLERANCE),
)
def test_the_script_remembers_as_the_table_says(
    single: Lab, fresh: str, at: int, came: int, known: int, number: int, age: int | None
) -> None:
    seen = b"".join(each.to_bytes(8, "big") for each in range(known))

    async def body() -> None:
        store = open_store(f"{single.url}?{fresh}")
        await store.open()
        client = single.servers[0].client()
        there = await store.get(A) or await store.put(Subscriber(A))
        keys = store._keys.together(store._keys.bucket(A))
        for _ in range(10):  # until both are asked within one second of Redis' clock
            now, _ = client.time()
            before = (now + at).to_bytes(4, "big") + (now - came).to_bytes(4, "big") + seen if known else b""
            client.hset(keys[1], A, before)
            result, version = await store.move(message(number, age_s=age))
            if client.time()[0] == now:
                break
        wanted, refused = remembered(before, message(number, age_s=age), now)
        assert result == (refused or "taken")
        assert client.hget(keys[1], A) == wanted
        assert len(wanted) <= TIMES + MOST * 8
        assert version == there.version + (refused is None and age is not None)
        client.close()
        await store.close()

    asyncio.run(body())


def test_a_message_leaves_a_record_of_a_newer_release_alone(single: Lab, fresh: str) -> None:
    async def body() -> None:
        store = open_store(f"{single.url}?{fresh}")
        await store.open()
        client = single.servers[0].client()
        newer = bytes((0x94, SCHEMA + 1, 0xCE, 0, 0, 0, 1, 0xC0))
        client.hset(store._keys.names[store._keys.bucket(A)], A, newer)
        with pytest.raises(StoreError, match="schema"):
            await store.move(message(1, roaming=True, vlr="4670"))
        assert client.hget(store._keys.names[store._keys.bucket(A)], A) == newer
        client.close()
        await store.close()

    asyncio.run(body())
