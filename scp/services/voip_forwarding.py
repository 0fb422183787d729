"""The service voip-forwarding: calls to its subscribers are connected to the VoIP gateway, others continue.

The gsmSSF's InitialDP is answered with one operation in one TC-END: Connect, Continue, or, if the operator
wants so where the store can't say, ReleaseCall. Nothing is armed, so no control relationship remains. With
``rescue`` a call to the gateway stays under control until it is over, and with ``charging`` every call that
somebody pays for (`scp.services.controlled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from scp.domain import passes
from scp.domain.decision import Action, Decision, Reason, judge, screen
from scp.domain.rules import (
    MAX_REDIRECTIONS,
    DigitsPolicy,
    Mark,
    NaturePolicy,
    OnFailure,
    Redirections,
    Rules,
)
from scp.domain.subscriber import Subscriber
from scp.services.announcing import Heard, deny, put_through
from scp.services.api import Call, ClaimPass, Locate, Lookup, NodeSettings, ServiceRun
from scp.services.call_control import ARMED_SINCE, Phase
from scp.services.charging_policy import ChargingPolicy, Paid, listed, paid_by
from scp.services.controlled import Control
from scp.services.held_call import HeldCall, Patience, Plan
from scp.services.held_stored import read_held
from scp.services.idp import calling_e164, read_call
from scp.services.instructions import connect_argument
from scp.services.settings import read_settings
from scp.services.whereabouts import Ask, OnSilence, asks, gives_up, with_place
from ss7.cap.operations import Opcode
from ss7.cause import Cause, CauseValue, Location

if TYPE_CHECKING:
    from scp.domain.announcement import Announcement
    from scp.domain.call import CallFacts
    from scp.domain.lookup import Found

# Q.850 cause 41: the caller may well try again.
STORE_FAILURE_CAUSE: Final = Cause(CauseValue.TEMPORARY_FAILURE, Location.LOCAL_PUBLIC_NETWORK).encode()
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_OPERATION_CONNECT: Final = Opcode.CONNECT
_OPERATION_CONTINUE: Final = Opcode.CONTINUE
_CONNECT: Final = Action.CONNECT


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[services.voip-forwarding]``.

    Attributes:
        prefix, suffix, digits, nature, max_redirections: as in `scp.domain.rules.Rules`.
        on_failure: what a call gets when the store can't say, if other than ``[store] on_failure``.
        st: end the number to connect to with ST: the gateway need not wait for further digits (Q.763 §3.9).
        rescue: stay in control of a call to the gateway, and connect it to the subscriber's line if the
            gateway does not take it. CAP v1 has no events for that: its calls are steered without.
        no_answer_s: seconds that either may ring; fewer than the network's own no-answer timer, else that
            comes first (29.078 §11.27.1.1).
        ask_hlr: whose place is asked of the HLR where the request does not have it (`[map]` is needed).
        on_silence: what decides where the HLR does not tell in time.
        quiet_s: seconds without a report after which the switch is asked whether the call is still there.
        announce: the announcement that callers hear before their call is connected to the gateway.
        call_information: a call under control is asked how long it was and why it ended
            (CallInformationRequest): its record has both as the switch knows them.
        charging: calls are charged by the switch's own measurement; without it none is.
    """

    prefix: Mark = ""
    suffix: Mark = ""
    digits: DigitsPolicy = DigitsPolicy.AS_DIALLED
    nature: NaturePolicy = NaturePolicy.KEEP
    on_failure: OnFailure | None = None
    st: bool = False
    max_redirections: Redirections = MAX_REDIRECTIONS
    rescue: bool = False
    no_answer_s: Annotated[int, Meta(ge=1, le=2047)] = 15
    ask_hlr: Ask = Ask.OFF
    on_silence: OnSilence = OnSilence.STORED
    quiet_s: Annotated[float, Meta(ge=60, le=86_400)] = 1800.0
    announce: str = ""
    call_information: bool = False
    charging: ChargingPolicy | None = None


