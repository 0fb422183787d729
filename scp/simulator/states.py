"""What a gsmSSF is told and says, the states of its FSM and of the call (TS 29.078 §11, TS 23.078 §4.5)."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from scp.simulator.bcsm import Event
from ss7.cap.operations import Opcode  # noqa: TC001 - a NamedTuple reads it
from ss7.rose import Reject, ReturnError, ReturnResult


class Instruction(NamedTuple):
    """An operation that the gsmSCF invoked; the argument is of `ss7.cap.types`, None if there is none."""

    invoke_id: int
    opcode: int
    argument: Any = None


class Report(NamedTuple):
    """An operation to invoke at the gsmSCF, with its argument."""

    opcode: Opcode
    argument: Any


Sending: TypeAlias = Report | ReturnResult | ReturnError | Reject


class Closing(Enum):
    """How the dialogue goes on: TC-CONTINUE, TC-END, an end without a message, TC-U-ABORT."""

    NOT = "continue"
    END = "end"
    PREARRANGED_END = "prearranged end"
    ABORT = "abort"


class State(Enum):
    """States of the gsmSSF FSM (TS 29.078 §11 pre- and postconditions)."""

    IDLE = "Idle"
    WAITING = "Waiting_for_Instructions"
    INTERACTING = "Waiting_for_End_of_User_Interaction"
    MONITORING = "Monitoring"


class Phase(Enum):
    """The state of the call itself."""

    AT_TDP = "suspended at the trigger"
    ROUTING = "routing and ringing"
    ACTIVE = "talking"
    AT_EDP = "suspended at an event"
    OVER = "over"


ABANDONS: Final = frozenset({Event.O_ABANDON, Event.T_ABANDON})
# Events that end the attempt or the call: charging and information reports are due with them.
CLOSES_LEG: Final = frozenset(
    {
        Event.ROUTE_SELECT_FAILURE,
        Event.O_CALLED_PARTY_BUSY,
        Event.O_NO_ANSWER,
        Event.O_DISCONNECT,
        Event.O_ABANDON,
        Event.T_BUSY,
        Event.T_NO_ANSWER,
        Event.T_DISCONNECT,
        Event.T_ABANDON,
    }
)
# At answer these can't happen any more and are disarmed (TS 23.078 §4.5.2.2).
DISARMED_AT_ANSWER: Final = frozenset(
    {
        Event.ROUTE_SELECT_FAILURE,
        Event.O_CALLED_PARTY_BUSY,
        Event.O_NO_ANSWER,
        Event.O_ABANDON,
        Event.O_TERM_SEIZED,
        Event.T_BUSY,
        Event.T_NO_ANSWER,
        Event.T_ABANDON,
        Event.CALL_ACCEPTED,
    }
)
