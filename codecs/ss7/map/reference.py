"""The reference codec of MAP: pycrate's compiled ASN.1 of TS 29.002 (Rel-16), and of GSM 09.02 for v1 and v2.

It decides what the fast codec declines. What is done where pycrate alone would mislead stands in
`ss7.cap.reference`; here the elements of `Opaque` fields are what it gets to see placeholders of. Not for two
threads at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

from pycrate_asn1dir import TCAP_MAPv2v3 as asn1

from ss7.asn1.bridge import Bridge
from ss7.asn1.schema import Component, Type
from ss7.errors import DecodeError, EncodeError
from ss7.map.common import CLAUSE
from ss7.map.operations import BY_OPCODE, no_such, operation_name
from ss7.map.roots import V3, argument_type, error_type, result_tag, result_type
from ss7.reference_tcap import REFUSALS

_CLAUSE: Final = "TS 29.002 §17.6"
_CONTEXT: Final = {"pdp-ContextIdentifier": 1, "pdp-Type": b"\0\0"}
_CONTEXTS: Final = (bytes.fromhex("300780010182020000"), [_CONTEXT])
_STATUS: Final = (bytes.fromhex("810100"), {"ss-Status": b"\0"})
_TELEPHONY: Final = ("ext-Teleservice", b"\x11")
_PLACEHOLDERS: Final[dict[str, tuple[bytes, Any]]] = {
    "ps-PDP-ActiveNotReachableForPaging": _CONTEXTS,
    "ps-PDP-ActiveReachableForPaging": _CONTEXTS,
    "modificationRequestFor-CB-Info": (bytes.fromhex("800100"), {"ss-Code": b"\0"}),
    "callBarringInfoFor-CSE": (
        bytes.fromhex("800100a1053003840100"),
        {"ss-Code": b"\0", "callBarringFeatureList": [{"ss-Status": b"\0"}]},
    ),
    "odb-Info": (bytes.fromhex("30050303010000"), {"odb-Data": {"odb-GeneralData": (0, 15)}}),
    "cw-Data": (
        bytes.fromhex("a10a3008a103830111820100"),
        {"cwFeatureList": [{"basicService": _TELEPHONY, "ss-Status": b"\0"}]},
    ),
    "ch-Data": _STATUS,
    "ect-data": _STATUS,
    "clip-Data": (
        bytes.fromhex("810100820100"),
        {"ss-Status": b"\0", "overrideCategory": "overrideEnabled"},
    ),
    "clir-Data": _STATUS,
    "csg-SubscriptionDataList": (
        bytes.fromhex("300703050500000000"),
        [{"csg-Id": (0, 27)}],
    ),
}
"""For opaque elements: the least that pycrate takes in their place, and its value of that."""
_BRIDGE: Final = Bridge(CLAUSE, _PLACEHOLDERS, ())


@dataclass(frozen=True)
class _Definitions:
    """pycrate's types: of arguments and results by operation code, of parameters by error code."""

    arguments: dict[int, Any]
    results: dict[int, Any]
    errors: dict[int, Any]


def _definitions(*modules: Any, errors: Any) -> _Definitions:
    """Collect the types of the OPERATIONs of some ASN.1 modules, and of the ERRORs of one."""
    operations: dict[int, dict[str, Any]] = {}
    for module in modules:
        for item in module._all_:
            value = getattr(item, "_val", None)
            if isinstance(value, dict) and "operationCode" in value:
                operations[value["operationCode"][1]] = value
    parameters: dict[int, Any] = {}
    for item in errors._all_:
        value = getattr(item, "_val", None)
        if isinstance(value, dict) and "ParameterType" in value and "errorCode" in value:
            parameters[value["errorCode"][1]] = value["ParameterType"]
    return _Definitions(
        {code: value["ArgumentType"] for code, value in operations.items() if "ArgumentType" in value},
        {code: value["ResultType"] for code, value in operations.items() if "ResultType" in value},
        parameters,
    )


_V3: Final = _definitions(
    asn1.MAP_MobileServiceOperations,
    asn1.MAP_CallHandlingOperations,
    asn1.MAP_ShortMessageServiceOperations,
    asn1.MAP_SupplementaryServiceOperations,
    errors=asn1.MAP_Errors,
)
_V2: Final = _definitions(
    asn1.MAPv2_CallHandlingOperations,
    asn1.MAPv2_ShortMessageServiceOperations,
    asn1.MAPv2_SupplementaryServiceOperations,
    errors=asn1.MAPv2_Errors,
)


