"""Calls whose VoIP leg fails, through a whole node: rescued to the subscriber's line, one record each."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import pytest
from test_node import Heard, running

from oracles.waiting import PATIENCE, until
from scp.simulator.endpoint import Endpoint, Side, attach
from scp.simulator.expect import Action, Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Ending, Scenario
from scp.telemetry.null import NullTelemetry

CONTROLLED = Expectation(action=Action.CONNECT, number="990011234567", nature=2, ended=False)
LINE, VOIP = "0011234567", "990011234567"


def failing(*endings: Ending, version: int = 2, trigger: str = "terminating", **more: Any) -> PlannedCall:
    attempts = tuple(Attempt(ending=each, ring=0.02, talk=0.05) for each in endings)
    scenario = Scenario(
        version=version, trigger=trigger, b_number=LINE, b_nature=2, attempts=attempts, **more
    )
    return PlannedCall(scenario, CONTROLLED)


def play(recorder, port, planned):
    """Results and records of calls that are made one after the other."""

    async def run():
        endpoint = Endpoint(side=Side.GATEWAY, listen=True, port=port)
        msc = Msc(Network(), endpoint, Random(3), NullTelemetry())
        async with running(("msc", "asp", port), extra="rescue = true\n") as node:
            connection = attach(endpoint, Heard(msc.link, recorder), Random(4), msc.trouble)
            await connection.start()
            try:
                await msc.active(PATIENCE)
                await until(lambda: not node.why_not_ready())
                results = await msc.run(planned, 1, None)
                await until(lambda: not node.signalling.tcap)
                async with asyncio.timeout(PATIENCE):
                    while len(found := await node.charging.cdrs.page(0, 99)) < len(results):
                        await node.charging.sink.flush()
                records = [json.loads(each.json) for each in found]
            finally:
                msc.leave()
                await connection.close(abort=True)
                msc.signalling.stop()
        return results, records

    return asyncio.run(run())


@pytest.mark.parametrize("trigger", ["terminating", "originating"])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_failed_voip_leg_is_followed_by_the_line(everything_sent, free_tcp_port, version, trigger):
    failures = (Ending.BUSY, Ending.NO_ANSWER, Ending.UNREACHABLE)
    planned = [failing(each, Ending.ANSWER, version=version, trigger=trigger) for each in failures]
    results, records = play(everything_sent, free_tcp_port, planned)
    for result in results:
        assert result.passed, result.faults
        assert result.routed_to == LINE
        sent = [step.components[-1] for step in result.steps if not step.outward and step.components]
        assert [words.partition(",")[0] for words in sent] == [f"connect {VOIP}", f"connect {LINE}"]
    assert len(records) == len(failures)
    for record in records:
        assert (record["number"], record["action"]) == (VOIP, "connect")
        assert len(record["failed_attempts"].split()) == 1
        assert record["answered_ms"] <= record["disconnected_ms"]


def test_when_both_fail_the_switch_goes_on_with_the_last_failure(everything_sent, free_tcp_port):
    planned = [failing(Ending.BUSY, Ending.NO_ANSWER), failing(Ending.NO_ANSWER, Ending.BUSY)]
    results, records = play(everything_sent, free_tcp_port, planned)
    for result in results:
        assert result.passed, result.faults
        assert [step.components[-1] for step in result.steps if not step.outward][-1].startswith("continue")
    assert [record["failed_attempts"].count("t") > 0 for record in records] == [True, True]
    assert [len(record["failed_attempts"].split()) for record in records] == [2, 2]
    assert not any("answered_ms" in record for record in records)


def test_a_call_that_is_taken_or_abandoned_needs_no_rescue(everything_sent, free_tcp_port):
    results, records = play(everything_sent, free_tcp_port, [failing(Ending.ANSWER), failing(Ending.ABANDON)])
    for result in results:
        assert result.passed, result.faults
        assert result.routed_to == VOIP
    assert not any("failed_attempts" in record for record in records)
    assert "answered_ms" in records[0]
    assert "answered_ms" not in records[1]


@pytest.mark.parametrize("ending", [Ending.BUSY, Ending.NO_ANSWER])
def test_1_a_call_that_the_subscribers_own_forwarding_takes_is_not_rescued(
    everything_sent, free_tcp_port, ending
):
    """callForwarded (§11.18.1.1): Continue. The call that comes back marked is continued too, without control."""
    marked = Scenario(trigger="originating", b_number=VOIP, b_nature=2)
    calls = [
        failing(ending, Ending.ANSWER, version=3, call_forwarded=True),
        PlannedCall(marked, Expectation(action=Action.CONTINUE, ended=True)),
    ]
    results, records = play(everything_sent, free_tcp_port, calls)
    said = [list(step.components) for step in results[0].steps if not step.outward]
    assert [words[-1].split()[0] for words in said] == ["connect", "continue"]
    assert results[1].passed, results[1].faults
    assert {each["reason"] for each in records} == {"forwarded-always", "already-marked"}
