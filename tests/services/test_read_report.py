"""ApplyChargingReport: the form that nearly every report has is read by itself, as the declared types read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.domain.meter import MOST_PERIOD, Measured
from scp.services.charge_control import ChargeReport, read_report
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
    assert read_report(damaged, version) == by_the_types(damaged, version)


def test_every_octet_of_a_plain_report_may_be_any_other() -> None:
    for active in (True, False):
        result = TimeDurationChargingResult(
            ReceivingSideID("receivingSideID", LEG1), TimeInformation("timeIfNoTariffSwitch", 72_300), active
        )
        octets = encoded(result, 3)
        for where in range(len(octets)):
            for octet in range(256):
                damaged = octets[:where] + bytes([octet]) + octets[where + 1 :]
                assert read_report(damaged, 3) == by_the_types(damaged, 3), damaged.hex()
