"""The node as `serve` wires it, over TCP on this machine: every role, and peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from random import Random

import pytest

from oracles.waiting import PATIENCE, until

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py

from room import NETWORK, READY, Counts, Switch, idp, new_otid

from scp import config
from scp.app.event_log import EventLog
from scp.app.node import Node
from scp.domain.decision import Reason
from scp.domain.lookup import PENDING
from scp.net.single_user import PROOF
from scp.net.tcp import Connector, Listener
from scp.simulator.endpoint import Endpoint, Side, attach
from scp.simulator.expect import Action, Expectation
from scp.simulator.msc import Msc, PlannedCall
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.telemetry.null import NullTelemetry
from ss7 import tcap
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke
from ss7.tcap_dialogue import Aarq, encode_dialogue

NODE = """
[node]
point_code = {point_code}
[sccp]
global_title = "46700000001"
[store]
url = "sqlite::memory:"
deadline_ms = 800
{patience}
[numbering]
country_code = "46"
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
"""
PEER = """
[[m3ua.peers]]
name = "{name}"
transport = "tcp"
role = "{role}"
{addresses} = ["127.0.0.1"]
port = {port}
{more}
[m3ua.peers.timers]
ack_s = 0.3
reconnect_first_s = 0.05
reconnect_most_s = 0.1
"""


class Words(EventLog):
    """Keeps what the log would say."""

    def __init__(self):
        self.lines = []
        self.bugs = []

    def link(self, name, what, trouble):
        self.lines.append(f"{name}: {what}")

    def service_bug(self, service, error):
        self.bugs.append(error)


LATEST = "[engine]\nanswer_deadline_ms = 900\n"
PATIENCE_OF_NODE = "[overload]\ndelay_ms = 900\nrefuse_ms = 5000\n"
"""As long as a node may wait: on a busy machine a call is steered all the same."""


def settings(*peers, extra=""):
    """A configuration with peers: (name, role, port)."""
    patience = "" if "[overload]" in extra else PATIENCE_OF_NODE
    patience += "" if "[engine]" in extra else LATEST
    text = NODE.format(point_code=NETWORK.scp_point_code, patience=patience)
    text += extra.replace("[engine]\n", LATEST)
    for name, role, port, *more in peers:
        addresses = "local" if role.endswith("-listen") else "remote"
        text += PEER.format(name=name, role=role, port=port, addresses=addresses, more="\n".join(more))
    return config.loads(text, {})


@contextlib.asynccontextmanager
async def running(*peers, **others):
    """A node with one subscriber, started and, at the end, stopped."""
    node = Node(settings(*peers, **others), Random(5), Counts(), Words(), ())
    await node.start()
    try:
        await node.store.put(READY)
        yield node
        assert not node._event_log.bugs
    finally:
        await node.stop(abort=True)


class Field:
    """What a `Switch` of the engine's room needs, where time and messages move by themselves."""

    def __init__(self):
        self.said = []
        self.loop = self

    @property
    def now(self):
        return time.monotonic()

    def turn(self):
        pass


class Heard:
    """A switch's transport user; what the node sends is shown to the recorder."""

    def __init__(self, user, recorder):
        self.user = user
        self.recorder = recorder
        self.association = recorder.association()
        self.connected = user.connected
        self.disconnected = user.disconnected

    def received(self, messages):
        for _, message in messages:
            self.recorder.sent(message, stream=1, association=self.association)
        self.user.received(messages)


@contextlib.asynccontextmanager
async def gateway(recorder, port, name="stp", contexts=()):
    """A gateway that a node connects to; it says what the test wants."""
    switch = Switch(Field(), name, contexts)
    switch.accepted = 0

    def accept(address):
        switch.accepted += 1
        return Heard(switch, recorder)

    listener = Listener(name, ("127.0.0.1",), port, accept)
    await listener.start()
    try:
        yield switch
    finally:
        await listener.close(abort=True)


def begin(otid):
    invoke = encode_invoke(1, Opcode.INITIAL_DP, idp())
    return tcap.build_begin(otid, encode_dialogue(Aarq(BY_VERSION[2].octets)), [invoke])


def heard(switch, otid):
    return [answer for answer in switch.room.said if answer.message.dtid == otid]


