"""The values that each label of a metric can have.

Every set is bounded and known before the first call, so each combination that can occur is there from the
start with 0: a rate over a counter that appears with its first increment misses that increment. What is not
in a set counts as ``other``.
"""

from __future__ import annotations

from typing import Final

from scp.domain.decision import Action
from scp.domain.map_results import Outcome, Result
from scp.domain.message import State as MessageState
from scp.domain.reason import Reason
from scp.domain.whereabouts import LocateFailure
from scp.message_ports import Taken
from scp.ports import Denied
from scp.services.charge_control import REPORTS_DISCARDED
from scp.stack.m3ua.events import DiscardReason
from scp.stack.sccp_settings import Discard as SccpDiscard
from scp.stack.tcap_settings import ABORTED_REASONS, DISCARD_REASONS, REFUSED_REASONS
from ss7.cap.lenient import parameters
from ss7.cap.operations import OPERATIONS
from ss7.m3ua import MESSAGES
from ss7.map.location import MM_NAMES

OTHER: Final = "other"
NO_SERVICE: Final = "none"
"""The service of a call that none was found for."""

_REFUSALS: Final = frozenset(
    {
        Reason.UNKNOWN_SERVICE_KEY,
        Reason.UNDECODABLE_ARGUMENT,
        Reason.CRITICAL_EXTENSION,
        Reason.UNEXPECTED_OPERATION,
        Reason.ABANDONED,
    }
)
_STORE_FAILURES: Final = frozenset({Reason.STORE_TIMEOUT, Reason.STORE_UNAVAILABLE})
_NODE_REASONS: Final = frozenset(
    {Reason.OVERLOAD, Reason.RATE_LIMITED, Reason.DRAINING, Reason.UNREADABLE_PARAMETER}
)


def actions_for(reason: Reason) -> tuple[Action, ...]:
    """Return the actions that a decision with ``reason`` can have."""
    if reason in _REFUSALS:
        return (Action.ERROR,)
    if reason is Reason.SERVICE_LOGIC:  # of a service added by the operator: all are possible
        return tuple(Action)
    if reason in _STORE_FAILURES:  # the configured policy decides
        return (Action.CONTINUE, Action.RELEASE)
    if reason.value.startswith("forwarded"):
        return (Action.CONNECT,)
    return (Action.CONTINUE,)


def call_pairs(service: str) -> tuple[tuple[Action, Reason], ...]:
    """Return the (action, reason) pairs that calls of ``service`` can have; `NO_SERVICE` has few."""
    reasons = _REFUSALS | _NODE_REASONS if service == NO_SERVICE else frozenset(Reason)
    return tuple((action, reason) for reason in Reason if reason in reasons for action in actions_for(reason))


JOURNAL_RESULTS: Final = ("written", "fenced", "failed")
HELD_EVENT_NAMES: Final = ("adopted", "relayed", "brought", "left", "handed-over", "unreadable")
OUTCOMES: Final = (
    *(
        "ended",
        "aborted-by-peer",
        "aborted-by-us",
        "timeout",
        "error",
        "reject",
        "undeliverable",
        "handed-over",
    ),
    OTHER,
)
DIRECTIONS: Final = ("in", "out")
OPERATION_NAMES: Final = {operation.opcode: operation.name for operation in OPERATIONS}
MESSAGE_TYPES: Final = (*(message.name for message in MESSAGES.values()), OTHER)
RELOAD_RESULTS: Final = ("success", "failure")
AS_STATES: Final = ("unknown", "down", "inactive", "active", "pending")
DESTINATION_STATES: Final = ("available", "restricted", "unavailable", "congested", "unknown")
PATH_STATES: Final = ("up", "down", "unknown")
SUBSYSTEM_STATES: Final = ("allowed", "prohibited", "congested")
ASP_STATES: Final = ("down", "inactive", "active")
STORE_OPERATIONS: Final = ("load", "find", "get", "put", "delete", "move", "put_many", OTHER)
STORE_ERROR_KINDS: Final = (
    *("unavailable", "unreachable", "overload", "locked", "disk-full", "full", "read-only", "unacknowledged"),
    *(
        "auth",
        "corrupt",
        "invalid",
        "cannot-open",
        "io-error",
        "closed",
        "missing",
        "foreign",
        "foreign-write",
    ),
    *("newer", "too-old", "error", OTHER),
)
"""Kinds of `scp.ports.StoreError` that an operation of a subscriber store fails with."""
RESERVATION_RESULTS: Final = (
    *("approved", "extended", "committed", "released", "expired"),
    *(str(reason) for reason in Denied),
    "ledger-failed",
    "unsettled",
    OTHER,
)
ENQUIRY_OPERATIONS: Final = (
    *("anyTimeInterrogation", "anyTimeModification", "sendRoutingInfo", "sendRoutingInfoForSM"),
    *("mt-ForwardSM", "reportSM-DeliveryStatus", OTHER),
)
ENQUIRY_OUTCOMES: Final = tuple(str(each) for each in Outcome)
PLACE_RESULTS: Final = ("fresh", "asked", *(str(each) for each in LocateFailure), OTHER)
MOBILITY_EVENTS: Final = (*MM_NAMES.values(), "subscriber-data-modified", OTHER)
MOBILITY_RESULTS: Final = tuple(str(each) for each in Result)
PARAMETERS: Final = (*parameters(), OTHER)
CDR_RESULTS: Final = ("written", "dropped", OTHER)
MESSAGE_RESULTS: Final = (*(str(state) for state in MessageState), "received", OTHER)
SUBMISSION_RESULTS: Final = (*(str(taken) for taken in Taken), OTHER)
CONTROLLED_OUTCOMES: Final = (
    *("submitted", "delivered", "failed", "unreported", "denied", "unpaid"),
    OTHER,
)
CHF_RESULTS: Final = ("answered", "refused", "unavailable")
IDENTITIES: Final = ("instance", "name")
GUARDIAN_STATES: Final = ("armed", "lost", "off")
RECORDING_STATES: Final = ("off", "running", "failed")
RECORDING_RESULTS: Final = {"written": "written", "over the rate": "over-rate", "not masked": "not-masked"}
"""Label by `scp.capture.record.Recorder`'s words."""
DISCARD_REASONS_BY_LAYER: Final[dict[str, tuple[str, ...]]] = {
    "sctp": ("payload-protocol", "partial-delivery", OTHER),
    "m3ua": (*(str(reason) for reason in DiscardReason), OTHER),
    "sccp": (*(str(reason) for reason in SccpDiscard), "returned", "unsendable", OTHER),
    "tcap": (*DISCARD_REASONS, *REFUSED_REASONS, *ABORTED_REASONS, OTHER),
    "cap": (
        *(str(reason) for reason in Reason if reason in _REFUSALS - {Reason.ABANDONED}),
        *(
            "unreadable-parameter",
            "unrecognized-operation",
            "rejected-component",
            "refused-repetition",
            "report-queue",
            "unexpected-assist",
        ),
        *REPORTS_DISCARDED,
        *("internal-error", OTHER),
    ),
    "map": (
        *("undecodable-result", "undecodable-error", "undecodable-argument", "unexpected-operation"),
        *(str(each) for each in (Result.FOREIGN, Result.FORGED, Result.NOT_WRITTEN)),
        OTHER,
    ),
    "smpp": (
        *("no-smpp", "unreadable", "unknown-command", "unexpected-command", "unexpected-response"),
        *("too-many", OTHER),
    ),
    OTHER: (OTHER,),
}
