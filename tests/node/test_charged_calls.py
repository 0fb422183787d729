"""Charged calls through a whole node, in virtual time: the switch counts, and the account pays exactly that.

The numbers in the names are those of the scenarios: tariff 6 a minute by the second, if nothing else is said.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from charged_lab import CALLED, CALLER, NOON, Lab, originating, run, sent, slow
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from test_node import READY

from oracles.examples import examples
from scp.domain.call import Trigger
from scp.replay.explain import explain_call, typed_call
from scp.replay.records import Snapshot
from scp.services.api import Release
from scp.simulator import call as simulated
from scp.simulator.charged import Reported
from scp.simulator.expect import Action, Expectation
from scp.simulator.reports import charging_report
from scp.simulator.scenario import Attempt, Ending, Finish, Scenario
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke

PERIODS = ["applyCharging 60.0 s", "applyCharging 60.0 s", "applyCharging 20.0 s"]
RELEASED = Expectation(action=Action.RELEASE, ended=True)
ANY = Expectation()


def operations(result: Any) -> list[list[str]]:
    """The names of the operations that the node sent, message by message."""
    return [[words.split()[0] for words in message] for message in sent(result)]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_3_the_money_ends_the_call(everything_sent, version):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=version))
        assert not result.faults
        first, *more = sent(result)
        assert first[1:] == ["applyCharging 30.0 s", "continue"]
        assert more == [[words] for words in PERIODS] + [["applyCharging 30.0 s, then release, with a tone"]]
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"], record["reserved"]) == (200_000, 20, 20)
        assert record["tariff"] == "46"
        assert record["disconnected_ms"] - record["answered_ms"] == 200_000  # though no event says so
        assert (record["action"], record["reason"]) == ("release", "charging-ended")
        (charge,) = await lab.records("charge")
        assert charge["reservation"] == record["reservation"]
        assert (charge["used_seconds"], charge["charged"]) == (200, 20)
        assert await lab.account() == (0, 0)

    # tshark reads the release of CAP v2, a sequence, as the BOOLEAN of later versions.
    run(body, recorder=None if version == 2 else everything_sent)


@pytest.mark.parametrize("how", ["event_first", "separate", "prearranged_end", "repeats_reports", ""])
@pytest.mark.parametrize("first", [False, True])
def test_4_a_hang_up_is_charged_to_the_begun_second_once(everything_sent, how, first):
    async def body(lab: Lab) -> None:
        fields = {how: True} if how else {}
        scenario = originating(
            Attempt(ring=3.0, talk=72.3, hangs_up=1 + first), **{"event_first": first, **fields}
        )
        result = await lab.call(scenario)
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"], record["release_cause"]) == (72_300, 8, 16)
        assert await lab.account() == (12, 0)
        assert len(await lab.records("charge")) == 1

    run(body, recorder=everything_sent)


BAND = """
[[charging.tariffs.bands]]
price = 12
start = "12:00"
end = "{end}"
"""


def test_5_a_tariff_switch_divides_the_call(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=119.98)))
        assert not result.faults
        assert sent(result)[0][1] == "applyCharging 60.0 s, tariff switch in 43 s"
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (120_000, 20)
        assert await lab.account() == (0, 0)

    run(
        body,
        policy="withheld_s = 0",
        tariff=BAND.format(end="13:00"),
        wall=NOON - 43_000,
        recorder=everything_sent,
    )


def test_5_a_second_switch_waits_until_the_first_is_past(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=150.0)))
        assert not result.faults
        (record,) = await lab.records()
        # 40 s at 6, 60 s at 12, 50 s at 6 a minute
        assert (record["charged_ms"], record["charge"]) == (150_000, 21)
        assert await lab.account() == (29, 0)

    run(
        body,
        balance=50,
        policy="withheld_s = 0",
        tariff=BAND.format(end="12:01"),
        wall=NOON - 43_000,
        recorder=everything_sent,
    )


MINUTES = "".join(
    f"""
