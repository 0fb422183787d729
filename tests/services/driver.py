"""Drives a service by hand, as the engine would: no TCAP, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scp.services.api import Call, Lookup, NextReport, Report, ReportKind
from ss7.cap.contexts import CAP_V2
from ss7.cap.types import EventReportBCSMArg, MiscCallInfo

if TYPE_CHECKING:
    from scp.services.api import Outgoing, Request, Service
    from ss7.cap.types import EventTypeBCSM, InitialDPArg, MessageType


class Driver:
    """One call.

    Attributes:
        call: what the service sees.
        sent: the messages so far: each the operations of one TC-CONTINUE, or of the TC-END.
        waits: what the service waits for, None when it has returned.
    """

    def __init__(self, service: Service, idp: InitialDPArg) -> None:
        self.call = Call(idp, CAP_V2)
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
        except StopIteration:
            self.waits = None
        if not isinstance(self.waits, Lookup):
            self.sent.append(list(self.call.outbox))
            self.call.outbox.clear()
