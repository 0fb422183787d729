"""The journalled state of a call under control is read as it was written, by this version and the one before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import MsgspecError, msgpack

from scp.domain.meter import Meter
from scp.services.call_control import Phase
from scp.services.charge_control import Money
from scp.services.charging_policy import Paid
from scp.services.held_call import HeldCall
from scp.services.held_stored import StoredCall, StoredMeter, read_held

numbers = st.integers(0, 1 << 45)
meters = st.builds(
    Meter,
    granted=numbers,
    last=st.booleans(),
    at=numbers,
    since=numbers,
    before=st.lists(st.tuples(numbers, numbers), max_size=2).map(tuple),
    mark=st.integers(-1, 1 << 45),
    passed=numbers,
    switch_at=numbers,
    allowed=numbers,
    pending=st.booleans(),
    releasing=st.booleans(),
    answered=numbers,
    zone=st.integers(-50_000, 50_000),
)
calls = st.builds(
    HeldCall,
    phase=st.sampled_from(Phase),
    reason=st.integers(-1, 15),
    money=st.sampled_from(Money),
    meter=meters,
    session=st.text(max_size=3),
    paid=st.none() | st.builds(Paid, st.text(max_size=3), st.text(max_size=3), st.text(max_size=3)),
    reserved=st.booleans(),
    grace=st.booleans(),
    unreported=st.booleans(),
    tested=st.booleans(),
    tariff=st.text(max_size=3),
    held=numbers,
    told=numbers,
    due_ms=numbers,
    number=st.text(max_size=3),
    cleared_ms=numbers,
    missed=st.booleans(),
    informs=st.integers(0, 255),
    connected=numbers,
    owes=st.booleans(),
    before=st.none() | meters,
    undated=st.booleans(),
)


@given(calls)
def test_every_attribute_is_read_as_it_was_written(held: HeldCall) -> None:
    again = read_held(msgpack.encode(held.values()))
    assert again.values() == held.values()
    assert again.meter == held.meter
    assert held.copy().values() == held.values()


def test_attributes_that_an_older_node_did_not_write_have_their_defaults() -> None:
    octets = msgpack.encode((Phase.TALKING, -1, Money.COUNTING, (600,), "03ab"))
    held = read_held(octets)
    assert held.values() == HeldCall(Phase.TALKING, -1, Money.COUNTING, Meter(600), "03ab").values()


def test_a_number_of_another_node_that_has_no_room_here_is_refused_as_other_broken_records_are() -> None:
    values = list(HeldCall(informs=255).values())
    at = StoredCall.__struct_fields__.index("informs")
    assert values[at] == 255
    for informs in (256, -1, 1 << 40):
        values[at] = informs
        with pytest.raises(MsgspecError):
            read_held(msgpack.encode(values))


def test_what_is_written_and_read_has_the_same_names() -> None:
    for value, stored in ((Meter(), StoredMeter), (HeldCall(), StoredCall)):
        fields = stored.__struct_fields__
        assert len(value.values()) == len(fields)
        assert all(hasattr(value, name) for name in fields)
