"""Short messages under control through a whole node and the simulated MSC, paid from the real ledger."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from charged_lab import CALLED, CALLER, Lab, run

from scp.domain.call import Trigger
from scp.engine.timers import Deadlines
from scp.services.message_record import MessageEnd as Ended
from scp.simulator.expect import Action, Expectation
from scp.simulator.message import Message, MessageEnd
from scp.simulator.msc import PlannedCall
from scp.simulator.scenario import Attempt, Scenario

SMS = """
[sms_control]
service_keys = [100]
[sms_control.charging]
pays = ["sent", "received"]
[[sms_control.charging.tariffs]]
prefix = ""
price = 5
"""
WENT_ON = Expectation(action=Action.CONTINUE, ended=False)


async def send(lab: Lab, message: Message, expected: Expectation = WENT_ON, version: int = 3) -> Any:
    scenario = Scenario(
        version=version,
        trigger=Trigger.ORIGINATING,
        a_number=CALLER,
        b_number=CALLED,
        b_nature=4,
        vlr="46709000001",
        attempts=(Attempt(ring=1.5),),
    )
    [result] = await lab.msc.run([PlannedCall(scenario, expected, message)], 1, None)
    assert not result.faults, result
    return result


@pytest.mark.parametrize(
    ("message", "version", "costs", "failed"),
    [
        (Message(), 3, 5, ""),
        (Message(open=True), 4, 5, ""),
        (Message(open=True, asks=True), 3, 5, ""),
        (Message(received=True), 4, 5, ""),
        (Message(end=MessageEnd.FAILED), 3, 0, "o-smsFailure:3"),
        (Message(received=True, end=MessageEnd.FAILED), 4, 0, "t-smsFailure:255"),
        (Message(end=MessageEnd.SILENT), 3, 0, ""),
        (Message(end=MessageEnd.GONE), 3, 0, ""),
    ],
)
def test_what_became_of_a_message_is_what_it_costs(everything_sent, message, version, costs, failed) -> None:
    async def body(lab: Lab) -> None:
        result = await send(lab, message, version=version)
        assert result.answer.operations == ("requestReportSMSEvent", "continueSMS")
        (record,) = await lab.records()
        assert (record["service"], record["charge"], record["reserved"]) == ("sms-control", costs, 5)
        assert record["failed_attempts"] == failed if failed else "failed_attempts" not in record
        assert record["trigger"] == ("terminating" if message.received else "originating")
        charged = [each["charged"] for each in await lab.records("charge")]
        assert charged == ([costs] if costs else [])
        assert await lab.account() == (20 - costs, 0)

    run(body, more=SMS, recorder=everything_sent)


@pytest.mark.parametrize(("unreported", "costs"), [("refund", 0), ("charge", 5)])
@pytest.mark.parametrize("grace", [1, 300])
def test_a_message_whose_node_died_is_as_one_of_which_nothing_is_reported(unreported, costs, grace) -> None:
    async def body(lab: Lab) -> None:
        sending = asyncio.create_task(send(lab, Message(end=MessageEnd.SILENT)))
        while not len(lab.node._sms._waiting):  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.01)
        lab.node._sms._waiting = Deadlines(lambda message: message.due)  # who waits for the report is gone
        assert await lab.account() == (20, 5)
        await asyncio.sleep(90)  # as long as a node waits that lives: nobody takes it from that
        assert await lab.account() == (20, 5)
        await asyncio.sleep(max(grace - 90, 0) + 10)
        assert await lab.account() == (20 - costs, 0)
        await lab.node.charging.record()
        records = [json.loads(each.json) for each in await lab.node.charging.cdrs.page(0, 99)]
        charged = [each["charged"] for each in records if each["kind"] == "charge"]
        assert charged == ([costs] if costs else [])
        sending.cancel()
        (dialogue,) = lab.node.signalling.tcap._dialogues.values()
        lab.node._sms._over(
            dialogue.user, Ended("submitted")
        )  # the report that comes at last, to who died not at all
        await asyncio.sleep(1)
        assert await lab.account() == (20 - costs, 0)  # it is settled once

    run(body, more=SMS.replace("pays", f'unreported = "{unreported}"\npays'), charging=f"grace_s = {grace}")


def test_messages_and_calls_are_paid_from_one_account_until_it_is_empty() -> None:
    refused = Expectation(action=Action.RELEASE, code=21, ended=True)

    async def body(lab: Lab) -> None:
        for _ in range(4):
            await send(lab, Message())
        assert (await send(lab, Message(), refused)).outcome == "refused with cause 21"
        assert await lab.account() == (0, 0)
        assert min(each["reason"] for each in await lab.records()) == "charging-denied"

    run(body, more=SMS)


def test_without_charging_nothing_is_armed() -> None:
    async def body(lab: Lab) -> None:
        result = await send(lab, Message(), Expectation(action=Action.CONTINUE, ended=True))
        assert result.outcome == "sent on"
        (record,) = await lab.records()
        assert (record["service"], record["b_number"]) == ("sms-control", CALLED)
        assert await lab.account() == (20, 0)

    run(body, more="[sms_control]\nservice_keys = [100]\n")


def test_a_node_that_does_not_control_messages_is_a_fault_that_says_so() -> None:
    async def body(lab: Lab) -> None:
        scenario = Scenario(version=3, a_number=CALLER, b_number=CALLED, b_nature=4)
        [result] = await lab.msc.run([PlannedCall(scenario, Expectation(), Message())], 1, None)
        assert result.faults == [
            "no decision: the dialogue was aborted, application context refused",
            "it does not control short messages in CAP v3: a camel-scp node does with [sms_control]",
        ]

    run(body)
