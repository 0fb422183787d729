"""BER primitives (X.690 §8) against an encoder written here the slow way, and against hostile lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.timing import quickest
from ss7 import ber


def slow_tlv(tag: bytes, contents: bytes, form: int) -> bytes:
    """form 0: minimal; 1 to 4: that many length octets; 5: indefinite."""
    if form == 5:
        return tag + b"\x80" + contents + b"\x00\x00"
    if form == 0 or len(contents) >= 1 << 8 * form:
        return ber.encode_element(int.from_bytes(tag, "big"), contents)
    return tag + bytes((0x80 | form,)) + len(contents).to_bytes(form, "big") + contents


TAGS = st.sampled_from(["02", "80", "30", "a1", "6c", "9f33", "bf34", "9f8148", "bf818148"]).map(
    bytes.fromhex
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> tuple[bytes, bytes, bytes]:
    """(tag, contents, whole element), in any of the forms of length."""
    tag = draw(TAGS)
    constructed = tag[0] & 0x20
    if constructed and depth:
        contents = b"".join(whole for _, _, whole in draw(st.lists(elements(depth - 1), max_size=3)))
    elif constructed:
        contents = b""
    else:
        contents = draw(st.binary(max_size=200))
    form = draw(st.integers(0, 5 if constructed else 4))
    return tag, contents, slow_tlv(tag, contents, form)


@given(elements(), st.binary(max_size=8), st.binary(max_size=8))
def test_an_element_is_found_between_others(element, before, behind):
    tag, contents, whole = element
    octets = before + whole + behind
    got, start, stop, after = ber.read_element(octets, len(before), len(octets))
    assert got == int.from_bytes(tag, "big")
    assert octets[start:stop] == contents
    assert octets[len(before) : after] == whole
    assert ber.tag_width(got) == len(tag)
    assert ber.encode_tag(got) == tag


@given(elements())
def test_every_truncation_is_an_error_and_reads_nothing_beyond(element):
    _, _, whole = element
    for end in range(len(whole)):
        assert ber.read_element(whole[:end] + b"\xff" * 4, 0, end)[3] < 0


@given(st.binary(max_size=64), st.integers(0, 64))
def test_any_octets_give_offsets_within_or_a_known_error(octets, offset):
    end = len(octets)
    offset = min(offset, end)
    _, start, stop, after = ber.read_element(octets, offset, end)
    if after < 0:
        assert after in ber.REASONS
        assert start == offset
    else:
        assert offset < start <= stop <= after <= end


@given(st.integers(-(1 << 70), 1 << 70))
def test_integers_come_back_in_the_fewest_octets(value):
    octets = ber.encode_integer(value)
    assert ber.read_integer(octets, 0, len(octets)) == value
    assert len(octets) == 1 or octets[:1] + bytes((octets[1] & 0x80,)) not in (b"\x00\x00", b"\xff\x80")


@pytest.mark.parametrize(
    ("length", "octets"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8180"),
        (255, "81ff"),
        (256, "820100"),
        (65536, "83010000"),
        (1 << 24, "8401000000"),
    ],
)
def test_lengths_are_encoded_in_the_shortest_form(length, octets):
    assert ber.encode_length(length) == bytes.fromhex(octets)
    assert ber.read_length(bytes.fromhex(octets) + bytes(min(length, 70000)), 0, 1 << 40)[0] == length


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", ber.TRUNCATED),
        ("30", ber.TRUNCATED),
        ("3001", ber.TRUNCATED),
        ("3082", ber.TRUNCATED),
        ("30ff", ber.LENGTH_TOO_LONG),
        ("30850100000000", ber.LENGTH_TOO_LONG),
        ("9f", ber.TRUNCATED),
        ("9f8100", ber.TRUNCATED),
        ("9f800100", ber.TAG_TOO_LONG),
        ("9f8181818100", ber.TAG_TOO_LONG),
        ("3080", ber.NO_END),
        ("30800401", ber.TRUNCATED),
        ("3080308000000401", ber.TRUNCATED),
        ("30809f800100", ber.TAG_TOO_LONG),
        ("04800000", ber.PRIMITIVE_INDEFINITE),
        ("308004800000", ber.PRIMITIVE_INDEFINITE),
        ("3080" * 33 + "0000" * 33, ber.TOO_DEEP),
    ],
)
def test_each_fault_has_its_code(octets, error):
    data = bytes.fromhex(octets)
    assert ber.read_element(data, 0, len(data))[3] == error
    reason, clause = ber.REASONS[error]
    assert reason
    assert clause.startswith("X.690")


def test_leading_zeros_of_a_length_don_t_count():
    data = bytes.fromhex("30860000000000010a")
    assert ber.read_element(data, 0, len(data)) == (0x30, 8, 9, 9)


def seconds(octets: bytes) -> float:
    return quickest(lambda: ber.read_element(octets, 0, len(octets)))


@pytest.mark.parametrize("unit", ["0400", "30800000", "30803080000000000400"])
def test_an_indefinite_length_takes_linear_time(unit):
    def bomb(repeats: int) -> bytes:
        return b"\x30\x80" + bytes.fromhex(unit) * repeats + b"\x00\x00"

    assert seconds(bomb(16000)) < 8 * 4 * max(seconds(bomb(2000)), 1e-4)


def test_a_bomb_of_nested_indefinite_lengths_is_refused_at_once(slowdown):
    bomb = b"\x30\x80" * 500_000
    assert ber.read_element(bomb, 0, len(bomb))[3] == ber.TOO_DEEP
    assert seconds(bomb) < 0.003 * slowdown
