"""What the octet strings of CAP arguments contain, shown by type."""

from __future__ import annotations

from typing import Any

import pytest
from cap_strategies import VERSIONS, values
from hypothesis import given
from hypothesis import strategies as st

from ss7.bearer import UserServiceInformation, UserTeleserviceInformation
from ss7.cap.codec import FAST
from ss7.cap.contents import CONTENTS
from ss7.cap.dialogue import GPRSReferenceNumber, UAbortReason, user_information
from ss7.cap.interaction import EstablishTemporaryConnectionArg, ReceivedInformationArg
from ss7.cap.operations import OPERATIONS, Opcode
from ss7.cap.parties import InitiateCallAttemptArg
from ss7.cap.render import (
    argument_to_json,
    result_to_json,
    user_information_to_json,
)
from ss7.cap.roots import argument_type, result_type
from ss7.errors import DecodeError, EncodeError
from ss7.geography import GeodeticInformation, GeographicalInformation
from ss7.isup import EncodingScheme, GenericDigits

SHOWN: list[tuple[str, str, Any]] = [
    ("GenericDigits", "03123456", {"digits": "214365", "scheme": "bcd-even", "type": 3}),
    ("GenericDigits", "20120b", {"digits": "21*", "scheme": "bcd-odd", "type": 0}),
    ("GenericDigits", "40313223", {"digits": "12#", "scheme": "ia5", "type": 0}),
    ("GenericDigits", "60ff01", {"digits": "ff01", "scheme": "binary", "type": 0}),
    (
        "UserServiceInformation",
        "8090a3",
        {
            "capability": "speech",
            "mode": "circuit",
            "rate": "64-kbit/s",
            "standard": "itu-t",
            "layer_1": "g.711-a-law",
        },
    ),
    (
        "UserServiceInformation",
        "8890214082",
        {
            "capability": "unrestricted-digital",
            "mode": "circuit",
            "rate": "64-kbit/s",
            "standard": "itu-t",
            "layer_1": "v.110",
        },
    ),
    (
        "UserServiceInformation",
        "889882a3c2e6",
        {
            "capability": "unrestricted-digital",
            "mode": "circuit",
            "rate": "multirate",
            "standard": "itu-t",
            "multiplier": 2,
            "layer_1": "g.711-a-law",
            "layer_2": "q.921",
            "layer_3": "x.25",
        },
    ),
    (
        "UserTeleserviceInformation",
        "9181",
        {"teleservice": "telephony", "standard": "itu-t", "interpretation": 4, "presentation": 1},
    ),
    # 45 degrees north is half of 2**23 steps, 90 west a quarter of 2**24; 10 * (1.1 ** 18 - 1) metres
    (
        "GeographicalInformation",
        "10400000c0000012",
        {"latitude": 45.0, "longitude": -90.0, "uncertainty_m": 45.6},
    ),
    (
        "GeodeticInformation",
        "0701c00000200000005f",
        {
            "latitude": -45.0,
            "longitude": 45.0,
            "uncertainty_m": 0.0,
            "confidence": 95,
            "presentation": 1,
            "screening": 3,
        },
    ),
    ("RoutingAreaId", "42f01012345a", {"mcc": "240", "mnc": "01", "lac": 0x1234, "rac": 0x5A}),
    ("TrackingAreaId", "42f0101234", {"mcc": "240", "mnc": "01", "tac": 0x1234}),
    ("EutranCellGlobalId", "42f01001234567", {"mcc": "240", "mnc": "01", "eci": 0x1234567}),
    ("CellOrLocationAreaId", "42f0101234", {"mcc": "240", "mnc": "01", "lac": 0x1234}),
    ("CellOrLocationAreaId", "42f01012340001", {"mcc": "240", "mnc": "01", "lac": 0x1234, "ci": 1}),
    ("IMEI", "53202020202020f1", {"digits": "350202020202021"}),
    ("GSNAddress", "047f000001", "127.0.0.1"),
    ("GSNAddress", "5020010db8000000000000000000000001", "2001:db8:0:0:0:0:0:1"),
    ("PDPAddress", "0a000001", "10.0.0.1"),
    ("AccessPointName", "08696e7465726e6574036d6e63", "internet.mnc"),
    ("DiameterIdentity", b"mme1.example".hex(), "mme1.example"),
]


@pytest.mark.parametrize(("name", "octets", "shown"), SHOWN)
def test_octets_are_shown_by_what_they_contain(name: str, octets: str, shown: Any) -> None:
    assert CONTENTS[name](bytes.fromhex(octets)) == shown


@given(st.sampled_from(sorted(CONTENTS)), st.binary(max_size=20))
def test_any_octets_are_shown_or_refused(name: str, octets: bytes) -> None:
    try:
        assert CONTENTS[name](octets) is not None
    except DecodeError:
        return


@given(st.sampled_from(EncodingScheme), st.text("0123456789*#", max_size=12), st.integers(0, 31))
def test_generic_digits_come_back(scheme: EncodingScheme, digits: str, kind: int) -> None:
    if scheme in (EncodingScheme.BCD_EVEN, EncodingScheme.BCD_ODD):
        scheme = EncodingScheme(len(digits) & 1)
    if scheme is EncodingScheme.BINARY:
        digits = digits.encode().hex()
    number = GenericDigits(kind, scheme, digits)
    assert GenericDigits.decode(number.encode()) == number


def test_generic_digits_that_have_no_code_are_refused() -> None:
    for number in (
        GenericDigits(32, 0, ""),
        GenericDigits(0, 8, ""),
        GenericDigits(0, 0, "1"),
        GenericDigits(0, 2, "ä"),
        GenericDigits(0, 3, "x"),
    ):
        with pytest.raises(EncodeError):
            number.encode()


