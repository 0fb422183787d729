"""Diameter's header and AVPs, held equal to python-diameter, which has no line of ours."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from diameter.message import Avp, Message, MessageHeader, constants
from diameter.message.avp import AvpGrouped
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from ss7.diameter import (
    Avp as OurAvp,
)
from ss7.diameter import (
    address_octets,
    decode_avps,
    decode_message,
    encode_avp,
    encode_message,
    message_length,
    read_time,
    read_u32,
    time_octets,
    u32,
)
from ss7.errors import DecodeError, EncodeError

U32 = st.integers(0, 0xFFFF_FFFF)
# Codes that the library knows no type of, so that it leaves the octets alone.
AVPS = st.lists(
    st.tuples(
        st.integers(60_000, 61_000), st.sampled_from([0, 10_415]), st.booleans(), st.binary(max_size=40)
    ),
    max_size=8,
)


def theirs(code: int, vendor: int, mandatory: bool, data: bytes) -> Avp:
    return Avp(code, vendor, data, (0x40 if mandatory else 0) | (0x80 if vendor else 0))


@given(st.sampled_from([0, 0x40, 0x80, 0xC0, 0xD0, 0x60]), st.integers(1, 0xFFFFFF), U32, U32, U32, AVPS)
@examples(60)
def test_what_is_written_is_what_the_library_writes_and_reads(
    flags, command, application, hop, end, avps
) -> None:
    ours = encode_message(
        flags,
        command,
        application,
        hop,
        end,
        b"".join(encode_avp(c, d, v, mandatory=m) for c, v, m, d in avps),
    )
    header = MessageHeader(1, 0, flags, command, application, hop, end)
    assert ours == Message(header, [theirs(*each) for each in avps]).as_bytes()
    read = Message.from_bytes(ours, plain_msg=True)
    assert [(a.code, a.vendor_id, a.is_mandatory, a.payload) for a in read.avps] == avps
    message = decode_message(ours)
    assert message[:5] == (flags, command, application, hop, end)
    assert [(a.code, a.vendor, a.mandatory, a.data) for a in message.avps] == avps


@given(AVPS)
@examples(20)
def test_groups(avps) -> None:
    data = b"".join(encode_avp(c, d, v, mandatory=m) for c, v, m, d in avps)
    group = AvpGrouped(456, 0, b"", 0x40)
    group.value = [theirs(*each) for each in avps]
    assert encode_avp(456, data) == group.as_bytes()
    assert [(a.code, a.vendor, a.mandatory, a.data) for a in decode_avps(data)] == avps


@given(U32, st.integers(-60_000_000, 4_200_000_000))
@examples(40)
def test_numbers_and_times(number, seconds) -> None:
    avp = Avp.new(constants.AVP_CC_TIME, value=number)
    assert u32(number) == avp.payload
    assert read_u32(OurAvp(420, 0, True, avp.payload, 0)) == number
    assert read_time(OurAvp(55, 0, True, time_octets(seconds), 0)) == seconds
    if seconds < 2_000_000_000:
        at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        if seconds >= 0:
            assert time_octets(seconds) == Avp.new(constants.AVP_EVENT_TIMESTAMP, value=at).payload


@pytest.mark.parametrize("address", ["127.0.0.1", "10.20.30.40", "2001:db8::1"])
def test_addresses(address) -> None:
    assert address_octets(address) == Avp.new(constants.AVP_HOST_IP_ADDRESS, value=address).payload


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("", 0),
        ("0100001400000000000000000000000000000000", None),
        ("02000014" + "00" * 16, 0),
        ("01000010" + "00" * 16, 1),
        ("01000016" + "00" * 18, 1),
        ("01000018" + "00" * 16, 1),
        ("01000018" + "00" * 16 + "00000001", 20),
        ("0100001c" + "00" * 16 + "0000000140000007", 25),
        ("0100001c" + "00" * 16 + "000000014000000c", 25),
        ("0100001c" + "00" * 16 + "000000018000000b", 25),
    ],
)
def test_what_is_no_message_is_said_with_its_place(octets, offset) -> None:
    if offset is None:
        assert decode_message(bytes.fromhex(octets)).avps == []
        return
    with pytest.raises(DecodeError) as error:
        decode_message(bytes.fromhex(octets))
    assert error.value.offset == offset
    assert error.value.clause


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(EncodeError):
        u32(1 << 32)
    with pytest.raises(EncodeError):
        encode_avp(1, bytes(0xFFFFFF))
    with pytest.raises(EncodeError):
        encode_message(0, 1, 0, 0, 0, b"abc")


@given(st.binary(max_size=64))
@examples(60)
def test_any_octets_are_read_or_refused(octets) -> None:
    for read in (decode_message, decode_avps):
        with contextlib.suppress(DecodeError):
            read(octets)
    if len(octets) >= 4 and octets[0] == 1 and octets[3] % 4 == 0:
        with contextlib.suppress(DecodeError):
            assert message_length(octets) >= 20
