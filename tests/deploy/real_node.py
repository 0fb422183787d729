"""A node in a process of its own, started as an operator does: configuration, sockets, signals, output."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from oracles.servers import free_ports
from oracles.waiting import PATIENCE, wait_until
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Expectation
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.result import CallResult
from scp.simulator.scenario import Scenario
from ss7.isup import NatureOfAddress

TOKEN = "an-operators-token-7f3a"
CONFIG = """\
[node]
name = "{name}"
instance = {instance}
point_code = "0-23-1"
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "{store}"
deadline_ms = {deadline}
[engine]
answer_deadline_ms = 900
{engine}
[overload]
delay_ms = 900
refuse_ms = 5000
{overload}
[numbering]
country_code = "46"
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "{prefix}"
{service}
[api]
listen = "127.0.0.1:{api}"
[[api.keys]]
name = "operator"
sha256 = "{sha256}"
scopes = ["authorization", "registration", "forwarding", "charging", "read", "trace", "calls", "messages", "passes"]
[telemetry]
metrics = "127.0.0.1:{metrics}"
log_level = "{log_level}"
mask_numbers = {mask}
"""


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class RealNode:
    """``camel-scp serve`` and what can be asked of it; as patient as it may be, for the machine may be busy."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        m3ua, api, metrics = free_ports(3)
        self.settings = {
            "name": "scp-1",
            "instance": 1,
            "m3ua": m3ua,
            "api": api,
            "metrics": metrics,
            "store": f"sqlite:{folder / 'store.db'}",
            "deadline": 800,
            "prefix": "99",
            "sha256": sha256(TOKEN),
            "log_level": "info",
            "mask": "true",
            "engine": "",
            "overload": "",
            "service": "",
            **settings,
        }
        self.extra = ""  # further tables, in every configuration that is written
        self.program = [sys.executable, "-m", "scp.cli"]
        self.file = folder / "node.toml"
        self.log = folder / "node.log"
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, extra: str = "", **settings: Any) -> None:
        """Write the configuration, from now on with these settings."""
        self.settings |= settings
        self.file.write_text(CONFIG.format(**self.settings) + self.extra + extra, encoding="utf-8")

    @contextlib.contextmanager
    def running(self, environ: Mapping[str, str] | None = None) -> Iterator[RealNode]:
        """Run it, from when its pages answer to the end of the block."""
        if not self.file.exists():
            self.write()
        command = [*self.program, "serve", "-c", str(self.file)]
        before = len(self.said("started")) if self.log.exists() else 0
        with self.log.open("ab") as output:
            # In its own folder, where a node on Redis has its files: of two that run there by one name one is refused.
            self.process = process = subprocess.Popen(
                command,
                cwd=self.file.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
            )
        try:
            wait_until(lambda: process.poll() is not None or self._started(before))
            assert process.poll() is None, self.log.read_text()
            yield self
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE)

    def _started(self, times_before: int) -> bool:
        """Whether the log says so; one that says errors only does not: then the API answers."""
        if self.settings["log_level"] in ("warning", "error"):
            with contextlib.suppress(OSError):
                return self.get("/livez")[0] == 200
            return False
        return len(self.said("started")) > times_before

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, seconds: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """The log so far, without a line that is half written."""
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def wait_said(self, event: str, count: int = 1) -> dict[str, Any]:
        wait_until(lambda: len(self.said(event)) >= count)
        return self.said(event)[-1]

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        return self.ask("GET", path, token=token)

    def put(self, path: str, body: Any, token: str = TOKEN) -> int:
        return self.ask("PUT", path, json.dumps(body).encode(), token)[0]

    def ask(self, method: str, path: str, body: bytes | None = None, token: str = "") -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return http(f"http://127.0.0.1:{self.settings['api']}{path}", method, body, headers if token else {})

    def scrape(self) -> dict[str, float]:
        """What ``/metrics`` shows: by sample as written there, labels in it."""
        _, body = http(f"http://127.0.0.1:{self.settings['metrics']}/metrics")
        samples = (line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def provision(self, msisdn: str) -> None:
        """Have a subscriber's calls forwarded, through the API."""
        aor = {"aor": f"sip:+{msisdn}@voip.example"}
        assert self.put(f"/v1/authorizations/{msisdn}", {}) in (200, 201)
        assert self.put(f"/v1/registrations/{msisdn}", aor) in (200, 201)
        forwarding = {"enabled": True, "when": "always", "locations": []}
        assert self.put(f"/v1/forwarding/{msisdn}", forwarding) in (200, 201)

    def msc(self, *options: str) -> list[str]:
        """The simulated MSC's command line towards this node."""
        to = f"127.0.0.1:{self.settings['m3ua']}"
        return [sys.executable, "-m", "scp.cli", "msc", "--to", to, *options]

    def call(self, number: str) -> CallResult:
        """Make one call with the simulated MSC, in this process."""
        endpoint = Endpoint(port=int(self.settings["m3ua"]))
        planned = [
            PlannedCall(Scenario(b_number=number, b_nature=NatureOfAddress.UNKNOWN.value), Expectation())
        ]
        calls = run_calls(planned, network=Network(), endpoint=endpoint, random=Random(1))
        return asyncio.run(calls)[0]


def http(
    url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask over HTTP; an error's status is an answer too."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """As `wait_until`, but a refused connection is a no."""

    def holds() -> bool:
        try:
            return condition()
        except OSError:
            return False

    wait_until(holds, seconds)