_NOT_AUTHORIZED: Final = Reason.NOT_AUTHORIZED
_PASSED: Final = Decision(Action.CONTINUE, Reason.PASSED)
_CONTROLLED: Final = Decision(Action.CONTINUE, Reason.SERVICE_LOGIC)
UNCHARGED: Final = frozenset({Reason.ALREADY_MARKED, Reason.DIVERTED_BACK, Reason.PASSED, Reason.NEVER_STEER})
"""Calls that are not charged: they are charged already, or are to be free (emergency)."""


class VoipForwarding:
    """The service.

    Args:
        rules: what a dry run decides by, too.
        st: see `Settings`.
        plan: how calls are controlled; None: they are not.
        ask: whose place is asked of the HLR.
        on_silence: what decides if it does not say.
    """

    name = "voip-forwarding"
    watches = False
    """Whether calls stay under control that are neither rescued nor paid for."""

    def __init__(
        self,
        rules: Rules,
        *,
        st: bool = False,
        plan: Plan | None = None,
        ask: Ask = Ask.OFF,
        on_silence: OnSilence = OnSilence.STORED,
    ) -> None:
        self.rules = rules
        self.st = st
        self.plan = plan
        self.ask = ask
        self.asking = ask is not Ask.OFF
        self.on_silence = on_silence

    async def run(self, call: Call) -> ServiceRun | None:
        """Serve one call."""
        facts = read_call(call.idp, self.rules.numbering)
        decision = screen(facts, self.rules)
        found: Found = None
        if decision is None:
            found = await Lookup(facts.e164)
            if self.asking:
                decision = await self._with_place(found, facts)
            else:
                decision = judge(found, facts, self.rules)
            # a subscriber's call that would be steered, or one to a number that is no subscriber's: one-time
            if (
                (decision.action is _CONNECT or decision.reason is _NOT_AUTHORIZED)
                and isinstance(found, Subscriber)
                and found.passes
            ):
                decision = await self._unless_passed(call, found, decision)
        call.decided(decision)
        if self.plan is not None and call.context.version >= ARMED_SINCE:
            return await self._control(call, facts, decision, self.plan, found)
        if decision.action is _CONNECT:
            call.invoke(_OPERATION_CONNECT, connect_argument(call.idp, decision, st=self.st))
        elif decision.action is Action.RELEASE:
            call.invoke(Opcode.RELEASE_CALL, STORE_FAILURE_CAUSE)
        else:
            call.invoke(_OPERATION_CONTINUE)
        return None

    async def _unless_passed(self, call: Call, found: Subscriber, decision: Decision) -> Decision:
        """Have a call go on that the VoIP side has let pass; every other stays as it was decided."""
        caller = calling_e164(call.idp, self.rules.numbering)
        if passes.fits(found, caller) and await ClaimPass(found.msisdn, caller):
            return _PASSED
        return decision

    async def _with_place(self, found: Found, facts: CallFacts) -> Decision:
        """Decide by the called subscriber's place, asked where it decides and the call does not have it."""
        if asks(found, facts, self.ask):
            version = found.version if isinstance(found, Subscriber) else 0
            facts = with_place(facts, await Locate(facts.e164, version))
            if facts.not_located is not None and gives_up(facts, self.on_silence):
                return Decision(Action.CONTINUE, facts.not_located)
        return judge(found, facts, self.rules)

    async def _control(
        self, call: Call, facts: CallFacts, decision: Decision, plan: Plan, found: Found = None
    ) -> ServiceRun | None:
        """Say what was decided; return what controls the call, if it is rescued or paid for."""
        if decision.action is Action.RELEASE:
            call.invoke(Opcode.RELEASE_CALL, STORE_FAILURE_CAUSE)
            return None
        connects = decision.action is _CONNECT
        record = found if isinstance(found, Subscriber) else None
        own = None if record is None else record.rescue
        rescues = connects and (plan.rescue if own is None else own)
        policy = plan.policy
        paid: Paid | None = None
        if policy is not None and decision.reason not in UNCHARGED:
            if listed(policy.barred, facts):
                await deny(call, plan, policy, Reason.BARRED_NUMBER)
                return None
            if not listed(policy.free, facts):
                roams = not connects and bool(self.rules.numbering.roaming(facts.vlr))
                paid = paid_by(call.idp, facts, self.rules.numbering, policy, roams)
        connect = connect_argument(call.idp, decision, st=self.st) if connects else None
        if paid is None and not rescues and not self.watches:
            if connect is None:
                call.invoke(_OPERATION_CONTINUE)
            elif await put_through(call, plan) is not Heard.OVER:
                call.invoke(_OPERATION_CONNECT, connect)
            return None
        number = (record.rescue_number or "") if rescues and record is not None else ""
        held = HeldCall(Phase.VOIP if rescues else Phase.PLAIN, paid=paid, number=number)
        return await Control(call, facts, plan, held).begin(connect)


