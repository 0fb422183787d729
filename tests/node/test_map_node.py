"""A node in a process of its own that speaks MAP with a simulated HLR and VLRs over real sockets."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import TOKEN, RealNode, free_ports
from test_nothing_late import Audited

from oracles.hlr_peer import HLR, with_hlr
from oracles.waiting import until, wait_until
from scp.domain.call import Trigger
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action
from scp.simulator.hlr_run import Event, RunningHlr
from scp.simulator.hlr_script import Script, Subscriber
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.result import CallResult
from scp.simulator.scenario import Scenario
from ss7.map.location import IMSI_ATTACH, LOCATION_UPDATE_OTHER_VLR

ROAMER, SILENT, SETTLED = "46701111111", "46702222222", "46703333333"
ABROAD, HOME = "31651000000", "46709000001"


@asynccontextmanager
async def hlr(port: int, script: Script) -> AsyncIterator[RunningHlr]:
    running = RunningHlr(HLR, Endpoint(port=port), script, Random(2))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


async def call(node: Audited, number: str) -> CallResult:
    scenario = Scenario(b_number=number, b_nature=4, trigger=Trigger.ORIGINATING)
    endpoint = Endpoint(port=int(node.settings["m3ua"]))
    [result] = await run_calls(
        [PlannedCall(scenario)], network=Network(), endpoint=endpoint, random=Random(1)
    )
    return result


@contextmanager
def looked_at(node: Audited) -> Iterator[None]:
    """A stream of the console is open: calls are kept."""
    connection = HTTPConnection("127.0.0.1", int(node.settings["api"]), timeout=60)
    connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    assert response.read(1) == b"e"
    yield
    connection.close()


def shown(node: Audited, number: str) -> list[tuple[str, bool, str]]:
    """What the console shows of the last call to a number beside what its switch said: party, sent, operation."""
    _, body = node.get(f"/v1/attempts?number={number}", TOKEN)
    attempts = json.loads(body)["attempts"]
    if not attempts:
        return []
    call = attempts[0]["attempt"]["id"]
    _, body = node.get(f"/v1/attempts/{call}", TOKEN)
    return [
        (each["party"], each["sent"], each["components"][0]["operation"])
        for each in json.loads(body)["messages"]
        if "party" in each
    ]


def test_calls_follow_the_subscriber_and_nothing_is_loaded_late(tmp_path: Path) -> None:
    [port] = free_ports(1)
    node = Audited(tmp_path, f"sqlite:{tmp_path / 'store.db'}")
    node.extra += with_hlr(port, "deadline_ms = 700\n")
    node.write(service='ask_hlr = "needed"')
    text = node.file.read_text()
    node.file.write_text(text.replace('name = "msc"', 'name = "msc"\ndestinations = ["0-23-3"]'))
    known = Script()
    known.add(
        (
            Subscriber(msisdn=ROAMER, vlr=ABROAD, delay=0.08),
            Subscriber(msisdn=SILENT, silent=True),
            Subscriber(msisdn=SETTLED, vlr=HOME),
        )
    )
    with node.running(node.environ):
        ready = time.monotonic()
        for number in (ROAMER, SILENT, SETTLED):
            node.provision(number)
            node.put(f"/v1/forwarding/{number}", {"enabled": True, "when": "roaming", "locations": []})

        async def story() -> None:
            async with hlr(port, known) as running:
                with looked_at(node):
                    result = await call(node, ROAMER)
                    await until(lambda: len(shown(node, ROAMER)) >= 2)
                    questions = shown(node, ROAMER)
                assert questions == [
                    ("HLR", True, "anyTimeInterrogation"),
                    ("HLR", False, "anyTimeInterrogation"),
                ]
                assert (result.answer.action, result.answer.number) == (Action.CONNECT, f"99{ROAMER}")
                assert result.answer.seconds >= 0.08
                result = await call(node, SILENT)
                assert result.answer.action is Action.CONTINUE
                assert (await call(node, SETTLED)).answer.action is Action.CONTINUE
                for vlr, action in (
                    (ABROAD, Action.CONNECT),
                    (HOME, Action.CONTINUE),
                    (ABROAD, Action.CONNECT),
                ):
                    moved = Subscriber(msisdn=SETTLED, vlr=vlr)
                    assert await running.tell([Event(moved, LOCATION_UPDATE_OTHER_VLR)]) == ["result"]
                    assert (await call(node, SETTLED)).answer.action is action
                loop = asyncio.get_running_loop()
                status, body = await loop.run_in_executor(None, node.get, f"/v1/whereabouts/{ROAMER}", TOKEN)
                assert (status, json.loads(body)["vlr"], json.loads(body)["roaming"]) == (200, ABROAD, True)
                for number, expected in ((SETTLED, 200), ("46709999999", 409)):
                    path = f"/v1/mobility/{number}"
                    assert await loop.run_in_executor(None, node.put, path, {"armed": True}) == expected
                assert running.hlr.counts["anyTimeModification"] == 2
                strangers = [Subscriber(msisdn=f"4670444{number:04}", vlr=ABROAD) for number in range(200)]
                told = await running.tell([Event(each, IMSI_ATTACH) for each in strangers])
                assert Counter(told) == {"error 1": 200}
                forged = Event(Subscriber(msisdn=SETTLED, vlr=HOME), IMSI_ATTACH, sender="49171000000")
                assert await running.tell([forged]) == ["abort"]

        asyncio.run(story())
        counted = node.scrape()
        node.signal(signal.SIGKILL)
        node.ended()
    assert not node.since(ready, node.pid)
    calls = 'scp_calls_total{action="continue",reason="location-timeout",service="voip-forwarding"}'
    assert counted[calls] == 1
    assert counted['scp_enquiries_total{operation="anyTimeInterrogation",outcome="result"}'] == 2
    assert counted['scp_mobility_events_total{event="imsi-attach",result="forged"}'] == 1
    with sqlite3.connect(tmp_path / "store.db") as store:  # a VLR had its result: it is on the disk
        columns = [row[1] for row in store.execute("PRAGMA table_info(subscriber)")]
        assert {"roaming", "vlr"} <= set(columns)
        [(roaming, vlr)] = store.execute("SELECT roaming, vlr FROM subscriber WHERE msisdn = ?", (SETTLED,))
    assert (roaming, vlr) == (1, ABROAD)


def test_m_csis_are_armed_by_themselves_and_not_again_after_a_restart(tmp_path: Path) -> None:
    [port] = free_ports(1)
    node = RealNode(tmp_path)
    node.extra += with_hlr(port, "deadline_ms = 700\n") + "[map.arming]\nrate = 100.0\n"
    node.write()
    node.file.write_text(
        node.file.read_text().replace('name = "msc"', 'name = "msc"\ndestinations = ["0-23-3"]')
    )
    known = Script()
    known.add((Subscriber(msisdn=ROAMER, vlr=ABROAD), Subscriber(msisdn=SETTLED, error=61)))
    roaming = {"enabled": True, "when": "roaming", "locations": []}

    def provisioned(number: str) -> None:
        node.provision(number)
        node.put(f"/v1/forwarding/{number}", roaming)

    def state(number: str) -> tuple[str, str]:
        status, body = node.get(f"/v1/mobility/{number}", TOKEN)
        assert status in (200, 404), body
        said = json.loads(body)
        return (said["state"], said["reason"]) if status == 200 else ("", "")

    async def until(number: str, *wanted: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, wait_until, lambda: state(number) == wanted)

    async def armed() -> None:
        loop = asyncio.get_running_loop()
        async with hlr(port, known) as running:
            for number in (ROAMER, SETTLED):
                await loop.run_in_executor(None, provisioned, number)
            await until(ROAMER, "armed", "")
            await until(SETTLED, "refused", "HLR: atm-NotAllowed")
            assert running.hlr.counts["anyTimeModification"] == 2

    async def again() -> None:
        loop = asyncio.get_running_loop()
        async with hlr(port, known) as running:
            assert await loop.run_in_executor(None, state, ROAMER) == ("armed", "")
            await loop.run_in_executor(None, provisioned, SILENT)
            await until(SILENT, "refused", "HLR: unknownSubscriber")
            assert running.hlr.counts["anyTimeModification"] == 1

    with node.running():
        asyncio.run(armed())
        counts = [f'scp_armed_subscribers{{state="{state}"}}' for state in ("armed", "refused", "waiting")]
        wait_until(lambda: [node.scrape()[each] for each in counts] == [1, 1, 0])
        assert node.get("/v1/mobility/46709999999", TOKEN)[0] == 404
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    with node.running():
        asyncio.run(again())
