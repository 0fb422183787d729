"""What a backward TCAP message says, as an `Answer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.simulator.expect import Action, Answer
from ss7.cap.codec import FAST
from ss7.cap.errors import CapError
from ss7.cap.operations import Opcode, operation_name
from ss7.cause import Cause
from ss7.errors import DecodeError
from ss7.isup import CalledPartyNumber
from ss7.tcap import (
    ABORT,
    CONTINUE,
    P_ABORT_NAMES,
    Aare,
    Invoke,
    Malformed,
    Message,
    Reject,
    ReturnError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ss7.tcap import Component, DialoguePortion

# What decides over the call, if several operations come together: the last of these.
_DECIDES: Final = {
    int(Opcode.CONNECT): Action.CONNECT,
    int(Opcode.CONTINUE): Action.CONTINUE,
    int(Opcode.CONTINUE_WITH_ARGUMENT): Action.CONTINUE,
    int(Opcode.RELEASE_CALL): Action.RELEASE,
}


def read_message(message: Message, version: int, seconds: float = 0.0) -> Answer:
    """Return what a whole END, CONTINUE or ABORT says."""
    if message.kind == ABORT:
        return abort_answer(message.p_abort_cause, message.dialogue, seconds)
    ended = message.kind != CONTINUE
    return read_components(message.components, message.dialogue, version, ended=ended, seconds=seconds)


def abort_answer(cause: int, portion: DialoguePortion | None, seconds: float) -> Answer:
    """Return the answer that an ABORT is: by the provider (``cause``) or by the user (-1)."""
    words = P_ABORT_NAMES.get(cause, f"P-Abort cause {cause}") if cause >= 0 else "aborted by the gsmSCF"
    if isinstance(portion, Aare):
        words = "application context refused"
    return Answer(action=Action.ABORT, code=cause, ended=True, seconds=seconds, words=words)


def read_components(
    components: Sequence[Component],
    portion: DialoguePortion | None,
    version: int,
    *,
    ended: bool,
    seconds: float,
) -> Answer:
    """Return what components in an END or CONTINUE say."""
    action = Action.END if ended else Action.WAIT
    number, nature, code = "", -1, -1
    operations: list[str] = []
    words: list[str] = []
    for component in components:
        if isinstance(component, Invoke):
            opcode = component.opcode if isinstance(component.opcode, int) else -1
            operations.append(operation_name(opcode))
            if opcode in _DECIDES:
                action = _DECIDES[opcode]
                try:
                    number, nature, code = _details(action, opcode, component.parameter, version)
                except DecodeError as error:
                    words.append(f"{operations[-1]}: {error}")
        elif isinstance(component, ReturnError):
            action = Action.ERROR
            code = component.error if isinstance(component.error, int) else -1
            words.append(CapError(code).name)
        elif isinstance(component, Reject):
            action = Action.REJECT
            code = component.problem_type << 8 | component.problem
            words.append(f"problem {component.problem} of type {component.problem_type}")
        elif isinstance(component, Malformed):
            words.append(f"malformed component: {component.reason}")
    return Answer(
        action=action,
        operations=tuple(operations),
        number=number,
        nature=nature,
        code=code,
        ended=ended,
        context=portion.context if isinstance(portion, Aare) else b"",
        seconds=seconds,
        words="; ".join(words),
    )


def _details(action: Action, opcode: int, parameter: bytes, version: int) -> tuple[str, int, int]:
    """Return digits and nature of Connect's destination, and ReleaseCall's cause."""
    argument: Any = FAST.decode_argument(opcode, parameter, version)
    if action is Action.CONNECT:
        destination = CalledPartyNumber.decode(argument.destination_routing_address[0])
        return destination.digits, destination.nature, -1
    if action is Action.RELEASE:
        return "", -1, Cause.decode(getattr(argument, "all_call_segments", argument)).value
    return "", -1, -1
