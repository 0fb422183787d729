"""Calls under way: more minutes before those granted run out, and a word to who pays when there are none.

Kamailio ends a call when what was granted is used up, whoever lives. Before that its subscriber's phones get
a text message, and who follows events hears when the call ends. A Kamailio that dies takes
the timer along: the calls that it had are ended from here, when their minutes are used up. In the call itself
nothing is said before: a request within a dialog takes a sequence number that is its ends' own (RFC 3261
§12.2.1.1), and the BYE behind it would be refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, Protocol, final

from scp.voip.calls import NETWORK_OUT_OF_ORDER, NORMAL_CLEARING
from scp.voip.decision import aor
from scp.voip.farewell import ends_of, farewells
from scp.voip.messages import Deliver, Ended, Extend, plain

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from scp.voip.calls import Note
    from scp.voip.charges import Charges
    from scp.voip.config import VoipConfig
    from scp.voip.directory import Directory, Identity
    from scp.voip.evapi import Evapi
    from scp.voip.feed import Feed
    from scp.voip.messages import Answered, Left, Said

LONGEST_CALL: Final = 14_400
"""Seconds after which Kamailio ends any call."""
TIMER_SET: Final = 1.0
"""Seconds after the answer by which Kamailio has set the dialog's timer, so that it can be changed."""
EXTEND_BEFORE: Final = 20.0
"""Seconds before minutes run out when more are asked for; of short grants the last third."""
LATE: Final = 1.0
"""Seconds after the end of the minutes in which Kamailio tells that it has ended the call."""
BYE_AGAIN: Final = (0.0, 0.5, 1.0)
"""Seconds after which a BYE is sent: nobody here hears whether it came."""
WARN_AFTER: Final = 1.0
"""Seconds that the node has to say whether there are more, before who pays is told that there are none."""


class TalkUser(Protocol):
    """What `Talking` needs of the brain."""

    config: VoipConfig
    directory: Directory
    feed: Feed | None
    log: FilteringBoundLogger

    @property
    def links(self) -> set[Evapi]:
        """To the Kamailios that are there."""
        ...

    def ended_unheard(self, note: Note, end: Ended, cause: int) -> None:
        """Settle a call whose end no Kamailio tells; ``cause``: Q.850."""
        ...

    def say(self, message: Said) -> None:
        """Say something to every Kamailio."""
        ...


@final
class _Kamailio:
    """The Kamailio that a link goes to now."""

    def __init__(self, link: Evapi) -> None:
        self.link = link
        self._started = link.started

    @property
    def died(self) -> bool:
        """Whether it is away, or has been started again."""
        return not self.link.up or self.link.started != self._started


