"""A Kamailio that dies takes its dialogs along: its calls are ended and charged all the same, by what the brain knows."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import json
from voip_lab import Lab, Sipp, header, unavailable

from oracles.waiting import until
from scp import client
from scp.voip.brain import Brain
from scp.voip.calls import NETWORK_OUT_OF_ORDER, NORMAL_CLEARING
from scp.voip.config import loads
from scp.voip.directory import Directory
from scp.voip.evapi import Evapi
from scp.voip.farewell import ends_of, farewells
from scp.voip.messages import Answered, Welcome
from scp.voip.metrics import VoipMetrics
from scp.voip.process import fill
from scp.voip.store import Store

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE = "11234567"
SECONDS = 8


class Node:
    """Grants each call some seconds, and never more; keeps what it is told."""

    deadline = 5.0
    url = ""
    trouble = ""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.used: list[int] = []
        self.legs: list[dict[str, Any]] = []

    async def send(self, call: client.Call[Any], _room_within: float | None = None) -> Any:
        said = json.decode(call.body) if call.body else {}
        if call.path.endswith("/commit"):
            self.used.append(said["used_seconds"])
        elif call.path == "/v1/cdrs":
            self.legs.append(said)
        elif "events" in call.path:
            raise client.TransportError("nobody looks")
        given = {"id": "r-1", "approved": True, "granted_seconds": self.seconds}
        return client.Reservation(**dict.fromkeys(client.Reservation.__struct_fields__) | given)

    async def tell(self, *_: object) -> None:
        """It takes it."""


@contextlib.asynccontextmanager
async def talking(
    folder: Path, scenario: str, seconds: int, sip: str = ""
) -> AsyncIterator[tuple[Lab, Node, Sipp, Sipp]]:
    """A brain of this process and a real Kamailio; the gateway talks with Alice's phone."""
    lab = Lab(folder, {ALICE: ["alice-phone"]}, ring=20, sip_more=sip)
    lab.extra = "[charging]\nminutes = 5\n"
    lab.write()
    await asyncio.to_thread(lab.start_kamailio)
    config = loads(lab.toml.read_text())
    directory, store, node = Directory(), Store(config.store.url), Node(seconds)
    assert fill(directory, store, config) == []
    scp: Any = node  # stands for a `ScpLink`
    brain = Brain(config, directory, store, VoipMetrics(directory), scp)
    link = Evapi("127.0.0.1", lab.evapi, "voip-1", brain)
    running = asyncio.ensure_future(link.run())
    try:
        await until(lambda: bool(brain.kamailios))
        phone = await asyncio.to_thread(lab.bound, "alice-phone", ALICE)
        answers = await asyncio.to_thread(lab.device, "answers", phone)
        calls = await asyncio.to_thread(lab.gateway_calls, "990011234567", scenario=scenario, pause=3000)
        await until(lambda: bool(answers.received("ACK")) and bool(brain._talking and brain._talking._calls))
        yield lab, node, calls, answers
    finally:
        running.cancel()
        await brain.stop(0)
        for each in lab.sipps:
            each.stop()
        await asyncio.to_thread(lab.stop_kamailio)
        store.close()


class Welcomed:
    """A link's user that does nothing but say hello."""

    def opened(self, link: Evapi) -> bool:
        return False

    def heard(self, link: Evapi, message: Any) -> None:
        if isinstance(message, Welcome):
            link.started = message.started

    def linked(self, _link: Evapi) -> None:
        """Nothing is to be done."""

    def unreadable(self, _link: Evapi, why: str) -> None:
        raise AssertionError(why)

    def unlinked(self, _link: Evapi, _why: str) -> None:
        """It comes again."""


def test_a_kamailio_says_to_the_microsecond_when_it_was_started(tmp_path: Path) -> None:
    """A second is too long: its calls would go on for a brain, where it was killed and started again within one."""
    lab = Lab(tmp_path, {ALICE: ["alice-phone"]})
    lab.write()

    async def main() -> list[str]:
        said = []
        for _ in range(2):
            await asyncio.to_thread(lab.start_kamailio)
            link = Evapi("127.0.0.1", lab.evapi, "voip-1", Welcomed())
            running = asyncio.ensure_future(link.run())
            try:
                await until(lambda link=link: link.started)
            finally:
                running.cancel()
                await asyncio.to_thread(lab.kill_kamailio)
            said.append(link.started)
        return said

    said = asyncio.run(main())
    assert all(re.fullmatch(r"\d{10}\.\d{6}", each) for each in said), said
    assert said[0] < said[1]


@pytest.mark.parametrize("sip", ["", 'hide_key = "a-key-of-tests"'])
def test_a_call_whose_kamailio_died_is_ended_when_its_minutes_are_used_up(tmp_path: Path, sip: str) -> None:
    async def main() -> None:
        async with talking(tmp_path, "gateway_is_cut", SECONDS, sip) as (lab, node, calls, answers):
            await asyncio.to_thread(lab.kill_kamailio)
            await asyncio.to_thread(lab.start_kamailio)
            await until(lambda: bool(node.legs))
            for each in (calls, answers):
                await asyncio.to_thread(each.ended)
            for each in (calls, answers):
                (bye,) = each.received("BYE")
                assert header(bye, "CSeq") == ["1000000000 BYE"]
            assert node.used == [SECONDS]
            (leg,) = node.legs
            assert leg["cause"] == NETWORK_OUT_OF_ORDER
            assert 1000 * (SECONDS - 1) < leg["ended_ms"] - leg["answered_ms"] <= 1000 * SECONDS
            assert lab.malformed() == []

    asyncio.run(main())


def test_a_call_that_ends_over_a_kamailio_that_was_started_anew_is_charged_until_then(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking(tmp_path, "gateway_calls", 600) as (lab, node, calls, answers):
            began = time.time()
            await asyncio.to_thread(lab.kill_kamailio)
            await asyncio.to_thread(lab.start_kamailio)
            for each in (calls, answers):
                await asyncio.to_thread(each.ended)
            await until(lambda: bool(node.legs))
            (used,) = node.used
            assert 2 <= used <= time.time() - began + 5
            assert node.legs[0]["cause"] == NORMAL_CLEARING

    asyncio.run(main())


def test_a_call_is_charged_until_its_kamailio_died_where_none_comes_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with talking(tmp_path, "gateway_is_cut", SECONDS) as (lab, node, _calls, _answers):
            await asyncio.to_thread(lab.kill_kamailio)
            died = time.time()
            await until(lambda: bool(node.legs))
            assert time.time() >= died + 1
            (leg,) = node.legs
            assert leg["cause"] == NETWORK_OUT_OF_ORDER
            assert abs(leg["ended_ms"] - 1000 * died) < 3000
            assert node.used == [max(1, (leg["ended_ms"] - leg["answered_ms"]) // 1000)]

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["", "a,b", "a,b,c,d,e,f,g,h,%0d%0aBYE", "a,<b>,c,d,e,f,g,h,i"])
def test_nobody_is_sent_what_is_no_dialog(ends: str) -> None:
    found = ends_of(Answered("call-1", "", 1, 2, 3, ends=ends))
    assert found.call_id == "call-1"
    assert farewells(found, "voip.example") == []
