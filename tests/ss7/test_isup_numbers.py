"""Q.763 numbers and causes: properties, published captures, pycrate and tshark as judges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrate_mobile import ISUP

from oracles import sigtran_pcap
from oracles.sigtran_pcap import Frame
from ss7 import isup
from ss7.cause import Cause, CauseValue
from ss7.errors import DecodeError, EncodeError
from ss7.isup import (
    CalledPartyNumber,
    CallingPartyNumber,
    ConnectedNumber,
    GenericNumber,
    LocationNumber,
    NatureOfAddress,
    NumberingPlan,
    OriginalCalledNumber,
    RedirectingNumber,
    RedirectionInformation,
)

PARTY_NUMBERS = {
    CallingPartyNumber: ISUP.CallingPartyNum,
    ConnectedNumber: ISUP.ConnectedNum,
    LocationNumber: ISUP.LocationNum,
    OriginalCalledNumber: ISUP.OriginalCalledNum,
    RedirectingNumber: ISUP.RedirectingNum,
    GenericNumber: ISUP.GenericNum,
}
DECODERS = [CalledPartyNumber, *PARTY_NUMBERS, RedirectionInformation, Cause]

signals = st.text("0123456789A*#DEF", max_size=32)
natures = st.integers(0, 127)
plans = st.integers(0, 7)
twos = st.integers(0, 3)
called = st.builds(CalledPartyNumber, signals, natures, plans, st.booleans(), st.just(True)) | st.builds(
    CalledPartyNumber, signals.filter(lambda digits: digits[-1:] != "F"), natures, plans, st.booleans()
)
values = st.one_of(
    called,
    st.builds(
        CallingPartyNumber, signals, natures, plans, ni=st.booleans(), presentation=twos, screening=twos
    ),
    st.builds(ConnectedNumber, signals, natures, plans, twos, twos),
    st.builds(LocationNumber, signals, natures, plans, st.booleans(), twos, twos),
    st.builds(OriginalCalledNumber, signals, natures, plans, twos),
    st.builds(RedirectingNumber, signals, natures, plans, twos),
    st.builds(GenericNumber, st.integers(0, 255), signals, natures, plans, st.booleans(), twos, twos),
    st.builds(
        RedirectionInformation, st.integers(0, 7), st.integers(0, 15), st.integers(0, 7), st.integers(0, 15)
    ),
    st.builds(RedirectionInformation, st.integers(0, 7), st.integers(0, 15)),
    st.builds(
        Cause,
        st.integers(0, 127),
        st.integers(0, 15),
        twos,
        st.binary(max_size=4),
        st.just(-1) | st.integers(0, 127),
    ),
)


@given(values)
def test_what_is_encoded_is_decoded(value):
    assert type(value).decode(value.encode()) == value


@given(st.sampled_from(DECODERS), st.binary(max_size=20))
def test_any_octets_are_decoded_or_refused_and_then_stay_the_same(kind, octets):
    """Spare bits and filler are lost, and nothing else: the second decoding gives the first one's value."""
    try:
        value = kind.decode(octets)
    except DecodeError as error:
        refused = error
    else:
        assert kind.decode(value.encode()) == value
        assert value.as_dict()
        return
    assert 0 <= refused.offset <= len(octets)
    assert refused.clause


@given(st.binary(min_size=3, max_size=14))
def test_called_party_number_is_read_as_pycrate_reads_it(octets):
    reference = ISUP.CalledPartyNum()
    reference.from_bytes(octets)
    value = CalledPartyNumber.decode(octets)
    sent = value.digits + "F" * value.st
    assert value.nature == reference["NAI"].get_val()
    assert value.plan == reference["NumPlan"].get_val()
    assert value.inn == bool(reference["INN"].get_val())
    assert len(sent) == 2 * (len(octets) - 2) - reference["OE"].get_val()
    assert value.encode()[2:-1] == octets[2:-1]


