"""Whether a connection to a Diameter server can be trusted: the algorithm of RFC 3539 §3.4.1 as a table.

Its timer Tw is set anew by what is received, and runs out in silence. What is down, and when it is tried
again, is `scp.charging.ro_peer.RoPeer`'s affair: here a connection is up.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Health(IntEnum):
    """How far a connection is trusted, the best first."""

    OKAY = 0
    REOPEN = 1  # it is back: three answers to watchdogs, then it is okay
    SUSPECT = 2  # a watchdog was not answered: requests go elsewhere
    DOWN = 3  # there is none


class Input(IntEnum):
    """What happened."""

    SILENT = 0  # Tw ran out, no watchdog is on its way
    UNANSWERED = 1  # Tw ran out, a watchdog is on its way
    UNANSWERED_TWICE = 2  # … and the Tw before ran out so too
    ANSWERED = 3  # Device-Watchdog-Answer
    ANSWERED_ENOUGH = 4  # the third one since the connection is back
    HEARD = 5  # any other message


class Action(IntEnum):
    """What is done."""

    NOTHING = 0
    ASK = 1  # send Device-Watchdog-Request
    MOVE = 2  # what waits for an answer goes to another server
    CLOSE = 3


class Row(NamedTuple):
    """What an input does."""

    action: Action
    next: Health
    timer: bool  # Tw begins anew


TABLE: Final[Mapping[tuple[Health, Input], Row]] = {
    (Health.OKAY, Input.SILENT): Row(Action.ASK, Health.OKAY, True),
    (Health.OKAY, Input.UNANSWERED): Row(Action.MOVE, Health.SUSPECT, True),
    (Health.OKAY, Input.ANSWERED): Row(Action.NOTHING, Health.OKAY, True),
    (Health.OKAY, Input.HEARD): Row(Action.NOTHING, Health.OKAY, True),
    (Health.SUSPECT, Input.UNANSWERED): Row(Action.CLOSE, Health.DOWN, False),
    (Health.SUSPECT, Input.ANSWERED): Row(Action.NOTHING, Health.OKAY, True),
    (Health.SUSPECT, Input.HEARD): Row(Action.NOTHING, Health.OKAY, True),
    (Health.REOPEN, Input.SILENT): Row(Action.ASK, Health.REOPEN, True),
    (Health.REOPEN, Input.UNANSWERED): Row(Action.NOTHING, Health.REOPEN, True),
    (Health.REOPEN, Input.UNANSWERED_TWICE): Row(Action.CLOSE, Health.DOWN, False),
    (Health.REOPEN, Input.ANSWERED): Row(Action.NOTHING, Health.REOPEN, False),
    (Health.REOPEN, Input.ANSWERED_ENOUGH): Row(Action.NOTHING, Health.OKAY, True),
    (Health.REOPEN, Input.HEARD): Row(Action.NOTHING, Health.REOPEN, False),
}

ENOUGH: Final = 3
"""Answers to watchdogs after which a connection that was lost is trusted again."""


@final
class Watchdog:
    """One connection's.

    Args:
        back: the connection was lost before; the first watchdog is to be sent at once.

    Attributes:
        health: how far the connection is trusted.
        pending: a watchdog is on its way.
    """

    def __init__(self, *, back: bool) -> None:
        self.health = Health.REOPEN if back else Health.OKAY
        self.pending = back
        self._answers = 0  # NumDWA; -1: one was not answered, and it begins anew

    def timer(self) -> Row:
        """Tw ran out."""
        if not self.pending:
            self.pending = True
            return self._step(Input.SILENT)
        if self.health is Health.REOPEN and self._answers < 0:
            return self._step(Input.UNANSWERED_TWICE)
        self._answers = -1
        return self._step(Input.UNANSWERED)

    def answered(self) -> Row:
        """Device-Watchdog-Answer came."""
        self.pending = False
        self._answers += 1
        enough = self.health is Health.REOPEN and self._answers >= ENOUGH
        return self._step(Input.ANSWERED_ENOUGH if enough else Input.ANSWERED)

    def heard(self) -> Row:
        """Any other message came."""
        return self._step(Input.HEARD)

    def _step(self, given: Input) -> Row:
        row = TABLE[self.health, given]
        self.health = row.next
        return row
