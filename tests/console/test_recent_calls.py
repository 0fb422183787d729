"""What a console keeps of a call until its dialogue ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scp.console.recent_calls import ends_dialogue
from ss7.tcap import build_abort, build_continue, build_end

IDS = st.lists(st.sampled_from((0x48, 0x49, 0x64, 0x65, 0x67, 4)), min_size=1, max_size=4).map(bytes)
"""Transaction ids that look like tags of TCAP."""
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
