"""VLRs tell several nodes on one Redis of moves: what one was told all know, whichever is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import RealNode, free_ports

from oracles import redis_lab
from oracles.hlr_peer import HLR, with_hlr
from scp.domain.call import Trigger
from scp.domain.subscriber import Subscriber as Record
from scp.domain.subscriber import When
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action
from scp.simulator.hlr_run import Event, RunningHlr
from scp.simulator.hlr_script import Script, Subscriber
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.store.open import open_store
from ss7.map.location import LOCATION_UPDATE_OTHER_VLR

NUMBER = "46701111111"
ABROAD, HOME = "31651000000", "46709000001"


class Node(RealNode):
    """A node with an HLR behind it."""

    def __init__(self, folder: Path, number: int, store: str, port: int) -> None:
        folder.mkdir()
        super().__init__(
            folder,
            name=f"scp-{number}",
            instance=number,
            store=f"{store}?cached=true",
            service='ask_hlr = "needed"',
        )
        self.hlr_port = port
        self.extra = with_hlr(port, "deadline_ms = 800\n")
        self.write()
        text = self.file.read_text()
        self.file.write_text(text.replace('name = "msc"', 'name = "msc"\ndestinations = ["0-23-3"]'))

    @asynccontextmanager
    async def hlr(self, script: Script, seed: int) -> AsyncIterator[RunningHlr]:
        """An HLR and VLR; of two with one seed the first message is the same, to the transaction id."""
        running = RunningHlr(HLR, Endpoint(port=self.hlr_port), script, Random(seed))
        await running.start()
        try:
            yield running
        finally:
            await running.stop()

    async def decided(self) -> Action:
        """What comes of a call to the subscriber."""
        scenario = Scenario(b_number=NUMBER, b_nature=4, trigger=Trigger.ORIGINATING)
        endpoint = Endpoint(port=int(self.settings["m3ua"]))
        [result] = await run_calls(
            [PlannedCall(scenario)], network=Network(), endpoint=endpoint, random=Random(1)
        )
        return result.answer.action

    def events(self, result: str) -> int:
        """How many events it has counted with this result."""
        label = f'scp_mobility_events_total{{event="location-update-to-other-vlr",result="{result}"}}'
        return int(self.scrape().get(label, 0))


def moved(vlr: str, age: int | None = None, sender: str = "") -> list[Event]:
    return [Event(Subscriber(msisdn=NUMBER, vlr=vlr, age=age), LOCATION_UPDATE_OTHER_VLR, sender)]


async def provision(url: str) -> None:
    store = open_store(url)
    await store.open()
    await store.put(Record(NUMBER, authorized=True, aor="sip:b@voip", forwarding=True, when=When.ROAMING))
    await store.close()


async def story(first: Node, second: Node, nodes: ExitStack) -> None:
    loop = asyncio.get_running_loop()
    script = Script()
    script.add([Subscriber(msisdn=NUMBER, vlr=HOME)])

    async def in_thread(work, *words):
        return await loop.run_in_executor(None, work, *words)

    async def where(vlr: str) -> None:
        """Have the network know a place, and both nodes decide by it."""
        script.add([Subscriber(msisdn=NUMBER, vlr=vlr)])
        wanted = Action.CONNECT if vlr == ABROAD else Action.CONTINUE
        assert [await each.decided() for each in (first, second)] == [wanted, wanted]

    async with AsyncExitStack() as stack:
        at_second = await stack.enter_async_context(second.hlr(script, 2))
        async with first.hlr(script, 4):
            await where(HOME)  # remembered by both, for a minute
        async with first.hlr(script, 1) as at_first:
            script.add([Subscriber(msisdn=NUMBER, vlr=ABROAD)])
            began = time.perf_counter()
            assert await at_first.tell(moved(ABROAD)) == ["result"]
            assert await second.decided() is Action.CONNECT
            print(f"from the event to the end of a call at another node: {time.perf_counter() - began:.3f} s")
            await where(ABROAD)
            assert await at_second.tell(moved(HOME)) == ["result"]
            await where(HOME)
            assert await at_first.tell(moved(ABROAD, age=30)) == ["result"]
            assert await in_thread(first.events, "stale") == 1
            assert await at_second.tell(moved(ABROAD, sender="46709000009")) == ["abort"]
            assert await in_thread(second.events, "forged") == 1
            await where(HOME)
        await stack.aclose()
        async with second.hlr(script, 1) as again, first.hlr(script, 4):
            assert await again.tell(moved(ABROAD)) == ["result"]  # what the first node was told, once more
            assert await in_thread(second.events, "replayed") == 1
            await where(HOME)
        async with first.hlr(script, 3) as at_first:
            assert await at_first.tell(moved(ABROAD)) == ["result"]
            first.signal(signal.SIGKILL)
            await in_thread(first.ended)
        async with second.hlr(
            script, 3
        ) as again:  # the network tells another node what the dead one had taken
            script.add([Subscriber(msisdn=NUMBER, vlr=ABROAD)])
            assert await again.tell(moved(ABROAD)) == ["result"]
            assert await in_thread(second.events, "replayed") == 2
            assert await second.decided() is Action.CONNECT
            await in_thread(nodes.enter_context, first.running())
            async with first.hlr(script, 1) as at_first:
                assert await at_first.tell(moved(ABROAD)) == ["result"]  # the very first, at a new process
                assert await in_thread(first.events, "replayed") == 1
                await where(ABROAD)


def test_what_one_node_was_told_all_know(tmp_path: Path) -> None:
    ports = free_ports(2)
    with redis_lab.single(tmp_path) as redis, ExitStack() as nodes:
        asyncio.run(provision(redis.url))
        first, second = (Node(tmp_path / str(each), each, redis.url, ports[each - 1]) for each in (1, 2))
        for each in (first, second):
            nodes.enter_context(each.running())
        asyncio.run(story(first, second, nodes))
