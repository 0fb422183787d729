"""The octets of a message as a tree: which field stands where, from M3UA down to CAP's and MAP's parameters.

A part is ``{"name": …, "from": first octet, "to": octet behind the last, "value": in words, "parts": […]}``;
``value`` and ``parts`` are there where they are known. Parts cover tag and length too. What is not known is
shown as BER has it; what can't be read ends the part that it is in, in words.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from scp.capture.cap_version import map_version
from ss7.asn1.schema import (
    BooleanType,
    ChoiceType,
    Component,
    EnumeratedType,
    IntegerType,
    ListType,
    ObjectIdentifierType,
    OctetStringType,
    OneOfType,
    SequenceType,
    TextType,
    alternatives,
)
from ss7.ber import REASONS, read_element, read_integer
from ss7.cap import roots as cap_roots
from ss7.cap.contexts import BY_OCTETS
from ss7.cap.operations import BY_OPCODE, operation_name
from ss7.cap.render import contents_to_json
from ss7.errors import DecodeError
from ss7.m3ua_parameters import PARAMETERS, split
from ss7.map import roots as map_roots
from ss7.map.contexts import BY_OCTETS as MAP_CONTEXTS
from ss7.map.operations import operation_name as map_operation_name
from ss7.tcap_dialogue import oid_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ss7.asn1.schema import Type

Part: TypeAlias = dict[str, Any]

DEEPEST: Final = 40
"""Elements in elements that are looked into; CAP in TCAP in M3UA has some twenty at the most."""

_HEADER: Final = 8
_PROTOCOL_DATA: Final = 0x0210  # RFC 4666 §3.3.1
_DATA_FIELDS: Final = (("opc", 4), ("dpc", 4), ("si", 1), ("ni", 1), ("mp", 1), ("sls", 1))
_HEADER_FIELDS: Final = (
    ("version", 1),
    ("reserved", 1),
    ("message class", 1),
    ("message type", 1),
    ("length", 4),
)
_SEGMENTATION: Final = 0x10
_SCCP: Final = 3  # service indicator (Q.704 §14.2.1)
_UNIT_DATA: Final = {0x09: ("UDT", 2), 0x0A: ("UDTS", 2), 0x11: ("XUDT", 3), 0x12: ("XUDTS", 3)}
"""SCCP messages whose pointers have one octet: name, octets before the first of them (Q.713 §4)."""
_UNIVERSAL: Final = {
    0x01: "BOOLEAN",
    0x02: "INTEGER",
    0x03: "BIT STRING",
    0x04: "OCTET STRING",
    0x05: "NULL",
    0x06: "OBJECT IDENTIFIER",
    0x0A: "ENUMERATED",
    0x16: "IA5String",
    0x28: "EXTERNAL",
    0x30: "SEQUENCE",
    0x31: "SET",
}
_MESSAGES: Final = {0x61: "unidirectional", 0x62: "begin", 0x64: "end", 0x65: "continue", 0x67: "abort"}
_PORTIONS: Final = {
    0x48: "otid",
    0x49: "dtid",
    0x4A: "p-abort cause",
    0x6B: "dialogue portion",
    0x6C: "components",
}
_DIALOGUE: Final = {
    0x28: "EXTERNAL",
    0xA0: "single-ASN1-type",
    0x60: "AARQ",
    0x61: "AARE",
    0x64: "ABRT",
    0x80: "protocol version",
    0xA1: "application context name",
    0xA2: "result",
    0xA3: "result source diagnostic",
    0xBE: "user information",
    **{tag: name for tag, name in _UNIVERSAL.items() if tag != 0x28},
}
_COMPONENTS: Final = {
    0xA1: "invoke",
    0xA2: "returnResultLast",
    0xA3: "returnError",
    0xA4: "reject",
    0xA7: "returnResultNotLast",
}


def octet_tree(octets: bytes, version: int = 0) -> list[Part]:
    """Return the parts of an M3UA message; ``version`` as `scp.capture.tcap_view.tcap_json` has it."""
    if len(octets) < _HEADER:
        return [_unreadable(0, len(octets), "shorter than a header")]
    parts = [_part("common header", 0, _HEADER, parts=list(_fields(octets, 0, _HEADER_FIELDS)))]
    try:
        found = split(octets, _HEADER, len(octets))
    except DecodeError as error:
        return [*parts, _unreadable(_HEADER, len(octets), str(error.reason))]
    for tag, start, end in found:
        name = PARAMETERS[tag].name if tag in PARAMETERS else f"parameter {tag:#06x}"
        shown = _part(name, start - 4, end)
        if tag == _PROTOCOL_DATA and end - start >= 12:
            shown["parts"] = [*_fields(octets, start, _DATA_FIELDS)]
            if octets[start + 8] == _SCCP:
                shown["parts"].append(_sccp(octets, start + 12, end, version))
        elif end - start <= 4:
            shown["value"] = str(int.from_bytes(octets[start:end], "big"))
        parts.append(shown)
    return parts


def tcap_tree(octets: bytes, version: int = 0, start: int = 0, end: int = -1) -> list[Part]:
    """Return the parts of a TCAP message, which ``octets[start:end]`` are."""
    return [
        _named(each, _MESSAGES, _portions(octets, each[2], each[3], version) if each[0] >= 0 else [])
        for each in _elements(octets, start, len(octets) if end < 0 else end)
    ]


# -- parts -------------------------------------------------------------------------------------------------


def _part(name: str, start: int, end: int, value: str = "", parts: list[Part] | None = None) -> Part:
    shown: Part = {"name": name, "from": start, "to": end}
    if value:
        shown["value"] = value
    if parts:
        shown["parts"] = parts
    return shown


def _unreadable(start: int, end: int, why: str) -> Part:
    return _part("unreadable", start, end, why)


def _fields(octets: bytes, at: int, fields: tuple[tuple[str, int], ...]) -> Iterator[Part]:
    for name, size in fields:
        yield _part(name, at, at + size, str(int.from_bytes(octets[at : at + size], "big")))
        at += size


# -- SCCP --------------------------------------------------------------------------------------------------


def _sccp(octets: bytes, start: int, end: int, version: int) -> Part:
    name, fixed = _UNIT_DATA.get(octets[start] if start < end else 0, ("", 0))
    if not name or start + fixed + 3 > end:
        return _part("SCCP message", start, end)
    parts = [_part("message type", start, start + 1, name)]
    second = "return cause" if name.endswith("S") else "protocol class"
    parts.append(_part(second, start + 1, start + 2, str(octets[start + 1] & 0x0F)))
    if fixed == 3:
        parts.append(_part("hop counter", start + 2, start + 3, str(octets[start + 2])))
    first = start + fixed
    behind = min(end, first + (4 if fixed == 3 else 3))  # an XUDT has a pointer to its optional part
    variable = []
    for pointer, what in enumerate(("called party address", "calling party address", "data"), first):
        at = pointer + octets[pointer]
        stop = at + 1 + octets[at] if at < end else end + 1
        if at < behind or stop > end:
            fault = "beyond the end" if stop > end else "among the pointers"
            parts.append(_unreadable(first, behind, f"{what}: {fault}"))
            break
        shown = _part(what, at, stop)
        if what == "data" and not (fixed == 3 and _is_segment(octets, start + 6, end)):
            shown["parts"] = tcap_tree(octets, version, at + 1, stop)
        variable.append(shown)
    # The parts may stand in any order (Q.713 §2.3: a pointer says where each begins).
    for shown in sorted(variable, key=itemgetter("from")):
        if shown["from"] >= behind:  # else it lies in the part before it
            parts.append(shown)
            behind = shown["to"]
    return _part(f"SCCP {name}", start, end, parts=parts)


def _is_segment(octets: bytes, pointer: int, end: int) -> bool:
    """Whether an XUDT carries one of several segments (Q.713 §3.17); ``pointer``: to its optional part."""
    at = pointer + octets[pointer] if pointer < end and octets[pointer] else end
    while at + 2 < end and octets[at]:
        if octets[at] == _SEGMENTATION:
            return octets[at + 2] & 0x8F != 0x80  # not the first, or more remain
        at += 2 + octets[at + 1]
    return False


# -- BER ---------------------------------------------------------------------------------------------------

_Element: TypeAlias = "tuple[int, int, int, int, int]"
"""Tag, offset of the element, its contents, their end, what follows; a tag of -1: the rest is bad."""


def _elements(octets: bytes, start: int, end: int) -> Iterator[_Element]:
    at = start
    while at < end:
        tag, inner, stop, after = read_element(octets, at, end)
        if after < 0:
            yield -1, at, after, end, end
            return
        yield tag, at, inner, stop, after
        at = after


def _named(element: _Element, names: Mapping[int, str], parts: list[Part]) -> Part:
    """Return an element that is named by its tag, with its parts."""
    tag, at, inner, _, after = element
    if tag < 0:
        return _unreadable(at, after, REASONS[inner][0])
    return _part(names.get(tag) or _tag_name(tag), at, after, parts=parts)


def _tag_name(tag: int) -> str:
    if tag in _UNIVERSAL:
        return _UNIVERSAL[tag]
    width = (tag.bit_length() + 7) // 8 or 1
    first = tag >> 8 * (width - 1)
    number = tag & 0x1F if width == 1 else tag & 0x7F
    return f"{('universal ', 'application ', '', 'private ')[first >> 6]}[{number}]"


def _is_constructed(tag: int) -> bool:
    width = (tag.bit_length() + 7) // 8 or 1
    return bool(tag >> 8 * (width - 1) & 0x20)


def _plain(
    octets: bytes, start: int, stop: int, depth: int = 0, names: Mapping[int, str] = _UNIVERSAL
) -> list[Part]:
    """Return what constructed contents hold, by tags alone."""
    found = []
    for tag, at, inner, end, after in _elements(octets, start, stop):
        if tag < 0:
            found.append(_unreadable(at, after, REASONS[inner][0]))
            continue
        shown = _part(names.get(tag) or _tag_name(tag), at, after)
        if tag == 0x06:
            shown["value"] = _oid(octets[inner:end])
        elif _is_constructed(tag) and depth < DEEPEST:
            shown["parts"] = _plain(octets, inner, end, depth + 1, names)
        found.append(shown)
    return found


def _oid(octets: bytes) -> str:
    known = BY_OCTETS.get(octets) or MAP_CONTEXTS.get(octets)
    if known is not None:
        return str(known.name)
    try:
        return oid_text(octets)
    except DecodeError:
        return octets.hex()


# -- TCAP --------------------------------------------------------------------------------------------------


def _portions(octets: bytes, start: int, stop: int, version: int) -> list[Part]:
    found = []
    for each in _elements(octets, start, stop):
        tag, _, inner, end, _ = each
        if tag == 0x6C:
            parts = [_component(octets, component, version) for component in _elements(octets, inner, end)]
        else:
            parts = _plain(octets, inner, end, 0, _DIALOGUE) if tag == 0x6B else []
        found.append(_named(each, _PORTIONS, parts))
    return found


def _component(octets: bytes, element: _Element, version: int) -> Part:
    tag, at, inner, stop, after = element
    if tag not in _COMPONENTS:
        return _named(element, {}, [])
    parts, code = [], -1
    kind = _COMPONENTS[tag]
    elements = list(_elements(octets, inner, stop))
    if tag in (0xA2, 0xA7) and len(elements) == 2 and elements[1][0] == 0x30:
        _, _, start, end, _ = elements[1]
        elements = [elements[0], *_elements(octets, start, end)]
    for index, (inside, where, start, end, behind) in enumerate(elements):
        if inside < 0:
            parts.append(_unreadable(where, behind, REASONS[start][0]))
        elif index == 0 or (inside == 0x80 and index == 1):
            name = "linked id" if index else "invoke id"
            parts.append(_part(name, where, behind, str(read_integer(octets, start, end))))
        elif code < 0 and inside == 0x02:
            code = read_integer(octets, start, end)
            parts.append(_part(*_code(kind, code, version, where, behind)))
        elif code >= 0:
            parts.append(
                _typed(octets, (inside, where, start, end, behind), _type(kind, code, version), version)
            )
        else:
            parts.append(
                _part(
                    _tag_name(inside),
                    where,
                    behind,
                    parts=_plain(octets, start, end) if _is_constructed(inside) else [],
                )
            )
    return _part(kind, at, after, parts=parts)


def _code(kind: str, code: int, version: int, start: int, end: int) -> tuple[str, int, int, str]:
    if kind == "returnError":
        return "error code", start, end, str(code)
    of_map = map_version(version)
    name = map_operation_name(code, of_map) if of_map else operation_name(code)
    return "operation", start, end, f"{code} {name}"


def _type(kind: str, code: int, version: int) -> tuple[str, Type | None]:
    """Return what the parameter of a component is called, and its description as far as there is one."""
    of_map = map_version(version)
    if version < 0 and not of_map:
        return "parameter", None
    if kind == "invoke":
        if of_map:
            return "argument", map_roots.argument_type(code, of_map)
        return "argument", cap_roots.argument_type(code, version or 4) if code in BY_OPCODE else None
    if kind == "returnError":
        return "parameter", map_roots.error_type(code, of_map) if of_map else cap_roots.error_type(code)
    if of_map:
        return "result", map_roots.result_type(code, of_map)
    return "result", cap_roots.result_type(code, version or 4) if code in BY_OPCODE else None


# -- described types ---------------------------------------------------------------------------------------


def _typed(
    octets: bytes, element: _Element, named: tuple[str, Type | None], version: int, depth: int = 0
) -> Part:
    """Return an element of a described type; where it is none of its forms, what BER shows."""
    tag, at, inner, stop, after = element
    name, kind = named
    if tag < 0:
        return _unreadable(at, after, REASONS[inner][0])
    if isinstance(kind, OneOfType):
        kind = next((each.type for _, each in kind.alternatives if each.tag == tag), None)
    if isinstance(kind, ChoiceType) and depth == 0:
        chosen = _chosen((Component(name, -1, kind),), tag)
        if chosen is not None:
            name, kind = chosen
    if depth > DEEPEST or kind is None or not _is_constructed(tag):
        value = "" if kind is None or _is_constructed(tag) else _value(kind, octets[inner:stop], version)
        parts = _plain(octets, inner, stop, depth) if kind is None and _is_constructed(tag) else []
        return _part(name, at, after, value, parts)
    parts = []
    for number, each in enumerate(_elements(octets, inner, stop), 1):
        if isinstance(kind, ListType):
            chosen = _chosen((kind.element,), each[0]) or (f"{number}", None)
            chosen = f"{number} {chosen[0]}" if chosen[0] != "item" else str(number), chosen[1]
        elif isinstance(kind, SequenceType):
            chosen = _chosen(kind.components, each[0]) or (_tag_name(each[0]) if each[0] >= 0 else "", None)
        elif isinstance(kind, ChoiceType):
            chosen = _chosen(kind.alternatives, each[0]) or (_tag_name(each[0]) if each[0] >= 0 else "", None)
        else:
            chosen = (_tag_name(each[0]) if each[0] >= 0 else "", None)
        parts.append(_typed(octets, each, chosen, version, depth + 1))
    return _part(name, at, after, parts=parts)


def _chosen(components: tuple[Component, ...], tag: int) -> tuple[str, Type | None] | None:
    """Return name and type of the component that an element with this tag is; None: of none."""
    for component in components:
        for known, path, inner in alternatives(component):
            if known == tag:
                names = [component.identifier, *(name for _, name in path)]
                return ".".join(dict.fromkeys(names)), inner.type
    return None


def _value(kind: Type, octets: bytes, version: int) -> str:
    """Return what primitive contents say, in words; "" where only the octets do."""
    if isinstance(kind, IntegerType):
        return str(int.from_bytes(octets, "big", signed=True))
    if isinstance(kind, BooleanType):
        return "true" if any(octets) else "false"
    if isinstance(kind, EnumeratedType):
        number = int.from_bytes(octets, "big", signed=True)
        return next((f"{number} {each.identifier}" for each in kind.cls if each == number), str(number))
    if isinstance(kind, TextType):
        return octets.decode("ascii", "replace")
    if isinstance(kind, ObjectIdentifierType):
        return _oid(octets)
    if isinstance(kind, OctetStringType) and kind.contains:
        try:
            shown = contents_to_json(kind.contains, octets, max(version, 0) or 4)
        except (DecodeError, KeyError):
            return ""
        if isinstance(shown, dict):
            return ", ".join(f"{name} {value}" for name, value in shown.items())
        return str(shown)
    return ""
