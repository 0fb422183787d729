"""Requests that are answered past h11 and Litestar get what these would have answered, to the octet."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from api_node import KEYS, OPERATOR, READER, FakeNode
from hypothesis import Phase, given
from hypothesis import strategies as st
from test_api_charging import CDR, ORDER, SERVICE, A, Desk, run, serving

from oracles.examples import examples
from oracles.waiting import PATIENCE
from scp.api import direct
from scp.api import serving as api_serving
from scp.api.server import serve_api
from scp.client import commit, credit, reserve
from scp.config import Api, HostPort
from scp.console.captures import Captures
from scp.domain.reservation import Account
from scp.store.ledger_sqlite import SqliteLedger

JSON = "application/json"
NUMBERS = (A, "46700000009", "+4670", "4670 1", "12", "x")
PATHS = (
    *(
        f"/v1/{part}/{number}"
        for part in ("authorizations", "registrations", "forwarding")
        for number in NUMBERS
    ),
    *(f"/v1/{part}/{A}" for part in ("roaming", "subscribers", "charging/accounts", "nothing")),
    "/v1/charging/reservations",
    "/v1/charging/reservations/unknown",
    "/v1/charging/reservations/unknown/commit",
    f"/v1/charging/accounts/{A}/credits/p1",
    f"/v1/charging/accounts/{A}/credits/%20",
    "/v1/cdrs",
    "/v1/cdrs/related?to=x1",
    "/v1/cdrs?limit=0",
    "/v1/decisions",
    "/livez",
    "//livez",
    "*",
)
BODIES: tuple[object, ...] = (
    {},
    {"aor": "sip:alice@voip.example"},
    {"aor": "sip:alice@voip.example", "forwarding_number": A},
    {"enabled": True},
    {"enabled": False, "when": "always"},
    {"enabled": "true"},
    {"roaming": True},
    {"amount": 1000},
    {"amount": -5000},
    {"minutes": 7},
    {"used_seconds": 61},
    ORDER,
    ORDER | {"minutes": 1441},
    ORDER | {"b_number": "112"},
    ORDER | {"more": 1},
    CDR,
    CDR | {"ended_ms": 0},
    CDR | {"cause": 16},
    {"msisdn": A, "b_number": "46850000002"},
    [],
    None,
)
HEADERS = (
    "Idempotency-Key: one",
    'Idempotency-Key: "two"',
    f"Idempotency-Key: {'k' * 256}",
    "If-Match: *",
    'If-Match: "x"',
    "If-None-Match: *",
    "Accept: text/csv",
    "Accept: */*",
    "Content-Encoding: gzip",
    "Cookie: a=b",
    "Connection: close",
    "Connection: keep-alive",
    "X-Empty:",
    "Accept:  spaces \t",
    "Host: y",
    "X: a\tb",
    "X : a",
    "Upgrade: h2c",
    "Content-Length: +2",
    "Content-Length: 2, 2",
    "Transfer-Encoding: identity",
    "X-HTTP-Method-Override: DELETE",
    'If-Match: W/"x", "y"',
    "Idempotency-Key: a, b",
)


class Wanted(NamedTuple):
    """A request, as a client means it."""

    method: str
    path: str
    token: str
    kind: str
    body: bytes
    headers: tuple[str, ...]

    def octets(self, *more: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: x", *more, *self.headers]
        lines += [f"Authorization: {self.token}"] if self.token else []
        lines += [f"Content-Type: {self.kind}"] if self.kind else []
        lines += [f"Content-Length: {len(self.body)}"] if self.body or self.method in ("PUT", "POST") else []
        return "\r\n".join((*lines, "", "")).encode() + self.body


GOOD: tuple[tuple[str, str, object], ...] = (
    *(("PUT", f"/v1/authorizations/{number}", {}) for number in NUMBERS[:2]),
    *(("PUT", f"/v1/registrations/{number}", {"aor": "sip:alice@voip.example"}) for number in NUMBERS[:2]),
    *(("PUT", f"/v1/forwarding/{number}", {"enabled": True}) for number in NUMBERS[:2]),
    *(("GET", f"/v1/forwarding/{number}", None) for number in NUMBERS[:2]),
    ("GET", f"/v1/subscribers/{A}", None),
    ("DELETE", f"/v1/registrations/{A}", None),
    ("POST", "/v1/charging/reservations", ORDER),
    ("POST", "/v1/cdrs", CDR),
    ("GET", f"/v1/charging/accounts/{A}", None),
    ("GET", "/v1/charging/reservations/unknown", None),
)


def requests(chance: Random, count: int) -> list[Wanted]:
    """Requests of which half are in order, and the others anything."""
    found = []
    for _ in range(count):
        if chance.random() < 0.5:
            method, path, value = chance.choice(GOOD)
            body = b"" if value is None else json.dumps(value).encode()
            found.append(Wanted(method, path, f"Bearer {OPERATOR}", JSON if body else "", body, ()))
            continue
        found.append(
            Wanted(
                chance.choice(("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD")),
                chance.choice(PATHS),
                chance.choice(
                    (
                        *[f"Bearer {OPERATOR}"] * 6,
                        f"bearer  {SERVICE}",
                        f"Bearer {READER}",
                        "Bearer x",
                        "Basic x",
                        "",
                    )
                ),
                chance.choice((*[JSON] * 6, "Application/JSON; charset=utf-8", "text/plain", "")),
                chance.choice(
                    (
                        *(json.dumps(each).encode() for each in BODIES),
                        b"",
                        b"{",
                        b"\xff",
                        b'{"amount": 1e400}',
                    )
                ),
                tuple(chance.choices(HEADERS, k=chance.randrange(3))),
            )
        )
    return found


PAYS = Wanted(
    "PUT",
    f"/v1/charging/accounts/{A}/credits/p1",
    f"Bearer {OPERATOR}",
    "application/json",
    b'{"amount":100000}',
    (),
)


def keyed(one: Wanted) -> Wanted:
    """A request whose reservation has no random id."""
    if not one.path.endswith("reservations") or any("Idem" in each for each in one.headers):
        return one
    return one._replace(headers=("Idempotency-Key: three",))


async def ask(desk: Desk, octets: bytes, *, head: bool) -> tuple[str, list[str], bytes]:
    url = desk.http.base_url
    return await ask_at((url.host, url.port or 80), octets, head=head)


async def ask_at(address: tuple[str, int], octets: bytes, *, head: bool) -> tuple[str, list[str], bytes]:
    """Return status line, headers but for the date, body."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(octets)
        async with asyncio.timeout(PATIENCE):
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = [line for line in lines if not line.lower().startswith("date:")]
            named = dict(line.lower().split(": ", 1) for line in headers)
            body = await reader.readexactly(0 if head else int(named.get("content-length", "0")))
    finally:
        writer.close()
    return status, headers, body


