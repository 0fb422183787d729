"""TCAP's component coordination (Q.774 §3.2.2.2, Figure A.6): which received components the TC-user gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.stack.tcap_dialogue import LocalReject, answered, first_heard
from scp.stack.tcap_invocation import (
    ACCEPT,
    InvocationTimers,
    correlate_error,
    correlate_reject,
    correlate_result,
    running,
)
from ss7 import rose
from ss7.ber import read_element, read_integer
from ss7.rose import Invoke, Malformed, Reject, ReturnError, ReturnResult, encode_reject

if TYPE_CHECKING:
    from scp.stack.tcap_dialogue import Dialogue
    from ss7.rose import Component


def judge(
    dialogue: Dialogue, component: Component, timers: InvocationTimers, now: float
) -> LocalReject | None:
    """Return why a component is not acceptable (Q.774 §3.2.2.2), None if it is."""
    if isinstance(component, Invoke):
        linked_id = component.linked_id
        if not first_heard(dialogue, component.invoke_id, now):
            return _reject(component, rose.INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID)
        if linked_id is not None and running(dialogue, linked_id, now) is None:
            return _reject(component, rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID)
        return None
    if isinstance(component, ReturnResult):
        problem = correlate_result(dialogue, component, timers, now)
        return None if problem == ACCEPT else _reject(component, rose.RETURN_RESULT_PROBLEM, problem)
    if isinstance(component, ReturnError):
        problem = correlate_error(dialogue, component, timers, now)
        return None if problem == ACCEPT else _reject(component, rose.RETURN_ERROR_PROBLEM, problem)
    if isinstance(component, Reject):
        correlate_reject(dialogue, component, timers, now)
        return None
    return _reject(component, rose.GENERAL_PROBLEM, component.problem)


def _reject(component: Component, problem_type: int, problem: int) -> LocalReject:
    """Build the Reject that is owed for a component; a Reject is owed none (Q.774 §3.2.2.2)."""
    if isinstance(component, Malformed) and component.component == rose.REJECT:
        return LocalReject(component, problem_type, problem, b"")
    octets = encode_reject(component.invoke_id, problem_type, problem)
    return LocalReject(component, problem_type, problem, octets)


def free_answered(dialogue: Dialogue, component: bytes) -> None:
    """Free the peer's invoke id that a component of ours answers, unless more results will follow."""
    tag, offset, end, after = read_element(component, 0, len(component))
    if after < 0 or tag not in (rose.RETURN_RESULT_LAST, rose.RETURN_ERROR, rose.REJECT):
        return
    tag, start, stop, after = read_element(component, offset, end)
    if after > 0 and stop - start == 1:
        answered(dialogue, read_integer(component, start, stop))
