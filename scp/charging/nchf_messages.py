"""The messages of Nchf_ConvergedCharging as far as minutes of calls need them (TS 32.291 §6.1.6.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from scp.ports import Denied

SUCCESS: Final = "SUCCESS"
NO_QUOTA_NEEDED: Final = "QUOTA_MANAGEMENT_NOT_APPLICABLE"
DENIALS: Final = {
    "QUOTA_LIMIT_REACHED": Denied.INSUFFICIENT,
    "END_USER_SERVICE_DENIED": Denied.SERVICE_DENIED,
    "END_USER_SERVICE_REJECTED": Denied.SERVICE_DENIED,
    "END_USER_REQUEST_DENIED": Denied.SERVICE_DENIED,
    "END_USER_REQUEST_REJECTED": Denied.SERVICE_DENIED,
    "USER_UNKNOWN": Denied.UNKNOWN_ACCOUNT,
    "RATING_FAILED": Denied.NO_TARIFF,
}
"""ResultCode, or the ``cause`` of problem details, to why; any other is `Denied.SERVICE_DENIED`."""


class NfIdentification(Struct, frozen=True, omit_defaults=True):
    """NFIdentification: the asking network function."""

    functionality: str = field(name="nodeFunctionality")
    fqdn: str = field(default="", name="nFFqdn")


class Unit(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """RequestedUnit, GrantedUnit: seconds, or short messages.

    Attributes:
        time: seconds.
        service_specific_units: messages.
        tariff_time_change: when the tariff of what is granted changes.
    """

    time: int | None = None
    service_specific_units: int | None = None
    tariff_time_change: datetime | None = None

    @property
    def amount(self) -> int | None:
        """Whichever is given."""
        return self.time if self.service_specific_units is None else self.service_specific_units

    @classmethod
    def of(cls, amount: int, *, messages: bool) -> Unit:
        """Return so many seconds, or so many messages."""
        return cls(service_specific_units=amount) if messages else cls(amount)


class Trigger(Struct, frozen=True, rename="camel"):
    """Trigger: why used units are told of."""

    trigger_type: str
    trigger_category: str = "IMMEDIATE_REPORT"


QUOTA_EXHAUSTED: Final = "QUOTA_EXHAUSTED"
FINAL: Final = "FINAL"
TARIFF_TIME_CHANGE: Final = "TARIFF_TIME_CHANGE"


class UsedUnit(Struct, frozen=True, rename="camel", omit_defaults=True):
    """UsedUnitContainer."""

    local_sequence_number: int
    time: int | None = None
    triggers: tuple[Trigger, ...] = ()
    service_specific_units: int | None = None

    @classmethod
    def of(cls, number: int, amount: int, trigger: str, *, messages: bool = False) -> UsedUnit:
        """Return the container with this number of so many seconds, or messages, told for this reason."""
        if messages:
            return cls(number, None, (Trigger(trigger),), amount)
        return cls(number, amount, (Trigger(trigger),))


class UnitUsage(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """MultipleUnitUsage: what is asked for, or was used, of one rating group."""

    rating_group: int
    requested_unit: Unit | None = None
    used_unit_container: tuple[UsedUnit, ...] = ()


class ImsInformation(Struct, frozen=True, omit_defaults=True):
    """IMSChargingInformation: calling and called party (TS 32.260)."""

    calling: tuple[str, ...] = field(name="callingPartyAddresses")
    called: str = field(name="calledPartyAddress")


class ChargingDataRequest(Struct, frozen=True, omit_defaults=True):
    """ChargingDataRequest."""

    subscriber: str = field(name="subscriberIdentifier")
    consumer: NfIdentification = field(name="nfConsumerIdentification")
    time_stamp: str = field(name="invocationTimeStamp")
    sequence_number: int = field(name="invocationSequenceNumber")
    usage: tuple[UnitUsage, ...] = field(name="multipleUnitUsage")
    ims: ImsInformation | None = field(default=None, name="iMSChargingInformation")
    retransmission: bool = field(default=False, name="retransmissionIndicator")


class ProblemDetails(Struct, frozen=True):
    """ProblemDetails (TS 29.571 §5.2.4.1)."""

    cause: str = ""


class InvocationResult(Struct, frozen=True):
    """InvocationResult: there if the request as a whole failed."""

    error: ProblemDetails | None = None


class FinalUnit(Struct, frozen=True, rename="camel"):
    """FinalUnitIndication: there is nothing behind what is granted."""

    final_unit_action: str = "TERMINATE"


class UnitInformation(Struct, frozen=True, rename="camel"):
    """MultipleUnitInformation: what is granted of one rating group."""

    rating_group: int
    result_code: str = SUCCESS
    granted_unit: Unit | None = None
    validity_time: int | None = None
    final_unit_indication: FinalUnit | None = None


class ChargingDataResponse(Struct, frozen=True):
    """ChargingDataResponse."""

    result: InvocationResult | None = field(default=None, name="invocationResult")
    units: tuple[UnitInformation, ...] = field(default=(), name="multipleUnitInformation")


def granted_seconds(
    response: ChargingDataResponse, rating_group: int, asked: int
) -> tuple[int, int | None] | Denied:
    """Return the seconds granted and how long they may wait to be used (None: not said), or why none are."""
    if response.result is not None and response.result.error is not None:
        return DENIALS.get(response.result.error.cause, Denied.SERVICE_DENIED)
    unit = next((each for each in response.units if each.rating_group == rating_group), None)
    if unit is None:
        return Denied.SERVICE_DENIED
    if unit.result_code == NO_QUOTA_NEEDED:
        return asked, unit.validity_time
    if unit.result_code != SUCCESS:
        return DENIALS.get(unit.result_code, Denied.SERVICE_DENIED)
    seconds = unit.granted_unit.amount if unit.granted_unit is not None else None
    return (seconds, unit.validity_time) if seconds else Denied.INSUFFICIENT


def tariff_change(response: ChargingDataResponse, rating_group: int) -> int | None:
    """Return when the tariff of what is granted changes, in seconds since 1970; None: that is not said.

    A time without a zone is UTC.
    """
    for each in response.units:
        if each.rating_group == rating_group and each.granted_unit is not None:
            at = each.granted_unit.tariff_time_change
            if at is not None:
                return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
    return None


def is_final(response: ChargingDataResponse, rating_group: int) -> bool:
    """Return whether what is granted of a rating group is the last."""
    return any(
        each.final_unit_indication is not None for each in response.units if each.rating_group == rating_group
    )
