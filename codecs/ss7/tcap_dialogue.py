"""TCAP's dialogue portion (Q.773 §4.2.3): the APDUs that name the application context and refuse it.

A dialogue portion that is bad is a value as well, `MalformedDialogue`: the transaction it came in exists, so
the answer is the dialogue layer's (Q.774 §3.2.1), not a P-Abort. Nothing here raises for bad octets but
`oid_text`.

Object identifiers are their contents octets; `oid_text` and `oid_octets` translate. ``user_information`` is
the contents of [30], a series of EXTERNALs, unread; b"" if absent. ``version`` is the contents of [0], the
BIT STRING of protocol versions; b"" if absent, which means version 1 alone.

Values come out of a memo and are shared: don't change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from ss7.ber import REASONS, encode_element, encode_integer, read_element, read_integer
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from mypy_extensions import i64

VERSION_1: Final = b"\x07\x80"

ACCEPTED: Final = 0
REJECT_PERMANENT: Final = 1

SERVICE_USER: Final = 1
SERVICE_PROVIDER: Final = 2

USER_NULL: Final = 0
USER_NO_REASON: Final = 1
CONTEXT_NOT_SUPPORTED: Final = 2
PROVIDER_NO_REASON: Final = 1
NO_COMMON_DIALOGUE_PORTION: Final = 2

ABRT_USER: Final = 0
ABRT_PROVIDER: Final = 1

DIALOGUE_AS: Final = bytes.fromhex("00118605010101")
"""{itu-t recommendation q 773 as(1) dialogue-as(1) version1(1)}"""
UNIDIALOGUE_AS: Final = bytes.fromhex("00118605010201")
"""{itu-t recommendation q 773 as(1) unidialogue-as(2) version1(1)}"""

_PORTION: Final = 0x6B
_EXTERNAL: Final = 0x28
_OID: Final = 0x06
_INTEGER: Final = 0x02
_SINGLE_ASN1_TYPE: Final = 0xA0
_REQUEST: Final = 0x60
_RESPONSE: Final = 0x61
_ABORT: Final = 0x64
_VERSION: Final = 0x80
_CONTEXT: Final = 0xA1
_RESULT: Final = 0xA2
_DIAGNOSTIC: Final = 0xA3
_USER_INFORMATION: Final = 0xBE
_ABORT_SOURCE: Final = 0x80


@final
@dataclass
class Aarq:
    """Dialogue request: the application context that the first message of a dialogue asks for."""

    context: bytes
    version: bytes = VERSION_1
    user_information: bytes = b""


@final
@dataclass
class Aare:
    """Dialogue response: ``result`` (`ACCEPTED`, `REJECT_PERMANENT`), who says so (``source``) and why."""

    context: bytes
    result: int = ACCEPTED
    source: int = SERVICE_USER
    diagnostic: int = USER_NULL
    version: bytes = VERSION_1
    user_information: bytes = b""


@final
@dataclass
class Abrt:
    """Dialogue abort by ``source``: `ABRT_USER` or `ABRT_PROVIDER`."""

    source: int = ABRT_USER
    user_information: bytes = b""


@final
@dataclass
class Audt:
    """Unidirectional dialogue: the context of a message that needs no transaction."""

    context: bytes
    version: bytes = VERSION_1
    user_information: bytes = b""


@final
@dataclass
class External:
    """Data in a user's own syntax ``reference``; ``octets`` is the whole encoding choice of EXTERNAL."""

    reference: bytes
    octets: bytes


@final
@dataclass
class MalformedDialogue:
    """A dialogue portion that can't be used; ``offset`` counts from the portion's own first octet."""

    offset: int
    reason: str


DialoguePortion: TypeAlias = Aarq | Aare | Abrt | Audt | External | MalformedDialogue

_MEMO_ENTRIES: Final = 256
_MEMO_OCTETS: Final = 128
_memo: Final[dict[bytes, DialoguePortion]] = {}


def decode_dialogue(portion: bytes) -> DialoguePortion:
    """Read a whole dialogue portion (tag 6B included).

    A dialogue's first message of one context has the same octets each time, so short portions are remembered.
    """
    known = _memo.get(portion)
    if known is not None:
        return known
    value = _decode_portion(portion)
    if len(portion) <= _MEMO_OCTETS:
        if len(_memo) >= _MEMO_ENTRIES:
            _memo.clear()
        _memo[portion] = value
    return value


