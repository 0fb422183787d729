"""The lab's network: an MSC simulator, an STP with two addresses, two nodes with two addresses each.

    MSC 0-23-3 (127.0.0.1) ── STP 0-23-7 (10.23.0.1, 10.23.1.1) ══╦══ node a ─┬ 0-23-1 and 0-23-4: two AS of
                                                                  ║           │ one association, loadshare
                                                                  ╚══ node b ─┴ 0-23-2: another, override

Everything that the operator would start is started as the operator would: `camel-scp serve`, `camel-scp msc`,
osmo-stp with a configuration.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from oracles import servers
from scp.bench import monitored_call
from scp.domain.subscriber import Subscriber
from scp.simulator.endpoint import Carrier, Endpoint, Side
from scp.simulator.network import Network
from scp.store.open import open_store

STP_ADDRESSES: Final = ("10.23.0.1", "10.23.1.1")
MSISDN: Final = "11234567"
DIALLED: Final = "0011234567"
STEERED: Final = "990011234567"
UNKNOWN: Final = "0011999999"

STP_PEERS: Final = """\
 asp a 2911 2905 m3ua
  remote-ip 10.23.0.2
  remote-ip 10.23.1.2
  role sg
  sctp-role server
 asp b 2912 2905 m3ua
  remote-ip 10.23.0.2
  remote-ip 10.23.1.2
  role sg
  sctp-role server
 asp msc 2913 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 asp held-a 2931 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 asp held-b 2932 2905 m3ua
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 as scp m3ua
  asp a
  asp b
  routing-key 1 0.23.1
  traffic-mode loadshare
 as more m3ua
  asp a
  asp b
  routing-key 4 0.23.4
  traffic-mode loadshare
 as held m3ua
  asp held-a
  asp held-b
  routing-key 2 0.23.2
  traffic-mode override
 as msc m3ua
  asp msc
  routing-key 3 0.23.3
  traffic-mode loadshare
 route-table system
  update route 0.23.1 7.255.7 linkset scp
  update route 0.23.2 7.255.7 linkset held
  update route 0.23.4 7.255.7 linkset more
  update route 0.23.3 7.255.7 linkset msc
"""

NODE: Final = """\
[node]
name = "{name}"
instance = {instance}
point_code = "0-23-1"
also = ["0-23-2", "0-23-4"]

[[m3ua.peers]]
name = "stp"
transport = "sctp"
remote = ["10.23.0.1", "10.23.1.1"]
local = ["10.23.0.2", "10.23.1.2"]
local_port = {port}
routing_context = [1, 4]
[m3ua.peers.timers]
reconnect_most_s = 2
[m3ua.peers.sctp]
heartbeat_s = 1

[[m3ua.peers]]
name = "stp-held"
transport = "sctp"
remote = ["127.0.0.1"]
local = ["127.0.0.1"]
local_port = {held}
routing_context = 2
traffic_mode = "override"
[m3ua.peers.timers]
reconnect_most_s = 2

[[m3ua.peers]]
name = "guest"
transport = "sctp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {guests}

[store]
url = "sqlite:{folder}/{name}.db"

[numbering]
country_code = "46"

[services.voip-forwarding]
service_keys = [100]
prefix = "99"
[services.held]
service_keys = [101]
prefix = "99"
[services.busy]
service_keys = [102]

[telemetry]
metrics = "127.0.0.1:{metrics}"
"""
API: Final = """\
[api]
listen = "127.0.0.1:8080"
"""
"""Of node a only: it is half of a node's start here."""


@dataclass
class Node:
    """A `camel-scp serve` that runs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    config: Path
    metrics: int
    guests: int

    def metric(self, start: str) -> float:
        """Return the sum of all samples whose line begins so."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=60) as page:
            text = page.read().decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))

    @property
    def active(self) -> bool:
        """Whether its ASP is active."""
        return self.is_active("stp")

    def is_active(self, peer: str) -> bool:
        """Whether its ASP towards a peer is active."""
        try:
            return self.metric(f'scp_m3ua_asp_state{{peer="{peer}",state="active"}}') == 1
        except OSError:
            return False

    def become_active(self, seconds: float = 60) -> float:
        """Wait until it is active and return how long that took; its log is the failure's text."""
        start = time.monotonic()
        while not self.active:
            waited = time.monotonic() - start
            lost = waited > seconds or self.process.poll() is not None
            assert not lost, f"{self.name} is not active after {waited:.1f} s: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - start

    @property
    def calls(self) -> float:
        """How many calls it has answered."""
        return self.metric("scp_calls_total")

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text(errors="replace")


