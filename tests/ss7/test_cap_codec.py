"""The fast CAP codec by itself, against the reference codec, and against octets that others published."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from cap_strategies import FAST_ARGUMENTS, arguments, mutated, values
from hypothesis import given
from hypothesis import strategies as st

from oracles.vectors import Vector
from ss7 import tcap
from ss7.asn1.node import Declined
from ss7.ber import encode_element
from ss7.cap import types
from ss7.cap.codec import FAST, Codec
from ss7.cap.contexts import BY_OCTETS, CAP_V2
from ss7.cap.interaction import InformationToSend, PlayAnnouncementArg, ReceivedInformationArg, Tone
from ss7.cap.operations import BY_NAME, BY_OPCODE, OPERATIONS, Opcode
from ss7.cap.reference import REFERENCE
from ss7.cap.roots import argument_root, error_type, result_type
from ss7.errors import DecodeError, EncodeError

REFUSED = "refused"
ERRORS_WITH_PARAMETER = [1, 10, 11, 12]
EXPLICIT_DEFAULTS = {
    ("camel1-continue-rrbcsm-ac-continue", Opcode.APPLY_CHARGING): "partyToCharge sendingSideID 01",
    ("camel1-continue-acr-erb-odisconnect", Opcode.EVENT_REPORT_BCSM): "miscCallInfo request",
}
"""Arguments of the vectors that are not canonical (X.690 §11.5): they write a DEFAULT out."""


def outcome(codec: Codec, opcode: int, octets: bytes, version: int) -> Any:
    """The decoded argument, or that it was refused."""
    try:
        return codec.decode_argument(opcode, octets, version)
    except DecodeError:
        return REFUSED


@given(arguments())
def test_decoding_what_was_encoded_gives_the_argument_back(case: tuple[int, int, Any]) -> None:
    opcode, version, value = case
    assert FAST.decode_argument(opcode, FAST.encode_argument(opcode, value, version), version) == value


@given(arguments())
def test_the_fast_codec_does_not_decline_what_it_wrote(case: tuple[int, int, Any]) -> None:
    opcode, version, value = case
    root = argument_root(opcode, version)
    assert root is not None
    octets = root.encode(value)
    assert root.decode(octets, 0, len(octets)) == value


@given(arguments())
def test_both_codecs_agree_on_valid_arguments(case: tuple[int, int, Any]) -> None:
    opcode, version, value = case
    octets = FAST.encode_argument(opcode, value, version)
    assert REFERENCE.encode_argument(opcode, value, version) == octets
    assert REFERENCE.decode_argument(opcode, octets, version) == value


@given(arguments(), st.data())
def test_both_codecs_agree_on_changed_octets(case: tuple[int, int, Any], data: st.DataObject) -> None:
    opcode, version, value = case
    octets = data.draw(mutated(FAST.encode_argument(opcode, value, version)))
    assert outcome(FAST, opcode, octets, version) == outcome(REFERENCE, opcode, octets, version)


@given(st.sampled_from(FAST_ARGUMENTS), st.binary(max_size=60))
def test_any_octets_give_the_same_or_are_refused(which: tuple[int, int], octets: bytes) -> None:
    opcode, version = which
    assert outcome(FAST, opcode, octets, version) == outcome(REFERENCE, opcode, octets, version)


@given(st.integers(0, 127), st.binary(max_size=40), st.integers(1, 4))
def test_no_operation_code_or_octets_raise_anything_but_decode_error(
    opcode: int, octets: bytes, version: int
) -> None:
    for decode in (FAST.decode_argument, FAST.decode_result, FAST.decode_error):
        with suppress(DecodeError):
            decode(opcode, octets, version)


@given(arguments(), st.integers(1, 4))
def test_another_version_s_argument_is_encoded_alike_or_refused_by_both(
    case: tuple[int, int, Any], version: int
) -> None:
    opcode, _, value = case

    def encoded(codec: Codec) -> bytes | str:
        try:
            return codec.encode_argument(opcode, value, version)
        except EncodeError:
            return REFUSED

    assert encoded(FAST) == encoded(REFERENCE)


@given(st.sampled_from(ERRORS_WITH_PARAMETER), st.data())
def test_both_codecs_agree_on_error_parameters(code: int, data: st.DataObject) -> None:
    kind = error_type(code)
    assert kind is not None
    value = data.draw(values(kind))
    octets = FAST.encode_error(code, value, 2)
    assert REFERENCE.encode_error(code, value, 2) == octets
    assert FAST.decode_error(code, octets, 2) == REFERENCE.decode_error(code, octets, 2) == value
    changed = data.draw(mutated(octets))
    results = []
    for codec in (FAST, REFERENCE):
        try:
            results.append(codec.decode_error(code, changed, 2))
        except DecodeError:
            results.append(REFUSED)
    assert results[0] == results[1]


def test_vectors_decode_to_the_same_in_both_and_canonical_ones_encode_back(vectors: list[Vector]) -> None:
    not_canonical = set()
    for vector in vectors:
        message = tcap.decode(vector.octets)
        dialogue = message.dialogue
        context = BY_OCTETS[dialogue.context] if isinstance(dialogue, tcap.Aarq | tcap.Aare) else CAP_V2
        for component in message.components:
            assert isinstance(component, tcap.Invoke)
            opcode, octets = component.opcode, component.parameter
            assert isinstance(opcode, int)
            value = FAST.decode_argument(opcode, octets, context.version)
            assert value == REFERENCE.decode_argument(opcode, octets, context.version)
            again = FAST.encode_argument(opcode, value, context.version)
            assert again == REFERENCE.encode_argument(opcode, value, context.version)
            assert FAST.decode_argument(opcode, again, context.version) == value
            if again != octets:
                not_canonical.add((vector.name, opcode))
    assert not_canonical == set(EXPLICIT_DEFAULTS)


def initial_dp(*elements: tuple[int, str]) -> bytes:
    """An InitialDP argument of service key 100 and further (tag, contents in hex)."""
    further = b"".join(encode_element(tag, bytes.fromhex(contents)) for tag, contents in elements)
    return encode_element(0x30, b"\x80\x01\x64" + further)


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_cap_v2_numbers_the_initial_dp_extension_in_its_own_way(codec: Codec) -> None:
    octets = initial_dp((0xBF3B, "a0058003123456 810491123456"))
    second = codec.decode_argument(Opcode.INITIAL_DP, octets, 2).initial_dp_arg_extension
    assert second.na_carrier_information == types.NaCarrierInformation(bytes.fromhex("123456"))
    assert second.gmsc_address == bytes.fromhex("91123456")
    assert second.forwarding_destination_number is None
    octets = initial_dp((0xBF3B, "800491123456 810483901234"))
    third = codec.decode_argument(Opcode.INITIAL_DP, octets, 3).initial_dp_arg_extension
    assert third.gmsc_address == bytes.fromhex("91123456")
    assert third.forwarding_destination_number == bytes.fromhex("83901234")


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "element reaches beyond the end of its surroundings"),
        ("3000", "serviceKey is missing"),
        ("30038001", "element reaches beyond the end of its surroundings"),
        ("3003800201", "element reaches beyond the end of its surroundings"),
        ("30038001 6400", "more than one element where one is expected"),
        ("0401ff", "unexpected element with tag 04"),
        (initial_dp((0x82, "03")).hex(), "calledPartyNumber of 1 octets"),
        (initial_dp((0x87, "09")).hex(), "unknown enumerated value"),
        (initial_dp((0x9F2F, "01")).hex(), "null with contents octets"),
        (initial_dp((0x80, "65")).hex(), "serviceKey comes twice"),
        (initial_dp((0xBF34, "9902")).hex(), "element reaches beyond the end of its surroundings"),
        (initial_dp((0x00, "")).hex(), "unexpected element with tag 00"),
        (initial_dp((0x9F2D, "")).hex(), "integer without octets"),
        (initial_dp((0x9F2D, "ff")).hex(), "integer out of range"),
    ],
)
def test_a_bad_initial_dp_is_refused_with_its_reason(octets: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        FAST.decode_argument(Opcode.INITIAL_DP, bytes.fromhex(octets), 4)
    assert caught.value.reason == reason
    assert caught.value.clause


@pytest.mark.parametrize(
    ("form", "octets"),
    [
        ("components out of order", "3007 82028390 800164"),
        ("indefinite length", "3080 800164 82028390 0000"),
        ("constructed octet string", "300b 800164 a206 040183 040190"),
    ],
)
def test_unusual_forms_are_declined_and_decoded_all_the_same(form: str, octets: str) -> None:
    encoded = bytes.fromhex(octets)
    root = argument_root(Opcode.INITIAL_DP, 4)
    assert root is not None
    with pytest.raises(Declined):
        root.decode(encoded, 0, len(encoded))
    expected = types.InitialDPArg(100, called_party_number=b"\x83\x90")
    assert FAST.decode_argument(Opcode.INITIAL_DP, encoded, 4) == expected, form


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_unknown_elements_are_skipped_only_where_there_is_an_extension_marker(codec: Codec) -> None:
    octets = initial_dp((0xD3, "0182"), (0x82, "8390"), (0xBF6F, "ff"))
    expected = types.InitialDPArg(100, called_party_number=b"\x83\x90")
    assert codec.decode_argument(Opcode.INITIAL_DP, octets, 2) == expected
    sealed = bytes.fromhex("300b 800107 a406 800101 830101")  # MiscCallInfo has no extension marker
    with pytest.raises(DecodeError):
        codec.decode_argument(Opcode.EVENT_REPORT_BCSM, sealed, 2)


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_an_unknown_extension_is_kept_with_its_criticality(codec: Codec) -> None:
    octets = initial_dp((0xAF, "3010 06042a030405 0a0101 a105 0403010203"))
    (field,) = codec.decode_argument(Opcode.INITIAL_DP, octets, 2).extensions
    assert field.criticality is types.CriticalityType.ABORT
    assert field.type == types.ExtensionID("global", bytes.fromhex("2a030405"))
    assert field.value == bytes.fromhex("0403010203")


def test_operations_without_argument_have_none_and_refuse_one() -> None:
    for codec in (FAST, REFERENCE):
        for opcode in (Opcode.CONTINUE, Opcode.ACTIVITY_TEST):
            assert codec.encode_argument(opcode, None, 2) == b""
            assert codec.decode_argument(opcode, b"", 2) is None
            with pytest.raises(DecodeError):
                codec.decode_argument(opcode, b"\x05\x00", 2)
            with pytest.raises(EncodeError):
                codec.encode_argument(opcode, b"", 2)


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_user_interaction_and_its_result(codec: Codec) -> None:
    value = PlayAnnouncementArg(InformationToSend("tone", Tone(3)))
    octets = codec.encode_argument(Opcode.PLAY_ANNOUNCEMENT, value, 2)
    assert octets == bytes.fromhex("3007a005a103800103")
    assert codec.decode_argument(Opcode.PLAY_ANNOUNCEMENT, octets, 2) == value
    result = ReceivedInformationArg("digitsResponse", b"\x03\x12\x34")
    octets = codec.encode_result(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, result, 2)
    assert codec.decode_result(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, octets, 2) == result


@pytest.mark.parametrize("codec", [FAST, REFERENCE])
def test_what_has_no_argument_or_result_takes_none(codec: Codec) -> None:
    with pytest.raises(DecodeError):
        codec.decode_argument(99, b"", 2)
    with pytest.raises(EncodeError):
        codec.encode_argument(99, None, 2)
    assert codec.decode_result(Opcode.CONNECT, b"", 2) is None
    assert codec.encode_result(Opcode.CONNECT, None, 2) == b""
    with pytest.raises(DecodeError):
        codec.decode_result(Opcode.CONNECT, b"\x05\x00", 2)
    with pytest.raises(EncodeError):
        codec.encode_result(Opcode.CONNECT, True, 2)
    with pytest.raises(DecodeError):
        codec.decode_result(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, b"", 2)


@given(
    st.sampled_from([(Opcode.INITIATE_CALL_ATTEMPT, 4), (Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, 2)]),
    st.data(),
)
def test_both_codecs_agree_on_results(which: tuple[int, int], data: st.DataObject) -> None:
    opcode, version = which
    kind = result_type(opcode, version)
    assert kind is not None
    octets = FAST.encode_result(opcode, data.draw(values(kind)), version)
    assert REFERENCE.encode_result(opcode, FAST.decode_result(opcode, octets, version), version) == octets
    octets = data.draw(mutated(octets))
    try:
        value = REFERENCE.decode_result(opcode, octets, version)
    except DecodeError:
        with pytest.raises(DecodeError):
            FAST.decode_result(opcode, octets, version)
    else:
        assert FAST.decode_result(opcode, octets, version) == value


def test_operation_names_and_codes_are_unique() -> None:
    assert len(BY_OPCODE) == len(BY_NAME) == len(OPERATIONS)
    assert {int(opcode) for opcode in Opcode} <= set(BY_OPCODE)
