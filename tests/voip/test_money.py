"""Minutes: reserved before the phone rings, charged for what was talked, once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from test_many_messages import Spoken
from voip_lab import (
    DEVICE,
    DOMAIN,
    PASSWORD,
    PATIENCE,
    Lab,
    Sipp,
    free_tcp_port,
    header,
    refused,
    unavailable,
)

from oracles.waiting import wait_until
from scp import client
from scp.voip.calls import Note, opened, sealed
from scp.voip.decision import Step, aor
from scp.voip.evapi import Evapi
from scp.voip.messages import Answered, Ended, Extend, Heard, InviteAsked, Kept, PlanAnswer, Several

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE, BOB = "11234567", "46701234567"
PRICE = 60  # of a minute
LEDGER = """
[charging]
[[charging.tariffs]]
prefix = ""
price = 60
per_seconds = 60
increment_seconds = 1
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(
        tmp_path_factory.mktemp("money"), {ALICE: ["alice-phone", "alice-tablet"], BOB: ["bob-phone"]}, ring=1
    )
    made.node.write(LEDGER)
    made.extra = "[charging]\nminutes = 5\n"
    made.write()
    with made.running() as running:
        for msisdn in (ALICE, BOB):
            running.api.send(client.authorize(msisdn))
        yield running
        assert running.troubles() == []
    assert made.malformed() == []


def balance(lab: Lab, amount: int) -> None:
    """Have so much on Alice's account."""
    try:
        has = lab.api.send(client.account(ALICE)).balance
    except client.ApiError:
        has = 0
    lab.api.send(client.credit(ALICE, f"payment-{lab.counted()}", amount - has))


def records(lab: Lab, call: str, *, charged: bool = True) -> list[client.Cdr]:
    def legs() -> list[client.VoipRecord]:
        found = [
            one for one in lab.api.send(client.cdrs(0, limit=1000)).cdrs if isinstance(one, client.VoipRecord)
        ]
        return [one for one in found if one.call_id == call]

    def related() -> list[client.Cdr]:
        return list(lab.api.send(client.related_cdrs(legs()[0].id)).cdrs)

    wait_until(lambda: bool(legs()))
    if charged and legs()[0].reservation:  # its charge is written by itself
        wait_until(lambda: any(isinstance(one, client.Charge) for one in related()))
    return related()


def last_call(lab: Lab) -> str:
    return str(lab.wait_said("call")["call"])


def test_a_call_is_reserved_charged_and_recorded_as_one(lab: Lab) -> None:
    balance(lab, 10 * PRICE)
    phone = lab.bound("alice-phone", ALICE)
    answers = lab.device("answers", phone)
    calls = lab.gateway_calls("990011234567", pause=1200, reference="0a0b0c;msc=46700000007")
    for each in (calls, answers):
        each.ended()
    found = records(lab, last_call(lab))
    charges = [one for one in found if isinstance(one, client.Charge)]
    (leg,) = (one for one in found if isinstance(one, client.VoipRecord))
    (charge,) = charges
    assert 1 <= charge.used_seconds <= 20
    assert charge.charged == charge.used_seconds
    assert (leg.a_number, leg.b_number, leg.reservation) == ("46700000009", ALICE, charge.reservation)
    assert (leg.call_reference, leg.msc_address) == ("0a0b0c", "46700000007")
    assert leg.answered_ms is not None
    assert 1200 <= leg.ended_ms - leg.answered_ms < 20_000
    assert leg.answered_ms % 1000 or leg.ended_ms % 1000  # no whole seconds
    account = lab.api.send(client.account(ALICE))
    assert (account.balance, account.held) == (10 * PRICE - charge.charged, 0)
    reserved = lab.api.send(client.reservation(charge.reservation))
    invited = header(answers.received("INVITE")[0], "Call-ID")
    assert invited
    assert reserved.granted_minutes == 5


def test_two_devices_answer_at_once_and_one_leg_is_charged(lab: Lab) -> None:
    balance(lab, 10 * PRICE)
    phone, other = lab.bound("alice-phone", ALICE), lab.bound("alice-tablet", ALICE)
    late = lab.device("answers_too_late", other)
    answers = lab.device("answers", phone, pause=100)
    calls = lab.gateway_calls("990011234567", pause=1500)
    for each in (calls, answers, late):
        each.ended()
    (bye,) = late.received("BYE")
    assert header(bye, "CSeq") == ["2 BYE"]
    assert header(bye, "To") == header(late.received("ACK")[0], "To")
    assert (
        len(calls.received("SIP/2.0 200")) == 2
    )  # of INVITE and of BYE: the second answer did not get there
    found = records(lab, last_call(lab))
    assert [type(one).__name__ for one in found if isinstance(one, client.VoipRecord)] == ["VoipRecord"]
    (charge,) = (one for one in found if isinstance(one, client.Charge))
    assert 0 < charge.charged == charge.used_seconds
    lab.unbind("alice-tablet", ALICE, other)


