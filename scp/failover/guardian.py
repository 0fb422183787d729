"""The guardian: its process, and the node's end of the channel to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final, final

import uvloop

from scp.failover.socket_copy import SocketCopy
from scp.failover.takeover import TakeoverResult, take_over
from scp.failover.traffic_ring import TrafficRing

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.config import Config
    from scp.failover.counters import FailoverCountersFile
    from scp.failover.takeover import Wiring

_HEADER: Final = Struct("=BHH")  # what, link, stream
_LONGEST: Final = 1 << 18
"""Octets of a message on the channel: longer than any M3UA message that is not DATA."""
_NOT_FOR_IT: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals to the whole process group: a stop of the node reaches the guardian as well, which ignores it."""
NAME: Final = "scp-guardian"
"""Notice `ps -e` calls the process."""


class Notice(IntEnum):
    """Notice the node tells."""

    BEGUN = 1
    """An association is up; its descriptor comes along, its name follows."""
    ENDED = 2
    """It is gone."""
    MANAGEMENT = 3
    """A message came that is not DATA."""
    DISMISSED = 4
    """The node ends in good order."""


@final
class Guardian:
    """The node's end: a `scp.failover.journaling_transport.AssociationListener`.

    Attributes:
        ring: where journaling transports write.
        counters: what guardians of this node have done so far.
        lost: why there is no guardian any more; "" while it stands by.
        lost_at: when that was found, in seconds since 1970.
        since: when it was begun, in seconds since 1970.
        on_loss: told `lost`, once.
    """

    def __init__(
        self, channel: socket.socket, process: int, ring: TrafficRing, counters: FailoverCountersFile
    ) -> None:
        self.ring = ring
        self.counters = counters
        self.lost = ""
        self.lost_at = 0.0
        self.since = time.time()
        self.on_loss: Callable[[str], None] | None = None
        self._channel: socket.socket | None = channel
        self._process = process

    def begun(self, link: int, descriptor: int, name: str) -> None:
        """See `AssociationListener`."""
        self._say(_HEADER.pack(Notice.BEGUN, link, 0) + name.encode(), [descriptor])

    def ended(self, link: int) -> None:
        """See `AssociationListener`."""
        self._say(_HEADER.pack(Notice.ENDED, link, 0))

    def management(self, link: int, stream: int, octets: bytes) -> None:
        """See `AssociationListener`."""
        if len(octets) < _LONGEST - _HEADER.size:
            self._say(_HEADER.pack(Notice.MANAGEMENT, link, max(0, stream)) + octets)

    def check(self) -> None:
        """See whether it still runs: a guardian that is dead is noticed though nobody tells it anything."""
        if self._channel is None:
            return
        with contextlib.suppress(ChildProcessError):
            ended, status = os.waitpid(self._process, os.WNOHANG)
            if ended:
                self._lose(_how_it_ended(status))

    def dismiss(self) -> None:
        """Send it away: the node ends in good order."""
        self._say(_HEADER.pack(Notice.DISMISSED, 0, 0))
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._process, 0)
        self.counters.close()

    def _say(self, message: bytes, descriptors: list[int] | None = None) -> None:
        if self._channel is None:
            return
        try:
            socket.send_fds(self._channel, [message], descriptors or [])
        except OSError as error:  # it is gone, or does not read: the node goes on as if there had been none
            self.check()  # why it is gone says more than that nobody reads
            if not self.lost:
                self._lose(error.strerror or str(error))

    def _lose(self, why: str) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self.lost, self.lost_at = why, time.time()
        if self.on_loss is not None:
            self.on_loss(why)


def _how_it_ended(status: int) -> str:
    """Say in describe what `os.waitpid` returned."""
    code = os.waitstatus_to_exitcode(status)
    return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with status {code}"


def start_guardian(
    config: Config, counters: FailoverCountersFile, report: Callable[[str, int], None], wiring: Wiring
) -> Guardian:
    """Fork the guardian; only the node returns. Call it before anything is opened and before any thread runs.

    Args:
        config: of the node.
        counters: where the guardian notes what it did, for the node that is started next.
        report: told by the guardian, once, what it did: in words, and how many calls it answered.
        wiring: builds what answers, in the guardian.
    """
    ring = TrafficRing()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_IT)  # until the guardian ignores them
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, held_back)
        its.close()
        ours.setblocking(False)
        return Guardian(ours, process, ring, counters)
    status = 1
    try:
        ours.close()
        _guard(its, config, ring, counters, report, wiring)
        status = 0
    finally:
        os._exit(status)  # what the node has registered for its exit is the node's


def _guard(
    channel: socket.socket,
    config: Config,
    ring: TrafficRing,
    counters: FailoverCountersFile,
    report: Callable[[str, int], None],
    wiring: Wiring,
) -> None:
    for number in _NOT_FOR_IT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_FOR_IT)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME, encoding="ascii")
    associations: dict[int, SocketCopy] = {}
    if _listen(channel, associations):
        return
    result = (
        uvloop.run(take_over(config, associations, ring, wiring)) if associations else TakeoverResult(0, 0, 0)
    )
    report(result.describe() + counters.add(result.answered, time.time()), result.answered)


def _listen(channel: socket.socket, associations: dict[int, SocketCopy]) -> bool:
    """Keep up with what the node tells until it ends; True if it ends in good order."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _LONGEST, 1)
        if not message:
            return False
        what, link, stream = _HEADER.unpack_from(message)
        rest = message[_HEADER.size :]
        if what == Notice.DISMISSED:
            return True
        if what in (Notice.BEGUN, Notice.ENDED) and link in associations:
            associations.pop(link).endpoint.close()
        if what == Notice.BEGUN:
            associations[link] = SocketCopy(rest.decode(), socket.socket(fileno=descriptors[0]))
        elif what == Notice.MANAGEMENT and link in associations:
            associations[link].management.append((stream, rest))
