"""The commands on captures: ``decode``, ``replay``, ``explain`` and ``anonymise``."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.capture.decode import Filter
    from scp.capture.report import Report
    from scp.capture.source import Capture
    from scp.config import Config
    from scp.ports import SubscriberLookup
    from scp.services.api import Service

FAILED: Final = 1
UNUSABLE: Final = 2

# ruff: noqa: PLC0415 - typer looks at all commands at start; each imports what it needs when it runs

CaptureFile = Annotated[str, typer.Argument(help="pcap or pcapng, gzip or not; - is standard input")]
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="the node's configuration, TOML")]
Store = Annotated[
    str,
    typer.Option(help="a store's URL, a file of `subscribers export`, or a running node's API; [store] url"),
]
Token = Annotated[str, typer.Option(help="for the API, scope read", envvar="CAMEL_SCP_TOKEN")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line")]


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _fail(text: str) -> typer.Exit:
    _say(text)
    return typer.Exit(UNUSABLE)


def _open(file: str) -> Capture:
    from scp.capture.source import Capture, CaptureError

    try:
        return Capture(file)
    except CaptureError as error:
        raise _fail(str(error)) from None


# -- decode ----------------------------------------------------------------------------------------------


def decode(
    file: Annotated[str, typer.Argument(help="pcap or pcapng, gzip or not; - is standard input")] = "",
    *,
    hexadecimal: Annotated[
        str, typer.Option("--hex", help="octets of one message in place of a capture", metavar="HEX")
    ] = "",
    layer: Annotated[
        str, typer.Option(help="of --hex: m3ua, sccp, tcap or cap; found out if not given")
    ] = "",
    cap_version: Annotated[
        int, typer.Option(min=0, max=4, help="of --hex, where the message does not say it")
    ] = 0,
    operation: Annotated[
        list[str] | None,
        typer.Option(
            help="messages with this operation (name or code); for --layer cap: whose argument it is"
        ),
    ] = None,
    json: AsJson = False,
    lines: Annotated[bool, typer.Option("--lines", help="one line a message")] = False,
    number: Annotated[str, typer.Option(help="dialogues with a number that contains these digits")] = "",
    imsi: Annotated[str, typer.Option(help="dialogues with an IMSI that begins so")] = "",
    tid: Annotated[str, typer.Option(help="messages with this transaction id, in hex")] = "",
    reason: Annotated[str, typer.Option(help="what can't be decoded for a reason with these words")] = "",
    faults: Annotated[bool, typer.Option("--faults", help="only what can't be decoded")] = False,
) -> None:
    """Show a capture, or one message of any layer: as a tree, one line a message, or JSON."""
    from scp.capture.decode import Filter, decode_octets
    from ss7.errors import DecodeError

    show = _printer(as_json=json, as_lines=lines)
    if hexadecimal:
        try:
            octets = bytes.fromhex(hexadecimal)
            named = (operation or ["initialDP"])[0]
            show(decode_octets(octets, layer, version=cap_version, operation=named))
        except (DecodeError, ValueError) as error:
            raise _fail(f"--hex: {error}") from None
        return
    if not file:
        raise _fail("say what to decode: a capture, or --hex")
    wanted = Filter(
        number=number, imsi=imsi, tid=tid, operation=tuple(operation or ()), reason=reason, faults=faults
    )
    _decode_capture(_open(file), wanted, show)


def _decode_capture(capture: Capture, wanted: Filter, show: Callable[[dict[str, Any]], object]) -> None:
    from scp.capture.decode import Decoder

    try:
        for shown in Decoder(wanted).show(capture):
            show(shown)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - who reads us has seen enough
        return
    _say(account(capture.counts))


def account(counts: Mapping[str, int]) -> str:
    """Return what was read of a capture and what was not, in one line."""
    faults = sum(count for name, count in counts.items() if name.startswith("fault:"))
    others = sorted(
        f"{count} {name.replace('-', ' ')}"
        for name, count in counts.items()
        if name != "packets" and not name.startswith("fault:")
    )
    return ", ".join((f"{counts.get('packets', 0)} packets", f"{faults} undecodable", *others))


def _printer(*, as_json: bool, as_lines: bool) -> Callable[[dict[str, Any]], object]:
    from scp.capture.lines import line, tree

    if as_json:
        encode = msgspec.json.Encoder().encode
        return lambda shown: sys.stdout.write(encode(shown).decode() + "\n")
    write = line if as_lines else tree
    return lambda shown: sys.stdout.write(write(shown) + "\n")


# -- replay ----------------------------------------------------------------------------------------------


def replay(
    file: CaptureFile,
    config: ConfigFile,
    *,
    store: Store = "",
    token: Token = "",
    json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="write a page: ladders, messages, a chart, search")
    ] = None,
    number: Annotated[str, typer.Option(help="calls whose A- or B-number contains these digits")] = "",
    reason: Annotated[str, typer.Option(help="calls that we answer for this reason")] = "",
) -> None:
    """Run a capture's calls through the service and compare with what the capture's SCP answered.

    Leaves with 1 if answers differ.
    """
    from scp.capture.html import page
    from scp.capture.report import Report
    from scp.capture.table import print_summary

    settings = _config(config)
    services, records = _services(settings), _records(settings, store, token)
    show = _printer(as_json=True, as_lines=False) if json else None
    report = Report(services, records, each=show, wanted=number, reason=reason, full=html is not None)
    capture = _open(file)
    skipped, seconds = _run(capture, report, settings, services, records, quiet=json)
    if html is not None:
        html.write_text(page(report, Path(file).name, account(capture.counts)), encoding="utf-8")
        _say(f"{html} is written")
    if not json:
        print_summary(report, skipped, seconds)
    _say(account(capture.counts))
    if report.verdicts["different"] or report.verdicts["silent"]:  # type: ignore[index]  # a StrEnum is its text
        raise typer.Exit(FAILED)


def _run(
    capture: Capture,
    report: Report,
    settings: Config,
    services: Mapping[int, Service],
    records: SubscriberLookup,
    *,
    quiet: bool,
) -> tuple[Counter[str], float]:
    """Replay a capture with a progress bar; return what was skipped, and the seconds it took."""
    import time

    from scp.capture.replay import Replay
    from scp.capture.table import progress

    skipped: Counter[str] = Counter()
    run = Replay(
        services,
        records,
        report.take,
        skipped,
        ssn=settings.sccp.ssn,
        store_deadline=settings.store.deadline_ms / 1000,
        answer_deadline=settings.engine.answer_deadline_ms / 1000,
    )
    started = time.monotonic()
    gc.freeze()  # what was loaded stays; the collector need not look at it again and again
    with progress(capture, quiet=quiet) as moved:
        for items in capture.batches():
            for item in items:
                run.take(item)
            moved(run.messages)
    run.finish()
    return skipped, time.monotonic() - started


def _config(path: Path) -> Config:
    from scp.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        raise _fail("\n".join(f"{path}: {fault}" for fault in error.faults)) from None


def _services(settings: Config) -> dict[int, Service]:
    from scp.services.api import NodeSettings
    from scp.services.registry import ServiceConfigError, build_services, installed

    node = NodeSettings(settings.numbering, settings.store.on_failure)
    try:
        return build_services(settings.services, node, installed())
    except ServiceConfigError as error:
        raise _fail(str(error)) from None


def _records(settings: Config, store: str, token: str) -> SubscriberLookup:
    from scp.capture.records import RecordsError, open_records

    try:
        return open_records(store or settings.store.url.reveal(), token)
    except RecordsError as error:
        raise _fail(str(error)) from None


# -- explain ---------------------------------------------------------------------------------------------


def explain(
    config: ConfigFile,
    *,
    b: Annotated[str, typer.Option("--b", help="called number, as dialled or with +")] = "",
    a: Annotated[str, typer.Option("--a", help="calling number; with --capture, picks the call")] = "",
    trigger: Annotated[str, typer.Option(help="originating, terminating or forwarded")] = "terminating",
    vlr: Annotated[str, typer.Option(help="VLR number of the called subscriber, E.164 digits")] = "",
    service_key: Annotated[int, typer.Option(help="which service; the first that steers if not given")] = -1,
    capture: Annotated[str, typer.Option(help="take the call from this capture: --frame, --a or --b")] = "",
    frame: Annotated[int, typer.Option(help="number of the packet with the call's InitialDP")] = 0,
    store: Store = "",
    token: Token = "",
    json: AsJson = False,
) -> None:
    """Say what would happen to a call, and why: every condition that was asked, and its outcome."""
    from scp.capture.explain import explain_call, explain_request, typed_call
    from scp.capture.table import print_explanation
    from scp.domain.call import Trigger

    settings = _config(config)
    services, records = _services(settings), _records(settings, store, token)
    if capture:
        idp = _request(_open(capture), frame, a, b)
        explanation = explain_request(idp, _rules(services, idp.service_key), records)
    elif b:
        rules = _rules(services, service_key)
        if trigger not in set(Trigger):
            raise _fail(f"--trigger: {', '.join(Trigger)}")
        explanation = explain_call(typed_call(b, rules, trigger=Trigger(trigger), vlr=vlr), rules, records)
    else:
        raise _fail("say which call: --b NUMBER, or --capture FILE")
    if json:
        typer.echo(msgspec.json.encode(explanation.as_json()))
    else:
        print_explanation(explanation)


def _rules(services: Mapping[int, Service], service_key: int) -> Any:
    from scp.capture.explain import rules_of

    found = [services.get(service_key)] if service_key >= 0 else list(services.values())
    for service in found:
        rules = rules_of(service)
        if rules is not None:
            return rules
    what = f"service key {service_key}" if service_key >= 0 else "the configuration"
    raise _fail(f"{what} has no service that steers by a subscriber's record")


def _request(capture: Capture, frame: int, a: str, b: str) -> Any:
    from scp.capture.requests import find_request

    idp = find_request(capture, frame, a, b)
    if idp is None:
        raise _fail("no such InitialDP in the capture")
    return idp


# -- anonymise -------------------------------------------------------------------------------------------


def anonymise(
    file: CaptureFile,
    out: Annotated[Path, typer.Argument(help="where the pcapng goes")],
    *,
    key: Annotated[
        str,
        typer.Option(
            help="a secret: the same one replaces alike in several captures", envvar="CAMEL_SCP_KEY"
        ),
    ] = "",
) -> None:
    """Replace every number, IMSI, point code, global title and host, so that a capture can be shown."""
    import secrets

    from scp.capture.anonymise import Anonymiser, Disguise
    from scp.capture.write import PcapNgWriter

    capture = _open(file)
    run = Anonymiser(Disguise(key.encode() or secrets.token_bytes(32)))
    with out.open("wb") as stream:
        run.run(capture, PcapNgWriter(stream, comment="anonymised"))
    left = ", ".join(f"{count} left out: {why}" for why, count in run.left_out.most_common())
    _say(", ".join(filter(None, (f"{run.written} messages written", left))))
