"""Drives a service by hand, as the engine would: no TCAP, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.user import CapUser
from scp.replay.records import Snapshot
from scp.services.api import Lookup, NextReport, Report, ReportKind
from scp.stack.tcap import Dialogue, Tcap
from scp.stack.tcap_settings import TcapSettings
from scp.telemetry.null import NullTelemetry
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V2
from ss7.cap.types import EventReportBCSMArg, MiscCallInfo

if TYPE_CHECKING:
    from scp.services.api import Outgoing, Request, Service
    from ss7.cap.types import EventTypeBCSM, InitialDPArg, MessageType


class Nowhere:
    """A `scp.engine.tc.TcProvider` that sends nothing."""

    tcap = Tcap(TcapSettings())

    def __init__(self) -> None:
        self.discards: list[tuple[str, str]] = []

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None: ...
    def keep(self, path: object) -> object: ...
    def wake_at(self, due: float) -> None: ...
    def flush(self) -> None: ...
    def discard(self, layer: str, reason: str) -> None:
        self.discards.append((layer, reason))


USER = CapUser(Nowhere(), {}, Snapshot({}), FAST, NullTelemetry(), lambda: 0.0, on_bug=lambda *_: None)


def a_call(idp: InitialDPArg, octets: bytes = b"") -> CapDialogue:
    """What a service sees of a call, though nobody runs it."""
    dialogue = Dialogue(b"ours", b"its", None, CAP_V2.octets, 0.0)
    return CapDialogue(USER, dialogue, idp, CAP_V2, octets, "driven", 1, 0.0)


class Driver:
    """One call.

    Attributes:
        call: what the service sees.
        sent: the messages so far: each the operations of one TC-CONTINUE, or of the TC-END.
        waits: what the service waits for, None when it has returned.
    """

    def __init__(self, service: Service, idp: InitialDPArg) -> None:
        self.call = a_call(idp)
        self.sent: list[list[Outgoing]] = []
        self.waits: Request | None = None
        self._run = service.run(self.call)
        self._step(None)

    @property
    def ended(self) -> bool:
        return self.waits is None

    @property
    def operations(self) -> list[list[int]]:
        """The operation codes of every message sent."""
        return [[operation.opcode for operation in message] for message in self.sent]

    def found(self, answer: Any) -> Driver:
        assert isinstance(self.waits, Lookup)
        self._step(answer)
        return self

    def report(self, kind: ReportKind, **fields: Any) -> Driver:
        assert isinstance(self.waits, NextReport)
        self._step(Report(kind, **fields))
        return self

    def event(self, event: EventTypeBCSM | int, mode: MessageType) -> Driver:
        """Report a BCSM event: EventReportBCSM has operation code 24 (29.078 §5.3)."""
        argument = EventReportBCSMArg(event, misc_call_info=MiscCallInfo(mode))
        return self.report(ReportKind.INVOKE, opcode=24, argument=argument)

    def _step(self, answer: Any) -> None:
        try:
            self.waits = self._run.send(answer)
        except StopIteration as returned:
            self.waits = None
            if returned.value is not None:
                self._run = returned.value
                self._step(None)
                return
        if not isinstance(self.waits, Lookup):
            self.sent.append(list(self.call.outbox))
            self.call.outbox.clear()
