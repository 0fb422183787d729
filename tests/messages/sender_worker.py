"""Sends text messages until all are over; prints those that were accepted. It is there to be killed.

Usage: sender_worker.py STORE-URL SMSC-PORT COUNT NODE. Message n is the same in every life, by its id, so that a client
that got no answer asks again.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TextIO

from scp.app.messages import _Uncounted
from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.store.beside import open_messages

CLIENTS = 20
DAY_MS = 86_400_000


def text_of(number: int) -> str:
    """Texts of one part and of several, in either alphabet; the number stands in every part."""
    words = (f"[{number}] Hello", f"[{number}] مرحبا 😀", f"[{number}] " * 40, f"[{number}]😀" * 30)
    return words[0 if number % 10 else number // 10 % 4]


def recipient_of(number: int) -> str:
    return f"4670{number:07d}"


def say(to: TextIO, line: str) -> None:
    """Write a line in one piece, as print does not where Python does not buffer."""
    to.write(f"{line}\n")
    to.flush()


def trouble(words: str) -> None:
    say(sys.stderr, f"! {words}")


def message_queue(url: str, port: int, node: str = "scp-1") -> MessageQueue:
    settings = EsmeSettings([("127.0.0.1", port)], "camel-scp", "", window=20, response=10.0)
    return MessageQueue(
        open_messages(url, url),
        Esme(settings, random.Random(), lambda words, _trouble: trouble(words)),
        node=node,
        retention_ms=DAY_MS,
        repeat=False,
        failed=trouble,
        telemetry=_Uncounted(),
    )


async def client(queue: MessageQueue, numbers: list[int]) -> None:
    while numbers:
        number = numbers.pop(0)
        await queue.accept(
            queue.new(
                f"m{number}",
                "Example",
                recipient_of(number),
                text_of(number),
                DAY_MS,
                receipt=True,
                fingerprint="f",
            )
        )
        say(sys.stdout, f"{number}")


async def main() -> None:
    url, port, count, node = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    queue = message_queue(url, port, node)
    await queue.start()
    numbers = list(range(count))
    await asyncio.gather(*(client(queue, numbers) for _ in range(CLIENTS)))
    while (await queue.store.open_messages())[0]:  # noqa: ASYNC110 - the store has no event
        await asyncio.sleep(0.05)
    say(sys.stdout, "over")
    await asyncio.Event().wait()  # receipts of what is in doubt may still come


if __name__ == "__main__":
    asyncio.run(main())
