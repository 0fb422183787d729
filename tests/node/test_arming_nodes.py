"""Several nodes arm M-CSIs together: one Redis, an HLR behind each, and a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import TOKEN, RealNode, free_ports

from oracles import redis_lab
from oracles.hlr_peer import HLR, with_hlr
from oracles.waiting import wait_until
from scp.domain.subscriber import Subscriber as Record
from scp.domain.subscriber import When
from scp.simulator.endpoint import Endpoint
from scp.simulator.hlr_run import RunningHlr
from scp.simulator.hlr_script import Script, Subscriber
from scp.store.open import open_store
from ss7.address import AddressString

NUMBERS = [f"4670{number:07}" for number in range(60)]
WINDOW = 16


def node(folder: Path, number: int, store: str, port: int) -> RealNode:
    folder.mkdir()
    made = RealNode(folder, name=f"scp-{number}", instance=number, store=store)
    made.extra = with_hlr(port, "[map.arming]\nrate = 100.0\n")
    made.write()
    text = made.file.read_text()
    made.file.write_text(text.replace('name = "msc"', 'name = "msc"\ndestinations = ["0-23-3"]'))
    return made


async def provision(url: str) -> None:
    store = open_store(url)
    await store.open()
    await store.put_many(
        [
            Record(each, authorized=True, aor="sip:b@voip", forwarding=True, when=When.ROAMING)
            for each in NUMBERS
        ]
    )
    await store.close()


def asked(hlr: RunningHlr) -> list[str]:
    """Whose M-CSIs it was asked to arm."""
    arguments = tuple(hlr.hlr.asked)
    return sorted(AddressString.decode(each.subscriber_identity.value).digits for each in arguments)


def state(at: RealNode, number: str) -> str:
    status, body = at.get(f"/v1/mobility/{number}", TOKEN)
    return str(json.loads(body)["state"]) if status == 200 else ""


def test_two_nodes_ask_once_and_one_takes_over_what_the_other_left(tmp_path: Path) -> None:
    answers, silence = Script(), Script()
    answers.add([Subscriber(msisdn=each, delay=0.05) for each in NUMBERS])
    silence.add([Subscriber(msisdn=each, silent=True) for each in NUMBERS])
    ports = free_ports(2)

    async def story(redis: redis_lab.Lab, first: RealNode, second: RealNode) -> None:
        loop = asyncio.get_running_loop()

        async def until(condition: Callable[[], bool]) -> None:
            await loop.run_in_executor(None, wait_until, condition)

        async with AsyncExitStack() as stack:
            quiet, other = (
                RunningHlr(HLR, Endpoint(port=port), script, Random(port))
                for port, script in zip(ports, (silence, answers), strict=True)
            )
            await quiet.start()
            stack.push_async_callback(quiet.stop)
            await until(lambda: len(asked(quiet)) == WINDOW)  # claimed by the first node, and not answered
            nodes = stack.enter_context(ExitStack())
            await loop.run_in_executor(None, nodes.enter_context, second.running())
            await other.start()  # later than its node: whoever could not be reached is asked at once
            stack.push_async_callback(other.stop)
            free = [each for each in NUMBERS if each not in asked(quiet)]
            await until(lambda: all(state(second, each) == "armed" for each in free))
            assert sorted(asked(other)) == free, "asked twice, or by both"
            first.signal(signal.SIGKILL)
            client = redis.servers[0].client()
            [due] = [key for key in client.scan_iter() if key.endswith(b":a}:due")]
            left = client.zrange(due, 0, -1)
            assert sorted(each.decode() for each in left) == sorted(asked(quiet))
            client.zadd(due, dict.fromkeys(left, int(time.time() * 1000)))  # as when their time is up
            await until(lambda: all(state(second, each) == "armed" for each in NUMBERS))
            assert Counter(asked(other)) == Counter(NUMBERS)
            await until(lambda: second.scrape()['scp_armed_subscribers{state="armed"}'] == len(NUMBERS))

    with redis_lab.single(tmp_path) as redis:
        asyncio.run(provision(redis.url))
        first = node(tmp_path / "1", 1, redis.url, ports[0])
        second = node(tmp_path / "2", 2, redis.url, ports[1])
        with first.running():
            asyncio.run(story(redis, first, second))
