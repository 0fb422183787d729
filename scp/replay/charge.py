"""What a call under control would be charged, and why: further steps of its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.domain.outcome import Action, Step
from scp.domain.tariff import TariffTable
from scp.services.charging_policy import listed, payer
from scp.services.held_call import Plan
from scp.services.voip_forwarding import UNCHARGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.config import Charging
    from scp.domain.call import CallFacts
    from scp.domain.numbers import Numbering
    from scp.domain.outcome import Decision
    from scp.services.api import Service


def charge_steps(
    service: Service,
    charging: Charging,
    numbering: Numbering,
    facts: CallFacts,
    decision: Decision,
    parties: tuple[str, str],
) -> Iterator[Step]:
    """Yield who would pay for a call, by which tariff, and what its first quota would cost.

    Args:
        service: that decides on it.
        charging: ``[charging]``.
        numbering: the home numbering plan.
        facts: of the call.
        decision: on it.
        parties: calling number and the number that diverted the call, E.164; "" if not known.
    """
    plan = getattr(service, "plan", None)
    policy = plan.policy if isinstance(plan, Plan) else None
    if policy is None:
        return
    if decision.reason in UNCHARGED:
        yield Step("charged", facts.digits, f"no: {decision.reason}")
        return
    if listed(policy.barred, facts):
        yield Step("barred", facts.digits, f"released with cause {policy.denial_cause}")
        return
    if listed(policy.free, facts):
        yield Step("charged", facts.digits, "no: free")
        return
    roams = decision.action is not Action.CONNECT and bool(numbering.roaming(facts.vlr))
    paid = payer(facts, policy, parties[0], parties[1], roams=roams)
    if paid is None:
        yield Step("charged", f"{facts.trigger} call", "no: nobody pays")
        return
    yield Step("charged", paid.account, "yes")
    if charging.chf is not None:
        yield Step("tariff", charging.chf.url, "the charging function's")
        return
    if charging.ro is not None:
        servers = ", ".join(str(each) for each in charging.ro.servers)
        yield Step("tariff", servers, "the online charging system's")
        return
    tariff = TariffTable(charging.tariffs).find(paid.b_number)
    if tariff is None:
        yield Step("tariff", paid.b_number, f"none: released with cause {policy.denial_cause}")
        return
    price = f"{tariff.price} minor units of {charging.currency} for {tariff.per_seconds} s"
    yield Step("tariff", f"{tariff.prefix or 'every number'}: {price}", tariff.name or "yes")
    cost = tariff.cost(policy.first_s)
    yield Step("first quota", f"{policy.first_s} s", f"{cost} reserved, {policy.withheld_s} s withheld")
