"""TCP: real sockets on 127.0.0.1, both event loops."""

import asyncio
import contextlib
import socket
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import virtual_time
from oracles.examples import examples
from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE
from scp.net.reconnect import Backoff, DialError, Reconnect
from scp.net.tcp import BACKLOG, READ_SIZE, Connector, Limits, Listener, TcpConnection
from ss7.m3ua_framer import Framer

HOST = "127.0.0.1"
FAST = Backoff(first=0.01, ceiling=0.05)


def message(body=b""):
    return b"\1\0\1\1" + (8 + len(body)).to_bytes(4, "big") + body


class User:
    """Records what it is told; answers each batch with ``answer(messages)`` if that is given."""

    def __init__(self, answer=None):
        self.answer = answer
        self.transport = None
        self.messages = []
        self.batches = 0
        self.reasons = []
        self.ups = 0
        self.changed = asyncio.Event()

    def connected(self, transport):
        self.transport = transport
        self.ups += 1
        self.changed.set()

    def received(self, messages):
        assert messages
        assert all(stream == 0 for stream, _ in messages)
        self.batches += 1
        self.messages += [octets for _, octets in messages]
        if self.answer is not None:
            self.transport.send(self.answer(messages))
        self.changed.set()

    def disconnected(self, reason):
        self.reasons.append(reason)
        self.changed.set()

    async def until(self, condition, seconds=PATIENCE):
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def listening(users, **options):
    """Start a listener whose users are ``users``, one a connection, None refusing it."""
    supply = iter(users)
    listener = Listener("server", [HOST], 0, lambda _: next(supply), **options)
    await listener.start()
    return listener


def connector(listener, user, **options):
    options = {"random": Random(1), "backoff": FAST} | options
    return Connector("client", [HOST], listener.port, user, **options)


def test_messages_go_both_ways_in_order(run):
    async def scenario():
        server, client = User(answer=list), User()
        listener = await listening([server])
        link = connector(listener, client)
        await link.start()
        await client.until(lambda: client.ups)
        sent = [message(bytes([n % 256]) * n) for n in range(300)]
        client.transport.send([(5, octets) for octets in sent])
        await client.until(lambda: len(client.messages) == 300)
        assert client.messages == sent
        assert client.transport.streams == 1
        assert client.transport.name == "client"
        assert server.transport.name == "server/127.0.0.1"
        await link.close()
        await server.until(lambda: server.reasons)
        await listener.close()
        assert client.reasons == ["closed by us"]
        assert server.reasons == ["closed by peer"]
        assert listener.connections == set()

    run(scenario)


@examples(40)
@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 30), max_size=20),
)
def test_fragments_of_any_size_give_the_same_messages(bodies, cuts):
    """The protocol itself is driven here: what the kernel makes of writes can't be chosen."""

    async def scenario():
        user = User()
        connection = TcpConnection("peer", user, Framer(), Limits())
        connection.connection_made(FakeSocket())
        stream = b"".join(map(message, bodies))
        position = 0
        for cut in [*cuts, len(stream)]:
            feed(connection, stream[position : position + cut])
            position += cut
        assert user.messages == [message(body) for body in bodies]
        connection.eof_received()
        connection.connection_lost(None)
        assert user.reasons == ["closed by peer"]

    asyncio.run(scenario())


class FakeSocket(asyncio.Transport):
    def __init__(self):
        super().__init__({"peername": ("192.0.2.1", 2905), "socket": self})
        self.reading = True

    def setsockopt(self, *args):
        pass

    def fileno(self):
        return -1

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def is_closing(self):
        return False

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


def feed(connection, octets):
    if octets:
        connection.get_buffer(-1)[: len(octets)] = octets
        connection.buffer_updated(len(octets))


async def raw_client(listener):
    return await asyncio.open_connection(HOST, listener.port)


