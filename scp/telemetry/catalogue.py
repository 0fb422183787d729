"""Every metric of the node: name, kind, help, labels with all their values.

Every value set is bounded and known before the first call, so each combination that can occur is there from
the start with 0: a rate over a counter that appears with its first increment misses that increment. What is
not in a set counts as ``other``. No number of a subscriber or a point code is ever a label.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from scp.domain.decision import Action
from scp.domain.map_results import Outcome, Result
from scp.domain.message import State as MessageState
from scp.domain.reason import Reason
from scp.domain.whereabouts import LocateFailure
from scp.message_ports import Taken
from scp.ports import Denied
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


class Kind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Spec(NamedTuple):
    """One metric.

    Attributes:
        name: with the prefix, and as exposed (``_total`` on counters).
        kind: see `Kind`.
        help: what it says, with the clause where a standard defines it.
        labels: names, in order.
        buckets: upper bounds in seconds, of a histogram.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


ANSWER_BUCKETS: Final = (
    *(50e-6, 100e-6, 200e-6, 400e-6, 800e-6),
    *(1.5e-3, 3e-3, 6e-3, 12e-3, 25e-3, 50e-3, 100e-3, 150e-3, 250e-3, 400e-3, 1.0),
)
"""From what an answer takes out of memory to the shortest Tssf, with the default deadlines as bounds."""
STORE_BUCKETS: Final = (
    100e-6,
    250e-6,
    500e-6,
    1e-3,
    2.5e-3,
    5e-3,
    10e-3,
    25e-3,
    50e-3,
    150e-3,
    0.5,
    2.5,
    10.0,
)
LAG_BUCKETS: Final = (0.5e-3, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 250e-3, 1.0)

CALLS: Final = Spec(
    "scp_calls_total",
    Kind.COUNTER,
    "InitialDPs answered, by what was said and why (TS 29.078 clause 11.20).",
    ("service", "action", "reason"),
)
ANSWER: Final = Spec(
    "scp_answer_seconds",
    Kind.HISTOGRAM,
    "From an InitialDP coming in to its answer going out; the shortest Tssf is 1 s (TS 23.078).",
    (),
    ANSWER_BUCKETS,
)
DIALOGUES_OPEN: Final = Spec("scp_dialogues_open", Kind.GAUGE, "TCAP dialogues open (Q.774).")
DIALOGUES: Final = Spec(
    "scp_dialogues_total",
    Kind.COUNTER,
    "TCAP dialogues that are over, by how they ended (Q.774).",
    ("outcome",),
)
OPERATIONS_TOTAL: Final = Spec(
    "scp_operations_total",
    Kind.COUNTER,
    "CAP operations invoked by the switch (in) and by this node (out) (TS 29.078 clause 11).",
    ("operation", "direction"),
)
DISCARDS: Final = Spec(
    "scp_discards_total",
    Kind.COUNTER,
    "Messages, or parts of them, that were thrown away (RFC 4666, Q.714, Q.774, TS 29.078).",
    ("layer", "reason"),
)
ENQUIRIES: Final = Spec(
    "scp_enquiries_total",
    Kind.COUNTER,
    "Questions to HLRs and MSCs that this node asked, by what came of them (TS 29.002 clause 5).",
    ("operation", "outcome"),
)
ENQUIRY: Final = Spec(
    "scp_enquiry_seconds",
    Kind.HISTOGRAM,
    "From a question to an HLR or MSC to its answer, or to the end of the patience.",
    (),
    (5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 150e-3, 250e-3, 500e-3, 1.0, 2.5, 5.0, 30.0),
)
PLACES: Final = Spec(
    "scp_places_total",
    Kind.COUNTER,
    "Places of subscribers that services asked for: remembered, asked of the HLR, or why there was none.",
    ("result",),
)
MOBILITY: Final = Spec(
    "scp_mobility_events_total",
    Kind.COUNTER,
    "What VLRs and HLRs told (noteMM-Event, noteSubscriberDataModified), by what came of it.",
    ("event", "result"),
)
CONTROLLED: Final = Spec(
    "scp_controlled_messages_total",
    Kind.COUNTER,
    "Short messages under control that somebody pays for, by what became of them (TS 23.078 clause 7).",
    ("outcome",),
)
M3UA_MESSAGES: Final = Spec(
    "scp_m3ua_messages_total",
    Kind.COUNTER,
    "M3UA messages (RFC 4666 section 3.1.2).",
    ("peer", "direction", "type"),
)
ASP_STATE: Final = Spec(
    "scp_m3ua_asp_state",
    Kind.GAUGE,
    "State of the ASP towards a peer, 1 for the one it is in (RFC 4666 section 4.3.1).",
    ("peer", "state"),
)
STORE: Final = Spec(
    "scp_store_seconds",
    Kind.HISTOGRAM,
    "Operations of the subscriber store, writes until they are durable.",
    ("operation",),
    STORE_BUCKETS,
)
STORE_ERRORS: Final = Spec(
    "scp_store_errors_total", Kind.COUNTER, "Operations of the subscriber store that failed.", ("kind",)
)
RESERVATIONS: Final = Spec(
    "scp_reservations_total",
    Kind.COUNTER,
    "Requests for minutes, extensions and settlements, by what came of them (TS 32.290 clause 5.2).",
    ("result",),
)
CDRS: Final = Spec(
    "scp_cdrs_total",
    Kind.COUNTER,
    "Call detail records of call attempts that were written, or dropped because too many waited.",
    ("result",),
)
MESSAGES_TOTAL: Final = Spec(
    "scp_messages_total",
    Kind.COUNTER,
    "Text messages by the states that they came to, and those that came in (received).",
    ("result",),
)
SUBMISSIONS: Final = Spec(
    "scp_message_submissions_total",
    Kind.COUNTER,
    "Parts of text messages handed to the SMSC, by what it made of them (SMPP 3.4 clause 4.4); doubt: it did "
    "not answer.",
    ("result",),
)
UNMATCHED_RECEIPTS: Final = Spec(
    "scp_message_receipts_unmatched_total",
    Kind.COUNTER,
    "Delivery receipts of messages that this node does not know.",
)
OVERLOAD: Final = Spec(
    "scp_overload_level", Kind.GAUGE, "0: every call is looked up. Higher: a growing share is continued."
)
LAG: Final = Spec(
    "scp_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late the event loop wakes a task that sleeps: what every call waits for besides its own work.",
    (),
    LAG_BUCKETS,
)
BUILD: Final = Spec(
    "scp_build_info",
    Kind.GAUGE,
    "Always 1; the labels say what runs.",
    ("version", "python", "codec", "compiled"),
)

