"""The MAP codec: tables, and the reference codec for what they decline. As `ss7.cap.codec`, for MAP.

`FAST` answers with a value or raises `DecodeError`; an encoding that is unusual but perhaps legal goes to
`ss7.map.reference`, which is imported when it is first needed: pycrate's MAP takes a moment to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from ss7.asn1.node import Declined
from ss7.errors import DecodeError, EncodeError
from ss7.map.operations import BY_OPCODE, no_such, operation_name
from ss7.map.roots import argument_root, error_root, result_root

if TYPE_CHECKING:
    from ss7.cap.codec import Codec

_CLAUSE: Final = "TS 29.002 §17.6"
VERSIONS: Final = (1, 2, 3)
"""MAP versions that the operations here have."""


@final
class FastCodec:
    """`ss7.cap.codec.Codec` for MAP, by tables; ``version`` is that of the application context, 1 to 3."""

    def __init__(self) -> None:
        self._reference: Codec | None = None

    def reference(self) -> Codec:
        """Return the reference codec, loading it at the first call."""
        if self._reference is None:
            from ss7.map.reference import REFERENCE  # noqa: PLC0415 - it takes a tenth of a second

            self._reference = REFERENCE
        return self._reference

    def decode_argument(self, opcode: int, parameter: bytes, version: int) -> Any:
        """Return the argument of an invocation."""
        root = argument_root(opcode, version)
        if root is None:
            raise DecodeError(no_such(opcode, version), 0, _CLAUSE)
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self.reference().decode_argument(opcode, parameter, version)

    def encode_argument(self, opcode: int, value: Any, version: int) -> bytes:
        """Return the parameter of an invocation."""
        root = argument_root(opcode, version)
        if root is None:
            raise EncodeError(no_such(opcode, version), _CLAUSE)
        return root.encode(value)

    def decode_result(self, opcode: int, parameter: bytes, version: int) -> Any:
        """Return the result of an operation, None without one."""
        root = result_root(opcode, version)
        if root is None:
            if parameter:
                raise DecodeError("result parameter of an operation that has none", 0, _CLAUSE)
            return None
        if not parameter and BY_OPCODE[opcode].result_optional:
            return None
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self.reference().decode_result(opcode, parameter, version)

    def encode_result(self, opcode: int, value: Any, version: int) -> bytes:
        """Return the parameter of a return result, b"" for None."""
        root = result_root(opcode, version)
        if value is None and (root is None or BY_OPCODE[opcode].result_optional):
            return b""
        if root is None:
            raise EncodeError(f"{operation_name(opcode)} has no result", _CLAUSE)
        return root.encode(value)

    def decode_error(self, code: int, parameter: bytes, version: int) -> Any:
        """Return the parameter of a MAP error, None without one."""
        if not parameter:
            return None
        root = error_root(code, version)
        if root is None:
            raise DecodeError("parameter of an error that has none", 0, _CLAUSE)
        try:
            return root.decode(parameter, 0, len(parameter))
        except Declined:
            return self.reference().decode_error(code, parameter, version)

    def encode_error(self, code: int, value: Any, version: int) -> bytes:
        """Return the parameter of a return error, b"" for None."""
        if value is None:
            return b""
        root = error_root(code, version)
        if root is None:
            raise EncodeError(f"error {code} has no parameter", _CLAUSE)
        return root.encode(value)


FAST: Final = FastCodec()
