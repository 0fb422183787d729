"""Call detail records: what each part of the node keeps of a call that it took part in.

Three kinds: the SCP's own of every call attempt, the VoIP service's of its leg, and one for every charge.
What belongs to one call is found by its correlation ids: the switch's call reference number together with the
address of the MSC that allocated it (they are in the switch's own record as well), and the VoIP service's id
of the call.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from scp.domain.call import Trigger
from scp.domain.decision import Action
from scp.domain.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.reservation import Reservation

Time: TypeAlias = Annotated[
    int, Meta(ge=0, le=253_402_300_799_999, description="milliseconds since 1970-01-01 UTC")
]
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$(?!\n)"
"""No control characters: what has it is written to logs and CDR files, and typed by people."""
Key: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=PRINTABLE, description="text without control characters")
]
Short: TypeAlias = Annotated[
    str, Meta(max_length=64, pattern=PRINTABLE, description="text without control characters")
]


class CallAttempt(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="kind", tag="attempt"):
    """One call attempt, one record. All times are milliseconds since 1970-01-01 UTC.

    Attributes:
        id: unique among all records.
        node: name of the node that answered.
        received_ms: when the request came.
        decided_ms: when it was answered.
        service: the name of the service that decided, "none" if none was reached.
        service_key: the request's; -1 if it could not be read.
        trigger: the basic call state model that asked; None if the request could not be read.
        a_number: calling party number, digits as received, "" if absent.
        b_number: called number, digits as received, "" if absent.
        action: what the switch was told.
        reason: why.
        number: the number to connect to, "" if none.
        call_reference: call reference number, hex octets, "" if absent.
        msc_address: E.164 digits of the address of the MSC that allocated it, "" if absent.
        imsi: of the subscriber whose trigger asked, "" if absent.
        answered_ms: when the call was answered, None if it was not or nobody watched it. No event report says
            so: when the first charging report came, less the time that it tells of.
        disconnected_ms: when it was cleared, None likewise.
        release_cause: Q.850 cause value of its clearing, None if not known.
        charged_ms: how long the switch said it charged, None if it was not charged.
        reservation: id of the charging reservation, None if there was none.
        failed_attempts: attempts of a watched call that failed, in order, a space between two: the event and,
            behind a colon, its Q.850 cause value: "tBusy:34 tNoAnswer".
        charge: what was taken off the account, minor units; None if nothing is charged, or it is not known.
        reserved: what was last reserved for the call, minor units; None where nothing is charged.
        tariff: prefix of the tariff; None where another system priced the call, or nothing is charged.
        charged_by: what `charged_ms` goes by where the switch's last report is missing: "clock", the node's
            from the last report to the end; "call-information", the time in the switch's call information
            report; "granted", all that the switch had been given; "reported", what it had reported before.
            None: it is there.
    """

    id: str
    node: str
    received_ms: int
    decided_ms: int
    service: str
    service_key: int
    trigger: Trigger | None
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
    failed_attempts: str = ""
    charge: int | None = None
    reserved: int | None = None
    tariff: str | None = None
    charged_by: str | None = None


class Charge(Struct, frozen=True, gc=False):
    """What a call under control cost: its part of a `CallAttempt`.

    Attributes:
        reservation: id.
        charged_ms: how long the switch said it charged.
        charge: minor units; None: not known yet.
        reserved: minor units.
        tariff: prefix; None where another system priced the call.
        charged_by: as in `CallAttempt`.
    """

    reservation: str
    charged_ms: int
    charge: int | None
    reserved: int
    tariff: str | None
    charged_by: str | None = None


class Progress(NamedTuple):
    """How a held call has gone on, for its `CallAttempt`; times in milliseconds since 1970-01-01 UTC.

    Attributes:
        answered: None: it was not, as are the next two.
        disconnected: when it was over.
        cause: Q.850 cause value.
        failed: as in `scp.services.call_progress.CallProgress`.
        charge: what it cost; None: it is not settled.
    """

    answered: int | None
    disconnected: int | None
    cause: int | None
    failed: tuple[str, ...]
    charge: Charge | None = None


class Cleared(Struct, frozen=True, gc=False):
    """A call was cleared, and no event report says so: a fact for its `CallAttempt`.

    Attributes:
        cause: Q.850 cause value; None: not known.
    """

    cause: int | None = None


class Talking(Struct, frozen=True, gc=False):
    """A call is talked in, and no event report has said that it was answered: a fact for its `CallAttempt`.

    Attributes:
        answered_ms: when it was, by the time that the switch has measured; milliseconds since 1970-01-01 UTC.
    """

    answered_ms: int


ATTEMPT_ROW: Final = CallAttempt.__struct_fields__[2:]
"""What the values in a row of a `Bundle` are: all but id and node. It may grow, at its end: rows last."""
Row: TypeAlias = tuple[Any, ...]
"""The values of one call attempt as `ATTEMPT_ROW` names them; those left out at the end are the defaults."""


class Bundle(NamedTuple):
    """Call attempts of one node that were answered one after the other, as they are kept together.

    Attributes:
        node: name of the node that answered.
        boot: what their ids begin with: which run of the node it was.
        number: of the first; the next has the next. An id is `boot` and the number in hex.
        records: how many there are.
        rows: a JSON array of a `Row` each.
        legs: a JSON array of `leg` each, null where there is none.
    """

    node: str
    boot: str
    number: int
    records: int
    rows: str
    legs: str


def leg(call_reference: str, msc_address: str) -> str | None:
    """Return what the records of one leg of a call have in common.

    A call reference number is unique together with the address of the MSC that allocated it, and one without
    the other is not. Its hex digits may come in either case.
    """
    return f"{call_reference.lower()}@{msc_address}" if call_reference and msc_address else None


def attempt_id(boot: str, number: int) -> str:
    """Return the id of the record with a number; see `Bundle`."""
    return f"{boot}{number:x}"


def attempt_of(record_id: str, node: str, row: Sequence[Any]) -> CallAttempt:
    """Return the record of a `Row`; raises `TypeError` if there are too few values in it, or too many."""
    return CallAttempt(record_id, node, *row)


class VoipLeg(Struct, frozen=True, kw_only=True):
    """What the VoIP service says of its leg of a call.

    Attributes:
        id: the VoIP service's own, unique among its records; a record is kept once.
        call_id: the VoIP service's id of the call (a SIP Call-ID), as in its reservations.
        a_number: calling number.
        b_number: called number.
        started_ms: when the call came.
        answered_ms: when it was answered, None if it was not.
        ended_ms: when it was over.
        cause: Q.850 cause value, or SIP status code (from 300), of its end.
        call_reference: call reference number that came with the call, hex octets.
        msc_address: E.164 digits of the MSC that allocated it.
        reservation: id of the reservation that it was charged to.
    """

    id: Key
    call_id: Key
    a_number: Short
    b_number: Short
    started_ms: Time
    ended_ms: Time
    answered_ms: Time | None = None
    cause: Annotated[int, Meta(ge=0, le=699)] | None = None
    call_reference: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}){0,8}$(?!\n)")] = ""
    msc_address: Annotated[str, Meta(pattern=r"^[0-9]{0,15}$(?!\n)")] = ""
    reservation: Short = ""


class VoipRecord(
    VoipLeg, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="kind", tag="voip"
):
    """The VoIP service's record of its leg of a call; `id` is ``voip-`` and the one that it gave."""


