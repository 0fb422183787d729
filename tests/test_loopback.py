"""The loopback pair, pumped by hand and by the loop."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.loopback import Pump, pair


class User:
    def __init__(self, echo=False):
        self.log = []
        self.transport = None
        self.echo = echo

    def connected(self, transport):
        self.transport = transport
        self.log.append("up")

    def received(self, messages):
        self.log.append(list(messages))
        if self.echo:
            self.transport.send(messages)

    def disconnected(self, reason):
        self.log.append(reason)


def pumped(**options):
    left, right, pump = User(), User(echo=options.pop("echo", False)), Pump()
    one, other = pair(left, right, schedule=pump, **options)
    return left, right, one, other, pump


@given(st.lists(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=9)), max_size=4), max_size=6))
def test_everything_arrives_once_in_order_as_one_batch_a_turn(batches):
    left, right, one, _, pump = pumped(echo=True)
    for batch in batches:
        one.send(batch)
    pump.run()
    sent = [entry for batch in batches for entry in batch]
    assert right.log == (["up", sent] if sent else ["up"])
    assert left.log == (["up", sent] if sent else ["up"])


def test_close_delivers_what_is_queued_and_abort_does_not():
    left, right, one, other, pump = pumped()
    one.send([(0, b"last")])
    one.close()
    one.close()
    one.send([(0, b"too late")])
    pump.run()
    assert right.log == ["up", [(0, b"last")], "closed by peer"]
    assert left.log == ["up", "closed by us"]
    other.send([(0, b"nobody")])
    other.close()
    assert pump.run() == 0

    left, right, one, _, pump = pumped()
    pump.run()
    one.send([(1, b"lost")])
    one.close(abort=True)
    pump.run()
    assert right.log == ["up", "aborted by peer"]
    assert left.log == ["up", "closed by us"]


def test_streams_are_those_of_the_association():
    _, _, one, other, pump = pumped(streams=3, names=("a", "b"))
    pump.run()
    assert (one.streams, one.name, other.name) == (3, "a", "b")
    assert one.transport is one
    with pytest.raises(ValueError, match="stream 3 of 3"):
        one.send([(3, b"")])


def test_a_pair_that_never_rests_is_found_out():
    left, _, one, _, pump = pumped(echo=True)
    left.echo = True
    one.send([(0, b"ball")])
    with pytest.raises(RuntimeError, match="no rest"):
        pump.run(50)


def test_runs_on_the_loop():
    async def scenario():
        left, right = User(), User(echo=True)
        one, _ = pair(left, right)
        await asyncio.sleep(0)
        one.send([(0, b"a"), (1, b"b")])
        for _ in range(3):
            await asyncio.sleep(0)
        assert left.log == ["up", [(0, b"a"), (1, b"b")]]
        assert right.log == ["up", [(0, b"a"), (1, b"b")]]

    asyncio.run(scenario())
