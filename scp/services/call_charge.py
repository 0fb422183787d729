"""The charge of a call under control: what reports, quotas and the end make of its state.

Functions of a `HeldCall`, a value: they send nothing and wait for nothing, which
`scp.services.controlled` does by what they return. All times are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.domain import meter as metering
from scp.domain.cdr import Charge
from scp.domain.quota import TENTHS, ChargingFailure, QuotaDenial, QuotaGrant, Settled
from scp.services.call_control import Phase
from scp.services.charge_control import (
    IMPOSSIBLE_REPORT,
    PERIOD_SLACK_MS,
    REPORT_NOT_DUE,
    UNREADABLE_REPORT,
    Event,
    Money,
    read_report,
)
from scp.services.held_call import MS_OF_TENTH

if TYPE_CHECKING:
    from scp.domain.meter import Meter
    from scp.services.charge_control import ChargeReport
    from scp.services.charging_policy import ChargingPolicy
    from scp.services.held_call import HeldCall

RINGS: Final = frozenset({Phase.VOIP, Phase.RESCUE, Phase.PLAIN})
"""The phases of a call that is not answered yet, as far as is known."""
_SLACK: Final = 600
"""Tenths of a second that a gsmSSF may have counted beyond the node's clock, whose answer came late."""

# -- reports ------------------------------------------------------------------------------------------------


def read(
    held: HeldCall, argument: object, version: int, now_ms: int, *, by_period: bool
) -> tuple[ChargeReport | None, Meter, str]:
    """Read an ApplyChargingReport.

    A gsmSSF counts from the answer (§11.3.1.1): what is beyond both the period and the time since then,
    it has not counted. Were it taken, one wrong number would cost the account all it has. By the clock of a
    node that has adopted the call, nobody knows when the answer was, until a report says it.

    Args:
        held: the state before it.
        argument: of the operation.
        version: CAP version of the dialogue.
        now_ms: when it came.
        by_period: the switch counts each period anew, not from the answer.

    Returns:
        What it says, None if it can't be read, or be true; the meter with it; why it is discarded, or "".
    """
    meter = held.awaited
    report = read_report(argument, version)
    if report is None:
        return None, meter, UNREADABLE_REPORT
    measure = report.measured
    dated = meter.answered and not held.undated
    elapsed = (now_ms - meter.answered) // MS_OF_TENTH if dated else 0
    if by_period:
        taken = metering.measured_period(meter, measure)
    else:
        taken = metering.measured(meter, measure, elapsed)
    if dated and taken.used > max(elapsed + _SLACK, meter.allowed, meter.used):
        return None, meter, IMPOSSIBLE_REPORT
    return report, taken, ""


def reported(
    held: HeldCall, report: ChargeReport | None, taken: Meter, now_ms: int, *, releases: bool
) -> tuple[HeldCall, Event | None, str]:
    """Take what `read` has returned.

    Args:
        held: the state before it.
        report: what it says; None: nothing that can be taken.
        taken: the meter with it.
        now_ms: when it came.
        releases: a call whose report can't be read is released.

    Returns:
        The state, what the report means for the money (None: nothing), and why it is discarded, or "".
    """
    if report is None:
        if not held.meter.pending:
            return held, None, ""  # whatever it is, none is due
        event = Event.UNREADABLE_ENDS if releases else Event.UNREADABLE
        if held.money is Money.CLOSING and held.cleared_ms:  # when it ended is known all the same
            return held.timely(), event, ""
        return held.timely().assumed(now_ms), event, ""
    meter, timely, measured = held.awaited, held.timely(), report.measured
    if held.unreported and not (report.active or measured.since or measured.switched):
        after = timely.copy()
        after.unreported = False
        return after, None, ""  # it is of the attempt before
    if not meter.pending or (report.active and taken.used < meter.allowed - TENTHS):
        return timely, None, REPORT_NOT_DUE  # it came before: a period ends when all of it is used
    after = timely.copy()
    after.before = None
    if report.active:
        after.meter, after.missed, after.undated = metering.reported(taken, now_ms), False, False
    else:  # that is how long it was: no clock counts any more
        after.meter = metering.reported(taken)
        after.cleared_ms = taken.answered + taken.used * MS_OF_TENTH if taken.answered else 0
    if taken.used and held.phase in RINGS:  # its answer was not reported, or to nobody
        after.phase = Phase.TALKING
    if report.expired:
        after.phase = Phase.OVER
        return after, Event.EXPIRED, ""
    if report.active:
        return after, Event.USED, ""
    fruitless = not taken.used and after.phase in RINGS
    return after, Event.FRUITLESS if fruitless else Event.ENDED, ""


