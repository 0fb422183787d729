"""One decision, one vocabulary: the same `Reason` in metrics, logs, CDRs, reports and the API's dry run."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Action(StrEnum):
    """What the gsmSSF is told to do."""

    CONNECT = "connect"
    CONTINUE = "continue"
    RELEASE = "release"
    ERROR = "error"  # a return error, reject or abort went out in place of an instruction


class Reason(StrEnum):
    """Why."""

    FORWARDED = "forwarded"


class Decision(Struct, frozen=True, gc=False):
    """An action, the number for it (digits as they go out, "" if none), and the reason."""

    action: Action
    reason: Reason
    number: str = ""
