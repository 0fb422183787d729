"""The records of calls that a service holds: one each, at the end, with what the switch reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from held_open import HeldOpen
from room import READY, SERVICE_KEY, Room

from scp.charging.sink import CdrSink
from scp.domain.decision import Action, Decision
from scp.domain.numbers import Nature, Numbering
from scp.domain.reason import Reason
from scp.engine.observers import OBSERVER
from scp.services.api import NextReport
from scp.store.cdr_sqlite import SqliteCdrStore
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.events import (
    BusyInfo,
    DisconnectInfo,
    EventReportBCSMArg,
    EventSpecificInformationBCSM,
    EventTypeBCSM,
    FailureInfo,
    MessageType,
    MiscCallInfo,
)
from ss7.cap.operations import Opcode
from ss7.cause import Cause, CauseValue
from ss7.rose import encode_invoke

EPOCH = 1_700_000_000
E = EventTypeBCSM
SPECIFIC = {
    E.O_DISCONNECT: ("oDisconnectSpecificInfo", DisconnectInfo),
    E.T_DISCONNECT: ("tDisconnectSpecificInfo", DisconnectInfo),
    E.O_CALLED_PARTY_BUSY: ("oCalledPartyBusySpecificInfo", BusyInfo),
    E.ROUTE_SELECT_FAILURE: ("routeSelectFailureSpecificInfo", FailureInfo),
}


class Forbearing:
    """Holds the call whatever is reported, until it is over; ``fails`` at the first report."""

    name = "forbearing"

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    async def run(self, call):
        call.invoke(Opcode.CONTINUE)
        while not (await NextReport(3600.0)).over:
            if self.fails:
                raise RuntimeError("a bug")


class Records:
    """A room whose calls leave records."""

    def __init__(self, service: object) -> None:
        self.room = Room(READY, services={SERVICE_KEY: service})
        self.store = SqliteCdrStore(":memory:")
        self.sink = CdrSink(
            self.store,
            "scp-1",
            Numbering(country_code="46"),
            lambda trouble: None,
            lambda: EPOCH + self.room.loop.time(),
        )
        observers = self.room.cap.observers
        observers.observer = observers.watcher = self.sink

    def reports(self, otid: bytes, kind: int, cause: int | None = None) -> None:
        """A report of an event, from the switch."""
        special = None
        if cause is not None:
            name, info = SPECIFIC[kind]
            special = EventSpecificInformationBCSM(name, info(Cause(cause).encode()))
        argument = EventReportBCSMArg(kind, special, misc_call_info=MiscCallInfo(MessageType.NOTIFICATION))
        octets = FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
        self.room.go_on(otid, encode_invoke(10, Opcode.EVENT_REPORT_BCSM, octets))

    def written(self, *, stopped: bool = False) -> list[dict]:
        async def main() -> list[dict]:
            await self.store.open()
            try:
                await (self.sink.stop() if stopped else self.sink.flush())
                return [json.loads(each.json) for each in await self.store.page(0, 100)]
            finally:
                await self.store.close()

        return asyncio.run(main())


@pytest.fixture
def held() -> Iterator[Callable[[object], Records]]:
    made: list[Records] = []

    def make(service: object) -> Records:
        made.append(Records(service))
        return made[-1]

    yield make
    for each in made:
        each.room.nothing_left()
        assert not each.sink._held


def times(record: dict) -> tuple[int | None, int | None, int | None]:
    """Seconds from the answer to the call's answer and its end, and the cause."""
    since = (record.get(name) for name in ("answered_ms", "disconnected_ms"))
    answered, over = (None if at is None else round((at - record["decided_ms"]) / 1000) for at in since)
    return answered, over, record.get("release_cause")


NORMAL, BUSY = CauseValue.NORMAL_CALL_CLEARING, CauseValue.USER_BUSY


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(8, E.O_ANSWER, None), (30, E.O_DISCONNECT, NORMAL)], (8, 38, 16)),
        ([(8, E.T_ANSWER, None), (30, E.T_DISCONNECT, None)], (8, 38, None)),
        ([(5, E.O_ANSWER, None)], (5, None, None)),
        ([(20, E.O_ABANDON, None)], (None, 20, None)),
        ([(2, E.O_CALLED_PARTY_BUSY, BUSY)], (None, None, 17)),
        ([(2, E.ROUTE_SELECT_FAILURE, CauseValue.NETWORK_OUT_OF_ORDER)], (None, None, 38)),
        ([(2, E.O_NO_ANSWER, None)], (None, None, None)),
        # connected anew: the cause of the first attempt is no cause of the call's end
        ([(2, E.O_CALLED_PARTY_BUSY, BUSY), (3, E.O_ANSWER, None)], (5, None, None)),
        ([(1, E.O_ANSWER, None), (2, E.O_DISCONNECT, NORMAL), (3, E.O_ANSWER, None)], (1, None, None)),
        ([(1, 99, None)], (None, None, None)),  # a detection point of a later release
        ([], (None, None, None)),
    ],
)
def test_what_was_reported_is_in_the_record(held, events, expected):
    records = held(Forbearing())
    otid = records.room.call()
    for wait, kind, cause in events:
        records.room.advance(wait)
        records.reports(otid, kind, cause)
    assert records.sink.waiting == 0
    records.room.end(otid)
    [record] = records.written()
    assert times(record) == expected
    assert (record["service"], record["reason"]) == ("forbearing", "service-logic")


