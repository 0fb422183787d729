"""The call detail record of an InitialDP and what was answered to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.domain.cdr import CallAttempt
from scp.services.idp import called_number, calling_digits, imsi_digits, msc_e164, trigger_of
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.services.course import Course
    from ss7.cap.types import InitialDPArg


def call_attempt(
    idp: InitialDPArg,
    decision: Decision,
    service: str,
    numbering: Numbering,
    *,
    received_ms: int,
    decided_ms: int,
    record_id: str = "",
    node: str = "",
    course: Course | None = None,
) -> CallAttempt:
    """Return the record of a call attempt.

    Args:
        idp: the request.
        decision: what was answered.
        service: name of the service that decided, "" if none was reached.
        numbering: the home numbering plan.
        received_ms: when the request came, milliseconds since 1970.
        decided_ms: when it was answered, likewise.
        record_id: the record's id.
        node: name of the node that answered.
        course: how the call went on, None if nobody watched it.
    """
    trigger = trigger_of(idp)
    try:
        b_number = called_number(idp, trigger)[0]
    except DecodeError:
        b_number = ""
    return CallAttempt(
        id=record_id,
        node=node,
        received_ms=received_ms,
        decided_ms=decided_ms,
        service=service,
        service_key=idp.service_key,
        trigger=trigger,
        action=decision.action,
        reason=decision.reason,
        a_number=calling_digits(idp),
        b_number=b_number,
        number=decision.number,
        call_reference=(idp.call_reference_number or b"").hex(),
        msc_address=msc_e164(idp, numbering),
        imsi=imsi_digits(idp),
        answered_ms=None if course is None else _ms(course.answered),
        disconnected_ms=None if course is None else _ms(course.disconnected),
        release_cause=None if course is None else course.cause,
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
