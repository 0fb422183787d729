"""SMPP over TLS, with a server of another library behind real TLS: what is trusted, what is not, and ends of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import smpp34
from msgspec.structs import replace
from test_peers import Side

from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, until
from scp.config.messages import Smpp, SmppTls
from scp.config.values import HostPort, Secret
from scp.domain.message import State
from scp.messages.smpp import esme as esme_module
from scp.messages.smpp.settings import smpp_tls
from scp.simulator.smsc import Smsc

NAME = "smsc.example"
TEXT = "Hello: السلام عليكم, 😀"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities and what they vouch for: a server, one of the past, one of another name; a client."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    made = tmp_path_factory.mktemp("tls")

    def openssl(words: str, *more: str) -> None:
        subprocess.run(["openssl", *words.split(), *more], cwd=made, check=True, capture_output=True)

    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc"
    for authority in ("ca", "stranger"):
        openssl(
            f"req -x509 {key} -days 2 -keyout {authority}.key -out {authority}.pem -subj /CN={authority}",
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    for name, by, subject, days in (
        ("server", "ca", NAME, "2"),
        ("past", "ca", NAME, "-1"),
        ("named", "ca", "other.example", "2"),
        ("foreign", "stranger", NAME, "2"),
        ("client", "ca", "scp", "2"),
        ("intruder", "stranger", "scp", "2"),
    ):
        openssl(f"req {key} -keyout {name}.key -out {name}.csr -subj /CN={subject}")
        (made / "ext").write_text(f"subjectAltName=DNS:{subject}\n")
        openssl(
            f"x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -out {name}.pem",
            *("-extfile", "ext", "-days", days),
        )
    return made


def server_side(folder: Path, name: str, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls(folder: Path, client: str = "", ca: str = "ca", server_name: str = NAME) -> ssl.SSLContext:
    """What ``[messages.smpp.tls]`` comes to."""
    table = SmppTls(ca=str(folder / f"{ca}.pem"), server_name=server_name)
    if client:
        table = replace(table, certificate=str(folder / f"{client}.pem"), key=str(folder / f"{client}.key"))
    context = smpp_tls(Smpp((HostPort("127.0.0.1", 1),), "scp", Secret("secret"), tls=table))
    assert context is not None
    return context


class OtherSmsc:
    """smpp34's server behind a TLS socket: takes every message, and keeps what it said."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.connections: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def running(self, port: int, context: ssl.SSLContext | None) -> AsyncIterator[None]:
        inside = free_tcp_port()
        server = smpp34.Server("127.0.0.1", inside, system_id="other")
        await server.start()
        serving = asyncio.create_task(self._serve(server))

        async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while octets := await reader.read(4096):
                    writer.write(octets)
            writer.close()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections.append(writer)
            inner, outer = await asyncio.open_connection("127.0.0.1", inside)
            await asyncio.gather(pipe(reader, outer), pipe(inner, writer))

        outside = await asyncio.start_server(relay, "127.0.0.1", port, ssl=context)
        try:
            yield
        finally:
            outside.close()
            self.hang_up()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await server.stop()

    def hang_up(self) -> None:
        """As when its process is killed."""
        for writer in self.connections:
            writer.transport.abort()
        self.connections.clear()

    async def _serve(self, server: smpp34.Server) -> None:
        while True:
            event = await server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                event.accept(message_id=f"other-{len(self.texts)}")
                coding = {0: "latin-1", 8: "utf-16-be"}[int(event.data_coding)]
                self.texts.append(bytes(event.short_message).decode(coding))


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), PATIENCE))


@asynccontextmanager
async def esme(port: int, context: ssl.SSLContext | None, **settings: object) -> AsyncIterator[Side]:
    side = Side(port, tls=context, server_name=NAME, **settings)
    await side.queue.start()
    try:
        yield side
    finally:
        await side.queue.stop()