[[charging.tariffs.bands]]
price = {price}
start = "12:0{minute}"
end = "12:0{minute + 1}"
"""
    for minute, price in enumerate((12, 60, 24, 120, 6, 600))
)


@pytest.mark.parametrize("talk", [62.0, 100.0, 247.3, 400.0])
@pytest.mark.parametrize("ring", [1.0, 11.0])
def test_5_the_tariff_changes_every_minute_within_one_quota(everything_sent, talk, ring):
    """One quota of an hour; one change before the answer or in the call, the others all within the period."""

    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=ring, talk=talk)))
        assert not result.faults
        (record,) = await lab.records()
        prices = [6] * 600 + [12] * 600 + [60] * 600 + [24] * 600 + [120] * 600 + [6] * 600 + [600] * 600
        prices += [6] * 6000  # of each tenth since a minute before noon
        began = round((55 + ring) * 10)
        tenths = [prices[began + each] for each in range(round(talk * 10))]
        begun = -len(tenths) % 10 * tenths[-1]
        assert record["charged_ms"] == talk * 1000
        assert record["charge"] == -(-(sum(tenths) + begun) // 600)
        assert await lab.account() == (10_000 - record["charge"], 0)

    run(body, balance=10_000, quota=3600, tariff=MINUTES, wall=NOON - 5_000, recorder=everything_sent)


def test_6_charging_that_is_slow_at_a_report_costs_nobody_anything(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, extend=2.0)
        result = await lab.call(originating(Attempt(ring=3.0, talk=100.0)))
        assert not result.faults
        steps = [step for step in result.steps if step.components]
        asked = next(step for step in steps if step.outward and "applyChargingReport" in step.components[0])
        given = [step for step in steps if not step.outward][1]
        assert 2.0 <= given.seconds - asked.seconds <= 2.1
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (100_000, 10)

    run(body, recorder=everything_sent)


@pytest.mark.parametrize("delay", [0.0, 4.0])
def test_a_quota_that_is_asked_for_ahead_is_given_with_the_answer_to_the_report(everything_sent, delay):
    """The charging system takes 4 s; no gap comes of it, also where the tariff switches meanwhile."""

    async def body(lab: Lab) -> None:
        slow(lab, extend=delay)
        result = await lab.call(originating(Attempt(ring=3.0, talk=172.3)))
        assert not result.faults
        steps = [step for step in result.steps if step.components]
        asked = [s.seconds for s in steps if s.outward and "applyChargingReport" in s.components[0]]
        given = [s.seconds for s in steps if not s.outward][1:]
        assert len(given) == 3
        assert all(0 <= there - here < 0.1 for here, there in zip(asked, given, strict=False))
        (record,) = await lab.records()
        # 100 s at 6, 73 s at 12 a minute
        assert (record["charged_ms"], record["charge"]) == (172_300, 25)
        assert await lab.account() == (75, 0)

    run(
        body,
        balance=100,
        policy="prefetch_s = 5",
        tariff=BAND.format(end="13:00"),
        wall=NOON - 103_000,
        recorder=everything_sent,
    )


def test_money_that_ends_ends_the_call_though_it_was_asked_for_ahead(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=3))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (200_000, 20)
        assert await lab.account() == (0, 0)

    run(body, policy="prefetch_s = 10", recorder=everything_sent)


def test_6_charging_that_is_silent_for_ever_gives_grace_once_then_the_call_is_released(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, extend=10_000.0)
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0)))
        assert not result.faults
        assert operations(result)[1:] == [["applyCharging"], ["releaseCall"]]
        assert sent(result)[1] == ["applyCharging 40.0 s"]

    run(body, policy='down = "grace:40"', recorder=everything_sent)


@pytest.mark.parametrize("how", ["event_first", "separate", "prearranged_end", "abort", ""])
@pytest.mark.parametrize("answer", [2.0, 60.0])
def test_6_a_hang_up_while_charging_is_asked_is_charged_to_the_tenth(everything_sent, how, answer):
    """No period is running then, so the switch reports no time: the node's clock says how long it was."""

    async def body(lab: Lab) -> None:
        slow(lab, extend=answer)
        finish = Finish.ABORT if how == "abort" else Finish.HANG_UP
        fields = {how: True} if how not in ("", "abort") else {}
        result = await lab.call(originating(Attempt(ring=3.0, talk=31.2, finish=finish), **fields))
        assert not result.faults
        assert operations(result)[1:] == []
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charged_by"]) == (31_200, "clock")
        assert record.get("charge") == (4 if answer < 30 else None)  # where charging stays away for longer
        assert await lab.account() == (16, 0)
        assert len(await lab.records("charge")) == 1

    run(body, recorder=everything_sent)


