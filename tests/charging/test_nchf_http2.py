"""Charging behind a charging function that speaks HTTP/2 only, as TS 29.500 §5.2 has it: a real server, hypercorn."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from chf import ROOT, Chf
from hypercorn.asyncio import serve
from hypercorn.config import Config

from oracles.servers import answers_tcp, free_tcp_port
from oracles.waiting import PATIENCE, until
from scp.charging.nchf import NchfCharging
from scp.charging.nchf_http import ChfClient
from scp.charging.nchf_messages import NfIdentification
from scp.domain.breaker import Breaker
from scp.domain.reservation import State, reservation_id
from scp.ports import ChargingRequest, Grant
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000001", "46850000002"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that vouches for itself, with its key beside it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("chf")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -keyout key.pem"
    )
    extra = ["-out", "chf.pem", "-subj", "/CN=chf", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *extra], cwd=directory, check=True, capture_output=True)
    return directory / "chf.pem"


class Server:
    """The function `chf` behind hypercorn; ``versions`` counts requests by HTTP version."""

    def __init__(self, chf: Chf, port: int, certificate: Path | None) -> None:
        self.chf = chf
        self.versions: Counter[str] = Counter()
        self.pauses = Pauses()
        self.connections: set[tuple[str, int]] = set()
        self._config = Config()
        self._config.bind = [f"127.0.0.1:{port}"]
        self._config.accesslog = self._config.errorlog = None
        if certificate is not None:
            self._config.certfile = str(certificate)
            self._config.keyfile = str(certificate.with_name("key.pem"))
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._end = asyncio.Event()
        self._task = asyncio.ensure_future(
            serve(self._answer, self._config, mode="asgi", shutdown_trigger=self._end.wait)
        )
        port = int(self._config.bind[0].rpartition(":")[2])
        await until(lambda: answers_tcp(port))

    async def stop(self) -> None:
        self._end.set()
        if self._task is not None:
            await self._task

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # a lifespan, of which there is nothing to do
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.versions[scope["http_version"]] += 1
        self.connections.add(tuple(scope["client"]))
        content = b""
        while True:
            event = await receive()
            content += event.get("body", b"")
            if not event.get("more_body"):
                break
        path, body = scope["raw_path"].decode(), json.loads(content)
        self.chf.requests.append((path, body))
        status, answer, location = self.chf.carry_out(path, body)
        headers = [(b"content-type", b"application/json")]
        if location:
            headers.append((b"location", location.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if answer is None else json.dumps(answer).encode()}
        )


class Pauses(random.Random):
    """Asked how long to pause after an attempt that failed: ``some`` is set by the first."""

    def __init__(self) -> None:
        super().__init__(1)
        self.some = asyncio.Event()

    def uniform(self, a: float, b: float) -> float:
        self.some.set()
        return super().uniform(a, b)


def asked(number: int = 1) -> ChargingRequest:
    identity = reservation_id(A, number.to_bytes(8, "big"))
    return ChargingRequest(identity, A, f"call-{number}", A, B, 300, "print")


def run(body: Callable[[NchfCharging, Server], Awaitable[None]], certificate: Path | None) -> None:
    async def main() -> None:
        port, ledger = free_tcp_port(), SqliteLedger(":memory:")
        server = Server(Chf(), port, certificate)
        await server.start()
        client = ChfClient(
            f"{'http' if certificate is None else 'https'}://127.0.0.1:{port}",
            Breaker(100, 0.01),
            time.monotonic,
            server.pauses,
            deadline=120.0,
            attempt=10.0,
            tls=None if certificate is None else ssl.create_default_context(cafile=str(certificate)),
            http2=True,
        )
        system = NchfCharging(
            client,
            ledger,
            NfIdentification("IMS_Node", "scp.example"),
            7,
            lambda: 1_700_000_000_000,
            grace_ms=60_000,
            max_seconds=3600,
            carry_on=False,
        )
        await ledger.open()
        try:
            await body(system, server)
        finally:
            await client.close()
            await server.stop()
            await ledger.close()

    asyncio.run(main())


@pytest.fixture(params=["prior knowledge", "ALPN"])
def transport(request: pytest.FixtureRequest) -> Path | None:
    return request.getfixturevalue("certificate") if request.param == "ALPN" else None


def test_a_call_from_reservation_to_settlement(transport: Path | None) -> None:
    async def body(system: NchfCharging, server: Server) -> None:
        grant = await system.create(asked())
        assert grant.denied is None
        assert (await system.update(asked().id, 480)).reservation.granted_seconds == 480
        paid = await system.release(asked().id, 400)
        assert paid.reservation.state is State.COMMITTED
        assert server.chf.balance == 100_000 - 400
        assert [path for path, _ in server.chf.requests] == [
            ROOT,
            f"{ROOT}/session%200/update",
            f"{ROOT}/session%200/release",
        ]
        assert server.versions == {"2": 3}

    run(body, transport)


def test_calls_at_once_share_a_connection(transport: Path | None) -> None:
    async def body(system: NchfCharging, server: Server) -> None:
        await system.create(asked(0))
        grants: list[Grant] = await asyncio.gather(*(system.create(asked(n)) for n in range(1, 40)))
        assert all(each.denied is None for each in grants)
        assert server.versions == {"2": 40}
        assert len(server.connections) == 1

    run(body, transport)


def test_a_function_that_restarts_is_asked_again(
    transport: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says GOAWAY (RFC 9113 §6.8) and is not there for a while; the request is sent again, and marked."""
    # The server would wait half a minute for a client that reads nothing between its requests.
    monkeypatch.setattr(asyncio.constants, "SSL_SHUTDOWN_TIMEOUT", 0.2)

    async def body(system: NchfCharging, server: Server) -> None:
        await system.create(asked(1))
        await server.stop()
        waiting = asyncio.ensure_future(system.create(asked(2)))
        await asyncio.wait_for(server.pauses.some.wait(), PATIENCE)
        await server.start()
        assert (await waiting).denied is None
        assert len(server.connections) == 2
        assert server.chf.requests[-1][1]["retransmissionIndicator"] is True

    run(body, transport)
