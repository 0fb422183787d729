"""Traced numbers' calls are found in every form that a number has, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.bench.template import Template
from scp.capture.finder import MOST_FOLLOWED, Finder, Found, Signals, needles
from scp.capture.initial_dp import read_initial_dp
from scp.capture.source import Capture
from scp.capture.wire.messages import Message
from scp.domain.call import Trigger
from scp.domain.numbers import Numbering
from scp.simulator.idp import called_party_octets
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from ss7 import sccp, tcap
from ss7.address import CalledPartyBCDNumber
from ss7.cap.operations import Opcode
from ss7.isup import CalledPartyNumber, NatureOfAddress
from ss7.m3ua import DataEncoder, decode_data
from ss7.rose import encode_invoke

NUMBERING = Numbering(country_code="46")
NETWORK = Network(routing_context=7)
PCAPS = Path(__file__).parents[2] / "pcaps"
UNKNOWN, NATIONAL, INTERNATIONAL = (
    NatureOfAddress[name].value for name in ("UNKNOWN", "NATIONAL", "INTERNATIONAL")
)
SIGNALS = Signals()

subscriber = st.from_regex(r"[1-9][0-9]{5,10}", fullmatch=True)


def begin(scenario: Scenario, tid: bytes = b"abcd") -> bytes:
    """The M3UA message that opens a call."""
    return Template(scenario, NETWORK).message(tid, called_party_octets(scenario))


def forms(significant: str) -> list[tuple[str, int]]:
    """A Swedish number as it may be dialled or delivered."""
    return [
        (f"46{significant}", INTERNATIONAL),
        (significant, NATIONAL),
        (f"0{significant}", UNKNOWN),
        (f"0046{significant}", UNKNOWN),
    ]


def found(finder: Finder, octets: bytes, *, sent: bool = False) -> str:
    """The number whose call a message is of, "" if of nobody's."""
    if not finder.may_be(octets):
        return ""
    match = finder.find(SIGNALS.of("stp-a", 1, octets, 1000.0, sent=sent))
    return "" if match is None else match.msisdn


@given(
    significant=subscriber,
    other=subscriber,
    version=st.integers(1, 4),
    trigger=st.sampled_from(Trigger),
)
def test_a_called_number_is_found_in_every_form(
    significant: str, other: str, version: int, trigger: Trigger
) -> None:
    for digits, nature in forms(significant):
        scenario = Scenario(version=version, trigger=trigger, b_number=digits, b_nature=nature)
        octets = begin(scenario)
        assert found(Finder(NUMBERING, [f"46{significant}"]), octets) == f"46{significant}"
        if other != significant and f"46{other}" != scenario.a_number:
            assert found(Finder(NUMBERING, [f"46{other}"]), octets) == ""


@given(significant=subscriber)
def test_a_calling_number_is_found(significant: str) -> None:
    octets = begin(Scenario(a_number=f"46{significant}"))
    assert found(Finder(NUMBERING, [f"46{significant}"]), octets) == f"46{significant}"


@given(number=st.from_regex(r"[1-9][0-9]{4,14}", fullmatch=True), code=st.sampled_from(["46", "1", "358"]))
def test_packed_digits_have_the_needle_whatever_stands_before(number: str, code: str) -> None:
    significant = number.removeprefix(code)
    for before in ("", "0", "00", "990"):
        for octets in (
            CalledPartyNumber(before + significant, UNKNOWN).encode(),
            CalledPartyBCDNumber(before + significant, 0, 1).encode(),
        ):
            if len(significant) > 2:
                assert any(needle in octets for needle in needles(number, code))


def test_a_dialogue_is_found_to_its_end_and_no_longer() -> None:
    finder = Finder(NUMBERING, ["46701234567"])
    octets = begin(Scenario(b_number="0701234567", b_nature=UNKNOWN))
    assert found(finder, octets)
    going_on = answer(octets, tcap.build_continue(b"wxyz", b"abcd", b"", []))
    assert found(finder, going_on, sent=True)
    assert found(finder, answer(octets, tcap.build_continue(b"abcd", b"wxyz", b"", [])))
    finder.choose([])
    assert found(finder, answer(octets, tcap.build_end(b"wxyz", b"", []))), "it is followed to its end"
    assert not found(finder, answer(octets, tcap.build_continue(b"abcd", b"wxyz", b"", [])))
    assert not found(finder, octets)


