"""One call's dialogue: TC indications to the gsmSSF, and what it sends to TC requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, final

from scp.simulator import arguments
from scp.simulator.call import Closing, Phase, Ssf
from scp.simulator.expect import Answer, faults_of
from scp.simulator.reading import abort_answer, read_components
from scp.simulator.result import CallResult, Step
from scp.simulator.vocabulary import (
    Answered,
    ChargingReport,
    EventReport,
    InformationReport,
    Instruction,
    Refused,
    Sending,
)
from scp.simulator.words import answer_words, component_words, sending_words
from scp.stack import tcap_dialogue as dha
from ss7.cap.codec import FAST, Codec
from ss7.cap.operations import SHORT, Opcode
from ss7.errors import DecodeError
from ss7.isup import CalledPartyNumber
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    encode_reject,
    encode_return_error,
    encode_return_result,
)
from ss7.sccp import return_words
from ss7.tcap import Invoke, Reject, ReturnError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.engine.signalling import Signalling
    from scp.simulator.expect import Expectation
    from scp.simulator.scenario import Scenario
    from scp.stack.tcap import Dialogue, Indication
    from ss7.tcap import Component

_MESSAGES: Final = {Closing.NOT: "TC-CONTINUE", Closing.END: "TC-END", Closing.ABORT: "TC-U-ABORT"}
_CLASSES: Final = {
    Opcode.INITIAL_DP: 2,
    Opcode.EVENT_REPORT_BCSM: 4,
    Opcode.APPLY_CHARGING_REPORT: 2,
    Opcode.CALL_INFORMATION_REPORT: 4,
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
        codec: Codec = FAST,
    ) -> None:
        self.result = CallResult(scenario=scenario)
        self.ssf = Ssf(scenario, now)
        self._signalling = signalling
        self._tcap = signalling.tcap
        self._dialogue = dialogue
        self._version = scenario.version
        self._expected = expected
        self._give_up = now + give_up
        self._stop_time = stop_time
        self._codec = codec
        self._began = time.perf_counter()
        self._answered = False

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return self._dialogue.closed

    def begin(self, argument: Any, now: float) -> None:
        """Send the InitialDP."""
        self._step(True, "TC-BEGIN", component_words(Opcode.INITIAL_DP, argument))
        component = self._invoke(Opcode.INITIAL_DP, argument)
        self._send(self._tcap.begin(self._dialogue, [component], now))

    def next_deadline(self) -> float:
        """Return when `tick` is due."""
        return min(self.ssf.next_deadline(), self._give_up)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._give_up:
            if not self.ssf.scenario.silent:
                self.result.faults.append("the dialogue did not end")
            self._hang_up(now)
        elif now >= self.ssf.next_deadline():
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
        if not self._answered and ssf.scenario.abandon_after < 0:
            result.faults += faults_of(result.answer, self._expected, self._context())
        result.faults += ssf.faults
        if ssf.routed_to:
            result.routed_to = _digits(ssf.routed_to)
        result.outcome = _outcome(ssf, result.routed_to)
        return result

    # In

    def _components(self, indication: Indication, now: float) -> None:
        ended = indication.kind == dha.END
        components = [*indication.components, *(reject.component for reject in indication.rejects)]
        words = [self._said(component) for component in components]
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
            instructions, rejects = self._instructions(components)
            self.ssf.instructed(instructions, now, ended=ended)
            if rejects and not ended:
                self._answer(now, rejects)
                return
        self._answer(now)

    def _instructions(self, components: Sequence[Component]) -> tuple[list[Instruction], list[bytes]]:
        """Decode invoked operations; those that don't decode are owed a Reject."""
        instructions, rejects = [], []
        for component in components:
            if not isinstance(component, Invoke) or not isinstance(component.opcode, int):
                self.result.faults.append(f"unexpected {type(component).__name__}")
                continue
            try:
                argument = self._codec.decode_argument(component.opcode, component.parameter, self._version)
                wish = arguments.wish_of(component.opcode, argument, self._version)
            except DecodeError as error:
                self.result.faults.append(f"operation {component.opcode}: {error}")
                rejects.append(encode_reject(component.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER))
                continue
            instructions.append(Instruction(component.invoke_id, wish))
        return instructions, rejects

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
        """SCCP brought a message of ours back: there is nobody to talk to."""
        words = f"SCCP could not deliver it: {return_words(indication.cause)}"
        self._step(False, "TC-NOTICE", words)
        self.result.faults.append(words)
        self.ssf.aborted(now)
        self._hang_up(now)

    def _first(self, answer: Answer) -> None:
        self._answered = True
        self.result.answer = answer
        self.result.faults += faults_of(answer, self._expected, self._context())

    # Out

    def _answer(self, now: float, rejects: Sequence[bytes] = ()) -> None:
        """Send what the gsmSSF has to say."""
        sending, closing = self.ssf.take()
        if self._dialogue.closed or not (sending or rejects or closing is not Closing.NOT):
            return
        components = [*rejects, *(self._component(report) for report in sending)]
        words = [
            *("reject mistypedParameter" for _ in rejects),
            *(sending_words(report) for report in sending),
        ]
        if closing is Closing.ABORT:
            octets = self._tcap.abort(self._dialogue)
        elif closing is Closing.END:
            octets = self._tcap.end(self._dialogue, components)
        else:
            octets = self._tcap.continue_(self._dialogue, components, now)
        # Before the first answer there is no transaction id to abort: it is given up on this side alone.
        self._step(True, _MESSAGES[closing] if octets else "local abort", *words)
        self._send(octets)

    def _component(self, report: Sending) -> bytes:
        if isinstance(report, EventReport):
            return self._invoke(Opcode.EVENT_REPORT_BCSM, arguments.event_report(report))
        if isinstance(report, ChargingReport):
            return self._invoke(
                Opcode.APPLY_CHARGING_REPORT, arguments.charging_report(report, self._version)
            )
        if isinstance(report, InformationReport):
            argument = arguments.information_report(report, self._stop_time())
            return self._invoke(Opcode.CALL_INFORMATION_REPORT, argument)
        if isinstance(report, Answered):
            return encode_return_result(report.invoke_id)
        assert isinstance(report, Refused)
        return encode_return_error(report.invoke_id, int(report.code))

    def _invoke(self, opcode: Opcode, argument: Any) -> bytes:
        parameter = self._codec.encode_argument(opcode, argument, self._version)
        return self._tcap.invoke(self._dialogue, int(opcode), parameter, _CLASSES[opcode], SHORT)

    def _send(self, octets: bytes) -> None:
        self._signalling.send(self._dialogue.path, octets)

    def _hang_up(self, now: float) -> None:
        if not self._dialogue.closed:
            self._tcap.end(self._dialogue, [], prearranged=True)
        self.ssf.aborted(now)
        self.ssf.take()

    # Words

    def _said(self, component: Component) -> str:
        if isinstance(component, Invoke) and isinstance(component.opcode, int):
            try:
                argument = self._codec.decode_argument(component.opcode, component.parameter, self._version)
            except DecodeError as error:
                return f"operation {component.opcode}, undecodable: {error}"
            return component_words(component.opcode, argument)
        return answer_words(component)

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
    """Say what became of the call."""
    way = f"connected to {routed_to}" if routed_to else "continued"
    if ssf.phase is Phase.OVER:
        return f"{way}, released with cause {ssf.cause}" if ssf.cause >= 0 else f"{way}, released"
    if ssf.phase is Phase.AT_TDP:
        return "left waiting"
    return f"{way}, {ssf.phase.value}"
