"""Charging of a short message under control: who pays, what is armed, and what a report means.

A message costs something once it was submitted (from a mobile) or delivered (to one), TS 23.078 §7.4: both
are armed as EDP-N with the failure, so that one report comes and the message does not wait for us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from scp.domain.quota import QuotaRequest, Usage
from scp.domain.reason import Reason
from ss7.cap.charging import (
    CamelFCISMSBillingChargingCharacteristics,
    FCIBCCCAMELSequence1SMS,
    encode_contained,
)
from ss7.cap.events import MonitorMode
from ss7.cap.sms import EventTypeSMS, RequestReportSMSEventArg, SMSEvent

if TYPE_CHECKING:
    from scp.domain.call import CallFacts

RECEIVED: Final = "received"
SENT: Final = "sent"
ONE_MESSAGE: Final = 1
"""What is reserved and charged: for charging a message counts as a second does."""
CHARACTERISTICS: Final = "CAMEL-FCISMSBillingChargingCharacteristics"

_NOTIFY: Final = MonitorMode.NOTIFY_AND_CONTINUE
ARMED: Final = {
    False: RequestReportSMSEventArg(
        (SMSEvent(EventTypeSMS.O_FAILURE, _NOTIFY), SMSEvent(EventTypeSMS.O_SUBMISSION, _NOTIFY))
    ),
    True: RequestReportSMSEventArg(
        (SMSEvent(EventTypeSMS.T_FAILURE, _NOTIFY), SMSEvent(EventTypeSMS.T_DELIVERY, _NOTIFY))
    ),
}
"""RequestReportSMSEvent, by whether the message is to the mobile."""
SUCCESSES: Final = {int(EventTypeSMS.O_SUBMISSION): "submitted", int(EventTypeSMS.T_DELIVERY): "delivered"}
FAILURES: Final = frozenset({int(EventTypeSMS.O_FAILURE), int(EventTypeSMS.T_FAILURE)})


class SmsChargingPolicy(Protocol):
    """What the operator wants: `scp.config.SmsCharging`, where the attributes are described."""

    @property
    def pays(self) -> tuple[str, ...]: ...  # noqa: D102 - as the class says, here and below

    @property
    def free(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def denial_cause(self) -> int: ...  # noqa: D102

    @property
    def down(self) -> str: ...  # noqa: D102

    @property
    def deadline_s(self) -> float: ...  # noqa: D102

    @property
    def report_s(self) -> float: ...  # noqa: D102

    @property
    def unreported(self) -> str: ...  # noqa: D102

    @property
    def furnish(self) -> bool: ...  # noqa: D102


def reservation_for(
    policy: SmsChargingPolicy | None,
    facts: CallFacts,
    other: str,
    to_mobile: bool,
    session: str,
    reference: str,
) -> QuotaRequest | None:
    """Return what is asked of charging for a message, None if nobody pays for it.

    Args:
        policy: None: nobody pays.
        facts: of the message: the served subscriber as the called one, and that one's VLR.
        other: the other party, E.164, or as it was dialled.
        to_mobile: whether the message is to the served subscriber.
        session: the reservation's id.
        reference: identifies the message in records.
    """
    if policy is None or not facts.e164 or (RECEIVED if to_mobile else SENT) not in policy.pays:
        return None
    priced_by = facts.vlr if to_mobile else other
    if facts.fault is Reason.NEVER_STEER or (policy.free and priced_by.startswith(policy.free)):
        return None
    a_number, b_number = (other, priced_by) if to_mobile else (facts.e164, other)
    return QuotaRequest(session, facts.e164, reference, a_number, b_number, ONE_MESSAGE, message=True)


def used(at: int) -> Usage:
    """Return one message as it is charged; ``at`` is `QuotaGrant.at`."""
    return Usage(((10 * ONE_MESSAGE, at),))


def furnished(session: str) -> bytes:
    """Return FurnishChargingInformationSMS's argument that has the MSC note a reservation's id."""
    sequence = FCIBCCCAMELSequence1SMS(session.encode("ascii"))
    value: Any = CamelFCISMSBillingChargingCharacteristics("fCIBCCCAMELsequence1", sequence)
    return encode_contained(CHARACTERISTICS, value, 3)
