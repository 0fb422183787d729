"""What follows when nobody answers, what a device dials, who gives up when, and a brain that is not there."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import pytest
from voip_lab import DEVICE, DOMAIN, PASSWORD, Lab, Sipp, free_tcp_port, header, refused, unavailable

from oracles.waiting import wait_until
from scp import client
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Expectation
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from ss7.isup import NatureOfAddress

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE, BOB, CAROL, DAVE = "11234567", "46701234567", "46701234568", "46701234569"


def forwarded(lab: Lab, msisdn: str) -> bool:
    return lab.api.send(client.subscriber(msisdn)).forwarding


def bob_dials(lab: Lab, number: str) -> Sipp:
    return Sipp(
        lab,
        "device_calls",
        DEVICE,
        free_tcp_port(),
        service=number,
        caller=f"+{BOB}",
        domain=DOMAIN,
        au="bob-phone",
        ap=PASSWORD,
        privacy="none",
    )


def records(lab: Lab) -> int:
    """How many legs of calls the node has a record of."""
    found = lab.api.send(client.cdrs(0, limit=1000)).cdrs
    return sum(isinstance(one, client.VoipRecord) for one in found)


def test_nobody_answers_and_the_mobile_rings(lab: Lab, phone: int) -> None:
    rings, mobile = lab.device("rings", phone), lab.gateway("answers")
    calls = lab.gateway_calls("990011234567")
    for each in (calls, rings, mobile):
        each.ended()
    (invite,) = mobile.received("INVITE")
    assert invite.startswith("INVITE sip:0011234567@127.0.0.10:")
    assert len(header(invite, "Record-Route")) == 1
    assert header(invite, "P-Asserted-Identity") == ["<sip:+46700000009@voip.example>"]
    assert header(invite, "Diversion") == ["<sip:+11234567@voip.example>;reason=no-answer;counter=1"]
    history = header(invite, "History-Info")[0]
    assert history.startswith("<sip:+11234567@voip.example>;index=1,<sip:0011234567@127.0.0.10:")
    assert history.endswith(";cause=408>;index=1.1;mp=1")
    # the gateway's ISUP says the redirecting number, and so does its InitialDP
    said = lab.api.send(
        client.decide(
            "0011234567",
            vlr="491710000001",
            trigger="terminating",
            redirecting_number=f"+{ALICE}",
            redirections=1,
        )
    )
    assert (said.action, said.reason) == ("continue", "diverted-back")


def initial_dp(lab: Lab, caller: str) -> str:
    """Where the switch routes Alice's call by the node's answer, "" if it goes on: without redirection data."""
    scenario = Scenario(
        a_number=caller, b_number="0011234567", b_nature=NatureOfAddress.UNKNOWN.value, vlr="491710000001"
    )
    endpoint = Endpoint(port=int(lab.node.settings["m3ua"]))
    planned = [PlannedCall(scenario, Expectation())]
    (result,) = asyncio.run(run_calls(planned, network=Network(), endpoint=endpoint, random=Random(1)))
    return result.routed_to


def test_a_gateway_that_drops_redirection_data_gets_its_call_through_once(lab: Lab, phone: int) -> None:
    caller = "46700000099"
    rings, mobile = lab.device("rings", phone), lab.gateway("answers", pause=3000)
    calls = lab.gateway_calls("990011234567", caller=caller)
    wait_until(lambda: bool(mobile.received("INVITE")))
    # the node knew before the INVITE left: the mobile's InitialDP goes on, and no second one does
    assert [one.caller for one in passes(lab)].count(caller) == 1
    assert initial_dp(lab, caller) == ""
    wait_until(lambda: [one["reason"] for one in lab.node.said("call")][-1:] == ["passed"])
    assert initial_dp(lab, caller) == "990011234567"
    for each in (calls, rings, mobile):
        each.ended()


def passes(lab: Lab) -> tuple[client.Pass, ...]:
    return lab.api.send(client.passes(ALICE)).passes


def test_a_pass_that_was_not_needed_is_taken_back(lab: Lab) -> None:
    mobile, calls = lab.gateway("answers"), lab.gateway_calls("990011234567", caller="46700000098")
    for each in (calls, mobile):
        each.ended()
    wait_until(lambda: "46700000098" not in [one.caller for one in passes(lab)])


def test_a_busy_device_is_no_end(lab: Lab, phone: int) -> None:
    busy, mobile = lab.device("busy", phone), lab.gateway("answers")
    calls = lab.gateway_calls("990011234567")
    for each in (calls, busy, mobile):
        each.ended()


def test_no_device_and_the_mobile_rings_at_once(lab: Lab) -> None:
    mobile = lab.gateway("answers")
    calls = lab.gateway_calls("990011234567")
    for each in (calls, mobile):
        each.ended()
    assert header(mobile.received("INVITE")[0], "Diversion")[0].endswith("reason=unavailable;counter=1")


def test_a_call_at_the_mobile_that_is_steered_here_again_ends(lab: Lab) -> None:
    mobile, first = lab.gateway("answers"), lab.gateway_calls("990011234567", pause=1500)
    wait_until(lambda: bool(mobile.received("ACK")))
    refused(lab.gateway_calls("990011234567"), "480")
    lab.wait_said("call", reason="came-back")
    for each in (first, mobile):
        each.ended()
    mobile = lab.gateway("answers")
    for each in (lab.gateway_calls("990011234567"), mobile):
        each.ended()


def test_a_gateway_that_is_down_is_said(lab: Lab) -> None:
    refused(lab.gateway_calls("990011234567"), "503")


def test_what_belongs_to_a_call_goes_through_as_it_is(lab: Lab, phone: int) -> None:
    held, calls = lab.device("is_held", phone), lab.gateway_calls("990011234567", scenario="gateway_holds")
    for each in (calls, held):
        each.ended()
    first, again = held.received("INVITE")
    assert "a=sendonly" in again
    assert header(first, "CSeq") + header(again, "CSeq") == ["1 INVITE", "2 INVITE"]


def test_early_media_prack_and_update_go_through_while_another_phone_rings(lab: Lab, phone: int) -> None:
    other = lab.bound("alice-tablet", ALICE)
    rings, early = lab.device("rings", other), lab.device("early", phone)
    calls = lab.gateway_calls("990011234567", scenario="gateway_early")
    for each in (calls, early, rings):
        each.ended()
    (progress,) = {one for one in calls.received("SIP/2.0 183") if "m=audio 40000" in one}
    assert (header(progress, "Require"), header(progress, "RSeq")) == (["100rel"], ["7"])
    assert header(early.received("PRACK")[0], "RAck") == ["7 1 INVITE"]
    (update,) = early.received("UPDATE")
    assert "m=audio 40102" in update
    assert any("m=audio 40002" in one for one in calls.received("SIP/2.0 200"))
    assert header(rings.received("CANCEL")[0], "Reason")[0].startswith("SIP;cause=200")
    lab.unbind("alice-tablet", ALICE, other)


def test_a_device_calls_a_subscriber_without_the_gateway(lab: Lab, phone: int) -> None:
    answers, calls = lab.device("answers", phone), bob_dials(lab, "0011234567")
    for each in (calls, answers):
        each.ended()
    (invite,) = answers.received("INVITE")
    assert header(invite, "P-Asserted-Identity") == [f"<sip:+{BOB}@voip.example>"]
    for name in ("Diversion", "Proxy-Authorization", "Remote-Party-ID", "Privacy"):
        assert header(invite, name) == []


def test_a_device_calls_another_number_over_the_gateway_with_its_own(lab: Lab) -> None:
    for dialled in ("0709999999", "0011234567"):  # nobody's here, and a subscriber's without a device
        answers, calls = lab.gateway("answers"), bob_dials(lab, dialled)
        for each in (calls, answers):
            each.ended()
        (invite,) = answers.received("INVITE")
        assert header(invite, "P-Asserted-Identity") == [f"<sip:+{BOB}@voip.example>"]
    assert invite.startswith("INVITE sip:0011234567@")


def test_the_caller_gives_up_while_it_rings(lab: Lab, phone: int) -> None:
    rings, calls = (
        lab.device("rings", phone),
        lab.gateway_calls("990011234567", scenario="gateway_cancels", pause=300),
    )
    for each in (calls, rings):
        each.ended()
    assert header(rings.received("CANCEL")[0], "Reason") == ["Q.850;cause=16"]


def test_the_caller_gives_up_while_the_brain_thinks(lab: Lab, phone: int) -> None:
    assert lab.brain is not None
    lab.brain.send_signal(signal.SIGSTOP)
    try:
        lab.gateway_calls("990011234567", scenario="gateway_cancels_early", pause=50).ended()
    finally:
        lab.brain.send_signal(signal.SIGCONT)
    # the plan that comes after all is for nobody; the next call is decided
    answers, calls = lab.device("answers", phone), lab.gateway_calls("990011234567")
    for each in (calls, answers):
        each.ended()


def test_a_brain_that_hangs_and_one_that_is_gone_cost_no_call(lab: Lab, phone: int) -> None:
    assert lab.brain is not None
    lab.brain.send_signal(signal.SIGSTOP)
    answers, calls = lab.device("answers", phone), lab.gateway_calls("990011234567")
    for each in (calls, answers):
        each.ended()
    lab.brain.send_signal(signal.SIGCONT)
    before = records(lab)
    answers = lab.device("answers", phone, calls=20, pause=50)
    calls = lab.gateway_calls("990011234567", calls=20, r="20")
    wait_until(lambda: len(answers.received("INVITE")) >= 3)
    lab.stop_brain(signal.SIGKILL)
    try:
        for each in (calls, answers):
            each.ended()
        mobile = lab.gateway("answers")
        for each in (lab.gateway_calls(f"9900{CAROL}"), mobile):
            each.ended()
        assert mobile.received("INVITE")[0].startswith(f"INVITE sip:00{CAROL}@")
        rings, mobile = lab.device("rings", phone), lab.gateway("answers")
        for each in (lab.gateway_calls("990011234567"), rings, mobile):
            each.ended()
        assert len(header(mobile.received("INVITE")[0], "Record-Route")) == 1
        lab.bound("alice-phone", ALICE)  # Kamailio knows its credentials
        lab.bound("alice-phone", ALICE, expires=0)
    finally:
        lab.start_brain()
    wait_until(lambda: records(lab) >= before + 20 + 2)  # none is lost, whoever decided it
    decided = len(lab.said("call"))
    answers, calls = lab.device("answers", phone), lab.gateway_calls("990011234567")
    for each in (calls, answers):
        each.ended()
    wait_until(lambda: len(lab.said("call")) > decided)
    assert len(lab.said("call")) == decided + 1


def test_a_device_that_registers_while_it_rings_joins(lab: Lab, phone: int) -> None:
    rings = lab.device("rings", phone)
    joins = lab.device("answers", free_tcp_port())
    calls = lab.gateway_calls("990011234567")
    wait_until(lambda: bool(rings.received("INVITE")))
    lab.register("alice-tablet", ALICE, joins.port).ended()
    for each in (calls, joins, rings):
        each.ended()
    lab.unbind("alice-tablet", ALICE, joins.port)


def test_the_mobile_rings_along_and_a_device_stands_for_two_numbers(lab: Lab) -> None:
    port = lab.bound("dave-phone", DAVE)
    rings, mobile = lab.device("rings", port), lab.gateway("answers", pause=300)
    calls = lab.gateway_calls("990046812345")  # the shared number
    for each in (calls, mobile, rings):
        each.ended()
    assert mobile.received("INVITE")[0].startswith(f"INVITE sip:00{DAVE}@")
    lab.unbind("dave-phone", DAVE, port)
    lab.unbind("dave-phone", ALICE, lab.bound("dave-phone", ALICE))


def test_the_last_device_goes_and_after_the_grace_the_node_is_told(lab: Lab) -> None:
    lab.bound("bob-phone", BOB, expires=1)
    wait_until(lambda: forwarded(lab, BOB))
    wait_until(lambda: not forwarded(lab, BOB))
    said = lab.api.send(client.decide(f"00{BOB}", vlr="491710000001", trigger="terminating"))
    assert said.reason == "not-registered"


def test_kamailio_was_restarted_and_nobody_is_bound(lab: Lab) -> None:
    lab.bound("carol-phone", CAROL)
    wait_until(lambda: forwarded(lab, CAROL))
    links = len(lab.said("linked"))
    lab.stop_kamailio()
    lab.start_kamailio()
    lab.wait_said("linked", links + 1)
    wait_until(lambda: not forwarded(lab, CAROL))
