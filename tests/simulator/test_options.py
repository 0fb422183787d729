"""Options in groups: what typer sees, and what the command gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from scp.simulator.network import Carrier, Side
from scp.simulator.options import Signalling, grouped, option


@dataclass(frozen=True, kw_only=True)
class Weather:
    """A group."""

    wind: Annotated[int, option("metres a second", "Weather", least=0)] = 3
    rain: Annotated[list[str] | None, option("where", "Weather")] = None


def test_a_group_s_fields_are_options_between_those_of_the_command() -> None:
    got: list[object] = []

    @grouped
    def command(place: str, *, day: int = 1, weather: Weather, night: bool = False) -> None:
        """Say."""
        got.append((place, day, weather, night))

    app = typer.Typer()
    app.command()(command)
    words = ["here", "--wind", "9", "--rain", "a", "--rain", "b", "--night"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert CliRunner().invoke(app, ["there"]).exit_code == 0
    assert got == [
        ("here", 1, Weather(wind=9, rain=["a", "b"]), True),
        ("there", 1, Weather(), False),
    ]
    assert CliRunner().invoke(app, ["here", "--wind", "-1"]).exit_code == 2
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    assert [word for word in shown.split() if word in {"--day", "--wind", "--rain", "--night"}] == [
        "--day",
        "--night",
        "--wind",
        "--rain",
    ]  # the command's own panel, then the group's
    assert "metres a second" in shown


def test_signalling_says_who_is_where() -> None:
    given = Signalling(
        transport=Carrier.SCTP, side=Side.ASP, local="10.0.0.1,10.0.1.1", point_code="185", scp_gt="", ssn=8
    )
    endpoint = given.endpoint("10.0.0.9,10.0.1.9:2906")
    assert (endpoint.addresses, endpoint.port) == (("10.0.0.9", "10.0.1.9"), 2906)
    assert (endpoint.local, endpoint.carrier, endpoint.side) == (
        ("10.0.0.1", "10.0.1.1"), Carrier.SCTP, Side.ASP,
    )  # fmt: skip
    assert not endpoint.listen
    network = given.network()
    assert (network.point_code, network.scp_global_title, network.ssn) == (185, "", 8)


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("stp.example", "stp.example", 2905),
        ("10.0.0.1:2906", "10.0.0.1", 2906),
        ("[fd00::1]:2906", "fd00::1", 2906),
        ("[fd00::1]", "fd00::1", 2905),
        ("fd00::1", "fd00::1", 2905),
    ],
)
def test_addresses_with_and_without_a_port(where: str, host: str, port: int) -> None:
    endpoint = Signalling().endpoint(where)
    assert (endpoint.addresses, endpoint.port) == ((host,), port)


def test_only_who_listens_may_name_no_host() -> None:
    assert Signalling(listen=":2906").endpoint(":2906").addresses == ()
    for where in ("", ":2906", ","):
        with pytest.raises(typer.BadParameter, match="names no host"):
            Signalling().endpoint(where)


@pytest.mark.parametrize("where", ["host:", "host:0", "host:65536", "host:port", "host:٢"])
def test_what_is_no_address_is_refused(where: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not HOST:PORT"):
        Signalling().endpoint(where)


def test_what_is_no_point_code_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="300 is not within"):
        Signalling(scp_point_code="0-300-1").network()
