"""What a call under control would be charged, and why: further steps of its explanation."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from scp.domain.numbers import dialled
from scp.domain.outcome import Action, Step
from scp.domain.quota import UNUSED
from scp.services.charging_policy import ChargingPolicy, Paid, listed, payer
from scp.services.held_call import Plan
from scp.services.voip_forwarding import UNCHARGED

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.numbers import Numbering
    from scp.domain.outcome import Decision
    from scp.domain.reservation import Account
    from scp.domain.tariff import TariffTable
    from scp.services.api import Service


class Prices(NamedTuple):
    """What calls cost now.

    Attributes:
        tariffs: of this node.
        currency: of their amounts.
        elsewhere: another system that charges in their place, and where it is; None: none does.
        at: seconds of the clock that tariffs go by.
    """

    tariffs: TariffTable
    currency: str
    elsewhere: tuple[str, str] | None
    at: int


class Payment(NamedTuple):
    """Who would pay for a call.

    Attributes:
        steps: how that is known.
        paid: the payer; None: the call is not charged, or not connected.
        policy: of its service; None where there is none.
        slack: seconds that it may ring, and charging may take.
    """

    steps: tuple[Step, ...]
    paid: Paid | None = None
    policy: ChargingPolicy | None = None
    slack: int = 0


def typed_party(numbering: Numbering, number: str) -> str:
    """Return a number that somebody typed, as dialled or with ``+``, in E.164; "" for none."""
    return (numbering.normalise(*dialled(number))[0] or number.lstrip("+")) if number else ""


def payment(
    service: Service | None,
    numbering: Numbering,
    facts: CallFacts,
    decision: Decision,
    parties: tuple[str, str],
) -> Payment:
    """Return who would pay for a call.

    Args:
        service: that decides on it.
        numbering: the home numbering plan.
        facts: of the call.
        decision: on it.
        parties: calling number and the number that diverted the call, E.164; "" if not known.
    """
    plan = getattr(service, "plan", None)
    policy = plan.policy if isinstance(plan, Plan) else None
    if policy is None or not isinstance(plan, Plan):
        return Payment(())
    if decision.reason in UNCHARGED:
        return Payment((Step("charged", facts.digits, f"no: {decision.reason}"),))
    if listed(policy.barred, facts):
        return Payment((Step("barred", facts.digits, f"released with cause {policy.denial_cause}"),))
    if listed(policy.free, facts):
        return Payment((Step("charged", facts.digits, "no: free"),))
    roams = decision.action is not Action.CONNECT and bool(numbering.roaming(facts.vlr))
    paid = payer(facts, policy, parties[0], parties[1], roams=roams)
    if paid is None:
        return Payment((Step("charged", f"{facts.trigger} call", "no: nobody pays"),))
    slack = plan.patience.no_answer + ceil(policy.deadline_s)
    return Payment((Step("charged", paid.account, "yes"),), paid, policy, slack)


def cost_steps(of: Payment, prices: Prices, account: Account | str | None) -> tuple[Step, ...]:
    """Return what a call would be paid by, what its first quota would take, and whether that is there.

    Args:
        of: who pays.
        prices: of calls.
        account: the payer's; None: there is none; words: why it is not known.
    """
    paid, policy = of.paid, of.policy
    if paid is None or policy is None:
        return ()
    if prices.elsewhere is not None:
        system, where = prices.elsewhere
        return (Step("tariff", where, f"the {system}'s"),)
    denied = f"released with cause {policy.denial_cause}"
    tariff = prices.tariffs.find(paid.b_number)
    if tariff is None:
        return (Step("tariff", paid.b_number, f"none: {denied}"),)
    price = f"{tariff.price} minor units of {prices.currency} for {tariff.per_seconds} s"
    cost = tariff.most(UNUSED, policy.first_s, prices.at, of.slack)
    steps = (
        Step("tariff", f"{tariff.prefix or 'every number'}: {price}", tariff.name or "yes"),
        Step("first quota", f"{policy.first_s} s", f"{cost} reserved, {policy.withheld_s} s withheld"),
    )
    if isinstance(account, str):
        return (*steps, Step("account", paid.account, f"not known: {account}"))
    if account is None:
        return (*steps, Step("account", paid.account, f"none: {denied}"))
    has = f"balance {account.balance}, {account.held} of it reserved, {account.available} left"
    seconds = tariff.affordable(account.available, UNUSED, policy.first_s, prices.at, of.slack)
    if seconds < policy.least_s:
        outcome = f"pays {seconds} s, at least {policy.least_s} are asked for: {denied}"
    elif seconds < policy.first_s:
        outcome = f"pays {seconds} s: the switch ends the call after them"
    else:
        outcome = "yes"
    return (*steps, Step("account", has, outcome))
