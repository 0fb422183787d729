"""Arguments of ApplyCharging for tests, in the form of each CAP version."""

from __future__ import annotations

from ss7.cap.charging import (
    AudibleIndicator,
    CamelAChBillingChargingCharacteristics,
    ReleaseIfDurationExceeded,
    TimeDurationCharging,
    encode_contained,
)


def time_duration_charging(
    period: int, version: int, *, release: bool = False, tone: bool = False, tariff_switch: int | None = None
) -> bytes:
    """Return ApplyCharging's octet string, in the form of the CAP version (2 to 4).

    Args:
        period: 1 to 864000, in 100 ms.
        version: CAP version of the dialogue.
        release: whether the gsmSSF releases the call at the end of the period.
        tone: whether it warns the caller before; CAP v2 can warn only of a release.
        tariff_switch: seconds until the tariff changes.

    Raises:
        EncodeError: a value is out of its range.
    """
    if version <= 2:
        value = TimeDurationCharging(
            period,
            tariff_switch_interval=tariff_switch,
            release_v2=ReleaseIfDurationExceeded(tone) if release else None,
        )
    elif version == 3:
        value = TimeDurationCharging(period, release, tariff_switch, tone)
    else:
        value = TimeDurationCharging(
            period, release, tariff_switch, audible_indicator=AudibleIndicator("tone", tone)
        )
    name = "CAMEL-AChBillingChargingCharacteristics"
    return encode_contained(
        name, CamelAChBillingChargingCharacteristics("timeDurationCharging", value), version
    )
