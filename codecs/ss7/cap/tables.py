"""Descriptions (`ss7.cap.schema`) made into the fast codec's tables (`ss7.cap.walk`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ss7.cap import schema
from ss7.cap.primitives import (
    BitsNode,
    BooleanNode,
    EnumeratedNode,
    IntegerNode,
    NullNode,
    OctetsNode,
    OpaqueNode,
)
from ss7.cap.walk import (
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

    from ss7.cap.node import Node

_MAX_IDENTIFIER: Final = 64
"""Octets of an OBJECT IDENTIFIER: the standard sets no limit; this is several times what extensions use."""


@cache
def node(kind: schema.Type) -> Node:
    """Return the node of a type."""
    return _BUILDERS[type(kind)](kind)


def whole(kind: schema.Type) -> Node:
    """Return a node that decodes and encodes a type with its tag and length octets."""
    if isinstance(kind, (schema.ChoiceType, schema.OneOfType)):
        return node(kind)
    component = schema.Component("", -1, kind)
    return ChoiceNode(_entries((component,)), None, {"": _put(component)})


def _entries(components: tuple[schema.Component, ...]) -> dict[int, Entry]:
    entries: dict[int, Entry] = {}
    for rank, component in enumerate(components):
        for tag, path, inner in schema.alternatives(component):
            choices: list[tuple[Any, str]] = list(reversed(path))
            entries[tag] = Entry(inner.identifier, component.slot, rank, node(inner.type), choices)
    return entries


def _put(component: schema.Component) -> Put:
    target = node(component.type)
    if component.number < 0 and isinstance(target, ChoiceNode):
        target = UntaggedNode(target)
    default = MISSING if component.mandatory else component.default
    return Put(component.identifier, component.slot, tag_octets(component.tag), target, default)


def _sequence(kind: schema.SequenceType) -> Node:
    blank: list[object] = [None] * (len(kind.components) + len(kind.absent))
    for component in kind.components:
        blank[component.slot] = MISSING if component.mandatory else component.default
    for absent in kind.absent:
        blank[absent.slot] = absent.default
    return SequenceNode(
        kind.cls,
        _entries(kind.components),
        [_put(component) for component in kind.components],
        blank,
        kind.extensible,
        [(absent.slot, absent.identifier, absent.default) for absent in kind.absent],
    )


def _choice(kind: schema.ChoiceType) -> Node:
    component = schema.Component("", -1, kind)
    return ChoiceNode(
        _entries((component,)), kind.cls, {item.identifier: _put(item) for item in kind.alternatives}
    )


def _list(kind: schema.ListType) -> Node:
    put = _put(kind.element)
    return ListNode(_entries((kind.element,)), put.tag, put.node, kind.low, kind.high)


def _one_of(kind: schema.OneOfType) -> Node:
    return OneOfNode(
        _entries(tuple(component for _, component in kind.alternatives)),
        {python: _put(component) for python, component in kind.alternatives},
    )


_BUILDERS: Final[dict[type, Callable[[Any], Node]]] = {
    schema.OctetStringType: lambda kind: OctetsNode(kind.low, kind.high),
    schema.BitStringType: lambda kind: BitsNode(kind.low, kind.high),
    schema.IntegerType: lambda kind: IntegerNode(kind.low, kind.high),
    schema.EnumeratedType: lambda kind: EnumeratedNode({m.value: m for m in kind.cls}, kind.extensible),
    schema.ObjectIdentifierType: lambda _: OctetsNode(1, _MAX_IDENTIFIER),
    schema.BooleanType: lambda _: BooleanNode(),
    schema.NullType: lambda _: NullNode(),
    schema.OpaqueType: lambda _: OpaqueNode(),
    schema.SequenceType: _sequence,
    schema.ChoiceType: _choice,
    schema.ListType: _list,
    schema.OneOfType: _one_of,
}
