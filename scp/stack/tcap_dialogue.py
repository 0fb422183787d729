"""TCAP dialogues: the value, its states, and what each event does in each (Q.774 §3.2.1, Figure A.5).

The transaction sub-layer's machine (Figure A.4/Q.774) has the same four states and always moves together with
the dialogue's, so one table holds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, final

if TYPE_CHECKING:
    from mypy_extensions import u8

    from ss7.rose import Code
    from ss7.tcap import Component, DialoguePortion

# States
IDLE: Final = 0
INITIATION_RECEIVED: Final = 1
INITIATION_SENT: Final = 2
ACTIVE: Final = 3
CLOSED: Final = 4

_TID_LIMIT: Final = 4
_LAST_INVOKE_ID: Final = 127
"""Octets of the longest transaction id (Q.773 §3.1)."""

STATE_NAMES: Final = ("idle", "initiation-received", "initiation-sent", "active", "closed")

# Events: RX from the peer, TX from the TC-user
RX_BEGIN: Final = 0
RX_CONTINUE: Final = 1
RX_END: Final = 2
RX_ABORT: Final = 3
RX_BAD: Final = 4
TX_BEGIN: Final = 5
TX_CONTINUE: Final = 6
TX_END: Final = 7
TX_PREARRANGED_END: Final = 8
TX_ABORT: Final = 9
IDLE_LIMIT: Final = 10

EVENT_NAMES: Final = (
    "BEGIN received",
    "CONTINUE received",
    "END received",
    "ABORT received",
    "bad transaction or dialogue portion received",
    "TC-BEGIN request",
    "TC-CONTINUE request",
    "TC-END request",
    "TC-END request, prearranged",
    "TC-U-ABORT request",
    "idle limit",
)

# Actions
REFUSE: Final = 0  # discard what was received, send nothing
INDICATE: Final = 1  # to the TC-user
INDICATE_AND_ABORT: Final = 2  # to the TC-user, and send ABORT
SEND: Final = 3
SEND_FIRST: Final = 4  # with dialogue portion
SEND_NOTHING: Final = 5

TRANSITIONS: Final[dict[tuple[int, int], tuple[int, int]]] = {
    # Figure A.5/Q.774 sheets 2 and 3
    (IDLE, TX_BEGIN): (SEND_FIRST, INITIATION_SENT),
    (IDLE, TX_ABORT): (SEND_NOTHING, CLOSED),
    (IDLE, TX_PREARRANGED_END): (SEND_NOTHING, CLOSED),
    (IDLE, IDLE_LIMIT): (INDICATE, CLOSED),
    (IDLE, RX_BEGIN): (INDICATE, INITIATION_RECEIVED),
    # sheets 5 and 6. The peer learns our transaction id from our first answer; what it sends before that can
    # be no CONTINUE or END of a correct peer, but an ABORT says in any case that nobody waits for an answer.
    (INITIATION_RECEIVED, TX_CONTINUE): (SEND_FIRST, ACTIVE),
    (INITIATION_RECEIVED, TX_END): (SEND_FIRST, CLOSED),
    (INITIATION_RECEIVED, TX_PREARRANGED_END): (SEND_NOTHING, CLOSED),
    (INITIATION_RECEIVED, TX_ABORT): (SEND, CLOSED),
    (INITIATION_RECEIVED, RX_ABORT): (INDICATE, CLOSED),
    (INITIATION_RECEIVED, IDLE_LIMIT): (INDICATE_AND_ABORT, CLOSED),
    # sheets 7 and 8. Without the peer's transaction id nothing can be sent: an abort is local.
    (INITIATION_SENT, TX_PREARRANGED_END): (SEND_NOTHING, CLOSED),
    (INITIATION_SENT, TX_ABORT): (SEND_NOTHING, CLOSED),
    (INITIATION_SENT, RX_CONTINUE): (INDICATE, ACTIVE),
    (INITIATION_SENT, RX_END): (INDICATE, CLOSED),
    (INITIATION_SENT, RX_ABORT): (INDICATE, CLOSED),
    (INITIATION_SENT, RX_BAD): (INDICATE_AND_ABORT, CLOSED),
    (INITIATION_SENT, IDLE_LIMIT): (INDICATE, CLOSED),
    # sheets 9 to 11
    (ACTIVE, TX_CONTINUE): (SEND, ACTIVE),
    (ACTIVE, TX_END): (SEND, CLOSED),
    (ACTIVE, TX_PREARRANGED_END): (SEND_NOTHING, CLOSED),
    (ACTIVE, TX_ABORT): (SEND, CLOSED),
    (ACTIVE, RX_CONTINUE): (INDICATE, ACTIVE),
    (ACTIVE, RX_END): (INDICATE, CLOSED),
    (ACTIVE, RX_ABORT): (INDICATE, CLOSED),
    (ACTIVE, RX_BAD): (INDICATE_AND_ABORT, CLOSED),
    (ACTIVE, IDLE_LIMIT): (INDICATE_AND_ABORT, CLOSED),
}
"""``(state, event)`` to ``(action, next state)``; what is not here is refused and changes nothing."""

_EVENTS: Final = len(EVENT_NAMES)
_STEPS: Final[list[tuple[int, int]]] = [
    TRANSITIONS.get((state, event), (REFUSE, state))
    for state in range(len(STATE_NAMES))
    for event in range(_EVENTS)
]

# Kinds of indication (Q.771 §3.1.2)
BEGIN: Final = 0
CONTINUE: Final = 1
END: Final = 2
U_ABORT: Final = 3
P_ABORT: Final = 4
NOTICE: Final = 5
CANCEL: Final = 6  # TC-L-CANCEL
TIMEOUT: Final = 7  # the idle limit; ours


@final
class Dialogue:
    """One dialogue and its transaction. Only `scp.stack.tcap.Tcap` changes it, but for ``user``.

    Attributes:
        local_tid: our transaction id, 4 octets.
        path: the way to the peer, as the caller of `receive` or `open` gave it.
        context: application context name, OID octets.
        structured: whether the dialogue began with a dialogue portion.
        state: `IDLE` …, see `TRANSITIONS`.
        active: when the last message came or went, seconds.
        user: free for the TC-user.
        invocations: our operations that wait for a result, and all that the next message will carry; None if
            there is none.
        silent: our operations that succeed by silence; some may have by now.
        next_id: where the search for a free invoke id goes on.
        heard: invoke ids of the peer's latest operations, one bit each; see `first_heard`.
        heard_before: the same for the period before.
        heard_since: when the period of ``heard`` began.
        older: neighbour in the `IdleQueue`.
        newer: the other one.
    """

    __slots__ = (
        "_remote",
        "_remote_kept",
        "active",
        "context",
        "heard",
        "heard_before",
        "heard_since",
        "invocations",
        "local_tid",
        "newer",
        "next_id",
        "older",
        "path",
        "silent",
        "state",
        "structured",
        "user",
    )

    def __init__(self, local_tid: bytes, remote_tid: bytes, path: object, context: bytes, now: float) -> None:
        self.local_tid = local_tid
        self._remote = remote_tid
        self._remote_kept: int = 0
        self.path = path
        self.context = context
        self.active = now
        self.user: object = None
        self.invocations: list[Invocation] | None = None
        self.silent: Silent | None = None
        # Three octets beside each other: there are as many dialogues as calls are held.
        self.structured: bool = True
        self.state: u8 = IDLE
        self.next_id: u8 = 1
        self.heard: int = 0
        self.heard_before: int = 0
        self.heard_since = now
        self.older: Dialogue | None = None
        self.newer: Dialogue | None = None

    @property
    def remote_tid(self) -> bytes:
        """The peer's transaction id, 1 to 4 octets; b"" until it has answered our BEGIN."""
        if self._remote or not self._remote_kept:
            return self._remote
        kept = self._remote_kept
        return kept.to_bytes(_TID_LIMIT + 1, "big").lstrip(b"\0")[1:]

    @remote_tid.setter
    def remote_tid(self, octets: bytes) -> None:
        self._remote = octets

    def keep(self) -> None:
        """Be held: the peer's transaction id becomes a number, a 1 before it, which takes 48 octets less."""
        octets = self._remote
        if octets:
            self._remote_kept = int.from_bytes(b"\1" + octets, "big")
            self._remote = b""

    @property
    def last_id(self) -> int:
        """The invoke id that was given last."""
        return (self.next_id - 1) & _LAST_INVOKE_ID

    @property
    def closed(self) -> bool:
        """Whether the dialogue is over: nothing can be sent or will be indicated any more."""
        return self.state == CLOSED


