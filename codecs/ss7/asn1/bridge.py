"""Between declared types and pycrate's values and octets: what a reference codec needs of the schema.

Decoding: `prune` rewrites the octets so that pycrate sees only what it knows (the last version's tags,
components in order, definite lengths, nothing unknown) and puts aside what it can't represent; `from_pycrate`
makes the value of both. Encoding: `to_pycrate` and `graft` do the same backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from msgspec.structs import astuple

from ss7.asn1.node import Declined
from ss7.asn1.primitives import element_at, joined
from ss7.asn1.schema import (
    STRINGS,
    BitStringType,
    BooleanType,
    ChoiceType,
    Component,
    EnumeratedType,
    ListType,
    NullType,
    ObjectIdentifierType,
    OctetStringType,
    OneOfType,
    OpaqueType,
    SequenceType,
    TextType,
    Type,
    alternatives,
    constructed_bit,
)
from ss7.asn1.tables import node
from ss7.ber import encode_element
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Container


def _written(component: Component, value: Any) -> bool:
    return component.mandatory or value != component.default


@final
class Bridge:
    """Converts between the declared types of one ASN.1 module and pycrate's.

    Args:
        clause: where the types are defined, for errors.
        placeholders: what pycrate gets to see in place of an opaque element, by its identifier: contents
            octets, the shortest that it allows, and their value.
        unseen: element types of the lists that pycrate must not see at all.
    """

    def __init__(
        self, clause: str, placeholders: dict[str, tuple[bytes, Any]], unseen: tuple[type, ...]
    ) -> None:
        self._clause = clause
        self._placeholders = placeholders
        self._unseen = unseen

    def _aside(self, component: Component) -> bool:
        """Whether pycrate must not see a component at all."""
        kind = component.type
        if isinstance(kind, ListType) and isinstance(kind.element.type, SequenceType):
            return kind.element.type.cls in self._unseen
        return component.latest == -2 and component.number >= 0

    def _match(
        self,
        components: tuple[Component, ...],
        tag: int,
        offset: int,
        seen: Container[int] = (),
    ) -> tuple[int, Component] | None:
        """Return rank and component of an element in a SEQUENCE.

        Where several have its tag, they are told apart by their order: it is the first that was not ``seen``.
        """
        found: tuple[int, Component] | None = None
        for rank, component in enumerate(components):
            if any(known == tag for known, _, _ in alternatives(component)):
                if rank not in seen:
                    return rank, component
                found = rank, component
        if found is not None:
            return found
        other_form = tag ^ constructed_bit(tag)
        for rank, component in enumerate(components):
            for known, _, inner in alternatives(component):
                if known != other_form:
                    continue
                if not isinstance(inner.type, STRINGS) or known & constructed_bit(known):
                    raise DecodeError(f"{inner.identifier} in the wrong form", offset, "X.690 §8.1.2.5")
                if rank not in seen:
                    return rank, component
                found = rank, component
        return found

    def prune(self, component: Component, octets: bytes) -> tuple[bytes, Any]:
        """Return what pycrate may see of a whole element, and what is put aside.

        Raises:
            DecodeError: ``octets`` are not one element of the component's type.
        """
        tag, start, end, after = element_at(octets, 0, len(octets))
        if after != len(octets):
            raise DecodeError("more than one element where one is expected", after, self._clause)
        return self._prune_element(component, tag, octets, start, end)

    def _prune_element(
        self, component: Component, tag: int, octets: bytes, start: int, end: int
    ) -> tuple[bytes, Any]:
        """Return an element of ``component`` for pycrate, tag and length included, and what is put aside."""
        kind = component.type
        if component.number < 0 and isinstance(kind, ChoiceType):
            for alternative in kind.alternatives:
                if self._match((alternative,), tag, start) is not None:
                    return self._prune_element(alternative, tag, octets, start, end)
            raise DecodeError(f"unexpected element with tag {tag:02x}", start, self._clause)
        if isinstance(kind, OneOfType):
            for _, alternative in kind.alternatives:
                if self._match((alternative,), tag, start) is not None:
                    return self._prune_element(alternative, tag, octets, start, end)
            raise DecodeError(f"unexpected element with tag {tag:02x}", start, self._clause)
        if self._match((component,), tag, start) is None:
            raise DecodeError(f"unexpected element with tag {tag:02x}", start, self._clause)
        number = component.number if component.latest == -2 else component.latest
        target = component.numbered(number if component.number >= 0 else -1)
        if isinstance(kind, OpaqueType):
            return encode_element(
                target, self._placeholders.get(component.identifier, (b"", None))[0]
            ), octets[start:end]
        contents, aside = self._prune_contents(kind, tag, octets, start, end)
        return encode_element(target, contents), aside

    def _prune_contents(self, kind: Type, tag: int, octets: bytes, start: int, end: int) -> tuple[bytes, Any]:
        if isinstance(kind, SequenceType):
            return self._prune_sequence(kind, octets, start, end)
        if isinstance(kind, ListType):
            return self._prune_list(kind, octets, start, end)
        if isinstance(kind, ChoiceType):
            inner, at, stop, after = element_at(octets, start, end)
            if after != end:
                raise DecodeError("more than one element where one is expected", after, self._clause)
            return self._prune_element(Component("", -1, kind), inner, octets, at, stop)
        if isinstance(kind, STRINGS) and tag & constructed_bit(tag):
            return joined(octets, start, end, bits=isinstance(kind, BitStringType)), None
        return octets[start:end], None

    def _prune_sequence(self, kind: SequenceType, octets: bytes, start: int, end: int) -> tuple[bytes, Any]:
        parts: dict[int, bytes] = {}
        aside: dict[str, Any] = {}
        seen: set[int] = set()
        offset = start
        while offset < end:
            tag, at, stop, after = element_at(octets, offset, end)
            found = self._match(kind.components, tag, offset, seen)
            if found is None:
                if not kind.extensible or tag == 0:
                    raise DecodeError(f"unexpected element with tag {tag:02x}", offset, self._clause)
            else:
                rank, component = found
                if rank in seen:
                    raise DecodeError(f"{component.identifier} comes twice", offset, self._clause)
                seen.add(rank)
                part, put_aside = self._prune_element(component, tag, octets, at, stop)
                if self._aside(component):
                    aside[component.identifier] = self._own(component, part, put_aside)
                else:
                    parts[rank] = part
                    aside[component.identifier] = put_aside
            offset = after
        return b"".join(parts[rank] for rank in sorted(parts)), aside

    def _own(self, component: Component, part: bytes, put_aside: Any) -> Any:
        """Return the value of a component that pycrate does not get to see."""
        if isinstance(component.type, OpaqueType):
            return put_aside
        _, start, stop, _ = element_at(part, 0, len(part))
        placed = self._restore(component.type, part, start, stop, put_aside)
        try:
            return node(component.type, self._clause).decode(placed, 0, len(placed))
        except Declined:
            raise DecodeError(f"unusual encoding of {component.identifier}", 0, self._clause) from None

    def _restore(self, kind: Type, octets: bytes, start: int, stop: int, aside: Any) -> bytes:
        """Put the extensions' values back in the place of their placeholders."""
        if not isinstance(kind, ListType) or not isinstance(kind.element.type, SequenceType):
            return octets[start:stop]
        fields: list[bytes] = []
        offset = start
        for item in aside:
            tag, at, end, offset = element_at(octets, offset, stop)
            parts: list[bytes] = []
            while at < end:
                inner, begin, finish, after = element_at(octets, at, end)
                value = item["value"] if inner == 0xA1 else octets[begin:finish]
                parts.append(encode_element(inner, value))
                at = after
            fields.append(encode_element(tag, b"".join(parts)))
        return b"".join(fields)

    def _prune_list(self, kind: ListType, octets: bytes, start: int, end: int) -> tuple[bytes, Any]:
        parts: list[bytes] = []
        aside: list[Any] = []
        offset = start
        while offset < end:
            tag, at, stop, offset = element_at(octets, offset, end)
            part, put_aside = self._prune_element(kind.element, tag, octets, at, stop)
            parts.append(part)
            aside.append(put_aside)
        return b"".join(parts), aside

    def from_pycrate(self, kind: Type, value: Any, aside: Any) -> Any:
        """Return the declared type's value of a value of pycrate and what was put aside."""
        if isinstance(kind, SequenceType):
            return self._sequence_value(kind, value, aside or {})
        if isinstance(kind, ListType):
            return tuple(
                self.from_pycrate(kind.element.type, item, inner)
                for item, inner in zip(value, aside, strict=True)
            )
        if isinstance(kind, ChoiceType):
            name, inner = value
            chosen = next(item for item in kind.alternatives if item.identifier == name)
            return kind.cls(name, self.from_pycrate(chosen.type, inner, aside))
        if isinstance(kind, OneOfType):
            name, inner = value
            chosen = next(item for _, item in kind.alternatives if item.identifier == name)
            return self.from_pycrate(chosen.type, inner, aside)
        if isinstance(kind, OpaqueType):
            return aside
        if isinstance(kind, EnumeratedType):
            return self._enumerated_value(kind, value)
        if isinstance(kind, BitStringType):
            bits, count = value
            unused = -count % 8
            return bytes((unused,)) + (bits << unused).to_bytes((count + unused) // 8, "big")
        return True if isinstance(kind, NullType) else value

    def _sequence_value(self, kind: SequenceType, value: dict[str, Any], aside: dict[str, Any]) -> Any:
        slots: list[Any] = [None] * (len(kind.components) + len(kind.absent))
        for absent in kind.absent:
            slots[absent.slot] = absent.default
        for component in kind.components:
            put_aside = aside.get(component.identifier)
            if self._aside(component):
                slots[component.slot] = put_aside if put_aside is not None else component.default
            elif component.identifier in value:
                slots[component.slot] = self.from_pycrate(
                    component.type, value[component.identifier], put_aside
                )
            else:
                slots[component.slot] = component.default
        return kind.cls(*slots)

    def _enumerated_value(self, kind: EnumeratedType, value: str) -> Any:
        for member in kind.cls:
            if member.identifier == value:
                return member
        number = value.removeprefix("_ext_")
        if kind.extensible and number.isdecimal():
            return int(number)
        raise DecodeError("unknown enumerated value", 0, self._clause)

    def to_pycrate(self, kind: Type, value: Any) -> Any:
        """Return pycrate's value of a declared type's value, with placeholders for what it can't represent.

        Raises:
            EncodeError: the value is not of the type.
        """
        if isinstance(kind, SequenceType):
            return self._sequence_to_pycrate(kind, value)
        if isinstance(kind, ListType):
            self._check(isinstance(value, tuple), "a tuple")
            return [self.to_pycrate(kind.element.type, item) for item in value]
        if isinstance(kind, ChoiceType):
            self._check(type(value) is kind.cls, kind.cls.__name__)
            chosen = self._chosen(kind, value.name)
            return value.name, self._placed(chosen, value.value)
        if isinstance(kind, OneOfType):
            chosen = self._by_python_type(kind, value)
            return chosen.identifier, self.to_pycrate(chosen.type, value)
        if isinstance(kind, EnumeratedType):
            return self._enumerated_to_pycrate(kind, value)
        if isinstance(kind, BitStringType):
            self._check(
                isinstance(value, bytes) and len(value) > 1 and value[0] < 8, "the contents of a bit string"
            )
            count = 8 * (len(value) - 1) - value[0]
            return int.from_bytes(value[1:], "big") >> value[0], count
        if isinstance(kind, NullType):
            self._check(value is True, "a null")
            return 0
        if isinstance(kind, (OctetStringType, ObjectIdentifierType)):
            self._check(isinstance(value, bytes), "octets")
        elif isinstance(kind, TextType):
            self._check(isinstance(value, str), "text")
        elif isinstance(kind, BooleanType):
            self._check(isinstance(value, bool), "a boolean")
        else:
            self._check(isinstance(value, int), "an integer")
        return value

    def _check(self, fits: bool, what: str) -> None:
        if not fits:
            raise EncodeError(f"not {what}", self._clause)

    def _chosen(self, kind: ChoiceType, name: str) -> Component:
        for alternative in kind.alternatives:
            if alternative.identifier == name:
                return alternative
        raise EncodeError(f"{name} is no alternative of this version", self._clause)

    def _by_python_type(self, kind: OneOfType, value: Any) -> Component:
        for python, component in kind.alternatives:
            if type(value) is python:
                return component
        raise EncodeError(f"{type(value).__name__} is none of the alternatives", self._clause)

    def _placed(self, component: Component, value: Any) -> Any:
        if isinstance(component.type, OpaqueType):
            self._check(isinstance(value, bytes), "octets")
            return self._placeholders.get(component.identifier, (b"", {}))[1]
        return self.to_pycrate(component.type, value)

    def _sequence_to_pycrate(self, kind: SequenceType, value: Any) -> dict[str, Any]:
        self._check(type(value) is kind.cls, kind.cls.__name__)
        slots = astuple(value)
        for absent in kind.absent:
            if slots[absent.slot] != absent.default:
                raise EncodeError(f"{absent.identifier} does not exist in this version", self._clause)
        return {
            component.identifier: self._placed(component, slots[component.slot])
            for component in kind.components
            if _written(component, slots[component.slot]) and not self._aside(component)
        }

    def _enumerated_to_pycrate(self, kind: EnumeratedType, value: Any) -> str:
        self._check(isinstance(value, int), "an enumerated value")
        for member in kind.cls:
            if member == value:
                return member.identifier
        self._check(kind.extensible and value >= 0, "a value of the enumerated type")
        return f"_ext_{int(value)}"

    def graft(self, component: Component, octets: bytes, value: Any) -> bytes:
        """Return pycrate's octets of an element with the version's tags and what pycrate can't represent."""
        tag, start, end, _ = element_at(octets, 0, len(octets))
        return self._graft_element(component, tag, octets, start, end, value)

    def _graft_element(
        self, component: Component, tag: int, octets: bytes, start: int, end: int, value: Any
    ) -> bytes:
        kind = component.type
        if component.number < 0 and isinstance(kind, ChoiceType):
            return self._graft_element(self._chosen(kind, value.name), tag, octets, start, end, value.value)
        if isinstance(kind, OneOfType):
            return self._graft_element(self._by_python_type(kind, value), tag, octets, start, end, value)
        return encode_element(component.tag, self._graft_contents(kind, octets, start, end, value))

    def _graft_contents(self, kind: Type, octets: bytes, start: int, end: int, value: Any) -> bytes:
        if isinstance(kind, OpaqueType):
            return bytes(value)
        if isinstance(kind, SequenceType):
            return self._graft_sequence(kind, octets, start, end, value)
        if isinstance(kind, ChoiceType):
            tag, at, stop, _ = element_at(octets, start, end)
            return self._graft_element(Component("", -1, kind), tag, octets, at, stop, value)
        if isinstance(kind, ListType):
            parts: list[bytes] = []
            offset = start
            for item in value:
                tag, at, stop, offset = element_at(octets, offset, end)
                parts.append(self._graft_element(kind.element, tag, octets, at, stop, item))
            return b"".join(parts)
        return octets[start:end]

    def _graft_sequence(self, kind: SequenceType, octets: bytes, start: int, end: int, value: Any) -> bytes:
        slots = astuple(value)
        parts: list[bytes] = []
        offset = start
        for component in kind.components:
            item = slots[component.slot]
            if not _written(component, item):
                continue
            if self._aside(component):
                parts.append(encode_element(component.tag, node(component.type, self._clause).encode(item)))
                continue
            tag, at, stop, offset = element_at(octets, offset, end)
            parts.append(self._graft_element(component, tag, octets, at, stop, item))
        return b"".join(parts)