class Lab:
    """What runs, in one folder; leaving the block ends all of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        add_services(folder / "services")
        os.environ["PYTHONPATH"] = f"{folder / 'services'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self._running = ExitStack()
        self._load: Load | None = None
        self._stp = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._load is not None:
            self._load.kill()
        self._running.close()
        self._stp.close()

    def start_stp(self) -> servers.Stp:
        return self._stp.enter_context(
            servers.osmo_stp(self.folder, STP_PEERS, ("127.0.0.1", *STP_ADDRESSES))
        )

    def stop_stp(self) -> None:
        self._stp.close()

    def start_node(self, name: str) -> Node:
        """Start a node that has the one subscriber; it may not be active yet."""
        number = ord(name) - ord("a")
        config = self.folder / f"{name}.toml"
        metrics, guests = 9464 + number, 2921 + number
        config.write_text(
            NODE.format(
                name=name,
                instance=number,
                port=2911 + number,
                folder=self.folder,
                metrics=metrics,
                guests=guests,
                held=2931 + number,
            )
            + (API if name == "a" else ""),
            encoding="utf-8",
        )
        if not (self.folder / f"{name}.db").exists():
            asyncio.run(provision(f"sqlite:{self.folder}/{name}.db"))
        log = self.folder / f"{name}.log"
        process = self._running.enter_context(started([*COMMAND, "serve", "-c", str(config)], log))
        return Node(name, process, log, config, metrics, guests)

    def load(
        self, *more: str, rate: float = 20, numbers: Sequence[str] = (DIALLED,), seconds: float = 3600
    ) -> Load:
        """Begin to make calls, until `Load.stop` in most tests; ``more`` are options of `camel-scp msc`.

        An answer is missing after 20 s: a machine that others use lets everything here stand still for seconds.
        """
        if self._load is not None:
            self._load.kill()  # of a test that failed: the next one needs its address
        command = [
            *MSC,
            "--load",
            "--rate",
            str(rate),
            "--duration",
            str(seconds),
            "--timeout",
            "20",
            "--json",
            *more,
        ]
        self._load = Load([*command, *(word for number in numbers for word in ("--b", number))])
        return self._load


COMMAND: Final = [sys.executable, "-m", "scp.cli"]
MSC: Final = [
    *(*COMMAND, "msc", "--transport", "sctp", "--to", "127.0.0.1:2905", "--local", "127.0.0.1"),
    *("--side", "asp", "--local-port", "2913", "--routing-context", "3", "--point-code", "0-23-3"),
    *("--scp-point-code", "0-23-1", "--gt", "", "--scp-gt", ""),
]


MSC_NETWORK: Final = Network(scp_point_code=186, global_title="", scp_global_title="", routing_context=3)
MSC_ENDPOINT: Final = Endpoint(side=Side.ASP, carrier=Carrier.SCTP, local=("127.0.0.1",), local_port=2913)
"""The same MSC, for one that runs in the test and calls 0-23-2."""

BUSY: Final = '''
import time
from scp.domain.decision import Action, Decision, Reason
from ss7.cap.operations import Opcode

class Busy:
    """Continues every call, and takes the processor for as long as a call with much to decide would."""

    name = "busy"

    async def run(self, call):
        until = time.perf_counter() + 0.04
        while time.perf_counter() < until:
            pass
        call.decided(Decision(Action.CONTINUE, Reason.SERVICE_LOGIC))
        call.invoke(Opcode.CONTINUE)

def busy(settings, node):
    return Busy()
'''


def add_services(folder: Path) -> None:
    """Make ``folder``, once it is on the path, a distribution with the services ``held`` and ``busy``."""
    monitored_call.install(folder)
    (folder / "lab_busy.py").write_text(BUSY, encoding="utf-8")
    with next(folder.glob("*.dist-info/entry_points.txt")).open("a", encoding="utf-8") as points:
        points.write("busy = lab_busy:busy\n")


class Load:
    """A `camel-scp msc --load` that runs."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill(self) -> None:
        """End it, if it still runs, whatever it found."""
        self._process.kill()
        self._process.communicate()

    def stop(self) -> dict[str, Any]:
        """Have it make no more calls; see `report`."""
        self._process.send_signal(signal.SIGINT)
        return self.report()

    def report(self) -> dict[str, Any]:
        """Wait for its end and return what it found."""
        output, errors = self._process.communicate(timeout=120)
        assert output, errors
        report: dict[str, Any] = json.loads(output)
        return report


def started(command: list[str], log: Path) -> Any:
    """Run a program whose readiness is seen elsewhere."""
    return servers.running(command, lambda: True, log)


async def provision(url: str) -> None:
    """Have a store know the one subscriber who is registered and steered."""
    store = open_store(url)
    await store.open()
    await store.put(Subscriber(MSISDN, authorized=True, aor="sip:b@voip.example", forwarding=True))
    await store.close()


def wait(what: str, condition: Any, seconds: float = 120.0) -> float:
    """Wait until the condition holds and return how long that took; `what` is for the failure's text."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not {what} within {seconds:g} s"
        time.sleep(0.05)
    return time.monotonic() - start


def kill(node: Node) -> None:
    """As a power cut would: nothing is said to anybody but what the kernel says (ABORT)."""
    node.process.send_signal(signal.SIGKILL)
