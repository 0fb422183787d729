"""The VoIP service's alerts and its page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scp.voip.directory import Directory
from scp.voip.metrics import VoipMetrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "camel-scp-voip.rules.yml"
PAGE = (ROOT / "deploy" / "voip.md").read_text(encoding="utf-8")


def names() -> set[str]:
    """Of all samples that a brain shows."""
    metrics = VoipMetrics(Directory())
    metrics.links["127.0.0.1:8448"] = True
    return {sample.name for family in metrics.collect() for sample in family.samples}


def test_alerts_are_about_metrics_that_are_there_and_the_page_says_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    for rule in rules:
        assert set(re.findall(r"scp_voip_\w+", rule["expr"])) <= names()
        assert f"### {rule['alert']}\n" in PAGE
        assert rule["annotations"]["runbook_url"] == f"deploy/voip.md#{rule['alert'].lower()}"
    for shown in re.findall(r"`(scp_voip_\w+)", PAGE):
        assert any(name.startswith(shown) for name in names()), shown


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_readable() -> None:
    unit = ROOT / "deploy" / "systemd" / "camel-scp-voip.service"
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if unit.name in line and "not executable" not in line]
    assert [line for line in lines if "Command /opt" not in line] == []
