"""The gsmSSF of one call, without I/O: instructions in, reports out (TS 29.078 §11, TS 23.078 §4.5).

User interaction, call party handling and tariff switches are not played; an operation that asks for them is
refused, as by a gsmSSF without that capability.

`Ssf.outbox` has the components to send, in order, and `Ssf.closing` says whether the dialogue is closed with
them; `Ssf.take` takes one TC message of both.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeAlias, final

from scp.simulator.bcsm import (
    CALLED,
    CALLING,
    MODELS,
    NORMAL_CLEARING,
    Event,
    Happening,
    MonitorMode,
)
from scp.simulator.expect import release_cause
from scp.simulator.reports import charging_report, event_report, information_report
from scp.simulator.scenario import Ending, Finish
from ss7.cap.charging import decode_contained
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import Opcode
from ss7.errors import DecodeError
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, Reject, ReturnError, ReturnResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scp.simulator.scenario import Scenario
    from ss7.cap.types import (
        ApplyChargingArg,
        CallInformationRequestArg,
        CancelArg,
        ConnectArg,
        ReleaseCallArg,
        RequestedInformationType,
        RequestReportBCSMEventArg,
        ResetTimerArg,
    )


class Instruction(NamedTuple):
    """An operation that the gsmSCF invoked; the argument is of `ss7.cap.types`, None if there is none."""

    invoke_id: int
    opcode: int
    argument: Any = None


class Report(NamedTuple):
    """An operation to invoke at the gsmSCF, with its argument."""

    opcode: Opcode
    argument: Any


Sending: TypeAlias = Report | ReturnResult | ReturnError | Reject


class _Period(NamedTuple):
    """A charged period: seconds, whether the call is released at its end, the leg that is charged."""

    seconds: float
    release: bool
    leg: int


class Closing(Enum):
    """How the dialogue goes on: TC-CONTINUE, TC-END, an end without a message, TC-U-ABORT."""

    NOT = "continue"
    END = "end"
    PREARRANGED_END = "prearranged end"
    ABORT = "abort"


class State(Enum):
    """States of the gsmSSF FSM (TS 29.078 §11 pre- and postconditions)."""

    IDLE = "Idle"
    WAITING = "Waiting_for_Instructions"
    MONITORING = "Monitoring"


class Phase(Enum):
    """The state of the call itself."""

    AT_TDP = "suspended at the trigger"
    ROUTING = "routing and ringing"
    ACTIVE = "talking"
    AT_EDP = "suspended at an event"
    OVER = "over"


# Events that end the attempt or the call: charging and information reports are due with them.
_CLOSES_LEG: Final = frozenset(
    {
        Event.ROUTE_SELECT_FAILURE,
        Event.O_CALLED_PARTY_BUSY,
        Event.O_NO_ANSWER,
        Event.O_DISCONNECT,
        Event.O_ABANDON,
        Event.T_BUSY,
        Event.T_NO_ANSWER,
        Event.T_DISCONNECT,
        Event.T_ABANDON,
    }
)
# At answer these can't happen any more and are disarmed (TS 23.078 §4.5.2.2).
_DISARMED_AT_ANSWER: Final = frozenset(
    {
        Event.ROUTE_SELECT_FAILURE,
        Event.O_CALLED_PARTY_BUSY,
        Event.O_NO_ANSWER,
        Event.O_ABANDON,
        Event.O_TERM_SEIZED,
        Event.T_BUSY,
        Event.T_NO_ANSWER,
        Event.T_ABANDON,
        Event.CALL_ACCEPTED,
    }
)


_TENTH: Final = 0.1  # CAP counts charged time in 100 ms (TS 29.078 §5.1)


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
        self._armed: dict[tuple[Event, int], MonitorMode] = {}
        self._tssf_length = scenario.tssf
        self._tssf = now + scenario.tssf
        self._abandon = now + scenario.abandon_after if scenario.abandon_after >= 0 else inf
        self._next_event = inf
        self._attempts = 0
        self._routed_at = now
        self._answered_at = inf
        self._charge: _Period | None = None
        self._charge_due = inf
        self._information: dict[int, tuple[RequestedInformationType, ...]] = {}
        self._suspended_at: Event = self._model.tdp
        self.lost = False
        self._stop_time = stop_time

    # --- the gsmSCF speaks ---

    def instructed(self, instructions: Sequence[Instruction], now: float, *, ended: bool) -> None:
        """Carry out the operations of one message in their order; ``ended``: it was a TC-END."""
        if self.state is State.IDLE or self.lost:
            return
        self._abandon = inf
        for invoke_id, opcode, argument in instructions:
            if self.closing is Closing.NOT:
                carry_out = self._OPERATIONS.get(opcode, Ssf._not_played)
                try:
                    carry_out(self, argument, invoke_id, now)
                except DecodeError as error:
                    self.undecodable(invoke_id, opcode, error)
        if ended:
            self._control_gone()
        elif self.scenario.silent:
            self._forget()
        elif self.state is State.MONITORING and not self._reporting():
            # Nothing is left to say to each other (TS 29.078 §14.1.2.1.1).
            self._close(Closing.END)

    def undecodable(self, invoke_id: int, opcode: int, error: DecodeError) -> None:
        """An operation's argument, or octets inside it, can't be read: its invocation is rejected."""
        self.faults.append(f"operation {opcode}: {error}")
        self.outbox.append(Reject(invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER))

    def failed(self, now: float, *, ended: bool) -> None:
        """A return error or reject came: in a TC-CONTINUE the gsmSSF aborts (TS 29.078 §14.1.2.2.1)."""
        if self.state is State.IDLE:
            return
        if not ended:
            self.faults.append("error or reject in TC-CONTINUE (TS 29.078 §14.1.2.2.1)")
            self._close(Closing.ABORT)
        self._default_handling(now)
        self._control_gone()

    def aborted(self, now: float) -> None:
        """The dialogue was aborted by the other side or the network: default call handling."""
        if self.state is not State.IDLE:
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
        tssf = self._tssf if self.state is State.WAITING else inf
        return min(tssf, self._abandon, self._next_event, self._charge_due)

    def tick(self, now: float) -> None:
        """Do what is due: the parties' next step, the charged period's end, Tssf."""
        if self.lost:
            return
        if now >= self._abandon:
            self._abandon_early()
        elif self.state is State.WAITING and now >= self._tssf:
            # TS 29.078 §10.2.1.2.
            self.faults.append("no instruction before Tssf expired")
            self._close(Closing.ABORT)
            self._default_handling(now)
            self._control_gone()
        elif now >= self._charge_due:
            self._period_over(now)
        elif now >= self._next_event:
            self._party_acts(now)

    # --- operations ---

    def _arm(self, argument: RequestReportBCSMEventArg, invoke_id: int, now: float) -> None:  # noqa: ARG002 - one signature for all
        for armed in argument.bcsm_events:
            event, leg = armed.event_type_bcsm, _leg(armed.leg_id)
            if event not in self._model.events:
                self._refuse(invoke_id, ErrorCode.UNEXPECTED_DATA_VALUE, f"event {event} isn't this call's")
                return
            if leg not in (0, CALLING, CALLED):
                self._refuse(invoke_id, ErrorCode.UNKNOWN_LEG_ID, f"leg {leg} of event {event}")
                return
        for armed in argument.bcsm_events:
            event = armed.event_type_bcsm
            assert isinstance(event, Event)
            leg = _leg(armed.leg_id) or self._model.default_leg(event)
            for one in (leg,) if leg else (CALLING, CALLED):
                if armed.monitor_mode is MonitorMode.TRANSPARENT:
                    self._armed.pop((event, one), None)
                else:
                    self._armed[event, one] = armed.monitor_mode

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

    def _continue(self, argument: None, invoke_id: int, now: float) -> None:  # noqa: ARG002
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
        if self._charge is not None:
            why = "a charged period is pending (TS 29.078 §11.2.2.2)"
            self._refuse(invoke_id, ErrorCode.TASK_REFUSED, why)
            return
        release = time.release_if_duration_exceeded or time.release_v2 is not None
        seconds = time.max_call_period_duration * _TENTH
        self._charge = _Period(seconds, release, _leg(argument.party_to_charge))
        if self._answered_at < inf:
            self._charge_due = now + seconds

    def _reset_timer(self, argument: ResetTimerArg, invoke_id: int, now: float) -> None:
        if self.state is State.WAITING:
            self._tssf = now + argument.timervalue
        else:
            why = "ResetTimer while Tssf doesn't run"
            self._refuse(invoke_id, ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why)

    def _request_information(self, argument: CallInformationRequestArg, invoke_id: int, now: float) -> None:  # noqa: ARG002
        leg = _leg(argument.leg_id)
        if leg in self._information:
            why = "call information of this leg is already asked for"
            self._refuse(invoke_id, ErrorCode.TASK_REFUSED, why)
        else:
            self._information[leg] = argument.requested_information_type_list

    def _activity_test(self, argument: None, invoke_id: int, now: float) -> None:  # noqa: ARG002
        self.outbox.append(ReturnResult(invoke_id))

    def _cancel(self, argument: CancelArg, invoke_id: int, now: float) -> None:
        if argument.name != "allRequests":
            self._not_played(argument, invoke_id, now)
            return
        self._armed.clear()
        self._information.clear()
        self._charge, self._charge_due = None, inf

    def _note(self, argument: Any, invoke_id: int, now: float) -> None:
        """It concerns the call record, not the call."""

    def _not_played(self, argument: Any, invoke_id: int, now: float) -> None:  # noqa: ARG002
        self._refuse(invoke_id, ErrorCode.TASK_REFUSED, "operation that this gsmSSF doesn't play")

    def _refuse(self, invoke_id: int, code: ErrorCode, why: str) -> None:
        self.faults.append(why)
        self.outbox.append(ReturnError(invoke_id, int(code)))

    # --- the call ---

    def _route(self, now: float) -> None:
        self.phase = Phase.ROUTING
        self._routed_at = now
        self._answered_at = inf
        self._next_event = now + self.scenario.attempt(self._attempts).ring
        self._attempts += 1

    def _party_acts(self, now: float) -> None:
        self._next_event = inf
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
        if self._charge is not None:
            self._charge_due = now + self._charge.seconds

    def _talk(self, now: float) -> None:
        self.phase = Phase.ACTIVE
        self._next_event = now + self.scenario.attempt(self._attempts - 1).talk

    def _happened(self, happening: Happening, now: float) -> None:
        """Report the event if it is armed, and go on unless that was a request."""
        event = happening.event
        closes = event in _CLOSES_LEG
        first = len(self.outbox)
        if closes:
            self.cause = happening.cause
            self._report_charge(now, active=False, released=False)
        mode = self._armed.pop((event, happening.leg), None)
        if mode is not None:
            cause = happening.cause if closes and happening.leg else -1
            request = mode is MonitorMode.INTERRUPTED
            report = event_report(event, happening.leg, request=request, cause=cause)
            at = first if self.scenario.event_first else len(self.outbox)
            self.outbox.insert(at, Report(Opcode.EVENT_REPORT_BCSM, report))
        self._disarm_after(event, happening.leg)
        if closes:
            self._report_information(now, (CALLING, CALLED) if happening.leg == CALLING else (CALLED,))
        if mode is MonitorMode.INTERRUPTED:
            self.state = State.WAITING
            self.phase = Phase.AT_EDP
            self._suspended_at = event
            self._tssf = now + self._tssf_length
        elif closes:
            self._report_information(now, (CALLING, CALLED))
            self._over()
        else:
            self._talk(now)

    def _disarm_after(self, event: Event, leg: int) -> None:
        if event is self._model.answer:
            gone = [key for key in self._armed if key[0] in _DISARMED_AT_ANSWER]
        elif event in _CLOSES_LEG and leg == CALLED:
            gone = [key for key in self._armed if key[1] == CALLED]
        elif event in _CLOSES_LEG:
            gone = list(self._armed)
        else:
            gone = []
        for key in gone:
            del self._armed[key]

    def _period_over(self, now: float) -> None:
        """The charged period is at its end (TS 29.078 §11.3.2.1)."""
        charge = self._charge
        assert charge is not None
        self._report_charge(now, active=not charge.release, released=charge.release)
        if charge.release:
            self.cause = NORMAL_CLEARING
            self._armed.clear()
            self._report_information(now, (CALLING, CALLED))
            self._over()

    def _report_charge(self, now: float, *, active: bool, released: bool) -> None:
        if self._charge is None:
            return
        argument = charging_report(
            max(0.0, now - self._answered_at),
            self.scenario.version,
            leg=self._charge.leg,
            active=active,
            released=released,
        )
        self.outbox.append(Report(Opcode.APPLY_CHARGING_REPORT, argument))
        self._charge, self._charge_due = None, inf

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

    def _reporting(self) -> bool:
        """Whether an event is armed or a report pending; an answered call may be given a further period."""
        return bool(self._armed or self._charge or self._information) or self._answered_at < inf

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
        self.state = State.IDLE
        self._armed.clear()
        self._information.clear()
        self._charge, self._charge_due = None, inf
        self._abandon = inf
        self._next_event = inf

    def _default_handling(self, now: float) -> None:
        """Default call handling "continue" of the subscriber's CSI."""
        if self.phase is Phase.AT_TDP:
            self._route(now)

    _OPERATIONS: ClassVar[dict[int, Callable[[Ssf, Any, int, float], None]]] = {
        Opcode.REQUEST_REPORT_BCSM_EVENT: _arm,
        Opcode.CONNECT: _connect,
        Opcode.CONTINUE: _continue,
        Opcode.RELEASE_CALL: _release,
        Opcode.APPLY_CHARGING: _apply_charging,
        Opcode.RESET_TIMER: _reset_timer,
        Opcode.CALL_INFORMATION_REQUEST: _request_information,
        Opcode.ACTIVITY_TEST: _activity_test,
        Opcode.CANCEL: _cancel,
        Opcode.FURNISH_CHARGING_INFORMATION: _note,
        Opcode.CALL_GAP: _note,
    }


def _leg(choice: Any) -> int:
    """Return the number of a LegID or of one of its halves; 0 if it is not given."""
    return int(choice.value[0]) if choice is not None else 0
