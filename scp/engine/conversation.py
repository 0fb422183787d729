"""One dialogue with its service: the engine's state for it, and nothing that acts."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from scp.engine.engine import Engine
    from scp.ports import Found
    from scp.services.api import Call, Report, ServiceRun
    from scp.stack.tcap import Dialogue


class Wait(Enum):
    """What a service's coroutine is suspended in."""

    NOTHING = 0
    LOOKUP = 1
    REPORT = 2


@final
class Conversation:
    """What the engine keeps for an open dialogue; the `Waiter` of its lookups.

    Attributes:
        engine: who drives it.
        dialogue: the TCAP dialogue.
        call: what the service sees.
        run: the service's coroutine.
        service: name of the service, for metrics and records.
        started: when the BEGIN came in, on the engine's clock, in seconds.
        answer_by: when the first answer has to be out.
        answered: the first answer is out.
        gone: the dialogue is over: nothing can be sent any more.
        invoke_id: of the InitialDP.
        wait: what the coroutine is suspended in.
        wait_number: of its latest deadline, so that an earlier one is known to be late.
        store_owes: the store still owes an answer, perhaps one that nobody awaits any more. Until it came, a
            further lookup of this dialogue counts as timed out: two answers could not be told apart.
        reports: what came in and was not awaited yet; None: nothing did.
        rejects: owed for invocations that could not be taken; None: nothing is.
    """

    __slots__ = (
        "answer_by",
        "answered",
        "call",
        "dialogue",
        "engine",
        "gone",
        "invoke_id",
        "rejects",
        "reports",
        "run",
        "service",
        "started",
        "store_owes",
        "wait",
        "wait_number",
    )

    def __init__(
        self,
        engine: Engine,
        dialogue: Dialogue,
        call: Call,
        service: str,
        invoke_id: int,
        run: ServiceRun,
        now: float,
    ) -> None:
        self.engine = engine
        self.dialogue = dialogue
        self.call = call
        self.run = run
        self.service = service
        self.started = now
        self.answer_by = now + engine.answer_deadline
        self.answered = False
        self.gone = False
        self.invoke_id = invoke_id
        self.rejects: list[bytes] | None = None
        self.wait = Wait.NOTHING
        self.wait_number = 0
        self.store_owes = False
        self.reports: deque[Report] | None = None

    def found(self, result: Found) -> None:
        """Take the store's answer; it is dropped if the wait for it is over."""
        self.store_owes = False
        if self.wait is Wait.LOOKUP:
            self.engine.store_answered(self, result)

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

    def owe(self, component: bytes) -> None:
        """Keep a component that answers an invocation which could not be taken."""
        if self.rejects is None:
            self.rejects = []
        self.rejects.append(component)
