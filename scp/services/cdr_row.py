"""The row of a call detail record: what is kept of an InitialDP and of the answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from scp.domain.cdr import leg
from scp.services.idp import called_number, calling_digits, imsi_digits, msc_e164, trigger_of
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.cdr import Row
    from scp.domain.decision import Decision
    from scp.domain.numbers import Numbering
    from scp.services.call_progress import CallProgress
    from ss7.cap.types import InitialDPArg

Answered: TypeAlias = "tuple[float, str, InitialDPArg | None, Decision, float]"
"""An answered call: when that was (seconds since 1970-01-01 UTC), the service ("none": it reached none), the
request if it could be read, what was answered, the seconds it took."""

_NO_KEY: Final = -1
_REFERENCE: Final = 10  # of a row: `scp.domain.cdr.ATTEMPT_ROW`
_MSC: Final = 11


def attempt_rows(calls: Sequence[Answered], numbering: Numbering) -> list[Row]:
    """Return the rows of the records of ``calls``, in their order.

    Args:
        calls: that were answered.
        numbering: the home numbering plan.
    """
    return [attempt_row(call, numbering) for call in calls]


def legs_of(rows: Sequence[Row]) -> list[str | None]:
    """Return the legs (`scp.domain.cdr.leg`) of the records with these rows."""
    return [leg(row[_REFERENCE], row[_MSC]) if len(row) > _MSC else None for row in rows]


def attempt_row(call: Answered, numbering: Numbering) -> Row:
    """Return the row of one call's record; see `attempt_rows`."""
    when, service, idp, decision, seconds = call
    decided_ms = int(when * 1000)
    received_ms = int((when - seconds) * 1000)
    if idp is None:
        return (received_ms, decided_ms, service, _NO_KEY, None, decision.action, decision.reason)
    trigger = trigger_of(idp)
    try:
        b_number = called_number(idp, trigger)[0]
    except DecodeError:
        b_number = ""
    reference = idp.call_reference_number
    return (
        received_ms,
        decided_ms,
        service,
        idp.service_key,
        trigger,
        decision.action,
        decision.reason,
        calling_digits(idp),
        b_number,
        decision.number,
        "" if reference is None else reference.hex(),
        msc_e164(idp, numbering),
        imsi_digits(idp),
    )


def ending(progress: CallProgress) -> Row:
    """Return the values that follow in the row of a call that was watched to its end."""
    values = (_ms(progress.answered), _ms(progress.disconnected), progress.cause)
    charge = progress.charge
    if charge is not None:
        failed = " ".join(progress.failed)
        paid = (charge.charge, charge.reserved, charge.tariff)
        row = (*values, charge.charged_ms, charge.reservation, failed, *paid)
        return (*row, charge.charged_by) if charge.charged_by else row
    return (*values, None, None, " ".join(progress.failed)) if progress.failed else values


def _ms(seconds: float | None) -> Any:
    return None if seconds is None else int(seconds * 1000)
