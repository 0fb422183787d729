"""A Diameter server that lies: no lie is taken for an answer, none grows, and what comes after is answered."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable

import pytest

from oracles.lying_server import LyingServer
from oracles.waiting import until
from scp.charging import ro_peer
from scp.charging.ro_client import RoClient, RoUnavailableError, Sending, Timers
from scp.charging.ro_messages import (
    CREDIT_CONTROL,
    Code,
    Command,
    Identity,
    Party,
    Request,
    RequestType,
    group,
    number,
    text,
    unit_of,
)
from scp.charging.ro_peer import RoPeer
from scp.charging.ro_sessions import Granted, granted
from scp.ports import Denied
from ss7.diameter import REQUEST, Message, decode_message, encode_avp, encode_message

IDENTITY = Identity("scp1.example", "example", "example", "32260@3gpp.org", 7, 8, None, 1)
REQUESTED = Request(
    "scp1.example;1;2;x",
    RequestType.INITIAL,
    0,
    Party("46700000009", "46700000009", "46701234567", "c"),
    False,
    60,
    (),
    None,
    1_700_000_000,
)
Lie = Callable[[Message], bytes]


def answer(
    asked: Message,
    *avps: bytes,
    command: int = Command.CREDIT_CONTROL,
    hop: int = 0,
    session: str = REQUESTED.session,
    count: int = 0,
) -> bytes:
    """An answer that grants 60 seconds, with further AVPs behind."""
    body = text(Code.SESSION_ID, session) if session else b""
    body += (
        number(Code.RESULT_CODE, 2001) + text(Code.ORIGIN_HOST, "ocs") + text(Code.ORIGIN_REALM, "example")
    )
    body += number(Code.CC_REQUEST_TYPE, 1) + number(Code.CC_REQUEST_NUMBER, count)
    body += b"".join(avps) or grant(60)
    return encode_message(
        0, command, CREDIT_CONTROL, (asked.hop_by_hop + hop) % 2**32, asked.end_to_end, body
    )


def grant(seconds: int, *more: bytes) -> bytes:
    unit = group(Code.GRANTED_SERVICE_UNIT, number(Code.CC_TIME, seconds), *more)
    return group(Code.MULTIPLE_SERVICES, unit, number(Code.RATING_GROUP, 7))


class Liar(LyingServer):
    """A server: right about its capabilities and watchdogs; credit control is answered by the next of its lies."""

    def __init__(self) -> None:
        super().__init__()
        self.lies: list[Lie] = []
        self.after = b""  # what a connection gets behind its capabilities
        self.reads = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readexactly(4)
                asked = decode_message(head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4))
                if asked.command == Command.CREDIT_CONTROL:
                    octets = self.lies.pop(0)(asked) if self.lies else answer(asked)
                    writer.write(octets.removesuffix(b"CLOSE"))
                    if octets.endswith(b"CLOSE"):
                        break
                    continue
                applications = number(Code.AUTH_APPLICATION_ID, CREDIT_CONTROL)
                head = number(Code.RESULT_CODE, 2001) + text(Code.ORIGIN_HOST, "ocs") + applications
                writer.write(
                    encode_message(
                        0, asked.command, asked.application, asked.hop_by_hop, asked.end_to_end, head
                    )
                )
                while self.after:
                    writer.write(self.after)
                    await writer.drain()
        writer.close()


def run(body: Callable[[RoClient, Liar], Awaitable[None]]) -> None:
    async def main() -> None:
        liar = Liar()
        await liar.up()
        loop = asyncio.get_running_loop()
        timers = Timers(1.0, 60.0, 30.0, 0.05)
        client = RoClient((("127.0.0.1", liar.port),), IDENTITY, random.Random(1), loop.time, timers)
        await client.start()
        try:
            await until(lambda: not client.missing)
            await body(client, liar)
        finally:
            liar.after = b""
            await client.close()
            liar.down()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (lambda asked: answer(asked, session="scp1.example;1;2;y"), "its answer is of another session"),
        (lambda asked: answer(asked, session="\0" * 60_000), "its answer is of another session"),
        (lambda asked: answer(asked, count=1), "its answer is of the request 1, not 0"),
        (lambda asked: answer(asked, command=Command.RE_AUTH), "its answer is of the command 258"),
        (lambda asked: answer(asked, command=Command.WATCHDOG), "its answer is of the command 280"),
        (lambda asked: answer(asked, hop=1), "no answer in 0.3 s"),
        (lambda _: b"", "no answer in 0.3 s"),
        (lambda asked: answer(asked)[:-1], "no answer in 0.3 s"),
        (lambda asked: answer(asked)[:-9] + b"CLOSE", "the server hung up"),
        (lambda _: b"CLOSE", "the server hung up"),
        (lambda _: b"\x01\xff\xff\xfc", "a message of 16777212 octets"),
        (lambda _: b"\x01\x00\x00\x04", "a message of 4 octets"),
        (lambda _: b"\x02\x00\x00\x14", "version 2, not 1"),
        (lambda asked: answer(asked, bytes.fromhex("000001ca40ffffff")), "an AVP of 16777215 octets"),
        (lambda asked: answer(asked, bytes.fromhex("000001ca40000000")), "an AVP of 0 octets"),
        (lambda asked: answer(asked, encode_avp(Code.MULTIPLE_SERVICES, b"\xff" * 5)), "header ends early"),
    ],
)
def test_a_lie_is_no_answer_and_the_next_request_is_answered(lie: Lie, why: str) -> None:
    async def body(client: RoClient, liar: Liar) -> None:
        liar.lies.append(lie)
        usual = client._timers
        if why.startswith("no answer"):
            client._timers = usual._replace(deadline=0.3)
        with pytest.raises(RoUnavailableError, match=why) as raised:
            await client.request(REQUESTED, Sending(client.next_end()))
        client._timers = usual
        assert raised.value.sent, "it may have been carried out"
        assert client.fault.now
        (peer,) = client.peers
        if peer._link is not None:  # half a message would be the beginning of the next one
            peer.lost(peer._link, "left by the test")
        await until(lambda: not client.missing)
        assert (await client.request(REQUESTED, Sending(client.next_end()))).result == 2001
        assert client.results == {"answered": 1, "refused": 0, "unavailable": 1}
        assert not peer._link.waiting
        assert not client.fault.now

    run(body)


@pytest.mark.parametrize(
    ("avps", "outcome"),
    [
        ((grant(0xFFFF_FFFF),), Granted(60)),  # -1, if it were signed
        ((grant(0x8000_0000),), Granted(60)),
        ((grant(0),), Denied.INSUFFICIENT),
        ((grant(60), grant(5)), Granted(60)),  # the first counts
        ((grant(60, number(Code.CC_TIME, 5)),), Granted(60)),
        ((grant(60), *[grant(1)] * 1000), Granted(60)),
        ((grant(60) * 1000,), Granted(60)),
        ((group(Code.MULTIPLE_SERVICES, number(Code.RATING_GROUP, 9)),), Denied.SERVICE_DENIED),
        ((number(Code.RATING_GROUP, 7),), Denied.SERVICE_DENIED),
    ],
)
def test_a_grant_is_never_more_than_was_asked_for(avps: tuple[bytes, ...], outcome: object) -> None:
    async def body(client: RoClient, liar: Liar) -> None:
        liar.lies.append(lambda asked: answer(asked, *avps))
        said = await client.request(REQUESTED, Sending(client.next_end()))
        assert granted(unit_of(said, 7), 60) == outcome

    run(body)


def test_a_server_that_asks_and_never_reads_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers would wait in the node's memory without end."""
    monkeypatch.setattr(ro_peer, "MOST_WAITING", 1 << 16)
    ask = encode_message(REQUEST, Command.RE_AUTH, CREDIT_CONTROL, 1, 1, text(Code.SESSION_ID, "s" * 1000))

    async def body(client: RoClient, liar: Liar) -> None:
        (peer,) = client.peers
        liar.after = ask * 64
        peer.lost(peer._link, "left by the test")
        await until(lambda: peer.fault == "it leaves 65536 octets unread")
        liar.after = b""
        await until(lambda: not client.missing)
        assert (await client.request(REQUESTED, Sending(client.next_end()))).result == 2001

    run(body)


