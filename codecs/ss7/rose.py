"""TCAP's component portion (Q.773 §4.2.2, the ROSE of X.880): values, octets to values, values to octets.

A component that is bad is a value as well, `Malformed`: the message it came in is not bad for it, and the
peer is owed a Reject (Q.774 §3.2.2.2), not an Abort. Nothing here raises for bad octets.

Invoke ids are -128 to 127. An operation or error code is an `int` if local, its OID's contents octets if
global. A ``parameter`` is the whole TLV, b"" if there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from ss7.ber import REASONS, encode_element, encode_integer, read_element, read_integer
from ss7.errors import EncodeError

if TYPE_CHECKING:
    from mypy_extensions import i64

INVOKE: Final = 0xA1
RETURN_RESULT_LAST: Final = 0xA2
RETURN_ERROR: Final = 0xA3
REJECT: Final = 0xA4
RETURN_RESULT_NOT_LAST: Final = 0xA7

GENERAL_PROBLEM: Final = 0
INVOKE_PROBLEM: Final = 1
RETURN_RESULT_PROBLEM: Final = 2
RETURN_ERROR_PROBLEM: Final = 3

UNRECOGNIZED_COMPONENT: Final = 0
MISTYPED_COMPONENT: Final = 1
BADLY_STRUCTURED_COMPONENT: Final = 2

DUPLICATE_INVOKE_ID: Final = 0
UNRECOGNIZED_OPERATION: Final = 1
MISTYPED_PARAMETER: Final = 2
RESOURCE_LIMITATION: Final = 3
INITIATING_RELEASE: Final = 4
UNRECOGNIZED_LINKED_ID: Final = 5
LINKED_RESPONSE_UNEXPECTED: Final = 6
UNEXPECTED_LINKED_OPERATION: Final = 7

UNRECOGNIZED_INVOKE_ID: Final = 0
RETURN_RESULT_UNEXPECTED: Final = 1
RETURN_RESULT_MISTYPED_PARAMETER: Final = 2
RETURN_ERROR_UNEXPECTED: Final = 1
UNRECOGNIZED_ERROR: Final = 2
UNEXPECTED_ERROR: Final = 3
RETURN_ERROR_MISTYPED_PARAMETER: Final = 4

PROBLEM_NAMES: Final[dict[tuple[int, int], str]] = {
    (GENERAL_PROBLEM, 0): "unrecognizedComponent",
    (GENERAL_PROBLEM, 1): "mistypedComponent",
    (GENERAL_PROBLEM, 2): "badlyStructuredComponent",
    (INVOKE_PROBLEM, 0): "duplicateInvokeID",
    (INVOKE_PROBLEM, 1): "unrecognizedOperation",
    (INVOKE_PROBLEM, 2): "mistypedParameter",
    (INVOKE_PROBLEM, 3): "resourceLimitation",
    (INVOKE_PROBLEM, 4): "initiatingRelease",
    (INVOKE_PROBLEM, 5): "unrecognizedLinkedID",
    (INVOKE_PROBLEM, 6): "linkedResponseUnexpected",
    (INVOKE_PROBLEM, 7): "unexpectedLinkedOperation",
    (RETURN_RESULT_PROBLEM, 0): "unrecognizedInvokeID",
    (RETURN_RESULT_PROBLEM, 1): "returnResultUnexpected",
    (RETURN_RESULT_PROBLEM, 2): "mistypedParameter",
    (RETURN_ERROR_PROBLEM, 0): "unrecognizedInvokeID",
    (RETURN_ERROR_PROBLEM, 1): "returnErrorUnexpected",
    (RETURN_ERROR_PROBLEM, 2): "unrecognizedError",
    (RETURN_ERROR_PROBLEM, 3): "unexpectedError",
    (RETURN_ERROR_PROBLEM, 4): "mistypedParameter",
}
"""The standard's name of each ``(problem type, problem)`` (Q.773 §4.2.2.6)."""

Code: TypeAlias = int | bytes

_INTEGER: Final = 0x02
_NULL: Final = 0x05
_OID: Final = 0x06
_SEQUENCE: Final = 0x30
_LINKED_ID: Final = 0x80
_CODE_OCTETS: Final = 4


