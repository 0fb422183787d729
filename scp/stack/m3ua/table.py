"""What the rows of the state tables are made of."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Action(Enum):
    """What a row has done before the next state is entered."""

    ANSWER = "acknowledge"
    ERROR = "ERR unexpected message"
    RESEND = "send again"
    HOLD_OFF = "wait T(retry)"
    DEREGISTER = "forget registered keys"
    WITHDRAW = "unsolicited ASPIA ACK"
    SHUT = "unsolicited ASPDN ACK"


class Row(NamedTuple):
    """What an input does in a state.

    Attributes:
        actions: in order.
        next: name of the state entered; the state of the row where the machine stays.
        clause: of RFC 4666.
        why: for people, in the event of a change.
    """

    actions: tuple[Action, ...]
    next: Enum
    clause: str
    why: str
