"""Values and octets that pycrate's compiled ASN.1 alone makes: none of the project's declarations is asked.

`value_of` walks one of pycrate's types and draws a value that it allows; `rewritten` writes BER octets anew with lengths in
any of the forms that X.690 §8.1.3 has.
"""

from __future__ import annotations

from random import Random
from typing import Any


class NoValueError(Exception):
    """A type that no value is drawn of: an open type, whose table pycrate keeps to itself."""


def value_of(kind: Any, random: Random, density: float) -> Any:
    """A value of pycrate's type; ``density`` is the chance of an optional component to be there."""
    if kind.TYPE in {"SEQUENCE", "SET"}:
        return _sequence(kind, random, density)
    if kind.TYPE in {"SEQUENCE OF", "SET OF"}:
        return [value_of(kind._cont, random, density) for _ in range(_size(kind, random, 3))]
    if kind.TYPE == "CHOICE":
        name = random.choice(list(kind._cont))
        return name, value_of(kind._cont[name], random, density)
    draw = _PLAIN.get(kind.TYPE)
    if draw is None:
        raise NoValueError(kind.TYPE)
    return draw(kind, random)


def _sequence(kind: Any, random: Random, density: float) -> dict[str, Any]:
    found = {}
    for name, component in kind._cont.items():
        mandatory = name in kind._root_mand
        if mandatory or random.random() < density:
            try:
                found[name] = value_of(component, random, density)
            except NoValueError:
                if mandatory:
                    raise
    return found


def _size(kind: Any, random: Random, most: int) -> int:
    bounds = kind._const_sz
    low = (bounds.lb or 0) if bounds is not None else 0
    high = bounds.ub if bounds is not None and bounds.ub is not None else low + 6
    return random.choice([low, min(high, low + most), random.randint(low, min(high, low + most))])


def _integer(kind: Any, random: Random) -> int:
    bounds = kind._const_val
    low, high = (-(2**31), 2**31 - 1) if bounds is None else (bounds.lb, bounds.ub)
    edges = [value for value in (0, 127, 128, 255, 256, 32767) if low <= value <= high]
    return random.choice([low, high, random.randint(low, high), *edges])


def _bits(kind: Any, random: Random) -> tuple[int, int]:
    size = _size(kind, random, 20)
    return random.getrandbits(size) if size else 0, size


_PLAIN = {
    "OCTET STRING": lambda kind, random: random.randbytes(_size(kind, random, 200)),
    "BIT STRING": _bits,
    "INTEGER": _integer,
    "ENUMERATED": lambda kind, random: random.choice(list(kind._cont)),
    "BOOLEAN": lambda kind, random: random.random() < 0.5,
    "NULL": lambda kind, random: 0,
    "OBJECT IDENTIFIER": lambda kind, random: random.choice([(0, 4, 0, 0, 1, 0, 50, 1), (2, 999, 3)]),
}


def rewritten(octets: bytes, random: Random, long: float, indefinite: float) -> bytes:
    """BER octets with definite lengths, some of them in long form, and some indefinite ones (constructed only)."""
    parts: list[bytes] = []
    at = 0
    while at < len(octets):
        start = at
        at += 1
        if octets[start] & 0x1F == 0x1F:
            while octets[at] & 0x80:
                at += 1
            at += 1
        tag = octets[start:at]
        length = octets[at]
        at += 1
        if length & 0x80:
            width = length & 0x7F
            length = int.from_bytes(octets[at : at + width], "big")
            at += width
        contents = octets[at : at + length]
        at += length
        if tag[0] & 0x20:
            contents = rewritten(contents, random, long, indefinite)
            if random.random() < indefinite:
                parts += [tag, b"\x80", contents, b"\0\0"]
                continue
        parts += [tag, _length(len(contents), random, long), contents]
    return b"".join(parts)


def _length(length: int, random: Random, long: float) -> bytes:
    spare = random.choice([0, 1, 4, 10]) if random.random() < long else -1
    if spare < 0 and length < 0x80:
        return bytes((length,))
    width = max(1, (length.bit_length() + 7) // 8) + max(spare, 0)
    return bytes((0x80 | width,)) + length.to_bytes(width, "big")
