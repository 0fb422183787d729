"""What is written at once, in which order, and what happens where the socket takes less."""

import asyncio
import os
import socket

import pytest
import uvloop

from oracles.waiting import PATIENCE
from scp.common.sockets import EagerWriter


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def connected():
    """Return a transport and the plain socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, protocol = await asyncio.get_running_loop().create_connection(Recorder, sock=ours)
    return transport, protocol, theirs


async def received(peer, count):
    octets = b""
    while len(octets) < count:
        octets += await asyncio.get_running_loop().sock_recv(peer, 1 << 20)
    return octets


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_what_is_written_is_there_before_the_turn_ends(runner):
    async def check():
        transport, _, peer = await connected()
        EagerWriter(transport).write(b"now")
        assert peer.recv(10) == b"now"
        transport.close()
        peer.close()

    runner(check())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_more_than_the_socket_takes_arrives_whole_and_in_order(runner):
    async def check():
        transport, _, peer = await connected()
        writer = EagerWriter(transport)
        pieces = [bytes([n]) * 200_000 for n in range(20)]
        for piece in pieces:
            writer.write(piece)
        assert transport.get_write_buffer_size() > 0
        assert await received(peer, 4_000_000) == b"".join(pieces)
        writer.write(b"after")
        assert await received(peer, 5) == b"after"
        transport.close()
        peer.close()

    runner(check())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_peer_that_is_gone_is_the_transports_to_tell(runner):
    async def check():
        transport, protocol, peer = await connected()
        peer.close()
        EagerWriter(transport).write(b"lost")
        await asyncio.wait_for(protocol.lost, PATIENCE)

    runner(check())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_nothing_reaches_the_descriptor_once_the_transport_closes(runner, monkeypatch):
    async def check():
        transport, protocol, peer = await connected()
        writer = EagerWriter(transport)
        transport.abort()
        monkeypatch.setattr(
            os, "write", lambda *_: pytest.fail("written to a descriptor that may be another's")
        )
        writer.write(b"late")
        await asyncio.wait_for(protocol.lost, PATIENCE)
        peer.close()

    runner(check())


class Wrapped:
    """A transport with TLS: its socket would take what nobody has encrypted."""

    def __init__(self):
        self.written = []

    def get_extra_info(self, name):
        return {"sslcontext": object(), "socket": socket.socket()}[name]

    def write(self, octets):
        self.written.append(octets)


def test_with_tls_everything_goes_through_the_transport():
    transport = Wrapped()
    EagerWriter(transport).write(b"secret")
    assert transport.written == [b"secret"]
