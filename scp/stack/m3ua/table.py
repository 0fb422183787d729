"""State tables and their picture: the rows are the machine, the diagram is drawn from the rows."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping


State = TypeVar("State", bound=Enum)
Cause = TypeVar("Cause", bound=Enum)
Goal = TypeVar("Goal", bound=Enum)


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


def mermaid(
    rows: Mapping[tuple[State, Cause], Row], wishes: Mapping[tuple[State, Goal], State] | None = None
) -> str:
    """Draw a table as a Mermaid state diagram; ``wishes``: transitions an administrative wish takes."""
    lines = ["stateDiagram-v2"]
    for (state, cause), row in rows.items():
        label = " / ".join([cause.name, *[action.value for action in row.actions]])
        lines.append(f"    {state.name} --> {row.next.name}: {label} (§{row.clause})")
    for (state, goal), target in (wishes or {}).items():
        lines.append(f"    {state.name} --> {target.name}: wish {goal.name}")
    return "\n".join(lines) + "\n"
