"""Switches that do something otherwise, and callers who hear why, in charged calls through a whole node, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from charged_lab import CALLER, Lab, originating, run, sent

from scp.simulator import assisting
from scp.simulator.expect import Action, Expectation
from scp.simulator.scenario import Attempt, Ending, Scenario, Trigger

BY_PERIOD = '[switches.vendor-a]\npoint_codes = [187]\ncharged_time = "by-period"\n'
SILENT = '[switches.vendor-b]\nglobal_titles = ["46709"]\nabandon_report = false\n'
ANNOUNCED = "[announcements]\nno-credit = { id = 5, cause = 21 }\nconnecting = { id = 7 }\n"
ANY = Expectation()
HEARD_FIRST = Expectation(action=Action.WAIT, ended=False)


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("talk", [25.0, 72.3, 130.0, 900.0])
def test_a_switch_that_counts_each_period_anew_is_paid_the_same(everything_sent, talk, version):
    async def body(lab: Lab) -> None:
        scenario = originating(Attempt(ring=3.0, talk=talk), version=version, by_period=True)
        result = await lab.call(scenario)
        assert not result.faults
        [[counted]] = result.talked
        assert counted == min(talk, 200.0)
        (record,) = await lab.records()
        assert record["charged_ms"] == round(counted * 1000)
        assert record["charge"] == -(-round(counted * 10) // 100)
        assert await lab.account() == (20 - record["charge"], 0)

    run(body, tariff=BY_PERIOD, recorder=None if version == 2 else everything_sent)


def test_without_its_profile_its_reports_would_be_read_as_too_few(everything_sent):
    async def body(lab: Lab) -> None:
        await lab.call(originating(Attempt(ring=3.0, talk=72.3), by_period=True))
        (record,) = await lab.records()
        assert record["charged_ms"] < 72_300

    run(body, recorder=everything_sent)


@pytest.mark.parametrize("profile", [SILENT, ""])
def test_nobody_waits_for_the_report_of_an_abandoned_call_that_has_none(everything_sent, profile):
    async def body(lab: Lab) -> None:
        scenario = originating(
            Attempt(ending=Ending.ABANDON, ring=4.0), silent_abandon=True, prearranged_end=True
        )
        await lab.call(scenario)
        await asyncio.sleep(0.9)
        held = (await lab.account())[1]
        assert bool(held) is not bool(profile), "freed within a second, or still waited for"
        await lab.quiet()
        assert await lab.account() == (20, 0)

    run(body, tariff=profile, recorder=everything_sent)


@pytest.mark.parametrize("srf", [True, False])
def test_13_who_can_not_pay_hears_it_and_is_released(everything_sent, srf):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(srf=srf, announcement=4.0), HEARD_FIRST)
        heard, released = sent(result)
        assert heard == ["connectToResource", "playAnnouncement message 5"]
        assert result.heard == (("message 5",) if srf else ())
        assert released == [*(["disconnectForwardConnection"] if srf else []), "releaseCall cause 21"]
        assert result.outcome == "continued, released with cause 21"
        (record,) = await lab.records()
        assert record["reason"] == "charging-denied"
        assert await lab.account() == (0, 0)

    run(body, balance=0, policy='announce = "no-credit"\n', tariff=ANNOUNCED, recorder=everything_sent)


EXTERNAL = """
[announcements]
no-credit = { id = 5, cause = 21, srf = "46709000042" }
connecting = { id = 7, srf = "46709000042", patience_s = 6 }
"""


@pytest.mark.parametrize("version", [2, 3, 4])
def test_13_an_external_srf_asks_and_plays(everything_sent, version):
    """EstablishTemporaryConnection, and AssistRequestInstructions in a dialogue of the gsmSRF's own (§11.4, §11.17)."""

    async def body(lab: Lab) -> None:
        result = await lab.call(
            originating(srf=False, external_srf="46709000042", announcement=4.0, version=version), ANY
        )
        assert not result.faults
        assert result.heard == ("message 5",)
        told = [(step.message, step.components) for step in result.steps[1:]]
        names = [(message, *(each.split()[0] for each in components)) for message, components in told]
        assert names == [
            ("TC-CONTINUE", "establishTemporaryConnection"),
            ("gsmSRF: TC-BEGIN", "assistRequestInstructions"),
            ("gsmSRF: TC-CONTINUE", "playAnnouncement"),
            ("gsmSRF: TC-CONTINUE", "specializedResourceReport"),
            ("TC-END", "disconnectForwardConnection", "releaseCall"),
        ]
        (record,) = await lab.records()
        assert record["reason"] == "charging-denied"
        assert not lab.node.cap.assists._expected

    run(body, balance=0, policy='announce = "no-credit"\n', tariff=EXTERNAL, recorder=everything_sent)


