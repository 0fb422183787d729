"""Kamailio, the brain and a node as real processes on loopback; sipp for devices and for the switch's gateway."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sip_tshark import complaints

from oracles import tshark
from oracles.servers import answers_tcp, free_tcp_port
from oracles.waiting import PATIENCE, wait_until
from scp import client
from scp.voip.config import loads
from scp.voip.kamailio import settings

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from real_node import TOKEN, RealNode, free_ports, http

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ROOT / "deploy" / "kamailio" / "sipp"
DOMAIN: Final = "voip.example"
GATEWAY: Final = "127.0.0.10"
DEVICE: Final = "127.0.0.1"
PASSWORD: Final = "a-devices-password-3141"

CONFIG = """\
[voip]
domain = "{domain}"
name = "{name}"
grace_s = {grace}
[numbering]
country_code = "46"
[sip]
listen = ["udp:127.0.0.1:{sip}"{listen}]
brain = "127.0.0.1:{evapi}"
decision_ms = {decision}
register_least_s = 1
run_folder = "{folder}"
workers = 2
requests_per_second = {density}
{sip_more}
[[trunks]]
name = "gateway"
addresses = ["{gateway}"]
host = "{gateway}"
port = {gateway_port}
numbers = "international"
[calls]
ring_s = {ring}
[scp]
url = "http://127.0.0.1:{api}"
token = "{token}"
deadline_ms = 5000
[store]
url = "{store}"
[telemetry]
metrics = "127.0.0.1:{metrics}"
log_level = "debug"
mask_numbers = false
"""
IDENTITY = '[[identities]]\nmsisdn = "{msisdn}"\n'
DEVICES = '[[devices]]\nid = "{id}"\nidentities = ["{msisdn}"]\npassword = "{password}"\n'


def unavailable() -> str:
    """What is missing on this machine, "" if nothing is."""
    missing = [
        name
        for name in ("kamailio", "sipp")
        if not (shutil.which(name) or Path(f"/usr/sbin/{name}").exists())
    ]
    return f"{' and '.join(missing)} not installed" if missing else ""


def binds_udp(host: str, port: int) -> bool:
    """Whether somebody has this UDP address (proc(5)): asked without taking it, which would be in the other's way."""
    address = f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
    return any(address in line.split()[1:2] for line in Path("/proc/net/udp").read_text().splitlines())


class Sipp:
    """One sipp: it plays a scenario of ``sipp/`` once, or as often as `calls` says."""

    def __init__(
        self,
        lab: Lab,
        scenario: str,
        host: str,
        port: int,
        *,
        pause: int = 100,
        calls: int = 1,
        service: str = "",
        patience: int = PATIENCE,
        **keys: str,
    ) -> None:
        self.scenario = scenario
        self.port = port
        self._patience = patience
        self._base = lab.folder / f"{lab.counted()}-{scenario}"
        command = [
            "sipp",
            f"{DEVICE}:{lab.sip}",
            "-sf",
            str(SCENARIOS / f"{scenario}.xml"),
            "-nostdin",
        ]
        command += [
            "-m",
            str(calls),
            "-i",
            host,
            "-p",
            str(port),
            "-d",
            str(pause),
            "-timeout",
            str(patience),
        ]
        command += [
            "-trace_msg",
            "-message_file",
            f"{self._base}.msg",
            "-trace_err",
            "-error_file",
            f"{self._base}.err",
        ]
        command += ["-s", service] if service else []
        for name, value in keys.items():
            command += [f"-{name}", value] if name in ("au", "ap", "r", "rtcheck") else ["-key", name, value]
        self._output = Path(f"{self._base}.out").open("wb")  # noqa: SIM115 - closed in ended()
        self.process = subprocess.Popen(
            command, stdout=self._output, stderr=subprocess.STDOUT, cwd=lab.folder
        )
        lab.sipps.append(self)

    def listening(self, host: str) -> Sipp:
        wait_until(lambda: self.process.poll() is not None or binds_udp(host, self.port))
        assert self.process.poll() is None, self.trouble()
        return self

    def ended(self) -> Sipp:
        """Wait for its end, and fail if something was not as its scenario says."""
        status = self.process.wait(self._patience + 5)
        self._output.close()
        assert status == 0, f"{self.scenario}: exit status {status}\n{self.trouble()}\n{self.messages()[-3:]}"
        return self

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._output.close()

    def trouble(self) -> str:
        with contextlib.suppress(OSError):
            return Path(f"{self._base}.err").read_text(errors="replace")
        return ""

    def messages(self) -> list[str]:
        """What it has received and sent, oldest first."""
        text = ""
        with contextlib.suppress(OSError):
            text = Path(f"{self._base}.msg").read_text(errors="replace")
        return [one.strip() for one in re.split(r"-{20,}[^\n]*\n", text) if one.strip()]

    def octets(self) -> list[bytes]:
        """What it has received, as it came."""
        data = b""
        with contextlib.suppress(OSError):
            data = Path(f"{self._base}.msg").read_bytes()
        heads = re.finditer(rb"message received \[(\d+)\] bytes :\n\n", data)
        return [data[one.end() : one.end() + int(one[1])] for one in heads]

    def count(self, first_line: str) -> int:
        """How many of its messages, received and sent, begin so."""
        with contextlib.suppress(OSError):
            return Path(f"{self._base}.msg").read_text(errors="replace").count(f"\n\n{first_line}")
        return 0

    def calls(self, first_line: str) -> int:
        """In how many calls a message received begins so: on a slow machine some come again."""
        if not self.count(first_line):
            return 0
        return len({each for one in self.received(first_line) for each in header(one, "Call-ID")})

    def received(self, first_line: str) -> list[str]:
        """The messages received whose first line begins so, each once: on a slow machine some are sent again."""
        found = (
            one.partition("\n\n") for one in self.messages() if "message received" in one.partition("\n")[0]
        )
        return list(dict.fromkeys(body for _, _, body in found if body.startswith(first_line)))


