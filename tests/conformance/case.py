"""What a conformance case is: a number, what it checks, where that is written, and how it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One case.

    ``number`` is ours: group, section, running number. ``clause`` is of the group's standard unless it names another.
    ``run`` raises AssertionError where the behaviour is another one.
    """

    number: str
    clause: str
    purpose: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.number


@dataclass(frozen=True)
class Group:
    """The cases that try one layer against one standard."""

    letter: str
    title: str
    standard: str
    tried: str
    cases: tuple[Case, ...]


class Section:
    """Takes functions as the cases of one section, numbered in the order in which they stand."""

    def __init__(self, letter: str, cases: list[Case]) -> None:
        self._letter = letter
        self._cases = cases
        self._section = 0
        self._count = 0

    def begin(self) -> None:
        """Begin the next section."""
        self._section += 1
        self._count = 0

    def add(self, clause: str, purpose: str, run: Callable[[], None]) -> None:
        self._count += 1
        self._cases.append(Case(f"{self._letter}.{self._section}.{self._count:02}", clause, purpose, run))

    def __call__(self, clause: str, purpose: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
        def take(run: Callable[[], None]) -> Callable[[], None]:
            self.add(clause, purpose, run)
            return run

        return take
