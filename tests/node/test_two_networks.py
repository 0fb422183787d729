"""A node in two SS7 networks, wired from its configuration, over TCP on this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from oracles.servers import free_ports
from oracles.waiting import until

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py

from room import NETWORK, new_otid
from test_node import LATEST, NODE, PEER, begin, gateway, heard, running, settings

from scp.app.metrics import NodeMetrics
from scp.config import ConfigError, describe, loads
from ss7.sccp import Address, GlobalTitle, MessageType, UnitData

HOME = """
[networks.home]
network_indicator = "national"
point_code = 2000
also = [2001]
ssn = [146, 147]
global_title = "46700000002"
"""
FROM_MSC = Address(146, NETWORK.point_code, None, True).encode()


def ask(switch, ni, dpc, called, **fields):
    otid = new_otid()
    unit = UnitData(MessageType.UDT, 1, False, called.encode(), FROM_MSC, begin(otid))
    switch.sccp(unit.encode(), ni=ni, dpc=dpc, **fields)
    return otid


async def answer(switch, *question, **fields):
    otid = ask(switch, *question, **fields)
    await until(lambda: heard(switch, otid))
    [found] = heard(switch, otid)
    return found


def test_a_node_answers_in_the_network_of_each_gateway(everything_sent):
    async def run():
        ports = free_ports(2)
        peers = ("abroad", "asp", ports[0]), ("home", "asp", ports[1], 'network = "home"')
        async with (
            gateway(everything_sent, ports[0]) as abroad,
            gateway(everything_sent, ports[1]) as home,
            running(*peers, extra=HOME) as node,
        ):
            await until(lambda: all(link.active for link in node.signalling.links))
            there = await answer(
                abroad, 0, NETWORK.scp_point_code, Address(146, -1, GlobalTitle("46700000001"))
            )
            assert (there.ni, there.opc) == (0, NETWORK.scp_point_code)
            assert there.unit.calling.global_title.digits == "46700000001"
            here = await answer(home, 2, 2001, Address(147, -1, GlobalTitle("46700000002")))
            assert (here.ni, here.opc) == (2, 2001)
            assert here.unit.calling == Address(147, -1, GlobalTitle("46700000002"))
            other = await answer(home, 3, 2000, Address(146, 2000, None, True))
            assert (other.ni, other.opc) == (3, 2000)
            said = "home: DATA has network indicator reserved, network home has national: it is answered with reserved"
            assert said in node._event_log.lines
            found = {
                (sample.labels["peer"], sample.labels["indicator"]): sample.value
                for family in NodeMetrics(node).collect()
                if family.name == "scp_m3ua_other_indicator"
                for sample in family.samples
            }
            assert found[("home", "reserved")] == 1
            assert len(found) == 8
            assert sum(found.values()) == 1

    asyncio.run(run())


def test_another_indicator_is_discarded_where_the_configuration_says_so(everything_sent, free_tcp_port):
    async def run():
        extra = HOME + 'other_network_indicator = "discard"\n'
        async with (
            gateway(everything_sent, free_tcp_port) as home,
            running(("home", "asp", free_tcp_port, 'network = "home"'), extra=extra) as node,
        ):
            await until(lambda: home.machine.state.value == "active")
            ask(home, 0, 2000, Address(146, 2000, None, True))
            await until(lambda: ("m3ua", "network-indicator") in node._telemetry.discards)
            [condition] = node.status.links["home"].other_indicators.values()
            assert condition.check
            assert home.data == []

    asyncio.run(run())


def test_application_servers_are_of_the_networks_that_the_configuration_lists(everything_sent, free_tcp_port):
    async def run():
        more = 'routing_context = [7, 9]\nnetwork = ["default", "home"]'
        async with (
            gateway(everything_sent, free_tcp_port, contexts=(7, 9)) as switch,
            running(("stp", "asp", free_tcp_port, more), extra=HOME) as node,
        ):
            await until(lambda: switch.machine.state.value == "active")
            title = Address(146, -1, GlobalTitle("46700000001"))
            found = await answer(switch, 0, NETWORK.scp_point_code, title, context=7)
            assert (found.ni, found.opc, found.context) == (0, NETWORK.scp_point_code, 7)
            title = Address(146, -1, GlobalTitle("46700000002"))
            found = await answer(switch, 2, 2000, title, context=9)
            assert (found.ni, found.opc, found.context) == (2, 2000, 9)
            assert not node.signalling.links[0].others

    asyncio.run(run())


# --- the configuration ---


def described(*peers, extra):
    return describe(settings(*peers, extra=extra)).splitlines()


def test_check_says_what_the_node_is_in_each_network():
    lines = described(("abroad", "asp", 2905), ("home", "asp", 2906, 'network = "home"'), extra=HOME)
    at = lines.index("network home, by home:")
    assert lines[at + 1] == (
        "point code 0-250-0 (2000), 0-250-1 (2001), network indicator national (DATA with another: answered with it)"
    )
    assert lines[at + 2] == "SSN 146, 147, global title 46700000002, callers all"
    assert "network default, by abroad:" in lines
    assert not any(line.startswith("network ") for line in described(("abroad", "asp", 2905), extra=""))


def test_what_a_network_leaves_out_is_taken_from_node_and_sccp():
    plain = HOME.partition("ssn")[0]
    extra = plain + '[networks.third]\nnetwork_indicator = "spare"\npoint_code = 3\nglobal_title = ""\n'
    read = settings(("a", "asp", 1, 'network = ["default", "home", "third"]'), extra=extra)
    networks = read.every_network()
    assert list(networks) == ["default", "home", "third"]
    assert networks["home"].ssns == networks["default"].ssns == (146,)
    assert [each.global_title for each in networks.values()] == ["46700000001", "46700000001", ""]
    assert {each.other_network_indicator for each in networks.values()} == {"answer"}
    assert all(each.allowed_callers == () for each in networks.values())


@pytest.mark.parametrize(
    ("peer", "extra", "path", "reason"),
    [
        (
            'network = "hme"',
            HOME,
            "m3ua.peers[0].network",
            "hme is none of networks; there are: default, home",
        ),
        ("", HOME, "networks.home", "no peer leads to it"),
        ("network = []", "", "m3ua.peers[0].network", "one or more"),
        ('network = "default"', HOME.replace("home", "default"), "networks.default", "take another name"),
        (
            "",
            HOME.replace("home", '"a b"'),
            "networks.a b",
            "the name must be 1 to 64 letters",
        ),
        (
            'network = ["default", "home"]\nrouting_context = [1, 2, 3]',
            HOME,
            "m3ua.peers[0].network",
            "2 for the 3 of routing_context: one for each",
        ),
        (
            'network = ["default", "home"]',
            HOME.replace('"national"', '"international"'),
            "m3ua.peers[0].network",
            "default and home are both international",
        ),
        (
            'network = ["default", "home"]\ndestinations = [1]',
            HOME,
            "m3ua.peers[0].destinations",
            "not for a peer with several networks",
        ),
        (
            'network = ["default", "home"]\nrouting_key = {}',
            HOME,
            "m3ua.peers[0].routing_key",
            "not for a peer with several networks",
        ),
        ('network = "home"', HOME.replace("[146, 147]", "[]"), "networks.home.ssn", "one or more"),
        ('network = "home"', HOME.replace("[146, 147]", "[146, 146]"), "networks.home.ssn", "each once"),
        ('network = "home"', HOME.replace("[146, 147]", "[146, 1]"), "networks.home.ssn[1]", "2 to 254"),
        ('network = "home"', HOME.replace('"national"', '"x"'), "networks.home.network_indicator", "one of"),
        (
            'network = "home"',
            HOME + "allowed_callers = ['0-999-1']",
            "networks.home.allowed_callers[0]",
            "within",
        ),
        (
            'network = "home"',
            HOME + 'other_network_indicator = "drop"',
            "networks.home.other_network_indicator",
            "one of answer, discard",
        ),
        ("", "[networks]\nhome = 5", "networks.home", "must be a table"),
    ],
)
def test_networks_that_do_not_fit_are_refused(peer, extra, path, reason):
    with pytest.raises(ConfigError) as raised:
        settings(("a", "asp", 2905, peer), extra=extra)
    assert reason in {fault.path: fault.reason for fault in raised.value.faults}[path]


def test_point_codes_of_allowed_callers_are_not_carried_into_another_network():
    text = NODE.format(point_code=1, patience=LATEST).replace(
        "[sccp]", '[sccp]\nallowed_callers = ["46", "0-1-1"]'
    )
    peer = PEER.format(name="a", role="asp", port=1, addresses="remote", more='network = "home"')
    with pytest.raises(
        ConfigError, match=r"networks\.home\.allowed_callers: required.*another network: 0-1-1"
    ):
        loads(text + HOME + peer, {})
    own = loads(text + HOME + 'allowed_callers = ["0-1-2"]\n' + peer, {}).every_network()
    assert own["home"].allowed_callers == ("0-1-2",)
    inherits = loads(text.replace(', "0-1-1"', "") + HOME + peer, {}).every_network()
    assert inherits["home"].allowed_callers == ("46",)
