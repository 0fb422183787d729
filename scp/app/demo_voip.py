"""The demo's last call: an MSC asks the node, the gateway calls the VoIP service, SIP devices ring.

The node and the brain run here; Kamailio, and sipp as gateway and devices, are programs beside. What each of
them saw is one ladder, from the InitialDP to the charge.
"""

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
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, Self, final

from msgspec import Struct

from scp import client
from scp.app.event_log import EventLog
from scp.app.node import Node
from scp.app.phone_account import Provisioning, qr_code
from scp.client import voip
from scp.config import loads
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.ladder import MSC, SCF, Ladder, render
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.telemetry.null import NullTelemetry
from scp.voip import config as voip_config
from scp.voip.kamailio import settings
from scp.voip.process import Service
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rich.console import Console

    from scp.simulator.result import CallResult

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
            lambda: linked.get(link.address, False) and link.started > 0, "the brain is linked to Kamailio"
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


_KINDS: Final = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}


def _taken(host: str, port: int, kind: socket.SocketKind) -> bool:
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


def _binds(port: int) -> bool:
    """Whether somebody has this UDP port of 127.0.0.1 (proc(5))."""
    address = f"0100007F:{port:04X}"
    return any(address in line.split()[1:2] for line in Path("/proc/net/udp").read_text().splitlines())


SIPPS: Final = ("gateway", "phone", "tablet")
RECORDS: Final = ["Attempt", "Charge", "VoipRecord"]
ALICE: Final = Account("alice", "11234567", ("alice-phone", "alice-tablet"), token_urlsafe(9))


async def show(node_config: str, console: Console) -> bool:
    """Play the roaming call and show it; whether all was as it should be."""
    async with VoipService(node_config, (ALICE,)) as service:
        phone, tablet = [await service.register(device, ALICE) for device in ALICE.devices]
        told = service.voip_metrics.told
        await until(lambda: told["registered"] > 0, "the node is told that Alice is registered")
        rings = await service.sipp("rings", HERE, phone)
        answers = await service.sipp("answers", HERE, tablet, d="300")
        await until(lambda: _binds(phone) and _binds(tablet), "phone and tablet listen")
        started = time.time()
        result = await _ask(service)
        number = result.answer.number
        gateway = await service.sipp(
            "gateway_calls",
            GATEWAY,
            free_port(GATEWAY, socket.SOCK_DGRAM),
            s=number,
            caller="46700000009",
            reference=f"{REFERENCE.hex()};msc={Scenario().msc}",
            d="1200",
        )
        ended = [await one.process.wait() for one in (gateway, rings, answers)]
        records = await _records(service)
        ladder = _ladder(result, started, {"gateway": gateway, "phone": rings, "tablet": answers}, records)
        console.print(ladder, markup=False, soft_wrap=True)
        kinds = sorted(type(one).__name__ for one in records)
        wrong = [
            *(f"sipp as {name} ended with {code}" for name, code in zip(SIPPS, ended, strict=True) if code),
            *([] if result.passed else [f"the switch was answered {result.answer}"]),
            *([] if kinds == RECORDS else [f"records: {', '.join(kinds) or 'none'}"]),
        ]
        for each in wrong:
            console.print(f"{'WRONG':>12}  {each}", markup=False)
        if not wrong:
            console.print(_WHAT_WAS_SEEN, markup=False, soft_wrap=True)
        return not wrong


_WHAT_WAS_SEEN: Final = f"""\
{"why":>12}  Alice's phone and tablet rang at once; the tablet answered, and the phone shows no missed call.
{"":>12}  Minutes were reserved before they rang, and what was talked is charged, each begun second.
{"":>12}  At the node the switch's attempt, the leg and the charge are one call: GET /v1/cdrs/related"""


async def _ask(service: VoipService) -> CallResult:
    scenario = Scenario(
        b_number=f"00{ALICE.msisdn}",
        b_nature=NatureOfAddress.UNKNOWN,
        vlr=FOREIGN_VLR,
        call_reference=REFERENCE,
    )
    expected = Expectation(action=Action.CONNECT, number=f"9900{ALICE.msisdn}", ended=True)
    (result,) = await run_calls(
        [PlannedCall(scenario, expected)],
        network=Network(),
        endpoint=Endpoint(port=service.m3ua),
        random=SystemRandom(),
    )
    return result


async def _records(service: VoipService) -> tuple[client.Cdr, ...]:
    """Return the node's records of the one call, once all three are there."""
    found: tuple[client.Cdr, ...] = ()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(found) < 3:
                page = await service.api.send(client.cdrs())
                legs = [one.id for one in page.cdrs if isinstance(one, client.VoipRecord)]
                found = (await service.api.send(client.related_cdrs(legs[0]))).cdrs if legs else ()
                await asyncio.sleep(0.05)
    return found