@given(st.sampled_from(list(PARTY_NUMBERS)), st.binary(min_size=4, max_size=14))
def test_indicators_are_read_as_pycrate_reads_them(kind, octets):
    reference = PARTY_NUMBERS[kind]()
    reference.from_bytes(octets)
    fields = {element._name: element.get_val() for element in reference}
    value = kind.decode(octets)
    assert value.nature == fields["NAI"]
    assert value.plan == fields["NumPlan"]
    assert value.presentation == fields["AddrPresInd"]
    assert getattr(value, "screening", 0) == fields.get("ScreeningInd", 0)
    assert getattr(value, "qualifier", 0) == fields.get("NumQualifInd", 0)
    assert getattr(value, "inn", False) == bool(fields.get("INN", 0))
    if kind is CallingPartyNumber:
        assert value.ni == bool(fields["NI"])
    pycrate_ends_at_f = "f" in octets[2:].hex()  # as in BCD; in Q.763 §3.9 it is ST
    if value.digits.isdigit() and not pycrate_ends_at_f:
        assert "".join(reference.get_num()).startswith(value.digits)  # it shows half of an unusual filler


@given(st.binary(min_size=2, max_size=2))
def test_redirection_information_is_read_as_pycrate_reads_it(octets):
    reference = ISUP.RedirectionInfo()
    reference.from_bytes(octets)
    value = RedirectionInformation.decode(octets)
    assert value.indicator == reference["RedirectingInd"].get_val()
    assert value.original_reason == reference["OriginalRedirectReason"].get_val()
    assert value.counter == reference["RedirectCounter"].get_val()
    assert value.reason == reference["RedirectingReason"].get_val()


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        # camel2.pcap: ten digits and ST; its Connect; its redirection. A terminating IDP with ST in the calling number.
        ("839021721090000f", CalledPartyNumber("1227010900", NatureOfAddress.NATIONAL, 1, inn=True, st=True)),
        ("0210792210", CalledPartyNumber("972201", NatureOfAddress.UNKNOWN)),
        ("0310045000067000", CalledPartyNumber("400500600700", NatureOfAddress.NATIONAL)),
        ("84111487095040f7", CallingPartyNumber("41789005047", NatureOfAddress.INTERNATIONAL, screening=1)),
        ("039757", CallingPartyNumber("75", NatureOfAddress.NATIONAL, ni=True, presentation=1, screening=3)),
        ("011101200003f0", CallingPartyNumber("100200300F", NatureOfAddress.SUBSCRIBER, screening=1)),
        ("8110416155153204", CallingPartyNumber("14165551234", NatureOfAddress.SUBSCRIBER)),
        ("8113416155153204", LocationNumber("14165551234", NatureOfAddress.SUBSCRIBER, screening=3)),
        ("831407010900", OriginalCalledNumber("7010900", NatureOfAddress.NATIONAL, presentation=1)),
        ("831407010900", RedirectingNumber("7010900", NatureOfAddress.NATIONAL, presentation=1)),
        ("0361", RedirectionInformation(isup.RedirectingIndicator.DIVERTED, 0, 1, 6)),
        ("8090", Cause(CauseValue.NORMAL_CALL_CLEARING)),
        ("8490", Cause(16, location=4)),
        ("8495", Cause(CauseValue.CALL_REJECTED, location=4)),
    ],
)
def test_published_octets(octets, value):
    assert type(value).decode(bytes.fromhex(octets)) == value


def test_prefixed_number_of_the_design():
    number = CalledPartyNumber("990011234567", NatureOfAddress.UNKNOWN)
    assert number.encode().hex() == "0210990011325476"
    assert number.as_dict() == {"digits": "990011234567", "nature": "unknown", "plan": "isdn", "inn": False}


def test_values_without_a_name_are_shown_as_numbers():
    assert CalledPartyNumber("1", 113, 5).as_dict() == {"digits": "1", "nature": 113, "plan": 5, "inn": False}
    assert "name" not in Cause(17, coding_standard=1).as_dict()


@pytest.mark.parametrize("kind", DECODERS)
def test_nothing_at_all_is_refused(kind):
    with pytest.raises(DecodeError, match="Q"):
        kind.decode(b"")