def step(dialogue: Dialogue, event: int) -> int:
    """Move the dialogue along `TRANSITIONS` and return the action, which is the caller's to carry out."""
    action, state = _STEPS[dialogue.state * _EVENTS + event]
    dialogue.state = state
    return action


Operations: TypeAlias = "tuple[tuple[int, Code, int, float], ...]"
"""Invoke id, operation code, class and timeout (seconds) of each."""


@final
class Invocation:
    """One operation that we invoked.

    Attributes:
        dialogue: its dialogue, None once it is over.
        invoke_id: -128 to 127.
        opcode: operation code.
        operation_class: 1 to 4.
        timeout: seconds from its sending that it may take.
        due: when they are over; ``inf`` until it is sent.
    """

    __slots__ = ("dialogue", "due", "invoke_id", "opcode", "operation_class", "timeout")

    def __init__(
        self, dialogue: Dialogue, invoke_id: int, opcode: Code, operation_class: int, timeout: float
    ) -> None:
        self.dialogue: Dialogue | None = dialogue
        self.invoke_id = invoke_id
        self.opcode = opcode
        self.operation_class = operation_class
        self.timeout = timeout
        self.due: float = inf


@final
class Silent:
    """Operations of class 2 and 4 that went out in one message: silence is success, so no timer runs.

    They are known for as long as it would, so that an error or a reject finds its operation and its invoke
    id is not given again too early. A held call has some of them and nothing else in flight, and there are
    many held calls: so the dialogues share what is alike.

    Attributes:
        operations: what they are.
        since: when they were sent, seconds.
        earlier: those of an earlier message.
    """

    __slots__ = ("earlier", "operations", "since")

    def __init__(self, operations: Operations, since: float, earlier: Silent | None) -> None:
        self.operations = operations
        self.since = since
        self.earlier: Silent | None = earlier


