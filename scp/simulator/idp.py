"""The InitialDP of a scenario: the parameters that an MSC fills in (TS 23.078 §4.6.1, TS 29.078 §11.20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.domain.call import Trigger
from scp.simulator.bcsm import MODELS
from ss7.address import AddressString, CalledPartyBCDNumber, CellGlobalId, Imsi, TypeOfNumber
from ss7.cap.types import (
    BearerCapability,
    CellGlobalIdOrServiceAreaIdOrLAI,
    ExtBasicServiceCode,
    InitialDPArg,
    InitialDPArgExtension,
    LocationInformation,
    SubscriberState,
)
from ss7.errors import EncodeError
from ss7.isup import (
    CalledPartyNumber,
    CallingPartyNumber,
    NatureOfAddress,
    OriginalCalledNumber,
    RedirectingIndicator,
    RedirectingNumber,
    RedirectingReason,
    RedirectionInformation,
    Screening,
)

if TYPE_CHECKING:
    from datetime import datetime

    from scp.simulator.scenario import Scenario

# Type of number (TS 24.008 §10.5.4.7) of a dialled number, by the nature of address that means the same.
TYPE_OF_NUMBER: Final = {
    NatureOfAddress.SUBSCRIBER: TypeOfNumber.SUBSCRIBER,
    NatureOfAddress.UNKNOWN: TypeOfNumber.UNKNOWN,
    NatureOfAddress.NATIONAL: TypeOfNumber.NATIONAL,
    NatureOfAddress.INTERNATIONAL: TypeOfNumber.INTERNATIONAL,
    NatureOfAddress.NETWORK_SPECIFIC: TypeOfNumber.NETWORK_SPECIFIC,
}

_ORDINARY_SUBSCRIBER: Final = b"\x0a"  # Q.763 §3.11
_SPEECH: Final = b"\x80\x90\xa3"  # Q.763 §3.57: speech, circuit mode, 64 kbit/s, G.711 A-law
_TELEPHONY: Final = b"\x11"  # TS 29.002 §17.7.9
_PHASES_1_TO_4: Final = b"\x04\xf0"  # SupportedCamelPhases, a BIT STRING (TS 29.002 §17.7.1)


def called_party_octets(scenario: Scenario) -> bytes:
    """Return what the InitialDP carries as the called number: BCD (originating) or Q.763 octets.

    Raises:
        EncodeError: a digit, nature or plan without a code.
    """
    if scenario.trigger is Trigger.ORIGINATING:
        nature = TYPE_OF_NUMBER.get(NatureOfAddress(scenario.b_nature))
        if nature is None:
            raise EncodeError(
                f"nature of address {scenario.b_nature} of a dialled number", "TS 24.008 §10.5.4.7"
            )
        return CalledPartyBCDNumber(scenario.b_number, nature, scenario.b_plan).encode()
    return CalledPartyNumber(scenario.b_number, scenario.b_nature, scenario.b_plan).encode()


def initial_dp(scenario: Scenario, call_reference: bytes, when: datetime | None = None) -> InitialDPArg:
    """Return the argument.

    Args:
        scenario: the call.
        call_reference: 1 to 8 octets; the scenario's own takes precedence.
        when: local time with its zone, for timeAndTimezone (CAP v2 on); None sends none.

    Raises:
        EncodeError: a number of the scenario that has no encoding.
    """
    called = called_party_octets(scenario)
    originating = scenario.trigger is Trigger.ORIGINATING
    forwarded = scenario.trigger is Trigger.FORWARDED
    terminating = scenario.trigger is Trigger.TERMINATING
    redirecting = scenario.redirecting_number
    return InitialDPArg(
        service_key=scenario.service_key,
        called_party_number=None if originating else called,
        calling_party_number=_calling(scenario.a_number),
        calling_partys_category=_ORDINARY_SUBSCRIBER,
        original_called_party_id=(
            OriginalCalledNumber(redirecting, NatureOfAddress.INTERNATIONAL).encode() if forwarded else None
        ),
        bearer_capability=BearerCapability("bearerCap", _SPEECH),
        event_type_bcsm=MODELS[scenario.trigger].tdp,
        redirecting_party_id=(
            RedirectingNumber(redirecting, NatureOfAddress.INTERNATIONAL).encode() if forwarded else None
        ),
        redirection_information=_DIVERTED_ONCE.encode() if forwarded else None,
        imsi=Imsi(scenario.imsi).encode() if scenario.imsi else None,
        subscriber_state=SubscriberState("assumedIdle", value=True) if terminating else None,
        location_information=location_of(scenario),
        ext_basic_service_code=ExtBasicServiceCode("ext-Teleservice", _TELEPHONY),
        call_reference_number=scenario.call_reference or call_reference,
        msc_address=AddressString(scenario.msc).encode(),
        called_party_bcd_number=called if originating else None,
        time_and_timezone=time_and_timezone(when) if when is not None and scenario.version >= 2 else None,
        initial_dp_arg_extension=_extension(scenario),
    )


_DIVERTED_ONCE: Final = RedirectionInformation(
    RedirectingIndicator.DIVERTED,
    RedirectingReason.UNCONDITIONAL,
    counter=1,
    reason=RedirectingReason.UNCONDITIONAL,
)


def _calling(digits: str) -> bytes | None:
    if not digits:
        return None
    screening = Screening.USER_VERIFIED_PASSED
    return CallingPartyNumber(digits, NatureOfAddress.INTERNATIONAL, screening=screening).encode()


def location_of(scenario: Scenario) -> LocationInformation | None:
    """Return where the served subscriber is, None where the scenario does not say it."""
    if not (scenario.vlr or scenario.cell):
        return None
    cell = None
    if scenario.cell:
        name = "cellGlobalIdOrServiceAreaIdFixedLength"
        cell = CellGlobalIdOrServiceAreaIdOrLAI(name, cell_global_id(scenario.cell).encode())
    return LocationInformation(
        age_of_location_information=0,
        vlr_number=AddressString(scenario.vlr).encode() if scenario.vlr else None,
        cell_global_id_or_service_area_id_or_lai=cell,
    )


def _extension(scenario: Scenario) -> InitialDPArgExtension | None:
    """The gateway MSC names itself where it serves a called subscriber (TS 23.078 §4.6.1)."""
    gmsc = AddressString(scenario.msc).encode() if scenario.trigger is not Trigger.ORIGINATING else None
    if scenario.version >= 4:
        return InitialDPArgExtension(gmsc_address=gmsc, supported_camel_phases=_PHASES_1_TO_4)
    if scenario.version >= 2 and gmsc is not None:
        return InitialDPArgExtension(gmsc_address=gmsc)
    return None


def cell_global_id(text: str) -> CellGlobalId:
    """Read "MCC-MNC-LAC-CI".

    Raises:
        EncodeError: it isn't that.
    """
    parts = text.split("-")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise EncodeError(f"cell {text!r} is not MCC-MNC-LAC-CI", "TS 23.003 §4.3.1")
    return CellGlobalId(parts[0], parts[1], int(parts[2]), int(parts[3]))


def time_and_timezone(when: datetime) -> bytes:
    """Return TimeAndTimezone (TS 29.078 §5.1): date, time and zone (in quarters of an hour) in semi-octets.

    The sign of the zone is bit 4 of its octet (TS 23.040 §9.2.3.11).
    """
    offset = when.utcoffset()
    quarters = int(offset.total_seconds()) // 900 if offset is not None else 0
    digits = when.strftime("%Y%m%d%H%M%S") + f"{abs(quarters):02d}"
    octets = bytearray(int(digits[at + 1] + digits[at], 16) for at in range(0, 16, 2))
    if quarters < 0:
        octets[7] |= 0x08
    return bytes(octets)