@pytest.mark.parametrize(("octets", "held"), [(message(b"abcdef")[:9], 9), (message() + b"\1", 1)])
def test_half_a_message_then_close_is_named(run, octets, held):
    async def scenario():
        server = User()
        listener = await listening([server])
        _, writer = await raw_client(listener)
        writer.write(octets)
        writer.close()
        await server.until(lambda: server.reasons)
        assert server.reasons == [f"closed by peer in the middle of a message, after {held} octets of it"]
        assert len(server.messages) == len(octets) // 8 - (held == 9)
        await listener.close()

    run(scenario)


def test_padding_outside_the_length_is_no_unfinished_message(run):
    async def scenario():
        server = User()
        listener = await listening([server])
        _, writer = await raw_client(listener)
        writer.write((message(b"abcde") + b"\0\0\0") * 3)
        writer.close()
        await server.until(lambda: server.reasons)
        assert server.messages == [message(b"abcde")] * 3
        assert server.reasons == ["closed by peer"]
        await listener.close()

    run(scenario)


def test_messages_before_garbage_are_handed_over(run):
    async def scenario():
        server = User()
        listener = await listening([server])
        _, writer = await raw_client(listener)
        writer.write(message(b"good") + b"\xff" * 12)
        await server.until(lambda: server.reasons)
        assert server.messages == [message(b"good")]
        assert server.reasons[0].startswith("message boundaries lost: ")
        writer.close()
        await listener.close()

    run(scenario)


def test_reset_is_named(run):
    async def scenario():
        server = User()
        listener = await listening([server])
        _, writer = await raw_client(listener)
        await server.until(lambda: server.ups)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        await server.until(lambda: server.reasons)
        assert server.reasons == ["connection reset by peer"]
        await listener.close()

    run(scenario)


def test_garbage_ends_the_connection_and_the_next_one_is_served(run):
    async def scenario():
        bad, good = User(), User(answer=list)
        listener = await listening([bad, good])
        reader, writer = await raw_client(listener)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):  # with data of ours unread it is a reset, else an end
            assert await reader.read() == b""
        await bad.until(lambda: bad.reasons)
        assert bad.reasons[0].startswith("message boundaries lost: ")
        assert bad.messages == []
        writer.close()
        reader, writer = await raw_client(listener)
        writer.write(message(b"next"))
        assert await reader.readexactly(12) == message(b"next")
        writer.close()
        await listener.close()

    run(scenario)


def test_a_peer_that_does_not_read_is_not_read_from(run):
    limits = Limits(high_water=64 * 1024, max_unsent=32 * 1024 * 1024)

    async def scenario():
        server = User(answer=list)
        listener = await listening([server], limits=limits)
        raw = socket.create_connection((HOST, listener.port))
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        block = message(b"x" * 1000) * 64
        written = before = 0

        async def write():
            nonlocal written
            while True:
                await loop.sock_sendall(raw, block)
                written += len(block)

        writing = asyncio.create_task(write())
        await server.until(lambda: server.ups)
        connection = server.transport
        while not connection.congested or written > before:
            before = written
            await asyncio.sleep(0.1)
        writing.cancel()
        assert connection.pauses >= 1
        # One read's worth of answers beyond the high-water mark is the most that can be held.
        held = connection._socket.get_write_buffer_size()
        assert held <= limits.high_water + 2 * 256 * 1024
        stalled = len(server.messages)
        await asyncio.sleep(0.1)
        assert len(server.messages) == stalled
        taken = 0
        async with asyncio.timeout(PATIENCE):
            while taken < written:
                taken += len(await loop.sock_recv(raw, 1 << 20))
        assert not connection.congested
        raw.close()
        await listener.close(abort=True)

    run(scenario)


def test_what_nobody_reads_is_bounded(run):
    limits = Limits(high_water=16 * 1024, max_unsent=256 * 1024)

    async def scenario():
        server = User()
        listener = await listening([server], limits=limits)
        raw = socket.create_connection((HOST, listener.port))
        await server.until(lambda: server.ups)
        for _ in range(2000):
            server.transport.send([(0, message(b"y" * 8000))])
            await asyncio.sleep(0)
            if server.reasons:
                break
        assert server.reasons == ["peer reads nothing: more than 256 KiB unsent"]
        server.transport.send([(0, message())])
        raw.close()
        await listener.close()

    run(scenario)


