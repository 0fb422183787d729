"""Invocations (Q.774 Figure A.7): operations that we sent, the answers their class allows, their timers.

An invocation lives from the message that carries it to its last answer, its timer, or the end of the
dialogue. Rejecting an answer is the TC-user's affair and needs no machine: Figure A.7's reject timer is nil.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, final

from ss7.rose import (
    RETURN_ERROR_PROBLEM,
    RETURN_ERROR_UNEXPECTED,
    RETURN_RESULT_PROBLEM,
    RETURN_RESULT_UNEXPECTED,
    UNRECOGNIZED_INVOKE_ID,
    Code,
    Reject,
    ReturnError,
    ReturnResult,
)

if TYPE_CHECKING:
    from scp.stack.tcap_dialogue import Dialogue

CLASS_1: Final = 1
CLASS_2: Final = 2
CLASS_3: Final = 3
CLASS_4: Final = 4

REPORTS_SUCCESS: Final = (False, True, False, True, False)
"""By operation class (Q.771 §2.3.1.1): 1 reports both, 2 failure, 3 success, 4 nothing. Index 0 is no class.

Where success is reported, silence until the timer runs out is failure and the TC-user hears of it.
"""
REPORTS_FAILURE: Final = (False, True, True, False, False)

ACCEPT: Final = -1

_COMPACT_ABOVE: Final = 1024


@final
class Invocation:
    """One operation that we invoked.

    Attributes:
        dialogue: its dialogue, None once it is over.
        invoke_id: -128 to 127.
        opcode: operation code.
        operation_class: 1 to 4.
        timeout: seconds from its sending that it may take.
        due: when they are over; `InvocationTimers.start` sets it.
    """

    __slots__ = ("dialogue", "due", "invoke_id", "opcode", "operation_class", "timeout")

    def __init__(
        self, dialogue: Dialogue, invoke_id: int, opcode: Code, operation_class: int, timeout: float
    ) -> None:
        self.dialogue: Dialogue | None = dialogue
        self.invoke_id = invoke_id
        self.opcode = opcode
        self.operation_class = operation_class
        self.timeout = timeout
        self.due: float = inf


@final
class InvocationTimers:
    """Running invocation timers: a queue for each duration, which operations have few of.

    Those of one duration run out in the order in which they were started, so each queue is sorted. Finished
    invocations go when met, or when they are many.
    """

    __slots__ = ("_finished", "_queues", "_size")

    def __init__(self) -> None:
        self._queues: dict[float, deque[Invocation]] = {}
        self._size: int = 0
        self._finished: int = 0

    def __len__(self) -> int:
        """Entries, finished ones included."""
        return self._size

    def start(self, invocation: Invocation, now: float) -> None:
        """Run its timer from ``now``, which is not before that of the last one started."""
        invocation.due = now + invocation.timeout
        queue = self._queues.get(invocation.timeout)
        if queue is None:
            queue = self._queues[invocation.timeout] = deque()
        queue.append(invocation)
        self._size += 1

    def finished(self) -> None:
        """Take note that an invocation whose timer runs has ended."""
        self._finished += 1
        if self._finished > _COMPACT_ABOVE and self._finished * 2 > self._size:
            queues = self._queues
            self._queues = {}
            for timeout, queue in queues.items():
                running = [each for each in queue if each.dialogue is not None]
                if running:
                    self._queues[timeout] = deque(running)
            self._size = sum([len(queue) for queue in self._queues.values()])
            self._finished = 0

    def _earliest(self) -> Invocation | None:
        """Return the one whose time is up first; drop what has ended before it."""
        earliest: Invocation | None = None
        for timeout in list(self._queues):
            queue = self._queues[timeout]
            while queue and queue[0].dialogue is None:
                queue.popleft()
                self._size -= 1
                self._finished -= 1
            if not queue:
                del self._queues[timeout]
            elif earliest is None or queue[0].due < earliest.due:
                earliest = queue[0]
        return earliest

    def next_deadline(self) -> float:
        """Return when the next timer runs out, `inf` if none runs."""
        earliest = self._earliest()
        return inf if earliest is None else earliest.due

    def expired(self, now: float) -> Invocation | None:
        """Take and return one whose time is up, None if there is none."""
        earliest = self._earliest()
        if earliest is None or earliest.due > now:
            return None
        self._size -= 1
        return self._queues[earliest.timeout].popleft()


def retire(invocation: Invocation) -> Dialogue | None:
    """End one invocation whose timer no longer counts; return the dialogue that it was in."""
    dialogue = invocation.dialogue
    invocation.dialogue = None
    if dialogue is not None and dialogue.invocations is not None:
        dialogue.invocations.remove(invocation)
        if not dialogue.invocations:
            dialogue.invocations = None
    return dialogue


def forget(invocation: Invocation, timers: InvocationTimers) -> None:
    """End one invocation whose timer runs."""
    retire(invocation)
    timers.finished()


def forget_all(dialogue: Dialogue, timers: InvocationTimers) -> None:
    """End all invocations of a dialogue that ends."""
    invocations = dialogue.invocations
    if invocations is None:
        return
    unsent = dialogue.unsent
    for invocation in invocations:
        invocation.dialogue = None
        if unsent is None or invocation not in unsent:
            timers.finished()
    dialogue.invocations = None
    dialogue.unsent = None


def find(dialogue: Dialogue, invoke_id: int) -> Invocation | None:
    """Return the invocation with that id, sent or not; a dialogue has a few, so they are looked through."""
    invocations = dialogue.invocations
    if invocations is not None:
        for invocation in invocations:
            if invocation.invoke_id == invoke_id:
                return invocation
    return None


def _running(dialogue: Dialogue, invoke_id: int) -> Invocation | None:
    """Return the invocation with that id if it was sent and is not over."""
    invocation = find(dialogue, invoke_id)
    if invocation is None or (dialogue.unsent is not None and invocation in dialogue.unsent):
        return None
    return invocation


def correlate_result(dialogue: Dialogue, result: ReturnResult, timers: InvocationTimers) -> int:
    """Give a result to its invocation; return `ACCEPT`, or the return result problem to reject it with."""
    invocation = _running(dialogue, result.invoke_id)
    if invocation is None:
        return UNRECOGNIZED_INVOKE_ID
    expected = REPORTS_SUCCESS[invocation.operation_class]
    result.operation = invocation.opcode
    if result.last or not expected:
        forget(invocation, timers)
    return ACCEPT if expected else RETURN_RESULT_UNEXPECTED


def correlate_error(dialogue: Dialogue, error: ReturnError, timers: InvocationTimers) -> int:
    """Give an error to its invocation; return `ACCEPT`, or the return error problem to reject it with."""
    invocation = _running(dialogue, error.invoke_id)
    if invocation is None:
        return UNRECOGNIZED_INVOKE_ID
    error.operation = invocation.opcode
    forget(invocation, timers)
    return ACCEPT if REPORTS_FAILURE[invocation.operation_class] else RETURN_ERROR_UNEXPECTED


def correlate_reject(dialogue: Dialogue, reject: Reject, timers: InvocationTimers) -> None:
    """Give a reject to its invocation, if it is about one; a problem with an answer of ours is about none."""
    if reject.invoke_id is None or reject.problem_type in (RETURN_RESULT_PROBLEM, RETURN_ERROR_PROBLEM):
        return
    invocation = _running(dialogue, reject.invoke_id)
    if invocation is not None:
        reject.operation = invocation.opcode
        forget(invocation, timers)
