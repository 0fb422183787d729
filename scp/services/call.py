"""A dialogue as its service sees it, and what goes into its next message. A module of its own, for mypyc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from ss7.cap.operations import Opcode

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from ss7.cap.codec import Codec
    from ss7.cap.contexts import ApplicationContext
    from ss7.cap.errors import CapError
    from ss7.cap.types import InitialDPArg


@final
@dataclass(init=False)
class Outgoing:
    """An operation to invoke: CAP code and argument (None where the operation has none)."""

    opcode: int
    argument: Any

    def __init__(self, opcode: int, argument: Any = None) -> None:
        self.opcode = opcode
        self.argument = argument


class Call:
    """One dialogue as its service sees it; the engine's own view of it extends this.

    Args:
        idp: the InitialDP's argument.
        context: see below.
        octets: what ``idp`` was decoded from; b"": then `compact` does nothing.

    Attributes:
        context: the CAP application context of the dialogue.
        error: set by `fail`: the return error that ends the dialogue.
        decision: set by `decided`; metrics, log, CDR and trace show it with the first answer; None after it.
    """

    __slots__ = ("_codec", "_idp", "_octets", "_outbox", "context", "decision", "error")

    def __init__(self, idp: InitialDPArg, context: ApplicationContext, octets: bytes = b"") -> None:
        self.context = context
        self.error: CapError | None = None
        self.decision: Decision | None = None
        self._outbox: list[Outgoing] | None = None
        self._idp: InitialDPArg | None = idp
        self._octets = octets
        self._codec: Codec | None = None

    @property
    def outbox(self) -> list[Outgoing]:
        """What the next TC message will carry; the engine takes it."""
        if self._outbox is None:
            self._outbox = []
        return self._outbox

    @property
    def has_outgoing(self) -> bool:
        """Whether the next TC message will carry anything."""
        return bool(self._outbox)

    def take_outbox(self) -> list[Outgoing]:
        """Return what the next TC message will carry; a new outbox begins."""
        outbox = self._outbox
        self._outbox = None
        return [] if outbox is None else outbox

    @property
    def idp(self) -> InitialDPArg:
        """The InitialDP argument. After the first answer every access decodes it: keep what you need."""
        if self._idp is not None:
            return self._idp
        assert self._codec is not None
        idp: InitialDPArg = self._codec.decode_argument(Opcode.INITIAL_DP, self._octets, self.context.version)
        return idp

    def compact(self, codec: Codec) -> None:
        """Keep what a held call needs: octets, an eighth of their argument's size. The decision is told."""
        self.decision = None
        if self._octets:
            self._codec = codec
            self._idp = None

    def invoke(self, opcode: int, argument: Any = None) -> None:
        """Put an operation into the next message."""
        self.outbox.append(Outgoing(opcode, argument))

    def fail(self, error: CapError) -> None:
        """Answer the InitialDP with a CAP error, in TC-END when the service returns (29.078 §14.1.2.2.1)."""
        self.error = error

    def decided(self, decision: Decision) -> None:
        """Say what was decided and why. The last word counts."""
        self.decision = decision
