"""Tariffs: the price of some seconds of a call to a number, in integers, exactly.

Amounts are integers in the minor unit of one currency (cents). A tariff says what `per_seconds` seconds cost,
so that 0.5 cents a minute is ``price = 5, per_seconds = 600``. A call's price is worked out in this order:

1. a call that was not answered (0 seconds) costs nothing;
2. its seconds are raised to the tariff's minimum, then to whole increments: the *billable* seconds;
3. every billable second costs what the band of its time of day says, the bands being laid out along the local
   clock from the moment that the minutes were asked for;
4. the sum, an exact fraction, is rounded **up** to a whole minor unit, once; the set-up fee is added.

A price never falls with the seconds, so a reservation for some minutes covers any shorter call.

A call that a switch has measured (`Usage`) is priced likewise (`Tariff.cost_of`), exactly in tenths of a
second: each tenth costs what the price of its time of day says; what is billed beyond the measured time (the
begun second, the minimum, the increment) costs what the last tenth costs; and the sum is rounded up once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, final

from msgspec import Meta, Struct

from scp.domain.quota import TENTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scp.domain.quota import Usage

MINUTE: Final = 60
DAY: Final = 86_400
MAX_AMOUNT: Final = 10**12
"""The most that an account, a price or a credit may be: exact also where a store counts in doubles."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH_DAY: Final = 3  # 1970-01-01 was a Thursday

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Day: TypeAlias = Annotated[
    str, Meta(pattern=r"^(mon|tue|wed|thu|fri|sat|sun)\Z", description="one of " + ", ".join(DAYS))
]
TimeOfDay: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z", description="a time as HH:MM, 00:00 to 24:00"),
]
Span: TypeAlias = Annotated[int, Meta(ge=1, le=DAY)]


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of some days with a price of their own.

    Attributes:
        price: minor units for the tariff's `Tariff.per_seconds`.
        start: local time of day from which on.
        end: until when, exclusive; at or before `start` it is the next day's.
        days: on which days it starts.
    """

    price: Amount
    start: TimeOfDay = "00:00"
    end: TimeOfDay = "24:00"
    days: frozenset[Day] = frozenset(DAYS)

    def starts_on(self, day: int) -> bool:
        """Return whether it starts on a day, counted from 1970-01-01."""
        return DAYS[(day + _EPOCH_DAY) % 7] in self.days

    @property
    def first(self) -> int:
        """The start in seconds of the day."""
        return _seconds(self.start)

    @property
    def length(self) -> int:
        """How many seconds it lasts, 60 to 86400."""
        return (_seconds(self.end) - _seconds(self.start) - 1) % DAY + 1


class Tariff(Struct, frozen=True, forbid_unknown_fields=True):
    """What calls to numbers with one prefix cost.

    Attributes:
        prefix: the first digits of the called number, E.164; "" is every number.
        price: minor units for `per_seconds`, at times that no band covers.
        per_seconds: what the prices are for.
        name: in records, for people.
        setup: fee of an answered call.
        minimum_seconds: the least that is billed.
        increment_seconds: what billable seconds are whole multiples of.
        bands: other prices at times; the first that covers a second counts.
    """

    prefix: Annotated[str, Meta(pattern=r"^[0-9]{0,15}\Z", description="0 to 15 digits (E.164, without +)")]
    price: Amount
    per_seconds: Span = MINUTE
    name: str = ""
    setup: Amount = 0
    minimum_seconds: Annotated[int, Meta(ge=0, le=DAY)] = 0
    increment_seconds: Span = 1
    bands: tuple[Band, ...] = ()

    def billable(self, seconds: int) -> int:
        """Return the seconds that are billed for a call of ``seconds``."""
        if seconds <= 0:
            return 0
        step = self.increment_seconds
        return -(-max(seconds, self.minimum_seconds) // step) * step

    def cost(self, seconds: int, start: int = 0) -> int:
        """Return what a call costs.

        Args:
            seconds: how long it lasted, or may last.
            start: local time at its start, in seconds since 1970-01-01 00:00 of the same clock.
        """
        billable = self.billable(seconds)
        if not billable:
            return 0
        total = sum(length * price for length, price in self._stretches(start, billable))
        return self.setup - (-total // self.per_seconds)  # rounded up

    def _stretches(self, start: int, seconds: int) -> Iterator[tuple[int, int]]:
        """Yield (seconds, price) from ``start`` on, as long as the price stays the same."""
        if not self.bands:
            yield seconds, self.price
            return
        now, end = start, start + seconds
        while now < end:
            change = min(end, self._next_change(now))
            yield change - now, self._price_at(now)
            now = change

    def cost_of(self, used: Usage) -> int:
        """Return what a measured call costs."""
        return self._sum(used, used.seconds, 0)

    def most(self, used: Usage, seconds: int, at: int, slack: int = 0) -> int:
        """Return the most that a call may cost.

        Args:
            used: its time so far.
            seconds: how long it may last in all.
            at: the tariff's clock now.
            slack: how many seconds later it may go on than now; the dearest price until its end then counts.
        """
        if not self.bands:
            return self._sum(used, max(seconds, used.seconds), 0)
        rest = max(0, seconds - used.tenths // TENTHS)
        return self._sum(used, max(seconds, used.seconds), self._dearest(at, at + rest + slack))

    def _sum(self, used: Usage, seconds: int, price: int) -> int:
        """Return the price of a call of ``seconds``; those beyond ``used`` cost the greater of two prices."""
        billable = self.billable(seconds) * TENTHS
        if not billable:
            return 0
        if not self.bands:
            return self.setup - (-billable * self.price // (self.per_seconds * TENTHS))
        total = 0
        left = billable
        for tenths, begins, ends in _laid_out(used):
            cost, last = self._cost_between(begins, ends)
            total += cost
            left -= tenths
            price = max(price, last) if seconds > used.seconds else last
        total += left * price
        return self.setup - (-total // (self.per_seconds * TENTHS))  # rounded up

    def _cost_between(self, begins: int, ends: int) -> tuple[int, int]:
        """Return what all tenths from one to another cost, and the price of the last."""
        total, now = 0, begins
        price = self._price_at(now // TENTHS)
        while now < ends:
            price = self._price_at(now // TENTHS)
            change = min(ends, self._next_change(now // TENTHS) * TENTHS)
            total += (change - now) * price
            now = change
        return total, price

    def _dearest(self, start: int, end: int) -> int:
        """Return the highest price from ``start`` to ``end``."""
        price, now = self._price_at(start), start
        while self.bands and (now := self._next_change(now)) < end:
            price = max(price, self._price_at(now))
        return price

    def changes(self, at: int) -> tuple[int, int]:
        """Return how many seconds after ``at`` the price changes, and changes again; 0: not within a day."""
        if not self.bands:
            return 0, 0
        found = [0, 0]
        now, price = at, self._price_at(at)
        count = 0
        while count < len(found):
            now = self._next_change(now)
            if now - at > DAY:
                break
            if (new := self._price_at(now)) != price:
                price = new
                found[count] = now - at
                count += 1
        return found[0], found[1]

    def _price_at(self, now: int) -> int:
        if not self.bands:
            return self.price
        return next((band.price for band in self.bands if _covers(band, now)), self.price)

    def _next_change(self, now: int) -> int:
        """Return the next second after ``now`` at which any band starts or ends."""
        day = now // DAY
        edges = (
            at
            for band in self.bands
            for first in ((day + each) * DAY + band.first for each in (-1, 0, 1))
            for at in (first, first + band.length)
        )
        return min(at for at in edges if at > now)

    def affordable(self, amount: int, used: Usage, most: int, at: int, slack: int = 0) -> int:
        """Return the most seconds in all for which `most` is at most ``amount``; see there, and below."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            if self.most(used, middle, at, slack) <= amount:
                low = middle
            else:
                high = middle - 1
        return low

    def affordable_seconds(self, amount: int, most: int, start: int = 0, step: int = 1) -> int:
        """Return the most seconds that cost at most ``amount``.

        Args:
            amount: minor units.
            most: seconds that are wanted.
            start: as for `cost`.
            step: the result is a whole multiple of so many seconds.
        """
        low, high = 0, most // step
        while low < high:
            middle = (low + high + 1) // 2
            if self.cost(middle * step, start) <= amount:
                low = middle
            else:
                high = middle - 1
        return low * step


