"""The contract that every store of text messages passes: subclass `MessageContract` beside a `new_store` fixture.

``new_store()`` returns a store, not yet opened, on data that is the same for all calls within one test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from scp.domain.message import (
    Message,
    Part,
    Received,
    State,
    event_of,
    expired,
    receipted,
    retried,
    sending,
    with_parts,
)
from scp.message_ports import MessageStore, Piece

NOW = 1_700_000_000_000
NewStore = Callable[[], MessageStore]


def message(name: str = "m1", *, due_ms: int = NOW, **fields: Any) -> Message:
    defaults: dict[str, Any] = {"sender": "Example", "recipient": "46701234567", "text": "Hello"}
    defaults |= {"created_ms": NOW, "expires_ms": NOW + 60_000, "parts": (Part(),), "reference": 7}
    return Message(id=name, due_ms=due_ms, changed_ms=NOW, **{**defaults, **fields})


async def added(store: MessageStore, one: Message) -> Message:
    kept, new = await store.add(one, event_of(one))
    assert new
    return kept


def sent(one: Message, reference: str) -> Message:
    """The message after all of its parts were taken, with ``reference`` and their numbers."""
    parts = tuple(Part(State.SENT, f"{reference}{n}") for n in range(len(one.parts)))
    return with_parts(one, parts, NOW + 5)


def piece(number: int, text: str, total: int = 2, **fields: Any) -> Piece:
    whole = Received(id=f"in-{number}", sender="46709", recipient="46701", text=text, at_ms=NOW + number)
    return Piece(whole, fields.get("reference", 9), total, number)


class MessageContract:
    durable = True

    def run(self, new_store: NewStore, body: Callable[[MessageStore], Awaitable[None]]) -> None:
        async def main() -> None:
            store = new_store()
            await store.open()
            try:
                await body(store)
            finally:
                await store.close()

        asyncio.run(main())

    def test_a_message_is_kept_once_by_its_id(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            first = await added(store, message(text="Räksmörgås 😀", parts=(Part(), Part())))
            assert first.version == 1
            again, new = await store.add(message(text="another"), event_of(message()))
            assert (again, new) == (first, False)
            assert await store.get("m1") == first
            assert await store.get("m2") is None
            assert len(await store.events(0, 9)) == 1

        self.run(new_store, body)

    def test_it_outlives_the_process(self, new_store: NewStore) -> None:
        if not self.durable:
            return

        async def first(store: MessageStore) -> None:
            await added(store, message())

        async def second(store: MessageStore) -> None:
            assert await store.get("m1") is not None
            assert [each.id for each in await store.due(NOW, 9)] == ["m1"]

        self.run(new_store, first)
        self.run(new_store, second)

    def test_a_step_that_another_took_is_not_taken(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            one = await added(store, message())
            marked = sending(one, "scp-1", NOW)
            steps = (store.put(marked, event_of(marked)) for _ in range(5))
            done = [each for each in await asyncio.gather(*steps) if each is not None]
            assert len(done) == 1
            assert done[0] == replace(marked, version=2)
            assert await store.put(marked, event_of(marked)) is None
            assert len(await store.events(0, 9)) == 2
            assert await store.put(replace(marked, id="m9"), None) is None  # there is none

        self.run(new_store, body)

    def test_what_is_due_comes_in_its_order(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            for name, due in (("late", 30), ("soon", 10), ("then", 20)):
                await added(store, message(name, due_ms=NOW + due))
            assert await store.due(NOW, 9) == []
            assert [each.id for each in await store.due(NOW + 20, 9)] == ["soon", "then"]
            assert [each.id for each in await store.due(NOW + 30, 2)] == ["soon", "then"]
            assert await store.open_messages() == (3, NOW + 10)
            over = await store.put(
                with_parts((await store.due(NOW + 10, 1))[0], (Part(State.FAILED),), NOW), None
            )
            assert over is not None
            assert over.due_ms == 0
            assert await store.open_messages() == (2, NOW + 20)
            assert [each.id for each in await store.due(NOW + 30, 9)] == ["then", "late"]

        self.run(new_store, body)

    def test_what_expires_is_found_unless_it_was_sent(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            waiting = await added(store, message("waiting", due_ms=NOW + 90_000))
            gone = await store.put(sent(await added(store, message("gone")), "r"), None)
            assert gone is not None
            assert await store.expired(NOW + 59_999, 9) == []
            assert [each.id for each in await store.expired(NOW + 60_000, 9)] == ["waiting"]
            await store.put(expired(waiting, NOW + 60_000), None)
            assert await store.expired(NOW + 60_000, 9) == []

        self.run(new_store, body)

    def test_what_waits_for_a_recipient_is_found(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            waiting = await added(store, message("waiting", due_ms=NOW + 90_000))
            await added(store, message("other", recipient="46701234568"))
            sends = await store.put(sending(await added(store, message("sends")), "scp-1", NOW), None)
            assert sends is not None
            assert [each.id for each in await store.waiting("46701234567", 9)] == ["waiting"]
            await store.put(retried(with_parts(sends, (Part(),), NOW), NOW, 15_000, "away"), None)
            assert sorted(each.id for each in await store.waiting("46701234567", 9)) == ["sends", "waiting"]
            assert len(await store.waiting("46701234567", 1)) == 1
            await store.put(expired(waiting, NOW + 60_000), None)
            assert [each.id for each in await store.waiting("46701234567", 9)] == ["sends"]
            assert await store.waiting("4670", 9) == []

        self.run(new_store, body)

    def test_what_a_node_was_sending_is_found_by_its_name(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            for node in ("scp-1", "scp-1", "scp-2"):
                one = await added(store, message(f"{node}-{id(object())}-{len(await store.events(0, 9))}"))
                assert await store.put(sending(one, node, NOW), None) is not None
            found = await store.sending("scp-1")
            assert len(found) == 2
            await store.put(sent(found[0], "r"), None)
            assert [each.id for each in await store.sending("scp-1")] == [found[1].id]
            assert len(await store.sending("scp-2")) == 1
            assert await store.sending("scp-3") == []

        self.run(new_store, body)

    def test_a_receipt_finds_its_message(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            one = await added(store, message(parts=(Part(), Part())))
            other = await added(store, message("m2", recipient="46702", created_ms=NOW + 1))
            by_own = await store.find("unknown", "46701234567", 7)
            assert by_own is not None
            assert by_own.id == "m1"
            assert await store.find("", "46701234567", 8) is None
            written = await store.put(sent(one, "smsc-"), None)
            assert written is not None
            for reference in ("smsc-0", "smsc-1"):
                assert await store.find(reference, "", -1) == written
            assert await store.find("unknown", "46701234567", 7) is None  # its parts have references by now
            settled = await store.put(receipted(written, "smsc-1", State.DELIVERED, NOW + 9), None)
            assert settled is not None
            assert settled.parts[1].state is State.DELIVERED
            assert (await store.find("x", "46702", 7)) == other

        self.run(new_store, body)

    def test_events_are_numbered_in_their_order(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            for number in range(5):
                await added(store, message(f"m{number}"))
            first = await store.events(0, 3)
            rest = await store.events(first[-1].seq, 9)
            assert [json.loads(each.json)["id"] for each in (*first, *rest)] == [f"m{n}" for n in range(5)]
            numbers = [each.seq for each in (*first, *rest)]
            assert numbers == sorted(set(numbers))
            assert await store.events(numbers[-1], 9) == []

        self.run(new_store, body)

    def test_a_character_that_was_cut_is_whole_again(self, new_store: NewStore) -> None:
        octets = "a😀b".encode("utf-16-be")

        async def body(store: MessageStore) -> None:
            whole = None
            for number, data in ((2, octets[4:]), (1, octets[:4])):
                part = piece(number, "\ufffd")
                kept = part._replace(whole=replace(part.whole, coding="ucs2", data=data))
                whole = await store.receive(kept)
            assert whole is not None
            assert (whole.text, whole.coding, whole.data) == ("a😀b", "", b"")
            [event] = await store.events(0, 9)
            assert json.loads(event.json)["text"] == "a😀b"

        self.run(new_store, body)

    def test_parts_that_come_in_are_one_message(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            assert await store.receive(piece(2, "world")) is None
            assert await store.receive(piece(2, "world")) is None  # the SMSC sent it again
            assert await store.receive(piece(1, "other", reference=10)) is None
            whole = await store.receive(piece(1, "hello "))
            assert whole is not None
            assert whole.text == "hello world"
            assert await store.receive(piece(1, "alone", total=1)) is not None
            found = [json.loads(each.json) for each in await store.events(0, 9)]
            assert [(each["state"], each["text"]) for each in found] == [
                ("received", "hello world"),
                ("received", "alone"),
            ]

        self.run(new_store, body)

    def test_what_is_over_is_forgotten(self, new_store: NewStore) -> None:
        async def body(store: MessageStore) -> None:
            over = await added(store, message("over"))
            await store.put(with_parts(sent(over, "r"), (Part(State.DELIVERED, "r0"),), NOW + 5), None)
            await added(store, message("open"))
            assert await store.forget(NOW + 5, 9) == 0
            assert await store.forget(NOW + 6, 9) == 1
            assert await store.get("over") is None
            assert await store.find("r0", "", -1) is None
            assert await store.get("open") is not None
            assert await store.events(0, 9) == []

        self.run(new_store, body)
