"""An SMPP 3.4 ESME: `scp.message_ports.TextMessages` over one or two binds to an SMSC.

It connects, and again when a connection is lost, to one address after the other, with pauses that grow. A
part is submitted once: whatever is not known to have been refused is in doubt (`Taken.DOUBT`). A deliver_sm
is acknowledged when its user has it durably, and refused for the time being (ESME_RX_T_APPN) when not.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, final

from msgspec.structs import replace

from scp.common.report_limiter import ReportLimiter
from scp.domain.message import Received
from scp.message_ports import Piece, Submission, Taken
from scp.messages.smpp.link import Link, LinkLostError, NotSentError
from scp.messages.smpp.pdu import UDHI, WITHOUT_RESPONSE, Bind, Command, Name, Pdu, Status, Tag, Text
from scp.messages.smpp.receipts import incoming_of, is_receipt, receipt_of
from scp.ports import StoreError
from ss7.errors import DecodeError, EncodeError
from ss7.sms.parts import Coding, Concatenation, coded, coding_words, header, split

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from random import Random

    from scp.domain.message import Message
    from scp.message_ports import TextMessagesUser

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
THROTTLED_FIRST: Final = 0.5
THROTTLED_LONGEST: Final = 30.0
CONNECT_SECONDS: Final = 10.0

# What a refusal means for a message; what is not here is for good (§5.1.3).
MOST_DELIVERIES: Final = 1000
"""deliver_sm that may be unanswered at once; more are refused for the time being."""
_TAKEN: Final[dict[int, Taken]] = {
    Status.RTHROTTLED: Taken.BUSY,
    Status.RMSGQFUL: Taken.BUSY,
    Status.RSYSERR: Taken.LATER,
    Status.RINVBNDSTS: Taken.LATER,
    Status.RSUBMITFAIL: Taken.LATER,
    Status.RX_T_APPN: Taken.LATER,
    0xFE: Taken.LATER,  # ESME_RDELIVERYFAILURE
    0xFF: Taken.LATER,  # ESME_RUNKNOWNERR
}
_VENDORS: Final = range(0x400, 0x500)  # meanings of the SMSC's own: most are passing ones
_DATA_CODING: Final = {Coding.GSM7: 0, Coding.LATIN1: 3, Coding.UCS2: 8}


class EsmeSettings(NamedTuple):
    """What an ESME needs to know; `scp.config.messages.Smpp` says what each is."""

    addresses: Sequence[tuple[str, int]]
    system_id: str
    password: str
    system_type: str = ""
    separate: bool = False  # a transmitter and a receiver in place of a transceiver
    window: int = 10
    rate: float = 0.0
    enquire_link: float = 30.0
    response: float = 30.0
    long: str = "udh"  # or "sar", "payload"
    latin1: bool = False  # the SMSC's default alphabet
    source_ton: int = -1
    source_npi: int = -1
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    receipt_ids: str = "any"


@final
class Esme:
    """See the module.

    Args:
        settings: see `EsmeSettings`.
        random: pauses jitter.
        told: takes in words what happens to the binds; the flag says whether it is trouble.
        wall: milliseconds since 1970-01-01 UTC.
        discard: counts what was thrown away, by layer and reason; None: nobody does.
    """

    def __init__(
        self,
        settings: EsmeSettings,
        random: Random,
        told: Callable[[str, bool], None],
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        discard: Callable[[str, str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._random = random
        self._told = partial(ReportLimiter(lambda _, *said: told(*said), time.monotonic), "")
        self._discard = discard
        self._wall = wall
        self._user: TextMessagesUser | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._default = Coding.LATIN1 if settings.latin1 else Coding.GSM7
        kinds = (
            (Command.BIND_TRANSMITTER, Command.BIND_RECEIVER)
            if settings.separate
            else (Command.BIND_TRANSCEIVER,)
        )
        self.binds: dict[Command, Link | None] = dict.fromkeys(kinds)
        self.since = wall()
        self.last_error = self._told_last = ""
        self.last_error_at = 0
        self._held_until = 0.0
        self._held_for = 0.0
        self._next_at = 0.0

    # --- scp.ports.TextMessages ---

    async def start(self, user: TextMessagesUser) -> None:
        """Begin to connect."""
        self._user = user
        self._keepers = [asyncio.create_task(self._keep_bound(kind)) for kind in self.binds]

    async def close(self) -> None:
        """Unbind, and let what is being answered be answered."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        links = [link for link in self.binds.values() if link is not None]
        await asyncio.gather(*self._answering, return_exceptions=True)
        await asyncio.gather(*(link.unbind() for link in links))
        await asyncio.gather(*(link.gone.wait() for link in links))

    def usable(self) -> str:
        """Return "" if messages can be submitted now."""
        if self._transmitter is None:
            return self.last_error or "not bound yet"
        return "throttled by the SMSC" if self._held_until > time.monotonic() else ""

    @property
    def window(self) -> int:
        """How many submit_sm may be unanswered."""
        return self._settings.window

    def parts(self, text: str) -> int:
        """Return in how many submit_sm a text goes out."""
        return 1 if self._settings.long == "payload" else len(split(*self._coded(text)))

    async def submit(self, message: Message, number: int) -> Submission:
        """Send a part as submit_sm (§4.4)."""
        link = self._transmitter
        if link is None or not link.up:
            return Submission(Taken.AWAY)
        if self._held_until > time.monotonic():
            return Submission(Taken.BUSY, reason="throttled")
        await self._pace()
        try:
            answer = await link.ask(self.submit_sm(message, number))
        except EncodeError as error:
            return Submission(Taken.REFUSED, reason=error.reason)
        except NotSentError:
            return Submission(Taken.AWAY)
        except LinkLostError as error:
            return Submission(Taken.DOUBT, reason=str(error))
        return self._taken(answer)

    @property
    def missing(self) -> int:
        """How many binds are wanted and do not stand."""
        return [*self.binds.values()].count(None)

    # --- submit_sm ---

    def submit_sm(self, message: Message, number: int) -> Pdu:
        """Return the submit_sm of a part; raises `EncodeError`."""
        coding, octets = self._coded(message.text)
        pieces = [octets] if len(message.parts) == 1 else split(coding, octets)
        if len(pieces) != len(message.parts):
            raise EncodeError(f"it takes {len(pieces)} parts by now, and {len(message.parts)} were begun")
        total = len(pieces)
        tlvs = [(Tag.USER_MESSAGE_REFERENCE.value, message.reference.to_bytes(2, "big"))]
        data, esm_class = pieces[number], 0
        if total > 1 and self._settings.long == "sar":
            tlvs += [
                (Tag.SAR_MSG_REF_NUM.value, message.reference.to_bytes(2, "big")),
                (Tag.SAR_TOTAL_SEGMENTS.value, bytes((total,))),
                (Tag.SAR_SEGMENT_SEQNUM.value, bytes((number + 1,))),
            ]
        elif total > 1:
            esm_class = UDHI
            data = header(Concatenation(message.reference, total, number + 1)) + data
        elif len(data) > 140 and (coding is not Coding.GSM7 or len(data) > 160):
            tlvs.append((Tag.MESSAGE_PAYLOAD.value, data))
            data = b""
        ton, npi = self._source_kind(message.sender)
        text = Text(
            source_ton=ton,
            source_npi=npi,
            source=message.sender,
            destination_ton=1,
            destination_npi=1,
            destination=message.recipient,
            esm_class=esm_class,
            validity=absolute_time(message.expires_ms),
            registered_delivery=int(message.receipt),
            data_coding=0 if coding is self._default else _DATA_CODING[coding],
            short_message=data,
        )
        return Pdu(Command.SUBMIT_SM, 0, 0, text, tuple(tlvs))

    def _coded(self, text: str) -> tuple[Coding, bytes]:
        if self._settings.latin1:
            with contextlib.suppress(UnicodeEncodeError):
                return Coding.LATIN1, text.encode("latin-1")
            return Coding.UCS2, text.encode("utf-16-be", "replace")
        return coded(text)

    def _source_kind(self, sender: str) -> tuple[int, int]:
        """Return TON and NPI (§5.2.5, §5.2.6): a name is alphanumeric, few digits are a network's code."""
        ton, npi = (5, 0) if not sender.isdigit() else (1, 1) if len(sender) > 6 else (3, 0)
        settings = self._settings
        return (
            ton if settings.source_ton < 0 else settings.source_ton,
            npi if settings.source_npi < 0 else settings.source_npi,
        )

    async def _pace(self) -> None:
        """Wait until the rate allows the next one."""
        if self._settings.rate:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + 1 / self._settings.rate
            if at > now:
                await asyncio.sleep(at - now)

    def _taken(self, answer: Pdu) -> Submission:
        if answer.status == Status.ROK:
            self._held_for = 0.0
            reference = answer.body.text if isinstance(answer.body, Name) else ""
            return Submission(Taken.SENT, reference)
        default = Taken.LATER if answer.status in _VENDORS else Taken.REFUSED
        taken = _TAKEN.get(answer.status, default)
        if taken is Taken.BUSY:
            self._hold()
        return Submission(taken, reason=f"smpp status 0x{answer.status:02x}")

    def _hold(self) -> None:
        """Ask nothing for a while; each time twice as long, until one is taken."""
        now = time.monotonic()
        if self._held_until > now:
            return
        self._held_for = min(max(self._held_for * 2, THROTTLED_FIRST), THROTTLED_LONGEST)
        self._held_until = now + self._held_for
        asyncio.get_running_loop().call_later(self._held_for + 0.001, self._ready)

    def _ready(self) -> None:
        if self._user is not None and not self.usable():
            self._user.ready()

    # --- binds ---

    @property
    def _transmitter(self) -> Link | None:
        return self.binds.get(Command.BIND_TRANSCEIVER) or self.binds.get(Command.BIND_TRANSMITTER)

    async def _keep_bound(self, kind: Command) -> None:
        """Connect and bind, again and again (§2.2).

        There is a pause also after a bind that stood for less: an SMSC that takes binds and hangs up is not
        asked in a loop.
        """
        pause, turn = FIRST_PAUSE, 0
        while True:
            host, port = self._settings.addresses[turn % len(self._settings.addresses)]
            where = f"{kind.name.lower()} to {host}:{port}"
            began = time.monotonic()
            try:
                link = await self._bound(kind, host, port)
            except (OSError, TimeoutError, LinkLostError, EncodeError) as error:
                self._trouble(f"{where}: {str(error) or type(error).__name__}")
                turn += 1
                if turn % len(self._settings.addresses):
                    continue
            else:
                await self._stood(kind, link, where)
                if time.monotonic() - began >= pause:
                    pause = FIRST_PAUSE
                    continue  # the same one first
            await asyncio.sleep(pause * (0.75 + self._random.random() / 2))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _stood(self, kind: Command, link: Link, where: str) -> None:
        """Use a bind until it is gone."""
        self.binds[kind] = link
        self.since = self._wall()
        self._told_last = ""
        self._told(f"{where}: bound", False)
        self._ready()
        await link.gone.wait()
        self.binds[kind] = None
        self.since = self._wall()
        self._trouble(f"{where}: {link.reason}")

    def _trouble(self, words: str) -> None:
        """Note what is wrong, and tell it unless the attempt before failed in the same way."""
        new = words != self._told_last
        self._told_last = words
        self.last_error, self.last_error_at = words, self._wall()
        if new:
            self._told(words, True)

    async def _bound(self, kind: Command, host: str, port: int) -> Link:
        settings = self._settings
        loop = asyncio.get_running_loop()
        name = None if settings.tls is None else settings.server_name or host
        async with asyncio.timeout(CONNECT_SECONDS):
            _, link = await loop.create_connection(
                lambda: Link(self, response=settings.response, enquire_link=settings.enquire_link),
                host,
                port,
                ssl=settings.tls,
                server_hostname=name,
            )
        try:
            bind = Bind(settings.system_id, settings.password, settings.system_type)
            try:
                answer = await link.ask(Pdu(kind, 0, 0, bind))
            except LinkLostError as error:
                hint = "; perhaps it wants another certificate of ours" if settings.tls else ""
                raise LinkLostError(f"the bind was not answered: {error}{hint}") from None
            if answer.status != Status.ROK:
                raise LinkLostError(  # noqa: TRY301 - one way out
                    f"the bind was refused: smpp status 0x{answer.status:02x}"
                )
        except BaseException:  # also a cancellation
            link.abort("not bound")
            raise
        return link

    # --- what the SMSC asks (scp.messages.smpp.link.LinkUser) ---

    def request(self, link: Link, pdu: Pdu) -> None:
        """Take a deliver_sm."""
        if pdu.command != Command.DELIVER_SM or not isinstance(pdu.body, Text) or self._user is None:
            self.discarded("unexpected-command")
            if pdu.command not in WITHOUT_RESPONSE:
                link.respond(pdu, Status.RINVBNDSTS)
            return
        if len(self._answering) >= MOST_DELIVERIES:
            self.discarded("too-many")
            link.respond(pdu, Status.RX_T_APPN, Name())
            return
        task = asyncio.create_task(self._deliver(link, pdu, pdu.body))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def closed(self, link: Link, reason: str) -> None:
        """Nothing: `_stood` waits for it."""

    def discarded(self, reason: str) -> None:
        """Count it."""
        if self._discard is not None:
            self._discard("smpp", reason)

    async def _deliver(self, link: Link, pdu: Pdu, text: Text) -> None:
        assert self._user is not None
        status = Status.ROK
        try:
            if not is_receipt(pdu, text):
                await self._user.received(self._piece(pdu, text))
            elif (receipt := receipt_of(pdu, text, self._settings.receipt_ids)) is not None:
                await self._user.receipt(receipt)
        except DecodeError as error:
            self.discarded("unreadable")
            self._told(f"a deliver_sm can't be read: {error}", True)
            status = Status.RX_P_APPN
        except StoreError:
            status = Status.RX_T_APPN
        link.respond(pdu, status, Name())

    def _piece(self, pdu: Pdu, text: Text) -> Piece:
        return piece_of(pdu, text, self._default, f"in-{self._random.getrandbits(80):020x}", self._wall())


def piece_of(pdu: Pdu, text: Text, default: Coding, name: str, at_ms: int) -> Piece:
    """Return the message, or the part of one, that a deliver_sm brings.

    Args:
        pdu: for its optional parameters.
        text: its fields.
        default: what data_coding 0 means.
        name: the id of what came.
        at_ms: when it came.

    Raises:
        DecodeError: its header or its text can't be read.
    """
    found = incoming_of(pdu, text, default)
    whole = Received(id=name, sender=found.sender, recipient=found.recipient, text=found.text, at_ms=at_ms)
    if found.part is None:
        return Piece(whole)
    coding = coding_words(found.coding, found.languages)
    return Piece(replace(whole, coding=coding, data=found.octets), *found.part)


def absolute_time(at_ms: int) -> str:
    """Return a time as SMPP has it (§7.1.1.1), in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%y%m%d%H%M%S") + "000+"
