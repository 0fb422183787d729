"""Runs a coroutine for each dialogue of a TC-user: steps, waits, deadlines, and every way to end.

A TC-user (`scp.engine.cap.user.CapUser`) extends `DialogueRunner`. The runner knows TC indications, the
requests that a service may await (`scp.services.api.Request`) and the time; what the components of a message
mean, and which octets say what a service put into its outbox, only the TC-user knows.

::

                    begun (TC-user)                 indication, tick, store
                          |                                 |
                          v                                 v
      step -> [ coroutine ] --Lookup------> ask the store --PENDING--> wait for it, or the deadline
       ^            |      --NextReport--> send the outbox --queue empty--> wait for a report, or the deadline
       |            |                                                      |
       |            +--returns--> TC-END with the outbox                   |
       |            +--raises---> TC-END that the TC-user fell back to     |
       +-------------------------- resume with the answer <----------------+

All of that is one straight run of code for each event: nothing is scheduled for a dialogue unless it waits,
and what waits costs one entry in `Deadlines`.

Reports that come while a service waits for something else are queued. A service waits for one thing at a
time, so another kind of request is one more wait (`LOOKUP`, `REPORT`), one method such as `_look_up` that
returns the answer or `PENDING`, and one way for the answer to come back such as `store_answered`.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from scp.domain.lookup import PENDING, StoreFailure
from scp.engine.tc import opcode_of
from scp.engine.timers import Deadlines
from scp.services.api import Lookup, Report, ReportKind
from scp.stack import tcap_dialogue as tc

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_extensions import u8

    from scp.domain.lookup import Found, Pending
    from scp.engine.admission import Admission
    from scp.engine.tc import TcProvider
    from scp.ports import SubscriberLookup, Telemetry
    from scp.services.api import NextReport, ServiceRun
    from scp.services.call import Outgoing
    from scp.stack.tcap import Dialogue, Indication

STORE: Final = "store"
"""What ``on_bug`` is told in place of a service's name when a store raised."""

# What a coroutine waits for
NOTHING: Final = 0
LOOKUP: Final = 1
REPORT: Final = 2

_TIMED_OUT: Final = Report(ReportKind.TIMEOUT)
_OUTCOMES: Final[dict[int, str]] = {
    tc.U_ABORT: "aborted-by-peer",
    tc.P_ABORT: "aborted-by-peer",
    tc.NOTICE: "undeliverable",
    tc.TIMEOUT: "timeout",
}
"""How a dialogue ended that neither side ended in good order, by the kind of indication."""


