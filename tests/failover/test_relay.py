"""Links between nodes: what is brought, given back, and to whom nothing is brought."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from types import SimpleNamespace

import msgspec
import pytest

from oracles.waiting import until
from scp.failover import relay as relay_module
from scp.failover.presence import IDENTITY, NodeAddress
from scp.failover.relay import HELLO, LONGEST, MESSAGE, Bringer, Relay
from scp.store.redis_membership import Member

TID = b"\x02\x00\x00\x01"


class User:
    """A `RelayUser` that keeps what it is given."""

    def __init__(self, *has: bytes) -> None:
        self.has = set(has)
        self.got: list[tuple[bytes, bytes]] = []
        self.back: list[tuple[str, int, bytes, bytes]] = []

    def brought(self, tid: bytes, octets: bytes) -> bool:
        if tid not in self.has:
            return False
        self.got.append((tid, octets))
        return True

    def unknown(self, instance: int, tid: bytes, octets: bytes) -> None:
        self.back.append(("unknown", instance, tid, octets))

    def perhaps_served(self, instance: int, tid: bytes, octets: bytes) -> None:
        self.back.append(("perhaps", instance, tid, octets))


async def two() -> tuple[Relay, User, Relay, User, SimpleNamespace]:
    """A relay that listens as node 2, another as node 1 that knows it."""
    there, here = User(TID), User()
    listening, connecting = Relay("secret", there), Relay("mine", here)
    await listening.listen("127.0.0.1", 0)
    node = NodeAddress(2, "scp-2", "127.0.0.1", listening.port, "secret")
    presence = SimpleNamespace(nodes={2: node})
    connecting.follow(presence)
    await until(lambda: connecting.up(2))
    return listening, there, connecting, here, presence


def test_messages_are_brought_in_order_and_others_given_back() -> None:
    async def main() -> None:
        listening, there, connecting, here, presence = await two()
        assert not connecting.send(3, TID, b"to nobody")
        for number in range(100):
            assert connecting.send(2, TID, b"%d" % number)
        assert connecting.send(2, b"\x02\x00\x00\x02", b"whose")
        await until(lambda: here.back)
        assert there.got == [(TID, b"%d" % number) for number in range(100)]
        assert here.back == [("unknown", 2, b"\x02\x00\x00\x02", b"whose")]
        await until(lambda: not connecting.links[2].open)
        presence.nodes = {}
        connecting.follow(presence)
        assert not connecting.up(2)
        await connecting.close()
        await listening.close()
        assert len(here.back) == 1, "what was answered for is not given back"

    asyncio.run(main())


def test_what_a_node_died_over_is_given_back() -> None:
    async def main() -> None:
        listening, there, connecting, here, _ = await two()
        there.brought = lambda tid, octets: (
            listening._incoming.copy().pop().abort() or True
        )  # it dies over it
        connecting.send(2, TID, b"first")
        connecting.send(2, TID, b"second")
        await until(lambda: len(here.back) == 2)
        assert here.back == [("perhaps", 2, TID, b"first"), ("perhaps", 2, TID, b"second")]
        await connecting.close()
        await listening.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "octets",
    [
        struct.pack(">IB", 8, MESSAGE) + TID + b"late",
        struct.pack(">IB", 6, HELLO) + b"secreT" + struct.pack(">IB", 8, MESSAGE) + TID + b"late",
        struct.pack(">IB", 0, HELLO),
        struct.pack(">IB", LONGEST + 1, 0),
        bytes(5),
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_who_is_no_node_is_hung_up_on(octets: bytes) -> None:
    async def main() -> None:
        listening, there, connecting, _, _ = await two()
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(octets)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        assert there.got == []
        assert connecting.up(2), "others are not hurt"
        await connecting.close()
        await listening.close()

    asyncio.run(main())


def test_connections_that_show_no_token_are_few_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a file descriptor, which links to switches and stores need too."""
    monkeypatch.setattr(relay_module, "HELLO_SECONDS", 0.2)
    monkeypatch.setattr(relay_module, "MOST_STRANGERS", 8)

    async def main() -> None:
        listening, there, connecting, here, _ = await two()
        strangers = []
        for number in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
            writer.write(struct.pack(">IB", LONGEST, HELLO) + bytes(number))  # half a frame
            strangers.append((reader, writer))
            assert len(listening._strangers) <= 8
        async with asyncio.timeout(30):
            for reader, writer in strangers:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
        await until(lambda: not listening._strangers)
        assert connecting.send(2, TID, b"goes on")
        await until(lambda: there.got == [(TID, b"goes on")])
        assert not here.back
        await connecting.close()
        await listening.close()

    asyncio.run(main())


class Members:
    """A `Membership` that only looks."""

    def __init__(self, *nodes: NodeAddress) -> None:
        self.nodes = nodes

    async def look(self, identity: str) -> list[Member]:
        assert identity == IDENTITY
        return [Member(msgspec.json.encode(each), 0) for each in self.nodes]


def test_what_a_guardian_has_is_brought_to_the_node_that_has_adopted_its_call() -> None:
    async def main() -> None:
        there = User(TID)
        listening = Relay("secret", there)
        await listening.listen("127.0.0.1", 0)
        bringer = Bringer(Members(NodeAddress(2, "scp-2", "127.0.0.1", listening.port, "secret")))  # type: ignore[arg-type]
        assert await bringer.bring(2, TID, b"first")
        assert await bringer.bring(2, TID, b"second")
        assert not await bringer.bring(2, b"\x02\x00\x00\x02", b"whose")
        assert there.got == [(TID, b"first"), (TID, b"second")]
        await bringer.close()
        await listening.close()

    asyncio.run(main())


def test_a_node_that_is_not_there_keeps_a_guardian_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "BRING_SECONDS", 0.05)

    async def main() -> None:
        bringer = Bringer(Members())  # type: ignore[arg-type]
        assert not await bringer.bring(2, TID, b"to nobody")
        await bringer.close()
        assert not await Bringer(None).bring(2, TID, b"to nobody")

    asyncio.run(main())
