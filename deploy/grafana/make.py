"""Writes the dashboards: ``python deploy/grafana/make.py``. What is shown is the table of panels below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
NODE: Final = 'instance=~"$instance"'
RATE: Final = "$__rate_interval"
WIDTH: Final = 12
HEIGHT: Final = 8


class Panel(NamedTuple):
    """One panel.

    Attributes:
        title: with what it tells whom.
        expression: PromQL; ``{}`` is the selector of the chosen nodes.
        legend: Grafana's legend format.
        unit: Grafana's name of it.
        kind: "timeseries" or "stat".
        text: shown at the panel's (i).
    """

    title: str
    expression: str
    legend: str
    unit: str = "short"
    kind: str = "timeseries"
    text: str = ""


def rate(metric: str, by: str, selector: str = "") -> str:
    """Return the rate of a counter by labels."""
    inside = f"{NODE},{selector}" if selector else NODE
    return f"sum by ({by}) (rate({metric}{{{inside}}}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "", selector: str = "") -> str:
    """Return a quantile of a histogram, of all chosen nodes together."""
    inside = f"{NODE},{selector}" if selector else NODE
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{inside}}}[{RATE}])))"


def gauge(metric: str, selector: str = "") -> str:
    """Return a gauge of the chosen nodes."""
    return f"{metric}{{{f'{NODE},{selector}' if selector else NODE}}}"


SERVICE: Final = (
    Panel("Ready", gauge("scp_ready"), "{{instance}}", kind="stat", text="1: takes calls. 0: see /health."),
    Panel("Calls a second", rate("scp_calls_total", "instance"), "{{instance}}", "cps"),
    Panel("What was answered", rate("scp_calls_total", "action"), "{{action}}", "cps"),
    Panel("And why", f"topk(12, {rate('scp_calls_total', 'reason')})", "{{reason}}", "cps"),
    Panel("Time to the answer, median", quantile(0.5, "scp_answer_seconds"), "p50", "s"),
    Panel("Time to the answer, 99 %", quantile(0.99, "scp_answer_seconds"), "p99", "s"),
    Panel(
        "Answers that a store's failure decided",
        rate("scp_calls_total", "reason", 'reason=~"store-.*"'),
        "{{reason}}",
        "cps",
    ),
    Panel("Refused", rate("scp_calls_total", "reason", 'action="error"'), "{{reason}}", "cps"),
    Panel("Overload level", gauge("scp_overload_level"), "{{instance}}"),
    Panel("Reservations", rate("scp_reservations_total", "result"), "{{result}}", "reqps"),
    Panel("Call detail records", rate("scp_cdrs_total", "result"), "{{result}}", "cps"),
    Panel("Records that wait", gauge("scp_cdrs_waiting"), "{{instance}}"),
    Panel("The oldest of them waits for", gauge("scp_cdrs_waiting_seconds"), "{{instance}}", "s"),
    Panel("Ledger usable", gauge("scp_ledger_usable"), "{{instance}}", kind="stat"),
    Panel("Text messages", rate("scp_messages_total", "result"), "{{result}}", "mps"),
    Panel("Handed to the SMSC", rate("scp_message_submissions_total", "result"), "{{result}}", "mps"),
    Panel("Text messages under way", gauge("scp_messages_open"), "{{instance}}"),
    Panel("The oldest of them is late by", gauge("scp_messages_waiting_seconds"), "{{instance}}", "s"),
    Panel("Binds to the SMSC missing", gauge("scp_smsc_binds_missing"), "{{instance}}", kind="stat"),
    Panel(
        "Receipts of unknown messages",
        rate("scp_message_receipts_unmatched_total", "instance"),
        "{{instance}}",
        "mps",
    ),
    Panel(
        "Paid messages under control",
        rate("scp_controlled_messages_total", "outcome") + " > 0",
        "{{outcome}}",
        "mps",
        text="unreported: the switch did not say what became of it; unpaid: charging did not answer.",
    ),
    Panel(
        "Requests to the charging function",
        rate("scp_chf_requests_total", "result"),
        "{{result}}",
        "reqps",
        text="unavailable: it did not answer in time, or is not asked for a while since it did not.",
    ),
    Panel(
        "Requests to the online charging system",
        rate("scp_ro_requests_total", "result"),
        "{{result}}",
        "reqps",
        text="unavailable: no server answered in time, or none is connected that may be asked.",
    ),
    Panel(
        "Requests to it that were sent again",
        rate("scp_ro_requests_repeated_total", "instance"),
        "{{instance}}",
        "reqps",
    ),
    Panel("Servers of it missing", gauge("scp_ro_servers_missing"), "{{instance}}", kind="stat"),
    Panel(
        "Questions to HLRs and MSCs",
        rate("scp_enquiries_total", "operation, outcome") + " > 0",
        "{{operation}} {{outcome}}",
        "ops",
        text="MAP dialogues that the node begins, by what came of them.",
    ),
    Panel(
        "Until an HLR answers (99 %)",
        f"{quantile(0.99, 'scp_enquiry_seconds')} > 0",  # none without an HLR
        "99 %",
        "s",
    ),
    Panel("Places of subscribers", rate("scp_places_total", "result"), "{{result}}", "ops"),
    Panel(
        "What VLRs tell",
        rate("scp_mobility_events_total", "event, result") + " > 0",
        "{{event}} {{result}}",
        "ops",
    ),
    Panel("Armed M-CSIs", gauge("scp_armed_subscribers"), "{{instance}} {{state}}"),
)
SIGNALLING: Final = (
    Panel("ASP active", gauge("scp_m3ua_asp_state", 'state="active"'), "{{instance}} {{peer}}", kind="stat"),
    Panel("Association up", gauge("scp_m3ua_association_up"), "{{instance}} {{peer}}", kind="stat"),
    Panel("AS as the peer says", f"{gauge('scp_m3ua_as_state')} == 1", "{{instance}} {{peer}} {{state}}"),
    Panel("Destinations", gauge("scp_m3ua_destinations"), "{{instance}} {{peer}} {{state}}"),
    Panel("SCTP paths", gauge("scp_sctp_paths"), "{{instance}} {{peer}} {{state}}"),
    Panel("Subsystems of others", gauge("scp_sccp_subsystems"), "{{instance}} {{state}}"),
    Panel(
        "DATA a second",
        rate("scp_m3ua_messages_total", "peer, direction", 'type="DATA"'),
        "{{peer}} {{direction}}",
        "mps",
    ),
    Panel(
        "Other M3UA messages",
        rate("scp_m3ua_messages_total", "type, direction", 'type!="DATA"'),
        "{{type}} {{direction}}",
        "mps",
    ),
    Panel("Dialogues open", gauge("scp_dialogues_open"), "{{instance}}"),
    Panel("Dialogues, by how they ended", rate("scp_dialogues_total", "outcome"), "{{outcome}}", "ops"),
    Panel(
        "CAP operations",
        f"topk(12, {rate('scp_operations_total', 'operation, direction')})",
        "{{operation}} {{direction}}",
        "ops",
    ),
    Panel(
        "Discarded",
        f"topk(12, {rate('scp_discards_total', 'layer, reason')})",
        "{{layer}} {{reason}}",
        "mps",
        text="camel-scp status --discards shows samples.",
    ),
    Panel(
        "Read by the reference codec",
        rate("scp_codec_declines_total", "peer"),
        "{{peer}}",
        "mps",
        text="Unusual or wrong forms: 0.25 ms each.",
    ),
    Panel(
        "Parameters that can't be read",
        rate("scp_unreadable_parameters_total", "peer, parameter") + " > 0",
        "{{peer}} {{parameter}}",
        "mps",
        text="Left out if the decision does not need them, else the call is continued.",
    ),
    Panel(
        "DATA with another network indicator",
        rate("scp_m3ua_other_indicator_total", "peer, indicator") + " > 0",
        "{{peer}} {{indicator}}",
        "mps",
        text="Answered or discarded as other_network_indicator says.",
    ),
)
RUNTIME: Final = (
    Panel("Versions", gauge("scp_build_info"), "{{instance}} {{version}} compiled {{compiled}}", kind="stat"),
    Panel("CPU", f"rate(process_cpu_seconds_total{{{NODE}}}[{RATE}])", "{{instance}}", "percentunit"),
    Panel("Memory", gauge("process_resident_memory_bytes"), "{{instance}}", "bytes"),
    Panel(
        "Event loop lag, 99 %", quantile(0.99, "scp_event_loop_lag_seconds", "instance"), "{{instance}}", "s"
    ),
    Panel("Store usable", gauge("scp_store_usable"), "{{instance}}", kind="stat"),
    Panel("Store operations", rate("scp_store_seconds_count", "operation"), "{{operation}}", "ops"),
    Panel(
        "Time of a write, 99 %",
        quantile(0.99, "scp_store_seconds", "operation", 'operation!~"find|get"'),
        "{{operation}}",
        "s",
    ),
    Panel("Store errors", rate("scp_store_errors_total", "kind"), "{{kind}}", "ops"),
    Panel("File descriptors", gauge("process_open_fds"), "{{instance}}"),
    Panel(
        "Garbage collections",
        rate("python_gc_collections_total", "instance, generation"),
        "{{instance}} {{generation}}",
        "ops",
    ),
    Panel("Last reload taken", gauge("scp_config_last_reload_successful"), "{{instance}}", kind="stat"),
    Panel("Reloads", rate("scp_config_reloads_total", "result"), "{{result}}", "ops"),
    Panel("Settings that wait for a restart", gauge("scp_config_restart_needed"), "{{instance}}"),
    Panel(
        "Since the last reload",
        f"time() - {gauge('scp_config_last_reload_success_timestamp_seconds')}",
        "{{instance}}",
        "s",
    ),
    Panel(
        "Dialogues, share of the limit",
        f"{gauge('scp_dialogues_open')} / {gauge('scp_dialogues_limit')}",
        "{{instance}}",
        "percentunit",
    ),
    Panel("Draining", gauge("scp_draining"), "{{instance}}"),
    Panel("Guardian", f"{gauge('scp_guardian_state')} == 1", "{{instance}} {{state}}", kind="stat"),
    Panel(
        "Times the process died",
        gauge("scp_guardian_kills_total"),
        "{{instance}}",
        text="Without an end in good order: killed, out of memory, a crash. It goes on over restarts.",
    ),
    Panel("Calls answered for a dead process", gauge("scp_guardian_calls_answered_total"), "{{instance}}"),
    Panel(
        "Held calls in the journal",
        gauge("scp_journal_calls"),
        "{{instance}}",
        text="They outlive the node that serves them.",
    ),
    Panel(
        "Journal writes",
        rate("scp_journal_writes_total", "instance, result"),
        "{{instance}} {{result}}",
        text="fenced: another node has claimed the call.",
    ),
    Panel(
        "Time of a journal write",
        f"{rate('scp_journal_seconds_total', 'instance')} / "
        f"{rate('scp_journal_writes_total', 'instance')} > 0",  # 0 / 0 while no call is held
        "{{instance}}",
        "s",
    ),
    Panel(
        "Steps without a record",
        rate("scp_journal_unjournalled_total", "instance"),
        "{{instance}}",
        text="Messages of held calls that did not wait for their record: the store was slow or away.",
    ),
    Panel(
        "Held calls among nodes",
        rate("scp_held_calls_total", "instance, event"),
        "{{instance}} {{event}}",
        text="adopted: after a death or a drain; relayed and brought: messages that came to another node.",
    ),
    Panel(
        "Nodes that are alike",
        gauge("scp_node_duplicates"),
        "{{instance}} {{identity}}",
        text="Other running nodes on the same Redis with this one's instance or name.",
    ),
    Panel("Recording", f"{gauge('scp_recording_state')} == 1", "{{instance}} {{state}}", kind="stat"),
    Panel("Messages recorded", rate("scp_recording_messages_total", "result"), "{{result}}", "mps"),
    Panel("Octets recorded", rate("scp_recording_octets_total", "instance"), "{{instance}}", "Bps"),
    Panel("Numbers traced", gauge("scp_traces_running"), "{{instance}}"),
    Panel("Traces refused", rate("scp_traces_refused_total", "instance"), "{{instance}}", "ops"),
    Panel("Messages of traced numbers", rate("scp_trace_messages_total", "result"), "{{result}}", "mps"),
    Panel(
        "Log lines lost",
        rate("scp_log_lines_lost_total", "instance"),
        "{{instance}}",
        "ops",
        text="Nobody read them, or the disk was full: the node goes on, and says how many when it can.",
    ),
)
VOIP: Final = (
    Panel("Kamailio asks", gauge("scp_voip_link_up"), "{{instance}} {{kamailio}}", kind="stat"),
    Panel("Shared store answers", gauge("scp_voip_store_up"), "{{instance}}", kind="stat"),
    Panel("Calls, by why they went where", rate("scp_voip_calls_total", "reason"), "{{reason}}", "cps"),
    Panel("Calls under way", gauge("scp_voip_dialogs"), "{{kamailio}}"),
    Panel("Time to the decision, median", quantile(0.5, "scp_voip_decision_seconds"), "p50", "s"),
    Panel("Time to the decision, 99 %", quantile(0.99, "scp_voip_decision_seconds"), "p99", "s"),
    Panel("Reservations", rate("scp_voip_charging_total", "result"), "{{result}}", "reqps"),
    Panel(
        "What Kamailio dropped, refused or decided alone",
        rate("scp_voip_kamailio_total", "what"),
        "{{what}}",
        "ops",
        text="Counted by each Kamailio, and told to every brain: look at one instance.",
    ),
    Panel("Identities with a device", gauge("scp_voip_identities_bound"), "{{instance}}"),
    Panel("Identities", gauge("scp_voip_identities"), "{{instance}}"),
    Panel(
        "Registrations told to the node", rate("scp_voip_registrations_told_total", "result"), "{{result}}"
    ),
    Panel("Devices asked about", rate("scp_voip_device_checks_total", "admitted"), "{{admitted}}", "ops"),
)
DASHBOARDS: Final = {
    "service": ("camel-scp: service", SERVICE),
    "signalling": ("camel-scp: signalling", SIGNALLING),
    "runtime": ("camel-scp: runtime", RUNTIME),
}
VOIP_DASHBOARDS: Final = {"voip": ("camel-scp: VoIP service", VOIP)}
"""Of brains; in a folder of their own, for whoever runs no VoIP service."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def panel(number: int, one: Panel) -> dict[str, Any]:
    """Return Grafana's JSON of a panel, two in a row."""
    return {
        "id": number + 1,
        "type": one.kind,
        "title": one.title,
        "description": one.text,
        "datasource": SOURCE,
        "gridPos": {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": one.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": one.expression, "legendFormat": one.legend}],
    }


def dashboard(name: str) -> str:
    """Return a dashboard's JSON (Grafana's schema 39: Grafana 11)."""
    title, panels = {**DASHBOARDS, **VOIP_DASHBOARDS}[name]
    instances = "scp_voip_identities" if name in VOIP_DASHBOARDS else "scp_build_info"
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {
            "name": "instance",
            "type": "query",
            "datasource": SOURCE,
            "query": f"label_values({instances}, instance)",
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "refresh": 2,
            "current": {"text": "All", "value": "$__all"},
        },
    ]
    whole = {
        "uid": f"camel-scp-{name}",
        "title": title,
        "tags": ["camel-scp"],
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables},
        "links": [{"type": "dashboards", "tags": ["camel-scp"], "title": "camel-scp", "asDropdown": False}],
        "panels": [panel(number, one) for number, one in enumerate(panels)],
    }
    return json.dumps(whole, indent=1) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HERE / f"{each}.json").write_text(dashboard(each), encoding="utf-8")
    for each in VOIP_DASHBOARDS:
        (HERE / "voip" / f"{each}.json").write_text(dashboard(each), encoding="utf-8")
