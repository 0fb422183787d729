"""An SMSC that floods a whole node: calls are answered as ever, memory and log do not grow, and it is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import uvloop

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import RealNode, free_ports

from oracles.waiting import wait_until
from scp.bench.load import LoadCall, LoadPlan, run_load
from scp.bench.machine import resident
from scp.messages.smpp.pdu import RESPONSE, Command, Name, Octets, Pdu, Text, encode
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario

NUMBER = "46701234567"
RECEIPT = b"id:%010d sub:001 dlvrd:001 submit date:2611291100 done date:2611291100 stat:DELIVRD err:000 text:"
TEXT = Text(source="46701", destination="46702", short_message=b"Hello")
FLOODS = {
    "deliveries": lambda n: Pdu(Command.DELIVER_SM, n, 0, TEXT),
    "receipts": lambda n: Pdu(
        Command.DELIVER_SM, n, 0, TEXT._replace(esm_class=4, short_message=RECEIPT % (n + 1000))
    ),
    "commands": lambda n: Pdu(0x777, n, 0, Octets(b"x")),
    "responses": lambda n: Pdu(Command.SUBMIT_SM | RESPONSE, n, 0, Name("1")),
    "garbage": lambda n: Pdu(Command.DELIVER_SM, n, 0, TEXT._replace(esm_class=0x40, short_message=b"\x05")),
}
SMSC = """
import asyncio, sys
flood = open(sys.argv[2], "rb").read()

async def serve(reader, writer):
    head = await reader.readexactly(16)
    await reader.readexactly(int.from_bytes(head[:4], "big") - 16)
    writer.write(bytes.fromhex("00000012800000090000000000000001") + b"x\\0")
    reading = asyncio.create_task(drained(reader))
    try:
        while True:
            writer.write(flood)
            await writer.drain()
    except OSError:
        reading.cancel()

async def drained(reader):
    while await reader.read(1 << 20):
        pass

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("listens", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.mark.parametrize("what", FLOODS)
def test_calls_are_answered_beside_an_smsc_that_floods(what: str, tmp_path: Path) -> None:
    [port] = free_ports(1)
    node = RealNode(tmp_path)
    node.extra = (
        '[messages]\nsender = "Example"\n[messages.smpp]\n'
        f'addresses = ["127.0.0.1:{port}"]\nsystem_id = "scp"\n'
    )
    flood = tmp_path / "flood"
    flood.write_bytes(b"".join(encode(FLOODS[what](number)) for number in range(1, 2001)))
    call = LoadCall(b_number=NUMBER, expected=Expectation(action=Action.CONTINUE))

    def counted() -> float:
        """What there is more of the longer it floods."""
        try:
            seen = node.scrape()
        except OSError:  # on a busy machine it may take longer than a scraper has
            return 0
        received = seen.get('scp_messages_total{result="received"}', 0)
        return received + sum(
            value for key, value in seen.items() if 'layer="smpp"' in key or "receipts_unmatched" in key
        )

    with node.running():
        assert node.process is not None
        before = resident(node.process.pid)
        command = [sys.executable, "-c", SMSC, str(port), str(flood)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as smsc:
            try:
                assert smsc.stdout is not None
                assert smsc.stdout.readline()
                wait_until(counted)
                report = uvloop.run(
                    run_load(
                        Scenario(b_nature=4, vlr="46709000001"),
                        [call],
                        LoadPlan(rate=50, window=10_000, duration=2, timeout=60.0),
                        network=Network(),
                        endpoint=Endpoint(port=int(node.settings["m3ua"])),
                        random=Random(3),
                    )
                )
                more = counted()
            finally:
                smsc.kill()
        grown = resident(node.process.pid) - before
        print(f"\n{what}: {report.sent} calls, ms {report.latency_us}; {grown >> 10} KiB, counted {more}")
        assert report.sent >= 50
        assert not report.missing
        assert not report.wrong
        assert grown < 32 << 20
        assert node.log.stat().st_size < 200_000
