"""What a call costs, to the unit: several tariffs in one call, reports late and twice, nodes that die, other clocks.

The model is the switch's own count: so many tenths until each change of the price, times that price, rounded up once.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import event, example, given, note
from hypothesis import strategies as st
from test_charged_model import WALL, Money, Scene, play
from test_voip_forwarding import NODE

from oracles.examples import examples
from scp.domain.quota import QuotaGrant
from scp.domain.tariff import Band, Tariff
from scp.services.voip_forwarding import controlled

FIRST = -WALL % 60
"""Seconds from the call's beginning to the next whole minute: tariffs change at those."""


class Prices:
    """So many units a minute, and other ones from some minutes on: (minutes from `FIRST`, price)."""

    def __init__(self, price: int, changes: list[tuple[int, int]]) -> None:
        self.price = price
        self.changes = [(WALL + FIRST + 60 * minute, price) for minute, price in changes]

    def at(self, second: float) -> int:
        """The price at a second since 1970."""
        return [self.price, *(price for at, price in self.changes if at <= second)][-1]

    def next(self, second: int) -> list[int]:
        """In how many seconds it is another one, and again; 0: it stays."""
        found, price = [], self.at(second)
        for at, new in self.changes:
            if at > second and new != price:
                found.append(at - second)
                price = new
        return [*found, 0, 0][:2]

    def tariff(self) -> Tariff:
        """The same for the charging system."""
        ends = [at for at, _ in self.changes[1:]] + [WALL + FIRST + 7200] * bool(self.changes)
        bands = [
            Band(price, _clock(at), _clock(end)) for (at, price), end in zip(self.changes, ends, strict=True)
        ]
        return Tariff("46", self.price, bands=tuple(bands))

    def cost(self, stretches: list[float], ended: int) -> int:
        """What a call costs that was counted so; ``ended``: tenths since it began.

        A stretch of the tariff ends with a change of the price, of which the switch has heard in whole seconds.
        """
        tenths = [round(each) for each in stretches]
        end = 10 * WALL + ended
        begin = end - sum(tenths)
        units, price = Fraction(0), 0
        for number, count in enumerate(tenths, 1):
            if number < len(tenths):
                change = max(10 * at for at, _ in self.changes if 10 * at <= begin + count)
                first = change - count
            elif number > 1:
                first = change
            else:
                first = begin
            for tenth in range(first, first + count):
                price = self.at(tenth / 10)
                units += Fraction(price, 600)
            begin += count
        return ceil(units + Fraction(-sum(tenths) % 10 * price, 600))


def _clock(second: int) -> str:
    return f"{second // 3600 % 24:02}:{second // 60 % 60:02}"


class Bank(Money):
    """A charging system that knows when the price changes."""

    def __init__(self, seconds: int, prices: Prices) -> None:
        super().__init__(seconds, 0)
        self.prices = prices

    def answer(self, asked: Any, wall: float) -> Any:
        answer = super().answer(asked, wall)
        if not isinstance(answer, QuotaGrant):
            return answer
        switch, then = self.prices.next(int(wall))
        return QuotaGrant(answer.session, answer.seconds, answer.last, int(wall), switch, then)


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 900)),
    st.tuples(st.just("pass"), st.integers(1, 900)),
    st.tuples(st.just("pass"), st.integers(300, 2400)),
    st.tuples(st.just("hang-up"), st.just(0)),
    st.tuples(st.just("delay"), st.integers(0, 48)),
    st.tuples(st.just("kill"), st.integers(1, 100)),
    st.tuples(st.just("relay"), st.just(0)),
    st.tuples(st.just("dies"), st.sampled_from(["written", "sending", "asking"])),
    st.tuples(st.just("clock"), st.sampled_from([-3600, -5, 0, 0, 5, 3600])),
    st.tuples(st.just("told"), st.just(0)),
)
FATES = st.lists(st.sampled_from(["", "", "", "", "twice", "late", "lost", "lost"]), max_size=8)
CHANGES = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 30)), min_size=1, max_size=5, unique_by=lambda each: each[0]
).map(sorted)


