"""What can be read of arguments that the codecs refuse, and what the faults say."""

from __future__ import annotations

from typing import Any

import pytest
from cap_strategies import FAST_ARGUMENTS, arguments, build, mutated, parse, values
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import astuple

from ss7.asn1.schema import (
    BitStringType,
    BooleanType,
    Component,
    EnumeratedType,
    IntegerType,
    NullType,
    OctetStringType,
    SequenceType,
)
from ss7.ber import encode_element
from ss7.cap.charging import decode_contained
from ss7.cap.codec import FAST
from ss7.cap.common import CriticalityType
from ss7.cap.interaction import SpecializedResourceReportArg
from ss7.cap.lenient import REST, parameters, read_argument, read_contained
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE
from ss7.cap.roots import argument_type
from ss7.cap.types import InitialDPArg
from ss7.errors import DecodeError

EXTENDED = bytes.fromhex("302380016482070210001132547685010aaf123005020102810030090201030a01018101ff")
"""An InitialDP whose two extensions have a primitive [1], where X.680 §31.2.7 wants a constructed one."""


def initial_dp_type(version: int) -> SequenceType:
    kind = argument_type(Opcode.INITIAL_DP, version)
    assert isinstance(kind, SequenceType)
    return kind


def optional(version: int) -> list[Component]:
    return [component for component in initial_dp_type(version).components if not component.mandatory]


# --- what the codecs read ---


@given(arguments())
def test_a_correct_argument_is_read_without_a_fault(case: tuple[int, int, Any]) -> None:
    opcode, version, value = case
    assert read_argument(opcode, FAST.encode_argument(opcode, value, version), version) == (value, ())


@given(arguments(), st.data())
def test_what_has_no_fault_is_what_the_codecs_read_and_the_other_way_round(
    case: tuple[int, int, Any], data: st.DataObject
) -> None:
    opcode, version, value = case
    octets = data.draw(mutated(FAST.encode_argument(opcode, value, version)))
    reading = read_argument(opcode, octets, version)
    try:
        expected = REFERENCE.decode_argument(opcode, octets, version)
    except DecodeError:
        assert reading.faults
    else:
        assert reading == (expected, ())


@given(st.sampled_from(FAST_ARGUMENTS), st.binary(max_size=60))
def test_any_octets_are_read_and_what_is_read_is_an_argument(which: tuple[int, int], octets: bytes) -> None:
    opcode, version = which
    whole = encode_element(0x30, octets)
    for each in (octets, whole):
        reading = read_argument(opcode, each, version)
        assert reading.value is not None or reading.faults
        assert all(0 <= fault.offset <= len(each) for fault in reading.faults)
        if reading.value is not None and not isinstance(argument_type(opcode, version), OctetStringType):
            again = FAST.encode_argument(opcode, reading.value, version)
            assert without_note(FAST.decode_argument(opcode, again, version)) == without_note(reading.value)


def without_note(value: Any) -> Any:
    return InitialDPArg(*astuple(value)[:-1]) if isinstance(value, InitialDPArg) else value


# --- optional parameters broken in every way ---


def bad_contents(component: Component) -> st.SearchStrategy[bytes]:
    """Contents octets that a primitive type does not allow."""
    kind = component.type
    match kind:
        case OctetStringType():
            short = st.binary(max_size=kind.low - 1)
            return short | st.binary(min_size=kind.high + 1, max_size=kind.high + 20)
        case IntegerType():
            return st.sampled_from([b"", b"\x80" + bytes(3), b"\x7f" * 9])
        case EnumeratedType():
            too_large = [] if kind.extensible else [b"\x7f", b"\x7f" * 9]
            return st.sampled_from([b"", b"\xff", b"\x80" * 9, *too_large])
        case NullType() | BooleanType():
            return st.binary(min_size=2, max_size=4)
        case BitStringType():
            return st.just(b"") | st.binary(max_size=9).map(lambda octets: b"\x08" + octets)
        case _:
            # elements without an end, or that no one type has at its beginning
            return st.sampled_from([b"\x80\x7f", b"\x30", b"\x00\x00\x00", b"\x1f\x80\x80", b"\x9f"])


