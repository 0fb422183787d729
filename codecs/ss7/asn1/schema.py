"""Declarations (`ss7.asn1.declare`) read into descriptions of ASN.1 types, one a protocol version.

The descriptions are what everything else is derived from: the fast codec's tables (`ss7.asn1.tables`), the
conversion to and from pycrate (`ss7.asn1.bridge`), the rendering and the property tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from ss7.asn1.declare import (
    EVER,
    Bits,
    Choice,
    Enumerated,
    Identifier,
    Integer,
    Null,
    Octets,
    Opaque,
    Sealed,
    Size,
    Tag,
    Text,
    Untagged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT: Final = 0x80
CONSTRUCTED: Final = 0x20


@dataclass(frozen=True)
class OctetStringType:
    """OCTET STRING (SIZE (low..high))."""

    low: int
    high: int
    contains: str = ""


@dataclass(frozen=True)
class TextType:
    """IA5String (SIZE (low..high))."""

    low: int
    high: int


@dataclass(frozen=True)
class BitStringType:
    """BIT STRING (SIZE (low..high))."""

    low: int
    high: int


@dataclass(frozen=True)
class IntegerType:
    """INTEGER (low..high)."""

    low: int
    high: int


@dataclass(frozen=True)
class EnumeratedType:
    """ENUMERATED; ``extensible``: an unknown value stays an int."""

    cls: type[Enumerated]
    extensible: bool


@dataclass(frozen=True)
class ObjectIdentifierType:
    """OBJECT IDENTIFIER."""


@dataclass(frozen=True)
class BooleanType:
    """BOOLEAN."""


@dataclass(frozen=True)
class NullType:
    """NULL."""


@dataclass(frozen=True)
class OpaqueType:
    """A constructed element whose contents are not looked into."""


@dataclass(frozen=True)
class Component:
    """One component of a SEQUENCE, alternative of a CHOICE, or element of a list.

    Attributes:
        identifier: ASN.1 identifier.
        number: context-specific tag number, or -1 for the universal tag.
        type: what it is.
        slot: index of the Struct's field.
        attribute: name of the Struct's field.
        mandatory: neither OPTIONAL nor DEFAULT.
        default: what the field has when the component is absent.
        latest: tag number in the last version that has the component, which is how pycrate knows it; -2 if
            the last version has it no more.
    """

    identifier: str
    number: int
    type: Type
    slot: int = 0
    attribute: str = ""
    mandatory: bool = True
    default: Any = None
    latest: int = -1

    @property
    def tag(self) -> int:
        """The identifier octets as an integer (0 for an untagged CHOICE, which has none of its own)."""
        return self.numbered(self.number)

    def numbered(self, number: int) -> int:
        """Return `tag` as it would be with the tag ``number``."""
        if number < 0:
            return universal_tag(self.type)
        form = CONSTRUCTED if isinstance(self.type, _CONSTRUCTED_TYPES) else 0
        return CONTEXT | form | number if number < 0x1F else (CONTEXT | form | 0x1F) << 8 | number


@dataclass(frozen=True)
class Absent:
    """A field that the described version does not have."""

    identifier: str
    slot: int
    default: Any


@dataclass(frozen=True)
class SequenceType:
    """SEQUENCE; ``components`` in the order of the ASN.1."""

    cls: type[msgspec.Struct]
    components: tuple[Component, ...]
    extensible: bool
    absent: tuple[Absent, ...] = ()


@dataclass(frozen=True)
class ChoiceType:
    """CHOICE: its value is a ``cls(identifier, value)``."""

    cls: type[Choice]
    alternatives: tuple[Component, ...]


@dataclass(frozen=True)
class ListType:
    """SEQUENCE OF or SET OF."""

    element: Component
    low: int
    high: int
    unordered: bool = False


@dataclass(frozen=True)
class OneOfType:
    """A CHOICE whose alternatives are told apart by their Python type."""

    alternatives: tuple[tuple[type, Component], ...] = field(default=())


Type: TypeAlias = (
    OctetStringType
    | TextType
    | BitStringType
    | IntegerType
    | EnumeratedType
    | ObjectIdentifierType
    | BooleanType
    | NullType
    | OpaqueType
    | SequenceType
    | ChoiceType
    | ListType
    | OneOfType
)

STRINGS: Final = (OctetStringType, TextType, BitStringType)
"""Types that BER also has in constructed form (X.690 §8.6, §8.7, §8.23)."""
_CONSTRUCTED_TYPES: Final = (SequenceType, ListType, ChoiceType, OpaqueType)
_UNIVERSAL: Final[dict[type, int]] = {
    BooleanType: 0x01,
    IntegerType: 0x02,
    BitStringType: 0x03,
    OctetStringType: 0x04,
    NullType: 0x05,
    ObjectIdentifierType: 0x06,
    EnumeratedType: 0x0A,
    TextType: 0x16,
    SequenceType: 0x30,
    OpaqueType: 0x30,
}


def universal_tag(kind: Type) -> int:
    """Return the identifier octet that a type has when nothing tags it; 0 for a CHOICE."""
    if isinstance(kind, ListType):
        return 0x31 if kind.unordered else 0x30
    return _UNIVERSAL.get(type(kind), 0)


@cache
def _hints(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the annotations of a Struct; to evaluate them takes longer than all else here."""
    return get_type_hints(cls, include_extras=True)