def test_graceful_close_sends_what_is_queued_and_gives_up_on_a_dead_peer(run):
    async def scenario():
        server, deaf = User(), User()
        listener = await listening([server, deaf], limits=Limits(linger=0.1))
        reader, writer = await raw_client(listener)
        await server.until(lambda: server.ups)
        server.transport.send([(0, message(b"z" * 60_000))] * 20)
        server.transport.close()
        assert len(await reader.read()) == 20 * 60_008
        writer.close()
        await server.until(lambda: server.reasons)
        raw = socket.create_connection((HOST, listener.port))
        await deaf.until(lambda: deaf.ups)
        for _ in range(100):
            deaf.transport.send([(0, message(b"z" * 60_000))])
        deaf.transport.close()
        deaf.transport.close()
        await deaf.until(lambda: deaf.reasons, 2.0)
        assert server.reasons == deaf.reasons == ["closed by us"]
        raw.close()
        await listener.close()

    run(scenario)


def test_only_allowed_addresses_are_accepted(run):
    async def scenario():
        refused = []
        never = User()
        listener = await listening([never], allowed=["192.0.2.7"], refused=lambda *told: refused.append(told))
        reader, writer = await raw_client(listener)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert refused == [(HOST, "not in remote")]
        assert never.ups == 0
        await listener.close()
        welcome = User()
        listener = await listening([None, welcome], allowed=["::ffff:127.0.0.1", "localhost"])
        for _ in range(2):
            _, writer = await raw_client(listener)
        await welcome.until(lambda: welcome.ups)
        writer.close()
        await listener.close(abort=True)

    run(scenario)


def test_allowed_hosts_have_addresses(run):
    async def scenario():
        welcome = User()
        listener = await listening([welcome], allowed=["localhost"])
        _, writer = await raw_client(listener)
        await welcome.until(lambda: welcome.ups)
        writer.close()
        await listener.close(abort=True)
        with pytest.raises(OSError):
            await listening([User()], allowed=["no-such-host.invalid"])

    run(scenario)


def test_reconnects_after_each_loss_with_the_same_user(run):
    async def scenario():
        servers = [User(), User(), User()]
        client = User()
        listener = await listening(servers)
        link = connector(listener, client)
        await link.start()
        for number, server in enumerate(servers, 1):
            await client.until(lambda number=number: client.ups == number)
            await server.until(lambda server=server: server.ups)
            if number < 3:
                server.transport.close(abort=True)
        assert len(client.reasons) == 2
        assert link.last_failure in {"closed by peer", "connection reset by peer"}
        await link.close()
        await listener.close()

    run(scenario)


def test_remote_addresses_are_tried_in_turn_and_failures_told(run):
    async def scenario():
        failures = []
        server, client = User(), User()
        listener = await listening([server])
        link = Connector(
            "client",
            ["127.0.0.2", "127.0.0.3", HOST],
            listener.port,
            client,
            random=Random(2),
            backoff=FAST,
            failed=failures.append,
            local=["127.0.0.9", "::1"],
        )
        await link.start()
        await server.until(lambda: server.ups)
        assert failures == [f"127.0.0.{n} port {listener.port}: connection refused" for n in (2, 3)]
        assert server.transport.name == "server/127.0.0.9"
        await link.close()
        await listener.close()

    run(scenario)


def test_connecting_later_than_the_start(run):
    async def scenario():
        port = free_tcp_port()
        failures = []
        client = User()
        link = Connector(
            "c",
            [HOST],
            port,
            client,
            random=Random(3),
            backoff=FAST,
            failed=failures.append,
        )
        await link.start()
        await link.start()
        async with asyncio.timeout(PATIENCE):
            while len(failures) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        listener = Listener("s", [HOST], port, lambda _: User())
        assert listener.port == port
        await listener.start()
        await client.until(lambda: client.ups)
        await listener.close(abort=True)
        await link.close()
        await link.close()

    run(scenario)


