"""The journal: held calls are written to a store of held calls before the messages that depend on it leave.

A service says with `Call.keep` what of its state a successor needs. What it puts into its outbox from then on
goes through the journal::

    service: keep, invoke, await -> runner encodes  -> `Journalled.outgoing`
                                 -> runner suspends -> `commit` -> put -> acknowledged -> messages leave
                                                                     `-> 50 ms: they leave all the same

While a service waits for a further quota, only a wait that takes long is written (``soon``): with the answer
comes a message, which waits for a record of its own.

So there is one write for each step of a service that changes its state, whatever it sends, and the messages
of a dialogue stay in order. Writes of one turn of the event loop go out together (`HeldCalls.put`).
A call whose service keeps nothing never comes here.

A write that is refused says that another node has claimed the call (it took this one for dead, which may have
stood still, or was cut off): this node lets go of it, in silence, and what it wanted to send is not sent.
What the switch said here since the record that was claimed goes to that node (`Journal.pass_on`).
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.held_call_ports import HeldEntry, Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_extensions import i16

    from scp.engine.tc import TcProvider
    from scp.held_call_ports import HeldCalls

LIMIT: Final = 0.050
"""Seconds that a message waits for its record."""
STEP: Final = 0.010
"""Deadlines are looked at in steps of so many seconds: most writes are long acknowledged by then."""
MARGIN_MS: Final = 10_000
"""How much later than its owner others look after a call."""
REFRESH_MS: Final = 60_000
"""A record's time is written again, without a new state, when it is off by so much."""
MOST_UNDELETED: Final = 10_000
"""Records that are to be deleted again, because the store was away."""
# In Python 3.11 a member looked up through its class costs ten times what a global does.
_FENCED: Final = Kept.FENCED
_FAILED: Final = Kept.FAILED


class JournalUser(Protocol):
    """What the journal needs of the runner."""

    def record(self, state: Any, entry: Journalled) -> bytes:
        """Return the record of a call as it is now."""
        ...

    def send_written(self, state: Any, messages: list[tuple[bytes, bool]]) -> None:
        """Send messages: octets, and whether it is a TC-END."""
        ...

    def let_go(self, state: Any) -> None:
        """Let go of a call that another node has claimed."""
        ...


@final
class Journalled:
    """What the journal has of one held call; the `scp.held_call_ports.KeptWaiter` of its writes.

    Attributes:
        journal: see `Journal`.
        call: the dialogue's state in the runner; None: it is over.
        tid: our transaction id.
        value: what the service keeps.
        dirty: that is not written yet.
        fence: the entry's fencing number.
        decision: of the first answer.
        heard: invoke id of the peer's last operation, -1: there was none.
        took_us: microseconds from the InitialDP to that.
        writing: writes that are not acknowledged.
        waits_until: when the messages leave all the same, ``inf``: none waits.
        began: when the first of those writes began.
        due_ms: the time that the record has.
        written: whether there may be a record.
    """

    __slots__ = (
        "_outgoing",
        "began",
        "call",
        "decision",
        "dirty",
        "due_ms",
        "fence",
        "heard",
        "journal",
        "tid",
        "took_us",
        "value",
        "waits_until",
        "writing",
        "written",
    )

    def __init__(self, journal: Journal, call: object, tid: bytes, fence: int = 1) -> None:
        self.journal = journal
        self.call: object = call
        self.tid = tid
        self.value: Any = None
        # Less than eight octets beside each other: there are as many of these as calls are held.
        self.dirty = False
        self.written = False
        self.heard: i16 = -1
        self.fence = fence
        self.decision: Any = None
        self.took_us = 0
        self._outgoing: list[tuple[bytes, bool]] | None = None  # an empty list is 56 octets a held call
        self.writing = 0
        self.waits_until = inf
        self.began = 0.0
        self.due_ms = 0

    @property
    def outgoing(self) -> list[tuple[bytes, bool]]:
        """Messages that wait: octets, and whether it is a TC-END."""
        return [] if self._outgoing is None else self._outgoing

    def send(self, octets: bytes, *, last: bool) -> None:
        """Have a message wait; ``last``: it is a TC-END."""
        if self._outgoing is None:
            self._outgoing = []
        self._outgoing.append((octets, last))

    def take_outgoing(self) -> list[tuple[bytes, bool]]:
        """Return the messages that wait, and have none wait any more."""
        messages, self._outgoing = self.outgoing, None
        return messages

    @property
    def settled(self) -> bool:
        """Whether the record says all that there is to say."""
        return self.written and not (self.writing or self.dirty or self._outgoing)

    def keep(self, value: object) -> None:
        """Note a new state."""
        self.value = value
        self.dirty = True

    def adopted(self) -> None:
        """Note that the store has a record, of another process: the first step here replaces it."""
        self.written = True
        self.dirty = True
        self.journal.open += 1

    def kept(self, outcome: Kept) -> None:
        """See `scp.held_call_ports.KeptWaiter`."""
        self.journal.acknowledged(self, outcome)


