"""The reference codec: CAP through pycrate's compiled ASN.1 (TS 29.078 Rel-16); TCAP in `ss7.reference_tcap`.

It does everything that CAP has, slowly (some 200 µs an InitialDP), and decides what the fast codec declines.
pycrate's definitions are objects that keep the last value they decoded: not for two threads at once.

Where pycrate alone would mislead, by the clause, and what is done about it (`ss7.asn1.bridge`):

- The CAP versions differ (`ss7.cap.roots` has the table). pycrate has the ASN.1 of CAP v4, and takes v2's
  gmscAddress for a forwardingDestinationNumber. Tags are moved between a version and the last one; pycrate
  does not get to see what v4 has no more.
- TS 29.078 §4.1.4.2.3: unknown elements after an extension marker are ignored. pycrate stops at one and takes
  known ones that follow it for unknown too, and so drops one that comes twice. Unknown elements are taken out
  before, twice is refused, and what is out of order is put in order.
- TS 29.078 §4.1.4.2.4: extensions are of any type. pycrate decodes them by a table of its own, and the octets
  are lost. Extensions and `Opaque` elements are put aside as octets; pycrate sees placeholders.
- TS 29.078 §5.1 ("CONSTRAINED BY"): the charging octet strings have BER in them. pycrate leaves them as they
  are: `ss7.cap.charging` decodes them, after either codec.
- X.690 §8.1.1.1: what follows the element is not part of it. pycrate ignores it; here it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

from pycrate_asn1dir import TCAP_CAP

from ss7.asn1.bridge import Bridge
from ss7.asn1.node import Declined
from ss7.asn1.schema import Component, NullType, OctetStringType, Type
from ss7.asn1.tables import whole
from ss7.cap.common import CLAUSE, ExtensionField
from ss7.cap.operations import BY_OPCODE, operation_name
from ss7.cap.roots import argument_type, error_type, result_type
from ss7.errors import DecodeError, EncodeError
from ss7.reference_tcap import REFERENCE_TCAP, REFUSALS

__all__ = ["REFERENCE", "REFERENCE_TCAP", "ReferenceCodec"]

_CLAUSE: Final = "TS 29.078 §6.1.1"
_PLACEHOLDERS: Final[dict[str, tuple[bytes, Any]]] = {
    "dpSpecificCriteriaAlt": (
        bytes.fromhex("a0028300"),
        {"changeOfPositionControlInfo": [("inter-SystemHandOver", 0)]},
    ),
    "dpSpecificInfoAlt": (b"", {}),
}
_BRIDGE: Final = Bridge(CLAUSE, _PLACEHOLDERS, (ExtensionField,))


@dataclass(frozen=True)
class _Definitions:
    """pycrate's types: of arguments and results by operation code, of parameters by error code."""

    arguments: dict[int, Any]
    results: dict[int, Any]
    errors: dict[int, Any]


def _definitions() -> _Definitions:
    """Collect the types from the information objects of the application contexts and of TCAP's tables."""
    found: dict[int, dict[str, Any]] = {}
    for module in (TCAP_CAP.CAP_gsmSSF_gsmSCF_pkgs_contracts_acs, TCAP_CAP.TCAP_CAP_Messages):
        for item in module._all_:
            _collect(getattr(item, "_val", None), found)
    errors: dict[int, Any] = {}
    for item in TCAP_CAP.CAP_errortypes._all_:
        value = getattr(item, "_val", None)
        if isinstance(value, dict) and "ParameterType" in value:
            errors[value["errorCode"][1]] = value["ParameterType"]
    return _Definitions(
        {code: item["ArgumentType"] for code, item in found.items() if "ArgumentType" in item}
        | {
            66: TCAP_CAP.CAP_SMS_ops_args.ReleaseSMSArg,
            75: TCAP_CAP.CAP_gprsSSF_gsmSCF_ops_args.ContinueGPRSArg,
        },
        {code: item["ResultType"] for code, item in found.items() if "ResultType" in item},
        errors,
    )


def _collect(value: Any, found: dict[int, dict[str, Any]]) -> None:
    if isinstance(value, dict):
        code = value.get("operationCode")
        if code is not None:
            found.setdefault(code[1], value)
            return
        for item in value.values():
            _collect(item, found)
    elif hasattr(value, "root"):
        for item in value.root:
            _collect(item, found)


_DEFINITIONS: Final = _definitions()


def _decode(definition: Any, parameter: bytes) -> Any:
    """Return what pycrate makes of ``parameter``."""
    try:
        definition.from_ber(parameter)
        return definition.get_val()
    except REFUSALS as error:
        raise DecodeError(f"refused by the ASN.1: {error}", 0, _CLAUSE) from None


