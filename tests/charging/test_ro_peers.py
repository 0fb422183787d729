"""Connections to the servers of an online charging system: who is there, who is asked, and what is not Diameter."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from diameter.message import Avp, constants
from ocs import REALM, Books, Ocs, awaited
from ro_room import SESSION, TW, A, B, Room, flagged, request, run

from scp.charging.ro_sessions import Session
from scp.charging.ro_watchdog import Health
from scp.domain.quota import QuotaGrant, QuotaRequest, Settled, Usage
from scp.domain.reservation import reservation_id
from scp.ports import StoreError


def test_a_server_that_does_not_know_us_is_named(start) -> None:
    ocs = Ocs().up(("somebody.else",))

    async def body(room: Room) -> None:
        await asyncio.sleep(1.0)
        assert room.client.missing == 1
        assert "capabilities refused: Result-Code 3010" in room.client.peers[0].fault
        with pytest.raises(StoreError, match=r"no server is connected: 127\.0\.0\.1:"):
            await room.quotas.reserve(request(60))

    try:
        run(body, ocs, stay=False)
    finally:
        ocs.down()


def test_watchdogs_keep_a_silent_connection_and_a_deaf_server_is_left(start) -> None:
    books = Books(200, 60)
    pair = start(books, "ocs1"), start(books, "ocs2")

    async def body(room: Room) -> None:
        first, second = room.client.peers
        await asyncio.sleep(10 * TW)
        assert (first.health, second.health, room.client.missing) == (Health.OKAY, Health.OKAY, 0)
        pair[0].deaf = True
        while first.health is Health.OKAY:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.5)
        assert first.health is Health.SUSPECT
        await room.quotas.reserve(request(60))
        assert Session.of((await room.ledger.reservation(SESSION)).reference).host == f"ocs2.{REALM}"
        await asyncio.sleep(TW + 3)
        assert first.health is Health.DOWN
        pair[0].deaf = False
        await asyncio.sleep(6.0)
        assert first.health is Health.REOPEN
        await asyncio.sleep(4 * TW)
        assert first.health is Health.OKAY

    run(body, *pair)


def test_a_server_asks_whether_we_are_there_and_re_authorises(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        (name,) = ocs.books.sessions
        loop = asyncio.get_running_loop()
        results = []
        for session in (name, "nobody;1;2"):
            answer: asyncio.Future[object] = loop.create_future()

            def ask(session=session, answer=answer) -> None:
                result = ocs.re_authorise(session).result_code
                loop.call_soon_threadsafe(answer.set_result, result)

            threading.Thread(target=ask).start()
            loop.outside(lambda answer=answer: not answer.done())
            results.append(await answer)
        assert results == [2002, 5002]

    run(body, ocs)


@pytest.mark.parametrize(
    "octets",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes.fromhex("01ffff00"), bytes.fromhex("0100001c80000118"), b""],
    ids=["no Diameter", "too long", "cut", "nothing"],
)
def test_a_server_that_speaks_something_else_is_named_and_left(start, octets) -> None:
    """Another one, which is well, is asked meanwhile."""
    ocs = start(Books(200, 60), "ocs2")
    hostile = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = hostile.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(1000)
                connection.sendall(octets)

    thread = threading.Thread(target=answer)
    thread.start()
    named = SimpleNamespace(port=hostile.getsockname()[1], swallowed=set(), deaf=False)

    async def body(room: Room) -> None:
        await room.connected(missing=1)
        assert room.client.peers[0].missing
        assert room.client.peers[0].fault
        assert isinstance(await room.quotas.reserve(request(60)), QuotaGrant)
        assert (await room.quotas.settle(SESSION, Usage(((100, 0),)))).seconds == 10
        assert ocs.books.used == [10]

    try:
        run(body, named, ocs, stay=False)
    finally:
        hostile.shutdown(socket.SHUT_RDWR)
        hostile.close()
        thread.join()


def test_an_answer_that_can_not_be_read_is_none(start) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        ocs.more.append(Avp.new(constants.AVP_CC_SESSION_FAILOVER, value=1))
        ocs.more[0].payload = b"\x00"
        with pytest.raises(StoreError, match="the answer can't be read: an Unsigned32 of 1 octets"):
            await room.quotas.reserve(request(60))
        ocs.more.clear()
        assert isinstance(await room.quotas.reserve(request(60)), QuotaGrant)
        assert flagged(ocs.books) == [False, True]

    run(body, ocs)


def test_a_server_that_takes_leave_is_connected_to_again(start) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        for conn in list(ocs.node.connections.values()):
            ocs.node.send_dpr(conn)
        loop = asyncio.get_running_loop()
        loop.outside(lambda: not room.client.missing)
        while not room.client.missing:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.01)
        assert room.client.peers[0].fault == "the server took leave (Disconnect-Peer-Request)"
        loop.outside(lambda: awaited(room.client, ocs))
        await room.connected()
        assert await room.quotas.settle(SESSION, Usage(((100, 0),))) == Settled(SESSION, None, 10)

    run(body, ocs)


def test_behind_relays_a_session_finds_its_server_by_its_name(start) -> None:
    """Two relays before one server, which says nothing of moving: only the way to it changes."""
    books = Books(200, 60)
    pair = start(books, "relay1"), start(books, "relay2")
    for each in pair:
        each.answers_as = f"behind.{REALM}"

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        pair[0].faults.append("lose")
        assert isinstance(await room.quotas.extend(request(120, 300)), QuotaGrant)
        assert await room.quotas.settle(SESSION, Usage(((723, 0),))) == Settled(SESSION, None, 73)
        hosts = [each.destination_host for each in books.requests]
        assert hosts == [None, *[f"behind.{REALM}".encode()] * 3]
        assert flagged(books) == [False, False, True, False]
        assert (books.used, books.repeats) == ([73], 1)

    run(body, *pair)


def test_calls_at_once_share_a_connection_and_each_has_its_own_answer(start) -> None:
    ocs = start(Books(1_000_000, 60))

    async def body(room: Room) -> None:
        names = [reservation_id(A, number.to_bytes(8, "big")) for number in range(200)]
        asked = (QuotaRequest(name, A, "c", A, B, 10 + index) for index, name in enumerate(names))
        grants = await asyncio.gather(*(room.quotas.reserve(each) for each in asked))
        assert [(each.session, each.seconds) for each in grants] == [(n, 10 + i) for i, n in enumerate(names)]
        await asyncio.gather(*(room.quotas.settle(n, Usage(((10 * i, 0),))) for i, n in enumerate(names)))
        used = {name.split(";")[3]: each.before for name, each in ocs.books.sessions.items()}
        assert used == {name: index for index, name in enumerate(names)}
        assert ocs.books.balance == 1_000_000 - sum(range(200))
        assert len(ocs.node.connections) == 1

    run(body, ocs)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that vouches for itself, with its key beside it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -keyout key.pem"
    )
    extra = ["-out", "ocs.pem", "-subj", "/CN=ocs", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *extra], cwd=folder, check=True, capture_output=True)
    return folder / "ocs.pem"


@contextlib.contextmanager
def before(ocs: Ocs, certificate: Path) -> Iterator[int]:
    """What speaks TLS before a server, which does not: its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    loop = asyncio.new_event_loop()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(4096):
                writer.write(octets)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", ocs.port)
        await asyncio.gather(pipe(reader, outer), pipe(inner, writer))

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(60)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.mark.parametrize("trusted", [True, False])
def test_over_tls(start, certificate, trusted) -> None:
    ocs = start(Books(200, 60))
    context = ssl.create_default_context(cafile=str(certificate) if trusted else None)

    async def body(room: Room) -> None:
        if trusted:
            await room.connected()
            await room.quotas.reserve(request(60))
            assert await room.quotas.settle(SESSION, Usage(((100, 0),))) == Settled(SESSION, None, 10)
            return
        await asyncio.sleep(1.0)
        assert "certificate verify failed" in room.client.peers[0].fault
        assert not ocs.books.requests

    with before(ocs, certificate) as port:
        run(body, SimpleNamespace(port=port, swallowed=set(), deaf=False), stay=False, tls=context)
