"""``replay`` and ``explain`` against a node in a process of its own, over TCP and HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import replay_lab
from real_node import TOKEN, RealNode, free_ports
from replay_lab import PCAPS, generate, objects, run, subscriber

from scp.bench.monitored_call import install
from scp.capture.write import Association, PcapWriter
from scp.client import Client, import_subscribers
from scp.simulator.endpoint import Endpoint, attach
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.scenario import Attempt, Scenario
from scp.telemetry.null import NullTelemetry

PEER = """
[[m3ua.peers]]
name = "stp"
transport = "tcp"
role = "asp"
remote = ["127.0.0.1"]
port = {port}
[m3ua.peers.timers]
reconnect_first_s = 0.05
reconnect_most_s = 0.2
"""
HELD = """
[services.held]
service_keys = [101]
prefix = "99"
"""
CALLS = 200
RECORDS = [
    {"msisdn": "11234567", "authorized": True, "aor": "sip:a@x", "forwarding": True, "when": "roaming"},
    {"msisdn": "46701234567", "authorized": True, "aor": "sip:b@x", "forwarding": True},
    *(
        {"msisdn": each.msisdn, "authorized": True, "aor": each.aor, "forwarding": True}
        for each in map(subscriber, range(1, CALLS, 2))
    ),
]


class Tape:
    """Stands before an MSC's link and keeps what it says and hears."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.said: list[tuple[float, bool, bytes]] = []

    def connected(self, transport: Any) -> None:
        self.transport = transport
        self.user.connected(self)

    def received(self, messages: Any) -> None:
        self.said += [(time.time(), False, octets) for _, octets in messages]
        self.user.received(messages)

    def send(self, messages: Any) -> None:
        self.said += [(time.time(), True, octets) for _, octets in messages]
        self.transport.send(messages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.user if name == "disconnected" else self.transport, name)

    def write(self, path: Path) -> None:
        wire = Association(replay_lab.MSC, replay_lab.SCP)
        with path.open("wb") as file:
            writer = PcapWriter(file)
            for at, sent, octets in self.said:
                for packet in wire.packets(octets, sent=sent):
                    writer.write(at, packet)


async def held_call(port: int) -> Tape:
    """A call that the node holds open: it rings, is answered, and the called party hangs up."""
    scenario = Scenario(b_number="46701234567", service_key=101, attempts=(Attempt(ring=0.05, talk=0.05),))
    endpoint, random = Endpoint(port=port), Random(7)
    msc = Msc(replay_lab.NETWORK, endpoint, random, NullTelemetry())
    tape = Tape(msc.link)
    connection = attach(endpoint, tape, random, msc.trouble)
    await connection.start()
    try:
        await msc.active(120)
        [result] = await msc.run([PlannedCall(scenario)], 1, None)
        assert result.passed, result
    finally:
        await connection.close()
        msc.signalling.stop()
    return tape


class Place:
    """The node, where its API and M3UA are, and where it expects an STP."""

    def __init__(self, node: RealNode, stp: int) -> None:
        self.api = f"http://127.0.0.1:{node.settings['api']}"
        self.m3ua = f"127.0.0.1:{node.settings['m3ua']}"
        self.store = str(node.settings["store"])
        self.config = node.file
        self.stp = f"127.0.0.1:{stp}"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """With `held` as a second service, which the commands in this process have to know as well."""
    folder = tmp_path_factory.mktemp("node")
    real, [stp] = RealNode(folder), free_ports(1)
    real.write(PEER.format(port=stp) + HELD)
    install(folder / "plugin")
    with pytest.MonkeyPatch.context() as here:
        here.syspath_prepend(folder / "plugin")
        yield from _running(real, stp)


def _running(real: RealNode, stp: int) -> Iterator[Place]:
    with real.running({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}):
        place = Place(real, stp)
        with Client(place.api, TOKEN) as client:
            assert client.send(import_subscribers(RECORDS)).stored == len(RECORDS)
        yield place


@pytest.mark.parametrize(
    "name",
    ["cap1-continue", "cap2-steered", "cap4-steered", "segmented", "mistyped", "malformed", "translated"],
)
def test_the_node_answers_as_the_capture_has_it(node: Place, name: str) -> None:
    [shown] = objects(run("replay", PCAPS / f"{name}.pcapng", "--to", node.m3ua, "--json"))
    assert (shown["verdict"], shown["differences"]) == ("same", [])
    assert shown["answer_ms"] > 0


def test_a_capture_at_a_rate(node: Place, tmp_path: Path) -> None:
    """Twenty seconds of a capture's time; every second call is connected."""
    path = tmp_path / "calls.pcap"
    with path.open("wb") as file:
        generate(file, CALLS, rate=10)
    output = run("replay", path, "--to", node.m3ua, "--rate", "500", "--within", "20")
    assert f"same answer              │       {CALLS}" in output
    assert f"connect  │       {CALLS // 2}" in output
    assert "ms to the node's answer" in output


