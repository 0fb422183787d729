"""The call detail record: what is kept of one call attempt."""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from msgspec import Struct

from scp.domain.call import Trigger
from scp.domain.decision import Action
from scp.domain.reason import Reason


class CallAttempt(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One call attempt, one record. All times are milliseconds since 1970-01-01 UTC.

    The switch's own record of the call has the same call reference number and MSC address; by these two
    together one is found from the other.

    Attributes:
        received_ms: when the request came.
        decided_ms: when it was answered.
        service: the name of the service that decided, "" if none was reached.
        service_key: the request's.
        trigger: who asked.
        a_number: calling party number, digits as received, "" if absent.
        b_number: called number, digits as received, "" if absent.
        action: what the switch was told.
        reason: why.
        number: the number to connect to, "" if none.
        call_reference: call reference number, hex octets, "" if absent.
        msc_address: E.164 digits of the address of the MSC that allocated it, "" if absent.
        imsi: of the subscriber whose trigger asked, "" if absent.
        answered_ms: when the call was answered, None if it was not or nobody watched it.
        disconnected_ms: when it was cleared, None likewise.
        release_cause: Q.850 cause value of its clearing, None if not known.
        charged_ms: how long the switch said it charged, None if it was not charged.
        reservation: id of the charging reservation, None if there was none.
    """

    received_ms: int
    decided_ms: int
    service: str
    service_key: int
    trigger: Trigger
    action: Action
    reason: Reason
    a_number: str = ""
    b_number: str = ""
    number: str = ""
    call_reference: str = ""
    msc_address: str = ""
    imsi: str = ""
    answered_ms: int | None = None
    disconnected_ms: int | None = None
    release_cause: int | None = None
    charged_ms: int | None = None
    reservation: str | None = None
