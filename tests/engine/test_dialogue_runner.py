"""The dialogue runner with a TC-user that speaks no CAP: opcodes and octets, as MAP or anything else would have them."""

from __future__ import annotations

from typing import Any

import pytest
from room import MSISDN, READY, Counts, HandMovedLoop, HandMovedStore, new_otid

from scp.domain.lookup import StoreFailure
from scp.engine import dialogue_runner
from scp.engine.dialogue_questions import STORE
from scp.engine.dialogue_runner import DialogueRunner
from scp.engine.dialogue_state import DialogueState
from scp.engine.tc_users import TcUsers
from scp.services.api import Lookup, NextReport, Report, ReportKind
from scp.services.call import Outgoing
from scp.stack.tcap import Indication, Tcap
from scp.stack.tcap_settings import TcapSettings
from ss7 import tcap
from ss7.rose import Invoke, encode_invoke
from ss7.tcap_dialogue import Aarq, encode_dialogue, oid_octets

CONTEXT = oid_octets("0.4.0.0.1.0.29.2")  # anyTimeInfoEnquiry
ASK, TELL = 71, 72

if not dialogue_runner.__file__.endswith(".py"):
    pytest.skip("a compiled class has compiled subclasses only", allow_module_level=True)


class User(DialogueRunner[DialogueState]):
    """Serves every dialogue by one coroutine function, which is given the state."""

    def __init__(self, provider: Any, service: Any) -> None:
        self.bugs: list[tuple[str, Exception]] = []
        self.ended: list[str] = []
        store, loop = provider.store, provider.loop
        super().__init__(
            provider, store, provider.counts, loop.time, lambda *bug: self.bugs.append(bug), 0.15, 0.5, None
        )
        self.service = service

    def begun(self, indication: Indication, now: float) -> None:
        state = DialogueState(self, indication.dialogue, "asked", now)
        self.telemetry.dialogue_opened()
        state.run = self.service(state)
        indication.dialogue.user = state
        self.start(state, now)

    def continued(self, state: DialogueState, indication: Indication, now: float) -> None:
        self.last_words(state, indication)
        self.wake(state, now)

    def last_words(self, state: DialogueState, indication: Indication) -> None:
        for component in indication.components:
            assert isinstance(component, Invoke)
            state.queue(Report(ReportKind.INVOKE, int(component.opcode), component.parameter))  # type: ignore[arg-type]

    def encoded(self, state: DialogueState, *, last: bool) -> list[bytes]:
        return [
            encode_invoke(self.tcap.next_invoke_id(state.dialogue), each.opcode, each.argument)
            for each in state.take_outbox()
        ]

    def first_sent(self, state: DialogueState, *, last: bool) -> None:
        self.ended.append("answered" if last else "held")

    def fall_back(self, state: DialogueState) -> None:
        state.outbox.append(Outgoing(TELL, b"\x05\x00"))

    def abandoned(self, state: DialogueState) -> None:
        self.ended.append("abandoned")

    def held_over(self, state: DialogueState) -> None:
        self.ended.append("held over")

    def outcome(self, state: DialogueState) -> str:
        return "ended"


class Node:
    """TCAP and the TC-user, on a clock that the test moves; a `TcProvider`."""

    def __init__(self, service: Any) -> None:
        self.loop = HandMovedLoop()
        self.counts = Counts()
        self.store = HandMovedStore({MSISDN: READY})
        self.tcap = Tcap(TcapSettings(contexts=frozenset({CONTEXT})))
        self.sent: list[tcap.Message] = []
        self.user = User(self, service)
        self.users = TcUsers(self)
        self.users.add(self.user, 147, [CONTEXT])

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        self.sent.append(tcap.decode(octets))

    def keep(self, path: object) -> object:
        return path

    def wake_at(self, due: float) -> None: ...
    def flush(self) -> None: ...
    def discard(self, layer: str, reason: str) -> None: ...

    def receive(self, octets: bytes) -> None:
        indication = self.tcap.receive(octets, None, self.loop.now)
        assert indication is not None
        self.users.indication(indication, self.loop.now)

    def begin(self) -> bytes:
        otid = new_otid()
        invoke = encode_invoke(1, ASK, b"\x04\x01\x07")
        self.receive(tcap.build_begin(otid, encode_dialogue(Aarq(CONTEXT)), [invoke]))
        return otid

    def go_on(self, otid: bytes, *, end: bool = False) -> None:
        invoke = encode_invoke(2, ASK, b"\x04\x01\x08")
        tid = self.sent[0].otid
        self.receive(
            tcap.build_end(tid, b"", [invoke]) if end else tcap.build_continue(otid, tid, b"", [invoke])
        )

    def advance(self, seconds: float) -> None:
        self.loop.now += seconds
        self.users.tick(self.loop.now)

    @property
    def said(self) -> list[tuple[int, list[Any]]]:
        """Kind and opcodes of what was sent."""
        return [(each.kind, [part.opcode for part in each.components]) for each in self.sent]

    def nothing_left(self) -> None:
        assert not len(self.tcap)
        self.advance(1e6)
        assert not len(self.user._deadlines)
        assert self.counts.opened == len(self.counts.outcomes)


