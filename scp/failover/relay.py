"""Links between nodes: a message of a held call that came to another node is brought to the call's own.

A switch's next message may come to any node of the application server: an STP that loses one association
spreads its SLS over the others. The first octet of our transaction id says which node has the call; that node
gets the TCAP message, in order, and answers over its own links.

Each node listens, and connects to all others that `Presence` knows. A connection begins with the listening
node's token, which only the Redis that they share says, and an empty one in answer; then frames follow::

    length (4) | MESSAGE (1) | transaction id (4) | TCAP message    for a call of yours
    length (4) | TAKEN   (1)                                        I have served your next message
    length (4) | UNKNOWN (1) | transaction id (4) | TCAP message    I do not have its call: have it back

What a node has not said one of the two of when its link breaks is given back: it may have died over it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, final

from scp.failover.presence import IDENTITY, addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.failover.presence import NodeAddress, Presence
    from scp.store.redis_membership import Membership

HELLO: Final = 0
MESSAGE: Final = 1
UNKNOWN: Final = 2
TAKEN: Final = 3
CONNECT_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.5
LONGEST: Final = 1 << 14
"""Octets of a frame; a TCAP message is shorter (29.078 §14.2.2.1.5)."""
MOST_WAITING: Final = 1 << 20
"""Octets that wait for a node that does not read: then its link is closed."""
BRING_SECONDS: Final = 1.0
"""How long a message may take that is brought by what is no node."""
_LOOK_SECONDS: Final = 0.005
HELLO_SECONDS: Final = 5.0
"""How long one that connects may take to show the token."""
MOST_STRANGERS: Final = 256
"""Connections that have not shown it yet; the oldest is hung up on. There are at most 255 other nodes."""

_HEADER: Final = Struct(">IB")
_TID: Final = 4


class RelayUser(Protocol):
    """What a relay brings messages to."""

    def brought(self, tid: bytes, octets: bytes) -> bool:
        """Take a message for a call of this node that another has received; False: the call is not here."""
        ...

    def unknown(self, instance: int, tid: bytes, octets: bytes) -> None:
        """Take back a message, since that node does not have its call."""
        ...

    def perhaps_served(self, instance: int, tid: bytes, octets: bytes) -> None:
        """Take back a message: the link to that node is broken, and whether it has served it is not known."""
        ...


@final
class _Connection(asyncio.Protocol):
    """One connection, of either side.

    Args:
        relay: whose.
        node: that this one connected to; None: it was connected to.
    """

    def __init__(self, relay: Relay, node: NodeAddress | None) -> None:
        self.relay = relay
        self.node = node
        self.trusted = node is not None
        self.open: deque[tuple[bytes, bytes]] = deque()  # messages that were brought and not answered for
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show the other node's token."""
        self._transport = cast("asyncio.Transport", transport)
        if self.node is not None:
            self.send(HELLO, self.node.token.encode())
        else:
            self._patience = asyncio.get_running_loop().call_later(HELLO_SECONDS, self.abort)

    def send(self, kind: int, octets: bytes) -> None:
        """Send a frame."""
        if self._transport is not None:
            self._transport.write(_HEADER.pack(len(octets), kind) + octets)
            if self._transport.get_write_buffer_size() > MOST_WAITING:
                self.abort()

    def abort(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _HEADER.size:
            length, kind = _HEADER.unpack_from(buffer, at)
            if length > LONGEST or (not self.trusted and kind != HELLO):
                self.abort()
                return
            end = at + _HEADER.size + length
            if end > len(buffer):
                break
            frame = bytes(buffer[at + _HEADER.size : end])
            at = end
            if kind == HELLO:
                if self.node is not None:
                    self.relay.welcomed(self, self.node)
                    continue
                self.trusted = frame == self.relay.token
                if not self.trusted:
                    self.abort()
                    return
                self._be_patient()
                self.relay.trusts(self)
                self.send(HELLO, b"")
            else:
                self._framed(kind, frame[:_TID], frame[_TID:])
        del buffer[:at]

    def _framed(self, kind: int, tid: bytes, octets: bytes) -> None:
        user = self.relay.user
        if kind == MESSAGE:
            if user.brought(tid, octets):
                self.send(TAKEN, b"")
            else:
                self.send(UNKNOWN, tid + octets)
        elif self.node is not None and self.open:
            self.open.popleft()
            if kind == UNKNOWN:
                user.unknown(self.node.instance, tid, octets)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """Forget it."""
        self._be_patient()
        self._transport = None
        self.relay.lost(self)

    def _be_patient(self) -> None:
        """Wait for the token no more."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


@final
class Relay:
    """This node's links to the others.

    Args:
        token: that others have to show here.
        user: takes what is brought.

    Attributes:
        links: to other nodes, by instance; those that are up.
        port: that it listens on.
    """

    def __init__(self, token: str, user: RelayUser) -> None:
        self.token = token.encode()
        self.user = user
        self.links: dict[int, _Connection] = {}
        self.port = 0
        self._incoming: set[_Connection] = set()
        self._strangers: dict[_Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._tasks: dict[int, tuple[NodeAddress, asyncio.Task[None]]] = {}

    async def listen(self, host: str, port: int) -> None:
        """Take connections; raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accepted, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def follow(self, presence: Presence | Bringer) -> None:
        """Connect to the nodes that are running; to be called whenever others are."""
        for instance, (node, task) in list(self._tasks.items()):
            if presence.nodes.get(instance) != node:
                task.cancel()
                del self._tasks[instance]
                if instance in self.links:
                    self.links.pop(instance).abort()
        for instance, node in presence.nodes.items():
            if node.host and instance not in self._tasks:
                self._tasks[instance] = node, asyncio.create_task(self._keep_up(node))

    def up(self, instance: int) -> bool:
        """Whether a node can be brought messages now."""
        return instance in self.links

    def send(self, instance: int, tid: bytes, octets: bytes) -> bool:
        """Bring a node a message of its call; False: it can't be now."""
        link = self.links.get(instance)
        if link is None:
            return False
        link.open.append((tid, octets))
        link.send(MESSAGE, tid + octets)
        return True

    def owes(self, instance: int) -> bool:
        """Whether a node has not said what became of a message."""
        link = self.links.get(instance)
        return link is not None and bool(link.open)

    async def close(self) -> None:
        """Hang up everywhere."""
        for _, task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        for link in (*self.links.values(), *self._incoming, *self._strangers):
            link.abort()
        if self._server is not None:
            self._server.close()

    def welcomed(self, connection: _Connection, node: NodeAddress) -> None:
        """Note that a node has taken our token: it can be brought messages."""
        before = self.links.get(node.instance)
        self.links[node.instance] = connection
        if before is not None:
            before.abort()

    def trusts(self, connection: _Connection) -> None:
        """Note that one that connected is a node."""
        self._strangers.pop(connection, None)
        self._incoming.add(connection)

    def lost(self, connection: _Connection) -> None:
        """Note that a connection is gone."""
        self._incoming.discard(connection)
        self._strangers.pop(connection, None)
        node = connection.node
        if node is not None:
            if self.links.get(node.instance) is connection:
                del self.links[node.instance]
            while connection.open:
                self.user.perhaps_served(node.instance, *connection.open.popleft())

    def _accepted(self) -> Any:
        connection = _Connection(self, None)
        self._strangers[connection] = None
        if len(self._strangers) > MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.abort()
        return connection

    async def _keep_up(self, node: NodeAddress) -> None:
        loop = asyncio.get_running_loop()
        make: Callable[[], _Connection] = lambda: _Connection(self, node)  # noqa: E731
        while True:
            if node.instance not in self.links:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await loop.create_connection(make, node.host, node.port)
            await asyncio.sleep(RETRY_SECONDS)


@final
class Bringer:
    """Brings messages to nodes for one that has died; the `RelayUser` to whom nothing is brought.

    Args:
        membership: of the nodes that share the store; None: there are no others.

    Attributes:
        nodes: that are known to run, by instance.
    """

    def __init__(self, membership: Membership | None) -> None:
        self.nodes: dict[int, NodeAddress] = {}
        self._membership = membership
        self._relay = Relay("", self)
        self._refused: set[tuple[bytes, bytes]] = set()

    async def bring(self, instance: int, tid: bytes, octets: bytes) -> bool:
        """Bring a node a message of its call; return whether it has served it. Raises `StoreError`."""
        if self._membership is None:
            return False
        if instance not in self.nodes:
            self.nodes = addresses(await self._membership.look(IDENTITY))
            self._relay.follow(self)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BRING_SECONDS):
                while not self._relay.send(instance, tid, octets):  # noqa: ASYNC110 - no link tells
                    await asyncio.sleep(_LOOK_SECONDS)
                while self._relay.owes(instance):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(_LOOK_SECONDS)
                return (tid, octets) not in self._refused
        return False

    async def close(self) -> None:
        """Hang up."""
        await self._relay.close()

    def brought(self, tid: bytes, octets: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """See `RelayUser`."""
        return False

    def unknown(self, instance: int, tid: bytes, octets: bytes) -> None:  # noqa: ARG002
        """See `RelayUser`."""
        self._refused.add((tid, octets))

    def perhaps_served(self, instance: int, tid: bytes, octets: bytes) -> None:  # noqa: ARG002
        """See `RelayUser`."""
        self._refused.add((tid, octets))
