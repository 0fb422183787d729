"""Many charged calls at once, over real sockets, as ``msc --load --charged`` makes them: the account pays to the unit."""

from __future__ import annotations

import asyncio
from random import Random

from test_node import running

from oracles.waiting import PATIENCE, until
from scp.bench.held_script import Then
from scp.bench.load import LoadCall, LoadPlan, run_load
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario, Trigger

EXTRA = """
[services.voip-forwarding.charging]
pays = ["forwarder"]
first_s = 60
next_s = 60
withheld_s = 0
[[charging.tariffs]]
prefix = "46"
price = 6
[overload]
delay_ms = 900
refuse_ms = 5000
"""
CALLS, BALANCE, PAYER = 200, 5_000, "46700000002"
EACH = 8
"""72.3 s at 6 a minute, rounded up once."""


def test_each_of_many_calls_takes_a_quota_and_one_more_and_pays_exactly(free_tcp_port):
    expected = Expectation(action=Action.CONTINUE, ended=False, within=PATIENCE)
    calls = [LoadCall(b_number=f"467012345{n:02d}", expected=expected) for n in range(10)]
    scenario = Scenario(trigger=Trigger.FORWARDED, redirecting_number=PAYER)

    async def run():
        async with running(("msc", "asp-listen", free_tcp_port), extra=EXTRA) as node:
            ledger = node.charging.ledger
            await ledger.credit(PAYER, "first", BALANCE, 1)
            report = await run_load(
                scenario,
                calls,
                LoadPlan(window=20, calls=CALLS, duration=PATIENCE, timeout=PATIENCE, then=Then.CHARGE),
                network=Network(),
                endpoint=Endpoint(port=free_tcp_port),
                random=Random(5),
            )
            await until(lambda: not node.signalling.tcap)
            return report, await ledger.account(PAYER)

    report, account = asyncio.run(run())
    assert report.passed, report.wrong
    assert (report.answered, report.ended, report.quotas, report.stray) == (CALLS, CALLS, CALLS, 0)
    assert (BALANCE - account.balance, account.held) == (CALLS * EACH, 0)
