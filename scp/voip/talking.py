"""Calls under way: more minutes before those granted run out, and a word to who pays when there are none.

Kamailio ends a call when what was granted is used up, whoever lives. Before that its subscriber's phones get
a text message, and who follows events hears when the call ends. In the call itself nothing is said: a request
within a dialog takes a sequence number that is its ends' own (RFC 3261 §12.2.1.1), and the BYE behind it
would be refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, Protocol, final

from scp.voip.decision import aor
from scp.voip.messages import Deliver, Extend

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from scp.voip.calls import Note
    from scp.voip.charges import Charges
    from scp.voip.config import VoipConfig
    from scp.voip.directory import Directory, Identity
    from scp.voip.evapi import Evapi
    from scp.voip.feed import Feed
    from scp.voip.messages import Answered, Said

LONGEST_CALL: Final = 14_400
"""Seconds after which Kamailio ends any call."""
TIMER_SET: Final = 1.0
"""Seconds after the answer by which Kamailio has set the dialog's timer, so that it can be changed."""
EXTEND_BEFORE: Final = 20.0
"""Seconds before minutes run out when more are asked for; of short grants the last third."""
WARN_AFTER: Final = 1.0
"""Seconds that the node has to say whether there are more, before who pays is told that there are none."""


class TalkUser(Protocol):
    """What `Talking` needs of the brain."""

    config: VoipConfig
    directory: Directory
    feed: Feed | None
    log: FilteringBoundLogger

    def say(self, message: Said) -> None:
        """Say something to every Kamailio."""
        ...


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
        try:
            if answered.free == "1":
                await self._unlimited(link, answered, over)
            else:
                await self._extended(link, note, answered, over)
        finally:
            self._calls.pop(note.call, None)

    async def _unlimited(self, link: Evapi, answered: Answered, over: asyncio.Event) -> None:
        """Let a call that takes no minutes go on for as long as any call may."""
        if not await _within(TIMER_SET, over):
            link.say(Extend(answered.entry, answered.id, LONGEST_CALL))

    async def _extended(self, link: Evapi, note: Note, answered: Answered, over: asyncio.Event) -> None:
        """Ask for further minutes when some of those granted are left, as long as the call goes on."""
        granted = note.granted_s
        while not over.is_set():
            charging = self._brain.config.charging
            if charging is None:
                return
            ends = answered.at + granted
            before = min(EXTEND_BEFORE, granted / 3)
            if charging.warn_s:
                before = max(before, charging.warn_s + WARN_AFTER)
            if await _within(ends - before - time.time(), over):
                return
            total = await self._charges.extend(note.reservation, -(-granted // 60) + charging.minutes)
            if over.is_set():
                return
            if total <= granted:  # the dialog ends when what was granted is used up
                if charging.warn_s and not await _within(ends - charging.warn_s - time.time(), over):
                    self._warn(note, ends, charging.warning)
                return
            granted = total
            left = answered.at + granted - int(time.time())
            link.say(Extend(answered.entry, answered.id, max(1, left)))

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
