"""TCAP transactions, dialogues and invocations (Q.774): cases in the manner of Q.787, then two ends at random."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tcap_node import CONNECT, IDP, V1, V2, V4, aborts, active, begin, is_empty, send

from oracles.examples import examples
from scp.stack import tcap_dialogue as dha
from scp.stack.tcap import Dialogue, DialogueLimitError, Indication, Tcap
from scp.stack.tcap_invocation import live
from scp.stack.tcap_portions import CONTEXT_NOT_SUPPORTED, DIALOGUE_REFUSED
from scp.stack.tcap_settings import (
    ABORTED,
    ABORTED_REASONS,
    DISCARD,
    DISCARD_REASONS,
    REFUSED,
    REFUSED_REASONS,
    TcapSettings,
)
from ss7 import ber, rose, tcap, tcap_dialogue
from ss7.errors import EncodeError
from ss7.tcap import (
    Aare,
    Aarq,
    Abrt,
    Audt,
    External,
    Invoke,
    Malformed,
    Message,
    Reject,
    ReturnError,
    ReturnResult,
)


class Counting:
    """Another codec: the same functions, through the interface a reference codec has."""

    def __init__(self):
        self.calls = Counter()

    def decode(self, octets):
        self.calls["decode"] += 1
        return tcap.decode(octets)

    def encode(self, message):
        self.calls["encode"] += 1
        return tcap.encode(message)


@pytest.fixture(params=["own codec", "injected codec"])
def node(request) -> Tcap:
    codec = Counting() if request.param == "injected codec" else None
    return Tcap(
        TcapSettings(instance=7, first_id=0xFFFFFE, max_dialogues=8, contexts=frozenset({V2, V4})), codec
    )


# The table


def test_every_row_of_the_table_leads_on():
    for (state, event), (action, after) in dha.TRANSITIONS.items():
        assert dha.STATE_NAMES[state] != "closed"
        assert dha.EVENT_NAMES[event]
        assert action != dha.REFUSE
        assert after != dha.IDLE
    reached = {after for _, after in dha.TRANSITIONS.values()} | {dha.IDLE}
    assert reached == set(range(len(dha.STATE_NAMES)))


# Valid behaviour


def test_begin_then_end_with_the_accepting_aare(node):
    indication = begin(node, now=5.0)
    assert indication.kind == dha.BEGIN
    assert indication.components == [IDP]
    assert indication.rejects == []
    dialogue = indication.dialogue
    assert (dialogue.context, dialogue.path, dialogue.active, dialogue.user) == (V2, "path", 5.0, None)
    assert dialogue.local_tid == bytes.fromhex("07fffffe")
    assert len(node) == 1
    message = tcap.decode(node.end(dialogue, [CONNECT]))
    assert message == Message(tcap.END, b"", b"\x01\x02", Aare(V2), [Invoke(1, 20, b"\x30\x00")])
    assert dialogue.closed
    assert is_empty(node)
    assert node.events == node.outbox == []


def test_the_aare_goes_in_the_first_backward_message_only(node):
    dialogue = begin(node, portion=Aarq(V4)).dialogue
    first = tcap.decode(node.continue_(dialogue, [CONNECT], 0.0))
    assert (first.kind, first.otid, first.dtid, first.dialogue) == (
        tcap.CONTINUE,
        dialogue.local_tid,
        b"\x01\x02",
        Aare(V4),
    )
    assert tcap.decode(node.continue_(dialogue, [], 0.0)).dialogue is None
    assert tcap.decode(node.end(dialogue, [])) == Message(tcap.END, b"", b"\x01\x02")


def test_begin_without_a_dialogue_portion_is_answered_without_one(node):
    indication = begin(node, portion=False)
    assert indication.dialogue.context == V1
    assert tcap.decode(node.end(indication.dialogue, [CONNECT])).dialogue is None
    dialogue = begin(node, portion=False).dialogue
    assert tcap.decode(node.abort(dialogue)) == Message(tcap.ABORT, b"", b"\x01\x02")


def test_prearranged_end_sends_nothing(node):
    dialogue = active(node)
    assert node.end(dialogue, [], prearranged=True) == b""
    assert is_empty(node)
    assert node.events == []


def test_continue_and_end_of_the_peer(node):
    dialogue = active(node)
    report = Invoke(2, 24, b"\x30\x00")
    assert send(node, dialogue, tcap.CONTINUE, report).components == [report]
    indication = send(node, dialogue, tcap.END, Invoke(3, 36))
    assert (indication.kind, indication.components) == (dha.END, [Invoke(3, 36)])
    assert is_empty(node)


def test_a_dialogue_begun_by_us(node):
    dialogue = node.open("to", V2, 0.0)
    octets = node.begin(dialogue, [node.invoke(dialogue, 0, b"", 2, 10.0)], 0.0)
    assert tcap.decode(octets) == Message(tcap.BEGIN, dialogue.local_tid, b"", Aarq(V2), [Invoke(1, 0)])
    answer = Message(tcap.CONTINUE, b"\x09", dialogue.local_tid, Aare(V2), [Invoke(1, 23)])
    indication = node.receive(tcap.encode(answer), "from", 1.0)
    assert (indication.kind, indication.dialogue) == (dha.CONTINUE, dialogue)
    assert (dialogue.remote_tid, dialogue.path) == (b"\x09", "from")
    assert tcap.decode(node.continue_(dialogue, [], 1.0)).dtid == b"\x09"
    assert node.receive(tcap.encode(Message(tcap.END, b"", dialogue.local_tid)), "from", 1.0).kind == dha.END
    assert dialogue.closed


def test_a_dialogue_begun_by_us_without_a_portion(node):
    dialogue = node.open("to", b"", 0.0)
    assert tcap.decode(node.begin(dialogue, [], 0.0)).dialogue is None
    assert node.receive(tcap.encode(Message(tcap.END, b"", dialogue.local_tid)), "from", 1.0).kind == dha.END


def test_transaction_ids_count_on_and_skip_live_ones(node):
    first = begin(node).dialogue
    second = begin(node).dialogue
    third = begin(node).dialogue
    assert [d.local_tid.hex() for d in (first, second, third)] == ["07fffffe", "07ffffff", "07000000"]
    node.end(first, [])
    node._counter = 0xFFFFFE
    assert begin(node).dialogue.local_tid.hex() == "07fffffe"
    assert begin(node).dialogue.local_tid.hex() == "07000001"


def test_messages_of_the_user_in_other_states_are_refused_quietly(node):
    dialogue = node.open("to", V2, 0.0)
    assert node.continue_(dialogue, [], 0.0) == node.end(dialogue, []) == b""
    assert node.begin(dialogue, [], 0.0)
    assert node.begin(dialogue, [], 0.0) == node.continue_(dialogue, [], 0.0) == node.end(dialogue, []) == b""
    assert node.events == [(REFUSED, "not-in-this-state")] * 5
    node.events.clear()
    assert node.abort(dialogue) == b""
    assert is_empty(node)
    assert node.abort(dialogue) == node.end(dialogue, []) == node.continue_(dialogue, [], 0.0) == b""
    assert node.events == [(REFUSED, "dialogue-closed")] * 3


# Aborts


@pytest.mark.parametrize(
    ("reason", "portion"),
    [
        (0, Abrt(0, b"\x28\x00")),
        (CONTEXT_NOT_SUPPORTED, Aare(V2, 1, 1, 2, user_information=b"\x28\x00")),
        (DIALOGUE_REFUSED, Aare(V2, 1, 1, 1, user_information=b"\x28\x00")),
    ],
)
def test_user_abort_of_a_dialogue_not_yet_answered(node, reason, portion):
    dialogue = begin(node).dialogue
    assert tcap.decode(node.abort(dialogue, reason, b"\x28\x00")) == Message(
        tcap.ABORT, b"", b"\x01\x02", portion
    )
    assert is_empty(node)


def test_user_abort_of_an_active_dialogue_is_an_abrt_whatever_the_reason(node):
    assert tcap.decode(node.abort(active(node), DIALOGUE_REFUSED)).dialogue == Abrt(0)


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(
    ("portion", "p_cause", "kind", "cause"),
    [
        (None, -1, dha.U_ABORT, -1),
        (Abrt(0), -1, dha.U_ABORT, -1),
        (External(b"\x2a", b"\xa0\x00"), -1, dha.U_ABORT, -1),
        (Aare(V2, 1, 1, 2), -1, dha.U_ABORT, -1),
        (Aare(V2, 1, 2, 2), -1, dha.P_ABORT, tcap.NO_COMMON_DIALOGUE),
        (Abrt(1), -1, dha.P_ABORT, tcap.ABNORMAL_DIALOGUE),
        (None, 4, dha.P_ABORT, tcap.RESOURCE_LIMITATION),
    ],
)
def test_abort_of_the_peer_closes_and_is_never_answered(node, answered, portion, p_cause, kind, cause):
    dialogue = active(node) if answered else begin(node).dialogue
    message = Message(tcap.ABORT, b"", dialogue.local_tid, portion, p_abort_cause=p_cause)
    indication = node.receive(tcap.encode(message), "path", 0.0)
    assert (indication.kind, indication.cause, indication.portion) == (kind, cause, portion)
    assert indication.dialogue is dialogue
    assert is_empty(node)
    assert node.outbox == []
    assert node.end(dialogue, [CONNECT]) == b""
    assert node.events == [(REFUSED, "dialogue-closed")]
    assert node.receive(tcap.encode(message), "path", 0.0) is None
    assert node.events[1:] == [(DISCARD, "unknown-transaction")]
    assert node.outbox == []


def test_abort_with_a_bad_dialogue_portion_is_abnormal(node):
    dialogue = active(node)
    octets = ber.encode_element(0x67, b"\x49\x04" + dialogue.local_tid + b"\x6b\x00")
    indication = node.receive(octets, "path", 0.0)
    assert (indication.kind, indication.cause) == (dha.P_ABORT, tcap.ABNORMAL_DIALOGUE)
    assert node.outbox == []


# Invalid transaction portions


@pytest.mark.parametrize(
    ("octets", "cause"),
    [
        ("63044802abcd", tcap.UNRECOGNIZED_MESSAGE_TYPE),
        ("62044802abcd00", tcap.BADLY_FORMATTED_TRANSACTION_PORTION),
        ("62064802abcd6d00", tcap.INCORRECT_TRANSACTION_PORTION),
        ("65094802abcd4903010203", tcap.UNRECOGNIZED_TRANSACTION_ID),
        ("65044802abcd", tcap.INCORRECT_TRANSACTION_PORTION),
    ],
)
def test_the_p_abort_says_what_was_wrong(node, octets, cause):
    assert node.receive(bytes.fromhex(octets), "path", 0.0) is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\xab\xcd", p_abort_cause=cause)]
    assert node.events == [(ABORTED, tcap.P_ABORT_NAMES[cause])]


@pytest.mark.parametrize(
    "octets", ["", "00", "6200", "63", "64044902abcd00", "6406490201026d00", "6704490201", "61", "9f"]
)
def test_what_can_t_or_must_not_be_answered_is_discarded(node, octets):
    assert node.receive(bytes.fromhex(octets), "path", 0.0) is None
    assert node.outbox == []
    assert node.events == [(DISCARD, "underivable-transaction")]


def test_unidirectional_and_stray_end_are_discarded(node):
    assert (
        node.receive(tcap.encode(Message(tcap.UNIDIRECTIONAL, b"", b"", Audt(V2), [IDP])), "path", 0.0)
        is None
    )
    assert node.receive(tcap.encode(Message(tcap.END, b"", b"\x01")), "path", 0.0) is None
    assert node.events == [(DISCARD, "unidirectional"), (DISCARD, "unknown-transaction")]
    assert node.outbox == []


@pytest.mark.parametrize(
    ("kind", "tail", "answered"),
    [(tcap.CONTINUE, b"\x6d\x00", True), (tcap.END, b"\x6d\x00", False), (tcap.ABORT, b"\x6d\x00", False)],
)
def test_a_bad_message_of_an_open_transaction_aborts_it_locally(node, kind, tail, answered):
    dialogue = active(node)
    otid = b"\x48\x02\x01\x02" if kind == tcap.CONTINUE else b""
    octets = ber.encode_element(kind, otid + b"\x49\x04" + dialogue.local_tid + tail)
    indication = node.receive(octets, "path", 0.0)
    assert (indication.kind, indication.cause) == (dha.P_ABORT, tcap.INCORRECT_TRANSACTION_PORTION)
    assert [message.p_abort_cause for message in aborts(node)] == [3] * answered
    assert is_empty(node)


def test_begin_at_the_dialogue_ceiling(node):
    dialogues = [begin(node).dialogue for _ in range(8)]
    assert begin(node, otid=b"\x77") is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x77", p_abort_cause=tcap.RESOURCE_LIMITATION)]
    with pytest.raises(DialogueLimitError):
        node.open("to", V2, 0.0)
    node.end(dialogues[3], [])
    assert begin(node) is not None


# Dialogue portions


def test_an_unsupported_context_is_refused_in_it(node):
    other = tcap.oid_octets("0.4.0.0.1.0.1.3")
    assert begin(node, portion=Aarq(other)) is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x01\x02", Aare(other, 1, 1, 2))]
    assert node.events == [(ABORTED, "contextNotSupported")]
    assert is_empty(node)
    assert begin(Tcap(TcapSettings()), portion=Aarq(other)) is not None


def test_no_common_version(node):
    assert begin(node, portion=Aarq(V2, b"\x06\x40")) is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x01\x02", Aare(V2, 1, 2, 2))]
    assert node.events == [(ABORTED, "noCommonDialoguePortion")]


@pytest.mark.parametrize("portion", [Aare(V2), Abrt(0), Audt(V2), External(b"\x2a", b"\xa0\x00")])
def test_begin_with_another_portion_is_abnormal(node, portion):
    assert begin(node, portion=portion) is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x01\x02", Abrt(1))]
    assert is_empty(node)


@pytest.mark.parametrize("kind", [tcap.CONTINUE, tcap.END])
@pytest.mark.parametrize(
    ("context", "portion", "fits"),
    [
        (V2, Aare(V2), True),
        (V2, Aare(V1), True),
        (V2, None, False),
        (V2, Aare(V2, 1, 1, 1), False),
        (V2, Aarq(V2), False),
        (V2, External(b"\x2a", b"\xa0\x00"), False),
        (b"", None, True),
        (b"", Aare(V2), False),
    ],
)
def test_the_portion_of_the_first_answer(node, kind, context, portion, fits):
    dialogue = node.open("to", context, 0.0)
    node.begin(dialogue, [], 0.0)
    dialogue.remote_tid = b"\x05"
    indication = send(node, dialogue, kind, portion=portion)
    if fits:
        assert indication.kind == (dha.CONTINUE if kind == tcap.CONTINUE else dha.END)
        assert aborts(node) == []
    else:
        assert (indication.kind, indication.cause) == (dha.P_ABORT, tcap.ABNORMAL_DIALOGUE)
        expected = [Message(tcap.ABORT, b"", b"\x05", Abrt(1))] if kind == tcap.CONTINUE else []
        assert aborts(node) == expected
        assert is_empty(node)


def test_an_aare_in_an_active_dialogue_is_abnormal_but_user_data_is_not(node):
    dialogue = active(node)
    assert send(node, dialogue, tcap.CONTINUE, portion=External(b"\x2a", b"\xa0\x00")).kind == dha.CONTINUE
    assert send(node, dialogue, tcap.CONTINUE, portion=Aare(V2)).cause == tcap.ABNORMAL_DIALOGUE
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x01\x02", Abrt(1))]


@pytest.mark.parametrize("kind", [tcap.CONTINUE, tcap.END])
def test_what_no_peer_can_send_before_our_answer(node, kind):
    dialogue = begin(node).dialogue
    assert send(node, dialogue, kind) is None
    assert send(node, dialogue, kind, portion=Aare(V2)) is None
    assert node.events == [(DISCARD, "unexpected-message")] * 2
    assert tcap.decode(node.end(dialogue, [])).kind == tcap.END


# Components


def rejects(indication: Indication) -> list[tuple[int, int, object]]:
    for reject in indication.rejects:
        if reject.octets:
            [back] = rose.decode_components(reject.octets, 0, len(reject.octets))
            assert back == Reject(reject.component.invoke_id, reject.problem_type, reject.problem)
    return [(one.problem_type, one.problem, one.component.invoke_id) for one in indication.rejects]


def test_duplicate_invoke_id_in_a_message_and_after_it(node):
    indication = begin(node, [IDP, Invoke(1, 24), Invoke(2, 24)])
    assert indication.components == [IDP, Invoke(2, 24)]
    assert rejects(indication) == [(rose.INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID, 1)]
    dialogue = indication.dialogue
    node.continue_(dialogue, [], 0.0)
    assert rejects(send(node, dialogue, tcap.CONTINUE, Invoke(2, 24), now=0.4)) == [(1, 0, 2)]
    assert rejects(send(node, dialogue, tcap.CONTINUE, Invoke(1, 24), now=0.6)) == [(1, 0, 1)]
    assert rejects(send(node, dialogue, tcap.CONTINUE, Invoke(1, 24), now=1.2)) == []
    assert rejects(send(node, dialogue, tcap.CONTINUE, Invoke(2, 24), now=9.0)) == []


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        (tcap.encode_return_result(1), True),
        (tcap.encode_return_error(1, 6), True),
        (tcap.encode_reject(1, 1, 2), True),
        (tcap.encode_return_result(1, last=False), False),
        (tcap.encode_reject(None, 1, 2), False),
        (tcap.encode_invoke(1, 20), False),
    ],
)
def test_an_answered_invoke_id_is_free_again(node, answer, free):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [answer], 0.0)
    assert bool(send(node, dialogue, tcap.CONTINUE, Invoke(1, 24)).components) == free


def test_a_malformed_component_is_rejected_and_a_malformed_reject_is_not(node):
    dialogue = active(node)
    bad = b"\xa0\x00" + b"\xa1\x03\x02\x01\x05" + b"\xa4\x00" + tcap.encode_invoke(6, 24)
    octets = tcap.build_continue(b"\x01\x02", dialogue.local_tid, b"", [bad])
    indication = node.receive(octets, "path", 0.0)
    assert indication.components == [Invoke(6, 24)]
    assert rejects(indication) == [(0, 0, None), (0, 1, 5), (0, 1, None)]
    assert [bool(one.octets) for one in indication.rejects] == [True, True, False]
    assert all(isinstance(one.component, Malformed) for one in indication.rejects)
    assert node.outbox == []


def test_linked_operations(node):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 50, b"", 1, 10.0)], 0.0)
    indication = send(node, dialogue, tcap.CONTINUE, Invoke(2, 60, b"", 1), Invoke(3, 60, b"", 9))
    assert indication.components == [Invoke(2, 60, b"", 1)]
    assert rejects(indication) == [(rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID, 3)]


RESULT = ReturnResult(1)
ERROR = ReturnError(1, 6)


@pytest.mark.parametrize(
    ("operation_class", "answer", "reject"),
    [
        (1, RESULT, None),
        (1, ERROR, None),
        (2, RESULT, (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED, 1)),
        (2, ERROR, None),
        (3, RESULT, None),
        (3, ERROR, (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED, 1)),
        (4, RESULT, (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED, 1)),
        (4, ERROR, (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED, 1)),
    ],
)
def test_answers_by_operation_class(node, operation_class, answer, reject):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 35, b"", operation_class, 10.0)], 0.0)
    indication = send(node, dialogue, tcap.CONTINUE, answer)
    if reject is None:
        assert indication.rejects == []
        assert [one.operation for one in indication.components] == [35]
    else:
        assert indication.components == []
        assert rejects(indication) == [reject]
    assert live(dialogue, 0.0) == []
    assert node.tick(11.0) == []
    again = send(node, dialogue, tcap.CONTINUE, answer)
    problem = rose.RETURN_RESULT_PROBLEM if isinstance(answer, ReturnResult) else rose.RETURN_ERROR_PROBLEM
    assert rejects(again) == [(problem, rose.UNRECOGNIZED_INVOKE_ID, 1)]


@pytest.mark.parametrize(("operation_class", "reported"), [(1, True), (2, False), (3, True), (4, False)])
def test_the_invocation_timer(node, operation_class, reported):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 55, b"", operation_class, 10.0)], 2.0)
    assert (node.next_deadline() == 12.0) == reported
    assert node.tick(11.9) == []
    assert [one.opcode for one in live(dialogue, 11.9)] == [55]
    indications = node.tick(12.0)
    assert [(one.kind, one.dialogue, one.invocation.opcode) for one in indications] == [
        (dha.CANCEL, dialogue, 55)
    ] * reported
    assert live(dialogue, 12.0) == []
    assert not dialogue.closed
    node.end(dialogue, [])
    assert is_empty(node)


def test_segmented_results(node):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 50, b"", 1, 10.0)], 0.0)
    part = ReturnResult(1, 50, b"\x04\x00", last=False)
    indication = send(node, dialogue, tcap.CONTINUE, part, part, RESULT, RESULT)
    assert [one.last for one in indication.components] == [False, False, True]
    assert rejects(indication) == [(2, 0, 1)]


@pytest.mark.parametrize(
    ("reject", "ends"),
    [
        (Reject(1, rose.INVOKE_PROBLEM, rose.MISTYPED_PARAMETER), True),
        (Reject(1, rose.GENERAL_PROBLEM, 1), True),
        (Reject(1, rose.INVOKE_PROBLEM, -128), True),  # a problem without a name is one
        (Reject(1, rose.GENERAL_PROBLEM, 99), True),
        (Reject(1, rose.RETURN_RESULT_PROBLEM, 2), False),
        (Reject(None, rose.GENERAL_PROBLEM, 2), False),
        (Reject(9, rose.INVOKE_PROBLEM, 1), False),
    ],
)
def test_rejects_of_the_peer(node, reject, ends):
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 35, b"", 2, 10.0)], 0.0)
    indication = send(node, dialogue, tcap.CONTINUE, reject)
    assert indication.rejects == []
    assert [one.operation for one in indication.components] == [35 if ends else None]
    assert (live(dialogue, 0.0) == []) == ends


def test_an_operation_not_yet_sent_has_no_timer_and_no_answer(node):
    dialogue = active(node)
    component = node.invoke(dialogue, 35, b"", 1, 10.0)
    assert node.tick(100.0) == []
    assert rejects(send(node, dialogue, tcap.CONTINUE, RESULT)) == [(2, 0, 1)]
    node.continue_(dialogue, [component], 100.0)
    assert node.next_deadline() == 110.0
    node.invoke(dialogue, 31, b"", 4, 10.0)
    node.end(dialogue, [])
    assert node.tick(200.0) == []
    assert is_empty(node)


def test_invoke_ids_go_round_and_are_never_taken_twice(node):
    dialogue = begin(node).dialogue
    kept = node.invoke(dialogue, 50, b"", 1, 10.0)
    node.continue_(dialogue, [kept], 0.0)
    seen = [node.next_invoke_id(dialogue) for _ in range(130)]
    assert seen == [*range(2, 128), 0, *range(2, 5)]
    for _ in range(127):
        node.invoke(dialogue, 50, b"", 1, 10.0)
    with pytest.raises(EncodeError):
        node.next_invoke_id(dialogue)


def test_invoke_on_a_closed_dialogue_leaves_nothing(node):
    dialogue = begin(node).dialogue
    node.end(dialogue, [])
    assert node.invoke(dialogue, 20, b"", 2, 10.0) == tcap.encode_invoke(1, 20)
    assert is_empty(node)


def test_many_contexts_are_answered_each_in_its_own():
    node = Tcap(TcapSettings())
    for number in range(200):
        context = b"\x04" + number.to_bytes(2, "big")
        dialogue = begin(node, portion=Aarq(context)).dialogue
        assert tcap.decode(node.end(dialogue, [])).dialogue == Aare(context)
        dialogue = node.open("to", context, 0.0)
        assert tcap.decode(node.begin(dialogue, [], 0.0)).dialogue == Aarq(context)
        assert node.abort(dialogue) == b""
    assert is_empty(node)


@pytest.mark.parametrize("kind", [tcap.CONTINUE, tcap.END, tcap.ABORT])
def test_a_guessed_transaction_id_does_not_touch_a_dialogue_that_has_not_begun(node, kind):
    dialogue = node.open("to", V2, 0.0)
    dialogue.remote_tid = b"\x01"
    assert send(node, dialogue, kind) is None
    assert node.events == [(DISCARD, "unexpected-message")]
    assert node.begin(dialogue, [], 0.0)


# Notice and time


def test_notice_of_a_returned_message(node):
    dialogue = node.open("to", V2, 0.0)
    octets = node.begin(dialogue, [], 0.0)
    indication = node.notice(octets, 1, 0.0)
    assert (indication.kind, indication.dialogue, indication.cause) == (dha.NOTICE, dialogue, 1)
    assert node.notice(octets[:-3], 1, 0.0).dialogue is dialogue
    assert node.end(dialogue, [], prearranged=True) == b""
    assert node.notice(octets, 1, 0.0) is None
    assert node.notice(b"", 1, 0.0) is None
    assert node.events == [(DISCARD, "notice-unknown-transaction")] * 2


def test_an_idle_dialogue_is_given_up_in_order_of_activity():
    node = Tcap(TcapSettings(idle_limit=100.0))
    first, second, third = (begin(node, now=float(now)).dialogue for now in range(3))
    fourth = node.open("to", V2, 3.0)
    fifth = node.open("to", V2, 4.0)
    node.begin(fifth, [], 4.0)
    node.continue_(second, [], 50.0)
    assert node.next_deadline() == 100.0
    assert node.tick(99.9) == []
    assert [(one.kind, one.dialogue) for one in node.tick(104.0)] == [
        (dha.TIMEOUT, one) for one in (first, third, fourth, fifth)
    ]
    assert [message.dialogue for message in aborts(node)] == [Abrt(0)] * 2
    assert node.events == [(ABORTED, "idleLimit")] * 2
    assert node.next_deadline() == 150.0
    assert [one.dialogue for one in node.tick(150.0)] == [second]
    assert is_empty(node)


def test_ticks_of_many_open_dialogues_cost_nothing():
    import math
    import time

    octets = tcap.encode(Message(tcap.BEGIN, b"\x01", b"", Aarq(V2), [IDP]))

    def best_of_ticks(dialogues):
        node = Tcap(TcapSettings())
        for _ in range(dialogues):
            dialogue = node.receive(octets, None, 0.0).dialogue
            node.continue_(dialogue, [node.invoke(dialogue, 35, b"", 1, 10.0)], 0.0)
        best = math.inf
        for _ in range(20):
            began = time.perf_counter()
            for _ in range(100):
                node.tick(5.0)
                node.next_deadline()
            best = min(best, time.perf_counter() - began)
        return best

    assert best_of_ticks(20_000) < 20 * best_of_ticks(1)


@given(
    st.binary(min_size=1, max_size=4) | st.sampled_from([b"\0", b"\0\0", b"\0\0\0\0", b"\0\1\0", b"\xff" * 4])
)
def test_the_peer_s_transaction_id_is_the_same_in_every_message_of_a_held_dialogue(tid):
    node = Tcap(TcapSettings())
    dialogue = node.receive(tcap.encode(Message(tcap.BEGIN, tid, b"", Aarq(V2), [IDP])), None, 0.0).dialogue
    assert dialogue.remote_tid == tid
    for _ in range(3):
        assert tcap.decode(node.continue_(dialogue, [], 0.0)).dtid == tid
        assert dialogue.remote_tid == tid
    assert tcap.decode(node.end(dialogue, [])).dtid == tid


def test_timers_of_ended_invocations_are_let_go():
    node = Tcap(TcapSettings())
    octets = tcap.encode(Message(tcap.BEGIN, b"\x01", b"", Aarq(V2), [IDP]))
    for _ in range(10_000):
        dialogue = node.receive(octets, None, 0.0).dialogue
        node.continue_(dialogue, [node.invoke(dialogue, 35, b"", 1, 3600.0)], 0.0)
        node.end(dialogue, [])
    assert len(node._timers) < 2_500


@pytest.mark.parametrize(
    "bad",
    [
        {"instance": 256},
        {"instance": -1},
        {"first_id": 1 << 24},
        {"max_dialogues": 0},
        {"idle_limit": 0.0},
        {"max_dialogues": 1 << 24},
    ],
)
def test_settings_out_of_range(bad):
    with pytest.raises(ValueError):
        TcapSettings(**bad)


def test_an_injected_codec_does_all_the_work():
    codec = Counting()
    node = Tcap(TcapSettings(), codec)
    dialogue = begin(node).dialogue
    node.continue_(dialogue, [CONNECT], 0.0)
    send(node, dialogue, tcap.CONTINUE, RESULT)
    node.end(dialogue, [])
    assert node.receive(bytes.fromhex("65084802abcd49020102"), "path", 0.0) is None
    assert codec.calls == {"decode": 3, "encode": 3}


# Two ends


class TwoEnds(RuleBasedStateMachine):
    """Two TCAPs joined by a network that loses, doubles, reorders and garbles.

    Every message a user sends is a real one; nothing but `Indication` or None may come out of either end, no BEGIN
    that arrives may be left without an indication or an answer, and in the end nothing may be left over.
    """

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.ends = [
            Tcap(TcapSettings(instance=index, max_dialogues=6, contexts=frozenset({V2}), idle_limit=60.0))
            for index in range(2)
        ]
        self.wire: list[tuple[int, bytes]] = []
        self.dialogues: list[list[Dialogue]] = [[], []]
        self.over: set[int] = set()

    def drain(self, end: int) -> list[bytes]:
        node = self.ends[end]
        sent = [octets for _, octets in node.outbox]
        self.wire += [(1 - end, octets) for octets in sent]
        node.outbox.clear()
        for kind, reason in node.events:
            assert (
                reason in {DISCARD: DISCARD_REASONS, REFUSED: REFUSED_REASONS, ABORTED: ABORTED_REASONS}[kind]
            )
        node.events.clear()
        return sent

    def send(self, end: int, octets: bytes) -> None:
        if octets:
            self.wire.append((1 - end, octets))
        self.drain(end)

    def indicated(self, end: int, indication: Indication) -> None:
        dialogue = indication.dialogue
        assert id(dialogue) not in self.over, "indication after the end"
        if indication.kind == dha.BEGIN:
            self.dialogues[end].append(dialogue)
        ended = indication.kind in (dha.END, dha.U_ABORT, dha.P_ABORT, dha.TIMEOUT)
        assert dialogue.closed == ended
        if ended:
            self.over.add(id(dialogue))

    def deliver(self, end: int, octets: bytes) -> None:
        node = self.ends[end]
        self.drain(end)
        before = len(node)
        indication = node.receive(octets, "path", self.now)
        events = list(node.events)
        answers = self.drain(end)
        if indication is None:
            assert len(node) == before
            assert events, "swallowed without a word"
            assert all(tcap.decode(answer).kind == tcap.ABORT for answer in answers)
        else:
            self.indicated(end, indication)
        try:
            kind = tcap.decode(octets).kind
        except tcap.TcapError:
            return
        if kind == tcap.BEGIN:
            assert (indication is not None and indication.kind == dha.BEGIN) or answers
        if kind in (tcap.ABORT, tcap.END):
            assert not answers

    ends_of_it = st.integers(0, 1)

    @rule(end=ends_of_it, structured=st.booleans(), operation_class=st.integers(1, 4), known=st.booleans())
    def begin(self, end, structured, operation_class, known):
        node = self.ends[end]
        context = (V2 if known else V4) if structured else b""
        try:
            dialogue = node.open("path", context, self.now)
        except DialogueLimitError:
            assert len(node) == 6
            return
        self.dialogues[end].append(dialogue)
        self.send(end, node.begin(dialogue, [node.invoke(dialogue, 0, b"", operation_class, 5.0)], self.now))

    @precondition(lambda self: self.wire)
    @rule(
        which=st.integers(0, 1000),
        fate=st.sampled_from(["deliver"] * 6 + ["lose", "double", "garble"]),
        seed=st.integers(),
    )
    def network(self, which, fate, seed):
        end, octets = self.wire.pop(which % len(self.wire))
        if fate == "lose":
            return
        if fate == "garble":
            changed = bytearray(octets)
            changed[seed % len(changed)] = seed // 7 % 256
            octets = bytes(changed)
        self.deliver(end, octets)
        if fate == "double":
            self.deliver(end, octets)

    @precondition(lambda self: self.dialogues[0] or self.dialogues[1])
    @rule(
        which=st.integers(0, 1000),
        action=st.sampled_from(["continue", "continue", "end", "prearranged", "abort", "refuse"]),
        components=st.lists(
            st.sampled_from([1, 2, 3, 4, RESULT, ERROR, Reject(1, 1, 1), Reject(None, 0, 0), b"\xa0\x00"]),
            max_size=3,
        ),
    )
    def user(self, which, action, components):
        choices = [(end, dialogue) for end in range(2) for dialogue in self.dialogues[end]]
        end, dialogue = choices[which % len(choices)]
        node = self.ends[end]
        gone = dialogue.closed
        octets = [
            node.invoke(dialogue, 35, b"\x04\x00", one, 5.0 + one)
            if isinstance(one, int)
            else one
            if isinstance(one, bytes)
            else tcap.encode_component(one)
            for one in components
        ]
        if action == "continue":
            sent = node.continue_(dialogue, octets, self.now)
        elif action in ("end", "prearranged"):
            sent = node.end(dialogue, octets, prearranged=action == "prearranged")
        else:
            sent = node.abort(dialogue, DIALOGUE_REFUSED if action == "refuse" else 0)
        if gone:
            assert sent == b""
        elif dialogue.closed:
            self.over.add(id(dialogue))
        self.send(end, sent)

    @rule(end=ends_of_it, octets=st.binary(max_size=40))
    def garbage(self, end, octets):
        self.deliver(end, octets)

    @precondition(lambda self: self.wire)
    @rule(which=st.integers(0, 1000), cause=st.integers(0, 7))
    def returned(self, which, cause):
        end, octets = self.wire.pop(which % len(self.wire))
        indication = self.ends[1 - end].notice(octets, cause, self.now)
        if indication is not None:
            assert (indication.kind, indication.cause) == (dha.NOTICE, cause)
            self.indicated(1 - end, indication)

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 30.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.ticks()

    def ticks(self):
        for end, node in enumerate(self.ends):
            indications = node.tick(self.now)
            given_up = [one.dialogue for one in indications if one.kind == dha.TIMEOUT]
            for indication in indications:
                if indication.kind == dha.CANCEL:
                    assert indication.invocation.operation_class in (1, 3)
                    assert id(indication.dialogue) not in self.over
                    assert indication.dialogue.closed == (indication.dialogue in given_up)
                else:
                    assert indication.kind == dha.TIMEOUT
                    self.indicated(end, indication)
            assert node.next_deadline() > self.now
            self.drain(end)

    @invariant()
    def consistent(self):
        for end, node in enumerate(self.ends):
            queue = []
            dialogue = node._idle.oldest
            while dialogue is not None:
                queue.append(dialogue)
                dialogue = dialogue.newer
            assert {id(one) for one in queue} == {id(one) for one in node._dialogues.values()}
            assert len(queue) == len(node)
            assert [one.active for one in queue] == sorted(one.active for one in queue)
            assert len(node) <= 6
            for tid, one in node._dialogues.items():
                assert one.local_tid == tid
                assert tid[0] == end
                assert not one.closed
                assert one.state not in (dha.ACTIVE, dha.INITIATION_RECEIVED) or one.remote_tid
            for one in self.dialogues[end]:
                assert one.closed == (one.local_tid not in node._dialogues)
                kept = (one.invocations, one.silent, one.older, one.newer)
                assert not one.closed or kept == (None,) * 4

    def teardown(self):
        while self.wire:
            self.deliver(*self.wire.pop(0))
        self.now += 1000.0
        self.ticks()
        self.wire.clear()
        for node in self.ends:
            assert is_empty(node)


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = examples(200, stateful_step_count=40)


def test_a_million_garbled_octets_at_one_end():
    """Every prefix and many mutations of one message: always an indication, an answer or an event."""
    rng = random.Random(1)
    node = Tcap(TcapSettings(contexts=frozenset({V2})))
    octets = tcap.encode(Message(tcap.BEGIN, b"\x01\x02", b"", Aarq(V2), [IDP]))
    for round_ in range(4000):
        changed = bytearray(octets[: rng.randrange(1, len(octets) + 1)] if round_ % 2 else octets)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        indication = node.receive(bytes(changed), "path", 0.0)
        if indication is None:
            assert node.events
        else:
            assert node.end(indication.dialogue, [one.octets for one in indication.rejects])
        node.events.clear()
        node.outbox.clear()
    assert is_empty(node)


def test_user_information_of_an_abort_survives(node):
    information = ber.encode_element(0x28, b"\x06\x01\x2a\xa0\x00")
    octets = node.abort(active(node), user_information=information)
    assert tcap.decode(octets).dialogue == Abrt(tcap_dialogue.ABRT_USER, information)
