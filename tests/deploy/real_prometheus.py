"""A real Prometheus with our alert rules, and the dashboards' queries."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from real_node import http

from oracles.servers import free_tcp_port, running

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "camel-scp.rules.yml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
FASTER = 60
STEP = 0.5
"""Seconds between scrapes, between evaluations, and of queries over a time."""

_SCRAPE = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: camel-scp
    static_configs:
"""
_TARGET = '      - {{targets: ["127.0.0.1:{port}"], labels: {{instance: {name}}}}}\n'
_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


class Panel(NamedTuple):
    """One query of a dashboard."""

    board: str
    title: str
    expression: str


class Firing(NamedTuple):
    """An alert that fired: for which node ("" for all together), from when to when (seconds since 1970)."""

    alert: str
    instance: str
    began: float
    ended: float


def panels() -> list[Panel]:
    """Every panel's query, as the dashboards have it."""
    return [
        Panel(file.stem, panel["title"], target["expr"])
        for file in DASHBOARDS
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
        for target in panel["targets"]
    ]


def faster(rules: str, speed: float = FASTER) -> str:
    """The rules with every duration a sixtieth of what it is, or so: "for", windows and offsets alike."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(int(found[2]) * _MILLISECONDS[found[3]] / speed)}ms"

    return re.sub(r"(for: |\[|offset )(\d+)([smh])\b", shorter, rules)


class Prometheus:
    """What can be asked of it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **query: str) -> Any:
        status, body = http(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        assert status == 200, body
        return json.loads(body)["data"]

    def values(self, expression: str) -> list[float]:
        return [float(each["value"][1]) for each in self.ask("query", query=expression)["result"]]

    def shown(self, panel: Panel) -> list[float]:
        """What a panel shows of all nodes and of all that they did so far."""
        return self.values(panel.expression.replace("$instance", ".*").replace("$__rate_interval", "1h"))

    def alerts(self, *states: str) -> set[tuple[str, str]]:
        """Alerts that are "pending" or "firing", by name and node."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""))
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] in states
        }

    def fired(self, start: float, end: float) -> list[Firing]:
        """Every alert that fired in a time, each interval by itself."""
        query = 'max by (alertname, instance) (ALERTS{alertstate="firing"})'
        found = self.ask("query_range", query=query, start=str(start), end=str(end), step=str(STEP))
        return [
            Firing(each["metric"]["alertname"], each["metric"].get("instance", ""), *interval)
            for each in found["result"]
            for interval in _intervals([float(time) for time, _ in each["values"]])
        ]


def _intervals(times: list[float]) -> Iterator[tuple[float, float]]:
    """Yield first and last of each run of times that are one step apart."""
    began = before = times[0]
    for time in times[1:]:
        if time - before > 1.5 * STEP:
            yield began, before
            began = time
        before = time
    yield began, before


@contextlib.contextmanager
def watching(folder: Path, nodes: Mapping[str, int], start: float) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes these nodes (metrics port by name), its rules sixty times faster.

    Where a node took longer than two seconds to ``start``, everything takes longer, and the rules are as much slower.
    """
    port = free_tcp_port()
    rules = folder / "rules.yml"
    speed = FASTER / max(1.0, start / 2)
    rules.write_text(faster(RULES.read_text(encoding="utf-8"), speed), encoding="utf-8")
    config = folder / "prometheus.yml"
    targets = "".join(_TARGET.format(name=name, port=number) for name, number in nodes.items())
    config.write_text(_SCRAPE.format(rules=rules) + targets, encoding="utf-8")
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ready() -> bool:
        try:
            return http(f"http://127.0.0.1:{port}/-/ready")[0] == 200
        except OSError:
            return False

    with running(command, ready, folder / "prometheus.log"):
        yield Prometheus(port)
