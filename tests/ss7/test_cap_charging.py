"""The BER inside the charging octet strings, and its form in each CAP version."""

from __future__ import annotations

from typing import Any

import pytest
from cap_strategies import values
from hypothesis import given
from hypothesis import strategies as st

from ss7.cap.charging import (
    CONTAINED,
    CamelCallResult,
    TimeDurationChargingResult,
    TimeInformation,
    contained_type,
    decode_contained,
    encode_contained,
    time_duration_charging,
)
from ss7.cap.types import ReceivingSideID
from ss7.errors import DecodeError, EncodeError


@st.composite
def contained(draw: st.DrawFn) -> tuple[str, int, Any]:
    name = draw(st.sampled_from(sorted(CONTAINED)))
    version = draw(st.integers(2, 4))
    return name, version, draw(values(contained_type(name, version)))


@given(contained())
def test_decoding_what_was_encoded_gives_the_value_back(case: tuple[str, int, Any]) -> None:
    name, version, value = case
    assert decode_contained(name, encode_contained(name, value, version), version) == value


@given(st.sampled_from(sorted(CONTAINED)), st.binary(max_size=40), st.integers(1, 4))
def test_any_octets_decode_or_are_refused(name: str, octets: bytes, version: int) -> None:
    try:
        value = decode_contained(name, octets, version)
    except DecodeError:
        return
    assert decode_contained(name, encode_contained(name, value, version), version) == value


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (2, "a009 80020258 a103 0101ff"),
        (3, "a00a 80020258 8101ff 8301ff"),
        (4, "a00c 80020258 8101ff a303 0101ff"),
    ],
)
def test_a_minute_with_release_and_tone_in_each_version(version: int, expected: str) -> None:
    octets = time_duration_charging(600, version, release=True, tone=True)
    assert octets == bytes.fromhex(expected)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_an_hour_without_release_is_alike_in_all_versions(version: int) -> None:
    assert time_duration_charging(36000, version) == bytes.fromhex("a0058003008ca0")


def test_a_period_out_of_range_is_refused() -> None:
    for period in (0, 864001):
        with pytest.raises(EncodeError, match="maxCallPeriodDuration"):
            time_duration_charging(period, 3)


def test_the_published_report_is_final_after_2600_ms() -> None:
    octets = bytes.fromhex("a00da003810101a10380011a820100")
    result = TimeDurationChargingResult(
        ReceivingSideID("receivingSideID", b"\x01"),
        TimeInformation("timeIfNoTariffSwitch", 26),
        leg_active=False,
    )
    assert decode_contained("CAMEL-CallResult", octets, 2) == CamelCallResult(
        "timeDurationChargingResult", result
    )