class DialogueState:
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
        wait: what the coroutine is suspended in: `NOTHING`, `LOOKUP` or `REPORT`.
        store_owes: the store still owes an answer, perhaps one that nobody awaits any more. Until it came, a
            further lookup of this dialogue counts as timed out: two answers could not be told apart.
        reports: what came in and was not awaited yet; None: nothing did.
    """

    __slots__ = (
        "_outbox",
        "answered",
        "dialogue",
        "due",
        "gone",
        "reports",
        "run",
        "runner",
        "service",
        "started",
        "store_owes",
        "wait",
    )

    run: ServiceRun

    def __init__(self, runner: DialogueRunner[Any], dialogue: Dialogue, service: str, started: float) -> None:
        self.runner = runner
        self.dialogue = dialogue
        self.service = service
        self.started = started
        self.due = inf
        self._outbox: list[Outgoing] | None = None
        self.reports: deque[Report] | None = None
        # Single octets beside each other: there are as many of these as calls are held.
        self.answered = False
        self.gone = False
        self.store_owes = False
        self.wait: u8 = NOTHING

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


State = TypeVar("State", bound=DialogueState)


class DialogueRunner(Generic[State]):
    """The dialogues of one TC-user; itself a `scp.engine.tc.TcUser`.

    Args:
        provider: where indications come from and messages go to.
        store: where subscribers are looked up.
        telemetry: counts dialogues.
        clock: monotonic seconds.
        on_bug: told of a service that raised, with the service's name, or of a store (`STORE`).
        store_deadline: seconds that a lookup may take.
        answer_deadline: seconds from the BEGIN to the first answer; a lookup gets no longer than that.
        admission: told how long lookups take; None: nobody asks.

    Attributes:
        draining: dialogues that begin are not served; those that are open go on.
    """

    def __init__(
        self,
        provider: TcProvider,
        store: SubscriberLookup,
        telemetry: Telemetry,
        clock: Callable[[], float],
        on_bug: Callable[[str, Exception], None],
        store_deadline: float,
        answer_deadline: float,
        admission: Admission | None,
    ) -> None:
        self.provider = provider
        self.tcap = provider.tcap
        self.store = store
        self.telemetry = telemetry
        self.clock = clock
        self.on_bug = on_bug
        self.store_deadline = store_deadline
        self.answer_deadline = answer_deadline
        self.admission = admission
        self.draining = False
        self._deadlines: Deadlines[State] = Deadlines(_due)

    # -- what a TC-user adds -------------------------------------------------------------------------------

    def begun(self, indication: Indication, now: float) -> None:
        """Take a TC-BEGIN: `start` a service, or answer without one."""
        raise NotImplementedError

    def continued(self, state: State, indication: Indication, now: float) -> None:
        """Take a TC-CONTINUE: queue what it reports and `wake` the service, or end the dialogue."""
        raise NotImplementedError

    def last_words(self, state: State, indication: Indication) -> None:
        """Queue what a TC-END reports; there is nobody to answer."""
        raise NotImplementedError

    def encoded(self, state: State, *, last: bool) -> list[bytes]:
        """Return the outbox as components and empty it; ``last``: they go in a TC-END.

        Raises:
            EncodeError: an argument can't be encoded, or they are too long for one message.
        """
        raise NotImplementedError

    def first_sent(self, state: State, *, last: bool) -> None:
        """Note that the first answer is on its way; the dialogue is held unless it is the ``last``."""
        raise NotImplementedError

    def fall_back(self, state: State) -> None:
        """Put into the outbox what ends the dialogue of a service that raised."""
        raise NotImplementedError

    def abandoned(self, state: State) -> None:
        """Note that a dialogue is over before it was answered."""
        raise NotImplementedError

    def held_over(self, state: State) -> None:
        """Note that a dialogue is over that was held."""
        raise NotImplementedError

    def outcome(self, state: State) -> str:
        """Return how a dialogue ended that a service ended: a label of `Telemetry.dialogue_closed`."""
        raise NotImplementedError

    # -- what comes from the network -----------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication (Q.771 §3.1)."""
        kind = indication.kind
        if kind == tc.BEGIN:
            self.begun(indication, now)
            return
        if kind == tc.NOTICE:  # SCCP returned what we sent: the peer can't be told anything, so end locally
            self.provider.discard("sccp", "returned")
            self.tcap.end(indication.dialogue, [], prearranged=True)
        known = indication.dialogue.user
        if not isinstance(known, DialogueState):
            return
        state = cast("State", known)
        if kind == tc.CONTINUE:
            self.continued(state, indication, now)
        elif kind == tc.END:
            self.last_words(state, indication)
            self.over(state, ReportKind.END, "ended", now)
        elif kind == tc.CANCEL:  # no answer to an operation that reports success: the call is lost
            if indication.invocation is not None:
                self.tell(state, Report(ReportKind.TIMEOUT, opcode_of(indication.invocation.opcode)), now)
        else:
            self.over(state, ReportKind.ABORT, _OUTCOMES[kind], now)

    def tell(self, state: State, report: Report, now: float) -> None:
        """Give a report to a service: at once if it waits for one, else when it next does."""
        state.queue(report)
        self.wake(state, now)

    def wake(self, state: State, now: float) -> None:
        """Hand the oldest report to a service that waits for one."""
        if state.wait == REPORT and state.reports is not None:
            self._resume(state, state.next_report(), now)

    def over(self, state: State, kind: ReportKind, outcome: str, now: float) -> None:
        """Note that the dialogue is gone: tell the service, or stop it if nothing was answered yet."""
        state.gone = True
        self.telemetry.dialogue_closed(outcome)
        if not state.answered:
            self.abandoned(state)
            self._deadlines.forget()
            self.stop(state)
            return
        self.held_over(state)
        self.tell(state, Report(kind), now)

    # -- the service's coroutine ---------------------------------------------------------------------------

    def start(self, state: State, now: float) -> None:
        """Run the coroutine ``state.run`` from its beginning."""
        self._step(state, None, now)

    def _step(self, state: State, value: Any, now: float) -> None:
        """Resume the coroutine with ``value`` and go on until it waits or is done."""
        send = state.run.send
        while True:
            try:
                request = send(value)
                if isinstance(request, Lookup):
                    value = self._look_up(state, request.msisdn, now)
                else:
                    value = self._next_report(state, request, now)
            except StopIteration:
                self._finished(state, now)
                return
            except Exception as bug:  # noqa: BLE001 - whatever a service or a store does wrong, the call goes on
                self._rescue(state, bug, now)
                return
            if value is PENDING:
                return

    def _look_up(self, state: State, msisdn: str, now: float) -> Found | Pending:
        """Ask the store; what it does against its protocol is a failure of the store, not of the service."""
        if state.store_owes:
            return StoreFailure.TIMEOUT
        try:
            found = self.store.find(msisdn, state)
        except Exception as bug:  # noqa: BLE001 - the configured policy answers, whatever a store does wrong
            self.on_bug(STORE, bug)
            return StoreFailure.UNAVAILABLE
        if found is PENDING:
            due = now + self.store_deadline
            if not state.answered:
                due = min(due, state.started + self.answer_deadline)
            state.store_owes = True
            self._suspend(state, LOOKUP, due, now)
        return found

    def _next_report(self, state: State, request: NextReport, now: float) -> Report | Pending:
        """Send the outbox, then give the next report, or `PENDING` and wait for it.

        A service that awaits more after it was told that the dialogue is over would wait for ever: it ends.
        """
        timeout = request.timeout
        if state.gone:
            state.take_outbox()
        elif state.has_outgoing or not state.answered:
            self._send(state, now, last=False)
        report = state.next_report()
        if report is not None:
            return report
        if state.gone:
            self.stop(state)
            return PENDING
        self._suspend(state, REPORT, now + timeout, now)
        return PENDING

    def _suspend(self, state: State, wait: int, due: float, now: float) -> None:
        state.wait = wait
        state.due = due
        self._deadlines.add(due, state, now)
        self.provider.wake_at(due)

    def _resume(self, state: State, value: Any, now: float) -> None:
        state.resume()
        self._deadlines.forget()
        self._step(state, value, now)

    def store_answered(self, state: State, result: Found) -> None:
        """Resume a service with the store's answer; called from the event loop."""
        now = self.clock()
        if self.admission is not None and not state.answered:
            self.admission.store_took(now - state.started)
        self._resume(state, result, now)
        self.provider.flush()

    # -- what goes to the network --------------------------------------------------------------------------

    def _send(self, state: State, now: float, *, last: bool) -> None:
        """Send the outbox in one message, TC-END if it is the ``last``."""
        dialogue = state.dialogue
        components = self.encoded(state, last=last)
        tcap = self.tcap
        octets = tcap.end(dialogue, components) if last else tcap.continue_(dialogue, components, now)
        # Returned, a TC-CONTINUE says that the switch has lost the call; a TC-END could say it to nobody.
        self.provider.send(dialogue.path, octets, return_on_error=not last)
        if not state.answered:
            state.answered = True
            self.first_sent(state, last=last)
            if not last:
                dialogue.path = self.provider.keep(dialogue.path)

    def _finished(self, state: State, now: float) -> None:
        """The service returned: its outbox goes in TC-END, unless the dialogue is gone already."""
        if not state.gone:
            held = state.answered
            try:
                self._send(state, now, last=True)
            except Exception as bug:  # noqa: BLE001 - an argument may be anything that a service made
                self._rescue(state, bug, now)
                return
            state.gone = True
            if held:
                self.held_over(state)
            self.telemetry.dialogue_closed(self.outcome(state))
        state.dialogue.user = None

    def _rescue(self, state: State, bug: Exception, now: float) -> None:
        """A service failed: an unanswered call goes on unchanged, a controlled one is left to the switch."""
        self.on_bug(state.service, bug)
        if not state.gone:
            state.gone = True
            self.tcap.withdraw(state.dialogue)
            held = state.answered
            state.take_outbox()
            self.fall_back(state)
            self._send(state, now, last=True)
            if held:
                self.held_over(state)
            self.telemetry.dialogue_closed("error")
        self.stop(state)

    def stop(self, state: State) -> None:
        """Close a coroutine that nobody needs any more, and forget it."""
        state.resume()
        state.dialogue.user = None
        try:
            state.run.close()
        except Exception as bug:  # noqa: BLE001 - it failed while being closed, or would not be
            self.on_bug(state.service, bug)

    # -- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        return self._deadlines.next()

    def tick(self, now: float) -> None:
        """Resume the services whose wait is over."""
        for state in self._deadlines.due(now):
            late: StoreFailure | Report = _TIMED_OUT
            if state.wait == LOOKUP:
                late = StoreFailure.TIMEOUT
                if self.admission is not None:
                    self.admission.store_took(self.store_deadline)
            state.resume()
            self._step(state, late, now)


def _due(state: DialogueState) -> float:
    return state.due
