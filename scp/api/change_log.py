"""The latest changes through the API: who changed what of which number, when, and what it was before."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
from msgspec import Struct

from scp.config import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST: Final = 2000
"""Changes that are remembered; the oldest is forgotten for a new one."""

_NUMBER_FIELDS: Final = ("msisdn", "account", "called", "to")
"""Fields of what is changed that have its number: a subscriber's, an account's, a reservation's, a call's."""
_IN_PATH: Final = re.compile(r"/\+?([1-9][0-9]{4,14})(?:/|$)")
_NEEDED: Final = (
    (
        re.compile(r"(PUT|DELETE|POST) /v1/(authorizations|registrations|forwarding|roaming|subscribers)"),
        Scope.READ,
    ),
    (re.compile(r"PUT /v1/mobility"), Scope.READ),
    (re.compile(r"(PUT|DELETE) /v1/(passes|one-time-numbers)"), Scope.PASSES),
    (re.compile(r"(PUT|DELETE) /v1/traces"), Scope.TRACE),
    (re.compile(r"DELETE /v1/calls"), Scope.CALLS),
    (re.compile(r"(reserve|extend|commit|release|credit .*)$", re.DOTALL), Scope.CHARGING),
    (re.compile(r"message$"), Scope.MESSAGES),
)
"""Scope that a key needs to see a change, by what was done; what is not here nobody sees."""


class Change(Struct, frozen=True):
    """One change: ``time`` in UTC, ``who`` has the key's name, ``before`` and ``after`` the record.

    ``node`` is the other node through whose API it came, "" for this one.
    """

    time: str
    who: str
    what: str
    before: Any
    after: Any
    node: str = ""


@final
class ChangeLog:
    """The latest changes, and which number each is of.

    Attributes:
        told: called with each change that is made here; None: nobody else is told.
    """

    def __init__(self) -> None:
        self.told: Callable[[Change], None] | None = None
        self._latest: deque[tuple[str, Change]] = deque(maxlen=MOST)

    def add(self, time: datetime, who: str, what: str, before: object, after: object) -> None:
        """Remember a change."""
        change = Change(_to_ms(time), who, what, before, after)
        self._keep(change)
        if self.told is not None:
            self.told(change)

    def recall(self, lines: Iterable[bytes]) -> None:
        """Remember what audit lines say; what is none, or says of a refusal, is passed over."""
        for line in lines:
            try:
                said = _decode(line)
            except msgspec.DecodeError:
                continue
            if said.result != "changed":
                continue
            self._keep(Change(_to_ms(said.timestamp), said.who, said.what, said.before, said.after))

    def merge(self, changes: Iterable[Change]) -> None:
        """Remember changes that others have told, in the order of time; what is known is not told twice."""
        known = {_key(change) for _, change in self._latest}
        fresh = {_key(each): each for each in changes}
        for key in known & fresh.keys():
            del fresh[key]
        if not fresh:
            return
        both = [*(change for _, change in self._latest), *fresh.values()]
        self._latest.clear()
        for each in sorted(both, key=lambda change: change.time):
            self._keep(each)

    def _keep(self, change: Change) -> None:
        number = _number_in(change.after) or _number_in(change.before) or _number_of(change.what)
        self._latest.append((number, change))

    def of(self, number: str, scopes: frozenset[Scope], most: int) -> tuple[Change, ...]:
        """Return the latest changes of a number ("": of any) that a key with these scopes may see."""
        found: list[Change] = []
        for its, change in reversed(self._latest):
            if number in ("", its) and _needed(change.what) in scopes:
                found.append(change)
                if len(found) == most:
                    break
        return tuple(found)


class _Line(Struct, frozen=True):
    """What is read of an audit line."""

    timestamp: datetime
    result: str
    who: str
    what: str
    before: Any = None
    after: Any = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def _to_ms(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def _key(change: Change) -> tuple[str, str, str, str]:
    return change.node, change.time, change.who, change.what


def _number_in(record: object) -> str:
    """Return the number that a record is of, as the API or an audit line has it; "" if it names none."""
    for name in _NUMBER_FIELDS:
        value = record.get(name) if isinstance(record, dict) else getattr(record, name, None)
        if isinstance(value, str) and value:
            return value
    return ""


def _number_of(what: str) -> str:
    found = _IN_PATH.search(what)
    return "" if found is None else found[1]


def _needed(what: str) -> Scope | None:
    return next((scope for pattern, scope in _NEEDED if pattern.match(what)), None)
