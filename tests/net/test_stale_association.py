"""A peer that connects anew while its old association looks alive: the old one has to prove itself (TCP)."""

from __future__ import annotations

import asyncio

import pytest
from test_tcp import HOST, User, message, raw_client

from scp.net.single_user import SingleUser
from scp.net.tcp import Listener

BEAT = message(b"alive?")
LONG, SHORT = 3600.0, 0.04
"""No test waits for the one; the other is over before anything else is asked."""


class Probed(User):
    """A user that has its peer prove itself, as a link does."""

    def __init__(self, answer=None):
        super().__init__(answer)
        self.why = ""

    def probe(self):
        self.transport.send([(0, BEAT)])

    def give_up(self, why):
        self.why = why
        self.transport.close(abort=True)


class Door:
    """A listener for one user; what it refused is kept."""

    def __init__(self, user, *, allowed=(HOST,), proof=LONG):
        self.user = user
        self.refused = []
        self.writers = []
        self.said = asyncio.Event()
        self.single = SingleUser(user, from_anywhere=not allowed, proof=proof)
        self.listener = Listener(
            "server",
            [HOST],
            0,
            self.single.take,
            allowed=allowed,
            refused=self.refuse,
            contend=self.single.contend,
        )

    async def __aenter__(self):
        await self.listener.start()
        return self

    async def __aexit__(self, *_):
        await self.listener.close(abort=True)

    def refuse(self, address, why):
        self.refused.append((address, why))
        self.said.set()

    async def connection(self):
        reader, writer = await raw_client(self.listener)
        self.writers.append(writer)  # one that nobody refers to closes its connection
        return reader, writer

    async def first(self):
        """The association that is up."""
        streams = await self.connection()
        await self.user.until(lambda: self.user.ups == 1)
        return streams

    async def refusal(self):
        async with asyncio.timeout(60):
            await self.said.wait()
        [(address, why)] = self.refused
        assert address == HOST
        return why


async def ended(reader):
    """The peer sees the end of its connection."""
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1 << 20)
    return True


def test_while_the_peer_answers_its_second_connection_is_refused(run):
    async def scenario():
        async with Door(Probed()) as door:
            old, to_old = await door.first()
            new, _ = await door.connection()
            assert await old.readexactly(len(BEAT)) == BEAT
            to_old.write(message(b"I am"))
            assert (
                "the peer is alive on another association, from 127.0.0.1: it answered"
                in await door.refusal()
            )
            assert await ended(new)
            assert door.user.messages == [message(b"I am")]
            assert (door.user.ups, door.user.reasons, door.user.why) == (1, [], "")
            to_old.write(message(b"again"))
            await door.user.until(lambda: len(door.user.messages) == 2)

    run(scenario)


def test_a_peer_that_is_silent_loses_the_old_one_and_gets_the_new_one(run):
    """The old socket's other end is there and reads nothing; no FIN ever comes from it."""

    async def scenario():
        async with Door(Probed(), proof=SHORT) as door:
            old, _ = await door.first()
            _, to_new = await door.connection()
            to_new.write(message(b"new"))  # before it is decided
            await door.user.until(lambda: door.user.messages)
            assert door.user.messages == [message(b"new")]
            assert door.user.ups == 2
            assert door.user.why == "no answer to BEAT in 0.04 s, while a new connection from 127.0.0.1 waits"
            assert door.user.reasons == ["closed by us"]
            assert door.refused == []
            assert await ended(old)
            to_new.write(message(b"more"))
            await door.user.until(lambda: len(door.user.messages) == 2)

    run(scenario)


def test_of_several_that_come_at_once_one_waits(run):
    async def scenario():
        async with Door(Probed()) as door:
            await door.first()
            await door.connection()
            third, _ = await door.connection()
            assert "a connection from 127.0.0.1 waits to replace it" in await door.refusal()
            assert await ended(third)
            assert door.user.ups == 1

    run(scenario)


