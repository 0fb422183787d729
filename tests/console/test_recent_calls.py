"""What a console keeps of a call until its dialogue ends."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scp.console.recent_calls import RecentCalls, ends_dialogue
from ss7.tcap import build_abort, build_continue, build_end

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from room import ABROAD, NUMBERING, ROAMER, Room

IDS = st.lists(st.sampled_from((0x48, 0x49, 0x64, 0x65, 0x67, 4)), min_size=1, max_size=4).map(bytes)
"""Transaction ids that look like tags of TCAP."""
OTHERS = 50
COMPONENTS = st.integers(0, 300).map(lambda size: [bytes(size)] if size else [])


@given(IDS, IDS, COMPONENTS)
def test_only_end_and_abort_end_a_dialogue(otid: bytes, dtid: bytes, components: list[bytes]) -> None:
    for tcap, over in (
        (build_continue(otid, dtid, b"", components), False),
        (build_end(dtid, b"", components), True),
        (build_abort(dtid, b""), True),
    ):
        octets = bytes(30) + tcap
        at = octets.index(bytes((0x49, len(dtid))) + dtid, 30 + (3 + len(otid) if not over else 0))
        assert ends_dialogue(octets, at) is over


def test_a_call_whose_store_is_late_is_kept_with_its_begin_and_nothing_is_kept_for_it_meanwhile() -> None:
    room = Room(ROAMER)
    calls = RecentCalls("scp-test", NUMBERING, room.loop.time)
    room.node.tap, room.cap.observers.sample, room.cap.observers.onlooker = calls, calls.sample, calls
    room.store.slow = True
    late = room.call(vlr=ABROAD)
    room.store.slow, calls.sample.others = False, 0
    for _ in range(OTHERS):
        room.call(b_number="0046709999999")
    assert calls.unseen == OTHERS
    assert not calls._heard
    calls.sample.others = 1
    room.loop.now += 0.01
    room.store_answers()
    (kept,) = calls.latest()
    (began, link, begin, sent), (_, _, answer, ours) = kept.messages
    assert late in begin
    assert (sent, link, began) == (False, "stp-0", room.loop.now - kept.seconds)
    assert late in answer
    assert ours
    assert kept.over
    room.store.slow = True
    room.node.tap = None
    unseen = room.call(vlr=ABROAD)
    path = room.node.tcap._dialogues[room.waiting_tid].path
    assert path.message == b"", "nobody looks: nothing is kept"
    assert unseen
