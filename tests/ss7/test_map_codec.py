"""The MAP codec: its tables against pycrate's ASN.1, and the two codecs against each other."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from asn1_values import rewritten, value_of
from cap_strategies import mutated, values
from hypothesis import given
from hypothesis import strategies as st
from pycrate_asn1dir import TCAP_MAPv2v3 as asn1

from ss7.errors import DecodeError, EncodeError
from ss7.map import contexts
from ss7.map.codec import FAST, VERSIONS
from ss7.map.errors import ERROR_NAMES, PARAMETERS, PARAMETERS_V2
from ss7.map.operations import BY_NAME, BY_OPCODE, OPERATIONS, Opcode, operation_name
from ss7.map.reference import REFERENCE, _of
from ss7.map.roots import argument_type, error_type, result_type
from ss7.tcap_dialogue import oid_text

REFUSED = "refused"
V3_MODULES = (
    asn1.MAP_MobileServiceOperations,
    asn1.MAP_CallHandlingOperations,
    asn1.MAP_ShortMessageServiceOperations,
    asn1.MAP_SupplementaryServiceOperations,
)
ARGUMENTS = [
    (operation.opcode, version)
    for operation in OPERATIONS
    for version in VERSIONS
    if argument_type(operation.opcode, version) is not None
]
RESULTS = [(opcode, version) for opcode, version in ARGUMENTS if result_type(opcode, version) is not None]
ERRORS = [(code, 3) for code in PARAMETERS] + [(code, 2) for code in PARAMETERS_V2]


def asn1_operations() -> dict[int, dict[str, Any]]:
    return {
        item._val["operationCode"][1]: item._val
        for module in V3_MODULES
        for item in module._all_
        if isinstance(getattr(item, "_val", None), dict) and "operationCode" in item._val
    }


def test_the_table_has_the_errors_and_results_of_the_asn1() -> None:
    asn1_of = asn1_operations()
    for operation in OPERATIONS:
        if operation.until < 3:
            continue
        there = asn1_of[operation.opcode]
        errors = {each["errorCode"][1] for each in there["Errors"].root} if "Errors" in there else set()
        assert set(operation.errors) == errors, operation.name
        assert (operation.result is not None) == ("ResultType" in there), operation.name
        assert operation.operation_class == (1 if errors else 4), operation.name
    assert len(BY_NAME) == len(BY_OPCODE) == len(OPERATIONS) == len(Opcode)


def test_names_of_errors_are_those_of_the_asn1() -> None:
    names = {
        item._val["errorCode"][1]: item._name
        for item in asn1.MAP_Errors._all_
        if isinstance(getattr(item, "_val", None), dict) and "errorCode" in item._val
    }
    assert names == ERROR_NAMES


def test_application_contexts_are_those_of_the_asn1() -> None:
    """Those of v3 by the module of TS 29.002; the others have the same number (§17.3.3)."""
    theirs = {}
    for item in asn1.MAP_ApplicationContexts._all_:
        if item.TYPE == "OBJECT IDENTIFIER" and "Context" in item._name:
            theirs[item._name] = ".".join(map(str, item._val))
    ours = {each.name: each.text for each in contexts.CONTEXTS}
    assert theirs
    assert {name: ours.get(name) for name in theirs} == theirs
    assert all(oid_text(each.octets) == each.text for each in contexts.CONTEXTS)
    assert contexts.BY_TEXT["0.4.0.0.1.0.29.3"].name == "anyTimeInfoEnquiryContext-v3"
    assert contexts.BY_TEXT["0.4.0.0.1.0.42.3"].name == "mm-EventReportingContext-v3"


def test_a_refused_context_has_an_earlier_version_to_try() -> None:
    tried = [contexts.BY_TEXT["0.4.0.0.1.0.25.3"]]
    while (lower := contexts.earlier(tried[-1])) is not None:
        tried.append(lower)
    assert [each.text for each in tried] == ["0.4.0.0.1.0.25.3", "0.4.0.0.1.0.25.2", "0.4.0.0.1.0.21.1"]
    assert contexts.earlier(contexts.BY_TEXT["0.4.0.0.1.0.29.3"]) is None


@st.composite
def cases(draw: st.DrawFn, which: list[tuple[int, int]], of: Any) -> tuple[int, int, Any]:
    code, version = draw(st.sampled_from(which))
    kind = of(code, version)
    return code, version, draw(values(kind))


def decoded(decode: Any, *arguments: Any) -> Any:
    try:
        return decode(*arguments)
    except DecodeError:
        return REFUSED


@given(cases(ARGUMENTS, argument_type), st.data())
def test_both_codecs_agree_on_arguments_and_on_changed_octets(
    case: tuple[int, int, Any], data: st.DataObject
) -> None:
    opcode, version, value = case
    octets = FAST.encode_argument(opcode, value, version)
    assert REFERENCE.encode_argument(opcode, value, version) == octets
    assert FAST.decode_argument(opcode, octets, version) == value
    assert REFERENCE.decode_argument(opcode, octets, version) == value
    changed = data.draw(mutated(octets))
    assert decoded(FAST.decode_argument, opcode, changed, version) == decoded(
        REFERENCE.decode_argument, opcode, changed, version
    )


@given(cases(RESULTS, result_type), st.data())
def test_both_codecs_agree_on_results_and_on_changed_octets(
    case: tuple[int, int, Any], data: st.DataObject
) -> None:
    opcode, version, value = case
    octets = FAST.encode_result(opcode, value, version)
    assert REFERENCE.encode_result(opcode, value, version) == octets
    assert FAST.decode_result(opcode, octets, version) == value
    assert REFERENCE.decode_result(opcode, octets, version) == value
    changed = data.draw(mutated(octets))
    assert decoded(FAST.decode_result, opcode, changed, version) == decoded(
        REFERENCE.decode_result, opcode, changed, version
    )


@given(cases(ERRORS, error_type), st.data())
def test_both_codecs_agree_on_error_parameters(case: tuple[int, int, Any], data: st.DataObject) -> None:
    code, version, value = case
    octets = FAST.encode_error(code, value, version)
    assert REFERENCE.encode_error(code, value, version) == octets
    assert FAST.decode_error(code, octets, version) == value
    assert REFERENCE.decode_error(code, octets, version) == value
    changed = data.draw(mutated(octets))
    assert decoded(FAST.decode_error, code, changed, version) == decoded(
        REFERENCE.decode_error, code, changed, version
    )


@given(st.sampled_from(ARGUMENTS), st.integers(0, 2**32))
def test_what_pycrate_alone_makes_is_read_by_both_alike(which: tuple[int, int], seed: int) -> None:
    """Values that none of the declarations made, with every component that the ASN.1 has."""
    opcode, version = which
    random = Random(seed)
    definitions = _of(version, opcode)
    for types, decode in (
        (definitions.arguments, "decode_argument"),
        (definitions.results, "decode_result"),
    ):
        definition = types.get(opcode)
        if definition is None:
            continue
        definition.set_val(value_of(definition, random, 0.3))
        octets = rewritten(bytes(definition.to_ber()), random, 0.2, 0.1)
        fast = getattr(FAST, decode)(opcode, octets, version)
        assert fast == getattr(REFERENCE, decode)(opcode, octets, version)


@given(st.integers(0, 127), st.binary(max_size=40), st.sampled_from(VERSIONS))
def test_no_operation_code_or_octets_raise_anything_but_decode_error(
    opcode: int, octets: bytes, version: int
) -> None:
    for decode in (FAST.decode_argument, FAST.decode_result, FAST.decode_error):
        with suppress(DecodeError):
            decode(opcode, octets, version)


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_what_a_version_does_not_have_is_refused(codec: Any) -> None:
    with pytest.raises(DecodeError, match="no operation of MAP v2"):
        codec.decode_argument(Opcode.ANY_TIME_INTERROGATION, b"\x30\x00", 2)
    with pytest.raises(EncodeError):
        codec.encode_argument(99, None, 3)
    with pytest.raises(DecodeError):
        codec.decode_argument(Opcode.NOTE_MM_EVENT, b"", 3)
    assert codec.decode_result(Opcode.NOTE_MM_EVENT, b"", 3) is None
    assert codec.encode_result(Opcode.NOTE_MM_EVENT, None, 3) == b""
    with pytest.raises(DecodeError):
        codec.decode_result(Opcode.ANY_TIME_INTERROGATION, b"", 3)
    with pytest.raises(EncodeError):
        codec.encode_result(Opcode.ALERT_SERVICE_CENTRE, b"", 3)
    with pytest.raises(DecodeError):
        codec.decode_result(Opcode.ALERT_SERVICE_CENTRE, b"\x05\x00", 3)
    with pytest.raises(DecodeError):
        codec.decode_error(71, b"\x05\x00", 3)
    with pytest.raises(EncodeError):
        codec.encode_error(71, b"", 3)
    assert codec.decode_error(71, b"", 3) is codec.decode_error(27, b"", 3) is None


def test_operations_have_the_name_of_their_version() -> None:
    assert operation_name(46, 2) == "forwardSM"
    assert operation_name(46, 3) == "mo-ForwardSM"
    assert operation_name(2) == "map-2"
