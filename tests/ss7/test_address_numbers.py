"""MAP and TS 24.008 numbers and places: properties, published captures, tshark as judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrate_mobile import TS24008_IE

from oracles.sigtran_pcap import Frame, Layer
from ss7.address import (
    AddressString,
    CalledPartyBCDNumber,
    CellGlobalId,
    Imsi,
    LocationAreaId,
    NumberingPlan,
    TypeOfNumber,
)
from ss7.errors import DecodeError, EncodeError

DECODERS = [AddressString, CalledPartyBCDNumber, Imsi, CellGlobalId, LocationAreaId]

digits = st.text("0123456789*#abc", max_size=40)
decimal = st.text("0123456789", min_size=5, max_size=16)
mccs = st.text("0123456789", min_size=3, max_size=3)
mncs = st.text("0123456789", min_size=2, max_size=3)
codes = st.integers(0, 0xFFFF)
values = st.one_of(
    st.builds(AddressString, digits, st.integers(0, 7), st.integers(0, 15)),
    st.builds(CalledPartyBCDNumber, digits, st.integers(0, 7), st.integers(0, 15)),
    st.builds(Imsi, decimal),
    st.builds(CellGlobalId, mccs, mncs, codes, codes),
    st.builds(LocationAreaId, mccs, mncs, codes),
)


@given(values)
def test_what_is_encoded_is_decoded(value):
    assert type(value).decode(value.encode()) == value


@given(st.sampled_from(DECODERS), st.binary(max_size=12))
def test_any_octets_are_decoded_or_refused_and_then_stay_the_same(kind, octets):
    try:
        value = kind.decode(octets)
    except DecodeError as error:
        refused = error
    else:
        again = value.encode()
        assert kind.decode(again) == value
        assert value.as_dict()
        assert octets.startswith(again[1:], 1)  # only the extension bit has changed, only fillers went away
        return
    assert 0 <= refused.offset <= len(octets)
    assert refused.clause


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("913366020000f0", AddressString("33662000000", TypeOfNumber.INTERNATIONAL, NumberingPlan.ISDN)),
        ("c14161550500f0", AddressString("14165550000", TypeOfNumber.SUBSCRIBER)),
        ("912270570070", AddressString("2207750007")),
        # camel.pcap sends the extension bit as 0, and digits all the same
        ("111487085040f7", CalledPartyBCDNumber("41788005047", TypeOfNumber.INTERNATIONAL)),
        ("a14161555576f8", CalledPartyBCDNumber("14165555678", TypeOfNumber.NATIONAL)),
        ("06079209100491f9", Imsi("607029900140199")),
        ("0001101032547698", Imsi("0010010123456789")),  # sixteen digits
        ("1487572586f9", Imsi("41787552689")),
        ("00011000010001", CellGlobalId("001", "010", 1, 1)),
        ("31323334353637", CellGlobalId("132", "333", 0x3435, 0x3637)),
        ("42f010fffe", LocationAreaId("240", "01", 0xFFFE)),
    ],
)
def test_published_octets(octets, value):
    assert type(value).decode(bytes.fromhex(octets)) == value


def test_fillers_beyond_the_first_are_let_pass():
    assert AddressString.decode(bytes.fromhex("9121f3ffff")).digits == "123"


@pytest.mark.parametrize(
    ("octets", "offset"), [("811f", 1), ("81214ff5", 2), ("8121f543", 2), ("81ff21", 1), ("812143f521", 3)]
)
def test_filler_among_the_digits_is_refused_where_it_is(octets, offset):
    with pytest.raises(DecodeError, match="filler") as caught:
        CalledPartyBCDNumber.decode(bytes.fromhex(octets))
    assert caught.value.offset == offset
    assert caught.value.clause == "TS 24.008 §10.5.4.7"


def test_type_four_is_named_as_its_standard_names_it():
    assert AddressString("1", 4).as_dict() == {"digits": "1", "nature": "subscriber", "plan": "isdn"}
    assert CalledPartyBCDNumber("1", 4, 14).as_dict() == {
        "digits": "1",
        "nature": "dedicated-access",
        "plan": 14,
    }


@given(st.integers(0, 7), st.integers(0, 15), st.text("0123456789*#abc", min_size=1, max_size=20))
def test_bcd_number_is_read_by_pycrate(nature, plan, dialled):
    reference = TS24008_IE.CalledPartyBCDNumber()
    reference.from_bytes(CalledPartyBCDNumber(dialled, nature, plan).encode())
    assert reference["Type"].get_val() == nature
    assert reference["NumberingPlan"].get_val() == plan
    assert reference["Num"].decode() == dialled


@given(mccs, mncs, codes)
def test_location_area_is_read_by_pycrate(mcc, mnc, lac):
    reference = TS24008_IE.LAI()
    reference.from_bytes(LocationAreaId(mcc, mnc, lac).encode())
    assert reference["PLMN"].decode() == mcc + mnc
    assert reference["LAC"].get_val() == lac


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("octets", [b"", bytes(9)])
def test_wrong_lengths_are_refused(kind, octets):
    if octets and kind in (AddressString, CalledPartyBCDNumber):
        assert kind.decode(octets).digits == "0" * 16
        return
    with pytest.raises(DecodeError, match="TS 2"):
        kind.decode(octets)


@pytest.mark.parametrize(
    "value",
    [
        AddressString("12f"),
        AddressString("12", 8),
        AddressString("12", 1, 16),
        CalledPartyBCDNumber("+46"),
        CalledPartyBCDNumber("٣٤"),
        Imsi("1234"),
        Imsi("1" * 17),
        Imsi("24001*"),
        CellGlobalId("24", "01", 1, 1),
        CellGlobalId("240", "1", 1, 1),
        CellGlobalId("240", "01", 65536, 1),
        LocationAreaId("24a", "01", 1),
    ],
)
def test_what_has_no_code_is_not_encoded(value):
    with pytest.raises(EncodeError):
        value.encode()


@pytest.mark.parametrize("octets", ["2a0011000100ff", "20f1a100010001"])
def test_plmn_must_be_decimal(octets):
    with pytest.raises(DecodeError, match="MCC or MNC"):
        CellGlobalId.decode(bytes.fromhex(octets))


def initial_dp(parameters):
    """A CAP v2 InitialDP in TC-BEGIN, written by hand: service key and ``parameters`` of (tag, octets)."""

    def tlv(tag, value):
        return bytes.fromhex(tag) + (b"\x81" if len(value) > 127 else b"") + bytes((len(value),)) + value

    argument = tlv("30", tlv("80", b"\x64") + b"".join(tlv(tag, value) for tag, value in parameters))
    invoke = tlv("a1", tlv("02", b"\1") + tlv("02", b"\0") + argument)
    dialogue = bytes.fromhex("6b1e281c060700118605010101a011600f80020780a109060704000001003201")
    return tlv("62", tlv("48", b"\0\0\0\1") + dialogue + tlv("6c", invoke))


def test_tshark_reads_the_same_numbers(dissect):
    octets = initial_dp(
        [
            ("9f32", Imsi("240010123456789").encode()),
            ("bf34", b"\x81\x07" + AddressString("46700000001").encode()),
            ("9f37", AddressString("46700000002").encode()),
            ("9f38", CalledPartyBCDNumber("0011234567", 0).encode()),
        ]
    )
    (seen,) = dissect([Frame(octets, Layer.TCAP)])
    assert "_ws.malformed" not in seen.protocols, seen.text()
    text = seen.text()
    assert "240010123456789" in [*seen.all("e212.imsi"), text]
    assert "0011234567" in seen.all("e164.called_party_number.digits") + seen.all(
        "gsm_a.dtap.cld_party_bcd_num"
    ), text
    assert "46700000001" in " ".join(seen.all("e164.msisdn") + seen.all("gsm_map.address.digits") + [text])
    assert "46700000002" in text


@pytest.mark.parametrize(
    ("value", "shows"),
    [
        (Imsi("240010123456789"), {"digits": "240010123456789"}),
        (CellGlobalId("240", "01", 1, 65535), {"mcc": "240", "mnc": "01", "lac": 1, "ci": 65535}),
        (LocationAreaId("310", "410", 7), {"mcc": "310", "mnc": "410", "lac": 7}),
    ],
)
def test_what_json_shows(value, shows):
    assert value.as_dict() == shows
