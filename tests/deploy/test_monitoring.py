"""Alerts and dashboards: they name what there is, they fire, and every panel has data in a real Prometheus."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_node import RealNode, eventually, http

from oracles.servers import free_tcp_port, running
from scp.telemetry.catalogue import CATALOGUE, STATE_CATALOGUE, Kind

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "camel-scp.rules.yml"
CASES = DEPLOY / "prometheus" / "camel-scp.test.yml"
RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
NAMES = {spec.name: spec for spec in (*CATALOGUE, *STATE_CATALOGUE)}
FOREIGN = {
    *("up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"),
    *("process_max_fds", "python_gc_collections_total"),
}
SCRAPE = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: camel-scp
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[tuple[str, str, str]]:
    """(dashboard, title, expression) of every panel."""
    return [
        (file.stem, panel["title"], target["expr"])
        for file in DASHBOARDS
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
        for target in panel["targets"]
    ]


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
        assert words in (["Means", "Look", "Do"], ["Means", "Look, do"]), section[:40]


def test_an_unknown_metric_or_label_would_be_noticed() -> None:
    assert unknown_metrics('sum(rate(scp_call_total{action="x"}[5m]))') == {"scp_call_total"}
    assert unknown_metrics('scp_calls_total{peer="x"}') == {"scp_calls_total{peer}"}
    assert unknown_metrics("scp_calls_total_bucket") == {"scp_calls_total_bucket"}
    assert not unknown_metrics('rate(scp_answer_seconds_bucket{instance=~"$instance"}[1m])')


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


# --- a real Prometheus ---


class Prometheus:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **query: str) -> Any:
        status, body = http(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        assert status == 200, body
        return json.loads(body)["data"]

    def values(self, expression: str) -> list[float]:
        return [float(each["value"][1]) for each in self.ask("query", query=expression)["result"]]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[RealNode, Prometheus]]:
    """A node that a Prometheus with our rules scrapes every second."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    node = RealNode(tmp_path)
    port = free_tcp_port()
    rules = tmp_path / "rules.yml"
    rules.write_text(
        re.sub(r"for: \d+[smhd]", "for: 1s", RULES.read_text(encoding="utf-8")), encoding="utf-8"
    )
    config = tmp_path / "prometheus.yml"
    config.write_text(SCRAPE.format(rules=rules, port=node.settings["metrics"]), encoding="utf-8")
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ready() -> bool:
        try:
            return http(f"http://127.0.0.1:{port}/-/ready")[0] == 200
        except OSError:
            return False

    with node.running(), running(command, ready, tmp_path / "prometheus.log"):
        yield node, Prometheus(port)


def test_panels_have_data_and_alerts_fire_and_resolve(watched: tuple[RealNode, Prometheus]) -> None:
    node, prometheus = watched

    def firing() -> set[str]:
        found = prometheus.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    eventually(lambda: {"ScpNotReady", "ScpNoActiveAsp", "ScpAssociationDown"} <= firing(), 20)
    node.provision("11234567")
    numbers = ("--b", "0011234567", "--b", "0011234568")
    load = subprocess.Popen(
        node.msc("--load", "--rate", "100", "--duration", "60", *numbers), stdout=subprocess.DEVNULL
    )
    try:
        eventually(lambda: not firing(), 20)
        eventually(lambda: prometheus.values("sum(rate(scp_calls_total[5s]))") > [50.0], 20)
        for board, title, expression in panels():
            asked = expression.replace("$instance", ".*").replace("$__rate_interval", "30s")
            values = prometheus.values(asked)
            assert values, (board, title, asked)
            assert any(math.isfinite(value) for value in values), (board, title, asked)
    finally:
        load.kill()
        load.wait()
    eventually(lambda: "ScpNotReady" in firing(), 20)
    named = set(re.findall(r"(?m)^### (\w+)$", RUNBOOK))
    assert firing() <= named, "every alert is explained"
