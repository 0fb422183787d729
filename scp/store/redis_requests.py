"""Requests on one connection to Redis, and who waits for their replies: compiled, since every lookup is one.

Redis answers in the order of the requests, so those that wait are a queue, and a reply goes straight to the
head of it. With RESP3, pushes come between replies.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

import hiredis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Reply: TypeAlias = Any
"""bytes, int, None, bool, list, dict, or `hiredis.ReplyError`: an error is a value here, it is not raised."""

_MORE: Final = object()
UNASKED: Final = "the server sent a reply that nobody asked for"


class Lookup(Protocol):
    """What waits for a reply.

    Attributes:
        octets: the request, to be sent again where a cluster's node says so.
        redirects: how often it was.
    """

    octets: bytes
    redirects: int

    def reply(self, value: Reply) -> None:
        """Take the reply; called once, from the event loop."""
        ...

    def lost(self) -> None:
        """The connection went down first."""
        ...


@final
class Requests:
    """The requests of one connection: those of one turn of the event loop share a write.

    Args:
        later: has something called at the end of this turn.
        write: writes octets to the connection.
        pushed: takes RESP3 pushes.

    Attributes:
        pending: what waits for replies, in order; None where nobody needs one.
        answered: how many replies have come.
    """

    def __init__(
        self,
        later: Callable[[Callable[[], None]], object],
        write: Callable[[bytes], None],
        pushed: Callable[[Sequence[Any]], None],
    ) -> None:
        self.pending: deque[Lookup | None] = deque()
        self.answered = 0
        self._later = later
        self._write = write
        self._pushed = pushed
        self._out: list[bytes] = []
        self._reader = hiredis.Reader(notEnoughData=_MORE)

    def send(self, octets: bytes, lookup: Lookup | None) -> None:
        """Send a request with this turn's others: a server that gets them bit by bit answers bit by bit."""
        out = self._out
        if not out:
            self._later(self.flush)
        out.append(octets)
        self.pending.append(lookup)

    def flush(self) -> None:
        """Write what this turn has sent."""
        out = self._out
        if out:
            self._out = []
            self._write(b"".join(out))

    def received(self, data: bytes) -> str:
        """Hand out the replies that are whole; return what is wrong with them, "" if nothing.

        Raises:
            hiredis.ProtocolError: it is not RESP.
        """
        reader = self._reader
        pending = self.pending
        reader.feed(data)
        while (value := reader.gets()) is not _MORE:
            if type(value) is hiredis.PushNotification:
                self._pushed(value)
            elif pending:
                self.answered += 1
                lookup = pending.popleft()
                if lookup is not None:
                    lookup.reply(value)
            else:
                return UNASKED
        return ""

    def lost(self) -> None:
        """Tell all that wait that the connection is down."""
        waiting = list(self.pending)
        self.pending.clear()
        self._out = []
        for lookup in waiting:
            if lookup is not None:
                lookup.lost()