def test_nobody_answers_and_nothing_is_charged(lab: Lab) -> None:
    balance(lab, 10 * PRICE)
    phone = lab.bound("alice-phone", ALICE)
    rings, mobile = lab.device("rings", phone), lab.gateway("answers")
    for each in (lab.gateway_calls("990011234567"), rings, mobile):
        each.ended()
    found = records(lab, last_call(lab), charged=False)
    assert [one for one in found if isinstance(one, client.Charge) and one.charged] == []
    account = lab.api.send(client.account(ALICE))
    assert (account.balance, account.held) == (10 * PRICE, 0)


def test_without_minutes_the_mobile_rings(lab: Lab) -> None:
    balance(lab, 0)
    lab.bound("alice-phone", ALICE)
    mobile = lab.gateway("answers")
    for each in (lab.gateway_calls("990011234567"), mobile):
        each.ended()
    wait_until(lambda: [one["reason"] for one in lab.said("call")][-1:] == ["no-credit"])


def test_an_emergency_call_needs_neither_credit_nor_registration(lab: Lab) -> None:
    """Bob's account is empty, and no phone of his is registered."""
    lab.api.send(client.credit(BOB, "a-debt", 1))
    before = lab.metric('scp_voip_charging_total{result="granted"}')

    def dials(number: str) -> Sipp:
        options = {"domain": DOMAIN, "au": "bob-phone", "ap": PASSWORD, "privacy": "none"}
        return Sipp(lab, "device_calls", DEVICE, free_tcp_port(), service=number, caller=f"+{BOB}", **options)

    refused(dials("0709999999"), "402")
    lab.wait_said("call", reason="no-credit", caller=BOB)
    centre, calls = lab.gateway("answers"), dials("112")
    for each in (calls, centre):
        each.ended()
    said = lab.wait_said("call", reason="emergency", caller=BOB)
    assert not [one for one in records(lab, said["call"]) if isinstance(one, client.Charge)]
    assert lab.api.send(client.account(BOB)).balance == 1
    assert lab.metric('scp_voip_charging_total{result="granted"}') == before


@contextlib.contextmanager
def charging(lab: Lab, table: str) -> Iterator[None]:
    """Have the brain go by another table for a while."""

    def reload(extra: str) -> None:
        reloads = len(lab.said("reloaded"))
        lab.extra = extra
        lab.write()
        assert lab.brain is not None
        lab.brain.send_signal(signal.SIGHUP)
        lab.wait_said("reloaded", reloads + 1)

    before = lab.extra
    reload(table)
    try:
        yield
    finally:
        reload(before)


def dialogs(lab: Lab) -> list[dict[str, Any]]:
    """Kamailio's calls that are answered."""
    return [one for one in lab.rpc("dlg.list") if one["state"] == 4]


def cut(lab: Lab) -> None:
    """Have the time of what is under way be used up.

    Not by `dlg.end_dlg`: where both sides' replies to BYE come at once, Kamailio (5.6) tells of no end then.
    """
    says = Spoken(lab)
    says.hears("welcome", 1)
    for one in dialogs(lab):
        says.say(m="extend", entry=one["h_entry"], id=one["h_id"], seconds=1)
    wait_until(lambda: not dialogs(lab))
    says.close()


def lasts(lab: Lab) -> int:
    """For how many seconds Kamailio lets the call that is under way go on in all."""
    return sum(one["timeout"] - one["start_ts"] for one in dialogs(lab))


@pytest.mark.parametrize(
    ("minutes", "table", "granted"),
    [
        (2, "minutes = 5", 2),  # what the account has
        (10, "minutes = 1\nwarn_s = 59", 2),  # one, and one more before it is used up
    ],
)
def test_a_call_goes_on_for_what_is_granted(lab: Lab, minutes: int, table: str, granted: int) -> None:
    balance(lab, minutes * PRICE)
    answers = lab.device("answers", lab.bound("alice-phone", ALICE))
    with charging(lab, f"[charging]\n{table}\n"):
        calls = lab.gateway_calls("990011234567", scenario="gateway_is_cut")
        wait_until(lambda: granted * 60 <= lasts(lab) <= granted * 60 + 5)
        cut(lab)
        for each in (calls, answers):
            each.ended()
    (charge,) = (one for one in records(lab, last_call(lab)) if isinstance(one, client.Charge))
    assert charge.granted_seconds == granted * 60
    wait_until(lambda: lab.api.send(client.account(ALICE)).held == 0)
    assert lab.api.send(client.account(ALICE)).balance == minutes * PRICE - charge.charged


