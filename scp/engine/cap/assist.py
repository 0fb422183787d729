"""External gsmSRFs: each asks in a dialogue of its own what to play to a caller (TS 29.078 §11.4).

A service has the switch connect its caller to one by EstablishTemporaryConnection with a correlation id
(`CapDialogue.assist`). The gsmSRF begins a dialogue with AssistRequestInstructions, which has that id; it is
answered with the operation that the service wants, and what it reports is given to the service as if the
switch had said it. Then its dialogue is ended::

    service ──ETC(id)──▶ switch ──(ISUP)──▶ gsmSRF ──BEGIN ARI(id)──▶ here ──PlayAnnouncement──▶ gsmSRF
       ◀───────────────────────────report─────────────────────────── here ◀─────report────────── gsmSRF
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, final

from scp.engine.tc import opcode_of, owed
from scp.engine.timers import Deadlines
from scp.services.api import Report, ReportKind
from scp.stack import tcap_dialogue as tc
from ss7.cap.contexts import BY_OCTETS, BY_TEXT
from ss7.cap.errors import MISSING_CUSTOMER_RECORD
from ss7.cap.interaction import AssistRequestInstructionsArg, SpecializedResourceReportArg
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.cap.roots import argument_root
from ss7.errors import DecodeError
from ss7.isup import GenericNumber
from ss7.rose import Invoke, Reject, ReturnError, ReturnResult, encode_return_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.engine.cap.dialogue import CapDialogue
    from scp.engine.tc import TcProvider
    from scp.ports import Telemetry
    from scp.stack.tcap import Dialogue, Indication
    from ss7.cap.codec import Codec
    from ss7.rose import Component

CONTEXTS_SERVED: Final = frozenset(
    BY_TEXT[text].octets for text in ("0.4.0.0.1.0.52.1", "0.4.0.0.1.20.3.14", "0.4.0.0.1.22.3.14")
)
"""gsmSRF to gsmSCF, CAP v2 to v4."""
MOST: Final = 10_000
"""Calls that wait for a gsmSRF at a time; one more goes on without."""
NOT_EXPECTED: Final = "unexpected-assist"
"""Discarded: a gsmSRF that asks for a call that is not waiting for one."""
_DIGITS: Final = 10


@final
class Assisted:
    """A call that waits for a gsmSRF, or hears it.

    Attributes:
        call: the call's own dialogue.
        opcode: what the gsmSRF is to do.
        argument: of that.
        due: when it is given up, by the engine's clock.
        correlation: the id.
        dialogue: with the gsmSRF; None before it has asked.
    """

    __slots__ = ("argument", "call", "correlation", "dialogue", "due", "opcode")

    def __init__(self, call: CapDialogue, opcode: int, argument: Any, due: float, correlation: str) -> None:
        self.call = call
        self.opcode = opcode
        self.argument = argument
        self.due = due
        self.correlation = correlation
        self.dialogue: Dialogue | None = None


@final
class AssistUser:
    """The TC-user of dialogues that gsmSRFs begin.

    Args:
        provider: where answers go.
        codec: of arguments.
        telemetry: counts operations and dialogues.
        clock: seconds.
        give: gives a report to a call's service (`DialogueRunner.give`).
    """

    def __init__(
        self,
        provider: TcProvider,
        codec: Codec,
        telemetry: Telemetry,
        clock: Callable[[], float],
        give: Callable[[CapDialogue, Report, float], None],
    ) -> None:
        self._provider = provider
        self._codec = codec
        self._telemetry = telemetry
        self._clock = clock
        self._give = give
        self._expected: dict[str, Assisted] = {}
        self._deadlines: Deadlines[Assisted] = Deadlines(_due)

    def expect(self, call: CapDialogue, opcode: int, argument: Any, until: float) -> str:
        """Note that a call waits for a gsmSRF until a time; return its correlation id, "" if too many do."""
        if len(self._expected) >= MOST:
            return ""
        correlation = f"{int.from_bytes(call.dialogue.local_tid, 'big'):0{_DIGITS}d}"
        waits = Assisted(call, opcode, argument, until, correlation)
        self._expected[correlation] = waits
        self._deadlines.add(until, waits, self._clock())
        self._provider.wake_at(until)
        return correlation

    # -- the TC-user ---------------------------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication of a gsmSRF's dialogue."""
        dialogue, kind = indication.dialogue, indication.kind
        if kind == tc.BEGIN:
            self._telemetry.dialogue_opened()
            self._begun(indication, now)
            return
        if kind == tc.NOTICE:
            self._provider.tcap.end(dialogue, [], prearranged=True)
        assisted = dialogue.user
        if not isinstance(assisted, Assisted) or kind == tc.CANCEL:
            return  # silence is the service's affair: it has its own patience
        done = False
        if kind in (tc.CONTINUE, tc.END):
            for component in indication.components:
                done = self._reported(assisted, component, now) or done
        if kind == tc.CONTINUE:
            if done or assisted.call.gone:
                self._end(dialogue, owed(indication))
                self._deadlines.forget()
                self._telemetry.dialogue_closed("ended")
            return
        dialogue.user = None
        self._deadlines.forget()
        self._telemetry.dialogue_closed("ended" if kind == tc.END else "aborted-by-peer")
        if not done:  # it is gone before it was through: the switch is told to let go of it
            self._give(assisted.call, Report(ReportKind.ERROR, assisted.opcode), now)

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        return self._deadlines.next()

    def tick(self, now: float) -> None:
        """Give up what takes too long."""
        for assisted in self._deadlines.due(now):
            self._expected.pop(assisted.correlation, None)
            dialogue = assisted.dialogue
            if dialogue is not None and dialogue.user is assisted:
                self._end(dialogue, [])
                self._telemetry.dialogue_closed("timeout")

    # -- parts of it ---------------------------------------------------------------------------------------

    def _begun(self, indication: Indication, now: float) -> None:
        dialogue = indication.dialogue
        components = indication.components
        first = components[0] if components else None
        version = BY_OCTETS[dialogue.context].version
        assisted = None
        if type(first) is Invoke and first.opcode == Opcode.ASSIST_REQUEST_INSTRUCTIONS:
            self._telemetry.operation(Opcode.ASSIST_REQUEST_INSTRUCTIONS, "in")
            assisted = self._asked_for(first.parameter, version)
        if assisted is None or assisted.call.gone:
            refusal = [] if type(first) is not Invoke else [_refusal(first.invoke_id)]
            self._end(dialogue, [*owed(indication), *refusal])
            self._provider.discard("cap", NOT_EXPECTED)
            self._telemetry.dialogue_closed("error")
            return
        del self._expected[assisted.correlation]
        assisted.dialogue = dialogue
        dialogue.user = assisted
        parameter = self._codec.encode_argument(assisted.opcode, assisted.argument, version)
        operation = BY_OPCODE[assisted.opcode]
        tcap = self._provider.tcap
        order = tcap.invoke(
            dialogue, assisted.opcode, parameter, operation.operation_class, operation.seconds
        )
        self._provider.send(
            dialogue.path, tcap.continue_(dialogue, [*owed(indication), order], now), return_on_error=True
        )
        dialogue.path = self._provider.keep(dialogue.path)
        self._telemetry.operation(assisted.opcode, "out")

    def _asked_for(self, parameter: bytes, version: int) -> Assisted | None:
        """Return the call that AssistRequestInstructions is for."""
        try:
            asked = self._codec.decode_argument(Opcode.ASSIST_REQUEST_INSTRUCTIONS, parameter, version)
            assert isinstance(asked, AssistRequestInstructionsArg)
            return self._expected.get(GenericNumber.decode(asked.correlation_id).digits)
        except DecodeError:
            return None

    def _reported(self, assisted: Assisted, component: Component, now: float) -> bool:
        """Give a component to the call's service; return whether the gsmSRF is through with its order."""
        dialogue = assisted.dialogue
        assert dialogue is not None
        version = BY_OCTETS[dialogue.context].version
        report = self._report(component, version)
        if report is None:
            return False
        self._give(assisted.call, report, now)
        told = report.argument
        started = isinstance(told, SpecializedResourceReportArg) and told.name == "firstAnnouncementStarted"
        return not started

    def _report(self, component: Component, version: int) -> Report | None:
        """Return the report that a component is; None: it says nothing."""
        if type(component) is Invoke:
            if component.opcode != Opcode.SPECIALIZED_RESOURCE_REPORT:
                self._provider.discard("cap", NOT_EXPECTED)
                return None
            opcode = int(Opcode.SPECIALIZED_RESOURCE_REPORT)
            self._telemetry.operation(opcode, "in")
            try:
                argument = self._codec.decode_argument(opcode, component.parameter, version)
            except DecodeError:
                argument = None  # it is through, whatever it says of it
            return Report(ReportKind.INVOKE, opcode, argument, invoke_id=component.invoke_id)
        if type(component) is ReturnResult:
            opcode = opcode_of(component.operation)
            try:
                result = self._codec.decode_result(opcode, component.parameter, version)
            except DecodeError:
                result = None
            return Report(ReportKind.RESULT, opcode, result, invoke_id=component.invoke_id)
        if type(component) is ReturnError:
            code = opcode_of(component.error)
            return Report(ReportKind.ERROR, opcode_of(component.operation), code=code)
        if type(component) is Reject:
            return Report(ReportKind.REJECT, opcode_of(component.operation))
        return None

    def _end(self, dialogue: Dialogue, components: list[bytes]) -> None:
        dialogue.user = None
        self._provider.send(dialogue.path, self._provider.tcap.end(dialogue, components))


def prepare() -> None:
    """Make the tables that the first external gsmSRF would else make."""
    for version in (2, 3, 4):
        for opcode in (
            Opcode.ASSIST_REQUEST_INSTRUCTIONS,
            Opcode.ESTABLISH_TEMPORARY_CONNECTION,
            Opcode.PLAY_ANNOUNCEMENT,
            Opcode.PROMPT_AND_COLLECT_USER_INFORMATION,
            Opcode.SPECIALIZED_RESOURCE_REPORT,
        ):
            argument_root(opcode, version)


def _due(assisted: Assisted) -> float:
    dialogue = assisted.dialogue
    return inf if dialogue is not None and dialogue.user is None else assisted.due


def _refusal(invoke_id: int) -> bytes:
    return encode_return_error(invoke_id, MISSING_CUSTOMER_RECORD.code)
