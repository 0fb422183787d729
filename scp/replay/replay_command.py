"""``camel-scp replay``: replays a capture through the service here, or to a live node."""

from __future__ import annotations

import gc
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scp.capture.inputs import AsJson, CaptureFile, account, open_capture, printer
from scp.command import FAILED, UNUSABLE, configuration, fail, say
from scp.replay.inputs import ConfigFile, Store, Token, records_of, services_of
from scp.simulator.options import WHERE, Signalling, grouped, option

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scp.capture.source import Capture
    from scp.config import Config
    from scp.ports import SubscriberLookup
    from scp.replay.pace import Pace
    from scp.replay.report import Report
    from scp.services.api import Service
    from scp.simulator.endpoint import Endpoint
    from scp.simulator.network import Network

# ruff: noqa: PLC0415 - the command imports what it needs when it runs

_LIVE: Final = "To a live node"
INTERRUPTED: Final = 130
"""As shells have it for SIGINT."""
_CONNECT: Final = 10.0
"""Seconds that an association may take to become active, as with ``msc``."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """Options of a replay to a live node."""

    speed: Annotated[float, option("times as fast as the capture", _LIVE, least=0.001)] = 1.0
    rate: Annotated[
        float, option("calls a second, whatever the capture's times; 0: those", _LIVE, least=0)
    ] = 0.0
    within: Annotated[float, option("seconds that an answer may take", _LIVE, least=0)] = 2.0


@grouped
def replay(
    file: CaptureFile,
    config: ConfigFile = None,
    *,
    store: Store = "",
    token: Token = "",
    json: AsJson = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="with --json: the messages of each dialogue, with octets")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="write a page: ladders, messages, a chart, search")
    ] = None,
    number: Annotated[str, typer.Option(help="calls whose A- or B-number contains these digits")] = "",
    reason: Annotated[str, typer.Option(help="calls that we answer for this reason")] = "",
    capture_ssn: Annotated[
        int | None,
        typer.Option(
            min=0, max=255, help="the gsmSCF's subsystem number in the capture, if the node has another"
        ),
    ] = None,
    to: Annotated[
        str, option("replay to the live gsmSCF or STP here; SCTP: HOST,HOST…:PORT of one host", WHERE)
    ] = "",
    signalling: Signalling,
    live: Live,
) -> None:
    """Run a capture's calls through the service and compare with what the capture's SCP answered.

    The service runs here, with --config and its store; or in a live node, with --to or --listen.

    Exit status: 0 all answers are the same, 1 some differ or are missing, 2 it can't be replayed, or there is
    no call to replay in it.
    """
    where = signalling.listen or to
    if config is None and not where:
        raise fail("give --config FILE to replay here, or --to HOST:PORT to replay to a live node")
    if reason and where:
        raise fail("--reason: a live node does not tell its reasons")
    settings = None if config is None else configuration(config)
    services = {} if settings is None else services_of(settings)
    records = records_of(store or ("" if settings is None else settings.store.url.reveal()), token)
    report = _report(
        services, records, html is not None or messages, number, reason, live=bool(where), json=json
    )
    job = _Job(open_capture(file), report, json)
    if settings is not None and not where:
        ssns = settings.ssns if capture_ssn is None else (capture_ssn,)
        _replay_here(job, settings, services, records, ssns)
    else:
        ssn = signalling.scp_ssn if capture_ssn is None else capture_ssn
        _replay_live(job, signalling.endpoint(where), signalling.network(), live, ssn)
    if html is not None:
        _write_page(job, html, Path(file).name)
    job.show()


def _write_page(job: _Job, to: Path, title: str) -> None:
    from scp.replay.html_page import page

    try:
        to.write_text(page(job.report, title, account(job.capture.counts)), encoding="utf-8")
    except OSError as error:
        raise fail(f"{to}: {error.strerror}") from None
    say(f"{to} is written")


class _Job:
    """One replay: the capture, the report, and what stopped it."""

    def __init__(self, capture: Capture, report: Report, quiet: bool) -> None:
        self.capture = capture
        self.report = report
        self.quiet = quiet
        self.skipped: Counter[str] = Counter()
        self.times: Sequence[float] = ()
        self.trouble: list[str] = []
        self.status = 0
        self._started = time.monotonic()

    def show(self) -> None:
        """Print the report and leave with its exit status."""
        from scp.replay.compare import Verdict
        from scp.replay.tables import print_summary, print_times

        if not self.quiet:
            print_summary(self.report, self.skipped, time.monotonic() - self._started)
            print_times(self.times)
        say(account(self.capture.counts))
        for trouble in self.trouble:
            say(trouble)
        verdicts = self.report.verdicts
        if not verdicts and not self.status:
            raise fail(self._nothing())
        differs = verdicts[Verdict.DIFFERENT] or verdicts[Verdict.SILENT]
        raise typer.Exit(self.status or (FAILED if differs else 0))

    def _nothing(self) -> str:
        """Return why no dialogue was compared: what was not looked at is not "all the same"."""
        if self.report.unwanted:
            return f"none of the {self.report.unwanted} dialogues is one of those that were asked for"
        why = [f"{count} messages {reason}" for reason, count in self.skipped.most_common()]
        text = "no dialogue was replayed: " + (", ".join(why) or "there is no dialogue of CAP in the capture")
        elsewhere = any("subsystem" in reason for reason in self.skipped)
        return text + ("; --capture-ssn sets the gsmSCF's SSN in the capture" if elsewhere else "")


def _report(
    services: Mapping[int, Service],
    records: SubscriberLookup,
    full: bool,
    number: str,
    reason: str,
    *,
    live: bool,
    json: bool,
) -> Report:
    from scp.replay.report import NODE, WE, Report

    return Report(
        services,
        records,
        each=printer(as_json=True) if json else None,
        wanted=number,
        reason=reason,
        full=full,
        who=NODE if live else WE,
    )


def _replay_here(
    job: _Job,
    settings: Config,
    services: Mapping[int, Service],
    records: SubscriberLookup,
    ssns: Collection[int],
) -> None:
    """Replay through the service in this process, on the capture's clock."""
    from scp.replay.offline import Replay
    from scp.replay.places import HlrSettings
    from scp.replay.short_messages import settings_of
    from scp.replay.tables import progress

    hlr = None
    if (asks := settings.map) is not None:
        hlr = HlrSettings(settings.numbering, asks.deadline_ms / 1000, asks.max_age_s)
    run = Replay(
        services,
        records,
        job.report.take,
        job.skipped,
        ssns=ssns,
        store_deadline=settings.store.deadline_ms / 1000,
        answer_deadline=settings.engine.answer_deadline_ms / 1000,
        strict=settings.engine.strict,
        hlr=hlr,
        messages=settings_of(settings.sms_control, services),
    )
    gc.freeze()  # what was loaded stays; the collector need not look at it again and again
    gc.set_threshold(50_000, 20, 20)  # most objects go with their dialogue: 2 % fewer instructions
    with progress(job.capture, quiet=job.quiet) as moved:
        for items in job.capture.batches():
            for item in items:
                run.take(item)
            moved(run.messages)
    run.finish()
    if run.places is not None and (run.places.answers or run.places.events):
        job.trouble.append(
            f"MAP in the capture: {run.places.answers} answers of HLRs, {run.places.events} events of VLRs; "
            "they decide about the calls behind them"
        )


