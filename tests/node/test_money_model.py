"""Any charged call through a whole node costs what the switch itself counted, times the price: no more model than that."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from charged_lab import NOON, Lab, originating, run, slow
from hypothesis import assume, given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.simulator.expect import Expectation
from scp.simulator.scenario import Attempt, Ending

PRICE = '[[charging.tariffs]]\nprefix = "46701"\nprice = {before}\n'
BAND = '[[charging.tariffs.bands]]\nprice = {later}\nstart = "12:00"\nend = "23:00"\n'
BY_PERIOD = '[switches.odd]\npoint_codes = [187]\ncharged_time = "by-period"\n'
HOWS = ("event_first", "separate", "prearranged_end", "by_period", "repeats_reports", "tests_unanswered")


def cost(pieces: list[tuple[float, int]]) -> int:
    """What so many seconds at so much a minute cost: by the begun second, at the last price, rounded up once."""
    tenths = [round(seconds * 10) for seconds, _ in pieces]
    tenths[-1] += -sum(tenths) % 10
    return ceil(sum(Fraction(each * price, 600) for each, (_, price) in zip(tenths, pieces, strict=True)))


@examples(40)
@given(
    talk=st.integers(1, 2500),
    ring=st.integers(5, 100),
    ending=st.sampled_from([Ending.ANSWER] * 5 + [Ending.BUSY, Ending.ABANDON]),
    version=st.sampled_from([2, 3, 4]),
    hangs_up=st.sampled_from([1, 2]),
    how=st.sets(st.sampled_from(HOWS)),
    quotas=st.tuples(st.integers(20, 90), st.integers(0, 15)),
    prices=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    until_noon=st.one_of(st.none(), st.integers(20, 200)),
    balance=st.integers(1, 200),
    delay=st.sampled_from([0.0, 0.0, 0.7, 3.0, 4.9]),
    ahead=st.sampled_from([0, 0, 2, 5]),
    into=st.one_of(st.none(), st.integers(1, 48)),
)
def test_a_call_costs_what_the_switch_counted(
    talk, ring, ending, version, hangs_up, how, quotas, prices, until_noon, balance, delay, ahead, into
):
    """Charging takes so many seconds; the call may end ``into`` tenths after its first report."""
    quota, withheld = quotas
    assume(not {"by_period", "repeats_reports"} <= how)  # where periods add up, twice is twice
    if into is not None:
        talk = (quota - withheld) * 10 + into
    before, later = prices
    if until_noon is None:
        later = before
    else:
        assume(abs(until_noon - ring / 10) > 3)
    attempt = Attempt(ending=ending, ring=ring / 10, talk=talk / 10, hangs_up=hangs_up)
    scenario = originating(attempt, version=version, **dict.fromkeys(how, True))

    async def body(lab: Lab) -> None:
        slow(lab, extend=delay)
        result = await lab.call(scenario, Expectation())
        records = await lab.records()
        left, held = await lab.account()
        paid = balance - left
        assert held == 0
        [record] = records
        assert record.get("charge", 0) == paid
        if not result.talked:
            assert paid == 0
            return
        [seconds] = result.talked
        switched = until_noon is not None and ring / 10 > until_noon
        rates = [before, later] if len(seconds) == 2 else [later if switched else before]
        due = cost(list(zip(seconds, rates, strict=True)))
        assert paid == (due if not delay else min(due, balance))  # what is beyond a quota may find nothing
        assert record["charged_ms"] == round(sum(seconds) * 10) * 100
        assert paid <= balance

    tariff = PRICE.format(before=before) + (BAND.format(later=later) if until_noon is not None else "")
    run(
        body,
        balance=balance,
        policy=f"withheld_s = {withheld}\nprefetch_s = {min(ahead, quota - withheld - 1)}\n",
        tariff=tariff + (BY_PERIOD if "by_period" in how else ""),
        wall=NOON - (until_noon or 7200) * 1000,
        quota=quota,
    )