@given(st.integers(0, 1 << 32))
@examples(2, phases=(Phase.explicit, Phase.generate))
def test_the_answer_is_what_litestar_answers(seed: int) -> None:
    """Two nodes get the same requests, one of them in a form that is always left to h11 and Litestar."""
    with pytest.MonkeyPatch.context() as patch:
        counted = counting(patch)
        asyncio.run(both_answer(requests(Random(seed), 100)))
    assert len(counted) > 30


async def both_answer(wanted: list[Wanted]) -> None:
    async with AsyncExitStack() as stack:
        desks = []
        for _ in range(2):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            desks.append(await stack.enter_async_context(serving(folder)))
        plain, usual = desks
        for one in (PAYS, *map(keyed, wanted)):
            head = one.method == "HEAD"
            got = await ask(plain, one.octets(), head=head)
            due = await ask(usual, one.octets("TE: trailers"), head=head)
            assert got == due, one
        lines = [[line | {"timestamp": ""} for line in desk.audited()] for desk in desks]
        assert lines[0] == lines[1]
        assert await plain.account() == await usual.account()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which calls were answered past Litestar, by their handlers' names."""
    return counting(monkeypatch)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    answer = direct.DirectCalls.answer

    async def counts(
        self: direct.DirectCalls, asked: direct.Asked
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        names.append(asked.call.handler.handler_name)
        return await answer(self, asked)

    monkeypatch.setattr(direct.DirectCalls, "answer", counts)
    return names


def test_calls_that_our_client_makes_go_past_litestar(tmp_path: Path, counted: list[str]) -> None:
    async def body(desk: Desk) -> None:
        async with desk.client(OPERATOR) as client:
            await client.send(credit(A, "p1", 1000))
            made = await client.send(reserve("c1", A, "46850000002", 5))
            assert made.id is not None
            await client.send(commit(made.id, 10))
        assert counted == ["put_credit", "reserve", "commit"][-len(counted) :]

    run(tmp_path, body)


def test_requests_behind_one_that_is_answered_past_h11(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        reader, writer = await asyncio.open_connection(desk.http.base_url.host, desk.http.base_url.port)
        one = PAYS._replace(method="GET", path=f"/v1/charging/accounts/{A}", body=b"", kind="")
        writer.write(PAYS.octets())
        writer.write(one.octets())
        await writer.drain()
        writer.write(one.octets("TE: trailers") + one.octets() + one.octets("Connection: close"))
        async with asyncio.timeout(PATIENCE):
            said = await reader.read()
        writer.close()
        assert said.count(b"HTTP/1.1 201 Created") == 1
        assert said.count(b"HTTP/1.1 200 OK") == 4

    run(tmp_path, body)


@pytest.mark.parametrize("more", [(), ("TE: trailers",)], ids=["direct", "h11"])
@pytest.mark.parametrize("host", ["x:65536", "x y", "[::1"])
def test_a_host_that_is_none_changes_nothing(tmp_path: Path, more: tuple[str, ...], host: str) -> None:
    """Who asked Litestar for the URL behind the change got its ValueError: a change without a line in the audit."""

    async def body(desk: Desk) -> None:
        wanted = Wanted("PUT", f"/v1/authorizations/{A}", f"Bearer {OPERATOR}", JSON, b"{}", ())
        octets = wanted.octets(*more).replace(b"Host: x", b"Host: " + host.encode())
        status, _, said = await ask(desk, octets, head=False)
        assert (status, json.loads(said)["detail"][:5]) == ("HTTP/1.1 400 Bad Request", "Host:")
        found = await ask(desk, wanted._replace(method="GET", kind="", body=b"").octets(), head=False)
        assert found[0] == "HTTP/1.1 404 Not Found"
        good = wanted.octets(*more).replace(b"Host: x", b"Host: [::1]:80")
        assert (await ask(desk, good, head=False))[0] == "HTTP/1.1 201 Created"
        assert len(desk.audited()) == 1

    run(tmp_path, body)


@pytest.mark.parametrize("more", ["X: direct", "TE: trailers"])
def test_what_is_cut_off_at_the_end_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    """A store does not answer while the node ends: the client is told, its connection ends."""
    asked = asyncio.Event()

    async def never(_ledger: SqliteLedger, _msisdn: str) -> None:
        asked.set()
        await asyncio.Event().wait()

    async def main() -> bytes:
        async with serving(tmp_path) as desk:
            reader, writer = await asyncio.open_connection(desk.http.base_url.host, desk.http.base_url.port)
            writer.write(
                PAYS._replace(method="GET", path=f"/v1/charging/accounts/{A}", body=b"", kind="").octets(more)
            )
            await asked.wait()
        async with asyncio.timeout(PATIENCE):
            said = await reader.read()
        writer.close()
        return said

    monkeypatch.setattr(api_serving, "GRACE", 0)
    monkeypatch.setattr(SqliteLedger, "account", never)
    assert asyncio.run(main()).startswith(b"HTTP/1.1 500 ")


def test_a_handler_that_reads_the_body_itself_gets_an_empty_one() -> None:
    """An empty capture was a fault of the node (500), where Litestar's way says that it is no capture."""

    async def main() -> list[tuple[str, list[str], bytes]]:
        node = FakeNode()
        await node.store.open()
        config = Api(listen=HostPort("127.0.0.1", 0), keys=KEYS)
        served = await serve_api(config, node, Captures(None).handlers())
        try:
            wanted = Wanted("POST", "/v1/captures/anonymised", f"Bearer {OPERATOR}", "", b"", ())
            return [
                await ask_at(served.address, wanted.octets(*more), head=False)
                for more in ((), ("TE: trailers",))
            ]
        finally:
            await served.close()
            await node.store.close()

    plain, usual = asyncio.run(main())
    assert plain == usual
    assert plain[0] != "HTTP/1.1 500 Internal Server Error"


def test_what_comes_behind_a_last_request_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that is due is the last one: 400 for what came behind it took its place."""
    asked, goes_on = asyncio.Event(), asyncio.Event()
    account = SqliteLedger.account

    async def waits(ledger: SqliteLedger, msisdn: str) -> Account | None:
        asked.set()
        await goes_on.wait()
        return await account(ledger, msisdn)

    async def body(desk: Desk) -> None:
        reader, writer = await asyncio.open_connection(desk.http.base_url.host, desk.http.base_url.port)
        one = PAYS._replace(method="GET", path=f"/v1/charging/accounts/{A}", body=b"", kind="")
        monkeypatch.setattr(SqliteLedger, "account", waits)
        writer.write(one.octets("Connection: close"))
        await asked.wait()
        writer.write(one.octets())
        assert (await desk.http.get("/livez")).status_code == 200  # the node has read it
        goes_on.set()
        async with asyncio.timeout(PATIENCE):
            said = await reader.read()
        writer.close()
        assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 404 Not Found") == 1

    run(tmp_path, body)
