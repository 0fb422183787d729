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
    """One question to the charging system; the `scp.ports.QuotaWaiter` of its answer.

    Args:
        state: of the dialogue whose service asked.
        opens: whether nothing was asked for before: then its denial leaves nothing to settle.
    """

    __slots__ = ("_number", "_opens", "_state")

    def __init__(self, state: DialogueState, *, opens: bool) -> None:
        self._state = state
        self._number = state.asked
        self._opens = opens

    @property
    def waits(self) -> bool:
        """Whether the service still awaits this answer."""
        return self._state.wait == QUOTA and self._state.asked == self._number

    def charged(self, answer: QuotaAnswer) -> None:
        """Take the answer; it is dropped if the wait for it is over."""
        if self.waits:
            if self._opens and type(answer) is QuotaDenial:
                self._state.session = None
            self._state.runner.charging_answered(self._state, answer)


class PlaceAsked:
    """One question where a subscriber is; the `scp.ports.LocationWaiter` of its answer.

    Args:
        state: of the dialogue whose service asked.
    """

    __slots__ = ("_number", "_state")

    def __init__(self, state: DialogueState) -> None:
        self._state = state
        self._number = state.asked

    def located(self, place: Located) -> None:
        """Take the answer; it is dropped if the wait for it is over."""
        if self._state.wait == PLACE and self._state.asked == self._number:
            self._state.runner.place_found(self._state, place)


class PassAsked:
    """One claim of a pass; the `scp.ports.PassWaiter` of its answer.

    Args:
        state: of the dialogue whose service asked.
    """

    __slots__ = ("_number", "_state")

    def __init__(self, state: DialogueState) -> None:
        self._state = state
        self._number = state.asked

    def passed(self, yes: bool) -> None:
        """Take the answer; it is dropped if the wait for it is over."""
        if self._state.wait == PASS and self._state.asked == self._number:
            self._state.runner.pass_claimed(self._state, yes)
