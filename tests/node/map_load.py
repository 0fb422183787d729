"""What MAP costs a node under load: ``calls`` whose places are asked of an HLR, or ``events`` of VLRs.

``python tests/node/map_load.py calls 1000 60``: so many O-CSI calls a second for so many seconds, 60 % of whose
places are remembered; the HLR answers after 80 ms. ``events 1000 60``: so many noteMM-Events a second, half of
them abroad; some of the subscribers are called as soon as their VLR was answered (``make map-load``).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

import uvloop
from real_node import RealNode, free_ports

from oracles.hlr_peer import HLR, with_hlr
from scp.bench.histogram import Histogram
from scp.bench.load import LoadCall, LoadPlan, run_load
from scp.domain.call import Trigger
from scp.domain.subscriber import Subscriber as Record
from scp.domain.subscriber import When
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.hlr_run import RunningHlr
from scp.simulator.hlr_script import Script, Subscriber
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.store.open import open_store
from ss7.map.location import LOCATION_UPDATE_OTHER_VLR

ABROAD, HOME = "31651000000", "46709000001"
AGE, SHARE = 5.0, 0.6
PROBES = 10
"""Events in a second after which the subscriber is called."""


def number(index: int) -> str:
    return f"4670{index:07}"


def place(index: int) -> str:
    return HOME if index % 2 else ABROAD


def count_for(rate: int) -> int:
    """Of subscribers, so that of calls to them at random `SHARE` find a place no older than `AGE`.

    Each is asked about, then remembered for `AGE`, in which it is called ``rate * AGE / count`` times.
    """
    return round(rate * AGE * (1 - SHARE) / SHARE)


async def provision(url: str, count: int) -> None:
    store = open_store(url)
    await store.open()
    records = [
        Record(number(each), authorized=True, aor="sip:b@voip", forwarding=True, when=When.ROAMING)
        for each in range(count)
    ]
    for first in range(0, count, 500):
        await store.put_many(records[first : first + 500])
    await store.close()


async def hlr(port: int, count: int) -> None:
    """Play the HLR, in a process of its own."""
    script = Script(delay=0.08)
    script.add([Subscriber(msisdn=number(each), vlr=place(each)) for each in range(count)])
    running = RunningHlr(HLR, Endpoint(port=port), script, Random(1))
    await running.start()
    print("active", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await running.stop()


def node(folder: Path, port: int) -> RealNode:
    made = RealNode(folder, service='ask_hlr = "needed"', log_level="warning", deadline=300)
    made.program = [sys.executable, "-P", "-m", "scp.cli"]  # of PYTHONPATH: perhaps what mypyc made
    made.extra = with_hlr(port, f"max_age_s = {AGE}\nrate = 100000.0\n")
    made.write()
    text = made.file.read_text()
    made.file.write_text(text.replace('name = "msc"', 'name = "msc"\ndestinations = ["0-23-3"]'))
    return made


def calls(at: RealNode, port: int, rate: int, seconds: int, count: int) -> dict[str, object]:
    random = Random(7)
    drawn = [random.randrange(count) for _ in range(rate * seconds)]
    planned = [
        LoadCall(
            b_number=number(each),
            expected=Expectation(action=Action.CONTINUE, ended=True)
            if place(each) == HOME
            else Expectation(action=Action.CONNECT, number=f"99{number(each)}", ended=True),
        )
        for each in drawn
    ]
    command = [sys.executable, __file__, "hlr", str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as simulated:
        assert simulated.stdout is not None
        assert simulated.stdout.readline() == b"active\n"
        scenario = Scenario(trigger=Trigger.ORIGINATING, b_nature=4, vlr=HOME)
        endpoint = Endpoint(port=int(at.settings["m3ua"]))
        plan = LoadPlan(rate=rate, window=5 * rate, duration=seconds)
        report = uvloop.run(
            run_load(scenario, planned, plan, network=Network(), endpoint=endpoint, random=Random(1))
        )
        assert simulated.stdin is not None
        simulated.stdin.close()
    return {
        "sent": report.sent,
        "answered": report.answered,
        "wrong": report.wrong,
        "missing": report.missing,
        "milliseconds": {key: round(value / 1000, 1) for key, value in report.latency_us.items()},
        "milliseconds_since_sent": {
            key: round(value / 1000, 1) for key, value in report.since_sent_us.items()
        },
    }


async def events(at: RealNode, port: int, rate: int, seconds: int, count: int) -> dict[str, object]:
    running = RunningHlr(HLR, Endpoint(port=port), Script(silent=True), Random(1))
    await running.start()
    loop, latency, probed = asyncio.get_running_loop(), Histogram(), Histogram()
    outcomes: Counter[str] = Counter()
    calls: list[tuple[float, int, str]] = []
    calling: set[asyncio.Task[None]] = set()

    def told(future: asyncio.Future[str], due: float, subscriber: int, vlr: str, probe: bool) -> None:
        outcomes[future.result()] += 1
        latency.record(int((time.perf_counter() - due) * 1e6))
        if probe:
            calls.append((due, subscriber, vlr))

    async def called(due: float, subscriber: int, vlr: str) -> None:
        expected = (
            Expectation(action=Action.CONNECT, number=f"99{number(subscriber)}", ended=True)
            if vlr == ABROAD
            else Expectation(action=Action.CONTINUE, ended=True)
        )
        planned = PlannedCall(
            Scenario(b_number=number(subscriber), b_nature=4, trigger=Trigger.ORIGINATING), expected
        )
        endpoint = Endpoint(port=int(at.settings["m3ua"]))
        [result] = await run_calls([planned], network=Network(), endpoint=endpoint, random=Random(subscriber))
        outcomes["call as expected" if not result.faults else f"call: {result.faults[0]}"] += 1
        probed.record(int((time.perf_counter() - due) * 1e6))

    began, sent = time.perf_counter(), 0
    while sent < rate * seconds:
        for index in range(sent, min(int((time.perf_counter() - began) * rate), rate * seconds)):
            subscriber, due = index % count, began + index / rate
            vlr = place(subscriber + index // count)  # each moves with its next event
            future: asyncio.Future[str] = loop.create_future()
            probe = index % (rate // PROBES) == 0
            future.add_done_callback(
                lambda over, due=due, who=subscriber, vlr=vlr, probe=probe: told(over, due, who, vlr, probe)
            )
            running.hlr.note(
                Subscriber(msisdn=number(subscriber), vlr=vlr),
                LOCATION_UPDATE_OTHER_VLR,
                to=HLR.scp_global_title,
                point_code=HLR.scp_point_code,
                future=future,
            )
            sent = index + 1
        while calls:
            task = loop.create_task(called(*calls.pop()))
            calling.add(task)
            task.add_done_callback(calling.discard)
        await asyncio.sleep(0.001)
    while sum(outcomes[each] for each in outcomes if not each.startswith("call")) < sent or calling or calls:
        while calls:
            await called(*calls.pop())
        await asyncio.sleep(0.01)
    await running.stop()
    return {
        "sent": sent,
        "outcomes": dict(outcomes),
        "milliseconds to the VLR's result": shown(latency),
        "milliseconds from event to the end of the first call": shown(probed),
    }


def shown(histogram: Histogram) -> dict[str, float]:
    return {str(each): round(histogram.percentile(each) / 1000, 1) for each in (50.0, 99.0, 100.0)}


def main() -> None:
    what, *words = sys.argv[1:]
    if what == "hlr":
        uvloop.run(hlr(int(words[0]), int(words[1])))
        return
    rate, seconds = int(words[0]), int(words[1])
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        made = node(Path(folder), port)
        count = count_for(rate) if what == "calls" else 20 * rate
        asyncio.run(provision(made.settings["store"], count))
        with made.running():
            pid = made.process.pid  # type: ignore[union-attr]
            before = cpu_seconds(pid)
            if what == "calls":
                said = calls(made, port, rate, seconds, count)
            else:
                said = uvloop.run(events(made, port, rate, seconds, count))
            used = cpu_seconds(pid) - before
            counted = made.scrape()
            code = code_of(pid)
    said["the node's code"] = code
    said["microseconds of processor time each"] = round(used * 1e6 / (rate * seconds))
    said["counted"] = {
        key: value
        for key, value in counted.items()
        if value
        and key.startswith(
            ("scp_places_total", "scp_enquiries_total", "scp_mobility_events", "scp_calls_total")
        )
    }
    said["load of the machine"] = os.getloadavg()[0]
    print(json.dumps(said, indent=2))


def code_of(pid: int) -> str:
    """What runs in a node: whether its process has the library that mypyc made."""
    libraries = Path(f"/proc/{pid}/maps").read_text()
    return "compiled" if "__mypyc" in libraries else "plain"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
