"""What a killed node had read and not answered, found in its journal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # room.py

from room import NETWORK, idp

from scp.failover.journaling_transport import JournalingTransport
from scp.failover.takeover import PendingTraffic, Unanswered
from scp.failover.traffic_ring import Entry, Kind, TrafficRing
from ss7 import tcap
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.m3ua import DataEncoder
from ss7.rose import encode_invoke
from ss7.sccp import udt
from ss7.tcap_dialogue import Aarq, encode_dialogue

SCP, MSC = NETWORK.scp_point_code, NETWORK.point_code
ENCODER = DataEncoder(7, -1)
BEAT = bytes.fromhex("0100030300000008")
ARGUMENT = idp()


def tid(number: int) -> bytes:
    return number.to_bytes(4, "big")


def from_msc(octets: bytes) -> bytes:
    return ENCODER.encode(MSC, SCP, 3, 0, 0, 5, udt(NETWORK.called(), NETWORK.calling(), octets, 1))


def from_us(octets: bytes) -> bytes:
    return ENCODER.encode(SCP, MSC, 3, 0, 0, 5, udt(NETWORK.calling(), NETWORK.called(), octets, 1))


def begin(number: int) -> bytes:
    invoke = encode_invoke(1, Opcode.INITIAL_DP, ARGUMENT)
    return from_msc(tcap.build_begin(tid(number), encode_dialogue(Aarq(BY_VERSION[2].octets)), [invoke]))


def report(number: int) -> bytes:
    return from_msc(tcap.encode(tcap.Message(tcap.CONTINUE, tid(number), tid(1), None, [])))


def answer(number: int) -> bytes:
    return from_us(tcap.encode(tcap.Message(tcap.END, b"", tid(number), None, [])))


def held(number: int) -> bytes:
    """The first answer to a call that is held: TC-CONTINUE (its dialogue portion and components don't matter)."""
    return from_us(tcap.encode(tcap.Message(tcap.CONTINUE, tid(100 + number), tid(number), None, [])))


def flat(found: PendingTraffic) -> list[bytes]:
    return [octets for messages in found.pending.values() for octets in messages]


def pending(*entries: Entry, since: float = 0.0, link: int = 1) -> list[bytes]:
    return flat(Unanswered(entries, since).links[link])


def came(*messages: bytes, at: float = 1.0, link: int = 1) -> Entry:
    return Entry(link, Kind.READ, at, b"".join(messages))


def went(*messages: bytes, kind: Kind = Kind.SENT, link: int = 1) -> Entry:
    return Entry(link, kind, 1.0, b"".join(messages))


@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=30),
    st.lists(st.integers(1, 40), max_size=10),
)
def test_a_transaction_is_answered_by_what_follows_it(story: list[tuple[int, bool]], cuts: list[int]) -> None:
    """Whatever the batches: in the end those are open whose last word was the switch's."""
    open_: dict[int, list[bytes]] = {}
    entries: list[Entry] = []
    batch: list[bytes] = []
    was_ours = False
    for position, (number, ours) in enumerate(story):
        if batch and (ours != was_ours or position in cuts):
            entries.append((went if was_ours else came)(*batch))
            batch = []
        was_ours = ours
        batch.append(answer(number) if ours else begin(number))
        if ours:
            open_.pop(number, None)
        else:
            open_.setdefault(number, []).append(begin(number))
    if batch:
        entries.append((went if was_ours else came)(*batch))
    entries.insert(0, Entry(1, Kind.BEGUN, 0.0, b""))
    assert pending(*entries) == [octets for messages in open_.values() for octets in messages]


def test_what_is_no_data_or_too_old_is_not_worked_on_again() -> None:
    assert pending(came(begin(1), at=1.0), came(BEAT, begin(2), at=3.0), since=2.0) == [begin(2)]