_ENDS_WITH_V2: Final = frozenset((59, 60, 61, 64))
"""Operations whose application context has no version 3: TS 29.002 defines them for version 2."""


def _of(version: int, opcode: int = -1) -> _Definitions:
    return _V3 if version >= V3 or opcode in _ENDS_WITH_V2 else _V2


def _decode(definition: Any, kind: Type, parameter: bytes, tag: int = -1) -> Any:
    pruned, aside = _BRIDGE.prune(Component("", tag, kind, latest=tag), parameter)
    try:
        definition.from_ber(pruned)
        value = definition.get_val()
    except REFUSALS as error:
        raise DecodeError(f"refused by the ASN.1: {error}", 0, _CLAUSE) from None
    return _BRIDGE.from_pycrate(kind, value, aside)


def _encode(definition: Any, kind: Type, value: Any, tag: int = -1) -> bytes:
    plain = _BRIDGE.to_pycrate(kind, value)
    try:
        definition.set_val(plain)
        octets = bytes(definition.to_ber())
    except REFUSALS as error:
        raise EncodeError(f"refused by the ASN.1: {error}", _CLAUSE) from None
    return _BRIDGE.graft(Component("", tag, kind, latest=tag), octets, value)


@final
class ReferenceCodec:
    """`ss7.cap.codec.Codec` for MAP, by pycrate."""

    def decode_argument(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `ss7.map.codec.FastCodec`."""
        kind = argument_type(opcode, version)
        if kind is None:
            raise DecodeError(no_such(opcode, version), 0, _CLAUSE)
        if not parameter:
            raise DecodeError(f"{operation_name(opcode, version)} without its argument", 0, _CLAUSE)
        return _decode(_of(version, opcode).arguments[opcode], kind, parameter)

    def encode_argument(self, opcode: int, value: Any, version: int) -> bytes:
        """See `ss7.map.codec.FastCodec`."""
        kind = argument_type(opcode, version)
        if kind is None:
            raise EncodeError(no_such(opcode, version), _CLAUSE)
        return _encode(_of(version, opcode).arguments[opcode], kind, value)

    def decode_result(self, opcode: int, parameter: bytes, version: int) -> Any:
        """See `ss7.map.codec.FastCodec`."""
        kind = result_type(opcode, version)
        if kind is None:
            if parameter:
                raise DecodeError("result parameter of an operation that has none", 0, _CLAUSE)
            return None
        if not parameter:
            if BY_OPCODE[opcode].result_optional:
                return None
            raise DecodeError("result without its parameter", 0, _CLAUSE)
        return _decode(self._result(opcode, version), kind, parameter, result_tag(opcode, version))

    def encode_result(self, opcode: int, value: Any, version: int) -> bytes:
        """See `ss7.map.codec.FastCodec`."""
        kind = result_type(opcode, version)
        if value is None and (kind is None or BY_OPCODE[opcode].result_optional):
            return b""
        if kind is None:
            raise EncodeError(f"{operation_name(opcode)} has no result", _CLAUSE)
        return _encode(self._result(opcode, version), kind, value, result_tag(opcode, version))

    def _result(self, opcode: int, version: int) -> Any:
        """Return pycrate's type of a result; where v1 and v2 have none, v3's."""
        return _of(version, opcode).results.get(opcode) or _V3.results[opcode]

    def decode_error(self, code: int, parameter: bytes, version: int) -> Any:
        """See `ss7.map.codec.FastCodec`."""
        if not parameter:
            return None
        kind = error_type(code, version)
        if kind is None:
            raise DecodeError("parameter of an error that has none", 0, _CLAUSE)
        return _decode(_of(version).errors[code], kind, parameter)

    def encode_error(self, code: int, value: Any, version: int) -> bytes:
        """See `ss7.map.codec.FastCodec`."""
        if value is None:
            return b""
        kind = error_type(code, version)
        if kind is None:
            raise EncodeError(f"error {code} has no parameter", _CLAUSE)
        return _encode(_of(version).errors[code], kind, value)


REFERENCE: Final = ReferenceCodec()
