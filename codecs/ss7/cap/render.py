"""CAP values for people and JSON: ASN.1 identifiers as keys, numbers as digits, other octets as hex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import astuple

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
from ss7.cap.contents import CONTENTS
from ss7.cap.contexts import LATEST
from ss7.cap.dialogue import SYNTAXES, user_information
from ss7.cap.roots import argument_type, error_type, result_type
from ss7.errors import DecodeError
from ss7.tcap_dialogue import oid_text

__all__ = [
    "CONTENTS",
    "argument_to_json",
    "contents_to_json",
    "error_to_json",
    "result_to_json",
    "to_json",
    "user_information_to_json",
]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Contents: TypeAlias = "Mapping[str, Callable[[bytes], Any]]"
_NOTHING: Final[Contents] = {}


def contents_to_json(name: str, octets: bytes, version: int) -> Any:
    """Return what octets contain, by a name of `CONTENTS` or `ss7.cap.charging.CONTAINED`.

    Raises:
        DecodeError: they don't.
    """
    show = CONTENTS.get(name)
    return _contained(name, octets, version) if show is None else show(octets)


def argument_to_json(opcode: int, value: Any, version: int) -> Any:
    """Return an argument as JSON can have it; None for no argument.

    Octets that don't contain what they should become ``{"hex": …, "note": why, "offset": …, "clause": …}``;
    the offset is counted from their first octet.
    """
    kind = argument_type(opcode, version)
    return None if kind is None or value is None else to_json(kind, value, version)


def result_to_json(opcode: int, value: Any, version: int) -> Any:
    """Return a result as JSON can have it; None for no result."""
    kind = result_type(opcode, version)
    return None if kind is None or value is None else to_json(kind, value, version)


def user_information_to_json(octets: bytes) -> list[dict[str, Any]]:
    """Return the user information of a dialogue portion: each with its syntax, its value if that is CAP's.

    Raises:
        DecodeError: it is no list of EXTERNALs.
    """
    shown = []
    for each in user_information(octets):
        item: dict[str, Any] = {"reference": _noted(each.reference, oid_text)} if each.reference else {}
        if each.value is None:
            item["octets"] = each.octets.hex()
        else:
            name, kind = SYNTAXES[each.reference]
            item[name] = to_json(kind, each.value, LATEST)
        shown.append(item)
    return shown


def error_to_json(code: int, value: Any) -> Any:
    """Return an error's parameter as JSON can have it; None for no parameter."""
    kind = error_type(code)
    return None if kind is None or value is None else to_json(kind, value, 4)


def to_json(kind: Type, value: Any, version: int, also: Contents = _NOTHING) -> Any:
    """Return a value of a described type as JSON can have it.

    Args:
        kind: description of the type.
        value: of it.
        version: of its protocol.
        also: shows what octets contain, beside `CONTENTS`.
    """
    if isinstance(kind, SequenceType):
        slots = astuple(value)
        return {
            component.identifier: to_json(component.type, slots[component.slot], version, also)
            for component in kind.components
            if _shown(component, slots[component.slot])
        }
    if isinstance(kind, ChoiceType):
        chosen = next(item for item in kind.alternatives if item.identifier == value.name)
        return {chosen.identifier: to_json(chosen.type, value.value, version, also)}
    if isinstance(kind, OneOfType):
        chosen = next(component for python, component in kind.alternatives if isinstance(value, python))
        return to_json(chosen.type, value, version, also)
    if isinstance(kind, ListType):
        return [to_json(kind.element.type, item, version, also) for item in value]
    if isinstance(kind, OctetStringType):
        show = also.get(kind.contains)
        return _octets(value, kind.contains, version) if show is None else _noted(value, show)
    if isinstance(kind, ObjectIdentifierType):
        return _noted(value, oid_text)
    if isinstance(kind, EnumeratedType) and isinstance(value, Enumerated):
        return value.identifier
    if isinstance(kind, NullType):
        return True
    return value.hex() if isinstance(value, bytes) else value


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
        return {
            "hex": octets.hex(),
            "note": error.reason,
            "offset": error.offset,
            **({"clause": error.clause} if error.clause else {}),
        }
