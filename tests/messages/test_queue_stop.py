"""A queue that is stopped begins nothing more, and forgets no answer; the next one on the same store goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from oracles.waiting import PATIENCE, until
from scp.domain.message import Message, State
from scp.message_ports import Submission, Taken
from scp.messages.queue import MessageQueue
from scp.store.messages_sqlite import SqliteMessages
from scp.telemetry.metrics import Metrics


class SlowCarrier:
    """Takes two messages at once, and answers when it may."""

    window = 2

    def __init__(self, done: list[str]) -> None:
        self.done = done
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def start(self, user: Any) -> None:
        del user

    async def close(self) -> None:
        self.done.append("carrier closed")

    def usable(self) -> str:
        return ""

    def parts(self, text: str) -> int:
        del text
        return 1

    async def submit(self, message: Message, number: int) -> Submission:
        del number
        self.asked.append(message.id)
        await self.may_answer.wait()
        self.done.append(f"{message.id} answered")
        return Submission(Taken.DELIVERED)


class Store(SqliteMessages):
    """Says when it is closed."""

    done: list[str]

    async def close(self) -> None:
        self.done.append("store closed")
        await super().close()


def queue_of(path: Path, done: list[str]) -> tuple[MessageQueue, SlowCarrier]:
    carrier, store = SlowCarrier(done), Store(str(path))
    store.done = done
    queue = MessageQueue(
        store,
        carrier,
        node="scp-1",
        retention_ms=10**9,
        repeat=False,
        failed=done.append,
        telemetry=Metrics((), ()),
    )
    return queue, carrier


async def accept(queue: MessageQueue, *names: str) -> None:
    for name in names:
        new = queue.new(name, "Example", f"4670{name}", "Hello", 60_000, receipt=False, fingerprint="f")
        await queue.accept(new)


async def states(queue: MessageQueue, *names: str) -> list[State]:
    found = [await queue.store.get(name) for name in names]
    return [each.state for each in found if each is not None]


def test_what_is_being_sent_is_answered_and_written_before_the_queue_is_closed(tmp_path: Path) -> None:
    async def body() -> None:
        done: list[str] = []
        queue, carrier = queue_of(tmp_path / "messages.db", done)
        others = asyncio.all_tasks()
        await queue.start()
        await accept(queue, "1", "2", "3")
        await until(lambda: len(carrier.asked) == 2)
        stopping = asyncio.create_task(queue.stop())
        await until(lambda: queue._pump is None)
        await accept(queue, "4")
        for _ in range(50):
            await asyncio.sleep(0)
        assert not stopping.done()
        assert done == []
        carrier.may_answer.set()
        await stopping
        assert sorted(done[:2]) == ["1 answered", "2 answered"]
        assert done[2:] == ["carrier closed", "store closed"]
        assert carrier.asked == ["1", "2"]
        assert asyncio.all_tasks() <= others | {stopping}
        after, other = queue_of(tmp_path / "messages.db", done)
        await after.store.open()
        assert await states(after, "1", "2", "3", "4") == [State.DELIVERED] * 2 + [State.QUEUED] * 2
        await after.store.close()
        other.may_answer.set()
        await after.start()
        await until(lambda: len(other.asked) == 2 and not after._busy)
        await after.stop()
        assert sorted(other.asked) == ["3", "4"]

    asyncio.run(asyncio.wait_for(body(), PATIENCE))


def test_a_queue_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    """As where a node could not be brought up."""

    async def body() -> None:
        done: list[str] = []
        queue, _ = queue_of(tmp_path / "messages.db", done)
        await queue.stop()
        assert done == ["carrier closed", "store closed"]

    asyncio.run(asyncio.wait_for(body(), PATIENCE))
