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
       |            |      --Reserve-----> send the outbox -> ask the charging system -> wait, or the deadline
       |            |      --Send--------> send the outbox
       |            |                                                      |
       |            +--returns--> TC-END with the outbox                   |
       |            +--raises---> TC-END that the TC-user fell back to     |
       +-------------------------- resume with the answer <----------------+

All of that is one straight run of code for each event: nothing is scheduled for a dialogue unless it waits,
and what waits costs one entry in `Deadlines`.

Reports that come while a service waits for something else are queued. A service waits for one thing at a
time, so another kind of request is one more wait (`LOOKUP`, `REPORT`, `QUOTA`, `PLACE`, `PASS`), one method
such as `look_up` that returns the answer or `PENDING`, and one way for the answer to come back such as
`store_answered`.

A dialogue and its coroutine end each for itself. The dialogue may be gone while the coroutine has still to
settle: it is resumed with what it awaits, then told. The coroutine is over when it has returned, or was
closed; if it left money reserved, that is settled for it.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from scp.domain.lookup import PENDING
from scp.engine.dialogue_questions import TIMED_OUT, DialogueQuestions, State
from scp.engine.dialogue_state import NOTHING, QUOTA, REPORT, DialogueState
from scp.engine.tc import opcode_of
from scp.services.api import (
    ClaimPass,
    Extend,
    Locate,
    Lookup,
    NextReport,
    Report,
    ReportKind,
    Reserve,
    Send,
    Settle,
)
from scp.stack import tcap_dialogue as tc

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.lookup import Pending
    from scp.domain.quota import QuotaAnswer
    from scp.domain.whereabouts import Located
    from scp.engine.admission import Admission
    from scp.engine.tc import TcProvider
    from scp.ports import QuotaPort, SubscriberLookup, Telemetry
    from scp.services.api import Request
    from scp.services.call import Outgoing
    from scp.stack.tcap import Indication

_QUESTIONS: Final = (Reserve, Extend, Settle)
_OURS: Final = (tc.CANCEL, tc.NOTICE, tc.TIMEOUT)
"""Indications that no message of the peer caused."""
_OUTCOMES: Final[dict[int, str]] = {
    tc.U_ABORT: "aborted-by-peer",
    tc.P_ABORT: "aborted-by-peer",
    tc.NOTICE: "undeliverable",
    tc.TIMEOUT: "timeout",
}
"""How a dialogue ended that neither side ended in good order, by the kind of indication."""