async def a_call(switch):
    """Make a call and have it steered."""
    await until(lambda: switch.machine.state.value == "active")
    otid = new_otid()
    switch.tcap(begin(otid))
    await until(lambda: heard(switch, otid))
    [answer] = heard(switch, otid)
    assert answer.opcodes == [Opcode.CONNECT]


# --- roles ---


@pytest.mark.parametrize(
    ("role", "side", "context"),
    [
        ("asp", Side.GATEWAY, -1),
        ("asp", Side.GATEWAY, 7),
        ("asp-listen", Side.GATEWAY, 7),
        ("ipsp", Side.IPSP, 7),
        ("ipsp-listen", Side.IPSP, 7),
        ("ipsp-listen", Side.ASP, -1),
    ],
)
@pytest.mark.parametrize("codec", ["fast", "reference"])
def test_calls_through_every_role(everything_sent, free_tcp_port, role, side, context, codec):
    async def run():
        more = [f"routing_context = {context}"] if context >= 0 else []
        endpoint = Endpoint(side=side, listen=not role.endswith("-listen"), port=free_tcp_port)
        msc = Msc(Network(routing_context=context), endpoint, Random(3), NullTelemetry())
        overheard = Heard(msc.link, everything_sent)
        extra = f'[engine]\ncodec = "{codec}"\n'
        async with running(("msc", role, free_tcp_port, *more), extra=extra) as node:
            connection = attach(endpoint, overheard, Random(4), msc.trouble)
            await connection.start()
            try:
                await msc.active(PATIENCE)
                await until(lambda: not node.why_not_ready())
                results = await msc.run(calls(), 2, None)
            finally:
                msc.leave()
                await connection.close(abort=True)
                msc.signalling.stop()
        return results

    for result in asyncio.run(run()):
        assert result.passed, result.faults


def calls():
    steered = Expectation(action=Action.CONNECT, number="990011234567", nature=2, ended=True)
    goes_on = Expectation(action=Action.CONTINUE, ended=True)
    for version in (1, 2, 3, 4):
        for trigger in ("originating", "terminating"):
            for number, expected in (("0011234567", steered), ("0011234568", goes_on)):
                scenario = Scenario(version=version, trigger=trigger, b_number=number, b_nature=2)
                yield PlannedCall(scenario, expected)


def test_a_second_connection_to_one_peer_is_refused_and_said(everything_sent, free_tcp_port):
    async def run():
        async with running(("msc", "asp-listen", free_tcp_port)) as node:
            first, second = Switch(Field(), "first"), Switch(Field(), "second")
            connectors = [
                Connector(
                    switch.name,
                    ["127.0.0.1"],
                    free_tcp_port,
                    Heard(switch, everything_sent),
                    random=Random(1),
                )
                for switch in (first, second)
            ]
            await connectors[0].start()
            await a_call(first)
            await connectors[1].start()
            await until(lambda: "refused" in node.status.links["msc"].last_error)
            said = "a connection from 127.0.0.1 was refused: the peer is alive on another association, from 127.0.0.1"
            assert node.status.links["msc"].last_error.startswith(said)
            await a_call(first)
            assert not second.heard
            for connector in connectors:
                await connector.close(abort=True)

    asyncio.run(run())


GATEWAY = """
import socket, sys, time
from scp.stack.m3ua.sgp import Sgp
from ss7.m3ua_framer import Framer
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
machine, framer = Sgp(), Framer()
machine.connected(time.monotonic(), 1)
while chunk := peer.recv(65536):
    for message in framer.feed(chunk):
        machine.receive(message, 0, time.monotonic())
    for _, octets in machine.outbox:
        peer.sendall(octets)
    machine.outbox.clear()
"""


