"""An SMSC that sends too much, what is no SMPP, or nothing: it gets its share, is counted, and is left."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace
from test_smsc_lies import Liar

from oracles.waiting import PATIENCE, until
from scp.domain.message import Part, State, event_of
from scp.message_ports import Receipt
from scp.messages import queue as queue_module
from scp.messages.queue import MessageQueue
from scp.messages.smpp import esme as esme_module
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.messages.smpp.link import AT_ONCE, Link, NotSentError
from scp.messages.smpp.pdu import RESPONSE, Command, Name, Octets, Pdu, Status, Tag, Text, decode, encode
from scp.store.messages_sqlite import SqliteMessages
from scp.telemetry.metrics import Metrics

BINDING = Command.BIND_TRANSCEIVER
RECEIPT = b"id:no-%d sub:001 dlvrd:001 submit date:2611291100 done date:2611291100 stat:DELIVRD err:000 text:"


class Room:
    """A queue, its ESME, and an SMSC that says what a test has it say."""

    def __init__(self, liar: Liar, **settings: Any) -> None:
        self.liar = liar
        self.told: list[str] = []
        self.metrics = Metrics((), ())
        self.esme = Esme(
            EsmeSettings([("127.0.0.1", liar.port)], "scp", "secret", **{"response": PATIENCE, **settings}),
            random.Random(1),
            lambda words, _trouble: self.told.append(words),
            discard=self.metrics.discard,
        )
        self.queue = MessageQueue(
            SqliteMessages(":memory:"),
            self.esme,
            node="scp-1",
            retention_ms=10**9,
            repeat=False,
            failed=self.told.append,
            telemetry=self.metrics,
        )

    async def say(self, *pdus: bytes) -> None:
        await until(lambda: not self.esme.missing)
        assert self.liar.writer is not None
        self.liar.writer.write(b"".join(pdus))

    async def answers(self, count: int) -> list[Pdu]:
        await until(lambda: len(self.liar.answered) >= count)
        return self.liar.answered

    async def is_served(self) -> None:
        """A message goes out as ever."""
        new = self.queue.new("m", "Example", "46701234567", "Hello", 60_000, receipt=False, fingerprint="f")
        await self.queue.accept(new)
        await until(self._state, lambda state: state is State.ACCEPTED)

    async def _state(self) -> State:
        message = await self.queue.store.get("m")
        assert message is not None
        return message.state

    def discards(self) -> dict[str, int]:
        return {reason: count for reason, count in self.metrics._discards["smpp"].items() if count}


def run(body: Callable[[Room], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        liar = Liar()
        await liar.up()
        room = Room(liar, **settings)
        await room.queue.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await body(room)
        finally:
            liar.down()
            await room.queue.stop()

    asyncio.run(main())


def deliver(number: int, words: bytes, esm_class: int = 0) -> bytes:
    text = Text(source="46701", destination="46702", esm_class=esm_class, short_message=words)
    return encode(Pdu(Command.DELIVER_SM, number, 0, text))


# --- its share of the time ---


class Nobody:
    """A `scp.messages.smpp.link.LinkUser`."""

    def request(self, link: Link, pdu: Pdu) -> None: ...

    def closed(self, link: Link, reason: str) -> None: ...

    def discarded(self, reason: str) -> None: ...


class StillTransport(asyncio.Transport):
    """Keeps what is written, and whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Pdu] = []
        self.reads = True
        self.open = True

    def write(self, data: Any) -> None:
        self.written.append(decode(bytes(data)))

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True

    def is_closing(self) -> bool:
        return not self.open

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.open = False


def test_a_flood_leaves_others_their_turn_and_is_taken_in_its_order() -> None:
    async def main() -> None:
        link, transport = Link(Nobody(), response=1.0, enquire_link=0), StillTransport()
        link.connection_made(transport)
        flood = b"".join(encode(Pdu(Command.ENQUIRE_LINK, number)) for number in range(1, 1001))
        link.data_received(flood[:-5])
        assert (len(transport.written), transport.reads) == (AT_ONCE, False)
        link.data_received(flood[-5:])  # as TLS does with what it has decrypted
        assert len(transport.written) == AT_ONCE
        turns = 0
        while len(transport.written) < 1000:
            before = len(transport.written)
            await asyncio.sleep(0)
            assert len(transport.written) - before <= AT_ONCE
            turns += 1
        assert turns >= 1000 // AT_ONCE
        assert [each.sequence for each in transport.written] == [*range(1, 1001)]
        await until(lambda: transport.reads)
        link.data_received(flood)
        link.connection_lost(None)  # with most of it untaken: nothing comes of it later
        taken = len(transport.written)
        await asyncio.sleep(0.05)
        assert len(transport.written) == taken == 1000 + AT_ONCE

    asyncio.run(main())


