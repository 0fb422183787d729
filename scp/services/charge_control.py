"""Charging of a call under control: a table of what each report means for the money.

It is stepped beside `scp.services.call_control.TABLE`, which says what becomes of the call::

    COUNTING ──period's end──▶ (the next quota) COUNTING
       │  └────cleared, released────▶ CLOSING ──last report──▶ DONE
       └───────last report, lost──────────────────────────────▶ DONE

A call that nobody pays for is `FREE`: nothing of this concerns it. In `DONE` the call is settled, once, and
whatever is reported changes nothing.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from scp.domain.meter import MOST_PERIOD, Measured, Period
from scp.services.api import Report, ReportKind
from ss7.cap.charging import (
    AudibleIndicator,
    BurstList,
    CamelAChBillingChargingCharacteristics,
    ReleaseIfDurationExceeded,
    TimeDurationCharging,
    TimeIfTariffSwitch,
    decode_contained,
    encode_contained,
)
from ss7.cap.errors import ErrorCode
from ss7.cap.interaction import Burst
from ss7.cap.lenient import read_contained
from ss7.cap.operations import Opcode
from ss7.cap.types import LEG2, AChChargingAddress, ApplyChargingArg, LegID, SendingSideID
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping


PERIOD_SLACK_MS: Final = 10_000
"""Milliseconds that a period's report may be late: it is counted from answer, known to the tenth at best."""
CLOCKS_APART_MS: Final = 1_000
"""Milliseconds by which a period has to be over to count as reported to nobody."""
RINGS_S: Final = 240
"""Seconds: no network has a call ring for longer."""
UNREADABLE_REPORT: Final = "unreadable-charging-report"
IMPOSSIBLE_REPORT: Final = "impossible-charging-report"
"""It tells of more time than has passed."""
REPORT_NOT_DUE: Final = "charging-report-not-due"
"""What is reported twice, or though nothing was asked (§11.2.2.2: one ApplyCharging has one report)."""
REPORTS_DISCARDED: Final = (UNREADABLE_REPORT, IMPOSSIBLE_REPORT, REPORT_NOT_DUE)
"""Why charging reports are discarded; see `scp.services.call.Call.discard`."""


class Money(IntEnum):
    """Where the charging of a call stands."""

    FREE = 0  # nobody pays
    COUNTING = 1  # the switch counts, or will from answer on
    CLOSING = 2  # the call is over, the last report is due
    DONE = 3  # settled


class Event(IntEnum):
    """What a report means for the money."""

    USED = 0  # a period is at its end, the call goes on
    ENDED = 1  # the last report: the call is over
    EXPIRED = 2  # the last report: the switch released the call at the end of the last period
    FRUITLESS = 3  # the report of an attempt that nobody answered
    UNREADABLE = 4  # a report that can't be read, and the call may go on
    UNREADABLE_ENDS = 5  # a report that can't be read, and the call is to be released
    REFUSED = 6  # taskRefused to ApplyCharging
    WRONG = 7  # any other error or reject of ApplyCharging
    CLEARED = 8  # the call is over, and a report is due, of its charge or of call information
    CLEARED_REPORTED = 9  # the call is over, or told to be, and no report is due
    SPENT = 10  # nothing is left to give
    SILENT = 11  # the report that is due did not come
    STILL_SILENT = 12  # … and the switch has said meanwhile that the call is there
    LOST = 13  # the dialogue is over, or the switch does not know the call any more
    TOLD = 14  # somebody wants the call released, and a report is due
    SPENT_OWED = 15  # nothing is left to give, and the switch may owe a report


class Action(IntEnum):
    """What is done."""

    NOTHING = 0
    ASK = 1  # a further quota, and ApplyCharging with what is granted
    ASSUME = 2  # the whole period counts as used; then ASK
    RELEASE = 3  # ReleaseCall, in TC-CONTINUE
    TEST = 4  # ActivityTest
    SETTLE = 5  # charge what was reported
    SETTLE_LOST = 6  # charge what can be known, or what was given, by the policy for lost calls
    SETTLE_CLOCK = 7  # charge what was reported, and by the node's clock what was talked since
    RELEASE_SETTLE = 8  # ReleaseCall, in TC-CONTINUE; then SETTLE_CLOCK


class Row(NamedTuple):
    """What an event does."""

    action: Action
    next: Money
    why: str


