"""Text messages between devices and the rest of the world: SIP MESSAGE on one side, SMPP on the other.

A message to a number of ours waits, in the store, for each device of its identities, until that device has
taken it: at once where it is registered, else when it registers. Before it is sent the store says that it is,
so that of several brains one sends it, and none that was started again sends it once more. What a device
sends goes to devices, or by the SMSC where the number is nobody's here; what became of it is reported to a
device that has asked for it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from scp.common.tasks import end_tasks
from scp.domain.message import FINAL, State
from scp.ports import StoreError as MessageStoreError
from scp.telemetry.logs import get_logger
from scp.voip.cpim import CPIM, PLAIN, delivery_report, text_of
from scp.voip.decision import aor, e164, is_barred
from scp.voip.directory import DeviceState
from scp.voip.messages import Deliver, Delivered, Kept, MessageAsked, Taken, number_in, plain
from scp.voip.records import Cursor, Inbound, Sent
from scp.voip.store import StoreError
from scp.voip.texts import TooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scp.voip.brain import Brain
    from scp.voip.evapi import Evapi
    from scp.voip.rows import Row
    from scp.voip.store import AnyRecord, Store
    from scp.voip.texts import Texts

POLL_SECONDS: Final = 1.0
PAGE: Final = 100
UNDER_WAY_MS: Final = 40_000
"""After which a MESSAGE that nothing was heard of is taken for lost (RFC 3261 §17.1.2.2: 32 s)."""
OVER_MS: Final = 120_000
"""How long a message that all devices have is known: one that a device sends again is not taken again."""
TRIES: Final = 5
"""How often a change is tried that another brain's change comes before."""
_CURSOR: Final = "messages"
_FOR_GOOD: Final = frozenset({405, 406, 413, 415, 416, 488, 493, 501, 505, 513})
"""What a device can't take now, it can't take later either; so is every 6xx."""

_event: Final = msgspec.json.Decoder(dict[str, Any]).decode


