"""What InitialDPSMS and EventReportSMS say: the facts that the decision and the record of a message need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.domain.call import CallFacts, Trigger, call_facts
from scp.domain.numbers import Nature
from scp.domain.reason import Reason
from scp.services.idp import NATURES_24008, address_e164, area_ids, vlr_e164
from ss7.address import CalledPartyBCDNumber
from ss7.cap.sms import EventTypeSMS
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from scp.domain.numbers import Numbering
    from scp.domain.rules import Rules
    from ss7.cap.sms import EventReportSMSArg, InitialDPSMSArg


def to_mobile(idp: InitialDPSMSArg) -> bool:
    """Whether a message is to the served subscriber."""
    return idp.event_type_sms is not None and int(idp.event_type_sms) == EventTypeSMS.DELIVERY_REQUESTED


def read_message(idp: InitialDPSMSArg, rules: Rules, to_mobile: bool) -> CallFacts:
    """Return the facts that the decision needs: of the served subscriber, as if it was called.

    A message from a mobile to a number that is never steered, or to none that is E.164 (a short code), has
    that as its `fault`.
    """
    numbering = rules.numbering
    octets = idp.called_party_number if to_mobile else idp.calling_party_number
    served = "" if octets is None else address_e164(octets, numbering)
    if not served:
        return CallFacts(fault=Reason.NO_CALLED_NUMBER, trigger=Trigger.TERMINATING)
    fault: Reason | None = None
    if not to_mobile and idp.destination_subscriber_number is not None:
        fault = _destination_fault(idp.destination_subscriber_number, numbering)
    msc, gprs = idp.location_information_msc, idp.location_information_gprs
    vlr = ""
    areas: tuple[str, ...] = ()
    if msc is not None:
        vlr, areas = vlr_e164(msc, numbering), area_ids(msc)
    elif gprs is not None and gprs.sgsn_number is not None:
        vlr = address_e164(gprs.sgsn_number, numbering)
    return CallFacts(
        digits=served,
        nature=Nature.INTERNATIONAL,
        e164=served,
        fault=fault,
        trigger=Trigger.TERMINATING,
        vlr=vlr,
        areas=areas,
    )


def _destination_fault(octets: bytes, numbering: Numbering) -> Reason | None:
    facts = _destination(octets, numbering)
    return Reason.UNPARSABLE_NUMBER if facts is None else facts.fault


def _destination(octets: bytes, numbering: Numbering) -> CallFacts | None:
    try:
        number = CalledPartyBCDNumber.decode(octets)
    except DecodeError:
        return None
    nature = NATURES_24008.get(number.nature, Nature.UNKNOWN)
    return call_facts(numbering, Trigger.ORIGINATING, number.digits, nature)


def parties(idp: InitialDPSMSArg, numbering: Numbering) -> tuple[str, str]:
    """Return both parties of a message, the served subscriber first; E.164, "" if unknown."""
    to = to_mobile(idp)
    octets = idp.called_party_number if to else idp.calling_party_number
    served = "" if octets is None else address_e164(octets, numbering)
    return served, other_party(idp, numbering, to)


def other_party(idp: InitialDPSMSArg, numbering: Numbering, to_mobile: bool) -> str:
    """Return the other party of a message than the served subscriber: E.164, or as dialled; "" if unknown."""
    if to_mobile:
        octets = idp.calling_party_number
        return "" if octets is None else address_e164(octets, numbering)
    facts = (
        None
        if idp.destination_subscriber_number is None
        else _destination(idp.destination_subscriber_number, numbering)
    )
    return "" if facts is None else facts.e164 or facts.digits


def failure_words(report: EventReportSMSArg) -> str:
    """Return the event and behind a colon its cause: of MAP for a sent message, TP-FCS for a received one."""
    event = report.event_type_sms.identifier
    special = report.event_specific_information_sms
    cause = None if special is None else getattr(special.value, "failure_cause", None)
    if cause is None:
        return event
    return f"{event}:{cause[0] if isinstance(cause, bytes) else int(cause)}"