# Values made for every message have their __init__ written out: mypyc compiles that one, not dataclass's own.
@final
@dataclass(init=False)
class Invoke:
    """An operation to carry out; ``linked_id`` is the invoke id that it answers to, or None."""

    invoke_id: int
    opcode: Code
    parameter: bytes
    linked_id: int | None

    def __init__(
        self, invoke_id: int, opcode: Code, parameter: bytes = b"", linked_id: int | None = None
    ) -> None:
        self.invoke_id = invoke_id
        self.opcode = opcode
        self.parameter = parameter
        self.linked_id = linked_id


@final
@dataclass
class ReturnResult:
    """A result or a segment of it (``last`` False); without a parameter it has no ``opcode`` either.

    ``operation`` is not on the wire: the transaction machine notes there whose result it is.
    """

    invoke_id: int
    opcode: Code | None = None
    parameter: bytes = b""
    last: bool = True
    operation: Code | None = None


@final
@dataclass
class ReturnError:
    """The failure of an operation; ``operation`` as in `ReturnResult`."""

    invoke_id: int
    error: Code
    parameter: bytes = b""
    operation: Code | None = None


@final
@dataclass
class Reject:
    """A component was not acceptable; ``invoke_id`` None if it was not derivable. ``operation`` as above.

    ``problem`` is -128 to 127; `PROBLEM_NAMES` has those with a meaning. Others are of the type too, which
    has no bounds (Q.773 Annex A): such a component ends its invocation all the same (Q.774 Figure A.7).
    """

    invoke_id: int | None
    problem_type: int
    problem: int
    operation: Code | None = None


@final
@dataclass
class Malformed:
    """A component that can't be used.

    Attributes:
        problem: the general problem to answer with (`UNRECOGNIZED_COMPONENT` …).
        invoke_id: its invoke id, if that much was readable.
        offset: the octet of the message where it went wrong.
        reason: in words, without octets of the message.
        component: its tag; a `REJECT` is never answered with a Reject.
    """

    problem: int
    invoke_id: int | None
    offset: int
    reason: str
    component: int = 0


Component: TypeAlias = Invoke | ReturnResult | ReturnError | Reject | Malformed


def decode_components(octets: bytes, offset: i64, end: i64) -> list[Component]:
    """Read the contents of a component portion; after a component of bad length nothing more can be read."""
    components: list[Component] = []
    while offset < end:
        tag, start, stop, after = read_element(octets, offset, end)
        if after < 0:
            components.append(Malformed(BADLY_STRUCTURED_COMPONENT, None, offset, REASONS[after][0], tag))
            break
        if tag == INVOKE:
            components.append(_decode_invoke(octets, start, stop))
        elif tag in (RETURN_RESULT_LAST, RETURN_RESULT_NOT_LAST, RETURN_ERROR, REJECT):
            components.append(_decode_answer(octets, tag, start, stop))
        else:
            components.append(
                Malformed(UNRECOGNIZED_COMPONENT, None, offset, "no component has this tag", tag)
            )
        offset = after
    return components


def _mistyped(reason: str, component: i64, invoke_id: int | None, offset: i64) -> Malformed:
    return Malformed(MISTYPED_COMPONENT, invoke_id, offset, reason, component)


def _unreadable(error: i64, component: i64, invoke_id: int | None, offset: i64, end: i64) -> Malformed:
    """Tell a missing element, which Q.773 does not allow, from octets that X.690 does not allow."""
    if offset == end:
        return _mistyped("element missing", component, invoke_id, offset)
    return Malformed(BADLY_STRUCTURED_COMPONENT, invoke_id, offset, REASONS[error][0], component)


