"""The Connect of a rescue: to the subscriber's own line, once the VoIP side has failed.

The subscriber's line is the called number again, with redirection data that name it: where the switch asks
for that number anew, its InitialDP goes on (`diverted-back`), so the call can't loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.services.call_progress import cause_in
from scp.services.idp import NATURE_TO_Q763
from ss7.cap.types import ConnectArg, EventReportBCSMArg, EventTypeBCSM, InitialDPArg
from ss7.cause import CauseValue
from ss7.errors import DecodeError
from ss7.isup import (
    CalledPartyNumber,
    NatureOfAddress,
    NumberingPlan,
    OriginalCalledNumber,
    RedirectingIndicator,
    RedirectingReason,
    RedirectionInformation,
)

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.services.api import Report

MOST_REDIRECTIONS: Final = 5
"""Q.763 §3.45: the counter's greatest value."""
_UNREACHABLE: Final = frozenset({CauseValue.NO_ROUTE_TO_DESTINATION, CauseValue.SUBSCRIBER_ABSENT})
_NO_ANSWERS: Final = frozenset({EventTypeBCSM.O_NO_ANSWER, EventTypeBCSM.T_NO_ANSWER})


def line(idp: InitialDPArg, facts: CallFacts, reason: RedirectingReason, number: str = "") -> ConnectArg:
    """Return the Connect to the subscriber's own line, or another number of the subscriber's.

    Args:
        idp: the request.
        facts: of the call: the called number.
        reason: why the VoIP side failed.
        number: E.164 digits in place of the line's.
    """
    nature = NATURE_TO_Q763[facts.nature]
    called = (
        CalledPartyNumber(number, NatureOfAddress.INTERNATIONAL, NumberingPlan.ISDN, inn=False)
        if number
        else CalledPartyNumber(facts.digits, nature, NumberingPlan.ISDN, inn=False)
    )
    subscriber = OriginalCalledNumber(facts.digits, nature, NumberingPlan.ISDN).encode()
    return ConnectArg(
        (called.encode(),),
        original_called_party_id=idp.original_called_party_id or subscriber,
        redirecting_party_id=subscriber,
        redirection_information=_redirected(idp.redirection_information, reason),
    )


def _redirected(before: bytes | None, reason: RedirectingReason) -> bytes:
    """Return the redirection information with one more redirection (Q.763 §3.45)."""
    first, counter = reason, 0
    if before is not None:
        try:
            known = RedirectionInformation.decode(before)
        except DecodeError:
            known = None
        if known is not None:
            first, counter = RedirectingReason.UNKNOWN, max(known.counter, 0)
            if known.original_reason in set(RedirectingReason):
                first = RedirectingReason(known.original_reason)
    counter = min(counter + 1, MOST_REDIRECTIONS)
    return RedirectionInformation(RedirectingIndicator.DIVERTED, first, counter, reason).encode()


def reason_of(report: Report) -> RedirectingReason:
    """Return why a call failed, as redirection information says it."""
    argument = report.argument
    if not isinstance(argument, EventReportBCSMArg):
        return RedirectingReason.UNKNOWN
    if argument.event_type_bcsm in _NO_ANSWERS:
        return RedirectingReason.NO_REPLY
    cause = cause_in(argument)
    if argument.event_type_bcsm == EventTypeBCSM.ROUTE_SELECT_FAILURE or cause in _UNREACHABLE:
        return RedirectingReason.MOBILE_NOT_REACHABLE
    return RedirectingReason.USER_BUSY
