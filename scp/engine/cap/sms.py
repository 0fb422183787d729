"""Control of short messages, CAP v3 and v4: InitialDPSMS gets ContinueSMS, ConnectSMS or ReleaseSMS.

The served subscriber is the one whose SMS-CSI it is: the sender of a message from a mobile, the recipient of
one to a mobile (TS 23.078 §7). The request has that subscriber's place in both cases. The conditions are
those for calls. One operation in one TC-END answers.

A message that somebody pays for takes more: its price is reserved, and it goes on in a TC-CONTINUE that arms
submission or delivery, and failure. The report says whether it is charged; control ends with it
(`scp.services.message_charging`)::

    LOOKUP ─▶ RESERVING ─granted─▶ WATCHED ─report, end, silence─▶ SETTLING ─▶ OVER
       └──────────┴─ answered without: TC-END ──────────────────────────────────▲
"""

from __future__ import annotations

import time
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.domain.cdr import Charge
from scp.domain.decision import Action, Decision, judge, screen
from scp.domain.lookup import Pending, StoreFailure
from scp.domain.quota import QuotaDenial, QuotaGrant, Settled
from scp.domain.reason import Reason
from scp.domain.reservation import reservation_id
from scp.engine.tc import opcode_of, owed
from scp.engine.timers import Deadlines
from scp.services.message_charging import ARMED, FAILURES, SUCCESSES, furnished, reservation_for, used
from scp.services.message_facts import failure_words, other_party, read_message, to_mobile
from scp.services.message_record import SERVICE, MessageEnd, message_row
from scp.stack import tcap_dialogue as tc
from ss7.address import AddressString
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_OCTETS, BY_TEXT
from ss7.cap.errors import ErrorCode
from ss7.cap.events import MessageType
from ss7.cap.operations import SHORT
from ss7.cap.roots import argument_root
from ss7.cap.sms import ConnectSMSArg
from ss7.errors import DecodeError
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    Invoke,
    Reject,
    ReturnError,
    encode_invoke,
    encode_reject,
    encode_return_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.call import CallFacts
    from scp.domain.cdr import Row
    from scp.domain.lookup import Found
    from scp.domain.quota import QuotaAnswer
    from scp.domain.rules import Rules
    from scp.engine.tc import TcProvider
    from scp.ports import QuotaPort, SubscriberLookup, Telemetry
    from scp.services.message_charging import SmsChargingPolicy
    from scp.stack.tcap import Dialogue, Indication
    from ss7.cap.sms import EventReportSMSArg, InitialDPSMSArg

INITIAL_DP_SMS: Final = 60
FURNISH_CHARGING_SMS: Final = 61
CONNECT_SMS: Final = 62
REQUEST_REPORT_SMS_EVENT: Final = 63
EVENT_REPORT_SMS: Final = 64
CONTINUE_SMS: Final = 65
RELEASE_SMS: Final = 66
CONTEXTS_SERVED: Final = frozenset(
    BY_TEXT[text].octets for text in ("0.4.0.0.1.21.3.61", "0.4.0.0.1.23.3.61")
)

_BARRED: Final = bytes((21,))  # RP-Cause: short message transfer rejected (TS 24.011 table 8.4)
_TEMPORARY: Final = bytes((41,))  # temporary failure
_UNDECIDED: Final = Decision(Action.ERROR, Reason.ABANDONED)
_WISHES: Final = frozenset(
    {Reason.FORWARDED_ALWAYS, Reason.FORWARDED_ROAMING, Reason.FORWARDED_LOCATION, Reason.CHARGING_DENIED}
)
_DONE: Final = frozenset(SUCCESSES.values())
UNREPORTED: Final = MessageEnd("unreported")


class SmsPolicy(Protocol):
    """What is done with messages that the conditions hold for: `scp.config.SmsControl`."""

    @property
    def service_keys(self) -> tuple[int, ...]:
        """Of the SMS-CSIs."""
        ...

    @property
    def originating(self) -> str:
        """What becomes of sent ones: "continue", "steer" or "bar"."""
        ...

    @property
    def terminating(self) -> str:
        """What becomes of received ones: "continue" or "bar"."""
        ...

    @property
    def smsc(self) -> str | None:
        """Where steered ones go."""
        ...

    @property
    def charging(self) -> SmsChargingPolicy | None:
        """Who pays; None: nobody."""
        ...


