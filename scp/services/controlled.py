"""Control of a call from its first instruction to its end: rescue and charging, stepped through two tables.

`scp.services.call_control.TABLE` says what becomes of the call, `scp.services.charge_control.TABLE` what
becomes of the money; both are stepped with each report, and what they say is said in one message. The state
of a call is a `HeldCall`, a value: with the InitialDP it is all that another node needs to go on. What it
is charged is computed by `scp.services.call_charge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain import meter as metering
from scp.domain.call import Trigger
from scp.domain.cdr import Cleared, Talking
from scp.domain.meter import Period
from scp.domain.outcome import Action as Decided
from scp.domain.outcome import Decision
from scp.domain.quota import TENTHS, UNUSED, ChargingFailure, QuotaDenial, QuotaGrant
from scp.domain.reason import Reason
from scp.domain.reservation import reservation_id
from scp.domain.switches import STANDARD
from scp.services import call_charge
from scp.services import charge_control as charge
from scp.services.announcing import Heard, deny, put_through
from scp.services.api import Extend, NextReport, Release, Report, ReportKind, Reserve, ServiceRun, Settle
from scp.services.call_control import INFORMATION, TABLE, Action, Event, Phase, abandoned, armed, event_of
from scp.services.call_progress import cause_value, information_in
from scp.services.charge_control import Money, apply_charging, refusal
from scp.services.charging_policy import GRANTED, denial
from scp.services.rescue import line, reason_of
from ss7.cap.operations import Opcode
from ss7.cap.types import CallInformationReportArg, ConnectArg, ResetTimerArg
from ss7.isup import RedirectingReason

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.quota import QuotaRequest
    from scp.services.api import Call
    from scp.services.charging_policy import ChargingPolicy, Paid
    from scp.services.held_call import HeldCall, Plan

UNANSWERED: Final = 0.25
"""Seconds after which a suspended switch is told that charging takes longer (ResetTimer)."""
MS_OF_TENTH: Final = 100
RELEASED_S: Final = 5.0
"""Within so many seconds a message is taken from the network, and a release gets there."""
REPORT_SECONDS: Final = 5.0
"""How long a call information report is waited for once the call is over."""


@final
class Control:
    """One call under control.

    Args:
        call: the dialogue; its decision is told.
        facts: of the call.
        plan: of the service.
        held: the state to begin, or to go on with.
    """

    __slots__ = ("_facts", "ahead", "call", "held", "plan", "profile", "target")

    def __init__(self, call: Call, facts: CallFacts, plan: Plan, held: HeldCall) -> None:
        self.call = call
        self._facts: CallFacts | None = facts  # until it is answered: a call is talked in for minutes
        self.plan = plan
        self.held = held
        self.target: ConnectArg | None = None  # of the present attempt, until it is answered
        self.ahead: tuple[QuotaGrant, float] | None = None  # granted before the report was due, and when
        self.profile = plan.switches.of(call.origin) if plan.switches else STANDARD

    @property
    def facts(self) -> CallFacts:
        """The facts of a call that is not answered yet."""
        assert self._facts is not None
        return self._facts

    # -- the first instruction ------------------------------------------------------------------------------

    async def begin(self, connect: ConnectArg | None) -> ServiceRun | None:
        """Connect the call (None: let it go on as it was dialled); return what controls it to its end."""
        self.target = connect
        grant: QuotaGrant | None = None
        if self.held.paid is not None:
            grant = await self._first_quota(self.held.paid)
            if grant is None:
                return None
        if connect is not None and await put_through(self.call, self.plan) is Heard.OVER:
            if grant is not None:
                await self._settle()
            return None
        self._arm()
        if grant is not None:
            self._apply(grant)
        self._go()
        return self._run()

    async def resume(self, connect: ConnectArg | None) -> ServiceRun:
        """Go on with a call that another node began; ``connect`` as for `begin`."""
        held = self.held
        self.target = connect
        if held.reason >= 0:
            self.target = line(self.call.idp, self.facts, RedirectingReason(held.reason), held.number)
        after = self._change()
        after.missed = after.undated = True
        counts = held.phase is Phase.TALKING and held.money is Money.COUNTING
        if counts and held.meter.answered > self._ms() - held.meter.used * MS_OF_TENTH:
            after.meter = metering.answered(held.meter, self._ms())  # that node's clock was ahead of ours
            after.due_ms = 0
        if held.phase is Phase.OVER and held.money is Money.CLOSING:  # ReleaseCall may not have left
            self.call.invoke(Opcode.RELEASE_CALL, denial(self._policy.denial_cause))
        if held.money is Money.COUNTING and held.phase is Phase.TALKING and not held.meter.pending:
            await self._next_quota()  # the answer was awaited when the other node died
            self.ahead = QuotaGrant(held.session, 0), self.call.now  # given here: its report is not lost
        return self._run()

    async def _first_quota(self, paid: Paid) -> QuotaGrant | None:
        """Reserve the first quota; None: the call is denied, and over."""
        policy = self._policy
        session = reservation_id(paid.account, self.call.id)
        after = self._change()
        after.session, after.money, after.reserved = session, Money.COUNTING, True
        request = self._request(policy.first_s)
        now = self.call.now
        answer = await Reserve(request, now + min(UNANSWERED, policy.deadline_s))
        if isinstance(answer, ChargingFailure) and answer.kind == "timeout":
            self.call.invoke(Opcode.RESET_TIMER, ResetTimerArg(policy.reset_timer_s))
            answer = await Reserve(request, now + policy.deadline_s)
        if isinstance(answer, QuotaDenial):
            self._change().reserved = False
            await self._deny(Reason.CHARGING_DENIED)
            return None
        if isinstance(answer, ChargingFailure) and policy.down == "release":
            await Settle(session, UNUSED, self.call.now)
            await self._deny(Reason.CHARGING_DOWN)
            return None
        return self._taken(answer)

    async def _deny(self, reason: Reason) -> None:
        after = self._change()
        after.phase, after.money = Phase.OVER, Money.DONE
        await deny(self.call, self.plan, self._policy, reason)

    def _arm(self) -> None:
        asks = self.held.phase in (Phase.VOIP, Phase.RESCUE)
        terminating = self.facts.trigger is Trigger.TERMINATING
        events = armed(terminating=terminating, no_answer=self.plan.patience.no_answer, asks=asks)
        self.call.invoke(Opcode.REQUEST_REPORT_BCSM_EVENT, events)
        if self.plan.information:
            self.call.invoke(Opcode.CALL_INFORMATION_REQUEST, INFORMATION)
            self._change().informs = self.held.informs + 1

    def _go(self) -> None:
        if self.target is None:
            self.call.invoke(Opcode.CONTINUE)
        else:
            self.call.invoke(Opcode.CONNECT, self.target)

    # -- until its end --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Take report after report until the call is over and settled."""
        kept: HeldCall | None = None
        while not self._over:
            if self.held is not kept:
                kept = self.held
                self.call.keep(kept)
            await self._take(await NextReport(until=self._until()))  # and keep nothing of it

    async def _take(self, report: Report) -> None:
        """Step both tables with a report."""
        event = event_of(report)
        if report.kind is _RESULT and report.opcode == Opcode.ACTIVITY_TEST:
            await self._there()
        if self.held.informs and await self._informed(report, event):
            return
        if event is Event.QUIET and 0 < self._ahead_ms() <= self._ms():
            await self._ask_ahead()
            return
        if self.held.money in (Money.COUNTING, Money.CLOSING):
            meant = self._meant(report, event)
            if meant is not None:
                await self._step(meant)
        if self.held.phase is not Phase.OVER or report.kind is _TOLD:
            await self._control(report, event)

    async def _there(self) -> None:
        """The switch has said that it has the call (§11.1); what it said before may be lost."""
        held, missed = self.held, self.held.missed
        self._change().missed = False
        if held.money is not Money.COUNTING or not held.meter.pending:
            return
        if held.phase in call_charge.RINGS:
            # If it is answered, and its period over, the switch takes another; else it refuses.
            self._send(Period(held.meter.allowed, held.meter.releasing))
            after = self._change()
            after.tested = after.owes = True
        elif missed and self.ahead is None and call_charge.is_over(held, self._ms() - charge.CLOCKS_APART_MS):
            self._change().missed = True  # until a report sets the clock: that node's may be another
            await self._step(charge.Event.STILL_SILENT)  # its report went to the node that died

    async def _informed(self, report: Report, event: Event | None) -> bool:
        """Take a call information report, or note that it will not come; return whether it was one."""
        held = self.held
        if isinstance(report.argument, CallInformationReportArg):
            tenths = information_in(report.argument)[1] or 0
            after = self._change()
            after.informs = held.informs - 1
            after.connected = tenths if held.meter.answered else 0
            if held.money is Money.CLOSING and not (held.meter.pending or self.held.informs):
                await self._step(charge.Event.CLEARED_REPORTED)
            return True
        if event is Event.LOST or (event is Event.QUIET and held.phase is Phase.OVER):
            self._change().informs = 0
        elif (
            event is Event.INFORMATION_REFUSED or event is Event.ARMING_REFUSED
        ):  # it stood behind the latter
            self._change().informs = held.informs - 1
        return False

    @property
    def _over(self) -> bool:
        held = self.held
        return held.phase is Phase.OVER and held.money in (Money.FREE, Money.DONE) and not held.informs

    def _until(self) -> float:
        """Return until when the next report is waited for."""
        call, held = self.call, self.held
        quiet = call.now + self.plan.patience.quiet
        if held.money is Money.COUNTING and held.phase in call_charge.RINGS:  # or is it talked in?
            quiet = min(quiet, call.now + charge.RINGS_S + held.meter.allowed / TENTHS)
        if held.money is Money.CLOSING or (held.money is Money.DONE and held.phase is not Phase.OVER):
            return call.now + self._policy.report_s
        if held.phase is Phase.OVER:  # a call information report is due
            return call.now + REPORT_SECONDS
        next_ms = self._ahead_ms() or (call_charge.due_ms(held) if held.money is Money.COUNTING else 0)
        return min(quiet, call.now + max(0, next_ms - self._ms()) / 1000) if next_ms else quiet

    async def _control(self, report: Report, event: Event | None) -> None:
        """Step the table of the call."""
        if report.kind is _TOLD:
            self._told(report)
            if not self.held.meter.pending:
                await self._cleared(reports=self.held.owes or bool(self.held.informs))
            return
        if event is Event.QUIET and self.held.money is not Money.FREE:
            if self.held.money is Money.DONE:
                self._change().phase = Phase.OVER
            return  # the table of the money has tested
        before = self.held.phase
        row = None if event is None else TABLE.get((before, event))
        if row is None or (event is Event.INFORMATION_REFUSED and not self.plan.information):
            return
        if event is Event.RESOURCE_KEPT and self.plan.connecting is None:
            return
        after = row.next
        if after is Phase.OVER and event in _REFUSALS and self.held.money is Money.COUNTING:
            after = Phase.PLAIN  # a call that is paid for stays under control
        self._change().phase = after
        if row.action is Action.RESCUE:
            reason = reason_of(report)
            self._change().reason = int(reason)
            self.target = line(self.call.idp, self.facts, reason, self.held.number)
            self._arm()
            self._recharge()
            self._go()
        elif row.action is Action.AGAIN:
            self._arm()
            self._recharge(discarded=True)
            self._go()
        elif row.action is Action.CONNECT:
            self._recharge(discarded=True)
            self._go()
        elif row.action in _CONTINUES:
            self.call.invoke(Opcode.CONTINUE)
        elif row.action is Action.TEST:
            self.call.invoke(Opcode.ACTIVITY_TEST)
        if after is Phase.TALKING and before is not after:
            self.target = self._facts = None
            if self.held.money is Money.COUNTING:
                self._change().meter = metering.answered(self.held.meter, self._ms(report))
                if not self.held.meter.pending:
                    await self._next_quota()  # the switch has reported the period of no answer, and goes on
        elif after is Phase.OVER:
            if event is Event.CLEARED and self.held.money is not Money.FREE:
                self._change().cleared_ms = self.held.cleared_ms or self._ms(report)
            elif row.action in _LAST:
                self._change().informs = 0
            await self._cleared(reports=self.profile.abandon_report or not abandoned(report))

    def _ms(self, report: Report | None = None) -> int:
        """Return when a report came, None: what time it is; in milliseconds since 1970-01-01 UTC."""
        call = self.call
        came = report.at if report is not None and report.at else call.now
        return int((call.epoch + came) * 1000)

    def _told(self, report: Report) -> None:
        """Release the call because somebody wants it."""
        if self.held.phase is Phase.OVER:
            return
        cause = report.argument.cause if isinstance(report.argument, Release) else b""
        self.call.invoke(Opcode.RELEASE_CALL, cause)
        self.call.note(Cleared(cause_value(cause)))
        self.call.decided(Decision(Decided.RELEASE, Reason.RELEASED_BY_OPERATOR))
        self._change().phase = Phase.OVER

    # -- money ----------------------------------------------------------------------------------------------

    @property
    def _policy(self) -> ChargingPolicy:
        policy = self.plan.policy
        assert policy is not None
        return policy

    async def _cleared(self, *, reports: bool) -> None:
        """Step it because the call is over; ``reports``: the switch tells what is due."""
        if self.held.money in (Money.COUNTING, Money.CLOSING):
            if self.held.owes and reports:
                self.held = call_charge.owed(self.held, self._ms(), self._gap)
            pending = (self.held.awaited.pending or self.held.informs) and reports
            await self._step(charge.Event.CLEARED if pending else charge.Event.CLEARED_REPORTED)

    def _meant(self, report: Report, event: Event | None) -> charge.Event | None:
        """Return what a report means for the money; take what it has measured."""
        if report.kind is _INVOKE and report.opcode == _CHARGED:
            return self._reported(report)
        if report.kind is _TOLD:
            return charge.Event.TOLD if self.held.meter.pending else None  # `_control` settles
        if event is Event.LOST:
            self.held = self.held.cleared(self._ms(report))
            return charge.Event.LOST
        if event is Event.QUIET:
            again = self.held.phase is Phase.TALKING and self.held.tested
            return charge.Event.STILL_SILENT if again else charge.Event.SILENT
        return refusal(report)

    def _reported(self, came: Report) -> charge.Event | None:
        """Take an ApplyChargingReport."""
        call, held, now_ms = self.call, self.held, self._ms(came)
        by_period = self.profile.by_period
        report, taken, discarded = call_charge.read(
            held, came.argument, call.context.version, now_ms, by_period=by_period
        )
        if discarded:
            call.discard(discarded)
        releases = self._policy.unreadable_report == "release"
        self.held, event, discarded = call_charge.reported(held, report, taken, now_ms, releases=releases)
        if discarded:
            call.discard(discarded)
        if self.held.phase is not held.phase:  # it is answered, or over
            self.target = self._facts = None
        if event is not None and taken.used and not held.meter.answered:  # its answer was not reported
            call.note(Talking((held.cleared_ms or now_ms) - taken.used * MS_OF_TENTH))
        if event is charge.Event.EXPIRED:
            call.note(Cleared())
            call.decided(_ENDED)
        return event

    async def _step(self, event: charge.Event) -> None:
        """Do what the table of the money says."""
        row = charge.TABLE.get((self.held.money, event))
        if row is None:
            return
        self._change().money = row.next
        action = row.action
        if action is charge.Action.ASK:
            await self._next_quota()
        elif action is charge.Action.ASSUME:
            self.held = self.held.assumed().timely()
            await self._next_quota()
            self.held = call_charge.begins_now(self.held, self._ms())
        elif action is charge.Action.RELEASE:
            self._release(event)
        elif action is charge.Action.TEST:
            self.call.invoke(Opcode.ACTIVITY_TEST)
            self.held = call_charge.asked(self.held, self._ms())
        elif action is charge.Action.SETTLE:
            await self._settle()
        elif action is charge.Action.SETTLE_CLOCK:
            await self._settle(self._by_the_clock())
        elif action is charge.Action.RELEASE_SETTLE:
            self._release(event)
            await self._settle(self._by_the_clock())
        elif action is charge.Action.SETTLE_LOST:
            await self._settle(self._lost(event))
        elif event is charge.Event.REFUSED and self.held.before is not None:
            self.held = self.held.pending()  # (§11.2.2.2)
        elif event is charge.Event.REFUSED and self.held.phase is not Phase.TALKING:
            if not self.held.tested:
                self._go()  # the switch has discarded what was behind it in the message (§14.1.1.2)
            after = self._change()
            after.tested = after.owes = False

    def _by_the_clock(self) -> str | None:
        """Count the time since the last report by the node's clock; return `Charge.charged_by`."""
        self.held, by = self.held.until(self._ms(), self._gap)
        return by

    @property
    def _gap(self) -> int:
        """How many tenths a call may go on for after its report, by the node's clock.

        So long charging may take, and the release. Where a report is missing, it is not known to go on.
        """
        return 0 if self.held.before is not None else int((self._policy.deadline_s + RELEASED_S) * TENTHS)

    def _lost(self, event: charge.Event) -> str | None:
        """Count what can be known of a call whose last report is missing; return `Charge.charged_by`."""
        granted = self._policy.lost_call == GRANTED
        self.held, by = self.held.lost(
            self._ms(), self._gap, granted=granted, unreadable=event in _UNREADABLE
        )
        return by

    def _release(self, event: charge.Event) -> None:
        if event is charge.Event.TOLD:
            return  # who told it says the cause
        self.call.invoke(Opcode.RELEASE_CALL, denial(self._policy.denial_cause))
        self.call.note(Cleared(self._policy.denial_cause))
        if event in _SPENT:
            self.call.decided(_ENDED)
        self._change().phase = Phase.OVER
        if event is charge.Event.SPENT_OWED:
            self.held = call_charge.owed(self.held, self._ms(), self._gap)
        self.held = self.held.cleared(self._ms())

    async def _next_quota(self) -> None:
        """Ask for more unless there is none, and give the switch its next period.

        Meanwhile no period is running: a call that ends there is charged by the clock.
        """
        if self.call.has_reports and await self._caught_up():
            return
        self.call.keep(self.held)
        held, policy = self.held, self._policy
        grant = self._taken_ahead()
        if grant is not None and self._apply(grant):
            return
        if held.meter.last:
            if not self._apply(QuotaGrant(held.session, 0, last=True)):
                await self._spent()
            return
        request = self._request(metering.wanted(held.meter, policy.withheld_s * TENTHS, policy.next_s))
        until = self.call.now + policy.deadline_s
        if held.reserved:
            answer = await Extend(held.session, request, until)
        else:
            answer = await Reserve(request, until)
        grant = self._taken(answer)
        if self.call.has_reports and await self._caught_up():
            return
        if not self._apply(grant):
            await self._spent()

    async def _spent(self) -> None:
        await self._step(charge.Event.SPENT_OWED if self.held.owes else charge.Event.SPENT)

    def _ahead_ms(self) -> int:
        """Return when the next quota is asked for though the period is running, as `_ms`; 0: it is not."""
        held = self.held
        if held.money is not Money.COUNTING or not self._policy.prefetch_s or self.ahead is not None:
            return 0
        return held.ahead_ms(self._policy.prefetch_s)

    async def _ask_ahead(self) -> None:
        """Ask for the next quota; it is given once the period is reported (§11.2.2.2)."""
        held, policy = self.held, self._policy
        request = self._request(metering.ahead(held.meter, policy.withheld_s * TENTHS, policy.next_s))
        self.ahead = QuotaGrant(held.session, 0), self.call.now  # asked for once a period
        answer = await Extend(held.session, request, self.call.now + policy.deadline_s)
        if not isinstance(answer, ChargingFailure):
            self.ahead = self._taken(answer), self.call.now

    def _taken_ahead(self) -> QuotaGrant | None:
        """Return what was granted ahead, as it is now; None: nothing, or the tariff has switched since."""
        ahead, self.ahead = self.ahead, None
        if ahead is None:
            return None
        grant, at = ahead
        return metering.later(grant, int(self.call.now - at))

    async def _caught_up(self) -> bool:
        """Take the reports that came meanwhile; return whether the call needs no further period."""
        while self.call.has_reports:
            await self._take(await NextReport(0.0))
            if self.held.money is not Money.COUNTING or self.held.phase is Phase.OVER:
                return True
        return self.held.meter.pending

    def _request(self, seconds: int) -> QuotaRequest:
        return self.held.request(seconds, self._policy, self.plan.patience.no_answer)

    def _taken(self, answer: QuotaGrant | QuotaDenial | ChargingFailure) -> QuotaGrant:
        """Take an answer; return what is granted by it, or by the policy for charging that is down."""
        self.held, grant = call_charge.quota(self.held, answer, self._policy, self._ms())
        return grant

    def _apply(self, grant: QuotaGrant) -> bool:
        """Put ApplyCharging with the next period into the message; False: there is none to give."""
        held, policy = self.held, self._policy
        withheld = 0 if held.grace else policy.withheld_s * TENTHS
        period = metering.next_period(held.meter, grant, withheld)
        if period is None:
            return False
        self._send(period)
        self._change().meter = metering.applied(held.meter, period, grant.at)
        return True

    def _send(self, period: Period) -> None:
        paid, policy = self.held.paid, self._policy
        argument = apply_charging(
            period,
            self.call.context.version,
            policy.warning_s,
            called_pays=paid is not None and paid.called_pays,
        )
        self.call.invoke(Opcode.APPLY_CHARGING, argument)

    def _recharge(self, *, discarded: bool = False) -> None:
        """Put ApplyCharging for another attempt into the message; a report is due once (§11.3.2.1).

        ``discarded``: it is the same attempt, whose ApplyCharging the switch has not taken (§14.1.1.2).
        """
        held = self.held
        if held.money is Money.COUNTING:
            self.held = call_charge.attempted(held, discarded=discarded)
            self._apply(QuotaGrant(held.session, 0))

    async def _settle(self, by: str | None = None) -> None:
        """Charge what was used, once; ``by``: see `Charge.charged_by`."""
        held = self.held
        self.call.keep(call_charge.closing(held))
        used = held.usage
        until = self.call.now + SETTLE_SECONDS
        if used.tenths and not held.reserved:  # charging was away, and may be back
            await Reserve(self._request(used.seconds), until)
        self.call.note(call_charge.charged(held, await Settle(held.session, used, until), by))

    def _change(self) -> HeldCall:
        """Return the state that counts from now on, like the one before: what changes is set at once."""
        self.held = self.held.copy()
        return self.held


