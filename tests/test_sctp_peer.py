"""SCTP in a node's configuration, and a node whose kernel has none."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from oracles.servers import kernel_has_sctp
from oracles.waiting import until
from scp.app.event_log import EventLog
from scp.app.links import attachment, sctp_settings
from scp.app.node import Node
from scp.config import ConfigError, loads
from scp.net.sctp import Connector, Listener
from scp.net.sctp_socket import SctpSettings
from scp.simulator.endpoint import Endpoint, attach
from scp.simulator.msc import Msc
from scp.simulator.network import Network
from scp.telemetry.null import NullTelemetry

CONFIG = """\
[node]
point_code = "0-23-1"
[[m3ua.peers]]
name = "stp"
remote = ["127.0.0.1", "127.0.0.2"]
{more}
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
port = {port}
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
"""


def test_the_kernels_parameters_come_from_the_peers_table() -> None:
    text = CONFIG.format(
        port=2905,
        more="[m3ua.peers.sctp]\nrto_min_s = 0.1\nheartbeat_s = 0\nstreams = 2\npath_retransmissions = 5",
    )
    stp, msc = loads(text).m3ua.peers
    assert sctp_settings(stp) == SctpSettings(rto_min=0.1, heartbeat=0, streams=2, path_retransmissions=5)
    assert sctp_settings(msc) == SctpSettings(), "the defaults stand in two places"


def test_rtos_out_of_order_are_refused_with_their_path() -> None:
    text = CONFIG.format(port=2905, more="[m3ua.peers.sctp]\nrto_min_s = 2")
    with pytest.raises(ConfigError, match=r"m3ua.peers\[0\].sctp.rto_initial_s") as refused:
        loads(text)
    assert len(refused.value.faults) == 1


@pytest.mark.parametrize(
    ("role", "kind"), [("asp", Connector), ("ipsp", Connector), ("asp-listen", Listener)]
)
def test_a_peers_role_decides_who_connects(role: str, kind: type) -> None:
    node = Node(
        loads(CONFIG.format(port=2905, more=f'role = "{role}"')), Random(1), NullTelemetry(), EventLog(), ()
    )
    node.status.expect("stp")
    peer = node.config.m3ua.peers[0]

    async def test() -> None:
        assert isinstance(attachment(peer, None, node.status, NullTelemetry(), Random(1)), kind)  # type: ignore[arg-type]  # nothing is started

    asyncio.run(test())


@pytest.mark.skipif(kernel_has_sctp(), reason="this kernel has SCTP")
def test_without_sctp_the_node_says_so_and_serves_over_tcp(free_tcp_port: int) -> None:
    async def test() -> None:
        node = Node(
            loads(CONFIG.format(port=free_tcp_port, more="")), Random(1), NullTelemetry(), EventLog(), ()
        )
        await node.start()
        endpoint = Endpoint(port=free_tcp_port)
        msc = Msc(Network(), endpoint, Random(2), NullTelemetry())
        connection = attach(endpoint, msc.link, Random(3), msc.trouble)
        await connection.start()
        await msc.active(120)
        await until(lambda: not node.why_not_ready())  # it has yet to read the last ASPAC ACK
        await until(lambda: node.status.links["stp"].last_error)  # it dials beside the MSC
        assert "modprobe sctp" in node.status.links["stp"].last_error
        await connection.close()
        msc.signalling.stop()
        await node.stop()

    asyncio.run(test())