def header(message: str, name: str) -> list[str]:
    """The values of a header."""
    return re.findall(rf"^{name}: *(.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)


def refused(sipp: Sipp, status: str) -> None:
    """Wait for its end, which is that it was refused so."""
    sipp.process.wait(120)
    assert sipp.received(f"SIP/2.0 {status}"), sipp.messages()[-1]
    sipp.stop()


def runs(group: int) -> bool:
    """Return whether a process of the group has anything open yet."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, of, *_ = stat.read_text().rpartition(")")[2].split()
            if int(of) == group and state not in "ZX":
                return True
    return False


class Lab:
    """All of it."""

    def __init__(
        self, folder: Path, accounts: dict[str, list[str]], node: RealNode | None = None, **options: Any
    ) -> None:
        self.folder = folder
        self.node = node or RealNode(folder, mask="false", log_level="debug")
        self.evapi, self.metrics = free_ports(2)
        self.sip = free_tcp_port()
        self.gateway_port = free_tcp_port()
        self.brain: subprocess.Popen[bytes] | None = None
        self.kamailio: subprocess.Popen[bytes] | None = None
        self._count = 0
        self.sipps: list[Sipp] = []
        self._read = {"kamailio.log": 0, "brain.log": 0}
        self.tls = self.ws = 0
        self.toml = folder / "voip.toml"
        self.accounts = accounts
        self._options = {
            "grace": 0.5,
            "ring": 2,
            "decision": 2000,
            "listen": "",
            "density": 10000,
            "sip_more": "",
            "name": "voip-1",
            "store": f"sqlite:{folder}/voip.db",
            **options,
        }
        self.extra = ""
        self.http_port = 0
        self.write()

    def write(self, **options: Any) -> None:
        self._options |= options
        text = CONFIG.format(
            domain=DOMAIN,
            sip=self.sip,
            evapi=self.evapi,
            folder=self.folder,
            gateway=GATEWAY,
            gateway_port=self.gateway_port,
            api=self.node.settings["api"],
            token=TOKEN,
            metrics=self.metrics,
            **self._options,
        )
        text += self.extra
        for msisdn, devices in self.accounts.items():
            text += IDENTITY.format(msisdn=msisdn)
            text += "".join(DEVICES.format(id=one, msisdn=msisdn, password=PASSWORD) for one in devices)
        self.toml.write_text(text)

    @property
    def url(self) -> str:
        """Of the brain's HTTP API."""
        return f"http://127.0.0.1:{self.http_port}"

    def counted(self) -> int:
        self._count += 1
        return self._count

    @contextlib.contextmanager
    def running(self) -> Iterator[Lab]:
        with self.node.running(), contextlib.ExitStack() as stack:
            stack.callback(self.stop_kamailio)
            stack.callback(lambda: [one.stop() for one in self.sipps])  # those that a failed test has left
            stack.callback(self.stop_brain)
            self.api = stack.enter_context(
                client.Client(f"http://127.0.0.1:{self.node.settings['api']}", TOKEN)
            )
            self.start_kamailio()
            self.start_brain()
            yield self

    # --- processes ---

    def start_kamailio(self) -> None:
        shutil.copy(ROOT / "deploy" / "kamailio" / "kamailio.cfg", self.folder)
        (self.folder / "settings.cfg").write_text(settings(loads(self.toml.read_text())))
        program = shutil.which("kamailio") or "/usr/sbin/kamailio"
        command = [
            program,
            "-DD",
            "-E",
            "-x",
            "tlsf",
            "-m",
            "64",
            "-f",
            str(self.folder / "kamailio.cfg"),
            "-Y",
            str(self.folder),
        ]
        with (self.folder / "kamailio.log").open("ab") as output:
            self.kamailio = process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=self.folder
            )
        wait_until(lambda: process.poll() is not None or answers_tcp(self.evapi))
        assert process.poll() is None, self.kamailio_log()

    def stop_kamailio(self) -> None:
        if self.kamailio is not None:
            self.kamailio.terminate()
            self.kamailio.wait(PATIENCE)
            self.kamailio = None

    def kill_kamailio(self) -> None:
        """Kill it with all its processes, as the death of its machine does."""
        assert self.kamailio is not None
        group = self.kamailio.pid
        os.killpg(group, signal.SIGKILL)
        self.kamailio.wait(PATIENCE)
        wait_until(lambda: not runs(group))  # else those that still die have the ports of the next
        self.kamailio = None

    def start_brain(self) -> None:
        before = len(self.said("linked"))
        with (self.folder / "brain.log").open("ab") as output:
            command = [sys.executable, "-m", "scp.cli", "voip", "-c", str(self.toml)]
            self.brain = process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        wait_until(lambda: process.poll() is not None or len(self.said("linked")) > before)
        assert process.poll() is None, (self.folder / "brain.log").read_text()

    def stop_brain(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.brain is None:
            return 0
        self.brain.send_signal(number)
        status = self.brain.wait(PATIENCE)
        self.brain = None
        return status

    # --- what they say ---

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Lines of the brain's log."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "brain.log").read_text().split("\n")[:-1]
            found = [json.loads(one) for one in lines if one.startswith("{")]
            return [one for one in found if one["event"] == event and fields.items() <= one.items()]
        return []

    def wait_said(self, event: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        wait_until(lambda: len(self.said(event, **fields)) >= count)
        return self.said(event, **fields)[-1]

    def kamailio_log(self) -> str:
        return (self.folder / "kamailio.log").read_text(errors="replace")

    def troubles(self) -> list[str]:
        """What, since it was asked last, the logs of Kamailio and the brain complain of, but for ends that tests make: its own, a brain's, a call's."""
        expected = re.compile(
            r"receive_fd\(\): EOF|active transaction not found|resuming the processing of trans|cannot read the client message|inconsistent dlg timer data|openssl bug|mandatory headers missing"
        )
        found = [one for one in self._unread("kamailio.log") if re.search(r"ERROR|CRIT|WARN|ALERT", one)]
        found = [one for one in found if not expected.search(one)]
        lines = self._unread("brain.log")
        wrong = ('"level":"error"', '"unreadable message"')
        return found + [one for one in lines if any(each in one for each in wrong) or one[:1] != "{"]

    def _unread(self, name: str) -> list[str]:
        text = (self.folder / name).read_text(errors="replace")
        lines = text[self._read[name] :].splitlines()
        self._read[name] = len(text)
        return lines

    def malformed(self) -> list[str]:
        """What tshark finds wrong with the messages that Kamailio has sent to sipp, nothing where there is no tshark."""
        messages = [octets for one in self.sipps for octets in one.octets()]
        return [] if tshark.available() else complaints(messages, self.folder)

    def rpc(self, method: str, *values: Any) -> Any:
        """What Kamailio answers to a command over its FIFO."""
        name = f"answer-{os.getpid()}-{self.counted()}"
        answer = Path("/tmp") / name
        os.mkfifo(answer, 0o666)
        try:
            command = {"jsonrpc": "2.0", "method": method, "params": values, "id": 1, "reply_name": name}
            (self.folder / "kamailio.fifo").write_text(json.dumps(command) + "\n")
            return json.loads(answer.read_text()).get("result")
        finally:
            answer.unlink(missing_ok=True)

    # --- devices and the gateway ---

    def register(
        self,
        device: str,
        msisdn: str,
        port: int,
        *,
        expires: int = 300,
        password: str = PASSWORD,
        host: str = DEVICE,
    ) -> Sipp:
        """Have a device register with a contact at this port."""
        return Sipp(
            self,
            "register",
            DEVICE,
            free_tcp_port(),
            service=f"+{msisdn}",
            domain=DOMAIN,
            device=device,
            contact=f"{host}:{port}",
            expires=str(expires),
            au=device,
            ap=password,
        )

    def bound(self, device: str, msisdn: str, **options: Any) -> int:
        """Have a device registered, and return the port where it is called."""
        port = free_tcp_port()
        self.register(device, msisdn, port, **options).ended()
        return port

    def unbind(self, device: str, msisdn: str, port: int, **options: Any) -> None:
        self.register(device, msisdn, port, expires=0, **options).ended()

    def device(self, scenario: str, port: int, **options: Any) -> Sipp:
        """A device that is called."""
        return Sipp(self, scenario, DEVICE, port, **options).listening(DEVICE)

    def gateway_calls(self, number: str, *, scenario: str = "gateway_calls", **options: Any) -> Sipp:
        """The gateway sends a call here."""
        port = free_tcp_port()
        options = {"caller": "46700000009", "reference": "none", **options}
        return Sipp(self, scenario, GATEWAY, port, service=number, **options)

    def gateway(self, scenario: str, **options: Any) -> Sipp:
        """The gateway takes a call from here."""
        return Sipp(self, scenario, GATEWAY, self.gateway_port, **options).listening(GATEWAY)

    def metric(self, name: str) -> float:
        _, body = http(f"http://127.0.0.1:{self.metrics}/metrics")
        found = [line for line in body.decode().splitlines() if line.startswith(name)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0