def due_ms(held: HeldCall) -> int:
    """Return when the report of the running period has to be there; 0: at no known time."""
    ends_ms = held.ends_ms
    return held.due_ms or (ends_ms + PERIOD_SLACK_MS if ends_ms else 0)


def is_over(held: HeldCall, now_ms: int) -> bool:
    """Return whether the running period has to be over; one that was given late ends later."""
    if held.due_ms and not held.tested:
        return held.due_ms - PERIOD_SLACK_MS <= now_ms
    return 0 < held.ends_ms <= now_ms


def asked(held: HeldCall, now_ms: int) -> HeldCall:
    """Return the call once the switch is asked whether it has it; before its report is due, that is all."""
    due = due_ms(held)
    if due > now_ms:
        return held
    after = held.copy()
    after.tested, after.due_ms = True, now_ms + PERIOD_SLACK_MS if due else 0
    return after


# -- quotas -------------------------------------------------------------------------------------------------


def quota(
    held: HeldCall, answer: QuotaGrant | QuotaDenial | ChargingFailure, policy: ChargingPolicy, now_ms: int
) -> tuple[HeldCall, QuotaGrant]:
    """Take the answer to a request for quota.

    Args:
        held: the state before it.
        answer: of the charging system.
        policy: what is granted while charging is down.
        now_ms: when it came.

    Returns:
        The state, and what is granted.
    """
    if isinstance(answer, QuotaGrant):
        return held.granted(answer, now_ms, policy.longest_s), answer
    after, meter = held.copy(), held.meter
    more = 0
    if isinstance(answer, ChargingFailure):
        more = 0 if held.grace else policy.grace_s
        if policy.down == "free":
            more = policy.next_s
    else:
        after.told = meter.used // TENTHS
    if more:
        after.meter, after.grace = metering.paid(meter, meter.used + more * TENTHS), True
        after.reserved = held.reserved and bool(held.held)
    else:
        after.meter = metering.paid(meter, 0, last=True)
    return after, QuotaGrant(held.session, 0)


def attempted(held: HeldCall, *, discarded: bool = False) -> HeldCall:
    """Return the call for another attempt to reach a party; a report is due once (§11.3.2.1).

    ``discarded``: the switch has not taken the period, and no report of it is due.
    """
    after = held.copy()
    after.meter = metering.anew(held.meter)
    after.unreported = held.unreported if discarded else held.meter.pending
    return after


def begins_now(held: HeldCall, now_ms: int) -> HeldCall:
    """Return the call with a period that counts from now on: the switch has lost the one before."""
    meter = held.meter
    if not (meter.pending and meter.answered):
        return held
    after = held.copy()
    after.due_ms = now_ms + (meter.allowed - meter.used) * MS_OF_TENTH + PERIOD_SLACK_MS
    return after


def owed(held: HeldCall, now_ms: int, gap: int) -> HeldCall:
    """Return a call that is over as one whose report is due; without one it is as long as the clock says.

    Args:
        held: the state.
        now_ms: when it ended, unless that was reported.
        gap: as for `HeldCall.until`.
    """
    meter = held.meter
    if meter.pending:
        return held
    after = held.cleared(now_ms).copy()
    after.meter = meter.copy()
    after.meter.pending = True
    after.meter.allowed = held.until(now_ms, gap)[0].meter.used
    return after


# -- the end ------------------------------------------------------------------------------------------------


def closing(held: HeldCall) -> HeldCall:
    """Return what is kept while the call is settled: a successor settles the same."""
    meter = held.meter
    kept = held.copy()
    kept.money, kept.meter, kept.connected = Money.CLOSING, metering.reported(meter), 0
    kept.before = None
    kept.cleared_ms = meter.answered + meter.used * MS_OF_TENTH
    return kept


def charged(held: HeldCall, answer: Settled | ChargingFailure, by: str | None) -> Charge:
    """Return what is recorded of the charge; ``by``: see `Charge.charged_by`."""
    price = answer.charged if isinstance(answer, Settled) else None
    tenths = held.meter.used
    return Charge(held.session, tenths * MS_OF_TENTH, price, held.held, held.tariff or None, by)
