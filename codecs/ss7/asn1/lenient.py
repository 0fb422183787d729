"""Reads as much of a value as can be read, and says what could not: for octets that the codecs refuse.

An optional component that its type does not allow is left out and noted as a `Fault`; a mandatory one makes
its surroundings unreadable, and so on outwards until something optional is left out. Every form of BER is
read: indefinite lengths, strings in constructed form, components in any order. A component that comes twice
is unreadable, since nobody can say which one is meant. An element of a list that can't be read is left out of
the list. What a reading returns, the strict codecs encode and decode to the same.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, final

from ss7.asn1.node import Declined
from ss7.asn1.primitives import bad_element, joined
from ss7.asn1.schema import (
    STRINGS,
    BitStringType,
    ChoiceType,
    Component,
    EnumeratedType,
    ListType,
    OneOfType,
    SequenceType,
    Type,
    alternatives,
    constructed_bit,
)
from ss7.asn1.tables import node
from ss7.ber import encode_integer, read_element, read_tag
from ss7.errors import DecodeError

_BY_TAG: Final[dict[int, tuple[tuple[Component, ...], dict[int, Component]]]] = {}
"""Components by tag, in either form; by the id of their tuple, which is kept so that no other gets it."""

_TABLES_READ: Final = 7
"""Octets of a number, at the most, that `ss7.asn1.primitives` reads."""

REST: Final = ""
"""The parameter of a fault behind which nothing could be read: lengths are wrong, elements have no end."""


class _Lost(Exception):  # noqa: N818 - no error: what is at fault is noted already
    """Something mandatory in a value could not be read, and so the value can't."""


class Fault(NamedTuple):
    """Something that could not be read.

    Attributes:
        parameter: ASN.1 identifiers from the outside in, joined by dots (``locationInformation.vlr-number``);
            elements of lists by their position, from 0; `REST`: this and what follows in the argument.
        offset: of the octets at fault, in the octets that were read.
        reason: what is wrong, in words.
        clause: that they break.
    """

    parameter: str
    offset: int
    reason: str
    clause: str


class Reading(NamedTuple):
    """What could be read.

    Attributes:
        value: of the type; None if something mandatory could not be read.
        faults: what could not be read, in the order of the octets; none: the octets are all right.
    """

    value: Any
    faults: tuple[Fault, ...]


def read(kind: Type, octets: bytes, clause: str, *, partial: bool = False) -> Reading:
    """Read one element of a type.

    Args:
        kind: description of the type.
        octets: the element, tag and length included.
        clause: where the type is defined, for faults.
        partial: for people: a SEQUENCE is returned without mandatory components that are missing, None in
            their places, which no codec encodes.
    """
    reader = _Reader(octets, clause, partial)
    value = reader.whole(kind)
    return Reading(value, tuple(sorted(reader.faults, key=lambda fault: fault.offset)))


@final
class _Fields:
    """The components of a SEQUENCE as far as they are read.

    Attributes:
        slots: values of the fields, defaults where nothing was read.
        met: slots of components that are there.
        read: slots of components that could be read.
    """

    def __init__(self, kind: SequenceType) -> None:
        self.slots: list[Any] = [None] * (len(kind.components) + len(kind.absent))
        for component in kind.components:
            self.slots[component.slot] = component.default
        for absent in kind.absent:
            self.slots[absent.slot] = absent.default
        self.met: set[int] = set()
        self.read: set[int] = set()


