"""The steering decision: does this call go to the VoIP gateway, with which number, and why (not).

`screen` asks the conditions on the called number, which need no record; `judge` those on the subscriber.
`decide` is one after the other, and `path` is the same walk with every step written down, so that an
explanation can't differ from what happens to a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.domain.call import CallFacts, Trigger, call_facts
from scp.domain.conditions import CALL_CONDITIONS, SUBSCRIBER_CONDITIONS
from scp.domain.lookup import StoreFailure
from scp.domain.outcome import Action, Decision, Step
from scp.domain.reason import Reason, explain
from scp.domain.rules import MAX_DIGITS, DigitsPolicy, NaturePolicy, OnFailure, Rules, target
from scp.domain.subscriber import Subscriber, When

__all__ = [
    "Action",
    "CallFacts",
    "Decision",
    "DigitsPolicy",
    "NaturePolicy",
    "OnFailure",
    "Reason",
    "Rules",
    "Step",
    "Trigger",
    "call_facts",
    "decide",
    "explain",
    "judge",
    "path",
    "screen",
]

if TYPE_CHECKING:
    from scp.domain.lookup import Found


# In Python 3.11 a member looked up through its class costs ten times what a global does.
_CONNECT: Final = Action.CONNECT
_FORWARDED: Final = {
    When.ALWAYS: Reason.FORWARDED_ALWAYS,
    When.ROAMING: Reason.FORWARDED_ROAMING,
    When.LOCATIONS: Reason.FORWARDED_LOCATION,
}
_GOES_ON: Final = {reason: Decision(Action.CONTINUE, reason) for reason in Reason}
"""One object for all calls that go on unchanged for the same reason: some are held for minutes."""
_STORE_FAILED: Final = {failure: Reason(failure.value) for failure in StoreFailure}


def screen(call: CallFacts, rules: Rules, steps: list[Step] | None = None) -> Decision | None:
    """Decide by the called number alone: a decision, or None where the subscriber's record has to be seen.

    Args:
        call: the facts of the call.
        rules: the operator's rules.
        steps: takes every step, if given.
    """
    for name, condition, show in CALL_CONDITIONS:
        reason = condition(call, rules)
        if steps is not None:
            steps.append(Step(name, show(call, rules), reason or "yes"))
        if reason is not None:
            return _GOES_ON[reason]
    return None


def judge(found: Found, call: CallFacts, rules: Rules, steps: list[Step] | None = None) -> Decision:
    """Decide on a call that `screen` let pass by what the store said of the called number.

    Args:
        found: the record, None if there is none, or why the store could not say.
        call: the facts of the call.
        rules: the operator's rules.
        steps: takes every step, if given.
    """
    if not isinstance(found, Subscriber):
        return _not_found(found, call, rules, steps)
    if steps is not None:
        steps.append(Step("subscriber", call.e164, "yes"))
    for name, condition, show in SUBSCRIBER_CONDITIONS:
        reason = condition(found, call, rules)
        if steps is not None:
            steps.append(Step(name, show(found, call, rules), reason or "yes"))
        if reason is not None:
            return _GOES_ON[reason]
    number, nature = target(found, call, rules)
    decision = (
        Decision(_CONNECT, _FORWARDED[found.when], number, nature)
        if len(number) <= MAX_DIGITS
        else _GOES_ON[Reason.NUMBER_TOO_LONG]
    )
    if steps is not None:
        steps.append(Step("connect", f"{number} ({nature})", decision.reason))
    return decision


def _not_found(
    failure: StoreFailure | None, call: CallFacts, rules: Rules, steps: list[Step] | None
) -> Decision:
    """Decide without a record: there is none (None), or the store could not say."""
    reason = Reason.UNKNOWN_SUBSCRIBER if failure is None else _STORE_FAILED[failure]
    if steps is not None:
        steps.append(Step("subscriber", call.e164, reason))
    if failure is not None and rules.on_failure is OnFailure.RELEASE:
        return Decision(Action.RELEASE, reason)
    return _GOES_ON[reason]


def decide(found: Found, call: CallFacts, rules: Rules) -> Decision:
    """Decide on a call: pure, total, never raises.

    Args:
        found: what the store said of `CallFacts.e164`; not looked at where the called number alone decides.
        call: the facts of the call.
        rules: the operator's rules.
    """
    early = screen(call, rules)
    return judge(found, call, rules) if early is None else early


def path(found: Found, call: CallFacts, rules: Rules) -> tuple[Decision, list[Step]]:
    """Return what `decide` does and every step that led there."""
    steps: list[Step] = []
    early = screen(call, rules, steps)
    return (judge(found, call, rules, steps) if early is None else early), steps
