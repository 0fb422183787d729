"""Invocations (Q.774 Figure A.7): operations that we sent, the answers their class allows, their timers.

An invocation lives from the message that carries it to its last answer, its timer, or the end of the
dialogue. The end of the time of one that reports no success (class 2 and 4) is not indicated. To reject an
answer is for the TC-user and needs no machine: Figure A.7's reject timer is nil.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.stack.tcap_dialogue import Invocation, Operations, Silent
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

REPORTS_SUCCESS: Final = (False, True, False, True, False)
"""By operation class (Q.771 §2.3.1.1): 1 reports both, 2 failure, 3 success, 4 nothing. Index 0 is no class.

Where success is reported, silence until the timer runs out is failure and the TC-user hears of it.
"""
REPORTS_FAILURE: Final = (False, True, True, False, False)

ACCEPT: Final = -1

_COMPACT_ABOVE: Final = 1024
_MOST_ALIKE: Final = 1024


@final
class InvocationTimers:
    """Running invocation timers: a queue for each duration, which operations have few of.

    Those of one duration run out in the order in which they were started, so each queue is sorted. Finished
    invocations go when met, or when they are many. Only what has to be told needs a timer, see `Silent`.
    """

    __slots__ = ("_alike", "_finished", "_queues", "_size")

    def __init__(self) -> None:
        self._alike: dict[Operations, Operations] = {}
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

    def alike(self, operations: Operations) -> Operations:
        """Return the same operations in the tuple that all dialogues share."""
        known = self._alike.get(operations)
        if known is None:
            if len(self._alike) >= _MOST_ALIKE:
                self._alike.clear()
            known = self._alike[operations] = operations
        return known

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


def _without(silent: Silent | None, invoke_id: int, now: float) -> Silent | None:
    """Return what is left of them without one (-1: none) and without those whose time is up.

    What is left whole stays the same object, and shared.
    """
    if silent is None:
        return None
    earlier = _without(silent.earlier, invoke_id, now)
    left = tuple(
        [each for each in silent.operations if each[0] != invoke_id and silent.since + each[3] > now]
    )
    if not left:
        return earlier
    if earlier is silent.earlier and len(left) == len(silent.operations):
        return silent
    return Silent(left, silent.since, earlier)


def forget_silent(dialogue: Dialogue, now: float) -> None:
    """Forget the operations of class 2 and 4 whose time is up: they have succeeded."""
    dialogue.silent = _without(dialogue.silent, -1, now)


def sent(dialogue: Dialogue, timers: InvocationTimers, now: float) -> None:
    """Take note that the operations of the next message, if there are any, go out with it."""
    invocations = dialogue.invocations
    if invocations is None:
        return
    waiting: list[Invocation] = []
    silent: list[tuple[int, Code, int, float]] = []
    for invocation in invocations:
        if invocation.due == inf and not REPORTS_SUCCESS[invocation.operation_class]:
            silent.append(
                (invocation.invoke_id, invocation.opcode, invocation.operation_class, invocation.timeout)
            )
            continue
        if invocation.due == inf:
            timers.start(invocation, now)
        waiting.append(invocation)
    dialogue.invocations = waiting or None
    if silent:
        forget_silent(dialogue, now)
        dialogue.silent = Silent(timers.alike(tuple(silent)), now, dialogue.silent)


def withdraw(dialogue: Dialogue) -> None:
    """Forget the operations that were to go with the next message."""
    if dialogue.invocations is not None:
        dialogue.invocations = [each for each in dialogue.invocations if each.due != inf] or None


def retire(invocation: Invocation) -> Dialogue | None:
    """End one invocation whose timer no longer counts; return the dialogue that it was in."""
    dialogue = invocation.dialogue
    invocation.dialogue = None
    if dialogue is not None and dialogue.invocations is not None:
        dialogue.invocations.remove(invocation)
        if not dialogue.invocations:
            dialogue.invocations = None
    return dialogue


def _forget(dialogue: Dialogue, invocation: Invocation, timers: InvocationTimers, now: float) -> None:
    """End one of `live`."""
    if REPORTS_SUCCESS[invocation.operation_class]:
        retire(invocation)
        timers.finished()
    else:
        dialogue.silent = _without(dialogue.silent, invocation.invoke_id, now)


def forget_all(dialogue: Dialogue, timers: InvocationTimers) -> None:
    """End all invocations of a dialogue that ends."""
    dialogue.silent = None
    invocations = dialogue.invocations
    if invocations is None:
        return
    for invocation in invocations:
        invocation.dialogue = None
        if invocation.due != inf:
            timers.finished()
    dialogue.invocations = None


def in_use(dialogue: Dialogue, invoke_id: int) -> bool:
    """Whether an operation has that invoke id, sent or not. There are few, so all are looked at.

    One of class 2 or 4 may have it for longer than its time: until `forget_silent`.
    """
    if dialogue.invocations is not None:
        for invocation in dialogue.invocations:
            if invocation.invoke_id == invoke_id:
                return True
    silent = dialogue.silent
    while silent is not None:
        for operation in silent.operations:
            if operation[0] == invoke_id:
                return True
        silent = silent.earlier
    return False


def live(dialogue: Dialogue, now: float) -> list[Invocation]:
    """Return all that was sent and whose time is not up."""
    found = [each for each in dialogue.invocations or () if each.due != inf]
    silent = dialogue.silent
    while silent is not None:
        for invoke_id, opcode, operation_class, timeout in silent.operations:
            if silent.since + timeout > now:
                invocation = Invocation(dialogue, invoke_id, opcode, operation_class, timeout)
                invocation.due = silent.since + timeout
                found.append(invocation)
        silent = silent.earlier
    return found


def running(dialogue: Dialogue, invoke_id: int, now: float) -> Invocation | None:
    """Return the invocation with that id if it was sent and is not over."""
    for invocation in live(dialogue, now):
        if invocation.invoke_id == invoke_id:
            return invocation
    return None


def correlate_result(dialogue: Dialogue, result: ReturnResult, timers: InvocationTimers, now: float) -> int:
    """Give a result to its invocation; return `ACCEPT`, or the return result problem to reject it with."""
    invocation = running(dialogue, result.invoke_id, now)
    if invocation is None:
        return UNRECOGNIZED_INVOKE_ID
    expected = REPORTS_SUCCESS[invocation.operation_class]
    result.operation = invocation.opcode
    if result.last or not expected:
        _forget(dialogue, invocation, timers, now)
    return ACCEPT if expected else RETURN_RESULT_UNEXPECTED


def correlate_error(dialogue: Dialogue, error: ReturnError, timers: InvocationTimers, now: float) -> int:
    """Give an error to its invocation; return `ACCEPT`, or the return error problem to reject it with."""
    invocation = running(dialogue, error.invoke_id, now)
    if invocation is None:
        return UNRECOGNIZED_INVOKE_ID
    error.operation = invocation.opcode
    _forget(dialogue, invocation, timers, now)
    return ACCEPT if REPORTS_FAILURE[invocation.operation_class] else RETURN_ERROR_UNEXPECTED


def correlate_reject(dialogue: Dialogue, reject: Reject, timers: InvocationTimers, now: float) -> None:
    """Give a reject to its invocation, if it is about one; a problem with an answer of ours is about none."""
    if reject.invoke_id is None or reject.problem_type in (RETURN_RESULT_PROBLEM, RETURN_ERROR_PROBLEM):
        return
    invocation = running(dialogue, reject.invoke_id, now)
    if invocation is not None:
        reject.operation = invocation.opcode
        _forget(dialogue, invocation, timers, now)
