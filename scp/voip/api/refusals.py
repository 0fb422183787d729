"""What is not done, as problems."""

from __future__ import annotations

from typing import Final

from scp.api.problems import INVALID, NOT_SET, TOO_MANY, FieldError, Kind, ProblemError, define
from scp.voip import accounts
from scp.voip.accounts import RefusedError
from scp.voip.admission import Refusal

NO_ENROLMENTS: Final = define(
    "no-admission", 409, "Nobody can join here", "[admission] and [messages] of voip.toml let devices join."
)
TOO_OFTEN: Final = define(
    "too-many-pins",
    429,
    "Too many PINs were asked for",
    "Wait as long as Retry-After says. [admission] limits them by number and by address.",
)
LOCKED: Final = define(
    "locked", 403, "Too many wrong PINs", "Ask for a new one, after an hour where the number is locked."
)
WRONG_DEVICE: Final = define(
    "wrong-device", 403, "Another device has asked", "Only the device that asked can confirm; ask yourself."
)
WRONG_PIN: Final = define("wrong-pin", 403, "The PIN is wrong", "Try again, or ask for a new one.")
EXPIRED: Final = define("pin-expired", 410, "The PIN is too old", "Ask for a new one.")
USED: Final = define("pin-used", 410, "The PIN was used before", "Ask for a new one.")
FULL: Final = define("too-many-devices", 409, "The number has too many devices", "Revoke one of them first.")
AGAIN: Final = define("changed-by-others", 409, "Somebody else has changed it meanwhile", "Try again.")
FIXED: Final = define(
    "configured", 409, "It stands in voip.toml", "Change it there, and have the brain read it again (SIGHUP)."
)
OTHERS: Final = define("number-taken", 409, "A number or alias is somebody else's", "Take another one.")

_KINDS: Final[dict[str, Kind]] = {
    accounts.NO_ADMISSION: NO_ENROLMENTS,
    accounts.TOO_MANY_ASKS: TOO_OFTEN,
    accounts.TOO_MANY_DEVICES: FULL,
    accounts.CHANGED: AGAIN,
    accounts.CONFIGURED: FIXED,
    accounts.TAKEN: OTHERS,
    accounts.GONE: NOT_SET,
    accounts.UNFIT: INVALID,
    Refusal.TOO_MANY_SENDS: TOO_OFTEN,
    Refusal.LOCKED: LOCKED,
    Refusal.UNKNOWN: NOT_SET,
    Refusal.WRONG_DEVICE: WRONG_DEVICE,
    Refusal.WRONG_PIN: WRONG_PIN,
    Refusal.EXPIRED: EXPIRED,
    Refusal.USED: USED,
}


def refused(error: RefusedError) -> ProblemError:
    """Return the problem of what is not done."""
    kind = _KINDS[error.why]
    words = "" if str(error) == error.why else str(error)
    wait = {"Retry-After": str(int(error.wait))} if kind.status == TOO_MANY.status else {}
    path, _, reason = words.partition(": ")
    errors = (FieldError(path, reason),) if kind is INVALID else ()
    return ProblemError(kind, words, errors, headers=wait)