def test_a_new_connection_that_went_away_meanwhile_blocks_nobody(run):
    async def scenario():
        async with Door(Probed(), proof=SHORT) as door:
            await door.first()
            _, gone = await door.connection()
            gone.transport.abort()
            await door.user.until(lambda: door.user.reasons)
            while not door.user.messages:  # the one that went away may be taken, and found gone, before
                _, writer = await door.connection()
                writer.write(message(b"here"))
                waits = asyncio.ensure_future(door.user.until(lambda: door.user.messages))
                await asyncio.wait({waits}, timeout=1.0)
                waits.cancel()
            assert door.user.messages[0] == message(b"here")

    run(scenario)


def test_an_old_association_that_ends_by_itself_makes_room(run):
    async def scenario():
        async with Door(Probed()) as door:
            _, to_old = await door.first()
            _, to_new = await door.connection()
            to_old.close()
            await door.user.until(lambda: door.user.ups == 2)
            to_new.write(message(b"new"))
            await door.user.until(lambda: door.user.messages)
            [reason] = door.user.reasons
            assert "by peer" in reason

    run(scenario)


def test_a_listener_that_closes_drops_the_connection_that_waits(run):
    async def scenario():
        async with Door(Probed()) as door:
            await door.first()
            new, _ = await door.connection()
            await asyncio.sleep(0)
            await door.listener.close(abort=True)
            assert await ended(new)
            assert door.refused == []
            assert door.user.ups == 1

    run(scenario)


def test_a_user_that_can_t_ask_keeps_the_old_one(run):
    async def scenario():
        async with Door(User(), proof=SHORT) as door:
            await door.first()
            new, _ = await door.connection()
            assert await door.refusal() == "another association is up"
            assert await ended(new)

    run(scenario)


def test_where_anybody_may_connect_only_the_same_host_can_contend():
    async def scenario():
        single = SingleUser(Probed(), from_anywhere=True, proof=LONG)
        single.take("192.0.2.1")
        single.connected(None)
        said = []
        single.contend("192.0.2.2", said.append)
        assert said == ["another association is up, from 192.0.2.1, and remote names no address"]

    asyncio.run(scenario())


def test_an_association_that_its_peer_restarts_is_alive():
    """SCTP's restart (RFC 9260 §5.2): lost and up again in one go, and nobody may come between."""

    async def scenario():
        class Quiet(Probed):
            def probe(self):
                pass

        single, said = SingleUser(Quiet(), proof=LONG), []
        single.take(HOST)
        single.connected(None)
        single.contend(HOST, said.append)
        single.disconnected("restarted by peer")
        single.connected(None)
        await asyncio.sleep(0)
        assert len(said) == 1
        assert "alive" in said[0]

    asyncio.run(scenario())


class Asked(User):
    """A user that counts how often its peer has to prove itself."""

    def __init__(self):
        super().__init__()
        self.asked, self.why = 0, ""

    def probe(self):
        self.asked += 1

    def give_up(self, why):
        self.why = why


def test_where_anybody_may_connect_the_same_host_has_the_old_one_prove_itself():
    async def scenario():
        user, said = Asked(), []
        single = SingleUser(user, from_anywhere=True, proof=LONG)
        single.take("192.0.2.1")
        single.connected(None)
        single.contend("192.0.2.1", said.append)
        assert (user.asked, said) == (1, [])

    asyncio.run(scenario())


def test_an_association_that_has_proved_itself_is_not_given_up():
    async def scenario():
        user, said = Asked(), []
        single = SingleUser(user, proof=0.0)
        single.take(HOST)
        single.connected(None)
        single.contend(HOST, said.append)
        single.received([(0, message(b"I am"))])
        for _ in range(50):  # the slices of no time, and more
            await asyncio.sleep(0)
        assert ("alive" in said[0], len(said), user.why) == (True, 1, "")

    asyncio.run(scenario())


def test_what_is_said_of_an_association_names_the_address_that_replaced_the_old_one():
    async def scenario():
        user, said = Asked(), []
        single = SingleUser(user, proof=LONG)
        single.take("192.0.2.1")
        single.connected(None)
        single.contend("192.0.2.2", said.append)
        single.disconnected("gone")
        await asyncio.sleep(0)
        assert said == [single]
        single.connected(None)
        single.contend("192.0.2.3", said.append)
        single.received([(0, message(b"I am"))])
        assert "from 192.0.2.2" in said[1]

    asyncio.run(scenario())
