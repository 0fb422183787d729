"""TCAP: transactions, dialogues and components, as Q.787 tries them (Q.774)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from case import Case, Group, Section
from tcap_node import CONNECT, IDP, V1, V2, is_empty
from watch import WATCH

from scp.stack import tcap_dialogue as dha
from scp.stack.tcap import Dialogue, Indication, Tcap
from scp.stack.tcap_settings import TcapSettings
from ss7 import rose, tcap, tcap_dialogue
from ss7.tcap import Aare, Aarq, Abrt, Invoke, Message, Reject, ReturnError, ReturnResult

OTID = b"\x01\x02"
PATH = "path"
RESULT, ERROR = ReturnResult(1), ReturnError(1, 6)
[CONNECT_READ] = tcap.decode(tcap.build_end(OTID, b"", [CONNECT])).components
MORE = Invoke(2, 24)
INSTANCE = 7

_cases: list[Case] = []
case = Section("T", _cases)


@dataclass(frozen=True)
class Told:
    """What TC tells its user: an `Indication` without what only this program knows.

    ``rejects``: problem type, problem, and the Reject that is owed; ``cancelled``: the operation that timed out.
    """

    kind: int
    components: list[Any] = field(default_factory=list)
    rejects: list[tuple[int, int, bytes]] = field(default_factory=list)
    portion: Any = None
    cause: int = -1
    cancelled: int = -1


def _told(indication: Indication) -> Told:
    return Told(
        indication.kind,
        indication.components,
        [(each.problem_type, each.problem, each.octets) for each in indication.rejects],
        indication.portion,
        indication.cause,
        -1 if indication.invocation is None else indication.invocation.invoke_id,
    )


class Layer:
    """The node's TCAP. Each call says all that it is to bring about: more or less fails the case."""

    def __init__(self, **changed: Any) -> None:
        settings = {"instance": INSTANCE, "contexts": frozenset({V2}), **changed}
        self.tcap = Tcap(TcapSettings(**settings))
        self.dialogue: Dialogue | None = None

    def hears(
        self,
        message: Message | bytes,
        tells: Told | None = None,
        *,
        aborts: Message | None = None,
        counts: str = "",
    ) -> None:
        """The peer says something: what our user is told, what goes back by itself, what is counted."""
        octets = message if isinstance(message, bytes) else tcap.encode(message)
        indication = self.tcap.receive(octets, PATH, 0.0)
        self._did(indication, tells, [] if aborts is None else [aborts], counts)

    def noticed(self, octets: bytes, cause: int, tells: Told) -> None:
        """SCCP brings a message of ours back."""
        self._did(self.tcap.notice(octets, cause, 0.0), tells, [], "")

    def until(self, now: float, tells: Iterable[Told] = ()) -> None:
        """Let time pass."""
        told = [_told(each) for each in self.tcap.tick(now)]
        assert WATCH.portion("TC tells", told, Told(dha.CANCEL)) == list(tells)
        self._did(None, None, [], "")

    def says(self, octets: bytes, message: Message | None) -> None:
        """What our user has to say goes out as this message; None: nothing goes out."""
        octets = WATCH.result("TC says", octets)
        assert octets == (b"" if message is None else tcap.encode(message))
        self._did(None, None, [], "")

    def refused(self, octets: bytes, counts: str) -> None:
        """What our user has to say can't be said any more."""
        assert WATCH.result("TC says", octets) == b""
        self._did(None, None, [], counts)

    def _did(
        self, indication: Indication | None, tells: Told | None, aborts: list[Message], counts: str
    ) -> None:
        if indication is not None:
            self.dialogue = indication.dialogue
        told = None if indication is None else _told(indication)
        assert WATCH.result("TC tells", told, Told(dha.CONTINUE)) == tells
        forged = (PATH, tcap.encode(Message(tcap.ABORT, b"", OTID)))
        out = WATCH.portion("TC answers", self.tcap.outbox[:], forged)
        assert out == [(PATH, tcap.encode(message)) for message in aborts]
        counted = WATCH.portion("TC counts", [reason for _, reason in self.tcap.events], "malformed")
        assert counted == counts.split(), f"counted: {counted}"
        self.tcap.outbox.clear()
        self.tcap.events.clear()

    # a dialogue with the peer

    @property
    def tid(self) -> bytes:
        """Our id of the dialogue."""
        assert self.dialogue is not None
        return self.dialogue.local_tid

    def begun(self, *components: Any, otid: bytes = OTID, portion: Any = Aarq(V2)) -> Dialogue:  # noqa: B008
        """The peer begins a dialogue."""
        components = components or (IDP,)
        message = Message(tcap.BEGIN, otid, b"", portion, list(components))
        self.hears(message, Told(dha.BEGIN, list(components), portion=portion))
        assert self.dialogue is not None
        assert (len(self.tid), self.tid[0]) == (4, INSTANCE)
        assert self.dialogue.remote_tid == otid
        return self.dialogue

    def active(self) -> Dialogue:
        """A dialogue that was begun by the peer and continued by us."""
        dialogue = self.begun()
        self.goes_on([], portion=Aare(V2))
        return dialogue

    def goes_on(self, components: list[bytes], read: Iterable[Any] = (), portion: Any = None) -> bytes:
        """Our user continues: with these components, which are read so."""
        assert self.dialogue is not None
        octets = self.tcap.continue_(self.dialogue, components, 0.0)
        self.says(octets, Message(tcap.CONTINUE, self.tid, OTID, portion, list(read)))
        return octets

    def ends(self, components: list[bytes], read: Iterable[Any] = (), portion: Any = None) -> None:
        """Our user ends the dialogue; nothing stays behind."""
        assert self.dialogue is not None
        remote = self.dialogue.remote_tid
        octets = self.tcap.end(self.dialogue, components)
        self.says(octets, Message(tcap.END, b"", remote, portion, list(read)))
        assert is_empty(self.tcap)

    def continued(self, *components: Any, tells: Told | None = None, portion: Any = None) -> None:
        """The peer continues; without ``tells``, our user is told what it says."""
        message = Message(tcap.CONTINUE, OTID, self.tid, portion, list(components))
        self.hears(message, tells or Told(dha.CONTINUE, list(components), portion=portion))


