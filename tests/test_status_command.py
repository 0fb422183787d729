"""`camel-scp status` against a node that runs: what it says, and how it leaves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner

from oracles.servers import free_ports
from oracles.waiting import PATIENCE, until
from scp.app.event_log import EventLog
from scp.app.node import Node
from scp.cli import app
from scp.cli.status import age
from scp.config import loads
from scp.simulator.endpoint import Endpoint, attach
from scp.simulator.msc import Msc
from scp.simulator.network import Network
from scp.telemetry.null import NullTelemetry

CONFIG = """\
[node]
name = "scp-1"
point_code = "0-23-1"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
port = {m3ua}
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
[overload]
delay_ms = 900
refuse_ms = 5000
[api]
listen = "127.0.0.1:{api}"
[[api.keys]]
name = "reader"
sha256 = "{sha256}"
scopes = ["read"]
"""
TOKEN = "token"


async def status(*options: str) -> tuple[int, str]:
    """Run the command beside the loop."""
    environment = {"CAMEL_SCP_TOKEN": TOKEN, "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["status", *options], env=environment)
    return result.exit_code, result.output


def test_status_says_why_it_is_down_and_what_was_thrown_away(tmp_path: Path) -> None:
    m3ua, api = free_ports(2)
    text = CONFIG.format(m3ua=m3ua, api=api, sha256=hashlib.sha256(TOKEN.encode()).hexdigest())
    (tmp_path / "node.toml").write_text(text, encoding="utf-8")
    file = ("-c", str(tmp_path / "node.toml"))

    async def test() -> dict[str, Any]:
        code, said = await status(*file)
        assert (code, "is the node running" in said) == (2, True), said
        node = Node(loads(text), Random(1), NullTelemetry(), EventLog(), entry_points=())
        await node.start()
        try:
            code, said = await status(*file)
            assert code == 1, said
            for words in ("scp-1", "steers no calls", "no ASP is active", "not connected", "firewall"):
                assert words in said
            return await with_a_switch(node, m3ua, file)
        finally:
            await node.stop()

    discards = asyncio.run(test())["discards"]
    (garbage,) = [kind for kind in discards if kind["layer"] == "sccp"]
    assert (garbage["reason"], garbage["count"]) == ("unsupported-message", 1)
    (sample,) = garbage["samples"]
    assert sample["peer"] == "msc"
    assert sample["hex"].endswith("feedface")
    assert len(sample["hex"]) == 2 * sample["size"]


async def with_a_switch(node: Node, port: int, file: tuple[str, str]) -> dict[str, Any]:
    """Have a switch connect and send something that is no SCCP message; return what was thrown away."""
    endpoint = Endpoint(port=port)
    msc = Msc(Network(), endpoint, Random(2), NullTelemetry())
    connection = attach(endpoint, msc.link, Random(3), msc.trouble)
    await connection.start()
    await msc.active(PATIENCE)
    # The command ran in this process and held the loop up, which is overload: that sheds samples for a while.
    admission = node.signalling and node.signalling.admission
    await until(lambda: admission is None or not admission.sheds)
    network = Network()
    msc.link.machine.send(
        network.point_code,
        network.scp_point_code,
        network.network_indicator,
        0,
        struct.pack("!I", 0xFEEDFACE),
    )
    msc.signalling.flush()
    await until(node.status.discards.all)
    await until(lambda: not node.why_not_ready())  # it has yet to read the last ASPAC ACK
    code, said = await status(*file)
    assert code == 0, said
    assert "takes calls" in said
    assert "ASP active" in said
    assert "indicator" not in said
    code, said = await status(*file, "--discards")
    assert (code, "feedface" in said) == (0, True), said
    code, said = await status(
        "--node", f"http://127.0.0.1:{node.config.api.listen.port}", "--discards", "--json"
    )
    found: dict[str, Any] = json.loads(said)
    msc.link.machine.send(network.point_code, network.scp_point_code, 2, 0, b"")
    msc.signalling.flush()
    await until(lambda: node.signalling and node.signalling.links[0].others)
    code, said = await status(*file)
    [line] = [line for line in said.splitlines() if "msc national" in line]
    assert line.split()[:4] == ["indicator", "msc", "national", "answered"], said
    await connection.close()
    msc.signalling.stop()
    return found


def test_status_tells_application_servers_of_one_association_apart(tmp_path: Path) -> None:
    m3ua, api = free_ports(2)
    text = CONFIG.format(m3ua=m3ua, api=api, sha256=hashlib.sha256(TOKEN.encode()).hexdigest())
    text = text.replace('role = "asp-listen"', 'role = "asp-listen"\nrouting_context = [7, 9]')
    (tmp_path / "node.toml").write_text(text, encoding="utf-8")

    async def test() -> tuple[str, list[str]]:
        node = Node(loads(text), Random(1), NullTelemetry(), EventLog(), entry_points=())
        await node.start()
        msc = Msc(Network(routing_context=7), Endpoint(port=m3ua), Random(2), NullTelemetry())
        connection = attach(Endpoint(port=m3ua), msc.link, Random(3), msc.trouble)
        await connection.start()
        try:
            await msc.active(PATIENCE)  # of 7, the only one that this gateway knows
            await until(lambda: "invalid routing context" in next(iter(node.links())).last_error)
            code, said = await status("-c", str(tmp_path / "node.toml"))
            assert code == 0, said
            return said, [" ".join(line.split()) for line in said.splitlines() if "routing context" in line]
        finally:
            await connection.close()
            msc.signalling.stop()
            await node.stop()

    said, lines = asyncio.run(test())
    of = {context: [line for line in lines if f"msc routing context {context}" in line] for context in (7, 9)}
    assert "ASP active" in of[7][0], said
    assert "active" in of[7][1], said
    assert "ASP inactive" in of[9][0], said
    assert "traffic mode" in of[9][0], "what to check"
    assert len(of[9]) == 1, said


def test_the_address_is_all_that_is_read_of_the_configuration(tmp_path: Path) -> None:
    """The secrets may be variables of the service's own, and another table may have been spoilt since."""
    file = tmp_path / "node.toml"

    def said(text: str) -> tuple[int, str]:
        file.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["status", "-c", str(file)])
        return result.exit_code, result.output

    (port,) = free_ports(1)
    for listen, asked in (
        (f"127.0.0.1:{port}", "127.0.0.1"),
        (f":{port}", "127.0.0.1"),
        (f"[::]:{port}", "[::1]"),
    ):
        keys = '[[api.keys]]\nname = "x"\nsha256 = "env:NOT_SET_HERE"\nscopes = ["read"]\n'
        code, output = said(f'[nonsense]\n[api]\nlisten = "{listen}"\n{keys}')
        assert (code, f"http://{asked}:{port}/health" in output) == (2, True), output
    code, output = said("[node]\n")
    assert (code, output) == (2, f"{file}: a node without [api] can't be asked\n")
    assert "is not HOST:PORT" in said('[api]\nlisten = "x"\n')[1]
    assert "Expected" in said("[api\n")[1]
    file.unlink()
    result = CliRunner().invoke(app, ["status", "-c", str(file)])
    assert (result.exit_code, result.output) == (2, f"{file}: No such file or directory\n")


def test_ages_are_in_their_two_largest_units() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)

    def ago(**units: int) -> str:
        return age((now - timedelta(**units)).isoformat(), now)

    assert [ago(seconds=7), ago(seconds=61), ago(hours=1, minutes=2), ago(days=3, hours=4)] == [
        "7 s",
        "1 min 1 s",
        "1 h 2 min",
        "3 d 4 h",
    ]
    assert ago(seconds=-5) == "0 s"


def test_a_node_that_does_not_run_is_said_in_words() -> None:
    for words in (["status", "--url"], ["explain", "--b", "+46701234567", "--node"]):
        done = CliRunner().invoke(app, [*words, f"http://127.0.0.1:{free_ports(1)[0]}"])
        assert done.exit_code == 2
        assert "connection refused: nothing listens there; " in done.output
        assert "Errno" not in done.output
