"""A short message under control, as an MSC plays it: InitialDPSMS, the answer, the report (TS 23.078 §7)."""

from __future__ import annotations

import time
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Any, Final, final

from msgspec import Struct

from scp.engine.enquiries import refuses_context
from scp.simulator.describe import describe_component, problem_name
from scp.simulator.expect import Action, Answer, abort_answer, faults_of
from scp.simulator.idp import TYPE_OF_NUMBER, location_of
from scp.simulator.result import CallResult, Step
from scp.stack import tcap_dialogue as dha
from ss7.address import AddressString, CalledPartyBCDNumber, Imsi
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_TEXT
from ss7.cap.errors import CapError
from ss7.cap.events import MessageType, MiscCallInfo
from ss7.cap.operations import SHORT, operation_name
from ss7.cap.sms import (
    EventReportSMSArg,
    EventSpecificInformationSMS,
    EventTypeSMS,
    InitialDPSMSArg,
    MOSMSCause,
    OriginatingFailure,
    TerminatingFailure,
)
from ss7.errors import DecodeError
from ss7.isup import NatureOfAddress
from ss7.rose import Invoke, Reject, ReturnError
from ss7.tcap import Aare

if TYPE_CHECKING:
    from scp.engine.signalling import Signalling
    from scp.simulator.expect import Expectation
    from scp.simulator.scenario import Scenario
    from scp.stack.tcap import Dialogue, Indication
    from ss7.rose import Component

INITIAL_DP_SMS: Final = 60
CONNECT_SMS: Final = 62
REQUEST_REPORT: Final = 63
EVENT_REPORT: Final = 64
CONTINUE_SMS: Final = 65
RELEASE_SMS: Final = 66
CONTEXTS: Final = {3: BY_TEXT["0.4.0.0.1.21.3.61"].octets, 4: BY_TEXT["0.4.0.0.1.23.3.61"].octets}
_PHASE: Final = "TC-CONTINUE", "TC-END"
_UNSPECIFIED: Final = b"\xff"  # TP-FCS: unspecified error cause (TS 23.040 §9.2.3.22)


class MessageEnd(StrEnum):
    """What becomes of a message that went on, and how that is told."""

    DONE = "done"  # submitted or delivered
    FAILED = "failed"
    SILENT = "silent"  # nothing is reported
    GONE = "gone"  # the dialogue ends without a report
    HANG_UP = "hang-up"  # the dialogue is aborted before the answer


class Message(Struct, frozen=True, kw_only=True):
    """A message to play.

    Attributes:
        received: the served subscriber is the recipient (CAP v4); else the sender.
        end: see `MessageEnd`.
        asks: the report is a request, as of an SSF that waits although it was not told to.
        open: the report comes in TC-CONTINUE, not TC-END.
        service_centre: that the message is sent to, or came from.
    """

    received: bool = False
    end: MessageEnd = MessageEnd.DONE
    asks: bool = False
    open: bool = False
    service_centre: str = "46700000050"


def initial_dp_sms(scenario: Scenario, message: Message, reference: bytes) -> InitialDPSMSArg:
    """Return the argument; the scenario's called number is the other party's; raises `EncodeError`."""
    served = AddressString(scenario.a_number).encode()
    dialled = None
    if not message.received:
        nature = TYPE_OF_NUMBER[NatureOfAddress(scenario.b_nature)]
        dialled = CalledPartyBCDNumber(scenario.b_number, nature, scenario.b_plan).encode()
    other = AddressString(scenario.b_number).encode()
    return InitialDPSMSArg(
        scenario.service_key,
        destination_subscriber_number=dialled,
        calling_party_number=other if message.received else served,
        event_type_sms=EventTypeSMS.DELIVERY_REQUESTED if message.received else EventTypeSMS.COLLECTED_INFO,
        imsi=Imsi(scenario.imsi).encode() if scenario.imsi else None,
        location_information_msc=location_of(scenario),
        smsc_address=AddressString(message.service_centre).encode(),
        sms_reference_number=scenario.call_reference or reference,
        msc_address=AddressString(scenario.msc).encode(),
        called_party_number=served if message.received else None,
    )


