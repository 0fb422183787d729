"""One dialogue with its service: the engine's state for it, and nothing that acts."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.services.call import Call

if TYPE_CHECKING:
    from mypy_extensions import i16, u8

    from scp.domain.lookup import Found
    from scp.engine.engine import Engine
    from scp.services.api import Report, ServiceRun
    from scp.stack.tcap import Dialogue
    from ss7.cap.contexts import ApplicationContext
    from ss7.cap.types import InitialDPArg


# What a service's coroutine is suspended in
NOTHING: Final = 0
LOOKUP: Final = 1
REPORT: Final = 2


@final
class DialogueState(Call):
    """What the engine keeps for an open dialogue; the `Waiter` of its lookups.

    One object with the call that the service sees: there are as many as calls are held, for minutes.

    Attributes:
        engine: who drives it.
        dialogue: the TCAP dialogue.
        run: the service's coroutine.
        service: name of the service, for metrics and records.
        started: when the BEGIN came in, on the engine's clock, in seconds.
        due: when the wait is over, ``inf`` while there is none.
        answered: the first answer is out.
        gone: the dialogue is over: nothing can be sent any more.
        invoke_id: of the InitialDP.
        wait: what the coroutine is suspended in: `NOTHING`, `LOOKUP` or `REPORT`.
        store_owes: the store still owes an answer, perhaps one that nobody awaits any more. Until it came, a
            further lookup of this dialogue counts as timed out: two answers could not be told apart.
        reports: what came in and was not awaited yet; None: nothing did.
    """

    __slots__ = (
        "answered",
        "dialogue",
        "due",
        "engine",
        "gone",
        "invoke_id",
        "reports",
        "run",
        "service",
        "started",
        "store_owes",
        "wait",
    )

    run: ServiceRun

    def __init__(
        self,
        engine: Engine,
        dialogue: Dialogue,
        idp: InitialDPArg,
        context: ApplicationContext,
        octets: bytes,
        service: str,
        invoke_id: int,
        now: float,
    ) -> None:
        super().__init__(idp, context, octets)
        self.engine = engine
        self.dialogue = dialogue
        self.service = service
        self.started = now
        self.due = inf
        # Six octets beside each other: there are as many of these as calls are held.
        self.answered = False
        self.gone = False
        self.store_owes = False
        self.wait: u8 = NOTHING
        self.invoke_id: i16 = invoke_id
        self.reports: deque[Report] | None = None

    def found(self, result: Found) -> None:
        """Take the store's answer; it is dropped if the wait for it is over."""
        self.store_owes = False
        if self.wait == LOOKUP:
            self.engine.store_answered(self, result)

    def resume(self) -> None:
        """Note that the coroutine goes on."""
        self.wait = NOTHING
        self.due = inf

    def queue(self, report: Report) -> None:
        """Keep a report until the service awaits one."""
        if self.reports is None:
            self.reports = deque()
        self.reports.append(report)

    def next_report(self) -> Report | None:
        """Take out the oldest report. The queue, which is ten times its content, does not stay empty."""
        reports = self.reports
        if reports is None:
            return None
        report = reports.popleft()
        if not reports:
            self.reports = None
        return report