# --- transactions ---
case.begin()
for length in (1, 2, 3, 4):

    @case("Q.773 §4.2.1.3", f"A BEGIN with a transaction id of {length} octets is answered to it")
    def _(length: int = length) -> None:
        layer = Layer()
        layer.begun(otid=bytes(range(1, length + 1)))
        layer.ends([CONNECT], [CONNECT_READ], Aare(V2))


@case("§3.2.1", "BEGIN, CONTINUE from us, CONTINUE from the peer, END from the peer")
def _() -> None:
    layer = Layer()
    layer.begun()
    layer.goes_on([CONNECT], [CONNECT_READ], Aare(V2))
    layer.continued(MORE)
    layer.hears(Message(tcap.END, b"", layer.tid, None, [Invoke(3, 24)]), Told(dha.END, [Invoke(3, 24)]))
    assert is_empty(layer.tcap)


@case("§3.2.1", "BEGIN and END by us, basic and prearranged")
def _() -> None:
    layer = Layer()
    layer.begun()
    layer.ends([], [], Aare(V2))
    layer.says(layer.tcap.end(layer.begun(), [], prearranged=True), None)
    assert is_empty(layer.tcap)


@case("§3.2.1", "A transaction begun by us takes the peer's id from its first CONTINUE")
def _() -> None:
    layer = Layer()
    dialogue = layer.dialogue = layer.tcap.open(PATH, V2, 0.0)
    layer.says(layer.tcap.begin(dialogue, [], 0.0), Message(tcap.BEGIN, layer.tid, b"", Aarq(V2)))
    answer = Message(tcap.CONTINUE, b"\x09", layer.tid, Aare(V2))
    layer.hears(answer, Told(dha.CONTINUE, portion=Aare(V2)))
    assert dialogue.remote_tid == b"\x09"
    layer.ends([])


