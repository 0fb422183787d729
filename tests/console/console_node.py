"""A node as a process, with the keys that the tests of the console sign in with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from oracles.servers import answers_tcp, free_tcp_port
from oracles.waiting import PATIENCE, wait_until

HOSTILE = "<img src=x onerror=alert(1)>"
TOKENS = {
    "operator": "operator-token",
    "reader": "reader-token",
    "voip": "voip-token",
    "past": "past-token",
    "leaver": "leaver-token",
}
CONFIG = """\
[node]
name = "{name}"
instance = {instance}
point_code = "0-23-1"
guardian = false
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[numbering]
country_code = "46"
home_vlr = ["4670"]
[store]
url = "{store}"
deadline_ms = 850
[engine]
answer_deadline_ms = 900
[overload]
delay_ms = 900
refuse_ms = 5000
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
rescue = true
{service}
[charging]
records = "sqlite:{folder}/records.db"
[[charging.tariffs]]
prefix = ""
price = 10
[telemetry]
metrics = "127.0.0.1:{metrics}"
[api]
listen = "127.0.0.1:{api}"
"""
KEY = """\
[[api.keys]]
name = "{name}"
sha256 = "{sha256}"
scopes = {scopes}
"""
SCOPES = {
    "operator": ["authorization", "registration", "forwarding", "charging", "read", "trace", "calls"],
    "reader": ["read"],
    "voip": ["registration"],
    "past": ["authorization", "registration", "forwarding", "charging", "read", "trace", "calls"],
    "leaver": ["read"],
}
UNTIL = {"past": "2020-01-01"}
"""Last days of keys."""


class Served(NamedTuple):
    """A node with its addresses."""

    url: str
    m3ua: int
    folder: Path
    process: subprocess.Popen[bytes]
    store: str

    def ask(self, method: str, path: str, body: Any = None, token: str | None = TOKENS["operator"]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        request = Request(self.url + path, data=data, headers=headers, method=method)
        with urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read() or b"null")

    def call(self, *more: str, background: bool = False) -> subprocess.Popen[str]:
        """Let a simulated MSC call 0011234567; more are options of ``camel-scp msc``."""
        command = [
            sys.executable,
            "-m",
            "scp.cli",
            "msc",
            "--to",
            f"127.0.0.1:{self.m3ua}",
            "--b",
            "0011234567",
            *more,
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean()
        )
        if not background:
            output, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, output
        return process


def provision(served: Served) -> None:
    """Have calls to 11234567 steered while it roams."""
    served.ask("PUT", "/v1/authorizations/11234567", {})
    served.ask("PUT", "/v1/registrations/11234567", {"aor": "sip:+11234567@voip.example"})
    served.ask("PUT", "/v1/forwarding/11234567", {"enabled": True, "when": "roaming"})


def clean() -> dict[str, str]:
    """The environment without settings of other nodes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CAMEL_SCP_TOKEN")}


@contextlib.contextmanager
def running_node(
    folder: Path,
    store: str = "",
    name: str = "scp-console",
    instance: int = 1,
    more: str = "",
    service: str = "",
) -> Iterator[Served]:
    """A node whose API answers; ``more`` are further tables of its configuration, ``service`` keys of its service."""
    api, m3ua, metrics = free_tcp_port(), free_tcp_port(), free_tcp_port()
    config = CONFIG.format(
        api=api,
        m3ua=m3ua,
        metrics=metrics,
        folder=folder,
        name=name,
        instance=instance,
        service=service,
        store=store or f"sqlite:{folder}/store.db",
    )
    config += more
    for key, token in TOKENS.items():
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        config += KEY.format(name=key, sha256=sha256, scopes=json.dumps(SCOPES[key]))
        config += f'until = "{UNTIL[key]}"\n' if key in UNTIL else ""
    (folder / "scp.toml").write_text(config)
    with (folder / "node.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scp.cli", "serve", "-c", str(folder / "scp.toml")],
            stdout=log,
            stderr=log,
            env=clean(),
        )
    try:
        wait_until(lambda: process.poll() is not None or answers_tcp(api))
        assert process.poll() is None, (folder / "node.log").read_text()
        yield Served(f"http://127.0.0.1:{api}", m3ua, folder, process, store)
    finally:
        process.terminate()
        process.wait(PATIENCE)