def test_who_pays_is_told_before_the_minutes_run_out(lab: Lab) -> None:
    balance(lab, PRICE)
    phone = lab.bound("alice-phone", ALICE)
    answers = lab.device("answers", phone)
    with charging(lab, '[charging]\nminutes = 1\nwarn_s = 59\nwarning = "{seconds} s are left."\n'):
        calls = lab.gateway_calls("990011234567", scenario="gateway_is_cut")
        wait_until(lambda: bool(answers.received("MESSAGE")))
        cut(lab)
        for each in (calls, answers):
            each.ended()
    said = lab.wait_said("minutes run out", number=ALICE)
    message = answers.received("MESSAGE")[0]
    assert f"\n\n{said['seconds']} s are left." in message
    assert 0 < said["seconds"] <= 59
    assert header(message, "From")[0].startswith("<sip:voip.example>")


def test_a_brain_that_is_killed_while_they_talk_charges_once(lab: Lab) -> None:
    balance(lab, 10 * PRICE)
    phone = lab.bound("alice-phone", ALICE)
    answers = lab.device("answers", phone)
    calls = lab.gateway_calls("990011234567", pause=2500)
    wait_until(lambda: bool(answers.received("ACK")))
    call = last_call(lab)
    lab.stop_brain(signal.SIGKILL)
    for each in (calls, answers):
        each.ended()
    lab.start_brain()  # Kamailio has kept the end for it
    found = records(lab, call)
    (charge,) = (one for one in found if isinstance(one, client.Charge))
    assert charge.charged == charge.used_seconds >= 2
    wait_until(lambda: lab.api.send(client.account(ALICE)).held == 0)
    assert lab.api.send(client.account(ALICE)).balance == 10 * PRICE - charge.charged


def test_a_call_that_no_brain_decided_has_its_record(lab: Lab) -> None:
    phone = lab.bound("alice-phone", ALICE)
    lab.stop_brain(signal.SIGKILL)
    answers = lab.device("answers", phone)
    for each in (lab.gateway_calls("990011234567"), answers):
        each.ended()
    lab.start_brain()

    def recorded() -> bool:
        found = lab.api.send(client.cdrs(0, limit=1000)).cdrs
        return any(
            isinstance(one, client.VoipRecord) and one.call_id.startswith("away-") and one.b_number == ALICE
            for one in found
        )

    wait_until(recorded)


class TwoSeconds:
    """A brain that gives every call to Alice two seconds, and the second one four when it is answered."""

    def __init__(self) -> None:
        self.asked = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ends: dict[str, Ended] = {}

    def heard(self, link: Evapi, message: Heard) -> None:
        if isinstance(message, InviteAsked):
            self.asked += 1
            call = f"cut-{self.asked}"
            note = sealed(Note(call, "46700000009", ALICE, 1, "a-reservation", 1))
            steps = (Step(20, aor=aor(ALICE, DOMAIN)),)
            link.say(PlanAnswer(message.ti, message.tl, call, note, steps, timeout=2))
        elif isinstance(message, Answered) and message.call == "cut-2":
            # the dialog has no timer yet when its answer is told
            more = Extend(message.entry, message.id, 4)
            asyncio.get_running_loop().call_later(0.5, link.say, more)
        elif isinstance(message, Several):
            for each in message.all:
                self.heard(link, each)
        elif isinstance(message, Ended):
            link.say(Kept((message.call,)))
            self.ends.setdefault(message.call, message)
            if len(self.ends) == 2 and not self.ended.done():
                self.ended.set_result(None)
        elif not self.ready.done():
            self.ready.set_result(None)

    def opened(self, link: Evapi) -> bool:
        return False

    def unreadable(self, link: Evapi, why: str) -> None:
        raise AssertionError(why)

    def unlinked(self, link: Evapi, why: str) -> None:
        """It is the end of the test."""


def test_a_call_is_ended_on_both_sides_when_its_seconds_are_used_up(lab: Lab) -> None:
    phone = lab.bound("alice-phone", ALICE)
    lab.stop_brain()

    async def run() -> dict[str, Ended]:
        brain = TwoSeconds()
        link = Evapi("127.0.0.1", lab.evapi, "two-seconds", brain)
        running = asyncio.ensure_future(link.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await brain.ready
                answers = await asyncio.to_thread(lab.device, "answers", phone, calls=2)
                calls = [lab.gateway_calls("990011234567", scenario="gateway_is_cut") for _ in range(2)]
                await brain.ended
            for each in (answers, *calls):
                await asyncio.to_thread(each.ended)
            return brain.ends
        finally:
            running.cancel()

    try:
        ends = asyncio.run(run())
    finally:
        lab.start_brain()
    for end in ends.values():
        note = opened(end.note)
        assert note is not None
        assert (note.call, note.reservation, end.free) == (end.call, "a-reservation", "0")
    assert ends["cut-1"].seconds >= 1
    assert ends["cut-2"].seconds >= 4  # in seconds of the clock: 4.5 at the least