def test_13_a_call_goes_on_without_an_external_srf_that_is_not_there(everything_sent):
    async def body(lab: Lab) -> None:
        for number in ("46709000042", ""):
            result = await lab.call(forwarded(srf=False, external_srf=number), ANY)
            assert result.heard == (("message 7",) if number else ())
            assert result.routed_to == "990011234567"
        assert [each["charge"] for each in await lab.records()] == [8, 8]
        assert await lab.account() == (4, 0)

    run(body, service='announce = "connecting"\n', tariff=ABROAD + EXTERNAL, recorder=everything_sent)


def test_13_an_external_srf_that_asks_for_nobody_is_refused_and_one_that_is_silent_costs_no_call(
    everything_sent, monkeypatch
):
    """Its correlation id is not known: missingCustomerRecord in TC-END; the caller is put through after 6 s."""
    inner = assisting.GenericNumber
    monkeypatch.setattr(assisting, "GenericNumber", lambda kind, digits, nature: inner(kind, "4711", nature))

    async def body(lab: Lab) -> None:
        result = await lab.call(forwarded(srf=False, external_srf="46709000042", tssf=20.0), ANY)
        refused = [step for step in result.steps if step.message == "gsmSRF: TC-END"]
        assert [step.components for step in refused] == [("error missingCustomerRecord to invocation 1",)]
        assert result.heard == ()
        assert result.routed_to == "990011234567"
        (record,) = await lab.records()
        assert record["charge"] == 8
        assert not lab.node.cap.assists._expected

    run(body, service='announce = "connecting"\n', tariff=ABROAD + EXTERNAL, recorder=everything_sent)


def test_13_an_external_srf_that_aborts_costs_no_call(everything_sent, monkeypatch):
    def abort(resource, now):
        if resource.next_deadline() <= now:
            octets = resource._tcap.abort(resource._dialogue)
            resource._signalling.send(resource._dialogue.path, octets)

    monkeypatch.setattr(assisting.AssistingResource, "tick", abort)

    async def body(lab: Lab) -> None:
        result = await lab.call(forwarded(srf=False, external_srf="46709000042", tssf=20.0), ANY)
        assert result.heard == ()
        assert result.routed_to == "990011234567"
        (put_through,) = [
            step for step in result.steps if any(each.startswith("connect 99") for each in step.components)
        ]
        assert put_through.seconds < 3.0  # at once, not after its patience of 6 s
        (record,) = await lab.records()
        assert record["charge"] == 8

    run(body, service='announce = "connecting"\n', tariff=ABROAD + EXTERNAL, recorder=everything_sent)


def forwarded(**fields):
    """A call to the gateway that the subscriber pays who forwards it."""
    return Scenario(
        trigger=Trigger.FORWARDED,
        redirecting_number=CALLER,
        b_number="0011234567",
        b_nature=2,
        attempts=(Attempt(ring=3.0, talk=72.3),),
        announcement=2.0,
        **fields,
    )


ABROAD = '[[charging.tariffs]]\nprefix = "1"\nprice = 6\n'


def test_13_a_caller_hears_that_the_call_is_being_put_through(everything_sent):
    async def body(lab: Lab) -> None:
        for srf in (True, False):
            result = await lab.call(forwarded(srf=srf), HEARD_FIRST)
            assert result.heard == (("message 7",) if srf else ())
            assert result.routed_to == "990011234567"
            assert sent(result)[1][-2:] == ["applyCharging 30.0 s", "connect 990011234567, nature 2"]
        first, second = await lab.records()
        assert first["charged_ms"] == second["charged_ms"] == 72_300
        assert (first["charge"], second["charge"]) == (8, 8)
        assert await lab.account() == (4, 0)

    run(body, service='announce = "connecting"\n', tariff=ABROAD + ANNOUNCED, recorder=everything_sent)


def test_13_a_caller_who_hangs_up_meanwhile_pays_nothing(everything_sent):
    async def body(lab: Lab) -> None:
        result = await lab.call(forwarded(abandon_after=1.0), HEARD_FIRST)
        assert result.steps[-1].message == "TC-U-ABORT"
        assert result.talked == ()
        await lab.quiet()
        assert await lab.account() == (20, 0)

    run(body, service='announce = "connecting"\n', tariff=ABROAD + ANNOUNCED, recorder=everything_sent)


def test_an_announcement_that_is_not_there_is_said():
    async def body(lab: Lab) -> None:
        pass

    with pytest.raises(
        ValueError, match=r"charging.announce: 'nobody' is not in \[announcements\]; there: none"
    ):
        run(body, policy='announce = "nobody"\n')
