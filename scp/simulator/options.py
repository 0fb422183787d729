"""Groups of command-line options: a class declares each group once, an option a field.

Two commands share the group `Signalling`: the gsmSCF's address and our own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from scp.simulator.network import CAP_SSN, Carrier, Network, Side
from ss7.errors import EncodeError
from ss7.pointcode import parse_point_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.simulator.endpoint import Endpoint

WHERE: Final = "Where"


def option(text: str, panel: str, *names: str, least: float | None = None, most: float | None = None) -> Any:
    """Return a typer option in a panel of the help; ``least`` and ``most`` are its number's range."""
    return typer.Option(*names, help=text, rich_help_panel=panel, min=least, max=most)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as typer wants it: one option for each field of its parameters that are dataclasses.

    The groups' fields are declared as a command's parameters are, and may not share a name with others.
    """
    hints = get_type_hints(command, include_extras=True)
    shown: list[Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = kind
            shown += _members(kind)
        else:
            shown.append(parameter.replace(annotation=kind))

    @wraps(command)
    def run(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        command(**given)

    run.__annotations__ = {each.name: each.annotation for each in shown}
    run.__dict__["__signature__"] = Signature(shown)
    return run


def _members(kind: Any) -> list[Parameter]:
    """Return a group's fields as parameters."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(kind)
    ]


@dataclass(frozen=True, kw_only=True)
class Signalling:
    """The gsmSCF's address and our own: options of ``msc``, and of a replay to a live node."""

    listen: Annotated[str, option("listen here, and the other side connects", WHERE)] = ""
    transport: Annotated[Carrier, option("what carries M3UA", WHERE)] = Carrier.TCP
    local: Annotated[str, option("over SCTP: our addresses, HOST,HOST…", WHERE)] = ""
    local_port: Annotated[
        int, option("over SCTP: our port; 0: the system chooses", WHERE, least=0, most=65535)
    ] = 0
    side: Annotated[Side, option("our role in M3UA: signalling gateway, ASP, IPSP", WHERE)] = Side.GATEWAY
    routing_context: Annotated[
        int, option("of the association; -1: none", WHERE, least=-1, most=0xFFFFFFFF)
    ] = -1
    point_code: Annotated[str, option("ours: 0-23-3 or 187", WHERE)] = "0-23-3"
    scp_point_code: Annotated[str, option("the gsmSCF's point code", WHERE)] = "0-23-1"
    network_indicator: Annotated[int, option("0 international, 2 national", WHERE, least=0, most=3)] = 0
    gt: Annotated[str, option('our global title; "": route on point code and SSN', WHERE)] = "46709000002"
    scp_gt: Annotated[str, option("the gsmSCF's global title", WHERE)] = "46700000001"
    ssn: Annotated[int, option("our subsystem number", WHERE, least=0, most=255)] = CAP_SSN
    scp_ssn: Annotated[int, option("the gsmSCF's subsystem number", WHERE, least=0, most=255)] = CAP_SSN

    def network(self) -> Network:
        """Return the addresses.

        Raises:
            typer.BadParameter: something is no point code.
        """
        try:
            return Network(
                point_code=parse_point_code(self.point_code),
                scp_point_code=parse_point_code(self.scp_point_code),
                network_indicator=self.network_indicator,
                global_title=self.gt,
                scp_global_title=self.scp_gt,
                ssn=self.ssn,
                scp_ssn=self.scp_ssn,
                routing_context=self.routing_context,
            )
        except (EncodeError, ValueError) as error:
            raise typer.BadParameter(str(error)) from error

    def endpoint(self, where: str) -> Endpoint:
        """Return where the association goes to, or with ``listen`` comes from.

        Raises:
            typer.BadParameter: ``where`` is not HOST:PORT; to listen on all addresses, :PORT will do.
        """
        from scp.simulator.endpoint import (  # noqa: PLC0415 - brings the transports, which --help is without
            Endpoint,
        )

        try:
            host, port = _address(where)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        addresses = _hosts(host)
        if not (addresses or self.listen):
            raise typer.BadParameter(f"{where!r} names no host to connect to")
        return Endpoint(
            side=self.side,
            listen=bool(self.listen),
            addresses=addresses,
            port=port,
            carrier=self.transport,
            local=_hosts(self.local),
            local_port=self.local_port,
        )


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[V6]:PORT``; 2905 where there is no port (RFC 4666 §9.2)."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, "2905"
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _hosts(text: str) -> tuple[str, ...]:
    """Return the parts of ``HOST,HOST…``."""
    return tuple(host for host in text.split(",") if host)
