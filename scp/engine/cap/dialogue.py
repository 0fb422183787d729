"""A CAP dialogue: what the runner keeps of it, and what its service sees (`scp.services.call.Call`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.domain.switches import Origin
from scp.engine.dialogue_state import DialogueState
from scp.engine.return_path import ReturnPath
from scp.services.call import Outgoing
from ss7.address import AddressString
from ss7.cap.contexts import BY_OCTETS, CAP_V1
from ss7.errors import DecodeError
from ss7.sccp import Address

if TYPE_CHECKING:
    from mypy_extensions import i16, u8

    from scp.engine.dialogue_hooks import DialogueHooks
    from scp.stack.tcap import Dialogue
    from ss7.cap.contexts import ApplicationContext
    from ss7.cap.errors import CapError
    from ss7.cap.types import InitialDPArg

_MS_OCTETS: Final = 6
_ABORTED: Final = Decision(Action.ERROR, Reason.SERVICE_LOGIC)


def _title(address: bytes) -> str:
    """Return the digits of an SCCP address's global title, "" without one."""
    try:
        title = Address.decode(address).global_title
    except DecodeError:
        return ""
    return title.digits if title is not None else ""


def _msc(octets: bytes | None) -> str:
    """Return the digits of an MSC number, "" where there is none."""
    try:
        return AddressString.decode(octets).digits if octets else ""
    except DecodeError:
        return ""


@final
class CapDialogue(DialogueState):
    """A dialogue that began with InitialDP.

    Args:
        runner: see `DialogueState`.
        dialogue: likewise.
        idp: the InitialDP's argument.
        context: the CAP application context of the dialogue.
        octets: what ``idp`` was decoded from; b"": then `compact` does nothing.
        service: see `DialogueState`.
        invoke_id: see below.
        now: when the BEGIN came in, on the runner's clock, in seconds.

    Attributes:
        version: the CAP version of the dialogue, 1 to 4.
        invoke_id: of the InitialDP.
        error: see `scp.services.call.Call`.
        decision: likewise; after the first answer, which told it, None as soon as the journal has it, or will
            never.
    """

    __slots__ = ("_idp", "_octets", "decision", "error", "invoke_id", "version")

    def __init__(
        self,
        runner: DialogueHooks[Any],
        dialogue: Dialogue,
        idp: InitialDPArg,
        context: ApplicationContext,
        octets: bytes,
        service: str,
        invoke_id: int,
        now: float,
    ) -> None:
        super().__init__(runner, dialogue, service, now)
        # In this order they fit beside the single octets of `DialogueState`.
        self.version: u8 = context.version
        self.invoke_id: i16 = invoke_id
        self.error: CapError | None = None
        self.decision: Decision | None = None
        self._idp: InitialDPArg | None = idp
        self._octets = octets

    @property
    def context(self) -> ApplicationContext:
        """The CAP application context of the dialogue."""
        return BY_OCTETS.get(self.dialogue.context, CAP_V1)

    @property
    def idp(self) -> InitialDPArg:
        """The InitialDP argument. After the first answer every access decodes it: keep what you need."""
        if self._idp is not None:
            return self._idp
        idp: InitialDPArg = self.runner.first_argument(self._octets, self.version)
        return idp

    def compact(self) -> None:
        """Keep what a held call needs: octets, an eighth of their argument's size. The decision is told."""
        if self.journal is not None or self.runner.journal is None:
            self.decision = None
        if self._octets:
            self._idp = None

    @property
    def id(self) -> bytes:
        """Our transaction id, and when the call came in, ms since 1970: what no other call ever has."""
        return self.dialogue.local_tid + self.began_ms.to_bytes(_MS_OCTETS, "big")

    @property
    def began_ms(self) -> int:
        """When the call came in, milliseconds since 1970."""
        return int((self.runner.epoch + self.started) * 1000)

    @property
    def octets(self) -> bytes:
        """What the InitialDP's argument was decoded from."""
        return self._octets

    @property
    def origin(self) -> Origin:
        """Where its messages come from; every access reads the addresses."""
        path, msc = self.dialogue.path, _msc(self.idp.msc_address)
        return (
            Origin(path.dpc, _title(path.called), msc)
            if isinstance(path, ReturnPath)
            else Origin(-1, "", msc)
        )

    @property
    def now(self) -> float:
        """What time it is, in seconds of the engine's clock."""
        return self.runner.clock()

    @property
    def at(self) -> float:
        """What time it is, in seconds since 1970-01-01 UTC."""
        return self.runner.wall()

    @property
    def epoch(self) -> float:
        """What to add to `now` for seconds since 1970-01-01 UTC, as it was when the node began."""
        return self.runner.epoch

    def invoke(self, opcode: int, argument: Any = None) -> Outgoing:
        """Put an operation into the next message, and return it there."""
        outgoing = Outgoing(opcode, argument)
        self.outbox.append(outgoing)
        return outgoing

    def assist(self, opcode: int, argument: Any, until: float) -> str:
        """Have an external gsmSRF carry out an operation when it asks; return the correlation id."""
        return self.runner.assist(self, opcode, argument, until)

    def fail(self, error: CapError) -> None:
        """Answer the InitialDP with a CAP error, in TC-END when the service returns (29.078 §14.1.2.2.1)."""
        self.error = error

    def abort(self) -> None:
        """Abort the dialogue now (TC-U-ABORT); the service goes on."""
        if self.decision is None:
            self.decision = _ABORTED
        self.runner.abort(self)

    def decided(self, decision: Decision) -> None:
        """Say what was decided and why. The last word counts: until its end, a held call's record changes."""
        if self.answered:
            if self.journal is not None:
                self.journal.decision = decision
                self.journal.dirty = True
            elif self.decision is not None:
                self.decision = decision
            self.runner.decided(self, decision)
        else:
            self.decision = decision

    def keep(self, value: object) -> None:
        """Say what another node needs to go on with the call; nothing comes of it without a journal."""
        if self.journal is None:
            if self.runner.journal is None:
                return
            self.journal = self.runner.journal.begin(self, self.dialogue.local_tid)
            if self.answered:  # by something that no successor needs
                self.journal.decision, self.decision = self.decision, None
                self.journal.took_us = int((self.now - self.started) * 1e6)
        self.journal.keep(value)

    def discard(self, reason: str) -> None:
        """Count a report that the service does nothing with."""
        self.runner.provider.discard("cap", reason)

    def note(self, fact: object) -> None:
        """Hand a fact about the call to its record."""
        self.runner.noted(self, fact)
