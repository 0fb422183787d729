"""Two nodes on one Redis: what the API of one was told, the calls of the other know."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from random import Random

import pytest

from oracles import redis_lab
from oracles.servers import free_tcp_port
from scp import client
from scp.app.event_log import EventLog
from scp.app.metrics import metrics_for
from scp.app.node import Node
from scp.config import loads
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario

CONFIG = """
[node]
name = "{name}"
instance = {instance}
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "{url}"
[numbering]
country_code = "46"
[api]
listen = "127.0.0.1:{api}"
[[api.keys]]
name = "test"
sha256 = "{sha256}"
scopes = ["authorization", "registration", "forwarding", "read"]
[charging]
records = "sqlite:{records}"
[telemetry]
metrics = "127.0.0.1:{metrics}"
"""
ROUNDS = 20


@pytest.mark.alone
@pytest.mark.parametrize("options", ["", "?cached=true"])
def test_a_flag_changed_on_one_node_is_seen_by_calls_on_the_other(
    options: str, tmp_path: Path, slowdown: float
) -> None:
    with redis_lab.single(tmp_path) as redis:
        worst = asyncio.run(measure(redis.url + options, tmp_path))
    print(f"\nseen within {worst * 1000:.1f} ms, answer of the API to answer of the call{options}")
    assert worst < 0.1 * slowdown


async def measure(url: str, folder: Path) -> float:
    configs = [
        loads(
            CONFIG.format(
                name=f"node-{instance}",
                instance=instance,
                m3ua=free_tcp_port(),
                url=url,
                records=folder / f"{instance}.cdr",
                api=free_tcp_port(),
                metrics=free_tcp_port(),
                sha256=hashlib.sha256(b"TOKEN").hexdigest(),
            )
        )
        for instance in (1, 2)
    ]
    nodes = [Node(config, Random(1), metrics_for(config, []), EventLog(), ()) for config in configs]
    for node in nodes:
        await node.start()
    api = client.AsyncClient(f"http://127.0.0.1:{configs[0].api.listen.port}", "TOKEN")
    await api.send(client.authorize("46701234567"))
    await api.send(client.register("46701234567", "sip:bob@voip.example"))
    worst = 0.0
    for number in range(ROUNDS):
        await api.send(client.set_forwarding("46701234567", enabled=number % 2 == 0))
        told = time.monotonic()
        wanted = Action.CONNECT if number % 2 == 0 else Action.CONTINUE
        while True:
            (result,) = await run_calls(
                [PlannedCall(Scenario(b_number="46701234567"))],
                network=Network(),
                endpoint=Endpoint(port=configs[1].m3ua.peers[0].port),
                random=Random(1),
            )
            if result.answer.action is wanted:
                break
        worst = max(worst, time.monotonic() - told)
    await api.close()
    for node in nodes:
        await node.stop()
    return worst