def event_report_sms(message: Message) -> EventReportSMSArg:
    """Return the report of what became of a message."""
    failed = message.end is MessageEnd.FAILED
    special: Any = None
    if message.received:
        event = EventTypeSMS.T_FAILURE if failed else EventTypeSMS.T_DELIVERY
        cause: Any = TerminatingFailure(_UNSPECIFIED)
        name = "t-smsFailureSpecificInfo"
    else:
        event = EventTypeSMS.O_FAILURE if failed else EventTypeSMS.O_SUBMISSION
        cause = OriginatingFailure(MOSMSCause.DELIVERY_FAILURE)
        name = "o-smsFailureSpecificInfo"
    if failed:
        special = EventSpecificInformationSMS(name, cause)
    kind = MessageType.REQUEST if message.asks else MessageType.NOTIFICATION
    return EventReportSMSArg(event, special, MiscCallInfo(kind))


@final
class MessageDialogue:
    """One message with its dialogue; arguments as of `scp.simulator.dialogue.CallDialogue`."""

    def __init__(
        self,
        signalling: Signalling,
        dialogue: Dialogue,
        scenario: Scenario,
        message: Message,
        expected: Expectation,
        now: float,
        *,
        give_up: float,
    ) -> None:
        self.result = CallResult(scenario=scenario, expected=expected.given)
        self._signalling = signalling
        self._tcap = signalling.tcap
        self._dialogue = dialogue
        self._message = message
        self._scenario = scenario
        self._expected = expected
        self._give_up = now + give_up
        self._report_at = inf
        self._answered = False
        self._armed: set[int] = set()
        self._began = self.result.began = time.perf_counter()

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self._dialogue.closed

    def begin(self, argument: InitialDPSMSArg, now: float) -> None:
        """Send InitialDPSMS."""
        parties = f"{self._scenario.a_number} → {self._scenario.b_number}"
        if self._message.received:
            parties = f"{self._scenario.b_number} → {self._scenario.a_number}"
        event = getattr(argument.event_type_sms, "identifier", "no event")
        self._step(True, "TC-BEGIN", f"initialDPSMS {event} {parties}, service key {argument.service_key}")
        component = self._invoke(INITIAL_DP_SMS, argument, 2)
        self._send(self._tcap.begin(self._dialogue, [component], now))
        if self._message.end is MessageEnd.HANG_UP:
            self._give_up = self._report_at = inf
            self._tcap.end(self._dialogue, [], prearranged=True)
            self._step(True, "local end")

    def next_deadline(self) -> float:
        """Return when `tick` is due."""
        return min(self._report_at, self._give_up)

    def tick(self, now: float) -> None:
        """Report, or give up."""
        if now >= self._report_at:
            self._report_at = inf
            self._report(now)
        elif now >= self._give_up and not self.over:
            self.result.faults.append("the dialogue did not end")
            self._tcap.end(self._dialogue, [], prearranged=True)

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication of this dialogue."""
        if indication.kind in (dha.CONTINUE, dha.END):
            self._components(indication, now)
        elif indication.kind in (dha.U_ABORT, dha.P_ABORT):
            answer = abort_answer(indication.cause, indication.portion, self._seconds())
            self._step(False, "TC-U-ABORT" if indication.kind == dha.U_ABORT else "TC-P-ABORT", answer.words)
            self._first(answer)
            if refuses_context(indication) and self._expected.action is None:
                self.result.faults.append(
                    f"it does not control short messages in CAP v{self._scenario.version}: "
                    "a camel-scp node does with [sms_control]"
                )

    def finish(self) -> CallResult:
        """Return the result; to be called once, when the dialogue is over."""
        if not self._answered and self._message.end is not MessageEnd.HANG_UP:
            self.result.faults += faults_of(self.result.answer, self._expected, self._dialogue.context)
        answer = self.result.answer
        self.result.routed_to = answer.number
        self.result.outcome = {
            Action.CONNECT: f"sent on to {answer.number}",
            Action.CONTINUE: "sent on",
            Action.RELEASE: f"refused with cause {answer.code}",
        }.get(answer.action, "not decided")
        return self.result

    def _components(self, indication: Indication, now: float) -> None:
        ended = indication.kind == dha.END
        words: list[str] = []
        action, number, code = Action.END if ended else Action.WAIT, "", -1
        names: list[str] = []
        for component in indication.components:
            if isinstance(component, Invoke) and isinstance(component.opcode, int):
                names.append(operation_name(component.opcode))
            told = self._read(component)
            words.append(told[3])
            if told[0] is not Action.WAIT:
                action, number, code = told[:3]
        self._step(False, _PHASE[ended], *words)
        self.result.faults += [describe_component(reject.component) for reject in indication.rejects]
        portion = indication.portion
        context = portion.context if isinstance(portion, Aare) else b""
        if not self._answered:
            self._first(
                Answer(
                    action=action,
                    operations=tuple(names),
                    number=number,
                    code=code,
                    ended=ended,
                    context=context,
                    seconds=self._seconds(),
                )
            )
            if not ended and action in (Action.CONTINUE, Action.CONNECT):
                self._went_on(now)

    def _read(self, component: Component) -> tuple[Action, str, int, str]:
        """Return what a component does with the message: action, number, cause, and in words what it says."""
        if isinstance(component, ReturnError):
            code = component.error if isinstance(component.error, int) else -1
            return Action.ERROR, "", code, f"error {CapError(code).name}"
        if isinstance(component, Reject):
            return (
                Action.REJECT,
                "",
                component.problem_type << 8 | component.problem & 0xFF,
                problem_name(component),
            )
        if not isinstance(component, Invoke) or not isinstance(component.opcode, int):
            return Action.WAIT, "", -1, describe_component(component)
        opcode = component.opcode
        name = operation_name(opcode)
        try:
            argument = FAST.decode_argument(opcode, component.parameter, self._scenario.version)
            if opcode == CONNECT_SMS:
                number = AddressString.decode(argument.smsc_address or b"").digits
                return Action.CONNECT, number, -1, f"{name} {number}"
            if opcode == RELEASE_SMS:
                return Action.RELEASE, "", argument[0], f"{name} cause {argument[0]}"
            if opcode == REQUEST_REPORT:
                self._armed |= {int(each.event_type_sms) for each in argument.sms_events}
                armed = ", ".join(each.event_type_sms.identifier for each in argument.sms_events)
                return Action.WAIT, "", -1, f"{name} {armed}"
        except DecodeError as error:
            self.result.faults.append(f"{name}: {error}")
            return Action.WAIT, "", -1, f"{name} ({error})"
        return Action.CONTINUE if opcode == CONTINUE_SMS else Action.WAIT, "", -1, name

    def _first(self, answer: Answer) -> None:
        if not self._answered:
            self._answered = True
            self.result.answer = answer
            self.result.faults += faults_of(answer, self._expected, self._dialogue.context)

    def _went_on(self, now: float) -> None:
        if not self._armed:
            self.result.faults.append("control is kept, and nothing is armed")
        if self._message.end is not MessageEnd.SILENT:
            self._report_at = now + self._scenario.attempts[0].ring

    def _report(self, now: float) -> None:
        """Tell what became of the message."""
        argument = event_report_sms(self._message)
        event = argument.event_type_sms
        components = []
        if self._message.end is not MessageEnd.GONE and int(event) in self._armed:
            components.append(self._invoke(EVENT_REPORT, argument, 4))
        words = [f"eventReportSMS {event.identifier}"] if components else []
        if self._message.open and components:
            self._step(True, "TC-CONTINUE", *words)
            self._send(self._tcap.continue_(self._dialogue, components, now))
        else:
            self._step(True, "TC-END", *words)
            self._send(self._tcap.end(self._dialogue, components))

    def _invoke(self, opcode: int, argument: Any, operation_class: int) -> bytes:
        parameter = FAST.encode_argument(opcode, argument, self._scenario.version)
        return self._tcap.invoke(self._dialogue, opcode, parameter, operation_class, SHORT)

    def _send(self, octets: bytes) -> None:
        self._signalling.send(self._dialogue.path, octets)

    def _step(self, outward: bool, message: str, *components: str) -> None:
        self.result.steps.append(Step(self._seconds(), outward, message, components))

    def _seconds(self) -> float:
        return time.perf_counter() - self._began