class ChargeRecord(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="kind", tag="charge"
):
    """One charge: a reservation that was committed. Amounts in minor units of `currency`.

    Attributes:
        id: ``charge-`` and the reservation's id: one charge, one record.
        node: the node that charged.
        account: MSISDN of the subscriber that paid.
        call_id: the VoIP service's id of the call.
        a_number: calling number.
        b_number: called number.
        reservation: id of the reservation.
        reserved_ms: when minutes were first asked for.
        ended_ms: when it was committed.
        granted_seconds: how long the call might have lasted.
        used_seconds: how long it lasted.
        charged: what was taken off the account.
        currency: ISO 4217 code.
        tariff: prefix of the tariff; None where another system priced the call.
        reference: that system's id of it, "" if there is none.
    """

    id: str
    node: str
    account: str
    call_id: str
    a_number: str
    b_number: str
    reservation: str
    reserved_ms: int
    ended_ms: int
    granted_seconds: int
    used_seconds: int
    charged: int = 0
    currency: str = ""
    tariff: str | None = None
    reference: str = ""


Record: TypeAlias = CallAttempt | VoipRecord | ChargeRecord


def charge_record(reservation: Reservation, node: str, currency: str) -> ChargeRecord:
    """Return the record of a committed reservation: the same each time but for the node."""
    return ChargeRecord(
        id=f"charge-{reservation.id}",
        node=node,
        account=reservation.account,
        call_id=reservation.call_id,
        a_number=reservation.a_number,
        b_number=reservation.b_number,
        reservation=reservation.id,
        reserved_ms=reservation.created_ms,
        ended_ms=reservation.ended_ms,
        granted_seconds=reservation.granted_seconds,
        used_seconds=reservation.used_seconds,
        charged=reservation.charged,
        currency=currency,
        tariff=None if reservation.tariff is None else reservation.tariff.prefix,
        reference=reservation.reference,
    )


COLUMNS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            "seq",
            "id",
            "kind",
            *(f for r in (CallAttempt, VoipRecord, ChargeRecord) for f in r.__struct_fields__),
        )
    )
)
"""The columns of a CSV export, which every record fits in: those that it has no field for stay empty."""
