"""The journal: the latest entries, whole, whatever the writer was doing when it was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from hypothesis import given
from hypothesis import strategies as st

from oracles.waiting import wait_until
from scp.failover.traffic_ring import _POSITIONS, Entry, Kind, TrafficRing

SIZE = 1024
entries = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(list(Kind)), st.binary(max_size=300), st.floats(0, 1e6, width=32)
    ),
    max_size=60,
)


@given(entries)
def test_what_is_there_is_the_end_of_what_was_written(written: list[tuple[int, Kind, bytes, float]]) -> None:
    journal = TrafficRing(SIZE)
    for link, kind, octets, at in written:
        journal.write(link, kind, octets, at)
    found = list(journal.entries())
    expected = [Entry(link, kind, at, octets) for link, kind, octets, at in written]
    assert found == expected[len(expected) - len(found) :]
    # Nothing is given up but for what is written: half the ring is always there.
    left, room = 0, SIZE // 2
    for _, _, octets, _ in reversed(written):
        room -= 24 + len(octets) + 8
        if room < 0:
            break
        left += 1
    assert len(found) >= left
    assert journal.left_out == 0


def test_what_is_too_large_is_left_out_and_counted() -> None:
    journal = TrafficRing(SIZE)
    journal.write(1, Kind.READ, b"kept", 1.0)
    journal.write(1, Kind.READ, bytes(SIZE), 2.0)
    assert [entry.octets for entry in journal.entries()] == [b"kept"]
    assert journal.left_out == 1


@given(entries)
def test_what_an_entry_says_can_be_changed_once_it_is_known(
    written: list[tuple[int, Kind, bytes, float]],
) -> None:
    journal = TrafficRing(SIZE)
    for link, kind, octets, at in written:
        journal.mark(journal.write(link, Kind.SENDING, octets, at), kind)
    found = list(journal.entries())
    assert (
        found
        == [Entry(link, kind, at, octets) for link, kind, octets, at in written][len(written) - len(found) :]
    )
    journal.mark(journal.write(1, Kind.SENDING, bytes(SIZE), 1.0), Kind.SENT)  # left out: nothing changes
    assert list(journal.entries()) == found


def test_a_writer_that_is_killed_leaves_whole_entries() -> None:
    """Each entry's octets say which one it is; the killed writer's are the latest, without a gap."""
    for turn in range(40):
        journal = TrafficRing(SIZE)
        process = os.fork()
        if not process:
            with contextlib.suppress(BaseException):
                number = 0
                while True:
                    number += 1
                    journal.write(number % 7, Kind.SENT, number.to_bytes(4, "big") * (number % 50), number)
            os._exit(1)
        wait_until(lambda journal=journal: bool(_POSITIONS.unpack_from(journal._memory)[1]))
        time.sleep(turn / 10_000)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        found = list(journal.entries())
        numbers = [int(entry.at) for entry in found]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for entry in found:
            number = int(entry.at)
            assert (entry.link, entry.octets) == (number % 7, number.to_bytes(4, "big") * (number % 50))


def test_whoever_looks_at_any_moment_sees_positions_that_were_written() -> None:
    """A kill may come between any two octets that are stored: a position in pieces would be one that never was."""
    journal = TrafficRing(4096)
    process = os.fork()
    if not process:
        with contextlib.suppress(BaseException):
            while True:
                journal.write(1, Kind.SENT, bytes(100), 0.0)
        os._exit(1)
    try:
        positions = memoryview(journal._memory)[: _POSITIONS.size].cast("Q")  # read by one instruction each
        wait_until(lambda: bool(positions[0]))
        first = positions[1]
        seen = [(positions[0], positions[1]) for _ in range(200_000)]
        wait_until(lambda: positions[1] != first)  # on one processor it may not have run meanwhile
        seen.append((positions[0], positions[1]))
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    for which in (0, 1):
        values = [each[which] for each in seen]
        assert values == sorted(values), "they only grow"
        assert len(set(values)) > 1, "it wrote meanwhile"
