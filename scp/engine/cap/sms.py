"""Control of short messages, CAP v3 and v4: InitialDPSMS gets ContinueSMS, ConnectSMS or ReleaseSMS.

The served subscriber is the one whose SMS-CSI it is: the sender of a message from a mobile, the recipient of
one to a mobile (TS 23.078 §7). The request has that subscriber's place in both cases. The conditions are
those for calls. One operation in one TC-END answers; nothing is armed.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.domain.call import CallFacts, Trigger, call_facts
from scp.domain.decision import Action, Decision, judge, screen
from scp.domain.lookup import Pending, StoreFailure
from scp.domain.numbers import Nature
from scp.domain.reason import Reason
from scp.engine.tc import owed
from scp.engine.timers import Deadlines
from scp.services.idp import NATURES_24008, address_e164, area_ids, vlr_e164
from scp.stack import tcap_dialogue as tc
from ss7.address import AddressString, CalledPartyBCDNumber
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_OCTETS, BY_TEXT
from ss7.cap.errors import ErrorCode
from ss7.cap.roots import argument_root
from ss7.cap.sms import ConnectSMSArg, EventTypeSMS
from ss7.errors import DecodeError
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    Invoke,
    encode_invoke,
    encode_reject,
    encode_return_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.lookup import Found
    from scp.domain.rules import Rules
    from scp.engine.tc import TcProvider
    from scp.ports import SubscriberLookup, Telemetry
    from scp.stack.tcap import Dialogue, Indication
    from ss7.cap.sms import InitialDPSMSArg

INITIAL_DP_SMS: Final = 60
CONNECT_SMS: Final = 62
CONTINUE_SMS: Final = 65
RELEASE_SMS: Final = 66
SERVICE: Final = "sms-control"
CONTEXTS_SERVED: Final = frozenset(
    BY_TEXT[text].octets for text in ("0.4.0.0.1.21.3.61", "0.4.0.0.1.23.3.61")
)

_BARRED: Final = bytes((21,))  # RP-Cause: short message transfer rejected (TS 24.011 table 8.4)
_TEMPORARY: Final = bytes((41,))  # temporary failure
_TO_MOBILE: Final = frozenset({int(EventTypeSMS.DELIVERY_REQUESTED)})


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


def prepare() -> None:
    """Make the tables that the first message would else make, and load what reads unusual forms."""
    for opcode in (INITIAL_DP_SMS, CONNECT_SMS, RELEASE_SMS):
        for version in (3, 4):
            argument_root(opcode, version)
    FAST.reference()


@final
class _Asked:
    """A message that its subscriber's record is looked up for; the `scp.ports.Waiter`."""

    __slots__ = ("_user", "began", "dialogue", "due", "facts", "rules", "to_mobile")

    def __init__(
        self,
        user: SmsControlUser,
        dialogue: Dialogue,
        facts: CallFacts,
        rules: Rules,
        began: float,
        due: float,
        to_mobile: bool,
    ) -> None:
        self._user = user
        self.dialogue = dialogue
        self.facts = facts
        self.rules = rules
        self.began = began
        self.due = due
        self.to_mobile = to_mobile

    def found(self, result: Found) -> None:
        """Take the answer, unless its time is over."""
        self._user.found(self, result)


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
    ) -> None:
        self._provider = provider
        self._policy = policy
        self._rules = rules
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._deadline = deadline
        self._waiting: Deadlines[_Asked] = Deadlines(_due_of)

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication; after the BEGIN only its answer matters."""
        dialogue = indication.dialogue
        if indication.kind != tc.BEGIN:
            if indication.kind in (tc.NOTICE, tc.CONTINUE) and not dialogue.closed:
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
        to_mobile = idp.event_type_sms is not None and int(idp.event_type_sms) in _TO_MOBILE
        facts = read_message(idp, rules, to_mobile)
        asked = _Asked(self, dialogue, facts, rules, now, now + self._deadline, to_mobile)
        decision = screen(facts, rules)
        if decision is not None:
            self._answer(asked, decision, now)
            return
        found = self._store.find(facts.e164, asked)
        if not isinstance(found, Pending):
            self.found(asked, found)
            return
        dialogue.path = self._provider.keep(dialogue.path)
        self._waiting.add(asked.due, asked, now)
        self._provider.wake_at(asked.due)

    def found(self, asked: _Asked, result: Found) -> None:
        """Take the record of a message's subscriber, or why there is none."""
        if asked.dialogue.closed or asked.due == inf:
            return
        self._answer(asked, judge(result, asked.facts, asked.rules), self._clock())
        self._provider.flush()

    def _answer(self, asked: _Asked, decision: Decision, now: float) -> None:
        asked.due = inf
        dialogue = asked.dialogue
        opcode, argument = self._operation(asked, decision)
        version = BY_OCTETS[dialogue.context].version
        parameter = FAST.encode_argument(opcode, argument, version)
        components = [encode_invoke(self._provider.tcap.next_invoke_id(dialogue), opcode, parameter)]
        self._telemetry.operation(opcode, "out")
        self._telemetry.call(SERVICE, decision, now - asked.began)
        self._end(dialogue, components)

    def _operation(self, asked: _Asked, decision: Decision) -> tuple[int, Any]:
        """Return what to say, with its argument."""
        if decision.action is Action.RELEASE:
            return RELEASE_SMS, _TEMPORARY
        if decision.action is not Action.CONNECT:
            return CONTINUE_SMS, None
        policy = self._policy.terminating if asked.to_mobile else self._policy.originating
        if policy == "bar":
            return RELEASE_SMS, _BARRED
        if policy == "steer":
            return CONNECT_SMS, ConnectSMSArg(smsc_address=AddressString(self._policy.smsc or "").encode())
        return CONTINUE_SMS, None

    def _end(self, dialogue: Dialogue, components: list[bytes]) -> None:
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.end(dialogue, components))

    def next_deadline(self) -> float:
        """Return when the next lookup has taken too long."""
        return self._waiting.next()

    def tick(self, now: float) -> None:
        """Decide without the store where it is too slow."""
        for asked in self._waiting.due(now):
            if not asked.dialogue.closed:
                self._answer(asked, judge(StoreFailure.TIMEOUT, asked.facts, asked.rules), now)


