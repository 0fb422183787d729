"""HTTP as it comes from the wire: methods, targets and framing that are unusual or wrong, and clients that dawdle."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api_node import OPERATOR, Served
from api_node import served as serve

from oracles.waiting import PATIENCE, wait_until
from scp.api import connections

NUMBER = "46701234567"
TOKEN = f"Authorization: Bearer {OPERATOR}"
JSON = "Content-Type: application/json"
NDJSON = "Content-Type: application/x-ndjson"
PATH = f"/v1/authorizations/{NUMBER}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join((line, *headers, "", "")).encode("latin-1") + body


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return request(f"{method} {path} HTTP/{version}", "Host: x", TOKEN, *headers)


def put(*headers: str, body: bytes = b"{}") -> bytes:
    return request(f"PUT {PATH} HTTP/1.1", "Host: x", TOKEN, JSON, *headers, body=body)


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    assert served.server is not None
    with socket.create_connection(served.server.address, PATIENCE) as connection:
        yield connection


def wait_for_requests(served: Served, count: int) -> None:
    """Return when the node has so many requests that it has not answered."""

    async def begun() -> bool:
        assert served.server is not None
        return sum(each.answering for each in served.server._server._server.server_state.connections) == count

    wait_until(lambda: served.run(begun()))


def answers(connection: socket.socket) -> list[Answer]:
    """Read until the node hangs up: every answer but informational ones; those to HEAD have to be the last."""
    with connection.makefile("rb") as stream:
        found = []
        while line := stream.readline():
            status = int(line.split()[1])
            headers: dict[str, str] = {}
            while (header := stream.readline().strip().decode()) != "":
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            if status >= 200:
                found.append(Answer(status, headers, stream.read(int(headers.get("content-length", "0")))))
        return found


def ask(served: Served, octets: bytes) -> list[Answer]:
    with connected(served) as connection:
        connection.sendall(octets)
        return answers(connection)


# --- clients that shut down their sending half ---


@pytest.mark.parametrize(
    ("octets", "statuses"),
    [
        (get("/livez"), [200]),
        (get(PATH), [404]),  # answered past h11
        (get(PATH, "X: y", method="HEAD"), [404]),
        (put("Content-Length: 2"), [201]),
        (get("/docs") + get(PATH) + get("/livez"), [200, 404, 200]),
        (get(PATH) + get("/livez"), [404, 200]),
        (get("/livez") + get(PATH)[:-3], [200]),
        (put("Content-Length: 3"), []),
        (b"", []),
    ],
    ids=["h11", "direct", "head", "put", "three", "direct-first", "a-half", "no-body", "nothing"],
)
def test_a_client_that_has_sent_all_is_answered_all_and_hung_up_on(
    served: Served, octets: bytes, statuses: list[int]
) -> None:
    with connected(served) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        assert [each.status for each in answers(connection)] == statuses


def test_the_end_of_what_a_client_sends_may_come_while_its_answer_is_made(served: Served) -> None:
    """A call path that looks the number up in the store gives the loop time to see the end first."""
    for _ in range(20):
        with connected(served) as connection:
            connection.sendall(put("Content-Length: 2") + get(PATH))
            connection.shutdown(socket.SHUT_WR)
            assert [each.status for each in answers(connection)][1:] == [200]


# --- methods and targets ---


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/schema/openapi.json", PATH, "/v1/nothing"])
def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    (whole,) = ask(served, get(path, "Connection: close"))
    (head,) = ask(served, get(path, "Connection: close", method="HEAD"))
    assert head.body == b""
    ignored = {"date"}
    assert head.status == whole.status
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in whole.headers.items() if k not in ignored
    }


@pytest.mark.parametrize("headers", [(), (TOKEN,)])
def test_options_names_the_methods_of_the_path(shared: Served, headers: tuple[str, ...]) -> None:
    for path, methods in {
        PATH: "DELETE, GET, HEAD, OPTIONS, PUT",
        "/livez": "GET, HEAD, OPTIONS",
        "/v1/decisions": "OPTIONS, POST",
    }.items():
        (answer,) = ask(shared, request(f"OPTIONS {path} HTTP/1.1", "Host: x", "Connection: close", *headers))
        assert (answer.status, answer.headers["allow"], answer.body) == (204, methods, b"")
    (refused,) = ask(shared, get(PATH, "Connection: close", method="PATCH"))
    assert refused.problem["type"] == "/problems/method-not-allowed"
    assert refused.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    (nowhere,) = ask(shared, get("/nothing", "Connection: close", method="OPTIONS"))
    assert nowhere.problem["type"] == "/problems/no-such-path"
    (server,) = ask(shared, get("*", "Connection: close", method="OPTIONS"))
    assert server.status == 204


def test_the_absolute_form_of_a_target(shared: Served) -> None:
    for target in ("http://scp.example/livez", "HTTPS://scp.example:8080/livez?x=1"):
        (answer,) = ask(shared, get(target, "Connection: close"))
        assert (answer.status, json.loads(answer.body)) == (200, {"alive": True})


def test_an_older_client(served: Served) -> None:
    (alive,) = ask(served, b"GET /livez HTTP/1.0\r\n\r\n")
    assert alive.status == 200
    (made,) = ask(served, request(f"PUT {PATH} HTTP/1.0", TOKEN, JSON, "Content-Length: 2", body=b"{}"))
    assert made.status == 201


def test_requests_that_do_not_wait_for_answers(served: Served) -> None:
    pipelined = [
        put("Content-Length: 2"),
        get(PATH),
        get(PATH, method="DELETE"),
        get(PATH),
        put("Transfer-Encoding: chunked", body=b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
        get(PATH, "Connection: close"),
    ]
    assert [each.status for each in ask(served, b"".join(pipelined))] == [201, 200, 204, 404, 201, 200]


# --- what is no request ---


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "illegal request line"),
        (b"GET /livez\r\n\r\n", "illegal request line"),
        (b"GET /livez HTTP/1.1\r\n\r\n", "Host"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", "illegal header line"),
        (get("/livez", "X: \x00"), "illegal header line"),
        (request("GET /livez HTTP/1.1", "Host: x", f"{TOKEN}\x00"), "illegal header line"),
        (put("Content-Length: 2", "Content-Length: 3"), "conflicting Content-Length"),
        (put("Content-Length: -2"), "Content-Length"),
        (put("Transfer-Encoding: gzip"), "Transfer-Encoding"),
        (put("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n"), "illegal chunk header"),
        (get("/livez", f"X: {'x' * 20_000}")[:-4], "too long"),
    ],
    ids=range(11),
)
def test_what_is_no_request_is_told_why(
    shared: Served, octets: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with connected(shared) as connection:
        with suppress(ConnectionError):
            connection.sendall(octets)
        (answer,) = answers(connection)
    assert (answer.status, answer.problem["type"]) == (400, "/problems/malformed-request")
    assert says in answer.problem["detail"]
    said = capsys.readouterr().out
    assert "Traceback" not in said
    assert OPERATOR not in said + str(answer.problem)


def test_a_compressed_body_is_told_apart_from_a_bad_one(shared: Served) -> None:
    imported = request(
        "POST /v1/subscribers:import HTTP/1.1",
        "Host: x",
        TOKEN,
        NDJSON,
        "Content-Encoding: gzip",
        "Connection: close",
    )
    for octets in (put("Content-Length: 2", "Content-Encoding: gzip", "Connection: close"), imported):
        answer = ask(shared, octets)[0]
        assert answer.problem["type"] == "/problems/unsupported-media-type"
        assert answer.headers["accept-encoding"] == "identity"
    (same,) = ask(
        shared, put("Content-Length: 1", "Content-Encoding: identity", "Connection: close", body=b"{")
    )
    assert same.status == 400


def test_a_client_that_goes_away_is_no_error_of_the_node(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it sent before is stored, and nobody is woken."""
    line = f'{{"msisdn":"{NUMBER}"}}\n'.encode()
    begun = request(
        "POST /v1/subscribers:import HTTP/1.1", "Host: x", TOKEN, NDJSON, "Content-Length: 9999", body=line
    )
    for octets in (begun, put("Content-Length: 9999")):
        with connected(served) as connection:
            connection.sendall(octets)
            wait_for_requests(served, 1)
        wait_for_requests(served, 0)
    wait_until(lambda: served.find(NUMBER) is not None)
    assert ask(served, get("/livez", "Connection: close"))[0].status == 200
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert served.audited()[0]["after"] == {"stored": 1, "refused": 0, "failed": 0}


