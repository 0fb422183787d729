"""The VoIP service of a demo: its brain in this process, Kamailio and sipp as programs beside."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import shutil
import signal
import socket
import tempfile
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, Self, final

from msgspec import Struct

from scp import client
from scp.app.event_log import EventLog
from scp.app.node import Node
from scp.client import voip
from scp.config import loads
from scp.telemetry.null import NullTelemetry
from scp.voip import config as voip_config
from scp.voip.kamailio import settings
from scp.voip.process import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FOLDER: Final = Path(__file__).parents[2] / "deploy" / "kamailio"
NEEDED: Final = {"kamailio": "kamailio kamailio-extra-modules", "sipp": "sip-tester"}
"""Programs, and the Debian packages that have them."""
DOMAIN: Final = "voip.example"
GATEWAY: Final = "127.0.0.10"
HERE: Final = "127.0.0.1"
FOREIGN_VLR: Final = "491710000001"
REFERENCE: Final = bytes.fromhex("0a0b0c0d")
"""Call reference number of the MSC, which the gateway passes on."""
PATIENCE: Final = 60.0
"""Seconds that anything may take."""
GAP: Final = 16
"""Columns between two parties, at the least."""
LEDGER: Final = """
[charging]
currency = "EUR"
[[charging.tariffs]]
prefix = ""
price = 60
per_seconds = 60
"""
BRAIN: Final = """
[voip]
domain = "{domain}"
[numbering]
country_code = "46"
[sip]
listen = [{listen}]
brain = "127.0.0.1:{evapi}"
run_folder = "{folder}"
workers = 2
[[trunks]]
name = "gateway"
addresses = ["{gateway}"]
host = "{gateway}"
port = {gateway_port}
numbers = "international"
[scp]
url = "http://127.0.0.1:{api}"
token = "{token}"
[charging]
minutes = 5
[store]
url = "sqlite::memory:"
[telemetry]
metrics = "127.0.0.1:{metrics}"
log_level = "warning"
"""
CLIENTS: Final = """
[api]
listen = "127.0.0.1:{port}"
rate = 100.0
[[api.keys]]
name = "operator"
sha256 = "{sha256}"
scopes = ["operator"]
"""
ACCOUNT: Final = """
[[identities]]
msisdn = "{msisdn}"
aliases = ["{name}"]
"""
DEVICE: Final = """
[[devices]]
id = "{id}"
identities = ["{msisdn}"]
password = "{password}"
"""


class Account(Struct, frozen=True):
    """A subscriber of the demo."""

    name: str
    msisdn: str
    devices: tuple[str, ...]
    password: str


def missing() -> str:
    """Return what is missing for a call that rings, in words; "" if nothing is."""
    packages = [
        package
        for program, package in NEEDED.items()
        if not (shutil.which(program) or Path("/usr/sbin", program).exists())
    ]
    if packages:
        return f"to see a call ring SIP phones: apt-get install --no-install-recommends {' '.join(packages)}"
    return "" if FOLDER.is_dir() else f"to see a call ring SIP phones: a checkout, with {FOLDER}"


def program(name: str) -> str:
    """Return the path of a program, also where only root looks."""
    return shutil.which(name) or f"/usr/sbin/{name}"


def free_port(host: str, kind: socket.SocketKind) -> int:
    """Return a port of an address that nobody has."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@final
