"""The row of a call detail record of a short message under control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scp.domain.call import Trigger
from scp.services.idp import address_e164
from ss7.address import Imsi
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.domain.cdr import Charge, Row
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from ss7.cap.sms import InitialDPSMSArg

SERVICE: Final = "sms-control"


class MessageEnd(NamedTuple):
    """What became of a message that was watched.

    Attributes:
        outcome: "submitted", "delivered", "failed", "unreported".
        why: the event of a failure with its cause, "" if there is none.
        at_ms: when it was submitted or delivered, milliseconds since 1970; 0: it was not.
    """

    outcome: str
    why: str = ""
    at_ms: int = 0


def message_row(
    idp: InitialDPSMSArg,
    facts: CallFacts,
    other: str,
    to_mobile: bool,
    decision: Decision,
    times_ms: tuple[int, int],
    numbering: Numbering,
    end: MessageEnd | None,
    charge: Charge | None,
) -> Row:
    """Return the row (`scp.domain.cdr.ATTEMPT_ROW`) of a message's record.

    Args:
        idp: the request.
        facts: of the served subscriber.
        other: the other party, "" if not known.
        to_mobile: whether the message is to the served subscriber.
        decision: what was answered.
        times_ms: when it was asked and answered, milliseconds since 1970.
        numbering: the home numbering plan.
        end: what became of it; None: nobody watched.
        charge: what it cost; None: nobody paid.
    """
    reference = idp.sms_reference_number
    row = (
        times_ms[0],
        times_ms[1],
        SERVICE,
        idp.service_key,
        Trigger.TERMINATING if to_mobile else Trigger.ORIGINATING,
        decision.action,
        decision.reason,
        other if to_mobile else facts.e164,
        facts.e164 if to_mobile else other,
        decision.number,
        "" if reference is None else reference.hex(),
        "" if idp.msc_address is None else address_e164(idp.msc_address, numbering),
        _imsi(idp.imsi),
    )
    if end is None:
        return row
    done = (end.at_ms or None, None, None, None)
    if charge is None:
        return (*row, *done, None, end.why)
    return (*row, *done, charge.reservation, end.why, charge.charge, charge.reserved, charge.tariff)


def _imsi(octets: bytes | None) -> str:
    try:
        return "" if octets is None else Imsi.decode(octets).digits
    except DecodeError:
        return ""
