"""ApplyChargingReport: the form that nearly every report has is read by itself, as the declared types read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.domain.meter import MOST_PERIOD, Measured
from scp.services.charge_control import ChargeReport, read_report
from ss7.ber import encode_element, read_element
from ss7.cap.charging import (
    CamelCallResult,
    TimeDurationChargingResult,
    TimeIfTariffSwitch,
    TimeInformation,
    decode_contained,
    encode_contained,
)
from ss7.cap.common import LEG1, LEG2, ReceivingSideID
from ss7.errors import DecodeError

times = st.integers(0, MOST_PERIOD)
plain = st.builds(TimeInformation, st.just("timeIfNoTariffSwitch"), times)
switched = st.builds(
    TimeInformation,
    st.just("timeIfTariffSwitch"),
    st.builds(TimeIfTariffSwitch, times, st.none() | st.integers(1, MOST_PERIOD)),
)
results = st.builds(
    TimeDurationChargingResult,
    st.builds(ReceivingSideID, st.just("receivingSideID"), st.sampled_from([LEG1, LEG2])),
    plain | switched,
    st.booleans(),
    st.booleans(),
)


def by_the_types(octets: bytes, version: int) -> ChargeReport | None:
    """What the declared types make of a report."""
    try:
        result = decode_contained("CAMEL-CallResult", octets, version).value
    except DecodeError:
        return None
    time = result.time_information.value
    if isinstance(time, TimeIfTariffSwitch):
        measured = Measured(time.time_since_tariff_switch, True, time.tariff_switch_interval)
    else:
        measured = Measured(time)
    return ChargeReport(measured, result.leg_active, bool(result.call_leg_released_at_tcp_expiry))


def encoded(result: TimeDurationChargingResult, version: int) -> bytes:
    return encode_contained(
        "CAMEL-CallResult", CamelCallResult("timeDurationChargingResult", result), version
    )


@examples(30)
@given(results, st.integers(2, 4))
def test_a_report_is_read_as_its_types_read_it(result: TimeDurationChargingResult, version: int) -> None:
    octets = encoded(result, version)
    found = read_report(octets, version)
    assert found == by_the_types(octets, version)
    assert found is not None


@examples(50)
@given(results, st.integers(2, 4), st.integers(0, 40), st.integers(0, 255), st.booleans())
def test_one_that_is_damaged_is_read_as_its_types_read_it(
    result: TimeDurationChargingResult, version: int, where: int, octet: int, cut: bool
) -> None:
    octets = bytearray(encoded(result, version))
    where %= len(octets)
    octets[where] = octet
    damaged = bytes(octets[:where] if cut else octets)
    agreed(damaged, version)


def test_every_octet_of_a_plain_report_may_be_any_other() -> None:
    for active in (True, False):
        result = TimeDurationChargingResult(
            ReceivingSideID("receivingSideID", LEG1), TimeInformation("timeIfNoTariffSwitch", 72_300), active
        )
        octets = encoded(result, 3)
        for where in range(len(octets)):
            for octet in range(256):
                damaged = octets[:where] + bytes([octet]) + octets[where + 1 :]
                agreed(damaged, 3)


def agreed(octets: bytes, version: int) -> None:
    """What its types read is read so; of what they refuse nothing else is read than BER has there."""
    found, expected = read_report(octets, version), by_the_types(octets, version)
    assert expected is None or found == expected, octets.hex()
    if expected is None and found is not None:
        assert found == by_the_types(definite(octets), version), octets.hex()


def definite(octets: bytes) -> bytes:
    """The same elements in order, with definite lengths, but for the address and the extensions."""
    value = b""
    while octets:
        tag, start, stop, after = read_element(octets, 0, len(octets))
        inside = octets[start:stop]
        if tag & 0x20:
            parts = sorted(elements(inside), key=lambda part: part[0] & 0x1F)
            inside = definite(b"".join(part for part in parts if part[0] not in (0xA4, 0xA5, 0x84, 0x85)))
        value += encode_element(tag, inside)
        octets = octets[after:]
    return value


def elements(octets: bytes) -> list[bytes]:
    found = []
    while octets:
        after = read_element(octets, 0, len(octets))[3]
        found.append(octets[:after])
        octets = octets[after:]
    return found


PARTY, TIME, OVER = (bytes.fromhex(each) for each in ("a003810101", "a1048002 02d0", "820100"))
SWITCHED = bytes.fromhex("a180a180 800200d0 81020200 0000 0000")


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize(
    ("inside", "measured"),
    [
        (PARTY + TIME + OVER, Measured(720)),
        (b"\xa0\x80\x81\x01\x01\0\0" + SWITCHED + OVER, Measured(208, True, 512)),
        (TIME + OVER + PARTY, Measured(720)),
        (PARTY + TIME + OVER + bytes.fromhex("a4020500"), Measured(720)),  # an extension that is none
        (PARTY + TIME + OVER + bytes.fromhex("a503 9f3200"), Measured(720)),  # an address likewise
        (PARTY + TIME + OVER + bytes.fromhex("be03800105"), Measured(720)),  # behind the extension marker
        (PARTY + TIME + bytes.fromhex("82020000"), None),  # whether it is the last can't be read
        (PARTY + TIME + OVER + OVER, None),
        (PARTY + bytes.fromhex("a106a104800101810100"), None),  # a switch after no time at all
    ],
)
@pytest.mark.parametrize("indefinite", [True, False])
def test_a_report_in_an_unusual_form_says_how_long_it_was(
    inside: bytes, measured: Measured | None, version: int, indefinite: bool
) -> None:
    octets = b"\xa0\x80" + inside + b"\0\0" if indefinite else encode_element(0xA0, inside)
    found = read_report(octets, version)
    assert found == (None if measured is None else ChargeReport(measured, active=False, expired=False))
