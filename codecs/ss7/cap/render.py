"""CAP values for people and JSON: ASN.1 identifiers as keys, numbers as digits, other octets as hex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import astuple

from ss7 import address, cause, isup
from ss7.asn1.declare import Enumerated
from ss7.asn1.schema import (
    ChoiceType,
    Component,
    EnumeratedType,
    ListType,
    NullType,
    ObjectIdentifierType,
    OctetStringType,
    OneOfType,
    SequenceType,
    Type,
)
from ss7.cap.charging import CONTAINED, contained_type, decode_contained
from ss7.cap.roots import argument_type, error_type
from ss7.errors import DecodeError
from ss7.tcap_dialogue import oid_text

if TYPE_CHECKING:
    from collections.abc import Callable


def _bcd_time(octets: bytes) -> str:
    """Return DateAndTime's seven octets as ``2026-11-21T05:55:15`` (TS 29.078 §5.1)."""
    if len(octets) < 7:
        raise DecodeError("time of fewer than 7 octets", len(octets), "TS 29.078 §5.1")
    digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in octets[:7])
    if not digits.isdecimal():
        raise DecodeError("no decimal digits in a time", 0, "TS 29.078 §5.1")
    year, month, day, hour, minute, second = digits[:4], *(digits[at : at + 2] for at in range(4, 14, 2))
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}"


def _time_and_timezone(octets: bytes) -> str:
    """Return TimeAndTimezone with its zone in quarters of an hour (TS 23.040 §9.2.3.11) as ``+01:00``."""
    if len(octets) < 8:
        raise DecodeError("time without its time zone", len(octets), "TS 29.078 §5.1")
    quarters = (octets[7] & 0x07) * 10 + (octets[7] >> 4)
    sign = "-" if octets[7] & 0x08 else "+"
    return f"{_bcd_time(octets)}{sign}{quarters // 4:02d}:{quarters % 4 * 15:02d}"


CONTENTS: Final[dict[str, Callable[[bytes], Any]]] = {
    "AddressString": lambda octets: address.AddressString.decode(octets).as_dict(),
    "CalledPartyBCDNumber": lambda octets: address.CalledPartyBCDNumber.decode(octets).as_dict(),
    "IMSI": lambda octets: address.Imsi.decode(octets).as_dict(),
    "CellGlobalId": lambda octets: address.CellGlobalId.decode(octets).as_dict(),
    "LocationAreaId": lambda octets: address.LocationAreaId.decode(octets).as_dict(),
    "CalledPartyNumber": lambda octets: isup.CalledPartyNumber.decode(octets).as_dict(),
    "CallingPartyNumber": lambda octets: isup.CallingPartyNumber.decode(octets).as_dict(),
    "GenericNumber": lambda octets: isup.GenericNumber.decode(octets).as_dict(),
    "LocationNumber": lambda octets: isup.LocationNumber.decode(octets).as_dict(),
    "OriginalCalledNumber": lambda octets: isup.OriginalCalledNumber.decode(octets).as_dict(),
    "RedirectingNumber": lambda octets: isup.RedirectingNumber.decode(octets).as_dict(),
    "RedirectionInformation": lambda octets: isup.RedirectionInformation.decode(octets).as_dict(),
    "Cause": lambda octets: cause.Cause.decode(octets).as_dict(),
    "DateAndTime": _bcd_time,
    "TimeAndTimezone": _time_and_timezone,
}
"""Shows octets by what their declaration says that they contain."""


def contents_to_json(name: str, octets: bytes, version: int) -> Any:
    """Return what octets contain, by a name of `CONTENTS` or `ss7.cap.charging.CONTAINED`.

    Raises:
        DecodeError: they don't.
    """
    show = CONTENTS.get(name)
    return _contained(name, octets, version) if show is None else show(octets)


def argument_to_json(opcode: int, value: Any, version: int) -> Any:
    """Return an argument as JSON can have it; None for no argument.

    Octets that don't contain what they should become ``{"hex": …, "note": why}``.
    """
    kind = argument_type(opcode, version)
    return generic_to_json(value) if kind is None else to_json(kind, value, version)


def error_to_json(code: int, value: Any) -> Any:
    """Return an error's parameter as JSON can have it; None for no parameter."""
    kind = error_type(code)
    return None if kind is None or value is None else to_json(kind, value, 4)


def to_json(kind: Type, value: Any, version: int) -> Any:
    """Return a value of a described type as JSON can have it."""
    if isinstance(kind, SequenceType):
        slots = astuple(value)
        return {
            component.identifier: _component(component, slots[component.slot], version)
            for component in kind.components
            if _shown(component, slots[component.slot])
        }
    if isinstance(kind, ChoiceType):
        chosen = next(item for item in kind.alternatives if item.identifier == value.name)
        return {chosen.identifier: _component(chosen, value.value, version)}
    if isinstance(kind, OneOfType):
        chosen = next(component for python, component in kind.alternatives if isinstance(value, python))
        return to_json(chosen.type, value, version)
    if isinstance(kind, ListType):
        return [to_json(kind.element.type, item, version) for item in value]
    if isinstance(kind, OctetStringType):
        return _octets(value, kind.contains, version)
    if isinstance(kind, ObjectIdentifierType):
        return _noted(value, oid_text)
    if isinstance(kind, EnumeratedType) and isinstance(value, Enumerated):
        return value.identifier
    if isinstance(kind, NullType):
        return True
    return value.hex() if isinstance(value, bytes) else value


def _component(component: Component, value: Any, version: int) -> Any:
    return to_json(component.type, value, version)


def _shown(component: Component, value: Any) -> bool:
    """Whether a component is there: a DEFAULT is shown, what is OPTIONAL and absent is not."""
    if isinstance(component.type, NullType):
        return bool(value)
    return value is not None


def _octets(value: bytes, contains: str, version: int) -> Any:
    if contains in CONTENTS or contains in CONTAINED:
        return _noted(value, lambda octets: contents_to_json(contains, octets, version))
    return value.hex()


def _contained(name: str, octets: bytes, version: int) -> Any:
    return to_json(contained_type(name, version), decode_contained(name, octets, version), version)


def _noted(octets: bytes, show: Callable[[bytes], Any]) -> Any:
    try:
        return show(octets)
    except DecodeError as error:
        return {"hex": octets.hex(), "note": str(error)}


def generic_to_json(value: Any) -> Any:
    """Return a value of the reference codec's own (`ss7.reference.Generic`) as JSON can have it."""
    if isinstance(value, dict):
        return {name: generic_to_json(item) for name, item in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return {value[0]: generic_to_json(value[1])}
    if isinstance(value, (list, tuple)):
        return [generic_to_json(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return generic_to_json(value.value) if hasattr(value, "value") else value
