"""A TCAP with a peer that says what a test wants, for the tests of it."""

from __future__ import annotations

from math import inf

from scp.stack.tcap import Dialogue, Indication, Tcap
from ss7 import tcap
from ss7.tcap import Aarq, Invoke, Message

V1 = tcap.oid_octets("0.4.0.0.1.0.50.0")
V2 = tcap.oid_octets("0.4.0.0.1.0.50.1")
V4 = tcap.oid_octets("0.4.0.0.1.23.3.4")
IDP = Invoke(1, 0, b"\x30\x03\x80\x01\x64")
CONNECT = tcap.encode_invoke(1, 20, b"\x30\x00")


def begin(node: Tcap, components=(IDP,), *, otid=b"\x01\x02", portion=None, now=0.0) -> Indication | None:
    portion = Aarq(V2) if portion is None else portion or None
    return node.receive(tcap.encode(Message(tcap.BEGIN, otid, b"", portion, list(components))), "path", now)


def send(node: Tcap, dialogue: Dialogue, kind: int, *components, portion=None, now=0.0) -> Indication | None:
    otid = dialogue.remote_tid if kind == tcap.CONTINUE else b""
    message = Message(kind, otid, dialogue.local_tid, portion, list(components))
    return node.receive(tcap.encode(message), "path", now)


def active(node: Tcap, now=0.0) -> Dialogue:
    """A dialogue that was begun by the peer and continued by us."""
    dialogue = begin(node, now=now).dialogue
    assert node.continue_(dialogue, [], now)
    return dialogue


def aborts(node: Tcap) -> list[Message]:
    messages = [tcap.decode(octets) for path, octets in node.outbox if path == "path"]
    assert len(messages) == len(node.outbox)
    assert all(message.kind == tcap.ABORT for message in messages)
    node.outbox.clear()
    return messages


def is_empty(node: Tcap) -> bool:
    return (
        len(node) == 0
        and node._idle.oldest is None
        and node._idle.newest is None
        and node.next_deadline() == inf
        and len(node._timers) == 0
    )
