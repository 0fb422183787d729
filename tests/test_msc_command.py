"""``camel-scp msc``: what it says where a node answers nothing; its calls and its load are tested by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from scp.bench.held_script import Then
from scp.bench.load import LoadPlan, LoadReport
from scp.cli import app
from scp.cli import msc as commands
from scp.simulator.expect import NO_ANSWER, Action, Answer
from scp.simulator.message import Message, MessageEnd
from scp.simulator.msc import PlannedCall
from scp.simulator.result import CallResult
from scp.simulator.scenario import Attempt, Ending, Finish, Scenario

ANSWER = Answer(action=Action.CONTINUE)
HINT = (
    "not one request was answered. They went to point code 0-23-1, global title 46700000009, SSN 146: "
    "if the node has others, name them (--scp-point-code, --scp-gt, --scp-ssn)"
)


def msc(*words: str) -> Any:
    return CliRunner().invoke(app, ["msc", "--scp-gt", "46700000009", *words])


@pytest.mark.parametrize(
    ("results", "hinted"),
    [
        ([(NO_ANSWER, ["no answer"]), (NO_ANSWER, ["no answer"])], True),
        ([(NO_ANSWER, ["no answer"]), (ANSWER, [])], False),
        ([(ANSWER, ["continue instead of connect"])], False),
        ([(NO_ANSWER, [])], False),  # as expected
    ],
)
def test_calls_without_any_answer(
    monkeypatch: pytest.MonkeyPatch, results: list[tuple[Answer, list[str]]], hinted: bool
) -> None:
    async def made(*_: Any, **__: Any) -> list[CallResult]:
        return [CallResult(scenario=Scenario(), answer=answer, faults=faults) for answer, faults in results]

    monkeypatch.setattr(commands, "run_calls", made)
    done = msc("--json")
    assert (HINT in done.stderr) is hinted
    assert len(done.stdout.splitlines()) == len(results)
    assert done.exit_code == (1 if any(faults for _, faults in results) else 0)


def test_how_the_switch_behaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several endings are of one call: its first routing, and its follow-on calls."""
    made: list[Scenario] = []

    async def run(calls: list[PlannedCall], **_: Any) -> list[CallResult]:
        made.extend(call.scenario for call in calls)
        return [CallResult(scenario=call.scenario, answer=ANSWER) for call in calls]

    monkeypatch.setattr(commands, "run_calls", run)
    assert msc("--json").exit_code == 0
    options = ("--event-first", "--separate", "--prearranged-end", "--finish", "lost", "--talk", "7")
    assert msc("--json", "--ending", "no-answer", "--ending", "answer", *options).exit_code == 0
    usual, held = made
    assert usual.attempts == (Attempt(),)
    assert (usual.event_first, usual.separate, usual.prearranged_end) == (False, False, False)
    assert held.attempts == tuple(
        Attempt(ending=ending, talk=7, finish=Finish.LOST) for ending in (Ending.NO_ANSWER, Ending.ANSWER)
    )
    assert held.event_first
    assert held.separate
    assert held.prearranged_end


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--b", "abc"], "--b 'abc': no code for 'a' in a number (Q.763 §3.9)"),
        (["--b", "11234567", "--b", "x"], "--b 'x': no code for 'x'"),
        (["--trigger", "originating", "--b", "+46701"], "--b '+46701': no code for '+'"),
        (["--a", "bob"], "--a 'bob': no code for 'b'"),
        (["--vlr", "here"], "--vlr 'here': no code for 'h'"),
        (["--cell", "1-2"], "--cell '1-2': cell '1-2' is not MCC-MNC-LAC-CI"),
        (["--imsi", "1"], "--imsi '1': IMSI of other than 5 to 16"),
        (["--load", "--b", "abc"], "--b 'abc'"),
    ],
)
def test_what_has_no_encoding_is_said_before_anything_is_connected(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["msc", *options])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


def test_a_short_message_in_place_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PlannedCall] = []

    async def run(calls: list[PlannedCall], **_: Any) -> list[CallResult]:
        made.extend(calls)
        return [CallResult(scenario=call.scenario, answer=ANSWER) for call in calls]

    monkeypatch.setattr(commands, "run_calls", run)
    assert msc("--json", "--cap", "3", "--sms", "sent").exit_code == 0
    options = ("--sms", "received", "--sms-end", "failed", "--sms-open")
    assert msc("--json", "--cap", "4", *options).exit_code == 0
    assert [each.message for each in made] == [
        Message(),
        Message(received=True, end=MessageEnd.FAILED, open=True),
    ]
    assert msc("--cap", "2", "--sms", "sent").exit_code == 2
    assert msc("--cap", "3", "--sms", "sent", "--load").exit_code == 2


@pytest.mark.parametrize(("answered", "hinted"), [(0, True), (1, False)])
def test_load_without_any_answer(monkeypatch: pytest.MonkeyPatch, answered: int, hinted: bool) -> None:
    async def run(*_: Any, **__: Any) -> LoadReport:
        return LoadReport(
            sent=2,
            answered=answered,
            wrong={},
            missing=2 - answered,
            stray=0,
            seconds=2.0,
            calls_per_second=answered / 2,
            ended=0,
            latency_us={},
            since_sent_us={},
            most_outstanding=2,
            generator_cpu=0.0,
        )

    monkeypatch.setattr(commands, "run_load", run)
    done = msc("--load")
    assert (HINT in done.stderr) is hinted
    assert f"{answered} of 2 calls answered" in done.stdout
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("words", "then"),
    [([], Then.END), (["--held"], Then.REPORT), (["--held", "--charged"], Then.CHARGE)],
)
def test_load_with_held_and_charged_calls(
    monkeypatch: pytest.MonkeyPatch, words: list[str], then: Then
) -> None:
    planned: list[LoadPlan] = []

    async def run(_scenario: Scenario, _calls: Any, plan: LoadPlan, **_: Any) -> LoadReport:
        planned.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_load", run)
    msc("--load", *words)
    assert [each.then for each in planned] == [then]
