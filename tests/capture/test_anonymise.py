"""Anonymised captures: nothing of what identifies anybody is left, everything else is as it was."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.capture.anonymise import Anonymiser, Disguise
from scp.capture.decode import Decoder, Filter
from scp.capture.source import Capture
from scp.capture.write import PcapNgWriter

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "pcaps").glob("*.pcapng"))
NEW_PACKETS = {
    "translated.pcapng",
    "transport.pcapng",
    "malformed.pcapng",
    "mistyped.pcapng",
    "unknown-context.pcapng",
}
DISGUISE = Disguise(b"key")
digits = st.text("0123456789", min_size=7, max_size=15)


def shown(path: Path) -> list[dict[str, Any]]:
    return [each for each in Decoder(Filter()).show(Capture(path)) if "tcap" in each]


def anonymised(path: Path, tmp_path: Path) -> tuple[list[dict[str, Any]], bytes, Anonymiser]:
    stream = io.BytesIO()
    run = Anonymiser(Disguise(b"key"))
    run.run(Capture(path), PcapNgWriter(stream))
    out = tmp_path / path.name
    out.write_bytes(stream.getvalue())
    return shown(out), stream.getvalue(), run


def named(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every leaf with the name of the field that it stands in."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in named(item, key)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in named(item, name)]
    return [(name, value)]


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_no_number_is_left_and_nothing_else_changes(path: Path, tmp_path: Path) -> None:
    before = shown(path)
    after, octets, run = anonymised(path, tmp_path)
    if path.name in NEW_PACKETS:
        assert run.written + sum(run.left_out.values()) >= 1
    else:
        assert len(after) == len(before)
        assert not run.left_out
    replaced = {"digits", "opc", "dpc", "lac", "ci", "source", "destination", "hex", "value", "frame"}
    for one, other in zip(before, after, strict=False):
        if path.name in NEW_PACKETS:
            break
        other.pop("" if "stream" in one else "stream", None)  # what came over TCP goes out over SCTP
        for (name, was), (_, now) in zip(named(one), named(other), strict=True):
            if name == "digits" and len(was) > 4:
                assert was != now
                assert len(was) == len(now)
            elif name in {"opc", "dpc"}:
                assert was != now
            elif name not in replaced | {"callReferenceNumber"}:
                assert was == now, name
    for number in {was for one in before for name, was in named(one) if name == "digits" and len(was) > 6}:
        swapped = bytes.fromhex("".join(number[at + 1] + number[at] for at in range(0, len(number) - 1, 2)))
        assert swapped not in octets


@given(digits, digits)
def test_different_numbers_stay_different_and_equal_ends_stay_equal(one: str, other: str) -> None:
    assert (DISGUISE.number(one) == DISGUISE.number(other)) == (one == other)
    assert DISGUISE.number("46" + one)[2:] == DISGUISE.number(one)


@given(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_different_point_codes_stay_different(one: int, other: int) -> None:
    assert (DISGUISE.point_code(one) == DISGUISE.point_code(other)) == (one == other)
    assert 0 <= DISGUISE.point_code(one) <= 0x3FFF


@given(
    st.binary(min_size=4, max_size=12),
    st.sampled_from(["CalledPartyNumber", "IMSI", "AddressString", "Digits", "CellGlobalId", ""]),
)
def test_any_octets_keep_their_length(octets: bytes, kind: str) -> None:
    assert len(DISGUISE.content(kind, octets)) == len(octets)


def test_another_key_replaces_otherwise() -> None:
    made = {Disguise(key).number("46701234567") for key in (b"a", b"b", b"c")}
    assert len(made) == 3
    assert all(one != other for one, other in combinations(made, 2))
