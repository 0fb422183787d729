"""A whole node and a simulated MSC in one process, in virtual time: minutes of talk take no time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from random import Random
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from test_node import READY, Counts, Words

from oracles import virtual_time
from oracles.loopback import pair
from scp import config
from scp.app import charging as wiring
from scp.app import node as node_of_app
from scp.app.call_path import add_link
from scp.app.node import Node
from scp.engine.return_path import ReturnPath
from scp.simulator import dialogue
from scp.simulator import msc as msc_of_simulator
from scp.simulator.endpoint import Endpoint, Side
from scp.simulator.expect import Action, Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Scenario
from scp.telemetry.null import NullTelemetry

CALLER, CALLED = "46700000009", "46701234567"
NOON: Final = 1_700_049_600_000 - 1_700_049_600_000 % 86_400_000 + 12 * 3_600_000
"""Milliseconds: some day at 12:00 UTC."""
NODE = """
[node]
point_code = {point_code}
guardian = false
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = 2905
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [{keys}]
prefix = "99"
{service}
[services.voip-forwarding.charging]
first_s = {quota}
next_s = {quota}
{policy}
{more}
[charging]
{charging}
[[charging.tariffs]]
prefix = "46"
price = 6
{tariff}
"""
GOES_ON = Expectation(action=Action.CONTINUE, ended=False)


def originating(*attempts: Attempt, version: int = 2, **fields: Any) -> Scenario:
    """A call from `CALLER` to `CALLED`."""
    return Scenario(
        version=version,
        trigger="originating",
        a_number=CALLER,
        b_number=CALLED,
        b_nature=4,
        attempts=attempts or (Attempt(ring=3.0, talk=72.3),),
        **fields,
    )


class Lab:
    """A node with a balance, and the MSC.

    Attributes:
        node: as `serve` wires it, from M3UA up.
        msc: makes the calls.
        heard: the M3UA messages that the node sent, the last ones.
        deaf: the MSC hears nothing of them any more: a test speaks in its place.
    """

    def __init__(self, node: Node, msc: Msc) -> None:
        self.node = node
        self.msc = msc
        self.heard: deque[bytes] = deque(maxlen=100)
        self.deaf = False

    async def call(self, scenario: Scenario, expected: Expectation = GOES_ON) -> Any:
        """Make one call; its result, when its dialogue is over."""
        (result,) = await self.msc.run([PlannedCall(scenario, expected)], 1, None)
        return result

    def now(self) -> float:
        """Seconds since 1970 by the wall's clock."""
        return self.node.cap.wall()

    def held(self) -> Any:
        """The node's only dialogue."""
        (dialogue,) = self.node.signalling.tcap._dialogues.values()
        return dialogue

    def switch_says(self, octets: bytes) -> None:
        """Have the switch send a TCAP message, whatever its own TCAP knows."""
        network = Network()
        path = ReturnPath(
            self.msc.link,
            network.point_code,
            network.scp_point_code,
            1,
            network.called(),
            network.calling(),
        )
        self.msc.signalling.send(path, octets)
        self.msc.signalling.flush()

    async def quiet(self) -> None:
        """Wait until no dialogue is open, and all records are written."""
        while self.node.signalling.tcap or self.node.charging.quotas.busy:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        await self.node.charging.sink.flush()
        await self.node.charging.record()

    async def records(self, kind: str = "attempt") -> list[dict[str, Any]]:
        await self.quiet()
        found = [json.loads(each.json) for each in await self.node.charging.cdrs.page(0, 99)]
        return [each for each in found if each["kind"] == kind]

    async def account(self, msisdn: str = CALLER) -> tuple[int, int]:
        """Balance and what is held of it."""
        account = await self.node.charging.ledger.account(msisdn)
        return account.balance, account.held


class Slow:
    """A charging system that takes its time: so many seconds for each request of a kind."""

    def __init__(self, inner: Any, **seconds: float) -> None:
        self.inner = inner
        self.seconds = seconds

    def __getattr__(self, name: str) -> Any:
        async def ask(*args: Any) -> Any:
            await asyncio.sleep(self.seconds.get(name, 0.0))
            return await getattr(self.inner, name)(*args)

        return ask


def slow(lab: Lab, **seconds: float) -> None:
    """Have the charging system take so many seconds for each request of a kind."""
    lab.node.charging.quotas._system = Slow(lab.node.charging.quotas._system, **seconds)


def sent(result: Any) -> list[list[str]]:
    """What the node said: the components of each of its messages in words."""
    return [list(step.components) for step in result.steps if not step.outward]


def run(
    body,
    *,
    balance=20,
    service="",
    policy="",
    charging="",
    tariff="",
    recorder=None,
    wall=NOON,
    more="",
    quota=60,
    keys=100,
):
    """Run ``body(lab)``; all clocks are the loop's, and at its beginning the wall's shows ``wall``."""

    async def main():
        loop = asyncio.get_running_loop()
        for module in (node_of_app, msc_of_simulator):
            clocks.enter_context(patch.object(module, "LoopTime", virtual_time.LoopTime))
        clocks.enter_context(
            patch.object(dialogue, "time", SimpleNamespace(perf_counter=loop.time, monotonic=loop.time))
        )
        clocks.enter_context(patch.object(wiring, "wall_ms", lambda: wall + int(loop.time() * 1000)))
        text = NODE.format(
            point_code=Network().scp_point_code,
            service=service,
            policy=policy,
            charging=charging,
            tariff=tariff,
            quota=quota,
            keys=keys,
            more=more,
        )
        node = Node(config.loads(text, {}), Random(5), Counts(), Words(), ())
        node.charging.wall = lambda: wall + int(loop.time() * 1000)
        node.charging.sink._wall = lambda: wall / 1000 + loop.time()
        await node.prepare()
        node.cap.wall = node.charging.sink._wall
        node.cap.epoch = wall / 1000
        msc = Msc(Network(), Endpoint(side=Side.GATEWAY), Random(3), NullTelemetry(), give_up=2_000.0)
        peer = node.config.m3ua.peers[0]
        node.status.expect(peer.name, peer.transport, peer.destinations, peer.routing_contexts, waits=True)
        link = add_link(node.signalling, node.config, peer)
        lab = Lab(node, msc)
        ours, _ = pair(link, Heard(msc.link, lab, recorder))
        try:
            await node.store.put(READY)
            await node.charging.ledger.credit(CALLER, "first", balance, 1)
            await msc.active(60.0)
            await body(lab)
            assert not node._event_log.bugs
        finally:
            msc.leave()
            ours.close()
            msc.signalling.stop()
            await node.stop(abort=True)

    with contextlib.ExitStack() as clocks:
        virtual_time.run(asyncio.wait_for(main(), 50_000))


class Heard:
    """The switch's transport user; what the node sends is kept, and shown to the recorder, for tshark."""

    def __init__(self, user, lab, recorder):
        self.user = user
        self.lab = lab
        self.recorder = recorder
        self.association = None if recorder is None else recorder.association()

    def __getattr__(self, name):
        return getattr(self.user, name)

    def received(self, messages):
        for _, message in messages:
            self.lab.heard.append(message)
            if self.recorder is not None:
                self.recorder.sent(message, stream=1, association=self.association)
        if not self.lab.deaf:
            self.user.received(messages)