@final
class Undeleted:
    """Waits for the deletion of a record, and has it tried again if the store was away."""

    __slots__ = ("fence", "journal", "taken", "tid")

    def __init__(self, journal: Journal, tid: bytes, fence: int, taken: list[bytes]) -> None:
        self.journal = journal
        self.tid = tid
        self.fence = fence
        self.taken = taken

    def kept(self, outcome: Kept) -> None:
        """See `scp.held_call_ports.KeptWaiter`."""
        self.journal.deleted(self, outcome)


@final
class Journal:
    """The journal of one node.

    Args:
        held: where records go.
        owner: this node's instance.
        user: the runner.
        provider: where messages go.
        clock: monotonic seconds.
        wall: seconds since 1970.
        limit: seconds that a message waits for its record.

    Attributes:
        open: held calls that have a record here.
        writes: how many writes came to each outcome.
        seconds: that all of them took together.
        unjournalled: how often messages left whose record was not written, or not in time.
        fenced: calls that other nodes have claimed.
        unjournalled_at: when the last of them was, in seconds since 1970; 0: never.
        undeleted: records that are to be deleted.
        over_tids: transaction ids of calls that are over and whose records are not deleted yet: nobody is to
            go on with one.
        deleting: deletions that are not acknowledged.
        position: says how many CDRs there are so far; None: no call has one. A call's record is deleted once
            its CDR is on the disk, so that a death costs neither.
        done: says how many of them are on the disk, or given up.
        pass_on: given a transaction id of ours and the switch's messages that no record knows of, once it is
            found that another node has claimed the call; None: no other node can.
    """

    def __init__(
        self,
        held: HeldCalls,
        owner: int,
        user: JournalUser,
        provider: TcProvider,
        clock: Callable[[], float],
        wall: Callable[[], float],
        limit: float = LIMIT,
    ) -> None:
        self.held = held
        self.owner = owner
        self.open = 0
        self.writes: dict[Kept, int] = dict.fromkeys(Kept, 0)
        self.seconds = 0.0
        self.unjournalled = 0
        self.unjournalled_at = 0.0
        self.fenced = 0
        self.undeleted: deque[Undeleted] = deque()
        self.over_tids: set[bytes] = set()
        self.deleting = 0
        self.position: Callable[[], int] | None = None
        self.done: Callable[[], int] | None = None
        self.pass_on: Callable[[bytes, list[bytes]], None] | None = None
        self._taken: dict[bytes, list[bytes]] = {}  # b"": a write, which knows of those before it
        self._finished: deque[tuple[int, Undeleted]] = deque()
        self._user = user
        self._clock = clock
        self._wall = wall
        self._provider = provider
        self._limit = limit
        self._waiting: deque[tuple[float, Journalled]] = deque()
        self._soon: deque[tuple[float, float, Journalled]] = deque()  # when, the service's deadline, the call

    # -- what the runner says ------------------------------------------------------------------------------

    def begin(self, call: object, tid: bytes, fence: int = 1) -> Journalled:
        """Return what a call has here from its first `Call.keep` on; ``fence`` of one that was adopted."""
        return Journalled(self, call, tid, fence)

    def took(self, entry: Journalled, octets: bytes) -> None:
        """Note a message of the switch: it is remembered until a record knows of it."""
        self._taken.setdefault(entry.tid, []).append(octets)

    def commit(self, entry: Journalled, due: float, now: float, *, soon: bool = False) -> None:
        """Write a call's state if it is new, then let its messages leave: the service waits until ``due``.

        ``soon``: write it in `STEP`, unless a newer one comes before; nothing leaves that depends on it.
        Whoever takes the call over meanwhile finds it as it was before the switch's last message.
        """
        if soon and entry.dirty and entry.written and not entry.outgoing:
            self._soon.append((now + STEP, due, entry))
            self._provider.wake_at(now + STEP)
            return
        wall = self._wall()
        due_ms = int((wall + min(due - now, 604_800.0)) * 1000) + MARGIN_MS
        if entry.dirty:
            self._put(entry, due_ms, now)
            if entry.outgoing and entry.waits_until == inf:
                entry.waits_until = now + self._limit
                self._waiting.append((entry.waits_until, entry))
                self._provider.wake_at(self.next_deadline())
        elif not entry.writing:
            self._taken.pop(entry.tid, None)  # it changed nothing
            self._leave(entry)
            if entry.written and not -REFRESH_MS < due_ms - entry.due_ms < REFRESH_MS:
                self._put(entry, due_ms, now)

    def send_now(self, entry: Journalled) -> None:
        """Send what waits, written or not: the dialogue ends with it, in the place of its service."""
        self._leave(entry)

    def drop_messages(self, entry: Journalled) -> None:
        """Forget what was to be sent: the peer has ended the dialogue."""
        entry.take_outgoing()
        entry.waits_until = inf

    def over(self, entry: Journalled) -> None:
        """Note that a call's service has ended: what waits is sent, its record deleted behind its CDR."""
        if entry.call is None:
            return
        self._leave(entry)
        entry.call = None
        taken = self._untold(entry.tid)
        if entry.written:
            self.open -= 1
            over = Undeleted(self, entry.tid, entry.fence, taken)
            self.over_tids.add(entry.tid)
            if self.position is None:
                self._delete(over)
            else:
                self._finished.append((self.position(), over))

    def recorded(self, position: int) -> None:
        """Note that so many CDRs are on the disk, or given up: delete the records of their calls."""
        finished = self._finished
        while finished and finished[0][0] <= position:
            self._delete(finished.popleft()[1])

    def _delete(self, over: Undeleted) -> None:
        self.deleting += 1
        self.held.delete(over.tid, over.fence, self.owner, over)

    def deleted(self, over: Undeleted, outcome: Kept) -> None:
        """Note what came of a deletion; one that failed is tried again, the last `MOST_UNDELETED` of them."""
        self.deleting -= 1
        if outcome is _FAILED:
            self.undeleted.append(over)
            if len(self.undeleted) <= MOST_UNDELETED:
                return
            over = self.undeleted.popleft()
        self.over_tids.discard(over.tid)
        if outcome is _FENCED and over.taken and self.pass_on is not None:
            self.pass_on(over.tid, over.taken)

    def forget(self, entry: Journalled) -> None:
        """Note that this node has let go of a call: its record stays."""
        self._taken.pop(entry.tid, None)
        if entry.call is not None and entry.written:
            self.open -= 1
        entry.call = None
        self.drop_messages(entry)

    def delete_again(self) -> None:
        """Try again to delete what could not be deleted; to be called now and then."""
        if self.done is not None:
            self.recorded(self.done())
        for _ in range(len(self.undeleted)):
            self._delete(self.undeleted.popleft())

    # -- what the store says -------------------------------------------------------------------------------

    def acknowledged(self, entry: Journalled, outcome: Kept) -> None:
        """Let the messages leave that waited for this write; see `Journalled.kept`."""
        entry.writing -= 1
        self.writes[outcome] += 1
        self.seconds += self._clock() - entry.began
        call = entry.call
        if call is None:
            return
        if outcome is _FENCED:
            self.fenced += 1
            taken = self._untold(entry.tid)
            self.forget(entry)
            self._user.let_go(call)
            if taken and self.pass_on is not None:
                self.pass_on(entry.tid, taken)
            return
        self._told(entry)
        if outcome is _FAILED:
            entry.dirty = True  # the next step writes it again
            self._unjournalled(entry)
        if not entry.writing and entry.outgoing:
            self._leave(entry)
            self._provider.flush()

    # -- time ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        soon = self._soon
        while soon and not (soon[0][2].dirty and soon[0][2].call is not None):
            soon.popleft()
        first = soon[0][0] if soon else inf
        waiting = self._waiting
        while waiting:
            due, entry = waiting[0]
            if entry.waits_until == due:
                return min(first, (int(due / STEP) + 1) * STEP)
            waiting.popleft()
        return first

    def tick(self, now: float) -> None:
        """Write what was to be written soon; let messages leave that have waited for too long."""
        while self.next_deadline() <= now:
            if self._soon and self._soon[0][0] <= now:
                _, due, entry = self._soon.popleft()
                self.commit(entry, due, now)
            else:
                _, entry = self._waiting.popleft()
                self._unjournalled(entry)
                self._leave(entry)

    # -- parts of the above --------------------------------------------------------------------------------

    def _told(self, entry: Journalled) -> None:
        """Forget the messages that came before the write that was just acknowledged."""
        taken = self._taken.get(entry.tid)
        if taken is not None and taken.count(b"") > entry.writing:  # else there was none before that write
            del taken[: taken.index(b"") + 1]
            if not taken:
                del self._taken[entry.tid]

    def _untold(self, tid: bytes) -> list[bytes]:
        """Return the messages of a call that no record knows of, and forget them."""
        return [octets for octets in self._taken.pop(tid, ()) if octets]

    def _put(self, entry: Journalled, due_ms: int, now: float) -> None:
        entry.dirty = False
        if not entry.written:
            entry.written = True
            self.open += 1
        if not entry.writing:
            entry.began = now
        entry.writing += 1
        taken = self._taken.get(entry.tid)
        if taken is not None:
            taken.append(b"")
        entry.due_ms = due_ms
        record = self._user.record(entry.call, entry)
        self.held.put(HeldEntry(entry.tid, entry.fence, self.owner, record), due_ms, entry)

    def _leave(self, entry: Journalled) -> None:
        """Send what waits."""
        entry.waits_until = inf
        if entry.outgoing and entry.call is not None:
            self._user.send_written(entry.call, entry.take_outgoing())

    def _unjournalled(self, entry: Journalled) -> None:
        if entry.outgoing:
            self.unjournalled += 1
            self.unjournalled_at = self._wall()