@pytest.mark.parametrize("how", ["event_first", "separate", "prearranged_end", ""])
@pytest.mark.parametrize("talk", [31.2, 72.3, 900.0])
def test_call_information_says_how_long_a_call_was_and_why_it_ended(everything_sent, how, talk):
    """Of one that ends while charging is asked it is the switch's only word; of one that the money ends the cause."""

    async def body(lab: Lab) -> None:
        slow(lab, extend=2.0)
        fields = {how: True} if how else {}
        result = await lab.call(originating(Attempt(ring=3.0, talk=talk), version=3, **fields))
        assert not result.faults
        assert operations(result)[0][1] == "callInformationRequest"
        (record,) = await lab.records()
        assert record["charged_ms"] == min(talk, 200.0) * 1000
        assert record["release_cause"] == 16
        assert record["disconnected_ms"] - record["answered_ms"] == pytest.approx(
            record["charged_ms"], abs=20
        )
        by = "call-information" if talk == 31.2 and how != "prearranged_end" else None
        assert record.get("charged_by") == by or how == "prearranged_end"

    run(body, service="call_information = true", recorder=everything_sent)


def test_call_information_of_each_attempt_is_asked_for(everything_sent):
    async def body(lab: Lab) -> None:
        first, second = Attempt(ending=Ending.BUSY, ring=2.0), Attempt(ring=3.0, talk=5.5)
        result = await lab.call(steered(first, second), STEERED)
        assert not result.faults
        asked = ["requestReportBCSMEvent", "callInformationRequest"]
        assert operations(result)[:2] == [[*asked, "connect"]] * 2
        (record,) = await lab.records()
        assert record["disconnected_ms"] - record["answered_ms"] == pytest.approx(5500, abs=20)

    run(body, service="rescue = true\ncall_information = true", policy="pays = []", recorder=everything_sent)


def test_6_who_is_released_while_charging_is_asked_pays_until_then(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, extend=4.0)
        asked = asyncio.create_task(lab.call(originating(Attempt(ring=3.0, talk=900.0))))
        await asyncio.sleep(34.5)
        (dialogue,) = lab.node.signalling.tcap._dialogues.values()
        assert lab.node.cap.tell(dialogue.local_tid, Release(b"\x80\x90"))
        result = await asked
        assert operations(result)[1:] == [["releaseCall"]]
        (record,) = await lab.records()
        assert record["disconnected_ms"] - record["answered_ms"] == pytest.approx(34_000, abs=10)
        assert record["release_cause"] == 16
        # it is told once charging has answered
        assert (record["charged_ms"], record["charge"]) == (34_000, 4)

    run(body, recorder=everything_sent)


def test_6_what_was_talked_until_a_further_quota_was_denied_is_charged(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, extend=2.0)
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0)))
        assert not result.faults
        assert operations(result)[1:] == [["releaseCall"]]
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (62_000, 6)
        assert record["disconnected_ms"] - record["answered_ms"] == pytest.approx(62_000, abs=10)
        assert (record["reason"], record["release_cause"]) == ("charging-ended", 31)
        assert await lab.account() == (0, 0)

    run(body, balance=6, policy="withheld_s = 0", recorder=everything_sent)


