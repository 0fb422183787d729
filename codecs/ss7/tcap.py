"""TCAP messages (Q.773): octets to `Message`, `Message` to octets, and fast builders for prepared parts.

The transaction portion is here; `ss7.rose` has the components, `ss7.tcap_dialogue` the dialogue portion, and
their names can be imported from here. Whatever is wrong in a component or in the dialogue portion is a value
of the message; only what makes the transaction portion unusable is raised, as `TcapError` with the P-Abort
cause.

Transaction ids stay the 1 to 4 octets that they are; b"" is no id. Lengths may be definite, indefinite or
long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

from ss7.ber import (
    LENGTH_TOO_LONG,
    REASONS,
    encode_element,
    encode_integer,
    read_element,
    read_length,
    read_tag,
    tag_width,
)
from ss7.errors import DecodeError, EncodeError
from ss7.rose import (
    Code,
    Component,
    Invoke,
    Malformed,
    Reject,
    ReturnError,
    ReturnResult,
    decode_components,
    encode_component,
    encode_invoke,
    encode_reject,
    encode_return_error,
    encode_return_result,
)
from ss7.tcap_dialogue import (
    Aare,
    Aarq,
    Abrt,
    Audt,
    DialoguePortion,
    External,
    MalformedDialogue,
    decode_dialogue,
    encode_dialogue,
    oid_octets,
    oid_text,
)

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = [
    "ABNORMAL_DIALOGUE",
    "ABORT",
    "BADLY_FORMATTED_TRANSACTION_PORTION",
    "BEGIN",
    "CONTINUE",
    "END",
    "INCORRECT_TRANSACTION_PORTION",
    "KIND_NAMES",
    "NO_COMMON_DIALOGUE",
    "P_ABORT_NAMES",
    "RESOURCE_LIMITATION",
    "UNIDIRECTIONAL",
    "UNRECOGNIZED_MESSAGE_TYPE",
    "UNRECOGNIZED_TRANSACTION_ID",
    "Aare",
    "Aarq",
    "Abrt",
    "Audt",
    "Code",
    "Component",
    "DialoguePortion",
    "External",
    "Invoke",
    "Malformed",
    "MalformedDialogue",
    "Message",
    "Reject",
    "ReturnError",
    "ReturnResult",
    "TcapCodec",
    "TcapError",
    "build_abort",
    "build_begin",
    "build_continue",
    "build_end",
    "build_p_abort",
    "decode",
    "decode_components",
    "decode_dialogue",
    "encode",
    "encode_component",
    "encode_dialogue",
    "encode_invoke",
    "encode_reject",
    "encode_return_error",
    "encode_return_result",
    "oid_octets",
    "oid_text",
]

UNIDIRECTIONAL: Final = 0x61
BEGIN: Final = 0x62
END: Final = 0x64
CONTINUE: Final = 0x65
ABORT: Final = 0x67

KIND_NAMES: Final[dict[int, str]] = {
    UNIDIRECTIONAL: "unidirectional",
    BEGIN: "begin",
    END: "end",
    CONTINUE: "continue",
    ABORT: "abort",
}
"""The ASN.1 identifier of each message type (Q.773 Table 8)."""

UNRECOGNIZED_MESSAGE_TYPE: Final = 0
UNRECOGNIZED_TRANSACTION_ID: Final = 1
BADLY_FORMATTED_TRANSACTION_PORTION: Final = 2
INCORRECT_TRANSACTION_PORTION: Final = 3
RESOURCE_LIMITATION: Final = 4
ABNORMAL_DIALOGUE: Final = 126
NO_COMMON_DIALOGUE: Final = 127

P_ABORT_NAMES: Final[dict[int, str]] = {
    UNRECOGNIZED_MESSAGE_TYPE: "unrecognizedMessageType",
    UNRECOGNIZED_TRANSACTION_ID: "unrecognizedTransactionID",
    BADLY_FORMATTED_TRANSACTION_PORTION: "badlyFormattedTransactionPortion",
    INCORRECT_TRANSACTION_PORTION: "incorrectTransactionPortion",
    RESOURCE_LIMITATION: "resourceLimitation",
    ABNORMAL_DIALOGUE: "abnormalDialogue",
    NO_COMMON_DIALOGUE: "noCommonDialoguePortion",
}
"""Names of P-Abort causes; the last two never go over the wire, TC-P-ABORT knows them (Q.771)."""

_OTID: Final = 0x48
_DTID: Final = 0x49
_P_ABORT: Final = 0x4A
_DIALOGUE: Final = 0x6B
_COMPONENTS: Final = 0x6C
_TID_OCTETS: Final = 4


@final
@dataclass(init=False)
class Message:
    """One TCAP message.

    Attributes:
        kind: `UNIDIRECTIONAL`, `BEGIN`, `END`, `CONTINUE` or `ABORT`: the message type's tag.
        otid: originating transaction id, of BEGIN and CONTINUE; else b"".
        dtid: destination transaction id, of CONTINUE, END and ABORT; else b"".
        dialogue: the dialogue portion (an Abort's U-Abort cause as well), or None.
        components: in the order of the message.
        p_abort_cause: of an Abort by the peer's transaction sub-layer (0 to 127), else -1.
    """

    kind: int
    otid: bytes
    dtid: bytes
    dialogue: DialoguePortion | None
    components: list[Component]
    p_abort_cause: int

    def __init__(
        self,
        kind: int,
        otid: bytes = b"",
        dtid: bytes = b"",
        dialogue: DialoguePortion | None = None,
        components: list[Component] | None = None,
        *,
        p_abort_cause: int = -1,
    ) -> None:
        self.kind = kind
        self.otid = otid
        self.dtid = dtid
        self.dialogue = dialogue
        self.components = [] if components is None else components
        self.p_abort_cause = p_abort_cause


class TcapError(DecodeError):
    """A transaction portion that can't be used (Q.774 §3.3).

    Attributes:
        cause: the P-Abort cause to answer with. kind: the message's tag, 0 if not even that was readable.
        otid: whom to answer: b"" where Q.774 wants no answer (END, ABORT, Unidirectional) or none was
        derivable. dtid: our transaction that the message was for, if that was derivable.
    """

    def __init__(
        self, reason: str, offset: int, cause: int, kind: int = 0, *, otid: bytes = b"", dtid: bytes = b""
    ) -> None:
        super().__init__(reason, offset, "Q.773 §4.2.1")
        self.cause = cause
        self.kind = kind
        self.otid = otid
        self.dtid = dtid


class TcapCodec(Protocol):
    """What translates TCAP messages: this module's functions, or the reference codec."""

    def decode(self, octets: bytes) -> Message:
        """Return the message; raise `TcapError` if its transaction portion is unusable."""
        ...

    def encode(self, message: Message) -> bytes:
        """Return the octets; raise `EncodeError` for a value that has none."""
        ...


def decode(octets: bytes) -> Message:
    """Read one TCAP message.

    Raises:
        TcapError: the transaction portion is unusable; it says how to answer.
    """
    kind, offset, end, after = read_element(octets, 0, len(octets))
    if after != len(octets):
        raise _bad_message(octets, kind, after)
    otid = b""
    dtid = b""
    if kind in (BEGIN, CONTINUE):
        tag, start, stop, after = read_element(octets, offset, end)
        if tag != _OTID or after < 0 or not 0 < stop - start <= _TID_OCTETS:
            raise _bad_portion(octets, kind, offset, end, after)
        otid = octets[start:stop]
        offset = after
    elif kind not in (END, ABORT, UNIDIRECTIONAL):
        raise _bad_message(octets, kind, after)
    if kind not in (BEGIN, UNIDIRECTIONAL):
        tag, start, stop, after = read_element(octets, offset, end)
        if tag != _DTID or after < 0 or not 0 < stop - start <= _TID_OCTETS:
            raise _bad_portion(octets, kind, offset, end, after)
        dtid = octets[start:stop]
        offset = after
    if kind == ABORT:
        return _decode_abort(octets, dtid, offset, end)
    dialogue: DialoguePortion | None = None
    if offset < end and octets[offset] == _DIALOGUE:
        tag, start, stop, after = read_element(octets, offset, end)
        if after < 0:
            raise _bad_portion(octets, kind, offset, end, after)
        dialogue = decode_dialogue(octets[offset:after])
        offset = after
    if offset == end:
        return Message(kind, otid, dtid, dialogue)
    tag, start, stop, after = read_element(octets, offset, end)
    if tag != _COMPONENTS or after != end:
        raise _bad_portion(octets, kind, offset, end, after)
    return Message(kind, otid, dtid, dialogue, decode_components(octets, start, stop))


def _decode_abort(octets: bytes, dtid: bytes, offset: i64, end: i64) -> Message:
    """Read an Abort's reason: ``P-Abort cause | U-Abort cause (a dialogue portion), OPTIONAL``."""
    if offset == end:
        return Message(ABORT, b"", dtid)
    tag, start, stop, after = read_element(octets, offset, end)
    if after == end:
        if tag == _DIALOGUE:
            return Message(ABORT, b"", dtid, decode_dialogue(octets[offset:after]))
        if tag == _P_ABORT and stop - start == 1 and octets[start] < 0x80:
            return Message(ABORT, b"", dtid, p_abort_cause=octets[start])
    raise _bad_portion(octets, ABORT, offset, end, after)


def _bad_message(octets: bytes, kind: i64, after: i64) -> TcapError:
    """Say what is wrong with the outermost element."""
    if after >= 0 and kind in KIND_NAMES:
        otid, dtid = _derive_ids(octets, kind)
        cause = BADLY_FORMATTED_TRANSACTION_PORTION
        return TcapError("octets after the message", after, cause, kind, otid=otid, dtid=dtid)
    otid, dtid = _derive_ids(octets, kind)
    if kind in KIND_NAMES or kind == 0:
        reason = REASONS[after][0] if after < 0 else "no message type"
        return TcapError(reason, 0, BADLY_FORMATTED_TRANSACTION_PORTION, kind, otid=otid, dtid=dtid)
    return TcapError("unknown message type", 0, UNRECOGNIZED_MESSAGE_TYPE, kind, otid=otid, dtid=dtid)


def _bad_portion(octets: bytes, kind: i64, offset: i64, end: i64, after: i64) -> TcapError:
    """Say what is wrong with one element of the transaction portion."""
    otid, dtid = _derive_ids(octets, kind)
    if after < 0 and offset < end:
        cause = BADLY_FORMATTED_TRANSACTION_PORTION
        return TcapError(REASONS[after][0], offset, cause, kind, otid=otid, dtid=dtid)
    cause = INCORRECT_TRANSACTION_PORTION
    return TcapError("element missing, misplaced or of wrong size", offset, cause, kind, otid=otid, dtid=dtid)


def _derive_ids(octets: bytes, kind: i64) -> tuple[bytes, bytes]:
    """Return originating and destination id of a bad message as far as its first octets still show them.

    An originating id is only looked for where it may be answered: never in END, ABORT, Unidirectional.
    """
    end: i64 = len(octets)
    if kind == 0:
        return b"", b""
    offset = tag_width(kind)
    length, start = read_length(octets, offset, end)
    if start < 0 and start != LENGTH_TOO_LONG and offset < end:
        length = octets[offset]
        start = offset + 1 + (length & 0x7F if length > 0x80 else 0)
    if start < 0 or read_tag(octets, 0, end) != kind:
        return b"", b""
    otid = b""
    dtid = b""
    tag, first, stop, after = read_element(octets, start, end)
    if tag == _OTID and after > 0 and 0 < stop - first <= _TID_OCTETS:
        if kind not in (END, ABORT, UNIDIRECTIONAL):
            otid = octets[first:stop]
        tag, first, stop, after = read_element(octets, after, end)
    if tag == _DTID and after > 0 and 0 < stop - first <= _TID_OCTETS and kind != BEGIN:
        dtid = octets[first:stop]
    return otid, dtid


_TID_PREFIX: Final[list[bytes]] = [bytes((tag, width)) for tag in (_OTID, _DTID) for width in range(5)]


def _tid(tag: int, tid: bytes) -> bytes:
    if not 0 < len(tid) <= _TID_OCTETS:
        raise EncodeError(f"transaction id of {len(tid)} octets", "Q.773 §4.2.1.3")
    return _TID_PREFIX[(tag - _OTID) * 5 + len(tid)] + tid


def _portion(components: list[bytes]) -> bytes:
    if not components:
        return b""
    return encode_element(_COMPONENTS, components[0] if len(components) == 1 else b"".join(components))


def build_begin(otid: bytes, dialogue: bytes, components: list[bytes]) -> bytes:
    """Return a BEGIN from a whole dialogue portion (or b"") and whole components."""
    return encode_element(BEGIN, _tid(_OTID, otid) + dialogue + _portion(components))


def build_continue(otid: bytes, dtid: bytes, dialogue: bytes, components: list[bytes]) -> bytes:
    """Return a CONTINUE; parts as for `build_begin`."""
    return encode_element(CONTINUE, _tid(_OTID, otid) + _tid(_DTID, dtid) + dialogue + _portion(components))


def build_end(dtid: bytes, dialogue: bytes, components: list[bytes]) -> bytes:
    """Return an END; parts as for `build_begin`."""
    return encode_element(END, _tid(_DTID, dtid) + dialogue + _portion(components))


def build_abort(dtid: bytes, dialogue: bytes) -> bytes:
    """Return an ABORT by the TC-user or the dialogue layer; ``dialogue`` is its U-Abort cause, or b""."""
    return encode_element(ABORT, _tid(_DTID, dtid) + dialogue)


def build_p_abort(dtid: bytes, cause: int) -> bytes:
    """Return an ABORT by the transaction sub-layer with ``cause`` 0 to 127."""
    if not 0 <= cause <= 127:
        raise EncodeError(f"P-Abort cause {cause} is not within 0 to 127", "Q.773 §4.2.1.4")
    return encode_element(ABORT, _tid(_DTID, dtid) + encode_element(_P_ABORT, encode_integer(cause)))


def encode(message: Message) -> bytes:
    """Return the octets of a message; `EncodeError` if it has a part that can't be written."""
    dialogue = b"" if message.dialogue is None else encode_dialogue(message.dialogue)
    components = [encode_component(component) for component in message.components]
    kind = message.kind
    if kind == BEGIN:
        return build_begin(message.otid, dialogue, components)
    if kind == CONTINUE:
        return build_continue(message.otid, message.dtid, dialogue, components)
    if kind == END:
        return build_end(message.dtid, dialogue, components)
    if kind == UNIDIRECTIONAL:
        return encode_element(UNIDIRECTIONAL, dialogue + _portion(components))
    if kind != ABORT or components:
        raise EncodeError("no message of this type", "Q.773 §4.2.1")
    if message.p_abort_cause >= 0:
        return build_p_abort(message.dtid, message.p_abort_cause)
    return build_abort(message.dtid, dialogue)
