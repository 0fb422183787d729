"""Nodes of the types that consist of elements, which they find by tag: SEQUENCE, CHOICE, lists.

Unknown components of a type with an extension marker are skipped (X.680 §7.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from msgspec.structs import astuple

from ss7.asn1.node import Declined, Node
from ss7.asn1.primitives import OctetsNode, bad_element
from ss7.ber import (
    INDEFINITE,
    TRUNCATED,
    encode_length,
    encode_tag,
    read_element,
    read_length,
)
from ss7.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from mypy_extensions import i64


class Missing:
    """The type of `MISSING`."""


MISSING: Final = Missing()
"""What stands in the slot of a mandatory component until it comes."""


@final
class Entry:
    """What an element with a certain tag is, in its surroundings.

    Attributes:
        identifier: ASN.1 identifier, for error texts.
        slot: index of the Struct's field.
        rank: position in the order of the ASN.1.
        node: decodes the contents octets.
        low: fewest octets, if it is an OCTET STRING and no choice was made (so it needs no call), else -1.
        high: most octets, if so.
        choices: for an alternative of an untagged CHOICE: type and name of each choice made, the innermost
            first.
        later: what an element with the same tag is once this one has come; None: it can't come again.
    """

    def __init__(
        self, identifier: str, slot: int, rank: int, node: Node, choices: list[tuple[Any, str]]
    ) -> None:
        self.identifier = identifier
        self.slot: i64 = slot
        self.rank: i64 = rank
        self.node = node
        self.low: i64 = -1
        self.high: i64 = -1
        if isinstance(node, OctetsNode) and not choices:
            self.low = node.low
            self.high = node.high
        self.choices = choices
        self.later: Entry | None = None

    def read(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the value, wrapped in the choices made."""
        value = self.node.decode(octets, start, stop)
        for cls, name in self.choices:
            value = cls(name, value)
        return value


@final
class Put:
    """How a SEQUENCE's component is written.

    Attributes:
        identifier: ASN.1 identifier, for error texts.
        slot: index of the Struct's field.
        tag: identifier octets (empty for an untagged CHOICE).
        node: encodes the contents octets.
        default: what is not written; `MISSING` for a mandatory component.
        low: fewest octets, if it is an OCTET STRING, else -1.
        headers: tag and length octets by number of octets, if it is an OCTET STRING.
    """

    def __init__(self, identifier: str, slot: int, tag: bytes, node: Node, default: object) -> None:
        self.identifier = identifier
        self.slot = slot
        self.tag = tag
        self.node = node
        self.default = default
        self.low: i64 = -1
        self.headers: list[bytes] = []
        if isinstance(node, OctetsNode):
            self.low = node.low
            self.headers = [tag + encode_length(length) for length in range(node.high + 1)]


@final
class SequenceNode(Node):
    """SEQUENCE, table-driven."""

    def __init__(
        self,
        cls: Any,
        entries: dict[int, Entry],
        puts: list[Put],
        blank: list[object],
        extensible: bool,
        absent: list[tuple[int, str, object]],
        clause: str,
    ) -> None:
        super().__init__(clause)
        self.cls = cls
        self.entries = entries
        self.puts = puts
        self.blank = blank
        self.extensible = extensible
        self.absent = absent
        self.mandatory = [put for put in puts if put.default is MISSING]

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return a ``cls``."""
        slots = self.blank.copy()
        entries = self.entries
        last: i64 = -1
        offset = start
        while offset < stop:
            tag: i64 = octets[offset]
            at = offset + 1
            if at < stop and tag & 0x1F == 0x1F:
                if octets[at] >= 0x80:
                    raise Declined  # a tag number of 128 or more
                tag = tag << 8 | octets[at]
                at += 1
            if at >= stop:
                raise bad_element(TRUNCATED, offset)
            length: i64 = octets[at]
            at += 1
            if length >= 0x80:
                length, at = _long_length(octets, at - 1, stop)
            end = at + length
            if end > stop:
                raise bad_element(TRUNCATED, offset)
            entry = entries.get(tag)
            if entry is None:
                self._unknown(tag, offset)
            else:
                if entry.rank <= last:
                    entry = self._later(entry, last, slots)
                last = entry.rank
                if entry.low < 0:
                    slots[entry.slot] = entry.read(octets, at, end)
                elif entry.low <= length <= entry.high:
                    slots[entry.slot] = octets[at:end]
                else:
                    raise DecodeError(f"{entry.identifier} of {length} octets", offset, self.clause)
            offset = end
        for put in self.mandatory:
            if slots[put.slot] is MISSING:
                raise DecodeError(f"{put.identifier} is missing", start, self.clause)
        return self.cls(*slots)

    def _later(self, entry: Entry, last: i64, slots: list[object]) -> Entry:
        """Return the next entry with the same tag, if those before it have come; decline else."""
        found = entry
        while found.rank <= last:
            later = found.later
            if later is None or slots[found.slot] is self.blank[found.slot]:
                raise Declined  # it comes twice, or out of order
            found = later
        return found

    def _unknown(self, tag: i64, offset: i64) -> None:
        """Let an unknown component pass if the type is extensible, or raise."""
        form: i64 = 0x20 if tag <= 0xFF else 0x2000
        if (tag ^ form) in self.entries:
            raise Declined  # a string in constructed form, perhaps
        if not self.extensible or tag == 0:
            raise DecodeError(f"unexpected element with tag {tag:02x}", offset, self.clause)

    def encode(self, value: Any) -> bytes:
        """Return the components' octets in the order of the ASN.1."""
        if type(value) is not self.cls:
            raise EncodeError(f"not a {self.cls.__name__}", self.clause)
        slots = astuple(value)
        parts: list[bytes] = []
        for put in self.puts:
            item = slots[put.slot]
            if item is put.default:
                continue
            if put.low >= 0 and isinstance(item, bytes):
                length: i64 = len(item)
                if put.low <= length < len(put.headers):
                    parts.append(put.headers[length])
                    parts.append(item)
                    continue
            if put.default is not None and item == put.default:
                continue
            try:
                parts.append(put.node.element(put.tag, item))
            except EncodeError as error:
                raise EncodeError(f"{put.identifier}: {error.reason}", error.clause) from None
        for slot, identifier, default in self.absent:
            item = slots[slot]
            if item is not default and item != default:
                raise EncodeError(f"{identifier} does not exist in this version", self.clause)
        return b"".join(parts)


