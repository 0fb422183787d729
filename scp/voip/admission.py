"""Joining: a device proves that it has a number by the PIN that was sent there. Pure.

An enrolment begins when a device asks for a number, and ends with the right PIN, with too many wrong ones, or
with time. Only the device that asked can go on with it: it was given a secret, and what is kept of the PIN is
a keyed hash under that secret, so that nobody who reads the store can find the PIN by trying all of them.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR_MS: Final = 3_600_000


class Step(StrEnum):
    """Where an enrolment is."""

    CHALLENGED = "challenged"  # the PIN is on its way
    ACTIVE = "active"  # the PIN was right: a device came of it
    LOCKED = "locked"  # too many wrong ones


class Refusal(StrEnum):
    """Why an enrolment does not begin or go on."""

    TOO_MANY_SENDS = "too-many-sends"
    LOCKED = "locked"
    UNKNOWN = "unknown-enrolment"
    WRONG_DEVICE = "wrong-device"
    WRONG_PIN = "wrong-pin"
    EXPIRED = "expired"
    USED = "used"


class Enrolment(Struct, frozen=True, forbid_unknown_fields=True):
    """One request to join; times in milliseconds since 1970-01-01 UTC.

    Attributes:
        id: opaque.
        msisdn: the number that the device says is its own.
        label: of the device, for people.
        secret: SHA-256 of what only the asking device has.
        pin: keyed hash of the PIN under that secret.
        asked_ms: when it began.
        until_ms: the PIN is taken until then.
        tries: PINs that were tried.
        step: see `Step`.
        source: the address that asked.
    """

    id: str
    msisdn: str
    label: str
    secret: str
    pin: str
    asked_ms: int
    until_ms: int
    tries: int = 0
    step: Step = Step.CHALLENGED
    source: str = ""


class Limits(Struct, frozen=True):
    """What holds off those who guess.

    Attributes:
        pin_s: seconds that a PIN is taken.
        tries: PINs of one enrolment.
        tries_of_number: wrong PINs for one number within an hour, whoever tries.
        sends_of_number: text messages to one number within an hour.
    """

    pin_s: int = 300
    tries: int = 5
    tries_of_number: int = 10
    sends_of_number: int = 3


def hashed(secret: str) -> str:
    """Return what is kept of a secret that can't be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def pin_hash(pin: str, secret: str) -> str:
    """Return what is kept of a PIN."""
    return hmac.new(secret.encode(), pin.encode(), hashlib.sha256).hexdigest()


def may_ask(earlier: Iterable[Enrolment], limits: Limits, now: int) -> Refusal | None:
    """Return why no PIN is sent to a number now, None if one is.

    Args:
        earlier: the enrolments of this number.
        limits: see `Limits`.
        now: milliseconds.
    """
    recent = [one for one in earlier if one.asked_ms > now - HOUR_MS]
    if _wrong(recent) >= limits.tries_of_number:
        return Refusal.LOCKED
    return Refusal.TOO_MANY_SENDS if len(recent) >= limits.sends_of_number else None


def begun(
    name: str, msisdn: str, label: str, source: str, secret: str, pin: str, limits: Limits, now: int
) -> Enrolment:
    """Return a new enrolment."""
    return Enrolment(
        name,
        msisdn,
        label,
        hashed(secret),
        pin_hash(pin, secret),
        now,
        now + limits.pin_s * 1000,
        source=source,
    )


def tried(
    enrolment: Enrolment, secret: str, pin: str, earlier: Iterable[Enrolment], limits: Limits, now: int
) -> tuple[Enrolment, Refusal | None]:
    """Return an enrolment after a PIN was tried, and why it was not taken.

    The try is to be kept before its outcome is told. One from another device counts against the number only.

    Args:
        enrolment: as it is kept.
        secret: what the device that tries was given.
        pin: what it says.
        earlier: all enrolments of this number within an hour, this one too.
        limits: see `Limits`.
        now: milliseconds.
    """
    if not hmac.compare_digest(enrolment.secret, hashed(secret)):
        return enrolment, Refusal.WRONG_DEVICE
    if enrolment.step is Step.ACTIVE:
        return enrolment, Refusal.USED
    if now >= enrolment.until_ms:
        return enrolment, Refusal.EXPIRED
    if enrolment.step is Step.LOCKED or _wrong(earlier) >= limits.tries_of_number:
        return enrolment, Refusal.LOCKED
    after = replace(enrolment, tries=enrolment.tries + 1)
    if hmac.compare_digest(enrolment.pin, pin_hash(pin, secret)):
        return replace(after, step=Step.ACTIVE), None
    locked = after.tries >= limits.tries
    return replace(after, step=Step.LOCKED) if locked else after, Refusal.WRONG_PIN


def _wrong(enrolments: Iterable[Enrolment]) -> int:
    return sum(one.tries - (one.step is Step.ACTIVE) for one in enrolments)