class VoipService:
    """A node with its API, the brain, and Kamailio, as long as the context lasts.

    Args:
        node_config: of the node, with places for its ports, the hash of its token and more of its tables.
        accounts: whom Kamailio knows.
        listen: addresses of Kamailio, host only.
        sip: its port; 0: a free one.
        ports: for M3UA, the node's API, the brain's metrics and the brain's API; 0: free ones.
        clients: the brain has its API, and by it the accounts are made (`join`); else they stand in its file.
    """

    def __init__(
        self,
        node_config: str,
        accounts: tuple[Account, ...],
        listen: tuple[str, ...] = (HERE,),
        sip: int = 0,
        ports: tuple[int, int, int, int] = (0, 0, 0, 0),
        *,
        clients: bool = False,
    ) -> None:
        tcp = [given or free_port(HERE, socket.SOCK_STREAM) for given in (*ports, 0, 0)]
        self.m3ua, self.api_port, self.metrics_port, self.clients_port, self.evapi, self.node_metrics = tcp
        self._clients = clients
        self.sip = sip or free_port(HERE, socket.SOCK_DGRAM)
        self.gateway_port = free_port(GATEWAY, socket.SOCK_DGRAM)
        self.token = token_urlsafe()
        self.accounts = accounts
        self.folder = Path()
        self._listen = listen
        self._node_config = node_config
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start all of it; raises OSError with what Kamailio said if it does not start."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop all of it."""
        await self._stack.aclose()

    async def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="camel-scp-voip-")))
        sha256 = hashlib.sha256(self.token.encode()).hexdigest()
        text = self._node_config.format(
            m3ua=self.m3ua, api=self.api_port, metrics=self.node_metrics, sha256=sha256, controlled=LEDGER
        )
        node = Node(loads(text), SystemRandom(), NullTelemetry(), EventLog(), entry_points=())
        await node.start(None)
        self._stack.push_async_callback(node.stop)
        self.api = await self._stack.enter_async_context(
            client.AsyncClient(f"http://{HERE}:{self.api_port}", self.token)
        )
        for account in self.accounts:
            await self.api.send(client.authorize(account.msisdn))
            await self.api.send(client.credit(account.msisdn, "welcome", 600))
        config = voip_config.loads(self._voip_config(), {})
        await self._start_kamailio(config)
        await self._start_brain(config)

    def _voip_config(self) -> str:
        listen = ", ".join(f'"{kind}:{host}:{self.sip}"' for host in self._listen for kind in ("udp", "tcp"))
        text = BRAIN.format(
            domain=DOMAIN,
            listen=listen,
            evapi=self.evapi,
            folder=self.folder,
            gateway=GATEWAY,
            gateway_port=self.gateway_port,
            api=self.api_port,
            token=self.token,
            metrics=self.metrics_port,
        )
        if self._clients:
            sha256 = hashlib.sha256(self.token.encode()).hexdigest()
            return text + CLIENTS.format(port=self.clients_port, sha256=sha256)
        for one in self.accounts:
            text += ACCOUNT.format(msisdn=one.msisdn, name=one.name)
            for device in one.devices:
                text += DEVICE.format(id=device, msisdn=one.msisdn, password=one.password)
        return text

    async def _start_kamailio(self, config: voip_config.VoipConfig) -> None:
        shutil.copy(FOLDER / "kamailio.cfg", self.folder)
        (self.folder / "settings.cfg").write_text(settings(config), encoding="utf-8")
        options = (
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
        )
        log = self._stack.enter_context((self.folder / "kamailio.log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            program("kamailio"),
            *options,
            stdout=log,
            stderr=log,
            cwd=self.folder,  # it includes the settings.cfg of where it is started, if there is one
            start_new_session=True,
        )
        self._stack.callback(_kill_group, process.pid)  # those that outlive the first one keep the ports
        self._stack.push_async_callback(process.wait)
        self._stack.callback(lambda: process.terminate() if process.returncode is None else None)
        started = "Kamailio takes the brain's connection"
        await until(lambda: process.returncode is not None or _accepts(self.evapi), started)
        if process.returncode is not None:
            said = (self.folder / "kamailio.log").read_text(errors="replace")
            raise OSError(f"Kamailio does not start: {said[-2000:]}")

    async def _start_brain(self, config: voip_config.VoipConfig) -> None:
        service = await Service.started(config, self._stack)
        self.voip_metrics = service.brain.metrics
        self._stack.push_async_callback(service.brain.stop, 3.0)
        (link,) = service.links
        linked = self.voip_metrics.links
        await until(
            lambda: linked.get(link.address, False) and link.started != "", "the brain is linked to Kamailio"
        )

    async def join(self, account: Account) -> list[voip.Credentials]:
        """Make an account by the brain's API, as its operator; return what its devices get."""
        url = f"http://{HERE}:{self.clients_port}"
        async with client.AsyncClient(url, self.token) as operator:
            await operator.send(voip.put_identity(account.msisdn, aliases=[account.name]))
            made = [voip.make_device(one, (account.msisdn,), one) for one in account.devices]
            return [await operator.send(one) for one in made]

    async def sipp(self, scenario: str, host: str, port: int, **keys: str) -> Sipp:
        """Start a sipp that plays a scenario of deploy/kamailio/sipp once."""
        base = self.folder / f"{scenario}-{port}"
        options = ["-nostdin", "-m", "1", "-i", host, "-p", str(port), "-timeout", f"{PATIENCE:.0f}"]
        options += ["-trace_msg", "-message_file", f"{base}.msg"]
        for name, value in keys.items():
            options += [f"-{name}", value] if name in ("s", "au", "ap", "d") else ["-key", name, value]
        process = await asyncio.create_subprocess_exec(
            program("sipp"),
            f"{HERE}:{self.sip}",
            "-sf",
            str(FOLDER / "sipp" / f"{scenario}.xml"),
            *options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self.folder,
        )
        self._stack.callback(lambda: process.kill() if process.returncode is None else None)
        return Sipp(process, Path(f"{base}.msg"))

    async def register(self, device: str, account: Account) -> int:
        """Have a device register; return the port where it is called. Raises OSError if it is refused."""
        port = free_port(HERE, socket.SOCK_DGRAM)
        sipp = await self.sipp(
            "register",
            HERE,
            free_port(HERE, socket.SOCK_DGRAM),
            s=f"+{account.msisdn}",
            au=device,
            ap=account.password,
            domain=DOMAIN,
            device=device,
            contact=f"{HERE}:{port}",
            expires="300",
        )
        if await sipp.process.wait():
            raise OSError(f"{device} could not register")
        return port


@final
class Sipp:
    """One sipp, and what it has sent and received."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self._log = log

    def messages(self, party: str) -> Iterator[tuple[float, str, str, str, str]]:
        """Yield (time, from, to, text, details) of each message."""
        text = self._log.read_text(errors="replace")
        for found in re.finditer(r"-{20,} (\S+ \S+)\n(.*?)\n\n(.*?)(?=\n-{20,}|\Z)", text, re.DOTALL):
            when, how, message = found.groups()
            at = datetime.fromisoformat(when).timestamp()
            words = message.partition("\n")[0]
            shown = words.removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0").replace("sip:", "")
            if not words.startswith("SIP/2.0"):
                method, _, uri = shown.partition(" ")
                user, found_user, _ = uri.partition("@")
                shown = f"{method} {user}" if found_user else method
            reason = re.search(r"^Reason: *(.*?)\r?$", message, re.MULTILINE)
            ends = (party, "Kamailio") if "sent" in how else ("Kamailio", party)
            yield at, *ends, shown, f"Reason: {reason[1]}" if reason else ""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; raises TimeoutError with what it is if it does not in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what other programs do sets no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"{PATIENCE:.0f} s without that {what}") from None


KINDS: Final = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}


def taken(host: str, port: int, kind: socket.SocketKind) -> bool:
    """Whether another program has this port; 0 is a free one."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def binds(port: int) -> bool:
    """Whether somebody has this UDP port of 127.0.0.1 (proc(5))."""
    address = f"0100007F:{port:04X}"
    return any(address in line.split()[1:2] for line in Path("/proc/net/udp").read_text().splitlines())


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # none is left
        os.killpg(leader, signal.SIGKILL)