def test_the_calls_of_a_capture_are_found_whole() -> None:
    signals = [item.signal for item in Capture(PCAPS / "charged-v4.pcapng") if isinstance(item, Message)]
    finder = Finder(NUMBERING, ["46701234567"])
    assert len([each for each in signals if finder.may_be(each.octets) and finder.find(each)]) == len(signals)


def test_a_message_in_segments_is_found_with_its_last_one() -> None:
    signals = [item.signal for item in Capture(PCAPS / "segmented.pcapng") if isinstance(item, Message)]
    numbers = Finder(NUMBERING, ["46701234567"])
    theirs = (numbers.find(each) for each in signals if numbers.may_be(each.octets))
    whole = [each for each in theirs if each is not None]
    assert whole
    assert whole[0].message.segments > 1


def test_what_is_followed_at_a_time_is_bounded() -> None:
    finder = Finder(NUMBERING, ["46701234567"])
    scenario = Scenario(b_number="0701234567", b_nature=UNKNOWN)
    for number in range(4 * MOST_FOLLOWED):
        assert found(finder, begin(scenario, number.to_bytes(4, "big")))
    assert len(finder._ids) <= 2 * MOST_FOLLOWED


@pytest.mark.parametrize(
    "octets", [b"", b"\1", b"\1\0\1\1", b"\1\0\1\1\0\0\0\x18\2\x10\0\0\0\0\0\0", b"\xff" * 40]
)
def test_garbage_is_nobodys_call(octets: bytes) -> None:
    assert not found(Finder(NUMBERING, ["46701234567"]), octets)


def test_a_request_is_read_without_what_can_not_be_read() -> None:
    """An InitialDP of CAP v1 whose original called number has eleven octets."""
    argument = bytes.fromhex("301980016482070210001132547 68c0b".replace(" ", "")) + bytes(11)
    idp = read_initial_dp(tcap.build_begin(b"abcd", b"", [encode_invoke(1, Opcode.INITIAL_DP, argument)]))
    assert idp is not None
    assert idp.called_party_number == bytes.fromhex("02100011325476")
    assert idp.unreadable == ("originalCalledPartyID",)
    for octets in (b"", tcap.build_end(b"abcd", b"", []), tcap.build_begin(b"abcd", b"", [])):
        assert read_initial_dp(octets) is None


def answer(opened: bytes, octets: bytes) -> bytes:
    """A message of the dialogue that ``opened`` began, with these octets for TCAP."""
    data = decode_data(opened)
    unit = sccp.udt(NETWORK.called(), NETWORK.calling(), octets, 1)
    return DataEncoder(data.routing_context).encode(data.opc, data.dpc, data.si, data.ni, 0, data.sls, unit)


def taken(name: str, *numbers: str) -> list[Found]:
    """What is found of a capture's messages."""
    finder = Finder(NUMBERING, numbers)
    signals = [item.signal for item in Capture(PCAPS / f"{name}.pcapng") if isinstance(item, Message)]
    kept = (finder.find(each) for each in signals if finder.may_be(each.octets))
    return [each for each in kept if each is not None]


@pytest.mark.parametrize(
    ("name", "numbers", "messages"),
    [
        ("cap3-messages", ["46701234567"], 6),  # one of the four dialogues is another subscriber's
        ("cap3-messages", ["46709999999"], 2),
        ("cap4-messages", ["46700000009"], 8),  # the other party's
        ("cap4-messages", ["46701111111"], 0),
        ("cap3-paid-messages", ["46701234567"], 10),
        ("cap4-paid-messages", ["46701234567"], 6),
    ],
)
def test_messages_under_control_are_found_by_either_party(
    name: str, numbers: list[str], messages: int
) -> None:
    assert [each.msisdn for each in taken(name, *numbers)] == numbers * messages


def test_a_delivery_is_found_by_the_imsi_that_the_hlr_gave() -> None:
    """mt-ForwardSM has no MSISDN (TS 29.002 §12.9): sendRoutingInfoForSM before it has both."""
    whole = [
        item for item in Capture(PCAPS / "map-message.pcapng") if isinstance(item, Message) and item.tcap
    ]
    assert [each.message.tcap for each in taken("map-message", "46701234567")] == [
        each.tcap for each in whole
    ]
    assert taken("map-message", "46701234568") == []
