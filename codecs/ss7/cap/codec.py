"""The fast CAP codec: tables, and the reference codec for what they decline.

`FAST` answers with a value or raises `DecodeError` where the octets leave no doubt; what it declines (an
unusual but perhaps legal encoding) goes to `ss7.cap.reference`, which is imported when it is first needed:
pycrate takes half a second to load. That costs a hundred times as much, so `ALONE` leaves to its caller
whether it is asked: it raises `UnusualError`.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, final

from ss7.asn1.node import Declined, Node
from ss7.cap.contexts import LATEST
from ss7.cap.operations import BY_OPCODE, OPERATIONS, Opcode, operation_name
from ss7.cap.roots import argument_root, error_root, result_root
from ss7.errors import DecodeError, EncodeError

_CLAUSE: Final = "TS 29.078 §6.1.1"
_CALL_CONTROL: Final = frozenset(Opcode)
"""Operations whose tables are made when this module is imported: those of a call, and no first one waits."""
_ARMING: Final = int(Opcode.REQUEST_REPORT_BCSM_EVENT)
_MOST_ARMED: Final = 64
"""Encoded RequestReportBCSMEvents that are remembered: a service arms most of its calls alike."""
_NEEDS_NONE: Final = frozenset(
    each.opcode for each in OPERATIONS if each.argument is None or each.argument_optional
)
"""Operations that may be sent without an argument."""
_OPTIONAL: Final = frozenset(each.opcode for each in OPERATIONS if each.argument_optional)


class Codec(Protocol):
    """Arguments, results, error parameters of CAP; their octets are a component's parameter (one TLV or b"").

    ``version`` is the CAP version of the dialogue's application context, 1 to 4.
    Decoding raises `DecodeError` and nothing else; encoding raises `EncodeError` for a value that the
    version's ASN.1 does not allow.
    """

    def decode_argument(self, opcode: int, parameter: bytes, version: int) -> Any:
        """Return the argument of an invocation, None if the operation has none (`Operation.argument`)."""
        ...

    def encode_argument(self, opcode: int, value: Any, version: int) -> bytes:
        """Return the parameter of an invocation, b"" for None."""
        ...

    def decode_result(self, opcode: int, parameter: bytes, version: int) -> Any:
        """Return the result of an operation, None if it has none."""
        ...

    def encode_result(self, opcode: int, value: Any, version: int) -> bytes:
        """Return the parameter of a return result."""
        ...

    def decode_error(self, code: int, parameter: bytes, version: int) -> Any:
        """Return the parameter of a CAP error, None if it has none."""
        ...

    def encode_error(self, code: int, value: Any, version: int) -> bytes:
        """Return the parameter of a return error."""
        ...


class UnusualError(DecodeError):
    """An argument that the fast codec declined. Whether it is one, `decode` says."""

    def __init__(self, codec: FastCodec, opcode: int, parameter: bytes, version: int) -> None:
        super().__init__("a form that only the reference codec reads", 0, _CLAUSE)
        self._codec = codec
        self._asked = (opcode, parameter, version)

    def decode(self) -> Any:
        """Return what the reference codec makes of it; raises `DecodeError`. 0.25 ms for an InitialDP."""
        return self._codec.reference().decode_argument(*self._asked)


def _has_none(opcode: int, parameter: bytes) -> None:
    """Raise unless this is an operation without an argument, and without octets of one."""
    if opcode not in BY_OPCODE:
        raise DecodeError(f"unknown operation {opcode}", 0, "TS 29.078 §5.3")
    if parameter:
        raise DecodeError(f"{operation_name(opcode)} with an argument", 0, _CLAUSE)


@final
class FastCodec:
    """`Codec` by tables.

    Args:
        alone: raise `UnusualError` for arguments that the reference codec would have to decode.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self._alone = alone
        self._arguments: list[dict[int, Node]] = [{}]
        for version in range(1, LATEST + 1):
            roots: dict[int, Node] = {}
            for operation in OPERATIONS:
                if operation.since <= version and operation.opcode in _CALL_CONTROL:
                    root = argument_root(operation.opcode, version)
                    if root is not None:
                        roots[operation.opcode] = root
            self._arguments.append(roots)
        self._reference: Codec | None = None
        self._armed: dict[int, tuple[object, int, bytes]] = {}  # by the value's id: value, version, octets

    def reference(self) -> Codec:
        """Return the reference codec, loading it at the first call."""
        if self._reference is None:
            from ss7.cap.reference import REFERENCE  # noqa: PLC0415 - it takes half a second

            self._reference = REFERENCE
        return self._reference

    def _root(self, opcode: int, version: int) -> Node | None:
        """Return the table of an argument that was not made beforehand; None: the operation has none."""
        root = argument_root(opcode, version)
        if root is not None:
            self._arguments[version][opcode] = root
        return root

    def decode_argument(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `Codec`."""
        root = self._arguments[version].get(opcode)
        if root is None:
            root = self._root(opcode, version)
            if root is None:
                _has_none(opcode, parameter)
                return None
        if not parameter and opcode in _OPTIONAL:
            return None
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self._declined(opcode, parameter, version)

    def _declined(self, opcode: int, parameter: bytes, version: int) -> Any:
        if self._alone:
            raise UnusualError(self, opcode, parameter, version)
        return self.reference().decode_argument(opcode, parameter, version)

    def encode_argument(self, opcode: int, value: Any, version: int) -> bytes:
        """See `Codec`."""
        if value is None and opcode in _NEEDS_NONE:
            return b""
        root = self._arguments[version].get(opcode)
        if root is None:
            root = self._root(opcode, version)
            if root is None:
                raise EncodeError(f"{operation_name(opcode)} has no argument", _CLAUSE)
        if opcode != _ARMING:
            return root.encode(value)
        known = self._armed.get(id(value))  # the same value for all calls that are armed alike
        if known is not None and known[1] == version:
            return known[2]
        if len(self._armed) >= _MOST_ARMED:
            self._armed.clear()
        octets: bytes = root.encode(value)
        self._armed[id(value)] = (value, version, octets)  # with the value, whose id is its own so long
        return octets

    def decode_result(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `Codec`."""
        root = result_root(opcode, version)
        if root is None:
            if parameter:
                raise DecodeError("result parameter of an operation that has none", 0, _CLAUSE)
            return None
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self.reference().decode_result(opcode, parameter, version)

    def encode_result(self, opcode: int, value: Any, version: int) -> bytes:
        """See `Codec`."""
        root = result_root(opcode, version)
        if root is not None:
            return root.encode(value)
        if value is not None:
            raise EncodeError(f"{operation_name(opcode)} has no result", _CLAUSE)
        return b""

    def decode_error(self, code: int, parameter: bytes, version: int) -> Any:
        """See `Codec`."""
        root = error_root(code)
        if root is None:
            if parameter:
                raise DecodeError("parameter of an error that has none", 0, "TS 29.078 §5.2")
            return None
        if not parameter:
            return None
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self.reference().decode_error(code, parameter, version)

    def encode_error(self, code: int, value: Any, version: int) -> bytes:  # noqa: ARG002
        """See `Codec`."""
        if value is None:
            return b""
        root = error_root(code)
        if root is None:
            raise EncodeError(f"error {code} has no parameter", "TS 29.078 §5.2")
        return root.encode(value)


FAST: Final = FastCodec()
ALONE: Final = FastCodec(alone=True)
