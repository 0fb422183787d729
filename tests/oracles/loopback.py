"""Two transports joined in one process, without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.ports import Transport, TransportUser

    Schedule: TypeAlias = Callable[[Callable[[], None]], object]


@final
class Pump:
    """Stands in for the event loop where a test wants to say itself when messages move."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], None]] = deque()

    def __call__(self, action: Callable[[], None]) -> None:
        """Put off an action until `run`."""
        self._due.append(action)

    def run(self, most: int = 100_000) -> int:
        """Do everything that is due and what comes of it; return how many deliveries that was.

        Raises:
            RuntimeError: it didn't come to rest within ``most``.
        """
        done = 0
        while self._due:
            if done == most:
                raise RuntimeError(f"no rest after {most} deliveries")
            self._due.popleft()()
            done += 1
        return done


@final
class LoopbackTransport:
    """One end. What is sent before the next turn of the loop reaches the other end's user as one batch."""

    def __init__(self, name: str, user: TransportUser, streams: int, schedule: Schedule) -> None:
        self.name = name
        self.lost = ""
        self.more = False  # all that was sent comes as one batch
        self._user = user
        self._streams = streams
        self._schedule = schedule
        self._peer: LoopbackTransport
        self._inbox: list[tuple[int, bytes]] = []
        self._opened = False
        self._closing = False

    @property
    def transport(self) -> Transport:
        """Itself."""
        return self

    @property
    def streams(self) -> int:
        """Outbound streams."""
        return self._streams

    def join(self, peer: LoopbackTransport) -> None:
        """Make ``peer`` the other end and have both users told, on the next turn."""
        self._peer = peer
        self._schedule(self._open)

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Hand over on the next turn; dropped after a close.

        Raises:
            ValueError: a stream that the association doesn't have.
        """
        if self._closing or self.lost:
            return
        batch = list(messages)
        for stream, _ in batch:
            if not 0 <= stream < self._streams:
                raise ValueError(f"stream {stream} of {self._streams}")
        self._peer.take(batch)

    def close(self, *, abort: bool = False) -> None:
        """Shut both ends down, after what is queued was delivered, or at once with ``abort``."""
        if self._closing or self.lost:
            return
        self._closing = True
        if abort:
            self._inbox.clear()
            self._peer.drop_inbox()
        self._schedule(lambda: self._end("closed by us", "aborted by peer" if abort else "closed by peer"))

    def take(self, batch: list[tuple[int, bytes]]) -> None:
        """Queue what the other end sent."""
        if not self._inbox and batch:
            self._schedule(self._deliver)
        self._inbox += batch

    def drop_inbox(self) -> None:
        """Forget what was not delivered."""
        self._inbox.clear()

    def lose(self, reason: str) -> None:
        """Tell the user why the association is gone, once."""
        if not self.lost:
            self.lost = reason
            self._user.disconnected(reason)

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._user.connected(self)

    def _deliver(self) -> None:
        batch, self._inbox = self._inbox, []
        if batch and not self.lost:
            self._open()
            self._user.received(batch)

    def _end(self, ours: str, theirs: str) -> None:
        self.lose(ours)
        self._peer.lose(theirs)


def pair(
    left: TransportUser,
    right: TransportUser,
    *,
    schedule: Schedule | None = None,
    streams: int = 2,
    names: tuple[str, str] = ("left", "right"),
) -> tuple[LoopbackTransport, LoopbackTransport]:
    """Return two transports that are each other's peer; their users are told on the next turn.

    Args:
        left: user of the first transport.
        right: user of the second.
        schedule: what puts a delivery off: a `Pump`, or None for the running loop's ``call_soon``.
        streams: streams of the association, each way.
        names: names of the transports.
    """
    put_off = schedule or asyncio.get_running_loop().call_soon
    one = LoopbackTransport(names[0], left, streams, put_off)
    other = LoopbackTransport(names[1], right, streams, put_off)
    one.join(other)
    other.join(one)
    return one, other
