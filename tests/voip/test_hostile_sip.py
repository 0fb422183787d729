"""What is no SIP, or no friend's, costs nobody but its sender; TLS and websockets are answered."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from random import Random

import pytest
from voip_lab import Lab, unavailable

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE = "11234567"
STRANGER = "127.0.0.66"
OPTIONS = """OPTIONS sip:voip.example SIP/2.0
Via: SIP/2.0/{transport} {host}:{port};rport;branch=z9hG4bK{branch}
From: <sip:stranger@{host}>;tag=1
To: <sip:voip.example>
Call-ID: {branch}@{host}
CSeq: 1 OPTIONS
User-Agent: {agent}
Max-Forwards: 70
Content-Length: 0

"""


def options(host: str, port: int, branch: str, agent: str = "a phone", transport: str = "UDP") -> bytes:
    text = OPTIONS.format(host=host, port=port, branch=branch, agent=agent, transport=transport)
    return text.replace("\n", "\r\n").encode()


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    return shared_lab


@contextlib.contextmanager
def stranger(lab: Lab) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((STRANGER, 0))
        sender.connect(("127.0.0.1", lab.sip))
        sender.settimeout(120)
        yield sender


def test_garbage_scanners_and_mutated_messages_get_no_call_into_trouble(lab: Lab) -> None:
    random = Random(7)
    with stranger(lab) as sender:
        port = sender.getsockname()[1]
        whole = options(STRANGER, port, "mutated").replace(b"OPTIONS", b"INVITE").replace(b"70", b"0")
        for _ in range(300):
            octets = bytearray(whole)
            for _ in range(random.randint(1, 20)):
                octets[random.randrange(len(octets))] = random.randrange(256)
            sender.send(bytes(octets[: random.randint(1, len(octets))]))
        for size in (0, 1, 3, 1000):
            sender.send(random.randbytes(size))
        sender.send(options(STRANGER, port, "scans", agent="friendly-scanner"))
        sender.send(options(STRANGER, port, "asks"))
        answers: list[bytes] = []
        while not any(b"Call-ID: asks@" in one for one in answers):
            answers.append(sender.recv(65536))
    assert not any(b"Call-ID: scans@" in one for one in answers), "a scanner is not told that anybody is here"
    assert not any(one.startswith(b"SIP/2.0 2") for one in answers[:-1])
    phone = lab.bound("alice-phone", ALICE)
    answers_it = lab.device("answers", phone)
    for each in (lab.gateway_calls("990011234567"), answers_it):
        each.ended()
    lab.unbind("alice-phone", ALICE, phone)


def test_nobody_calls_without_a_digest_or_a_trunks_address(lab: Lab) -> None:
    with stranger(lab) as sender:
        invite = options(STRANGER, sender.getsockname()[1], "relay").replace(b"OPTIONS", b"INVITE")
        sender.send(invite.replace(b"sip:voip.example SIP", b"sip:990011234567@voip.example SIP"))
        assert sender.recv(65536).startswith(b"SIP/2.0 403")
        as_alice = invite.replace(f"sip:stranger@{STRANGER}".encode(), f"sip:+{ALICE}@voip.example".encode())
        sender.send(as_alice.replace(b"relay", b"alice"))
        while not (said := sender.recv(65536)).startswith(b"SIP/2.0 407"):
            assert said.startswith((b"SIP/2.0 100", b"SIP/2.0 403"))


def test_tls_and_websockets_are_answered(lab: Lab) -> None:
    context = ssl.create_default_context(cafile=str(lab.folder / "c.pem"))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", lab.tls), 15) as plain, context.wrap_socket(plain) as link:
        link.sendall(options("127.0.0.1", 9, "tls", transport="TLS"))
        assert link.recv(65536).startswith(b"SIP/2.0 200")
    with socket.create_connection(("127.0.0.1", lab.ws), 15) as link:
        key = base64.b64encode(os.urandom(16)).decode()
        head = ("GET / HTTP/1.1", "Host: voip.example", "Upgrade: websocket", "Connection: Upgrade")
        more = (
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Protocol: sip",
            "Sec-WebSocket-Version: 13",
            "",
            "",
        )
        link.sendall("\r\n".join((*head, *more)).encode())
        assert link.recv(65536).startswith(b"HTTP/1.1 101")
        mask = b"\x01\x02\x03\x04"
        octets = options("127.0.0.1", 9, "ws", transport="WS")
        masked = bytes(one ^ mask[at % 4] for at, one in enumerate(octets))
        link.sendall(b"\x81\xfe" + len(octets).to_bytes(2, "big") + mask + masked)
        assert b"SIP/2.0 200" in link.recv(65536)
