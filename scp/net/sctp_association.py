"""M3UA over the kernel's SCTP: one association, in the node's event loop.

The kernel does the protocol; here is what its user has to: batches in and out, back-pressure both ways,
message boundaries, and the words for what happened to an association or to one of its paths.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from typing import TYPE_CHECKING, Final, final

from scp.net.sctp_socket import (
    PPID_M3UA,
    AddrChange,
    AssocChange,
    AssocState,
    Chunk,
    End,
    NoSctpError,
    PartialDeliveryAborted,
    PathChange,
    ShutdownEvent,
)
from scp.net.tcp import KIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scp.net.sctp_socket import Received, SctpSocket
    from scp.net.tcp import Limits
    from scp.ports import Transport, TransportUser

READS: Final = 256
"""Messages taken in one turn of the loop at most, so that one peer doesn't keep the others waiting."""
MAX_MESSAGE: Final = 256 * KIB
"""A message that grows beyond this is no M3UA message that anybody means (an MSU has some hundred octets)."""

UP: Final = "up"
DOWN: Final = "down"
UNCONFIRMED: Final = "not confirmed yet"

_UNSPECIFIED_PPID: Final = 0  # RFC 9260 §3.3.1: "not specified"; seen from stacks that do not set it
_PATHS: Final = {
    PathChange.AVAILABLE: UP,
    PathChange.CONFIRMED: UP,
    PathChange.UNREACHABLE: DOWN,
    PathChange.POTENTIALLY_FAILED: "failing",
    PathChange.ADDED: UNCONFIRMED,
}
_CAUSES: Final = {  # RFC 9260 §3.3.10
    1: "invalid stream identifier",
    2: "missing mandatory parameter",
    3: "stale cookie",
    4: "out of resource",
    5: "unresolvable address",
    6: "unrecognized chunk type",
    7: "invalid mandatory parameter",
    8: "unrecognized parameters",
    9: "no user data",
    10: "cookie received while shutting down",
    11: "restart with new addresses",
    12: "user-initiated abort",
    13: "protocol violation",
}
_ERRORS: Final = {
    errno.ECONNREFUSED: "connection refused: nobody listens for SCTP there, or our address is not allowed",
    errno.ECONNRESET: "aborted by peer",
    errno.ETIMEDOUT: "no answer on any path",
    errno.EADDRNOTAVAIL: "local address is not one of this host's",
    errno.EHOSTUNREACH: "no route to host",
}


class Watcher:
    """Takes reports, in words, of what happens to an association; this one discards them."""

    def note(self, what: str, trouble: bool) -> None:
        """Take a line for the log."""

    def path(self, address: str, state: str) -> None:
        """Take a path's state: `UP`, `DOWN` or other words; "" once the address is no longer the peer's."""

    def discard(self, reason: str, octets: bytes) -> None:
        """Count a message that was discarded; ``reason`` is one of a bounded set."""


QUIET: Final = Watcher()