@case("§3.3", "No transaction id is given twice while it is live")
def _() -> None:
    layer = Layer(first_id=0xFFFFFE)  # the last but one before the counter begins anew
    tids = [layer.begun().local_tid for _ in range(8)]
    assert len(set(tids)) == 8


@case("§3.2.1", "A peer's ABORT, by its user or its provider, ends the transaction and is never answered")
def _() -> None:
    for message, tells in (
        (Message(tcap.ABORT, dialogue=Abrt(0)), Told(dha.U_ABORT, portion=Abrt(0))),
        (Message(tcap.ABORT, p_abort_cause=4), Told(dha.P_ABORT, cause=4)),
    ):
        layer = Layer()
        layer.active()
        message.dtid = layer.tid
        layer.hears(message, tells)
        assert is_empty(layer.tcap)


@case("§3.2.1", "An ABORT before our first answer ends the transaction: no answer goes out afterwards")
def _() -> None:
    layer = Layer()
    dialogue = layer.begun()
    layer.hears(Message(tcap.ABORT, b"", layer.tid, Abrt(0)), Told(dha.U_ABORT, portion=Abrt(0)))
    layer.refused(layer.tcap.end(dialogue, [CONNECT]), "dialogue-closed")
    assert is_empty(layer.tcap)


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
        aborts = Message(tcap.ABORT, b"", b"\xab\xcd", p_abort_cause=cause)
        Layer().hears(bytes.fromhex(octets), aborts=aborts, counts=tcap.P_ABORT_NAMES[cause])


@case("§3.3", "Beyond the most transactions: ABORT, resourceLimitation; those in progress go on")
def _() -> None:
    layer = Layer(max_dialogues=1)
    layer.active()
    layer.hears(
        Message(tcap.BEGIN, b"\x05", b"", Aarq(V2), [IDP]),
        aborts=Message(tcap.ABORT, b"", b"\x05", p_abort_cause=tcap.RESOURCE_LIMITATION),
        counts="resourceLimitation",
    )
    layer.continued(MORE)


for kind, name in ((tcap.END, "END"), (tcap.ABORT, "ABORT")):

    @case("§3.3", f"An {name} for a transaction that there is not is discarded")
    def _(kind: int = kind) -> None:
        Layer().hears(Message(kind, b"", b"\x09\x09"), counts="unknown-transaction")


@case("§3.3", "What names no origin can't be answered and is discarded")
def _() -> None:
    layer = Layer()
    for octets in (b"", b"\x62\x00", b"\xff" * 20):
        layer.hears(octets, counts="underivable-transaction")


@case("§3.2.1", "A malformed message of an open transaction ends it on both sides")
def _() -> None:
    layer = Layer()
    layer.active()
    octets = bytearray(tcap.encode(Message(tcap.CONTINUE, OTID, layer.tid, None, [IDP])))
    octets[1] += 1
    cause = tcap.BADLY_FORMATTED_TRANSACTION_PORTION
    layer.hears(
        bytes(octets),
        Told(dha.P_ABORT, cause=cause),
        aborts=Message(tcap.ABORT, b"", OTID, p_abort_cause=cause),
        counts=tcap.P_ABORT_NAMES[cause],
    )
    assert is_empty(layer.tcap)


@case("Q.773 §4.1", "Long and indefinite forms of lengths are read")
def _() -> None:
    for octets in ("628106480401020304", "62804804010203040000"):
        layer = Layer()
        layer.hears(bytes.fromhex(octets), Told(dha.BEGIN))
        layer.ends([])


# --- dialogues ---
case.begin()


@case("§3.2.1", "The first message back accepts the application context, and no later one has a portion")
def _() -> None:
    layer = Layer()
    layer.begun()
    layer.goes_on([], portion=Aare(V2))
    layer.goes_on([])
    layer.ends([])


@case("§3.2.1", "A BEGIN without a dialogue portion is answered without one")
def _() -> None:
    layer = Layer()
    assert layer.begun(portion=None).context == V1
    layer.ends([])


