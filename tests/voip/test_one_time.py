"""One-time numbers: given by the API, dialled over the mobile network, put through once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import pytest
from voip_lab import Lab, Sipp, header, unavailable

from oracles.waiting import wait_until
from scp import client
from scp.client import voip
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Expectation
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario, Trigger
from scp.voip.config import loads
from scp.voip.decision import Call
from scp.voip.directory import Directory, Identity
from scp.voip.one_time import NoNumberError, OneTimeNumbers
from scp.voip.store import Store
from ss7.isup import NatureOfAddress

ALICE, BOB, EVA = "11234567", "46701234567", "46702000041"
with_lab = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
CONFIG = '[voip]\ndomain = "voip.example"\n[numbering]\ncountry_code = "46"\n[one_time]\nnumbers = ["{}"]\n'


class Clock:
    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def made(url: str, clock: Clock, numbers: str = "46810000000-46810000002") -> OneTimeNumbers:
    directory = Directory()
    directory.put_identity(Identity(BOB, dids=("46812345",)))
    directory.put_identity(Identity(ALICE))
    return OneTimeNumbers(loads(CONFIG.format(numbers), {}), directory, Store(url), clock)


def call(number: str, caller: str = f"+{BOB}") -> Call:
    return Call(f"00{number}", caller, "gateway")


def test_a_number_is_for_one_call_in_time_of_whom_it_was_given_to(tmp_path: Path) -> None:
    clock = Clock()
    numbers = made(f"sqlite:{tmp_path / 'voip.db'}", clock)
    counts = numbers.counts

    async def run() -> None:
        first = await numbers.give(BOB, "alice")
        assert numbers.number_of(call(first.number)) == first.number
        for other in ("+46700000009", f"+{ALICE}"):
            assert (await numbers.claimed(call(first.number, other))).behalf == ""
        assert numbers.seen(call(first.number)).behalf == BOB  # which claims nothing
        taken = await numbers.claimed(call(first.number))
        assert (taken.to, taken.caller, taken.behalf) == ("alice", f"+{BOB}", BOB)
        assert (await numbers.claimed(call(first.number))).behalf == ""
        second = await numbers.give(BOB, "alice")
        assert second.number != first.number
        clock.ms += 30_000
        assert (await numbers.claimed(call(second.number))).behalf == ""
        third = await numbers.give(BOB, "alice")
        for caller in ("anonymous", ""):  # who is not shown would have one of three by guessing
            assert (await numbers.claimed(call(third.number, caller))).behalf == ""
        assert (await numbers.claimed(call(third.number, "+46812345"))).behalf == BOB  # a DID is the owner's
        assert counts == {"given": 3, "called": 2, "refused": 6, "none-free": 0, "not-told": 0}
        assert numbers.number_of(call("46810000003")) == ""
        assert numbers.number_of(Call("+46810000000", f"+{BOB}", device="bob-phone")) == ""

    asyncio.run(run())


def test_who_is_not_shown_claims_a_number_that_nobody_guesses(tmp_path: Path) -> None:
    clock = Clock()
    numbers = made(f"sqlite:{tmp_path / 'voip.db'}", clock, "46810000000-46810009999")

    async def run() -> None:
        for _ in range(2):
            given = await numbers.give(BOB, "alice")
            assert (await numbers.claimed(call(given.number, "anonymous"))).behalf == BOB
        first, second = await numbers.give(BOB, "alice"), await numbers.give(BOB, "alice")
        assert (await numbers.claimed(call(first.number, ""))).behalf == ""
        assert await numbers.withdraw(second.number) is not None
        assert numbers.seen(call(first.number, "")).behalf == BOB
        for _ in range(2):
            assert (await numbers.claimed(call(second.number, ""))).behalf == ""
        assert (await numbers.claimed(call(first.number, ""))).behalf == ""  # after three that were refused
        assert (await numbers.claimed(call(first.number))).behalf == BOB
        clock.ms += 60_000
        again = await numbers.give(BOB, "alice")
        assert (await numbers.claimed(call(again.number, ""))).behalf == BOB

    asyncio.run(run())


def test_numbers_run_out_and_come_back_in_turn(tmp_path: Path) -> None:
    clock = Clock()
    numbers = made(f"sqlite:{tmp_path / 'voip.db'}", clock)

    async def run() -> None:
        given = [(await numbers.give(BOB, "alice")).number for _ in range(3)]
        assert len(set(given)) == 3
        with pytest.raises(NoNumberError, match="the most at a time") as most:
            await numbers.give(BOB, "alice")
        assert most.value.most
        with pytest.raises(NoNumberError, match="all 3 are given out"):
            await numbers.give(ALICE, "alice")
        assert await numbers.withdraw(given[1]) is not None
        assert (await numbers.give(ALICE, "bob")).number == given[1]
        clock.ms += 30_000
        assert (await numbers.give(ALICE, "bob")).number == given[2]  # behind the one that was given last

    asyncio.run(run())


def test_of_two_brains_one_claims_and_no_number_is_given_twice(url: str) -> None:
    clock = Clock()
    one, other = (made(url, clock, "46810000000-46810000001") for _ in range(2))

    async def run() -> None:
        given = await asyncio.gather(one.give(BOB, "alice"), other.give(BOB, "alice"))
        assert len({each.number for each in given}) == 2
        for each in (one, other):
            each.read()
        number = given[0].number
        claims = await asyncio.gather(one.claimed(call(number)), other.claimed(call(number)))
        assert sorted(each.behalf or "" for each in claims) == ["", BOB]
        again = made(url, clock)  # a brain that was started meanwhile
        assert (await again.claimed(call(number))).behalf == ""
        assert (await again.claimed(call(given[1].number))).behalf == BOB

    asyncio.run(run())


# --- with Kamailio, the node and a switch ---


def dialled(lab: Lab, number: str) -> str:
    """Where the switch routes Bob's call, "" if it goes on as dialled: to the gateway."""
    scenario = Scenario(
        trigger=Trigger.ORIGINATING,
        a_number=BOB,
        b_number=f"00{number}",
        b_nature=NatureOfAddress.UNKNOWN.value,
    )
    endpoint = Endpoint(port=int(lab.node.settings["m3ua"]))
    planned = [PlannedCall(scenario, Expectation())]
    (result,) = asyncio.run(run_calls(planned, network=Network(), endpoint=endpoint, random=Random(1)))
    return result.routed_to