@final
class SctpAssociation:
    """One association, from either side; a `scp.ports.Transport`.

    Attributes:
        name: the peer's name in logs and metrics.
        remote: the peer's addresses and port in words.
        lost: done when the association is gone; the result is the reason that the user was given.
        congested: whether more is unsent than the peer should ask for, so that we don't read from it.
        pauses: how often that began.
        paths: state of each of the peer's addresses.
    """

    def __init__(
        self, name: str, endpoint: SctpSocket, user: TransportUser, limits: Limits, watcher: Watcher = QUIET
    ) -> None:
        self.name = name
        self.remote = ""
        self.congested = False
        self.more = False
        self.pauses = 0
        self.paths: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._socket = endpoint
        self._user = user
        self._limits = limits
        self._watcher = watcher
        self._streams = 1
        self._reason = ""
        self._partial: list[bytes] = []
        self._partial_size = 0
        self._unsent: deque[tuple[int, bytes]] = deque()
        self._unsent_size = 0
        self._reading = False
        self._writing = False

    @property
    def transport(self) -> Transport:
        """The association itself, for `scp.net.reconnect.Association`."""
        return self

    @property
    def streams(self) -> int:
        """Outbound streams that the peer granted."""
        return self._streams

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        return self._unsent_size

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once closed."""
        return self._socket.fileno()

    def begin(self, port: int, given: Sequence[str] = ()) -> None:
        """The association is up: tell the user, and read.

        Args:
            port: the peer's.
            given: addresses that were given to set it up; they count as confirmed (RFC 9260 §5.4).
        """
        self._streams = max(1, self._socket.streams())
        addresses = self._socket.peer_addresses()
        self.remote = f"{', '.join(addresses)} port {port}"
        for position, address in enumerate(addresses):
            # The set-up went over the primary path; the kernel tests the others.
            self._path(address, UNCONFIRMED if position and address not in given else UP)
        self._read(True)
        self._user.connected(self)

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Send the messages in order, in as few packets as they fit; after a close they are dropped.

        A stream that the association doesn't have becomes stream 0, which every association has.
        """
        if self._reason:
            return
        unsent = self._unsent
        for stream, octets in messages:
            unsent.append((stream if stream < self._streams else 0, octets))
            self._unsent_size += len(octets)
        if not self._writing:
            self._write()
        if self._unsent_size > self._limits.max_unsent:
            self._fail(f"peer reads nothing: more than {self._limits.max_unsent // KIB} KiB unsent")

    def _write(self) -> None:
        """Write what the kernel takes; the rest stays queued until the socket is writable."""
        unsent = self._unsent
        try:
            while unsent:
                stream, octets = unsent[0]
                if not self._socket.send(stream, octets, more=len(unsent) > 1):
                    break
                unsent.popleft()
                self._unsent_size -= len(octets)
        except OSError as error:
            self._lost_with(error)
            return
        self._watch_room(bool(unsent))
        if self._reason:
            if not unsent:
                self._shutdown()
            return
        if self._unsent_size >= self._limits.high_water and not self.congested:
            self.congested = True
            self.pauses += 1
            self._read(False)
        elif self.congested and self._unsent_size <= self._limits.high_water // 2:
            self.congested = False
            self._read(True)

    # -- in ------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        """Read until there is nothing left, and hand the messages over as one batch."""
        batch: list[tuple[int, bytes]] = []
        receive = self._socket.receive
        self.more = False
        try:
            for _ in range(READS):
                item = receive()
                if item is None:
                    break
                if type(item) is Chunk:
                    self._chunk(item, batch)
                elif self._event(item, batch):
                    break
            else:
                self.more = True
        except OSError as error:
            self._deliver(batch)
            self._lost_with(error)
            return
        self._deliver(batch)

    def _deliver(self, batch: list[tuple[int, bytes]]) -> None:
        if batch and not self._reason:
            self._user.received(batch[:])
        batch.clear()

    def _chunk(self, chunk: Chunk, batch: list[tuple[int, bytes]]) -> None:
        """Add a message to the batch; the kernel hands a long one out in pieces (MSG_EOR ends it)."""
        octets = chunk.octets
        if self._partial or not chunk.whole:
            self._partial.append(octets)
            self._partial_size += len(octets)
            if self._partial_size > MAX_MESSAGE:
                self._deliver(batch)
                self._fail(f"a message of more than {MAX_MESSAGE // KIB} KiB")
                return
            if not chunk.whole:
                return
            octets = b"".join(self._partial)
            self._forget_partial()
        if chunk.ppid not in (PPID_M3UA, _UNSPECIFIED_PPID):
            self._watcher.discard("payload-protocol", octets)
            return
        batch.append((chunk.stream, octets))

    def _forget_partial(self) -> None:
        self._partial.clear()
        self._partial_size = 0

    def _event(self, item: Received, batch: list[tuple[int, bytes]]) -> bool:
        """Act on a notification; True if that ends the reading."""
        if isinstance(item, AddrChange):
            self._path_changed(item)
            return False
        if isinstance(item, PartialDeliveryAborted):
            self._watcher.discard("partial-delivery", b"".join(self._partial))
            self._forget_partial()
            return False
        if isinstance(item, ShutdownEvent):
            # No DATA comes after it; the kernel completes the shutdown once ours is acknowledged (§9.2).
            self._deliver(batch)
            self._reason = self._reason or "shut down by peer"
            return False
        self._deliver(batch)
        if isinstance(item, End):
            self._lose(self._reason or "closed by peer")
            return True
        return isinstance(item, AssocChange) and self._association_changed(item)

    def _association_changed(self, change: AssocChange) -> bool:
        """Act on SCTP_ASSOC_CHANGE; True if the association is gone."""
        if change.state == AssocState.RESTART:
            self._restarted(change)
            return False
        if change.state == AssocState.COMM_LOST:
            why = "no answer on any path, too many retransmissions"
            if change.aborted:
                cause = _CAUSES.get(change.error, "")
                why = f"aborted by peer{': ' if cause else ''}{cause}"
            self._lose(self._reason or why)
            return True
        if change.state == AssocState.SHUTDOWN_COMP:
            self._lose(self._reason or "shut down by peer")
            return True
        return False

    def _restarted(self, change: AssocChange) -> None:
        """The peer started anew on the same addresses (RFC 9260 §5.2): its M3UA knows nothing of ours.

        To M3UA that is an association lost and one set up (RFC 4666 §4.3.1, SCTP-RI).
        """
        if self._reason:
            return
        self._forget_partial()
        self._unsent.clear()
        self._unsent_size = 0
        self._streams = max(1, change.streams)
        self._watcher.note("the peer restarted the association", True)
        self._user.disconnected("restarted by peer")
        self._user.connected(self)

    def _path_changed(self, change: AddrChange) -> None:
        if change.state == PathChange.REMOVED:
            self.paths.pop(change.address, None)
            self._watcher.path(change.address, "")
            self._watcher.note(f"the peer gave up its address {change.address}", False)
        elif change.state == PathChange.MADE_PRIMARY:
            self._watcher.note(f"{change.address} is the primary path now", False)
        else:
            state = _PATHS.get(PathChange(change.state), "unknown") if change.state <= 6 else "unknown"
            if self.paths.get(change.address) != state:
                self._path(change.address, state)
                self._watcher.note(f"path to {change.address} is {state}", state != UP)

    def _path(self, address: str, state: str) -> None:
        self.paths[address] = state
        self._watcher.path(address, state)

    # -- end -----------------------------------------------------------------------------------------------

    def close(self, *, abort: bool = False) -> None:
        """SHUTDOWN once what is queued was acknowledged, or ABORT; the user's ``disconnected`` follows."""
        if self.lost.done():
            return
        if abort:
            self._fail(self._reason or "closed by us")
            return
        if self._reason:
            return
        self._reason = "closed by us"
        self._read(True)
        self._loop.call_later(self._limits.linger, self._give_up)
        if not self._unsent:
            self._shutdown()

    def _shutdown(self) -> None:
        try:
            self._socket.shutdown()
        except OSError as error:
            self._lost_with(error)

    def _give_up(self) -> None:
        if not self.lost.done():
            self._fail(self._reason)

    def _fail(self, reason: str) -> None:
        """ABORT. The user is told in the loop's next turn: it may be in the middle of something."""
        self._reason = self._reason or reason
        if self._socket.fileno() >= 0:
            self._unwatch()
            self._socket.abort()
            self._loop.call_soon(self._tell)

    def _lost_with(self, error: OSError) -> None:
        self._lose(self._reason or error_text(error))

    def _lose(self, reason: str) -> None:
        self._reason = reason
        if self._socket.fileno() >= 0:
            self._unwatch()
            self._socket.close()
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        if not self.lost.done():
            self._unsent.clear()
            for address in self.paths:
                self._watcher.path(address, "")
            self.lost.set_result(self._reason)
            self._user.disconnected(self._reason)

    # -- the loop ------------------------------------------------------------------------------------------

    def _read(self, wanted: bool) -> None:
        if wanted == self._reading or self._socket.fileno() < 0:
            return
        self._reading = wanted
        if wanted:
            self._loop.add_reader(self._socket.fileno(), self._readable)
        else:
            self._loop.remove_reader(self._socket.fileno())

    def _watch_room(self, wanted: bool) -> None:
        if wanted == self._writing or self._socket.fileno() < 0:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._write)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _unwatch(self) -> None:
        self._read(False)
        self._watch_room(False)


def error_text(error: OSError) -> str:
    """Return the text of a system error."""
    if isinstance(error, NoSctpError):
        return str(error.strerror)
    return (
        _ERRORS.get(error.errno or 0) or (error.strerror or errno.errorcode.get(error.errno or 0, "")).lower()
    )
