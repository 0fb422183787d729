"""The gsmSSF of one call, without I/O: instructions in, reports out (TS 29.078 §11, TS 23.078 §4.5).

What is armed is in `scp.simulator.armed_events`, its charged time in `scp.simulator.charged`, its gsmSRF in
`scp.simulator.resource`. Call party handling and an assisting gsmSSF are not played; an operation that asks
for them is refused, as by a gsmSSF without that capability. What is due happens at the time when it is due,
however late `Ssf.tick` comes: a call of 72.3 s has 72.3 s on the busiest machine.

`Ssf.outbox` has the components to send, in order, and `Ssf.closing` says whether the dialogue is closed with
them; `Ssf.take` takes one TC message of both.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

from scp.simulator.armed_events import ArmedEvents, leg_number
from scp.simulator.bcsm import (
    CALLED,
    CALLING,
    MODELS,
    NORMAL_CLEARING,
    Event,
    Happening,
    MonitorMode,
)
from scp.simulator.charged import ChargedTime, Period
from scp.simulator.expect import release_cause
from scp.simulator.reports import charging_report, event_report, information_report
from scp.simulator.resource import Order, Resource, Said
from scp.simulator.scenario import DefaultHandling, Ending, Finish
from scp.simulator.states import (
    ABANDONS,
    CLOSES_LEG,
    Closing,
    Instruction,
    Phase,
    Report,
    Sending,
    State,
)
from ss7.cap.charging import decode_contained
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import Opcode
from ss7.cap.types import TaskRefusal, UnavailableNetworkResource
from ss7.errors import DecodeError
from ss7.isup import GenericDigits, GenericNumber
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, Reject, ReturnError, ReturnResult

__all__ = ["Closing", "Instruction", "Phase", "Report", "Sending", "Ssf", "State"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scp.simulator.scenario import Scenario
    from ss7.cap.interaction import EstablishTemporaryConnectionArg
    from ss7.cap.types import (
        ApplyChargingArg,
        CallInformationRequestArg,
        CancelArg,
        ConnectArg,
        ConnectToResourceArg,
        ReleaseCallArg,
        RequestedInformationType,
        RequestReportBCSMEventArg,
        ResetTimerArg,
    )


_TENTH: Final = 0.1  # CAP counts charged time in 100 ms (TS 29.078 §5.1)
_INTERACTION_TSSF: Final = 60.0
"""Seconds of Tssf during user interaction: 1 minute to 30 minutes (TS 29.078 §10.2.1)."""
# The errors whose parameter is mandatory (TS 29.078 §5.2), with the value that fits most refusals.
_ERROR_PARAMETERS: Final = {
    ErrorCode.TASK_REFUSED: FAST.encode_error(int(ErrorCode.TASK_REFUSED), TaskRefusal.GENERIC, 4),
    ErrorCode.SYSTEM_FAILURE: FAST.encode_error(
        int(ErrorCode.SYSTEM_FAILURE), UnavailableNetworkResource.UNAVAILABLE_RESOURCES, 4
    ),
}


@final
class Ssf:
    """One call.

    Attributes:
        state: of the gsmSSF FSM.
        phase: of the call.
        outbox: components that are to be sent to the gsmSCF.
        closing: how the dialogue goes on with the last of them.
        routed_to: destination of the last Connect (Q.763 called party number); b"" where the call went on
            unchanged.
        cause: Q.850 cause that the call ended with; -1 while it hasn't.
        lost: whether the switch has forgotten the call, and reacts to nothing.
        charged: the charged time, as the switch counts it.
        heard: the announcements that the caller heard, in words.
        faults: what the gsmSCF did against the standard, or too late, in words.
    """

    def __init__(self, scenario: Scenario, now: float, stop_time: Callable[[], bytes]) -> None:
        """Begin a call that is suspended at its trigger.

        Args:
            scenario: the call.
            now: the time, in seconds of any clock.
            stop_time: gives the present DateAndTime for call information reports (TS 29.078 §5.1).
        """
        self.scenario = scenario
        self.state = State.WAITING
        self.phase = Phase.AT_TDP
        self.outbox: list[Sending] = []
        self.closing = Closing.NOT
        self.routed_to = b""
        self.cause = -1
        self.faults: list[str] = []
        self._model = MODELS[scenario.trigger]
        self._armed = ArmedEvents(self._model, keeps_abandon=scenario.keeps_abandon)
        self._tssf_length = scenario.tssf
        self._tssf = now + scenario.tssf
        self._abandon = now + scenario.abandon_after if scenario.abandon_after >= 0 else inf
        self._next_event = inf
        self._attempts = 0
        self._routed_at = now
        self._answered_at = inf
        self._no_answer = inf
        self._now = now
        self._failed = False
        self._reports = 0
        self.charged = ChargedTime(by_period=scenario.by_period)
        self.heard: list[str] = []
        self._resource: Resource | None = None
        self.assisted = ""  # correlation id of the external gsmSRF that the caller is connected to
        self._information: dict[int, tuple[RequestedInformationType, ...]] = {}
        self._suspended_at: Event = self._model.tdp
        self.lost = False
        self._stop_time = stop_time

    # --- the gsmSCF speaks ---

    def instructed(self, instructions: Sequence[Instruction], now: float, *, ended: bool) -> None:
        """Carry out the operations of one message in their order; ``ended``: it was a TC-END.

        What follows an operation that failed is discarded (TS 29.078 §14.1.1.2).
        """
        if self.state is State.IDLE or self.lost:
            return
        self._now = now
        self._failed = False
        for invoke_id, opcode, argument in instructions:
            if self.closing is not Closing.NOT or self._failed:
                break
            carry_out = self._OPERATIONS.get(opcode, Ssf._not_played)
            try:
                if isinstance(argument, DecodeError):
                    raise argument
                carry_out(self, argument, invoke_id, now)
            except DecodeError as error:
                self._undecodable(invoke_id, opcode, error)
        if ended:
            self._control_gone()
        elif self.scenario.silent:
            self._forget()
        elif self.state is State.MONITORING and not self._reporting():
            # Nothing is left to say to each other (TS 29.078 §14.1.2.1.1).
            self._close(Closing.END)

    def _undecodable(self, invoke_id: int, opcode: int, error: DecodeError) -> None:
        """An operation's argument, or octets inside it, can't be read: its invocation is rejected."""
        self._failed = True
        self.faults.append(f"operation {opcode}: {error}")
        self.outbox.append(Reject(invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER))

    def failed(self, now: float, *, ended: bool) -> None:
        """A return error or reject came: in a TC-CONTINUE the gsmSSF aborts (TS 29.078 §14.1.2.2.1)."""
        if self.state is State.IDLE:
            return
        self._now = now
        if not ended:
            self.faults.append("error or reject in TC-CONTINUE (TS 29.078 §14.1.2.2.1)")
            self._close(Closing.ABORT)
        self._default_handling(now)
        self._control_gone()

    def aborted(self, now: float) -> None:
        """The dialogue was aborted by the other side or the network: default call handling."""
        if self.state is not State.IDLE:
            self._now = now
            self._default_handling(now)
            self._control_gone()

    def take(self) -> tuple[list[Sending], Closing]:
        """Return one message's components and kind; no components and `Closing.NOT`: none is due."""
        if self.scenario.separate and len(self.outbox) > 1:
            return [self.outbox.pop(0)], Closing.NOT
        sending, closing = self.outbox, self.closing
        self.outbox, self.closing = [], Closing.NOT
        return sending, closing

    # --- time passes ---

    def next_deadline(self) -> float:
        """Return when `tick` is due, ``inf`` for never."""
        if self.lost:
            return inf
        return min(
            self._tssf if self.state in (State.WAITING, State.INTERACTING) else inf,
            self._abandon,
            self.charged.next_deadline() if self.state is not State.IDLE else inf,
            self._resource.next_deadline() if self._resource is not None else inf,
            self._no_answer,
            self._next_event,
        )

    def tick(self, now: float) -> None:
        """Do the first thing that is due: a party's step, a charged period's or announcement's end, Tssf."""
        due = self.next_deadline()
        if due > now or due == inf:
            return
        self._now = now
        if due == self._abandon:
            self._abandon_early()
        elif self.state in (State.WAITING, State.INTERACTING) and due == self._tssf:
            # TS 29.078 §10.2.1.2.
            self.faults.append("no instruction before Tssf expired")
            self._close(Closing.ABORT)
            self._default_handling(now)
            self._control_gone()
        elif due == self.charged.next_deadline():
            if self.charged.tick(due):
                self._period_over(due)
        elif self._resource is not None and due == self._resource.next_deadline():
            self._say(self._resource.tick(due))
        elif due == self._no_answer:
            self._next_event = self._no_answer = inf
            self._happened(self._model.endings[Ending.NO_ANSWER], due)
        else:
            self._party_acts(due)

    # --- operations ---

    def _arm(self, argument: RequestReportBCSMEventArg, invoke_id: int, now: float) -> None:  # noqa: ARG002 - one signature for all
        fault = self._armed.fault(argument, monitoring=self.state is State.MONITORING)
        if fault is None:
            self._armed.arm(argument)
        else:
            self._refuse(invoke_id, *fault)

    def _connect(self, argument: ConnectArg, invoke_id: int, now: float) -> None:
        unexpected = ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE
        if self.state is not State.WAITING:
            self._refuse(invoke_id, unexpected, "Connect while no instruction was awaited")
        elif self._suspended_at is self._model.answer:
            self._refuse(invoke_id, unexpected, "Connect after answer")
        else:
            self.routed_to = argument.destination_routing_address[0]
            self.state = State.MONITORING
            self._route(now)

    def _continue(self, argument: Any, invoke_id: int, now: float) -> None:  # noqa: ARG002
        if self.state is not State.WAITING:
            self.faults.append("Continue while no instruction was awaited")  # of class 4: it has no errors
            return
        self.state = State.MONITORING
        if self.phase is Phase.AT_TDP:
            self._route(now)
        elif self._suspended_at is self._model.answer:
            self._talk(now)
        elif self._suspended_at is self._model.alerting:
            self.phase = Phase.ROUTING
        else:
            self._over()

    def _release(self, argument: ReleaseCallArg, invoke_id: int, now: float) -> None:  # noqa: ARG002
        if self.state is State.INTERACTING:
            self.faults.append("ReleaseCall during user interaction (TS 29.078 §11.26.2.1)")  # of class 4
            return
        self.cause = release_cause(argument)
        self._report_charge(now, active=False, released=False)
        self._report_information(now, (CALLING, CALLED))
        self._over()

    def _apply_charging(self, argument: ApplyChargingArg, invoke_id: int, now: float) -> None:
        time = decode_contained(
            "CAMEL-AChBillingChargingCharacteristics",
            argument.ach_billing_charging_characteristics,
            self.scenario.version,
        ).value
        v2 = time.release_v2
        period = Period(
            time.max_call_period_duration * _TENTH,
            release=time.release_if_duration_exceeded or v2 is not None,
            leg=leg_number(argument.party_to_charge),
            switch=inf if time.tariff_switch_interval is None else float(time.tariff_switch_interval),
        )
        refused = self.charged.apply(period, now)
        if refused:
            self._refuse(invoke_id, ErrorCode.TASK_REFUSED, refused)

    def _reset_timer(self, argument: ResetTimerArg, invoke_id: int, now: float) -> None:
        if self.state in (State.WAITING, State.INTERACTING):
            self._tssf = now + argument.timervalue
        else:
            why = "ResetTimer while Tssf doesn't run"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)

    def _request_information(self, argument: CallInformationRequestArg, invoke_id: int, now: float) -> None:  # noqa: ARG002
        leg = leg_number(argument.leg_id)
        if leg in self._information:
            why = "call information of this leg is already asked for"
            self._refuse(invoke_id, ErrorCode.TASK_REFUSED, why)
        else:
            self._information[leg] = argument.requested_information_type_list

    def _activity_test(self, argument: None, invoke_id: int, now: float) -> None:  # noqa: ARG002
        if not self.scenario.tests_unanswered:
            self.outbox.append(ReturnResult(invoke_id))

    def _cancel(self, argument: CancelArg, invoke_id: int, now: float) -> None:
        if argument.name == "invokeID" and self._resource is not None:
            said = self._resource.cancel(argument.value, now)
            if said is not None:
                self._say(said)
                return
        if argument.name != "allRequests":
            self._not_played(argument, invoke_id, now)
            return
        self._armed.modes.clear()
        self._information.clear()
        self.charged.cancel()

    def _connect_to_resource(self, argument: ConnectToResourceArg, invoke_id: int, now: float) -> None:
        if not self.scenario.srf or argument.resource_address.name != "none":
            self._refuse(invoke_id, ErrorCode.SYSTEM_FAILURE, "ConnectToResource: this switch has no gsmSRF")
        elif self.state is not State.WAITING:
            why = "ConnectToResource while no instruction was awaited"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)
        else:
            scenario = self.scenario
            self._resource = Resource(scenario.version, length=scenario.announcement, digits=scenario.digits)
            self._interact(now)

    def _establish(self, argument: EstablishTemporaryConnectionArg, invoke_id: int, now: float) -> None:
        """Connect the caller to an external gsmSRF (§11.17), which then asks by itself."""
        number = GenericNumber.decode(argument.assisting_ssp_ip_routing_address).digits
        if self.state is not State.WAITING:
            why = "EstablishTemporaryConnection while no instruction was awaited"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)
        elif number != self.scenario.external_srf or argument.correlation_id is None:
            self._refuse(invoke_id, ErrorCode.ETC_FAILED, f"no gsmSRF at {number}")
        else:
            self.assisted = GenericDigits.decode(argument.correlation_id).digits
            self._interact(now)

    def _interact(self, now: float) -> None:
        self.state = State.INTERACTING
        self._tssf = now + _INTERACTION_TSSF

    def _user_interaction(self, argument: Any, invoke_id: int, now: float) -> None:
        if self._resource is None:
            why = "an announcement without ConnectToResource (TS 29.078 §11.23.2.1)"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)
        else:
            self._interact(now)
            self._say([self._resource.take(Order(invoke_id, argument), now)])

    def _disconnect_forward(self, argument: Any, invoke_id: int, now: float) -> None:  # noqa: ARG002
        if self.assisted:
            self.assisted = ""
            self.state = State.WAITING
            self._tssf = self._now + self._tssf_length
        elif self._resource is None:
            why = "DisconnectForwardConnection without a connection"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)
        else:
            self._resource_gone()

    def _resource_gone(self) -> None:
        """The gsmSRF is disconnected: the gsmSSF waits for instructions again (TS 29.078 §11.13.2.1)."""
        if self._resource is not None:
            self.heard += self._resource.heard
            self._resource = None
            self.state = State.WAITING
            self._tssf = self._now + self._tssf_length

    def _say(self, said: Iterable[Said]) -> None:
        """Relay what the gsmSRF says."""
        for each in said:
            if each.report is not None:
                self.outbox.append(Report(Opcode.SPECIALIZED_RESOURCE_REPORT, each.report))
            if each.answer is not None:
                self.outbox.append(each.answer)
            if each.leaves:
                self._resource_gone()

    def _note(self, argument: Any, invoke_id: int, now: float) -> None:
        """It concerns the call record, not the call."""

    def _not_played(self, argument: Any, invoke_id: int, now: float) -> None:  # noqa: ARG002
        self._refuse(invoke_id, ErrorCode.TASK_REFUSED, "operation that this gsmSSF doesn't play")

    def _refuse(self, invoke_id: int, code: ErrorCode, why: str) -> None:
        self._failed = True
        self.faults.append(why)
        self.outbox.append(ReturnError(invoke_id, int(code), _ERROR_PARAMETERS.get(code, b"")))

    # --- the call ---

    def _route(self, now: float) -> None:
        self.phase = Phase.ROUTING
        self._routed_at = now
        self._answered_at = self._abandon = inf
        self._next_event = now + self.scenario.attempt(self._attempts).ring
        self._attempts += 1
        if self._armed.ring_limit and now + self._armed.ring_limit < self._next_event:
            # TS 29.078 §11.27.1.1.
            self._no_answer = now + self._armed.ring_limit

    def _party_acts(self, now: float) -> None:
        self._next_event = self._no_answer = inf
        attempt = self.scenario.attempt(self._attempts - 1)
        if self.phase is Phase.ROUTING:
            if attempt.ending is Ending.ANSWER:
                self._answered(now)
            self._happened(self._model.endings[attempt.ending], now)
        elif attempt.finish is Finish.LOST:
            self._forget()
        elif attempt.finish is Finish.ABORT:
            self._abort()
        else:
            self._happened(Happening(self._model.disconnect, attempt.hangs_up, NORMAL_CLEARING), now)

    def _answered(self, now: float) -> None:
        self._answered_at = now
        self.charged.answered(now)

    def _talk(self, now: float) -> None:
        self.phase = Phase.ACTIVE
        self._next_event = now + self.scenario.attempt(self._attempts - 1).talk

    def _happened(self, happening: Happening, now: float) -> None:
        """Report the event if it is armed, and go on unless that was a request."""
        event = happening.event
        closes = event in CLOSES_LEG
        first = len(self.outbox)
        if closes:
            self.cause = happening.cause
            self._report_charge(now, active=False, released=False, abandoned=event in ABANDONS)
            self.charged.cleared(now)
        mode = self._armed.modes.pop((event, happening.leg), None)
        if mode is not None:
            cause = happening.cause if closes and happening.leg else -1
            request = mode is MonitorMode.INTERRUPTED
            forwarded = self.scenario.call_forwarded
            report = event_report(event, happening.leg, request=request, cause=cause, forwarded=forwarded)
            at = first if self.scenario.event_first else len(self.outbox)
            self.outbox.insert(at, Report(Opcode.EVENT_REPORT_BCSM, report))
        self._armed.disarm_after(event, happening.leg)
        if closes:
            self._report_information(now, (CALLING, CALLED) if happening.leg == CALLING else (CALLED,))
        if mode is MonitorMode.INTERRUPTED:
            self.state = State.WAITING
            self.phase = Phase.AT_EDP
            self._suspended_at = event
            self._tssf = self._now + self._tssf_length
        elif closes:
            self._report_information(now, (CALLING, CALLED))
            self._over()
        else:
            self._talk(now)

    def _period_over(self, now: float) -> None:
        """The charged period is at its end (TS 29.078 §11.3.2.1)."""
        period = self.charged.pending
        assert period is not None
        self._report_charge(now, active=not period.release, released=period.release)
        if period.release:
            self.cause = NORMAL_CLEARING
            self._armed.modes.clear()
            self._report_information(now, (CALLING, CALLED))
            self.charged.cleared(now)
            self._over()

    def _report_charge(self, now: float, *, active: bool, released: bool, abandoned: bool = False) -> None:
        reported = self.charged.report(now, goes_on=active)
        if reported is None or (abandoned and self.scenario.silent_abandon):
            return
        self._reports += 1
        if self._reports in self.scenario.missing_reports:
            return
        argument = charging_report(reported, self.scenario.version, active=active, released=released)
        report = Report(Opcode.APPLY_CHARGING_REPORT, argument)
        self.outbox += [report, report] if self.scenario.repeats_reports else [report]

    def _report_information(self, now: float, legs: Iterable[int]) -> None:
        answered = min(self._answered_at, now)
        for leg in legs:
            wanted = self._information.pop(leg, None)
            if wanted is not None:
                argument = information_report(
                    wanted,
                    leg,
                    attempt=answered - self._routed_at,
                    connected=now - answered,
                    stop_time=self._stop_time(),
                    cause=self.cause if self.cause >= 0 else NORMAL_CLEARING,
                )
                self.outbox.append(Report(Opcode.CALL_INFORMATION_REPORT, argument))

    def _abandon_early(self) -> None:
        """The caller hung up, and nothing is armed to say so (TS 29.078 §14.1.2.2.2, last item)."""
        self.cause = NORMAL_CLEARING
        self._abort()

    def _abort(self) -> None:
        self.phase = Phase.OVER
        self._close(Closing.ABORT)

    def _forget(self) -> None:
        self.lost = True
        self.outbox.clear()
        self.charged.cleared(self._now)

    def _reporting(self) -> bool:
        """Whether an event is armed or a report pending; an answered call may be given a further period."""
        return bool(self._armed.modes or self.charged.pending or self._information) or self._answered_at < inf

    def _over(self) -> None:
        self.phase = Phase.OVER
        self._next_event = inf
        self._close(Closing.END)

    def _close(self, closing: Closing) -> None:
        if self.state is not State.IDLE:
            unsaid = closing is Closing.END and self.scenario.prearranged_end
            self.closing = Closing.PREARRANGED_END if unsaid else closing
            self._control_gone()

    def _control_gone(self) -> None:
        """The gsmSCF no longer controls the call, which may continue."""
        self._resource_gone()
        self.assisted = ""
        self.state = State.IDLE
        self._armed.modes.clear()
        self._information.clear()
        self.charged.cancel()
        self.charged.cleared(self._now)
        self._abandon = inf
        self._next_event = self._no_answer = inf

    def _default_handling(self, now: float) -> None:
        """Default call handling of the subscriber's CSI (TS 29.078 §10.2.1)."""
        if self.scenario.default_handling is DefaultHandling.RELEASE:
            self.phase = Phase.OVER
        elif self.phase is Phase.AT_TDP:
            self._route(now)

    _OPERATIONS: ClassVar[dict[int, Callable[[Ssf, Any, int, float], None]]] = {
        Opcode.REQUEST_REPORT_BCSM_EVENT: _arm,
        Opcode.CONNECT: _connect,
        Opcode.CONTINUE: _continue,
        Opcode.CONTINUE_WITH_ARGUMENT: _continue,
        Opcode.CONNECT_TO_RESOURCE: _connect_to_resource,
        Opcode.ESTABLISH_TEMPORARY_CONNECTION: _establish,
        Opcode.PLAY_ANNOUNCEMENT: _user_interaction,
        Opcode.PROMPT_AND_COLLECT_USER_INFORMATION: _user_interaction,
        Opcode.DISCONNECT_FORWARD_CONNECTION: _disconnect_forward,
        Opcode.DISCONNECT_FORWARD_CONNECTION_WITH_ARGUMENT: _disconnect_forward,
        Opcode.RELEASE_CALL: _release,
        Opcode.APPLY_CHARGING: _apply_charging,
        Opcode.RESET_TIMER: _reset_timer,
        Opcode.CALL_INFORMATION_REQUEST: _request_information,
        Opcode.ACTIVITY_TEST: _activity_test,
        Opcode.CANCEL: _cancel,
        Opcode.FURNISH_CHARGING_INFORMATION: _note,
        Opcode.CALL_GAP: _note,
    }
