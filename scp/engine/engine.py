"""The engine: runs a service for each dialogue, and answers in time whatever happens.

One InitialDP is one straight run of code: decode the argument, choose the service by its key, step its
coroutine until it returns or has to wait, send what it put in its outbox. Nothing is scheduled for a call
unless it waits.

Whatever is missing, late or broken, the gsmSSF gets an answer: a call is never lost because this box was.
What it gets where no service is reached follows TS 29.078; errors and rejects go in TC-END, since a gsmSSF
aborts a dialogue that brings them in TC-CONTINUE (§14.1.2.2.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.decision import Action, Decision
from scp.domain.lookup import PENDING, StoreFailure
from scp.domain.reason import Reason
from scp.engine.components import critical, encoded, opcode_of, owed
from scp.engine.components_in import REJECTED, Arguments, Reports
from scp.engine.dialogue_state import LOOKUP, REPORT, DialogueState
from scp.engine.observers import ObserverHub
from scp.engine.refusals import MOST_REJECTS, NO_SERVICE, Refusals
from scp.engine.timers import Deadlines
from scp.services.api import Lookup, Outgoing, Report, ReportKind
from scp.stack import tcap_dialogue as tc
from ss7.cap.contexts import BY_OCTETS, CAP_V1
from ss7.cap.errors import MISSING_CUSTOMER_RECORD, UNEXPECTED_PARAMETER
from ss7.cap.operations import Opcode
from ss7.errors import DecodeError
from ss7.rose import (
    INVOKE_PROBLEM,
    UNRECOGNIZED_OPERATION,
    Invoke,
    encode_reject,
    encode_return_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.domain.lookup import Found, Pending
    from scp.engine.admission import Admission
    from scp.engine.observers import AnswerObserver, CallWatcher
    from scp.engine.provider import TcProvider
    from scp.ports import SubscriberLookup, Telemetry
    from scp.services.api import NextReport, Service
    from scp.stack.tcap import Indication
    from ss7.cap.codec import Codec
    from ss7.rose import Component

STORE: Final = "store"
"""What `Engine.on_bug` is told in place of a service's name when a store raised."""

CONTINUED: Final = Outgoing(Opcode.CONTINUE)


