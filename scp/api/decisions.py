"""The dry run: decides a call as the call path does, and returns the path of the decision."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, ClassVar, Final, TypeAlias, final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.context import Context
from scp.api.openapi import answer, call
from scp.api.problems import NO_RULES, ProblemError
from scp.api.subscriber_bodies import E164
from scp.config import Scope
from scp.domain import passes
from scp.domain.call import CallFacts, Trigger, call_facts, typed_diversion
from scp.domain.decision import Action, Step, screen
from scp.domain.lookup import Found, Pending, StoreFailure
from scp.domain.numbers import Nature, Numbering, dialled
from scp.domain.reason import Reason, explain
from scp.services.charge_explained import typed_party
from scp.services.whereabouts import asks, path_with_place

Dialled: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="as dialled (0701234567), or E.164 with + (+46701234567); spaces are accepted",
        examples=["+46701234567"],
    ),
]


class DecisionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A call as a switch would ask about it."""

    EXAMPLE: ClassVar = {"a_number": "+46709999999", "b_number": "0701234567", "trigger": "originating"}
    b_number: Dialled
    a_number: Dialled | None = None
    trigger: Trigger = Trigger.ORIGINATING
    vlr: E164 | None = None
    redirecting_number: Dialled | None = None
    redirections: Annotated[int, Meta(ge=0, le=7, description="redirection counter, Q.763 §3.45")] = 0
    service_key: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    ask_hlr: Annotated[
        bool,
        Meta(description="ask the HLR where the service would for a call; else the path says so"),
    ] = False


class Condition(Struct, frozen=True):
    """One condition of the decision: what it looked at, and "yes" or why it does not hold."""

    condition: str
    value: str
    outcome: str


class DryRun(Struct, frozen=True):
    """What would happen.

    ``number`` is what Connect would carry, null for other actions; ``explanation`` says the reason in words.
    """

    EXAMPLE: ClassVar = {
        "action": "connect",
        "number": "990701234567",
        "nature": "unknown",
        "reason": "forwarded-always",
        "explanation": explain(Reason.FORWARDED_ALWAYS),
        "path": [{"condition": "authorized", "value": "true", "outcome": "yes"}],
    }
    action: Action
    number: str | None
    nature: Nature | None
    reason: Reason
    explanation: str
    path: tuple[Condition, ...]


@post(
    "/v1/decisions",
    operation_id="decide",
    status_code=200,
    **call(Scope.READ, NO_RULES, tag="calls", body=True),
)
async def decide(context: NamedDependency[Context], data: JSONBody[DecisionBody]) -> Response[DryRun]:
    """Say what would happen to a call, and the path to it. Nothing is changed. Scope: read."""
    rules = context.node.rules(data.service_key)
    if rules is None:
        what = "no service" if data.service_key is None else f"the service of key {data.service_key}"
        raise ProblemError(NO_RULES, f"{what} steers by a subscriber's record")
    facts = _facts(rules.numbering, data)
    found = await _find(context, facts)
    asking = context.node.asking(data.service_key)
    asked = data.ask_hlr and screen(facts, rules) is None and asks(found, facts, asking.ask)
    place = await context.node.locate(facts.e164) if asked else None
    decision, steps = path_with_place(found, facts, rules, asking, place)
    caller = typed_party(rules.numbering, data.a_number or "")
    decision = passes.explained(found, caller, time.time_ns() // 1_000_000, decision, steps)
    connects = decision.action is Action.CONNECT
    parties = data.a_number or "", data.redirecting_number or ""
    paid = await context.node.charge(data.service_key, facts, decision, parties)
    return answer(
        DryRun(
            decision.action,
            decision.number if connects else None,
            decision.nature if connects else None,
            decision.reason,
            explain(decision.reason),
            tuple(_condition(step) for step in (*steps, *paid)),
        )
    )


def _facts(numbering: Numbering, data: DecisionBody) -> CallFacts:
    digits, nature = dialled(data.b_number)
    return call_facts(
        numbering,
        data.trigger,
        digits,
        nature,
        vlr="" if data.vlr is None else data.vlr.removeprefix("+"),
        diversion=typed_diversion(data.redirecting_number or "", data.redirections),
    )


def _condition(step: Step) -> Condition:
    return Condition(step.condition, step.value, step.outcome)


@final
class _Answer:
    """A `scp.ports.Waiter` that can be awaited."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()

    def found(self, result: Found) -> None:
        if not self.future.done():
            self.future.set_result(result)


async def _find(context: Context, facts: CallFacts) -> Found:
    """Look the called number up as a call would, within a call's deadline."""
    if not facts.e164:
        return None
    waiter = _Answer()
    found = context.store.find(facts.e164, waiter)
    if isinstance(found, Pending):
        try:
            found = await asyncio.wait_for(waiter.future, context.node.store_deadline)
        except TimeoutError:
            return StoreFailure.TIMEOUT
    return found


HANDLERS: Final[tuple[Any, ...]] = (decide,)
