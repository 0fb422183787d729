"""TCAP through pycrate against TCAP by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.vectors import Vector
from ss7 import tcap
from ss7.ber import encode_element
from ss7.cap.reference import REFERENCE_TCAP
from ss7.errors import DecodeError, EncodeError
from ss7.reference_tcap import read, write
from ss7.tcap import (
    Aare,
    Aarq,
    Abrt,
    Invoke,
    Malformed,
    Message,
    Reject,
    ReturnError,
    ReturnResult,
    TcapCodec,
)

INVOKE_IDS = st.integers(-128, 127)
CODES = st.integers(-128, 127) | st.just(b"\x2a\x03")
PARAMETERS = st.builds(
    encode_element,
    st.sampled_from([0x04, 0x30, 0x80, 0xA2, 0x9F32]),
    st.binary(max_size=3).map(lambda _: b""),
) | st.just(bytes.fromhex("3003800164"))
COMPONENTS = st.one_of(
    st.builds(Invoke, INVOKE_IDS, CODES, PARAMETERS | st.just(b""), st.none() | INVOKE_IDS),
    st.builds(ReturnResult, INVOKE_IDS, CODES, PARAMETERS, st.booleans()),
    st.builds(ReturnResult, INVOKE_IDS),
    st.builds(ReturnError, INVOKE_IDS, CODES, PARAMETERS | st.just(b"")),
    st.builds(Reject, INVOKE_IDS | st.none(), st.integers(0, 3), st.integers(0, 1)),
)
CONTEXTS = st.sampled_from([tcap.oid_octets("0.4.0.0.1.0.50.1"), tcap.oid_octets("0.4.0.0.1.23.3.4")])
RESPONSES = st.builds(Aare, CONTEXTS, st.integers(0, 1), st.integers(1, 2), st.integers(0, 2))
IDS = st.binary(min_size=1, max_size=4)
LISTS = st.lists(COMPONENTS, max_size=3)
MESSAGES = st.one_of(
    st.builds(Message, st.just(tcap.BEGIN), IDS, st.just(b""), st.none() | st.builds(Aarq, CONTEXTS), LISTS),
    st.builds(Message, st.just(tcap.CONTINUE), IDS, IDS, st.none() | RESPONSES, LISTS),
    st.builds(Message, st.just(tcap.END), st.just(b""), IDS, st.none() | RESPONSES, LISTS),
    st.builds(
        Message,
        st.just(tcap.ABORT),
        st.just(b""),
        IDS,
        st.none() | RESPONSES | st.builds(Abrt, st.integers(0, 1)),
    ),
    st.builds(
        lambda dtid, cause: Message(tcap.ABORT, b"", dtid, p_abort_cause=cause), IDS, st.integers(0, 4)
    ),
)


def classified(codec: TcapCodec, octets: bytes) -> str | list[type]:
    """What is wrong with a message, or the kinds of its components."""
    try:
        return [type(component) for component in codec.decode(octets).components]
    except DecodeError as error:
        return f"{error} {vars(error)}"


@given(MESSAGES)
def test_pycrate_writes_and_reads_the_same_messages(message: Message) -> None:
    octets = tcap.encode(message)
    assert write(message) == octets
    assert read(octets) == tcap.decode(octets) == message


def test_pycrate_reads_the_vectors_alike(vectors: list[Vector]) -> None:
    for vector in vectors:
        message = read(vector.octets)
        assert message == tcap.decode(vector.octets), vector.name
        assert write(message) == vector.octets, vector.name


@given(MESSAGES, st.data())
def test_bad_messages_are_classified_alike(message: Message, data: st.DataObject) -> None:
    octets = bytearray(tcap.encode(message))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    assert classified(REFERENCE_TCAP, bytes(octets)) == classified(tcap, bytes(octets))


def test_what_pycrate_has_no_octets_for_is_done_by_hand() -> None:
    context = tcap.oid_octets("0.4.0.0.1.0.50.1")
    message = Message(tcap.BEGIN, b"\x01", dialogue=Aarq(context, user_information=bytes.fromhex("2800")))
    octets = REFERENCE_TCAP.encode(message)
    assert octets == tcap.encode(message)
    assert REFERENCE_TCAP.decode(octets) == message
    with pytest.raises(EncodeError):
        REFERENCE_TCAP.encode(Message(tcap.END, dtid=b"\x01", components=[Malformed(0, None, 0, "")]))
