"""An SMSC that lies: nothing that it did not take counts as taken, and nothing of it grows here."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Awaitable, Callable

import pytest

from oracles.lying_server import LyingServer
from oracles.waiting import PATIENCE, until
from scp.message_ports import Piece, Receipt, Taken
from scp.messages.queue import MessageQueue
from scp.messages.smpp import esme as esme_module
from scp.messages.smpp import link as link_module
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.messages.smpp.pdu import RESPONSE, Command, Name, Octets, Pdu, Status, Text, decode, encode
from scp.store.messages_sqlite import SqliteMessages
from scp.telemetry.null import NullTelemetry

Lie = Callable[[Pdu], bytes]


def response(asked: Pdu, command: int, status: int = 0, name: str = "1") -> bytes:
    return encode(Pdu(command, asked.sequence, status, Name(name) if command & 0xFF < 9 else None))


def right(asked: Pdu) -> bytes:
    body = None if asked.command in (Command.ENQUIRE_LINK, Command.UNBIND) else Name("1")
    return encode(Pdu(asked.command | RESPONSE, asked.sequence, 0, body))


class Liar(LyingServer):
    """Right about everything but submit_sm, which is answered by the next of its lies."""

    def __init__(self) -> None:
        super().__init__()
        self.lies: list[Lie] = []
        self.mute = False  # answers nothing
        self.deaf = False  # reads nothing behind a bind
        self.hangs_up = False  # behind each bind
        self.binds = 0
        self.answered: list[Pdu] = []
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readexactly(4)
                asked = decode(head + await reader.readexactly(int.from_bytes(head, "big") - 4))
                if asked.is_response:
                    self.answered.append(asked)
                    continue
                lie = self.lies.pop(0) if self.lies and asked.command == Command.SUBMIT_SM else right
                if self.mute:
                    continue
                writer.write(lie(asked))
                if self.hangs_up:
                    self.binds += 1
                    break
                if asked.command == Command.BIND_TRANSCEIVER:
                    self.writer = writer
                    self.binds += 1
                    if self.deaf:
                        writer.transport.pause_reading()
                        return
        writer.close()

    async def pour(self, octets: bytes) -> None:
        """Write it again and again, as long as the connection stands."""
        assert self.writer is not None
        with contextlib.suppress(ConnectionError):
            while True:
                self.writer.write(octets)
                await self.writer.drain()


class Nobody:
    """A `TextMessagesUser` that keeps nothing for ever, until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.most = self.now = 0

    def ready(self) -> None: ...

    async def receipt(self, _receipt: Receipt) -> None: ...

    async def received(self, _piece: Piece) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1


def run(body: Callable[[Liar, Esme], Awaitable[None]]) -> None:
    async def main() -> None:
        liar = Liar()
        await liar.up()
        settings = EsmeSettings([("127.0.0.1", liar.port)], "scp", "secret", response=PATIENCE)
        try:
            async with asyncio.timeout(PATIENCE):
                await body(liar, Esme(settings, random.Random(1), lambda _words, _trouble: None))
        finally:
            liar.down()

    asyncio.run(main())


@pytest.mark.parametrize(
    "lie",
    [
        lambda asked: response(asked, Command.GENERIC_NACK),
        lambda asked: response(asked, Command.ENQUIRE_LINK | RESPONSE),
        lambda asked: response(asked, Command.UNBIND | RESPONSE),
        lambda asked: response(asked, Command.DELIVER_SM | RESPONSE),
        lambda asked: response(asked, Command.BIND_TRANSCEIVER | RESPONSE),
        lambda asked: encode(Pdu(0x80000099, asked.sequence, 0, Octets(b"x"))),
        lambda asked: response(asked._replace(sequence=asked.sequence + 1), Command.SUBMIT_SM | RESPONSE),
        lambda asked: response(asked, Command.SUBMIT_SM | RESPONSE)[:-1],
        lambda _: b"",
        lambda _: b"\xff" * 64,
        lambda _: bytes(64),
    ],
)
def test_what_is_no_response_to_it_leaves_a_message_in_doubt(
    lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.01)

    async def body(liar: Liar, esme: Esme) -> None:
        queue = MessageQueue(
            SqliteMessages(":memory:"),
            esme,
            node="scp-1",
            retention_ms=10**9,
            repeat=False,
            failed=lambda _: None,
            telemetry=NullTelemetry(),
        )
        message = queue.new("m", "Example", "46701234567", "Hello", 60_000, receipt=True, fingerprint="f")
        await esme.start(Nobody())
        await until(lambda: not esme.missing)
        liar.lies.append(lie)
        link = esme.binds[Command.BIND_TRANSCEIVER]
        assert link is not None
        link._response = 0.3  # some lies are told by nothing else than that time goes by
        assert (await esme.submit(message, 0)).taken is Taken.DOUBT
        await until(lambda: not esme.missing)
        assert liar.writer is not None
        if esme.binds[Command.BIND_TRANSCEIVER] is not None and liar.binds == 1:
            liar.writer.close()  # half a PDU would be the beginning of the next one
            await until(lambda: liar.binds == 2 and not esme.missing)
        assert esme.binds[Command.BIND_TRANSCEIVER] is not link
        assert (await esme.submit(message, 0)).taken is Taken.SENT
        await esme.close()

    run(body)


def test_an_smsc_that_asks_and_never_reads_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MOST_WAITING", 1 << 12)
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.01)

    async def body(liar: Liar, esme: Esme) -> None:
        liar.deaf = True
        await esme.start(Nobody())
        await until(lambda: not esme.missing)
        liar.deaf = False
        link = esme.binds[Command.BIND_TRANSCEIVER]
        assert link is not None
        assert link._transport is not None
        ours = link._transport.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # the system would keep megabytes
        flood = encode(Pdu(Command.ENQUIRE_LINK, 1)) * 1000
        asyncio.get_running_loop().create_task(liar.pour(flood))
        await until(lambda: "leaves 4096 octets unread" in esme.last_error)
        await until(lambda: liar.binds > 1 and not esme.missing)
        await esme.close()

    run(body)


def test_deliveries_that_are_not_kept_in_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esme_module, "MOST_DELIVERIES", 10)

    async def body(liar: Liar, esme: Esme) -> None:
        user = Nobody()
        await esme.start(user)
        await until(lambda: not esme.missing)
        assert liar.writer is not None
        text = Text(source="46701", destination="46702", short_message=b"Hello")
        liar.writer.write(
            b"".join(encode(Pdu(Command.DELIVER_SM, number, 0, text)) for number in range(1, 31))
        )
        await until(lambda: len(liar.answered) == 20)
        assert {each.status for each in liar.answered} == {Status.RX_T_APPN}
        user.go.set()
        await until(lambda: len(liar.answered) == 30)
        assert [each.status for each in liar.answered[20:]] == [Status.ROK] * 10
        assert user.most == 10
        await esme.close()

    run(body)
