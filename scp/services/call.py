"""A call as its service sees it, and what goes into its next message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from ss7.cap.contexts import ApplicationContext
    from ss7.cap.errors import CapError
    from ss7.cap.types import InitialDPArg


@final
@dataclass(init=False)
class Outgoing:
    """An operation to invoke: code and argument (None where the operation has none)."""

    opcode: int
    argument: Any

    def __init__(self, opcode: int, argument: Any = None) -> None:
        self.opcode = opcode
        self.argument = argument


class Call(Protocol):
    """One dialogue as its service sees it; `scp.engine.cap.dialogue.CapDialogue` on a node.

    Attributes:
        context: the CAP application context of the dialogue.
        error: set by `fail`: the return error that ends the dialogue.
        decision: set by `decided`; metrics, log, CDR and trace show it with the first answer.
    """

    context: ApplicationContext
    error: CapError | None
    decision: Decision | None

    @property
    def idp(self) -> InitialDPArg:
        """The InitialDP argument. After the first answer every access decodes it: keep what you need."""
        ...

    @property
    def outbox(self) -> list[Outgoing]:
        """What the next TC message will carry."""
        ...

    def invoke(self, opcode: int, argument: Any = None) -> None:
        """Put an operation into the next message."""
        ...

    def fail(self, error: CapError) -> None:
        """Answer the InitialDP with a CAP error, in TC-END when the service returns (29.078 §14.1.2.2.1)."""
        ...

    def decided(self, decision: Decision) -> None:
        """Say what was decided and why. The last word counts."""
        ...
