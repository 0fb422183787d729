"""A call as its service sees it, and what goes into its next message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from scp.domain.switches import Origin
    from ss7.cap.contexts import ApplicationContext
    from ss7.cap.errors import CapError
    from ss7.cap.types import InitialDPArg


@final
@dataclass(init=False)
class Outgoing:
    """An operation to invoke: code and argument (None where the operation has none).

    ``invoke_id`` is what its answers are known by (`scp.services.api.Report.invoke_id`), once it was sent in
    a TC-CONTINUE; -1 before, and in a TC-END, which nothing answers.
    """

    opcode: int
    argument: Any
    invoke_id: int

    def __init__(self, opcode: int, argument: Any = None) -> None:
        self.opcode = opcode
        self.argument = argument
        self.invoke_id = -1


class Call(Protocol):
    """One dialogue as its service sees it; `scp.engine.cap.dialogue.CapDialogue` on a node.

    Attributes:
        error: set by `fail`: the return error that ends the dialogue.
        decision: set by `decided`; metrics, log and trace show it with the first answer, the record the last.
    """

    error: CapError | None
    decision: Decision | None

    @property
    def context(self) -> ApplicationContext:
        """The CAP application context of the dialogue."""
        ...

    @property
    def idp(self) -> InitialDPArg:
        """The InitialDP argument. After the first answer every access decodes it: keep what you need."""
        ...

    @property
    def id(self) -> bytes:
        """What no other call has, on any node, before or after a restart: 10 octets."""
        ...

    @property
    def now(self) -> float:
        """What time it is, in seconds of the engine's clock, which never goes back."""
        ...

    @property
    def at(self) -> float:
        """What time it is, in seconds since 1970-01-01 UTC: for records. Anybody may set that clock."""
        ...

    @property
    def epoch(self) -> float:
        """What to add to `now` for seconds since 1970-01-01 UTC, as it was when the node began.

        Unlike `at` it does not move when somebody sets that clock: for how long something took, over nodes.
        """
        ...

    @property
    def origin(self) -> Origin:
        """Where its messages come from."""
        ...

    @property
    def has_reports(self) -> bool:
        """Whether reports wait: the next `NextReport` gets one at once."""
        ...

    @property
    def outbox(self) -> list[Outgoing]:
        """What the next TC message will carry."""
        ...

    def invoke(self, opcode: int, argument: Any = None) -> Outgoing:
        """Put an operation into the next message, and return it there."""
        ...

    def assist(self, opcode: int, argument: Any, until: float) -> str:
        """Have an external gsmSRF carry out an operation when it asks for instructions.

        What it reports comes as a report of this dialogue.

        Args:
            opcode: PlayAnnouncement or PromptAndCollectUserInformation.
            argument: its argument.
            until: how long it may take, by the engine's clock.

        Returns:
            The correlation id for EstablishTemporaryConnection, digits; "": this node serves no gsmSRF.
        """
        ...

    def fail(self, error: CapError) -> None:
        """Answer the InitialDP with a CAP error, in TC-END when the service returns (29.078 §14.1.2.2.1)."""
        ...

    def abort(self) -> None:
        """Abort the dialogue now (TC-U-ABORT), without what is in the outbox; the switch decides (§10.2.1).

        The service goes on, as after a report that the dialogue is over: it may settle, then it returns.
        """
        ...

    def decided(self, decision: Decision) -> None:
        """Say what was decided and why. The last word counts: until its end, a held call's record changes."""
        ...

    def keep(self, state: object) -> None:
        """Say what of the service's state another node needs to go on with the call, should this one die.

        Where there is a journal it is written with the next wait, before anything leaves that was put into
        the outbox since. It is a small msgspec Struct (``array_like``), or has ``values()``, a tuple, which
        `scp.services.api.ResumableService.resume` gets back. A service that keeps nothing holds calls that
        end with the node.
        """
        ...

    def discard(self, reason: str) -> None:
        """Count a report that the service does nothing with; reasons are those of the metric of discards."""
        ...

    def note(self, fact: object) -> None:
        """Hand a fact about the call to its record: what it cost, of whom it was reserved."""
        ...
