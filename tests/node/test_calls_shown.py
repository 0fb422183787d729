"""What a console keeps of calls under control and of text messages: every message of theirs, decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from charged_lab import Lab, originating, run
from test_charged_messages import SMS, send

from scp.console.recent_calls import RecentCalls, decoded
from scp.simulator.expect import Action, Expectation
from scp.simulator.message import Message
from scp.simulator.scenario import Attempt, Ending, Scenario


def kept(body: Callable[[Lab], Awaitable[Any]], **options: Any) -> list[dict[str, Any]]:
    """The messages of the one call that is made, as the console shows them; none is missing."""
    shown: list[dict[str, Any]] = []

    async def watched(lab: Lab) -> None:
        calls = RecentCalls("node", lab.node.config.numbering, lab.now)
        calls.refill(1.0)
        lab.node.watch_calls(calls)
        result = await body(lab)
        await lab.quiet()
        (call,) = calls.latest()
        assert call.over
        assert call.left_out == 0
        shown.extend(decoded(call))
        said = [step for step in result.steps if not step.message.startswith("local")]
        assert [each["sent"] for each in shown] == [not step.outward for step in said]
        lab.node.watch_calls(None)
        await asyncio.sleep(0)

    run(watched, **options)
    return shown


def operations(messages: list[dict[str, Any]], *, sent: bool) -> list[str]:
    return [
        component.get("operation") or component["type"]
        for message in messages
        if message["sent"] is sent
        for component in message["components"]
    ]


def test_a_call_that_its_money_ends() -> None:
    messages = kept(lambda lab: lab.call(originating(Attempt(ring=3.0, talk=500.0))), balance=8)
    said, heard = operations(messages, sent=True), operations(messages, sent=False)
    assert said[0] == "requestReportBCSMEvent"
    assert said.count("applyCharging") >= 1
    assert heard.count("applyChargingReport") >= 1
    assert "initialDP" in heard
    for message in messages:
        assert "error" not in message["tcap"]
        assert message["parts"][-1]["name"] == "Protocol Data"
        assert "party" not in message


def test_a_call_that_is_rescued() -> None:
    attempts = (Attempt(ending=Ending.BUSY, ring=1.0), Attempt(ring=1.0, talk=20.0))
    connected = Expectation(action=Action.CONNECT, ended=False)

    scenario = Scenario(trigger="terminating", b_number="0011234567", b_nature=2, attempts=attempts)
    messages = kept(lambda lab: lab.call(scenario, connected), service="rescue = true")
    assert operations(messages, sent=True).count("connect") == 2
    assert operations(messages, sent=False).count("eventReportBCSM") >= 2


def test_a_text_message_that_is_paid() -> None:
    messages = kept(lambda lab: send(lab, Message()), more=SMS)
    assert operations(messages, sent=True)[:2] == ["requestReportSMSEvent", "continueSMS"]
    assert operations(messages, sent=False) == ["initialDPSMS", "eventReportSMS"]
