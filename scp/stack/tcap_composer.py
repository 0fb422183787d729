"""Puts TCAP messages together, and remembers the dialogue portions that begin or accept a dialogue."""

from __future__ import annotations

from typing import Final, final

from ss7 import rose, tcap, tcap_dialogue
from ss7.tcap import Message, TcapCodec
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

_CONTEXTS_REMEMBERED: Final = 64


@final
class Composer:
    """Writes messages; ``codec`` None is `ss7.tcap`'s own, called directly."""

    def __init__(self, codec: TcapCodec | None) -> None:
        self._codec = codec
        self._requests: dict[bytes, bytes] = {}
        self._responses: dict[bytes, bytes] = {}

    def request(self, context: bytes) -> bytes:
        """Return the AARQ of a context."""
        portion = self._requests.get(context)
        if portion is None:
            if len(self._requests) >= _CONTEXTS_REMEMBERED:
                self._requests.clear()
            portion = self._requests[context] = encode_dialogue(Aarq(context))
        return portion

    def response(self, context: bytes) -> bytes:
        """Return the accepting AARE of a context."""
        portion = self._responses.get(context)
        if portion is None:
            if len(self._responses) >= _CONTEXTS_REMEMBERED:
                self._responses.clear()
            portion = self._responses[context] = encode_dialogue(Aare(context))
        return portion

    def compose(self, kind: int, otid: bytes, dtid: bytes, portion: bytes, components: list[bytes]) -> bytes:
        """Put a message together from prepared octets, or let the other codec write it from their values."""
        codec = self._codec
        if codec is not None:
            octets = b"".join(components)
            dialogue = tcap_dialogue.decode_dialogue(portion) if portion else None
            values = rose.decode_components(octets, 0, len(octets))
            return codec.encode(Message(kind, otid, dtid, dialogue, values))
        if kind == tcap.END:
            return tcap.build_end(dtid, portion, components)
        if kind == tcap.CONTINUE:
            return tcap.build_continue(otid, dtid, portion, components)
        if kind == tcap.BEGIN:
            return tcap.build_begin(otid, portion, components)
        return tcap.build_abort(dtid, portion)
