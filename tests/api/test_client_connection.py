"""The client's HTTP: whatever a server sends, in pieces of any size; bounded, and never an answer for another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.client.connection import HttpError, Pool, Response

Answers = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def asked(answers: Answers, work: Callable[[Pool], Awaitable[None]], most: int = 4) -> None:
    """Have a server answer, and a pool ask it."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await answers(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool("127.0.0.1", server.sockets[0].getsockname()[1], None, most, 20)
    try:
        await work(pool)
    finally:
        pool.close()
        for task in serving:
            task.cancel()
        server.close()


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def a_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


@examples(60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 201, 204, 404, 503]),
            st.binary(max_size=300),
            st.sampled_from(["length", "chunked"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 40),
)
def test_responses_that_h11_writes_are_read_in_any_pieces(
    wanted: list[tuple[int, bytes, str, bool]], size: int
) -> None:
    def octets(status: int, body: bytes, framing: str, early: bool) -> bytes:
        server = h11.Connection(h11.SERVER)
        server.receive_data(REQUEST)
        server.next_event()
        body = b"" if status == 204 else body
        headers = [("ETag", '"1"')]
        if status != 204:
            headers += [
                ("Content-Length", str(len(body)))
                if framing == "length"
                else ("Transfer-Encoding", "chunked")
            ]
        parts = [
            server.send(h11.InformationalResponse(status_code=103, headers=[])) if early else b"",
            server.send(h11.Response(status_code=status, headers=headers)),
            *(server.send(h11.Data(data=body[at : at + 70])) for at in range(0, len(body), 70)),
            server.send(h11.EndOfMessage()),
        ]
        return b"".join(part or b"" for part in parts)

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in wanted:
            await a_request(reader)
            data = octets(*one)
            for at in range(0, len(data), size * 7):
                writer.write(data[at : at + size * 7])
                await writer.drain()

    async def work(pool: Pool) -> None:
        for status, body, _, _ in wanted:
            found = await pool.request("GET", REQUEST)
            assert found == Response(status, found.headers, b"" if status == 204 else body)
            assert found.headers["etag"] == '"1"'

    asyncio.run(asked(answers, work, most=1))


@pytest.mark.parametrize(
    "octets",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n name: folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000,
        b"",
    ],
)
def test_what_is_no_response_is_said(octets: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await a_request(reader)
        writer.write(octets)
        await writer.drain()

    async def work(pool: Pool) -> None:
        with pytest.raises(HttpError):
            await pool.request("POST", REQUEST)

    asyncio.run(asked(answers, work))


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await a_request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    async def work(pool: Pool) -> None:
        for _ in range(2):
            assert (await pool.request("GET", REQUEST)).body == b"all of it"

    asyncio.run(asked(answers, work))


def test_so_many_at_once_and_each_gets_its_own_answer() -> None:
    at_once = most = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        while True:
            path = (await a_request(reader)).split()[1]
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    async def work(pool: Pool) -> None:
        async def one(number: int) -> None:
            path = b"/%d" % number
            request = pool.request("GET", b"GET %b HTTP/1.1\r\n\r\n" % path)
            if number % 7:
                assert (await request).body == path
                return
            gives_up = asyncio.ensure_future(request)
            await asyncio.sleep(0)
            gives_up.cancel()
            await asyncio.wait([gives_up])

        await asyncio.gather(*(one(number) for number in range(300)))

    asyncio.run(asked(answers, work, most=3))
    assert 1 <= most <= 3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_the_server_closes_meanwhile(method: str) -> None:
    connections = 0

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await a_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await a_request(reader)  # and closes without an answer

    async def work(pool: Pool) -> None:
        await pool.request(method, REQUEST)
        if method == "GET":
            assert (await pool.request(method, REQUEST)).status == 200
        else:
            with pytest.raises(HttpError):  # it may have been done
                await pool.request(method, REQUEST)

    asyncio.run(asked(answers, work))
    assert connections == (2 if method == "GET" else 1)
