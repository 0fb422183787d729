"""Our operations in flight: what a plain table of each with its time would say, at every moment."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tcap_node import active, is_empty, send

from scp.stack import tcap_dialogue as dha
from scp.stack.tcap import Tcap
from scp.stack.tcap_invocation import live
from scp.stack.tcap_settings import TcapSettings
from ss7 import rose, tcap
from ss7.errors import EncodeError
from ss7.rose import Invoke, Reject, ReturnError, ReturnResult

SUCCESS, FAILURE = {1, 3}, {1, 2}
CLASSES = st.integers(1, 4)
TIMEOUTS = st.sampled_from([1.0, 2.5, 10.0, 60.0])
IDS = st.integers(0, 12)


def problems(indication) -> list[tuple[int, int]]:
    return [(reject.problem_type, reject.problem) for reject in indication.rejects]


class InFlight(RuleBasedStateMachine):
    @initialize()
    def enter(self):
        self.now = 0.0
        self.node = Tcap(TcapSettings(instance=1, idle_limit=1e6))
        self.dialogue = active(self.node)
        self.pending: dict[int, tuple[int, float]] = {}  # class, timeout
        self.sent: dict[int, tuple[int, float]] = {}  # class, when its time is up

    @rule(operation_class=CLASSES, timeout=TIMEOUTS)
    def invoke(self, operation_class, timeout):
        component = rose.decode_components(
            octets := self.node.invoke(self.dialogue, 31, b"", operation_class, timeout), 0, len(octets)
        )[0]
        assert component.invoke_id not in self.pending
        assert component.invoke_id not in self.sent
        self.pending[component.invoke_id] = operation_class, timeout

    @rule()
    def withdraw(self):
        self.node.withdraw(self.dialogue)
        self.pending.clear()

    @rule()
    def continue_(self):
        assert self.node.continue_(self.dialogue, [], self.now)
        for invoke_id, (operation_class, timeout) in self.pending.items():
            self.sent[invoke_id] = operation_class, self.now + timeout
        self.pending.clear()

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 30.0]))
    def time_passes(self, seconds):
        self.now += seconds
        cancelled = [each.invocation.invoke_id for each in self.node.tick(self.now)]
        up = [invoke_id for invoke_id, (_, due) in self.sent.items() if due <= self.now]
        assert sorted(cancelled) == sorted(each for each in up if self.sent[each][0] in SUCCESS)
        for invoke_id in up:
            del self.sent[invoke_id]

    def answered(
        self, component, expected: set[int], problem_type: int, unexpected: int, *, last: bool = True
    ):
        indication = send(self.node, self.dialogue, tcap.CONTINUE, component, now=self.now)
        known = self.sent.get(component.invoke_id)
        if known is None:
            assert problems(indication) == [(problem_type, rose.UNRECOGNIZED_INVOKE_ID)]
            return
        if known[0] in expected:
            assert indication.components[0].operation == 31
            assert not indication.rejects
        else:
            assert problems(indication) == [(problem_type, unexpected)]
        if last or known[0] not in expected:
            del self.sent[component.invoke_id]

    @rule(invoke_id=IDS, last=st.booleans())
    def a_result(self, invoke_id, last):
        result = ReturnResult(invoke_id, 31, b"\x30\x00", last=last)
        self.answered(result, SUCCESS, rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED, last=last)

    @rule(invoke_id=IDS)
    def an_error(self, invoke_id):
        error = ReturnError(invoke_id, 12)
        self.answered(error, FAILURE, rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED)

    @rule(invoke_id=IDS)
    def a_reject(self, invoke_id):
        reject = Reject(invoke_id, rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_OPERATION)
        indication = send(self.node, self.dialogue, tcap.CONTINUE, reject, now=self.now)
        assert indication.components[0].operation == (31 if invoke_id in self.sent else None)
        self.sent.pop(invoke_id, None)

    @rule(invoke_id=IDS)
    def a_linked_operation(self, invoke_id):
        self.time_passes(1.5)  # so that no id of the peer's is live
        linked = Invoke(1, 49, b"", linked_id=invoke_id)
        indication = send(self.node, self.dialogue, tcap.CONTINUE, linked, now=self.now)
        refused = [(rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID)]
        assert problems(indication) == ([] if invoke_id in self.sent else refused)

    @precondition(lambda self: hasattr(self, "node"))
    @invariant()
    def what_is_live_is_what_the_table_says(self):
        found = {each.invoke_id: (each.operation_class, each.due) for each in live(self.dialogue, self.now)}
        assert found == self.sent
        told = [due for operation_class, due in self.sent.values() if operation_class in SUCCESS]
        assert min(self.node.next_deadline(), 1e5) == min(told, default=1e5)

    def teardown(self):
        if hasattr(self, "node"):
            self.node.end(self.dialogue, [])
            assert is_empty(self.node)
            assert self.dialogue.silent is None
            assert self.dialogue.invocations is None
            assert self.node.next_deadline() == inf


TestInFlight = InFlight.TestCase


@pytest.mark.parametrize("operation_class", [2, 4])
def test_ids_of_operations_that_have_succeeded_by_silence_are_free_again(operation_class):
    node = Tcap(TcapSettings())
    dialogue = active(node)
    for _ in range(120):
        node.invoke(dialogue, 35, b"", operation_class, 10.0)
    node.continue_(dialogue, [], 0.0)
    send(node, dialogue, tcap.CONTINUE, now=9.0)
    for _ in range(8):
        node.invoke(dialogue, 35, b"", operation_class, 10.0)
    with pytest.raises(EncodeError):
        node.invoke(dialogue, 35, b"", operation_class, 10.0)
    send(node, dialogue, tcap.CONTINUE, now=10.0)
    for _ in range(120):
        node.invoke(dialogue, 35, b"", operation_class, 10.0)
    with pytest.raises(EncodeError):
        node.invoke(dialogue, 35, b"", operation_class, 10.0)


def test_what_dialogues_share_of_operations_stays_shared():
    node = Tcap(TcapSettings())
    dialogues = [active(node), active(node)]
    for at in range(3):
        for dialogue in dialogues:
            node.invoke(dialogue, 23, b"", 2, 60.0)
            node.invoke(dialogue, 35, b"", 2, 60.0)
            node.continue_(dialogue, [], float(at))
    messages = []
    for dialogue in dialogues:
        silent = dialogue.silent
        while silent is not None:
            messages.append(silent.operations)
            silent = silent.earlier
    assert len(messages) == 6
    assert len(set(map(id, messages))) == 3
    assert all(dialogue.state == dha.ACTIVE for dialogue in dialogues)