def test_6_a_tariff_switch_while_charging_is_asked_divides_what_is_charged(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, extend=8.0)
        result = await lab.call(originating(Attempt(ring=3.0, talk=36.0)))
        assert not result.faults
        (record,) = await lab.records()
        assert record["charged_ms"] == 36_000
        # 32 s at 6 and 4 s at 12 a minute
        assert record["charge"] == 4

    run(
        body,
        policy="deadline_s = 10",
        tariff=BAND.format(end="13:00"),
        wall=NOON - 35_000,
        recorder=everything_sent,
    )


def test_6_a_suspended_switch_is_told_to_wait(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, reserve=2.0)
        result = await lab.call(originating(), ANY)
        assert operations(result)[:2] == [
            ["resetTimer"],
            ["requestReportBCSMEvent", "applyCharging", "continue"],
        ]
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (72_300, 8)
        assert await lab.account() == (12, 0)

    run(body, recorder=everything_sent)


@pytest.mark.parametrize(("down", "ends"), [("release", True), ("free", False), ("grace:30", False)])
def test_6_a_call_that_begins_while_charging_is_away(everything_sent, down, ends):
    async def body(lab: Lab) -> None:
        slow(lab, reserve=60.0)
        result = await lab.call(originating(Attempt(ring=3.0, talk=20.0)), ANY)
        assert (operations(result)[1] == ["releaseCall"]) == ends
        assert len(operations(result)) == 2
        (record,) = await lab.records()
        assert ("charge" in record) is False
        assert record["reason"] == ("charging-down" if ends else "unknown-subscriber")

    run(body, policy=f'down = "{down}"', recorder=everything_sent)


def refusing(monkeypatch, number: int, code: int) -> None:
    """Have the simulated switch refuse the ApplyCharging with this number, counted from 1."""
    inner = simulated.Ssf._OPERATIONS[Opcode.APPLY_CHARGING]
    count = iter(range(1, 1000))

    def refuse(ssf, argument, invoke_id, now):
        if next(count) == number:
            ssf._refuse(invoke_id, code, "as the test wants")
            ssf.faults.clear()
        else:
            inner(ssf, argument, invoke_id, now)

    monkeypatch.setitem(simulated.Ssf._OPERATIONS, Opcode.APPLY_CHARGING, refuse)


def test_7_a_refused_period_releases_nobody(everything_sent, monkeypatch):
    """The switch says that one is pending (taskRefused): the call goes on, and pays for what was measured."""
    refusing(monkeypatch, 2, 12)

    async def body(lab: Lab) -> None:
        result = await lab.call(originating())
        assert not result.faults
        assert operations(result)[1] == ["applyCharging"]
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"], record["release_cause"]) == (72_300, 8, 16)
        assert record["charged_by"] == "clock"  # since no report came

    run(body, recorder=everything_sent)


def test_7_a_period_that_the_switch_can_not_do_releases_the_call_in_continue(everything_sent, monkeypatch):
    refusing(monkeypatch, 2, 8)

    async def body(lab: Lab) -> None:
        result = await lab.call(originating())
        assert operations(result)[1:] == [["applyCharging"], ["releaseCall"]]
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (30_000, 3)
        assert await lab.account() == (17, 0)

    run(body, recorder=everything_sent)


@pytest.mark.parametrize("policy", ["release", "continue"])
def test_7_a_report_that_can_not_be_read_is_charged_all_the_same(everything_sent, monkeypatch, policy):
    inner = simulated.charging_report
    count = iter(range(1000))
    monkeypatch.setattr(
        simulated,
        "charging_report",
        lambda *args, **more: (
            bytes.fromhex("a00a800100810100820100ff") if next(count) == 0 else inner(*args, **more)
        ),
    )

    async def body(lab: Lab) -> None:
        result = await lab.call(originating())
        (record,) = await lab.records()
        if policy == "release":
            assert operations(result)[1:] == [["releaseCall"]]
            assert (record["charged_ms"], record["charge"]) == (30_000, 3)
        else:
            assert operations(result)[1:] == [["applyCharging"]]
            assert (record["charged_ms"], record["charge"]) == (72_300, 8)
        assert (await lab.account())[1] == 0

    run(body, policy=f'unreadable_report = "{policy}"', recorder=everything_sent)