HEARD_PERIOD: Final = 0.5
"""Seconds that an invoke id counts as live, at least; at most twice that.

Its true life is the peer's operation timer, which TCAP does not know; no CAP operation's is below 1 s
(29.078: the short ones are 1 to 10 s), so no correct peer uses an id again within this.
"""


def first_heard(dialogue: Dialogue, invoke_id: int, now: float) -> bool:
    """Note the peer's invoke id; False if an operation with it is live (Q.773: duplicateInvokeID)."""
    if now - dialogue.heard_since >= HEARD_PERIOD:
        elapsed = now - dialogue.heard_since
        dialogue.heard_before = dialogue.heard if elapsed < 2 * HEARD_PERIOD else 0
        dialogue.heard = 0
        dialogue.heard_since = now
    bit = 1 << (invoke_id & 0xFF)
    if (dialogue.heard | dialogue.heard_before) & bit:
        return False
    dialogue.heard |= bit
    return True


def answered(dialogue: Dialogue, invoke_id: int) -> None:
    """Free an invoke id of the peer: its operation has got its result, error or reject."""
    others = ~(1 << (invoke_id & 0xFF))
    dialogue.heard &= others
    dialogue.heard_before &= others


@final
@dataclass
class LocalReject:
    """A component that the component sub-layer refused (TC-L-REJECT, Q.771 §3.1.3.4).

    Attributes:
        component: what was refused.
        problem_type: and why, Q.773 §4.2.2.6.
        problem: code within ``problem_type``.
        octets: the Reject component that is owed; b"" where none is (a bad Reject is not rejected). It goes
            out with the TC-user's next message if the TC-user puts it there; a gsmSCF does in TC-END only.
    """

    component: Component
    problem_type: int
    problem: int
    octets: bytes


@final
@dataclass(init=False)
class Indication:
    """A TC indication primitive (Q.771 §3.1).

    Attributes:
        kind: `BEGIN` … `TIMEOUT`. After END, U_ABORT, P_ABORT and TIMEOUT the dialogue is closed.
        dialogue: the dialogue.
        components: the good ones, in order; results, errors and rejects know whose ``operation`` they end.
        rejects: the others.
        portion: the dialogue portion that came with it, if any.
        cause: P-Abort cause of P_ABORT (126 abnormal dialogue, 127 no common dialogue portion), SCCP return
            cause of NOTICE, else -1.
        invocation: the operation that got no answer in time, of CANCEL.
    """

    kind: int
    dialogue: Dialogue
    components: list[Component]
    rejects: list[LocalReject]
    portion: DialoguePortion | None
    cause: int
    invocation: Invocation | None

    def __init__(
        self,
        kind: int,
        dialogue: Dialogue,
        components: list[Component] | None = None,
        rejects: list[LocalReject] | None = None,
        *,
        portion: DialoguePortion | None = None,
        cause: int = -1,
        invocation: Invocation | None = None,
    ) -> None:
        self.kind = kind
        self.dialogue = dialogue
        self.components = [] if components is None else components
        self.rejects = [] if rejects is None else rejects
        self.portion = portion
        self.cause = cause
        self.invocation = invocation


@final
class IdleQueue:
    """Dialogues in the order of their last message: a list linked through the dialogues, every step O(1)."""

    __slots__ = ("newest", "oldest")

    def __init__(self) -> None:
        self.oldest: Dialogue | None = None
        self.newest: Dialogue | None = None

    def add(self, dialogue: Dialogue) -> None:
        """Append one that is not in the queue."""
        newest = self.newest
        dialogue.older = newest
        if newest is None:
            self.oldest = dialogue
        else:
            newest.newer = dialogue
        self.newest = dialogue

    def remove(self, dialogue: Dialogue) -> None:
        """Take one out that is in the queue."""
        older = dialogue.older
        newer = dialogue.newer
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
        if newer is None:
            self.newest = older
        else:
            newer.older = older
        dialogue.older = None
        dialogue.newer = None

    def touch(self, dialogue: Dialogue) -> None:
        """Move one that is in the queue to its end."""
        if dialogue.newer is not None:
            self.remove(dialogue)
            self.add(dialogue)
