"""The SCTP transport above the kernel: on a socket that says what the test wants. Kernel SCTP itself: tests/lab."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from random import Random
from typing import Any

import pytest

from oracles.servers import kernel_has_sctp
from scp.net import sctp_association, sctp_socket
from scp.net.reconnect import Backoff
from scp.net.sctp import Connector, Listener
from scp.net.sctp_association import SctpAssociation, Watcher
from scp.net.sctp_socket import AddrChange, AssocChange, Chunk, End, PartialDeliveryAborted, ShutdownEvent
from scp.net.single_user import SingleUser
from scp.net.tcp import Limits

WHOLE, PART = True, False


class FakeSocket:
    """Stands in for `SctpSocket`: gives out `incoming`, keeps what is sent, has room for `room` messages."""

    def __init__(self) -> None:
        self.incoming: deque[Any] = deque()
        self.sent: list[tuple[int, bytes, bool]] = []
        self.room = 1_000_000
        self.granted = 17
        self.addresses = ["10.0.0.1", "10.0.1.1"]
        self.ended = ""
        self.failing: OSError | None = None
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    def give(self, *items: Any) -> None:
        self.incoming.extend(items)
        self.theirs.send(b"x")

    def fill(self) -> None:
        """Have the descriptor say that it can't be written to."""
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        while True:
            try:
                self.ours.send(bytes(65536))
            except BlockingIOError:
                return

    def make_room(self) -> None:
        self.room = 1_000_000
        self.theirs.setblocking(False)
        while True:
            try:
                self.theirs.recv(1 << 20)
            except BlockingIOError:
                return

    def fileno(self) -> int:
        return -1 if self.ended in ("aborted", "closed") else self.ours.fileno()

    def streams(self) -> int:
        return self.granted

    def peer_addresses(self) -> list[str]:
        return self.addresses

    def send(self, stream: int, octets: bytes, *, more: bool = False) -> bool:
        if self.failing:
            raise self.failing
        if self.room <= 0:
            return False
        self.room -= 1
        self.sent.append((stream, octets, more))
        return True

    def receive(self) -> Any:
        if not self.incoming:
            self.ours.recv(4096)
            return None
        item = self.incoming.popleft()
        if isinstance(item, OSError):
            raise item
        return item

    def shutdown(self) -> None:
        self.ended = "shutdown"

    def abort(self) -> None:
        self.ended = "aborted"

    def close(self) -> None:
        self.ended = "closed"

    def release(self) -> None:
        self.ours.close()
        self.theirs.close()


class User:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.got: list[tuple[int, bytes]] = []
        self.batches = 0
        self.transport: Any = None

    def connected(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("connected")

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        self.batches += 1
        self.got += messages

    def disconnected(self, reason: str) -> None:
        self.log.append(reason)


class Ear(Watcher):
    def __init__(self) -> None:
        self.notes: list[tuple[str, bool]] = []
        self.paths: dict[str, str] = {}
        self.discards: list[tuple[str, bytes]] = []

    def note(self, what: str, trouble: bool) -> None:
        self.notes.append((what, trouble))

    def path(self, address: str, state: str) -> None:
        self.paths[address] = state

    def discard(self, reason: str, octets: bytes) -> None:
        self.discards.append((reason, octets))


class Room:
    def __init__(self, limits: Limits | None = None) -> None:
        self.socket, self.user, self.ear = FakeSocket(), User(), Ear()
        self.association = SctpAssociation(
            "stp",
            self.socket,  # type: ignore[arg-type]  # a stand-in
            self.user,
            limits or Limits(),
            self.ear,
        )

    async def gives(self, *items: Any) -> None:
        self.socket.give(*items)
        await turns()

    def chunk(self, octets: bytes, stream: int = 1, whole: bool = WHOLE, ppid: int = 3) -> Chunk:
        return Chunk(stream, ppid, octets, whole)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def in_room() -> Iterator[Callable[..., None]]:
    rooms: list[Room] = []

    def run(
        test: Callable[[Room], Coroutine[Any, Any, None]],
        limits: Limits | None = None,
        given: Sequence[str] = (),
    ) -> None:
        async def inside() -> None:
            room = Room(limits)
            rooms.append(room)
            room.association.begin(2905, given)
            await test(room)
            room.association.close(abort=True)
            await turns()
            assert room.association.lost.done()

        asyncio.run(inside())

    yield run
    for room in rooms:
        room.socket.release()


def test_messages_of_one_reading_come_as_one_batch_with_their_streams(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"a", 0), room.chunk(b"b", 5), room.chunk(b"c", 16, ppid=0))
        assert room.user.got == [(0, b"a"), (5, b"b"), (16, b"c")]
        assert room.user.batches == 1

    in_room(test)


