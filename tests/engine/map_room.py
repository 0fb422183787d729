"""A node that speaks MAP, beside a simulated HLR, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
from room import NETWORK, NUMBERING, READY, SERVICE_KEY, Overheard, Room

from oracles import loopback
from oracles.recorder import Recorder, current_test
from scp.domain.breaker import Breaker
from scp.domain.map_results import Result
from scp.domain.moves import Move, Moved, remembered
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber
from scp.engine.enquiries import Enquiries
from scp.engine.mobility import CONTEXTS_SERVED, Mobility, Written
from scp.engine.whereabouts import Places
from scp.services.voip_forwarding import VoipForwarding
from scp.services.whereabouts import Ask, OnSilence
from scp.simulator import hlr, hlr_script
from scp.simulator.hlr_script import Script
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, SgpSettings
from scp.stack.m3ua.sgp import Sgp
from scp.stack.sccp_settings import SccpSettings
from scp.telemetry.map_metrics import MapCounts
from ss7.cap.contexts import CALL_CONTROL
from ss7.map.contexts import CONTEXTS
from ss7.sccp import GlobalTitle

HLR = 190
TITLE = "46700000001"
HLR_TITLE = "46700000006"
ABROAD = hlr_script.Subscriber(msisdn="11234567", vlr="31651000000", cell="204-04-100-200", age=1)
HOME = hlr_script.Subscriber(msisdn="11234567", vlr="46709000001", cell="240-01-100-200")


class HandMovedWriter:
    """Keeps what is to be written, and writes it to the room's store when the test says so, or at once."""

    def __init__(self, room: MapRoom) -> None:
        self.room = room
        self.at_once = True
        self.result: Result | None = None
        self.waiting: list[tuple[Move, Written]] = []
        self.known: dict[str, bytes] = {}

    def write(self, move: Move, done: Written) -> None:
        self.waiting.append((move, done))
        if self.at_once:
            self.run()

    def run(self) -> None:
        for move, done in self.waiting:
            done.written(Moved(self.result) if self.result else self._moved(move))
        self.waiting.clear()

    def _moved(self, move: Move) -> Moved:
        """As `scp.ports.SubscriberStore.move`, at the room's time."""
        records, number = self.room.store.records, move.msisdn
        record = records.get(number)
        if record is None:
            return Moved(Result.UNKNOWN_SUBSCRIBER)
        now = 1_800_000_000 + int(self.room.loop.now)
        self.known[number], refused = remembered(self.known.get(number, b""), move, now)
        if refused or move.age_s is None:
            return Moved(refused or Result.TAKEN, record.version)
        if move.roaming is None:
            result, wanted = Result.TAKEN, record
        else:
            wanted = msgspec.structs.replace(record, roaming=move.roaming, vlr=move.vlr)
            result = Result.UNCHANGED if wanted == record else Result.WRITTEN
        records[number] = msgspec.structs.replace(wanted, version=record.version + 1)
        return Moved(result, record.version + 1)


class MapRoom(Room):
    """The node, its switch, and an HLR behind a second link."""

    def __init__(
        self,
        *records: Subscriber,
        recorder: Recorder | None = None,
        ask: Ask = Ask.NEEDED,
        on_silence: OnSilence = OnSilence.STORED,
        rate: float = 1000.0,
        failures: int = 20,
        max_age: float = 60.0,
        allowed: Sequence[str] = (),
        max_message: int = 268,
        **room: Any,
    ) -> None:
        service = VoipForwarding(Rules(NUMBERING, prefix="99"), ask=ask, on_silence=on_silence)
        settings = SccpSettings(
            point_codes=(NETWORK.scp_point_code,),
            ssns=(146, 147),
            global_title=GlobalTitle(TITLE),
        )
        super().__init__(
            *(records or (READY,)),
            services={SERVICE_KEY: service},
            recorder=recorder,
            sccp_settings=settings,
            **room,
        )
        self.node.tcap._contexts = CALL_CONTROL | CONTEXTS_SERVED
        self.map = MapCounts()
        self.enquiries = Enquiries(self.node, self.map, TITLE, 147, HLR, rate, rate)
        self.places = Places(
            self.enquiries,
            NUMBERING,
            self.map,
            max_age=max_age,
            patience=3.0,
            breaker=Breaker(failures, 5.0),
        )
        self.writer = HandMovedWriter(self)
        self.mobility = Mobility(self.node, self.writer, self.places, NUMBERING, self.map, allowed)
        self.users.add(
            self.enquiries,
            147,
            [*(each.octets for each in CONTEXTS if each.octets not in CONTEXTS_SERVED), b""],
        )
        self.users.add(self.mobility, 147, CONTEXTS_SERVED)
        self.cap.locator = self.places
        self.script = Script()
        self.hlr_node = hlr.stack(self.loop, Random(current_test()), point_code=HLR, max_message=max_message)
        self.hlr = hlr.Hlr(self.hlr_node, self.script, HLR_TITLE)
        self.node.observer.expect("hlr")
        near = self.node.add_link("hlr", Asp(AspSettings()), frozenset({HLR}))
        far = self.hlr_node.add_link("hlr", Sgp(SgpSettings()))
        self.links[0].reaches = frozenset({NETWORK.point_code})
        association = 0 if recorder is None else recorder.association()
        self.near, self.far = Overheard(near, recorder, association), far
        loopback.pair(self.near, far, schedule=self.pump)
        self.turn()
        assert near.active

    def _next(self) -> float:
        return min(self.node._next_deadline(), self.hlr_node._next_deadline())

    def known(self, *subscribers: hlr_script.Subscriber) -> None:
        self.script.add(subscribers)

    def note(self, subscriber: hlr_script.Subscriber, event: bytes = b"\x01", **fields: Any) -> None:
        self.hlr.note(subscriber, event, to=TITLE, point_code=NETWORK.scp_point_code, **fields)
        self.turn()