def refused(calls: Sipp) -> None:
    calls.process.wait(120)
    assert calls.received("SIP/2.0 404"), calls.messages()[-1]
    calls.stop()


@with_lab
def test_bobs_mobile_dials_a_one_time_number_and_alices_phone_rings_once(lab: Lab) -> None:
    with client.Client(lab.url, "operator-token") as operator:
        phone = lab.bound("alice-phone", ALICE)
        wait_until(lambda: operator.send(voip.reachability(ALICE)).devices > 0)
        given = operator.send(voip.one_time_number(BOB, "0011234567"))
        assert operator.send(voip.one_time_numbers(BOB)).numbers == (given,)
        number = given.number
        # the node lets the mobile's call pass, uncharged, and once
        for reason in ("passed", "not-authorized"):
            seen = len(lab.node.said("call"))
            assert dialled(lab, number) == ""
            wait_until(lambda seen=seen: len(lab.node.said("call")) > seen)
            assert lab.node.said("call")[-1]["reason"] == reason
        refused(lab.gateway_calls(f"00{number}", caller="46700000009"))
        tried = operator.send(voip.try_route(f"00{number}", caller=f"+{BOB}", trunk="gateway"))
        assert (tried.reason, tried.path[0].condition) == ("to-device", "one-time")
        # what was given outlives the brain
        lab.stop_brain(signal.SIGKILL)
        lab.start_brain()
        answers, calls = lab.device("answers", phone), lab.gateway_calls(f"00{number}", caller=BOB)
        for each in (calls, answers):
            each.ended()
        (invite,) = answers.received("INVITE")
        assert header(invite, "P-Asserted-Identity") == [f"<sip:+{BOB}@voip.example>"]
        lab.wait_said("call", source="gateway", reason="to-device", caller=BOB, called=ALICE)
        # who withholds the number, does it here as well
        operator.send(voip.put_identity(EVA, presentation="withheld"))
        hidden = operator.send(voip.one_time_number(EVA, "0011234567")).number
        says = f"none\r\nP-Asserted-Identity: <sip:+{EVA}@127.0.0.10>"
        answers = lab.device("answers", phone)
        for each in (lab.gateway_calls(f"00{hidden}", caller=EVA, reference=says), answers):
            each.ended()
        assert EVA not in answers.received("INVITE")[0]
        operator.send(voip.delete_identity(EVA))
        # and so does that it is used
        lab.stop_brain(signal.SIGKILL)
        lab.start_brain()
        refused(lab.gateway_calls(f"00{number}", caller=BOB))
        lab.wait_said("call", reason="spent", caller=BOB)
        lab.unbind("alice-phone", ALICE, phone)


@with_lab
def test_what_would_be_refused_gets_no_number(lab: Lab) -> None:
    with client.Client(lab.url, "operator-token") as operator:
        for to, words in (
            ("112", "112 is an emergency number: dial it itself"),
            ("12", "unusable-number: The called number can't be read as a telephone number."),
        ):
            with pytest.raises(client.ApiError) as raised:
                operator.send(voip.one_time_number(BOB, to))
            assert (raised.value.kind, raised.value.problem.detail) == ("call-refused", words)
        given = operator.send(voip.one_time_number(BOB, "0709999999"))
        operator.send(voip.withdraw_one_time_number(BOB, given.number))
        operator.send(voip.withdraw_one_time_number(BOB, given.number))
        refused(lab.gateway_calls(f"00{given.number}", caller=BOB))
        # over the gateway, to a number outside
        given = operator.send(voip.one_time_number(BOB, "0709999999"))
        mobile, calls = lab.gateway("answers"), lab.gateway_calls(f"00{given.number}", caller=BOB)
        for each in (calls, mobile):
            each.ended()
        (invite,) = mobile.received("INVITE")
        assert invite.startswith("INVITE sip:0046709999999@")
        assert header(invite, "P-Asserted-Identity") == [f"<sip:+{BOB}@voip.example>"]
