"""How ASN.1 types are declared: one `msgspec.Struct` a type, its ASN.1 in the annotations.

``called_party_number: Annotated[CalledPartyNumber | None, Tag(2, "calledPartyNumber")] = None`` says all that
decoding, encoding, rendering and the tests need. What a declaration means:

- a `Struct` is a SEQUENCE with an extension marker (`Sealed`: without); a field that may be None is OPTIONAL,
  another default is the ASN.1 DEFAULT; ``asn1_order`` is the order of the fields where it is not the
  Struct's; a last field without a tag is nothing of the ASN.1;
- a subclass of `Choice` is a CHOICE, its alternatives declared as ``ClassVar`` annotations;
- ``tuple[T, ...]`` is a SEQUENCE OF (or SET OF) with a `Size`; an `Enumerated` is an ENUMERATED, extensible
  if it is in a union with ``int``; ``bool`` is a BOOLEAN, or with `Null` a NULL that is there (True) or not
  (False).

All tags are context-specific and implicit, save those of a CHOICE, which are explicit (X.680 §31.2.7);
`Untagged` components keep their universal tags.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, Self

from msgspec import Struct

EVER: Final = 1000
"""No version's number: ``until`` of a component that the last version still has."""


class Tag(Struct, frozen=True, gc=False):
    """A component's context-specific tag and identifier, for the protocol's versions ``since``..``until``.

    A component whose tag moved between versions carries several.
    """

    number: int
    identifier: str
    since: int = 1
    until: int = EVER


class Untagged(Struct, frozen=True, gc=False):
    """A component that keeps the universal tag of its type (of each alternative, for a CHOICE)."""

    identifier: str
    since: int = 1
    until: int = EVER


class Octets(Struct, frozen=True, gc=False):
    """OCTET STRING (SIZE (low..high)). ``contains`` names what its octets are, for those who show them."""

    low: int
    high: int
    contains: str = ""


class Text(Struct, frozen=True, gc=False):
    """IA5String (SIZE (low..high)), as ``str``."""

    low: int
    high: int


class Bits(Struct, frozen=True, gc=False):
    """BIT STRING (SIZE (low..high)), as its contents octets: number of unused bits, bits (X.690 §8.6)."""

    low: int
    high: int


class Integer(Struct, frozen=True, gc=False):
    """INTEGER (low..high)."""

    low: int
    high: int


class Identifier(Struct, frozen=True, gc=False):
    """OBJECT IDENTIFIER, as its contents octets."""


class Null(Struct, frozen=True, gc=False):
    """NULL: True where present."""


class Opaque(Struct, frozen=True, gc=False):
    """A constructed element whose contents octets stay as they are: nothing that its reader acts on."""


class Size(Struct, frozen=True, gc=False):
    """SIZE (low..high) of a SEQUENCE OF; ``unordered`` for a SET OF."""

    low: int
    high: int
    unordered: bool = False


class Sealed(Struct, frozen=True, gc=False):
    """Base of SEQUENCE types without an extension marker: another element in them is an error."""


class Choice(Struct, frozen=True, gc=False):
    """A CHOICE: ``name`` is the ASN.1 identifier of the chosen alternative.

    Subclasses declare their alternatives as ``ClassVar`` annotations.
    """

    name: str
    value: Any


class Enumerated(IntEnum):
    """Base of the ENUMERATED types: each member has the ``identifier`` that the ASN.1 gives it."""

    identifier: str

    def __new__(cls, value: int, identifier: str) -> Self:
        """Make a member of its value and ASN.1 identifier."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.identifier = identifier
        return member