def test_many_small_messages_at_once_cost_as_much_as_one_by_one() -> None:
    """Processor time grows with the octets, not with their square: 32 times as many, 1,000 times then."""
    peer = RoPeer(("127.0.0.1", 1), IDENTITY, random.Random(1), lambda: 1, tw=30, connect=1, again=1)
    small = encode_message(0, Command.WATCHDOG, 0, 1, 1, b"")

    def cost(count: int) -> float:
        link = ro_peer._Link(peer)
        before = time.process_time()
        link.data_received(small * count)
        return time.process_time() - before

    cost(100)
    assert cost(100_000) < 150 * max(cost(3_125), 0.005)


@pytest.mark.parametrize(("cause", "soon"), [(0, True), (1, False), (2, False)])
def test_a_server_that_takes_leave_still_answers_what_it_was_asked(cause: int, soon: bool) -> None:
    """RFC 6733 §5.4: its leave ends the connection, not the requests on it; one that wants none is left alone."""

    async def body(client: RoClient, liar: Liar) -> None:
        (peer,) = client.peers

        def leave(asked: Message) -> bytes:
            body = text(Code.ORIGIN_HOST, "ocs") + text(Code.ORIGIN_REALM, "example")
            body += number(Code.DISCONNECT_CAUSE, cause)
            return encode_message(REQUEST, Command.DISCONNECT, 0, 1, 1, body) + answer(asked) + b"CLOSE"

        liar.lies.append(leave)
        assert (await client.request(REQUESTED, Sending(client.next_end()))).result == 2001
        assert (client.missing, client.repeated) == (1, 0)
        assert peer.fault == "the server took leave (Disconnect-Peer-Request)"
        if soon:
            await until(lambda: not client.missing)
        else:
            assert peer._timer.when() - asyncio.get_running_loop().time() > 0.3

    run(body)
