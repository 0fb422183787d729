"""Secrets and subscribers' numbers: nothing that a real node says, anywhere, has them where they must not be."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from real_node import TOKEN, RealNode, eventually, http, sha256

from oracles.servers import redis_server
from oracles.waiting import wait_until
from scp.simulator.scenario import Scenario
from scp.telemetry.catalogue import CATALOGUE
from scp.telemetry.state_catalogue import STATE_CATALOGUE
from ss7.digits import isup_octets

PASSWORD = "redis-p4ssw0rd-9c1d"
WRONG = "a-wrong-token-55e0"
KEY = "mask-key-b37a"
NUMBERS = ("46701234567", "11234567")
A_NUMBER = Scenario().a_number


def secrets() -> list[str]:
    return [TOKEN, WRONG, PASSWORD, KEY, sha256(TOKEN), sha256(WRONG)]


def everything_done(node: RealNode) -> str:
    """Have the node do everything that it has words for; return what its pages said on the way."""
    said = []
    for number in NUMBERS:
        node.provision(number)
        said.append(node.get("/nowhere/" + number, TOKEN)[1].decode())
    assert node.put(f"/v1/authorizations/{NUMBERS[0]}", {}, WRONG) == 401
    assert node.put(f"/v1/registrations/{NUMBERS[0]}", {"aor": 7}) in (400, 422)
    for number in NUMBERS:
        assert node.put(f"/v1/traces/{number}", {}) == 201
    for number in ("0701234567", "0011234567", "0799999999", "112"):
        node.call(number)
    node.wait_said("trace", 4)
    node.write(extra="[nonsense]\n")
    node.signal(signal.SIGHUP)
    node.wait_said("reload refused, the configuration in use stays")
    node.write(sha256="not a hash " + TOKEN)
    node.signal(signal.SIGHUP)
    node.wait_said("reload refused, the configuration in use stays", 2)
    said += [
        node.get(path)[1].decode()
        for path in ("/health", "/readyz", "/livez", "/schema/openapi.json", "/docs")
    ]
    return "\n".join(said)


@pytest.mark.parametrize(("level", "mask"), [("info", "true"), ("debug", "true"), ("debug", "false")])
def test_a_scan_of_all_that_a_node_says_finds_nothing(tmp_path: Path, level: str, mask: str) -> None:
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    with redis_server(tmp_path, "--requirepass", PASSWORD) as url:
        node = RealNode(
            tmp_path, store=url.replace("redis://", f"redis://:{PASSWORD}@"), log_level=level, mask=mask
        )
        node.extra = (
            f'[charging]\nrecords = "sqlite::memory:"\n[recording]\nfolder = "{tmp_path}"\nkey = "{KEY}"\n'
        )
        node.write()
        with node.running():
            eventually(lambda: node.scrape()["scp_store_usable"] == 1)
            eventually(lambda: node.scrape()["scp_overload_level"] == 0)  # an overloaded node logs no calls
            pages = everything_done(node)
            pages += "\n".join(node.scrape())
            node.signal(signal.SIGTERM)
            assert node.ended() == 0
    log = node.log.read_text()
    recorded = b"".join(path.read_bytes() for path in tmp_path.glob("*.pcapng"))
    assert recorded
    for secret in secrets():
        assert secret not in log
        assert secret not in pages
        assert secret.encode() not in recorded
    packed = [isup_octets(number) for number in ("0701234567", "0799999999", A_NUMBER)]
    assert not [each.hex() for each in packed if each in recorded], (
        "recordings are masked unless told otherwise"
    )
    found = {number for number in (*NUMBERS, "701234567", "799999999", A_NUMBER) if number in log}
    if mask == "false":
        assert found >= {*NUMBERS, A_NUMBER}, "the scan finds what is there"
    else:
        assert not found
        assert "4670xxxxxxx" in log, "changes are logged at every level, masked"


def test_a_store_that_refuses_the_password_is_named_without_it(tmp_path: Path) -> None:
    node = RealNode(tmp_path, store=f"redis://:{PASSWORD}@127.0.0.1:1/0")
    node.write(extra='[charging]\nrecords = "sqlite::memory:"\n')
    with node.running():
        wait_until(lambda: node.get("/readyz")[0] == 503)
        pages = node.get("/health")[1].decode() + node.get("/readyz")[1].decode()
    assert "store" in pages
    assert PASSWORD not in pages + node.log.read_text()


def test_metrics_have_no_numbers_as_labels_and_promtool_likes_them(tmp_path: Path) -> None:
    node = RealNode(tmp_path)
    with node.running():
        node.provision(NUMBERS[1])
        node.call("0011234567")
        names = "\n".join(node.scrape())
        text = http(f"http://127.0.0.1:{node.settings['metrics']}/metrics")[1]
    assert not re.search(r'"[^"]*[0-9]{7,}', names)
    for spec in (*CATALOGUE, *STATE_CATALOGUE):
        assert f"# TYPE {spec.name} {spec.kind}\n" in text.decode()
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