def test_a_connector_needs_an_address():
    with pytest.raises(ValueError, match="no remote"):
        Connector("c", [], 2905, object(), random=Random(0))


@given(failures=st.integers(1, 5000), seed=st.integers())
def test_backoff_stays_within_half_and_all_of_its_delay(failures, seed):
    backoff = Backoff(first=0.5, ceiling=30.0, factor=2.0)
    full = min(30.0, 0.5 * 2.0 ** min(failures - 1, 10))
    assert full / 2 <= backoff.delay(failures, Random(seed)) <= full


class FakeAssociation:
    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()
        self.transport = self

    def close(self, *, abort=False):
        self.lost.set_result("closed by us")


def test_a_peer_that_hangs_up_at_once_is_backed_off_from():
    """And the pauses shrink back once an association has held."""

    class Recorder:
        def __init__(self):
            self.seen = []

        def delay(self, failures, random):
            self.seen.append(failures)
            return 0.0

    async def scenario():
        recorder, settled, tries = Recorder(), [], []

        async def dial(target):
            tries.append(target)
            if len(tries) == 3:
                raise DialError("no")
            association = FakeAssociation()
            loop = asyncio.get_running_loop()
            if len(tries) == 5:
                settled.append(association)
                loop.call_later(0.06, association.lost.set_result, "gone")
            elif len(tries) < 7:
                association.lost.set_result("hung up")
            return association

        reconnect = Reconnect(["only"], dial, Random(0), backoff=recorder, settled=0.05)
        await reconnect.start()
        async with asyncio.timeout(PATIENCE):
            while len(tries) < 7:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        assert recorder.seen == [1, 2, 3, 4, 1, 2]
        assert reconnect.association is not None
        await reconnect.close()
        assert reconnect.association is None

    virtual_time.run(scenario())


def test_who_sends_without_end_keeps_nobody_waiting(run):
    """libuv reads a socket that has more up to 32 times before it looks at the next."""

    async def scenario():
        order = []

        class Noting(User):
            def __init__(self, name):
                super().__init__()
                self.name = name

            def received(self, messages):
                order.append(self.name)
                super().received(messages)
                if self.name == "flood":
                    time.sleep(0.003)  # the node works; the peer has sent more meanwhile
                if self.name == "flood" and self.batches == 8:
                    order.append("sent")
                    raw["other"].sendall(message())

        flood, other = Noting("flood"), Noting("other")
        listener = await listening([flood, other])
        raw = {}
        for user in (flood, other):
            raw[user.name] = socket.create_connection((HOST, listener.port))
            await user.until(lambda user=user: user.ups)
        octets = message(bytes(992)) * 16384
        sending = asyncio.get_running_loop().run_in_executor(None, raw["flood"].sendall, octets)
        await flood.until(lambda: len(flood.messages) == 16384)
        await other.until(lambda: other.messages)
        await sending
        after = order[order.index("sent") + 1 :]
        assert after.index("other") <= 2
        assert len(after) > 20, "it was a flood"
        for each in raw.values():
            each.close()
        await listener.close(abort=True)

    run(scenario)


def test_full_reads_one_after_the_other_show_that_the_peer_has_more(run):
    async def scenario():
        connection = TcpConnection("peer", User(), Framer(), Limits())
        connection.connection_made(FakeSocket())
        found = []
        for _ in range(BACKLOG // READ_SIZE):
            feed(connection, message(bytes(READ_SIZE - 8)))
            found.append(connection.more)
        assert found == [False, False, False, True]
        feed(connection, message())
        assert not connection.more

    run(scenario)


def test_a_peer_that_is_congested_is_not_read_on(run):
    async def scenario():
        user = User()
        connection = TcpConnection("peer", user, Framer(), Limits())
        sock = FakeSocket()
        connection.connection_made(sock)
        feed(connection, message(bytes(READ_SIZE - 8)))
        assert sock.reading is False
        connection.pause_writing()
        await asyncio.sleep(0)
        assert sock.reading is False
        connection.resume_writing()
        assert sock.reading is True

    run(scenario)
