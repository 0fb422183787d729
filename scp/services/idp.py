"""Reads an InitialDP for services: its trigger, the called number, the place of the called subscriber.

The domain's natures and plans meet the code points of Q.763, 24.008 and MAP here, and nowhere else. Whatever
octets the number fields have, nothing raises here but `called_number`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import structs

from scp.domain.call import CallFacts, Diversion, Trigger, call_facts
from scp.domain.numbers import Nature, Plan
from scp.domain.reason import Reason
from ss7.address import AddressString, CalledPartyBCDNumber, Imsi
from ss7.asn1.lenient import REST
from ss7.cap.types import EventTypeBCSM
from ss7.errors import DecodeError
from ss7.isup import (
    CalledPartyNumber,
    CallingPartyNumber,
    NatureOfAddress,
    OriginalCalledNumber,
    RedirectionInformation,
)

if TYPE_CHECKING:
    from scp.domain.numbers import Numbering
    from ss7.cap.types import InitialDPArg, LocationInformation

Called: TypeAlias = tuple[str, Nature, Plan]

# In Python 3.11 a member looked up through its class costs ten times what a global does.
_ORIGINATING: Final = Trigger.ORIGINATING
_TERMINATING: Final = Trigger.TERMINATING
_FORWARDED: Final = Trigger.FORWARDED
_INTERNATIONAL: Final = Nature.INTERNATIONAL
_RESERVED: Final = Nature.RESERVED
_UNKNOWN: Final = Nature.UNKNOWN
_E164: Final = Plan.E164
_OTHER_PLAN: Final = Plan.OTHER

# Detection points of the terminating BCSM (29.078 §5.1, EventTypeBCSM).
_T_BCSM: Final = frozenset(int(event) for event in EventTypeBCSM if event.name.startswith("T"))

# What the decision looks at of the location information.
_WHEREABOUTS: Final = (
    "locationInformation.vlr-number",
    "locationInformation.cellGlobalIdOrServiceAreaIdOrLAI",
)

_PLANS_E164: Final = frozenset({0, 1})  # 0: not known, or spare; senders that give it mean E.164

# Q.763 §3.9 b). 6 to 8 are routing numbers of number portability, the rest is spare or national.
_Q763_NATURES: Final = {
    1: Nature.SUBSCRIBER,
    2: Nature.UNKNOWN,
    3: Nature.NATIONAL,
    4: Nature.INTERNATIONAL,
    5: Nature.NETWORK_SPECIFIC,
}
# TS 24.008 table 10.5.118: 4 is "dedicated access, short code". 6, reserved there, is abbreviated in Q.931.
NATURES_24008: Final = {
    0: Nature.UNKNOWN,
    1: Nature.INTERNATIONAL,
    2: Nature.NATIONAL,
    3: Nature.NETWORK_SPECIFIC,
    4: Nature.SHORT_CODE,
    6: Nature.SHORT_CODE,
}
# TS 29.002 §17.7.8, AddressString: as 24.008, save 4, a subscriber number.
_MAP_NATURES: Final = NATURES_24008 | {4: Nature.SUBSCRIBER}

NATURE_TO_Q763: Final[dict[Nature, int]] = {
    Nature.SUBSCRIBER: NatureOfAddress.SUBSCRIBER,
    Nature.UNKNOWN: NatureOfAddress.UNKNOWN,
    Nature.NATIONAL: NatureOfAddress.NATIONAL,
    Nature.INTERNATIONAL: NatureOfAddress.INTERNATIONAL,
    Nature.NETWORK_SPECIFIC: NatureOfAddress.NETWORK_SPECIFIC,
}
"""Natures that a number can go out with."""


def trigger_of(idp: InitialDPArg) -> Trigger:
    """Return which basic call state model asked.

    A forwarding subscriber's O-CSI has the same detection point as a caller's; it is told apart by the
    redirecting party, which only a diverted call has. Without an event type, which is optional, the
    terminating BCSM is not assumed: its location information would be believed to be the called subscriber's.
    """
    if idp.event_type_bcsm in _T_BCSM:
        return _TERMINATING
    return _ORIGINATING if idp.redirecting_party_id is None else _FORWARDED


def read_call(idp: InitialDPArg, numbering: Numbering) -> CallFacts:
    """Return the facts that the decision needs."""
    trigger = trigger_of(idp)
    if idp.unreadable and needs_unreadable(idp, trigger):
        return CallFacts(fault=Reason.UNREADABLE_PARAMETER, trigger=trigger)
    try:
        digits, nature, plan = called_number(idp, trigger)
    except DecodeError:
        return CallFacts(fault=Reason.UNPARSABLE_NUMBER, trigger=trigger)
    diversion = diversion_of(idp)
    location = idp.location_information
    if trigger is _TERMINATING and any(
        path == "locationInformation" or path.startswith(_WHEREABOUTS) for path in idp.unreadable
    ):
        facts = call_facts(numbering, trigger, digits, nature, plan=plan, diversion=diversion)
        return structs.replace(facts, unreadable_location=True)
    if location is None or trigger is not _TERMINATING:
        return call_facts(numbering, trigger, digits, nature, plan=plan, diversion=diversion)
    return call_facts(
        numbering,
        trigger,
        digits,
        nature,
        plan=plan,
        vlr=vlr_e164(location, numbering),
        areas=area_ids(location),
        diversion=diversion,
    )


def needs_unreadable(idp: InitialDPArg, trigger: Trigger) -> bool:
    """Return whether the decision needs something that could not be read, whoever the subscriber is.

    That is the event type, since it says which number is the called one; the called number itself; and of a
    diverted call the redirection data, since loops are found by them.
    """
    unreadable = idp.unreadable
    dialled = idp.called_party_bcd_number is not None and trigger is _ORIGINATING
    needed = {REST, "eventTypeBCSM", "redirectingPartyID", "redirectionInformation"}
    if not dialled:
        needed.add("calledPartyNumber")
    if trigger is _ORIGINATING or idp.called_party_number is None:
        needed.add("calledPartyBCDNumber")
    if idp.redirecting_party_id is not None or idp.redirection_information is not None:
        needed.add("originalCalledPartyID")
    return not needed.isdisjoint(unreadable)


def diversion_of(idp: InitialDPArg) -> Diversion | None:
    """Return how the call was diverted before, None for the ordinary one that was not.

    What can't be read counts as absent: loops are found by these fields, and nothing else needs them.
    """
    information = idp.redirection_information
    redirecting = idp.redirecting_party_id
    original = idp.original_called_party_id
    if information is None and redirecting is None and original is None:
        return None
    counter = 0
    if information is not None:
        try:
            counter = max(RedirectionInformation.decode(information).counter, 0)
        except DecodeError:
            counter = 0
    return Diversion(counter, _party(redirecting), _party(original))


def _party(octets: bytes | None) -> tuple[str, Nature]:
    """Return digits and nature of a redirecting or original called number, which have one format."""
    if octets is None:
        return "", _UNKNOWN
    try:
        number = OriginalCalledNumber.decode(octets)
    except DecodeError:
        return "", _UNKNOWN
    return number.digits, _Q763_NATURES.get(number.nature, _RESERVED)


def called_number(idp: InitialDPArg, trigger: Trigger) -> Called:
    """Return the called number's digits, nature and plan; no digits if there is none.

    A caller's dialled number is in calledPartyBCDNumber; in terminating and forwarded calls, and for callers
    whose switch sends no other, it is in calledPartyNumber (TS 29.078 §6.1.1, InitialDP).

    Raises:
        DecodeError: octets that are no number.
    """
    dialled = idp.called_party_bcd_number
    called = idp.called_party_number
    if dialled is not None and (called is None or trigger is _ORIGINATING):
        bcd = CalledPartyBCDNumber.decode(dialled)
        return bcd.digits, NATURES_24008.get(bcd.nature, _RESERVED), _plan(bcd.plan)
    if called is not None:
        number = CalledPartyNumber.decode(called)
        return number.digits, _Q763_NATURES.get(number.nature, _RESERVED), _plan(number.plan)
    return "", Nature.UNKNOWN, _E164


def vlr_e164(location: LocationInformation, numbering: Numbering) -> str:
    """Return the E.164 digits of the VLR number, "" if it is absent or no such number."""
    octets = location.vlr_number
    return "" if octets is None else address_e164(octets, numbering)


def area_ids(location: LocationInformation) -> tuple[str, ...]:
    """Return the cell, service area or location area id as lower-case hex octets, if there is one."""
    area = location.cell_global_id_or_service_area_id_or_lai
    return () if area is None else (area.value.hex(),)


def calling_digits(idp: InitialDPArg) -> str:
    """Return the digits of the calling party number, "" if it is absent or can't be read."""
    octets = idp.calling_party_number
    if octets is None:
        return ""
    try:
        return CallingPartyNumber.decode(octets).digits
    except DecodeError:
        return ""