def _replay_live(job: _Job, endpoint: Endpoint, network: Network, live: Live, ssn: int) -> None:
    """Replay to a node; the reason of an early end is printed below the report."""
    import uvloop

    from scp.replay.pace import Pace

    try:
        pace = Pace(speed=live.speed, rate=live.rate)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        uvloop.run(_live(job, endpoint, network, pace, live.within, ssn))
    except (OSError, TimeoutError) as error:
        job.trouble.append(str(error))
        job.status = UNUSABLE
    except KeyboardInterrupt:
        job.trouble.append("stopped")
        job.status = INTERRUPTED
    else:
        if job.report.unanswered:
            job.trouble.append(network.unanswered())


async def _live(job: _Job, endpoint: Endpoint, network: Network, pace: Pace, within: float, ssn: int) -> None:
    from scp.replay.live import LiveReplay
    from scp.replay.replay_transport import Label
    from scp.replay.tables import progress
    from scp.simulator.endpoint import attach, machine

    label = Label(
        opc=network.point_code,
        dpc=network.scp_point_code,
        network_indicator=network.network_indicator,
        ssn=network.ssn,
        called=network.called(),
        calling=network.calling(),
    )
    run = LiveReplay(
        machine(endpoint.side, network.routing_context),
        label,
        job.report.take,
        job.skipped,
        random=SystemRandom(),
        ssns=(ssn,),
        within=within,
    )
    connection = attach(endpoint, run.link, SystemRandom(), run.link.failed)
    await connection.start()
    try:
        with progress(job.capture, quiet=job.quiet) as moved:
            await run.run(job.capture, pace, _CONNECT, moved)
    finally:
        job.times = run.times
        job.trouble += run.link.trouble
        run.stop()
        await connection.close()