SETTLE_SECONDS: Final = 30.0
"""How long a call's record waits for its charge; the record of the charge itself may come later."""

# In Python 3.11 a member looked up through its class costs ten times what a global does.
_INVOKE: Final = ReportKind.INVOKE
_RESULT: Final = ReportKind.RESULT
_TOLD: Final = ReportKind.TOLD
_CHARGED: Final = Opcode.APPLY_CHARGING_REPORT
_UNASKED: Final = frozenset({Event.INFORMATION_REFUSED, Event.ARMING_REFUSED, Event.RESOURCE_KEPT})
"""The refusals of CallInformationRequest, and of what stands ahead of it."""
_REFUSALS: Final = frozenset({Event.ARMING_REFUSED, Event.CONNECT_REFUSED})
_ENDED: Final = Decision(Decided.RELEASE, Reason.CHARGING_ENDED)
_CONTINUES: Final = frozenset({Action.GO_ON, Action.CONTINUE})
_LAST: Final = frozenset({Action.GO_ON, Action.CONNECT})
"""What ends the dialogue with it: nothing is reported any more."""
_SPENT: Final = frozenset({charge.Event.SPENT, charge.Event.SPENT_OWED})
_UNREADABLE: Final = frozenset({charge.Event.UNREADABLE, charge.Event.UNREADABLE_ENDS})
