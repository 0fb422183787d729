"""TCAP: transactions, dialogues and components, as Q.787 tries them (Q.774)."""

from __future__ import annotations

from case import Case, Group, Section
from tcap_node import CONNECT, IDP, V1, V2, aborts, active, begin, is_empty, send

from scp.stack import tcap_dialogue as dha
from scp.stack.tcap import Indication, Tcap, TcapSettings
from ss7 import rose, tcap, tcap_dialogue
from ss7.tcap import Aare, Aarq, Abrt, Invoke, Message, Reject, ReturnError, ReturnResult

OTID = b"\x01\x02"
RESULT, ERROR = ReturnResult(1), ReturnError(1, 6)

_cases: list[Case] = []
case = Section("T", _cases)


def layer(**changed: float) -> Tcap:
    return Tcap(TcapSettings(**{"instance": 7, "contexts": frozenset({V2}), **changed}))  # type: ignore[arg-type]


def begun(node: Tcap, components: tuple[Invoke, ...] = (IDP,), **how: object) -> Indication:
    indication = begin(node, components, **how)
    assert indication is not None
    assert indication.kind == dha.BEGIN
    return indication


def problems(indication: Indication | None) -> list[tuple[int, int]]:
    assert indication is not None
    return [(reject.problem_type, reject.problem) for reject in indication.rejects]


# --- transactions ---
case.begin()
for length in (1, 2, 3, 4):

    @case("Q.773 §4.2.1.3", f"A BEGIN with a transaction id of {length} octets is answered to it")
    def _(length: int = length) -> None:
        node = layer()
        otid = bytes(range(1, length + 1))
        answer = tcap.decode(node.end(begun(node, otid=otid).dialogue, [CONNECT]))
        assert (answer.kind, answer.dtid, answer.otid) == (tcap.END, otid, b"")


@case("§3.2.1", "BEGIN, CONTINUE from us, CONTINUE from the peer, END from the peer")
def _() -> None:
    node = layer()
    dialogue = begun(node).dialogue
    first = tcap.decode(node.continue_(dialogue, [CONNECT], 0.0))
    assert (first.kind, first.otid, first.dtid) == (tcap.CONTINUE, dialogue.local_tid, OTID)
    more = send(node, dialogue, tcap.CONTINUE, Invoke(2, 24))
    assert more is not None
    assert more.kind == dha.CONTINUE
    last = send(node, dialogue, tcap.END)
    assert last is not None
    assert last.kind == dha.END
    assert is_empty(node)


@case("§3.2.1", "BEGIN and END by us, basic and prearranged")
def _() -> None:
    node = layer()
    assert tcap.decode(node.end(begun(node).dialogue, [])).kind == tcap.END
    assert node.end(begun(node).dialogue, [], prearranged=True) == b""
    assert is_empty(node)


@case("§3.2.1", "A transaction begun by us takes the peer's id from its first CONTINUE")
def _() -> None:
    node = layer()
    dialogue = node.open("to", V2, 0.0)
    assert tcap.decode(node.begin(dialogue, [], 0.0)).otid == dialogue.local_tid
    answer = Message(tcap.CONTINUE, b"\x09", dialogue.local_tid, Aare(V2))
    assert node.receive(tcap.encode(answer), "path", 0.0) is not None
    assert tcap.decode(node.end(dialogue, [])).dtid == b"\x09"


@case("§3.3", "No transaction id is given twice while it is live")
def _() -> None:
    node = layer(first_id=0xFFFFFE)
    tids = [begun(node).dialogue.local_tid for _ in range(8)]
    assert len(set(tids)) == 8
    assert {tid[0] for tid in tids} == {7}


@case("§3.2.1", "A peer's ABORT, by its user or its provider, ends the transaction and is never answered")
def _() -> None:
    for message, kind in (
        (lambda tid: Message(tcap.ABORT, b"", tid, Abrt(0)), dha.U_ABORT),
        (lambda tid: Message(tcap.ABORT, b"", tid, p_abort_cause=4), dha.P_ABORT),
    ):
        node = layer()
        dialogue = active(node)
        indication = node.receive(tcap.encode(message(dialogue.local_tid)), "path", 0.0)
        assert indication is not None
        assert indication.kind == kind
        assert aborts(node) == []
        assert is_empty(node)