def when(result: Any, words: str) -> list[float]:
    """When the node said so, in seconds since the call began: a component, or a message without any."""
    said = [step for step in result.steps if not step.outward]
    return [each.seconds for each in said if words in (each.components or (each.message,))]


@pytest.mark.parametrize(("lost_call", "seconds", "charge"), [("reported", 30, 3), ("granted", 90, 9)])
def test_9_a_silent_switch_is_asked_and_its_call_settled_once(everything_sent, lost_call, seconds, charge):
    """Quota due and 10 s: ActivityTest; no result in 5 s (§11.1): settled by policy. What comes then is refused."""

    async def body(lab: Lab) -> None:
        asked = asyncio.create_task(
            lab.call(originating(Attempt(ring=3.0, talk=47.0, finish=Finish.LOST)), ANY)
        )
        await asyncio.sleep(60.0)
        tid = lab.held().local_tid
        result = await asked
        assert when(result, "activityTest") == [pytest.approx(3 + 30 + 60 + 10, abs=0.2)]
        assert when(result, "TC-END") == [pytest.approx(3 + 30 + 60 + 10 + 5, abs=0.2)]
        lab.heard.clear()
        octets = charging_report(Reported(47.0, 1), 2, active=False)
        argument = FAST.encode_argument(Opcode.APPLY_CHARGING_REPORT, octets, 2)
        late = encode_invoke(9, Opcode.APPLY_CHARGING_REPORT, argument)
        lab.switch_says(tcap.build_continue(b"late", tid, b"", [late]))
        await asyncio.sleep(1.0)
        (refusal,) = lab.heard
        assert b"I\x04lateJ\x01\x01" in refusal  # P-Abort: the transaction id is not known (Q.773 table 8)
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (seconds * 1000, charge)
        assert record["charged_by"] == lost_call
        assert len(await lab.records("charge")) == 1
        assert await lab.account() == (20 - charge, 0)

    run(body, policy=f'lost_call = "{lost_call}"', recorder=everything_sent)


def test_9_a_call_that_nobody_pays_for_is_asked_for_after_half_an_hour(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(steered(Attempt(ring=3.0, talk=47.0, finish=Finish.LOST)), STEERED)
        assert when(result, "activityTest") == [pytest.approx(3 + 1800, abs=0.2)]
        assert when(result, "TC-END") == [pytest.approx(3 + 1800 + 5, abs=0.2)]
        (record,) = await lab.records()
        assert "charge" not in record

    run(body, service="rescue = true", policy="pays = []", recorder=everything_sent)


def test_12_an_abandoned_call_frees_its_money_within_a_second(everything_sent):
    async def body(lab: Lab) -> None:
        slow(lab, reserve=0.2)
        await lab.call(originating(abandon_after=0.1), ANY)
        await asyncio.sleep(1.0)
        assert await lab.account() == (20, 0)
        slow(lab)
        result = await lab.call(originating(Attempt(ending=Ending.ABANDON, ring=5.0)))
        assert not result.faults
        await asyncio.sleep(1.0)
        assert await lab.account() == (20, 0)
        assert not await lab.records("charge")

    run(body, recorder=everything_sent)


@pytest.mark.parametrize("ending", [Ending.BUSY, Ending.NO_ANSWER, Ending.UNREACHABLE])
def test_a_call_that_nobody_answers_costs_nothing(everything_sent, ending):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ending=ending, ring=9.0)))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (0, 0)
        assert await lab.account() == (20, 0)

    run(body, recorder=everything_sent)


def test_who_can_not_pay_is_refused_with_the_cause(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(), RELEASED)
        assert result.passed, result.faults
        assert "31" in sent(result)[0][0]
        (record,) = await lab.records()
        assert (record["action"], record["reason"]) == ("release", "charging-denied")

    run(body, balance=1, policy="least_s = 20", recorder=everything_sent)


