"""Components from a gsmSSF: each becomes a report for the service, or a reject or error owed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.domain.reason import Reason
from scp.engine.return_path import ReturnPath
from scp.engine.tc import opcode_of
from scp.services.api import Report, ReportKind
from ss7.cap.codec import UnusualError
from ss7.cap.common import CriticalityType
from ss7.cap.errors import ERROR_NAMES, UNEXPECTED_COMPONENT_SEQUENCE, ErrorCode
from ss7.cap.lenient import parameters, read_argument
from ss7.cap.operations import BY_OPCODE, OPERATIONS, SHORT, Opcode
from ss7.errors import DecodeError
from ss7.rose import (
    DUPLICATE_INVOKE_ID,
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    RETURN_ERROR_MISTYPED_PARAMETER,
    RETURN_ERROR_PROBLEM,
    RETURN_RESULT_MISTYPED_PARAMETER,
    RETURN_RESULT_PROBLEM,
    UNEXPECTED_ERROR,
    UNRECOGNIZED_ERROR,
    UNRECOGNIZED_INVOKE_ID,
    UNRECOGNIZED_OPERATION,
    Invoke,
    Reject,
    ReturnError,
    ReturnResult,
    encode_reject,
    encode_return_error,
)

if TYPE_CHECKING:
    from scp.engine.cap.dialogue import CapDialogue
    from scp.engine.observers import ObserverHub
    from scp.engine.tc import TcProvider
    from scp.ports import Telemetry
    from scp.stack.tcap import Dialogue, Indication
    from ss7.asn1.lenient import Fault
    from ss7.cap.codec import Codec
    from ss7.rose import Component

REJECTED: Final = "rejected-component"
"""Discarded: an answer that TCAP (Q.774 §3.2.2.2) or CAP (29.078 §14.1.1.4.1) refused."""

REFUSED_REPETITION: Final = "refused-repetition"
"""Discarded: the refusal of an operation that was said again, and had been taken; see `Reports.repeat`."""

REPORTS: Final[dict[int, int]] = {
    operation.opcode: operation.since
    for operation in OPERATIONS
    if not operation.from_scf and operation.opcode in frozenset(Opcode)
}
"""Operations that a gsmSSF may invoke in call control, and the first CAP version that has each (§6.1.2)."""

OTHER: Final = "other"
"""The parameter of what is none that the standard has."""

_CAME_BEFORE: Final = frozenset(
    {
        (INVOKE_PROBLEM, DUPLICATE_INVOKE_ID),
        (RETURN_RESULT_PROBLEM, UNRECOGNIZED_INVOKE_ID),
        (RETURN_ERROR_PROBLEM, UNRECOGNIZED_INVOKE_ID),
    }
)
_DUPLICATE: Final = INVOKE_PROBLEM << 8 | DUPLICATE_INVOKE_ID
_NONE: Final[tuple[frozenset[int], float]] = frozenset(), 0.0
_PARAMETERS: Final = frozenset(parameters())
_NEVER: Final = 99
_TAKEN: Final = frozenset({ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, ErrorCode.TASK_REFUSED})
"""Errors to the repetition of an operation that was taken."""
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_INITIAL_DP: Final = Opcode.INITIAL_DP
_INVOKE: Final = ReportKind.INVOKE


def peer_of(dialogue: Dialogue) -> str:
    """Return the name of the link that a dialogue came by."""
    path = dialogue.path
    return path.link.name if isinstance(path, ReturnPath) else ""


def parameter_of(fault: Fault) -> str:
    """Return which parameter of the argument a fault is in, or `OTHER`."""
    name = fault.parameter.partition(".")[0]
    return name if name in _PARAMETERS else OTHER


def critical(argument: Any) -> bool:
    """Whether an argument has an extension that must not be ignored; there is none that we know.

    CriticalityType "abort" forbids to execute the operation (Q.1400); of the errors that InitialDP can have,
    unexpectedParameter says so (§10.1.14).
    """
    return any(field.criticality is CriticalityType.ABORT for field in argument.extensions)


def owed_in_a_call(indication: Indication) -> list[bytes]:
    """Return the Reject components that TCAP wants sent, but for what came before.

    Where a link fails, a network may deliver a message twice. TCAP refuses an operation whose invoke id is in
    use, and the answer to an operation that has its answer. Neither has to do with an active operation, so
    that the application may continue (29.078 §14.1.1.4.1, "other events"). The end of the dialogue would
    leave a call that is paid for without a limit.
    """
    return [
        each.octets
        for each in indication.rejects
        if each.octets and (each.problem_type, each.problem) not in _CAME_BEFORE
    ]


@final
class Arguments:
    """Reads arguments in whatever form, without optional parameters that can't be read, and counts both.

    Args:
        codec: the one that is asked first.
        signalling: keeps samples of what can't be read.
        strict: refuse an argument as a whole when one of its parameters can't be read.

    Attributes:
        codec, strict: see above.
        declines: by peer, how many arguments the reference codec had to decode for the fast one.
        unreadable: by peer and parameter (`ss7.cap.lenient.parameters`, or ``other``), how many arguments had
            one that could not be read.
    """

    def __init__(self, codec: Codec, signalling: TcProvider, *, strict: bool = False) -> None:
        self.codec = codec
        self._signalling = signalling
        self.strict = strict
        self.declines: dict[str, int] = {}
        self.unreadable: dict[tuple[str, str], int] = {}

    def read(self, dialogue: Dialogue, opcode: int, parameter: bytes, version: int) -> Any:
        """Return an argument; raises `DecodeError`."""
        try:
            return self.codec.decode_argument(opcode, parameter, version)
        except DecodeError as fault:
            return self.read_otherwise(fault, dialogue, opcode, parameter, version)

    def read_otherwise(
        self, fault: DecodeError, dialogue: Dialogue, opcode: int, parameter: bytes, version: int
    ) -> Any:
        """Return an argument that the codec refused or declined; raises ``fault`` or the reference codec's.

        The reference codec takes 0.25 ms for what the fast one declined; to leave out parameters takes 0.05.
        """
        peer = peer_of(dialogue)
        if isinstance(fault, UnusualError):
            self.declines[peer] = self.declines.get(peer, 0) + 1
            try:
                return fault.decode()
            except DecodeError as refused:
                fault = refused
        if self.strict:
            raise fault
        reading = read_argument(opcode, parameter, version)
        for name in {parameter_of(each) for each in reading.faults}:
            self.unreadable[peer, name] = self.unreadable.get((peer, name), 0) + 1
        if reading.value is None:
            raise fault
        self._signalling.discard("cap", str(Reason.UNREADABLE_PARAMETER))
        return reading.value


@final
class Reports:
    """Makes reports of the components of one message after the other.

    Args:
        signalling: counts what is discarded.
        telemetry: counts operations.
        arguments: reads their arguments.
        observers: shows every operation to the observers.
    """

    def __init__(
        self,
        signalling: TcProvider,
        telemetry: Telemetry,
        arguments: Arguments,
        observers: ObserverHub,
    ) -> None:
        self._signalling = signalling
        self._telemetry = telemetry
        self._arguments = arguments
        self._observers = observers
        self._owed: list[bytes] = []
        self._repeated: dict[bytes, tuple[frozenset[int], float]] = {}

    def repeat(self, local_tid: bytes, invoke_ids: frozenset[int], now: float) -> None:
        """Note operations that are said again, octet for octet, since nobody knows whether they had left.

        A switch that had taken them does not wait for instructions any more. It refuses the repetition and
        stays as it is: unexpectedComponentSequence (§10.1.12.2); taskRefused, of a period that is pending
        (§11.2.2.2); or its TCAP rejects the invoke id that it has already (Q.773 §4.2.2.6). One that had not
        takes them, or refuses them for another reason. So such a refusal says that the call goes on as it
        was told: services do not hear of it.

        Args:
            local_tid: our transaction id.
            invoke_ids: of the operations.
            now: seconds of the runner's clock.
        """
        self._repeated[local_tid] = invoke_ids, now + SHORT

    def forget(self, local_tid: bytes) -> None:
        """Note that a dialogue is over."""
        self._repeated.pop(local_tid, None)

    def _is_repeated(self, call: CapDialogue, invoke_id: int) -> bool:
        """Whether an operation of ours that is refused was said again; its id is given anew only later."""
        invoke_ids, until = self._repeated.get(call.dialogue.local_tid, _NONE)
        if invoke_id not in invoke_ids or call.now > until:
            return False
        self._signalling.discard("cap", REFUSED_REPETITION)
        return True

    def take_owed(self) -> list[bytes]:
        """Return what the message in hand is owed for its components; the next one's begins."""
        if not self._owed:
            return []
        taken, self._owed = self._owed, []
        return taken

    def add(self, call: CapDialogue, component: Component) -> None:
        """Queue the report that a component is."""
        if type(component) is Invoke:
            self._invoked(call, component)
        elif type(component) is ReturnResult:
            self._succeeded(call, component)
        elif type(component) is ReturnError:
            self._failed(call, component)
        elif type(component) is Reject:
            problem = component.problem_type << 8 | component.problem & 0xFF
            invoke_id = -1 if component.invoke_id is None else component.invoke_id
            if problem == _DUPLICATE and self._is_repeated(call, invoke_id):
                return
            call.queue(
                Report(ReportKind.REJECT, opcode_of(component.operation), code=problem, invoke_id=invoke_id)
            )

    def _succeeded(self, call: CapDialogue, component: ReturnResult) -> None:
        """Queue an operation's result, or what is owed for one that it can't have (§14.1.1.4.1).

        CAP uses no TC-RESULT-NL: §14.2.2.1.3. A parameter of an operation that has none says nothing.
        """
        opcode = opcode_of(component.operation)
        result = None
        readable = component.last
        if readable and BY_OPCODE[opcode].result is not None:
            try:
                result = self._arguments.codec.decode_result(opcode, component.parameter, call.version)
            except DecodeError:
                readable = False
        if readable:
            call.queue(Report(ReportKind.RESULT, opcode, result, invoke_id=component.invoke_id))
            return
        problem = RETURN_RESULT_MISTYPED_PARAMETER
        self._owed.append(encode_reject(component.invoke_id, RETURN_RESULT_PROBLEM, problem))
        self._signalling.discard("cap", REJECTED)

    def _failed(self, call: CapDialogue, component: ReturnError) -> None:
        """Queue an operation's error, or what is owed for one that it can't have (§14.1.1.4.1).

        A parameter that is left out is none: switches do, and the code says what matters. In a call that is
        charged nothing is sent for it (see `CapUser.continued`), and the service hears all the same that the
        operation was not executed: the call may have no period.
        """
        opcode = opcode_of(component.operation)
        code = opcode_of(component.error)
        if code in _TAKEN and self._is_repeated(call, component.invoke_id):
            return
        if code not in ERROR_NAMES:
            problem = UNRECOGNIZED_ERROR
        elif code not in BY_OPCODE[opcode].errors:
            problem = UNEXPECTED_ERROR
        else:
            try:
                parameter = self._arguments.codec.decode_error(code, component.parameter, call.version)
            except DecodeError:
                problem = RETURN_ERROR_MISTYPED_PARAMETER
            else:
                call.queue(Report(ReportKind.ERROR, opcode, parameter, code, component.invoke_id))
                return
        self._owed.append(encode_reject(component.invoke_id, RETURN_ERROR_PROBLEM, problem))
        self._signalling.discard("cap", REJECTED)
        if call.session is not None:
            call.queue(Report(ReportKind.ERROR, opcode, None, code, component.invoke_id))

    def _invoked(self, call: CapDialogue, component: Invoke) -> None:
        """Queue an operation, or what is owed for one that can't be executed."""
        opcode = opcode_of(component.opcode)
        invoke_id = component.invoke_id
        version = call.version
        if REPORTS.get(opcode, _NEVER) > version:
            self._owed.append(encode_reject(invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION))
            self._signalling.discard("cap", "unrecognized-operation")
            return
        self._telemetry.operation(opcode, "in")
        if opcode == _INITIAL_DP:  # in an existing relationship: §10.1.12.3
            self._owed.append(encode_return_error(invoke_id, UNEXPECTED_COMPONENT_SEQUENCE.code))
            self._signalling.discard("cap", str(Reason.UNEXPECTED_OPERATION))
            return
        try:
            argument = self._arguments.read(call.dialogue, opcode, component.parameter, version)
        except DecodeError:
            self._owed.append(encode_reject(invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER))
            self._signalling.discard("cap", str(Reason.UNDECODABLE_ARGUMENT))
            return
        self._observers.reported(call.dialogue, argument)
        call.queue(Report(_INVOKE, opcode, argument, invoke_id=invoke_id))