@pytest.mark.parametrize("client", ["", "client"])
def test_messages_go_over_tls_and_again_after_the_other_end_was_killed(
    folder: Path, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.05)

    async def body() -> None:
        port, smsc = free_tcp_port(), OtherSmsc()
        context = server_side(folder, "server", wants_client=bool(client))
        async with esme(port, tls(folder, client)) as side:
            async with smsc.running(port, context):
                await side.send(TEXT, "a", receipt=False)
                await side.until(State.ACCEPTED, "a")
                smsc.hang_up()  # the connection alone
                await until(lambda: any("bound" not in words for words in side.told))
                await side.send(TEXT, "b", receipt=False)
                await side.until(State.ACCEPTED, "b")
            await until(lambda: side.esme.missing)  # the server as well
            await side.send(TEXT, "c", receipt=False)
            async with smsc.running(port, context):
                await side.until(State.ACCEPTED, "c")
        assert smsc.texts == [TEXT] * 3

    run(body)


@pytest.mark.parametrize(
    ("server", "client", "ca", "said"),
    [
        ("foreign", "", "ca", "certificate verify failed"),
        ("named", "", "ca", "certificate is not valid for 'smsc.example'"),
        ("past", "", "ca", "certificate has expired"),
        ("server", "", "stranger", "certificate verify failed"),
        ("server", "none", "ca", "perhaps it wants another certificate of ours"),
        ("server", "intruder", "ca", "perhaps it wants another certificate of ours"),
        ("", "", "ca", "wrong version number"),  # it speaks no TLS
    ],
)
def test_a_wrong_certificate_is_said_and_nothing_is_told_to_its_owner(
    folder: Path, server: str, client: str, ca: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.05)

    async def body() -> None:
        port, smsc = free_tcp_port(), OtherSmsc()
        wrong = server_side(folder, server, wants_client=bool(client)) if server else None
        context = tls(folder, "" if client == "none" else client, ca)
        async with esme(port, context, response=5.0) as side:
            async with smsc.running(port, wrong):
                await side.send(TEXT, receipt=False)
                await until(lambda: any(said in words for words in side.told))
                assert not smsc.texts
                assert (await side.state())[0] is State.QUEUED
            if (ca, client) == ("ca", ""):  # the operator mends it: the message goes out
                async with smsc.running(port, server_side(folder, "server")):
                    await side.until(State.ACCEPTED)
                assert smsc.texts == [TEXT]

    run(body)


def test_one_that_takes_connections_and_says_nothing_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(esme_module, "CONNECT_SECONDS", 0.2)

    async def body() -> None:
        port, smsc = free_tcp_port(), OtherSmsc()
        silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        async with esme(port, tls(folder)) as side:
            await side.send(TEXT, receipt=False)
            await until(lambda: side.told)
            assert "TimeoutError" in side.told[0]
            silent.close()
            monkeypatch.setattr(esme_module, "CONNECT_SECONDS", PATIENCE)
            async with smsc.running(port, server_side(folder, "server")):
                await side.until(State.ACCEPTED)

    run(body)


def test_many_long_messages_over_tls_are_whole(folder: Path) -> None:
    """Our SMSC speaks TLS as well: parts and receipts in records of any size."""
    texts = {f"m{number}": f"{number} " + "😀مرحبا" * (number % 90) for number in range(40)}

    async def body() -> None:
        smsc = Smsc()
        await smsc.start(tls=server_side(folder, "server", wants_client=True))
        async with esme(smsc.port, tls(folder, "client")) as side:
            for name, text in texts.items():
                await side.send(text, name, f"4670000{name[1:]:0>4}")
            for name, text in texts.items():
                await side.until(State.DELIVERED, name)
                came = [each for each in smsc.messages if each.destination == f"4670000{name[1:]:0>4}"]
                assert "".join(each.text for each in sorted(came, key=lambda e: e.part or (0, 0, 0))) == text
        await smsc.stop()

    run(body)


def test_a_file_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls(folder, ca="nobody")
    with pytest.raises(OSError, match="No such file"):
        tls(folder, client="nobody")