@case(
    "§3.2.1",
    "A context that is not supported: ABORT with AARE, reject-permanent, application-context-name-not-supported",
)
def _() -> None:
    refusal = Aare(
        V1, tcap_dialogue.REJECT_PERMANENT, tcap_dialogue.SERVICE_USER, tcap_dialogue.CONTEXT_NOT_SUPPORTED
    )
    Layer().hears(
        Message(tcap.BEGIN, OTID, b"", Aarq(V1), [IDP]),
        aborts=Message(tcap.ABORT, b"", OTID, refusal),
        counts="contextNotSupported",
    )


@case("§3.2.1", "No common protocol version: ABORT with AARE, by the provider")
def _() -> None:
    refusal = Aare(
        V2,
        tcap_dialogue.REJECT_PERMANENT,
        tcap_dialogue.SERVICE_PROVIDER,
        tcap_dialogue.NO_COMMON_DIALOGUE_PORTION,
    )
    Layer().hears(
        Message(tcap.BEGIN, OTID, b"", Aarq(V2, b"\x06\x40"), [IDP]),
        aborts=Message(tcap.ABORT, b"", OTID, refusal),
        counts="noCommonDialoguePortion",
    )


@case("§3.2.1", "Another portion than AARQ in a BEGIN: ABORT with ABRT, by the provider")
def _() -> None:
    Layer().hears(
        Message(tcap.BEGIN, OTID, b"", Aare(V2), [IDP]),
        aborts=Message(tcap.ABORT, b"", OTID, Abrt(tcap_dialogue.ABRT_PROVIDER)),
        counts="abnormalDialogue",
    )


@case("§3.2.1", "A dialogue portion in the middle of a dialogue is abnormal: both sides are aborted")
def _() -> None:
    layer = Layer()
    layer.active()
    layer.hears(
        Message(tcap.CONTINUE, OTID, layer.tid, Aare(V2)),
        Told(dha.P_ABORT, cause=tcap.ABNORMAL_DIALOGUE),
        aborts=Message(tcap.ABORT, b"", OTID, Abrt(tcap_dialogue.ABRT_PROVIDER)),
        counts="abnormalDialogue",
    )
    assert is_empty(layer.tcap)


@case("§3.2.1", "Our user's abort goes as ABRT in an open dialogue")
def _() -> None:
    layer = Layer()
    octets = layer.tcap.abort(layer.active())
    layer.says(octets, Message(tcap.ABORT, b"", OTID, Abrt(tcap_dialogue.ABRT_USER)))
    assert is_empty(layer.tcap)


# --- components ---
case.begin()


def rejected(problem_type: int, problem: int, invoke_id: int | None) -> tuple[int, int, bytes]:
    """A component that was refused, with the Reject of it."""
    return problem_type, problem, rose.encode_component(Reject(invoke_id, problem_type, problem))


for octets, problem, invoke_id, what in (
    ("a000", 0, None, "An empty component: reject, general, unrecognized component"),
    ("a103020105", 1, 5, "An Invoke without an operation: reject, general, mistyped component"),
):

    @case("§3.2.2.2", what)
    def _(octets: str = octets, problem: int = problem, invoke_id: int | None = invoke_id) -> None:
        layer = Layer()
        layer.active()
        layer.hears(
            tcap.build_continue(OTID, layer.tid, b"", [bytes.fromhex(octets)]),
            Told(dha.CONTINUE, rejects=[rejected(rose.GENERAL_PROBLEM, problem, invoke_id)]),
        )


@case("§3.2.2.2", "An invoke id that is in use: reject, duplicate invoke id; the first invocation stands")
def _() -> None:
    reject = rejected(rose.INVOKE_PROBLEM, rose.DUPLICATE_INVOKE_ID, 1)
    Layer().hears(
        Message(tcap.BEGIN, OTID, b"", Aarq(V2), [IDP, Invoke(1, 24)]),
        Told(dha.BEGIN, [IDP], [reject], Aarq(V2)),
    )