_ANSWERS: Final = "a period is pending until it is reported; the next ApplyCharging answers that (§11.2.2.2)"
_LAST: Final = "legActive is false: the report closes the account (§11.3.1.1)"
_EXPIRED: Final = "all events are disarmed, no EventReport comes (§11.3.2.1)"
_FRUITLESS: Final = "without an answer the time is 0 (§11.3.1.1); what follows says how the call goes on"
_UNREADABLE: Final = "the period is over, or the call is: all of it counts"
_PENDING: Final = "an earlier period is pending (§11.2.2.2): its report comes"
_WRONG: Final = "nothing is pending, so that no report is due (§11.26.2.1)"
_DUE: Final = "event and report come in either order, in one message or two (§11.3.2.1)"
_NOT_DUE: Final = "one ApplyCharging has one report, and it has come (§11.2.2.2)"
_SPENT: Final = "what was given is reported, and nothing is pending: no report is due (§11.26.2.1)"
_OWED: Final = "of two periods that were given one is reported: the other may be pending (§11.26.2.1)"
_SILENT: Final = "does the switch still know the call (§11.1)"
_ALIVE: Final = "it does, and has lost the period: given anew, since nothing is free (§11.2.2.1)"
_LOST: Final = "nobody reports any more (§11.1.1)"
_TOLD: Final = "reports that are due are still sent (§11.26.2.1), and in TC-END nobody would take them"

TABLE: Final[Mapping[tuple[Money, Event], Row]] = {
    (Money.COUNTING, Event.USED): Row(Action.ASK, Money.COUNTING, _ANSWERS),
    (Money.COUNTING, Event.ENDED): Row(Action.SETTLE, Money.DONE, _LAST),
    (Money.COUNTING, Event.EXPIRED): Row(Action.SETTLE, Money.DONE, _EXPIRED),
    (Money.COUNTING, Event.FRUITLESS): Row(Action.NOTHING, Money.COUNTING, _FRUITLESS),
    (Money.COUNTING, Event.UNREADABLE): Row(Action.ASSUME, Money.COUNTING, _UNREADABLE),
    (Money.COUNTING, Event.UNREADABLE_ENDS): Row(Action.RELEASE, Money.CLOSING, _UNREADABLE),
    (Money.COUNTING, Event.REFUSED): Row(Action.NOTHING, Money.COUNTING, _PENDING),
    (Money.COUNTING, Event.WRONG): Row(Action.RELEASE_SETTLE, Money.DONE, _WRONG),
    (Money.COUNTING, Event.CLEARED): Row(Action.NOTHING, Money.CLOSING, _DUE),
    (Money.COUNTING, Event.CLEARED_REPORTED): Row(Action.SETTLE_CLOCK, Money.DONE, _NOT_DUE),
    (Money.COUNTING, Event.SPENT): Row(Action.RELEASE_SETTLE, Money.DONE, _SPENT),
    (Money.COUNTING, Event.SPENT_OWED): Row(Action.RELEASE, Money.CLOSING, _OWED),
    (Money.COUNTING, Event.SILENT): Row(Action.TEST, Money.COUNTING, _SILENT),
    (Money.COUNTING, Event.STILL_SILENT): Row(Action.ASSUME, Money.COUNTING, _ALIVE),
    (Money.COUNTING, Event.LOST): Row(Action.SETTLE_LOST, Money.DONE, _LOST),
    (Money.COUNTING, Event.TOLD): Row(Action.RELEASE, Money.CLOSING, _TOLD),
    (Money.CLOSING, Event.USED): Row(Action.SETTLE_CLOCK, Money.DONE, _NOT_DUE),
    (Money.CLOSING, Event.ENDED): Row(Action.SETTLE, Money.DONE, _LAST),
    (Money.CLOSING, Event.EXPIRED): Row(Action.SETTLE, Money.DONE, _EXPIRED),
    (Money.CLOSING, Event.FRUITLESS): Row(Action.SETTLE, Money.DONE, _LAST),
    (Money.CLOSING, Event.CLEARED_REPORTED): Row(Action.SETTLE_CLOCK, Money.DONE, _NOT_DUE),
    (Money.CLOSING, Event.UNREADABLE): Row(Action.SETTLE_LOST, Money.DONE, _UNREADABLE),
    (Money.CLOSING, Event.UNREADABLE_ENDS): Row(Action.SETTLE_LOST, Money.DONE, _UNREADABLE),
    (Money.CLOSING, Event.SILENT): Row(Action.SETTLE_LOST, Money.DONE, _LOST),
    (Money.CLOSING, Event.STILL_SILENT): Row(Action.SETTLE_LOST, Money.DONE, _LOST),
    (Money.CLOSING, Event.LOST): Row(Action.SETTLE_LOST, Money.DONE, _LOST),
}
"""What has no row is ignored."""


class ChargeReport(NamedTuple):
    """What an ApplyChargingReport says.

    Attributes:
        measured: the times.
        active: the call goes on.
        expired: the gsmSSF released it at the end of its period.
    """

    measured: Measured
    active: bool
    expired: bool


def read_report(octets: object, version: int) -> ChargeReport | None:
    """Return what ApplyChargingReport's argument says in a CAP version, None if it can't be read.

    Any form of BER is read (X.690 §8.1.3.6: indefinite lengths), and extensions or an address that are
    broken don't cost the time: it is money.
    """
    if not isinstance(octets, bytes):
        return None
    plain = _read_plain(octets)
    if plain is not None:
        return plain
    try:
        result = decode_contained(_RESULT, octets, version).value
    except DecodeError:
        reading = read_contained(_RESULT, octets, version)
        if reading.value is None or not all(_ASIDE.match(each.parameter) for each in reading.faults):
            return None
        result = reading.value.value
    time = result.time_information.value
    times = (
        Measured(time.time_since_tariff_switch, True, time.tariff_switch_interval)
        if isinstance(time, TimeIfTariffSwitch)
        else Measured(time)
    )
    return ChargeReport(times, result.leg_active, bool(result.call_leg_released_at_tcp_expiry))