RELOADS: Final = Spec(
    "scp_config_reloads_total", Kind.COUNTER, "Reloads of the configuration (SIGHUP).", ("result",)
)
RELOAD_OK: Final = Spec(
    "scp_config_last_reload_successful",
    Kind.GAUGE,
    "1: the configuration was taken over as it stood when it was last loaded. 0: the one before is in use.",
)
RELOAD_TIME: Final = Spec(
    "scp_config_last_reload_success_timestamp_seconds",
    Kind.GAUGE,
    "When a configuration was last taken over, in seconds since 1970.",
)
RESTART_NEEDED: Final = Spec(
    "scp_config_restart_needed",
    Kind.GAUGE,
    "How many changed settings of the file in use wait for a restart.",
)

CATALOGUE: Final = (
    CALLS,
    ANSWER,
    DIALOGUES_OPEN,
    DIALOGUES,
    OPERATIONS_TOTAL,
    DISCARDS,
    ENQUIRIES,
    MOBILITY,
    ENQUIRY,
    PLACES,
    M3UA_MESSAGES,
    ASP_STATE,
    STORE,
    STORE_ERRORS,
    RESERVATIONS,
    CDRS,
    MESSAGES_TOTAL,
    SUBMISSIONS,
    UNMATCHED_RECEIPTS,
    CONTROLLED,
    OVERLOAD,
    LAG,
    BUILD,
    RELOADS,
    RELOAD_OK,
    RELOAD_TIME,
    RESTART_NEEDED,
)

# --- what is looked up in the node when it is scraped (`scp.app.metrics`) ---

