"""Both codecs against values that pycrate's ASN.1 made by itself, in whatever BER: the declarations have no say here."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from asn1_values import NoValueError, rewritten, value_of
from msgspec.structs import astuple

from ss7.asn1 import schema
from ss7.cap.codec import FAST
from ss7.cap.operations import operation_name
from ss7.cap.reference import _DEFINITIONS, REFERENCE
from ss7.cap.roots import argument_type

OPCODES = [opcode for opcode in sorted(_DEFINITIONS.arguments) if argument_type(opcode, 4) is not None]
FORMS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.2, 0.2)]
VALUES = 40


def difference(kind: schema.Type, ours: Any, theirs: Any, path: str = "") -> str:
    """Where two values differ; "" if they don't. What pycrate has no table for is not looked at."""
    if isinstance(kind, schema.SequenceType):
        slots = astuple(ours)
        return next(filter(None, (_component(each, slots, theirs, path) for each in kind.components)), "")
    if isinstance(kind, schema.ListType):
        if len(ours) != len(theirs):
            return f"{path}: {len(ours)} elements, not {len(theirs)}"
        pairs = enumerate(zip(ours, theirs, strict=True))
        found = (difference(kind.element.type, a, b, f"{path}[{index}]") for index, (a, b) in pairs)
        return next(filter(None, found), "")
    if isinstance(kind, schema.ChoiceType):
        if ours.name != theirs[0]:
            return f"{path}: {ours.name}, not {theirs[0]}"
        chosen = next(each for each in kind.alternatives if each.identifier == ours.name)
        return difference(chosen.type, ours.value, theirs[1], path)
    if isinstance(kind, schema.OneOfType):
        chosen = next(each for _, each in kind.alternatives if each.identifier == theirs[0])
        return difference(chosen.type, ours, theirs[1], path)
    return "" if _same(kind, ours, theirs) else f"{path}: {ours!r}, not {theirs!r}"


def _component(component: schema.Component, slots: tuple[Any, ...], theirs: dict[str, Any], path: str) -> str:
    ours, path = slots[component.slot], f"{path}.{component.identifier}"
    if component.identifier not in theirs:
        return "" if ours == component.default else f"{path}: {ours!r}, but it is absent"
    return difference(component.type, ours, theirs[component.identifier], path)


def _same(kind: schema.Type, ours: Any, theirs: Any) -> bool:
    if isinstance(kind, (schema.OpaqueType, schema.ObjectIdentifierType)):
        return isinstance(ours, bytes)
    if isinstance(kind, schema.EnumeratedType):
        return bool(ours.identifier == theirs)
    if isinstance(kind, schema.BitStringType):
        bits = 8 * (len(ours) - 1) - ours[0]
        return (int.from_bytes(ours[1:], "big") >> ours[0], bits) == theirs
    if isinstance(kind, schema.NullType):
        return ours is True
    return bool(ours == theirs)


@pytest.mark.parametrize("opcode", OPCODES, ids=operation_name)
def test_what_the_asn1_makes_is_read_as_it_was_made(opcode: int) -> None:
    definition, kind = _DEFINITIONS.arguments[opcode], argument_type(opcode, 4)
    assert kind is not None
    random = Random(opcode)
    read = 0
    for number in range(VALUES):
        try:
            theirs = value_of(definition, random, random.choice([0.1, 0.4, 0.9]))
        except NoValueError:
            continue
        definition.set_val(theirs)
        octets = rewritten(definition.to_ber(), random, *FORMS[number % len(FORMS)])
        for codec in (FAST, REFERENCE):
            ours = codec.decode_argument(opcode, octets, 4)
            assert not difference(kind, ours, theirs), octets.hex()
        read += 1
    assert read > VALUES // 2
