"""A charging system, a journal's store and a watcher that a test moves by hand, and a room for one service."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from room import READY, SERVICE_KEY, Room

from scp.domain.decision import Decision
from scp.domain.quota import (
    ChargingFailure,
    QuotaAnswer,
    QuotaDenial,
    QuotaGrant,
    QuotaRequest,
    Settled,
    Usage,
)
from scp.engine.journal import Journal
from scp.held_call_ports import Kept
from scp.services.api import (
    ReportKind,
)
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    EventReportBCSMArg,
    EventTypeBCSM,
    MessageType,
    MiscCallInfo,
)
from ss7.rose import (
    encode_invoke,
)

ARM, CONTINUE, TEST = Opcode.REQUEST_REPORT_BCSM_EVENT, Opcode.CONTINUE, Opcode.ACTIVITY_TEST
SESSION = "a-session"
QUOTA = QuotaRequest(SESSION, "11234567", "call", "46700000001", "4611234567", 60)
GRANT, DENIAL, SETTLED = QuotaGrant(SESSION, 60), QuotaDenial("no-credit"), Settled(SESSION, 8, 73)
LATE, NONE, BROKEN = ChargingFailure("timeout"), ChargingFailure("none"), ChargingFailure("unavailable")
K = ReportKind


class Charger:
    """A `scp.ports.QuotaPort` that answers when the test says so.

    Attributes:
        asked: (what, session) of every request.
        open: sessions that were asked for and not settled.
        bug: raised at the next request, once.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.open: set[str] = set()
        self.waiting: list[Any] = []
        self.bug: Exception | None = None

    def reserve(self, request: QuotaRequest, waiter: Any) -> None:
        self.open.add(request.session)
        self._ask("reserve", request.session, waiter)

    def extend(self, session: str, request: QuotaRequest, waiter: Any) -> None:
        self._ask("extend", session, waiter)

    def settle(self, session: str, used: Usage | None, waiter: Any) -> None:
        self.open.discard(session)
        self._ask("settle" if used is not None else "give up", session, waiter)

    def _ask(self, what: str, session: str, waiter: Any) -> None:
        self.asked.append((what, session))
        bug, self.bug = self.bug, None
        if bug is not None:
            raise bug
        if waiter is not None:
            self.waiting.append((what, session, waiter))

    def answer(self, answer: QuotaAnswer, which: int = 0) -> None:
        what, session, waiter = self.waiting.pop(which)
        if what == "reserve" and answer == DENIAL:
            self.open.discard(session)
        waiter.charged(answer)


class Watch:
    """A `CallWatcher` that keeps what it is told."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def reported(self, dialogue: Any, argument: Any) -> None: ...

    def decided(self, dialogue: Any, decision: Decision) -> None:
        self.told.append(decision)

    def noted(self, dialogue: Any, fact: object) -> None:
        self.told.append(fact)

    def over(self, dialogue: Any) -> None:
        self.told.append("over")

    def progress(self, dialogue: Any) -> None: ...


class Place:
    """A room whose calls are served by one coroutine function, which is given the call and a list for what it got."""

    def __init__(self, run: Any, *, port: bool = True) -> None:
        self.got: list[Any] = []
        self.charger = Charger()
        self.noted: list[Any] = []

        class Service:
            name = "of-the-test"

            def run(_, call: Any) -> Any:  # noqa: N805
                return run(call, self.got)

        self.room = Room(READY, services={SERVICE_KEY: Service()})
        self.room.cap.quota = self.charger if port else None
        self.room.cap.observers.watcher = Watch(self.noted)

    def answer(self, answer: QuotaAnswer, which: int = 0) -> None:
        self.charger.answer(answer, which)
        self.room.turn()

    def said(self, otid: bytes) -> list[tuple[int, list[Any]]]:
        return [(each.message.kind, each.opcodes) for each in self.room.answers(otid)]

    def event(self, otid: bytes, event: int = EventTypeBCSM.O_ANSWER, invoke_id: int = 9) -> None:
        argument = EventReportBCSMArg(event, misc_call_info=MiscCallInfo(MessageType.NOTIFICATION))
        octets = FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
        self.room.go_on(otid, encode_invoke(invoke_id, Opcode.EVENT_REPORT_BCSM, octets))


class Records:
    """A store of held calls that says what came of a write when the test says so.

    Attributes:
        there: transaction ids of records that are not deleted.
        entries: what was to be written, in order.
        fenced: whether another node has claimed the call.
    """

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.there: set[bytes] = set()
        self.entries: list[Any] = []
        self.fenced = False

    def put(self, entry: Any, due_ms: int, waiter: Any) -> None:
        self.there.add(entry.tid)
        self.entries.append(entry)
        self.waiting.append(waiter)

    def delete(self, tid: bytes, fence: int, owner: int, waiter: Any) -> None:
        self.there.discard(tid)
        self.waiting.append(waiter)

    def answer(self, outcome: Kept) -> None:
        if self.waiting:
            self.fenced = self.fenced or outcome is Kept.FENCED
            self.waiting.pop(0).kept(outcome)


def journal(room: Room, records: Records, limit: float) -> Journal:
    return Journal(records, 7, room.cap, room.node, room.loop.time, room.loop.time, limit)


class Phase(Struct, frozen=True):
    number: int = 1
