"""Passes: how one call to a subscriber is let go on unsteered, once.

The VoIP service sends a call that nobody has answered back to the subscriber's own number. The redirection
data of that call tells (`scp.domain.conditions`), but some gateways drop it. So it grants a pass first: the
next call from that caller to that number goes on, and takes the pass with it.

A record keeps passes as texts, ``UNTIL:CALLER:ID``: milliseconds since 1970-01-01 UTC, E.164 digits, "" where
the caller is not known, and the id that its grantor gave it. Records have few, mostly none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

if TYPE_CHECKING:
    from scp.domain.subscriber import Subscriber

MOST: Final = 32
"""Passes of one subscriber; one more takes the place of the oldest."""


def fits(passes: tuple[str, ...], caller: str) -> bool:
    """Return whether one of the passes is for this caller, whatever the time; one not known fits any."""
    return any(not caller or _caller(each) in {"", caller} for each in passes)


def granted(record: Subscriber, name: str, caller: str, until_ms: int, now_ms: int) -> Subscriber:
    """Return a record with one more pass, or with that of this id as it is now; old ones are dropped."""
    kept = [each for each in _valid(record.passes, now_ms) if _name(each) != name]
    return replace(record, passes=(*kept[-(MOST - 1) :], f"{until_ms}:{caller}:{name}"))


def claimed(record: Subscriber, caller: str, now_ms: int) -> Subscriber | None:
    """Return a record whose oldest pass for this caller is used, None if it has none that is valid."""
    kept = _valid(record.passes, now_ms)
    for index, each in enumerate(kept):
        if fits((each,), caller):
            return replace(record, passes=(*kept[:index], *kept[index + 1 :]))
    return None


def withdrawn(record: Subscriber, name: str, now_ms: int) -> Subscriber:
    """Return a record without the pass of this id."""
    return replace(
        record, passes=tuple(each for each in _valid(record.passes, now_ms) if _name(each) != name)
    )


def _valid(passes: tuple[str, ...], now_ms: int) -> list[str]:
    return [each for each in passes if int(each.partition(":")[0]) > now_ms]


def _caller(text: str) -> str:
    return text.split(":", 2)[1]


def _name(text: str) -> str:
    return text.split(":", 2)[2]