def _decode_invoke(octets: bytes, offset: i64, end: i64) -> Invoke | Malformed:
    """Read ``invokeID, linkedID [0] OPTIONAL, operationCode, parameter OPTIONAL``."""
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, INVOKE, None, offset, end)
    if tag != _INTEGER or stop - start != 1:
        return _mistyped("invoke id is not an INTEGER of one octet", INVOKE, None, offset)
    invoke_id = read_integer(octets, start, stop)
    linked_id: int | None = None
    offset = after
    tag, start, stop, after = read_element(octets, offset, end)
    if tag == _LINKED_ID and after > 0:
        if stop - start != 1:
            return _mistyped("linked id is not an INTEGER of one octet", INVOKE, invoke_id, offset)
        linked_id = read_integer(octets, start, stop)
        offset = after
        tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, INVOKE, invoke_id, offset, end)
    opcode = _code(octets, tag, start, stop)
    if opcode is None:
        return _mistyped("operation code is neither local nor global", INVOKE, invoke_id, offset)
    if after == end:
        return Invoke(invoke_id, opcode, b"", linked_id)
    offset = after
    tag, start, stop, after = read_element(octets, offset, end)
    if after != end:
        return _not_the_last(after, INVOKE, invoke_id, offset, end)
    return Invoke(invoke_id, opcode, octets[offset:end], linked_id)


def _not_the_last(after: i64, component: i64, invoke_id: int, offset: i64, end: i64) -> Malformed:
    """Say why what stands at ``offset`` is not the parameter that fills the component to its ``end``."""
    if after < 0:
        return _unreadable(after, component, invoke_id, offset, end)
    return _mistyped("element after the parameter", component, invoke_id, after)


def _code(octets: bytes, tag: i64, start: i64, stop: i64) -> Code | None:
    """Return an operation or error code; None if the element is none."""
    if tag == _INTEGER and 0 < stop - start <= _CODE_OCTETS:
        return read_integer(octets, start, stop)
    if tag == _OID and start < stop:
        return octets[start:stop]
    return None


def _decode_answer(
    octets: bytes, component: i64, offset: i64, end: i64
) -> ReturnResult | ReturnError | Reject | Malformed:
    """Read the invoke id that the three kinds of answer begin with, then the rest of each."""
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, component, None, offset, end)
    if tag == _INTEGER and stop - start == 1:
        invoke_id = read_integer(octets, start, stop)
        if component == REJECT:
            return _decode_reject(octets, invoke_id, after, end)
        if component == RETURN_ERROR:
            return _decode_error(octets, invoke_id, after, end)
        return _decode_result(octets, component, invoke_id, after, end)
    if component == REJECT and tag == _NULL and stop == start:
        return _decode_reject(octets, None, after, end)
    return _mistyped("invoke id is not an INTEGER of one octet", component, None, offset)


def _decode_result(
    octets: bytes, component: i64, invoke_id: int, offset: i64, end: i64
) -> ReturnResult | Malformed:
    """Read ``SEQUENCE { operationCode, parameter } OPTIONAL``."""
    last = component == RETURN_RESULT_LAST
    if offset == end:
        return ReturnResult(invoke_id, None, b"", last)
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, component, invoke_id, offset, end)
    if tag != _SEQUENCE or after != end:
        return _mistyped("result is not one SEQUENCE", component, invoke_id, offset)
    offset = start
    end = stop
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, component, invoke_id, offset, end)
    opcode = _code(octets, tag, start, stop)
    if opcode is None:
        return _mistyped("operation code is neither local nor global", component, invoke_id, offset)
    if after == end:
        return ReturnResult(invoke_id, opcode, b"", last)
    offset = after
    tag, start, stop, after = read_element(octets, offset, end)
    if after != end:
        return _not_the_last(after, component, invoke_id, offset, end)
    return ReturnResult(invoke_id, opcode, octets[offset:end], last)


def _decode_error(octets: bytes, invoke_id: int, offset: i64, end: i64) -> ReturnError | Malformed:
    """Read ``errorCode, parameter OPTIONAL``."""
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, RETURN_ERROR, invoke_id, offset, end)
    error = _code(octets, tag, start, stop)
    if error is None:
        return _mistyped("error code is neither local nor global", RETURN_ERROR, invoke_id, offset)
    if after == end:
        return ReturnError(invoke_id, error)
    offset = after
    tag, start, stop, after = read_element(octets, offset, end)
    if after != end:
        return _not_the_last(after, RETURN_ERROR, invoke_id, offset, end)
    return ReturnError(invoke_id, error, octets[offset:end])