def prepare() -> None:
    """Make the tables that the first message would else make, and load what reads unusual forms."""
    for version in (3, 4):
        for opcode in (INITIAL_DP_SMS, CONNECT_SMS, EVENT_REPORT_SMS, RELEASE_SMS):
            argument_root(opcode, version)
        FAST.encode_argument(REQUEST_REPORT_SMS_EVENT, ARMED[False], version)
        FAST.encode_argument(FURNISH_CHARGING_SMS, furnished("0"), version)
    FAST.reference()


class _Phase(IntEnum):
    """Where a message stands; see the module's text."""

    LOOKUP = 0
    RESERVING = 1
    WATCHED = 2
    SETTLING = 3
    OVER = 4


_ASKED_OF_CHARGING: Final = frozenset({_Phase.RESERVING, _Phase.WATCHED})


@final
class _Message:
    """A message that was asked about; a `scp.ports.Waiter` and `scp.ports.QuotaWaiter`."""

    __slots__ = (
        "_user", "began", "came_ms", "decided_ms", "decision", "dialogue", "due", "end", "facts", "grant",
        "idp", "other", "phase", "rules", "session", "to_mobile",
    )  # fmt: skip

    def __init__(
        self,
        user: SmsControlUser,
        dialogue: Dialogue,
        idp: InitialDPSMSArg,
        facts: CallFacts,
        rules: Rules,
        began: float,
        came_ms: int,
        to_mobile: bool,
    ) -> None:
        self._user = user
        self.dialogue = dialogue
        self.idp = idp
        self.facts = facts
        self.rules = rules
        self.began = began
        self.came_ms = came_ms
        self.decided_ms = 0
        self.due = inf
        self.to_mobile = to_mobile
        self.other = other_party(idp, rules.numbering, to_mobile)
        self.phase = _Phase.LOOKUP
        self.decision = _UNDECIDED
        self.session = ""
        self.grant: QuotaGrant | None = None
        self.end: MessageEnd | None = None

    def found(self, result: Found) -> None:
        """Take the subscriber's record, unless its time is over."""
        self._user.found(self, result)

    def charged(self, answer: QuotaAnswer) -> None:
        """Take an answer of charging."""
        self._user.charged(self, answer)