def test_a_service_is_run_from_lookup_to_end() -> None:
    async def service(state: DialogueState) -> None:
        found = await Lookup(MSISDN)
        assert found is READY
        state.outbox.append(Outgoing(TELL, b"\x05\x00"))
        while not (report := await NextReport(10.0)).over:
            heard.append((report.kind, report.opcode, report.argument))
            state.outbox.append(Outgoing(ASK, b"\x05\x00"))
        heard.append(report.kind)

    heard: list[Any] = []
    node = Node(service)
    node.store.slow = True
    otid = node.begin()
    assert node.sent == []
    node.store.answer()
    assert node.said == [(tcap.CONTINUE, [TELL])]
    node.go_on(otid)
    assert node.said[1:] == [(tcap.CONTINUE, [ASK])]
    node.advance(10.1)
    assert node.said[2:] == [(tcap.CONTINUE, [ASK])]
    node.go_on(otid, end=True)
    assert heard == [
        (ReportKind.INVOKE, ASK, b"\x04\x01\x08"),
        (ReportKind.TIMEOUT, -1, None),
        (ReportKind.INVOKE, ASK, b"\x04\x01\x08"),
        ReportKind.END,
    ]
    assert node.user.ended == ["held", "held over"]
    assert node.counts.outcomes == ["ended"]
    node.nothing_left()


def test_a_report_from_elsewhere_wakes_a_service_or_waits_for_it() -> None:
    async def service(state: DialogueState) -> None:
        states.append(state)
        heard.append((await NextReport(10.0)).code)
        heard.append(await Lookup(MSISDN))
        heard.append((await NextReport(10.0)).code)

    states: list[DialogueState] = []
    heard: list[Any] = []
    node = Node(service)
    node.store.slow = True
    node.begin()
    for code in (1, 2):
        node.user.give(states[0], Report(ReportKind.INVOKE, code=code), node.loop.now)
    assert heard == [1]
    node.store.answer()
    assert heard == [1, READY, 2]
    assert node.said == [(tcap.CONTINUE, []), (tcap.END, [])]
    node.nothing_left()


@pytest.mark.parametrize("when", ["at once", "held"])
def test_what_a_failed_service_leaves_is_the_users_to_say(when: str) -> None:
    async def service(state: DialogueState) -> None:
        if when == "held":
            await NextReport(10.0)
        raise LookupError(when)

    node = Node(service)
    otid = node.begin()
    if when == "held":
        node.go_on(otid)
    assert node.said[-1] == (tcap.END, [TELL])
    assert [name for name, _ in node.user.bugs] == ["asked"]
    assert node.counts.outcomes == ["error"]
    node.nothing_left()


def test_a_store_that_is_late_raises_or_answers_too_late() -> None:
    async def service(state: DialogueState) -> None:
        heard.append(await Lookup(MSISDN))
        heard.append(await Lookup(MSISDN))

    heard: list[Any] = []
    node = Node(service)
    node.store.slow = True
    node.begin()
    node.advance(0.16)
    assert heard == [StoreFailure.TIMEOUT] * 2, "the store still owes the first answer"
    node.store.answer()
    node.store.bug = KeyError("of the test")
    node.begin()
    assert heard[2:] == [StoreFailure.UNAVAILABLE] * 2
    assert [name for name, _ in node.user.bugs] == [STORE, STORE]
    node.nothing_left()


def test_a_dialogue_that_is_aborted_before_its_answer_ends_its_service() -> None:
    async def service(state: DialogueState) -> None:
        try:
            await Lookup(MSISDN)
        finally:
            closed.append(True)

    closed: list[bool] = []
    node = Node(service)
    node.store.slow = True
    node.begin()
    [tid] = node.tcap._dialogues
    node.receive(tcap.build_abort(tid, b""))
    assert closed == [True]
    assert node.user.ended == ["abandoned"]
    node.store.answer()
    node.nothing_left()
