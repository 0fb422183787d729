"""What the node counts, and the durations that it observes: name, kind, help and labels of each metric.

What is looked up in the node when it is scraped is in `scp.telemetry.state_catalogue`, the values of labels
are in `scp.telemetry.label_values`. No number of a subscriber or a point code is ever a label.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


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