# --- clients that dawdle ---


DAWDLERS = {
    "nothing": b"",
    "half a line": b"GET /li",
    "half a head": b"GET /livez HTTP/1.1\r\nHost: x\r\n",
    "no body": put("Content-Length: 9"),
    "no body, no token": request(f"PUT {PATH} HTTP/1.1", "Host: x", "Content-Length: 9"),
    "half a second request": get("/livez") + b"GET",
}


@pytest.mark.parametrize("what", DAWDLERS)
def test_who_dawdles_is_hung_up_on(served: Served, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little it sends in between."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    with connected(served) as connection:
        connection.sendall(DAWDLERS[what])
        until = time.monotonic() + PATIENCE
        connection.settimeout(0.05)
        drip = b"1" if what != "nothing" else b""
        while True:
            assert time.monotonic() < until, "it was kept"
            try:
                if not connection.recv(65_536):
                    break
                connection.sendall(drip)
            except TimeoutError:
                with suppress(ConnectionError):
                    connection.sendall(drip)
            except ConnectionError:
                break


def test_who_does_not_read_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    with connected(served) as connection:
        connection.setblocking(False)
        wanted = get("/schema/openapi.json") * 2000
        until = time.monotonic() + PATIENCE
        sent = 0
        while True:
            assert time.monotonic() < until, "it was kept"
            try:
                sent += connection.send(wanted[sent % len(wanted) :][:65_536])
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break


def test_a_slow_upload_that_goes_on_is_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 2.0)
    monkeypatch.setattr(connections, "BODY_RATE", 10.0)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    line = f'{{"msisdn":"{NUMBER}"}}\n'.encode()
    head = request(
        "POST /v1/subscribers:import HTTP/1.1", "Host: x", TOKEN, NDJSON, f"Content-Length: {len(line) * 30}"
    )
    with connected(served) as connection:
        connection.sendall(head)
        for _ in range(30):
            connection.sendall(line)
            time.sleep(0.1)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_idle_connections_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds all connections open without asking anything keeps nobody out."""
    monkeypatch.setattr(connections, "CONNECTIONS", 8)
    with serve(tmp_path) as served, connected(served) as busy:
        busy.sendall(put("Content-Length: 2", body=b"{"))
        wait_for_requests(served, 1)
        idle = [connected(served) for _ in range(30)]
        for each in idle:
            each.__enter__()
        assert ask(served, get("/livez", "Connection: close"))[0].status == 200
        busy.sendall(b"}")
        assert busy.recv(20) == b"HTTP/1.1 201 Created"
        for each in idle:
            each.__exit__(None, None, None)


def test_more_requests_at_once_than_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 3)
    with serve(tmp_path) as served:
        busy = [connected(served) for _ in range(3)]
        for each in busy:
            each.__enter__().sendall(put("Content-Length: 2", body=b"{"))
        wait_for_requests(served, 3)
        with connected(served) as connection:
            (refused,) = answers(connection)
        assert refused.problem["type"] == "/problems/too-many-connections"
        assert refused.headers["retry-after"] == "1"
        for each in busy:
            each.__exit__(None, None, None)
