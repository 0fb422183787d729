"""What the gsmSCF's first answer was, and whether it was the one that the caller of the simulator expects."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


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
    """What the answer should be; what is left at its default isn't looked at.

    Attributes:
        action: see `Action`.
        number: digits of Connect's destination.
        nature: its nature of address.
        code: as `Answer.code`.
        ended: True: the answer is a TC-END; False: a TC-CONTINUE.
        within: seconds that the answer may take.
    """

    action: Action | None = None
    number: str = ""
    nature: int = -1
    code: int = -1
    ended: bool | None = None
    within: float = 2.0


# Not looked at further: the context is that of the abort's APDU, or there is none at all.
_WITHOUT_CONTEXT = frozenset({Action.ABORT, Action.NOTHING})


def faults_of(answer: Answer, expected: Expectation, context: bytes) -> list[str]:
    """Return what is wrong with an answer, in words; an empty list: nothing.

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
