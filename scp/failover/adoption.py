"""Held calls go on though their node is dead, drained or started anew: adoption.

A message for a transaction that is not here is not refused at once. Whose it is, its first octet says:

1. The node that has it runs: the message is brought to it (`scp.failover.relay`).
2. Else the store of held calls is asked. There is no record: it is refused, as ever (Q.774 §3.3.3).
3. There is one, and its owner does not run (or is this node, before it was started anew): it is claimed by
   compare-and-set, so that one node has the call, and only one; the dialogue is rebuilt under its old
   transaction ids, its service resumed, and the message served.

Calls of which nobody hears are found by their time (`SWEEP_SECONDS`): messages that a dead node's guardian or
a drained node has left are served, and a call whose owner does not look after it any more is adopted and told
that its wait is over, so that its service asks the switch (ActivityTest) and settles. A node that was started
anew does that at once with the calls that it had before: what their switches said meanwhile may be lost.
Nothing is asked while no peer is attached.

A drain hands over at once: what is held becomes `NOBODY`'s, without a word to the switch.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, final

from scp.engine.cap.held_call import answered_already
from scp.engine.cap.held_record import decode
from scp.engine.hand_over import given_away
from scp.engine.return_path import ReturnPath
from scp.held_call_ports import NOBODY
from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.engine.cap.held_record import StoredRecord
    from scp.engine.cap.user import CapUser
    from scp.engine.signalling import Signalling
    from scp.failover.presence import Presence
    from scp.failover.relay import Relay
    from scp.held_call_ports import HeldCalls, HeldEntry

SWEEP_SECONDS: Final = 0.5
LATE_SECONDS: Final = 60.0
"""How long a store that was too slow for a call counts as one that is."""
MOST_DUE: Final = 500
"""Calls that one sweep looks at."""
MOST_LOOKED_UP: Final = 2_000
"""Transactions that are looked up at a time; messages for others are refused."""
MOST_FOR_ONE: Final = 16
"""Messages that wait for one of them."""
AT_ONCE: Final = 50
"""Calls that one sweep claims at a time."""
TRIES: Final = 3
"""How often a claim that another node was quicker with is looked into."""
HAND_OVER_SECONDS: Final = 1.5
"""How long calls that are about to be written may keep a drain."""

COUNTS: Final = (
    "adopted",  # calls that this node went on with
    "relayed",  # messages that were brought to the node that has their call
    "brought",  # messages that other nodes brought here
    "left",  # messages that were left for whoever adopts their call
    "handed-over",  # calls that a drain gave away
    "unreadable",  # records that could not be gone on from
)


@final
class Adoption:
    """Adopts held calls; the signalling's `StrayTaker`, the relay's `RelayUser`.

    Args:
        held: the store.
        me: this node's instance.
        signalling: where messages come from.
        cap: that goes on with the calls.
        failed: told in words when the store began to fail, "" when it works again.
        wall: seconds since 1970.

    Attributes:
        counts: see `COUNTS`.
        presence: the other nodes; None: no other node can have the store.
        relay: links to them; None: there are none.
    """

    def __init__(
        self,
        held: HeldCalls,
        me: int,
        signalling: Signalling,
        cap: CapUser,
        failed: Callable[[str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.counts = dict.fromkeys(COUNTS, 0)
        self.presence: Presence | None = None
        self.relay: Relay | None = None
        self._held = held
        self._me = me
        self._signalling = signalling
        self._cap = cap
        self._failed = failed
        self._wall = wall
        self._draining = False
        self._looking: dict[bytes, list[tuple[bytes, object, bool]]] = {}
        self._adopted: dict[bytes, StoredRecord] = {}  # those that a message waits for
        self._brought_away: dict[bytes, object] = {}  # paths of messages that were relayed, the last ones
        self._unreadable: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._before: list[bytes] = []  # calls of the process before this one that nobody looked at yet
        self._claiming: dict[bytes, asyncio.Event] = {}  # calls that are being claimed
        self._attached = False  # at the last sweep
        self._more = False  # calls are due that it did not look at
        self._sweeper: asyncio.Task[None] | None = None

    def start(self, before: Iterable[bytes] = ()) -> None:
        """Begin to take messages, and to look after calls whose time has come.

        Args:
            before: transaction ids of calls that this node's process before this one held.
        """
        self._before = list(before)
        self._signalling.tcap.defers_strays = True
        self._signalling.strays = self
        if self._cap.journal is not None:
            self._cap.journal.pass_on = self.pass_on
        self._sweeper = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        """Adopt no more."""
        self._signalling.strays = None
        if self._cap.journal is not None:
            self._cap.journal.pass_on = None
        tasks = [*self._tasks, *([self._sweeper] if self._sweeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many calls of the process before this one nobody has looked at yet."""
        return sum(1 for tid in self._before if self._signalling.tcap.find(tid) is None)

    # --- messages ---

    def stray(self, tid: bytes, octets: bytes, path: object) -> None:
        """See `scp.engine.tc.StrayTaker`."""
        looking = self._looking.get(tid)
        if looking is None and self._relayed(tid[0], tid, octets, path):
            return
        self._look_up(tid, octets, path, denied=-1)

    def brought(self, tid: bytes, octets: bytes) -> bool:
        """See `scp.failover.relay.RelayUser`; for a call that is over here nothing is to be done any more."""
        if self._signalling.tcap.find(tid) is None:
            return self._over(tid)
        self.counts["brought"] += 1
        self._signalling.take(octets, None)
        return True

    def unknown(self, instance: int, tid: bytes, octets: bytes) -> None:
        """See `scp.failover.relay.RelayUser`."""
        self._look_up(tid, octets, self._brought_away.get(tid), denied=instance)

    def perhaps_served(self, instance: int, tid: bytes, octets: bytes) -> None:
        """See `scp.failover.relay.RelayUser`."""
        self._look_up(tid, octets, self._brought_away.get(tid), denied=instance, again=True)

    def pass_on(self, tid: bytes, messages: list[bytes]) -> None:
        """See `scp.engine.journal.Journal`; if that node is gone meanwhile, this one claims the call back."""
        for octets in messages:
            self._look_up(tid, octets, None, denied=-1)

    def _relayed(self, instance: int, tid: bytes, octets: bytes, path: object) -> bool:
        """Bring a message to a node, if it runs and is another one."""
        relay = self.relay
        if relay is None or instance == self._me or not relay.send(instance, tid, octets):
            return False
        self.counts["relayed"] += 1
        if len(self._brought_away) >= MOST_LOOKED_UP:
            self._brought_away.clear()
        self._brought_away[tid] = path
        return True

    def _look_up(self, tid: bytes, octets: bytes, path: object, denied: int, *, again: bool = False) -> None:
        looking = self._looking.get(tid)
        if looking is not None:
            if len(looking) < MOST_FOR_ONE:
                looking.append((octets, path, again))
            return
        if len(self._looking) >= MOST_LOOKED_UP:
            self._signalling.refuse(octets, path)
            return
        self._looking[tid] = [(octets, path, again)]
        task = asyncio.create_task(self._find(tid, denied))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find(self, tid: bytes, denied: int) -> None:
        """Find out which node has a transaction, and serve or pass on the messages that wait for that."""
        owner = NOBODY
        left = False
        try:
            if self._draining:
                left = await self._leave(tid)
            else:
                owner = await self._owner(tid, denied)
        except StoreError as error:
            self._failed(str(error))
        finally:
            messages = self._looking.pop(tid)
        record = self._adopted.pop(tid, None)
        for octets, path, again in messages:
            if self._signalling.tcap.find(tid) is not None:
                self._serve(tid, octets, record if again else None)
            elif not left and not self._relayed(owner, tid, octets, path):
                self._signalling.refuse(octets, path)

    async def _owner(self, tid: bytes, denied: int) -> int:
        """Return which node has a transaction: this one, if it could adopt it; `NOBODY`: none."""
        path = self._looking[tid][0][1]
        for _ in range(TRIES):
            entry = await self._held.get(tid)
            if entry is None:
                return NOBODY
            if (
                entry.owner not in (self._me, denied)
                and self.relay is not None
                and self.relay.up(entry.owner)
            ):
                return entry.owner
            if await self._claim(entry, path) is not None or self._signalling.tcap.find(tid) is not None:
                return self._me
            denied = -1
        return NOBODY

    async def _leave(self, tid: bytes) -> bool:
        """Leave what waits for a call to the node that adopts it: this one is going."""
        for octets, path, _ in self._looking[tid]:
            for _ in range(TRIES):
                entry = await self._held.get(tid)
                if entry is None:
                    return False
                if entry.owner not in (self._me, NOBODY):  # it has been adopted: its node gets the message
                    self._relayed(entry.owner, tid, octets, path)
                    break
                if await self._held.release(tid, entry.fence, entry.owner, octets):
                    self.counts["left"] += 1
                    break
        return True

    # --- claiming ---

    async def _claim(self, seen: HeldEntry, path: object) -> HeldEntry | None:
        """Claim a call and go on with it; None: it is another node's by now, or can't be gone on with.

        A record of a newer release, or of a service that this node does not have, is left to other nodes.
        """
        tid = seen.tid
        while (claimed := self._claiming.get(tid)) is not None:  # for a message, or by a sweep
            await claimed.wait()
        if self._signalling.tcap.find(tid) is not None or self._over(tid):
            return None
        record = decode(seen.record)
        if record is None or not self._cap.can_adopt(record):
            self._not_for_us(tid)
            return None
        self._claiming[tid] = done = asyncio.Event()
        try:
            return await self._claimed(seen, path)
        finally:
            del self._claiming[tid]
            done.set()

    def _over(self, tid: bytes) -> bool:
        """Whether a call has ended here: its record is still there, as long as its CDR is not on the disk."""
        journal = self._cap.journal
        return journal is not None and tid in journal.over_tids

    async def _claimed(self, seen: HeldEntry, path: object) -> HeldEntry | None:
        """Claim a call that nothing else here claims, and go on with it."""
        entry = await self._held.claim(seen.tid, seen.fence, self._me)
        record = None if entry is None else decode(entry.record)
        way = None if record is None else self._path(record, path)
        if entry is None or record is None or way is None:
            return None
        if not self._cap.adopt(entry, record, way):
            await self._held.release(entry.tid, entry.fence, self._me)
            self._not_for_us(seen.tid)
            return None
        self.counts["adopted"] += 1
        if seen.tid in self._looking:
            self._adopted[seen.tid] = record
        for octets in entry.left:
            self._serve(seen.tid, octets, record)
        return entry

    def _serve(self, tid: bytes, octets: bytes, record: StoredRecord | None) -> None:
        """Serve a message of a call that is here; ``record``: of one that may have been served before."""
        dialogue = self._signalling.tcap.find(tid)
        if record is not None and dialogue is not None and answered_already(record, octets):
            self._cap.say_again(dialogue, record)
            self._signalling.flush()
        else:
            self._signalling.take(octets, None)

    def _not_for_us(self, tid: bytes) -> None:
        """Count a call that can't be gone on with, once."""
        if len(self._unreadable) >= MOST_LOOKED_UP:
            self._unreadable.clear()
        if tid not in self._unreadable:
            self._unreadable.add(tid)
            self.counts["unreadable"] += 1

    def _path(self, record: StoredRecord, heard: object) -> ReturnPath | None:
        """Return the way to the peer: the record's, over a link of this node."""
        links = self._signalling.links
        if not links:
            return None
        if isinstance(heard, ReturnPath):
            link, network = heard.link, heard.network
        else:
            link = next((each for each in links if each.name == record.link), links[0])
            named = [each for each in self._signalling.networks if each.name == record.network]
            network = named[0] if named else link.network
            if network.indicator != record.indicator:
                network = network.with_indicator(record.indicator) or network
        return ReturnPath(
            link,
            record.opc,
            record.dpc,
            record.sls,
            record.called,
            record.calling,
            record.routing_context,
            network,
        )

    # --- time ---

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(0 if self._more else SWEEP_SECONDS)
            self._more = False
            if self._draining:
                continue
            try:
                await self.sweep()
            except StoreError as error:
                self._failed(str(error))
            else:
                self._failed(self._late())

    def _late(self) -> str:
        """Say in words that the store is slow, "" if it is not."""
        journal = self._cap.journal
        if journal is None or self._wall() - journal.unjournalled_at > LATE_SECONDS:
            return ""
        return (
            f"{journal.unjournalled} messages of held calls so far did not wait for their records any longer"
        )

    async def sweep(self) -> None:
        """Adopt the calls whose time has come and whose owner does not run; raises `StoreError`."""
        journal = self._cap.journal
        if journal is not None:
            journal.delete_again()
        attached = any(link.active for link in self._signalling.links)
        since, self._attached = self._attached, attached
        if not attached:
            return
        if self._before and since:  # what their switches had to say first has come by now
            await self._look_after()
        now_ms = int(self._wall() * 1000)
        due = await self._held.due(now_ms, MOST_DUE)
        ours = [entry for entry in due if entry.tid not in self._looking and not self._alive(entry.owner)]
        adopted = self.counts["adopted"]
        for first in range(0, len(ours), AT_ONCE):
            await asyncio.gather(*(self._ask_for(entry) for entry in ours[first : first + AT_ONCE]))
        self._more = len(due) == MOST_DUE and self.counts["adopted"] > adopted

    def _alive(self, owner: int) -> bool:
        """Whether another node runs that looks after its own calls."""
        return owner != self._me and self.presence is not None and self.presence.alive(owner)

    async def _look_after(self) -> None:
        """Ask the switches for calls of the process before this one, some of them."""
        for tid in self._before[:MOST_DUE]:
            if self._signalling.tcap.find(tid) is not None:  # adopted with a message of before, or of now
                self._cap.wait_is_over(tid)
                continue
            entry = None if tid in self._looking else await self._held.get(tid)
            if entry is not None and entry.owner == self._me:
                await self._ask_for(entry)
        del self._before[:MOST_DUE]

    async def _ask_for(self, entry: HeldEntry) -> None:
        """Adopt a call of which nobody has heard, and have its service ask the switch."""
        claimed = await self._claim(entry, None)
        if claimed is not None and not claimed.left:
            self._cap.wait_is_over(entry.tid)

    # --- going ---

    async def hand_over(self) -> None:
        """Give all held calls away that have a record; the others stay. Nothing is adopted from here on."""
        self._draining = True
        until = asyncio.get_running_loop().time() + HAND_OVER_SECONDS
        while True:
            entries, busy = given_away(self._cap)
            released = await asyncio.gather(
                *(self._held.release(entry.tid, entry.fence, self._me) for entry in entries),
                return_exceptions=True,
            )
            self.counts["handed-over"] += sum(1 for each in released if each is True)
            if not busy or asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(0.01)