def _laid_out(used: Usage) -> Iterator[tuple[int, int, int]]:
    """Yield each stretch: its tenths, and from when to when by the tariff's clock, in tenths.

    One that another follows ends where that begins, which is a switch of the tariff; the last begins where it
    says.
    """
    stretches = used.stretches
    for number, (tenths, at) in enumerate(stretches, 1):
        if number < len(stretches):
            end = stretches[number][1] * TENTHS
            yield tenths, end - tenths, end
        else:
            yield tenths, at * TENTHS, at * TENTHS + tenths


def _seconds(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 3600 + int(minutes) * MINUTE


def _covers(band: Band, now: int) -> bool:
    today = now // DAY
    return any(
        band.starts_on(day) and 0 <= now - day * DAY - band.first < band.length for day in (today, today - 1)
    )


@final
class TariffTable:
    """The tariffs, found by the longest prefix of the called number."""

    def __init__(self, tariffs: Iterable[Tariff]) -> None:
        self._tariffs = {tariff.prefix: tariff for tariff in tariffs}
        self._lengths = sorted({len(prefix) for prefix in self._tariffs}, reverse=True)

    def find(self, e164: str) -> Tariff | None:
        """Return the tariff of a number, None if there is none."""
        for length in self._lengths:
            tariff = self._tariffs.get(e164[:length])
            if tariff is not None:
                return tariff
        return None
