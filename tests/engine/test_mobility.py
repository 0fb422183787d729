"""What VLRs tell: the stored roaming flag follows, and nothing else moves it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_room import ABROAD, HLR_TITLE, HOME, TITLE, MapRoom
from room import NUMBERING, READY, ROAMER

from scp.capture.tracer import Tracer
from scp.domain.call import Trigger
from scp.domain.map_results import Result
from scp.domain.reason import Reason
from scp.services.whereabouts import Ask
from scp.simulator.hlr_script import Subscriber, note_mm_event
from scp.telemetry.number_traces import Traces
from ss7.address import AddressString, Imsi
from ss7.map.codec import FAST
from ss7.map.location import (
    IMSI_ATTACH,
    LOCATION_UPDATE_OTHER_VLR,
    MM_NAMES,
    MS_INITIATED_IMSI_DETACH,
)
from ss7.map.subscription import NoteSubscriberDataModifiedArg
from ss7.sccp import Address, GlobalTitle
from ss7.tcap_dialogue import oid_octets

WANDERER = msgspec.structs.replace(ROAMER, roaming=None, version=1)
NOTE = "0.4.0.0.1.0.42.3"
MOVED, ATTACHED, DETACHED = LOCATION_UPDATE_OTHER_VLR, IMSI_ATTACH, MS_INITIATED_IMSI_DETACH


def results(room: MapRoom, event: bytes = MOVED) -> dict[str, int]:
    return {result: count for result, count in room.map.events[MM_NAMES[event]].items() if count}


def reason_of_a_call(room: MapRoom) -> Reason:
    room.call(trigger=Trigger.ORIGINATING)
    room.turn()
    return room.decision.reason


def test_who_lands_abroad_is_steered_and_back_home_is_not(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent, ask=Ask.OFF)
    assert reason_of_a_call(room) is Reason.ROAMING_UNKNOWN
    room.note(ABROAD)
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    room.advance(120.0)
    room.note(HOME, ATTACHED)
    assert reason_of_a_call(room) is Reason.AT_HOME
    assert room.hlr.counts["told: result"] == 2
    assert results(room) == {Result.WRITTEN: 1}
    assert results(room, ATTACHED) == {Result.WRITTEN: 1}
    room.nothing_left()


def test_the_vlr_has_its_result_when_it_is_written_not_before():
    room = MapRoom(WANDERER)
    room.writer.at_once = False
    room.note(ABROAD)
    assert room.hlr.counts["told: result"] == 0
    room.writer.run()
    room.turn()
    assert room.hlr.counts["told: result"] == 1


def test_what_can_not_be_written_is_not_acknowledged(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    room.writer.result = Result.NOT_WRITTEN
    room.note(ABROAD)
    assert room.hlr.counts["told: abort"] == 1
    assert results(room) == {Result.NOT_WRITTEN: 1}


def test_an_unknown_subscriber_is_told_so(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    room.note(Subscriber(msisdn="46701111111", vlr="31651000000"))
    assert room.hlr.counts["told: error 1"] == 1
    assert results(room) == {Result.UNKNOWN_SUBSCRIBER: 1}


def test_a_sender_that_is_not_allowed_changes_nothing(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent, allowed=("4670",))
    room.note(ABROAD)
    assert room.store.records[WANDERER.msisdn].roaming is None
    assert room.hlr.counts["told: abort"] == 1
    assert results(room) == {Result.FOREIGN: 1}
    assert ("map", "foreign-sender") in room.counts.discards


def test_a_vlr_speaks_for_its_own_network_only():
    room = MapRoom(WANDERER)
    room.note(ABROAD, sender="46709000009")
    assert room.store.records[WANDERER.msisdn].roaming is None
    assert results(room) == {Result.FORGED: 1}
    assert reason_of_a_call(room) is not Reason.FORWARDED_ROAMING


def told(
    room: MapRoom, subscriber: Subscriber, event: bytes = MOVED, *, title: str = "", ssn: int = 7
) -> None:
    """A noteMM-Event whose sender has this global title, or none: a point code and a subsystem."""
    named = GlobalTitle(title) if title else None
    calling = Address(ssn=ssn, point_code=190, global_title=named, route_on_ssn=not title)
    tell(room, 89, FAST.encode_argument(89, note_mm_event(subscriber, event), 3), NOTE, calling)


@pytest.mark.parametrize(
    ("place", "roaming", "result"),
    [(ABROAD, None, Result.FORGED), (HOME, False, Result.WRITTEN)],
    ids=["abroad", "at home"],
)
def test_a_sender_without_a_global_title_speaks_for_the_home_network(place, roaming, result):
    """A point code is known within its network (Q.713 §3.4.2.1): it says nothing of another one's VLR."""
    room = MapRoom(WANDERER)
    told(room, place)
    assert room.store.records[WANDERER.msisdn].roaming is roaming
    assert results(room) == {result: 1}
    assert (("map", "forged") in room.counts.discards) == (result is Result.FORGED)


