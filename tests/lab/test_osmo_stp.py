"""What osmo-stp wants otherwise than RFC 4666 does, over kernel SCTP. Runs in the lab (test_lab.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Final

import network
import pytest
from msgspec.structs import replace
from network import DIALLED, MSC_ENDPOINT, MSC_NETWORK, Node, provision, started, wait

from oracles import servers
from scp.simulator.expect import Action
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.scenario import Scenario

pytestmark = pytest.mark.sctp

PEERS: Final = {"known": 2941, "keyed": 2942, "limited": 2943, "wide": 2944}
"""The node's peers, all of them the STP, by local port."""
STP: Final = """\
 asp known 2941 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 asp wide 2944 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 asp msc 2913 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 as known m3ua
  asp known
  routing-key 1 0.23.1
  traffic-mode loadshare
 as wide m3ua
  asp wide
  routing-key 6 0.23.6
  traffic-mode broadcast
 as msc m3ua
  asp msc
  routing-key 3 0.23.3
  traffic-mode loadshare
 route-table system
  update route 0.23.1 7.255.7 linkset known
  update route 0.23.6 7.255.7 linkset wide
  update route 0.23.3 7.255.7 linkset msc
"""
NODE: Final = """\
[node]
name = "a"
point_code = "0-23-1"
also = ["0-23-5", "0-23-6"]
{peers}
[store]
url = "sqlite:{folder}/a.db"
[numbering]
country_code = "46"
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
[telemetry]
metrics = "127.0.0.1:9464"
"""
PEER: Final = """\
[[m3ua.peers]]
name = "{name}"
transport = "sctp"
remote = ["127.0.0.1"]
local = ["127.0.0.1"]
local_port = {port}
{more}
"""
MORE: Final = {
    # Asked for what it doesn't know, it refuses all of it; from an ASP that is active it takes anything.
    "known": "routing_context = [99, 1]",
    "keyed": 'routing_key = { point_code = "0-23-5" }',
    "limited": 'routing_key = { point_code = "0-23-5", service_indicators = [3] }',
    "wide": 'routing_context = 6\ntraffic_mode = "broadcast"',
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    missing = servers.stp_unavailable()
    if missing:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("stp")
    peers = "".join([PEER.format(name=name, port=port, more=MORE[name]) for name, port in PEERS.items()])
    config, log = folder / "a.toml", folder / "a.log"
    config.write_text(NODE.format(peers=peers, folder=folder), encoding="utf-8")
    asyncio.run(provision(f"sqlite:{folder}/a.db"))
    with (
        servers.osmo_stp(folder, STP, ("127.0.0.1",)),
        started([*network.COMMAND, "serve", "-c", str(config)], log) as process,
    ):
        yield Node("a", process, log, config, 9464, 0)


def active(node: Node, peer: str) -> None:
    wait(f"active at {peer}", lambda: node.is_active(peer), 60)


def answered(point_code: int) -> list[Action]:
    """What calls to a point code behind the STP are answered with."""
    calls = run_calls(
        [PlannedCall(Scenario(b_number=DIALLED, b_nature=2))] * 4,
        network=replace(MSC_NETWORK, scp_point_code=point_code),
        endpoint=MSC_ENDPOINT,
        random=Random(3),
        at_once=4,
        give_up=30.0,
    )
    return [result.answer.action for result in asyncio.run(calls)]


def test_of_two_routing_contexts_the_one_that_it_knows_is_active(node: Node) -> None:
    active(node, "known")
    assert answered(185) == [Action.CONNECT] * 4
    assert node.said("invalid routing context (0x19), in answer to ASPAC for routing context 99, 1")
    assert node.said('invalid routing context (0x19), in answer to ASPAC for routing context 99"')
    assert node.said("ASP active for routing context 1: ASPAC ACK")


def test_a_routing_key_without_service_indicators_is_registered(node: Node) -> None:
    active(node, "keyed")


def test_a_key_that_it_does_not_take_is_told_of_in_words(node: Node) -> None:
    words = "REG REQ refused: status 9, unsupported routing key parameter field; the key has destination point code, "
    wait("told", lambda: node.said(words + "service indicators"), 60)
    assert not node.is_active("limited")
    wait("starting anew", lambda: node.said("service indicators, traffic mode: starting anew"), 30)


def test_what_it_broadcasts_on_stream_0_is_answered(node: Node) -> None:
    active(node, "wide")
    assert answered(190) == [Action.CONNECT] * 4
    assert node.metric('scp_discards_total{layer="m3ua",reason="data-on-stream-0"}') == 4