@final
class Talking:
    """See the module.

    Args:
        brain: has configuration, directory and links.
        charges: asks the node.
    """

    def __init__(self, brain: TalkUser, charges: Charges) -> None:
        self._brain = brain
        self._charges = charges
        self._calls: dict[str, asyncio.Event] = {}
        self._by_id: dict[str, tuple[_Kamailio, Note, Answered]] = {}

    def __contains__(self, call: str) -> bool:
        """Whether a call is looked after."""
        return call in self._calls

    def over(self, call: str) -> None:
        """Hear that a call has ended."""
        event = self._calls.get(call)
        if event is not None:
            event.set()

    def stop(self) -> None:
        """Look after none any more: the next brain is told of these calls, and goes on."""
        for event in self._calls.values():
            event.set()

    async def look_after(self, link: Evapi, note: Note, answered: Answered) -> None:
        """Do what a call that has minutes needs until it is over."""
        self._calls[note.call] = over = asyncio.Event()
        name, kamailio = ends_of(answered).call_id, _Kamailio(link)
        self._by_id[name] = kamailio, note, answered
        try:
            if answered.free == "1":
                await self._unlimited(link, answered, over)
                return
            granted = await self._extended(kamailio, note, answered, over)
            if not await _within(answered.at + granted + LATE - time.time(), over) and kamailio.died:
                await self._end(link, note, answered, granted)
        finally:
            self._calls.pop(note.call, None)
            self._by_id.pop(name, None)

    def left(self, told: Left) -> None:
        """A call of a Kamailio that died has ended; told by one that does not know it."""
        found = self._by_id.get(plain(told.id))
        if found is None:
            return
        kamailio, note, answered = found
        if kamailio.died and not self._calls[note.call].is_set():
            end = Ended(note.call, "", "", "", answered.at, told.at, over=told.over)
            self._brain.ended_unheard(note, end, NORMAL_CLEARING)

    async def _end(self, link: Evapi, note: Note, answered: Answered, granted: int) -> None:
        """End a call on both sides, whose Kamailio died, and settle it.

        If no Kamailio is there it goes on for as long as its ends like. It is charged until that death then:
        nobody knows of more.
        """
        by = link if link.up else next(iter(self._brain.links), link)
        at = answered.at + granted if by.up else int(link.lost)
        end = Ended(note.call, "", "", "", answered.at, at, cut="1")
        self._brain.ended_unheard(note, end, NETWORK_OUT_OF_ORDER)
        for pause in BYE_AGAIN if by.up else ():
            await asyncio.sleep(pause)
            for each in farewells(ends_of(answered), self._brain.config.voip.domain):
                by.say(each)

    async def _unlimited(self, link: Evapi, answered: Answered, over: asyncio.Event) -> None:
        """Let a call that takes no minutes go on for as long as any call may."""
        if not await _within(TIMER_SET, over):
            link.say(Extend(answered.entry, answered.id, LONGEST_CALL))

    async def _extended(
        self, kamailio: _Kamailio, note: Note, answered: Answered, over: asyncio.Event
    ) -> int:
        """Ask for further minutes when some of those granted are left, as long as the call goes on.

        Return the seconds that were granted in the end. A call whose Kamailio died gets no more.
        """
        granted = note.granted_s
        while not over.is_set():
            charging = self._brain.config.charging
            if charging is None:
                break
            ends = answered.at + granted
            before = min(EXTEND_BEFORE, granted / 3)
            if charging.warn_s:
                before = max(before, charging.warn_s + WARN_AFTER)
            if await _within(ends - before - time.time(), over) or kamailio.died:
                break
            total = await self._charges.extend(note.reservation, -(-granted // 60) + charging.minutes)
            if over.is_set():
                break
            if total <= granted:  # the dialog ends when what was granted is used up
                if charging.warn_s and not await _within(ends - charging.warn_s - time.time(), over):
                    self._warn(note, ends, charging.warning)
                break
            granted = total
            left = answered.at + granted - int(time.time())
            kamailio.link.say(Extend(answered.entry, answered.id, max(1, left)))
        return granted

    def _warn(self, note: Note, ends: int, text: str) -> None:
        """Tell who pays for a call when it will be ended."""
        identity = self._payer(note)
        if identity is None:
            return
        brain, left = self._brain, max(1, round(ends - time.time()))
        brain.log.info("minutes run out", call=note.call, number=identity.msisdn, seconds=left)
        if brain.feed is not None:
            about = {"id": note.call, "msisdn": identity.msisdn, "ends_ms": ends * 1000}
            brain.feed.publish("minutes-run-out", (identity.msisdn,), about)
        domain = brain.config.voip.domain
        own, body = aor(identity.msisdn, domain), text.replace("{seconds}", str(left))
        for device in brain.directory.devices_of(identity.msisdn) if text else ():
            name = f"{note.call}-ends"
            brain.say(Deliver(name, own, device.id, f"sip:{domain}", "text/plain;charset=utf-8", body))

    def _payer(self, note: Note) -> Identity | None:
        """Return the identity whose minutes a call takes: who is called with phones here, else who calls."""
        directory = self._brain.directory
        called = directory.called(note.b)
        if called and any(directory.bindings(one.msisdn) for one in called):
            return called[0]
        return directory.identity(note.a)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event so many seconds; return whether it has happened."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    return event.is_set()
