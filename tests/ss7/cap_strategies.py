"""Hypothesis strategies for CAP values, made of the declarations, and mutations of their octets."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ss7.asn1 import schema
from ss7.ber import encode_element, encode_tag, read_element
from ss7.cap.operations import OPERATIONS
from ss7.cap.roots import argument_type

VERSIONS = (1, 2, 3, 4)
FAST_ARGUMENTS = [
    (operation.opcode, version)
    for operation in OPERATIONS
    for version in VERSIONS
    if argument_type(operation.opcode, version) is not None
]


def values(kind: schema.Type) -> st.SearchStrategy[Any]:
    """Values of a described type."""
    if isinstance(kind, schema.OctetStringType):
        return st.binary(min_size=kind.low, max_size=min(kind.high, kind.low + 12))
    if isinstance(kind, schema.TextType):
        return st.text(st.characters(max_codepoint=0x7F), min_size=kind.low, max_size=min(kind.high, 12))
    if isinstance(kind, schema.BitStringType):
        return st.integers(kind.low, kind.high).flatmap(_bits)
    if isinstance(kind, schema.IntegerType):
        return st.integers(kind.low, kind.high)
    if isinstance(kind, schema.EnumeratedType):
        members = st.sampled_from(list(kind.cls))
        known = {member.value for member in kind.cls}
        unknown = st.integers(0, 300).filter(lambda value: value not in known)
        return members | unknown if kind.extensible else members
    if isinstance(kind, schema.ObjectIdentifierType):
        return st.sampled_from([b"\x04\x00\x00\x01\x00\x32\x01", b"\x2a\x03"])
    if isinstance(kind, schema.BooleanType):
        return st.booleans()
    if isinstance(kind, schema.NullType):
        return st.just(True)
    if isinstance(kind, schema.OpaqueType):
        return st.binary(max_size=3).map(lambda octets: encode_element(0x81, octets))
    if isinstance(kind, schema.SequenceType):
        return sequences(kind)
    if isinstance(kind, schema.ListType):
        high = min(kind.high, kind.low + 2)
        return st.lists(values(kind.element.type), min_size=kind.low, max_size=high).map(tuple)
    if isinstance(kind, schema.ChoiceType):
        return st.sampled_from(kind.alternatives).flatmap(
            lambda chosen: values(chosen.type).map(lambda value: kind.cls(chosen.identifier, value))
        )
    assert isinstance(kind, schema.OneOfType)
    return st.one_of([values(component.type) for _, component in kind.alternatives])


def _bits(count: int) -> st.SearchStrategy[bytes]:
    unused = -count % 8
    return st.integers(0, 2**count - 1).map(
        lambda bits: bytes((unused,)) + (bits << unused).to_bytes((count + unused) // 8, "big")
    )


@st.composite
def sequences(draw: st.DrawFn, kind: schema.SequenceType) -> Any:
    """Values of a SEQUENCE: each optional component is there or not."""
    slots: dict[int, Any] = {absent.slot: absent.default for absent in kind.absent}
    for component in kind.components:
        there = component.mandatory or draw(st.integers(0, 3)) == 0
        slots[component.slot] = draw(values(component.type)) if there else component.default
    return kind.cls(*(slots[slot] for slot in sorted(slots)))


@st.composite
def arguments(draw: st.DrawFn) -> tuple[int, int, Any]:
    """(operation code, CAP version, argument)."""
    opcode, version = draw(st.sampled_from(FAST_ARGUMENTS))
    kind = argument_type(opcode, version)
    assert kind is not None
    return opcode, version, draw(values(kind))


Tree = tuple[int, bytes | list["Tree"]]


def parse(octets: bytes) -> list[Any]:
    """Octets as a list of [tag, contents octets or list]."""
    trees: list[Any] = []
    offset = 0
    while offset < len(octets):
        tag, start, stop, after = read_element(octets, offset, len(octets))
        if after < 0:
            return [[None, octets[offset:]], *trees]
        constructed = octets[offset] & 0x20
        trees.append([tag, parse(octets[start:stop]) if constructed else octets[start:stop]])
        offset = after
    return trees


def build(trees: list[Any], indefinite: frozenset[int] = frozenset()) -> bytes:
    """The octets of `parse`'s trees; those whose id is in ``indefinite`` in the indefinite form."""
    parts: list[bytes] = []
    for tree in trees:
        tag, contents = tree
        octets = build(contents, indefinite) if isinstance(contents, list) else contents
        if tag is None:
            parts.append(octets)
        elif id(tree) in indefinite:
            parts.append(encode_tag(tag) + b"\x80" + octets + b"\x00\x00")
        else:
            parts.append(encode_element(tag, octets))
    return b"".join(parts)


def _places(trees: list[Any]) -> list[tuple[list[Any], int]]:
    places = []
    for index, tree in enumerate(trees):
        places.append((trees, index))
        if isinstance(tree[1], list):
            places.extend(_places(tree[1]))
    return places


TAGS = [
    0x00,
    0x02,
    0x04,
    0x05,
    0x0A,
    0x1E,
    0x30,
    0x80,
    0x81,
    0x82,
    0x9F32,
    0x9F6F,
    0x9F81,
    0xA0,
    0xA2,
    0xBF34,
    0xBF6F,
    0x41,
]


@st.composite
def mutated(draw: st.DrawFn, octets: bytes) -> bytes:
    """Octets changed a little: in their structure, with lengths that still fit, or anywhere."""
    trees = parse(octets)
    indefinite: set[int] = set()
    for _ in range(draw(st.integers(1, 2))):
        places = _places(trees)
        if not places:
            break
        siblings, index = draw(st.sampled_from(places))
        tree = siblings[index]
        match draw(st.integers(0, 8)):
            case 0:
                del siblings[index]
            case 1:
                siblings.insert(draw(st.integers(0, len(siblings))), tree)
            case 2:
                siblings[index], siblings[0] = siblings[0], siblings[index]
            case 3:
                unknown = draw(st.sampled_from(TAGS))
                siblings.insert(index, [unknown, draw(st.binary(max_size=4))])
            case 4:
                indefinite.add(id(tree))
            case 5 if isinstance(tree[1], bytes) and tree[0] is not None:
                half = len(tree[1]) // 2
                constructed = tree[0] | (0x20 if tree[0] <= 0xFF else 0x2000)
                siblings[index] = [constructed, [[0x04, tree[1][:half]], [0x04, tree[1][half:]]]]
            case 6 if isinstance(tree[1], bytes):
                siblings[index] = [tree[0], draw(st.binary(max_size=4)) + tree[1]]
            case 7 if isinstance(tree[1], bytes):
                siblings[index] = [tree[0], draw(st.binary(max_size=9))]
            case _ if tree[0] is not None:
                siblings[index] = [draw(st.sampled_from(TAGS)), tree[1]]
    changed = bytearray(build(trees, frozenset(indefinite)))
    if changed and draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(changed) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del changed[at:]
            case 2:
                changed[at:at] = draw(st.binary(min_size=1, max_size=3))
            case _:
                changed[at] = draw(st.integers(0, 255))
    return bytes(changed)
