"""The shipped alerts as a console evaluates them, held against Prometheus's own evaluation."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from scp.console.alerts import Alerts, _rules, _shipped
from scp.console.promql import Moment, UnknownError, parse
from scp.domain.reason import Reason

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "camel-scp.rules.yml"
ONLY_PROMETHEUS = {"ScpNoCalls", "ScpAnswersLate", "ScpEventLoopLag"}
"""Rules with a quantile, or with an hour ago."""


class Counted:
    """Metrics whose values a test sets."""

    def __init__(self) -> None:
        self.asp = 0.0
        self.fails = 0.0

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        asp = GaugeMetricFamily("scp_m3ua_asp_state", "", labels=("peer", "state"))
        asp.add_metric(("<b>msc</b>", "active"), self.asp)
        draining = GaugeMetricFamily("scp_draining", "", value=0)
        calls = CounterMetricFamily("scp_calls", "", labels=("service", "action", "reason"))
        calls.add_metric(("voip", "continue", "service-error"), self.fails)
        return [asp, draining, calls]


def test_every_rule_is_evaluated_but_those_that_need_quantiles_or_yesterday() -> None:
    known, unknown = _rules(_shipped("camel-scp.rules.yml"), _shipped("runbook.md"))
    assert _shipped("camel-scp.rules.yml") == RULES.read_text()
    assert set(unknown) <= ONLY_PROMETHEUS
    assert len(known) > 40
    assert [each.name for each in known if "**Means**" not in each.runbook] == []


def test_every_alert_has_its_runbook_section_and_a_page_of_the_console() -> None:
    sections = Alerts("scp-1", ()).sections
    assert sections.keys() == {
        rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    }
    reasons = set()
    for section in sections.values():
        assert "**Means**" in section.runbook
        page, _, query = section.page.partition("?")
        assert page in ("#/overview", "#/calls", "#/health")
        reasons |= set(parse_qs(query).get("reason", ()))
    assert reasons
    assert reasons <= set(Reason)


def test_an_alert_is_pending_then_fires_and_ends() -> None:
    counted, now = Counted(), [1000.0]
    alerts = Alerts("scp-1", (counted,), lambda: now[0])
    found = {each.name: each for each in asyncio.run(alerts.now()).alerts}
    assert found["ScpNoActiveAsp"].state == "pending"
    assert found["ScpAspNotActive"].labels["peer"] == "<b>msc</b>"
    assert "scp-1: the ASP towards <b>msc</b> is not active" in found["ScpAspNotActive"].summary
    assert "ScpServiceFails" not in found
    now[0] += 31
    counted.fails = 3
    found = {each.name: each for each in asyncio.run(alerts.now()).alerts}
    assert (found["ScpNoActiveAsp"].state, found["ScpNoActiveAsp"].since_ms) == ("firing", 1_000_000)
    assert found["ScpAspNotActive"].state == "pending"  # its rule asks for two minutes
    assert (found["ScpServiceFails"].state, found["ScpServiceFails"].value) == ("firing", 3)
    assert found["ScpServiceFails"].page == "#/calls?reason=service-error&service=voip"
    now[0] += 700
    counted.asp = 1
    assert [each.name for each in asyncio.run(alerts.now()).alerts] == []


LABELS = {"peer": ("a", "b"), "state": ("active", "down")}
EXPRESSIONS = (
    'x{state="active"} == 0',
    'max by (peer) (x{state="active"}) == 0 and on (peer) y > 0',
    "sum by (peer) (x) / on (peer) group_left sum by (peer) (y) > 0.4",
    "count(count by (state) (x)) > 1",
    'x{state=~"act.*|none"} > 1 or (y > 0 and y > 2)',
    'x{peer!="a"} - 1 >= 0',
    "sum(x) * 2 != 8",
)
VALUES = {
    ("x", "a", "active"): 0,
    ("x", "a", "down"): 1,
    ("x", "b", "active"): 2,
    ("x", "b", "down"): 1,
    ("y", "a", ""): 1,
    ("y", "b", ""): 4,
}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_expressions_mean_what_they_mean_to_prometheus(tmp_path: Path) -> None:
    samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    series = []
    for (name, peer, state), value in VALUES.items():
        labels = {"peer": peer} | ({"state": state} if state else {})
        samples.setdefault(name, {})[frozenset(labels.items())] = float(value)
        inside = ", ".join(f'{key}="{each}"' for key, each in labels.items())
        series.append({"series": f"{name}{{{inside}}}", "values": f"{value} {value}"})
    cases = []
    for text in EXPRESSIONS:
        found = parse(text)([Moment(0, samples)])
        assert isinstance(found, dict)
        expected = [{"labels": _named(dict(labels), text), "value": value} for labels, value in found.items()]
        cases.append({"expr": text, "eval_time": "1m", "exp_samples": expected})
    (tmp_path / "rules.yml").write_text("groups: []\n")
    test = {
        "rule_files": ["rules.yml"],
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": cases}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    ran = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _named(labels: dict[str, str], text: str) -> str:
    """Labels as promtool writes them: a selected series has its name."""
    name = text[0] if text[1] in "{ " and "- 1" not in text else ""
    name = name and ("x" if "state" in labels else "y")
    return name + "{" + ", ".join(f'{key}="{labels[key]}"' for key in sorted(labels)) + "}"


@pytest.mark.parametrize(
    "text",
    ["", "x{", "histogram_quantile(0.9, x)", "x offset 1h", "rate(x)", "x[5m] > 1", "1 +", "x ==", "§"],
)
def test_what_is_not_known_is_said(text: str) -> None:
    with pytest.raises(UnknownError):
        parse(text)