WAYS = ("contents", "form", "twice", "too long for its surroundings")


@given(st.data(), st.integers(1, 4))
def test_one_broken_optional_parameter_costs_nothing_but_itself(data: st.DataObject, version: int) -> None:
    kind = initial_dp_type(version)
    component = data.draw(st.sampled_from(optional(version)))
    value = data.draw(values(kind))
    whole = parse(FAST.encode_argument(Opcode.INITIAL_DP, value, version))
    trees = [tree for tree in whole[0][1] if tree[0] != component.tag]
    way = data.draw(st.sampled_from(WAYS[:3]))
    bad = [component.tag, data.draw(bad_contents(component))]
    if way == "form":
        strings = isinstance(component.type, (OctetStringType, BitStringType))
        assume(not strings)
        bad = [component.tag ^ (0x20 if component.tag <= 0xFF else 0x2000), b""]
    elements = [bad]
    if way == "twice":
        good = FAST.encode_argument(
            Opcode.INITIAL_DP,
            InitialDPArg(1, **{component.attribute: data.draw(values(component.type))}),
            version,
        )
        same = [tree for tree in parse(good)[0][1] if tree[0] == component.tag]
        assume(same)  # a DEFAULT, or a NULL that is not there, is not written
        elements = [same[0], same[0]]
    at = data.draw(st.integers(0, len(trees)))
    octets = build([[0x30, trees[:at] + elements + trees[at:]]])
    with pytest.raises(DecodeError):
        FAST.decode_argument(Opcode.INITIAL_DP, octets, version)
    reading = read_argument(Opcode.INITIAL_DP, octets, version)
    assert reading.value is not None
    assert {fault.parameter.partition(".")[0] for fault in reading.faults} == {component.identifier}
    assert reading.value.unreadable == tuple(dict.fromkeys(fault.parameter for fault in reading.faults))
    for other in kind.components:
        if other is not component:
            assert getattr(reading.value, other.attribute) == getattr(value, other.attribute)


@given(st.data(), st.integers(1, 4))
def test_what_stands_before_an_element_without_an_end_is_read(data: st.DataObject, version: int) -> None:
    kind = initial_dp_type(version)
    value = data.draw(values(kind))
    trees = parse(FAST.encode_argument(Opcode.INITIAL_DP, value, version))[0][1]
    key = trees.pop(0)
    at = data.draw(st.integers(0, len(trees)))
    before, behind = build([key, *trees[:at]]), build(trees[at:])
    component = data.draw(st.sampled_from(optional(version)))
    endless = component.tag.to_bytes(1 if component.tag <= 0xFF else 2, "big") + b"\x83\xff\xff\xff"
    octets = encode_element(0x30, before + endless + behind)
    reading = read_argument(Opcode.INITIAL_DP, octets, version)
    assert [fault.parameter for fault in reading.faults][-2:] == [component.identifier, REST]
    assert reading.faults[-1].offset == len(octets) - len(endless + behind)
    expected = read_argument(Opcode.INITIAL_DP, encode_element(0x30, before), version).value
    assert without_note(reading.value) == expected


@given(st.data(), st.integers(3, 4))
def test_of_nested_parameters_only_the_broken_one_is_lost(data: st.DataObject, version: int) -> None:
    nested = [each for each in optional(version) if isinstance(each.type, SequenceType)]
    component = data.draw(st.sampled_from(nested))
    assert isinstance(component.type, SequenceType)
    inner = data.draw(st.sampled_from(component.type.components))
    value = InitialDPArg(100, **{component.attribute: data.draw(values(component.type))})
    whole = parse(FAST.encode_argument(Opcode.INITIAL_DP, value, version))
    tree = next(tree for tree in whole[0][1] if tree[0] == component.tag)
    tree[1] = [each for each in tree[1] if each[0] != inner.tag]
    tree[1].append([inner.tag, data.draw(bad_contents(inner))])
    reading = read_argument(Opcode.INITIAL_DP, build(whole), version)
    got, had = getattr(reading.value, component.attribute), getattr(value, component.attribute)
    path = f"{component.identifier}.{inner.identifier}"
    assert all((fault.parameter + ".").startswith(path + ".") for fault in reading.faults)
    for other in component.type.components:
        if other is not inner:
            assert getattr(got, other.attribute) == getattr(had, other.attribute)


