r"""TCAP (Q.771 to Q.774) without I/O: transactions, dialogues, invocations of one SCCP user, on either side.

How it works
============

`Tcap` is a value that is changed by messages, requests and the time. It opens no socket, starts no timer and
calls nobody: every method takes what it needs (octets, ``now`` in seconds) and returns the result::

      octets from SCCP                                    requests of the TC-user
             |                                      begin, continue_, end, abort, invoke
             v                                                   |
     decode (ss7.tcap)                                           v
             |  what can't be read: `_receive_bad`       step (dialogue table)
             v                                                   |
     find the dialogue by our transaction id                     v
             |  there is none: `_receive_stray`          start the timers of new operations
             v                                                   |
     dialogue portion (tcap_portions)                            v
             |                                           put the message together
             v                                                   |
     step (dialogue table, tcap_dialogue)                        v
             |                                           octets, returned to the TC-user
             v
     components (tcap_components, tcap_invocation)
             |
             v
     Indication, returned to the TC-user        `outbox`: ABORTs that TCAP sends by itself
                                                `events`: what was discarded, refused, aborted

**One table.** The transaction sub-layer (Figure A.4/Q.774) and dialogue handling (Figure A.5) have the same
four states and move together, so one table holds both (`scp.stack.tcap_dialogue.TRANSITIONS`)::

                                    idle
                TC-BEGIN request   /    \   BEGIN received
                                  v      v
                    initiation-sent      initiation-received
                                  \      /
                CONTINUE received  v    v   TC-CONTINUE request
                                   active <--+
                                     |  |    |  CONTINUE, either way
                                     |  +----+
                                     v
                                   closed       by END, ABORT or the idle limit; from every state

An event that the table has no row for is refused and changes nothing: a received message is discarded, a
request returns b"". So a TC-user that answers a dialogue which the peer has just aborted does no harm.

**Dialogue portions** are in the first message of each direction only (Q.774 §3.2.1): AARQ in BEGIN, AARE in
the first answer. A BEGIN for an application context that the node does not serve is aborted with an AARE.

**Components** are sorted one by one: a good one is indicated, a bad one gets a Reject that is owed, and sent
only if the TC-user puts it into its next message (a gsmSCF does in TC-END only). The peer's live invoke ids
are bits of an integer for half a second to a second, since TCAP does not know the peer's timers.

**Invocations** are our own operations, from the message that carries them to the last answer or the timer.
Only classes 1 and 3, whose success is reported, have a timer whose end is indicated (TC-L-CANCEL). Those of
class 2 and 4 succeed by silence: they are kept without a timer, shared among the dialogues that sent the
same, and looked at only when an answer or a new invoke id needs it (`scp.stack.tcap_dialogue.Silent`).

**Time.** `next_deadline` says when `tick` has something to do: the earliest invocation timer, or the oldest
dialogue's idle limit. Dialogues stand in a list in the order of their last message, so both cost O(1).

**Ceilings.** At `TcapSettings.max_dialogues`, and while `Tcap.refusing` is set, a BEGIN gets P-Abort
resourceLimitation and opens nothing. Everything else is bounded by that: invocations by 128 ids a dialogue,
remembered portions by 64 contexts.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.stack import tcap_dialogue as dha
from scp.stack.tcap_components import free_answered, judge
from scp.stack.tcap_composer import Composer
from scp.stack.tcap_dialogue import (
    Dialogue,
    IdleQueue,
    Indication,
    Invocation,
    LocalReject,
    Operations,
    step,
)
from scp.stack.tcap_invocation import (
    InvocationTimers,
    forget_all,
    forget_silent,
    in_use,
    live,
    retire,
    sent,
    withdraw,
)
from scp.stack.tcap_portions import (
    USER_SPECIFIED,
    portion_fits,
    provider_cause,
    refusal,
)
from scp.stack.tcap_settings import (
    ABORTED,
    COUNTER_BITS,
    COUNTER_MASK,
    DISCARD,
    REFUSED,
    TcapSettings,
)
from ss7 import rose, tcap, tcap_dialogue
from ss7.errors import EncodeError
from ss7.tcap import Message, TcapCodec, TcapError
from ss7.tcap_dialogue import Aare, Aarq, Abrt, DialoguePortion, encode_dialogue

if TYPE_CHECKING:
    from ss7.rose import Code, Component

__all__ = ["Dialogue", "DialogueLimitError", "Indication", "Tcap"]

_ABNORMAL_DIALOGUE: Final = encode_dialogue(Abrt(tcap_dialogue.ABRT_PROVIDER))
TID_OCTETS: Final = 4
"""Of our own transaction ids."""
_LAST_INVOKE_ID: Final = 127
_INVOKE_IDS: Final = 128


class DialogueLimitError(Exception):
    """No dialogue can be opened: as many as `TcapSettings.max_dialogues` are open."""


@final
class Tcap:
    """The TCAP of one SCCP user.

    A transaction id is the instance number (8 bits) and a counter (24 bits): no id is given twice while it is
    live, nor again before 16.7 million others; ids of nodes with different instance numbers never meet; those
    of one node before and after a restart don't as long as ``first_id`` is far from where the counter was.

    Attributes:
        refusing: a BEGIN is answered as if the most dialogues were open; those that are go on.
        defers_strays: messages for a transaction that is not here go into `strays`: another node may have it,
            or a store of held calls; see `refuse_stray` and `adopt`.
        strays: our transaction id, the message, and the path that it came over.
        received: the last message that was not TC-BEGIN.
        outbox: ``(path, octets)`` to send: the ABORTs that TCAP answers with by itself.
        events: ``(kind, reason)``: see `DISCARD_REASONS`, `REFUSED_REASONS`, `ABORTED_REASONS`.
    """

    def __init__(self, settings: TcapSettings, codec: TcapCodec | None = None) -> None:
        """Build one; ``codec`` None is `ss7.tcap`'s own, called directly."""
        self.outbox: list[tuple[object, bytes]] = []
        self.events: list[tuple[str, str]] = []
        self.refusing: bool = False
        self.defers_strays: bool = False
        self.strays: list[tuple[bytes, bytes, object]] = []
        self.received: bytes = b""
        self._codec = codec
        self._messages = Composer(codec)
        self._contexts = settings.contexts
        self._refusals = settings.refusals
        self._default_context = settings.default_context
        self._max_dialogues = settings.max_dialogues
        self._idle_limit = settings.idle_limit
        self._instance: int = settings.instance << COUNTER_BITS
        self._counter: int = settings.first_id
        self._dialogues: dict[bytes, Dialogue] = {}
        self._idle = IdleQueue()
        self._timers = InvocationTimers()

    def __len__(self) -> int:
        """How many dialogues are open."""
        return len(self._dialogues)

    def find(self, local_tid: bytes) -> Dialogue | None:
        """Return the open dialogue with this transaction id of ours."""
        return self._dialogues.get(local_tid)

    def ids(self) -> list[bytes]:
        """Return our transaction ids of all open dialogues."""
        return list(self._dialogues)

    # From the peer

    def receive(self, octets: bytes, path: object, now: float) -> Indication | None:
        """Take one TCAP message that came over ``path``; None: there is nothing for the TC-user to do."""
        try:
            message = tcap.decode(octets) if self._codec is None else self._codec.decode(octets)
        except TcapError as error:
            return self._receive_bad(error, path)
        kind = message.kind
        if kind == tcap.BEGIN:
            return self._receive_begin(message, path, now)
        if kind == tcap.UNIDIRECTIONAL:
            self._discard("unidirectional")
            return None
        self.received = octets
        dialogue = self._dialogues.get(message.dtid)
        if dialogue is None:
            if self.defers_strays and len(message.dtid) == TID_OCTETS:
                self.strays.append((message.dtid, octets, path))
            else:
                self._receive_stray(message, path)
            return None
        if kind == tcap.CONTINUE:
            return self._receive_continue(dialogue, message, path, now)
        if kind == tcap.END:
            return self._receive_end(dialogue, message, now)
        return self._receive_abort(dialogue, message)

    def notice(self, octets: bytes, cause: int, now: float) -> Indication | None:
        """Take a message of ours that SCCP could not deliver (UDTS), with its return cause: TC-NOTICE.

        The dialogue stays as it is (Figure A.5/Q.774 sheets 7 and 10): whether to end it is for the TC-user.
        """
        try:
            tid = (tcap.decode(octets) if self._codec is None else self._codec.decode(octets)).otid
        except TcapError as error:
            tid = error.otid
        dialogue = self._dialogues.get(tid)
        if dialogue is None:
            self._discard("notice-unknown-transaction")
            return None
        self._touch(dialogue, now)
        return Indication(dha.NOTICE, dialogue, cause=cause)

    def _discard(self, reason: str) -> None:
        self.events.append((DISCARD, reason))

    def _p_abort(self, path: object, tid: bytes, cause: int) -> None:
        if self._codec is None:
            octets = tcap.build_p_abort(tid, cause)
        else:
            octets = self._codec.encode(Message(tcap.ABORT, b"", tid, p_abort_cause=cause))
        self.outbox.append((path, octets))
        self.events.append((ABORTED, tcap.P_ABORT_NAMES[cause]))

    def _receive_stray(self, message: Message, path: object) -> None:
        """Answer a CONTINUE for a transaction that is not there; an END or ABORT is dropped (§3.3.3)."""
        if message.kind == tcap.CONTINUE:
            self._p_abort(path, message.otid, tcap.UNRECOGNIZED_TRANSACTION_ID)
        else:
            self._discard("unknown-transaction")

    def refuse_stray(self, octets: bytes, path: object) -> None:
        """Do with one of `strays` what is done where they are not deferred: nobody has its transaction."""
        try:
            message = tcap.decode(octets) if self._codec is None else self._codec.decode(octets)
        except TcapError:
            return  # it was decoded once
        self._receive_stray(message, path)

    def _receive_bad(self, error: TcapError, path: object) -> Indication | None:
        """Abort at the peer, if its id is known, and the transaction here (Figure A.3/Q.774 sheet 4)."""
        if error.otid:
            self._p_abort(path, error.otid, error.cause)
        else:
            self._discard("underivable-transaction")
        dialogue = self._dialogues.get(error.dtid)
        if dialogue is None or step(dialogue, dha.RX_BAD) == dha.REFUSE:
            return None
        self._close(dialogue)
        return Indication(dha.P_ABORT, dialogue, cause=error.cause)

    def _receive_begin(self, message: Message, path: object, now: float) -> Indication | None:
        """Open a dialogue (Figure A.5/Q.774 sheet 3), or answer why not."""
        otid = message.otid
        if self.refusing or len(self._dialogues) >= self._max_dialogues:
            self._p_abort(path, otid, tcap.RESOURCE_LIMITATION)
            return None
        portion = message.dialogue
        context = self._default_context
        if isinstance(portion, Aarq):
            context = portion.context
            if self._contexts and context not in self._contexts:
                self._refuse_begin(path, otid, context, tcap_dialogue.SERVICE_USER)
                return None
            if not tcap_dialogue.supports_version_1(portion.version):
                self._refuse_begin(path, otid, context, tcap_dialogue.SERVICE_PROVIDER)
                return None
        elif portion is not None:
            self._send_abort(path, otid, _ABNORMAL_DIALOGUE, "abnormalDialogue")
            return None
        dialogue = Dialogue(self._new_tid(), otid, path, context, now)
        dialogue.structured = portion is not None
        step(dialogue, dha.RX_BEGIN)
        self._dialogues[dialogue.local_tid] = dialogue
        self._idle.add(dialogue)
        return self._indicate(dha.BEGIN, dialogue, message, now)

    def _refuse_begin(self, path: object, otid: bytes, context: bytes, source: int) -> None:
        """Refuse: the user does not know the context, or the provider not the version (§3.2.1)."""
        diagnostic = tcap_dialogue.CONTEXT_NOT_SUPPORTED
        reason = self._refusals.get(context, "contextNotSupported")
        if source == tcap_dialogue.SERVICE_PROVIDER:
            diagnostic = tcap_dialogue.NO_COMMON_DIALOGUE_PORTION
            reason = "noCommonDialoguePortion"
        portion = Aare(context, tcap_dialogue.REJECT_PERMANENT, source, diagnostic)
        self._send_abort(path, otid, encode_dialogue(portion), reason)

    def _send_abort(self, path: object, tid: bytes, portion: bytes, reason: str) -> None:
        self.outbox.append((path, self._messages.compose(tcap.ABORT, b"", tid, portion, [])))
        self.events.append((ABORTED, reason))

    def _receive_continue(
        self, dialogue: Dialogue, message: Message, path: object, now: float
    ) -> Indication | None:
        if dialogue.state == dha.INITIATION_SENT:
            dialogue.remote_tid = message.otid
            dialogue.path = path
        if not portion_fits(dialogue, message.dialogue):
            return self._abnormal(dialogue, answer=True)
        if step(dialogue, dha.RX_CONTINUE) == dha.REFUSE:
            self._discard("unexpected-message")
            return None
        self._touch(dialogue, now)
        return self._indicate(dha.CONTINUE, dialogue, message, now)

    def _receive_end(self, dialogue: Dialogue, message: Message, now: float) -> Indication | None:
        if not portion_fits(dialogue, message.dialogue):
            return self._abnormal(dialogue, answer=False)
        if step(dialogue, dha.RX_END) == dha.REFUSE:
            self._discard("unexpected-message")
            return None
        indication = self._indicate(dha.END, dialogue, message, now)
        self._close(dialogue)
        return indication

    def _abnormal(self, dialogue: Dialogue, *, answer: bool) -> Indication | None:
        """Throw the components away, abort both sides (Figure A.5/Q.774 sheets 7, 8, 10, 11)."""
        if step(dialogue, dha.RX_BAD) == dha.REFUSE:
            self._discard("unexpected-message")
            return None
        self._close(dialogue)
        if answer:
            self._send_abort(dialogue.path, dialogue.remote_tid, _ABNORMAL_DIALOGUE, "abnormalDialogue")
        return Indication(dha.P_ABORT, dialogue, cause=tcap.ABNORMAL_DIALOGUE)

    def _receive_abort(self, dialogue: Dialogue, message: Message) -> Indication | None:
        """Tell the TC-user which side aborted, user or provider; an ABORT is never answered."""
        if step(dialogue, dha.RX_ABORT) == dha.REFUSE:
            self._discard("unexpected-message")
            return None
        self._close(dialogue)
        cause = provider_cause(message)
        kind = dha.U_ABORT if cause < 0 else dha.P_ABORT
        return Indication(kind, dialogue, portion=message.dialogue, cause=cause)

    # Components

    def _indicate(self, kind: int, dialogue: Dialogue, message: Message, now: float) -> Indication:
        """Sort the components into good ones and rejected ones, in order (Figure A.6/Q.774)."""
        accepted: list[Component] = []
        rejects: list[LocalReject] = []
        for component in message.components:
            reject = judge(dialogue, component, self._timers, now)
            if reject is None:
                accepted.append(component)
            else:
                rejects.append(reject)
        return Indication(kind, dialogue, accepted, rejects, portion=message.dialogue)

    # From the TC-user

    def open(self, path: object, context: bytes, now: float) -> Dialogue:
        """Open a dialogue to begin with `begin`; ``context`` b"" begins without a dialogue portion.

        Raises:
            DialogueLimitError: too many are open.
        """
        if len(self._dialogues) >= self._max_dialogues:
            raise DialogueLimitError
        dialogue = Dialogue(self._new_tid(), b"", path, context, now)
        dialogue.structured = context != b""
        self._dialogues[dialogue.local_tid] = dialogue
        self._idle.add(dialogue)
        return dialogue

    def adopt(
        self,
        local_tid: bytes,
        remote_tid: bytes,
        path: object,
        context: bytes,
        next_id: int,
        operations: Operations,
        now: float,
    ) -> Dialogue | None:
        """Go on with an active dialogue that another process has led, under its transaction ids.

        Its operations that may still be answered have their time anew. None: a dialogue has that transaction
        id already, or too many are open.
        """
        if local_tid in self._dialogues or len(self._dialogues) >= self._max_dialogues:
            return None
        dialogue = Dialogue(local_tid, remote_tid, path, context, now)
        dialogue.state = dha.ACTIVE
        dialogue.next_id = next_id
        dialogue.invocations = [Invocation(dialogue, *operation) for operation in operations] or None
        self._dialogues[local_tid] = dialogue
        self._idle.add(dialogue)
        sent(dialogue, self._timers, now)
        dialogue.keep()
        return dialogue

    def live_operations(self, dialogue: Dialogue, now: float) -> Operations:
        """Return our operations that may still be answered; for `adopt`."""
        return tuple(
            [
                (each.invoke_id, each.opcode, each.operation_class, each.timeout)
                for each in live(dialogue, now)
            ]
        )

    def count_from(self, counter: int) -> None:
        """Give the next transaction id this counter: 0 to 0xFFFFFF."""
        self._counter = counter & COUNTER_MASK

    def begin(self, dialogue: Dialogue, components: list[bytes], now: float) -> bytes:
        """Return the BEGIN with ``components``; b"" and an event if the dialogue has begun or is over."""
        if step(dialogue, dha.TX_BEGIN) == dha.REFUSE:
            return self._refuse(dialogue)
        self._sent(dialogue, now)
        portion = self._messages.request(dialogue.context) if dialogue.structured else b""
        return self._messages.compose(tcap.BEGIN, dialogue.local_tid, b"", portion, components)

    def continue_(self, dialogue: Dialogue, components: list[bytes], now: float) -> bytes:
        """Return a CONTINUE with ``components`` (whole TLVs); b"" and an event if it can't be sent."""
        action = step(dialogue, dha.TX_CONTINUE)
        if action == dha.REFUSE:
            return self._refuse(dialogue)
        self._sent(dialogue, now)
        for component in components:
            if component[0] != rose.INVOKE:
                free_answered(dialogue, component)
        portion = b""
        if action == dha.SEND_FIRST and dialogue.structured:
            portion = self._messages.response(dialogue.context)
        ours, theirs = dialogue.local_tid, dialogue.remote_tid
        octets = self._messages.compose(tcap.CONTINUE, ours, theirs, portion, components)
        dialogue.keep()
        return octets

    def end(self, dialogue: Dialogue, components: list[bytes], *, prearranged: bool = False) -> bytes:
        """Close the dialogue and return the END with ``components``.

        b"" if ``prearranged``: both ends know, nothing is sent. b"" and an event if the dialogue is closed
        already (the caller hung up) or the peer has not answered yet.
        """
        action = step(dialogue, dha.TX_PREARRANGED_END if prearranged else dha.TX_END)
        if action == dha.REFUSE:
            return self._refuse(dialogue)
        self._close(dialogue)
        if action == dha.SEND_NOTHING:
            return b""
        portion = b""
        if action == dha.SEND_FIRST and dialogue.structured:
            portion = self._messages.response(dialogue.context)
        return self._messages.compose(tcap.END, b"", dialogue.remote_tid, portion, components)

    def abort(self, dialogue: Dialogue, reason: int = USER_SPECIFIED, user_information: bytes = b"") -> bytes:
        """Close the dialogue and return the ABORT; b"" if none can be sent (no answer yet, closed).

        Args:
            dialogue: what to abort.
            reason: `USER_SPECIFIED`; in answer to a BEGIN also `CONTEXT_NOT_SUPPORTED`, `DIALOGUE_REFUSED`.
            user_information: EXTERNALs, as in `ss7.tcap_dialogue`.
        """
        first = dialogue.state == dha.INITIATION_RECEIVED
        action = step(dialogue, dha.TX_ABORT)
        if action == dha.REFUSE:
            return self._refuse(dialogue)
        self._close(dialogue)
        if action == dha.SEND_NOTHING:
            return b""
        portion = b""
        if dialogue.structured:
            value: DialoguePortion = Abrt(tcap_dialogue.ABRT_USER, user_information)
            if first and reason != USER_SPECIFIED:
                value = refusal(dialogue.context, reason, user_information)
            portion = encode_dialogue(value)
        return self._messages.compose(tcap.ABORT, b"", dialogue.remote_tid, portion, [])

    def next_invoke_id(self, dialogue: Dialogue) -> int:
        """Return an invoke id, 0 to 127, that none of our invocations has; `EncodeError` if all are used."""
        invoke_id = dialogue.next_id
        tries = 0
        while in_use(dialogue, invoke_id):
            invoke_id = (invoke_id + 1) & _LAST_INVOKE_ID
            tries += 1
            if tries == _INVOKE_IDS:
                forget_silent(dialogue, dialogue.active)
            elif tries > 2 * _INVOKE_IDS:
                raise EncodeError("all invoke ids of the dialogue are in use", "Q.773 §4.2.2.2")
        dialogue.next_id = (invoke_id + 1) & _LAST_INVOKE_ID
        return invoke_id

    def invoke(
        self, dialogue: Dialogue, opcode: Code, parameter: bytes, operation_class: int, timeout: float
    ) -> bytes:
        """Register an operation and return its Invoke component for the next message of the dialogue.

        Its timer starts with that message. Components of a TC-END wait for nothing: `ss7.rose.encode_invoke`
        with `next_invoke_id` does for them.
        """
        invoke_id = self.next_invoke_id(dialogue)
        octets = rose.encode_invoke(invoke_id, opcode, parameter)
        if dialogue.state == dha.CLOSED:
            return octets
        invocation = Invocation(dialogue, invoke_id, opcode, operation_class, timeout)
        if dialogue.invocations is None:
            dialogue.invocations = [invocation]
        else:
            dialogue.invocations.append(invocation)
        return octets

    def withdraw(self, dialogue: Dialogue) -> None:
        """Forget the operations that `invoke` registered since the last message: they are not sent."""
        withdraw(dialogue)

    # Time

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, `inf` for never."""
        oldest = self._idle.oldest
        idle = inf if oldest is None else oldest.active + self._idle_limit
        return min(idle, self._timers.next_deadline())

    def tick(self, now: float) -> list[Indication]:
        """Run out what is due.

        Operations of class 1 and 3 have failed: CANCEL; those of 2 and 4 have succeeded silently (`Silent`).
        Dialogues at their idle limit are closed: TIMEOUT, which comes after the CANCELs of the same dialogue.
        """
        indications: list[Indication] = []
        while True:
            invocation = self._timers.expired(now)
            if invocation is None:
                break
            dialogue = retire(invocation)
            if dialogue is not None:
                indications.append(Indication(dha.CANCEL, dialogue, invocation=invocation))
        while True:
            oldest = self._idle.oldest
            if oldest is None or oldest.active + self._idle_limit > now:
                return indications
            indications.append(self._give_up(oldest))

    def _give_up(self, dialogue: Dialogue) -> Indication:
        action = step(dialogue, dha.IDLE_LIMIT)
        self._close(dialogue)
        if action == dha.INDICATE_AND_ABORT:
            portion = encode_dialogue(Abrt(tcap_dialogue.ABRT_USER)) if dialogue.structured else b""
            self._send_abort(dialogue.path, dialogue.remote_tid, portion, "idleLimit")
        return Indication(dha.TIMEOUT, dialogue)

    # Parts of the above

    def _new_tid(self) -> bytes:
        """Return a transaction id that is not live; at most half of them are, see `TcapSettings`."""
        while True:
            tid = (self._instance | self._counter).to_bytes(4, "big")
            self._counter = (self._counter + 1) & COUNTER_MASK
            if tid not in self._dialogues:
                return tid

    def _refuse(self, dialogue: Dialogue) -> bytes:
        closed = dialogue.state == dha.CLOSED
        self.events.append((REFUSED, "dialogue-closed" if closed else "not-in-this-state"))
        return b""

    def _touch(self, dialogue: Dialogue, now: float) -> None:
        dialogue.active = now
        self._idle.touch(dialogue)

    def _sent(self, dialogue: Dialogue, now: float) -> None:
        """Start the timers of the operations that go out now."""
        self._touch(dialogue, now)
        sent(dialogue, self._timers, now)

    def _close(self, dialogue: Dialogue) -> None:
        dialogue.state = dha.CLOSED
        del self._dialogues[dialogue.local_tid]
        self._idle.remove(dialogue)
        forget_all(dialogue, self._timers)
