"""A peer over SCTP that sets associations up, says garbage, and goes: by ABORT, by SHUTDOWN, or without a word."""

from __future__ import annotations

import contextlib
import socket
import struct
from random import Random
from typing import Final

UP: Final = bytes.fromhex("0100030400000008"), bytes.fromhex("0100040300000008")  # ASPUP ACK, ASPAC ACK
DATA: Final = bytes.fromhex("0100010100000024021000190000001b000000b90300000501020304deadbeef00000000")
M3UA_PPID: Final = 3
ABORT: Final = struct.pack("ii", 1, 0)
_SNDINFO: Final = 2  # RFC 6458 §5.3.4


def connected(port: int, seconds: float = 20.0) -> socket.socket:
    """Return an association with a node, of which nothing is read or said."""
    peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    peer.settimeout(seconds)
    peer.connect(("127.0.0.1", port))
    return peer


def say_garbage(port: int) -> None:
    """Set one association up, say what is no message, and end it by SHUTDOWN: what was said arrives."""
    with contextlib.suppress(OSError), connected(port) as peer:
        about = struct.pack("=HHIII", 0, 0, socket.htonl(M3UA_PPID), 0, 0)
        peer.sendmsg([b"\0"], [(socket.IPPROTO_SCTP, _SNDINFO, about)])


def attack(port: int, rounds: int, seed: int = 3) -> int:
    """Do so that many times; returns how many associations came up."""
    random = Random(seed)
    up = 0
    for _ in range(rounds):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP) as peer:
            peer.settimeout(1.0)
            try:
                peer.connect(("127.0.0.1", port))
                up += 1
                for message in _garbage(random):
                    _send(peer, message, random)
            except OSError:
                continue  # refused, or gone: the node's right
            if random.random() < 0.7:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    return up


def _garbage(random: Random) -> list[bytes]:
    kinds = (
        [],
        [random.randbytes(random.randrange(1, 1400))],
        [*UP, DATA, random.randbytes(200)],
        [*UP, *[DATA] * 20],
        [*UP, *[random.choice(UP)] * 20],
        [b"\1\0\1\1\xff\xff\xff\xff"],
        [b"\0"],
    )
    return random.choice(kinds)


def _send(peer: socket.socket, message: bytes, random: Random) -> None:
    """As M3UA on some stream, mostly; else as another protocol's."""
    stream, ppid = random.choice((0, 0, 1)), random.choice((M3UA_PPID, M3UA_PPID, 0, 99))
    about = struct.pack("=HHIII", stream, 0, socket.htonl(ppid), 0, 0)
    peer.sendmsg([message], [(socket.IPPROTO_SCTP, _SNDINFO, about)])