def test_a_dry_run_says_what_a_call_would_be_charged_and_whether_it_is_there():
    async def body(lab: Lab) -> None:
        rules = lab.node.rules(100)
        facts = typed_call("+" + CALLED, rules, trigger=Trigger.ORIGINATING)
        decision = explain_call(facts, rules, Snapshot({})).decision
        steps = await lab.node.charge(100, facts, decision, ("+" + CALLER, ""))
        assert [(each.condition, each.outcome) for each in steps] == [
            ("charged", "yes"),
            ("tariff", "yes"),
            ("first quota", "6 reserved, 30 s withheld"),
            ("account", "yes"),
        ]
        assert steps[-1].value == "balance 20, 0 of it reserved, 20 left"
        (poor,) = [
            each
            for each in await lab.node.charge(100, facts, decision, ("+46700000008", ""))
            if each.condition == "account"
        ]
        assert poor.outcome == "none: released with cause 31"

    run(body)


def test_free_and_barred_numbers(everything_sent):
    async def body(lab: Lab) -> None:
        free = await lab.call(originating(), Expectation(action=Action.CONTINUE, ended=True))
        assert free.passed, free.faults
        assert await lab.account() == (20, 0)

    run(body, policy='free = ["4670"]', recorder=everything_sent)

    async def barred(lab: Lab) -> None:
        result = await lab.call(originating(), RELEASED)
        assert result.passed, result.faults
        assert (await lab.records())[0]["reason"] == "barred-number"

    run(barred, policy='barred = ["46701"]', recorder=everything_sent)


def test_a_switch_that_loses_a_report_is_asked_and_charged_by_policy(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=100.0), missing_reports=(1,)))
        assert operations(result)[1:3] == [["activityTest"], ["applyCharging"]]
        (record,) = await lab.records()
        assert record["charge"] >= 3
        assert (await lab.account())[1] == 0

    run(body, recorder=everything_sent)


def test_a_call_that_reaches_the_longest_time_is_released(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=3))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (100_000, 10)

    run(body, policy="longest_s = 100", balance=1000, recorder=everything_sent)


def test_a_caller_who_is_told_released_pays_what_was_talked(everything_sent):
    async def body(lab: Lab) -> None:
        asked = asyncio.create_task(lab.call(originating(Attempt(ring=3.0, talk=900.0))))
        await asyncio.sleep(48.0)
        (dialogue,) = lab.node.signalling.tcap._dialogues.values()
        assert lab.node.cap.tell(dialogue.local_tid, Release(b"\x80\x90"))
        result = await asked
        assert operations(result)[-1] == ["releaseCall"]
        (record,) = await lab.records()
        assert record["charge"] == 5
        assert 44_000 <= record["charged_ms"] <= 46_000
        assert (record["action"], record["reason"]) == ("release", "released-by-operator")

    run(body, recorder=everything_sent)


VENDOR = """
[switches.vendor]
msc_numbers = ["46709000002"]
charged_time = "by-period"
abandon_report = false
"""


def test_a_switch_that_counts_each_period_anew_by_its_profile(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=172.3), by_period=True))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["charge"]) == (172_300, 18)
        result = await lab.call(
            originating(Attempt(ending=Ending.ABANDON, ring=5.0), by_period=True, silent_abandon=True)
        )
        await lab.quiet()
        assert await lab.account() == (2, 0)

    run(body, more=VENDOR)


def test_13_who_has_no_credit_hears_so_first(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(), ANY)
        assert result.heard
        assert operations(result)[0] == ["connectToResource", "playAnnouncement"]
        assert operations(result)[-1][-1] == "releaseCall"
        assert (await lab.records())[0]["reason"] == "charging-denied"

    run(
        body,
        balance=0,
        policy='announce = "no-credit"',
        more="[announcements]\nno-credit = {id = 5}\n",
        recorder=everything_sent,
    )


