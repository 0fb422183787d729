"""What a hostile HLR, VLR or network may say by MAP: it costs its own dialogue, is bounded in time and memory, and is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from map_room import HLR_TITLE, TITLE, MapRoom
from room import NETWORK, READY
from test_enquiries import BOB, ask
from test_hlr_forms import answering

from scp.domain.map_results import Outcome
from ss7 import tcap
from ss7.map.contexts import BY_NUMBER, BY_TEXT, MM_EVENT_REPORTING
from ss7.rose import encode_invoke, encode_return_result
from ss7.sccp import Address, GlobalTitle
from ss7.tcap_dialogue import Aarq, encode_dialogue

TOLD = BY_NUMBER[MM_EVENT_REPORTING, 3].octets
LOCATED = BY_TEXT["0.4.0.0.1.0.29.3"].octets


def sequence(size: int) -> bytes:
    """A SEQUENCE of one octet string of so many octets."""
    inner = b"\x04\x82" + size.to_bytes(2, "big") + bytes(size)
    return b"\x30\x82" + len(inner).to_bytes(2, "big") + inner


def continued(room: MapRoom, *components: bytes) -> Callable[[Any], bytes]:
    return lambda dialogue: room.hlr_node.tcap.continue_(dialogue, list(components), room.loop.now)


@pytest.mark.parametrize(
    ("octets", "count"),
    [(sequence(180), 500), (sequence(1500), 60), (b"\x30\x00", 500), (b"\x04\x00", 200), (b"\x30\x80", 200)],
)
def test_a_result_that_never_ends_is_given_up_in_its_time_and_does_not_grow(
    octets: bytes, count: int
) -> None:
    room = MapRoom(READY)
    room.known(BOB)
    part = encode_return_result(1, 45, octets, last=False)
    answering(room, *[continued(room, part)] * count)
    answers = ask(room)
    for flight in room.enquiries._in_flight.values():
        assert len(flight.part) <= 65_536 + len(octets)
    room.advance(70.0)
    assert [each.outcome for each in answers] in ([Outcome.TIMEOUT], [Outcome.UNREADABLE], [Outcome.REJECT])
    room.nothing_left()


def test_a_dialogue_that_says_nothing_for_ever_is_given_up_in_its_time() -> None:
    room = MapRoom(READY)
    room.known(BOB)
    answering(room, *[continued(room)] * 300)
    answers = ask(room)
    assert (answers, len(room.enquiries)) == ([], 1)
    room.advance(70.0)
    assert [each.outcome for each in answers] == [Outcome.TIMEOUT]
    room.nothing_left()


@pytest.mark.parametrize(
    ("context", "components"),
    [
        (b"", []),
        (TOLD, []),
        (TOLD, [encode_invoke(1, 89, b"\x30\x00")]),
        (TOLD, [encode_invoke(1, 89, sequence(2000))]),
        (TOLD, [encode_invoke(1, 5, b"\x30\x00")]),
        (TOLD, [encode_return_result(1, 89, b"\x30\x00")]),
        (LOCATED, [encode_invoke(1, 71, b"\x30\x00")]),
        (b"\x04\x00\x00\x01\x00\x7f\x09", [encode_invoke(1, 2, b"\x30\x00")]),
    ],
)
def test_dialogues_that_nobody_closes_are_not_kept(context: bytes, components: list[bytes]) -> None:
    """Whatever opens a dialogue, the node ends it at once; so many that nobody ends leave nothing."""
    room = MapRoom(READY)
    called = Address(ssn=147, global_title=GlobalTitle(TITLE)).encode()
    calling = Address(ssn=7, global_title=GlobalTitle(HLR_TITLE)).encode()
    path = room.hlr_node.path(called, calling, NETWORK.scp_point_code, 0)
    assert path is not None
    portion = encode_dialogue(Aarq(context)) if context else b""
    for number in range(1, 301):
        room.hlr_node.send(path, tcap.build_begin(number.to_bytes(4, "big"), portion, components))
        if number % 50 == 0:
            room.turn()
            assert not len(room.node.tcap)
    room.nothing_left()
