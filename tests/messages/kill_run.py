"""Text messages through an SMSC on a socket, while either side is killed: each delivered once, or reported.

``python tests/messages/kill_run.py 10000 60`` does it with 10,000 messages and 60 kills (``make messages``).
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sender_worker import recipient_of, text_of

from oracles.servers import answers_tcp, free_tcp_port
from oracles.waiting import PATIENCE, wait_until
from scp.domain.message import State
from scp.simulator.smsc import journal_lines, taken_message
from scp.store.beside import open_messages

HERE = Path(__file__).parent
ENOUGH = PATIENCE


class Room:
    """The SMSC's and the sender's processes, as often as they have to be started."""

    def __init__(self, folder: Path, count: int, url: str, nodes: int) -> None:
        self.count = count
        self._nodes = nodes
        self.url = url
        self.journal = folder / "smsc.journal"
        self.journal.touch()
        self.port = free_tcp_port()
        self._out = folder / "accepted"
        self._out.touch()
        self._errors = (folder / "errors").open("ab")
        self.smsc = self.start_smsc()
        self.senders = [self.start_sender(n) for n in range(nodes)]

    def start_smsc(self) -> subprocess.Popen[bytes]:
        options = ["--listen", f"127.0.0.1:{self.port}", "--journal", str(self.journal), "--delay", "0.002"]
        process = subprocess.Popen(
            [sys.executable, "-m", "scp.cli", "smsc", *options, "--receipt-after", "0.01"],
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        wait_until(lambda: answers_tcp(self.port))
        return process

    def start_sender(self, number: int) -> subprocess.Popen[bytes]:
        with self._out.open("ab") as out:
            return subprocess.Popen(
                [
                    sys.executable,
                    HERE / "sender_worker.py",
                    self.url,
                    str(self.port),
                    str(self.count),
                    "scp-1",
                ],
                stdout=out,
                stderr=self._errors,
            )

    def taken(self) -> int:
        """How many parts the SMSC has taken so far."""
        return self.journal.read_bytes().count(b'"taken"')

    def over(self) -> bool:
        return b"over" in self._out.read_bytes()

    def accepted(self) -> set[int]:
        return {int(line) for line in self._out.read_text().split() if line.isdigit()}

    def kill(self, chance: random.Random) -> None:
        if chance.random() < 0.5:
            self.smsc.kill()
            self.smsc.wait()
            self.smsc = self.start_smsc()
        else:
            number = chance.randrange(self._nodes)
            self.senders[number].kill()
            self.senders[number].wait()
            self.senders[number] = self.start_sender(number)

    def end(self) -> None:
        for process in (self.smsc, *self.senders):
            process.kill()
            process.wait()
        self._errors.close()


def run(folder: Path, count: int, kills: int, seed: int, url: str = "", nodes: int = 1) -> Counter[str]:
    """Do it, and hold what came of it to what must be; return the messages' states.

    Once all receipts have come a message is delivered if the SMSC has taken each of its parts, once; else it is unknown.
    """
    url = url or f"sqlite:{folder}/messages.db"
    chance = random.Random(seed)
    room = Room(folder, count, url, nodes)
    try:
        step = max(count // (kills + 1), 1)
        for number in range(1, kills + 1):
            wait_until(lambda due=number * step: room.taken() >= due or room.over(), ENOUGH + count / 20)
            room.kill(chance)
        wait_until(room.over, ENOUGH + count / 20)
        wait_until(lambda: _all_receipts(room), ENOUGH)
    finally:
        room.end()
    accepted = room.accepted()
    errors = (folder / "errors").read_text(errors="replace")[-2000:]
    assert accepted == set(range(count)), f"{set(range(count)) ^ accepted}\n{errors}"
    return asyncio.run(_judged(room))


def _all_receipts(room: Room) -> bool:
    lines = list(journal_lines(room.journal))
    return sum("taken" in line for line in lines) == len(
        {line["receipted"] for line in lines if "receipted" in line}
    )


async def _judged(room: Room) -> Counter[str]:
    parts = Counter[tuple[str, int]]()
    texts: dict[str, dict[int, str]] = {}
    for line in journal_lines(room.journal):
        if "taken" in line:
            message = taken_message(line["taken"])
            number = 1 if message.part is None else message.part.number
            parts[message.destination, number] += 1
            texts.setdefault(message.destination, {})[number] = message.text
    assert max(parts.values()) == 1, [each for each, count in parts.items() if count > 1]
    store = open_messages(room.url, room.url)
    await store.open()
    states = Counter[str]()
    for number in range(room.count):
        message = await store.get(f"m{number}")
        assert message is not None
        assert message.final
        came = texts.get(recipient_of(number), {})
        whole = len(came) == len(message.parts)
        assert message.state is (State.DELIVERED if whole else State.UNKNOWN), (message, came)
        if whole:
            assert "".join(came[n] for n in sorted(came)) == text_of(number)
        else:
            assert re.match("node-|connection lost|the other end|no response", message.reason), message
        states[message.state] += 1
    await store.close()
    return states


if __name__ == "__main__":
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        found = run(
            Path(directory), int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 1
        )
    print(f"{dict(found)} after {sys.argv[2]} kills in {time.monotonic() - begun:.0f} s")