READY: Final = Spec(
    "scp_ready", Kind.GAUGE, "1: the node takes calls, an ASP is active and the store usable. 0: see /health."
)
DRAINING: Final = Spec("scp_draining", Kind.GAUGE, "1 from SIGTERM on.")
STORE_USABLE: Final = Spec("scp_store_usable", Kind.GAUGE, "1: the subscriber store can be read.")
ASSOCIATION: Final = Spec(
    "scp_m3ua_association_up", Kind.GAUGE, "1: the association with a peer is up (RFC 9260).", ("peer",)
)
AS_STATE: Final = Spec(
    "scp_m3ua_as_state",
    Kind.GAUGE,
    "Application servers by their state as the peer notified it: 1 for the one it is in, if there is one "
    "only (RFC 4666 section 4.3.2).",
    ("peer", "state"),
)
DESTINATIONS: Final = Spec(
    "scp_m3ua_destinations",
    Kind.GAUGE,
    "Destinations behind a peer by what it said of them (RFC 4666 section 3.4).",
    ("peer", "state"),
)
PATHS: Final = Spec(
    "scp_sctp_paths",
    Kind.GAUGE,
    "Addresses of a peer by their state (RFC 9260 section 8).",
    ("peer", "state"),
)
SUBSYSTEMS: Final = Spec(
    "scp_sccp_subsystems", Kind.GAUGE, "Subsystems of other nodes by state (Q.714 clause 5).", ("state",)
)
CDRS_WAITING: Final = Spec(
    "scp_cdrs_waiting",
    Kind.GAUGE,
    "Call detail records that are not written yet; beyond 500000 they are dropped.",
)
CDRS_OLDEST: Final = Spec(
    "scp_cdrs_waiting_seconds",
    Kind.GAUGE,
    "For how long, at the most, a call detail record has been waiting for the disk. Below 1 where all is "
    "well; what waits is lost if the process is killed.",
)
LEDGER_USABLE: Final = Spec(
    "scp_ledger_usable",
    Kind.GAUGE,
    "1: the ledger of balances and reservations did what was last asked of it. 0: no minutes are granted.",
)
CHF_REQUESTS: Final = Spec(
    "scp_chf_requests_total",
    Kind.COUNTER,
    "Requests to the charging function (TS 32.291): answered, refused, or unavailable, which means no answer "
    "within charging.chf.deadline_ms or an open circuit.",
    ("result",),
)
RO_REQUESTS: Final = Spec(
    "scp_ro_requests_total",
    Kind.COUNTER,
    "Requests to the online charging system (Diameter Ro): answered, refused, or unavailable, which means no "
    "answer within charging.ro.deadline_ms, or no server that may be asked.",
    ("result",),
)
RO_REPEATED: Final = Spec(
    "scp_ro_requests_repeated_total",
    Kind.COUNTER,
    "Requests to the online charging system sent once more, with the T flag: a server did not answer.",
)
RO_MISSING: Final = Spec(
    "scp_ro_servers_missing",
    Kind.GAUGE,
    "Servers of charging.ro that are not connected, or do not answer watchdogs.",
)
SMSC_MISSING: Final = Spec(
    "scp_smsc_binds_missing",
    Kind.GAUGE,
    "Binds to the SMSC that are wanted and do not stand (SMPP 3.4 clause 2.2).",
)
ARMED: Final = Spec(
    "scp_armed_subscribers",
    Kind.GAUGE,
    "Subscribers whose M-CSI this node has the HLR arm, by what came of it.",
    ("state",),
)
MESSAGES_OPEN: Final = Spec(
    "scp_messages_open",
    Kind.GAUGE,
    "Text messages under way: to be sent, or their receipt is to come. A shared store has those of all "
    "nodes.",
)
MESSAGES_WAITING: Final = Spec(
    "scp_messages_waiting_seconds",
    Kind.GAUGE,
    "For how long, at the most, a text message has been due. Below 2 where all is well.",
)
DUPLICATES: Final = Spec(
    "scp_node_duplicates",
    Kind.GAUGE,
    "Other running nodes on the same Redis with this node's instance or name. Any is a mistake: transaction "
    "ids, or CDRs and their files, are no longer told apart.",
    ("identity",),
)
GUARDIAN: Final = Spec(
    "scp_guardian_state",
    Kind.GAUGE,
    "1 for the state that the guardian is in. lost: if the process is killed now, calls in progress are not "
    "answered. off: the configuration wants none.",
    ("state",),
)
KILLS: Final = Spec(
    "scp_guardian_kills_total",
    Kind.COUNTER,
    "How often a process of this node died without an end in good order (kill -9, out of memory, a crash) "
    "and its guardian took over. It goes on over restarts.",
)
KILLED_CALLS: Final = Spec(
    "scp_guardian_calls_answered_total",
    Kind.COUNTER,
    "Calls of dead processes of this node that its guardians answered. It goes on over restarts.",
)
HELD_CALLS: Final = Spec(
    "scp_journal_calls",
    Kind.GAUGE,
    "Held calls of this node that have a record in the journal: they outlive it.",
)
JOURNAL_WRITES: Final = Spec(
    "scp_journal_writes_total",
    Kind.COUNTER,
    "Records of held calls that were written, or failed; fenced: another node has claimed the call.",
    ("result",),
)
JOURNAL_SECONDS: Final = Spec(
    "scp_journal_seconds_total", Kind.COUNTER, "Seconds that all those writes took together."
)
UNJOURNALLED: Final = Spec(
    "scp_journal_unjournalled_total",
    Kind.COUNTER,
    "Steps of held calls that went on though their record was not written, or not within "
    "journal.deadline_ms: such a call ends with the node.",
)
HELD_EVENTS: Final = Spec(
    "scp_held_calls_total",
    Kind.COUNTER,
    "What happened to held calls among nodes: adopted (this node went on with one), handed-over (a drain "
    "gave one away), unreadable (one could not be gone on with); and to their messages: relayed (to the "
    "node that has the call), brought (here, by another node), left (for the node that adopts the call).",
    ("event",),
)
RECORDING: Final = Spec(
    "scp_recording_state",
    Kind.GAUGE,
    "1 for the state that the recording is in. failed: it has ended by itself, the log says why.",
    ("state",),
)
RECORDED: Final = Spec(
    "scp_recording_messages_total",
    Kind.COUNTER,
    "Messages that were to be recorded, by what became of them: written, over-rate (more than "
    "recording.rate), not-masked (in a form that masking does not understand).",
    ("result",),
)
RECORDED_OCTETS: Final = Spec(
    "scp_recording_octets_total", Kind.COUNTER, "Octets that recordings have written to the disk."
)
TRACES: Final = Spec("scp_traces_running", Kind.GAUGE, "Numbers that are traced now; 16 at the most.")
TRACES_REFUSED: Final = Spec(
    "scp_traces_refused_total", Kind.COUNTER, "Traces that were not begun, since 16 were running."
)
TRACED: Final = Spec(
    "scp_trace_messages_total",
    Kind.COUNTER,
    "Messages of traced numbers: written to the log, or skipped because more than 50 a second came.",
    ("result",),
)
LOG_LINES_LOST: Final = Spec(
    "scp_log_lines_lost_total",
    Kind.COUNTER,
    "Lines of the log that its reader, or a full disk, did not take.",
)
DIALOGUES_LIMIT: Final = Spec(
    "scp_dialogues_limit", Kind.GAUGE, "engine.max_dialogues: beyond it dialogues are refused."
)
DECLINES: Final = Spec(
    "scp_codec_declines_total",
    Kind.COUNTER,
    "Arguments in a form of BER that the fast codec leaves to the reference codec (X.690).",
    ("peer",),
)
UNREADABLE: Final = Spec(
    "scp_unreadable_parameters_total",
    Kind.COUNTER,
    "Operations of the switch with a parameter that can't be read (TS 29.078 clauses 5.1 and 6.1). Optional "
    "ones are left out; with engine.strict the operation is rejected, and nothing is counted here.",
    ("peer", "parameter"),
)
OTHER_INDICATORS: Final = Spec(
    "scp_m3ua_other_indicator_total",
    Kind.COUNTER,
    "DATA with a network indicator that no network of its peer has (Q.704 clause 14.2.2); "
    "other_network_indicator says whether it is answered or discarded.",
    ("peer", "indicator"),
)