def test_a_message_that_comes_in_pieces_is_put_together(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"ab", 3, PART), AddrChange("10.0.1.1", 1), room.chunk(b"cd", 3, PART))
        assert room.user.got == []
        await room.gives(room.chunk(b"e", 3), room.chunk(b"f", 4))
        assert room.user.got == [(3, b"abcde"), (4, b"f")]

    in_room(test)


def test_a_partial_delivery_that_is_given_up_takes_its_pieces_with_it(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"ab", 3, PART), PartialDeliveryAborted(), room.chunk(b"f", 4))
        assert room.user.got == [(4, b"f")]
        assert room.ear.discards == [("partial-delivery", b"ab")]

    in_room(test)


def test_a_message_without_end_aborts_the_association(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        piece = room.chunk(bytes(sctp_association.MAX_MESSAGE // 4), 3, PART)
        await room.gives(room.chunk(b"before"), piece, piece, piece, piece, piece)
        assert room.user.got == [(1, b"before")]
        assert room.socket.ended == "aborted"
        assert room.user.log == ["connected", "a message of more than 256 KiB"]

    in_room(test)


def test_another_protocols_messages_are_thrown_away(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"m2pa", ppid=5), room.chunk(b"ours"))
        assert room.user.got == [(1, b"ours")]
        assert room.ear.discards == [("payload-protocol", b"m2pa")]

    in_room(test)


def test_a_batch_is_bundled_and_a_missing_stream_becomes_stream_0(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        assert room.association.streams == 17
        room.association.send([(1, b"a"), (16, b"b"), (17, b"c")])
        assert room.socket.sent == [(1, b"a", True), (16, b"b", True), (0, b"c", False)]

    in_room(test)


def test_a_full_socket_stops_the_reading_until_there_is_room(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        room.socket.room = 1
        room.socket.fill()
        room.association.send([(1, bytes(600)) for _ in range(4)])
        assert len(room.socket.sent) == 1
        assert room.association.congested
        await room.gives(room.chunk(b"while congested"))
        assert room.user.got == []
        room.association.send([(2, b"last")])
        room.socket.make_room()
        await turns(10)
        assert [octets for _, octets, _ in room.socket.sent[1:]] == [bytes(600)] * 3 + [b"last"]
        assert not room.socket.sent[-1][2], "the last of a batch must not be held back"
        assert not room.association.congested
        assert room.association.pauses == 1
        assert room.user.got == [(1, b"while congested")]

    in_room(test, Limits(high_water=1000, max_unsent=100_000))


def test_a_peer_that_reads_nothing_is_given_up(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        room.socket.room = 0
        room.socket.fill()
        for _ in range(20):
            room.association.send([(1, bytes(600))])
        await turns()
        assert room.socket.ended == "aborted"
        assert room.user.log[1:] == ["peer reads nothing: more than 9 KiB unsent"]

    in_room(test, Limits(high_water=1000, max_unsent=10_000))


def test_a_close_sends_what_is_queued_before_the_shutdown(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        room.socket.room = 0
        room.socket.fill()
        room.association.send([(1, b"a")])
        room.association.close()
        room.association.send([(1, b"after the close")])
        assert room.socket.ended == ""
        room.socket.make_room()
        await turns(10)
        assert room.socket.sent == [(1, b"a", False)]
        assert room.socket.ended == "shutdown"
        await room.gives(room.chunk(b"late"), AssocChange(3, 0, 0, False))
        assert room.user.got == []
        assert room.user.log == ["connected", "closed by us"]

    in_room(test)


def test_a_shutdown_that_the_peer_does_not_complete_becomes_an_abort(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        room.association.close()
        assert room.socket.ended == "shutdown"
        await asyncio.wait_for(asyncio.shield(room.association.lost), 60)
        assert room.socket.ended == "aborted"
        assert room.user.log == ["connected", "closed by us"]

    in_room(test, Limits(linger=0.05))


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((ShutdownEvent(), AssocChange(3, 0, 0, False)), "shut down by peer"),
        ((AssocChange(1, 12, 0, True),), "aborted by peer: user-initiated abort"),
        ((AssocChange(1, 99, 0, True),), "aborted by peer"),
        ((AssocChange(1, 0, 0, False),), "no answer on any path, too many retransmissions"),
        ((End(),), "closed by peer"),
        ((OSError(errno.ECONNRESET, ""),), "aborted by peer"),
        ((OSError(errno.ETIMEDOUT, ""),), "no answer on any path"),
        ((ShutdownEvent(), End()), "shut down by peer"),
    ],
)
def test_the_end_is_said_in_words_after_what_came_before(
    in_room: Callable[..., None], events: tuple[Any, ...], reason: str
) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"last words"), *events)
        assert room.user.got == [(1, b"last words")]
        assert room.user.log == ["connected", reason]
        assert await room.association.lost == reason
        assert set(room.ear.paths.values()) == {""}

    in_room(test)


def test_an_association_that_fails_while_sending_ends_once(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        room.socket.failing = BrokenPipeError(errno.EPIPE, "Broken pipe")
        room.association.send([(1, b"a")])
        room.association.send([(1, b"b")])
        assert room.user.log == ["connected"], "told in the loop's next turn, not from within send"
        await turns()
        assert room.user.log == ["connected", "broken pipe"]

    in_room(test)


def test_a_restart_is_an_end_and_a_beginning(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        await room.gives(room.chunk(b"a", whole=PART), AssocChange(2, 0, 2, False), room.chunk(b"new", 1))
        assert room.user.log == ["connected", "restarted by peer", "connected"]
        assert room.user.got == [(1, b"new")]
        assert room.association.streams == 2
        assert not room.association.lost.done()

    in_room(test)


def test_paths_are_followed(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        assert room.ear.paths == {"10.0.0.1": "up", "10.0.1.1": "not confirmed yet"}
        await room.gives(AddrChange("10.0.1.1", 5), AddrChange("10.0.0.1", 6), AddrChange("10.0.0.1", 1))
        assert room.ear.paths == {"10.0.0.1": "down", "10.0.1.1": "up"}
        await room.gives(AddrChange("10.0.0.1", 0), AddrChange("10.0.0.1", 0), AddrChange("10.0.1.1", 2))
        assert room.association.paths == {"10.0.0.1": "up"}
        assert room.ear.notes == [
            ("path to 10.0.1.1 is up", False),
            ("path to 10.0.0.1 is failing", True),
            ("path to 10.0.0.1 is down", True),
            ("path to 10.0.0.1 is up", False),
            ("the peer gave up its address 10.0.1.1", False),
        ]

    in_room(test)


def test_addresses_that_we_gave_count_as_confirmed(in_room: Callable[..., None]) -> None:
    async def test(room: Room) -> None:
        assert room.ear.paths == {"10.0.0.1": "up", "10.0.1.1": "up"}

    in_room(test, given=["10.0.0.1", "10.0.1.1"])


# -- the kernel's layouts -------------------------------------------------------------------------------------


def test_an_address_comes_back_from_its_sockaddr() -> None:
    packed = [sctp_socket._pack(each, 2905) for each in ("10.0.0.1", "2001:db8::1", "::ffff:10.0.1.1")]
    assert [len(each) for each in packed] == [16, 28, 28]
    assert sctp_socket._unpack_all(b"".join(packed), 3) == ["10.0.0.1", "2001:db8::1", "10.0.1.1"]


def test_notifications_are_read_and_garbage_is_not() -> None:
    lost = struct.pack("=HHIHHHHi", 0x8001, 0, 24, 1, socket.htons(12), 0, 0, 1)
    assert sctp_socket.read_notification(lost) == AssocChange(1, 12, 0, False)
    assert sctp_socket.read_notification(lost + bytes(4)) == AssocChange(1, 12, 0, True)
    address = sctp_socket._pack("10.0.0.1", 2905).ljust(128, b"\0")
    changed = struct.pack("=HHI128siii", 0x8002, 0, 148, address, 1, 0, 1)
    assert sctp_socket.read_notification(changed) == AddrChange("10.0.0.1", 1)
    assert sctp_socket.read_notification(struct.pack("=HHIi", 0x8005, 0, 12, 1)) == ShutdownEvent()
    chance = Random(1)
    for length in range(12):
        for octets in (lost[:length], changed[:length], chance.randbytes(length)):
            found = sctp_socket.read_notification(octets)
            assert found is None or isinstance(found, ShutdownEvent | PartialDeliveryAborted)


# -- where there is no SCTP -----------------------------------------------------------------------------------


@pytest.mark.skipif(kernel_has_sctp(), reason="this kernel has SCTP")
def test_without_sctp_a_connector_says_so_and_goes_on_trying() -> None:
    said: list[str] = []

    async def test() -> None:
        twice = asyncio.Event()

        def failed(reason: str) -> None:
            said.append(reason)
            if len(said) == 2:
                twice.set()

        backoff = Backoff(0.01, 0.01)
        connector = Connector(
            "stp", ["127.0.0.1"], 2905, User(), random=Random(1), failed=failed, backoff=backoff
        )
        await connector.start()
        await asyncio.wait_for(twice.wait(), 60)
        await connector.close()

    asyncio.run(test())
    assert said[0] == f"127.0.0.1 port 2905: {sctp_socket.NO_SCTP}"


@pytest.mark.skipif(kernel_has_sctp(), reason="this kernel has SCTP")
def test_without_sctp_a_listener_says_so() -> None:
    async def test() -> None:
        await Listener("msc", ["127.0.0.1"], 2905, lambda _: User()).start()

    with pytest.raises(OSError, match="modprobe sctp"):
        asyncio.run(test())


@pytest.mark.parametrize("alive", [True, False])
def test_a_second_association_has_the_peer_of_the_first_prove_that_it_is_alive(alive: bool) -> None:
    class Probed(User):
        why = ""

        def __init__(self) -> None:
            super().__init__()
            self.decided = asyncio.Event()

        def connected(self, transport: Any) -> None:
            super().connected(transport)
            self.decided.set()

        def probe(self) -> None:
            self.transport.send([(0, b"BEAT")])

        def give_up(self, why: str) -> None:
            self.why = why
            self.transport.close(abort=True)

    async def scenario() -> None:
        user, refused = Probed(), []
        single = SingleUser(user, proof=3600.0 if alive else 0.04)
        listener = Listener(
            "msc",
            ["127.0.0.1"],
            2905,
            single.take,
            refused=lambda *told: (refused.append(told), user.decided.set()),
            contend=single.contend,
        )
        first, second = FakeSocket(), FakeSocket()
        listener._take(first, "10.0.0.1", 2905)  # type: ignore[arg-type]
        assert user.log == ["connected"]
        listener._take(second, "10.0.0.1", 2906)  # type: ignore[arg-type]
        assert first.sent == [(0, b"BEAT", False)]
        if alive:
            first.give(Chunk(0, 3, b"BEAT ACK", WHOLE))
        user.decided.clear()
        await asyncio.wait_for(user.decided.wait(), 60)
        if alive:
            [(address, why)] = refused
            assert (address, second.ended, first.ended) == ("10.0.0.1", "aborted", "")
            assert "alive on another association" in why
            assert user.log == ["connected"]
        else:
            assert (first.ended, second.ended, refused) == ("aborted", "", [])
            assert user.log == ["connected", "closed by us", "connected"]
            assert "no answer to BEAT" in user.why
            assert user.transport.remote.endswith("port 2906")
        await listener.close(abort=True)
        first.release()
        second.release()

    asyncio.run(scenario())