@case("§3.2.2.2", "A linked id of no invocation of ours: reject, unrecognized linked id")
def _() -> None:
    layer = Layer()
    layer.active()
    reject = rejected(rose.INVOKE_PROBLEM, rose.UNRECOGNIZED_LINKED_ID, 3)
    layer.continued(Invoke(3, 60, b"", 9), tells=Told(dha.CONTINUE, rejects=[reject]))


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
for number, answer, problems, becomes in OUTCOMES:
    name = "Return Result" if answer is RESULT else "Return Error"

    @case("§3.2.2.2", f"A {name} to our operation of class {number} {becomes}")
    def _(
        number: int = number,
        answer: ReturnResult | ReturnError = answer,
        problems: tuple[int, int] | None = problems,
    ) -> None:
        layer = Layer()
        layer.begun()
        invoked(layer, 35, number)
        if problems is None:
            known = {"operation": 35}  # TC knows which one it ends
            outcome = ReturnResult(1, **known) if answer is RESULT else ReturnError(1, 6, **known)
            layer.continued(answer, tells=Told(dha.CONTINUE, [outcome]))
        else:
            layer.continued(answer, tells=Told(dha.CONTINUE, rejects=[rejected(*problems, 1)]))


def invoked(layer: Layer, opcode: int, number: int) -> None:
    """Our user invokes an operation of this class, with ten seconds to answer it."""
    assert layer.dialogue is not None
    component = layer.tcap.invoke(layer.dialogue, opcode, b"", number, 10.0)
    layer.goes_on([component], [Invoke(1, opcode)], Aare(V2))


for answer, kind in ((RESULT, rose.RETURN_RESULT_PROBLEM), (ERROR, rose.RETURN_ERROR_PROBLEM)):
    name = "Return Result" if answer is RESULT else "Return Error"

    @case("§3.2.2.2", f"A {name} to no operation of ours: reject, unrecognized invoke id")
    def _(answer: ReturnResult | ReturnError = answer, kind: int = kind) -> None:
        layer = Layer()
        layer.active()
        reject = rejected(kind, rose.UNRECOGNIZED_INVOKE_ID, 1)
        layer.continued(answer, tells=Told(dha.CONTINUE, rejects=[reject]))


@case("§3.2.2.2", "A Reject is never rejected, not even a malformed one")
def _() -> None:
    layer = Layer()
    layer.active()
    layer.continued(Reject(9, 1, 2))
    layer.hears(
        tcap.build_continue(OTID, layer.tid, b"", [b"\xa4\x00"]),
        Told(dha.CONTINUE, rejects=[(rose.GENERAL_PROBLEM, 1, b"")]),
    )


for number, reported in ((1, True), (2, False), (3, True), (4, False)):
    what = "is reported (TC-L-CANCEL)" if reported else "has come out well"

    @case("Q.771 §2.3.1.1", f"Our operation of class {number} whose timer runs out {what}")
    def _(number: int = number, reported: bool = reported) -> None:
        layer = Layer()
        dialogue = layer.begun()
        invoked(layer, 55, number)
        layer.until(9.9)
        layer.until(10.0, [Told(dha.CANCEL, cancelled=1)] * reported)
        assert not dialogue.closed


@case("§3.2.2", "A result in segments is handed on part by part; the last ends the invocation")
def _() -> None:
    layer = Layer()
    dialogue = layer.begun()
    invoked(layer, 50, 1)
    parts = [ReturnResult(1, 50, b"\4\0", last=False), RESULT]
    layer.continued(
        *parts,
        tells=Told(
            dha.CONTINUE,
            [ReturnResult(1, 50, b"\4\0", last=False, operation=50), ReturnResult(1, operation=50)],
        ),
    )
    assert dialogue.invocations is None


@case("Q.771 §3.1.2", "A message of ours that SCCP returns is indicated (TC-NOTICE); the dialogue stays")
def _() -> None:
    layer = Layer()
    dialogue = layer.begun()
    layer.noticed(layer.goes_on([], portion=Aare(V2)), 1, Told(dha.NOTICE, cause=1))
    assert layer.dialogue is dialogue
    assert not dialogue.closed


TCAP = Group("T", "TCAP", "Q.774", "`Tcap`, the structured dialogue", tuple(_cases))
