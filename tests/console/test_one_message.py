"""One message's octets, decoded as far as they can be, whatever they are."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scp.capture.decode import Decoder, Filter
from scp.capture.inputs import open_capture
from scp.console.one_message import read_octets

PCAPS = Path(__file__).parents[2] / "pcaps"
WHOLE = [
    bytes.fromhex(each["octets"])
    for each in Decoder(Filter(), octets=True).show(open_capture(str(PCAPS / "busy.pcapng")))
    if "octets" in each
]


def test_a_whole_message_is_read() -> None:
    read = read_octets(WHOLE[0])
    assert read.faults == ()
    assert read.message["components"][0]["operation"] == "initialDP"
    assert read.parts[-1]["name"] == "Protocol Data"


@given(st.sampled_from(WHOLE), st.data())
def test_a_damaged_one_is_read_as_far_as_it_goes(whole: bytes, data: st.DataObject) -> None:
    octets = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for at in data.draw(st.lists(st.integers(0, len(octets) - 1), max_size=3)):
        octets[at] = data.draw(st.integers(0, 255))
    read = read_octets(bytes(octets))
    assert read.octets == octets.hex()
    assert all("at octet" in each for each in read.faults)
