"""While calls run nothing is imported, compiled or opened for the first time: that would hold up every call behind it.

A node in a process of its own, with a store, an API and a service that holds calls, is sent the first of everything: calls
in usual and unusual forms, octets that are no messages, every request of its API right and wrong, a scrape, a reload, a
trace, a recording, a drain. Python's audit hook (`audited`) says what it did meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from oracles.waiting import until, wait_until

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py
sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py
sys.path.append(str(Path(__file__).parents[1] / "charging"))  # chf.py

from chf import Chf
from ocs import CLIENT, REALM, Books, Ocs
from real_node import TOKEN, RealNode
from room import NETWORK, Switch, idp, new_otid
from test_node import Field, heard

from oracles import servers
from scp.bench.monitored_call import install
from scp.net.tcp import Connector, Listener
from ss7 import tcap
from ss7.address import AddressString
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_TEXT, BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.reference import REFERENCE
from ss7.cap.sms import InitialDPSMSArg
from ss7.cap.types import EventReportBCSMArg, EventTypeBCSM, MessageType, MiscCallInfo
from ss7.rose import encode_invoke, encode_return_error
from ss7.sccp import MessageType as Sccp
from ss7.sccp import UnitData
from ss7.tcap_dialogue import Aarq, encode_dialogue, oid_octets

HELD, FAILS = 200, 300
EXTRA = f"""
[[m3ua.peers]]
name = "gateway"
transport = "tcp"
role = "asp"
remote = ["127.0.0.1"]
port = {{gateway}}
[m3ua.peers.timers]
reconnect_first_s = 0.05
reconnect_most_s = 0.1
[services.held]
service_keys = [{HELD}]
prefix = "99"
[services.fails]
service_keys = [{FAILS}]
[sms_control]
originating = "steer"
smsc = "46700000099"
[messages]
[messages.smpp]
addresses = ["localhost:{{smsc}}"]
system_id = "camel-scp"
[journal]
enabled = true
[charging]
timezone = "Europe/Stockholm"
"""
TARIFF = """
[[charging.tariffs]]
prefix = ""
price = 12
[[charging.tariffs.bands]]
price = 20
start = "08:00"
end = "18:00"
days = ["mon", "tue", "wed", "thu", "fri"]
"""
CHF = """
[charging.chf]
url = "{}"
rating_group = 1
"""
RO = """
[charging.ro]
servers = ["127.0.0.1:{}", "127.0.0.1:{}"]
origin_host = "{}"
origin_realm = "{}"
reconnect_s = 0.1
"""
TLS = """
[api.tls]
certificate = "{0}/tls.pem"
key = "{0}/tls.key"
"""
RECORDING = """
[recording]
folder = "{}"
"""
SELF_SIGNED = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -keyout tls.key -out tls.pem "
    "-addext subjectAltName=IP:127.0.0.1"
)
BY_NATURE = re.compile(
    r"open (/proc/self/\w+|/sys/fs/cgroup/memory\.max|\S+/node\.toml|\S+/recordings/\S+|\S+\.pyc?)|regex .*pcapng.*"
    r"|import redis(\.observability(\.recorder)?)?|regex '\[\^\.#~.*pyw.*"
)
"""What is opened each time that it is looked at: counters of the kernel, by a reload the configuration. What begins as
the operator says: a recording. And the files of modules, of which ``import`` tells. redis-py's pools import their
counters again when the interpreter ends; `scp.store.redis_server` imports them at the start. The last pattern is
coverage's, which looks for modules that were never imported when the process ends."""

FAILING = """
class Fails:
    name = "fails"

    async def run(self, call):
        raise LookupError("of the test")

def fails(settings, node):
    return Fails()
"""