def test_a_forwarded_call_is_paid_by_who_forwards_and_a_roamer_pays_the_way_abroad(everything_sent):
    async def body(lab: Lab) -> None:
        for msisdn in ("46700000002", "46705550001"):
            await lab.node.charging.ledger.credit(msisdn, "first", 50, 1)
        talk = Attempt(ring=3.0, talk=60.0)
        forwarded = Scenario(
            trigger=Trigger.FORWARDED, a_number=CALLER, b_number=CALLED, b_nature=4, attempts=(talk,)
        )
        await lab.call(forwarded)
        roaming = Scenario(
            trigger=Trigger.TERMINATING,
            a_number=CALLER,
            b_number="46705550001",
            b_nature=4,
            vlr="46319999999",
            attempts=(talk,),
        )
        await lab.call(roaming)
        at_home = await lab.call(replace(roaming, vlr="46709000001"), ANY)
        assert operations(at_home) == [["continue"]]
        await lab.quiet()
        assert await lab.account() == (20, 0)
        assert await lab.account("46700000002") == (44, 0)
        assert await lab.account("46705550001") == (44, 0)

    run(body, policy='pays = ["caller", "forwarder", "roamer"]', recorder=everything_sent)


@pytest.mark.hypothesis
def test_any_calls_cost_what_the_switch_says_that_was_talked():
    """Random calls on one balance: what it lost is what a naive sum makes of the switch's own count."""
    flags = ("event_first", "separate", "prearranged_end", "repeats_reports")
    attempts = st.builds(
        Attempt,
        ending=st.sampled_from([Ending.ANSWER, Ending.ANSWER, Ending.BUSY, Ending.ABANDON, Ending.NO_ANSWER]),
        ring=st.integers(1, 90).map(lambda tenths: tenths / 10),
        talk=st.integers(0, 3000).map(lambda tenths: tenths / 10 + 0.04),
        hangs_up=st.sampled_from([1, 2]),
    )
    calls = st.lists(
        st.tuples(attempts, st.sets(st.sampled_from(flags)), st.integers(2, 4)), min_size=1, max_size=2
    )

    @given(
        calls, st.integers(20, 90), st.integers(0, 19), st.sampled_from([0.0, 0.5, 3.0]), st.integers(0, 200)
    )
    @examples(25)
    def check(planned, quota, withheld, delay, before):
        async def body(lab: Lab) -> None:
            slow(lab, extend=delay)
            expected = 0
            for attempt, wanted, version in planned:
                answers = lab.now() + attempt.ring
                prices = (6, 12) if answers < NOON / 1000 else (12, 12)
                scenario = originating(attempt, version=version, **dict.fromkeys(wanted, True))
                result = await lab.call(scenario, ANY)
                for connection in result.talked:
                    tenths = [round(seconds * 10) for seconds in connection]
                    total = sum(n * price for n, price in zip(tenths, prices, strict=False))
                    begun = -sum(tenths) % 10 * prices[len(tenths) - 1]
                    expected += -(-(total + begun) // 600)
            await lab.quiet()
            charged = sum(each["charge"] for each in await lab.records() if "charge" in each)
            assert charged == expected
            assert await lab.account() == (10_000 - expected, 0)
            assert sum(each["charged"] for each in await lab.records("charge")) == expected

        run(
            body,
            balance=10_000,
            policy=f"withheld_s = {withheld}\nreport_s = 1",
            quota=quota,
            tariff=BAND.format(end="23:00"),
            wall=NOON - before * 1000,
        )

    check()


ABROAD = '[[charging.tariffs]]\nprefix = "1"\nprice = 6\n'
STEERED = Expectation(action=Action.CONNECT, number="990011234567", ended=False)


def steered(*attempts: Attempt, **fields: Any) -> Scenario:
    """A call to the subscriber whose calls go to the VoIP side, paid by the caller."""
    return Scenario(
        trigger=Trigger.ORIGINATING,
        a_number=CALLER,
        b_number="0011234567",
        b_nature=2,
        attempts=attempts,
        **fields,
    )


@pytest.mark.parametrize("how", ["event_first", "separate", "silent_abandon", ""])
@pytest.mark.parametrize("ending", [Ending.BUSY, Ending.NO_ANSWER, Ending.UNREACHABLE])
def test_1_a_rescued_call_is_charged_for_the_attempt_that_was_answered(everything_sent, ending, how):
    async def body(lab: Lab) -> None:
        fields = {how: True} if how else {}
        first, second = Attempt(ending=ending, ring=7.0), Attempt(ring=4.0, talk=42.3)
        if how == "event_first":
            fields["separate"] = True
        result = await lab.call(steered(first, second, **fields), STEERED)
        assert not result.faults
        arm_charge_connect = ["requestReportBCSMEvent", "applyCharging", "connect"]
        assert operations(result)[:2] == [arm_charge_connect, arm_charge_connect]
        (record,) = await lab.records()
        assert len(record["failed_attempts"].split()) == 1
        assert (record["charged_ms"], record["charge"]) == (42_300, 5)
        assert await lab.account() == (15, 0)

    run(body, service="rescue = true", tariff=ABROAD, recorder=everything_sent)


def test_2_both_fail_and_the_switch_goes_on_with_the_last_failure(everything_sent):
    """The first rings for 15 s, the timer of the event; there is no third attempt, and nothing to pay."""

    async def body(lab: Lab) -> None:
        attempts = Attempt(ending=Ending.ANSWER, ring=100.0), Attempt(ending=Ending.UNREACHABLE, ring=2.0)
        result = await lab.call(steered(*attempts, tssf=20.0), STEERED)
        assert operations(result)[-1] == ["continue"]
        assert sum("connect" in names for names in operations(result)) == 2
        reported = next(
            step for step in result.steps if step.outward and "oNoAnswer" in " ".join(step.components)
        )
        assert 14.8 <= reported.seconds <= 15.2
        (record,) = await lab.records()
        assert [each.partition(":")[0] for each in record["failed_attempts"].split()] == [
            "oNoAnswer",
            "routeSelectFailure",
        ]
        assert (record["charged_ms"], record["charge"]) == (0, 0)
        assert await lab.account() == (20, 0)

    run(body, service="rescue = true", tariff=ABROAD, recorder=everything_sent)


@pytest.mark.parametrize(
    ("rescue", "number", "to"),
    [
        (True, None, "0011234567"),
        (True, "46705550001", "46705550001"),
        (False, None, ""),
        (None, None, "0011234567"),
    ],
)
def test_1_a_subscriber_says_whether_and_where_to_calls_are_rescued(everything_sent, rescue, number, to):
    async def body(lab: Lab) -> None:
        record = await lab.node.store.get(READY.msisdn)
        await lab.node.store.put(replace(record, rescue=rescue, rescue_number=number))
        result = await lab.call(steered(Attempt(ending=Ending.BUSY), Attempt(talk=5.0)), ANY)
        assert not result.faults
        connects = [words for message in sent(result) for words in message if words.startswith("connect")]
        assert connects[0].startswith("connect 990011234567")
        assert [words.split()[1].rstrip(",") for words in connects[1:]] == ([to] if to else [])

    run(body, service="rescue = true", tariff=ABROAD, recorder=everything_sent)


@pytest.mark.parametrize("time", [bytes.fromhex("0d2f00"), bytes.fromhex("00ffff")])
@pytest.mark.parametrize("active", [True, False])
def test_a_report_of_more_than_there_was_time_for_costs_no_more_than_the_period(monkeypatch, time, active):
    """864,000 tenths are the longest time that the type has: it would cost all that the account has."""
    inside = (
        b"\xa1"
        + bytes((2 + len(time), 0x80, len(time)))
        + time
        + b"\x82\x01"
        + (b"\xff" if active else b"\x00")
    )
    said = b"\xa0" + bytes((5 + len(inside),)) + b"\xa0\x03\x81\x01\x01" + inside
    monkeypatch.setattr(simulated, "charging_report", lambda *_args, **_more: said)

    async def body(lab: Lab) -> None:
        await lab.call(originating(Attempt(ring=3.0, talk=72.3 if active else 25.0)), ANY)
        (record,) = await lab.records()
        assert record["charge"] == 3
        assert await lab.account() == (17, 0)

    run(body)