def _encode(definition: Any, value: Any) -> bytes:
    """Return what pycrate encodes."""
    try:
        definition.set_val(value)
        return bytes(definition.to_ber())
    except REFUSALS as error:
        raise EncodeError(f"refused by the ASN.1: {error}", _CLAUSE) from None


def _decode_typed(definition: Any, kind: Type, parameter: bytes) -> Any:
    if isinstance(kind, NullType):
        return _decode_null(kind, parameter)
    pruned, aside = _BRIDGE.prune(Component("", -1, kind), parameter)
    value = _decode(definition, pruned)
    if isinstance(kind, OctetStringType) and isinstance(value, tuple):
        value = value[1]  # releaseCall before CAP v4: the CHOICE's first alternative
    return _BRIDGE.from_pycrate(kind, value, aside)


def _decode_null(kind: NullType, parameter: bytes) -> Any:
    """Return the argument that SpecializedResourceReport had before CAP v4; pycrate has v4's CHOICE."""
    try:
        return whole(kind, CLAUSE).decode(parameter, 0, len(parameter))
    except Declined:
        raise DecodeError("null in the wrong form", 0, "X.690 §8.8") from None


def _encode_typed(definition: Any, kind: Type, value: Any) -> bytes:
    if isinstance(kind, NullType):
        return whole(kind, CLAUSE).encode(value)
    plain = _BRIDGE.to_pycrate(kind, value)
    if isinstance(kind, OctetStringType) and definition.TYPE == "CHOICE":
        plain = ("allCallSegments", plain)
    return _BRIDGE.graft(Component("", -1, kind), _encode(definition, plain), value)


@final
class ReferenceCodec:
    """`ss7.cap.codec.Codec` by pycrate."""

    def decode_argument(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `ss7.cap.codec.Codec`."""
        kind = argument_type(opcode, version)
        if kind is None:
            if opcode not in BY_OPCODE:
                raise DecodeError(f"unknown operation {opcode}", 0, "TS 29.078 §5.3")
            if parameter:
                raise DecodeError(f"{operation_name(opcode)} with an argument", 0, _CLAUSE)
            return None
        if not parameter:
            if BY_OPCODE[opcode].argument_optional:
                return None
            raise DecodeError(f"{operation_name(opcode)} without its argument", 0, _CLAUSE)
        return _decode_typed(_DEFINITIONS.arguments[opcode], kind, parameter)

    def encode_argument(self, opcode: int, value: Any, version: int) -> bytes:
        """See `ss7.cap.codec.Codec`."""
        kind = argument_type(opcode, version)
        if kind is None:
            if value is not None or opcode not in BY_OPCODE:
                raise EncodeError(f"{operation_name(opcode)} has no argument", _CLAUSE)
            return b""
        if value is None and BY_OPCODE[opcode].argument_optional:
            return b""
        return _encode_typed(_DEFINITIONS.arguments[opcode], kind, value)

    def decode_result(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `ss7.cap.codec.Codec`."""
        kind = result_type(opcode, version)
        if kind is None:
            if parameter:
                raise DecodeError("result parameter of an operation that has none", 0, _CLAUSE)
            return None
        if not parameter:
            raise DecodeError("result without its parameter", 0, _CLAUSE)
        return _decode_typed(_DEFINITIONS.results[opcode], kind, parameter)

    def encode_result(self, opcode: int, value: Any, version: int) -> bytes:
        """See `ss7.cap.codec.Codec`."""
        kind = result_type(opcode, version)
        if kind is None:
            if value is not None:
                raise EncodeError(f"{operation_name(opcode)} has no result", _CLAUSE)
            return b""
        return _encode_typed(_DEFINITIONS.results[opcode], kind, value)

    def decode_error(self, code: int, parameter: bytes, version: int) -> Any:  # noqa: ARG002
        """See `ss7.cap.codec.Codec`."""
        kind = error_type(code)
        if kind is None:
            if parameter:
                raise DecodeError("parameter of an error that has none", 0, "TS 29.078 §5.2")
            return None
        return _decode_typed(_DEFINITIONS.errors[code], kind, parameter) if parameter else None

    def encode_error(self, code: int, value: Any, version: int) -> bytes:  # noqa: ARG002
        """See `ss7.cap.codec.Codec`."""
        if value is None:
            return b""
        kind = error_type(code)
        if kind is None:
            raise EncodeError(f"error {code} has no parameter", "TS 29.078 §5.2")
        return _encode_typed(_DEFINITIONS.errors[code], kind, value)


REFERENCE: Final = ReferenceCodec()