@final
class Inbox:
    """See the module.

    Args:
        brain: has the directory, and the links to Kamailio.
        store: where what waits is kept.
        texts: SMPP; None: devices reach each other alone.
        wall: milliseconds since 1970-01-01 UTC.

    Attributes:
        told: called with what happens to messages, for those who follow: what, about whom, its particulars.
    """

    def __init__(
        self,
        brain: Brain,
        store: Store,
        texts: Texts | None,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._brain = brain
        self._store = store
        self._texts = texts
        self._wall = wall
        self._log = get_logger(voip=brain.config.voip.name)
        self.faults: list[str] = []
        self._waiting: dict[str, Inbound] = {}
        self._of: dict[str, dict[str, None]] = {}  # ids by MSISDN, in their order
        self._over: dict[str, int] = {}  # ids that all devices have: since when that is known
        self.read()
        self._sent = {one.id: one for one in store.read(Sent, self.faults)}
        cursors = {one.name: one.seq for one in store.read(Cursor, self.faults)}
        # each brain has messages by SMPP of its own
        self._cursor = f"{_CURSOR}@{brain.config.voip.name}" if store.shared else _CURSOR
        self._seq = cursors.get(self._cursor, 0)
        self._again: set[tuple[str, str]] = set()
        self._absent: dict[tuple[str, str], set[str]] = {}  # where a device is not registered
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._follower: asyncio.Task[None] | None = None
        self.told: Callable[[str, tuple[str, ...], dict[str, Any]], None] = lambda _what, _about, _of: None

    def start(self) -> None:
        """Begin to follow what comes by SMPP, and to forget what nobody takes."""
        self._follower = asyncio.create_task(self._follow(self._texts))

    async def stop(self) -> None:
        """Follow no more; what waits is kept."""
        await end_tasks(self._follower, *self._tasks)

    def read(self) -> None:
        """Read what waits anew: other brains may have written it. Blocks; raises `StoreError`."""
        found = sorted(self._store.read(Inbound, self.faults), key=lambda each: each.at_ms)
        self._waiting.clear()
        self._of.clear()
        for one in found:
            self._wait(one)

    def changed(self, row: Row) -> None:
        """Hear of a record that another brain has written, or this one; raises `msgspec.DecodeError`."""
        if row.kind != "inbound":
            return
        one = None if row.body is None else msgspec.json.decode(row.body, type=Inbound)
        self._as_it_is(row.id, one)

    def _as_it_is(self, name: str, one: Inbound | None) -> None:
        """Have what is in memory as the store is."""
        before = self._waiting.get(name)
        if one is not None and one.devices:
            self._wait(one)
        elif before is not None:
            self._forget(before)
        if one is None:
            self._over.pop(name, None)
        elif not one.devices:
            self._over.setdefault(name, self._wall())

    @property
    def waiting(self) -> int:
        """How many messages wait for a device."""
        return len(self._waiting)

    def of(self, msisdn: str) -> list[Inbound]:
        """Return what waits for devices of an identity, oldest first."""
        return [self._waiting[each] for each in self._of.get(msisdn, ())]

    def _wait(self, one: Inbound) -> None:
        if not one.devices:
            self._over.setdefault(one.id, self._wall())
            return
        self._waiting[one.id] = one
        self._of.setdefault(one.msisdn, {})[one.id] = None

    def _forget(self, one: Inbound) -> None:
        self._waiting.pop(one.id, None)
        ids = self._of.get(one.msisdn, {})
        ids.pop(one.id, None)
        if not ids:
            self._of.pop(one.msisdn, None)

    # --- from the SMSC ---

    async def _follow(self, texts: Texts | None) -> None:
        while True:
            if texts is None:
                await self._expire()
                await asyncio.sleep(POLL_SECONDS)
                continue
            try:
                while await self._page(texts):
                    pass
            except (StoreError, MessageStoreError) as error:
                self._log.warning("messages are not followed", what=str(error))
            await self._expire()
            texts.arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await texts.arrived.wait()

    async def _expire(self) -> None:
        """Forget what no device has taken for as long as messages are kept."""
        messages = self._brain.config.messages
        days = 7 if messages is None else messages.kept_days
        before = self._wall() - days * 86_400_000
        for one in [each for each in self._waiting.values() if each.at_ms < before]:
            self._forget(one)
            self._log.info("message not delivered", message=one.id, number=one.msisdn)
            with contextlib.suppress(StoreError):
                await self._keep((), remove=(one,))
        for name in [each for each, since in self._over.items() if since < self._wall() - OVER_MS]:
            del self._over[name]
            with contextlib.suppress(StoreError):
                await self._keep((), remove=(Inbound(name, "", "", "", 0, ()),))
        for sent in [each for each in self._sent.values() if each.at_ms < before - 86_400_000]:
            del self._sent[sent.id]  # nobody knows any more what became of it
            with contextlib.suppress(StoreError):
                await self._keep((), remove=(sent,))

    async def _page(self, texts: Texts) -> bool:
        """Take what has happened since; return whether there may be more."""
        found = await texts.queue.store.events(self._seq, PAGE)
        for event in found:
            said = _event(event.json)
            cursor = Cursor(self._cursor, event.seq)
            if said["state"] == "received":
                await self.deliver(
                    said["recipient"], said["sender"], said["text"], said["id"], said["at_ms"], (cursor,)
                )
            else:
                await self._went(said, cursor)
            self._seq = event.seq
        return len(found) == PAGE

    async def _went(self, said: dict[str, Any], cursor: Cursor) -> None:
        """Report to a device what became of a message that it sent."""
        sent = self._sent.get(said["id"])
        over = State(said["state"]) in FINAL
        if sent is None:
            if over:
                await self._keep((cursor,))
            return
        particulars = {"id": sent.id, "msisdn": sent.msisdn, "to": sent.to, "state": said["state"]}
        self.told("message-state", (sent.msisdn,), {**particulars, "reason": said.get("reason", "")})
        if not over:
            return
        if sent.imdn and said["state"] in {State.DELIVERED, State.FAILED, State.EXPIRED}:
            self._report(sent, delivered=said["state"] == State.DELIVERED)
        await self._keep((cursor,), remove=(sent,))
        self._sent.pop(sent.id, None)

    def _report(self, sent: Sent, *, delivered: bool) -> None:
        """Send a device its report; one that has gone meanwhile gets none."""
        domain = self._brain.config.voip.domain
        own, other = aor(sent.msisdn, domain), aor(sent.to, domain)
        at = datetime.fromtimestamp(sent.at_ms / 1000, UTC).isoformat(timespec="seconds")
        body = delivery_report(sent.imdn, other, own, at.replace("+00:00", "Z"), delivered=delivered)
        self._brain.say(Deliver(f"{sent.id}-report", own, sent.device, other, CPIM, body))

    async def deliver(
        self,
        number: str,
        sender: str,
        text: str,
        name: str,
        at_ms: int,
        also: Iterable[AnyRecord] = (),
    ) -> int:
        """Have a message delivered to the devices of a number; it is on the disk when this returns.

        Args:
            number: E.164 digits.
            sender: E.164 digits, or a name.
            text: what it says.
            name: its id.
            at_ms: when it came.
            also: records to keep with it.

        Returns:
            How many devices it is for.
        """
        directory = self._brain.directory
        made = []
        for identity in directory.called(number):
            devices = tuple(
                one.id for one in directory.devices_of(identity.msisdn) if one.state is DeviceState.ACTIVE
            )
            if devices:
                made.append(
                    Inbound(f"{name}.{identity.msisdn}", identity.msisdn, sender, text, at_ms, devices)
                )
        if not made:
            self._log.info("message for nobody", number=number, message=name)
        if not await asyncio.to_thread(self._store.change, (*made, *also), (), (), made):
            await self._keep(also)  # it was taken before, perhaps by another brain
            return sum(len(one.devices) for one in made)
        for one in made:
            self._wait(one)
            self._log.info("message", message=one.id, number=one.msisdn, devices=len(one.devices))
            self.told(
                "message",
                (one.msisdn,),
                {"id": one.id, "msisdn": one.msisdn, "sender": sender, "text": text, "at_ms": at_ms},
            )
            if directory.bindings(one.msisdn):
                self._send(one.id, *one.devices)
        return sum(len(one.devices) for one in made)

    # --- to and from devices ---

    def registered(self, msisdn: str, device: str) -> None:
        """Hear that a device has registered: it gets what waits for it."""
        for one in self.of(msisdn):
            if device in one.devices:
                self._send(one.id, device)

    def _send(self, name: str, *devices: str) -> None:
        task = asyncio.ensure_future(self._sent_once(name, devices))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent_once(self, name: str, devices: Sequence[str]) -> None:
        """Send a message to those of devices that it is not being sent to already, by whichever brain.

        A device that nothing was heard of in time may have it: it gets the message once more, or not, as
        ``[messages] in_doubt`` says for the SMSC too.
        """
        if not self._brain.kamailios:
            return
        messages = self._brain.config.messages
        repeats = messages is not None and messages.in_doubt == "repeat"
        wanted: list[str] = []
        doubtful: list[str] = []

        def claimed(one: Inbound) -> Inbound | None:
            now = self._wall()
            going = {each: until for each, until in one.under_way if until > now}
            silent = {each for each, until in one.under_way if until <= now and not repeats}
            asked = [each for each in devices if each in one.devices and each not in going]
            wanted[:] = [each for each in asked if each not in silent]
            doubtful[:] = [each for each in asked if each in silent]
            # where it is on its way: perhaps to where the device is no more
            self._again.update((name, each) for each in devices if each in going)
            under_way = (*going.items(), *((each, now + UNDER_WAY_MS) for each in wanted))
            left = tuple(each for each in one.devices if each not in doubtful)
            return replace(one, devices=left, under_way=under_way) if asked else None

        try:
            one = await self._changed(name, claimed)
        except StoreError as error:
            self._log.warning("a message is not sent yet", message=name, what=str(error))
            return
        if one is None:
            return
        for each in doubtful:
            self._log.warning("a device may have a message or not", message=name, device=each)
            self._brain.metrics.message_answered("unknown")
            self.told("message-unknown", (one.msisdn,), {"id": name, "msisdn": one.msisdn, "device": each})
        domain = self._brain.config.voip.domain
        sender = (
            f"sip:+{one.sender}@{domain}" if one.sender.isdigit() else f"sip:{quote(one.sender)}@{domain}"
        )
        for each in wanted:
            self._absent.pop((name, each), None)
            self._brain.say(Deliver(one.id, aor(one.msisdn, domain), each, sender, PLAIN, one.text))

    async def _changed(self, name: str, change: Callable[[Inbound], Inbound | None]) -> Inbound | None:
        """Change a message that waits, in the store; return what it is now.

        None: it does not wait any more, or there is nothing to change.
        """
        async with self._writing:
            for _ in range(TRIES):
                one = self._waiting.get(name)
                after = None if one is None else change(one)
                if one is None or after is None:
                    return None
                if await asyncio.to_thread(self._store.change, (after,), (), (one,)):
                    self._as_it_is(name, after)
                    return after
                self._as_it_is(name, await asyncio.to_thread(self._store.get, Inbound, name))
        raise StoreError("other brains change it all the time")

    async def delivered(self, link: Evapi, done: Delivered) -> None:
        """Hear what a device has answered, and say that the store has it."""
        to = (done.id, done.device)
        if not done.call:
            absent = self._absent.setdefault(to, set())
            absent.add(link.address)
            if not self._brain.kamailios <= absent:
                return  # it may be registered at another Kamailio
        self._absent.pop(to, None)
        again = to in self._again
        self._again.discard(to)
        if done.by not in (-1, link.number):
            return
        over = 200 <= done.code < 300 or done.code in _FOR_GOOD or done.code >= 600

        def answered(one: Inbound) -> Inbound | None:
            if done.device not in one.devices:
                return None
            devices = tuple(each for each in one.devices if not over or each != done.device)
            under_way = tuple(each for each in one.under_way if each[0] != done.device)
            return replace(one, devices=devices, under_way=under_way)

        try:
            one = await self._changed(done.id, answered)
        except StoreError as error:
            self._log.warning("a device's answer is not kept yet", message=done.id, what=str(error))
            return  # Kamailio says it again
        if done.call:
            self._brain.say(Kept((done.call,)))
        if one is None:
            return
        what = {"id": one.id, "msisdn": one.msisdn, "device": done.device, "code": done.code}
        self._log.info("message answered", message=one.id, device=done.device, code=done.code)
        self._brain.metrics.message_answered("taken" if done.code < 300 else "refused" if over else "later")
        if over:
            self.told("message-delivered" if done.code < 300 else "message-refused", (one.msisdn,), what)
        elif again:
            self._send(one.id, done.device)  # else it is tried again when the device registers

    async def asked(self, link: Evapi, asked: MessageAsked) -> None:
        """Take a message of a device: accepted where it is on the disk."""
        try:
            code, words = await self._take(asked)
        except (StoreError, MessageStoreError) as error:
            self._log.warning("a device's message is not taken", what=str(error))
            code, words = 503, "Service Unavailable"
        self._log.info("device's message", device=plain(asked.device), to=plain(asked.to), code=code)
        link.say(Taken(asked.ti, asked.tl, code, words))

    async def _take(self, asked: MessageAsked) -> tuple[int, str]:
        own = plain(asked.from_).removeprefix("+")
        try:
            body = text_of(plain(asked.type), base64.b64decode(asked.body))
        except ValueError as error:  # `Unreadable`, or no base64
            self._log.info("a device's message can't be read", device=plain(asked.device), what=str(error))
            return 415, "Unsupported Media Type"
        digest = hashlib.blake2b(f"{asked.call_id}\0{asked.cseq}\0{asked.device}".encode(), digest_size=10)
        _, code, words = await self.send(
            own, plain(asked.device), number_in(plain(asked.to)), body.text, digest.hexdigest(), body.imdn
        )
        return code, words

    async def send(
        self, own: str, device: str, to: str, text: str, name: str = "", imdn: str = ""
    ) -> tuple[str, int, str]:
        """Send a text from an identity; return its id, and a SIP status with its words.

        Args:
            own: the identity's MSISDN.
            device: that sends it, and gets a report.
            to: as dialled, or an alias.
            text: what it says.
            name: its id, to tell a repeated one; "": a new one.
            imdn: the device's own id of it, if a report is wanted.
        """
        directory, numbering = self._brain.directory, self._brain.config.numbering
        identity = directory.identity(own)
        message_id, now = f"sip-{name or secrets.token_hex(10)}", self._wall()
        if identity is None:
            return message_id, 403, "Forbidden"
        alias = directory.by_alias(to)
        number = alias.msisdn if alias is not None else e164(to, numbering)
        if not number:
            return message_id, 484, "Address Incomplete"
        if is_barred(identity, number, self._brain.config.rules):
            return message_id, 403, "Barred"
        if any(True for one in directory.called(number) for _ in directory.devices_of(one.msisdn)):
            await self.deliver(number, own, text, message_id, now)
            return message_id, 202, "Accepted"
        if self._texts is None:
            return message_id, 404, "Not Found"
        sent = Sent(message_id, own, device, number, imdn, now)
        await self._keep((sent,))
        self._sent[sent.id] = sent
        try:
            await self._texts.send(message_id, own, number, text)
        except TooLongError:
            return message_id, 513, "Message Too Large"
        return message_id, 202, "Accepted"

    # --- the disk ---

    async def _keep(self, put: Iterable[AnyRecord], remove: Iterable[AnyRecord] = ()) -> None:
        await asyncio.to_thread(self._store.change, put, remove)
