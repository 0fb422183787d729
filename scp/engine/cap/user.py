"""The CAP TC-user: InitialDP to its service, reports to services, and an answer in time whatever happens.

One InitialDP is one straight run of code: decode the argument, choose the service by its key, step its
coroutine until it returns or has to wait, send what it put in its outbox.

Whatever is missing, late or broken, the gsmSSF gets an answer: a call is never lost because this node was.
What it gets where no service is reached follows TS 29.078; errors and rejects go in TC-END, since a gsmSSF
aborts a dialogue that brings them in TC-CONTINUE (§14.1.2.2.1).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.engine.cap.components_in import REJECTED, Arguments, Reports, critical, owed_in_a_call
from scp.engine.cap.components_out import encoded
from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.held_call import invoked_in, invoked_last, operations_of, rebuilt, recorded
from scp.engine.cap.refusals import MOST_REJECTS, NO_SERVICE, Refusals
from scp.engine.dialogue_runner import DialogueRunner
from scp.engine.observers import ObserverHub
from scp.engine.tc import owed
from scp.services.api import ReportKind, ResumableService
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

    from scp.engine.admission import Admission
    from scp.engine.cap.assist import AssistUser
    from scp.engine.cap.held_record import StoredRecord
    from scp.engine.journal import Journalled
    from scp.engine.observers import AnswerObserver, CallWatcher
    from scp.engine.tc import TcProvider
    from scp.held_call_ports import HeldEntry
    from scp.ports import QuotaPort, SubscriberLookup, Telemetry
    from scp.services.api import Service
    from scp.stack.tcap import Dialogue, Indication
    from ss7.cap.codec import Codec
    from ss7.cap.types import InitialDPArg
    from ss7.rose import Component

# In Python 3.11 a member looked up through its class costs ten times what a global does.
_INITIAL_DP: Final = Opcode.INITIAL_DP
_ABANDONED: Final = Decision(Action.ERROR, Reason.ABANDONED)
_CONTINUED: Final = Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
_FAILED: Final = Decision(Action.CONTINUE, Reason.SERVICE_ERROR)


@final
class CapUser(DialogueRunner[CapDialogue]):
    """Services of one node and the calls that they serve.

    Args:
        provider: where components come from and go to.
        services: by service key.
        store: where subscribers are looked up.
        codec: of CAP arguments: ``FAST`` or ``REFERENCE``.
        telemetry: counts calls, operations and dialogues.
        clock: monotonic seconds.
        on_bug: told of a service that raised, with the service's name; the call is continued.
        store_deadline: seconds that a lookup may take.
        answer_deadline: seconds from InitialDP to the first answer, far below Tssf's shortest (1 s).
        observer: shown the first answer of every dialogue (call log, CDRs, trace); None: nobody looks.
        admission: says which new calls are served; None: all.
        watcher: shown how calls go on whose dialogues are held; None: nobody looks.
        strict: reject operations of which an optional parameter can't be read (TS 29.078 §14.1.1.4.1), as
            against leaving out the parameter.
        quota: where services reserve money; None: this node charges nothing.
        wall: seconds since 1970-01-01 UTC.

    Attributes:
        observers: tells of first answers and of calls that are held; its onlookers may be replaced.
        declines, unreadable: see `Arguments`.
        assists: serves external gsmSRFs; None: nobody does.
    """

    def __init__(
        self,
        provider: TcProvider,
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
        quota: QuotaPort | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            provider,
            store,
            telemetry,
            clock,
            on_bug,
            store_deadline,
            answer_deadline,
            admission,
            quota,
            wall,
        )
        self.services = services
        self.codec = codec
        self.observers = ObserverHub(telemetry, clock, observer, watcher, on_bug)
        arguments = Arguments(codec, provider, strict=strict)
        self.declines = arguments.declines
        self.unreadable = arguments.unreadable
        self.assists: AssistUser | None = None
        self._refusals = Refusals(provider, telemetry, self.observers, arguments, clock)
        self._reports = Reports(provider, telemetry, arguments, self.observers)

    # -- what comes from the network -----------------------------------------------------------------------

    def begun(self, indication: Indication, now: float) -> None:
        """TC-BEGIN: the first component has to be an InitialDP that decodes and has a served service key."""
        dialogue = indication.dialogue
        self.telemetry.dialogue_opened()
        components = indication.components
        first = components[0] if components else None
        if type(first) is not Invoke:
            self._refusals.refuse(dialogue, owed(indication), Reason.UNEXPECTED_OPERATION, now)
            return
        if first.opcode != _INITIAL_DP:
            reject = encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)
            self._refusals.refuse(dialogue, [reject, *owed(indication)], Reason.UNEXPECTED_OPERATION, now)
            return
        self.telemetry.operation(_INITIAL_DP, "in")
        if indication.rejects:
            for _ in indication.rejects:
                self.provider.discard("cap", REJECTED)
            self._refusals.go_on(
                dialogue, NO_SERVICE, None, Reason.REJECTED_COMPONENT, now, after=owed(indication)
            )
            return
        if self.admission is not None and self._refusals.let_by(self.admission, dialogue, first, now):
            return
        context = BY_OCTETS.get(dialogue.context, CAP_V1)
        octets = first.parameter
        try:
            idp = self.codec.decode_argument(_INITIAL_DP, octets, context.version)
        except DecodeError as fault:
            if self.draining:  # nothing of it decides, and a guardian has not loaded the reference codec
                self._refusals.go_on(dialogue, NO_SERVICE, None, Reason.DRAINING, now)
                return
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
        call = CapDialogue(self, dialogue, idp, context, octets, service.name, first.invoke_id, now)
        self._serve(call, service, components, now)

    def _serve(self, call: CapDialogue, service: Service, components: list[Component], now: float) -> None:
        """Start the service of an InitialDP, and tell it what came behind that in the same message."""
        dialogue = call.dialogue
        try:
            call.run = service.run(call)
        except Exception as bug:  # noqa: BLE001 - whatever a service does wrong, the call goes on
            self.on_bug(service.name, bug)
            self._refusals.go_on(dialogue, service.name, call.idp, Reason.SERVICE_ERROR, now)
            return
        dialogue.user = call
        if len(components) > 1:
            for component in components[1:]:
                self._reports.add(call, component)
            rejects = self._reports.take_owed()
            if rejects:
                self.stop(call)
                idp, reason = call.idp, Reason.REJECTED_COMPONENT
                self._refusals.go_on(dialogue, service.name, idp, reason, now, after=rejects)
                return
        self.start(call, now)

    def continued(self, state: CapDialogue, indication: Indication, now: float) -> None:
        """TC-CONTINUE: what it brings are reports for the service.

        A reject or an error may go to a gsmSSF in TC-END alone, since it aborts a dialogue that brings one in
        TC-CONTINUE (§14.1.2.2.1). Either would leave a call that is paid for without a limit, and with nobody
        who measures it. So while something is reserved none is sent: it is counted, and the call goes on.
        """
        for component in indication.components:
            self._reports.add(state, component)
        if state.journal is not None:
            state.journal.heard = invoked_last(indication.components)
        for _ in indication.rejects:
            self.provider.discard("cap", REJECTED)
        rejects = owed_in_a_call(indication) + self._reports.take_owed()
        if rejects and state.session is None:
            octets = self.tcap.end(indication.dialogue, rejects[:MOST_REJECTS])
            self.provider.send(indication.dialogue.path, octets)
            self.over(state, ReportKind.ABORT, "reject", now)
        else:
            self.wake(state, now)

    def last_words(self, state: CapDialogue, indication: Indication) -> None:
        """See `DialogueRunner`."""
        for component in indication.components:
            self._reports.add(state, component)
        self._reports.take_owed()

    # -- what goes to the network --------------------------------------------------------------------------

    def encoded(self, state: CapDialogue, *, last: bool) -> list[bytes]:
        """See `DialogueRunner`."""
        return encoded(state, self.codec, self.tcap, self.telemetry, last=last)

    def first_sent(self, state: CapDialogue, *, last: bool) -> None:
        """See `DialogueRunner`."""
        decision = state.decision or _CONTINUED
        if state.journal is not None:
            state.journal.decision = decision
            state.journal.took_us = int((self.clock() - state.started) * 1e6)
        else:
            state.decision = decision  # the service may keep something later
        self.observers.tell(state.dialogue, state.service, state.idp, decision, state.started)
        if not last:
            state.compact()

    def first_argument(self, octets: bytes, version: int) -> InitialDPArg:
        """See `DialogueRunner`."""
        idp: InitialDPArg = self.codec.decode_argument(Opcode.INITIAL_DP, octets, version)
        return idp

    def fall_back(self, state: CapDialogue) -> None:
        """See `DialogueRunner`: an unanswered call goes on as it was, a controlled one is the switch's."""
        state.error = None
        if not state.answered:
            state.invoke(Opcode.CONTINUE)
            state.decided(_FAILED)

    def abandoned(self, state: CapDialogue) -> None:
        """See `DialogueRunner`."""
        self.telemetry.call(state.service, _ABANDONED, self.clock() - state.started)

    def decided(self, state: CapDialogue, decision: Decision) -> None:
        """See `DialogueRunner`."""
        self.observers.decided(state.dialogue, decision)

    def noted(self, state: CapDialogue, fact: object) -> None:
        """See `DialogueRunner`."""
        self.observers.noted(state.dialogue, fact)

    def assist(self, state: CapDialogue, opcode: int, argument: Any, until: float) -> str:
        """See `scp.engine.cap.assist.AssistUser.expect`."""
        return "" if self.assists is None else self.assists.expect(state, opcode, argument, until)

    def held_over(self, state: CapDialogue) -> None:
        """See `DialogueRunner`."""
        self._reports.forget(state.dialogue.local_tid)
        self.observers.over(state.dialogue)

    def outcome(self, state: CapDialogue) -> str:
        """See `DialogueRunner`."""
        return "error" if state.error is not None else "ended"

    # -- calls of other processes --------------------------------------------------------------------------

    def record(self, state: CapDialogue, entry: Journalled) -> bytes:
        """See `DialogueRunner`."""
        progress = self.observers.progress(state.dialogue)
        return recorded(state, entry, self.tcap, progress, self.clock())

    def forgotten(self, state: CapDialogue) -> None:
        """See `DialogueRunner`."""
        self._reports.forget(state.dialogue.local_tid)
        self.observers.forgotten(state.dialogue)

    def can_adopt(self, record: StoredRecord) -> bool:
        """Whether a call's service is one of this node's, and one that can go on with a call."""
        return self._resumer(record.service) is not None

    def _resumer(self, name: str) -> ResumableService | None:
        """Return the service of this name, if it can go on with a call."""
        for service in self.services.values():
            if service.name == name:
                return service if isinstance(service, ResumableService) else None
        return None

    def adopt(self, entry: HeldEntry, record: StoredRecord, path: object) -> bool:
        """Go on with a held call that this node has claimed; False: it can't.

        Args:
            entry: as claimed.
            record: that it has.
            path: to the peer.
        """
        resumer = self._resumer(record.service)
        now = self.clock()
        dialogue = self.tcap.adopt(
            entry.tid, record.remote_tid, path, record.context, record.next_id, operations_of(record), now
        )
        if dialogue is None or self.journal is None or resumer is None:
            return False
        call, answered = rebuilt(self, dialogue, record, self.codec)
        call.journal = self.journal.begin(call, entry.tid, entry.fence)
        call.journal.decision, call.journal.took_us = call.decision, record.took_us
        call.journal.adopted()
        self.telemetry.dialogue_opened()
        self.observers.adopted(dialogue, answered, record.progress)
        dialogue.user = call
        try:
            call.run = resumer.resume(call, bytes(record.state))
        except Exception as bug:  # noqa: BLE001 - whatever a service does wrong, this costs no other call
            self.on_bug(record.service, bug)
            self.let_go(call)
            return False
        self.start(call, now)
        return True

    def say_again(self, dialogue: Dialogue, record: StoredRecord) -> None:
        """Say again what a call's record has as the answer to the switch: it may have left before, or not."""
        for octets in record.outgoing:
            self.provider.send(dialogue.path, octets, return_on_error=True)
        self._reports.repeat(dialogue.local_tid, invoked_in(record), self.clock())