# --- what is no SMPP, or not what was asked ---


@pytest.mark.parametrize(
    "octets",
    [
        bytes(16),  # command_length 0
        (15).to_bytes(4, "big") + bytes(12),
        (70_001).to_bytes(4, "big") + bytes(12),
        b"\xff" * 16,  # 4 GB
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_what_is_no_smpp_ends_the_bind_with_a_word_and_the_next_one_serves(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.01)

    async def body(room: Room) -> None:
        await room.say(octets)
        [nack] = await room.answers(1)
        assert (nack.command, nack.status) == (Command.GENERIC_NACK, Status.RINVCMDLEN)
        await until(lambda: room.liar.binds == 2)
        length = int.from_bytes(octets[:4], "big")
        assert any(f"what came is no SMPP: command_length {length}" in words for words in room.told)
        assert room.discards() == {"no-smpp": 1}
        await room.is_served()

    run(body)


def test_commands_that_nobody_has_and_responses_that_nobody_asked_for_are_counted() -> None:
    cut = deliver(5, b"Hello")[4:-3]
    said = [
        encode(Pdu(0x777, 1, 0, Octets(b"x" * 50_000))),
        encode(Pdu(Command.SUBMIT_SM, 2, 0, Text())),  # an ESME's
        encode(Pdu(Command.SUBMIT_SM | RESPONSE, 3, 0, Name("1"))),
        encode(Pdu(Command.GENERIC_NACK, 0xFFFF_FFFF, 3)),
        (len(cut) + 4).to_bytes(4, "big") + cut,
        deliver(6, b"\x05\x00\x03", esm_class=0x40),  # a header without its end
    ]

    async def body(room: Room) -> None:
        await room.say(*said)
        answers = {each.sequence: (each.command, each.status) for each in await room.answers(4)}
        assert answers == {
            1: (Command.GENERIC_NACK, Status.RINVCMDID),
            2: (Command.SUBMIT_SM | RESPONSE, Status.RINVBNDSTS),
            5: (Command.DELIVER_SM | RESPONSE, Status.RINVPARLEN),
            6: (Command.DELIVER_SM | RESPONSE, Status.RX_P_APPN),
        }
        assert room.discards() == {
            "unknown-command": 1,
            "unexpected-command": 1,
            "unexpected-response": 2,
            "unreadable": 2,
        }
        await room.is_served()
        assert room.liar.binds == 1

    run(body)


def test_unreadable_messages_do_not_fill_the_log() -> None:
    async def body(room: Room) -> None:
        await room.say(*(deliver(number, b"\x05\x00\x03", 0x40) for number in range(1, 501)))
        await room.answers(500)
        assert room.discards() == {"unreadable": 500}
        assert len(room.told) < 300  # 50 at once, then 2 a second
        assert len([words for words in room.told if "can't be read" in words]) > 40

    run(body)


# --- receipts ---


def test_receipts_of_unknown_messages_are_looked_for_so_many_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_module, "MOST_SOUGHT", 10)
    monkeypatch.setattr(queue_module, "AT_A_LOOK", 1)
    looked: list[str] = []

    async def body(room: Room) -> None:
        find = room.queue.store.find

        async def counted(reference: str, *rest: Any) -> Any:
            looked.append(reference)
            return await find(reference, *rest)

        room.queue.store.find = counted  # type: ignore[method-assign]
        await room.say(*(deliver(number, RECEIPT % number, 4) for number in range(1, 51)))
        await until(lambda: len(room.liar.answered) >= 40)
        statuses = Counter(each.status for each in room.liar.answered)
        assert statuses == {Status.RX_T_APPN: 40}, "the SMSC brings them again"
        await room.is_served()
        await room.answers(50)
        assert Counter(each.status for each in room.liar.answered)[Status.ROK] == 10
        assert room.metrics._unmatched_receipts == 10
        each = max(Counter(looked).values())
        assert each <= len(queue_module.RECEIPT_PAUSES) + 1
        before = len(looked)
        await room.say(deliver(51, RECEIPT % 51, 4))  # there is room again
        await room.answers(51)
        assert len(looked) > before
        assert room.metrics._unmatched_receipts == 11

    run(body)


def test_receipts_of_all_parts_may_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "RECEIPT_PAUSES", ())  # each finds its part at the first look

    async def body(room: Room) -> None:
        new = room.queue.new("m", "Example", "46701", "😀" * 33 * 25, 60_000, receipt=True, fingerprint="f")
        assert len(new.parts) == 25
        parts = tuple(Part(State.SENT, f"no-{number}") for number in range(25))
        message, _ = await room.queue.store.add(replace(new, parts=parts), event_of(new))
        receipts = [Receipt(part.reference, message.reference, "46701", State.DELIVERED) for part in parts]
        await asyncio.gather(*(room.queue.receipt(each) for each in receipts))
        assert await room._state() is State.DELIVERED
        assert not room.metrics._unmatched_receipts

    run(body)


