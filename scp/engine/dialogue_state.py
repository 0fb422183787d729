"""What is kept of an open dialogue, and what its service waits for."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from scp.domain.quota import QuotaDenial
from scp.engine.report_queue import QUEUE_FULL, ReportQueue, stamped

if TYPE_CHECKING:
    from mypy_extensions import u8

    from scp.domain.lookup import Found
    from scp.domain.quota import QuotaAnswer
    from scp.domain.whereabouts import Located
    from scp.engine.dialogue_hooks import DialogueHooks
    from scp.engine.journal import Journalled
    from scp.services.api import Report, ServiceRun
    from scp.services.call import Outgoing
    from scp.stack.tcap import Dialogue

# What a coroutine waits for
NOTHING: Final = 0
LOOKUP: Final = 1
REPORT: Final = 2
QUOTA: Final = 3
PLACE: Final = 4
PASS: Final = 5


class DialogueState(ReportQueue):
    """What the runner keeps for an open dialogue; the `scp.ports.Waiter` of its lookups.

    A TC-user's own state extends it and is one object with it, and with what the service sees: there are as
    many as calls are held, for minutes.

    Attributes:
        runner: the runner that steps the coroutine.
        dialogue: the TCAP dialogue.
        run: the service's coroutine.
        service: name of the service, for metrics and records.
        started: when the BEGIN came in, on the runner's clock, in seconds.
        due: when the wait is over, ``inf`` while there is none.
        answered: the first answer is out.
        gone: the dialogue is over: nothing can be sent any more.
        wait: what the coroutine is suspended in: `NOTHING`, `LOOKUP`, `REPORT`, `QUOTA`, `PLACE` or
            `PASS`.
        asked: number of the last question to the charging system, the HLR or the passes, 0 to 255, so that a
            late answer to an earlier one is not taken for its answer.
        session: what was reserved and nobody has settled; None: nothing.
        store_owes: the store still owes an answer, perhaps one that nobody awaits any more. Until it came, a
            further lookup of this dialogue counts as timed out: two answers could not be told apart.
        journal: what the journal has of the call; None: its service keeps nothing, or there is no journal.
    """

    __slots__ = (
        "_outbox",
        "answered",
        "asked",
        "dialogue",
        "due",
        "gone",
        "journal",
        "run",
        "runner",
        "service",
        "session",
        "started",
        "store_owes",
        "wait",
    )

    run: ServiceRun

    def __init__(self, runner: DialogueHooks[Any], dialogue: Dialogue, service: str, started: float) -> None:
        super().__init__()
        self.runner = runner
        self.dialogue = dialogue
        self.service = service
        self.started = started
        self.due = inf
        self._outbox: list[Outgoing] | None = None
        self.session: str | None = None
        self.journal: Journalled | None = None
        # Single octets beside each other: there are as many of these as calls are held.
        self.answered = False
        self.gone = False
        self.store_owes = False
        self.wait: u8 = NOTHING
        self.asked: u8 = 0

    @property
    def outbox(self) -> list[Outgoing]:
        """What the next TC message will carry."""
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

    def found(self, result: Found) -> None:
        """Take the store's answer; it is dropped if the wait for it is over."""
        self.store_owes = False
        if self.wait == LOOKUP:
            self.runner.store_answered(self, result)

    def resume(self) -> None:
        """Note that the coroutine goes on."""
        self.wait = NOTHING
        self.due = inf

    @property
    def has_reports(self) -> bool:
        """Whether reports wait for the service."""
        return self.reports is not None

    def queue(self, report: Report) -> None:
        """Keep a report until the service awaits one; see `MOST_REPORTS`."""
        if self.wait == QUOTA:
            report = stamped(report, self.runner.clock())
        if not self.add_report(report):
            self.runner.provider.discard("cap", QUEUE_FULL)


class Asked:
    """One question to a port; the `scp.ports` `QuotaWaiter`, `LocationWaiter` or `PassWaiter` of its answer.

    An answer is dropped if the wait for it is over.

    Args:
        state: of the dialogue whose service asked.
        wait: what it waits for: `QUOTA`, `PLACE` or `PASS`.
        opens: whether nothing was reserved before: then a denial leaves nothing to settle.
    """

    __slots__ = ("_number", "_opens", "_state", "_wait")

    def __init__(self, state: DialogueState, wait: int, *, opens: bool = False) -> None:
        self._state = state
        self._number = state.asked
        self._wait = wait
        self._opens = opens

    @property
    def waits(self) -> bool:
        """Whether the service still awaits this answer."""
        return self._state.wait == self._wait and self._state.asked == self._number

    def charged(self, answer: QuotaAnswer) -> None:
        """Take the charging system's answer."""
        if self._opens and type(answer) is QuotaDenial and self.waits:
            self._state.session = None
        self._answered(answer)

    def located(self, place: Located) -> None:
        """Take the place where a subscriber is, or why that is not known."""
        self._answered(place)

    def passed(self, yes: bool) -> None:
        """Take whether the call may pass."""
        self._answered(yes)

    def _answered(self, answer: object) -> None:
        if self.waits:
            self._state.runner.port_answered(self._state, answer)
