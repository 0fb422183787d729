"""What a charged call asks of a charging system, and gets: quotas of seconds, settled once.

A quota is asked for in all: so many seconds since the called party's answer. What was used is told in the
units of the switch's reports, 100 ms (TS 29.078 §5.1), laid out along the tariff's clock (`Usage`).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct

TENTHS: Final = 10
"""CAP counts charged time in 100 ms."""
MOST_SWITCH: Final = 86_400
"""Seconds: a gsmSSF is told of a switch of the tariff at most a day ahead (TS 29.078 §5.1)."""


class Usage(Struct, frozen=True, gc=False, array_like=True):
    """The used time of a call.

    Attributes:
        stretches: (tenths of a second, time), in order: the time is the second of the tariff's clock at which
            it begins, the first one's a time at or before that. A new one begins at each switch of the tariff
            that the gsmSSF has told of.
        told: whole seconds of it that the charging system was told of before.
    """

    stretches: tuple[tuple[int, int], ...] = ()
    told: int = 0

    @property
    def tenths(self) -> int:
        """All of it, in 100 ms."""
        total = 0
        for tenths, _ in self.stretches:
            total += tenths
        return total

    @property
    def seconds(self) -> int:
        """All of it, a begun second counted as a whole one."""
        total = 0
        for tenths, _ in self.stretches:
            total += tenths
        return -(-total // TENTHS)


UNUSED: Final = Usage()


def whole_seconds(tenths: int) -> int:
    """Return tenths of a second as seconds, rounded up."""
    return -(-tenths // TENTHS)


def divided(usage: Usage, told: int, used: int) -> tuple[int, ...]:
    """Return the seconds from ``told`` to ``used``: one number, or two if the tariff switched meanwhile.

    A second that begins before a switch counts after it; the begun one at the end is in ``used`` or is not.
    """
    passed = 0
    for tenths, _ in usage.stretches[:-1]:
        passed += tenths
        cut = passed // TENTHS
        if told <= cut:
            return cut - told, used - cut
    return (used - told,)


class QuotaRequest(Struct, frozen=True, gc=False):
    """Seconds that are asked for.

    Attributes:
        session: the reservation's id: a repeated request has the same.
        account: MSISDN of the subscriber that pays.
        call_id: identifies the call in records.
        a_number: calling party, E.164.
        b_number: called party, E.164: what the tariff goes by.
        seconds: in all since answer.
        used: so far.
        least: fewer further seconds than these are no grant.
        slack: how many seconds later than now the call may be answered: the price of a quota is reserved for
            the dearest of these starts.
        message: it is not a call's seconds that are asked for, but ``seconds`` short messages.
    """

    session: str
    account: str
    call_id: str
    a_number: str
    b_number: str
    seconds: int
    used: Usage = UNUSED
    least: int = 1
    slack: int = 0
    message: bool = False


class QuotaGrant(Struct, frozen=True, gc=False):
    """Seconds are granted.

    Attributes:
        session: as asked.
        seconds: in all since answer.
        last: there is no money for more.
        at: the tariff's clock now, in seconds since 1970-01-01 00:00 of it.
        switch_s: seconds until the price changes, at most a day; 0: it does not.
        then_s: seconds until it changes once more; 0: it does not.
        held: what is reserved in all, in minor units; 0 where another system knows it.
        tariff: prefix of the tariff; "" where another system prices the call.
    """

    session: str
    seconds: int
    last: bool = False
    at: int = 0
    switch_s: int = 0
    then_s: int = 0
    held: int = 0
    tariff: str = ""


class QuotaDenial(Struct, frozen=True, gc=False):
    """No seconds are granted; ``reason`` is a `scp.ports.Denied`."""

    reason: str


class ChargingFailure(Struct, frozen=True, gc=False):
    """It is not known what came of it.

    Attributes:
        kind: "timeout", "unavailable", or "none": this node charges nothing.
    """

    kind: str = "timeout"


class Settled(Struct, frozen=True, gc=False):
    """A session was settled.

    Attributes:
        session: as asked.
        charged: minor units; None where another system charges.
        seconds: that were used.
    """

    session: str
    charged: int | None = 0
    seconds: int = 0


QuotaAnswer: TypeAlias = QuotaGrant | QuotaDenial | ChargingFailure | Settled