ID, STATE, OWN = Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.USER_MESSAGE_REFERENCE


@pytest.mark.parametrize(
    ("words", "fields", "tlvs", "state", "reason"),
    [
        (b"id:no-1 stat:DELIVRD", {}, (), State.DELIVERED, ""),
        (b"ID: no-1 Stat: delivrd Err: 000", {}, (), State.DELIVERED, ""),
        (b"id:no-1 stat:DELIVERED err:0", {}, (), State.DELIVERED, ""),
        (b"id:no-1 stat:UNDELIVERABLE err:27", {}, (), State.FAILED, "undeliverable, error 27"),
        (b"id:no-1 stat:UNDELIVERED", {}, (), State.FAILED, "undeliverable"),
        (b"id:no-1 stat:REJECTED", {}, (), State.FAILED, "rejected"),
        (b"id:no-1 stat:EXPIRED", {}, (), State.EXPIRED, "expired"),
        ("id:no-1 stat:DELIVRD".encode("utf-16-be"), {"data_coding": 8}, (), State.DELIVERED, ""),
        (b"", {}, ((ID, b"no-1\0"), (STATE, b"\x02")), State.DELIVERED, ""),
        (b"\xff", {"esm_class": 0}, ((ID, b"no-1"), (STATE, b"\x05")), State.FAILED, "undeliverable"),
        (b"id:no-1 stat:DELIVRD", {}, ((OWN, bytes(9)),), State.DELIVERED, ""),
        (b"id:no-1 stat:DELIVRD", {}, ((OWN, b"\xff" * 9), (0x1400, b"")), State.DELIVERED, ""),
        (b"id:no-2 stat:DELIVRD", {}, ((OWN, b"\xff" * 9),), State.SENT, ""),
        (b"id:no-1 stat:DELIVRD", {"source": "+46701"}, ((STATE, b""),), State.DELIVERED, ""),
        (b"id:no-1 stat:ENROUTE", {}, (), State.SENT, ""),
        (b"id:no-1 stat:ACCEPTED", {}, (), State.SENT, ""),
        (b"id:no-1 stat:DELIVRD", {"esm_class": 0x20}, (), State.SENT, ""),  # an intermediate one
    ],
)
def test_receipts_in_the_forms_that_smscs_have(
    words: bytes,
    fields: dict[str, Any],
    tlvs: Any,
    state: State,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_module, "RECEIPT_PAUSES", ())

    async def body(room: Room) -> None:
        new = room.queue.new("m", "Example", "46701", "Hello", 60_000, receipt=True, fingerprint="f")
        sent = replace(new, parts=(Part(State.SENT, "no-1"),), due_ms=new.expires_ms)
        await room.queue.store.add(sent, event_of(sent))
        text = Text(
            **{"source": "46701", "destination": "46702", "esm_class": 4, "short_message": words} | fields
        )
        await room.say(encode(Pdu(Command.DELIVER_SM, 1, 0, text, tlvs)))
        [answer] = await room.answers(1)
        message = await room.queue.store.get("m")
        assert message is not None
        assert (answer.status, message.state, message.reason) == (Status.ROK, state, reason)
        assert room.discards() == {}

    run(body)


@pytest.mark.parametrize(
    ("words", "tlvs"),
    [
        (b"", ()),
        (b"id:no-1 stat:WHATEVER", ()),
        (b"id:no-1", ()),
        (b"stat:DELIVRD err:000", ()),
        (b"", ((Tag.MESSAGE_STATE, b"\x02"), (Tag.RECEIPTED_MESSAGE_ID, b"\0"))),
        (b"", ((Tag.MESSAGE_STATE, b"\x63"), (Tag.RECEIPTED_MESSAGE_ID, b"no-1"))),
    ],
)
def test_a_receipt_that_is_not_understood_is_refused_counted_and_told(words: bytes, tlvs: Any) -> None:
    async def body(room: Room) -> None:
        text = Text(source="46701", destination="46702", esm_class=4, short_message=words)
        await room.say(encode(Pdu(Command.DELIVER_SM, 1, 0, text, tlvs)))
        [answer] = await room.answers(1)
        assert answer.status == Status.RX_P_APPN
        assert room.discards() == {"unreadable": 1}
        assert any("receipt" in each for each in room.told)

    run(body)