def _decode_portion(octets: bytes) -> DialoguePortion:
    """Unwrap ``[APPLICATION 11] EXPLICIT EXTERNAL``."""
    tag, offset, end, after = read_element(octets, 0, len(octets))
    if after < 0:
        return MalformedDialogue(0, REASONS[after][0])
    tag, start, stop, after = read_element(octets, offset, end)
    if tag != _EXTERNAL or after != end:
        return MalformedDialogue(offset, "dialogue portion is not one EXTERNAL")
    offset = start
    end = stop
    tag, start, stop, after = read_element(octets, offset, end)
    if tag != _OID or after < 0 or start == stop:
        return MalformedDialogue(offset, "EXTERNAL without direct reference")
    reference = octets[start:stop]
    offset = after
    if reference not in (DIALOGUE_AS, UNIDIALOGUE_AS):
        return External(reference, octets[offset:end])
    tag, start, stop, after = read_element(octets, offset, end)
    if tag != _SINGLE_ASN1_TYPE or after != end:
        return MalformedDialogue(offset, "dialogue APDU is not a single ASN.1 type")
    offset = start
    tag, start, end, after = read_element(octets, offset, stop)
    if after != stop:
        return MalformedDialogue(offset, "not one dialogue APDU")
    if reference == UNIDIALOGUE_AS:
        if tag == _REQUEST:
            return _decode_request(octets, start, end, unidirectional=True)
    elif tag == _REQUEST:
        return _decode_request(octets, start, end, unidirectional=False)
    elif tag == _RESPONSE:
        return _decode_response(octets, start, end)
    elif tag == _ABORT:
        return _decode_abort(octets, start, end)
    return MalformedDialogue(offset, "unknown dialogue APDU")


def _fields(octets: bytes, offset: i64, end: i64, order: bytes) -> list[tuple[int, int]] | int:
    """Find the elements of an APDU, whose tags stand in ``order``; each at most once, each optional.

    Returns:
        Start and stop of each one's contents (-1, -1 if absent), or the offset of the element that is wrong.
    """
    found: list[tuple[int, int]] = [(-1, -1)] * len(order)
    position: i64 = 0
    count: i64 = len(order)
    while offset < end:
        tag, start, stop, after = read_element(octets, offset, end)
        if after < 0:
            return offset
        while position < count and order[position] != tag:
            position += 1
        if position == count:
            return offset
        found[position] = (start, stop)
        position += 1
        offset = after
    return found


def _slice(octets: bytes, field: tuple[int, int]) -> bytes:
    return b"" if field[0] < 0 else octets[field[0] : field[1]]


def _explicit(octets: bytes, field: tuple[int, int], tag: int) -> tuple[int, int]:
    """Unwrap an EXPLICIT tag: the contents of the one element ``tag`` in ``field``; (-1, -1) if not so."""
    if field[0] < 0:
        return -1, -1
    inner, start, stop, after = read_element(octets, field[0], field[1])
    if inner != tag or after != field[1] or start == stop:
        return -1, -1
    return start, stop


_REQUEST_ORDER: Final = bytes((_VERSION, _CONTEXT, _USER_INFORMATION))
_RESPONSE_ORDER: Final = bytes((_VERSION, _CONTEXT, _RESULT, _DIAGNOSTIC, _USER_INFORMATION))
_ABORT_ORDER: Final = bytes((_ABORT_SOURCE, _USER_INFORMATION))


def _decode_request(octets: bytes, start: i64, end: i64, *, unidirectional: bool) -> DialoguePortion:
    fields = _fields(octets, start, end, _REQUEST_ORDER)
    if isinstance(fields, int):
        return MalformedDialogue(fields, "unexpected element in dialogue request")
    context = _slice(octets, _explicit(octets, fields[1], _OID))
    if not context:
        return MalformedDialogue(start, "dialogue request without application context name")
    version = _slice(octets, fields[0])
    user_information = _slice(octets, fields[2])
    if unidirectional:
        return Audt(context, version, user_information)
    return Aarq(context, version, user_information)


def _decode_response(octets: bytes, start: i64, end: i64) -> DialoguePortion:
    fields = _fields(octets, start, end, _RESPONSE_ORDER)
    if isinstance(fields, int):
        return MalformedDialogue(fields, "unexpected element in dialogue response")
    context = _slice(octets, _explicit(octets, fields[1], _OID))
    if not context:
        return MalformedDialogue(start, "dialogue response without application context name")
    result = _explicit(octets, fields[2], _INTEGER)
    source = SERVICE_USER
    chosen = _explicit(octets, fields[3], 0xA0 | SERVICE_USER)
    if chosen[0] < 0:
        source = SERVICE_PROVIDER
        chosen = _explicit(octets, fields[3], 0xA0 | SERVICE_PROVIDER)
    diagnostic = _explicit(octets, chosen, _INTEGER)
    if result[1] - result[0] != 1 or diagnostic[1] - diagnostic[0] != 1:
        return MalformedDialogue(start, "dialogue response without result or diagnostic")
    return Aare(
        context,
        read_integer(octets, result[0], result[1]),
        source,
        read_integer(octets, diagnostic[0], diagnostic[1]),
        _slice(octets, fields[0]),
        _slice(octets, fields[4]),
    )