@cache
def describe(cls: type[msgspec.Struct], version: int) -> SequenceType | ChoiceType:
    """Return the description of a declared Struct in a version of the protocol."""
    if issubclass(cls, Choice):
        hints = _hints(cls)
        alternatives = (
            _component(get_args(hint)[0], version, attribute=name)
            for name, hint in hints.items()
            if get_origin(hint) is ClassVar
        )
        return ChoiceType(cls, tuple(found for found in alternatives if isinstance(found, Component)))
    return _sequence(cls, version)


def _sequence(cls: type[msgspec.Struct], version: int) -> SequenceType:
    hints = _hints(cls)
    slots = {name: slot for slot, name in enumerate(cls.__struct_fields__)}
    mandatory = len(slots) - len(cls.__struct_defaults__)  # how many fields stand first and have no default
    order: tuple[str, ...] = getattr(cls, "asn1_order", tuple(slots))
    components: list[Component] = []
    absent: list[Absent] = []
    for name in order:
        if not any(isinstance(mark, (Tag, Untagged)) for mark in _marks(hints[name])):
            continue
        slot = slots[name]
        default = msgspec.NODEFAULT if slot < mandatory else cls.__struct_defaults__[slot - mandatory]
        found = _component(hints[name], version, slot, name, default)
        if isinstance(found, Component):
            components.append(found)
        else:
            absent.append(found)
    components.sort(key=lambda item: order.index(item.attribute))
    return SequenceType(cls, tuple(components), not issubclass(cls, Sealed), tuple(absent))


def _component(
    hint: Any, version: int, slot: int = 0, attribute: str = "", default: Any = msgspec.NODEFAULT
) -> Component | Absent:
    marks = _marks(hint)
    tags = [mark for mark in marks if isinstance(mark, (Tag, Untagged))]
    mandatory = default is msgspec.NODEFAULT
    value = None if mandatory else default
    for tag in tags:
        if tag.since <= version <= tag.until:
            return Component(
                tag.identifier,
                _number(tag),
                read_type(hint, version),
                slot,
                attribute,
                mandatory,
                value,
                next((_number(mark) for mark in tags if mark.until == EVER), -2),
            )
    return Absent(tags[0].identifier, slot, value)


def _number(tag: Tag | Untagged) -> int:
    return tag.number if isinstance(tag, Tag) else -1


def _marks(hint: Any) -> tuple[Any, ...]:
    return tuple(hint.__metadata__) if get_origin(hint) is Annotated else ()


def read_type(hint: Any, version: int) -> Type:
    """Return the description of an annotation: a Struct, or a type with marks of `ss7.asn1.declare`."""
    marks = _marks(hint)
    plain = get_args(hint)[0] if marks else hint
    for mark in marks:
        marked = _MARKED.get(type(mark))
        if marked is not None:
            return marked(mark)
    if get_origin(plain) in (Union, UnionType):
        members = [member for member in get_args(plain) if member is not NoneType]
        if int in members:
            cls = next(
                member for member in members if isinstance(member, type) and issubclass(member, Enumerated)
            )
            return EnumeratedType(cls, extensible=True)
        return read_type(members[0], version)
    if get_origin(plain) is Annotated:
        return read_type(plain, version)
    if get_origin(plain) is tuple:
        size = next(mark for mark in marks if isinstance(mark, Size))
        element = read_type(get_args(plain)[0], version)
        return ListType(Component("item", -1, element), size.low, size.high, size.unordered)
    if plain is bool:
        return BooleanType()
    if issubclass(plain, Enumerated):
        return EnumeratedType(plain, extensible=False)
    return describe(plain, version)


_MARKED: Final[dict[type, Callable[[Any], Type]]] = {
    Octets: lambda mark: OctetStringType(mark.low, mark.high, mark.contains),
    Text: lambda mark: TextType(mark.low, mark.high),
    Bits: lambda mark: BitStringType(mark.low, mark.high),
    Integer: lambda mark: IntegerType(mark.low, mark.high),
    Identifier: lambda _: ObjectIdentifierType(),
    Null: lambda _: NullType(),
    Opaque: lambda _: OpaqueType(),
}


def constructed_bit(tag: int) -> int:
    """Return the bit of a tag that says that the element is constructed (X.690 §8.1.2.5)."""
    return CONSTRUCTED if tag <= 0xFF else CONSTRUCTED << 8


def alternatives(
    component: Component,
) -> tuple[tuple[int, tuple[tuple[type[Choice], str], ...], Component], ...]:
    """Return what a component can begin with: tag, choices made (the outermost first), what has the tag.

    One entry for anything but an untagged CHOICE, whose alternatives' tags stand for it.
    """
    if component.number >= 0 or not isinstance(component.type, ChoiceType):
        return ((component.tag, (), component),)
    cls = component.type.cls
    return tuple(
        (tag, ((cls, alternative.identifier), *path), inner)
        for alternative in component.type.alternatives
        for tag, path, inner in alternatives(alternative)
    )
