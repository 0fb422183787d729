"""Calls that a whole node holds, over its API: listed, found by number, released, by the service and in its place."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from random import Random

import pytest

from oracles.waiting import PATIENCE, until

sys.path.append(str(Path(__file__).parents[1] / "services"))  # held_open.py

from held_open import ARMED
from test_node import Counts, Heard, Words, settings

from scp.app.node import Node
from scp.client import ApiError, AsyncClient, held_call, held_calls, release_call
from scp.services.api import NextReport
from scp.simulator.endpoint import Endpoint, Side, attach
from scp.simulator.expect import Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Scenario
from scp.telemetry.null import NullTelemetry
from ss7.cap.operations import Opcode
from ss7.cap.types import RequestReportBCSMEventArg

OPERATOR, READER = "operator", "reader"
KEY = """
[[api.keys]]
name = "{name}"
sha256 = "{sha256}"
scopes = ["{scope}"]
"""
API = """
[api]
listen = "127.0.0.1:0"
audit = "{audit}"
release_cause = 41
{keys}
[services.held]
service_keys = [101]
[services.charged]
service_keys = [102]
[services.deaf]
service_keys = [103]
"""
SERVICES = {"held": "held_open:held_open", "charged": "held_open:charged", "deaf": "test_held_calls:deaf"}


class Deaf:
    """Holds its calls whatever it is told."""

    name = "deaf"

    async def run(self, call):
        call.invoke(Opcode.REQUEST_REPORT_BCSM_EVENT, RequestReportBCSMEventArg(ARMED))
        call.invoke(Opcode.CONTINUE)
        while not (await NextReport(3600.0)).over:
            pass


def deaf(settings, node):
    return Deaf()


def key(name, scope):
    return KEY.format(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), scope=scope)


def planned(service_key):
    """A call that is talked in for an hour, to a number of its own."""
    scenario = Scenario(
        trigger="originating",
        service_key=service_key,
        b_number=f"0011234{service_key}",
        b_nature=2,
        attempts=(Attempt(ring=0.01, talk=3600.0),),
    )
    return PlannedCall(scenario, Expectation())


async def refused(client, call):
    with pytest.raises(ApiError) as caught:
        await client.send(call)
    problem = caught.value.problem
    return problem.status, problem.type.rpartition("/")[2]


@contextlib.asynccontextmanager
async def calls_held(recorder, port, audit):
    """A node with one call of each service, its client, and the task that has their results."""
    extra = API.format(audit=audit, keys=key(OPERATOR, "calls") + key(READER, "read"))
    points = [EntryPoint(name, value, "camel_scp.services") for name, value in SERVICES.items()]
    endpoint = Endpoint(side=Side.GATEWAY, listen=True, port=port)
    msc = Msc(Network(), endpoint, Random(3), NullTelemetry())
    node = Node(settings(("msc", "asp", port), extra=extra), Random(5), Counts(), Words(), points)
    connection = attach(endpoint, Heard(msc.link, recorder), Random(4), msc.trouble)
    await connection.start()
    await node.start()
    try:
        await msc.active(PATIENCE)
        await until(lambda: not node.why_not_ready())
        running = asyncio.create_task(msc.run([planned(each) for each in (101, 102, 103)], 3, None))
        await until(lambda: len(node.signalling.tcap) == 3 and node.cap.held(node.signalling.tcap.ids()[2]))
        async with AsyncClient(node.api.url, OPERATOR) as client:
            yield node, client, running
        assert not node._event_log.bugs
    finally:
        await node.stop(abort=True)
        msc.leave()
        await connection.close(abort=True)
        msc.signalling.stop()


def test_held_calls_are_listed_and_released(everything_sent, free_tcp_port, tmp_path):
    audit = tmp_path / "audit.jsonl"

    async def run():
        async with calls_held(everything_sent, free_tcp_port, audit) as (node, client, running):
            page = (await client.send(held_calls())).calls
            assert sorted(each.service for each in page) == ["charged", "deaf", "held-open"]
            assert [each.id for each in page] == sorted(each.id for each in page)
            for each in page:
                assert (each.calling, each.peer, each.cap_version, each.waits_for) == (
                    "46700000009",
                    "msc",
                    2,
                    "switch",
                )
                assert (each.called, each.trigger) == (f"1123410{each.service_key - 100}", "originating")
                assert await client.send(held_call(each.id)) == each
            first = await client.send(held_calls(limit=2))
            rest = await client.send(held_calls(after=first.next))
            assert (first.calls + rest.calls, rest.next) == (page, None)
            assert (await client.send(held_calls(number=page[1].called))).calls == page[1:2]
            assert (await client.send(held_calls(number="46700000009"))).calls == page
            assert (await client.send(held_calls(number="46999999999"))).calls == ()
            held = {each.service: each.id for each in page}

            for unknown in "ffffffff", "none", "07", "0700000000":
                assert await refused(client, release_call(unknown)) == (404, "no-such-call")
            assert await refused(client, release_call(held["deaf"], 128)) == (422, "invalid")
            assert await refused(client, held_calls(after="xyz")) == (422, "invalid")
            async with AsyncClient(node.api.url, READER) as reader:
                assert await refused(reader, held_calls()) == (403, "missing-scope")
                assert await refused(reader, release_call(held["deaf"])) == (403, "missing-scope")

            for service, cause in ("held-open", None), ("charged", 31), ("deaf", 16):
                assert (await client.send(release_call(held[service], cause))).id == held[service]
            await until(lambda: len(node.signalling.tcap) == 1)
            assert [each.service for each in (await client.send(held_calls())).calls] == ["deaf"]
            await client.send(release_call(held["deaf"], 16, force=True))
            assert await refused(client, held_call(held["deaf"])) == (404, "no-such-call")
            return await running

    results = asyncio.run(run())
    last = [[(step.message, step.components) for step in each.steps][-2:] for each in results]
    assert last[0][1] == ("TC-END", ("releaseCall cause 41",))
    assert last[1][0] == ("TC-CONTINUE", ("releaseCall cause 31",))  # in TC-END the last report would be lost
    assert last[1][1][0] == "TC-END"
    assert last[1][1][1][0].startswith("applyChargingReport")
    assert last[2][1] == ("TC-END", ("releaseCall cause 16",))
    lines = [json.loads(each) for each in audit.read_text().splitlines()]
    done = [each for each in lines if each["result"] == "changed"]
    assert [(each["cause"], each["force"]) for each in done] == [
        (41, False),
        (31, False),
        (16, False),
        (16, True),
    ]
    assert [each["before"]["called"] for each in done] == ["11234101", "11234102", "11234103", "11234103"]
    assert {each["who"] for each in done} == {OPERATOR}
    assert len([each for each in lines if each["result"] == "refused"]) == 6