class ControllingForwarding(VoipForwarding):
    """The service with a `plan`: another node can go on with its calls."""

    def resume(self, call: Call, state: bytes) -> ServiceRun:
        """See `scp.services.api.ResumableService`."""
        assert self.plan is not None
        facts = read_call(call.idp, self.rules.numbering)
        decision = call.decision
        connects = decision is not None and decision.action is _CONNECT
        connect = connect_argument(call.idp, decision, st=self.st) if connects and decision else None
        return Control(call, facts, self.plan, read_held(state)).resume(connect)


NO_MARK: Final = "#DE#"
"""The prefix of a service that steers no call: nobody dials it."""


class Controlled(ControllingForwarding):
    """The service ``controlled``: every call stays under control until it is over, steered or not.

    Without a mark no call is steered, and no subscriber looked up.
    """

    name = "controlled"
    watches = True

    async def run(self, call: Call) -> ServiceRun | None:
        """Serve one call."""
        if self.rules.prefix != NO_MARK:
            return await super().run(call)
        facts = read_call(call.idp, self.rules.numbering)
        decision = screen(facts, self.rules)
        if decision is None or decision.reason not in UNCHARGED:
            decision = _CONTROLLED
        call.decided(decision)
        if self.plan is None or call.context.version < ARMED_SINCE or decision.reason in UNCHARGED:
            call.invoke(_OPERATION_CONTINUE)
            return None
        return await self._control(call, facts, decision, self.plan)


def controlled(settings: dict[str, Any], node: NodeSettings) -> Controlled:
    """Build the service ``controlled``, whose settings are those of ``voip-forwarding``."""
    own = read_settings(settings, Settings)
    if not own.prefix and not own.suffix:
        own = replace(own, prefix=NO_MARK)
    return Controlled(
        _rules(own, node), st=own.st, plan=_plan(own, node), ask=own.ask_hlr, on_silence=own.on_silence
    )


def _plan(own: Settings, node: NodeSettings) -> Plan:
    policy = own.charging and own.charging.checked()
    return Plan(
        Patience(own.no_answer_s, own.quiet_s),
        own.rescue,
        policy,
        node.switches,
        denied=_announcement(node, "charging.announce", policy.announce if policy else ""),
        connecting=_announcement(node, "announce", own.announce),
        information=own.call_information,
    )


def _rules(own: Settings, node: NodeSettings) -> Rules:
    return Rules(
        node.numbering,
        prefix=own.prefix,
        suffix=own.suffix,
        digits=own.digits,
        nature=own.nature,
        on_failure=own.on_failure or node.on_failure,
        max_redirections=own.max_redirections,
    )


def voip_forwarding(settings: dict[str, Any], node: NodeSettings) -> VoipForwarding:
    """Build the service from its table; the `scp.services.api.ServiceFactory`."""
    own = read_settings(settings, Settings)
    if own.ask_hlr is not Ask.OFF and not node.asks_hlr:
        raise ValueError("ask_hlr: there is no [map] table, which says how the HLR is reached")
    controls = own.rescue or own.announce or own.charging is not None
    plan = _plan(own, node) if controls else None
    kind = VoipForwarding if plan is None else ControllingForwarding
    return kind(_rules(own, node), st=own.st, plan=plan, ask=own.ask_hlr, on_silence=own.on_silence)


def _announcement(node: NodeSettings, key: str, name: str) -> Announcement | None:
    """Return an announcement by its name, None for ""; raise ``ValueError("KEY: what is wrong")``."""
    if not name:
        return None
    found = node.announcements.get(name)
    if found is None:
        there = ", ".join(sorted(node.announcements)) or "none"
        raise ValueError(f"{key}: {name!r} is not in [announcements]; there: {there}")
    return found
