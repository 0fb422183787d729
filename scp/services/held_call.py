"""A call under control as a value: its state, and what its service wants of it."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.domain import meter as metering
from scp.domain.meter import Meter
from scp.domain.quota import TENTHS, QuotaRequest, Usage
from scp.domain.switches import Switches
from scp.services.call_control import Phase
from scp.services.charge_control import Money
from scp.services.charging_policy import GRANTED, ChargingPolicy, Paid

if TYPE_CHECKING:
    from mypy_extensions import u8

    from scp.domain.announcement import Announcement
    from scp.domain.quota import QuotaGrant


class Patience(NamedTuple):
    """How long a controlled call waits.

    Attributes:
        no_answer: seconds that a party may ring, 1 to 2047.
        quiet: seconds without a report after which the switch is asked whether the call is still there.
    """

    no_answer: int
    quiet: float


NEW: Final = Meter()
MS_OF_TENTH: Final = 100


@final
class HeldCall:
    """The state of a call under control: a value, of which changed ones are made.

    Attributes:
        phase: of the call.
        reason: why the first attempt failed, as redirection information says it; -1: it did not.
        money: of its charging.
        meter: what the switch measured, and may.
        session: id of the reservation, "" without.
        paid: who pays; None: nobody.
        reserved: the charging system has the session, as far as is known.
        grace: seconds were given while charging did not answer.
        unreported: an attempt failed whose charging report has not come.
        tested: the switch was asked whether the call is still there, because a report is missing.
        tariff: prefix of the tariff.
        held: what is reserved, in minor units.
        told: whole seconds of the used time that the charging system was told of.
        due_ms: until when a report is waited for that did not come in time, milliseconds since 1970-01-01
            UTC; 0: none is late.
        number: where a rescue goes, E.164 digits; "": to the subscriber's line.
        cleared_ms: when the end of the answered call was reported, likewise; 0: it was not.
        missed: another process had the call, and the switch has not said since that it still has it, or has
            lost the report of a period meanwhile: what it said may be lost, and `meter` goes by that
            process's clock.
        informs: call information reports that the switch owes, 0 to 255.
        connected: what the last of them said of the answered call: tenths of a second; 0: nothing.
        owes: the switch may owe a report though no period is pending: one was given while another, whose
            report was missing, may have run.
        before: the meter before the period whose report is missing counted as used; None: none is missing.
        undated: another process had the call, and no report has set `Meter.answered` right since.
    """

    __slots__ = (
        "before",
        "cleared_ms",
        "connected",
        "due_ms",
        "grace",
        "held",
        "informs",
        "meter",
        "missed",
        "money",
        "number",
        "owes",
        "paid",
        "phase",
        "reason",
        "reserved",
        "session",
        "tariff",
        "tested",
        "told",
        "undated",
        "unreported",
    )

    def __init__(
        self,
        phase: Phase = Phase.PLAIN,
        reason: int = -1,
        money: Money = Money.FREE,
        meter: Meter = NEW,
        session: str = "",
        paid: Paid | None = None,
        reserved: bool = False,
        grace: bool = False,
        unreported: bool = False,
        tested: bool = False,
        tariff: str = "",
        held: int = 0,
        told: int = 0,
        due_ms: int = 0,
        number: str = "",
        cleared_ms: int = 0,
        missed: bool = False,
        informs: int = 0,
        connected: int = 0,
        owes: bool = False,
        before: Meter | None = None,
        undated: bool = False,
    ) -> None:
        # Eight single octets beside each other: there are as many of these as calls are held.
        self.reserved = reserved
        self.grace = grace
        self.unreported = unreported
        self.tested = tested
        self.missed = missed
        self.owes = owes
        self.undated = undated
        self.informs: u8 = informs
        self.phase = phase
        self.reason = reason
        self.money = money
        self.meter = meter
        self.session = session
        self.paid = paid
        self.tariff = tariff
        self.held = held
        self.told = told
        self.due_ms = due_ms
        self.number = number
        self.cleared_ms = cleared_ms
        self.connected = connected
        self.before = before

    def values(self) -> tuple[object, ...]:
        """Return all attributes, in the order of the arguments: what is journalled."""
        return (
            self.phase,
            self.reason,
            self.money,
            self.meter.values(),
            self.session,
            self.paid,
            self.reserved,
            self.grace,
            self.unreported,
            self.tested,
            self.tariff,
            self.held,
            self.told,
            self.due_ms,
            self.number,
            self.cleared_ms,
            self.missed,
            self.informs,
            self.connected,
            self.owes,
            None if self.before is None else self.before.values(),
            self.undated,
        )

    def copy(self) -> HeldCall:
        """Return one like it, to be changed before anybody sees it."""
        return HeldCall(
            self.phase,
            self.reason,
            self.money,
            self.meter,
            self.session,
            self.paid,
            self.reserved,
            self.grace,
            self.unreported,
            self.tested,
            self.tariff,
            self.held,
            self.told,
            self.due_ms,
            self.number,
            self.cleared_ms,
            self.missed,
            self.informs,
            self.connected,
            self.owes,
            self.before,
            self.undated,
        )

    @property
    def usage(self) -> Usage:
        """What was used, and what of it the charging system was told of."""
        return Usage(self.meter.stretches, self.told)

    def request(self, seconds: int, policy: ChargingPolicy, no_answer: int) -> QuotaRequest:
        """Return the request for so many seconds in all; ``no_answer``: how many a party may ring."""
        paid = self.paid
        assert paid is not None
        return QuotaRequest(
            self.session,
            paid.account,
            self.session,
            paid.a_number,
            paid.b_number,
            min(seconds, policy.longest_s),
            self.usage,
            policy.least_s,
            0 if self.phase is Phase.TALKING else no_answer + ceil(policy.deadline_s),
        )

    def granted(self, grant: QuotaGrant, now_ms: int, longest_s: int) -> HeldCall:
        """Return the call once a grant was taken; see `metering.granted`."""
        after = self.copy()
        after.meter = metering.granted(self.meter, grant, now_ms, longest_s)
        after.reserved = True
        after.grace = False
        after.tariff = grant.tariff or self.tariff
        after.held = grant.held
        after.told = self.meter.used // TENTHS
        return after

    def ahead_ms(self, seconds: int) -> int:
        """Return when it is so many seconds to the period's end, as `due_ms`; 0: at no known time."""
        meter = self.meter
        if meter.last or self.due_ms or self.missed:
            return 0
        if not (self.reserved and meter.answered and meter.pending):
            return 0
        return self.ends_ms - seconds * 1000

    @property
    def ends_ms(self) -> int:
        """When the running period ends, milliseconds since 1970-01-01 UTC; 0: it is not known."""
        meter = self.meter
        return meter.answered + meter.allowed * MS_OF_TENTH if meter.answered and meter.pending else 0

    def assumed(self, now_ms: int = 0) -> HeldCall:
        """Count the whole period as used; where the switch was to end the call then, no clock counts on.

        Args:
            now_ms: when it ended, milliseconds since 1970-01-01 UTC; 0: it is not known.
        """
        after, meter = self.copy(), self.meter
        if meter.releasing and meter.answered:
            after.cleared_ms, now_ms = meter.answered + meter.allowed * MS_OF_TENTH, 0
        if meter.pending:
            after.before = meter
        after.meter = metering.reported(metering.assumed(meter), now_ms)
        return after

    def pending(self) -> HeldCall:
        """Return the call whose period counted as used, and is pending all the same."""
        after, before = self.copy(), self.before
        if before is not None:
            after.meter, after.before = metering.pending(before, self.meter), None
        return after

    @property
    def awaited(self) -> Meter:
        """The meter that a report is measured by: from before the missing one until another is given."""
        if self.before is None or self.meter.pending:
            return self.meter
        return metering.pending(self.before, self.meter)

    def timely(self) -> HeldCall:
        """Return the call with no report that is late."""
        if not (self.tested or self.due_ms):
            return self
        after = self.copy()
        after.tested, after.due_ms = False, 0
        return after

    def cleared(self, now_ms: int) -> HeldCall:
        """Note when the call ended, unless a report tells of that, or has told."""
        if self.meter.pending or self.cleared_ms:
            return self
        after = self.copy()
        after.cleared_ms = now_ms
        return after

    def until(self, now_ms: int, gap: int, most: int = 0) -> tuple[HeldCall, str | None]:
        """Count the time since the last report by the node's clock; also return `Charge.charged_by`.

        Args:
            now_ms: milliseconds since 1970-01-01 UTC.
            gap: tenths that the clock may count from the last report on, be it more than is granted; not
                where it may be the clock of another node than saw the answer.
            most: tenths since answer that it may come to; 0: what is granted, or the ``gap`` allows.
        """
        by, end = "clock", self.cleared_ms or now_ms
        if self.connected:
            by, end = "call-information", self.meter.answered + self.connected * MS_OF_TENTH
        elif not most:
            most = max(self.meter.granted, self.meter.used + (0 if self.missed else gap))
        if most:
            end = min(end, self.meter.answered + most * MS_OF_TENTH)
        meter = metering.until(self.meter, end)
        if meter.used == self.meter.used:
            return self, None
        after = self.copy()
        after.meter = meter
        return after, by

    def lost(self, now_ms: int, gap: int, *, granted: bool, unreadable: bool) -> tuple[HeldCall, str | None]:
        """Count what can be known of a call whose last report is missing; also return `Charge.charged_by`.

        Args:
            now_ms: milliseconds since 1970-01-01 UTC.
            gap: as for `until`.
            granted: all that the switch was given is to be charged.
            unreadable: the report is there; its period counts as used, if it is not pending any more.
        """
        meter = self.meter
        if not meter.answered:
            return self, "reported" if self.missed and meter.pending else None
        if unreadable and not meter.pending:
            return self, GRANTED
        if not meter.pending:
            return self.until(now_ms, gap)
        if granted and not (self.cleared_ms or self.connected):
            after = self.copy()
            after.meter = metering.assumed(meter)
            return after, GRANTED
        if self.cleared_ms or self.missed or self.connected:
            return self.until(now_ms, gap, most=max(meter.allowed, meter.used))
        return self, "reported"


class Plan(NamedTuple):
    """What a service wants of its calls under control.

    Attributes:
        patience: how long they wait.
        rescue: connect them to the subscriber's line if the first attempt fails.
        policy: how they are charged; None: not at all.
        switches: what some switches do otherwise.
        denied: what the caller hears of a call that can't be paid or is barred; None: nothing.
        connecting: what the caller hears before the call is connected.
        information: ask the switch for a call information report of each attempt.
    """

    patience: Patience
    rescue: bool = False
    policy: ChargingPolicy | None = None
    switches: Switches = Switches()
    denied: Announcement | None = None
    connecting: Announcement | None = None
    information: bool = False
