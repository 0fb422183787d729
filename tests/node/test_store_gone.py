"""A node under a running call load whose Redis master is killed: every call is answered, and steered again after."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from random import Random

import pytest
import uvloop

from oracles import redis_lab
from oracles.waiting import wait_until
from scp.bench.load import LoadCall, LoadPlan, LoadReport, run_load
from scp.bench.server import node
from scp.domain.subscriber import Subscriber
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.store import open_store

RATE = 200.0
ANSWER_BY_US = 1_000_000
"""Microseconds: what is left of the shortest Tssf, 1 s, is the network's."""
"""Seconds until all is well again, on a busy machine."""


async def provision(url: str) -> None:
    store = open_store(url)
    await store.open()
    alice = Subscriber("11234567", authorized=True, aor="sip:alice@voip.example", forwarding=True)
    await store.put(alice)
    await store.close()


def calls(port: int, seconds: float) -> LoadReport:
    kinds = [LoadCall(b_number="0011234567", expected=Expectation(action=Action.CONNECT))]
    return uvloop.run(
        run_load(
            Scenario(b_nature=2),
            kinds,
            LoadPlan(rate=RATE, duration=seconds, timeout=20.0),
            network=Network(),
            endpoint=Endpoint(port=port),
            random=Random(1),
        )
    )


@pytest.mark.parametrize("lab", [redis_lab.single, redis_lab.sentinel])
def test_no_call_goes_unanswered_when_the_master_is_killed(lab, tmp_path: Path, slowdown: float) -> None:
    core = min(os.sched_getaffinity(0))
    options = ("--appendonly", "yes", "--appendfsync", "always") if lab is redis_lab.single else ()
    with lab(tmp_path, *options) as redis:
        asyncio.run(provision(redis.url))
        with node(tmp_path, core, name="node", store=redis.url) as server:
            wait_until(lambda: calls(server.port, 0.5).passed)

            def fail() -> None:
                time.sleep(1.5)
                master = redis.master() if redis.sentinels else redis.servers[0]
                redis.give_up_soon()
                master.kill()
                if not redis.sentinels:
                    time.sleep(1.0)
                    master.start()

            failing = threading.Thread(target=fail)
            failing.start()
            report = calls(server.port, 6.0)
            failing.join()
            print(
                f"\n{report.sent} calls, {report.missing} missing, {report.wrong}, µs {report.since_sent_us}"
            )
            assert (report.missing, report.stray, report.answered) == (0, 0, report.sent)
            assert set(report.wrong) <= {"continue instead of connect"}
            assert sum(report.wrong.values()) > 0  # by policy while it was away
            assert report.since_sent_us["max"] < ANSWER_BY_US * slowdown
            wait_until(lambda: calls(server.port, 0.5).passed)
