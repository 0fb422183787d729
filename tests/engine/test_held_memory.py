"""What an open charged call takes of a node's memory, by the size of its blocks."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest
from held_room import HandMovedHeld, report
from room import MSISDN, SERVICE_KEY
from test_money_survives import Bank, PaidRoom

from scp import version
from scp.domain.numbers import Numbering
from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.user import CapUser
from scp.engine.journal import Journal
from scp.engine.return_path import ReturnPath
from scp.services.api import NodeSettings
from scp.services.voip_forwarding import controlled, voip_forwarding
from scp.stack.tcap_dialogue import Dialogue
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


@pytest.mark.skipif(not version.COMPILED, reason="plain objects are larger")
@pytest.mark.parametrize(("service", "most"), [(CHARGED, 1440), (RESCUED, 1552)], ids=["charged", "rescued"])
def test_an_open_charged_call_takes_no_more_memory(tmp_path: Path, service: Any, most: int) -> None:
    room = PaidRoom(HandMovedHeld(), Bank(), tmp_path / "cdr")
    room.cap.services = {SERVICE_KEY: service}
    found = []
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
        found.append(blocks(dialogue.user))
    own = sorted(block for known, block in found[1].items() if known not in found[0])
    assert {"Control", "HeldCall", "Journalled", "Meter", "Paid"} <= {name for name, _ in own}
    assert sum(octets for _, octets in own) <= most, own
