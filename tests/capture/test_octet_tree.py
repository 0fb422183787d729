"""The tree of octets: every message of the captures and of damaged ones, held against the decoder's own fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.capture.decode import Decoder, Filter
from scp.capture.inputs import open_capture
from scp.capture.octet_tree import octet_tree, tcap_tree

PCAPS = sorted((Path(__file__).parents[2] / "pcaps").glob("*.pcap*"))


def leaves(parts: list[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
    """The innermost parts; each lies behind the one before it, and in what it is a part of."""
    found: list[dict[str, Any]] = []
    at = start
    for each in parts:
        assert at <= each["from"] <= each["to"] <= end, each
        at = each["to"] if "pointer" not in each["name"] else at
        found += leaves(each["parts"], each["from"], each["to"]) if "parts" in each else [each]
    return found


def shown(path: Path) -> list[dict[str, Any]]:
    return [each for each in Decoder(Filter(), octets=True).show(open_capture(str(path))) if "parts" in each]


@pytest.mark.parametrize("path", PCAPS, ids=lambda path: path.name)
def test_parts_of_captured_messages_say_what_the_decoder_says(path: Path) -> None:
    messages = shown(path)
    assert messages
    for message in messages:
        octets = bytes.fromhex(message["octets"])
        assert octets
        values = {each["name"]: each for each in leaves(message["parts"], 0, len(octets))}
        tcap = message.get("tcap", {})
        for name in ("otid", "dtid"):
            if name in tcap:
                part = values[name]
                assert octets[part["from"] + 2 : part["to"]].hex() == tcap[name]
        digits = [each.get("value", "") for each in leaves(message["parts"], 0, len(octets))]
        for component in message.get("components", ()):
            argument = component.get("argument") or {}
            if isinstance(argument, str):  # octets alone: the cause of ReleaseSMS
                part = values["argument"]
                assert octets[part["from"] + 2 : part["to"]].hex() == argument
                continue
            called = argument.get("calledPartyNumber")
            if isinstance(called, dict) and "digits" in called:
                assert any(f"digits {called['digits']}" in each for each in digits)
        assert "unreadable" not in values or path.name == "malformed.pcapng"


def test_an_initial_dp_is_named_down_to_its_parameters() -> None:
    (begin, *_) = shown(next(path for path in PCAPS if path.name == "busy.pcapng"))
    octets = bytes.fromhex(begin["octets"])
    values = {each["name"]: each.get("value") for each in leaves(begin["parts"], 0, len(octets))}
    assert values["operation"] == "0 initialDP"
    assert values["serviceKey"] == str(begin["components"][0]["argument"]["serviceKey"])
    assert {
        "opc",
        "dpc",
        "called party address",
        "application context name.OBJECT IDENTIFIER",
    } & values.keys()
    assert begin["components"][0]["argument"]["calledPartyNumber"]["digits"] in values["calledPartyNumber"]


MESSAGES = [
    bytes.fromhex(each["octets"])
    for path in PCAPS
    if path.name in ("busy.pcapng", "charged-v4.pcapng", "map-routing.pcapng")
    for each in shown(path)
]


@examples(200)
@given(st.data())
def test_whatever_the_octets_parts_stay_within_them(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(MESSAGES)))
    for _ in range(data.draw(st.integers(0, 6))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    version = data.draw(st.sampled_from((-13, -12, -2, -1, 0, 1, 2, 3, 4)))
    leaves(octet_tree(damaged, version), 0, len(damaged))
    leaves(tcap_tree(damaged, version), 0, len(damaged))


def sccp_parts(sccp: bytes) -> list[dict[str, Any]]:
    """The parts of an SCCP message in DATA."""
    padded = sccp + bytes(-len(sccp) % 4)
    data = (
        bytes.fromhex("0210")
        + (16 + len(sccp)).to_bytes(2, "big")
        + bytes.fromhex("000000010000000203020000")
    )
    tree = octet_tree(b"\x01\0\x01\x01" + (8 + len(data) + len(padded)).to_bytes(4, "big") + data + padded)
    leaves(tree, 0, 24 + len(padded))
    return tree[1]["parts"][-1]["parts"]


def test_parts_of_sccp_are_shown_as_they_stand_whatever_the_order_of_their_pointers() -> None:
    names = [each["name"] for each in sccp_parts(bytes.fromhex("0900 06 02 07 02 4208 02 4206 02 0500"))]
    assert names[2:] == ["calling party address", "called party address", "data"]


def test_parts_of_sccp_that_overlap_or_lie_among_the_pointers_are_not_shown_twice() -> None:
    overlapping = sccp_parts(bytes.fromhex("0900 03 03 05 03 024206 02 0500"))
    assert [each["name"] for each in overlapping][2:] == ["called party address", "data"]
    among = sccp_parts(bytes.fromhex("0900 03 00 05 02 4206 02 0500"))
    assert among[2]["value"] == "calling party address: among the pointers"
    assert among[3]["name"] == "called party address"


def test_elements_in_elements_end_somewhere() -> None:
    nested = b""
    for _ in range(3000):
        length = len(nested)
        nested = b"\x30" + (bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")) + nested
    leaves(tcap_tree(b"\x62\x82" + len(nested).to_bytes(2, "big") + nested), 0, len(nested) + 4)
