"""What an open charged call takes of a node's memory, by the size of its blocks, and of Redis."""

from __future__ import annotations

import asyncio
import gc
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from held_room import HandMovedHeld, report
from room import MSISDN, SERVICE_KEY
from test_money_survives import Bank, PaidRoom

from oracles import redis_lab
from scp import version
from scp.domain.numbers import Numbering
from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.user import CapUser
from scp.engine.journal import Journal
from scp.engine.return_path import ReturnPath
from scp.held_call_ports import HeldEntry, Kept
from scp.services.api import NodeSettings
from scp.services.voip_forwarding import controlled, voip_forwarding
from scp.stack.tcap_dialogue import Dialogue
from scp.store.held_redis import RedisHeldCalls
from scp.store.redis_url import parse_redis_url
from ss7.cap.events import EventTypeBCSM

ALIGNED = 16  # Python's blocks are whole multiples of it
NODE = (CapUser, Journal, ReturnPath, type)
CHARGING = {"first_s": 60, "next_s": 60, "withheld_s": 0}
HOME = NodeSettings(Numbering(country_code="46"))
CHARGED = controlled({"charging": CHARGING}, HOME)
RESCUED = voip_forwarding({"prefix": "99", "rescue": True, "charging": CHARGING}, HOME)


def blocks(call: CapDialogue) -> dict[int, tuple[str, int]]:
    """Name and octets of all that a call leads to but its node, by identity."""
    found: dict[int, tuple[str, int]] = {}
    todo: list[Any] = [call]
    while todo:
        each = todo.pop()
        neighbour = isinstance(each, Dialogue) and each.user is not call
        if id(each) in found or neighbour or isinstance(each, NODE):
            continue
        found[id(each)] = type(each).__name__, -(-sys.getsizeof(each) // ALIGNED) * ALIGNED
        fields = getattr(type(each), "__struct_fields__", ())  # the collector does not see them
        todo += gc.get_referents(each) + [getattr(each, name) for name in fields]
    return found


def opened(folder: Path, service: Any) -> tuple[PaidRoom, list[CapDialogue]]:
    """A node with two calls that are talked in, and what it has of them."""
    room = PaidRoom(HandMovedHeld(), Bank(), folder / "cdr")
    room.cap.services = {SERVICE_KEY: service}
    calls = []
    for caller in ("46700000008", "46700000009"):
        otid = room.call(trigger="originating", a_number=caller, b_number=MSISDN, b_nature=4)
        for _ in range(3):
            room.works()
            room.store_answers()
        room.go_on(otid, report(EventTypeBCSM.O_ANSWER, 20))
        room.works()
        dialogue = room.node.tcap.find(room.tid(otid))
        assert dialogue is not None
        assert isinstance(dialogue.user, CapDialogue)
        calls.append(dialogue.user)
    return room, calls


@pytest.mark.skipif(not version.COMPILED, reason="plain objects are larger")
@pytest.mark.parametrize(("service", "most"), [(CHARGED, 1440), (RESCUED, 1552)], ids=["charged", "rescued"])
def test_an_open_charged_call_takes_no_more_memory(tmp_path: Path, service: Any, most: int) -> None:
    _, calls = opened(tmp_path, service)
    found = [blocks(call) for call in calls]
    own = sorted(block for known, block in found[1].items() if known not in found[0])
    assert {"Control", "HeldCall", "Journalled", "Meter", "Paid"} <= {name for name, _ in own}
    assert sum(octets for _, octets in own) <= most, own


CALLS = 1000  # that one bucket has: a hash table's room is nearly used then


class Count:
    """Counts what is written."""

    def __init__(self) -> None:
        self.written = 0

    def kept(self, outcome: Kept) -> None:
        self.written += outcome is Kept.WRITTEN


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
@pytest.mark.parametrize(("service", "most"), [(CHARGED, 448), (RESCUED, 448)], ids=["charged", "rescued"])
def test_the_record_of_an_open_charged_call_takes_no_more_of_redis(
    tmp_path: Path, service: Any, most: int
) -> None:
    """The entry with its key and its place among those to be looked after, as the server says."""
    room, _ = opened(tmp_path, service)
    record = max((row.record for row in room.held.rows.values()), key=len)

    async def main(url: str) -> None:
        held, count = RedisHeldCalls(parse_redis_url(url)), Count()
        await held.open()
        for number in range(CALLS):
            entry = HeldEntry(bytes([7, *(16 * number).to_bytes(3, "big")]), 1, 7, record)
            held.put(entry, 1_700_000_000_000 + 10 * number, count)
        for _ in range(3000):
            if count.written == CALLS:
                break
            await asyncio.sleep(0.01)
        await held.close()
        assert count.written == CALLS

    with redis_lab.single(tmp_path) as lab:
        asyncio.run(main(lab.url))
        client = lab.servers[0].client()
        octets = sum(client.memory_usage(key, samples=0) for key in client.scan_iter())
    assert 300 * CALLS < octets <= most * CALLS, octets
