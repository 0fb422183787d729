"""The result of a decision: action, reason, and the steps to it. Values only."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from scp.domain.numbers import Nature
from scp.domain.reason import Reason


class Action(StrEnum):
    """What the gsmSSF is told to do."""

    CONNECT = "connect"
    CONTINUE = "continue"
    RELEASE = "release"
    ERROR = "error"  # a return error, reject or abort went out in place of an instruction


class Decision(Struct, frozen=True, gc=False):
    """An action, the number for it (digits as they go out, "" if none) with its nature, and the reason."""

    action: Action
    reason: Reason
    number: str = ""
    nature: Nature = Nature.UNKNOWN


class Step(Struct, frozen=True, gc=False):
    """One condition of a decision: its name, the value it was asked of, "yes" or the reason it failed for.

    The last step's outcome is the decision's reason.
    """

    condition: str
    value: str
    outcome: str
