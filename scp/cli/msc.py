"""``camel-scp msc``: the simulated MSC; one call with its ladder, or load with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import msgspec
import typer
import uvloop

from scp.bench.held_script import Then
from scp.bench.load import LoadCall, LoadPlan, LoadReport, run_load
from scp.command import FAILED, fail, say
from scp.domain.call import Trigger
from scp.simulator.expect import Action, Expectation
from scp.simulator.idp import initial_dp
from scp.simulator.ladder import ladder_of
from scp.simulator.message import CONTEXTS, Message, MessageEnd
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.options import WHERE, Signalling, grouped, option
from scp.simulator.scenario import Attempt, DefaultHandling, Ending, Finish, Scenario
from ss7.errors import EncodeError
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scp.simulator.endpoint import Endpoint
    from scp.simulator.network import Network
    from scp.simulator.result import CallResult

Result = TypeVar("Result")

DEFAULT: Final = "127.0.0.1:2905"

_B_NUMBER: Final = "0011234567"
"""The called number if none is given: the demo's subscriber."""

_LATE: Final = 0.5
"""Calls that were sent later than this after they were due, in seconds, are reported."""

_GIVE_UP: Final = 60.0
"""Seconds beyond its ringing and talking after which a call whose dialogue nothing ends is given up."""

_CALL: Final = "The call"
_PARTY: Final = "The called party"
_REPORTS: Final = "The gsmSSF's reports"
_EXPECT: Final = "The answer"
_LOAD: Final = "Load"
_SMS: Final = "A short message"


class Nature(StrEnum):
    """Nature of address of the called number."""

    SUBSCRIBER = "subscriber"
    UNKNOWN = "unknown"
    NATIONAL = "national"
    INTERNATIONAL = "international"
    NETWORK_SPECIFIC = "network-specific"


_NATURES: Final = {nature: NatureOfAddress[nature.name].value for nature in Nature}


@dataclass(frozen=True, kw_only=True)
class Call:
    """The call: its numbers, its subscriber and its location."""

    a: Annotated[str, option("calling number, E.164", _CALL, "--a")] = "46700000009"
    b: Annotated[list[str] | None, option("called number; can be repeated", _CALL, "--b")] = None
    nature: Annotated[Nature, option("of the called number", _CALL)] = Nature.UNKNOWN
    trigger: Annotated[Trigger, option("the CSI: O-CSI, T-CSI, or a forwarder's O-CSI", _CALL)] = (
        Trigger.TERMINATING
    )
    cap: Annotated[int, option("CAP version", _CALL, least=1, most=4)] = 2
    service_key: Annotated[int, option("of the CSI", _CALL, least=0, most=0x7FFFFFFF)] = 100
    vlr: Annotated[str, option('VLR number of the served subscriber; "": none', _CALL)] = "46709000001"
    cell: Annotated[str, option("MCC-MNC-LAC-CI of its cell", _CALL)] = "240-01-4660-22136"
    imsi: Annotated[str, option("of the served subscriber", _CALL)] = "240011234567890"
    calls: Annotated[
        int, option("how many calls of each number; 0: one, with --load no limit", _CALL, least=0)
    ] = 0


@dataclass(frozen=True, kw_only=True)
class Party:
    """How the called party behaves."""

    ending: Annotated[
        list[Ending] | None,
        option("what the called party does; again for follow-on calls [default: answer]", _PARTY),
    ] = None
    ring: Annotated[float, option("seconds of ringing until then", _PARTY, least=0)] = 0.2
    talk: Annotated[
        float, option("seconds from answer to the call's end", _PARTY, "--talk", "--hang-up-after", least=0)
    ] = 1.0
    finish: Annotated[Finish, option("how an answered call ends", _PARTY)] = Finish.HANG_UP
    hangs_up: Annotated[int, option("leg that hangs up: 1 calling, 2 called", _PARTY, least=1, most=2)] = 2
    silent: Annotated[bool, option("send nothing more after the first answer", _PARTY, "--silent")] = False
    digits: Annotated[str, option("what the caller keys in when asked", _PARTY)] = ""


