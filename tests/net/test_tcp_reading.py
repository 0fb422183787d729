"""When a connection is read and when it is not, whatever comes in between: full reads, a slow peer, a close."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from test_tcp import FakeSocket, User, feed, message

from scp.net.tcp import READ_SIZE, Limits, TcpConnection
from ss7.m3ua_framer import Framer

FULL, PART = message(bytes(READ_SIZE - 8)), message(bytes(8))
STEPS = st.lists(st.sampled_from(["full", "turn", "part", "slow", "quick"]), min_size=20, max_size=40)
LAST = st.lists(st.sampled_from(["close", "abort", "full", "turn", "slow", "quick"]), max_size=6)


class Socket(FakeSocket):
    """A transport that ends as asyncio's do: reading is over once it closes."""

    def __init__(self):
        super().__init__()
        self.closing = False

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        assert not self.closing
        super().pause_reading()

    def resume_reading(self):
        assert not self.closing
        super().resume_reading()

    def close(self):
        self.closing = True

    def abort(self):
        self.closing = True


@given(STEPS, LAST)
def test_a_connection_is_read_unless_its_peer_is_behind_or_had_its_turn(steps, last):
    async def scenario():
        user = User()
        connection = TcpConnection("peer", user, Framer(), Limits())
        sock = Socket()
        connection.connection_made(sock)
        handed = 0
        for step in steps + last:
            if step in ("full", "part"):
                if sock.reading is False or sock.closing:
                    continue  # the loop reads nothing then
                feed(connection, FULL if step == "full" else PART)
                handed += 1
                assert sock.reading is (step == "part")
            elif step == "slow":
                connection.pause_writing()
            elif step == "quick":
                connection.resume_writing()
            elif step == "turn":
                await asyncio.sleep(0)
                assert sock.closing or sock.reading is not connection.congested
            else:
                connection.close(abort=step == "abort")
            assert not (connection.congested and sock.reading) or sock.closing
        assert len(user.messages) == handed
        if not connection.lost.done():
            connection.connection_lost(None)
        await asyncio.sleep(0)
        assert user.reasons == [connection.lost.result()]

    asyncio.run(scenario())