@given(st.binary(min_size=3, max_size=3), st.binary(min_size=3, max_size=3), st.integers(0, 127))
def test_points_are_on_the_earth(latitude: bytes, longitude: bytes, uncertainty: int) -> None:
    place = latitude + longitude + bytes((uncertainty,))
    for point in (
        GeographicalInformation.decode(b"\x10" + place),
        GeodeticInformation.decode(b"\x00\x01" + place + b"\x00"),
    ):
        assert -90 < point.latitude < 90
        assert -180 <= point.longitude < 180
        assert 0 <= point.uncertainty < 2e6


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (UserServiceInformation, "80"),
        (UserServiceInformation, "0000"),
        (UserServiceInformation, "809083"),
        (UserTeleserviceInformation, "91"),
        (GeographicalInformation, "20" + "00" * 7),
        (GeographicalInformation, "10"),
        (GeodeticInformation, "0002" + "00" * 8),
        (GeodeticInformation, "00"),
    ],
)
def test_what_is_no_such_content_is_refused(kind: Any, octets: str) -> None:
    with pytest.raises(DecodeError):
        kind.decode(bytes.fromhex(octets))


# --- in arguments and results ---


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


@given(
    st.sampled_from([each for each in OPERATIONS if each.argument is not None]),
    st.sampled_from(VERSIONS),
    st.data(),
)
def test_every_argument_can_be_shown(operation: Any, version: int, data: st.DataObject) -> None:
    kind = argument_type(operation.opcode, version)
    assert kind is not None
    shown = argument_to_json(operation.opcode, data.draw(values(kind)), version)
    assert all(isinstance(leaf, (str, int, float, bool)) for leaf in leaves(shown))
    assert argument_to_json(operation.opcode, None, version) is None


@given(st.sampled_from([each for each in OPERATIONS if each.result is not None]), st.data())
def test_every_result_can_be_shown(operation: Any, data: st.DataObject) -> None:
    kind = result_type(operation.opcode, 4)
    assert kind is not None
    shown = result_to_json(operation.opcode, data.draw(values(kind)), 4)
    assert isinstance(shown, dict)
    assert result_to_json(operation.opcode, None, 4) is None


def shown(opcode: int, octets: str, version: int) -> Any:
    return argument_to_json(opcode, FAST.decode_argument(opcode, bytes.fromhex(octets), version), version)


def test_an_extension_is_shown_with_its_criticality_and_its_octets() -> None:
    assert shown(Opcode.MOVE_LEG, "3012a003810106a20b3009020102a104040201ff", 4) == {
        "legIDToMove": {"receivingSideID": "06"},
        "extensions": [{"type": {"local": 2}, "criticality": "ignore", "value": "040201ff"}],
    }


def test_numbers_of_all_operations_are_shown_as_numbers() -> None:
    number = bytes.fromhex("03100900112233")
    attempt = InitiateCallAttemptArg(
        (number,), calling_party_number=b"\x03\x13\x64\x07", gsm_scf_address=b"\x91\x64\x07"
    )
    result = argument_to_json(Opcode.INITIATE_CALL_ATTEMPT, attempt, 4)
    assert result["destinationRoutingAddress"][0]["digits"] == "9000112233"
    assert result["callingPartyNumber"]["digits"] == "4670"
    assert result["gsmSCFAddress"] == {"digits": "4670", "nature": "international", "plan": "isdn"}
    connection = EstablishTemporaryConnectionArg(b"\x00\x03\x13\x09\x00", b"\x20\x12\x0b")
    result = argument_to_json(Opcode.ESTABLISH_TEMPORARY_CONNECTION, connection, 4)
    assert result["assistingSSPIPRoutingAddress"]["digits"] == "9000"
    assert result["correlationID"] == {"digits": "21*", "scheme": "bcd-odd", "type": 0}
    digits = ReceivedInformationArg("digitsResponse", b"\x40123#")
    assert result_to_json(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, digits, 2) == {
        "digitsResponse": {"digits": "123#", "scheme": "ia5", "type": 0}
    }


# --- user information of the dialogue portion ---

ABORT = bytes.fromhex("280e060704000001010202a0030a0105")
REFERENCE = bytes.fromhex("2813060704000001010502a008 3006800107 810108".replace(" ", ""))


def test_user_information_of_cap_is_shown() -> None:
    [reason, number] = user_information(ABORT + REFERENCE)
    assert reason.value is UAbortReason.CONGESTION
    assert number.value == GPRSReferenceNumber(7, 8)
    assert user_information_to_json(ABORT + REFERENCE) == [
        {"reference": "0.4.0.0.1.1.2.2", "cAP-U-ABORT-Reason": "congestion"},
        {
            "reference": "0.4.0.0.1.1.5.2",
            "cAP-GPRS-ReferenceNumber": {"destinationReference": 7, "originationReference": 8},
        },
    ]


def test_user_information_of_others_is_shown_as_octets() -> None:
    other = bytes.fromhex("28090602070aa103020105")
    assert user_information_to_json(other) == [{"reference": "0.7.10", "octets": "a103020105"}]
    unknown_value = bytes.fromhex("280e060704000001010202a0030a0163")
    [shown] = user_information_to_json(unknown_value)
    assert shown == {"reference": "0.4.0.0.1.1.2.2", "octets": "a0030a0163"}
    assert user_information_to_json(bytes.fromhex("2803810101")) == [{"octets": "810101"}]


@given(st.binary(max_size=40))
def test_any_user_information_is_shown_or_refused(octets: bytes) -> None:
    try:
        user_information_to_json(octets)
    except DecodeError:
        return
