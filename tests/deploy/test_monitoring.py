"""Alerts and dashboards name what there is; test_operation.py sees them fire, and show data, in a Prometheus."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml
from real_prometheus import DASHBOARDS, DEPLOY, FASTER, RULES, faster, panels

from scp.telemetry.catalogue import CATALOGUE, Kind
from scp.telemetry.state_catalogue import STATE_CATALOGUE

CASES = DEPLOY / "prometheus" / "camel-scp.test.yml"
RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
NAMES = {spec.name: spec for spec in (*CATALOGUE, *STATE_CATALOGUE)}
FOREIGN = {
    *("up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"),
    *("process_max_fds", "python_gc_collections_total"),
}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def unknown_metrics(expression: str) -> set[str]:
    """Return what an expression asks for that no node has, and labels that the metric has not."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    wrong = set()
    for name, selector in re.findall(r"\b((?:scp|process|python)_[a-z_]+|up)\b(?:\{([^}]*)\})?", bare):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        spec = NAMES.get(name) or NAMES.get(base)
        if name in FOREIGN:
            continue
        if spec is None or (name != spec.name and spec.kind is not Kind.HISTOGRAM):
            wrong.add(name)
            continue
        labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector)) - {"instance", "job", "le"}
        wrong |= {f"{name}{{{label}}}" for label in labels - set(spec.labels)}
    return wrong


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed")
    return found


# --- alerts ---


def test_the_rules_are_well_formed_and_every_case_holds(promtool: str) -> None:
    for command in ("check", "rules", str(RULES)), ("test", "rules", str(CASES)):
        done = subprocess.run(
            [promtool, *command], capture_output=True, text=True, check=False, cwd=CASES.parent
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_a_section_and_metrics_that_exist() -> None:
    cases = {case["name"] for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]}
    sections = re.findall(r"(?m)^### (\w+)$", RUNBOOK)
    names = [alert["alert"] for alert in alerts()]
    assert set(names) == cases
    assert names == sections, "the runbook has them in the rules' order"
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["runbook_url"] == f"deploy/runbook.md#{alert['alert'].lower()}"
        assert not unknown_metrics(alert["expr"]), alert["alert"]


def test_every_section_says_what_it_means_and_what_to_do() -> None:
    for section in re.split(r"(?m)^### ", RUNBOOK)[1:]:
        words = re.findall(r"(?m)^\*\*([A-Z][a-z, ]+)\*\*", section)
        assert words in (["Means", "Type", "Look", "Do"], ["Means", "Type", "Look, do"]), section[:40]


def test_an_unknown_metric_or_label_would_be_noticed() -> None:
    assert unknown_metrics('sum(rate(scp_call_total{action="x"}[5m]))') == {"scp_call_total"}
    assert unknown_metrics('scp_calls_total{peer="x"}') == {"scp_calls_total{peer}"}
    assert unknown_metrics("scp_calls_total_bucket") == {"scp_calls_total_bucket"}
    assert not unknown_metrics('rate(scp_answer_seconds_bucket{instance=~"$instance"}[1m])')


def test_the_runbooks_queries_and_panels_are_there() -> None:
    assert not unknown_metrics(RUNBOOK)
    boards = {(panel.board, panel.title.lower()) for panel in panels()}
    named = re.findall(r'((?:"[^"]+"(?: and )?)+) \(dashboard (\w+)', RUNBOOK)
    assert named
    for titles, board in named:
        for title in re.findall(r'"([^"]+)"', titles):
            assert any(b == board and t.startswith(title.lower()) for b, t in boards), (board, title)


def test_rules_that_are_faster_are_the_same_rules() -> None:
    text = RULES.read_text(encoding="utf-8")
    before, after = (
        re.findall(r"(?:for: |\[|offset )(\d+)(ms|s|m|h)", each) for each in (text, faster(text))
    )
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    assert len(before) > len(alerts())
    assert [int(number) * seconds[unit] for number, unit in before] == [
        pytest.approx(int(number) * seconds[unit] * FASTER) for number, unit in after
    ]


# --- dashboards ---


def test_the_dashboards_are_what_the_table_of_panels_says() -> None:
    path = DEPLOY / "grafana" / "make.py"
    spec = importlib.util.spec_from_file_location("make_dashboards", path)
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    sys.modules["make_dashboards"] = make
    spec.loader.exec_module(make)
    assert {file.stem for file in DASHBOARDS} == set(make.DASHBOARDS)
    for file in DASHBOARDS:
        assert file.read_text(encoding="utf-8") == make.dashboard(file.stem), f"run {path}"


def test_panels_show_what_exists() -> None:
    for board, title, expression in panels():
        assert not unknown_metrics(expression), (board, title)


def test_every_metric_of_the_node_is_on_a_dashboard() -> None:
    shown = " ".join(expression for *_, expression in panels())
    assert not {name for name in NAMES if name not in shown}