@final
class _Reader:
    """Reads elements of one buffer, and collects what is wrong in them."""

    def __init__(self, octets: bytes, clause: str, partial: bool) -> None:
        self._octets = octets
        self._clause = clause
        self._partial = partial
        self.faults: list[Fault] = []

    def whole(self, kind: Type) -> Any:
        """Return the value of the element that all octets should be, None if it can't be read."""
        octets = self._octets
        component = Component("", -1, kind)
        tag, start, stop, after = read_element(octets, 0, len(octets))
        try:
            if after < 0:
                raise bad_element(after, 0)
            value = (
                self._sequence(kind, start, stop, "", outermost=True)
                if isinstance(kind, SequenceType) and tag == component.tag
                else self._element(component, tag, 0, start, stop, "")
            )
        except _Lost:
            return None
        except DecodeError as error:
            self._note(REST, error)
            return None
        if after != len(octets):
            self._note(REST, DecodeError("more than one element where one is expected", after, self._clause))
        return value

    def _note(self, path: str, error: DecodeError) -> None:
        self.faults.append(Fault(path, error.offset, error.reason, error.clause))

    def _element(self, component: Component, tag: int, at: int, start: int, stop: int, path: str) -> Any:
        """Return the value of an element; raise `DecodeError` if it can't be read.

        Args:
            component: what the element should be.
            tag: its tag.
            at: its offset.
            start: offset of its contents.
            stop: their end.
            path: where it is, for faults within it.
        """
        kind = component.type
        if component.number < 0 and isinstance(kind, ChoiceType):
            chosen = _match(kind.alternatives, tag)
            if chosen is None:
                raise self._unexpected(tag, at)
            path = _joined_path(path, chosen.identifier)
            return kind.cls(chosen.identifier, self._element(chosen, tag, at, start, stop, path))
        if isinstance(kind, OneOfType):
            for _, alternative in kind.alternatives:
                if tag in (alternative.tag, alternative.tag ^ constructed_bit(tag)):
                    return self._element(alternative, tag, at, start, stop, path)
            raise self._unexpected(tag, at)
        self._check_tag(component, tag, at)
        if isinstance(kind, SequenceType):
            return self._sequence(kind, start, stop, path)
        if isinstance(kind, ListType):
            return self._list(kind, start, stop, path)
        if isinstance(kind, ChoiceType):
            inner, begin, end, after = self._next(start, stop)
            if after != stop:
                raise DecodeError("more than one element where one is expected", after, self._clause)
            return self._element(Component("", -1, kind), inner, start, begin, end, path)
        return self._primitive(kind, tag, start, stop)

    def _primitive(self, kind: Type, tag: int, start: int, stop: int) -> Any:
        octets = self._octets
        strings = isinstance(kind, STRINGS)
        try:
            if strings and tag & constructed_bit(tag):
                whole = joined(octets, start, stop, bits=isinstance(kind, BitStringType))
                return self._string(kind, whole, 0, len(whole))
            if strings:
                return self._string(kind, octets, start, stop)
            return node(kind, self._clause).decode(octets, start, stop)
        except Declined:
            return self._long_number(kind, start, stop)

    def _long_number(self, kind: Type, start: int, stop: int) -> Any:
        """Return an INTEGER or ENUMERATED of more octets than the tables read: an extensible one may be."""
        value = int.from_bytes(self._octets[start:stop], "big", signed=True)
        shortest = encode_integer(value)
        if len(shortest) < stop - start and len(shortest) <= _TABLES_READ:
            return node(kind, self._clause).decode(shortest, 0, len(shortest))
        if isinstance(kind, EnumeratedType) and kind.extensible and value >= 0:
            return value
        raise DecodeError("value out of range", start, self._clause)

    def _string(self, kind: Type, octets: bytes, start: int, stop: int) -> Any:
        """Return the value of a string; a bit string's unused bits are set to 0 (X.690 §8.6.2.4)."""
        if isinstance(kind, BitStringType) and stop - start > 1 and octets[start] < 8:
            last = octets[stop - 1] & (0xFF << octets[start]) & 0xFF
            octets = octets[: stop - 1] + bytes((last,))
        return node(kind, self._clause).decode(octets, start, stop)

    def _sequence(
        self, kind: SequenceType, start: int, stop: int, path: str, *, outermost: bool = False
    ) -> Any:
        """Return a SEQUENCE without the optional components that can't be read.

        In the ``outermost`` one, what stands before elements without an end is kept; in others, whose octets
        can't be told from their surroundings', it is not.
        """
        fields = _Fields(kind)
        offset = start
        while offset < stop:
            try:
                tag, begin, end, after = self._next(offset, stop)
            except DecodeError as error:
                if not outermost:
                    raise
                self._rest(kind, error, offset, stop)
                break
            component = _match(kind.components, tag)
            if component is not None:
                self._field(fields, component, (tag, offset, begin, end), path)
            elif not kind.extensible or tag == 0:
                reason = f"unexpected element with tag {tag:02x}"
                self._note(_joined_path(path, f"[{tag:02x}]"), DecodeError(reason, offset, self._clause))
            offset = after
        for component in kind.components:
            if component.mandatory and component.slot not in fields.read:
                missing = DecodeError(f"{component.identifier} is missing", start, self._clause)
                if not (self._partial and outermost):
                    raise _Lost if component.slot in fields.met else missing
                if component.slot not in fields.met:
                    self._note(component.identifier, missing)
        return kind.cls(*fields.slots)

    def _field(
        self, fields: _Fields, component: Component, element: tuple[int, int, int, int], path: str
    ) -> None:
        """Put a component of a SEQUENCE in its slot, or note why not.

        Args:
            fields: of the SEQUENCE.
            component: which of it.
            element: tag, offset, start and end of its contents.
            path: of the SEQUENCE.
        """
        tag, offset, begin, end = element
        inner = _joined_path(path, component.identifier)
        slot = component.slot
        if slot in fields.met:
            fields.slots[slot] = component.default
            fields.read.discard(slot)
            self._note(inner, DecodeError(f"{component.identifier} comes twice", offset, self._clause))
            return
        fields.met.add(slot)
        try:
            fields.slots[slot] = self._element(component, tag, offset, begin, end, inner)
        except _Lost:
            return
        except DecodeError as error:
            self._note(inner, error)
            return
        fields.read.add(slot)

    def _rest(self, kind: SequenceType, error: DecodeError, offset: int, stop: int) -> None:
        """Note that nothing from ``offset`` on can be read, and which component it begins with."""
        component = _match(kind.components, read_tag(self._octets, offset, stop))
        if component is not None:
            self._note(component.identifier, error)
        self._note(REST, error)

    def _list(self, kind: ListType, start: int, stop: int, path: str) -> Any:
        """Return a list without the elements that can't be read, and without those that are too many."""
        items: list[Any] = []
        offset = start
        number = 0
        while offset < stop:
            tag, begin, end, after = self._next(offset, stop)
            inner = f"{path}.{number}"
            try:
                items.append(self._element(kind.element, tag, offset, begin, end, inner))
            except _Lost:
                pass
            except DecodeError as error:
                self._note(inner, error)
            offset = after
            number += 1
        if len(items) < kind.low <= number:
            raise _Lost
        if len(items) < kind.low:
            raise DecodeError(f"list of {len(items)} elements", start, self._clause)
        if len(items) > kind.high:
            self._note(path, DecodeError(f"list of {len(items)} elements", start, self._clause))
        return tuple(items[: kind.high])

    def _next(self, offset: int, stop: int) -> tuple[int, int, int, int]:
        tag, begin, end, after = read_element(self._octets, offset, stop)
        if after < 0:
            raise bad_element(after, offset)
        return tag, begin, end, after

    def _check_tag(self, component: Component, tag: int, offset: int) -> None:
        """Raise unless ``tag`` is the component's; strings may be constructed (X.690 §8.6.1, §8.7.1)."""
        if tag == component.tag:
            return
        if tag != component.tag ^ constructed_bit(tag):
            raise self._unexpected(tag, offset)
        if tag & constructed_bit(tag) == 0 or not isinstance(component.type, STRINGS):
            raise DecodeError(f"{component.identifier} in the wrong form", offset, "X.690 §8.1.2.5")

    def _unexpected(self, tag: int, offset: int) -> DecodeError:
        return DecodeError(f"unexpected element with tag {tag:02x}", offset, self._clause)


def _match(components: tuple[Component, ...], tag: int) -> Component | None:
    """Return the component that has a tag, in whatever form, primitive or constructed."""
    found = _BY_TAG.get(id(components))
    if found is None:
        by_tag: dict[int, Component] = {}
        for component in reversed(components):
            for known, _, _ in alternatives(component):
                by_tag[known] = by_tag[known ^ constructed_bit(known)] = component
        found = _BY_TAG[id(components)] = (components, by_tag)
    return found[1].get(tag)


def _joined_path(path: str, identifier: str) -> str:
    return f"{path}.{identifier}" if path else identifier
