"""The explanation of a decision: every condition that was tested for a call, with value and outcome."""

# ruff: noqa: TC001 - msgspec reads the annotations

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from scp.domain import passes
from scp.domain.call import CallFacts, Diversion, Trigger, call_facts
from scp.domain.decision import Decision, Step
from scp.domain.lookup import Pending, StoreFailure
from scp.domain.numbers import dialled
from scp.domain.reason import explain
from scp.domain.rules import Rules
from scp.services.idp import read_call
from scp.services.message_facts import read_message, to_mobile
from scp.services.whereabouts import Asking, path_with_place

if TYPE_CHECKING:
    from scp.domain.lookup import Found
    from scp.ports import SubscriberLookup
    from scp.services.api import Service
    from ss7.cap.sms import InitialDPSMSArg
    from ss7.cap.types import InitialDPArg


NEVER: Final = Asking()


class Explanation(Struct, frozen=True):
    """A decision and every condition that led to it."""

    decision: Decision
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what JSON shows, named as the API's dry run names it."""
        decision = self.decision
        return {
            "action": str(decision.action),
            "number": decision.number or None,
            "nature": str(decision.nature) if decision.number else None,
            "reason": str(decision.reason),
            "explanation": explain(decision.reason),
            "path": [
                {"condition": step.condition, "value": step.value, "outcome": step.outcome}
                for step in self.steps
            ],
        }


def rules_of(service: Service | None) -> Rules | None:
    """Return the rules that a service decides by, if it decides by such."""
    rules = getattr(service, "rules", None)
    return rules if isinstance(rules, Rules) else None


def explain_call(
    facts: CallFacts, rules: Rules, store: SubscriberLookup, asking: Asking = NEVER, caller: str | None = None
) -> Explanation:
    """Return the decision on a call whose facts are known; no HLR is asked, and the steps say so.

    ``caller``, E.164 digits, "" if not known, has passes count that are valid now; None: they don't.
    """
    found = _found(store, facts.e164)
    decision, steps = path_with_place(found, facts, rules, asking, None)
    if caller is not None:
        decision = passes.explained(found, caller, time.time_ns() // 1_000_000, decision, steps)
    return Explanation(decision, tuple(steps))


def explain_request(idp: InitialDPArg, rules: Rules, store: SubscriberLookup) -> Explanation:
    """Return the decision on a call that a switch asked about."""
    return explain_call(read_call(idp, rules.numbering), rules, store)


def explain_message(idp: InitialDPSMSArg, rules: Rules, store: SubscriberLookup) -> Explanation:
    """Return the conditions of a short message that a switch asked about, as they are for calls."""
    return explain_call(read_message(idp, rules, to_mobile(idp)), rules, store)


def typed_call(
    b_number: str, rules: Rules, *, trigger: Trigger, vlr: str = "", diversion: Diversion | None = None
) -> CallFacts:
    """Return the facts of a call that somebody typed in: a number as dialled, or with ``+``."""
    digits, nature = dialled(b_number)
    return call_facts(rules.numbering, trigger, digits, nature, vlr=vlr, diversion=diversion)


class _Nobody:
    """Waits for an answer that does not come."""

    def found(self, result: Found) -> None:
        """Take no answer."""


def _found(store: SubscriberLookup, msisdn: str) -> Found:
    answer = store.find(msisdn, _Nobody()) if msisdn else None
    return StoreFailure.TIMEOUT if isinstance(answer, Pending) else answer
