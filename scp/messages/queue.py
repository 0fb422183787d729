"""The queue of text messages: accepted once, handed to the carrier at most once, followed to the end.

What was accepted is in the store, and so is every step before it is taken: a message is marked as being sent,
then handed over, then what came of it is written. A node that starts finds what it was sending when it ended,
and treats it as in doubt (`scp.domain.message`). Several nodes may share a store: a step that another has
taken meanwhile is not taken (compare and set).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from functools import partial
from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp.common.tasks import end_tasks
from scp.domain.message import (
    Message,
    Part,
    State,
    doubted,
    event_of,
    expired,
    pause_ms,
    receipted,
    retried,
    sending,
    unreceipted,
    with_parts,
)
from scp.message_ports import Taken
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.message_ports import MessageStore, MessageTelemetry, Piece, Receipt, Submission, TextMessages

POLL_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 60.0
BUSY_MS: Final = 1000
AT_ONCE: Final = 500
RECEIPT_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after which a receipt is looked for again that came before its message's reference was written."""
AT_A_LOOK: Final = 20
"""Receipts whose messages are looked for at once."""
MOST_SOUGHT: Final = 100
"""Receipts that are looked for again at once: then the carrier is to bring its receipts later."""

_AFTER: Final = {Taken.SENT: State.SENT, Taken.DELIVERED: State.DELIVERED, Taken.REFUSED: State.FAILED}


