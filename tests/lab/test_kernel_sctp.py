"""What the later SCTP tests stand on: this kernel's SCTP, pysctp, osmo-stp. Runs in the lab's guest (test_lab.py)."""

from __future__ import annotations

import asyncio
import select
import socket
import subprocess
import sys
from random import Random
from typing import Any

import pytest

from oracles import servers
from oracles.waiting import until

pytestmark = pytest.mark.sctp
sctp = pytest.importorskip("sctp", reason="pysctp is not installed (it needs gcc and libsctp-dev to build)")

M3UA_PPID = 3
ECHO = f"""
import sctp, socket, select
listener = sctp.sctpsocket_tcp(socket.AF_INET)
listener.bindx([("127.0.0.1", 0), ("10.23.0.1", 0)])
listener.listen(1)
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
peer.events.data_io = 1
peer.setblocking(False)
select.select([peer], [], [], 10)
_, _, message, about = peer.sctp_recv(65536)
assert socket.ntohl(about.ppid) == {M3UA_PPID}, about.ppid
peer.sctp_send(message[::-1], ppid={M3UA_PPID}, stream=about.stream)
select.select([peer], [], [], 10)
"""


def receive(connection: Any) -> tuple[bytes, int, int]:
    """Return the next message, its PPID and stream.

    pysctp's sctp_recv ignores a socket's timeout, so wait before it; and it gives the PPID as it is on the wire, while
    sctp_send takes it in the host's order.
    """
    connection.setblocking(False)
    assert select.select([connection], [], [], 10)[0], "nothing came"
    _, _, message, about = connection.sctp_recv(65536)
    return message, socket.ntohl(about.ppid), about.stream


def connected(addresses: list[tuple[str, int]]) -> Any:
    connection = sctp.sctpsocket_tcp(socket.AF_INET)
    connection.initparams.num_ostreams = 17
    connection.events.data_io = 1
    connection.nodelay = True
    connection.connectx(addresses)
    return connection


def test_two_processes_exchange_a_message_on_a_multi_homed_association() -> None:
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as echo:
        assert echo.stdout
        port = int(echo.stdout.readline())
        connection = connected([("127.0.0.1", port), ("10.23.0.1", port)])
        assert {address for address, _ in connection.getpaddrs()} == {"127.0.0.1", "10.23.0.1"}
        connection.sctp_send(b"CAMEL", ppid=M3UA_PPID, stream=5)
        assert receive(connection) == (b"LEMAC", M3UA_PPID, 5)
        connection.close()
    assert echo.returncode == 0


def test_osmo_stp_acknowledges_aspup(osmo_stp: servers.Stp) -> None:
    connection = connected([("127.0.0.1", osmo_stp.port)])
    connection.sctp_send(
        bytes.fromhex("0100030100000008"), ppid=M3UA_PPID, stream=0
    )  # ASPUP, RFC 4666 §3.5.1
    message, ppid, stream = receive(connection)
    connection.close()
    assert (message[2:4], ppid, stream) == (b"\x03\x04", M3UA_PPID, 0)  # ASPUP ACK


class End:
    """One end's `scp.ports.TransportUser`: it keeps what came."""

    def __init__(self) -> None:
        self.came: list[tuple[int, bytes]] = []
        self.transport: Any = None
        self.lost: list[str] = []

    def connected(self, transport: Any) -> None:
        self.transport = transport

    def received(self, messages: Any) -> None:
        self.came.extend(messages)

    def disconnected(self, reason: str) -> None:
        self.lost.append(reason)


def test_associations_go_through_pysctp_where_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between an end of ours with Python's sockets and one with pysctp, whichever version of it there is."""
    from scp.app.links import sctp_settings
    from scp.config.m3ua import Peer, PeerSctp
    from scp.net.pysctp_socket import PysctpSocket
    from scp.net.sctp import Connector, Listener

    monkeypatch.setenv("CAMEL_SCP_PYSCTP", "any")
    chosen = PeerSctp(library="pysctp")
    assert not list(chosen.faults())
    settings = sctp_settings(Peer(name="stp", sctp=chosen))
    assert settings.kind is PysctpSocket
    sent = [(stream, bytes([stream]) * 100) for stream in (0, 1, 16, 5)]

    async def exchange(ours: Any, theirs: Any) -> None:
        server, client = End(), End()
        listener = Listener("server", ["127.0.0.1", "10.23.0.1"], 0, lambda _: server, settings=ours)
        await listener.start()
        addresses = ["127.0.0.1", "10.23.0.1"]
        connector = Connector("client", addresses, listener.port, client, random=Random(1), settings=theirs)
        await connector.start()
        await until(lambda: server.transport and client.transport)
        client.transport.send(sent)
        await until(lambda: len(server.came) == len(sent))
        server.transport.send(list(server.came))
        await until(lambda: len(client.came) == len(sent))
        assert sorted(server.came) == sorted(client.came) == sorted(sent)
        assert {*connector.association.paths} == {*addresses}
        await connector.close()
        await until(lambda: server.lost)
        await listener.close()

    asyncio.run(exchange(settings, None))
    asyncio.run(exchange(None, settings))
