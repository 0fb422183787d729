"""A room whose node journals its held calls, in a store that a test moves by hand; it can die and have a successor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from room import READY, SERVICE_KEY, Answer, Room

from scp.charging.sink import CdrSink
from scp.domain.numbers import Numbering
from scp.engine.cap.held_call import answered_already
from scp.engine.cap.held_record import decode
from scp.engine.journal import Journal
from scp.held_call_ports import NOBODY, HeldEntry, Kept, KeptWaiter
from scp.services.api import NodeSettings
from scp.services.voip_forwarding import voip_forwarding
from scp.store import held_rows as rows
from scp.store.cdr_sqlite import SqliteCdrStore
from scp.store.held_rows import HeldRow
from ss7.cap.codec import FAST
from ss7.cap.events import EventReportBCSMArg, EventTypeBCSM, MessageType, MiscCallInfo
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke

EPOCH = 1_700_000_000.0
INSTANCE = 7
RESCUING = voip_forwarding(
    {"prefix": "99", "rescue": True, "quiet_s": 600}, NodeSettings(Numbering(country_code="46"))
)


class HandMovedHeld:
    """The calls' path of a `scp.held_call_ports.HeldCalls`: a write is carried out, and told, when the test says so."""

    def __init__(self) -> None:
        self.rows: dict[bytes, HeldRow] = {}
        self.asked: list[tuple[str, Callable[[], Kept], KeptWaiter]] = []
        self.told: list[tuple[Kept, KeptWaiter]] = []
        self.at_once = True
        self.fails = False

    def put(self, entry: HeldEntry, due_ms: int, waiter: KeptWaiter) -> None:
        def write() -> Kept:
            row = rows.put(self.rows.get(entry.tid), entry, due_ms)
            if row is None:
                return Kept.FENCED
            self.rows[entry.tid] = row
            return Kept.WRITTEN

        self.asked.append(("put", write, waiter))

    def delete(self, tid: bytes, fence: int, owner: int, waiter: KeptWaiter) -> None:
        def write() -> Kept:
            row = self.rows.get(tid)
            if row is None or (row.fence, row.owner) != (fence, owner):
                return Kept.FENCED
            del self.rows[tid]
            return Kept.WRITTEN

        self.asked.append(("delete", write, waiter))

    def carry_out(self) -> None:
        """Do what was asked, and say nothing of it yet."""
        for _, write, waiter in self.asked:
            self.told.append((Kept.FAILED if self.fails else write(), waiter))
        self.asked.clear()

    def tell(self) -> None:
        """Say what came of it."""
        told, self.told = self.told, []
        for outcome, waiter in told:
            waiter.kept(outcome)

    def usable(self) -> str:
        return ""


class HeldRoom(Room):
    """A `Room` with a journal, and a sink of CDRs.

    Args:
        held: the store.
        before: the room of the process that has died; its switch goes on with this one.
        max_dialogues: how many calls may be open.
    """

    def __init__(
        self, held: HandMovedHeld, before: HeldRoom | None = None, max_dialogues: int = 1000
    ) -> None:
        super().__init__(READY, services={SERVICE_KEY: RESCUING}, max_dialogues=max_dialogues)
        self.held = held
        if before is not None:
            self.said = before.said
            self.switch.room = self
            self.loop.now = before.loop.now + 1.0
            self.switch.transport = self.switch.transport
        self.cap.wall = lambda: EPOCH + self.loop.time()
        self.cap.epoch = EPOCH
        self.journal = Journal(held, INSTANCE, self.cap, self.node, self.loop.time, self.cap.wall)
        self.cap.journal = self.journal
        self.cdrs = SqliteCdrStore(":memory:")
        self.sink = CdrSink(
            self.cdrs, "scp-1", Numbering(country_code="46"), lambda trouble: None, self.cap.wall
        )
        self.cap.observers.observer = self.cap.observers.watcher = self.sink

    def writes(self) -> None:
        """The store carries out what it was asked, and says so, until nothing is asked any more."""
        while self.held.asked or self.held.told:
            self.held.carry_out()
            self.held.tell()
            self.turn()

    def adopt(self, tid: bytes, *left: bytes) -> bool:
        """Claim a call of another process, and serve what that has left."""
        row = self.held.rows[tid]
        self.held.rows[tid] = row._replace(fence=row.fence + 1, owner=INSTANCE)
        record = decode(row.record)
        assert record is not None
        assert self.cap.can_adopt(record)
        from scp.engine.return_path import ReturnPath

        path = ReturnPath(
            self.links[0],
            record.opc,
            record.dpc,
            record.sls,
            record.called,
            record.calling,
            record.routing_context,
        )
        if not self.cap.adopt(HeldEntry(tid, row.fence + 1, INSTANCE, row.record), record, path):
            return False
        for octets in left:
            if answered_already(record, octets):
                dialogue = self.node.tcap.find(tid)
                assert dialogue is not None
                self.cap.say_again(dialogue, record)
            else:
                self.node.take(octets, path)
        self.node.flush()
        self.turn()
        return True

    def nobodys(self, tid: bytes) -> None:
        """The guardian has taken the call from a dead process."""
        row = self.held.rows[tid]
        self.held.rows[tid] = row._replace(fence=row.fence + 1, owner=NOBODY)

    def new_answers(self, otid: bytes, since: int) -> list[Answer]:
        return self.answers(otid)[since:]


def report(event: EventTypeBCSM, invoke_id: int) -> bytes:
    """An EventReportBCSM: a request where the switch waits for instructions."""
    asks = event in (EventTypeBCSM.O_CALLED_PARTY_BUSY, EventTypeBCSM.O_NO_ANSWER)
    kind = MessageType.REQUEST if asks else MessageType.NOTIFICATION
    argument: Any = EventReportBCSMArg(event, misc_call_info=MiscCallInfo(kind))
    octets = FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
    return encode_invoke(invoke_id, Opcode.EVENT_REPORT_BCSM, octets)
