"""Admission: which new calls are looked up when there is more work than the node can do. No clock, no I/O.

How it works
============

The aim: every call is answered in time, and as many as possible get a real lookup. Open dialogues are never
touched; what an overloaded node does less of is, in this order:

1. what no call needs: lines of the call log, samples of discarded messages (`Admission.sheds`);
2. lookups: a new call is answered at once with Continue, ``Reason.OVERLOAD`` (`Admission.admit`);
3. dialogues: a BEGIN gets P-Abort resourceLimitation (Q.773 §4.2.1.4, `Admission.refuses`), and switches are
   asked for fewer calls (CallGap, TS 29.078 §11.5, `Admission.gap_due`).

::

      batch of messages from a peer
              |  batch_begun: the peer's `Turn` goes on, or a new one begins
              v
      BEGIN --refuses?--> P-Abort            turn older than `Limits.refuse`   (0.4 s)
              |
              v
           admit? ------> Continue           peer or caller above its rate     RATE_LIMITED
              |                              turn older than `Limits.delay`    OVERLOAD (0.2 s)
              |                              level 2 by another signal         OVERLOAD, but 1 of 16 (`PROBE`)
              v
      may_read? --------> Continue           only for unusual forms, 0.25 ms each
              |
              v
           lookup
              |  batch_done: is there more than this read brought?
              v
      next batch

**A call is judged by how long it has waited**, and that is how long the node has been behind with the peer's
messages. An asynchronous server has its backlog where it can't see its age: in socket buffers, and in the
peers. So `Turn` measures it from the inside: the node is behind when a read took all that it could take, or
when its batch took long; the turn then goes on until the node has waited for work. That is what a caller
notices, it needs no estimate of the node's capacity, and all the time that answers by policy save goes to
lookups. To admit a share or a rate would leave some of it unused, or let a queue grow.

Each peer has a turn of its own: the calls of a peer that floods wait, those of the others are read between
its batches and have not waited.

**Levels** (`NORMAL`, `SHED`, `POLICY`, `REFUSE`) say the same of longer times, and of what is no queue: open
dialogues, the store's answers, memory (`THRESHOLDS`). `sample` finds them ten times a second. A level rises
at once; it falls one step at a time, and only after its signal was below 80 % of its threshold for a second,
so that it does not swing. At level 2 by a signal other than delay one call of `PROBE` is still looked up:
else a store that was slow could never be seen to be quick again.

**Rates** are token buckets: new calls of a peer, of a calling SCCP address, and InitialDPs that only the
reference codec reads, which cost a hundred times as much as others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.common.token_buckets import TokenBuckets
from scp.domain.reason import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signal(StrEnum):
    """A measure of overload."""

    DELAY = "delay"
    DIALOGUES = "dialogues"
    STORE = "store"
    MEMORY = "memory"


NORMAL: Final = 0
SHED: Final = 1
POLICY: Final = 2
REFUSE: Final = 3

THRESHOLDS: Final[Mapping[Signal, tuple[float, float, float]]] = {
    Signal.DELAY: (0.5, 1.0, 4.0),  # the longest turn or lateness of a timer, of `Limits.delay`
    Signal.DIALOGUES: (0.75, 0.9, 0.98),  # open, of the most that may be
    Signal.STORE: (
        0.5,
        0.9,
        inf,
    ),  # mean wait for a lookup, of its deadline; a slow store is no reason to refuse
    Signal.MEMORY: (0.8, 0.9, 0.97),  # resident, of what the process may have
}
"""Where levels 1, 2 and 3 begin."""

LEAVE: Final = 0.8
"""A level ends below this share of where it began …"""
HOLD: Final = 1.0
"""… for so many seconds; then the next lower one holds for as long: after 3 s all is normal again."""

PROBE: Final = 16
"""Of so many new calls one is looked up at level 2: how else would a store be seen to be quick again?"""

LONG: Final = 0.25
"""Of `Limits.delay`: a batch that takes so long had much to read."""
IDLE: Final = 0.05
"""The share of a turn that a node that is behind may have waited in it …"""
REMEMBERED: Final = 0.2
"""… or, of a turn longer than so many seconds, of that: after a busy minute it need not wait for 3 s."""
FEW: Final = 64
"""Messages of one read: a peer with more waiting has filled the receive buffer with hundreds meanwhile."""


@final
@dataclass(frozen=True, kw_only=True)
class Limits:
    """``[overload]`` and ``[limits]``.

    Attributes:
        delay: seconds after which a call that still waits is answered by policy.
        refuse: seconds after which it is refused: answers by policy are too many as well.
        store_deadline: seconds that a lookup may take.
        peer_rate: new calls a second of each peer; 0: as many as come.
        peer_burst: of them at once.
        caller_rate: new calls a second of each calling SCCP address; 0: as many as come.
        caller_burst: of them at once.
        unusual_rate: InitialDPs a second of each peer in a form that only the reference codec reads; 0: as
            many as come.
        gap_duration: seconds that a CallGap holds; 0: none is sent.
    """

    delay: float = 0.1
    refuse: float = 0.4
    store_deadline: float = 0.15
    peer_rate: float = 0.0
    peer_burst: float = 0.0
    caller_rate: float = 0.0
    caller_burst: float = 0.0
    unusual_rate: float = 0.0
    gap_duration: float = 10.0


@final
class Turn:
    """How long the node has been behind with a peer's messages: what it reads now has waited for as long.

    It is behind when a read took all it could, or brought so much that the batch took long (a buffer may hold
    a few hundred messages, and the peer the rest). The turn goes on until the node has waited for work: its
    batches get short again while calls are answered by policy, but that is no sign that nothing more waits. A
    batch that is neither is a turn of its own, however many calls a peer keeps outstanding: each of them came
    during the batch before.

    Time that went to other peers counts as waited if all that it brought from this one is `FEW` messages:
    else one pause in a batch of its would have a peer's calls declined for as long as another one floods.

    Attributes:
        began: when the turn began, in seconds; inf before the first.
        long: seconds that a batch takes at least if it took long.
    """

    def __init__(self, long: float) -> None:
        self.began = inf
        self.long = long
        self._read = -inf
        self._idle = 0.0
        self._worked = 0.0
        self._spared = 0.0  # of it, what counts as waited
        self._behind = False

    def begin(self, now: float, idle: float, worked: float, messages: int) -> None:
        """Take note of a batch that was read.

        Args:
            now: seconds.
            idle: seconds that the node has waited for work in all.
            worked: seconds that it has worked on batches in all.
            messages: how many the batch has.
        """
        self._read = now
        if messages < FEW:
            self._spared += worked - self._worked
        waited = idle + self._spared
        if not self._behind or waited - self._idle > IDLE * min(now - self.began, REMEMBERED):
            self.began = now
            self._idle = waited
            self._behind = False

    def end(self, now: float, more: bool, worked: float) -> float:
        """It was dealt with; ``more`` as for `Admission.batch_done`. Return how old the turn is."""
        self._worked = worked
        if more or now - self._read >= self.long:
            self._behind = True
        return now - self.began


@final
class Level:
    """The level of one signal: up at once, down step by step."""

    def __init__(self, thresholds: tuple[float, float, float]) -> None:
        self.now = NORMAL
        self._thresholds = thresholds
        self._until = -inf

    def update(self, value: float, now: float) -> int:
        """Take a new value and return the level."""
        reached = sum(value >= threshold for threshold in self._thresholds)
        if reached >= self.now:
            self.now = reached
            self._until = now + HOLD
        elif value >= LEAVE * self._thresholds[self.now - 1]:
            self._until = now + HOLD
        elif now >= self._until:
            self.now -= 1
            self._until = now + HOLD
        return self.now


@final
class Admission:
    """Decides which new calls are served, by load and by rate.

    Attributes:
        level: 0 to 3.
        why: the signals that hold it there.
        turn: that of the peer whose batch is in hand.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.level = NORMAL
        self.why: list[Signal] = []
        self.turn = Turn(limits.delay * LONG)
        self._turns: dict[str, Turn] = {}
        self._idle = 0.0
        self._worked = 0.0
        self._begun = 0.0
        self._ended = inf
        self._levels = {signal: Level(thresholds) for signal, thresholds in THRESHOLDS.items()}
        self._peers: TokenBuckets | None = None
        self._callers: TokenBuckets | None = None
        self._unusual: TokenBuckets | None = None
        self._gaps: TokenBuckets | None = None
        self._all_by_policy = False
        self._calls = 0
        self._longest = 0.0
        self._late = 0.0
        self._store_seconds = 0.0
        self._store_answers = 0
        self.adopt(limits)

    def adopt(self, limits: Limits) -> None:
        """Go on with other limits. Levels and turn stay as they are; every bucket is full again."""
        self.limits = limits
        for turn in self._turns.values():
            turn.long = limits.delay * LONG
        self._peers = TokenBuckets(limits.peer_rate, limits.peer_burst) if limits.peer_rate else None
        self._callers = TokenBuckets(limits.caller_rate, limits.caller_burst) if limits.caller_rate else None
        rate = limits.unusual_rate
        self._unusual = TokenBuckets(rate, rate) if rate else None
        self._gaps = TokenBuckets(1 / limits.gap_duration, 1.0) if limits.gap_duration else None

    @property
    def sheds(self) -> bool:
        """Whether what no call needs is left out."""
        return self.level >= SHED

    def admit(self, peer: str, caller: bytes, now: float) -> Reason | None:
        """Judge a new call: None: serve it, else why it is continued at once.

        Args:
            peer: the link that brought it.
            caller: its calling SCCP address, as it came.
            now: seconds of the clock that `Turn` has; not the beginning of the batch.
        """
        if self._peers is not None and not self._peers.take(peer, now):
            return Reason.RATE_LIMITED
        if self._callers is not None and not self._callers.take(caller, now):
            return Reason.RATE_LIMITED
        if now - self.turn.began > self.limits.delay:
            return Reason.OVERLOAD
        if self._all_by_policy:
            self._calls += 1
            if self._calls % PROBE:
                return Reason.OVERLOAD
        return None

    def may_read(self, peer: str, now: float) -> bool:
        """Whether an InitialDP in an unusual form is read; else it is continued, as one above `peer_rate`."""
        return self._unusual is None or self._unusual.take(peer, now)

    def refuses(self, now: float) -> bool:
        """Whether what begins now gets no dialogue."""
        return now - self.turn.began > self.limits.refuse

    def gap_due(self, caller: bytes, now: float) -> bool:
        """Whether the switch at this address is to be asked for fewer calls: once while that holds."""
        return self.level >= REFUSE and self._gaps is not None and self._gaps.take(caller, now)

    def batch_begun(self, peer: str, now: float, messages: int) -> None:
        """A batch of so many messages of ``peer`` was read."""
        self._begun = now
        self._idle += max(0.0, now - self._ended)
        turn = self._turns.get(peer)
        if turn is None:
            turn = self._turns[peer] = Turn(self.limits.delay * LONG)
        turn.begin(now, self._idle, self._worked, messages)
        self.turn = turn

    def batch_done(self, now: float, more: bool) -> None:
        """A batch was dealt with; ``more``: see `scp.ports.Transport.more`."""
        self._ended = now
        self._worked += now - self._begun
        self._longest = max(self._longest, self.turn.end(now, more, self._worked))

    def store_took(self, seconds: float) -> None:
        """A lookup was answered, or given up, after so long."""
        self._store_seconds += seconds
        self._store_answers += 1

    def sample(self, now: float, late: float, dialogues: float, memory: float) -> bool:
        """Find the level, some times a second; True if it is another one.

        Args:
            now: seconds.
            late: seconds by which the event loop was late with this very call.
            dialogues: open, as a share of the most that may be.
            memory: as a share of the most that may be.
        """
        store = self._store_seconds / self._store_answers if self._store_answers else 0.0
        values = {
            # Late once is a pause (a collection, an import); late again and again there is too much to do.
            Signal.DELAY: max(min(late, self._late), self._longest) / self.limits.delay,
            Signal.DIALOGUES: dialogues,
            Signal.STORE: store / self.limits.store_deadline,
            Signal.MEMORY: memory,
        }
        self._late = late
        self._longest = self._store_seconds = 0.0
        self._store_answers = 0
        levels = {signal: self._levels[signal].update(value, now) for signal, value in values.items()}
        before, self.level = self.level, max(levels.values())
        self.why = [signal for signal, level in levels.items() if level == self.level and level]
        # The delay judges each call by itself.
        self._all_by_policy = any(
            level >= POLICY for signal, level in levels.items() if signal is not Signal.DELAY
        )
        return self.level != before
