"""Whether VLRs tell of a subscriber's moves: what the HLR said to the question, and what follows."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from scp.domain.map_results import Outcome
from scp.domain.subscriber import Subscriber, When


class ArmState(StrEnum):
    """Where a subscriber's M-CSI stands."""

    WAITING = "waiting"  # the HLR is to be asked, at first or again
    ARMED = "armed"
    REFUSED = "refused"  # the HLR will say the same again until somebody does something there


class Armed(Struct, frozen=True, gc=False, array_like=True):
    """What is known of one subscriber; times in milliseconds since 1970-01-01 UTC.

    Attributes:
        msisdn: whose.
        on: whether VLRs are to tell of moves; False: they are to stop.
        state: see `ArmState`.
        reason: why it is refused or waits, "" if it was not asked yet.
        tries: attempts in a row without an answer.
        due_ms: when the HLR is asked next, 0: never.
        at_ms: when the state was reached.
    """

    msisdn: str
    on: bool = True
    state: ArmState = ArmState.WAITING
    reason: str = ""
    tries: int = 0
    due_ms: int = 0
    at_ms: int = 0


ArmedChange: TypeAlias = tuple[str, Armed | None, Armed | None]
"""An MSISDN, what has to be known of it, and what is to be known instead; None: nothing."""

FIRST_PAUSE_MS: Final = 30_000
OWN_CHANGE_MS: Final = 60_000
"""What the HLR tells so soon after it was asked is the echo of that."""
LIMITED_PAUSE_MS: Final = 2_000
_DOUBLINGS: Final = 16
TEMPORARY_ERRORS: Final = frozenset({34, 51})
"""systemFailure, resourceLimitation (TS 29.002 §17.6): the others say what does not go away by itself."""
_ANSWERED: Final = frozenset({Outcome.ERROR, Outcome.REJECT, Outcome.CONTEXT})


def wanted(record: Subscriber) -> bool:
    """Return whether a record's condition is about moves, so that its VLRs should tell of them."""
    return record.forwarding and record.when is When.ROAMING


def wished(known: Armed | None, msisdn: str, *, on: bool, disarm: bool, now_ms: int) -> Armed | None:
    """Return what is known once a record wants its M-CSI armed, or does not (any more).

    Args:
        known: before.
        msisdn: whose.
        on: whether it is wanted.
        disarm: whether the HLR is told that it is not wanted any more.
        now_ms: the time.
    """
    if on:
        return known if known is not None and known.on else Armed(msisdn, at_ms=now_ms, due_ms=now_ms)
    if known is None or not known.on:
        return known
    if disarm and known.state is not ArmState.REFUSED:
        return Armed(msisdn, on=False, at_ms=now_ms, due_ms=now_ms)
    return None


def switched_off(known: Armed | None, now_ms: int) -> Armed | None:
    """Return what is known once an HLR has told that an M-CSI is off: one that was armed is armed again."""
    if known is None or not known.on or known.state is not ArmState.ARMED:
        return known
    if now_ms - known.at_ms < OWN_CHANGE_MS:
        return known
    return Armed(known.msisdn, reason="switched off at the HLR", due_ms=now_ms, at_ms=now_ms)


def hastened(known: Armed | None, now_ms: int) -> Armed | None:
    """Return what is known once the HLR can be reached again: who waits is due."""
    if known is None or known.state is not ArmState.WAITING or known.due_ms <= now_ms:
        return known
    return replace(known, due_ms=now_ms)


def after(
    armed: Armed,
    outcome: Outcome,
    code: int,
    reason: str,
    now_ms: int,
    *,
    most_pause_ms: int,
    refused_ms: int,
) -> Armed:
    """Return what is known once the HLR was asked.

    Args:
        armed: as it was.
        outcome: of the question.
        code: of an ERROR the MAP error.
        reason: in words.
        now_ms: the time.
        most_pause_ms: the longest pause between attempts that nobody answers; they double from half a minute.
        refused_ms: after which a refusal is asked again.
    """
    msisdn, on = armed.msisdn, armed.on
    if outcome is Outcome.RESULT and not reason:
        return Armed(msisdn, on, ArmState.ARMED, "", 0, 0, now_ms)
    if outcome is Outcome.LIMITED:  # nothing was sent
        return Armed(msisdn, on, ArmState.WAITING, reason, armed.tries, now_ms + LIMITED_PAUSE_MS, now_ms)
    if outcome is Outcome.UNREACHABLE:  # likewise; another node may have a link
        return Armed(msisdn, on, ArmState.WAITING, reason, armed.tries, now_ms + FIRST_PAUSE_MS, now_ms)
    if outcome is Outcome.RESULT or (outcome in _ANSWERED and code not in TEMPORARY_ERRORS):
        return Armed(msisdn, on, ArmState.REFUSED, reason, 0, now_ms + refused_ms, now_ms)
    pause = min(FIRST_PAUSE_MS << min(armed.tries, _DOUBLINGS), most_pause_ms)
    return Armed(msisdn, on, ArmState.WAITING, reason, armed.tries + 1, now_ms + pause, now_ms)