class Audited(RealNode):
    """A node that notes what it does for the first time; `secret` is the CA of its API, if that speaks TLS."""

    def __init__(self, folder: Path, store: str, secret: Path | None = None, charging: str = TARIFF) -> None:
        self.gateway = servers.free_tcp_port()
        self.smsc = servers.free_tcp_port()
        super().__init__(folder, store=store)
        self.notes = folder / "notes"
        self.tls = None if secret is None else ssl.create_default_context(cafile=str(secret))
        self.program = [sys.executable, str(Path(__file__).with_name("audited.py"))]
        self.extra = EXTRA.format(gateway=self.gateway, smsc=self.smsc) + charging
        install(folder / "held")
        (folder / "held" / "camel_scp_fails.py").write_text(FAILING)
        with (folder / "held" / "camel_scp_bench-1.dist-info" / "entry_points.txt").open("a") as entries:
            entries.write("fails = camel_scp_fails:fails\n")
        (folder / "recordings").mkdir()
        self.write(TLS.format(folder) if secret else "")
        paths = [str(folder / "held"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environ = {"AUDITED": str(self.notes), "PYTHONPATH": os.pathsep.join(paths)}

    def since(self, at: float, process: int) -> list[str]:
        """What a process did since then for the first time."""
        notes = [line.split(" ", 2) for line in self.notes.read_text(encoding="utf-8").splitlines()]
        return [
            text
            for when, who, text in notes
            if float(when) > at and int(who) == process and not BY_NATURE.fullmatch(text)
        ]

    def ask(self, method: str, path: str, body: bytes | None = None, token: str = "", **headers: str) -> Any:
        scheme = "http" if self.tls is None else "https"
        url = f"{scheme}://127.0.0.1:{self.settings['api']}{path}"
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", **headers}
        request = urllib.request.Request(url, body, sent if token else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120, context=self.tls) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def cpu_seconds(self) -> float:
        """What its event loop has used of a processor."""
        stat = Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text(encoding="ascii")
        return int(stat.split()[0]) / 1e9


# --- the first of everything ---


def begin(argument: bytes, version: int = 2, *, portion: bytes = b"", opcode: int = 0) -> tuple[bytes, bytes]:
    """A transaction id and its BEGIN."""
    otid = new_otid()
    invoke = encode_invoke(1, opcode, argument)
    return otid, tcap.build_begin(
        otid, portion or encode_dialogue(Aarq(BY_VERSION[version].octets)), [invoke]
    )


def indefinite(encoded: bytes) -> bytes:
    """The same SEQUENCE with an indefinite length (X.690 §8.1.3.6)."""
    skip = 2 if encoded[1] < 0x80 else 2 + (encoded[1] & 0x7F)
    return encoded[:1] + b"\x80" + encoded[skip:] + b"\0\0"


def event(kind: EventTypeBCSM, mode: MessageType) -> bytes:
    argument = EventReportBCSMArg(kind, misc_call_info=MiscCallInfo(mode))
    return FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)


ANSWERED = event(EventTypeBCSM.T_ANSWER, MessageType.NOTIFICATION)
DISCONNECTED = event(EventTypeBCSM.T_DISCONNECT, MessageType.REQUEST)
CAP_SMS = {3: BY_TEXT["0.4.0.0.1.21.3.61"].octets, 4: BY_TEXT["0.4.0.0.1.23.3.61"].octets}
UNREADABLE = bytes.fromhex("8c0b" + "00" * 11)  # an originalCalledPartyID of 11 octets


async def calls(switch: Switch) -> None:
    """InitialDPs of every kind, and what may follow; each that has an answer is waited for."""
    usual = idp(2)
    arguments = [(idp(version, trigger=trigger), version) for version in (1, 2, 3, 4) for trigger in TRIGGERS]
    arguments += [(idp(2, b_number="0011234568"), 2)]
    arguments += [(indefinite(idp(version)), version) for version in (1, 2, 3, 4)]
    arguments += [(usual[:1] + bytes([len(usual) - 2 + 13]) + usual[2:] + UNREADABLE, 2)]
    arguments += [(b"\x30\x03\x80\x01", 2), (b"", 2), (b"\x30\x80\x00\x00", 2), (idp(2, service_key=999), 2)]
    arguments += [(idp(2, service_key=FAILS), 2)]
    for argument, version in arguments:
        await answered(switch, *begin(argument, version))
    for version, context in CAP_SMS.items():
        message = InitialDPSMSArg(100, calling_party_number=AddressString("11234567").encode())
        argument = REFERENCE.encode_argument(60, message, version)
        await answered(switch, *begin(argument, portion=encode_dialogue(Aarq(context)), opcode=60))
    await answered(switch, *begin(usual, portion=encode_dialogue(Aarq(oid_octets("0.4.0.0.1.0.99.1")))))
    await answered(switch, *begin(usual, opcode=Opcode.CONNECT))
    otid = new_otid()
    await answered(switch, otid, tcap.build_begin(otid, b"", [encode_invoke(1, Opcode.INITIAL_DP, idp(1))]))
    await answered(switch, otid := new_otid(), tcap.build_continue(otid, b"\xff" * 4, b"", []))
    for report in (DISCONNECTED, indefinite(DISCONNECTED)):
        otid, tid = await held(switch)
        for number, argument in enumerate((ANSWERED, report)):
            invoke = encode_invoke(number + 2, Opcode.EVENT_REPORT_BCSM, argument)
            switch.tcap(tcap.build_continue(otid, tid, b"", [invoke]))
        await until(lambda otid=otid: len(heard(switch, otid)) == 2)
    otid, tid = await held(switch)
    switch.tcap(tcap.build_continue(otid, tid, b"", [encode_return_error(1, 16)]))
    await until(lambda: len(heard(switch, otid)) == 2)


async def held(switch: Switch) -> tuple[bytes, bytes]:
    """A call that the node holds, both its transaction ids; one that was too busy just now lets calls go on at once."""
    for _ in range(1000):
        otid, octets = begin(idp(2, service_key=HELD))
        await answered(switch, otid, octets)
        if tid := heard(switch, otid)[0].message.otid:
            return otid, tid
    raise AssertionError("no call was held")


async def released(node: Audited, switch: Switch) -> None:
    """Held calls that the API ends: by their service, and in its place."""
    for query in "", "?force=true":
        otid, tid = await held(switch)
        path = f"/v1/calls/{tid.hex()}"
        for method, where in ("GET", "/v1/calls?number=11234567"), ("GET", path), ("DELETE", path + query):
            status, body = await asyncio.to_thread(node.ask, method, where, None, TOKEN)
            assert status in (200, 202), body
        await until(lambda otid=otid: len(heard(switch, otid)) == 2)


async def answered(switch: Switch, otid: bytes, octets: bytes) -> None:
    before = len(heard(switch, otid))
    switch.tcap(octets)
    await until(lambda: len(heard(switch, otid)) > before)


TRIGGERS = ("originating", "terminating")


async def nonsense(switch: Switch) -> None:
    """What is no call, at every layer; the call behind it shows that it was read."""
    otid, tid = await held(switch)
    whole = tcap.build_continue(otid, tid, b"", [])
    for bad in (
        b"",
        b"\x65",
        b"\x62\x80",
        b"\x67\x04\x48\x02\x01\x02",
        whole[:-1],
        tcap.build_abort(b"\1\2\3\4", b""),
    ):
        switch.sccp(UnitData(Sccp.UDT, 1, True, NETWORK.called(), NETWORK.calling(), bad or b"\0").encode())
    switch.sccp(UnitData(Sccp.UDT, 1, False, NETWORK.calling(), NETWORK.called(), whole).returned(1).encode())
    for payload in (b"", b"\x09", b"\x09\x81\x03\x05\x07", bytes.fromhex("0900030507024282024206")):
        switch.sccp(payload)
    for si in (0, 5):
        switch.machine.send(NETWORK.point_code, NETWORK.scp_point_code, 0, 5, b"\0" * 8, -1)
        del si
    for message in (
        "01000201000000100012000800000001",  # DUNA
        "01000202000000100012000800000001",  # DAVA
        "01000203000000100012000800000001",  # SCON of nothing that is served
        "010000000000000c000c0004",  # ERR without its code
        "0100000100000008",  # NTFY without status
        "0100ff0100000008",  # a class that there is not
        "0100030300000008",  # BEAT
    ):
        switch.m3ua(bytes.fromhex(message), stream=0)
    switch.tcap(tcap.build_abort(tid, b""))
    long = [encode_invoke(1, Opcode.INITIAL_DP, idp(2)), *(encode_invoke(n, 55) for n in range(2, 60))]
    otid = new_otid()
    await answered(switch, otid, tcap.build_begin(otid, encode_dialogue(Aarq(BY_VERSION[2].octets)), long))
    await answered(switch, *begin(idp(2)))


@asynccontextmanager
async def association(port: int, *, listen: bool = False) -> AsyncIterator[Switch]:
    """A gateway's end of an association with the node, its ASP active."""
    switch = Switch(Field(), "stp")
    connection: Connector | Listener
    if listen:
        connection = Listener("stp", ["127.0.0.1"], port, lambda _address: switch)
    else:
        connection = Connector("stp", ["127.0.0.1"], port, switch, random=Random(1))
    await connection.start()
    try:
        await until(lambda: switch.machine.state.value == "active")
        yield switch
    finally:
        await connection.close(abort=True)


async def signalling(node: Audited) -> None:
    """Everything at once, on associations that the node accepts and that it makes, and again after they were lost."""
    port = int(node.settings["m3ua"])
    for _ in range(2):
        async with association(port) as switch, association(node.gateway, listen=True) as other:
            await calls(switch)
            await nonsense(switch)
            await calls(other)
            await released(node, switch)


def requests(node: RealNode) -> None:
    """Every request that the API's own description has: without a token, empty, as its example, and broken."""
    described = json.loads(node.get("/schema/openapi.json")[1])
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            filled = re.sub(r"\{[^}]*\}", quote("46701234567"), path)
            if any(each["name"] == "seconds" for each in operation.get("parameters", [])):
                filled += "?seconds=0.5"  # a stream that would not end
            body = example(described, operation)
            node.ask(method.upper(), filled)
            bodies = (
                (b"{",) if path.startswith("/v1/captures") else (None, body, b"{")
            )  # each starts a process
            for each in bodies:
                node.ask(method.upper(), filled, each, TOKEN)
    for odd in ("/", "/v1/nothing", "/v1/subscribers/abc", "/docs", "/favicon.ico"):
        node.get(odd, TOKEN)
    node.ask("DELETE", "/v1/authorizations/46701234567", token="wrong")
    node.ask("POST", "/v1/decisions", b"x", TOKEN, **{"Content-Type": "text/plain"})
    node.ask("OPTIONS", "/readyz")
    node.ask("PATCH", "/readyz", b"{}", TOKEN)


def example(described: dict[str, Any], operation: dict[str, Any]) -> bytes | None:
    """The example of an operation's body, None if it takes none."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content.get("schema", {})
        while "$ref" in schema:
            schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        found = (
            content.get("example") or schema.get("example") or next(iter(schema.get("examples") or [{}]), {})
        )
        return json.dumps(found).encode()
    return None


@pytest.fixture(params=["sqlite, tariffs", "redis, TLS, charging function"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Audited]:
    with ExitStack() as stack:
        if request.param.startswith("sqlite"):
            made = Audited(tmp_path, f"sqlite:{tmp_path / 'store.db'}")
        else:
            for program in ("redis-server", "openssl"):
                if not shutil.which(program):
                    pytest.skip(f"{program} is not installed")
            subprocess.run(
                [*SELF_SIGNED.split(), "-subj", "/CN=127.0.0.1"],
                cwd=tmp_path,
                check=True,
                capture_output=True,
            )
            url = stack.enter_context(servers.redis_server(tmp_path))
            made = Audited(
                tmp_path, url, tmp_path / "tls.pem", CHF.format(stack.enter_context(charging_function()))
            )
        stack.enter_context(made.running(made.environ))
        yield made


@contextmanager
def charging_function() -> Iterator[str]:
    """A charging function in a thread of its own; its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(Chf().start(), loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def smsc(node: Audited, tmp_path: Path) -> Iterator[None]:
    """An SMSC that comes up after the node, which has failed to bind before, and has a message for it."""
    command = [sys.executable, "-m", "scp.cli", "smsc", "--listen", f"127.0.0.1:{node.smsc}"]
    with servers.running(
        [*command, "--send", "46709 46701 Hello"],
        lambda: servers.answers_tcp(node.smsc),
        tmp_path / "smsc.log",
    ):
        yield


def delivered(node: Audited) -> None:
    """The SMSC takes a message, sends its receipt and another message."""
    message = json.dumps({"recipient": "46701234567", "text": "Hello 😀"}).encode()
    status, answer = node.ask("POST", "/v1/messages", message, TOKEN)
    assert status == 202, answer
    path = f"/v1/messages/{json.loads(answer)['id']}"
    wait_until(lambda: b'"state":"delivered"' in node.ask("GET", path, None, TOKEN)[1])
    wait_until(lambda: b'"received"' in node.ask("GET", "/v1/messages/events?limit=1000", None, TOKEN)[1])


@pytest.mark.usefixtures("smsc")
def test_the_first_of_everything_finds_all_there(node: Audited, tmp_path: Path) -> None:
    ready = time.monotonic()
    node.provision("11234567")
    asyncio.run(signalling(node))
    requests(node)
    reservation = {
        "account": "46701234567",
        "call_id": "1",
        "a_number": "46701234567",
        "b_number": "46707654321",
        "minutes": 1,
    }
    status, answer = node.ask("POST", "/v1/charging/reservations", json.dumps(reservation).encode(), TOKEN)
    assert status < 500, answer
    delivered(node)
    node.scrape()
    assert node.ask("PUT", "/v1/traces/11234567", b"{}", TOKEN)[0] in (200, 201)
    node.write(RECORDING.format(tmp_path / "recordings") + (TLS.format(tmp_path) if node.tls else ""))
    node.signal(signal.SIGHUP)
    node.wait_said("reloaded")
    asyncio.run(signalling(node))
    assert list((tmp_path / "recordings").iterdir())
    node.scrape()
    node.wait_said("service failed, call continued")
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    late = node.since(ready, node.pid)
    assert not late, "\n".join(late)


def test_the_first_charge_by_diameter_finds_all_there(tmp_path: Path) -> None:
    """Minutes from a server that dies, and the next from the other; watchdogs; the first server again."""
    books = Books(100_000, 60)
    first, second = Ocs(books, "ocs1").up(), Ocs(books, "ocs2").up()
    node = Audited(tmp_path, "sqlite::memory:", None, RO.format(first.port, second.port, CLIENT, REALM))

    def missing(count: int) -> None:
        wait_until(lambda: node.scrape()["scp_ro_servers_missing"] == count)

    def minutes(method: str, path: str, **body: object) -> dict[str, Any]:
        status, answer = node.ask(
            method, f"/v1/charging/reservations{path}", json.dumps(body).encode(), TOKEN
        )
        assert status in (200, 201), answer
        return json.loads(answer)

    caller, called = "46701234567", "46707654321"
    try:
        with node.running(node.environ):
            ready = time.monotonic()
            missing(0)
            for call in ("1", "2"):
                made = minutes("POST", "", call_id=call, a_number=caller, b_number=called, minutes=1)
                path = f"/{made['id']}"
                assert minutes("PUT", path, minutes=3)["granted_minutes"] == 3
                minutes("POST", f"{path}/commit", used_seconds=100)
                first.down()
                missing(1)
            first.up()
            missing(0)
            second.watch()
            node.signal(signal.SIGTERM)
            assert node.ended() == 0
    finally:
        first.down()
        second.down()
    assert books.used == [100, 100]
    late = node.since(ready, node.pid)
    assert not late, "\n".join(late)


def test_the_first_unusual_call_takes_no_longer_than_the_next(tmp_path: Path) -> None:
    """0.6 s, if the reference codec is imported for it."""

    async def spent() -> list[float]:
        async with association(int(node.settings["m3ua"])) as switch:
            await answered(switch, *begin(idp(2)))
            found = []
            for _ in range(2):
                before = node.cpu_seconds
                await answered(switch, *begin(indefinite(idp(2))))
                found.append(node.cpu_seconds - before)
            return found

    node = Audited(tmp_path, "sqlite::memory:")
    with node.running(node.environ):
        first, second = asyncio.run(spent())
    assert first < second + 0.1


def test_the_guardian_finds_all_there_when_it_takes_over(tmp_path: Path) -> None:
    """Calls that the node had not read when it died, in a usual and in an unusual form."""

    async def killed() -> None:
        async with association(int(node.settings["m3ua"])) as switch:
            await answered(switch, *begin(idp(2)))
            await asyncio.to_thread(node.get, "/readyz")  # that turn is over: its answer is journaled
            node.signal(signal.SIGSTOP)
            asked = [begin(idp(2)), begin(indefinite(idp(2))), begin(b"\x04\x01\x00")]
            for _, octets in asked:
                switch.tcap(octets)
            node.signal(signal.SIGKILL)
            await until(lambda: switch.transport is None)
            for otid, _ in asked:
                assert [answer.opcodes for answer in heard(switch, otid)] == [[Opcode.CONTINUE]]

    node = Audited(tmp_path, "sqlite::memory:")
    with node.running(node.environ):
        [guardian] = map(int, Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split())
        dead = time.monotonic()
        asyncio.run(killed())
        wait_until(lambda: not Path(f"/proc/{guardian}").exists())
    assert node.said("guardian")[-1]["calls_answered"] == 3
    late = node.since(dead, guardian)
    assert not late, "\n".join(late)
