"""``camel-scp voip``: runs the brain, and what it takes to set it up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp.command import fail
from scp.config.value_types import expired_keys

if TYPE_CHECKING:
    from scp.voip.config import VoipConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, invoke_without_command=True)


def configuration(path: Path) -> VoipConfig:
    """Return the configuration in a file, or say what is wrong with it and raise `typer.Exit`."""
    from scp.config import ConfigError  # noqa: PLC0415
    from scp.voip.config import load  # noqa: PLC0415

    try:
        return load(path)
    except ConfigError as error:
        raise fail("\n".join(f"{path}: {fault}" for fault in error.faults)) from None


@app.callback()
def voip(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="voip.toml")] = None,
) -> None:
    """Run the VoIP service's brain until SIGTERM, which drains it; SIGHUP has it read its file again.

    Exit status: 0 it was drained, 1 it could not start, 2 the configuration is wrong.
    """
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise fail("-c FILE is needed; camel-scp example --voip prints one")
    from scp.voip.process import serve  # noqa: PLC0415

    raise typer.Exit(serve(configuration(config), config))


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="voip.toml")]) -> None:
    """Validate a configuration: every error with its path, and what the service would do."""
    config = configuration(file)
    trunk = config.outward
    typer.echo(
        f"domain {config.voip.domain}, {len(config.identities)} identities, {len(config.devices)} devices"
    )
    for one in config.sip.listen:
        typer.echo(f"Kamailio listens at {one}")
    typer.echo(f"the brain connects to {config.sip.brain}")
    typer.echo(f"calls go out to {trunk.target} ({trunk.name})" if trunk is not None else "no calls go out")
    if config.one_time is not None:
        typer.echo(f"{len(config.one_time.all())} one-time numbers, each for {config.one_time.seconds} s")
    if config.api is not None:
        joins = "devices join by a PIN" if config.admission is not None else "nobody joins"
        typer.echo(f"the API listens at {config.api.listen}, {len(config.api.keys)} keys; {joins}")
        for words in expired_keys(config.api.keys, time.time() * 1000):
            typer.echo(words)
    if config.messages is not None:
        smscs = ", ".join(map(str, config.messages.smpp.addresses))
        typer.echo(f"text messages go by SMPP to {smscs} as {config.messages.smpp.system_id}")
    typer.echo(f"the node is {config.scp.url}" if config.scp is not None else "no node is told or asked")


@app.command("kamailio-config")
def kamailio_config(
    config: Annotated[Path, typer.Option("--config", "-c", help="voip.toml")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a file in place of stdout")] = None,
) -> None:
    """Print settings.cfg, which deploy/kamailio/kamailio.cfg includes."""
    from scp.voip.kamailio import settings  # noqa: PLC0415

    text = settings(configuration(config))
    if output is None:
        typer.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise fail(f"{output}: {error.strerror}") from None


@app.command("status")
def status(
    config: Annotated[Path, typer.Option("--config", "-c", help="voip.toml: where the brain's metrics are")],
) -> None:
    """Say how a running brain is: its link to Kamailio, who is registered, calls, what went wrong so far.

    Exit status: 0 Kamailio asks it, 1 it does not, 2 the brain can't be asked.
    """
    from scp.command import FAILED  # noqa: PLC0415 - --help is without
    from scp.voip.status import StatusError, described, read  # noqa: PLC0415 - as above

    listen = configuration(config).telemetry.metrics
    try:
        found = read(f"http://{listen.host or '127.0.0.1'}:{listen.port}/metrics")
    except StatusError as error:
        raise fail(str(error)) from None
    for line in described(found):
        typer.echo(line)
    if not found.linked:
        raise typer.Exit(FAILED)
