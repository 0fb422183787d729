"""The BER inside CAP's charging octet strings (TS 29.078 §5.1): a second decoding.

ApplyCharging carries `CamelAChBillingChargingCharacteristics`, ApplyChargingReport is a `CamelCallResult`,
FurnishChargingInformation a `CamelFCIBillingChargingCharacteristics`; SendChargingInformation and the
operations for messages and GPRS have their own. Violations are syntax errors like any other.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeAlias

from msgspec import Struct

from ss7.asn1.declare import Choice, Enumerated, Integer, Octets, Sealed, Tag, Untagged
from ss7.asn1.node import Declined
from ss7.asn1.schema import Type, describe
from ss7.asn1.tables import whole
from ss7.cap.common import (
    CLAUSE,
    LEG1,
    Extensions,
    LegID,
    Present,
    ReceivingSideID,
    SendingSideID,
)
from ss7.cap.interaction import Burst
from ss7.cap.types import AChChargingAddress
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from ss7.asn1.node import Node

MAX_CALL_PERIOD: Final = 864000
"""Longest period of ApplyCharging, in 100 ms: a day."""

AdviceElement: TypeAlias = Annotated[int, Integer(0, 8191)]


class BurstList(Struct, frozen=True, gc=False):
    """Warning tones, ``warning_period`` seconds before the period's end."""

    asn1_order: ClassVar[tuple[str, ...]] = ("warning_period", "bursts")

    bursts: Annotated[Burst, Tag(1, "bursts")]
    warning_period: Annotated[Annotated[int, Integer(1, 1200)], Tag(0, "warningPeriod")] = 30


class AudibleIndicator(Choice, frozen=True, gc=False):
    """Whether, or how, the end of the period is announced to the caller (CAP v4)."""

    tone: ClassVar[Annotated[bool, Untagged("tone")]]
    burst_list: ClassVar[Annotated[BurstList, Tag(1, "burstList")]]


class ReleaseIfDurationExceeded(Struct, frozen=True, gc=False):
    """CAP v2: release at the end of the period, with or without a warning tone."""

    tone: Annotated[bool, Untagged("tone")] = False
    extensions: Annotated[Extensions | None, Tag(10, "extensions")] = None


class TimeDurationCharging(Struct, frozen=True, gc=False):
    """How long the call may last until the next report.

    Attributes:
        max_call_period_duration: in 100 ms.
        release_if_duration_exceeded: whether the gsmSSF then releases the call (CAP v3 on).
        release_v2: the same in CAP v2, where its presence says it.
        tariff_switch_interval: seconds until the tariff changes.
        tone: warning tone in CAP v3; CAP v4 has ``audible_indicator``, CAP v2 has it in ``release_v2``.
    """

    asn1_order: ClassVar[tuple[str, ...]] = (
        "max_call_period_duration",
        "release_if_duration_exceeded",
        "release_v2",
        "tariff_switch_interval",
        "tone",
        "audible_indicator",
        "extensions",
    )

    max_call_period_duration: Annotated[
        Annotated[int, Integer(1, MAX_CALL_PERIOD)], Tag(0, "maxCallPeriodDuration")
    ]
    release_if_duration_exceeded: Annotated[bool, Tag(1, "releaseIfdurationExceeded", since=3)] = False
    tariff_switch_interval: Annotated[
        Annotated[int, Integer(1, 86400)] | None, Tag(2, "tariffSwitchInterval")
    ] = None
    tone: Annotated[bool, Tag(3, "tone", since=3, until=3)] = False
    audible_indicator: Annotated[AudibleIndicator, Tag(3, "audibleIndicator", since=4)] = AudibleIndicator(
        "tone", False
    )
    extensions: Annotated[Extensions | None, Tag(4, "extensions", since=3)] = None
    release_v2: Annotated[ReleaseIfDurationExceeded | None, Tag(1, "releaseIfdurationExceeded", until=2)] = (
        None
    )


class CamelAChBillingChargingCharacteristics(Choice, frozen=True, gc=False):
    """CAMEL-AChBillingChargingCharacteristics."""

    time: ClassVar[Annotated[TimeDurationCharging, Tag(0, "timeDurationCharging")]]


