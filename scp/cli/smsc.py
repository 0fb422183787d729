"""The command ``camel-scp smsc``: an SMSC that speaks SMPP, to try text messages out."""

from __future__ import annotations

import asyncio
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp.command import fail

if TYPE_CHECKING:
    from scp.simulator.smsc import Smsc, TakenMessage


class Ids(StrEnum):
    """How receipts write message ids."""

    SAME = "same"
    DECIMAL = "decimal"
    HEX = "hex"


def smsc(
    listen: Annotated[str, typer.Option(help="HOST:PORT to listen on")] = "127.0.0.1:2775",
    system_id: Annotated[str, typer.Option(help='that ESMEs bind with; "": any')] = "",
    password: Annotated[str, typer.Option(help="likewise")] = "",
    delay: Annotated[float, typer.Option(help="seconds until a submit_sm is answered", min=0)] = 0.0,
    rate: Annotated[float, typer.Option(help="submit_sm a second, more are throttled; 0: any", min=0)] = 0.0,
    receipt_after: Annotated[float, typer.Option(help="seconds to the receipt; negative: none")] = 0.0,
    refuse: Annotated[list[str] | None, typer.Option(help="prefix of recipients to refuse")] = None,
    status: Annotated[int, typer.Option(help="command_status of these refusals", min=1)] = 0x0B,
    silent: Annotated[list[str] | None, typer.Option(help="prefix of recipients not to answer for")] = None,
    undeliverable: Annotated[
        list[str] | None, typer.Option(help="prefix of recipients whose receipts say undeliverable")
    ] = None,
    drop_after: Annotated[int, typer.Option(help="cut the connection every so many messages", min=0)] = 0,
    receipt_ids: Annotated[
        Ids, typer.Option(help="how receipts write ids: as the answers, or decimal or hex where these do not")
    ] = Ids.SAME,
    send: Annotated[
        list[str] | None, typer.Option(help='"SENDER RECIPIENT TEXT" to send to whoever binds')
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="file of what it has taken, to go on with after a kill")
    ] = None,
) -> None:
    """Run an SMSC until Ctrl-C or SIGTERM; it prints each message that it takes, a line each.

    Exit status: 0, or 2 if it can't listen.
    """
    from scp.config import HostPort
    from scp.simulator.smsc import Smsc, SmscSettings

    settings = SmscSettings(
        system_id,
        password,
        delay,
        rate,
        status,
        tuple(refuse or ()),
        tuple(silent or ()),
        tuple(undeliverable or ()),
        receipt_after,
        drop_after=drop_after,
        ids=receipt_ids.value,
    )
    outgoing = [text.split(" ", 2) for text in send or ()]
    if any(len(each) < 3 for each in outgoing):
        raise fail('--send takes "SENDER RECIPIENT TEXT"')
    try:
        where = HostPort.parse(listen)
    except ValueError as error:
        raise fail(f"--listen: {error}") from None

    try:
        this = Smsc(settings, journal, _print)
        for sender, recipient, text in outgoing:
            this.send(sender, recipient, text)
        asyncio.run(_serve(this, where.host, where.port))
    except OSError as error:
        raise fail(f"{error.filename or listen}: {error.strerror or error}") from None


async def _serve(this: Smsc, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await this.start(host, port)
    typer.echo(f"listening on {host}:{this.port}")
    await ended.wait()
    await this.stop()


def _print(message: TakenMessage) -> None:
    part = message.part
    which = f" ({part.number} of {part.total})" if part is not None else ""
    typer.echo(f"{message.id}: {message.source} → {message.destination}{which}: {message.text}")
