"""``camel-scp decode`` and ``camel-scp anonymise``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scp.capture.inputs import AsJson, CaptureFile, account, open_capture, printer
from scp.command import fail, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.capture.decode import Decoder
    from scp.capture.source import Capture

# ruff: noqa: PLC0415 - each command imports what it needs when it runs: the others start without it

# -- decode ----------------------------------------------------------------------------------------------


def decode(
    file: Annotated[str, typer.Argument(help="pcap or pcapng, gzip or not; - is standard input")] = "",
    *,
    hexadecimal: Annotated[
        str,
        typer.Option(
            "--hex",
            help="octets of a frame, a message or a part of one, in place of a capture; - is standard input",
            metavar="HEX",
        ),
    ] = "",
    layer: Annotated[
        str,
        typer.Option(
            help="of --hex: ethernet, sll, ip, sctp, mtp2, m3ua, m2ua, m2pa, mtp3, sccp, tcap, cap, "
            "or what a part contains (CalledPartyNumber …); found out if not given"
        ),
    ] = "",
    cap_version: Annotated[
        int,
        typer.Option(
            min=0,
            max=4,
            help="of messages and dialogues without application context; 0: the version that fits",
        ),
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
    with_octets: Annotated[
        bool, typer.Option("--octets", help="with --json: the octets, and which of them are which field")
    ] = False,
) -> None:
    """Show a capture, or one message of any layer: as a tree, one line a message, or JSON."""
    from scp.capture.decode import Decoder, Filter

    show = printer(as_json=json, as_lines=lines)
    if hexadecimal:
        if file:
            raise fail("give a capture or --hex, not both")
        _decode_octets(hexadecimal, layer, cap_version, (operation or ["initialDP"])[0], show)
        return
    if not file:
        raise fail("give a capture, or --hex")
    wanted = Filter(
        number=number, imsi=imsi, tid=tid, operation=tuple(operation or ()), reason=reason, faults=faults
    )
    _decode_capture(open_capture(file), Decoder(wanted, cap_version, octets=with_octets), show)


def _decode_octets(
    text: str, layer: str, version: int, operation: str, show: Callable[[dict[str, Any]], object]
) -> None:
    from scp.capture.hex_input import decode_hex
    from scp.capture.hex_text import read_hex
    from ss7.errors import DecodeError

    try:
        octets = read_hex(sys.stdin.read() if text == "-" else text)
        for shown in decode_hex(octets, layer, version=version, operation=operation):
            show(shown)
    except (DecodeError, ValueError) as error:
        raise fail(f"--hex: {error}") from None


def _decode_capture(capture: Capture, decoder: Decoder, show: Callable[[dict[str, Any]], object]) -> None:
    try:
        for shown in decoder.show(capture):
            show(shown)
            if not capture.size:  # a pipe: the reader waits for it
                sys.stdout.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - the reader has seen enough
        return
    say(account(capture.counts))


# -- anonymise -------------------------------------------------------------------------------------------


def anonymise(
    file: CaptureFile,
    out: Annotated[Path, typer.Argument(help="where the pcapng goes; - is standard output")],
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

    from scp.capture.anonymise import Anonymiser
    from scp.capture.disguise import Disguise
    from scp.capture.write import PcapNgWriter

    piped = str(out) == "-"
    if out.exists() and Path(file).exists() and out.samefile(file):
        raise fail(f"{out}: this is the capture itself; give another file")
    capture = open_capture(file)
    run = Anonymiser(Disguise(key.encode() or secrets.token_bytes(32)))
    try:
        with open(1, "wb", closefd=False) if piped else out.open("wb") as stream:
            run.run(capture, PcapNgWriter(stream, comment="anonymised"))
    except OSError as error:
        raise fail(f"{out}: {error.strerror}") from None
    left = [f"{count} left out: {why}" for why, count in run.left_out.most_common()]
    if not run.written:
        if not piped:
            out.unlink(missing_ok=True)
        raise fail(f"nothing written: {', '.join(left) or 'there is no message in the capture'}")
    say(", ".join((f"{run.written} messages written", *left)))