def test_another_answer_and_none_are_shown(node: Place, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    output = run("replay", PCAPS / "busy.pcapng", "--to", node.m3ua, "--speed", "50", "--html", page, code=1)
    assert "messages of the" in output
    assert "end: connect" in output
    assert '"who":"the node"' in page.read_text(encoding="utf-8")
    path = PCAPS / "cap2-steered.pcapng"
    # a title that is not the node's: SCCP brings the request back
    output = run("replay", path, "--to", node.m3ua, "--scp-gt", "46799999999", "--within", "0.5", code=1)
    assert "returned by SCCP" in output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--scp-gt", "46799999999"), "point code 0-23-1, global title 46799999999, SSN 146"),
        (("--scp-point-code", "0-23-2"), "point code 0-23-2, global title 46700000001, SSN 146"),
        (("--scp-point-code", "0-23-2", "--scp-gt", ""), "point code 0-23-2, no global title, SSN 146"),
    ],
)
def test_addresses_that_are_not_the_node_s_are_named(node: Place, words: tuple[str, ...], named: str) -> None:
    path = PCAPS / "cap2-steered.pcapng"
    output = run("replay", path, "--to", node.m3ua, "--within", "0.3", *words, code=1)
    assert f"not one request was answered. They went to {named}" in output
    assert "--scp-point-code" in output


def test_answers_are_no_reason_to_name_addresses(node: Place) -> None:
    different, same = PCAPS / "busy.pcapng", PCAPS / "cap2-steered.pcapng"
    assert "not one request" not in run("replay", different, "--to", node.m3ua, "--speed", "50", code=1)
    assert "not one request" not in run("replay", same, "--to", node.m3ua)


def test_a_dialogue_of_many_messages_is_said_again(node: Place, tmp_path: Path) -> None:
    """A call is made and kept; said to the node again, under other ids, it gets the same answers."""
    path = tmp_path / "held.pcap"
    asyncio.run(held_call(int(node.m3ua.rpartition(":")[2]))).write(path)
    [shown] = objects(run("replay", path, "--to", node.m3ua, "--json"))
    assert (shown["verdict"], shown.get("notes")) == ("same", None)
    assert len(shown["ours"]) == 2
    assert shown["ours"][0].startswith("continue: requestReportBCSMEvent + connect")
    assert shown["ours"][1] == "end: continue"
    # said to a service that ends the dialogue at once, the reports stay unsaid
    other = path.read_bytes().replace(b"\x80\x01\x65", b"\x80\x01\x64")
    path.write_bytes(other)
    [shown] = objects(run("replay", path, "--to", node.m3ua, "--json", code=1))
    assert (shown["verdict"], shown["notes"]) == ("different", ["messages of the switch not sent: 2"])


def test_a_node_that_connects_to_us(node: Place) -> None:
    output = run("replay", PCAPS / "cap2-steered.pcapng", "--listen", node.stp, "--json")
    assert [shown["verdict"] for shown in objects(output)] == ["same"]


def test_a_path_is_shown_where_the_rules_are_known(node: Place) -> None:
    words = ("--to", node.m3ua, "-c", node.config, "--store", node.api, "--token", TOKEN, "--json")
    [shown] = objects(run("replay", PCAPS / "cap2-steered.pcapng", *words))
    assert shown["path"][-1]["outcome"] == "forwarded-roaming"


def test_a_replay_takes_subscribers_from_a_node_a_store_or_an_export(
    node: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, secret = tmp_path / "records.ndjson", tmp_path / "token"
    export.write_text("".join(json.dumps(each) + "\n" for each in RECORDS), encoding="utf-8")
    secret.write_text(TOKEN + "\n", encoding="utf-8")
    monkeypatch.setenv("A_TOKEN", TOKEN)
    for where in (
        (node.api, "--token", "env:A_TOKEN"),
        (node.api, "--token", f"file:{secret}"),
        (node.store,),
        (export,),
    ):
        output = run("replay", PCAPS / "cap2-steered.pcapng", "-c", node.config, "--store", *where, "--json")
        assert [shown["reason"] for shown in objects(output)] == ["forwarded-roaming"]


def test_explain_by_a_node_by_a_store_or_by_a_configuration_says_the_same(node: Place) -> None:
    call = ("--b", "0701234567", "--json")
    shown = [
        objects(run("explain", *call, *where))[0]
        for where in (
            ("--node", node.api, "--token", TOKEN),
            ("--store", node.store, "--country-code", "46", "--home-vlr", "4670"),
            ("--config", node.config, "--store", node.store),
        )
    ]
    assert shown[0] == shown[1] == shown[2]
    assert (shown[0]["action"], shown[0]["number"]) == ("connect", "990701234567")


def test_explain_says_what_it_asks_and_why_it_can_not(
    node: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    assert "country code not given" in run("explain", "--b", "+46701234567", "--store", node.store)
    assert "--country-code" in run("explain", "--b", "0701234567", "--store", node.store, code=2)
    assert "connect" in run("explain", "--b", "0046 701234567", "--store", node.store)
    assert "401" in run("explain", "--b", "0701234567", "--node", node.api, code=2)
    refused = run("explain", "--b", "0" * 41, "--node", node.api, "--token", TOKEN, code=2)
    assert refused.count("b_number: ") == 1  # said once
    assert "--config" in run("explain", "--capture", PCAPS / "busy.pcapng", "--node", node.api, code=2)
    absent = f"http://127.0.0.1:{free_tcp_port}"
    monkeypatch.setattr("scp.replay.explain_command.DEFAULT_NODE", absent)
    output = run("explain", "--b", "0701234567", code=2)
    assert f"asking the node at {absent}" in output
    assert "does a node run there" in output
    assert "no variable" in run("explain", "--b", "1", "--node", node.api, "--token", "env:ABSENT_1", code=2)
    for wrong in (("--country-code", "0046"), ("--prefix", "0")):
        assert "numbering" in run("explain", "--b", "0701234567", "--store", node.store, *wrong, code=2)
    run("explain", "--b", "0701234567", "--store", tmp_path / "absent.ndjson", "--country-code", "46", code=2)
