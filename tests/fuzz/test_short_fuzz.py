"""A short run of every fuzz target, without atheris: seeds, cut, joined and with octets changed, always the same ones."""

from __future__ import annotations

import random
import time

import pytest
import targets

SECONDS = 1.5
SPECIAL = (0x00, 0x01, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xFF)


def mutated(source: random.Random, seeds: tuple[bytes, ...]) -> bytes:
    octets = bytearray(source.choice(seeds))
    for _ in range(source.randint(1, 5)):
        kind = source.randrange(5)
        at = source.randrange(len(octets)) if octets else 0
        if kind == 0 and octets:
            octets[at] = source.choice(SPECIAL)
        elif kind == 1 and octets:
            octets[at] ^= 1 << source.randrange(8)
        elif kind == 2:
            del octets[at : at + source.randint(1, 8)]
        elif kind == 3:
            octets[at:at] = source.randbytes(source.randint(1, 4))
        else:
            other = source.choice(seeds)
            octets[at:] = other[source.randrange(len(other) + 1) :]
    return bytes(octets)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_nothing_is_raised(name: str) -> None:
    seeds = targets.seeds(name)
    assert seeds
    target = targets.TARGETS[name]
    source = random.Random(name)
    until = time.monotonic() + SECONDS
    for octets in seeds:
        target(octets)
    runs = 0
    while time.monotonic() < until or runs < 50:
        octets = mutated(source, seeds)
        try:
            target(octets)
        except Exception as error:
            error.add_note(f"{name}: {octets.hex()}")
            raise
        runs += 1