@case("§3.2.1", "An ABORT before our first answer ends the transaction: no answer goes out afterwards")
def _() -> None:
    node = layer()
    dialogue = begun(node).dialogue
    octets = tcap.encode(Message(tcap.ABORT, b"", dialogue.local_tid, Abrt(0)))
    assert node.receive(octets, "path", 0.0) is not None
    assert node.end(dialogue, [CONNECT]) == b""
    assert is_empty(node)


# --- invalid transaction portions ---
case.begin()
for octets, cause, what in (
    ("63044802abcd", tcap.UNRECOGNIZED_MESSAGE_TYPE, "A message type that there is not"),
    ("62044802abcd00", tcap.BADLY_FORMATTED_TRANSACTION_PORTION, "Lengths that do not fit"),
    ("62064802abcd6d00", tcap.INCORRECT_TRANSACTION_PORTION, "An element that does not belong there"),
    ("65044802abcd", tcap.INCORRECT_TRANSACTION_PORTION, "A CONTINUE without a destination"),
    (
        "65094802abcd4903010203",
        tcap.UNRECOGNIZED_TRANSACTION_ID,
        "A CONTINUE for a transaction that there is not",
    ),
):

    @case("§3.3", f"{what}: ABORT, {tcap.P_ABORT_NAMES[cause]}")
    def _(octets: str = octets, cause: int = cause) -> None:
        node = layer()
        assert node.receive(bytes.fromhex(octets), "path", 0.0) is None
        assert aborts(node) == [Message(tcap.ABORT, b"", b"\xab\xcd", p_abort_cause=cause)]


@case("§3.3", "Beyond the most transactions: ABORT, resourceLimitation; those in progress go on")
def _() -> None:
    node = layer(max_dialogues=1)
    dialogue = active(node)
    assert begin(node, otid=b"\x05") is None
    assert aborts(node) == [Message(tcap.ABORT, b"", b"\x05", p_abort_cause=tcap.RESOURCE_LIMITATION)]
    assert send(node, dialogue, tcap.CONTINUE) is not None


for kind, name in ((tcap.END, "END"), (tcap.ABORT, "ABORT")):

    @case("§3.3", f"An {name} for a transaction that there is not is discarded")
    def _(kind: int = kind) -> None:
        node = layer()
        assert node.receive(tcap.encode(Message(kind, b"", b"\x09\x09")), "path", 0.0) is None
        assert aborts(node) == []


@case("§3.3", "What names no origin can't be answered and is discarded")
def _() -> None:
    node = layer()
    for octets in (b"", b"\x62\x00", b"\xff" * 20):
        assert node.receive(octets, "path", 0.0) is None
    assert aborts(node) == []


@case("§3.2.1", "A malformed message of an open transaction ends it on both sides")
def _() -> None:
    node = layer()
    dialogue = active(node)
    octets = bytearray(tcap.encode(Message(tcap.CONTINUE, OTID, dialogue.local_tid, None, [IDP])))
    octets[1] += 1
    indication = node.receive(bytes(octets), "path", 0.0)
    assert indication is not None
    assert indication.kind == dha.P_ABORT
    assert [message.dtid for message in aborts(node)] == [OTID]
    assert is_empty(node)


@case("Q.773 §4.1", "Long and indefinite forms of lengths are read")
def _() -> None:
    for octets in ("628106480401020304", "62804804010203040000"):
        node = layer()
        indication = node.receive(bytes.fromhex(octets), "path", 0.0)
        assert indication is not None
        assert indication.dialogue.remote_tid == b"\1\2\3\4"


# --- dialogues ---
case.begin()


