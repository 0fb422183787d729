"""The record of a held call: what another node, or the next process, needs to go on with it.

MessagePack arrays without names: a realistic one takes some 250 octets, of a charged call 350. The first item
is the version; a reader refuses those that it does not know (`decode` returns None), and the call is left to
the switch.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Raw, Struct

from scp.domain.cdr import Progress  # noqa: TC001 - read at run time

VERSION: Final = 2
"""1 had words in place of their codes, and every session in full."""


class HeldRecord(Struct, array_like=True, frozen=True, gc=False):
    """A held call.

    Attributes:
        version: of this layout.
        remote_tid: the peer's transaction id.
        context: application context, OID octets.
        link: name of the link that its messages go by.
        network: name of its SS7 network.
        indicator: network indicator that its messages go out with.
        opc: our point code.
        dpc: the peer's.
        sls: of its messages.
        routing_context: of its messages, -1: none.
        called: the SCCP address that our messages go to.
        calling: our own.
        next_id: where the search for a free invoke id goes on.
        operations: invoke id and code of our operations that may still be answered.
        service: name of its service.
        invoke_id: of the InitialDP.
        idp: its argument, octets.
        began_ms: when it came in, milliseconds since 1970.
        took_us: microseconds from that to the first answer.
        session: of the charging system, which nobody has settled; "": none; see `short`.
        action: of the decision, as are the next three; a `code`.
        reason: why, likewise.
        number: to which.
        nature: of that number, likewise.
        progress: `scp.domain.cdr.Progress`, without a charge if there is none; None: nothing was reported.
        heard: invoke id of the last operation of the peer that led to this state, -1: none did.
        outgoing: the messages that wait for this record, TCAP octets: where that operation comes again, since
            nobody has answered it, they are its answer.
        state: of its service: MessagePack of what `Call.keep` was given.
    """

    version: int
    remote_tid: bytes
    context: bytes
    link: str
    network: str
    indicator: int
    opc: int
    dpc: int
    sls: int
    routing_context: int
    called: bytes
    calling: bytes
    next_id: int
    operations: tuple[tuple[int, int], ...]
    service: str
    invoke_id: int
    idp: bytes
    began_ms: int
    took_us: int
    session: str
    action: int
    reason: int
    number: str
    nature: int
    progress: tuple[object, ...] | None
    heard: int
    outgoing: tuple[bytes, ...]
    state: Any


class _Version(Struct, array_like=True, frozen=True, gc=False):
    version: int


class StoredRecord(HeldRecord, array_like=True, frozen=True, gc=False):
    """A `HeldRecord` as it is read: its service's state stays octets."""

    progress: Progress | None
    state: Raw


def code(word: str) -> int:
    """Return what stands for a word of a vocabulary: the same wherever the word is in it, at most 65,535."""
    return crc32(word.encode()) & 0xFFFF


_OWN: Final = 2
"""Digits of a session that `scp.domain.reservation.reservation_id` has put before the call's own id."""


def short(session: str, call_id: bytes) -> str:
    """Return a session without the call's id, where it ends with that."""
    digits = call_id.hex()
    return session[:_OWN] if session[_OWN:] == digits else session


def whole(session: str, call_id: bytes) -> str:
    """Return the session of a record, given the call's id."""
    return session + call_id.hex() if len(session) == _OWN else session


def _values(state: Any) -> object:
    """Return what of a service's state is encoded, where that is no type of msgspec's."""
    return state.values()


MSGPACK: Final = (Struct, tuple, type(None))
"""Any other state of a service is encoded by its ``values()``: in msgspec's hook that takes 0.9 µs more."""

encode: Final = msgspec.msgpack.Encoder(enc_hook=_values).encode
"""Return a `HeldRecord` as octets."""
_version: Final = msgspec.msgpack.Decoder(_Version).decode
_decode: Final = msgspec.msgpack.Decoder(StoredRecord).decode


def decode(octets: bytes) -> StoredRecord | None:
    """Return the record; None: it is of another version, or damaged."""
    try:
        if _version(octets).version != VERSION:
            return None
        return _decode(octets)
    except msgspec.MsgspecError:
        return None