def _decode_reject(octets: bytes, invoke_id: int | None, offset: i64, end: i64) -> Reject | Malformed:
    """Read the problem: ``[0]`` to ``[3] IMPLICIT INTEGER``."""
    tag, start, stop, after = read_element(octets, offset, end)
    if after < 0:
        return _unreadable(after, REJECT, invoke_id, offset, end)
    if not 0x80 <= tag <= 0x83 or stop - start != 1 or after != end:
        return _mistyped("problem is not one INTEGER of one octet", REJECT, invoke_id, offset)
    return Reject(invoke_id, tag - 0x80, read_integer(octets, start, stop))


_ID_TLV: Final[list[bytes]] = [bytes((_INTEGER, 1, octet)) for octet in range(256)]
_LOCAL_TLV: Final[list[bytes]] = _ID_TLV[:128]


def _id_tlv(invoke_id: int) -> bytes:
    if not -128 <= invoke_id <= 127:
        raise EncodeError(f"invoke id {invoke_id} is not within -128 to 127", "Q.773 §4.2.2.2")
    return _ID_TLV[invoke_id & 0xFF]


def _code_tlv(code: Code) -> bytes:
    if isinstance(code, int):
        if 0 <= code < 128:
            return _LOCAL_TLV[code]
        contents = encode_integer(code)
        if len(contents) > _CODE_OCTETS:
            raise EncodeError("local code of more than four octets", "Q.773 §4.2.2.4")
        return encode_element(_INTEGER, contents)
    if not code:
        raise EncodeError("global code without octets", "X.690 §8.19")
    return encode_element(_OID, code)


def encode_invoke(
    invoke_id: int, opcode: Code, parameter: bytes = b"", linked_id: int | None = None
) -> bytes:
    """Return an Invoke component. ``parameter`` is a whole TLV or b""; raises `EncodeError` for bad ids."""
    if linked_id is None:
        return encode_element(INVOKE, _id_tlv(invoke_id) + _code_tlv(opcode) + parameter)
    linked = encode_element(_LINKED_ID, _id_tlv(linked_id)[2:])
    return encode_element(INVOKE, _id_tlv(invoke_id) + linked + _code_tlv(opcode) + parameter)


def encode_return_result(
    invoke_id: int, opcode: Code | None = None, parameter: bytes = b"", *, last: bool = True
) -> bytes:
    """Return a ReturnResultLast or NotLast component; a parameter needs its ``opcode`` (Q.773 §4.2.2)."""
    tag = RETURN_RESULT_LAST if last else RETURN_RESULT_NOT_LAST
    if opcode is None:
        if parameter:
            raise EncodeError("result parameter without operation code", "Q.773 §4.2.2.1")
        return encode_element(tag, _id_tlv(invoke_id))
    return encode_element(tag, _id_tlv(invoke_id) + encode_element(_SEQUENCE, _code_tlv(opcode) + parameter))


def encode_return_error(invoke_id: int, error: Code, parameter: bytes = b"") -> bytes:
    """Return a ReturnError component."""
    return encode_element(RETURN_ERROR, _id_tlv(invoke_id) + _code_tlv(error) + parameter)


def encode_reject(invoke_id: int | None, problem_type: int, problem: int) -> bytes:
    """Return a Reject component; the id is NULL where None is given. ``problem_type`` is 0 to 3."""
    if not 0 <= problem_type <= 3 or not -128 <= problem <= 127:
        raise EncodeError(f"no problem {problem} of type {problem_type}", "Q.773 §4.2.2.6")
    identifier = b"\x05\x00" if invoke_id is None else _id_tlv(invoke_id)
    return encode_element(REJECT, identifier + bytes((0x80 | problem_type, 1, problem & 0xFF)))


def encode_component(component: Component) -> bytes:
    """Return the octets of a component; `EncodeError` for a `Malformed` one."""
    if isinstance(component, Invoke):
        return encode_invoke(component.invoke_id, component.opcode, component.parameter, component.linked_id)
    if isinstance(component, ReturnResult):
        return encode_return_result(
            component.invoke_id, component.opcode, component.parameter, last=component.last
        )
    if isinstance(component, ReturnError):
        return encode_return_error(component.invoke_id, component.error, component.parameter)
    if isinstance(component, Reject):
        return encode_reject(component.invoke_id, component.problem_type, component.problem)
    raise EncodeError("a malformed component has no octets")