def test_what_has_no_response_gets_none() -> None:
    """outbind, alert_notification (§4.1.7, §4.12): a response to either is a command that nobody has."""

    async def body(room: Room) -> None:
        outbind = encode(Pdu(Command.OUTBIND, 1, 0, Octets(b"smsc\0secret\0")))
        alert = encode(Pdu(Command.ALERT_NOTIFICATION, 2, 0, Octets(b"\1\x0146701\0\1\x0146702\0")))
        await room.say(outbind, alert, encode(Pdu(Command.ENQUIRE_LINK, 3)))
        [answer] = await room.answers(1)
        assert answer.command == Command.ENQUIRE_LINK | RESPONSE
        assert room.discards() == {"unexpected-command": 2}

    run(body)


# --- silence ---


@pytest.mark.parametrize("octets", [b"", deliver(1, b"Hello")[:30], (60_000).to_bytes(4, "big")])
def test_an_smsc_that_falls_silent_within_a_pdu_is_left(
    octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.01)

    async def body(room: Room) -> None:
        await until(lambda: not room.esme.missing)
        room.liar.mute = True
        await room.say(octets)
        await until(lambda: any("enquire_link was not answered" in words for words in room.told))
        room.liar.mute = False
        await until(lambda: room.liar.binds >= 2 and not room.esme.missing)
        await room.is_served()

    run(body, enquire_link=0.05, response=0.3)


def test_nothing_waits_for_ever_behind_an_end_that_does_not_read() -> None:
    async def main() -> None:
        class Aborted(StillTransport):
            def abort(self) -> None:
                self.open = False
                link.connection_lost(None)

        link, transport = Link(Nobody(), response=0.05, enquire_link=0.1), Aborted()
        link.connection_made(transport)
        link.pause_writing()
        with pytest.raises(NotSentError, match="the other end reads nothing"):
            await link.ask(Pdu(Command.SUBMIT_SM, 0, 0, Text()))
        assert not transport.written
        await link.gone.wait()
        link, transport = Link(Nobody(), response=0.05, enquire_link=0.1), Aborted()
        link.connection_made(transport)
        link.pause_writing()
        await link.gone.wait()  # nobody asks anything: enquire_link finds it out
        assert not transport.written

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_what_was_not_sent_is_not_in_doubt() -> None:
    async def body(room: Room) -> None:
        await until(lambda: not room.esme.missing)
        link = room.esme.binds[BINDING]
        assert link is not None
        link.pause_writing()
        message = room.queue.new(
            "n", "Example", "46701234567", "Hello", 60_000, receipt=False, fingerprint="f"
        )
        asked = asyncio.create_task(room.esme.submit(message, 0))
        await asyncio.sleep(0)
        link.abort("cut")
        assert (await asked).taken == "away"

    run(body)


# --- it hangs up ---


def test_an_smsc_that_takes_binds_and_hangs_up_is_not_asked_in_a_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await sleep(0)

    async def body(room: Room) -> None:
        monkeypatch.setattr(esme_module.asyncio, "sleep", noted)
        try:
            room.liar.hangs_up = True
            assert room.liar.writer is not None
            room.liar.writer.close()
            while len(pauses) < 8:
                await sleep(0.001)
        finally:
            monkeypatch.setattr(esme_module.asyncio, "sleep", sleep)
        bound = room.liar.binds
        assert bound <= len(pauses) + 2
        assert all(later > 1.1 * earlier for earlier, later in pairwise(pauses[:5])), pauses
        assert 0.75 * 60 <= max(pauses) <= 1.25 * 60

    async def after_it_stood(room: Room) -> None:
        await until(lambda: not room.esme.missing)
        await body(room)

    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 3.0)  # longer than it stands here
    run(after_it_stood)


def test_a_bind_that_has_stood_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esme_module, "FIRST_PAUSE", 0.0)

    async def body(room: Room) -> None:
        await until(lambda: not room.esme.missing)
        monkeypatch.setattr(esme_module, "FIRST_PAUSE", 10 * PATIENCE)
        assert room.liar.writer is not None
        room.liar.writer.close()
        await until(lambda: room.liar.binds == 2 and not room.esme.missing)

    run(body)
