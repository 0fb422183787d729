"""An SMSC that speaks SMPP 3.4 over sockets, for tests and for trying a node out.

It takes messages, says so after a delay, sends delivery receipts, and misbehaves as it is told: it throttles,
refuses, is silent, or drops connections. With a journal it knows after a kill what it had taken, and which
receipts it still owes: what it answered for is in the journal before it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from scp.messages.smpp.link import Link, LinkLostError
from scp.messages.smpp.pdu import BINDS, RECEIPT, UDHI, Bind, Command, Name, Pdu, Status, Tag, Text
from scp.messages.smpp.receipts import incoming_of
from ss7.errors import DecodeError
from ss7.sms.parts import Coding, Concatenation, coded, header, split

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

REDELIVER: Final = 0.5
"""Seconds until a deliver_sm that was refused, or not answered, is sent again."""
MOST_UNANSWERED: Final = 20


class SmscSettings(NamedTuple):
    """How the SMSC behaves.

    Attributes:
        system_id: that ESMEs bind with; "": any.
        password: likewise.
        delay: seconds until a submit_sm is answered.
        rate: submit_sm a second; more are answered with ESME_RTHROTTLED. 0: any number.
        refuse: status of the answer to messages to `refused` numbers.
        refused: recipients that are refused, by how their number begins.
        silent: recipients whose messages are taken and never answered for, likewise.
        undeliverable: recipients whose messages are taken, and reported as undeliverable, likewise.
        receipt_after: seconds from taking a message to its receipt; negative: none is sent.
        echo: whether receipts repeat user_message_reference.
        drop_after: every so many messages the connection is cut without an answer; 0: never.
        ids: how receipts write message ids: "same" as the answer to submit_sm, or that is hexadecimal and
            they are "decimal", or the reverse, "hex"; in these two as text alone.
    """

    system_id: str = ""
    password: str = ""
    delay: float = 0.0
    rate: float = 0.0
    refuse: int = Status.RINVDSTADR
    refused: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    undeliverable: tuple[str, ...] = ()
    receipt_after: float = 0.0
    echo: bool = True
    drop_after: int = 0
    ids: str = "same"


class TakenMessage(NamedTuple):
    """A submit_sm that was taken."""

    id: str
    source: str
    destination: str
    text: str
    part: Concatenation | None = None
    own_reference: int = -1
    receipt: bool = False


@final
class Smsc:
    """See the module.

    Args:
        settings: how it behaves; may be replaced while it runs.
        journal: file of what it has taken; None: it forgets at its end.
        took: called with every message that it takes.

    Attributes:
        messages: what it has taken.
        bound: the links that are bound, with what they are bound as.
    """

    def __init__(
        self,
        settings: SmscSettings = SmscSettings(),  # noqa: B008 - it never changes
        journal: Path | None = None,
        took: Callable[[TakenMessage], None] | None = None,
    ) -> None:
        self.settings = settings
        self.messages: list[TakenMessage] = []
        self.bound: dict[Link, int] = {}
        self.port = 0
        self._took = took
        self._server: asyncio.Server | None = None
        self._to_deliver: deque[tuple[Pdu, str]] = deque()
        self._deliverable = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._second = (0, 0)
        self._submits = 0
        self._number = 0
        self._journal = None if journal is None else journal.open("a", encoding="utf-8")
        if journal is not None:
            self._remember(journal)

    # --- life ---

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen; `port` is where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Link(self, response=10.0, enquire_link=30.0), host, port, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._do(self._deliver_for_ever())

    async def stop(self, *, abort: bool = False) -> None:
        """Listen no more and hang up; ``abort``: without a word, as a process that is killed."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in tuple(self.bound):
            if abort:
                link.abort("killed")
            else:
                await link.unbind()
        await asyncio.gather(*(link.gone.wait() for link in tuple(self.bound)))
        if self._journal is not None:
            self._journal.close()

    # --- messages to the ESME ---

    def send(self, sender: str, recipient: str, text: str) -> None:
        """Send a message to whoever is bound as a receiver, in as many parts as it takes."""
        coding, octets = coded(text)
        pieces = split(coding, octets)
        self._number += 1
        for number, piece in enumerate(pieces, 1):
            several = len(pieces) > 1
            head = header(Concatenation(self._number, len(pieces), number)) if several else b""
            body = Text(
                source_ton=1,
                source_npi=1,
                source=sender,
                destination_ton=1,
                destination_npi=1,
                destination=recipient,
                esm_class=UDHI if several else 0,
                data_coding=0 if coding is Coding.GSM7 else 8,
                short_message=head + piece,
            )
            self._hand_over(Pdu(Command.DELIVER_SM, 0, 0, body), "")

    def _hand_over(self, pdu: Pdu, message_id: str) -> None:
        self._to_deliver.append((pdu, message_id))
        self._deliverable.set()

    async def _deliver_for_ever(self) -> None:
        while True:
            await self._deliverable.wait()
            link = next((each for each, kind in self.bound.items() if kind != Command.BIND_TRANSMITTER), None)
            if link is None or not self._to_deliver:
                self._deliverable.clear()
                continue
            batch = [self._to_deliver.popleft() for _ in range(min(MOST_UNANSWERED, len(self._to_deliver)))]
            results = await asyncio.gather(*(self._delivered(link, pdu) for pdu, _ in batch))
            failed = [each for each, taken in zip(batch, results, strict=True) if not taken]
            for (_, message_id), taken in zip(batch, results, strict=True):
                if taken and message_id:
                    self._write({"receipted": message_id})
            if failed:
                self._to_deliver.extendleft(reversed(failed))
                await asyncio.sleep(REDELIVER)

    async def _delivered(self, link: Link, pdu: Pdu) -> bool:
        try:
            answer = await link.ask(pdu)
        except LinkLostError:
            return False
        return answer.status not in {Status.RX_T_APPN, Status.RSYSERR}

    # --- scp.messages.smpp.link.LinkUser ---

    def request(self, link: Link, pdu: Pdu) -> None:
        """Take a bind or a submit_sm."""
        if pdu.command in BINDS and isinstance(pdu.body, Bind):
            self._bind(link, pdu, pdu.body)
        elif pdu.command == Command.SUBMIT_SM and isinstance(pdu.body, Text):
            if self.bound.get(link, Command.BIND_RECEIVER) == Command.BIND_RECEIVER:
                link.respond(pdu, Status.RINVBNDSTS)
            else:
                self._do(self._submitted(link, pdu, pdu.body))
        else:
            link.respond(pdu, Status.RINVBNDSTS)

    def closed(self, link: Link, reason: str) -> None:  # noqa: ARG002 - as `LinkUser` has it
        """Forget a link."""
        self.bound.pop(link, None)

    def discarded(self, reason: str) -> None:
        """Do nothing: the ESME is told."""

    def _bind(self, link: Link, pdu: Pdu, bind: Bind) -> None:
        settings = self.settings
        if link in self.bound:
            link.respond(pdu, Status.RALYBND)
        elif settings.system_id and bind.system_id != settings.system_id:
            link.respond(pdu, Status.RINVSYSID)
        elif settings.system_id and bind.password != settings.password:
            link.respond(pdu, Status.RINVPASWD)
        else:
            version = ((Tag.SC_INTERFACE_VERSION.value, b"\x34"),)
            link.respond(pdu, Status.ROK, Name("camel-scp smsc"), version)
            self.bound[link] = pdu.command
            self._deliverable.set()

    async def _submitted(self, link: Link, pdu: Pdu, text: Text) -> None:
        settings = self.settings
        if settings.delay:
            await asyncio.sleep(settings.delay)
        if settings.rate and not self._within_rate():
            link.respond(pdu, Status.RTHROTTLED)
            return
        if text.destination.startswith(settings.refused):
            link.respond(pdu, settings.refuse)
            return
        try:
            message = self._message(pdu, text)
        except DecodeError:
            link.respond(pdu, Status.RSUBMITFAIL)
            return
        self._take(message)
        self._submits += 1
        if settings.drop_after and self._submits % settings.drop_after == 0:
            link.abort("dropped")
        elif not text.destination.startswith(settings.silent):
            link.respond(pdu, Status.ROK, Name(message.id))
        if message.receipt and settings.receipt_after >= 0:
            self._do(self._receipt_later(message))

    def _message(self, pdu: Pdu, text: Text) -> TakenMessage:
        found = incoming_of(pdu, text, Coding.GSM7)
        own = pdu.tlv(Tag.USER_MESSAGE_REFERENCE)
        return TakenMessage(
            self._new_id(),
            found.sender,
            found.recipient,
            found.text,
            found.part,
            int.from_bytes(own, "big") if own else -1,
            bool(text.registered_delivery & 1),
        )

    def _new_id(self) -> str:
        number = time.time_ns() // 1000
        forms = {"decimal": f"{number:X}", "hex": f"{number:010d}"}
        return forms.get(self.settings.ids, f"{number:x}-{len(self.messages)}")

    def _within_rate(self) -> bool:
        second, count = self._second
        now = int(time.monotonic())
        self._second = (now, count + 1 if second == now else 1)
        return self._second[1] <= self.settings.rate

    def _take(self, message: TakenMessage) -> None:
        self.messages.append(message)
        self._write({"taken": message})
        if self._took is not None:
            self._took(message)

    # --- receipts ---

    async def _receipt_later(self, message: TakenMessage) -> None:
        if self.settings.receipt_after:
            await asyncio.sleep(self.settings.receipt_after)
        self._hand_over(self._receipt(message), message.id)

    def _receipt(self, message: TakenMessage) -> Pdu:
        """Return the receipt of a message, both as text (appendix B) and as optional parameters."""
        undeliverable = message.destination.startswith(self.settings.undeliverable)
        stat, state, error = ("UNDELIV", 5, "011") if undeliverable else ("DELIVRD", 2, "000")
        when = time.strftime("%y%m%d%H%M", time.gmtime())
        ids = self.settings.ids
        shown = {"decimal": lambda: f"{int(message.id, 16):010d}", "hex": lambda: f"{int(message.id):x}"}.get(
            ids, lambda: message.id
        )()
        delivered = "000" if undeliverable else "001"
        words = (
            f"id:{shown} sub:001 dlvrd:{delivered} submit date:{when} done date:{when} "
            f"stat:{stat} err:{error} text:"
        )
        body = Text(
            source_ton=1,
            source_npi=1,
            source=message.destination,
            destination_ton=1,
            destination_npi=1,
            destination=message.source,
            esm_class=RECEIPT,
            short_message=words.encode("latin-1"),
        )
        tlvs = [(Tag.MESSAGE_STATE.value, bytes((state,)))]
        if ids == "same":
            tlvs.append((Tag.RECEIPTED_MESSAGE_ID.value, message.id.encode() + b"\0"))
        if self.settings.echo and message.own_reference >= 0:
            tlvs.append((Tag.USER_MESSAGE_REFERENCE.value, message.own_reference.to_bytes(2, "big")))
        return Pdu(Command.DELIVER_SM, 0, 0, body, tuple(tlvs))

    # --- the journal ---

    def _write(self, line: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps(line) + "\n")
            self._journal.flush()

    def _remember(self, journal: Path) -> None:
        receipted: set[str] = set()
        for line in journal_lines(journal):
            if "taken" in line:
                self.messages.append(taken_message(line["taken"]))
            else:
                receipted.add(line["receipted"])
        if self.settings.receipt_after >= 0:
            for message in self.messages:
                if message.receipt and message.id not in receipted:
                    self._hand_over(self._receipt(message), message.id)

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def journal_lines(journal: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a journal; the last one may have been cut by a kill."""
    for line in journal.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def taken_message(fields: list[Any]) -> TakenMessage:
    """Return a message as it was in a journal's line."""
    message = TakenMessage(*fields)
    return message if message.part is None else message._replace(part=Concatenation(*message.part))