def test_a_gateway_that_comes_back_after_a_power_cut_is_taken_after_a_second(everything_sent, free_tcp_port):
    """Its process is stopped, so that its socket stands open and nothing comes from it, not even a FIN."""

    async def run():
        async with running(("msc", "asp-listen", free_tcp_port)) as node:
            before = await asyncio.create_subprocess_exec(sys.executable, "-c", GATEWAY, str(free_tcp_port))
            try:
                [link] = node.signalling.links
                lines = node._event_log.lines
                # its NTFY is the last that it has to send: what came later would prove that it is alive
                await until(lambda: link.active and "msc: AS active" in lines)
                before.send_signal(signal.SIGSTOP)
                switch = Switch(Field(), "again")
                heard = Heard(switch, everything_sent)
                connector = Connector("again", ["127.0.0.1"], free_tcp_port, heard, random=Random(1))
                began = time.monotonic()
                await connector.start()
                await a_call(switch)
                assert time.monotonic() - began >= PROOF
                assert link.active
                why = "no answer to BEAT in 1 s, while a new connection from 127.0.0.1 waits"
                assert lines.index(f"msc: association lost: {why}") < lines.index("msc: association up", 1)
                assert not any("refused" in line for line in lines), lines
                await connector.close(abort=True)
            finally:
                before.kill()
                await before.wait()

    asyncio.run(run())


# --- peers that misbehave ---

HALF_DATA = bytes.fromhex("0100010100000064020000")
MISBEHAVIOURS = {
    "half a message, then gone": (HALF_DATA, True, "in the middle of a message"),
    "a header alone, then gone": (HALF_DATA[:5], True, "in the middle of a message"),
    "HTTP": (b"GET /metrics HTTP/1.1\r\nHost: scp\r\n\r\n", False, "boundaries lost"),
    "TLS": (bytes.fromhex("16030100c8010000c40303"), False, "boundaries lost"),
    "a message of 4 GiB": (bytes.fromhex("01000101fffffffc"), False, "boundaries lost"),
    "a message of no length": (bytes.fromhex("0100010100000000"), False, "boundaries lost"),
    "nothing, gone": (b"", True, "closed by peer"),
}