@case("§3.2.1", "The first message back accepts the application context, and no later one has a portion")
def _() -> None:
    node = layer()
    dialogue = begun(node).dialogue
    assert tcap.decode(node.continue_(dialogue, [], 0.0)).dialogue == Aare(V2)
    assert tcap.decode(node.continue_(dialogue, [], 0.0)).dialogue is None
    assert tcap.decode(node.end(dialogue, [])).dialogue is None


@case("§3.2.1", "A BEGIN without a dialogue portion is answered without one")
def _() -> None:
    node = layer()
    dialogue = begun(node, portion=False).dialogue
    assert dialogue.context == V1
    assert tcap.decode(node.end(dialogue, [])).dialogue is None


@case(
    "§3.2.1",
    "A context that is not supported: ABORT with AARE, reject-permanent, application-context-name-not-supported",
)
def _() -> None:
    node = layer()
    assert begin(node, portion=Aarq(V1)) is None
    [message] = aborts(node)
    assert message.dialogue == Aare(
        V1, tcap_dialogue.REJECT_PERMANENT, tcap_dialogue.SERVICE_USER, tcap_dialogue.CONTEXT_NOT_SUPPORTED
    )


@case("§3.2.1", "No common protocol version: ABORT with AARE, by the provider")
def _() -> None:
    node = layer()
    assert begin(node, portion=Aarq(V2, b"\x06\x40")) is None
    [message] = aborts(node)
    assert isinstance(message.dialogue, Aare)
    assert message.dialogue.diagnostic == tcap_dialogue.NO_COMMON_DIALOGUE_PORTION


@case("§3.2.1", "Another portion than AARQ in a BEGIN: ABORT with ABRT, by the provider")
def _() -> None:
    node = layer()
    assert begin(node, portion=Aare(V2)) is None
    assert [message.dialogue for message in aborts(node)] == [Abrt(tcap_dialogue.ABRT_PROVIDER)]


@case("§3.2.1", "A dialogue portion in the middle of a dialogue is abnormal: both sides are aborted")
def _() -> None:
    node = layer()
    indication = send(node, active(node), tcap.CONTINUE, portion=Aare(V2))
    assert indication is not None
    assert (indication.kind, indication.cause) == (dha.P_ABORT, tcap.ABNORMAL_DIALOGUE)
    assert [message.dialogue for message in aborts(node)] == [Abrt(tcap_dialogue.ABRT_PROVIDER)]


@case("§3.2.1", "Our user's abort goes as ABRT in an open dialogue")
def _() -> None:
    node = layer()
    message = tcap.decode(node.abort(active(node)))
    assert (message.kind, message.dialogue) == (tcap.ABORT, Abrt(tcap_dialogue.ABRT_USER))
    assert is_empty(node)


# --- components ---
case.begin()
for octets, problem, what in (
    ("a000", 0, "An empty component: reject, general, unrecognized component"),
    ("a103020105", 1, "An Invoke without an operation: reject, general, mistyped component"),
):

    @case("§3.2.2.2", what)
    def _(octets: str = octets, problem: int = problem) -> None:
        node = layer()
        dialogue = active(node)
        bad = tcap.build_continue(OTID, dialogue.local_tid, b"", [bytes.fromhex(octets)])
        assert problems(node.receive(bad, "path", 0.0)) == [(rose.GENERAL_PROBLEM, problem)]


@case("§3.2.2.2", "An invoke id that is in use: reject, duplicate invoke id; the first invocation stands")
def _() -> None:
    indication = begun(layer(), (IDP, Invoke(1, 24)))
    assert indication.components == [IDP]
    assert problems(indication) == [(rose.INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID)]


@case("§3.2.2.2", "A linked id of no invocation of ours: reject, unrecognized linked id")
def _() -> None:
    node = layer()
    indication = send(node, active(node), tcap.CONTINUE, Invoke(3, 60, b"", 9))
    assert problems(indication) == [(rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID)]


