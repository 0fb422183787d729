"""Whatever a service awaits and whatever happens meanwhile, in any order: one end, and nothing left."""

from __future__ import annotations

from typing import Any

import pytest
from charger import (
    BROKEN,
    CONTINUE,
    DENIAL,
    GRANT,
    LATE,
    QUOTA,
    SESSION,
    SETTLED,
    TEST,
    Charger,
    Phase,
    Records,
    Watch,
    journal,
)
from hypothesis import given
from hypothesis import strategies as st
from room import READY, SERVICE_KEY, Room

from oracles.examples import examples
from scp.domain.decision import Action, Decision
from scp.domain.quota import (
    QuotaRequest,
    Usage,
)
from scp.domain.reason import Reason
from scp.held_call_ports import Kept
from scp.services.api import (
    Extend,
    Lookup,
    NextReport,
    Outgoing,
    Release,
    Reserve,
    Send,
    Settle,
)
from ss7 import tcap
from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    EventReportBCSMArg,
    MessageType,
    MiscCallInfo,
)
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    encode_invoke,
    encode_reject,
    encode_return_error,
    encode_return_result,
)

STEPS = st.sampled_from(
    [
        *("send", "report", "until", "look-up", "reserve", "another", "extend", "settle"),
        *("test", "decide", "keep", "keep", "abort", "fail"),
    ]
)
EVENTS = st.one_of(
    st.sampled_from(
        ["event", "end", "abort", "garbled", "result", "error", "reject", "tell", "finish", "store"]
    ),
    st.sampled_from([GRANT, DENIAL, LATE, BROKEN, SETTLED]),
    st.sampled_from([Kept.WRITTEN, Kept.WRITTEN, Kept.FAILED, Kept.FENCED]),
    st.sampled_from([0.2, 0.6, 2.0, 11.0]),
)


class Wilful:
    """A service that does what the test has drawn, whatever it is told, and keeps its coroutine's end."""

    name = "of-the-test"

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.ended = False

    async def run(self, call: Any) -> None:
        try:
            for step in self.steps:
                await self.step(call, step)
        finally:
            self.ended = True

    async def step(self, call: Any, step: str) -> None:
        soon = call.now + 1.0
        if step == "send":
            call.invoke(CONTINUE)
            await Send()
        elif step == "report":
            await NextReport(3.0)
        elif step == "until":
            await NextReport(until=soon)
        elif step == "look-up":
            await Lookup("11234567")
        elif step == "reserve":
            await Reserve(QUOTA, soon)
        elif step == "another":
            await Reserve(QuotaRequest("another", "1", "call", "1", "2", 60), soon)
        elif step == "extend":
            await Extend(SESSION, QUOTA, soon)
        elif step == "settle":
            await Settle(SESSION, Usage(), soon)
        elif step == "test":
            call.invoke(TEST)
        elif step == "decide":
            call.decided(Decision(Action.CONTINUE, Reason.SERVICE_LOGIC))
        elif step == "keep":
            call.keep(Phase())
        elif step == "abort":
            call.abort()
        else:
            raise RuntimeError("a bug")


class Shaken:
    """A call of a `Wilful` service, and what happens to it."""

    def __init__(self, steps: list[str]) -> None:
        self.service = Wilful(steps)
        self.room = Room(READY, services={SERVICE_KEY: self.service})
        self.records = Records()
        self.room.cap.journal = journal(self.room, self.records, 0.05)
        self.charger = self.room.cap.quota = Charger()
        self.noted: list[Any] = []
        self.room.cap.observers.watcher = Watch(self.noted)
        self.room.store.slow = True
        self.otid = self.room.call()
        self.tid = (self.room.node.tcap.ids() or [b"\x07\xff\xff\xff"])[0]
        self.invoke_id = 20

    def happens(self, event: Any) -> None:
        room = self.room
        if isinstance(event, float):
            room.advance(event)
        elif isinstance(event, Kept):
            self.records.answer(event)
        elif not isinstance(event, str):
            if self.charger.waiting:
                self.charger.answer(event, -1 if event == GRANT else 0)
        elif event == "store":
            room.store.answer()
        elif event == "tell":
            room.cap.tell(self.tid, Release(b"\x80\x90"))
        elif event == "finish":
            room.cap.finish(self.tid, Outgoing(Opcode.RELEASE_CALL, b"\x80\x90"))
        elif event == "abort":
            room.abort(b"", self.tid)
        elif event == "end":
            room.send(tcap.build_end(self.tid, b"", [self.component("event")]))
        else:
            room.send(tcap.build_continue(self.otid, self.tid, b"", [self.component(event)]))
        room.turn()

    def component(self, event: str) -> bytes:
        sent = [part.invoke_id for each in self.room.answers(self.otid) for part in each.message.components]
        mine = sent[-1] if sent else 1
        self.invoke_id += 1
        if event == "event":
            argument = EventReportBCSMArg(7, misc_call_info=MiscCallInfo(MessageType.NOTIFICATION))
            octets = FAST.encode_argument(Opcode.EVENT_REPORT_BCSM, argument, 2)
            return encode_invoke(self.invoke_id, Opcode.EVENT_REPORT_BCSM, octets)
        if event == "result":
            return encode_return_result(mine)
        if event == "error":
            return encode_return_error(mine, ErrorCode.TASK_REFUSED, b"\x0a\x01\x00")
        if event == "reject":
            return encode_reject(mine, INVOKE_PROBLEM, MISTYPED_PARAMETER)
        return encode_invoke(self.invoke_id, Opcode.EVENT_REPORT_BCSM, b"\x30\x01\x00")


@pytest.mark.hypothesis
@examples(60)
@given(steps=st.lists(STEPS, max_size=10), events=st.lists(EVENTS, max_size=12))
def test_whatever_happens_in_whatever_order_a_call_ends_once_and_leaves_nothing(steps, events):
    here = Shaken(steps)
    for event in events:
        here.happens(event)
    here.room.advance(60.0)
    assert here.service.ended
    if here.records.fenced:  # another node goes on with it, and settles
        assert here.noted.count("over") <= 1
        return
    assert not here.charger.open
    assert not here.records.there
    while here.charger.waiting:  # what comes after the end is dropped
        here.charger.answer(GRANT)
    here.room.store_answers()
    answers = [each.message for each in here.room.answers(here.otid)]
    said = [each.kind for each in answers if each.p_abort_cause < 0]  # those are for what came too late
    assert sum(said.count(kind) for kind in (tcap.END, tcap.ABORT)) <= 1
    assert here.noted.count("over") in ((1,) if tcap.CONTINUE in said else (0, 1))
    assert here.noted[-1:] in ([], ["over"])
    assert len(here.room.counts.outcomes) == 1
    assert {bug[0] for bug in here.room.bugs} <= {"of-the-test"}
    here.room.nothing_left()
