"""Descriptions (`ss7.asn1.schema`) made into tables that decode and encode (`ss7.asn1.walk`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ss7.asn1 import schema
from ss7.asn1.primitives import (
    BitsNode,
    BooleanNode,
    EnumeratedNode,
    IntegerNode,
    NullNode,
    OctetsNode,
    OpaqueNode,
    TextNode,
)
from ss7.asn1.walk import (
    MISSING,
    ChoiceNode,
    Entry,
    ListNode,
    OneOfNode,
    Put,
    SequenceNode,
    UntaggedNode,
    tag_octets,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ss7.asn1.node import Node

_MAX_IDENTIFIER: Final = 64
"""Octets of an OBJECT IDENTIFIER: the standard sets no limit; this is several times what extensions use."""


@cache
def node(kind: schema.Type, clause: str) -> Node:
    """Return the node of a type; ``clause`` says where it is defined, for errors."""
    return _BUILDERS[type(kind)](kind, clause)


def whole(kind: schema.Type, clause: str, number: int = -1) -> Node:
    """Return a node that decodes and encodes a type with its tag and length octets.

    Args:
        kind: the type.
        clause: where it is defined, for errors.
        number: of its context-specific tag; -1: it has its universal one.
    """
    if isinstance(kind, (schema.ChoiceType, schema.OneOfType)):
        return node(kind, clause)
    component = schema.Component("", number, kind)
    return ChoiceNode(_entries((component,), clause), None, {"": _put(component, clause)}, clause)


def _entries(components: tuple[schema.Component, ...], clause: str) -> dict[int, Entry]:
    entries: dict[int, Entry] = {}
    for rank, component in enumerate(components):
        for tag, path, inner in schema.alternatives(component):
            choices: list[tuple[Any, str]] = list(reversed(path))
            entry = Entry(inner.identifier, component.slot, rank, node(inner.type, clause), choices)
            first = entries.setdefault(tag, entry)
            while first is not entry:  # told apart by the order
                if first.later is None:
                    first.later = entry
                first = first.later
    return entries


def _put(component: schema.Component, clause: str) -> Put:
    target = node(component.type, clause)
    if component.number < 0 and isinstance(target, ChoiceNode):
        target = UntaggedNode(target)
    default = MISSING if component.mandatory else component.default
    return Put(component.identifier, component.slot, tag_octets(component.tag), target, default)


def _sequence(kind: schema.SequenceType, clause: str) -> Node:
    blank: list[object] = [None] * (len(kind.components) + len(kind.absent))
    for component in kind.components:
        blank[component.slot] = MISSING if component.mandatory else component.default
    for absent in kind.absent:
        blank[absent.slot] = absent.default
    return SequenceNode(
        kind.cls,
        _entries(kind.components, clause),
        [_put(component, clause) for component in kind.components],
        blank,
        kind.extensible,
        [(absent.slot, absent.identifier, absent.default) for absent in kind.absent],
        clause,
    )


def _choice(kind: schema.ChoiceType, clause: str) -> Node:
    component = schema.Component("", -1, kind)
    return ChoiceNode(
        _entries((component,), clause),
        kind.cls,
        {item.identifier: _put(item, clause) for item in kind.alternatives},
        clause,
    )


def _list(kind: schema.ListType, clause: str) -> Node:
    put = _put(kind.element, clause)
    return ListNode(_entries((kind.element,), clause), put.tag, put.node, kind.low, kind.high, clause)


def _one_of(kind: schema.OneOfType, clause: str) -> Node:
    return OneOfNode(
        _entries(tuple(component for _, component in kind.alternatives), clause),
        {python: _put(component, clause) for python, component in kind.alternatives},
        clause,
    )


_BUILDERS: Final[dict[type, Callable[[Any, str], Node]]] = {
    schema.OctetStringType: lambda kind, clause: OctetsNode(kind.low, kind.high, clause),
    schema.TextType: lambda kind, clause: TextNode(kind.low, kind.high, clause),
    schema.BitStringType: lambda kind, clause: BitsNode(kind.low, kind.high, clause),
    schema.IntegerType: lambda kind, clause: IntegerNode(kind.low, kind.high, clause),
    schema.EnumeratedType: lambda kind, clause: EnumeratedNode(
        {m.value: m for m in kind.cls}, kind.extensible, clause
    ),
    schema.ObjectIdentifierType: lambda _, clause: OctetsNode(1, _MAX_IDENTIFIER, clause),
    schema.BooleanType: lambda _, clause: BooleanNode(clause),
    schema.NullType: lambda _, clause: NullNode(clause),
    schema.OpaqueType: lambda _, clause: OpaqueNode(clause),
    schema.SequenceType: _sequence,
    schema.ChoiceType: _choice,
    schema.ListType: _list,
    schema.OneOfType: _one_of,
}