def test_a_sender_without_a_global_title_is_none_of_those_that_may_tell():
    room = MapRoom(WANDERER, allowed=("4670",))
    told(room, HOME)
    assert room.store.records[WANDERER.msisdn].roaming is None
    assert results(room) == {Result.FOREIGN: 1}


@pytest.mark.parametrize("title", ["", "46709000009", "31651000009"])
@pytest.mark.parametrize("event", [MOVED, DETACHED])
def test_an_event_without_a_vlr_tells_no_place(title, event):
    """Nothing of it can be held against its sender: neither a cell nor a detach is believed."""
    room = MapRoom(WANDERER)
    room.known(ABROAD)
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    told(room, Subscriber(msisdn=WANDERER.msisdn, cell="240-01-100-200", age=0), event, title=title)
    assert results(room, event) == {Result.NO_PLACE: 1}
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    assert room.hlr.counts["anyTimeInterrogation"] == 2


def test_senders_that_are_not_checked_are_believed():
    room = MapRoom(WANDERER, ask=Ask.OFF)
    room.mobility._checks_sender = False
    told(room, ABROAD, title="46709000009")
    assert results(room) == {Result.WRITTEN: 1}
    told(room, Subscriber(msisdn=WANDERER.msisdn), DETACHED)
    assert results(room, DETACHED) == {Result.TAKEN: 1}


def heard_by(room: MapRoom) -> list[list[tuple[int, bytes]]]:
    """What the HLR's side sends from now on."""
    heard = []
    take = room.near.received

    def spy(messages):
        heard.append(list(messages))
        take(messages)

    room.near.received = spy
    return heard


def test_the_same_message_again_changes_nothing_and_is_answered():
    room = MapRoom(WANDERER, ask=Ask.OFF)
    heard = heard_by(room)
    room.note(ABROAD)
    [first] = heard
    room.advance(120.0)
    room.note(HOME)
    assert reason_of_a_call(room) is Reason.AT_HOME
    room.near.link.received(first)
    room.turn()
    assert reason_of_a_call(room) is Reason.AT_HOME
    assert results(room) == {Result.WRITTEN: 2, Result.REPLAYED: 1}


def test_a_message_that_could_not_be_written_counts_when_it_comes_again():
    room = MapRoom(WANDERER, ask=Ask.OFF)
    heard = heard_by(room)
    room.writer.result = Result.NOT_WRITTEN
    room.note(ABROAD)
    room.writer.result = None
    room.near.link.received(heard[0])
    room.turn()
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    assert results(room) == {Result.NOT_WRITTEN: 1, Result.WRITTEN: 1}


def test_a_move_that_another_node_was_told_of_is_asked_for():
    room = MapRoom(WANDERER)
    room.known(HOME)
    assert reason_of_a_call(room) is Reason.AT_HOME
    room.known(ABROAD)
    record = room.store.records[WANDERER.msisdn]
    room.store.records[WANDERER.msisdn] = msgspec.structs.replace(
        record, roaming=True, vlr=ABROAD.vlr, version=record.version + 1
    )
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    assert room.hlr.counts["anyTimeInterrogation"] == 2