class DialogueRunner(DialogueQuestions[State]):
    """The dialogues of one TC-user; itself a `scp.engine.tc.TcUser`.

    Args:
        telemetry: counts dialogues.
        on_bug: told of a service that raised, with its name, or of a port.
        provider, store, clock, wall, store_deadline, answer_deadline, admission, quota: see
            `DialogueQuestions`.

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
        quota: QuotaPort | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            provider, store, clock, wall, on_bug, store_deadline, answer_deadline, admission, quota
        )
        self.tcap = provider.tcap
        self.telemetry = telemetry
        self.draining = False

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
        if state.journal is not None and kind not in _OURS:
            state.journal.journal.took(state.journal, self.tcap.received)
        if kind == tc.CONTINUE:
            self.continued(state, indication, now)
        elif kind == tc.END:
            self.last_words(state, indication)
            self.over(state, ReportKind.END, "ended", now)
        elif kind == tc.CANCEL:  # no answer to an operation that reports success: the call is lost
            lost = indication.invocation
            if lost is not None:
                late = Report(ReportKind.TIMEOUT, opcode_of(lost.opcode), invoke_id=lost.invoke_id)
                self.give(state, late, now)
        else:
            self.over(state, ReportKind.ABORT, _OUTCOMES[kind], now)

    def held(self, local_tid: bytes) -> State | None:
        """Return what is kept of a held call with this transaction id of ours; None: there is none."""
        dialogue = self.tcap.find(local_tid)
        known = None if dialogue is None else dialogue.user
        if isinstance(known, DialogueState) and known.runner is self and known.answered:
            return cast("State", known)
        return None

    def tell(self, local_tid: bytes, told: object) -> bool:
        """Tell the service of a held call something (`ReportKind.TOLD`); called from the event loop.

        Args:
            local_tid: our transaction id.
            told: the report's argument.

        Returns:
            Whether there is such a call.
        """
        state = self.held(local_tid)
        if state is None:
            return False
        self.give(state, Report(ReportKind.TOLD, argument=told), self.clock())
        self.provider.flush()
        return True

    def finish(self, local_tid: bytes, last: Outgoing) -> bool:
        """End a held call in its service's place, with one operation in TC-END; otherwise like `tell`.

        To its service it looks as if the switch had ended the dialogue.
        """
        state = self.held(local_tid)
        if state is None:
            return False
        now = self.clock()
        state.take_outbox()
        state.outbox.append(last)
        self.send(state, now, last=True)
        if state.journal is not None:
            state.journal.journal.send_now(state.journal)
        self.over(state, ReportKind.END, "ended", now)
        self.provider.flush()
        return True

    def give(self, state: State, report: Report, now: float) -> None:
        """Give a report to a service: at once if it waits for one, else when it next does."""
        state.queue(report)
        self.wake(state, now)

    def wake(self, state: State, now: float) -> None:
        """Hand the oldest report to a service that waits for one."""
        if state.wait == REPORT and state.reports is not None:
            self.resume(state, state.next_report(), now)

    def over(self, state: State, kind: ReportKind, outcome: str, now: float) -> None:
        """Note that the dialogue is gone: tell the service, or stop it if nothing was answered yet.

        A service that has reserved is told in any case: it has to settle.
        """
        state.gone = True
        self.telemetry.dialogue_closed(outcome)
        if state.journal is not None:
            state.journal.journal.drop_messages(state.journal)
        if not state.answered:
            self.abandoned(state)
            if state.session is None and state.wait != QUOTA:
                self._deadlines.forget()
                self.stop(state)
                return
        self.give(state, Report(kind), now)

    # -- the service's coroutine ---------------------------------------------------------------------------

    def start(self, state: State, now: float) -> None:
        """Run the coroutine ``state.run`` from its beginning."""
        self.step(state, None, now)

    def step(self, state: State, value: Any, now: float) -> None:
        """Resume the coroutine with ``value`` and go on until it waits or is done."""
        send = state.run.send
        while True:
            try:
                request = send(value)
                if isinstance(request, Lookup):
                    value = self.look_up(state, request.msisdn, now)
                elif type(request) is NextReport:
                    value = self._next_report(state, request, now)
                else:
                    value = self._other(state, request, now)
            except StopIteration as returned:
                further = returned.value
                if further is None or not isinstance(further, Coroutine):
                    self._finished(state, now)
                    return
                state.run = further
                send = further.send
                value = None
            except Exception as bug:  # noqa: BLE001 - whatever a service or a store does wrong, the call goes on
                self._rescue(state, bug, now)
                return
            else:
                if value is PENDING:
                    return

    def _next_report(self, state: State, request: NextReport, now: float) -> Report | Pending:
        """Send the outbox, then give the next report, or `PENDING` and wait for it.

        A service that awaits more after it was told that the dialogue is over would wait for ever: it ends.
        """
        if state.gone:
            state.take_outbox()
        elif state.has_outgoing or not state.answered:
            self.send(state, now, last=False)
        report = state.next_report()
        if report is not None:
            return report
        if state.gone:
            self.stop(state)
            return PENDING
        timeout = request.timeout
        self.suspend(state, REPORT, now + timeout if timeout >= 0.0 else request.until, now)
        return PENDING

    def _other(
        self, state: State, request: Request, now: float
    ) -> QuotaAnswer | Located | Pending | bool | None:
        """Answer a request that few services make."""
        if isinstance(request, ClaimPass):
            return self.claim(state, request, now)
        if isinstance(request, Locate):
            return self.locate(state, request, now)
        if isinstance(request, Send):
            if state.gone:
                state.take_outbox()
            elif state.has_outgoing or not state.answered:
                self.send(state, now, last=False)
            return None
        if isinstance(request, _QUESTIONS):
            return self.ask_charging(state, request, now)
        raise TypeError(f"a service awaited {type(request).__name__}, which is no request")

    # -- what goes to the network --------------------------------------------------------------------------

    def send(self, state: State, now: float, *, last: bool) -> None:
        """Send the outbox in one message, TC-END if it is the ``last``."""
        dialogue = state.dialogue
        components = self.encoded(state, last=last)
        tcap = self.tcap
        octets = tcap.end(dialogue, components) if last else tcap.continue_(dialogue, components, now)
        # Returned, a TC-CONTINUE says that the switch has lost the call; a TC-END could say it to nobody.
        if state.journal is None or (last and not state.answered):
            self.provider.send(dialogue.path, octets, return_on_error=not last)
        else:
            state.journal.send(octets, last=last)
        if not state.answered:
            state.answered = True
            self.first_sent(state, last=last)
            if not last:
                dialogue.path = self.provider.keep(dialogue.path)

    def _finished(self, state: State, now: float) -> None:
        """The service returned: its outbox goes in TC-END, unless the dialogue is gone already."""
        held = state.answered
        if not state.gone:
            try:
                self.send(state, now, last=True)
            except Exception as bug:  # noqa: BLE001 - an argument may be anything that a service made
                self._rescue(state, bug, now)
                return
            state.gone = True
            self.telemetry.dialogue_closed(self.outcome(state))
        self._leave(state, held=held)

    def _rescue(self, state: State, bug: Exception, now: float) -> None:
        """A service failed: an unanswered call goes on unchanged, a controlled one is left to the switch."""
        self.on_bug(state.service, bug)
        held = state.answered
        if not state.gone:
            state.gone = True
            self.tcap.withdraw(state.dialogue)
            state.take_outbox()
            self.fall_back(state)
            self.send(state, now, last=True)
            self.telemetry.dialogue_closed("error")
        self._shut(state)
        self._leave(state, held=held)

    def stop(self, state: State) -> None:
        """Close a coroutine whose result is not needed, and drop its dialogue."""
        self._shut(state)
        self._leave(state, held=state.answered)

    def let_go(self, state: State) -> None:
        """Forget a call that another node goes on with: nothing is said, settled or recorded."""
        if state.wait != NOTHING:
            self._deadlines.forget()
        state.gone = True
        state.session = None
        state.dialogue.user = None
        if state.journal is not None:
            state.journal.journal.forget(state.journal)
        self.tcap.end(state.dialogue, [], prearranged=True)
        self.telemetry.dialogue_closed("handed-over")
        self.forgotten(state)
        self._shut(state)

    def send_written(self, state: State, messages: list[tuple[bytes, bool]]) -> None:
        """Send messages of a call whose record is written; see `scp.engine.journal.JournalUser`."""
        path = state.dialogue.path
        for octets, last in messages:
            self.provider.send(path, octets, return_on_error=not last)

    def wait_is_over(self, tid: bytes) -> None:
        """Resume the service of a dialogue that waits for reports as if its time were up."""
        dialogue = self.tcap.find(tid)
        state = None if dialogue is None else dialogue.user
        if isinstance(state, DialogueState) and state.runner is self and state.wait == REPORT:
            self.resume(cast("State", state), TIMED_OUT, self.clock())
            self.provider.flush()

    def abort(self, state: State) -> None:
        """Abort a dialogue for its service, which goes on: it may have to settle."""
        if state.gone:
            return
        state.gone = True
        state.take_outbox()
        if state.journal is not None:
            state.journal.journal.drop_messages(state.journal)
        self.provider.send(state.dialogue.path, self.tcap.abort(state.dialogue))
        if not state.answered:
            state.answered = True
            self.first_sent(state, last=True)
        self.telemetry.dialogue_closed("aborted-by-us")

    def _shut(self, state: State) -> None:
        """Close the coroutine."""
        state.resume()
        try:
            state.run.close()
        except Exception as bug:  # noqa: BLE001 - it failed while being closed, or would not be
            self.on_bug(state.service, bug)

    def _leave(self, state: State, *, held: bool) -> None:
        """Forget a dialogue whose coroutine is over; settle what that has left reserved."""
        state.dialogue.user = None
        if state.session is not None:
            self.settle_for(state)
        if held:
            self.held_over(state)
        if state.journal is not None:  # behind the call's CDR: see there
            state.journal.journal.over(state.journal)

    # -- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        if self.journal is None:
            return self._deadlines.next()
        return min(self._deadlines.next(), self.journal.next_deadline())

    def tick(self, now: float) -> None:
        """Resume the services whose wait is over."""
        if self.journal is not None:
            self.journal.tick(now)
        for state in self._deadlines.due(now):
            late = self.late_answer(state.wait)
            state.resume()
            self.step(state, late, now)