def test_a_report_that_waits_is_worked_on_as_well() -> None:
    """The dialogue is gone with the node: the switch gets P-Abort, and goes on by itself."""
    assert pending(came(begin(1)), went(answer(1)), came(report(1))) == [report(1)]


def test_what_cannot_be_read_counts_as_unanswered() -> None:
    odd = ENCODER.encode(MSC, SCP, 3, 0, 0, 5, b"\x11what is this")
    assert pending(came(odd, begin(1), odd)) == [odd, begin(1), odd]


def test_a_new_association_begins_anew() -> None:
    entries = [came(begin(1)), Entry(1, Kind.REST, 1.0, b"\1\0"), Entry(1, Kind.BEGUN, 2.0, b"")]
    found = Unanswered(entries, 0.0).links[1]
    assert (found.pending, found.rest) == ({}, b"")


def test_links_are_told_apart() -> None:
    entries = [came(begin(1), link=1), came(begin(2), link=2), went(answer(1), link=1)]
    links = Unanswered(entries, 0.0).links
    assert [flat(links[number]) for number in (1, 2)] == [[], [begin(2)]]


def test_the_beginning_of_a_message_is_kept_until_the_rest_has_come() -> None:
    half = begin(2)[:50]
    rest = Entry(1, Kind.REST, 1.0, half)
    assert Unanswered([came(begin(1)), rest], 0.0).links[1].rest == half
    assert Unanswered([came(begin(1)), rest, came(begin(2))], 0.0).links[1].rest == b""


def test_what_the_kernel_has_not_taken_is_no_answer_until_something_after_it_has_gone() -> None:
    cut = went(answer(1), kind=Kind.UNSENT)
    found = Unanswered([came(begin(1)), cut], 0.0).links[1]
    assert found.unsent
    assert flat(found) == [begin(1)]
    found = Unanswered([came(begin(1), begin(2)), cut, went(answer(3))], 0.0).links[1]
    assert not found.unsent
    assert flat(found) == [begin(2)]


def test_what_was_being_sent_was_sent_if_it_holds_a_call() -> None:
    """TC-END to a call that is held would be the end of its control and charging; one that ends gets it twice."""
    sending = went(answer(1), held(2), kind=Kind.SENDING)
    assert pending(came(begin(1), begin(2), begin(3)), sending) == [begin(1), begin(3)]


class _Wire:
    """A transport that looks at the ring while it is given messages; of the last ``unsent`` octets are left."""

    name = "msc"
    streams = 2
    more = False

    def __init__(self, ring: TrafficRing, unsent: int) -> None:
        self.ring = ring
        self.unsent = unsent
        self.seen: list[Entry] = []

    def fileno(self) -> int:
        return 0

    def send(self, messages: Iterable[tuple[int, bytes]]) -> None:
        self.seen = list(self.ring.entries())
        self.given = list(messages)

    def close(self, *, abort: bool = False) -> None:
        raise AssertionError(abort)


class _User:
    def connected(self, transport: object) -> None:
        self.transport = transport


class _Listener:
    def begun(self, link: int, descriptor: int, name: str) -> None:
        pass


@pytest.mark.parametrize("unsent", [0, 7])
def test_what_is_sent_is_written_down_before_and_the_outcome_after(unsent: int) -> None:
    """So whenever the node is killed, the ring knows of a message that may have left."""
    ring = TrafficRing()
    wire = _Wire(ring, unsent)
    transport = JournalingTransport(3, _User(), ring, _Listener())  # type: ignore[arg-type]
    transport.connected(wire)
    transport.send([(1, b"one"), (0, b"two")])
    assert wire.given == [(1, b"one"), (0, b"two")]
    kinds = [(entry.link, entry.kind, entry.octets) for entry in wire.seen]
    assert kinds == [(3, Kind.BEGUN, b""), (3, Kind.SENDING, b"onetwo")]
    last = list(ring.entries())[-1]
    assert (last.kind, last.octets) == (Kind.UNSENT if unsent else Kind.SENT, b"onetwo")