def _ladder(
    result: CallResult, started: float, parties: dict[str, Sipp], records: tuple[client.Cdr, ...]
) -> str:
    """Draw the call from the MSC to the devices, and what is recorded of it."""
    ladder = Ladder()
    for step in result.steps:
        source, target = (MSC, SCF) if step.outward else (SCF, MSC)
        if not step.message.startswith("local"):
            names = " + ".join(words.split(" ", 1)[0] for words in step.components)
            text = f"{step.message} {names}".strip()
            ladder.message(started + step.seconds, source, target, text, *step.components)
    seen = [one for party, sipp in parties.items() for one in sipp.messages(party)]
    seen += [
        (record.reserved_ms / 1000, SCF, SCF, f"reserved {record.granted_seconds} s for {record.account}", "")
        for record in records
        if isinstance(record, client.Charge)
    ]
    for at, source, target, text, details in sorted(seen):
        ladder.message(at, source, target, text, *([details] if details else []))
    last = max((event.time for event in ladder.events), default=started)
    for record in records:
        ladder.note(last, SCF, _recorded(record))
    return render(ladder.events, (MSC, SCF, "gateway", "Kamailio", "phone", "tablet"), least_gap=GAP)


def _recorded(record: client.Cdr) -> str:
    if isinstance(record, client.Attempt):
        return f"attempt: {record.action} {record.number}, {record.reason}"
    if isinstance(record, client.Charge):
        return (
            f"charge: {record.used_seconds} s, {record.charged / 100:.2f} {record.currency}, {record.account}"
        )
    return f"leg: {record.a_number} to {record.b_number}, call reference {record.call_reference}"


@contextlib.asynccontextmanager
async def ended_by_term() -> AsyncIterator[None]:
    """Have SIGTERM cancel what is in the block, so that all that it has started ends with it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told: list[int] = []

    def end() -> None:
        told.append(signal.SIGTERM)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def keep(
    node_config: str,
    console: Console,
    sip: int = 5060,
    ports: tuple[int, int, int, int] = (2905, 8080, 9465, 8082),
) -> None:
    """Leave a node, the brain and Kamailio running with two accounts, and say how to use them.

    Args:
        node_config: as `VoipService`.
        console: where it is said.
        sip: port of Kamailio.
        ports: as `VoipService`.
    """
    bob = Account("bob", "46701234567", ("bob-phone",), "")
    host = lan_address()
    listen = (host, HERE) if host != HERE else (HERE,)
    wanted = [(one, sip, kind) for one in listen for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    wanted += [(HERE, port, socket.SOCK_STREAM) for port in ports]
    if in_use := [f"{_KINDS[kind]} {one}:{port}" for one, port, kind in wanted if _taken(one, port, kind)]:
        raise OSError(f"another program has {', '.join(in_use)}: end it first (ss -lntup names it)")
    async with (
        ended_by_term(),
        VoipService(node_config, (ALICE, bob), listen, sip, ports, clients=True) as service,
    ):
        provisioning = Provisioning(host, service.sip)
        server = await provisioning.start()
        console.print(f"\nSIP proxy and registrar: {host}:{service.sip}, UDP or TCP; domain {DOMAIN}\n")
        joined = [one for account in service.accounts for one in await service.join(account)]
        for one in joined:
            words = f"  address {one.aor}  authentication user {one.user}  password {one.password}"
            console.print(words, markup=False, soft_wrap=True)
        first = joined[0]
        url = provisioning.url(DOMAIN, first.msisdn, first.user, first.password)
        console.print(f"\nLinphone takes {first.user}'s account from this QR code ({url}):\n", soft_wrap=True)
        console.print(qr_code(url), markup=False, soft_wrap=True)
        api = f"http://{HERE}:{service.clients_port}"
        command = Path(sys.executable).with_name("camel-scp")
        with contextlib.suppress(ValueError):
            command = command.relative_to(Path.cwd())
        how = _HOW_TO_CALL.format(host=HERE, service=service, api=api, own=first.token, program=command)
        console.print(how, markup=False, soft_wrap=True)
        async with server:
            await asyncio.Event().wait()


_HOW_TO_CALL: Final = f"""
Register a softphone with one of these; from another one call sip:alice@{DOMAIN} or sip:bob@{DOMAIN}.
As the switch, while Alice is abroad:

  {{program}} msc --b 00{ALICE.msisdn} --vlr {FOREIGN_VLR}
  sipp {{host}}:{{service.sip}} -sf deploy/kamailio/sipp/gateway_calls.xml -i {GATEWAY} -m 1 -d 5000 \\
       -s 9900{ALICE.msisdn} -key caller 46700000009 -key reference none

As {ALICE.devices[0]}'s app, with its own token: see what is known of Alice; have nothing ring.

  curl -H 'Authorization: Bearer {{own}}' {{api}}/v1/identities/{ALICE.msisdn}
  curl -X PUT -H 'Authorization: Bearer {{own}}' -H 'Content-Type: application/json' \\
       -d '{{{{"quiet": true}}}}' {{api}}/v1/identities/{ALICE.msisdn}/rules

The VoIP service's API: {{api}}/docs, its metrics: http://{{host}}:{{service.metrics_port}}/metrics
The node's API: http://{{host}}:{{service.api_port}}/docs. Operator's token for both: {{service.token}}
Kamailio's log: {{service.folder}}/kamailio.log. Ctrl-C ends it all."""


def lan_address() -> str:
    """Return the address by which others reach this machine, as far as its routes say; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737)
        except OSError:
            return HERE
        return str(probe.getsockname()[0])


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # none is left
        os.killpg(leader, signal.SIGKILL)