@final
class SmsControlUser:
    """The TC-user.

    Args:
        provider: where answers go.
        policy: see `SmsPolicy`.
        rules: returns those that calls are steered by now; None: no service steers.
        store: has the subscribers.
        telemetry: counts.
        clock: seconds.
        deadline: seconds that a lookup may take.
        quota: charges; None: nothing is charged.
        record: takes the row of each message's record; None: nobody does.
        outcome: counts what became of messages that are paid for: "submitted", "delivered", "failed",
            "unreported", "denied", "unpaid".
        wall: seconds since 1970-01-01 UTC.

    Attributes:
        observer: shown each message when it is answered: its record so far, and the seconds that it took. It
            must not raise. None: nobody looks.
    """

    def __init__(
        self,
        provider: TcProvider,
        policy: SmsPolicy,
        rules: Callable[[], Rules | None],
        store: SubscriberLookup,
        telemetry: Telemetry,
        clock: Callable[[], float],
        deadline: float,
        *,
        quota: QuotaPort | None = None,
        record: Callable[[Row], None] | None = None,
        outcome: Callable[[str], None] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._policy = policy
        self._rules = rules
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._deadline = deadline
        self._quota = quota
        self._record = record
        self._outcome = outcome
        self._wall = wall
        self._waiting: Deadlines[_Message] = Deadlines(_due_of)
        self.observer: Callable[[Dialogue, Row, float], None] | None = None

    # --- the dialogue ---

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication."""
        dialogue = indication.dialogue
        if indication.kind != tc.BEGIN:
            message = dialogue.user
            if isinstance(message, _Message) and message.phase in _ASKED_OF_CHARGING:
                self._went_on(message, indication, now)
            elif indication.kind in (tc.NOTICE, tc.CONTINUE) and not dialogue.closed:
                self._provider.send(dialogue.path, self._provider.tcap.abort(dialogue))
            return
        first = indication.components[0] if indication.components else None
        if not isinstance(first, Invoke) or indication.rejects:
            self._end(dialogue, owed(indication))
        elif first.opcode != INITIAL_DP_SMS:
            self._provider.discard("cap", "unrecognized-operation")
            self._end(dialogue, [encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)])
        else:
            self._asked(dialogue, first, now)

    def _asked(self, dialogue: Dialogue, invoke: Invoke, now: float) -> None:
        self._telemetry.operation(INITIAL_DP_SMS, "in")
        version = BY_OCTETS[dialogue.context].version
        try:
            idp: InitialDPSMSArg = FAST.decode_argument(INITIAL_DP_SMS, invoke.parameter, version)
        except DecodeError:
            self._provider.discard("cap", str(Reason.UNDECODABLE_ARGUMENT))
            self._end(dialogue, [encode_reject(invoke.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)])
            return
        rules = self._rules()
        if idp.service_key not in self._policy.service_keys or rules is None:
            self._provider.discard("cap", str(Reason.UNKNOWN_SERVICE_KEY))
            error = encode_return_error(invoke.invoke_id, ErrorCode.MISSING_CUSTOMER_RECORD, b"")
            self._end(dialogue, [error])
            return
        received = to_mobile(idp)
        facts = read_message(idp, rules, received)
        message = _Message(self, dialogue, idp, facts, rules, now, self._wall_ms(), received)
        decision = screen(facts, rules)
        if decision is not None:
            self._decided(message, decision, now)
            return
        found = self._store.find(facts.e164, message)
        if isinstance(found, Pending):
            self._wait(message, now + self._deadline, now)
        else:
            self._decided(message, judge(found, facts, rules), now)

    def found(self, message: _Message, result: Found) -> None:
        """Take the record of a message's subscriber, or why there is none."""
        if message.dialogue.closed or message.phase != _Phase.LOOKUP or message.due == inf:
            return
        self._decided(message, judge(result, message.facts, message.rules), self._clock())
        self._provider.flush()

    def _wait(self, message: _Message, due: float, now: float) -> None:
        """Have `tick` look after a message; once it is decided its dialogue is held."""
        dialogue = message.dialogue
        if message.decided_ms and not dialogue.closed:
            dialogue.path = self._provider.keep(dialogue.path)
        message.due = due
        self._waiting.add(due, message, now)
        self._provider.wake_at(due)

    def next_deadline(self) -> float:
        """Return when the next message has waited too long."""
        return self._waiting.next()

    def tick(self, now: float) -> None:
        """Go on without what has not come in time."""
        for message in self._waiting.due(now):
            if message.phase == _Phase.LOOKUP:
                if not message.dialogue.closed:
                    failed = judge(StoreFailure.TIMEOUT, message.facts, message.rules)
                    self._decided(message, failed, now)
            elif message.phase == _Phase.RESERVING:
                self._unpaid(message, now)
            elif message.phase == _Phase.WATCHED:
                self._over(message, UNREPORTED)
                self._end(message.dialogue, [])

    # --- the answer ---

    def _decided(self, message: _Message, conditions: Decision, now: float) -> None:
        """Answer as the conditions say, once what it costs is reserved if somebody pays."""
        message.due = inf
        message.decision = decision = self._said(message, conditions)
        quota, policy = self._quota, self._policy.charging
        if quota is not None and policy is not None and decision.action is not Action.RELEASE:
            reference = message.idp.sms_reference_number
            message.session = reservation_id(
                message.facts.e164, message.dialogue.local_tid + message.came_ms.to_bytes(6, "big")
            )
            request = reservation_for(
                policy,
                message.facts,
                message.other,
                message.to_mobile,
                message.session,
                "" if reference is None else f"sms-{reference.hex()}",
            )
            if request is not None:
                message.phase = _Phase.RESERVING
                message.dialogue.user = message
                self._wait(message, now + policy.deadline_s, now)
                quota.reserve(request, message)
                return
        self._answer(message, now)

    def _said(self, message: _Message, conditions: Decision) -> Decision:
        """Return what is done with a message that the conditions say this of."""
        if conditions.action is not Action.CONNECT:
            return conditions
        policy = self._policy.terminating if message.to_mobile else self._policy.originating
        if policy == "bar":
            return Decision(Action.RELEASE, conditions.reason)
        if policy == "steer":
            return Decision(Action.CONNECT, conditions.reason, self._policy.smsc or "")
        return Decision(Action.CONTINUE, conditions.reason)

    def _operation(self, message: _Message) -> tuple[int, Any]:
        """Return the operation that says what was decided, with its argument."""
        decision = message.decision
        if decision.action is Action.CONNECT:
            return CONNECT_SMS, ConnectSMSArg(smsc_address=AddressString(decision.number).encode())
        if decision.action is not Action.RELEASE:
            return CONTINUE_SMS, None
        if decision.reason is Reason.CHARGING_DENIED and self._policy.charging is not None:
            return RELEASE_SMS, bytes((self._policy.charging.denial_cause,))
        return RELEASE_SMS, _BARRED if decision.reason in _WISHES else _TEMPORARY

    def _answer(self, message: _Message, now: float) -> None:
        """Answer in TC-END: nothing more is wanted of the message."""
        message.due = inf
        message.phase = _Phase.OVER
        opcode, argument = self._operation(message)
        version = BY_OCTETS[message.dialogue.context].version
        parameter = FAST.encode_argument(opcode, argument, version)
        self._told(message, opcode, now)
        invoke_id = self._provider.tcap.next_invoke_id(message.dialogue)
        self._end(message.dialogue, [encode_invoke(invoke_id, opcode, parameter)])
        self._keep_record(message, None)

    def _told(self, message: _Message, opcode: int, now: float) -> None:
        message.decided_ms = self._wall_ms()
        self._telemetry.operation(opcode, "out")
        self._telemetry.call(SERVICE, message.decision, now - message.began)
        if self.observer is not None:
            self.observer(message.dialogue, self._row(message, None), now - message.began)

    # --- charging ---

    def charged(self, message: _Message, answer: QuotaAnswer) -> None:
        """Take what charging says of a message: whether it is paid, later what it cost."""
        if message.phase == _Phase.SETTLING:
            message.phase = _Phase.OVER
            self._keep_record(message, answer.charged if isinstance(answer, Settled) else None)
            return
        if message.phase != _Phase.RESERVING:
            return
        now = self._clock()
        if isinstance(answer, QuotaGrant):
            self._paid(message, answer, now)
        elif isinstance(answer, QuotaDenial):
            self._count("denied")
            message.decision = Decision(Action.RELEASE, Reason.CHARGING_DENIED)
            message.session = ""
            self._answer(message, now)
        else:
            self._unpaid(message, now)
        self._provider.flush()

    def _unpaid(self, message: _Message, now: float) -> None:
        """Answer without charging, which did not answer; give back what it may have reserved."""
        self._count("unpaid")
        self._give_back(message)
        if self._policy.charging is None or self._policy.charging.down == "release":
            message.decision = Decision(Action.RELEASE, Reason.CHARGING_DOWN)
        self._answer(message, now)

    def _give_back(self, message: _Message) -> None:
        if self._quota is not None:
            self._quota.settle(message.session, None, None)
        message.session = ""

    def _paid(self, message: _Message, grant: QuotaGrant, now: float) -> None:
        """Let a message go on that is paid for, and have its end reported."""
        policy = self._policy.charging
        assert policy is not None
        message.grant = grant
        message.phase = _Phase.WATCHED
        dialogue = message.dialogue
        opcode, argument = self._operation(message)
        components = [self._invoke(dialogue, REQUEST_REPORT_SMS_EVENT, ARMED[message.to_mobile], 2)]
        if policy.furnish:
            components.append(self._invoke(dialogue, FURNISH_CHARGING_SMS, furnished(message.session), 2))
        components.append(self._invoke(dialogue, opcode, argument, 4 if opcode == CONTINUE_SMS else 2))
        self._told(message, opcode, now)
        self._provider.send(dialogue.path, self._provider.tcap.continue_(dialogue, components, now))
        self._wait(message, now + policy.report_s, now)

    def _invoke(self, dialogue: Dialogue, opcode: int, argument: Any, operation_class: int) -> bytes:
        version = BY_OCTETS[dialogue.context].version
        parameter = FAST.encode_argument(opcode, argument, version)
        if opcode not in (CONTINUE_SMS, CONNECT_SMS):
            self._telemetry.operation(opcode, "out")
        return self._provider.tcap.invoke(dialogue, opcode, parameter, operation_class, SHORT)

    def _went_on(self, message: _Message, indication: Indication, now: float) -> None:
        """Take what comes for a message that is held: its report, an error, the end."""
        ended = indication.kind not in (tc.CONTINUE, tc.NOTICE)
        if message.phase == _Phase.RESERVING:
            self._abandoned(message, now)
            return
        if indication.kind == tc.NOTICE:  # SCCP returned our message: it did not go on
            self._waiting.forget()
            self._over(message, MessageEnd("failed", "returned"))
            self._abort(message.dialogue)
            return
        answers = owed(indication)
        for component in indication.components:
            if message.phase != _Phase.WATCHED:
                break
            if isinstance(component, Invoke):
                answers += self._reported(message, component)
            elif isinstance(component, ReturnError | Reject):
                self._refused(message, opcode_of(component.operation))
        if message.phase == _Phase.WATCHED and (ended or answers):
            self._over(message, UNREPORTED)
        if message.phase != _Phase.WATCHED:
            self._waiting.forget()
            self._end(message.dialogue, answers)

    def _reported(self, message: _Message, invoke: Invoke) -> list[bytes]:
        """Take an operation of the smsSSF, return what it is answered with."""
        opcode = opcode_of(invoke.opcode)
        if opcode != EVENT_REPORT_SMS:
            self._provider.discard("cap", "unrecognized-operation")
            return [encode_reject(invoke.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)]
        self._telemetry.operation(opcode, "in")
        version = BY_OCTETS[message.dialogue.context].version
        try:
            report: EventReportSMSArg = FAST.decode_argument(opcode, invoke.parameter, version)
        except DecodeError:
            self._provider.discard("cap", str(Reason.UNDECODABLE_ARGUMENT))
            return [encode_reject(invoke.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)]
        event = int(report.event_type_sms)
        if event in SUCCESSES:
            self._over(message, MessageEnd(SUCCESSES[event], at_ms=self._wall_ms()))
        elif event in FAILURES:
            self._over(message, MessageEnd("failed", failure_words(report)))
        if report.misc_call_info.message_type is MessageType.REQUEST and not message.dialogue.closed:
            # The SSF waits, though it was told not to: it goes on (§12.3).
            invoke_id = self._provider.tcap.next_invoke_id(message.dialogue)
            return [encode_invoke(invoke_id, CONTINUE_SMS, b"")]
        return []

    def _refused(self, message: _Message, operation: int) -> None:
        """Take an error or reject: of what would have sent the message on, or of what would report it."""
        if operation in (CONNECT_SMS, CONTINUE_SMS):
            self._over(message, MessageEnd("failed", "refused"))
        elif operation != FURNISH_CHARGING_SMS:
            self._over(message, UNREPORTED)

    def _abandoned(self, message: _Message, now: float) -> None:
        """End a message whose switch did not wait for the answer."""
        self._give_back(message)
        message.phase = _Phase.OVER
        message.due = inf
        message.decision = Decision(Action.ERROR, Reason.ABANDONED)
        message.decided_ms = self._wall_ms()
        self._telemetry.call(SERVICE, message.decision, now - message.began)
        self._abort(message.dialogue)
        self._keep_record(message, None)

    def _over(self, message: _Message, end: MessageEnd) -> None:
        """Charge a message, or give back what was reserved: once."""
        message.due = inf
        message.end = end
        message.phase = _Phase.SETTLING
        self._count(end.outcome)
        quota, policy, grant = self._quota, self._policy.charging, message.grant
        assert quota is not None
        assert policy is not None
        assert grant is not None
        costs = end.outcome in _DONE or (end is UNREPORTED and policy.unreported == "charge")
        quota.settle(message.session, used(grant.at) if costs else None, message)

    # --- records ---

    def _keep_record(self, message: _Message, charge: int | None) -> None:
        if self._record is not None:
            self._record(self._row(message, charge))

    def _row(self, message: _Message, charge: int | None) -> Row:
        grant = message.grant
        paid = None
        if grant is not None:
            paid = Charge(message.session, 0, charge, grant.held, grant.tariff)
        numbering = message.rules.numbering
        times = (message.came_ms, message.decided_ms)
        return message_row(
            message.idp, message.facts, message.other, message.to_mobile, message.decision, times, numbering,
            message.end, paid,
        )  # fmt: skip

    def _count(self, outcome: str) -> None:
        if self._outcome is not None:
            self._outcome(outcome)

    def _wall_ms(self) -> int:
        return int(self._wall() * 1000)

    # --- out ---

    def _end(self, dialogue: Dialogue, components: list[bytes]) -> None:
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.end(dialogue, components))

    def _abort(self, dialogue: Dialogue) -> None:
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.abort(dialogue))


def _due_of(message: _Message) -> float:
    return message.due
