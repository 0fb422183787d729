"""Alters what the cases see, one thing at a time, and lists the cases that pass all the same.

What a case sees is every message and event of what it tries, in its order, and what calls returned (`watch`). Each is
lost, there twice, late, and different in each bit of its octets or each of its fields; where nothing came, something
comes. A case that looks at all that it sees fails each time.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Iterator, Sequence
from enum import Enum
from fnmatch import fnmatch
from typing import Any, NamedTuple

from case import Case, Group
from watch import WATCH, Alteration, Seen

BITS = [1 << bit for bit in range(8)]
MOST = 160
"""Octets of a longer one are changed up to there, and every sixteenth of the rest."""


class Mutation(NamedTuple):
    """One alteration of one thing seen.

    Attributes:
        number: of the thing.
        what: in words: where, and how it is altered.
        how: makes of it what is seen instead.
        late: it comes a portion later instead.
    """

    number: int
    what: str
    how: Alteration | None
    late: bool = False


def others(value: Any) -> Iterator[tuple[str, Any]]:
    """Values that differ from this one in one place each, with what differs."""
    if isinstance(value, bytes):
        yield from _octets(value)
    elif isinstance(value, bool):
        yield "not", not value
    elif isinstance(value, Enum):
        members = list(type(value))
        if len(members) > 1:
            yield "another", members[(members.index(value) + 1) % len(members)]
    elif isinstance(value, (int, float)):
        yield "more", value + 1
        yield "less", value - 1
    elif isinstance(value, str):
        yield "another", value + "?"
    elif isinstance(value, list):
        yield from _items(value)
    elif isinstance(value, tuple):
        make = getattr(type(value), "_make", tuple)
        names = getattr(value, "_fields", range(len(value)))
        for index, (name, item) in enumerate(zip(names, value, strict=True)):
            for what, other in others(item):
                yield f"{name} {what}", make([*value[:index], other, *value[index + 1 :]])
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            for what, other in others(getattr(value, field.name)):
                yield f"{field.name} {what}", dataclasses.replace(value, **{field.name: other})


def _octets(value: bytes) -> Iterator[tuple[str, bytes]]:
    for index in [*range(min(MOST, len(value))), *range(MOST, len(value), 16)]:
        for bit in BITS:
            changed = bytearray(value)
            changed[index] ^= bit
            yield f"octet {index} ^ {bit:02x}", bytes(changed)
    if value:
        yield "an octet less", value[:-1]
    yield "an octet more", value + b"\0"


def _items(value: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    for index, item in enumerate(value):
        rest = [value[:index], value[index + 1 :]]
        yield f"[{index}] lost", [*rest[0], *rest[1]]
        yield f"[{index}] twice", [*rest[0], item, item, *rest[1]]
        for what, other in others(item):
            yield f"[{index}] {what}", [*rest[0], other, *rest[1]]


def of(number: int, seen: Seen) -> Iterator[Mutation]:
    """Return all alterations of a thing seen."""
    name = f"{seen.where} {number}"
    if seen.value is None:
        if seen.forged is not None:
            yield Mutation(number, f"{name} forged", lambda _: [seen.forged])
        return
    if not isinstance(seen.value, bool):
        yield Mutation(number, f"{name} lost", lambda _: [])
    if seen.stream:
        yield Mutation(number, f"{name} twice", lambda value: [value, value])
    if seen.timely:
        yield Mutation(number, f"{name} late", None, late=True)
    for count, (what, _) in enumerate(others(seen.value)):
        yield Mutation(number, f"{name}: {what}", lambda value, count=count: [_nth(value, count)])


def _nth(value: Any, count: int) -> Any:
    """Return the same alteration of a value of another run, in which identities may differ."""
    for number, (_, other) in enumerate(others(value)):
        if number == count:
            return other
    raise AssertionError("the case does not see the same twice")


def sees(case: Case) -> list[Seen]:
    """Run a case as it is, and return what it saw."""
    with WATCH.altering():
        case.run()
        return WATCH.seen


def survives(case: Case, mutation: Mutation) -> bool:
    """Whether the case passes though it is shown something altered."""
    with WATCH.altering(mutation.number, mutation.how, late=mutation.late):
        try:
            case.run()
        except Exception:  # noqa: BLE001 - however it fails
            return False
        return True


def mutations(case: Case) -> list[Mutation]:
    """Return all alterations of what a case sees."""
    return [mutation for number, seen in enumerate(sees(case)) for mutation in of(number, seen)]


def survivors(case: Case, some: int = 0) -> tuple[int, list[str]]:
    """Return how many alterations a case was shown, and what it did not notice.

    ``some``: about so many of them only, spread over all.
    """
    tried = mutations(case)
    if some:
        tried = tried[:: max(1, len(tried) // some)]
    return len(tried), [mutation.what for mutation in tried if survives(case, mutation)]


def run(groups: Sequence[Group], chosen: Sequence[str]) -> bool:
    """Show the chosen cases (patterns of numbers; none: all) everything, and print what they did not notice."""
    cases = [case for group in groups for case in group.cases]
    chosen_cases = [
        case for case in cases if not chosen or any(fnmatch(case.number, each) for each in chosen)
    ]
    global _CASES  # what a process begun by forking has: a case holds functions, which can't be sent
    _CASES = chosen_cases
    total, blind = 0, 0
    with multiprocessing.get_context("fork").Pool() as pool:
        for index, (count, found) in enumerate(pool.imap(_survivors, range(len(chosen_cases)))):
            total += count
            for what in found or ([] if count else ["it sees nothing that could be altered"]):
                blind += 1
                print(f"{chosen_cases[index].number:24} {what}", flush=True)
    print(f"{total} alterations in {len(chosen_cases)} cases; {blind} of them not noticed")
    return not blind


_CASES: list[Case] = []


def _survivors(index: int) -> tuple[int, list[str]]:
    return survivors(_CASES[index])