def calling_e164(idp: InitialDPArg, numbering: Numbering) -> str:
    """Return the E.164 digits of the calling party number, "" if it is absent or no such number."""
    octets = idp.calling_party_number
    if octets is None:
        return ""
    try:
        number = CallingPartyNumber.decode(octets)
    except DecodeError:
        return ""
    nature = _Q763_NATURES.get(number.nature, _RESERVED)
    return numbering.normalise(number.digits, nature, _plan(number.plan))[0]


def party_e164(octets: bytes | None, numbering: Numbering) -> str:
    """Return the E.164 digits of a redirecting or original called number, "" if it is no such number."""
    digits, nature = _party(octets)
    return numbering.normalise(digits, nature, _E164)[0] if digits else ""


def imsi_digits(idp: InitialDPArg) -> str:
    """Return the digits of the IMSI, "" if it is absent or can't be read."""
    if idp.imsi is None:
        return ""
    try:
        return Imsi.decode(idp.imsi).digits
    except DecodeError:
        return ""


def msc_e164(idp: InitialDPArg, numbering: Numbering) -> str:
    """Return the E.164 digits of the MSC address, "" if it is absent or no such number."""
    return "" if idp.msc_address is None else address_e164(idp.msc_address, numbering)


def _plan(code: int) -> Plan:
    return _E164 if code in _PLANS_E164 else _OTHER_PLAN


def address_e164(octets: bytes, numbering: Numbering) -> str:
    """Return the E.164 digits of a MAP address string, "" if it is no E.164 number."""
    try:
        address = AddressString.decode(octets)
    except DecodeError:
        return ""
    nature = _MAP_NATURES.get(address.nature, _RESERVED)
    if nature is _INTERNATIONAL and address.digits.isdigit():
        return address.digits
    return numbering.normalise(address.digits, nature, _plan(address.plan))[0]
