"""Passes: how one call to a subscriber is let go on unsteered, once.

The VoIP service sends a call that nobody has answered back to the subscriber's own number. The redirection
data of that call tells (`scp.domain.conditions`), but some gateways drop it. So it grants a pass first: the
next call from that caller to that number goes on, and takes the pass with it.

A record keeps passes as texts, ``UNTIL:CALLER:ID``: milliseconds since 1970-01-01 UTC, E.164 digits, "" where
the caller is not known, and the id that its grantor gave it. Records have few, mostly none.

A **one-time number** is a record of a number that is no subscriber's, with one pass, `ONE_TIME`: the call of
one caller to it goes on as one that passes, and is not charged here, since the VoIP service charges what
follows. The lookup of the called number finds it; no further question is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from scp.domain.outcome import Action, Decision, Step
from scp.domain.reason import Reason
from scp.domain.subscriber import Subscriber

if TYPE_CHECKING:
    from scp.domain.lookup import Found

MOST: Final = 32
"""Passes of one subscriber; one more takes the place of the oldest."""
ONE_TIME: Final = "one-time"
"""The id of the pass that makes a one-time number."""


def fits(record: Subscriber, caller: str) -> bool:
    """Return whether one of a record's passes may be for this caller, whatever the time; see `claimed`."""
    return any(_fits(each, record, caller) for each in record.passes)


def _fits(text: str, record: Subscriber, caller: str) -> bool:
    of = _caller(text)
    if record.authorized:
        return not caller or of in {"", caller}
    return caller != "" and of == caller and _name(text) == ONE_TIME


def granted(record: Subscriber, name: str, caller: str, until_ms: int, now_ms: int) -> Subscriber:
    """Return a record with one more pass, or with that of this id as it is now; old ones are dropped."""
    kept = [each for each in _valid(record.passes, now_ms) if _name(each) != name]
    return replace(record, passes=(*kept[-(MOST - 1) :], f"{until_ms}:{caller}:{name}"))


def claimed(record: Subscriber, caller: str, now_ms: int) -> Subscriber | None:
    """Return a record whose oldest pass for this caller is used, None if it has none that is valid.

    A caller that is not known has a subscriber's pass only where just one is open, and no one-time number.
    """
    kept = _valid(record.passes, now_ms)
    if not caller and len(kept) > 1:
        return None
    for index, each in enumerate(kept):
        if _fits(each, record, caller):
            return replace(record, passes=(*kept[:index], *kept[index + 1 :]))
    return None


def withdrawn(record: Subscriber, name: str, now_ms: int) -> Subscriber:
    """Return a record without the pass of this id."""
    return replace(
        record, passes=tuple(each for each in _valid(record.passes, now_ms) if _name(each) != name)
    )


def one_time(record: Subscriber | None, now_ms: int) -> tuple[str, int] | None:
    """Return whose call a number stands for, and until when (ms), None if it is no one-time number now."""
    if record is None or record.authorized:
        return None
    for each in _valid(record.passes, now_ms):
        if _name(each) == ONE_TIME:
            return _caller(each), int(each.partition(":")[0])
    return None


def explained(found: Found, caller: str, now_ms: int, decision: Decision, steps: list[Step]) -> Decision:
    """Return what a call gets that was decided so far without passes; ``steps`` takes what was asked of them.

    No pass is used up. Args as of `claimed` and `scp.domain.decision.path`.
    """
    if decision.action is not Action.CONNECT and decision.reason is not Reason.NOT_AUTHORIZED:
        return decision
    if not isinstance(found, Subscriber) or not _valid(found.passes, now_ms):
        return decision
    passes = claimed(found, caller, now_ms) is not None
    shown = f"caller +{caller}" if caller else "caller not known"
    steps.append(Step("pass", shown, Reason.PASSED if passes else "none for this caller"))
    return Decision(Action.CONTINUE, Reason.PASSED) if passes else decision


def is_bare(record: Subscriber) -> bool:
    """Return whether a record has nothing but passes: it is no subscriber's."""
    return record == Subscriber(record.msisdn, version=record.version, passes=record.passes)


def _valid(passes: tuple[str, ...], now_ms: int) -> list[str]:
    return [each for each in passes if int(each.partition(":")[0]) > now_ms]


def _caller(text: str) -> str:
    return text.split(":", 2)[1]


def _name(text: str) -> str:
    return text.split(":", 2)[2]