@given(st.sampled_from(FAST_ARGUMENTS), st.data())
def test_any_operation_s_optional_parameters_may_be_unreadable(
    which: tuple[int, int], data: st.DataObject
) -> None:
    opcode, version = which
    kind = argument_type(opcode, version)
    assume(isinstance(kind, SequenceType) and any(not each.mandatory for each in kind.components))
    assert isinstance(kind, SequenceType)
    component = data.draw(st.sampled_from([each for each in kind.components if not each.mandatory]))
    assume(component.tag)  # no untagged CHOICE: its alternatives have the tags
    value = data.draw(values(kind))
    trees = parse(FAST.encode_argument(opcode, value, version))[0][1]
    trees = [tree for tree in trees if tree[0] != component.tag]
    octets = build([[0x30, [*trees, [component.tag, data.draw(bad_contents(component))]]]])
    reading = read_argument(opcode, octets, version)
    assert reading.value is not None
    assert getattr(reading.value, component.attribute) == component.default


# --- examples ---


def test_extensions_in_a_form_that_is_none_are_left_out() -> None:
    for version in (1, 2, 3, 4):
        with pytest.raises(DecodeError):
            FAST.decode_argument(Opcode.INITIAL_DP, EXTENDED, version)
        reading = read_argument(Opcode.INITIAL_DP, EXTENDED, version)
        assert reading.value.service_key == 100
        assert reading.value.called_party_number == bytes.fromhex("02100011325476")
        assert reading.value.calling_partys_category == b"\x0a"
        assert reading.value.extensions is None
        assert [(fault.parameter, fault.offset) for fault in reading.faults] == [
            ("extensions.0.value", 24),
            ("extensions.1.value", 34),
        ]
        assert all(fault.reason == "value in the wrong form" for fault in reading.faults)


def test_of_several_extensions_those_that_can_be_read_are_kept() -> None:
    good = "300b0201070a0101a103020105"
    octets = bytes.fromhex(f"30 19 800164 af14 3005020102810 0{good}".replace(" ", ""))
    [extension] = read_argument(Opcode.INITIAL_DP, octets, 2).value.extensions
    assert extension.criticality is CriticalityType.ABORT
    assert extension.value == bytes.fromhex("020105")


def test_an_argument_without_what_is_mandatory_has_no_value() -> None:
    for octets, parameter in (("3003820121", ""), ("30058000820121", "serviceKey"), ("0500", ""), ("", "")):
        reading = read_argument(Opcode.INITIAL_DP, bytes.fromhex(octets), 2)
        assert reading.value is None
        assert parameter in [fault.parameter for fault in reading.faults]


def test_for_people_an_argument_is_read_without_what_is_mandatory() -> None:
    """A calledPartyNumber and no serviceKey: the number is shown, and what is missing is the only fault."""
    octets = bytes.fromhex("3009820702100011325476")
    assert read_argument(Opcode.INITIAL_DP, octets, 2).value is None
    value, faults = read_argument(Opcode.INITIAL_DP, octets, 2, partial=True)
    assert (value.service_key, value.called_party_number) == (None, octets[4:])
    assert [(fault.parameter, fault.reason) for fault in faults] == [("serviceKey", "serviceKey is missing")]
    whole = bytes.fromhex("300c800164820702100011325476")
    assert read_argument(Opcode.INITIAL_DP, whole, 2, partial=True) == read_argument(
        Opcode.INITIAL_DP, whole, 2
    )


def test_a_call_result_of_any_size_is_handed_on() -> None:
    assert (
        read_argument(Opcode.APPLY_CHARGING_REPORT, bytes.fromhex("0403a00100"), 3).value == b"\xa0\x01\x00"
    )
    assert read_argument(Opcode.APPLY_CHARGING_REPORT, b"\x04\x00", 3).value is None