@dataclass(frozen=True, kw_only=True)
class Reports:
    """How the switch reports in a dialogue that is held open."""

    event_first: Annotated[
        bool, option("EventReportBCSM before ApplyChargingReport, not after", _REPORTS, "--event-first")
    ] = False
    separate: Annotated[bool, option("each report in a message of its own", _REPORTS, "--separate")] = False
    prearranged_end: Annotated[
        bool, option("end the dialogue without a TC-END", _REPORTS, "--prearranged-end")
    ] = False
    by_period: Annotated[
        bool, option("count each charged period from nothing, not since answer", _REPORTS, "--by-period")
    ] = False
    silent_abandon: Annotated[
        bool, option("report no charge of an abandoned call", _REPORTS, "--silent-abandon")
    ] = False
    keeps_abandon: Annotated[
        bool, option("an armed abandon event stays armed at answer", _REPORTS, "--keeps-abandon")
    ] = False
    missing_report: Annotated[
        list[int] | None, option("this charging report never comes; can be repeated", _REPORTS, least=1)
    ] = None
    repeats_reports: Annotated[
        bool, option("every charging report comes twice", _REPORTS, "--repeats-reports")
    ] = False
    tests_unanswered: Annotated[
        bool, option("give no result of ActivityTest", _REPORTS, "--tests-unanswered")
    ] = False
    default_handling: Annotated[DefaultHandling, option("what the call gets when Tssf expires", _REPORTS)] = (
        DefaultHandling.CONTINUE
    )
    tssf: Annotated[float, option("seconds that it waits for instructions", _REPORTS, least=0.1)] = 5.0
    no_srf: Annotated[
        bool, option("the switch has nothing that plays announcements", _REPORTS, "--no-srf")
    ] = False
    external_srf: Annotated[
        str, option("number of an external gsmSRF that it can connect callers to", _REPORTS)
    ] = ""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the answer has to be."""

    expect: Annotated[Action | None, option("the right answer", _EXPECT)] = None
    expect_number: Annotated[str, option("the right number in Connect, digits", _EXPECT)] = ""
    within: Annotated[float, option("longest time to the answer, seconds", _EXPECT, least=0)] = 2.0
    charge: Annotated[bool, option("an answered call has to be charged", _EXPECT, "--charge")] = False


class Sms(StrEnum):
    """Which of its two parties is served."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, kw_only=True)