@final
class Engine:
    """Services of one node and the dialogues that they serve; the TC-user of its `Signalling`.

    Args:
        signalling: where components come from and go to.
        services: by service key.
        store: where subscribers are looked up.
        codec: of CAP arguments: ``FAST`` or ``REFERENCE``.
        strict: reject operations of which an optional parameter can't be read (TS 29.078 §14.1.1.4.1), as
            against leaving out the parameter.
        telemetry: who counts.
        clock: monotonic seconds.
        store_deadline: seconds that a lookup may take.
        answer_deadline: seconds from InitialDP to the first answer, far below Tssf's shortest (1 s).
        on_bug: told of a service that raised, with the service's name; the call is continued.
        observer: shown the first answer of every dialogue (call log, CDRs, trace); None: nobody looks.
        admission: says which new calls are served; None: all.
        watcher: shown how calls go on whose dialogues are held; None: nobody looks.

    Attributes:
        observers: tells of first answers and of calls that are held; its onlookers may be replaced.
        declines, unreadable: see `Arguments`.
    """

    def __init__(
        self,
        signalling: TcProvider,
        services: Mapping[int, Service],
        store: SubscriberLookup,
        codec: Codec,
        telemetry: Telemetry,
        clock: Callable[[], float],
        *,
        on_bug: Callable[[str, Exception], None],
        store_deadline: float = 0.150,
        answer_deadline: float = 0.500,
        observer: AnswerObserver | None = None,
        admission: Admission | None = None,
        watcher: CallWatcher | None = None,
        strict: bool = False,
    ) -> None:
        self.signalling = signalling
        self.tcap = signalling.tcap
        self.services = services
        self.store = store
        self.codec = codec
        self.telemetry = telemetry
        self.clock = clock
        self.store_deadline = store_deadline
        self.answer_deadline = answer_deadline
        self.on_bug = on_bug
        self.observers = ObserverHub(telemetry, clock, observer, watcher, on_bug)
        self.admission = admission
        self.draining = False
        arguments = Arguments(codec, signalling, strict=strict)
        self.declines = arguments.declines
        self.unreadable = arguments.unreadable
        self._refusals = Refusals(signalling, telemetry, self.observers, arguments, clock)
        self._reports = Reports(signalling, telemetry, arguments, self.observers)
        self._deadlines: Deadlines[DialogueState] = Deadlines(_due)
        self._handlers: dict[int, Callable[[Indication, float], None]] = {
            tc.BEGIN: self._begun,
            tc.CONTINUE: self._reported,
            tc.END: self._ended,
            tc.U_ABORT: self._aborted,
            tc.P_ABORT: self._aborted,
            tc.NOTICE: self._undelivered,
            tc.CANCEL: self._unanswered,
            tc.TIMEOUT: self._idle,
        }

    # -- what comes from the network -----------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication (Q.771 §3.1)."""
        self._handlers[indication.kind](indication, now)

    def _begun(self, indication: Indication, now: float) -> None:
        """TC-BEGIN: the first component has to be an InitialDP that decodes and has a served service key."""
        dialogue = indication.dialogue
        self.telemetry.dialogue_opened()
        components = indication.components
        first = components[0] if components else None
        if type(first) is not Invoke:
            self._refusals.refuse(dialogue, owed(indication), Reason.UNEXPECTED_OPERATION, now)
            return
        if first.opcode != Opcode.INITIAL_DP:
            reject = encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)
            self._refusals.refuse(dialogue, [reject, *owed(indication)], Reason.UNEXPECTED_OPERATION, now)
            return
        self.telemetry.operation(Opcode.INITIAL_DP, "in")
        if indication.rejects:
            for _ in indication.rejects:
                self.signalling.discard("cap", REJECTED)
            self._refusals.go_on(
                dialogue, NO_SERVICE, None, Reason.REJECTED_COMPONENT, now, after=owed(indication)
            )
            return
        if self.admission is not None and self._refusals.let_by(self.admission, dialogue, first, now):
            return
        context = BY_OCTETS.get(dialogue.context, CAP_V1)
        octets = first.parameter
        try:
            idp = self.codec.decode_argument(Opcode.INITIAL_DP, octets, context.version)
        except DecodeError as fault:
            idp = self._refusals.read_otherwise(fault, dialogue, first, now, self.admission)
            if idp is None:
                return
            octets = self._refusals.plain(idp, context.version)
        if idp.extensions is not None and critical(idp):
            error = encode_return_error(first.invoke_id, UNEXPECTED_PARAMETER.code)
            self._refusals.refuse(dialogue, [error], Reason.CRITICAL_EXTENSION, now, idp)
            return
        if self.draining:
            self._refusals.go_on(dialogue, NO_SERVICE, idp, Reason.DRAINING, now)
            return
        service = self.services.get(idp.service_key)
        if service is None:
            error = encode_return_error(first.invoke_id, MISSING_CUSTOMER_RECORD.code)
            self._refusals.refuse(dialogue, [error], Reason.UNKNOWN_SERVICE_KEY, now, idp)
            return
        conversation = DialogueState(self, dialogue, idp, context, octets, service.name, first.invoke_id, now)
        self._serve(conversation, service, components, now)

    def _serve(
        self, conversation: DialogueState, service: Service, components: list[Component], now: float
    ) -> None:
        """Start the service of an InitialDP, and tell it what came behind that in the same message."""
        dialogue = conversation.dialogue
        try:
            conversation.run = service.run(conversation)
        except Exception as bug:  # noqa: BLE001 - as in `_step`
            self.on_bug(service.name, bug)
            self._refusals.go_on(dialogue, service.name, conversation.idp, Reason.SERVICE_ERROR, now)
            return
        dialogue.user = conversation
        if len(components) > 1:
            for component in components[1:]:
                self._reports.add(conversation, component)
            rejects = self._reports.take_owed()
            if rejects:
                self._stop(conversation)
                idp, reason = conversation.idp, Reason.REJECTED_COMPONENT
                self._refusals.go_on(dialogue, service.name, idp, reason, now, after=rejects)
                return
        self._step(conversation, None, now)

    def _reported(self, indication: Indication, now: float) -> None:
        """TC-CONTINUE: what it brings are reports for the service."""
        conversation = indication.dialogue.user
        if not isinstance(conversation, DialogueState):
            return
        for component in indication.components:
            self._reports.add(conversation, component)
        for _ in indication.rejects:
            self.signalling.discard("cap", REJECTED)
        rejects = owed(indication) + self._reports.take_owed()
        if rejects:
            octets = self.tcap.end(indication.dialogue, rejects[:MOST_REJECTS])
            self.signalling.send(indication.dialogue.path, octets)
            self._over(conversation, ReportKind.ABORT, "reject", now)
        else:
            self._wake(conversation, now)

    def _ended(self, indication: Indication, now: float) -> None:
        conversation = indication.dialogue.user
        if isinstance(conversation, DialogueState):
            for component in indication.components:
                self._reports.add(conversation, component)
            self._reports.take_owed()  # there is nobody to have it
            self._over(conversation, ReportKind.END, "ended", now)

    def _aborted(self, indication: Indication, now: float) -> None:
        conversation = indication.dialogue.user
        if isinstance(conversation, DialogueState):
            self._over(conversation, ReportKind.ABORT, "aborted-by-peer", now)

    def _undelivered(self, indication: Indication, now: float) -> None:
        """TC-NOTICE: SCCP could not deliver what we sent; the gsmSSF can't be told anything: end locally."""
        self.signalling.discard("sccp", "returned")
        self.tcap.end(indication.dialogue, [], prearranged=True)
        conversation = indication.dialogue.user
        if isinstance(conversation, DialogueState):
            self._over(conversation, ReportKind.ABORT, "undeliverable", now)

    def _unanswered(self, indication: Indication, now: float) -> None:
        """TC-L-CANCEL: an operation that reports success (ActivityTest) got no answer: the call is lost."""
        conversation = indication.dialogue.user
        if isinstance(conversation, DialogueState) and indication.invocation is not None:
            conversation.queue(Report(ReportKind.TIMEOUT, opcode_of(indication.invocation.opcode)))
            self._wake(conversation, now)

    def _idle(self, indication: Indication, now: float) -> None:
        conversation = indication.dialogue.user
        if isinstance(conversation, DialogueState):
            self._over(conversation, ReportKind.ABORT, "timeout", now)

    def _over(self, conversation: DialogueState, kind: ReportKind, outcome: str, now: float) -> None:
        """The dialogue is gone: tell the service, or stop it if the call was not answered yet."""
        conversation.gone = True
        self.telemetry.dialogue_closed(outcome)
        if not conversation.answered:
            self.telemetry.call(conversation.service, _ABANDONED, self.clock() - conversation.started)
            self._deadlines.forget()
            self._stop(conversation)
            return
        self.observers.over(conversation.dialogue)
        conversation.queue(Report(kind))
        self._wake(conversation, now)

    # -- the service's coroutine ---------------------------------------------------------------------------

    def _step(self, conversation: DialogueState, value: Any, now: float) -> None:
        """Resume the service with ``value`` and go on until it waits or is done."""
        send = conversation.run.send
        while True:
            try:
                request = send(value)
                if isinstance(request, Lookup):
                    value = self._look_up(conversation, request.msisdn, now)
                else:
                    value = self._next_report(conversation, request, now)
            except StopIteration:
                self._finished(conversation, now)
                return
            except Exception as bug:  # noqa: BLE001 - whatever a service or a store does wrong, the call goes on
                self._rescue(conversation, bug, now)
                return
            if value is PENDING:
                return

    def _look_up(self, conversation: DialogueState, msisdn: str, now: float) -> Found | Pending:
        """Ask the store; what it does against its protocol is a failure of the store, not of the service."""
        if conversation.store_owes:
            return StoreFailure.TIMEOUT
        try:
            found = self.store.find(msisdn, conversation)
        except Exception as bug:  # noqa: BLE001 - the configured policy answers, whatever a store does wrong
            self.on_bug(STORE, bug)
            return StoreFailure.UNAVAILABLE
        if found is PENDING:
            due = now + self.store_deadline
            if not conversation.answered:
                due = min(due, conversation.started + self.answer_deadline)
            conversation.store_owes = True
            self._suspend(conversation, LOOKUP, due, now)
        return found

    def _next_report(self, conversation: DialogueState, request: NextReport, now: float) -> Report | Pending:
        """Send the outbox, then give the next report, or `PENDING` and wait for it.

        A service that awaits more after it was told that the dialogue is over would wait for ever: it ends.
        """
        timeout = request.timeout
        if conversation.gone:
            conversation.take_outbox()
        elif conversation.has_outgoing or not conversation.answered:
            self._send(conversation, now, last=False)
        report = conversation.next_report()
        if report is not None:
            return report
        if conversation.gone:
            self._stop(conversation)
            return PENDING
        self._suspend(conversation, REPORT, now + timeout, now)
        return PENDING

    def _suspend(self, conversation: DialogueState, wait: int, due: float, now: float) -> None:
        conversation.wait = wait
        conversation.due = due
        self._deadlines.add(due, conversation, now)
        self.signalling.wake_at(due)

    def _resume(self, conversation: DialogueState, value: Any, now: float) -> None:
        conversation.resume()
        self._deadlines.forget()
        self._step(conversation, value, now)

    def _wake(self, conversation: DialogueState, now: float) -> None:
        """Hand the oldest report to a service that waits for one."""
        if conversation.wait == REPORT and conversation.reports is not None:
            self._resume(conversation, conversation.next_report(), now)

    def store_answered(self, conversation: DialogueState, result: Found) -> None:
        """Resume a service with the store's answer; called from the event loop."""
        now = self.clock()
        if self.admission is not None and not conversation.answered:
            self.admission.store_took(now - conversation.started)
        self._resume(conversation, result, now)
        self.signalling.flush()

    # -- what goes to the network --------------------------------------------------------------------------

    def _send(self, conversation: DialogueState, now: float, *, last: bool) -> None:
        """Send the outbox in one message, TC-END if it is the ``last``."""
        dialogue = conversation.dialogue
        components = encoded(conversation, self.codec, self.tcap, self.telemetry, last=last)
        tcap = self.tcap
        octets = tcap.end(dialogue, components) if last else tcap.continue_(dialogue, components, now)
        # Returned, a TC-CONTINUE says that the switch has lost the call; a TC-END could say it to nobody.
        self.signalling.send(dialogue.path, octets, return_on_error=not last)
        if not conversation.answered:
            self._answered(conversation)
            if not last:
                conversation.compact(self.codec)
                dialogue.path = self.signalling.keep(dialogue.path)

    def _answered(self, conversation: DialogueState) -> None:
        conversation.answered = True
        decision = conversation.decision or Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
        self.observers.tell(
            conversation.dialogue, conversation.service, conversation.idp, decision, conversation.started
        )

    def _finished(self, conversation: DialogueState, now: float) -> None:
        """The service returned: its outbox goes in TC-END, unless the dialogue is gone already."""
        if not conversation.gone:
            held = conversation.answered
            try:
                self._send(conversation, now, last=True)
            except Exception as bug:  # noqa: BLE001 - an argument may be anything that a service made
                self._rescue(conversation, bug, now)
                return
            conversation.gone = True
            if held:
                self.observers.over(conversation.dialogue)
            self.telemetry.dialogue_closed("error" if conversation.error is not None else "ended")
        conversation.dialogue.user = None

    def _rescue(self, conversation: DialogueState, bug: Exception, now: float) -> None:
        """A service failed: an unanswered call goes on unchanged, a controlled one is left to the switch."""
        self.on_bug(conversation.service, bug)
        if not conversation.gone:
            conversation.gone = True
            self.tcap.withdraw(conversation.dialogue)
            held = conversation.answered
            conversation.error = None
            conversation.outbox[:] = [] if held else [CONTINUED]
            conversation.decided(_FAILED)
            self._send(conversation, now, last=True)
            if held:
                self.observers.over(conversation.dialogue)
            self.telemetry.dialogue_closed("error")
        self._stop(conversation)

    def _stop(self, conversation: DialogueState) -> None:
        """Close a service that nobody needs any more, and forget it."""
        conversation.resume()
        conversation.dialogue.user = None
        try:
            conversation.run.close()
        except Exception as bug:  # noqa: BLE001 - it failed while being closed, or would not be
            self.on_bug(conversation.service, bug)

    # -- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        return self._deadlines.next()

    def tick(self, now: float) -> None:
        """Resume the services whose wait is over."""
        for conversation in self._deadlines.due(now):
            late: StoreFailure | Report = _TIMED_OUT
            if conversation.wait == LOOKUP:
                late = StoreFailure.TIMEOUT
                if self.admission is not None:
                    self.admission.store_took(self.store_deadline)
            conversation.resume()
            self._step(conversation, late, now)


_TIMED_OUT: Final = Report(ReportKind.TIMEOUT)
_ABANDONED: Final = Decision(Action.ERROR, Reason.ABANDONED)
_FAILED: Final = Decision(Action.CONTINUE, Reason.SERVICE_ERROR)


def _due(conversation: DialogueState) -> float:
    return conversation.due
