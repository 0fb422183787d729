"""Anonymised captures: nothing of what identifies anybody is left, everything else is as it was."""

from __future__ import annotations

import io
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import astuple

from scp.capture.anonymise import Anonymiser
from scp.capture.decode import Decoder, Filter
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.source import Capture
from scp.capture.write import PcapNgWriter
from ss7.cap.codec import FAST
from ss7.cap.contents import CONTENTS
from ss7.errors import DecodeError
from ss7.rose import Invoke

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
            elif name not in replaced | {"callReferenceNumber", "freeFormatData"}:
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
    st.sampled_from(["CalledPartyNumber", "IMSI", "AddressString", *CONTENTS, ""]),
)
def test_any_octets_keep_their_length(octets: bytes, kind: str) -> None:
    assert len(DISGUISE.content(kind, octets)) == len(octets)


def test_another_key_replaces_otherwise() -> None:
    made = {Disguise(key).number("46701234567") for key in (b"a", b"b", b"c")}
    assert len(made) == 3
    assert all(one != other for one, other in combinations(made, 2))


# -- arguments of every operation --------------------------------------------------------------------------

sys.path.append(str(ROOT / "tests" / "ss7"))
from cap_strategies import arguments  # noqa: E402


def disguised(opcode: int, octets: bytes, version: int) -> bytes | None:
    """An argument as it is written; None where it is left out."""
    try:
        component = Anonymiser(DISGUISE)._component(Invoke(1, opcode, octets), (version,))
    except (DecodeError, NotUnderstoodError):
        return None
    assert isinstance(component, Invoke)
    return component.parameter


def leaves(value: Any) -> list[Any]:
    if isinstance(value, Struct):
        return [leaf for item in astuple(value) for leaf in leaves(item)]
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


@given(arguments())
def test_any_operation_s_argument_is_of_the_same_form_with_other_octets(
    argument: tuple[int, int, Any],
) -> None:
    opcode, version, value = argument
    octets = FAST.encode_argument(opcode, value, version)
    made = disguised(opcode, octets, version)
    if made is None:
        return
    again = FAST.decode_argument(opcode, made, version)
    before, after = leaves(FAST.decode_argument(opcode, octets, version)), leaves(again)
    assert [type(each) for each in before] == [type(each) for each in after]
    for was, now in zip(before, after, strict=True):
        assert len(was) == len(now) if isinstance(was, (bytes, str)) else was == now


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        ("GenericDigits", "0421436587"),  # BCD, even
        ("GenericDigits", "2421436507"),  # BCD, odd: the filler stays
        ("GenericDigits", "443132333435363738"),  # IA5
        ("GenericDigits", "640102030405"),  # binary
        ("GSNAddress", "04c0000201"),
        ("PDPAddress", "c0000201"),
        ("AccessPointName", "08696e7465726e6574036f7267"),
        ("DiameterIdentity", "6d6d652e6578616d706c652e6f7267"),
        ("CellOrLocationAreaId", "42f01000010002"),
        ("TrackingAreaId", "42f0100001"),
        ("EutranCellGlobalId", "42f01001020304"),
        ("RoutingAreaId", "42f010000102"),
        ("GeographicalInformation", "1012345612345611"),
        ("GeodeticInformation", "00011234561234561155"),
        ("IMEI", "5342123456789012"),
        ("PDPAddress", "0a000001"),
        ("AccessPointName", "03696d73"),
    ],
)
def test_what_tells_of_somebody_is_replaced_and_can_be_read(kind: str, octets: str) -> None:
    was = bytes.fromhex(octets)
    now = DISGUISE.content(kind, was)
    assert now != was
    before, after = CONTENTS[kind](was), CONTENTS[kind](now)
    assert before != after
    if isinstance(before, dict):
        assert list(before) == list(after)
        same = {"mcc", "mnc", "type", "scheme", "kind", "shape", "uncertainty"}
        assert {name: before[name] for name in same & before.keys()} == {
            name: after[name] for name in same & after.keys()
        }


def test_what_an_argument_does_not_declare_is_not_written() -> None:
    """An InitialDP with a component that no version of the standard has, as extensible types allow."""
    known = bytes.fromhex("3003800164")
    unknown = bytes.fromhex("300a8001649f810103313233")
    assert disguised(0, unknown, 2) == known


def test_an_extension_has_other_octets_in_the_same_elements() -> None:
    """moveLeg with an extension whose value is an OCTET STRING of digits."""
    for octets in (
        bytes.fromhex("3014a003810106a20d300b020102a1060404") + b"1234",  # as long as an IPv4 address
        bytes.fromhex("3018a003810106a211300f020102a10a0408") + b"12345678",
    ):
        made = disguised(93, octets, 4)
        assert made is not None
        assert made[:18] == octets[:18]
        assert made[18:] != octets[18:]