def _decode_abort(octets: bytes, start: i64, end: i64) -> DialoguePortion:
    fields = _fields(octets, start, end, _ABORT_ORDER)
    if isinstance(fields, int):
        return MalformedDialogue(fields, "unexpected element in dialogue abort")
    source = fields[0]
    if source[0] < 0 or source[1] - source[0] != 1:
        return MalformedDialogue(start, "dialogue abort without source")
    return Abrt(read_integer(octets, source[0], source[1]), _slice(octets, fields[1]))


def supports_version_1(version: bytes) -> bool:
    """Tell whether protocol versions include version 1: bit 0 of the BIT STRING, or no octets at all."""
    return not version or (len(version) > 1 and version[1] & 0x80 != 0)


def encode_dialogue(value: DialoguePortion) -> bytes:
    """Return the whole dialogue portion (tag 6B included); `EncodeError` for a `MalformedDialogue`."""
    if isinstance(value, Aarq):
        return _wrap(DIALOGUE_AS, _REQUEST, _request(value.context, value.version, value.user_information))
    if isinstance(value, Aare):
        return _wrap(DIALOGUE_AS, _RESPONSE, _response(value))
    if isinstance(value, Abrt):
        source = encode_element(_ABORT_SOURCE, encode_integer(value.source))
        return _wrap(DIALOGUE_AS, _ABORT, source + _optional(_USER_INFORMATION, value.user_information))
    if isinstance(value, Audt):
        return _wrap(UNIDIALOGUE_AS, _REQUEST, _request(value.context, value.version, value.user_information))
    if isinstance(value, External):
        contents = encode_element(_OID, value.reference) + value.octets
        return encode_element(_PORTION, encode_element(_EXTERNAL, contents))
    raise EncodeError("a malformed dialogue portion has no octets")


def _wrap(reference: bytes, apdu: int, contents: bytes) -> bytes:
    single = encode_element(_SINGLE_ASN1_TYPE, encode_element(apdu, contents))
    return encode_element(_PORTION, encode_element(_EXTERNAL, encode_element(_OID, reference) + single))


def _optional(tag: int, contents: bytes) -> bytes:
    return encode_element(tag, contents) if contents else b""


def _request(context: bytes, version: bytes, user_information: bytes) -> bytes:
    name = encode_element(_CONTEXT, encode_element(_OID, context))
    return _optional(_VERSION, version) + name + _optional(_USER_INFORMATION, user_information)


def _response(value: Aare) -> bytes:
    diagnostic = encode_element(_INTEGER, encode_integer(value.diagnostic))
    return (
        _optional(_VERSION, value.version)
        + encode_element(_CONTEXT, encode_element(_OID, value.context))
        + encode_element(_RESULT, encode_element(_INTEGER, encode_integer(value.result)))
        + encode_element(_DIAGNOSTIC, encode_element(0xA0 | value.source, diagnostic))
        + _optional(_USER_INFORMATION, value.user_information)
    )


_OID_OCTETS: Final = 64
_ARC_OCTETS: Final = 5


def oid_text(octets: bytes) -> str:
    """Return an OID's contents octets as text, ``"0.4.0.0.1.0.50.1"`` (X.690 §8.19).

    Raises:
        DecodeError: none or more than 64 octets, an unfinished arc, an arc of more than 35 bits.
    """
    if not 0 < len(octets) <= _OID_OCTETS:
        raise DecodeError(f"object identifier of {len(octets)} octets", 0, "X.690 §8.19")
    arcs: list[int] = []
    arc = 0
    width = 0
    for offset, octet in enumerate(octets):
        arc = arc << 7 | octet & 0x7F
        width += 1
        if width > _ARC_OCTETS:
            raise DecodeError("arc of an object identifier is too long", offset, "X.690 §8.19.2")
        if octet < 0x80:
            if not arcs:
                first = min(arc // 40, 2)
                arcs.append(first)
                arc -= first * 40
            arcs.append(arc)
            arc = width = 0
    if width:
        raise DecodeError("object identifier ends within an arc", len(octets), "X.690 §8.19.2")
    return ".".join([str(value) for value in arcs])


def oid_octets(text: str) -> bytes:
    """Return the contents octets of an OID in dotted text; `EncodeError` if it is none."""
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise EncodeError(f"not an object identifier: {text[:80]!r}", "X.690 §8.19")
    arcs = [int(part) for part in parts]
    if arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise EncodeError(f"no object identifier begins so: {text[:80]!r}", "X.690 §8.19.4")
    octets = bytearray()
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        groups = [arc & 0x7F]
        rest = arc >> 7
        while rest:
            groups.append(rest & 0x7F | 0x80)
            rest >>= 7
        octets += bytes(reversed(groups))
    return bytes(octets)
