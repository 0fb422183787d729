"""Options that say where the gsmSCF is and who we are to it: of ``msc``, and of a replay to a live node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scp.simulator.network import Carrier, Network, Side
from ss7.errors import EncodeError
from ss7.pointcode import parse_point_code

if TYPE_CHECKING:
    from scp.simulator.endpoint import Endpoint

WHERE: Final = "Where"


def option(text: str, panel: str, *names: str, least: float | None = None, most: float | None = None) -> Any:
    """Return a typer option in a panel of the help; ``least`` and ``most`` are its number's range."""
    return typer.Option(*names, help=text, rich_help_panel=panel, min=least, max=most)


Listen = Annotated[str, option("have the other side connect to us here instead", WHERE)]
Transport = Annotated[Carrier, option("what carries M3UA", WHERE)]
Local = Annotated[str, option("over SCTP: our addresses, HOST,HOST…", WHERE)]
LocalPort = Annotated[int, option("over SCTP: ours; 0: the system chooses", WHERE, least=0, most=65535)]
OurSide = Annotated[Side, option("what we are in M3UA: gateway, ASP, IPSP", WHERE)]
RoutingContext = Annotated[int, option("-1: none", WHERE, least=-1, most=0xFFFFFFFF)]
PointCode = Annotated[str, option("ours", WHERE)]
ScpPointCode = Annotated[str, option("of the gsmSCF", WHERE)]
NetworkIndicator = Annotated[
    int, option("0 international, 2 national", WHERE, "--network-indicator", least=0, most=3)
]
Title = Annotated[str, option('our global title; "": route on point code and SSN', WHERE)]
ScpTitle = Annotated[str, option("the gsmSCF's global title", WHERE)]
Ssn = Annotated[int, option("our subsystem number", WHERE, "--ssn", least=0, most=255)]
ScpSsn = Annotated[int, option("the gsmSCF's subsystem number", WHERE, "--scp-ssn", least=0, most=255)]


def network_of(
    *,
    point_code: str,
    scp_point_code: str,
    network_indicator: int,
    gt: str,
    scp_gt: str,
    ssn: int,
    scp_ssn: int,
    routing_context: int,
) -> Network:
    """Return the addresses.

    Raises:
        typer.BadParameter: something is no point code.
    """
    try:
        return Network(
            point_code=parse_point_code(point_code),
            scp_point_code=parse_point_code(scp_point_code),
            network_indicator=network_indicator,
            global_title=gt,
            scp_global_title=scp_gt,
            ssn=ssn,
            scp_ssn=scp_ssn,
            routing_context=routing_context,
        )
    except (EncodeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def endpoint_of(
    where: str, *, listen: bool, transport: Carrier, local: str, local_port: int, side: Side
) -> Endpoint:
    """Return where the association goes to, or with ``listen`` comes from.

    Raises:
        typer.BadParameter: ``where`` is not HOST:PORT.
    """
    from scp.simulator.endpoint import Endpoint  # noqa: PLC0415 - brings the transports, which --help is without

    try:
        host, port = _address(where)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return Endpoint(
        side=side,
        listen=listen,
        addresses=_hosts(host),
        port=port,
        carrier=transport,
        local=_hosts(local),
        local_port=local_port,
    )


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[V6]:PORT``; 2905 where there is no port (RFC 4666 §9.2)."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, "2905"
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _hosts(text: str) -> tuple[str, ...]:
    """Return the parts of ``HOST,HOST…``."""
    return tuple(host for host in text.split(",") if host)
