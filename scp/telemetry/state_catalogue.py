"""Metrics that are looked up in the node when it is scraped (`scp.app.metrics`)."""

from __future__ import annotations

from typing import Final

from scp.telemetry.catalogue import Kind, Spec

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
