"""What stands in deploy/ is true: configurations load, units verify, commands on the pages run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_node import TOKEN, RealNode
from typer.testing import CliRunner

from oracles import page
from scp.app.status import CHECKS
from scp.cli import app
from scp.config import load, loads
from scp.engine import status
from scp.engine.status import _words
from scp.stack.m3ua import events
from scp.store import beside
from scp.store import open as open_store

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
ENVIRON = {
    "CAMEL_SCP_STORE": "redis+sentinel://10.0.0.5:26379,10.0.0.6:26379/scp/0",
    "CAMEL_SCP_OPERATOR_SHA256": "0" * 64,
    "CAMEL_SCP_VOIP_SHA256": "1" * 64,
}


# --- configurations ---


@pytest.mark.parametrize(
    "file", [*DEPLOY.glob("examples/*.toml"), DEPLOY / "container/scp.toml"], ids=lambda file: file.stem
)
def test_camel_scp_check_accepts_the_examples(file: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--offline", str(file)], env=ENVIRON)
    hosts = ("there is no such folder", "No such file")  # what the node's host has and this one has not
    assert [line for line in result.stderr.splitlines() if not any(words in line for words in hosts)] == []
    assert result.exit_code == (2 if "api.tls." in result.stderr else 0), result.stderr


def test_the_sites_are_told_apart() -> None:
    one, two = (load(DEPLOY / "examples" / name, ENVIRON) for name in ("one-site.toml", "two-sites.toml"))
    assert one.node.instance != two.node.instance
    assert {peer.asp_identifier for peer in one.m3ua.peers} == {one.node.instance}
    assert {peer.asp_identifier for peer in two.m3ua.peers} == {two.node.instance}


# --- systemd ---


@pytest.mark.parametrize("unit", ["camel-scp.service", "camel-scp@.service"])
def test_the_units_verify_and_are_hardened(unit: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "camel-scp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (DEPLOY / "systemd" / unit).read_text().replace("/opt/camel-scp/bin/camel-scp", str(program))
    (tmp_path / unit).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    about_it = [line for line in done.stderr.splitlines() if "camel-scp" in line]
    assert (done.returncode, about_it) == (0, [])
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(tmp_path / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


# --- containers ---


def test_the_compose_file_names_files_that_exist() -> None:
    folder = DEPLOY / "container"
    services = yaml.safe_load((folder / "compose.yml").read_text())["services"]
    assert set(services) == {"node", "redis", "prometheus", "grafana"}
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (folder / source).exists(), source
    assert (folder / services["node"]["build"]["context"] / services["node"]["build"]["dockerfile"]).exists()
    rules = yaml.safe_load((folder / "prometheus.yml").read_text())["rule_files"]
    mounted = {volume.split(":")[1] for volume in services["prometheus"]["volumes"]}
    assert set(rules) <= mounted


def manifests() -> dict[str, Any]:
    found = yaml.safe_load_all((DEPLOY / "kubernetes" / "camel-scp.yml").read_text())
    return {each["kind"]: each for each in found}


def test_a_pods_instance_is_its_ordinal(tmp_path: Path) -> None:
    kinds = manifests()
    [make] = kinds["StatefulSet"]["spec"]["template"]["spec"]["initContainers"]
    (tmp_path / "scp.toml").write_text(kinds["ConfigMap"]["data"]["scp.toml"])
    script = (
        make["command"][-1]
        .replace("/template", str(tmp_path))
        .replace("/etc/camel-scp", str(tmp_path / "made"))
    )
    (tmp_path / "made").mkdir()
    subprocess.run(
        ["/bin/sh", "-ec", script.replace("${POD##*-}", "${POD##*-}")],
        check=True,
        env={**os.environ, "POD": "camel-scp-11"},
    )
    config = loads((tmp_path / "made" / "scp.toml").read_text(), ENVIRON)
    assert (config.node.name, config.node.instance) == ("camel-scp-11", 11)
    assert {peer.asp_identifier for peer in config.m3ua.peers} == {11}


def test_the_manifests_fit_together() -> None:
    kinds = manifests()
    pod = kinds["StatefulSet"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = kinds[kind]["spec"]["selector"]
        assert selector.get("matchLabels", selector) == labels
    [container] = pod["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 40
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | {"state"}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


# --- why is it down ---


def test_every_message_of_the_status_is_explained() -> None:
    rows = README.partition("## Why is it down")[2].partition("\n## ")[0]
    checks = [value for name, value in vars(status).items() if name.startswith("_CHECK_")]
    assert checks
    for check in (*checks, *CHECKS.values()):
        assert f"| check {check} |" in rows
    said = {
        events.ErrorReceived: "the peer sent ERR: …",
        events.ErrorSent: "ERR sent: …",
        events.RegistrationRefused: "REG REQ refused: status …",
        events.Unanswered: "was not answered 3 times in a row",
        events.UserPartUnavailable: "user part SCCP is not available at …",
        events.BringDown: "BEAT unanswered",
    }
    known = {name for name in _words.__code__.co_names if name[0].isupper()}
    assert known == {kind.__name__ for kind in said}, "a new message: explain it"
    for words in said.values():
        assert words in rows


def test_links_on_the_pages_lead_somewhere() -> None:
    seen = set()
    for each in DEPLOY.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", each.read_text()):
            file, anchor = target
            seen.add(bool(anchor))
            if file.startswith("https://"):
                continue  # a project's home page
            there = each if not file else DEPLOY / file
            assert there.exists(), target
            if anchor:
                titles = re.findall(r"(?m)^#+ (.*)$", there.read_text())
                assert anchor in {title.lower().replace(" ", "-") for title in titles}, target
    assert seen == {False, True}, "pages and titles were linked to"


# --- the commands ---


def tried() -> list[str]:
    return re.findall(r"\*\(tried[^)]*\)\*\n\n```sh\n(.*?)```", README, re.DOTALL)


def test_the_pages_commands_run(tmp_path: Path) -> None:
    for tool in ("curl", "sqlite3", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    assert len(tried()) == README.count("*(tried")
    node = RealNode(tmp_path)
    node.file = tmp_path / "scp.toml"
    node.write()
    (tmp_path / "deploy").symlink_to(DEPLOY)
    prelude = """
        stop_node() { kill $NODE; while kill -0 $NODE 2>/dev/null; do sleep 0.05; done; }
        start_node() { camel-scp serve -c scp.toml >>node.log 2>&1 & NODE=$!
          for _ in $(seq 1200); do curl -fsS "$API/livez" >/dev/null 2>&1 && break; sleep 0.05; done; }
        start_node
    """
    body = "\n".join((prelude, *tried(), "stop_node"))
    environment = {
        "M3UA": str(node.settings["m3ua"]),
        "API": f"http://127.0.0.1:{node.settings['api']}",
        "TOKEN": TOKEN,
    }
    shown = page.run(body, tmp_path, environment=environment, at_end="")
    assert '"aor":"sip:+11234567@voip.example"' in shown.replace(" ", "")
    assert (tmp_path / "cdrs.ndjson").read_text().count("\n") >= 2
    assert "reloaded" in node.log.read_text()


def test_the_page_about_backups_names_every_file_that_a_node_keeps() -> None:
    text = (DEPLOY / "README.md").read_text().partition("## Backup and restore")[2].partition("\n```sh")[0]
    sources = "".join(Path(each.__file__).read_text() for each in (beside, open_store))
    kept = set(re.findall(r"_beside\(store_url, \"(\.\w+)\"\)|\{path\}(\.\w+)", sources))
    names = {name for either in kept for name in either if name}
    assert {".ledger", ".cdr", ".held"} <= names
    assert names == set(re.findall(r"`(\.\w+)`", text))
