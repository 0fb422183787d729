"""``camel-scp hlr``: the simulated HLR: it serves until it is stopped, or tells of subscribers as a VLR."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
import uvloop

from scp.command import FAILED, fail, say
from scp.simulator.hlr_script import Script, Subscriber, location_of
from scp.simulator.options import WHERE, Signalling, grouped, option
from ss7.address import Imsi
from ss7.errors import EncodeError
from ss7.map.errors import ERROR_NAMES
from ss7.map.location import IMSI_ATTACH, LOCATION_UPDATE_OTHER_VLR, MS_INITIATED_IMSI_DETACH

if TYPE_CHECKING:
    from scp.simulator.hlr_run import Event, RunningHlr

DEFAULT: Final = "127.0.0.1:2905"
_KNOWS: Final = "What it knows"
_DOES: Final = "What it does"
_CELL: Final = re.compile(r"[0-9]{3}-[0-9]{2,3}-[0-9]{1,5}-[0-9]{1,5}", re.ASCII).fullmatch
_EVENTS: Final = {
    "update": LOCATION_UPDATE_OTHER_VLR,
    "attach": IMSI_ATTACH,
    "detach": MS_INITIATED_IMSI_DETACH,
}
_NUMBERS: Final[dict[str, type]] = {"age": int, "error": int, "service_key": int, "delay": float}
_SWITCHES: Final = frozenset({"detached", "busy", "silent"})
_MOST_DIGITS: Final = 15
_TEXTS: Final = frozenset({"imsi", "vlr", "cell"})


@dataclass(frozen=True, kw_only=True)
class HlrSignalling(Signalling):
    """The gsmSCF's address and the HLR's."""

    point_code: Annotated[str, option("ours: 0-23-6 or 190", WHERE)] = "0-23-6"
    gt: Annotated[str, option("our global title", WHERE)] = "46700000006"
    scp_ssn: Annotated[int, option("the gsmSCF's subsystem for MAP", WHERE, least=0, most=255)] = 147


@dataclass(frozen=True, kw_only=True)
class Knows:
    """Subscribers."""

    subscriber: Annotated[
        list[str] | None,
        option(
            "MSISDN,KEY=VALUE,…: vlr, cell (MCC-MNC-LAC-CI), imsi, age (minutes), error (MAP code), "
            "delay (seconds), detached, busy, silent; can be repeated",
            _KNOWS,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Does:
    """How it answers."""

    delay: Annotated[float, option("seconds until an answer", _DOES, least=0)] = 0.0
    silent: Annotated[bool, option("answer nothing", _DOES, "--silent")] = False
    versions: Annotated[str, option("MAP versions that it knows; others are refused", _DOES)] = "1,2,3"
    seconds: Annotated[float, option("serve so long; 0: until it is stopped", _DOES, least=0)] = 0.0
    note: Annotated[
        list[str] | None,
        option(
            "tell of a subscriber as its VLR (noteMM-Event), then leave: as --subscriber, and "
            "event=update|attach|detach, sender=the VLR's global title; can be repeated",
            _DOES,
        ),
    ] = None


@grouped
def hlr(
    *,
    to: Annotated[str, option("gsmSCF or STP to connect to, HOST:PORT", WHERE)] = DEFAULT,
    signalling: HlrSignalling,
    knows: Knows,
    does: Does,
) -> None:
    """Simulate an HLR: say where subscribers are; or a VLR: tell that they have moved.

    Exit status: 0 all went well, 1 an event was refused, 2 there was no association.
    """
    try:
        known = [subscriber_of(each)[0] for each in knows.subscriber or []]
        script = Script(
            delay=does.delay,
            silent=does.silent,
            versions=_versions(does.versions),
        )
        script.add(known)
        notes = [subscriber_of(each) for each in does.note or []]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(_run(to, signalling, script, notes, does.seconds))


def _versions(text: str) -> tuple[int, ...]:
    """Return the MAP versions of ``3,2``."""
    if not all(each in {"1", "2", "3"} for each in text.split(",")):
        raise ValueError(f"{text!r} is no list of MAP versions: 1, 2 and 3, as 3,2")
    return tuple(int(each) for each in text.split(","))


def subscriber_of(text: str) -> tuple[Subscriber, dict[str, str]]:
    """Return the subscriber that ``MSISDN,KEY=VALUE,…`` says, and what an event has beside.

    Raises:
        ValueError: a key that there is not, or a value that does not fit it.
    """
    msisdn, *pairs = text.split(",")
    if not msisdn.isdecimal():
        raise ValueError(f"{text!r}: {msisdn!r} is no MSISDN")
    fields: dict[str, Any] = {}
    beside: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key in _SWITCHES:
            fields[key] = value in {"", "true", "yes"}
        elif key in _NUMBERS:
            try:
                fields[key] = _NUMBERS[key](value)
            except ValueError:
                raise ValueError(f"{text!r}: {key} is a number, not {value!r}") from None
        elif key in _TEXTS:
            fields[key] = value
        elif key in {"event", "sender"}:
            beside[key] = value
        else:
            known = ", ".join(sorted({*_SWITCHES, *_NUMBERS, *_TEXTS, "event", "sender"}))
            raise ValueError(f"{text!r}: {key!r} is none of {known}")
    if beside.get("event", "update") not in _EVENTS:
        raise ValueError(f"{text!r}: event is one of {', '.join(_EVENTS)}")
    subscriber = Subscriber(msisdn=msisdn, **fields)
    _check(text, subscriber, beside.get("sender", ""))
    return subscriber, beside


def _check(text: str, subscriber: Subscriber, sender: str) -> None:
    """See that all that is said of a subscriber has an encoding; raises `ValueError`."""
    if not 5 <= len(subscriber.msisdn) <= _MOST_DIGITS:
        raise ValueError(f"{text!r}: an MSISDN has 5 to {_MOST_DIGITS} digits (E.164), with the country code")
    if subscriber.error >= 0 and subscriber.error not in ERROR_NAMES:
        raise ValueError(f"{text!r}: MAP has no error {subscriber.error} (TS 29.002 §17.6)")
    for key, value in (("vlr", subscriber.vlr), ("sender", sender)):
        if value and not (value.isdecimal() and len(value) <= _MOST_DIGITS):
            raise ValueError(f"{text!r}: {key} is up to {_MOST_DIGITS} digits (E.164), not {value!r}")
    if subscriber.cell and not _CELL(subscriber.cell):
        raise ValueError(f"{text!r}: cell is MCC-MNC-LAC-CI, as 240-01-4660-22136, not {subscriber.cell!r}")
    try:
        location_of(subscriber)
        Imsi(subscriber.imsi).encode()
    except EncodeError as error:
        raise ValueError(f"{text!r}: {error}") from None


def _run(
    to: str,
    signalling: Signalling,
    script: Script,
    notes: list[tuple[Subscriber, dict[str, str]]],
    seconds: float,
) -> int:
    from scp.simulator.hlr_run import Event, RunningHlr

    events = [
        Event(subscriber, _EVENTS[beside.get("event", "update")], beside.get("sender", ""))
        for subscriber, beside in notes
    ]
    network, endpoint = signalling.network(), signalling.endpoint(signalling.listen or to)

    async def work() -> int:
        running = RunningHlr(network, endpoint, script, SystemRandom(), None if events else _say_link)
        try:
            await running.start(10.0 if events or not signalling.listen else 3600.0)
            return await _tell(running, events) if events else await _serve(running, seconds)
        finally:
            await running.stop()

    try:
        return uvloop.run(work())
    except (EncodeError, OSError, TimeoutError) as error:
        raise fail(str(error)) from None


def _say_link(what: str, trouble: bool) -> None:
    del trouble
    say(what)


async def _tell(running: RunningHlr, events: list[Event]) -> int:
    """Send the events, and print what came of each."""
    outcomes = await running.tell(events)
    for event, outcome in zip(events, outcomes, strict=True):
        place = event.subscriber.vlr or "no VLR"
        typer.echo(f"{event.subscriber.msisdn} at {place}: {outcome}")
    return 0 if all(outcome == "result" for outcome in outcomes) else FAILED


async def _serve(running: RunningHlr, seconds: float) -> int:
    """Answer until the time is over or a signal comes; print what was asked."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await over.wait()
    for what, count in sorted(running.hlr.counts.items()):
        typer.echo(f"{count} {what}")
    return 0