@final
class MessageQueue:
    """See the module.

    Args:
        store: where messages are.
        carrier: sends them.
        node: this node's name.
        retention_ms: how long what is over is known.
        repeat: send again what is in doubt; by default it is reported.
        failed: told in words when the store begins to fail, and "" when it works again.
        telemetry: counts.
        wall: milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        store: MessageStore,
        carrier: TextMessages,
        *,
        node: str,
        retention_ms: int,
        repeat: bool,
        failed: Callable[[str], None],
        telemetry: MessageTelemetry,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.store = store
        self.carrier = carrier
        self.wall = wall
        self.fault = ""
        self._node = node
        self._retention_ms = retention_ms
        self._repeat = repeat
        self._failed = failed
        self._telemetry = telemetry
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._recovered = False
        self._sought = 0
        self._looking = asyncio.Semaphore(AT_A_LOOK)
        self._forget_at = self._survey_at = 0.0
        self.open = 0
        self.oldest_due_ms = 0

    async def start(self) -> None:
        """Open the store, and begin to send; raises `StoreError` for what will not mend by itself."""
        try:
            await self.store.open()
        except StoreError as error:
            if error.kind not in {"unreachable", "unavailable"}:
                raise
        await self.carrier.start(self)
        self._pump = asyncio.create_task(self._send_for_ever())

    async def stop(self) -> None:
        """Take on nothing more, let what is being sent be answered, close."""
        await end_tasks(self._pump)
        self._pump = None
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        await self.carrier.close()
        await self.store.close()

    @property
    def waiting_seconds(self) -> float:
        """For how long, at the most, a message has been due; 0 if none is."""
        due = self.oldest_due_ms
        return max(0.0, (self.wall() - due) / 1000) if due else 0.0

    # --- taking messages ---

    async def accept(self, message: Message) -> tuple[Message, bool]:
        """Keep a message and return it and True, or the one that has its id already; raises `StoreError`."""
        kept, new = await self.store.add(message, event_of(message))
        if new:
            self._telemetry.message(message.state.value)
            self._wake.set()
        return kept, new

    def new(  # noqa: D417 - the rest is what it says
        self,
        message_id: str,
        sender: str,
        recipient: str,
        text: str,
        validity_ms: int,
        *,
        receipt: bool,
        fingerprint: str,
    ) -> Message:
        """Return a new message for `accept`.

        Args:
            validity_ms: how long it may take to be delivered.
            fingerprint: of the request, to tell a repeated one from another one with its id.
        """
        now = self.wall()
        digest = hashlib.blake2b(message_id.encode(), digest_size=2).digest()
        return Message(
            id=message_id,
            sender=sender,
            recipient=recipient,
            text=text,
            created_ms=now,
            expires_ms=now + validity_ms,
            parts=(Part(),) * self.carrier.parts(text),
            receipt=receipt,
            reference=int.from_bytes(digest, "big"),
            due_ms=now,
            changed_ms=now,
            fingerprint=fingerprint,
        )

    # --- scp.ports.TextMessagesUser ---

    def ready(self) -> None:
        """The carrier can be asked."""
        self._wake.set()

    async def hasten(self, recipient: str) -> None:
        """Try messages to a recipient that wait for their next attempt now.

        Whichever node was told of the refusal. One that is being sent here may be refused a moment later: it
        is looked at then.
        """
        theirs = [task for task in self._busy.values() if task.get_name() == recipient]
        if theirs:
            await asyncio.wait(theirs)
        try:
            now = self.wall()
            for message in await self.store.waiting(recipient, AT_ONCE):
                if message.due_ms > now:
                    await self.store.put(replace(message, due_ms=now), None)
        except StoreError as error:
            self._report(str(error))
        self._wake.set()

    async def received(self, piece: Piece) -> None:
        """Keep a message that came in; raises `StoreError`."""
        if await self.store.receive(piece) is not None:
            self._telemetry.message("received")

    async def receipt(self, receipt: Receipt) -> None:
        """Settle the part that a receipt is of; raises `StoreError`, also if it is to come again later.

        A receipt may overtake the response that says which part it is of: while messages are being sent here,
        or by another node, it is looked for again.
        """
        async with self._looking:
            if self._sought >= MOST_SOUGHT:
                raise StoreError("many receipts of unknown messages are looked for", "unavailable")
            if await self._receipted(receipt):
                return
        self._sought += 1
        try:
            for pause in RECEIPT_PAUSES:
                await asyncio.sleep(pause)
                if await self._receipted(receipt):
                    return
        finally:
            self._sought -= 1
        self._telemetry.unmatched_receipt()

    async def _receipted(self, receipt: Receipt) -> bool:
        """Settle the part that a receipt is of, if it is known."""
        message = await self.store.find(receipt.reference, receipt.recipient, receipt.own_reference)
        if message is not None and await self._settled(message, receipt, receipt.reference):
            return True
        for reference in receipt.spellings:
            message = await self.store.find(reference, receipt.recipient, -1)
            if (
                message is not None
                and message.recipient == receipt.recipient
                and await self._settled(message, receipt, reference)
            ):
                return True
        return False

    async def _settled(self, message: Message, receipt: Receipt, reference: str) -> bool:
        """Write what a receipt says, into what others have made of the message meanwhile."""
        current: Message | None = message
        while current is not None:
            after = receipted(current, reference, receipt.state, self.wall(), receipt.reason)
            if after is current or await self._put(current, after):
                return True
            current = await self.store.get(message.id)
        return False

    # --- sending ---

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                more = await self._round()
            except StoreError as error:
                more = False
                self._report(str(error))
            else:
                self._report("")
            if not more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()

    async def _round(self) -> bool:
        """Begin what is due; return whether more may be."""
        now = self.wall()
        if not self._recovered:
            for message in await self.store.sending(self._node):
                await self._put(message, doubted(message, now, repeat=self._repeat, reason="node-restarted"))
            self._recovered = True
        await self._look_after(now)
        return not self.carrier.usable() and await self._begin(now)

    async def _look_after(self, now: int) -> None:
        """What is done once a second, whether the carrier can be asked or not; and once a minute."""
        steady = time.monotonic()
        if steady >= self._survey_at:
            self._survey_at = steady + POLL_SECONDS
            self.open, self.oldest_due_ms = await self.store.open_messages()
            for message in await self.store.expired(now, AT_ONCE):
                if message.state is State.QUEUED and message.id not in self._busy:
                    await self._put(message, expired(message, now))
        if steady >= self._forget_at:
            self._forget_at = steady + FORGET_SECONDS
            while await self.store.forget(now - self._retention_ms, AT_ONCE):
                pass

    async def _begin(self, now: int) -> bool:
        """Hand over what is due, as much as the carrier takes at once."""
        free = self.carrier.window - len(self._busy)
        if free <= 0:
            await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
            return True
        due = [
            each for each in await self.store.due(now, free + len(self._busy)) if each.id not in self._busy
        ]
        for message in due[:free]:
            task = asyncio.create_task(self._step(message), name=message.recipient)
            self._busy[message.id] = task
            task.add_done_callback(partial(self._over, message.id))
        return len(due) >= free

    def _over(self, message_id: str, _: asyncio.Task[None]) -> None:
        self._busy.pop(message_id, None)
        self._wake.set()

    async def _step(self, message: Message) -> None:
        """Do what is due about a message."""
        try:
            now = self.wall()
            if message.state is State.QUEUED:
                await self._send(message, now)
            elif message.state is State.SENDING:
                await self._put(message, doubted(message, now, repeat=self._repeat, reason="node-lost"))
            else:
                await self._put(message, unreceipted(message, now))
        except StoreError as error:
            self._report(str(error))

    async def _send(self, message: Message, now: int) -> None:
        marked = await self.store.put(sending(message, self._node, now), None)
        if marked is None:
            return  # another node has it, or a receipt came
        numbers = [n for n, part in enumerate(marked.parts) if part.state is State.SENDING]
        results = await asyncio.gather(*(self.carrier.submit(marked, number) for number in numbers))
        for result in results:
            self._telemetry.submission(result.taken.value)
        await self._write_results(marked, dict(zip(numbers, results, strict=True)))

    async def _write_results(self, marked: Message, results: dict[int, Submission]) -> None:
        """Write what came of it; where a receipt was faster, into what that has made of the message.

        While the store fails it is tried again: the answer is known here only.
        """
        current: Message | None = marked
        while current is not None:
            after = after_submission(current, results, self.wall(), repeat=self._repeat)
            try:
                if after is current or await self._put(current, after):
                    return
                current = await self.store.get(marked.id)
            except StoreError as error:
                self._report(str(error))
                await asyncio.sleep(POLL_SECONDS)

    async def _put(self, before: Message, after: Message) -> bool:
        """Write a step; False if the record has changed meanwhile."""
        changed = before.state is not after.state and after.state is not State.SENDING
        done = await self.store.put(after, event_of(after) if changed else None)
        if done is not None and changed:
            self._telemetry.message(after.state.value)
        return done is not None

    def _report(self, fault: str) -> None:
        if bool(fault) != bool(self.fault):
            self._failed(fault)
        self.fault = fault


def after_submission(message: Message, results: dict[int, Submission], now: int, *, repeat: bool) -> Message:
    """Return a message after parts of it were handed over, with these results by the parts' numbers.

    A part that is not `SENDING` any more has been settled by its receipt, and stays as that says.
    """
    parts = list(message.parts)
    for number, result in results.items():
        if parts[number].state is State.SENDING:
            parts[number] = _part_after(parts[number], result, receipt=message.receipt, repeat=repeat)
    if tuple(parts) == message.parts:
        return message
    doubt = any(part.state is State.UNKNOWN for part in parts)
    reason = next((each.reason for each in results.values() if each.reason), message.reason if doubt else "")
    after = with_parts(message, tuple(parts), now, reason=reason)
    if after.state is not State.QUEUED:
        return after
    asked = any(result.taken in {Taken.LATER, Taken.DOUBT} for result in results.values())
    if asked:
        return retried(after, now, pause_ms(after.attempts), reason)
    waits = BUSY_MS if any(result.taken is Taken.BUSY for result in results.values()) else 0
    return replace(retried(after, now, waits, reason), attempts=after.attempts - 1)


def _part_after(part: Part, result: Submission, *, receipt: bool, repeat: bool) -> Part:
    if result.taken is Taken.SENT and not receipt:
        return Part(State.ACCEPTED, result.reference)
    if result.taken is Taken.DOUBT:
        return replace(part, state=State.QUEUED if repeat else State.UNKNOWN)
    return Part(_AFTER.get(result.taken, State.QUEUED), result.reference)
