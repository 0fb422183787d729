"""One call's TCAP dialogue: hands TC indications to the gsmSSF, and what that sends to TC."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, final

from scp.simulator.assisting import AssistingResource
from scp.simulator.call import Closing, Instruction, Phase, Report, Ssf
from scp.simulator.describe import describe_component, describe_operation
from scp.simulator.expect import Answer, abort_answer, faults_of, read_components
from scp.simulator.result import CallResult, Step
from scp.stack import tcap_dialogue as dha
from ss7.cap.codec import FAST
from ss7.cap.operations import SHORT, Opcode
from ss7.errors import DecodeError
from ss7.isup import CalledPartyNumber
from ss7.rose import encode_component
from ss7.sccp import return_words
from ss7.tcap import Invoke, Reject, ReturnError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.engine.signalling import Signalling
    from scp.simulator.call import Sending
    from scp.simulator.expect import Expectation
    from scp.simulator.scenario import Scenario
    from scp.stack.tcap import Dialogue, Indication
    from ss7.tcap import Component

_MESSAGES: Final = {
    Closing.NOT: "TC-CONTINUE",
    Closing.END: "TC-END",
    Closing.PREARRANGED_END: "TC-CONTINUE",
    Closing.ABORT: "TC-U-ABORT",
}
_MILLISECONDS: Final = 3
_CLASSES: Final = {
    Opcode.INITIAL_DP: 2,
    Opcode.EVENT_REPORT_BCSM: 4,
    Opcode.APPLY_CHARGING_REPORT: 2,
    Opcode.CALL_INFORMATION_REPORT: 4,
    Opcode.SPECIALIZED_RESOURCE_REPORT: 4,
}


@final
class CallDialogue:
    """One call with its dialogue.

    Args:
        signalling: where TC is.
        dialogue: the dialogue, just opened.
        scenario: the call.
        expected: what the first answer has to be.
        now: the signalling's clock.
        give_up: seconds after which a call that nothing ends is given up.
        stop_time: gives DateAndTime for call information reports (TS 29.078 §5.1).
    """

    def __init__(
        self,
        signalling: Signalling,
        dialogue: Dialogue,
        scenario: Scenario,
        expected: Expectation,
        now: float,
        *,
        give_up: float,
        stop_time: Callable[[], bytes],
    ) -> None:
        self.result = CallResult(scenario=scenario, expected=expected.given)
        self.ssf = Ssf(scenario, now, stop_time)
        self._signalling = signalling
        self._tcap = signalling.tcap
        self._dialogue = dialogue
        self._version = scenario.version
        self._expected = expected
        self._give_up = now + give_up
        self._began = self.result.began = time.perf_counter()
        self._answered = False
        self._assisting: AssistingResource | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self._dialogue.closed

    def begin(self, argument: Any, now: float) -> None:
        """Send the InitialDP."""
        self._step(True, "TC-BEGIN", describe_operation(Opcode.INITIAL_DP, argument, self._version))
        component = self._invoke(Opcode.INITIAL_DP, argument)
        self._send(self._tcap.begin(self._dialogue, [component], now))

    def next_deadline(self) -> float:
        """Return when `tick` is due."""
        due = min(self.ssf.next_deadline(), self._give_up)
        return due if self._assisting is None else min(due, self._assisting.next_deadline())

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._give_up:
            if not self.ssf.lost:
                self.result.faults.append("the dialogue did not end")
            self._hang_up(now)
            return
        if self._assisting is not None:
            self._assisting.tick(now)
        if now >= self.ssf.next_deadline():
            self.ssf.tick(now)
            self._answer(now)

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication of this dialogue."""
        handler = {
            dha.CONTINUE: self._components,
            dha.END: self._components,
            dha.U_ABORT: self._aborted,
            dha.P_ABORT: self._aborted,
            dha.NOTICE: self._undeliverable,
        }.get(indication.kind)
        if handler is not None:
            handler(indication, now)

    def finish(self) -> CallResult:
        """Return the result; to be called once, when the dialogue is over."""
        result, ssf = self.result, self.ssf
        self._assist(0.0)
        if not self._answered and ssf.scenario.abandon_after < 0:
            result.faults += faults_of(result.answer, self._expected, self._context())
        result.faults += ssf.faults
        if ssf.routed_to:
            result.routed_to = _digits(ssf.routed_to)
        result.outcome = _outcome(ssf, result.routed_to)
        result.periods = ssf.charged.periods
        result.talked = tuple(
            tuple(round(seconds, _MILLISECONDS) for seconds in each) for each in ssf.charged.connections
        )
        result.heard = tuple(ssf.heard)
        if self._expected.charged and result.talked and not result.periods:
            result.faults.append("answered, and not charged: no ApplyCharging came")
        return result

    # In

    def _components(self, indication: Indication, now: float) -> None:
        ended = indication.kind == dha.END
        components = [*indication.components, *(reject.component for reject in indication.rejects)]
        arguments = [self._argument(component) for component in components]
        words = [self._describe(*each) for each in zip(components, arguments, strict=True)]
        self._step(False, "TC-END" if ended else "TC-CONTINUE", *words)
        if not self._answered:
            seconds = self._seconds()
            portion = indication.portion
            self._first(read_components(components, portion, self._version, ended=ended, seconds=seconds))
        if indication.rejects or any(isinstance(part, (ReturnError, Reject)) for part in components):
            self.result.faults += [
                f"component rejected: problem {reject.problem} of type {reject.problem_type}"
                for reject in indication.rejects
            ]
            self.ssf.failed(now, ended=ended)
        else:
            self.ssf.instructed(self._instructions(components, arguments), now, ended=ended)
            self._assist(now)
        self._answer(now)

    def _assist(self, now: float) -> None:
        """Have the external gsmSRF begin, or let it go, as the gsmSSF has it connected."""
        if self.ssf.assisted and self._assisting is None:
            path, correlation = self._dialogue.path, self.ssf.assisted
            self._assisting = AssistingResource(
                self._signalling, path, self.ssf.scenario, correlation, self._step, now
            )
        elif not self.ssf.assisted and self._assisting is not None:
            self.ssf.heard += self._assisting.resource.heard
            self._assisting.release()
            self._assisting = None

    def _argument(self, component: Component) -> Any:
        """Return an invoked operation's argument, or the `DecodeError` that it gives; else None."""
        if not isinstance(component, Invoke) or not isinstance(component.opcode, int):
            return None
        try:
            return FAST.decode_argument(component.opcode, component.parameter, self._version)
        except DecodeError as error:
            return error

    def _instructions(self, components: Sequence[Component], arguments: Sequence[Any]) -> list[Instruction]:
        """Return the operations in their order; an argument that can't be read is its `DecodeError`."""
        instructions = []
        for component, argument in zip(components, arguments, strict=True):
            if not isinstance(component, Invoke) or not isinstance(component.opcode, int):
                self.result.faults.append(f"unexpected {type(component).__name__}")
            else:
                instructions.append(Instruction(component.invoke_id, component.opcode, argument))
        return instructions

    def _aborted(self, indication: Indication, now: float) -> None:
        provider = indication.kind == dha.P_ABORT
        answer = abort_answer(indication.cause, indication.portion, self._seconds())
        self._step(False, "TC-P-ABORT" if provider else "TC-U-ABORT", answer.words)
        if not self._answered:
            self._first(answer)
        else:
            self.result.faults.append(f"dialogue aborted: {answer.words}")
        self.ssf.aborted(now)

    def _undeliverable(self, indication: Indication, now: float) -> None:
        """SCCP returned a message of ours: the gsmSCF can't be reached."""
        words = return_words(indication.cause)
        self._step(False, "TC-NOTICE", words)
        self.result.faults.append(f"the message was returned by SCCP: {words}")
        self.ssf.aborted(now)
        self._hang_up(now)

    def _first(self, answer: Answer) -> None:
        self._answered = True
        self.result.answer = answer
        self.result.faults += faults_of(answer, self._expected, self._context())

    # Out

    def _answer(self, now: float) -> None:
        """Send what the gsmSSF has put into its outbox."""
        while not self._dialogue.closed:
            sending, closing = self.ssf.take()
            if not sending and closing is Closing.NOT:
                return
            self._message(sending, closing, now)

    def _message(self, sending: Sequence[Sending], closing: Closing, now: float) -> None:
        components = [self._component(each) for each in sending]
        words = [
            describe_operation(each.opcode, each.argument, self._version)
            if isinstance(each, Report)
            else describe_component(each)
            for each in sending
        ]
        if closing is Closing.ABORT:
            octets = self._tcap.abort(self._dialogue)
        elif closing is Closing.END:
            octets = self._tcap.end(self._dialogue, components)
        elif components:
            octets = self._tcap.continue_(self._dialogue, components, now)
        else:
            octets = b""
        if octets or closing is not Closing.PREARRANGED_END:
            # Before the first answer there is no transaction id to abort: it is given up on this side alone.
            self._step(True, _MESSAGES[closing] if octets else "local abort", *words)
            self._send(octets)
        if closing is Closing.PREARRANGED_END:
            self._tcap.end(self._dialogue, [], prearranged=True)
            self._step(True, "local end")

    def _component(self, sending: Sending) -> bytes:
        if isinstance(sending, Report):
            return self._invoke(sending.opcode, sending.argument)
        return encode_component(sending)

    def _invoke(self, opcode: Opcode, argument: Any) -> bytes:
        parameter = FAST.encode_argument(opcode, argument, self._version)
        return self._tcap.invoke(self._dialogue, int(opcode), parameter, _CLASSES[opcode], SHORT)

    def _send(self, octets: bytes) -> None:
        self._signalling.send(self._dialogue.path, octets)

    def _hang_up(self, now: float) -> None:
        if not self._dialogue.closed:
            self._tcap.end(self._dialogue, [], prearranged=True)
        self.ssf.aborted(now)
        self.ssf.take()

    # Words

    def _describe(self, component: Component, argument: Any) -> str:
        if not isinstance(component, Invoke) or not isinstance(component.opcode, int):
            return describe_component(component)
        if isinstance(argument, DecodeError):
            return f"operation {component.opcode}, undecodable: {argument}"
        return describe_operation(component.opcode, argument, self._version)

    def _step(self, outward: bool, message: str, *components: str) -> None:
        self.result.steps.append(Step(self._seconds(), outward, message, components))

    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def _context(self) -> bytes:
        return self._dialogue.context if self._dialogue.structured else b""


def _digits(destination: bytes) -> str:
    try:
        return CalledPartyNumber.decode(destination).digits
    except DecodeError:
        return destination.hex()


def _outcome(ssf: Ssf, routed_to: str) -> str:
    """Return the outcome of the call, in words."""
    way = f"connected to {routed_to}" if routed_to else "continued"
    if ssf.phase is Phase.OVER:
        return f"{way}, released with cause {ssf.cause}" if ssf.cause >= 0 else f"{way}, released"
    if ssf.phase is Phase.AT_TDP:
        return "left waiting"
    return f"{way}, {ssf.phase.value}"
