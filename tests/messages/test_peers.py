"""The ESME against another implementation's SMSC, our SMSC against its ESME, and how each takes what the other does."""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import smpp34
from msgspec.structs import fields, replace

from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, until
from scp.config.messages import Smpp, SmppTls
from scp.config.values import HostPort, Secret
from scp.domain.message import State
from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.messages.smpp.pdu import Command
from scp.messages.smpp.receipts import other_spellings
from scp.messages.smpp.settings import esme_settings
from scp.simulator.smsc import Smsc, SmscSettings
from scp.store.messages_sqlite import SqliteMessages

GOOD = SmscSettings()
TEXTS = ("Hello [€]", "مرحبا بالعالم", "😀" * 40, "long " * 80, "à" * 161)


class Counted:
    """`scp.message_ports.MessageTelemetry`."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def message(self, result: str) -> None:
        self.results.append(result)

    def submission(self, result: str) -> None:
        self.results.append(f"part {result}")

    def unmatched_receipt(self) -> None:
        self.results.append("unmatched")


class Side:
    """A queue and its ESME."""

    def __init__(self, port: int, *, repeat: bool = False, **settings) -> None:
        self.counted = Counted()
        self.told: list[str] = []
        self.esme = Esme(
            EsmeSettings([("127.0.0.1", port)], "scp", "secret", **{"response": 5.0, **settings}),
            random.Random(1),
            lambda words, _trouble: self.told.append(words),
        )
        self.queue = MessageQueue(
            SqliteMessages(":memory:"),
            self.esme,
            node="scp-1",
            retention_ms=10**9,
            repeat=repeat,
            failed=self.told.append,
            telemetry=self.counted,
        )

    async def send(
        self, text: str, name: str = "m", recipient: str = "46701234567", *, receipt: bool = True
    ) -> None:
        new = self.queue.new(name, "Example", recipient, text, 60_000, receipt=receipt, fingerprint="f")
        await self.queue.accept(new)

    async def state(self, name: str = "m") -> tuple[State, str]:
        message = await self.queue.store.get(name)
        assert message is not None
        return message.state, message.reason

    async def until(self, state: State, name: str = "m") -> str:
        """Return the reason, once the message is in this state."""
        await until(lambda: self.state(name), lambda found: found[0] is state)
        return (await self.state(name))[1]


def run(body: Callable[[Side, Smsc], Awaitable[None]], settings: SmscSettings = GOOD, **options) -> None:
    async def main() -> None:
        smsc = Smsc(settings)
        await smsc.start()
        side = Side(smsc.port, **options)
        await side.queue.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await body(side, smsc)
        finally:
            await side.queue.stop()
            await smsc.stop()

    asyncio.run(main())


@pytest.mark.parametrize("long", ["udh", "sar", "payload"])
def test_texts_arrive_as_sent_however_long_ones_go(long: str) -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        for number, text in enumerate(TEXTS):
            await side.send(text, f"m{number}", f"4670000000{number}")
        for number, text in enumerate(TEXTS):
            await side.until(State.DELIVERED, f"m{number}")
            came = [each for each in smsc.messages if each.destination.endswith(str(number))]
            assert (
                "".join(each.text for each in sorted(came, key=lambda each: each.part or (0, 0, 0))) == text
            )
            assert len(came) == 1 or long != "payload"

    run(body, long=long)


def test_messages_come_in_whole() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        for text in TEXTS:
            smsc.send("46709", "46701", text)
        await until(lambda: side.counted.results.count("received") == len(TEXTS))
        events = await side.queue.store.events(0, 99)
        for text in TEXTS:
            assert any(f'"text":"{text}"' in event.json for event in events), text

    run(body)


def test_a_transmitter_and_a_receiver() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        await side.send("Hello")
        await side.until(State.DELIVERED)
        assert sorted(smsc.bound.values()) == [Command.BIND_RECEIVER, Command.BIND_TRANSMITTER]

    run(body, separate=True)


@pytest.mark.parametrize(
    ("settings", "state", "reason"),
    [
        (SmscSettings(refused=("4670",)), State.FAILED, "smpp status 0x0b"),
        (SmscSettings(undeliverable=("4670",)), State.FAILED, "undeliverable, error 011"),
        (SmscSettings(silent=("4670",), receipt_after=-1), State.UNKNOWN, "no response within 0.2 s"),
        (SmscSettings(drop_after=1, receipt_after=-1), State.UNKNOWN, "the other end hung up"),
        (
            SmscSettings(silent=("4670",), receipt_after=0.4),
            State.DELIVERED,
            "",
        ),  # the receipt settles the doubt
        (SmscSettings(receipt_after=0.0, delay=0.1, echo=False), State.DELIVERED, ""),
    ],
)
def test_what_becomes_of_a_message(settings: SmscSettings, state: State, reason: str) -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        await side.send("Hello")
        assert await side.until(state) == reason
        assert len(smsc.messages) <= 1

    run(body, settings, response=0.2 if settings.silent else 20.0)


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize(
    ("theirs", "ours"), [("decimal", "any"), ("decimal", "decimal"), ("hex", "any"), ("hex", "hex")]
)
def test_receipts_that_write_ids_otherwise_find_their_messages(theirs: str, ours: str, echo: bool) -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        for number in range(3):
            await side.send("Hello", f"m{number}")
        for number in range(3):
            await side.until(State.DELIVERED, f"m{number}")
        assert "unmatched" not in side.counted.results

    run(body, SmscSettings(ids=theirs, receipt_after=0.05, echo=echo), receipt_ids=ours)


def test_where_receipts_write_the_same_ids_no_other_is_looked_for() -> None:
    assert other_spellings("1234", "same") == ()
    assert other_spellings("0000000255", "decimal") == ("FF", "ff", "000000FF", "000000ff")
    assert other_spellings("ff", "hex") == ("255", "0000000255")
    assert {"FF", "255", "597"} <= {"255", *other_spellings("255", "any")}
    assert other_spellings("ab-1", "any") == ("AB-1",)


def test_without_a_receipt_it_is_accepted() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        await side.send("Hello", receipt=False)
        await side.until(State.ACCEPTED)

    run(body, SmscSettings(receipt_after=-1))


def test_in_doubt_it_is_sent_again_where_that_is_wanted() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        await side.send("Hello")
        await until(side.state, lambda found: bool(smsc.messages) and found[0] is not State.SENDING)
        state, reason = await side.state()
        assert (state, reason) == (State.QUEUED, "no response within 0.2 s")
        message = await side.queue.store.get("m")
        assert message is not None
        assert message.due_ms - message.changed_ms >= 14_000  # after the pause of a first attempt

    run(body, SmscSettings(silent=("4670",), receipt_after=-1), response=0.2, repeat=True)


def test_a_throttled_message_is_sent_a_little_later() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        for number in range(8):
            await side.send("Hello", f"m{number}")
        for number in range(8):
            await side.until(State.DELIVERED, f"m{number}")
        assert "part busy" in side.counted.results
        assert len(smsc.messages) == 8

    run(body, SmscSettings(rate=3))  # two of its seconds have not room for all, if they are between two


def test_a_wrong_password_is_said_and_tried_again() -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        await side.send("Hello")
        await until(lambda: side.told)
        assert side.told[0].endswith("the bind was refused: smpp status 0x0e")
        assert (await side.state())[0] is State.QUEUED
        smsc.settings = SmscSettings()
        await side.until(State.DELIVERED)

    run(body, SmscSettings(system_id="scp", password="another"))


def test_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "smsc.pem", tmp_path / "smsc.key"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=smsc.example",
            "-addext",
            "subjectAltName=DNS:smsc.example",
            "-out",
            certificate,
            "-keyout",
            key,
        ],
        check=True,
        capture_output=True,
    )
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)

    async def main() -> None:
        smsc = Smsc()
        await smsc.start(tls=ours)
        trusted = ssl.create_default_context(cafile=certificate)
        good = Side(smsc.port, tls=trusted, server_name="smsc.example")
        bad = Side(smsc.port, tls=trusted, server_name="other.example")
        await good.queue.start()
        await bad.queue.start()
        await good.send("Hello")
        await good.until(State.DELIVERED)
        await until(lambda: bad.told)
        assert "certificate" in bad.told[0].lower()
        await good.queue.stop()
        await bad.queue.stop()
        await smsc.stop()

    asyncio.run(main())


def test_another_implementations_smsc() -> None:
    """smpp34's server takes our submit_sm; the receipts that it brings settle them."""

    async def main() -> None:
        port = free_tcp_port()
        server = smpp34.Server("127.0.0.1", port, system_id="other")
        await server.start()
        sessions = {}

        async def serve() -> None:
            while True:
                event = await server.next()
                if isinstance(event, smpp34.Esme):
                    sessions[event.session_id] = event
                elif isinstance(event, smpp34.SubmitSmEvent):
                    event.accept(message_id="other-1")
                    assert bytes(event.short_message) == b"Hello"
                    await sessions[event.session_id].deliver_sm(
                        source_addr=event.destination_addr,
                        destination_addr=event.source_addr,
                        esm_class=4,
                        short_message=b"id:other-1 sub:001 dlvrd:001 submit date:2611291100 done date:2611291100 stat:DELIVRD err:000 text:",
                    )

        serving = asyncio.create_task(serve())
        side = Side(port)
        await side.queue.start()
        await side.send("Hello")
        await side.until(State.DELIVERED)
        await side.queue.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await server.stop()

    asyncio.run(main())