class ShortMessage:
    """A short message in place of a call: --a is the served subscriber, --b the other, --ring its time."""

    sms: Annotated[
        Sms | None, option("ask about a message that --a sends, or receives (CAP v3, v4)", _SMS)
    ] = None
    sms_end: Annotated[MessageEnd, option("what becomes of it, and how that is told", _SMS)] = MessageEnd.DONE
    sms_open: Annotated[
        bool, option("the report comes in TC-CONTINUE, not in TC-END", _SMS, "--sms-open")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much load, if any."""

    load: Annotated[bool, option("make many calls, print figures, no ladders", _LOAD, "--load")] = False
    rate: Annotated[float, option("calls a second; 0: as many as --window allows", _LOAD, least=0)] = 0.0
    window: Annotated[int, option("most calls outstanding at once", _LOAD, least=1)] = 256
    duration: Annotated[float, option("seconds; Ctrl-C ends it earlier", _LOAD, least=0)] = 10.0
    timeout: Annotated[float, option("seconds after which an answer counts as missing", _LOAD, least=0.1)] = (
        2.0
    )
    held: Annotated[
        bool, option("calls that are held open: report answer and disconnect", _LOAD, "--held")
    ] = False
    charged: Annotated[
        bool, option("… and 60.0 and 72.3 s of charged time, with a quota in between", _LOAD, "--charged")
    ] = False


@grouped
def msc(
    *,
    to: Annotated[
        list[str] | None,
        option(
            "gsmSCF or STP to connect to, HOST:PORT; SCTP: HOST,HOST…:PORT of one host; "
            "can be repeated with --load: they share the calls",
            WHERE,
        ),
    ] = None,
    signalling: Signalling,
    call: Call,
    party: Party,
    reports: Reports,
    answer: Expected,
    message: ShortMessage,
    load: Load,
    json: Annotated[bool, typer.Option("--json", help="results as JSON")] = False,
) -> None:
    """Simulate an MSC: make calls to a gsmSCF, show their ladders, and check the answers.

    Exit status: 0 all answers were right, 1 an answer was missing or wrong, 2 there was no association.
    """
    network = signalling.network()
    where = [signalling.listen] if signalling.listen else to or [DEFAULT]
    if len(where) > 1 and not load.load:
        raise typer.BadParameter("several --to share load: they need --load")
    endpoints = [signalling.endpoint(each) for each in where]
    scenario = _scenario(call, party, reports)
    numbers = call.b or [_B_NUMBER]
    _check(scenario, numbers)
    expected = Expectation(
        action=answer.expect, number=answer.expect_number, within=answer.within, charged=answer.charge
    )
    if message.sms is not None and (load.load or call.cap not in CONTEXTS):
        raise typer.BadParameter("--sms takes --cap 3 or 4, and no --load")
    if load.load:
        kinds = [LoadCall(b_number=number, expected=expected) for number in numbers]
        _load(scenario, kinds, _plan(call, load), network, endpoints, json=json)
    sms = None
    if message.sms is not None:
        sms = Message(received=message.sms is Sms.RECEIVED, end=message.sms_end, open=message.sms_open)
    planned = [
        PlannedCall(msgspec.structs.replace(scenario, b_number=number), expected, sms)
        for _ in range(max(call.calls, 1))
        for number in numbers
    ]
    _calls(planned, network, endpoints[0], give_up=_GIVE_UP + party.ring + party.talk, json=json)


def _plan(call: Call, load: Load) -> LoadPlan:
    return LoadPlan(
        rate=load.rate,
        window=load.window,
        calls=call.calls,
        duration=load.duration,
        timeout=load.timeout,
        then=Then.CHARGE if load.charged else Then.REPORT if load.held else Then.END,
    )


def _load(
    scenario: Scenario,
    kinds: list[LoadCall],
    plan: LoadPlan,
    network: Network,
    endpoints: list[Endpoint],
    *,
    json: bool,
) -> NoReturn:
    """Make load, print its figures, and leave."""
    report = _run(
        run_load(
            scenario,
            kinds,
            plan,
            network=network,
            endpoint=endpoints[0],
            random=SystemRandom(),
            others=endpoints[1:],
            stoppable=True,
        )
    )
    _print_load(report, json=json)
    if report.sent and not report.answered:
        say(network.unanswered())
    raise typer.Exit(0 if report.passed else FAILED)


def _calls(
    planned: list[PlannedCall], network: Network, endpoint: Endpoint, *, give_up: float, json: bool
) -> NoReturn:
    """Make calls, print their ladders, and leave."""
    results = _run(
        run_calls(planned, network=network, endpoint=endpoint, random=SystemRandom(), give_up=give_up)
    )
    for result in results:
        _print_call(result, json=json)
    if all(not result.passed and result.answer.action is Action.NOTHING for result in results):
        say(network.unanswered())
    raise typer.Exit(0 if all(result.passed for result in results) else FAILED)


def _scenario(call: Call, party: Party, reports: Reports) -> Scenario:
    """Return what all calls have in common."""
    attempts = [
        Attempt(ending=ending, ring=party.ring, talk=party.talk, hangs_up=party.hangs_up, finish=party.finish)
        for ending in party.ending or [Ending.ANSWER]
    ]
    return Scenario(
        version=call.cap,
        trigger=call.trigger,
        a_number=call.a,
        b_nature=_NATURES[call.nature],
        imsi=call.imsi,
        vlr=call.vlr,
        cell=call.cell,
        service_key=call.service_key,
        attempts=tuple(attempts),
        silent=party.silent,
        event_first=reports.event_first,
        separate=reports.separate,
        prearranged_end=reports.prearranged_end,
        by_period=reports.by_period,
        silent_abandon=reports.silent_abandon,
        keeps_abandon=reports.keeps_abandon,
        missing_reports=tuple(reports.missing_report or ()),
        repeats_reports=reports.repeats_reports,
        tests_unanswered=reports.tests_unanswered,
        default_handling=reports.default_handling,
        tssf=reports.tssf,
        srf=not reports.no_srf,
        external_srf=reports.external_srf,
        digits=party.digits,
    )


_OPTIONS: Final = {"--a": "a_number", "--imsi": "imsi", "--vlr": "vlr", "--cell": "cell"}
"""Options whose values are encoded, and the scenario's fields that have them."""


def _check(scenario: Scenario, numbers: list[str]) -> None:
    """See that all values have an encoding, before anything is connected; leave with what is wrong if not."""
    plain = Scenario(version=scenario.version, b_nature=scenario.b_nature, trigger=scenario.trigger)
    given = [(name, field, getattr(scenario, field)) for name, field in _OPTIONS.items()]
    for name, field, value in (*given, *(("--b", "b_number", number) for number in numbers)):
        try:
            initial_dp(msgspec.structs.replace(plain, **{field: value}), b"\0")
        except EncodeError as error:
            raise typer.BadParameter(f"{name} {value!r}: {error}") from None


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it; if it can't run, print the reason and leave with exit status 2."""
    try:
        return uvloop.run(work)
    except (EncodeError, OSError, TimeoutError) as error:
        raise fail(str(error)) from None


def _print_call(result: CallResult, *, json: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode(result, enc_hook=str))
    else:
        typer.echo(f"{ladder_of(result)}\n")


def _print_load(report: LoadReport, *, json: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode(report))
        return
    typer.echo(f"{report.answered} of {report.sent} calls answered in {report.seconds:.1f} s: ", nl=False)
    typer.echo(f"{report.calls_per_second:,.0f} a second, {report.missing} missing, {report.stray} stray")
    if report.ended:
        typer.echo(f"{report.ended} held calls ended by the gsmSCF, {report.quotas} further quotas")
    for reason, count in report.wrong.items():
        typer.echo(f"wrong: {count} times {reason}")
    for cause, count in report.returned.items():
        typer.echo(f"{count} returned by SCCP: {cause}")
    times = report.since_sent_us.items()
    shown = ", ".join(f"{'p' * point[0].isdigit()}{point} {value:,.0f}" for point, value in times)
    typer.echo(f"µs to the answer: {shown}")
    if (late := report.late_us.get("max", 0.0) / 1e6) > _LATE or report.unsent:
        typer.echo(
            f"the rate was not reached: calls left up to {late:.1f} s after they were due, "
            f"{report.unsent} not at all"
        )
    if len(report.shares) > 1:
        typer.echo(", ".join(f"{count} calls to {name}" for name, count in report.shares.items()))
    for trouble in report.trouble:
        typer.echo(trouble)
