"""Which type each argument, result and error parameter of CAP is: as a description, and as the codec's node.

The versions are one family: what a tag means in one, it means in the others that have it, save here (v1 and
v2: GSM 09.78, v3 and v4: TS 29.078; §6.1.1 unless another clause is named). Declarations say it with
``since`` and ``until``; a component that an older version lacks is unknown to it, and skipped.

=======================================  =================================================================
InitialDP, initialDPArgExtension         v1, v2: [0] naCarrierInformation, [1] gmscAddress; v3, v4: [0]
                                         gmscAddress, [1] forwardingDestinationNumber
Connect                                  v2: [57] na-Info (SEQUENCE); v3, v4: [57] naOliInfo (OCTET STRING)
EstablishTemporaryConnection             v2: [7] serviceInteractionIndicatorsTwo, [50] na-Info; v3: [6]
                                         serviceInteractionIndicatorsTwo, [50] naOliInfo; v4: further [7]
                                         callSegmentID
ReleaseCall                              v1 to v3: Cause; v4: CHOICE of it and a SEQUENCE
SpecializedResourceReport (§6.3.1)       v2, v3: NULL; v4: CHOICE
ApplyCharging, timeDurationCharging      v2: [1] is a SEQUENCE; v3, v4: a BOOLEAN. v3: [3] tone, a BOOLEAN;
(§5.1)                                   v4: [3] audibleIndicator, a CHOICE
=======================================  =================================================================
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from ss7.asn1.declare import Enumerated, Octets
from ss7.asn1.schema import (
    Component,
    EnumeratedType,
    NullType,
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
_SPECIALIZED_RESOURCE_REPORT: Final = 49
_OCTET_STRINGS: Final[dict[int, Octets]] = {
    34: Octets(5, 225, "CAMEL-FCIBillingChargingCharacteristics"),
    36: Octets(12, 193, "CAMEL-CallResult"),
    61: Octets(5, 225, "CAMEL-FCISMSBillingChargingCharacteristics"),
    66: Octets(1, 1),
    77: Octets(5, 225, "CAMEL-FCIGPRSBillingChargingCharacteristics"),
}
_ERRORS: Final[dict[int, type]] = {
    1: types.CancelFailedParameter,
    10: types.RequestedInfoProblem,
    11: types.UnavailableNetworkResource,
    12: types.TaskRefusal,
}


@cache
def argument_type(opcode: int, version: int) -> Type | None:
    """Return the description of an operation's argument in a CAP version, None if it has none."""
    if opcode in _OCTET_STRINGS:
        return read_octets(_OCTET_STRINGS[opcode])
    if opcode == _RELEASE_CALL:
        return _release_call(version)
    if opcode == _SPECIALIZED_RESOURCE_REPORT and version < 4:
        return NullType()
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
def result_type(opcode: int, version: int) -> Type | None:
    """Return the description of an operation's result, None if it has none."""
    operation = BY_OPCODE.get(opcode)
    return None if operation is None or operation.result is None else describe(operation.result, version)


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
def result_root(opcode: int, version: int) -> Node | None:
    """Return the node of an operation's result, tag and length included."""
    kind = result_type(opcode, version)
    return None if kind is None else whole(kind, CLAUSE)


@cache
def error_root(code: int) -> Node | None:
    """Return the node of an error's parameter, tag and length included."""
    kind = error_type(code)
    return None if kind is None else whole(kind, CLAUSE)