def test_an_hlrs_answer_from_before_an_event_does_not_outlast_the_event():
    room = MapRoom(WANDERER)
    room.known(msgspec.structs.replace(HOME, delay=0.1))
    room.call(trigger=Trigger.ORIGINATING)
    room.turn()
    room.note(ABROAD)
    room.known(ABROAD)
    room.advance(0.2)
    assert room.decision.reason is Reason.AT_HOME
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING


def test_an_event_that_was_overtaken_changes_nothing():
    room = MapRoom(WANDERER, ask=Ask.OFF)
    room.note(HOME)
    room.note(msgspec.structs.replace(ABROAD, age=10))
    assert reason_of_a_call(room) is Reason.AT_HOME
    assert results(room) == {Result.WRITTEN: 1, Result.STALE: 1}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ABROAD, HOME]),
            st.lists(
                st.sampled_from(["replayed", "overtaken", "forged", "forged without a title"]), max_size=3
            ),
            st.integers(0, 6),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_comes_beside_them_the_last_true_event_holds(events):
    """Between true events, ten minutes apart: messages again, some that were overtaken, and forgeries."""
    room = MapRoom(WANDERER, ask=Ask.OFF)
    heard = heard_by(room)
    true, counted = [], dict.fromkeys((Result.REPLAYED, Result.STALE, Result.FORGED), 0)
    for place, beside, which in events:
        room.advance(600.0)
        heard.clear()
        room.note(msgspec.structs.replace(place, age=0))
        true.append(heard[0])
        for kind in beside:
            if kind == "replayed":
                room.near.link.received(true[which % len(true)])
                room.turn()
                counted[Result.REPLAYED] += 1
            elif kind == "overtaken":
                room.note(msgspec.structs.replace(HOME if place is ABROAD else ABROAD, age=5))
                counted[Result.STALE] += 1
            elif kind == "forged":
                room.note(HOME if place is ABROAD else ABROAD, sender="44770000001")
                counted[Result.FORGED] += 1
            else:
                told(room, ABROAD)
                counted[Result.FORGED] += 1
        assert room.store.records[WANDERER.msisdn].vlr == place.vlr
        assert reason_of_a_call(room) is (Reason.AT_HOME if place is HOME else Reason.FORWARDED_ROAMING)
    assert {result: results(room).get(result, 0) for result in counted} == counted
    room.nothing_left()


def test_a_detached_subscriber_is_known_to_be_so_without_asking():
    room = MapRoom(WANDERER)
    room.note(HOME, DETACHED)
    assert reason_of_a_call(room) is Reason.DETACHED
    assert room.store.records[WANDERER.msisdn].roaming is None
    assert results(room, DETACHED) == {Result.TAKEN: 1}


def test_an_event_makes_the_remembered_place_new():
    room = MapRoom(WANDERER)
    room.known(HOME)
    assert reason_of_a_call(room) is Reason.AT_HOME
    room.note(ABROAD)
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING
    assert room.hlr.counts["anyTimeInterrogation"] == 1


def test_an_event_that_names_no_vlr_makes_the_node_ask_again():
    room = MapRoom(WANDERER)
    room.known(HOME)
    assert reason_of_a_call(room) is Reason.AT_HOME
    room.note(Subscriber(msisdn=WANDERER.msisdn), sender="31651000000")
    assert results(room) == {Result.NO_PLACE: 1}
    room.known(ABROAD)
    assert reason_of_a_call(room) is Reason.FORWARDED_ROAMING


@pytest.mark.parametrize("record", [READY, WANDERER])
def test_an_event_changes_the_place_and_nothing_else_of_the_record(record):
    room = MapRoom(record)
    room.note(ABROAD)
    after = room.store.records[record.msisdn]
    assert after == msgspec.structs.replace(record, roaming=True, vlr=ABROAD.vlr, version=record.version + 1)