def _read_plain(octets: bytes) -> ChargeReport | None:
    """Return what a report says that has a time, no tariff switch and nothing rare; None: it is another one.

    That is nearly every report: timeDurationChargingResult with partyToCharge, timeIfNoTariffSwitch and
    perhaps legActive (§5.1, CAMEL-CallResult).
    """
    size = len(octets)
    if size < _LEAST or octets[0] != 0xA0 or octets[1] != size - 2 or octets[2:6] != _PARTY:
        return None
    length = octets[10]
    end = _TIME + length
    if octets[7] != 0xA1 or octets[8] != length + 2 or octets[9] != 0x80 or not 0 < length <= 3 or end > size:
        return None
    first = octets[_TIME]
    if first >= 0x80 or (first == 0 and length > 1 and octets[_TIME + 1] < 0x80):
        return None  # negative, or longer than it has to be
    tenths = int.from_bytes(octets[_TIME:end], "big")
    active = end == size
    if tenths > MOST_PERIOD or not (active or octets[end:] == _INACTIVE):
        return None
    return ChargeReport(Measured(tenths), active, expired=False)


def refusal(report: Report) -> Event | None:
    """Return what an error or reject of ApplyCharging means, None for any other report."""
    if report.opcode != Opcode.APPLY_CHARGING:
        return None
    if report.kind is ReportKind.ERROR and report.code == ErrorCode.TASK_REFUSED:
        return Event.REFUSED
    return Event.WRONG if report.kind in (ReportKind.ERROR, ReportKind.REJECT) else None


@lru_cache(maxsize=1024)
def apply_charging(period: Period, version: int, warning_s: int, *, called_pays: bool) -> ApplyChargingArg:
    """Return ApplyCharging for a period, in the form of the CAP version (2 to 4).

    The warning tone before a release stands in CAP v2 within the release, in v3 it is a flag; there the
    switch knows how long before the end it comes. In v4 it is a list of bursts with that time.

    Args:
        period: what it says.
        version: CAP version of the dialogue.
        warning_s: seconds before the end of the last period at which the caller is warned; 0: not.
        called_pays: the called party's leg is charged, not the calling party's.
    """
    tone = period.release and warning_s > 0
    switch = period.switch_s or None
    if version <= 2:
        value = TimeDurationCharging(
            period.tenths,
            tariff_switch_interval=switch,
            release_v2=ReleaseIfDurationExceeded(tone) if period.release else None,
        )
    elif version == 3:
        value = TimeDurationCharging(period.tenths, period.release, switch, tone)
    elif tone:
        bursts = BurstList(Burst(), min(warning_s, _MOST_WARNING, max(1, period.tenths // 10)))
        value = TimeDurationCharging(
            period.tenths, period.release, switch, audible_indicator=AudibleIndicator("burstList", bursts)
        )
    else:
        value = TimeDurationCharging(period.tenths, period.release, switch)
    octets = encode_contained(
        "CAMEL-AChBillingChargingCharacteristics",
        CamelAChBillingChargingCharacteristics("timeDurationCharging", value),
        version,
    )
    if not called_pays:
        return ApplyChargingArg(octets)
    party = SendingSideID("sendingSideID", LEG2)
    if version < _ADDRESSES_SINCE:
        return ApplyChargingArg(octets, party)
    address = AChChargingAddress("legID", LegID("sendingSideID", LEG2))
    return ApplyChargingArg(octets, party, ach_charging_address=address)


def prepare() -> None:
    """Build what the first charged call would build: the tables of the octet strings, in every version."""
    for version in (2, 3, 4):
        apply_charging(Period(1, release=True), version, 1, called_pays=False)
        read_report(b"\xa0\x00", version)


_RESULT: Final = "CAMEL-CallResult"
_ASIDE: Final = re.compile(r"timeDurationChargingResult\.(extensions|aChChargingAddress)\b")
"""What of it may be broken: nothing that says how long, and whether the call goes on."""
_PARTY: Final = b"\xa0\x03\x81\x01"
"""partyToCharge [0], receivingSideID [1], one octet."""
_TIME: Final = 11
"""Where the time begins: behind timeInformation [1] and timeIfNoTariffSwitch [0]."""
_LEAST: Final = 12
_INACTIVE: Final = b"\x82\x01\x00"
"""legActive [2], FALSE."""
_MOST_WARNING: Final = 1200  # TS 29.078 §5.1: warningPeriod
_ADDRESSES_SINCE: Final = 4