@final
class ListNode(Node):
    """SEQUENCE OF or SET OF, ``low``..``high`` elements."""

    def __init__(
        self, entries: dict[int, Entry], tag: bytes, node: Node, low: int, high: int, clause: str
    ) -> None:
        super().__init__(clause)
        self.entries = entries
        self.tag = tag
        self.node = node
        self.low: i64 = low
        self.high: i64 = high

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return a tuple."""
        items: list[object] = []
        offset = start
        while offset < stop:
            tag, at, end, after = _element(octets, offset, stop)
            items.append(_entry(self.entries, tag, offset, self.clause).read(octets, at, end))
            offset = after
        if not self.low <= len(items) <= self.high:
            raise DecodeError(f"list of {len(items)} elements", start, self.clause)
        return tuple(items)

    def encode(self, value: Any) -> bytes:
        """Return the elements' octets."""
        if not isinstance(value, tuple) or not self.low <= len(value) <= self.high:
            raise EncodeError(f"not a tuple of {self.low} to {self.high} elements", self.clause)
        return b"".join([self.node.element(self.tag, item) for item in value])


@final
class ChoiceNode(Node):
    """One element, whose tag says which it is: a CHOICE, or any one type with its tag.

    Attributes:
        entries: what the element can be, by tag.
        cls: type of the CHOICE, or None if there is but one ``entry`` and no wrapping.
        puts: how each alternative is written, by its name (by "" if ``cls`` is None).
    """

    def __init__(self, entries: dict[int, Entry], cls: Any, puts: dict[str, Put], clause: str) -> None:
        super().__init__(clause)
        self.entries = entries
        self.cls = cls
        self.puts = puts

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the value of the one element that there has to be."""
        return _only(self.entries, octets, start, stop, self.clause)

    def encode(self, value: Any) -> bytes:
        """Return the element."""
        name = ""
        if self.cls is not None:
            if type(value) is not self.cls:
                raise EncodeError(f"not a {self.cls.__name__}", self.clause)
            name = value.name
            value = value.value
        put = self.puts.get(name)
        if put is None:
            raise EncodeError(f"{name} is no alternative of this version", self.clause)
        return put.node.element(put.tag, value)


@final
class UntaggedNode(Node):
    """A CHOICE without a tag of its own, as it is written: the entries around it decode it."""

    def __init__(self, choice: ChoiceNode) -> None:
        super().__init__(choice.clause)
        self.choice = choice

    def element(self, tag: bytes, value: Any) -> bytes:  # noqa: ARG002 - it has none of its own
        """Return the chosen element."""
        return self.choice.encode(value)


@final
class OneOfNode(Node):
    """One element, whose tag says which of several Python types it is."""

    def __init__(self, entries: dict[int, Entry], puts: dict[object, Put], clause: str) -> None:
        super().__init__(clause)
        self.entries = entries
        self.puts = puts

    def decode(self, octets: bytes, start: i64, stop: i64) -> object:
        """Return the value of the one element that there has to be."""
        return _only(self.entries, octets, start, stop, self.clause)

    def encode(self, value: Any) -> bytes:
        """Return the element."""
        put = self.puts.get(type(value))
        if put is None:
            raise EncodeError(f"{type(value).__name__} is none of the alternatives", self.clause)
        return put.node.element(put.tag, value)


def _long_length(octets: bytes, offset: i64, stop: i64) -> tuple[i64, i64]:
    """Return length and offset of the contents of an element whose length octets are not the short form."""
    length, at = read_length(octets, offset, stop)
    if at < 0:
        raise bad_element(at, offset)
    if length == INDEFINITE:
        raise Declined
    return length, at


def _element(octets: bytes, offset: i64, stop: i64) -> tuple[i64, i64, i64, i64]:
    """Return tag, start and stop of the contents, and offset of the next element; raise if there is none."""
    tag, start, end, after = read_element(octets, offset, stop)
    if after < 0:
        raise bad_element(after, offset)
    if after != end:
        raise Declined
    return tag, start, end, after


def _entry(entries: dict[int, Entry], tag: i64, offset: i64, clause: str) -> Entry:
    """Return the entry of ``tag``, or raise."""
    entry = entries.get(tag)
    if entry is None:
        form: i64 = 0x20 if tag <= 0xFF else 0x2000
        if (tag ^ form) in entries:
            raise Declined
        raise DecodeError(f"unexpected element with tag {tag:02x}", offset, clause)
    return entry


def _only(entries: dict[int, Entry], octets: bytes, start: i64, stop: i64, clause: str) -> object:
    """Return the value of the element that ``octets[start:stop]`` is; raise if there are more."""
    tag, at, end, after = _element(octets, start, stop)
    if after != stop:
        raise DecodeError("more than one element where one is expected", after, clause)
    return _entry(entries, tag, start, clause).read(octets, at, end)


def tag_octets(tag: int) -> bytes:
    """Return the identifier octets of a tag, none for 0."""
    return encode_tag(tag) if tag else b""
