"""Which type each argument and error parameter of CAP is, as a description and as the fast codec's node."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from ss7.asn1.declare import Enumerated, Octets
from ss7.asn1.schema import (
    Component,
    EnumeratedType,
    OctetStringType,
    OneOfType,
    Type,
    describe,
    read_type,
)
from ss7.asn1.tables import whole
from ss7.cap import types
from ss7.cap.common import CLAUSE
from ss7.cap.operations import BY_OPCODE

if TYPE_CHECKING:
    from ss7.asn1.node import Node

_RELEASE_CALL: Final = 22
_OCTET_STRINGS: Final[dict[int, Octets]] = {
    34: Octets(5, 225, "CAMEL-FCIBillingChargingCharacteristics"),
    36: Octets(12, 193, "CAMEL-CallResult"),
}
_ERRORS: Final[dict[int, type]] = {
    1: types.CancelFailedParameter,
    10: types.RequestedInfoProblem,
    11: types.UnavailableNetworkResource,
    12: types.TaskRefusal,
}


@cache
def argument_type(opcode: int, version: int) -> Type | None:
    """Return the description of an operation's argument, None if it has none or none is declared."""
    if opcode in _OCTET_STRINGS:
        return read_octets(_OCTET_STRINGS[opcode])
    if opcode == _RELEASE_CALL:
        return _release_call(version)
    operation = BY_OPCODE.get(opcode)
    if operation is None or operation.argument is None:
        return None
    return describe(operation.argument, version)


def read_octets(mark: Octets) -> OctetStringType:
    """Return the description of an octet string."""
    return OctetStringType(mark.low, mark.high, mark.contains)


def _release_call(version: int) -> Type:
    cause = OctetStringType(2, 32, "Cause")
    if version < 4:
        return cause
    extended = describe(types.AllCallSegmentsWithExtension, version)
    return OneOfType(
        (
            (bytes, Component("allCallSegments", -1, cause)),
            (
                types.AllCallSegmentsWithExtension,
                Component("allCallSegmentsWithExtension", 2, extended, latest=2),
            ),
        )
    )


@cache
def error_type(code: int) -> Type | None:
    """Return the description of an error's parameter, None if it has none."""
    cls = _ERRORS.get(code)
    if cls is None:
        return None
    return EnumeratedType(cls, extensible=False) if issubclass(cls, Enumerated) else read_type(cls, 4)


@cache
def argument_root(opcode: int, version: int) -> Node | None:
    """Return the node of an operation's argument, tag and length included."""
    kind = argument_type(opcode, version)
    return None if kind is None else whole(kind, CLAUSE)


@cache
def error_root(code: int) -> Node | None:
    """Return the node of an error's parameter, tag and length included."""
    kind = error_type(code)
    return None if kind is None else whole(kind, CLAUSE)