@pytest.mark.hypothesis
@given(
    steps=st.lists(STEPS, max_size=14),
    fates=FATES,
    ring=st.sampled_from([0, 10]) | st.integers(0, 400),
    seconds=st.integers(1, 1200) | st.integers(600, 1200),
    quotas=st.tuples(st.integers(20, 90), st.integers(0, 15)),
    ahead=st.sampled_from([0, 0, 3]),
    price=st.integers(0, 30),
    changes=CHANGES,
    event_first=st.booleans(),
    ends=st.booleans(),
)
@example(  # the report that tells of the change is lost: the first
    steps=[("pass", 900), ("pass", 900), ("hang-up", 0)],
    fates=["", "lost"],
    ring=0,
    seconds=600,
    quotas=(50, 0),
    ahead=0,
    price=6,
    changes=[(0, 12)],
    event_first=False,
    ends=False,
)
@example(  # the report that tells of the change is lost: the second
    steps=[("pass", 900), ("pass", 900), ("hang-up", 0)],
    fates=["", "", "lost"],
    ring=0,
    seconds=600,
    quotas=(30, 0),
    ahead=0,
    price=6,
    changes=[(0, 12)],
    event_first=False,
    ends=False,
)
@example(  # the report that tells of the change is lost: another follows
    steps=[("pass", 900), ("pass", 900), ("hang-up", 0)],
    fates=["", "", "lost"],
    ring=0,
    seconds=600,
    quotas=(30, 0),
    ahead=0,
    price=6,
    changes=[(0, 12), (1, 6)],
    event_first=False,
    ends=False,
)
@example(  # the same, and the tariff changes at the period's end
    steps=[("pass", 700), ("hang-up", 0)],
    fates=["", "lost"],
    ring=0,
    seconds=600,
    quotas=(40, 0),
    ahead=0,
    price=6,
    changes=[(0, 12)],
    event_first=False,
    ends=False,
)
@example(  # the same, as the node dies
    steps=[("pass", 395), ("kill", 900), ("pass", 900), ("hang-up", 0)],
    fates=[],
    ring=0,
    seconds=600,
    quotas=(40, 0),
    ahead=0,
    price=6,
    changes=[(0, 12)],
    event_first=False,
    ends=False,
)
@example(  # the same, for the second change
    steps=[("pass", 995), ("kill", 30), ("pass", 30), ("hang-up", 0)],
    fates=["", "", "lost"],
    ring=0,
    seconds=600,
    quotas=(50, 0),
    ahead=0,
    price=6,
    changes=[(0, 12), (1, 6)],
    event_first=False,
    ends=False,
)
@example(  # it comes late, when the next change was told
    steps=[("pass", 595), ("kill", 30), ("pass", 500), ("hang-up", 0)],
    fates=["", "", "late"],
    ring=0,
    seconds=600,
    quotas=(30, 0),
    ahead=0,
    price=6,
    changes=[(0, 12), (1, 6)],
    event_first=False,
    ends=False,
)
@example(  # it is heard, and that of the change before is lost; then nobody is there for long
    steps=[("pass", 1814), ("kill", 71), ("relay", 0), ("dies", "written"), ("pass", 1640), ("told", 0)],
    fates=["", "", "lost"],
    ring=0,
    seconds=290,
    quotas=(20, 0),
    ahead=3,
    price=28,
    changes=[(0, 25), (4, 3)],
    event_first=True,
    ends=True,
)
@example(  # the tariff changes after the period, as nobody is there, and the report of that is lost
    steps=[("dies", "written"), ("pass", 331), ("kill", 1)],
    fates=[],
    ring=59,
    seconds=21,
    quotas=(20, 1),
    ahead=0,
    price=0,
    changes=[(0, 1)],
    event_first=False,
    ends=False,
)
@example(  # a change was assumed by the clock of another node, and the last report says that there was none
    steps=[("pass", 889), ("clock", 3600), ("relay", 0), ("pass", 46)],
    fates=["late", "lost", "late", "lost"],
    ring=10,
    seconds=85,
    quotas=(42, 2),
    ahead=0,
    price=29,
    changes=[(15, 30)],
    event_first=False,
    ends=False,
)
@example(  # the same, and the report is lost as that node dies
    steps=[("pass", 96), ("clock", 3600), ("relay", 0), ("pass", 919), ("kill", 75)],
    fates=[],
    ring=29,
    seconds=124,
    quotas=(90, 15),
    ahead=3,
    price=0,
    changes=[(2, 3)],
    event_first=False,
    ends=False,
)
@example(  # the report of a change comes twice, and the next change is as long after it
    steps=[("pass", 900), ("pass", 900), ("hang-up", 0)],
    fates=["", "", "twice"],
    ring=0,
    seconds=600,
    quotas=(52, 0),
    ahead=0,
    price=6,
    changes=[(0, 12), (1, 6), (2, 5)],
    event_first=False,
    ends=False,
)
@example(  # the next change is reported alike, and the clock of another node does not say how long it has been
    steps=[("pass", 1570), ("clock", -3600), ("kill", 10), ("pass", 240), ("hang-up", 0)],
    fates=[],
    ring=0,
    seconds=600,
    quotas=(61, 0),
    ahead=0,
    price=6,
    changes=[(0, 12), (1, 6), (2, 5)],
    event_first=False,
    ends=False,
)
@example(  # a period counted as used by the clock of another node; its report comes before the next is given
    steps=[("delay", 6), ("relay", 0), ("clock", 3600), ("kill", 89), ("hang-up", 0)],
    fates=[],
    ring=0,
    seconds=600,
    quotas=(40, 0),
    ahead=0,
    price=19,
    changes=[(2, 12)],
    event_first=False,
    ends=False,
)
@example(  # the same, and the event comes first
    steps=[("delay", 6), ("relay", 0), ("clock", 3600), ("kill", 89), ("hang-up", 0)],
    fates=[],
    ring=0,
    seconds=600,
    quotas=(40, 0),
    ahead=0,
    price=19,
    changes=[(2, 12)],
    event_first=True,
    ends=True,
)
@examples(100)
def test_a_call_whose_last_report_is_heard_costs_what_the_switch_counted(
    steps, fates, ring, seconds, quotas, ahead, price, changes, event_first, ends
):
    quota, withheld = quotas
    note(f"{steps} {fates} {ring} {seconds} {quotas} {ahead} {price} {changes} {event_first=} {ends=}")
    prices = Prices(price, changes)
    bank = Bank(seconds, prices)
    policy = {"first_s": quota, "next_s": quota, "withheld_s": withheld, "prefetch_s": ahead}
    scene = Scene(controlled({"charging": policy}, NODE), bank, event_first=event_first, ends=ends)
    scene.fates = list(fates)
    play(scene, [("answer", ring), *steps])
    scene.pass_time(100_000)
    assert scene.ended
    scene.switch.hang_up(scene.now)
    tariff = prices.tariff()
    costs = {tariff.cost_of(each) for each in bank.settled}
    assert len(costs) == 1, "settled twice, and not the same"
    reported = scene.reported()
    switches = [
        each for each in reported if getattr(each.time_information.value, "tariff_switch_interval", None)
    ]
    [stretches] = scene.switch.charged.connections or [[]]
    unheard = max(0, len(stretches) - 1) - len(switches)
    last = any(not each.leg_active for each in reported)
    # The clock is right: it is that of the answer, and of each report.
    timely = (
        fates[:1] != ["lost"]
        and "late" not in fates
        and not any(value for step, value in steps if step == "clock")
    )
    event(f"last report: {last}, tariffs: {len(stretches)}, of which unheard: {unheard}")
    if last and not unheard:
        assert costs == {prices.cost(stretches, scene.switch.over_at)}
    elif last and timely:  # the clock says when the price changed, to the second
        assert abs(bank.settled[0].tenths - scene.switch.talked) <= 10 * unheard