def test_what_is_asked_and_told_of_a_traced_number_is_in_its_trace():
    traces = Traces(lambda: 0.0)
    traces.start(WANDERER.msisdn, 600, 100, "test")
    lines = []
    tracer = Tracer(
        traces, NUMBERING, lambda msisdn, peer, message, *, sent: lines.append((message, sent)), lambda: 0.0
    )
    tracer.follow()
    room = MapRoom(WANDERER)
    room.node.tap = TracerTap(tracer)
    room.known(ABROAD)
    reason_of_a_call(room)
    room.note(HOME)
    operations = [
        (component.get("operation", component["type"]), sent)
        for message, sent in lines
        for component in message["components"]
    ]
    assert ("anyTimeInterrogation", True) in operations
    assert ("anyTimeInterrogation", False) in operations
    assert ("noteMM-Event", False) in operations
    place = next(m for m, sent in lines if not sent and "31651000000" in str(m))
    assert (
        place["components"][0]["result"]["subscriberInfo"]["locationInformation"]["vlr-number"]["digits"]
        == "31651000000"
    )


class TracerTap:
    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def heard(self, name, messages) -> None:
        for stream, octets in messages:
            self.tracer.take(name, stream, octets, sent=False)

    def said(self, name, messages) -> None:
        for stream, octets in messages:
            self.tracer.take(name, stream, octets, sent=True)


def tell(room: MapRoom, opcode: int, parameter: bytes, context: str, sender: Address | None = None) -> str:
    """Have the HLR's end begin a dialogue of ours; in a word what came of it."""
    node, now = room.hlr_node, room.loop.now
    called, calling = (
        Address(ssn=ssn, global_title=GlobalTitle(title)).encode()
        for ssn, title in ((147, TITLE), (6, HLR_TITLE))
    )
    calling = calling if sender is None else sender.encode()
    dialogue = node.tcap.open(node.path(called, calling, 185, 3), oid_octets(context), now)
    room.hlr._told[dialogue] = None
    invoke = node.tcap.invoke(dialogue, opcode, parameter, 1, 5.0)
    node.send(dialogue.path, node.tcap.begin(dialogue, [invoke], now))
    before = room.hlr.counts.copy()
    node.flush()
    room.turn()
    [said] = [
        key for key, count in room.hlr.counts.items() if count > before[key] and key.startswith("told: ")
    ]
    return said.removeprefix("told: ")


def test_a_change_of_subscription_is_taken_and_answered(everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    number = AddressString(WANDERER.msisdn).encode()
    told = NoteSubscriberDataModifiedArg(Imsi("240011234567890").encode(), number, all_information_sent=True)
    assert tell(room, 5, FAST.encode_argument(5, told, 3), "0.4.0.0.1.0.22.3") == "result"
    assert room.map.events["subscriber-data-modified"][Result.TAKEN] == 1
    room.nothing_left()


@pytest.mark.parametrize(
    ("opcode", "parameter", "context", "said"),
    [
        (89, b"\x30\x00", "0.4.0.0.1.0.42.3", "reject"),  # mistyped parameter
        (5, b"\x30\x00", "0.4.0.0.1.0.42.3", "reject"),  # not of this context
        (71, b"\x30\x00", "0.4.0.0.1.0.42.3", "reject"),
        (89, b"\x30\x00", "0.4.0.0.1.0.42.2", "abort"),  # there is no such version
        (71, b"\x30\x00", "0.4.0.0.1.0.29.3", "abort"),  # this node asks that, and is not asked
    ],
)
def test_what_is_not_served_or_can_not_be_read_is_refused(opcode, parameter, context, said, everything_sent):
    room = MapRoom(WANDERER, recorder=everything_sent)
    assert tell(room, opcode, parameter, context) == said
    assert room.store.records[WANDERER.msisdn] == WANDERER
    room.nothing_left()
