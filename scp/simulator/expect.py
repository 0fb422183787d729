"""The gsmSCF's first answer to a call, read from its TCAP message, and whether it is the expected one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ss7.cap.codec import FAST
from ss7.cap.errors import CapError
from ss7.cap.operations import Opcode, operation_name
from ss7.cap.types import AllCallSegmentsWithExtension
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

    from ss7.cap.types import ReleaseCallArg
    from ss7.tcap import Component, DialoguePortion


class Action(StrEnum):
    """What an answer amounts to for the call."""

    CONNECT = "connect"
    CONTINUE = "continue"
    RELEASE = "release"
    WAIT = "wait"  # operations, but none that lets the call go on yet
    ERROR = "error"
    REJECT = "reject"
    ABORT = "abort"
    END = "end"  # a TC-END without an instruction
    NOTHING = "nothing"


class Answer(Struct, frozen=True, kw_only=True):
    """The first message that came back.

    Attributes:
        action: what it amounts to.
        operations: names of the operations in it, in order.
        number: digits of Connect's destination routing address.
        nature: its nature of address; -1 without one.
        code: Q.850 cause of ReleaseCall, CAP error code, P-Abort cause, (problem type << 8) | problem, or -1.
        ended: whether it was a TC-END (or ABORT): the dialogue is over.
        context: application context (OID octets) in its dialogue portion; b"" if there is none.
        seconds: from the InitialDP to it.
        words: what else there is to say of it, for people.
    """

    action: Action
    operations: tuple[str, ...] = ()
    number: str = ""
    nature: int = -1
    code: int = -1
    ended: bool = False
    context: bytes = b""
    seconds: float = 0.0
    words: str = ""


NO_ANSWER = Answer(action=Action.NOTHING, words="no answer")


class Expectation(Struct, frozen=True, kw_only=True):
    """What the answer should be; a field with its default value is not checked.

    Attributes:
        action: see `Action`.
        number: digits of Connect's destination.
        nature: its nature of address.
        code: as `Answer.code`.
        ended: True: the answer is a TC-END; False: a TC-CONTINUE.
        within: seconds that the answer may take.
        charged: True: an answered call has to be charged: ApplyCharging comes before its end.
    """

    action: Action | None = None
    number: str = ""
    nature: int = -1
    code: int = -1
    ended: bool | None = None
    within: float = 2.0
    charged: bool = False

    @property
    def given(self) -> bool:
        """Whether more is checked than that an answer comes, in time and well-formed."""
        return replace(self, within=0.0) != Expectation(within=0.0)


# Not looked at further: the context is that of the abort's APDU, or there is none at all.
_WITHOUT_CONTEXT = frozenset({Action.ABORT, Action.NOTHING})


def faults_of(answer: Answer, expected: Expectation, context: bytes) -> list[str]:
    """Return the faults of an answer, in words.

    Args:
        answer: what came.
        expected: what should have come.
        context: the application context that the dialogue was opened with: the first backward message has to
            carry the same (Q.774 §3.2.1); b"" where it was opened without one.
    """
    faults = []
    if expected.action is not None and answer.action is not expected.action:
        faults.append(f"{answer.action} instead of {expected.action}")
    elif answer.action is Action.NOTHING and expected.action is None:
        faults.append("no answer")
    elif answer.action is Action.ABORT and expected.action is None:
        faults.append(f"no decision: the dialogue was aborted, {answer.words}")
    if expected.number and answer.number != expected.number:
        faults.append(f"number {answer.number or 'none'} instead of {expected.number}")
    if expected.nature >= 0 and answer.nature != expected.nature:
        faults.append(f"nature of address {answer.nature} instead of {expected.nature}")
    if expected.code >= 0 and answer.code != expected.code:
        faults.append(f"code {answer.code} instead of {expected.code}")
    if answer.action in _WITHOUT_CONTEXT:
        return faults
    if expected.ended is not None and answer.ended is not expected.ended:
        faults.append("TC-END instead of TC-CONTINUE" if answer.ended else "TC-CONTINUE instead of TC-END")
    if answer.context != context:
        faults.append("application context not echoed in the answer (Q.774 §3.2.1)")
    if answer.action in (Action.ERROR, Action.REJECT) and not answer.ended:
        faults.append("error or reject in TC-CONTINUE (TS 29.078 §14.1.2.2.1)")
    if answer.seconds > expected.within:
        faults.append(f"answered after {answer.seconds:.3f} s, {expected.within:g} s allowed")
    return faults


# If several operations come together, the last of these decides the call.
_DECIDES: Final = {
    int(Opcode.CONNECT): Action.CONNECT,
    int(Opcode.CONTINUE): Action.CONTINUE,
    int(Opcode.CONTINUE_WITH_ARGUMENT): Action.CONTINUE,
    int(Opcode.RELEASE_CALL): Action.RELEASE,
}


def read_message(message: Message, version: int, seconds: float = 0.0) -> Answer:
    """Return the answer in an END, CONTINUE or ABORT."""
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
    """Return the answer in the components of an END or CONTINUE."""
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
            code = component.problem_type << 8 | component.problem & 0xFF
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
        return "", -1, release_cause(argument)
    return "", -1, -1


def release_cause(argument: ReleaseCallArg) -> int:
    """Return the Q.850 cause of ReleaseCall's argument, in either of its forms; raises `DecodeError`."""
    octets = argument.all_call_segments if isinstance(argument, AllCallSegmentsWithExtension) else argument
    return Cause.decode(octets).value