class TimeIfTariffSwitch(Struct, frozen=True, gc=False):
    """Times since the tariff switch, and between the last two, in 100 ms."""

    time_since_tariff_switch: Annotated[
        Annotated[int, Integer(0, MAX_CALL_PERIOD)], Tag(0, "timeSinceTariffSwitch")
    ]
    tariff_switch_interval: Annotated[
        Annotated[int, Integer(1, MAX_CALL_PERIOD)] | None, Tag(1, "tariffSwitchInterval")
    ] = None


class TimeInformation(Choice, frozen=True, gc=False):
    """Time elapsed, in 100 ms."""

    no_switch: ClassVar[Annotated[int, Integer(0, MAX_CALL_PERIOD), Tag(0, "timeIfNoTariffSwitch")]]
    switch: ClassVar[Annotated[TimeIfTariffSwitch, Tag(1, "timeIfTariffSwitch")]]


class TimeDurationChargingResult(Struct, frozen=True, gc=False):
    """What was used. ``leg_active`` False makes it the final report."""

    party_to_charge: Annotated[ReceivingSideID, Tag(0, "partyToCharge")]
    time_information: Annotated[TimeInformation, Tag(1, "timeInformation")]
    leg_active: Annotated[bool, Tag(2, "legActive")] = True
    call_leg_released_at_tcp_expiry: Annotated[Present, Tag(3, "callLegReleasedAtTcpExpiry")] = False
    extensions: Annotated[Extensions | None, Tag(4, "extensions", since=3)] = None
    ach_charging_address: Annotated[AChChargingAddress, Tag(5, "aChChargingAddress", since=4)] = (
        AChChargingAddress("legID", LegID("receivingSideID", LEG1))
    )


class CamelCallResult(Choice, frozen=True, gc=False):
    """CAMEL-CallResult."""

    time: ClassVar[Annotated[TimeDurationChargingResult, Tag(0, "timeDurationChargingResult")]]


class AppendFreeFormatData(Enumerated):
    """Whether free-format data replace or extend what was furnished before."""

    OVERWRITE = 0, "overwrite"
    APPEND = 1, "append"


class FCIBCCCAMELSequence1(Struct, frozen=True, gc=False):
    """Free-format data for the call's record."""

    free_format_data: Annotated[Annotated[bytes, Octets(1, 160)], Tag(0, "freeFormatData")]
    party_to_charge: Annotated[SendingSideID, Tag(1, "partyToCharge")] = SendingSideID("sendingSideID", LEG1)
    append_free_format_data: Annotated[AppendFreeFormatData, Tag(2, "appendFreeFormatData", since=3)] = (
        AppendFreeFormatData.OVERWRITE
    )


class CamelFCIBillingChargingCharacteristics(Choice, frozen=True, gc=False):
    """CAMEL-FCIBillingChargingCharacteristics."""

    sequence1: ClassVar[Annotated[FCIBCCCAMELSequence1, Tag(0, "fCIBCCCAMELsequence1")]]


class FCIBCCCAMELSequence1GPRS(Struct, frozen=True, gc=False):
    """Free-format data for the record of a session or PDP context."""

    free_format_data: Annotated[Annotated[bytes, Octets(1, 160)], Tag(0, "freeFormatData")]
    pdp_id: Annotated[Annotated[bytes, Octets(1, 1)] | None, Tag(1, "pDPID")] = None
    append_free_format_data: Annotated[AppendFreeFormatData, Tag(2, "appendFreeFormatData")] = (
        AppendFreeFormatData.OVERWRITE
    )


class CamelFCIGPRSBillingChargingCharacteristics(Sealed, frozen=True, gc=False):
    """CAMEL-FCIGPRSBillingChargingCharacteristics: a SEQUENCE, where the others are CHOICEs."""

    sequence1: Annotated[FCIBCCCAMELSequence1GPRS, Tag(0, "fCIBCCCAMELsequence1")]


class FCIBCCCAMELSequence1SMS(Sealed, frozen=True, gc=False):
    """Free-format data for a message's record."""

    free_format_data: Annotated[Annotated[bytes, Octets(1, 160)], Tag(0, "freeFormatData")]
    append_free_format_data: Annotated[AppendFreeFormatData, Tag(1, "appendFreeFormatData")] = (
        AppendFreeFormatData.OVERWRITE
    )


class CamelFCISMSBillingChargingCharacteristics(Choice, frozen=True, gc=False):
    """CAMEL-FCISMSBillingChargingCharacteristics."""

    sequence1: ClassVar[Annotated[FCIBCCCAMELSequence1SMS, Tag(0, "fCIBCCCAMELsequence1")]]


