"""The roaming call, whole: an MSC asks the node, the gateway calls the VoIP service, the subscriber's devices ring."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner
from voip_lab import DOMAIN, SCENARIOS, Lab, free_ports, free_tcp_port, header, unavailable

from oracles.waiting import PATIENCE, wait_until
from scp import client
from scp.app import demo, demo_voip, demo_voip_service
from scp.cli import app
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.result import CallResult
from scp.simulator.scenario import Scenario
from ss7.isup import NatureOfAddress

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE, BOB = "11234567", "46701234567"
HOME, FOREIGN = "46709000001", "491710000001"


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.troubles()
    yield shared_lab
    assert [one for one in shared_lab.troubles() if "reload refused" not in one] == []


def ask(lab: Lab, vlr: str, **options: object) -> CallResult:
    """The MSC asks the node about a call to Alice."""
    scenario = Scenario(b_number=f"00{ALICE}", b_nature=NatureOfAddress.UNKNOWN.value, vlr=vlr, **options)  # type: ignore[arg-type]
    endpoint = Endpoint(port=int(lab.node.settings["m3ua"]))
    calls = run_calls(
        [PlannedCall(scenario, Expectation())], network=Network(), endpoint=endpoint, random=Random(1)
    )
    return asyncio.run(calls)[0]


def registered(lab: Lab, msisdn: str) -> bool:
    return lab.api.send(client.subscriber(msisdn)).forwarding


def test_a_roaming_subscribers_devices_ring_and_one_takes_the_call(lab: Lab) -> None:
    wait_until(lambda: not registered(lab, ALICE))  # another test's device has just left
    before = ask(lab, FOREIGN)
    assert before.answer.action is Action.CONTINUE
    wait_until(lambda: [one["reason"] for one in lab.node.said("call")][-1:] == ["not-registered"])

    phone, tablet = lab.bound("alice-phone", ALICE), lab.bound("alice-tablet", ALICE)
    wait_until(lambda: registered(lab, ALICE))
    assert ask(lab, HOME).answer.action is Action.CONTINUE
    steered = ask(lab, FOREIGN).answer
    assert (steered.action, steered.number) == (Action.CONNECT, "990011234567")

    rings = lab.device("rings", phone)
    answers = lab.device("answers", tablet, pause=200)
    gateway = lab.gateway_calls(steered.number)
    for each in (gateway, rings, answers):
        each.ended()
    (cancel,) = rings.received("CANCEL")
    assert header(cancel, "Reason") == ['SIP;cause=200;text="Call completed elsewhere"']  # RFC 3326
    (invite,) = answers.received("INVITE")
    assert header(invite, "P-Asserted-Identity") == ["<sip:+46700000009@voip.example>"]
    decided = lab.said("call", to="990011234567")[-1]
    assert (decided["reason"], decided["called"]) == ("rings-devices", ALICE)
    lab.unbind("alice-phone", ALICE, phone)
    lab.unbind("alice-tablet", ALICE, tablet)
    wait_until(lambda: not registered(lab, ALICE))
    assert ask(lab, FOREIGN).answer.action is Action.CONTINUE


def test_a_wrong_password_registers_nobody(lab: Lab) -> None:
    sipp = lab.register("bob-phone", BOB, 5999, password="guessed")
    sipp.process.wait(120)
    assert sipp.received("SIP/2.0 401")
    assert not sipp.received("SIP/2.0 200")
    sipp.stop()


def test_a_device_registers_no_number_that_it_does_not_stand_for(lab: Lab) -> None:
    sipp = lab.register("bob-phone", ALICE, 5999)
    sipp.process.wait(120)
    assert sipp.received("SIP/2.0 403")
    assert lab.wait_said("device refused")["number"] == f"+{ALICE}"
    sipp.stop()


def test_a_number_that_is_not_marked_and_nobodys_is_not_relayed(lab: Lab) -> None:
    sipp = lab.gateway_calls("0046812399")
    sipp.process.wait(120)
    assert sipp.received("SIP/2.0 404")
    lab.wait_said("call", reason="not-ours")
    sipp.stop()


def test_a_reload_takes_identities_and_devices_over_and_status_says_how_it_is(lab: Lab) -> None:
    new = "46701234570"
    bob = lab.bound("bob-phone", BOB)
    assert lab.brain is not None
    accounts = lab.accounts
    reloads = len(lab.said("reloaded"))
    lab.accounts = {ALICE: accounts[ALICE], new: ["new-phone"]}
    lab.write()
    lab.brain.send_signal(signal.SIGHUP)
    lab.wait_said("reloaded", reloads + 1)
    lab.api.send(client.authorize(new))
    phone = lab.bound("new-phone", new)
    wait_until(lambda: registered(lab, new) and not registered(lab, BOB))
    gone = lab.register("bob-phone", BOB, bob)
    gone.process.wait(120)
    assert gone.received("SIP/2.0 403")
    gone.stop()
    said = CliRunner().invoke(app, ["voip", "status", "-c", str(lab.toml)])
    assert said.exit_code == 0, said.output
    assert re.search(r"^[1-9]\d* of \d+ identities have a device registered$", said.output, re.MULTILINE)
    assert "asked by Kamailio at 127.0.0.1:" in said.output
    lab.toml.write_text(lab.toml.read_text() + "[viop]\n")
    lab.brain.send_signal(signal.SIGHUP)
    lab.wait_said("reload refused, the configuration in use stays")
    lab.unbind("new-phone", new, phone)
    lab.accounts = accounts
    lab.write()
    lab.brain.send_signal(signal.SIGHUP)
    lab.wait_said("reloaded", reloads + 2)


def test_the_service_is_left_running_with_accounts_that_a_phone_can_use() -> None:
    console = Console(record=True, quiet=False, highlight=False, file=io.StringIO())

    async def run() -> str:
        m3ua, api, metrics, clients = free_ports(4)
        sip = free_tcp_port()
        ports = (m3ua, api, metrics, clients)
        keeping = asyncio.ensure_future(demo_voip.keep(demo.CONFIG, console, sip, ports))
        try:
            await demo_voip_service.until(
                lambda: keeping.done() or "Ctrl-C" in console.export_text(clear=False), "all runs"
            )
            said = console.export_text(clear=False)
            password = re.findall(r"user bob-phone  password (\S+)", said)[0]
            keys = {"domain": DOMAIN, "device": "bob-phone", "contact": "127.0.0.1:9", "expires": "300"}
            command = [
                demo_voip_service.program("sipp"),
                f"127.0.0.1:{sip}",
                "-sf",
                str(SCENARIOS / "register.xml"),
            ]
            command += ["-nostdin", "-m", "1", "-i", "127.0.0.1", "-s", f"+{BOB}", "-timeout", "15"]
            command += ["-au", "bob-phone", "-ap", password]
            command += [word for key, value in keys.items() for word in ("-key", key, value)]
            sipp = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
            assert await sipp.wait() == 0
            # what an app and an operator ask, as it is printed
            asks = re.findall(r"curl ((?:[^\n]*\\\n)?[^\n]*)", said)
            assert len(asks) == 2
            for asked in asks:
                pipe = asyncio.subprocess.PIPE
                shell = await asyncio.create_subprocess_shell(f"curl -sf {asked}", stdout=pipe)
                answer, _ = await shell.communicate()
                assert shell.returncode == 0, asked
                assert b'"msisdn":"11234567"' in answer or b'"quiet":true' in answer
            (page,) = re.findall(r"its metrics: (\S+/metrics)", said)
            async with httpx.AsyncClient(trust_env=False) as http:
                assert "scp_voip_identities 2.0" in (await http.get(page)).text
            return said
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    said = asyncio.run(run())
    assert "address sip:+11234567@voip.example  authentication user alice-tablet" in said
    assert "camel-scp msc --b 0011234567 --vlr 491710000001" in said


def test_the_service_that_was_left_running_ends_with_all_it_started(tmp_path: Path) -> None:
    ports, sip = tuple(free_ports(4)), free_tcp_port()
    code = (
        "import asyncio; from rich.console import Console; from scp.app import demo, demo_voip;"
        f"asyncio.run(demo_voip.keep(demo.CONFIG, Console(width=200), {sip}, {ports}))"
    )
    out = tmp_path / "out"
    with out.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: process.poll() is not None or "Ctrl-C" in out.read_text())
        said = out.read_text()
        url = re.findall(r"QR code \((http://\S+)\)", said)[0]
        account = httpx.get(url, trust_env=False).text
        assert ET.fromstring(account).find(".//*[@name='userid']").text == "alice-phone"
        assert httpx.get(url + "x", trust_env=False).status_code == 404
        assert "\u2588" in said  # the QR code's blocks
        log = re.findall(r"Kamailio's log: (\S+)/kamailio.log", said)[0]
        (kamailio,) = [pid for pid in having(log) if os.getpgid(pid) == pid]
        os.kill(kamailio, signal.SIGKILL)
        wait_until(lambda: kamailio not in having(log))
        assert having(log), "its other processes go on"
        process.terminate()
        assert process.wait(PATIENCE) == 0, out.read_text()
        wait_until(lambda: not having(log))
        assert not Path(log).exists()
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_ports_that_others_have_are_named_before_anything_starts() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", 0)) as api,
    ):
        udp.bind(("127.0.0.1", 0))
        sip, taken = udp.getsockname()[1], api.getsockname()[1]
        with pytest.raises(
            OSError, match=f"has .*UDP 127.0.0.1:{sip}, .*TCP 127.0.0.1:{taken}: end it first"
        ):
            asyncio.run(demo_voip.keep(demo.CONFIG, Console(file=io.StringIO()), sip, (0, taken, 0, 0)))


def having(text: str) -> list[int]:
    """Processes with this in their command line."""
    found = Path("/proc").glob("[0-9]*/cmdline")
    return [int(one.parent.name) for one in found if text.encode() in cmdline(one)]


def cmdline(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it ended meanwhile
        return b""