def test_a_charging_report_is_read_without_what_is_broken_in_it() -> None:
    name = "CAMEL-CallResult"
    good = bytes.fromhex("a00da003810101a10380011a820100")
    assert read_contained(name, good, 4) == (decode_contained(name, good, 4), ())
    broken = bytes.fromhex("a011a003810101a10380011a820100a4020500")
    with pytest.raises(DecodeError):
        decode_contained(name, broken, 4)
    reading = read_contained(name, broken, 4)
    assert reading.value == decode_contained(name, good, 4)
    assert [fault.parameter for fault in reading.faults] == ["timeDurationChargingResult.extensions.0"]
    assert read_contained(name, bytes.fromhex("a008a003810101820100"), 4).value is None


def test_an_alternative_is_part_of_the_way_to_a_fault() -> None:
    [fault] = read_argument(Opcode.ENTITY_RELEASED, bytes.fromhex("a0028000"), 4).faults
    assert fault.parameter == "callSegmentFailure.callSegmentID"
    [fault] = read_argument(Opcode.EVENT_REPORT_BCSM, bytes.fromhex("3009800109a204a7028000"), 4).faults
    assert fault.parameter == "eventSpecificInformationBCSM.oDisconnectSpecificInfo.releaseCause"


@pytest.mark.parametrize("depth", [2, 31, 32, 1500])
def test_strings_in_strings_are_read_as_deep_as_anybody_writes_them(depth: int) -> None:
    number = bytes.fromhex("0310090011")
    nested = encode_element(0x04, number)
    for _ in range(depth):
        nested = encode_element(0x24, nested)
    octets = encode_element(0x30, b"\x80\x01\x64" + encode_element(0xA2, nested))
    reading = read_argument(Opcode.INITIAL_DP, octets, 2)
    if depth < 32:
        assert reading == (FAST.decode_argument(Opcode.INITIAL_DP, octets, 2), ())
        assert reading.value.called_party_number == number
    else:
        assert [fault.parameter for fault in reading.faults] == ["calledPartyNumber"]
        with pytest.raises(DecodeError):
            REFERENCE.decode_argument(Opcode.INITIAL_DP, octets, 2)


@pytest.mark.parametrize(
    ("version", "octets"), [(2, "9f3200"), (3, "9f3200"), (4, "0500"), (2, ""), (3, ""), (4, "")]
)
def test_an_announcement_s_end_is_known_in_the_form_of_any_version(version: int, octets: str) -> None:
    parameter = bytes.fromhex(octets)
    for codec in (FAST, REFERENCE):
        with pytest.raises(DecodeError):
            codec.decode_argument(Opcode.SPECIALIZED_RESOURCE_REPORT, parameter, version)
    reading = read_argument(Opcode.SPECIALIZED_RESOURCE_REPORT, parameter, version)
    complete = SpecializedResourceReportArg("allAnnouncementsComplete", True) if version == 4 else True
    assert reading.value == complete
    assert [fault.parameter for fault in reading.faults] == ["allAnnouncementsComplete"]


def test_an_announcement_s_beginning_is_never_taken_for_its_end() -> None:
    started = bytes.fromhex("9f3300")
    for version in (2, 3):  # they can't say it
        assert read_argument(Opcode.SPECIALIZED_RESOURCE_REPORT, started, version).value is None
    reading = read_argument(Opcode.SPECIALIZED_RESOURCE_REPORT, started, 4)
    assert reading == (SpecializedResourceReportArg("firstAnnouncementStarted", True), ())


def test_operations_without_an_argument_have_none() -> None:
    assert read_argument(Opcode.CONTINUE, b"", 2) == (None, ())
    [fault] = read_argument(Opcode.CONTINUE, b"\x05\x00", 2).faults
    assert fault.parameter == REST
    [fault] = read_argument(117, b"\x05\x00", 2).faults
    assert "unknown operation" in fault.reason


def test_the_parameters_are_those_that_a_switch_can_send() -> None:
    found = parameters()
    assert {"serviceKey", "originalCalledPartyID", "miscCallInfo", "applyChargingReport"} <= set(found)
    assert {"callSegmentFailure", "allAnnouncementsComplete", "iPSSPCapabilities"} <= set(found)
    assert not {"destinationRoutingAddress", "eventTypeSMS", "gPRSEventType"} & set(found)
