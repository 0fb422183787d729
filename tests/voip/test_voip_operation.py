"""The VoIP service's alerts and its page."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from voip_lab import free_ports, free_tcp_port, unavailable

from oracles.waiting import wait_until
from scp.voip.config import loads
from scp.voip.directory import Directory
from scp.voip.kamailio import settings
from scp.voip.messages import Counted
from scp.voip.metrics import VoipMetrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "camel-scp-voip.rules.yml"
PAGE = (ROOT / "deploy" / "voip.md").read_text(encoding="utf-8")


def names() -> set[str]:
    """Of all samples that a brain shows."""
    metrics = VoipMetrics(Directory())
    metrics.links["127.0.0.1:8448"] = True
    metrics.store_up = True
    metrics.kamailios["127.0.0.1:8448"] = Counted(*range(9))
    return {sample.name for family in metrics.collect() for sample in family.samples}


def test_alerts_are_about_metrics_that_are_there_and_the_page_says_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert rules
    for rule in rules:
        assert set() < set(re.findall(r"scp_voip_\w+", rule["expr"])) <= names()
        assert f"### {rule['alert']}\n" in PAGE
        assert rule["annotations"]["runbook_url"] == f"deploy/voip.md#{rule['alert'].lower()}"
    of_page = re.findall(r"`(scp_voip_\w+)", PAGE)
    assert of_page
    for shown in of_page:
        assert any(name.startswith(shown) for name in names()), shown


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["camel-scp-voip.service", "camel-scp-kamailio.service"])
def test_the_unit_is_readable(name: str) -> None:
    unit = ROOT / "deploy" / "systemd" / name
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if unit.name in line and "not executable" not in line]
    missing = ("Command /opt", "Command /usr/sbin/kamailio")
    assert [line for line in lines if not any(one in line for one in missing)] == []


ENVIRON = {"CAMEL_SCP_VOIP_TOKEN": "a token"}


def test_the_compose_file_names_files_that_exist() -> None:
    folder = ROOT / "deploy" / "container"
    services = yaml.safe_load((folder / "voip-compose.yml").read_text())["services"]
    assert set(services) == {"kamailio-settings", "kamailio", "brain"}
    for service in services.values():
        assert (folder / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (folder / source).exists(), source
    config = loads((folder / "voip.toml").read_text(), ENVIRON)
    assert settings(config)
    packages = (folder / "Containerfile.kamailio").read_text()
    needed = re.findall(r"^kamailio\S*", (ROOT / "deploy" / "setup.sh").read_text(), re.MULTILINE)
    assert needed
    assert all(f" {package} " in packages for package in needed), needed


def test_each_of_two_pods_knows_the_other(tmp_path: Path) -> None:
    found = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "camel-scp-voip.yml").read_text())
    kinds = {each["kind"]: each for each in found}
    pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
    (make,) = pod["initContainers"]
    made = []
    for number in (0, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in kinds["ConfigMap"]["data"].items():
            (folder / name).write_text(text)
        script = make["command"][-1].partition("camel-scp voip")[0]
        script = script.replace("/template", str(folder)).replace("/etc/camel-scp", f"{folder}/made")
        (folder / "made").mkdir()
        pod_name = {"POD": f"camel-scp-voip-{number}", "PATH": os.environ["PATH"]}
        subprocess.run(["/bin/sh", "-ec", script], check=True, env=pod_name)
        made.append(loads((folder / "made" / "voip.toml").read_text(), ENVIRON))
    one, two = made
    assert one.voip.name != two.voip.name
    assert one.sip.kamailios == (two.sip.brain,)
    assert two.sip.kamailios == (one.sip.brain,)
    assert (one.sip.peers, two.sip.peers) == ((two.sip.replication,), (one.sip.replication,))
    assert {one["name"] for one in pod["containers"]} == {"kamailio", "brain"}
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (make, *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_the_dashboard_shows_what_exists() -> None:
    file = ROOT / "deploy" / "grafana" / "voip" / "voip.json"
    make = runpy.run_path(str(ROOT / "deploy" / "grafana" / "make.py"))
    assert file.read_text() == make["dashboard"]("voip"), "run deploy/grafana/make.py"
    shown = set(re.findall(r"scp_voip_\w+", file.read_text()))
    assert shown
    assert shown <= names()


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
def test_the_pages_commands_make_a_service_that_a_phone_registers_at(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```sh\nmake set-up && PATH.*?\n(cat >voip.*?)```", PAGE, re.DOTALL)
    sip, (evapi,) = free_tcp_port(), free_ports(1)
    lines = lines.replace("5060", str(sip)).replace("8448", str(evapi))
    # a pipeline's `&` takes the whole list with it: the programs are found by their files
    script = lines.replace("[[identities]]", '[telemetry]\nmetrics = "127.0.0.1:0"\n[[identities]]', 1)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    shell = subprocess.Popen(
        ["bash", "-euc", script + "wait\n"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: (
                shell.poll() is not None
                or ((tmp_path / "brain.log").exists() and '"linked"' in (tmp_path / "brain.log").read_text())
            )
        )
        assert shell.poll() is None, shell.stderr and shell.stderr.read()
        register = [
            "sipp",
            f"127.0.0.1:{sip}",
            "-sf",
            str(ROOT / "deploy/kamailio/sipp/register.xml"),
            "-nostdin",
        ]
        register += ["-m", "1", "-i", "127.0.0.1", "-s", "+11234567", "-timeout", "120", "-au", "alice-phone"]
        register += [
            "-ap",
            (tmp_path / "alice.password").read_text().strip(),
            "-key",
            "domain",
            "voip.example",
        ]
        register += [
            "-key",
            "device",
            "alice-phone",
            "-key",
            "contact",
            "127.0.0.1:9",
            "-key",
            "expires",
            "300",
        ]
        done = subprocess.run(register, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
        wait_until(lambda: '"bindings"' in (tmp_path / "brain.log").read_text())
        if shutil.which("baresip"):
            (ring,) = re.findall(r"```sh\n(phone\(\) \{.*?)```", PAGE, re.DOTALL)
            # what listens nowhere answers no CANCEL, for which Bob's phone would wait
            register[register.index("300")] = "0"
            subprocess.run(register, cwd=tmp_path, capture_output=True, check=True)
            out = tmp_path / "ring.out"  # no pipe: Alice's phone holds it for as long as it runs
            with out.open("wb") as output:
                command = ["timeout", "60", "bash", "-euc", ring.replace("5060", str(sip))]
                subprocess.run(command, cwd=tmp_path, stdout=output, stderr=output, check=False)
            assert "Incoming call from:  sip:+46701234567@voip.example" in out.read_text(), out.read_text()
            assert '"reason":"to-device"' in (tmp_path / "brain.log").read_text()
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(120)


def test_the_clients_pages_commands_make_a_device_join(tmp_path: Path) -> None:
    page = (ROOT / "deploy" / "voip-clients.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```sh\nmake set-up && PATH.*?\n(cat >voip.*?)```", page, re.DOTALL)
    api, smpp, metrics = free_ports(3)
    lines = lines.replace("8082", str(api)).replace("2775", str(smpp))
    lines = lines.replace("camel-scp smsc", f"{sys.executable} -m scp.cli smsc --listen 127.0.0.1:{smpp}")
    lines = lines.replace("camel-scp voip", f"{sys.executable} -m scp.cli voip")
    lines = lines.replace("\nEND", f'\n[telemetry]\nmetrics = "127.0.0.1:{metrics}"\nEND', 1)
    shell = subprocess.Popen(
        ["bash", "-c", lines], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert shell.stdout is not None
        said = shell.stdout.read()
        made = json.loads(said[said.index('{"device"') :])
        assert (made["msisdn"], made["user"]) == ("46701234567", made["device"])
        assert len(made["password"]) == 24
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(60)
