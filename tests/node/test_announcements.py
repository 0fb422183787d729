"""Announcements and digits through a whole node, by a simulated switch with a gsmSRF and without (scenario 13)."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from random import Random

from test_node import Counts, Heard, Words, settings

from oracles.waiting import PATIENCE, until

sys.path.append(str(Path(__file__).parents[1] / "services"))  # announcing_service.py

from scp.app.node import Node
from scp.services.api import ENTRY_POINT_GROUP
from scp.simulator.endpoint import Endpoint, Side, attach
from scp.simulator.expect import Action, Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Scenario
from scp.telemetry.null import NullTelemetry

EXTRA = """
[announcements]
told = { id = 5, duration_s = 1 }
afar = { id = 6, srf = "46709000042" }
[services.announcing]
service_keys = [101]
[services.asking]
service_keys = [102]
asks = true
[services.afar]
service_keys = [103]
asks = true
plays = "afar"
"""
SERVICES = tuple(
    EntryPoint(name, "announcing_service:announcing", ENTRY_POINT_GROUP)
    for name in ("announcing", "asking", "afar")
)
SUSPENDED = Expectation(action=Action.WAIT, ended=False)


def call(service_key, version=2, **how):
    scenario = Scenario(
        service_key=service_key,
        version=version,
        attempts=(Attempt(ring=0.01, talk=0.01),),
        announcement=0.02,
        **how,
    )
    return PlannedCall(scenario, SUSPENDED)


def play(recorder, port, planned):
    async def run():
        endpoint = Endpoint(side=Side.GATEWAY, listen=True, port=port)
        msc = Msc(Network(), endpoint, Random(3), NullTelemetry())
        words = Words()
        node = Node(settings(("msc", "asp", port), extra=EXTRA), Random(5), Counts(), words, SERVICES)
        await node.start()
        connection = attach(endpoint, Heard(msc.link, recorder), Random(4), msc.trouble)
        await connection.start()
        try:
            await msc.active(PATIENCE)
            await until(lambda: not node.why_not_ready())
            results = await msc.run(planned, len(planned), None)
            await until(lambda: not node.signalling.tcap)
            assert not words.bugs
        finally:
            msc.leave()
            await connection.close(abort=True)
            await node.stop(abort=True)
            msc.signalling.stop()
        return results

    return asyncio.run(run())


def test_what_a_caller_hears_and_keys_in_decides_the_call(everything_sent, free_tcp_port):
    versions = (2, 3, 4)
    planned = [call(101, version) for version in versions]
    planned += [call(102, version, digits="4711") for version in versions]
    planned += [call(101, srf=False), call(102, srf=False), call(102, digits="1")]
    planned += [
        call(103, version, digits="4711", srf=False, external_srf="46709000042") for version in versions
    ]
    results = play(everything_sent, free_tcp_port, planned)
    for result in results[9:]:  # by an external gsmSRF
        assert not result.faults
        assert (result.heard, result.routed_to) == (("message 6",), "4711")
    for result in results[:3]:
        assert result.passed, result.faults
        assert result.outcome == "continued, released with cause 31"
        assert result.heard == ("message 5",)
        said = [part for step in result.steps if step.outward for part in step.components]
        assert any(part.startswith("specializedResourceReport") for part in said)
    for result in results[3:6]:
        assert result.passed, result.faults
        assert result.heard == ("message 5",)
        assert result.routed_to == "4711"
    unheard, undialled, short = results[6:9]
    assert unheard.outcome == "continued, released with cause 31"
    assert unheard.faults == undialled.faults == ["ConnectToResource: this switch has no gsmSRF"]
    assert undialled.outcome == "continued, routing and ringing"
    assert short.passed, short.faults
    assert short.routed_to == ""
    assert unheard.heard == undialled.heard == ()