@pytest.mark.parametrize("octets", ["83", "8310", "04"])
def test_called_party_number_cut_short_is_refused(octets):
    with pytest.raises(DecodeError, match=r"Q\.763 §3\.9"):
        CalledPartyNumber.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        CalledPartyNumber("12F", 3),  # ST is a flag
        CalledPartyNumber("12 3", 3),
        CalledPartyNumber("１２", 3),  # other scripts' digits are digits to str.isdigit
        CalledPartyNumber("12", 128),
        CalledPartyNumber("12", -1),
        CalledPartyNumber("12", 3, 8),
        CallingPartyNumber("12", 3, presentation=4),
        LocationNumber("12", 3, screening=-1),
        GenericNumber(256, "12", 3),
        RedirectionInformation(8),
        RedirectionInformation(0, 0, 8, 0),
        RedirectionInformation(0, 0, 1, -1),
        Cause(128),
        Cause(16, 16),
        Cause(16, recommendation=128),
    ],
)
def test_what_has_no_code_is_not_encoded(value):
    with pytest.raises(EncodeError):
        value.encode()


def iam(called_number, optional):
    """Initial address message (Q.763 table 32): fixed part, the called number by pointer, optional parameters."""
    first = called_number.encode()
    parameters = b"".join(bytes((code, len(octets))) + octets for code, octets in optional)
    pointers = bytes((2, 1 + 1 + len(first)))
    return (
        bytes.fromhex("0100 01 00 6001 0a 03") + pointers + bytes((len(first),)) + first + parameters + b"\0"
    )


def test_tshark_reads_the_same_numbers(dissect):
    numbers = {
        0x0A: CallingPartyNumber("46700000001", 4, screening=3),
        0x28: OriginalCalledNumber("46700000002", 4, presentation=1),
        0x0B: RedirectingNumber("4670000003", 4),
        0x3F: LocationNumber("46000000", 4, inn=True, screening=3),
        0x13: RedirectionInformation(3, 3, 2, 1),
        0xC0: GenericNumber(6, "46700000004", 4),
        0x12: Cause(17, 1),
    }
    to = CalledPartyNumber("990011234567", 2, inn=True, st=True)
    octets = iam(to, [(code, value.encode()) for code, value in numbers.items()])
    (seen,) = dissect([Frame(sigtran_pcap.m3ua_data(octets, 1, 2, service_indicator=5))])
    assert "_ws.malformed" not in seen.protocols, seen.text()
    assert seen.first("isup.called") == "990011234567F", seen.text()
    assert seen.first("isup.calling") == "46700000001"
    assert seen.first("isup.original_called_number") == "46700000002"
    assert seen.first("isup.redirecting") == "4670000003"
    assert seen.first("isup.location_number") == "46000000"
    assert seen.first("isup.generic_number") == "46700000004"
    assert seen.first("isup.redirection_counter") == "2"
    assert seen.first("isup.cause_indicator") == "17"
    assert seen.all("isup.called_party_nature_of_address_indicator")[0] == "2"


def test_names_are_importable_where_they_are_used():
    assert isup.Cause is Cause
    assert NumberingPlan.ISDN == 1


@pytest.mark.parametrize(
    ("value", "shows"),
    [
        (
            CalledPartyNumber("1", 5, st=True),
            {"digits": "1", "nature": "network-specific", "plan": "isdn", "inn": False, "st": True},
        ),
        (
            CallingPartyNumber("1", 4, ni=True, presentation=1, screening=3),
            {
                "digits": "1",
                "nature": "international",
                "plan": "isdn",
                "ni": True,
                "presentation": "restricted",
                "screening": "network",
            },
        ),
        (
            RedirectionInformation(3, 1, 2, 6),
            {
                "indicator": "diverted",
                "original_reason": "user-busy",
                "counter": 2,
                "reason": "mobile-not-reachable",
            },
        ),
        (RedirectionInformation(7, 9), {"indicator": 7, "original_reason": 9}),
        (
            Cause(17, 4, 0, b"\x01", 5),
            {
                "value": 17,
                "name": "user-busy",
                "location": "remote-public-network",
                "coding_standard": "itu-t",
                "recommendation": 5,
                "diagnostic": "01",
            },
        ),
        (Cause(17, 9, 2), {"value": 17, "location": 9, "coding_standard": "national"}),
    ],
)
def test_what_json_shows(value, shows):
    assert value.as_dict() == shows


def test_recommendation_of_a_cause_is_read_and_has_to_be_followed():
    assert Cause.decode(bytes.fromhex("048590ff")) == Cause(16, 4, diagnostic=b"\xff", recommendation=5)
    with pytest.raises(DecodeError, match="recommendation"):
        Cause.decode(bytes.fromhex("0485"))