def _due_of(asked: _Asked) -> float:
    return asked.due


def read_message(idp: InitialDPSMSArg, rules: Rules, to_mobile: bool) -> CallFacts:
    """Return the facts that the decision needs: of the served subscriber, as if it was called.

    A message from a mobile to a number that is never steered, or to none that is E.164 (a short code), has
    that as its `fault`.
    """
    numbering = rules.numbering
    octets = idp.called_party_number if to_mobile else idp.calling_party_number
    served = "" if octets is None else address_e164(octets, numbering)
    if not served:
        return CallFacts(fault=Reason.NO_CALLED_NUMBER, trigger=Trigger.TERMINATING)
    fault: Reason | None = None
    if not to_mobile and idp.destination_subscriber_number is not None:
        fault = _destination_fault(idp.destination_subscriber_number, rules)
    msc, gprs = idp.location_information_msc, idp.location_information_gprs
    vlr = ""
    areas: tuple[str, ...] = ()
    if msc is not None:
        vlr, areas = vlr_e164(msc, numbering), area_ids(msc)
    elif gprs is not None and gprs.sgsn_number is not None:
        vlr = address_e164(gprs.sgsn_number, numbering)
    return CallFacts(
        digits=served,
        nature=Nature.INTERNATIONAL,
        e164=served,
        fault=fault,
        trigger=Trigger.TERMINATING,
        vlr=vlr,
        areas=areas,
    )


def _destination_fault(octets: bytes, rules: Rules) -> Reason | None:
    try:
        number = CalledPartyBCDNumber.decode(octets)
    except DecodeError:
        return Reason.UNPARSABLE_NUMBER
    nature = NATURES_24008.get(number.nature, Nature.UNKNOWN)
    return call_facts(rules.numbering, Trigger.ORIGINATING, number.digits, nature).fault