OUTCOMES = (
    (1, RESULT, None, "is its outcome"),
    (1, ERROR, None, "is its outcome"),
    (2, RESULT, (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED), "is rejected, unexpected"),
    (2, ERROR, None, "is its outcome"),
    (3, RESULT, None, "is its outcome"),
    (3, ERROR, (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED), "is rejected, unexpected"),
    (4, RESULT, (rose.RETURN_RESULT_PROBLEM, rose.RETURN_RESULT_UNEXPECTED), "is rejected, unexpected"),
    (4, ERROR, (rose.RETURN_ERROR_PROBLEM, rose.RETURN_ERROR_UNEXPECTED), "is rejected, unexpected"),
)
for number, answer, problem, becomes in OUTCOMES:
    name = "Return Result" if answer is RESULT else "Return Error"

    @case("§3.2.2.2", f"A {name} to our operation of class {number} {becomes}")
    def _(
        number: int = number,
        answer: ReturnResult | ReturnError = answer,
        problem: tuple[int, int] | None = problem,
    ) -> None:
        node = layer()
        dialogue = begun(node).dialogue
        node.continue_(dialogue, [node.invoke(dialogue, 35, b"", number, 10.0)], 0.0)
        indication = send(node, dialogue, tcap.CONTINUE, answer)
        assert problems(indication) == ([] if problem is None else [problem])


for answer, kind in ((RESULT, rose.RETURN_RESULT_PROBLEM), (ERROR, rose.RETURN_ERROR_PROBLEM)):
    name = "Return Result" if answer is RESULT else "Return Error"

    @case("§3.2.2.2", f"A {name} to no operation of ours: reject, unrecognized invoke id")
    def _(answer: ReturnResult | ReturnError = answer, kind: int = kind) -> None:
        node = layer()
        indication = send(node, active(node), tcap.CONTINUE, answer)
        assert problems(indication) == [(kind, rose.UNRECOGNIZED_INVOKE_ID)]


@case("§3.2.2.2", "A Reject is never rejected, not even a malformed one")
def _() -> None:
    node = layer()
    dialogue = active(node)
    assert problems(send(node, dialogue, tcap.CONTINUE, Reject(9, 1, 2))) == []
    bad = tcap.build_continue(OTID, dialogue.local_tid, b"", [b"\xa4\x00"])
    indication = node.receive(bad, "path", 0.0)
    assert indication is not None
    assert not any(reject.octets for reject in indication.rejects)


for number, reported in ((1, True), (2, False), (3, True), (4, False)):
    what = "is reported (TC-L-CANCEL)" if reported else "has come out well"

    @case("Q.771 §2.3.1.1", f"Our operation of class {number} whose timer runs out {what}")
    def _(number: int = number, reported: bool = reported) -> None:
        node = layer()
        dialogue = begun(node).dialogue
        node.continue_(dialogue, [node.invoke(dialogue, 55, b"", number, 10.0)], 0.0)
        assert node.tick(9.9) == []
        assert [one.kind for one in node.tick(10.0)] == [dha.CANCEL] * reported
        assert not dialogue.closed


@case("§3.2.2", "A result in segments is handed on part by part; the last ends the invocation")
def _() -> None:
    node = layer()
    dialogue = begun(node).dialogue
    node.continue_(dialogue, [node.invoke(dialogue, 50, b"", 1, 10.0)], 0.0)
    indication = send(node, dialogue, tcap.CONTINUE, ReturnResult(1, 50, b"\4\0", last=False), RESULT)
    assert indication is not None
    assert [one.last for one in indication.components] == [False, True]
    assert dialogue.invocations is None


@case("Q.771 §3.1.2", "A message of ours that SCCP returns is indicated (TC-NOTICE); the dialogue stays")
def _() -> None:
    node = layer()
    dialogue = begun(node).dialogue
    indication = node.notice(node.continue_(dialogue, [], 0.0), 1, 0.0)
    assert indication is not None
    assert (indication.kind, indication.dialogue, indication.cause) == (dha.NOTICE, dialogue, 1)
    assert not dialogue.closed


TCAP = Group("T", "TCAP", "Q.774", "`Tcap`, the structured dialogue", tuple(_cases))