def test_a_disconnect_that_the_service_answers_ends_call_and_record(held):
    records = held(HeldOpen(3600.0))
    otid = records.room.call()
    records.room.advance(8)
    records.reports(otid, E.O_ANSWER)
    records.room.advance(60)
    records.reports(otid, E.O_DISCONNECT, NORMAL)
    [record] = records.written()
    assert times(record) == (8, 68, 16)


def aborted(records: Records, otid: bytes) -> None:
    records.room.abort(otid)


def forgotten(records: Records, otid: bytes) -> None:
    records.room.advance(200_000.0)


def contradicted(records: Records, otid: bytes) -> None:
    records.room.go_on(otid, encode_invoke(11, 99))  # no operation of CAP: rejected in TC-END


@pytest.mark.parametrize("ends", [aborted, forgotten, contradicted])
def test_however_a_dialogue_ends_there_is_one_record(held, ends):
    records = held(Forbearing())
    otid = records.room.call()
    records.room.advance(8)
    records.reports(otid, E.O_ANSWER)
    ends(records, otid)
    [record] = records.written()
    assert times(record) == (8, None, None)


def test_a_service_that_fails_in_a_call_leaves_its_record(held):
    records = held(Forbearing(fails=True))
    otid = records.room.call()
    records.reports(otid, E.O_ANSWER)
    assert records.room.answers(otid)[-1].message.kind == tcap.END
    [record] = records.written()
    assert times(record) == (0, None, None)


def test_a_steered_call_has_its_record_at_once(held):
    from room import forwarding

    records = held(forwarding())
    records.room.call()
    records.room.store_answers()
    [record] = records.written()
    assert times(record) == (None, None, None)


def test_a_node_that_stops_records_the_calls_in_progress(held):
    records = held(Forbearing())
    otids = [records.room.call() for _ in range(3)]
    records.room.advance(8)
    records.reports(otids[0], E.O_ANSWER)
    assert records.written() == []
    # the file was closed in between: one in memory begins anew
    kept = records.written(stopped=True)
    assert [times(each) for each in kept] == [(8, None, None), (None, None, None), (None, None, None)]
    for otid in otids:
        records.room.abort(otid)
    assert records.written() == []


def test_what_is_kept_of_a_held_call_is_the_row_of_its_record(held):
    records = held(HeldOpen(3600.0))
    otid = records.room.call()
    [row] = records.sink._held.values()
    assert type(row) is bytes
    assert len(row) < 300
    assert not records.sink._progress, "nothing was reported"
    records.reports(otid, E.O_ANSWER, None)
    assert len(records.sink._progress) == 1
    records.room.abort(otid)
    [record] = records.written()
    assert record["msc_address"]
    assert not records.sink._progress


def test_who_looks_on_and_raises_costs_no_call(held):
    class Raises:
        def answered(self, *_):
            raise ValueError("answered")

        def reported(self, *_):
            raise ValueError("reported")

        def over(self, *_):
            raise ValueError("over")

    records = held(HeldOpen(3600.0))
    room = records.room
    room.cap.observers.observer = room.cap.observers.watcher = Raises()
    otid = room.call()
    records.reports(otid, E.O_ANSWER, None)
    room.end(otid)
    assert room.links[0].active
    assert [(name, str(error)) for name, error in room.bugs] == [
        (OBSERVER, "answered"),
        (OBSERVER, "reported"),
        (OBSERVER, "over"),
    ]
    room.bugs.clear()


def test_the_record_has_the_last_decision(held):
    class Changing:
        name = "changing"

        async def run(self, call):
            call.decided(Decision(Action.CONNECT, Reason.FORWARDED_ALWAYS, "9911234567", Nature.NATIONAL))
            call.invoke(Opcode.CONTINUE)
            await NextReport(3600.0)
            call.decided(Decision(Action.RELEASE, Reason.SERVICE_LOGIC))

    here = held(Changing())
    otid = here.room.call()
    here.reports(otid, E.O_ANSWER)
    [record] = here.written()
    assert (record["action"], record["reason"], record.get("number", "")) == ("release", "service-logic", "")
    assert record["a_number"] == "46700000009"
    assert times(record)[0] == 0