def test_another_implementations_esme() -> None:
    async def main() -> None:
        smsc = Smsc()
        await smsc.start()
        client = smpp34.Client("127.0.0.1", smsc.port, "esme", "secret", bind_type="TRX")
        esme = await client.connect()
        answer = await esme.submit_sm("46701234567", b"Hello", source_addr="46709", registered_delivery=1)
        assert answer.is_success
        assert answer.message_id == smsc.messages[0].id
        event = await esme.next()
        assert isinstance(event, smpp34.DeliverSmEvent)
        assert f"id:{answer.message_id} ".encode() in bytes(event.short_message)
        await esme.unbind()
        await client.stop()
        await smsc.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), bytes.fromhex("00000010 00000004 00000000 00000001") * 3]
)
def test_what_is_no_smpp_costs_its_sender_only(octets: bytes) -> None:
    async def body(side: Side, smsc: Smsc) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", smsc.port)
        writer.write(octets)
        writer.write_eof()
        answer = await reader.read()
        assert len(answer) >= 16
        writer.close()
        await side.send("Hello")
        await side.until(State.DELIVERED)

    run(body)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("addresses", (HostPort("127.0.0.2", 1),)),
        ("system_id", "other"),
        ("password", Secret("other")),
        ("system_type", "other"),
        ("bind", "separate"),
        ("window", 3),
        ("rate", 7.0),
        ("enquire_link_s", 9.0),
        ("response_s", 11.0),
        ("long", "sar"),
        ("default_alphabet", "latin1"),
        ("source_ton", 1),
        ("source_npi", 1),
        ("receipt_ids", "hex"),
        ("tls", SmppTls()),
    ],
)
def test_each_key_of_the_table_reaches_the_esme(key: str, value: object) -> None:
    table = Smpp((HostPort("127.0.0.1", 2775),), "scp")
    assert esme_settings(replace(table, **{key: value})) != esme_settings(table)


def test_no_key_of_the_table_is_left_out_above() -> None:
    (mark,) = test_each_key_of_the_table_reaches_the_esme.pytestmark  # type: ignore[attr-defined]
    assert {key for key, _ in mark.args[1]} == {field.name for field in fields(Smpp)}