class ChargeAdvice(Sealed, frozen=True, gc=False):
    """CAI-GSM0224: the seven elements of charge advice information (TS 22.024)."""

    e1: Annotated[AdviceElement | None, Tag(0, "e1")] = None
    e2: Annotated[AdviceElement | None, Tag(1, "e2")] = None
    e3: Annotated[AdviceElement | None, Tag(2, "e3")] = None
    e4: Annotated[AdviceElement | None, Tag(3, "e4")] = None
    e5: Annotated[AdviceElement | None, Tag(4, "e5")] = None
    e6: Annotated[AdviceElement | None, Tag(5, "e6")] = None
    e7: Annotated[AdviceElement | None, Tag(6, "e7")] = None


class AOCSubsequent(Sealed, frozen=True, gc=False):
    """Advice from a tariff switch on, which comes after ``tariff_switch_interval`` seconds."""

    advice: Annotated[ChargeAdvice, Tag(0, "cAI-GSM0224")]
    tariff_switch_interval: Annotated[
        Annotated[int, Integer(1, 86400)] | None, Tag(1, "tariffSwitchInterval")
    ] = None


class AOCBeforeAnswer(Sealed, frozen=True, gc=False):
    """Advice of charge: from the beginning, and from a tariff switch on."""

    initial: Annotated[ChargeAdvice, Tag(0, "aOCInitial")]
    subsequent: Annotated[AOCSubsequent | None, Tag(1, "aOCSubsequent")] = None


class AOCExtension(Struct, frozen=True, gc=False):
    """CAMEL-SCIBillingChargingCharacteristicsAlt: empty as yet."""


class CamelSCIBillingChargingCharacteristics(Choice, frozen=True, gc=False):
    """CAMEL-SCIBillingChargingCharacteristics."""

    before_answer: ClassVar[Annotated[AOCBeforeAnswer, Tag(0, "aOCBeforeAnswer")]]
    after_answer: ClassVar[Annotated[AOCSubsequent, Tag(1, "aOCAfterAnswer")]]
    extension: ClassVar[Annotated[AOCExtension, Tag(2, "aOC-extension", since=4)]]


class CamelSCIGPRSBillingChargingCharacteristics(Struct, frozen=True, gc=False):
    """CAMEL-SCIGPRSBillingChargingCharacteristics."""

    advice: Annotated[AOCBeforeAnswer, Tag(0, "aOCGPRS")]
    pdp_id: Annotated[Annotated[bytes, Octets(1, 1)] | None, Tag(1, "pDPID")] = None


CONTAINED: Final[dict[str, type[Struct]]] = {
    "CAMEL-AChBillingChargingCharacteristics": CamelAChBillingChargingCharacteristics,
    "CAMEL-CallResult": CamelCallResult,
    "CAMEL-FCIBillingChargingCharacteristics": CamelFCIBillingChargingCharacteristics,
    "CAMEL-FCIGPRSBillingChargingCharacteristics": CamelFCIGPRSBillingChargingCharacteristics,
    "CAMEL-FCISMSBillingChargingCharacteristics": CamelFCISMSBillingChargingCharacteristics,
    "CAMEL-SCIBillingChargingCharacteristics": CamelSCIBillingChargingCharacteristics,
    "CAMEL-SCIGPRSBillingChargingCharacteristics": CamelSCIGPRSBillingChargingCharacteristics,
}
"""Type of the BER in an octet string, by what its declaration says that it contains."""


@cache
def contained_type(name: str, version: int) -> Type:
    """Return the description of one of `CONTAINED`."""
    return describe(CONTAINED[name], version)


@cache
def _root(name: str, version: int) -> Node:
    return whole(contained_type(name, version), CLAUSE)


def decode_contained(name: str, octets: bytes, version: int) -> Any:
    """Return the value of one of `CONTAINED`; raise `DecodeError`.

    Indefinite lengths are refused here: inside an octet string with a size they have not been seen.
    """
    try:
        return _root(name, version).decode(octets, 0, len(octets))
    except Declined:
        raise DecodeError(f"unusual encoding of {name}", 0, "TS 29.078 §5.1") from None


def encode_contained(name: str, value: Any, version: int) -> bytes:
    """Return the octets of one of `CONTAINED`; raise `EncodeError`."""
    return _root(name, version).encode(value)


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