STATE_CATALOGUE: Final = (
    READY,
    DRAINING,
    STORE_USABLE,
    ASSOCIATION,
    AS_STATE,
    DESTINATIONS,
    PATHS,
    SUBSYSTEMS,
    CDRS_WAITING,
    CDRS_OLDEST,
    LEDGER_USABLE,
    CHF_REQUESTS,
    ARMED,
    RO_REQUESTS,
    RO_REPEATED,
    RO_MISSING,
    SMSC_MISSING,
    MESSAGES_OPEN,
    MESSAGES_WAITING,
    DUPLICATES,
    GUARDIAN,
    KILLS,
    KILLED_CALLS,
    HELD_CALLS,
    JOURNAL_WRITES,
    JOURNAL_SECONDS,
    UNJOURNALLED,
    HELD_EVENTS,
    RECORDING,
    RECORDED,
    RECORDED_OCTETS,
    TRACES,
    TRACES_REFUSED,
    TRACED,
    LOG_LINES_LOST,
    DIALOGUES_LIMIT,
    DECLINES,
    UNREADABLE,
    OTHER_INDICATORS,
)

# --- label values ---

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
STORE_OPERATIONS: Final = ("load", "find", "get", "put", "delete", "put_many", OTHER)
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
            "report-queue",
            "unexpected-assist",
        ),
        *("internal-error", OTHER),
    ),
    "map": (
        *("undecodable-result", "undecodable-error", "undecodable-argument", "unexpected-operation"),
        *(str(each) for each in (Result.FOREIGN, Result.FORGED, Result.NOT_WRITTEN)),
        OTHER,
    ),
    OTHER: (OTHER,),
}