@pytest.mark.parametrize(("octets", "hangs_up", "words"), MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
def test_a_peer_that_talks_nonsense_or_dies_is_connected_again(
    everything_sent, free_tcp_port, octets, hangs_up, words
):
    async def run():
        async with (
            gateway(everything_sent, free_tcp_port) as switch,
            running(("stp", "asp", free_tcp_port)) as node,
        ):
            await a_call(switch)
            switch.transport._socket.write(octets)
            if hangs_up:
                switch.transport.close()
            await until(lambda: switch.accepted == 2)
            assert words in node.status.links["stp"].last_error
            await a_call(switch)
            assert not len(node.signalling.tcap)

    asyncio.run(run())


def test_a_message_in_pieces_is_one_message(everything_sent, free_tcp_port):
    async def run():
        async with gateway(everything_sent, free_tcp_port) as switch, running(("stp", "asp", free_tcp_port)):
            await a_call(switch)
            otid = new_otid()
            captured = []
            whole, switch.transport = switch.transport, None
            switch.machine.send(NETWORK.point_code, NETWORK.scp_point_code, 0, 5, udt(begin(otid)))
            captured = b"".join(message for _, message in switch.machine.outbox)
            switch.machine.outbox.clear()
            switch.transport = whole
            for at in range(0, len(captured), 7):
                whole._socket.write(captured[at : at + 7])
                await asyncio.sleep(0.001)
            await until(lambda: heard(switch, otid))

    asyncio.run(run())


def udt(octets):
    from ss7.sccp import MessageType, UnitData

    return UnitData(MessageType.UDT, 1, True, NETWORK.called(), NETWORK.calling(), octets).encode()


def test_a_peer_that_answers_no_beat_is_let_go(everything_sent, free_tcp_port):
    async def run():
        peer = ("stp", "asp", free_tcp_port, "heartbeat_s = 0.1")
        async with gateway(everything_sent, free_tcp_port) as switch, running(peer) as node:
            await a_call(switch)
            switch.received = lambda messages: None  # a hung peer: TCP is alive, nobody is at home
            await until(lambda: not node.status.links["stp"].connected)
            assert "BEAT unanswered" in node.status.links["stp"].last_error
            del switch.received
            await until(lambda: switch.accepted >= 2)
            await a_call(switch)

    asyncio.run(run())


def test_nobody_listens_yet(everything_sent, free_tcp_port):
    async def run():
        async with running(("stp", "asp", free_tcp_port)) as node:
            await until(lambda: "refused" in node.status.links["stp"].last_error)
            assert node.why_not_ready() == ["no ASP is active"]
            async with gateway(everything_sent, free_tcp_port) as switch:
                await a_call(switch)
                assert node.why_not_ready() == []

    asyncio.run(run())


# --- two peers ---


class Slow:
    """A store that answers when the test says so."""

    def __init__(self, store):
        self.find_now = store.find
        self.waiting = []

    def find(self, msisdn, waiter):
        self.waiting.append((msisdn, waiter))
        return PENDING

    def answer(self):
        for msisdn, waiter in self.waiting:
            waiter.found(self.find_now(msisdn, waiter))
        self.waiting.clear()


def test_an_answer_takes_the_other_link_when_its_own_went_down(everything_sent):
    from oracles.servers import free_tcp_port

    async def run():
        ports = free_tcp_port(), free_tcp_port()
        async with (
            gateway(everything_sent, ports[0], "a") as one,
            gateway(everything_sent, ports[1], "b") as other,
            running(("a", "asp", ports[0]), ("b", "asp", ports[1])) as node,
        ):
            await a_call(one)
            await a_call(other)
            slow = Slow(node.store)
            node.store.find = slow.find
            otid = new_otid()
            one.tcap(begin(otid))
            await until(lambda: slow.waiting)
            one.transport.close(abort=True)
            await until(lambda: not node.signalling.links[0].active)
            slow.answer()
            await until(lambda: heard(other, otid))
            assert heard(other, otid)[0].opcodes == [Opcode.CONNECT]
            assert not heard(one, otid)
            del node.store.find
            await a_call(other)
            await until(lambda: one.accepted == 2)
            await a_call(one)

    asyncio.run(run())


# --- drain ---


def test_a_drain_under_calls_loses_none(everything_sent, free_tcp_port):
    async def run():
        async with (
            gateway(everything_sent, free_tcp_port) as switch,
            running(("stp", "asp", free_tcp_port)) as node,
        ):
            await a_call(switch)
            slow = Slow(node.store)
            node.store.find = slow.find
            asked = [new_otid() for _ in range(20)]
            for otid in asked:
                switch.tcap(begin(otid))
            await until(lambda: len(slow.waiting) == len(asked))
            drain = asyncio.create_task(node.drain(5.0))
            await until(lambda: node.why_not_ready() == ["draining"])
            late = new_otid()
            switch.tcap(begin(late))
            await until(lambda: heard(switch, late))
            assert heard(switch, late)[0].opcodes == [Opcode.CONTINUE]
            assert node._telemetry.calls[-1][1].reason is Reason.DRAINING
            assert not drain.done()
            slow.answer()
            assert await drain
            await until(lambda: all(len(heard(switch, otid)) == 1 for otid in asked))
            assert {heard(switch, otid)[0].opcodes[0] for otid in asked} == {Opcode.CONNECT}
            assert switch.machine.state.value == "down"

    asyncio.run(run())


def test_a_drain_ends_in_time_when_the_peer_does_not_answer_or_a_call_does_not_end(
    everything_sent, free_tcp_port
):
    async def run():
        async with (
            gateway(everything_sent, free_tcp_port) as switch,
            running(("stp", "asp", free_tcp_port)) as node,
        ):
            await a_call(switch)
            node.signalling.tcap.open(None, b"", node.signalling.clock())
            switch.received = lambda messages: None
            began = time.monotonic()
            assert not await node.drain(0.1)
            assert time.monotonic() - began < 4.5
            assert not node.signalling.links[0].up

    asyncio.run(run())


# --- call detail records ---


def test_every_call_leaves_a_record(everything_sent, free_tcp_port):
    async def run():
        async with (
            gateway(everything_sent, free_tcp_port) as switch,
            running(("stp", "asp", free_tcp_port)) as node,
        ):
            for _ in range(3):
                await a_call(switch)
            await node.charging.sink.flush()
            return [json.loads(each.json) for each in await node.charging.cdrs.page(0, 9)]

    records = asyncio.run(run())
    assert len({each["id"] for each in records}) == 3
    for each in records:
        assert (each["kind"], each["action"], each["service"]) == ("attempt", "connect", "voip-forwarding")
        assert each["number"].startswith("99")
        assert each["b_number"]
