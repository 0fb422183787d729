"""The brain: hears Kamailio, decides, answers; tells the node who is registered.

It holds nothing that it can't lose: bindings are Kamailio's and told as a level, the directory is in its
store, and what a call has used is in the end that Kamailio keeps until it is told that the records have it.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp.client import ApiError, TransportError
from scp.telemetry.logs import get_logger
from scp.voip import decision
from scp.voip.at_mobile import AtMobile
from scp.voip.call_events import CallEvents
from scp.voip.calls import Note, milliseconds, note_of, opened, reference, sealed
from scp.voip.charges import Charges
from scp.voip.decision import Call, Plan, aor
from scp.voip.feed import CallView
from scp.voip.kamailio import SYNC_SECONDS
from scp.voip.messages import (
    Answered,
    Bindings,
    Count,
    Counted,
    Counters,
    Delivered,
    DeviceAsked,
    Ended,
    Failed,
    Forget,
    Ha1Answer,
    InviteAsked,
    Left,
    MessageAsked,
    PassAsked,
    PlanAnswer,
    Retell,
    Several,
    Taken,
    Tells,
    Traced,
    Unbind,
    Welcome,
    number_in,
    plain,
    wants_privacy,
)
from scp.voip.one_time import OneTimeNumbers
from scp.voip.reason import Reason
from scp.voip.registrations import Registrations
from scp.voip.store import StoreError
from scp.voip.talking import Talking
from scp.voip.trunks import trunk_finder

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from scp.voip.config import VoipConfig
    from scp.voip.directory import Directory
    from scp.voip.evapi import Evapi
    from scp.voip.feed import Feed
    from scp.voip.message_user import MessageUser
    from scp.voip.messages import Freed, Heard, Said
    from scp.voip.metrics import VoipMetrics
    from scp.voip.scp_link import ScpLink
    from scp.voip.store import Store

SWEEP_SECONDS: Final = 1.0
"""After which a brain that was started is asked, whatever of the levels it has not been told."""
COUNT_EVERY: Final = 5.0
"""Seconds between two questions to the Kamailios what they have counted."""
_USER_OF_URI: Final = re.compile(r"sips?:([^@;>]+)(?:;[^@>]*)?@|tel:([^;>,]+)")
"""Its user without telephone parameters, or the number of a tel URI (RFC 3966 §3)."""


@final
class Brain:
    """One brain and its links.

    Args:
        config: see `VoipConfig`.
        directory: filled.
        store: of it.
        metrics: what counts.
        scp: the node; None: nobody is told and calls cost nothing.
    """

    def __init__(
        self,
        config: VoipConfig,
        directory: Directory,
        store: Store,
        metrics: VoipMetrics,
        scp: ScpLink | None,
    ) -> None:
        self.config = config
        self.directory = directory
        self.registrations = Registrations(config.voip.grace_s)
        self.registrations.remember(store.registered())
        self.draining = False
        self.inbox: MessageUser | None = None
        self.feed: Feed | None = None
        self.metrics = metrics
        self._rules = config.rules
        self._trunks = trunk_finder(config)
        self._store = store
        self._scp = scp
        self._links: set[Evapi] = set()
        self._awaited: dict[Evapi, set[str]] = {}  # of links that are open: whose level is not told yet
        self._tasks: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._counting: asyncio.TimerHandle | None = None
        self.log = get_logger(voip=config.voip.name)
        self._charges = None if scp is None else Charges(scp, metrics, self.log, self._start)
        self._events = None if scp is None else CallEvents(scp)
        self._talking = None if self._charges is None else Talking(self, self._charges)
        self._at_mobile = AtMobile(scp, metrics, self.log)
        self.one_time = OneTimeNumbers(
            config, directory, store, counts=metrics.one_time, node=scp, log=self.log
        )
        self._waiting = 0
        self._born = int(time.time() * 1000)  # in calls' names, keys of their records: never the same again
        self._calls = 0

    def adopt(self, config: VoipConfig) -> list[str]:
        """Go on with what a reload may change: rules, trunks, accounts; return what does not fit."""
        before, self.config = self.config, config
        self._rules = config.rules
        self._trunks = trunk_finder(config)
        self.one_time.adopt(config)
        self.registrations.grace = config.voip.grace_s
        devices = {one.id: one.device(config.voip.domain) for one in config.devices}
        for gone in {one.id for one in before.devices} - devices.keys():
            self.forget(gone)
            self.directory.remove_device(gone)
        for msisdn in {one.msisdn for one in before.identities} - {one.msisdn for one in config.identities}:
            self.leave(msisdn)
        faults = []
        for identity in config.identities:
            try:
                self.directory.put_identity(identity)
            except ValueError as error:
                faults.append(f"identities: {identity.msisdn}: {error}")
        for device in devices.values():
            if self.directory.device(device.id) not in (None, device):
                self.forget(device.id)
            self.directory.put_device(device)
        return faults

    def forget(self, device: str) -> None:
        """Have no Kamailio take a device's credentials any more without asking."""
        self.say(Forget(device))

    @property
    def kamailios(self) -> set[str]:
        """Addresses of those that are linked."""
        return {link.address for link in self._links}

    @property
    def links(self) -> set[Evapi]:
        """See `TalkUser`."""
        return self._links

    def why_not_ready(self) -> list[str]:
        """Return in words why this brain decides no calls, nothing if it does."""
        reasons = [] if self._links else ["no Kamailio asks: does it run, is sip.brain its evapi?"]
        return [*reasons, "it is about to stop"] if self.draining else reasons

    def unbind(self, msisdn: str, device: str = "") -> None:
        """End the bindings of an identity: those of a device, or all."""
        self.say(Unbind(aor(msisdn, self._rules.domain), device))

    def leave(self, msisdn: str) -> None:
        """Let an identity go, with its bindings and its registration at the node."""
        self.say(Unbind(aor(msisdn, self._rules.domain)))
        self.directory.bind(msisdn, 0)
        self.directory.remove_identity(msisdn)
        self.registrations.forget(msisdn)
        self._go_on()

    # --- scp.voip.evapi.LinkUser ---

    def opened(self, link: Evapi) -> bool:
        """See `LinkUser`: who is bound has to be known before the first question."""
        believed = self.registrations.believed()
        if self._links or not believed:
            return False
        self._awaited[link] = set(believed)
        self._sweep(link)
        asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._hello, link)
        return True

    def _hello(self, link: Evapi) -> None:
        if self._awaited.pop(link, None) is not None:
            link.hello()

    def linked(self, link: Evapi) -> None:
        """See `LinkUser`."""
        self.metrics.links[link.address] = True
        again = link in self._links  # nothing was heard of us for long: levels were told meanwhile
        others = bool(self._links - {link})
        self._links.add(link)
        self.log.info("linked", kamailio=link.address)
        if again or others:  # it may have been started just now, and has not heard from them who is bound
            asyncio.get_running_loop().call_later(SYNC_SECONDS, self._sweep, link)
        if self._counting is None:
            self._count()

    def _count(self) -> None:
        """Ask all Kamailios what they have counted, now and then."""
        self.say(Counters())
        self._counting = asyncio.get_running_loop().call_later(COUNT_EVERY, self._count)

    def _sweep(self, link: Evapi) -> None:
        """Ask a Kamailio for the bindings of each identity that the node takes for registered."""
        for msisdn in self.registrations.believed():
            link.say(Count(aor(msisdn, self._rules.domain)))

    def unlinked(self, link: Evapi, why: str) -> None:
        """See `LinkUser`."""
        self._awaited.pop(link, None)
        if link in self._links:
            self._links.discard(link)
            for other in self._links:
                other.say(Retell())  # what that one had told no brain, this one knows as well
        was_up = self.metrics.links.get(link.address)
        self.metrics.links[link.address] = False
        self.metrics.kamailios.pop(link.address, None)  # one that was started again counts from 0
        if was_up is not False:
            self.log.warning("link down", kamailio=link.address, what=why)

    def unreadable(self, link: Evapi, why: str) -> None:
        """See `LinkUser`."""
        self.metrics.unreadable += 1
        self.log.warning("unreadable message", kamailio=link.address, what=why)

    def heard(self, link: Evapi, message: Heard) -> None:
        """See `LinkUser`."""
        if isinstance(message, InviteAsked):
            self._invite(link, message)
        elif isinstance(message, MessageAsked):
            self._message(link, message)
        elif isinstance(message, PassAsked):
            self._start(self._at_mobile.grant(link, message))
        elif isinstance(message, Delivered):
            if self.inbox is not None:
                self._start(self.inbox.delivered(link, message))
        elif isinstance(message, DeviceAsked):
            self._device(link, message)
        elif isinstance(message, Bindings):
            self._bindings(link, message)
        elif isinstance(message, Welcome):
            link.started, link.number = message.started, message.you
            self.linked(link)
        elif isinstance(message, Several):
            for each in message.all:
                self.heard(link, replace(each, by=message.by))
        elif isinstance(message, (Ended, Failed)):
            self._ended(link, message)
        elif isinstance(message, Counted):
            self.metrics.kamailios[link.address] = message
        elif isinstance(message, Answered):
            self._answered(link, message)
        elif isinstance(message, Traced):
            if self._events is not None:
                self._events.traced(message)
        elif isinstance(message, Left):
            if self._talking is not None:
                self._talking.left(message)
        else:
            self._freed(link, message)

    # --- devices ---

    def _device(self, link: Evapi, asked: DeviceAsked) -> None:
        """Say with which HA1 a device may act for a number: the seam of admission."""
        user, number = plain(asked.user), plain(asked.number)
        ha1 = self.directory.admits(user, number.removeprefix("+")) if number.startswith("+") else ""
        link.say(Ha1Answer(asked.ti, asked.tl, ha1))
        self.metrics.admitted["yes" if ha1 else "no"] += 1
        if not ha1:
            self.log.info("device refused", device=user, number=number, method=asked.method, source=asked.src)

    def _bindings(self, link: Evapi, told: Bindings) -> None:
        found = _USER_OF_URI.match(plain(told.aor))
        msisdn = found[1].removeprefix("+") if found else ""
        if self.directory.identity(msisdn) is not None:
            self._level(link, told, msisdn)
        awaited = self._awaited.get(link)
        if awaited is not None:
            awaited.discard(msisdn)
            if not awaited:
                self._hello(link)

    def _level(self, link: Evapi, told: Bindings, msisdn: str) -> None:
        before = self.directory.bindings(msisdn)
        if before != told.count:
            self.log.info("bindings", number=msisdn, count=told.count)
            if self.feed is not None:
                self.feed.publish("bindings", (msisdn,), {"msisdn": msisdn, "count": told.count})
        if before and not told.count and len(self._links) > 1:
            # what one Kamailio does not know, another may: asked once, within the grace
            asyncio.get_running_loop().call_later(
                min(SYNC_SECONDS, self.registrations.grace / 2), self._ask_others, link, told.aor
            )
        self.directory.bind(msisdn, told.count)
        self.registrations.count(msisdn, told.count, _now())
        self._go_on()
        if told.device and told.count:
            self._registered(msisdn, plain(told.device))

    def _registered(self, msisdn: str, device: str) -> None:
        """Do what follows when a device has registered for an identity."""
        identity = self.directory.identity(msisdn)
        if identity is not None and identity.mode == "exclusive":
            for other in self.directory.devices_of(msisdn):
                if other.id != device:
                    self.say(Unbind(aor(msisdn, self._rules.domain), other.id))
        if self.inbox is not None:
            self.inbox.registered(msisdn, device)

    def _message(self, link: Evapi, asked: MessageAsked) -> None:
        if self.inbox is None:
            link.say(Taken(asked.ti, asked.tl, 405, "Method Not Allowed"))
        else:
            self._start(self.inbox.asked(link, asked))

    def say(self, message: Said) -> None:
        """Say something to every Kamailio."""
        for link in self._links:
            link.say(message)

    def _ask_others(self, link: Evapi, address: str) -> None:
        for other in self._links - {link}:
            other.say(Count(plain(address)))

    # --- calls ---

    def _invite(self, link: Evapi, asked: InviteAsked) -> None:
        came = time.perf_counter()
        call = self._call_of(asked)
        if self.one_time.number_of(call):
            self._start(self._claimed(link, asked, call, came))
        else:
            self._decide(link, asked, self._at_mobile.second_round(call, self._rules), came)

    async def _claimed(self, link: Evapi, asked: InviteAsked, call: Call, came: float) -> None:
        self._decide(link, asked, await self.one_time.claimed(call), came)

    def _decide(self, link: Evapi, asked: InviteAsked, call: Call, came: float) -> None:
        plan = decision.decide(call, self.directory, self._rules)
        self._calls += 1
        name = f"{self.config.voip.name}-{self._born:x}-{self._calls:x}"
        refers = reference(plain(asked.reference))
        note = Note(name, plan.caller, plan.number, int(time.time() * 1000), "", 0, *refers)
        if self._events is not None:
            self._events.invited(note, asked, call.trunk or call.device)
        if self._charges is None or self.config.charging is None or not plan.payer:
            self._answer(link, asked, note, plan)
            self._decided(note, call, plan, time.perf_counter() - came)
        elif self._waiting >= self.config.voip.calls_at_once:
            plan = _without_minutes(plan, Reason.OVERLOAD, "mobile")
            self._answer(link, asked, note, plan)
            self._decided(note, call, plan, time.perf_counter() - came)
        else:
            self._start(self._charged(link, asked, call, note, plan, came))

    async def _charged(
        self, link: Evapi, asked: InviteAsked, call: Call, note: Note, plan: Plan, came: float
    ) -> None:
        """Put a call through once there are minutes for it."""
        charges, charging = self._charges, self.config.charging
        assert charges is not None
        assert charging is not None
        self._waiting += 1
        try:
            minutes = await charges.reserve(note.call, plan.caller, plan.number, charging.minutes, plan.payer)
        finally:
            self._waiting -= 1
        if self._events is not None:
            given = replace(note, reservation=minutes.reservation)
            self._events.minutes(given, minutes.seconds)
        if minutes.reservation:
            note = replace(note, reservation=minutes.reservation, granted_s=minutes.seconds)
        else:
            why = Reason.CHARGING_UNAVAILABLE if minutes.failed else Reason.NO_CREDIT
            plan = _without_minutes(plan, why, charging.denied)
        if not self._answer(link, asked, note, plan):
            await charges.release(note)
        self._decided(note, call, plan, time.perf_counter() - came)

    def _answered(self, link: Evapi, answered: Answered) -> None:
        """Have a call's minutes extended before they run out, or nothing end it where it takes none."""
        if self.feed is not None:
            self.feed.went_on(answered.call, "answered", answered_ms=answered.at * 1000)
        note = opened(answered.note)
        if note is not None and self._events is not None:
            self._events.went_on(note, answered)
        if note is None or not note.reservation or self._talking is None or self.draining:
            return
        if note.call not in self._talking:
            self._start(self._talking.look_after(link, note, answered))

    def _freed(self, link: Evapi, freed: Freed) -> None:
        """A call goes on to the mobile."""
        note = opened(freed.note)
        if note is None:
            return
        self._at_mobile.began(note)
        if self._events is not None:
            self._events.went_on(note, freed)
        if self._charges is not None and freed.by in (-1, link.number):
            self._start(self._charges.release(note))

    def _ended(self, link: Evapi, end: Ended | Failed) -> None:
        """Forget a call, and settle it if that is ours to do."""
        note = note_of(end, *self._numbers(end))
        self._over(note, end)
        if end.by in (-1, link.number):
            self._start(self._settled(link, note, end))

    def ended_unheard(self, note: Note, end: Ended, cause: int) -> None:
        """See `TalkUser`."""
        self.log.warning("a call of a Kamailio that died is settled", call=note.call, seconds=end.seconds)
        self._over(note, end)
        if self._charges is not None:
            self._start(self._settle(note, end, cause))

    async def _settle(self, note: Note, end: Ended, cause: int) -> None:
        if self._charges is not None:
            await self._charges.settle(note, end, cause)

    def _over(self, note: Note, end: Ended | Failed) -> None:
        """Tell who follows a call of its end, and forget it."""
        if self.feed is not None:
            times = {"ended_ms": milliseconds(end.over, end.at)}
            if isinstance(end, Ended):
                times["answered_ms"] = milliseconds(end.begun, end.start)
            self.feed.went_on(end.call, "ended" if isinstance(end, Ended) else "failed", **times)
        if self._events is not None:
            self._events.went_on(note, end)
        if self._at_mobile.over(note, end.call) and self._rules.passes:
            self._start(self._at_mobile.withdraw(note))
        if self._talking is not None:
            self._talking.over(end.call)

    async def _settled(self, link: Evapi, note: Note, end: Ended | Failed) -> None:
        """Have the node keep a call's end, and tell Kamailio that it has."""
        if self._charges is not None and not await self._charges.settle(note, end):
            return
        for each in self._links | {link}:  # the one that told may be gone: its peers tell it too
            each.say_kept(end.call)

    def _numbers(self, end: Ended | Failed) -> tuple[str, str]:
        """Return called and calling number of a call as far as Kamailio knew them."""
        called = number_in(plain(end.b)).removeprefix(self._rules.mark)
        numbering = self._rules.numbering
        return decision.calling(called, numbering), decision.calling(number_in(plain(end.a)), numbering)

    def _call_of(self, asked: InviteAsked) -> Call:
        device = plain(asked.device)
        caller = plain(asked.from_)
        if not device:
            asserted = _USER_OF_URI.search(plain(asked.pai))
            caller = number_in((asserted[1] or asserted[2]) if asserted else caller)
        diverted = [number_in(user or tel) for user, tel in _USER_OF_URI.findall(plain(asked.diversion))]
        trunk = "" if device else self._trunk_of(asked.src)
        hidden = wants_privacy(plain(asked.privacy), plain(asked.from_))
        return Call(
            number_in(plain(asked.to)), caller, trunk, device, tuple(diverted), time.time(), hidden=hidden
        )

    def _trunk_of(self, address: str) -> str:
        """Return the name of the trunk that an address is of; Kamailio has seen that it is one."""
        return self._trunks(address) or "trunk"

    def _answer(self, link: Evapi, asked: InviteAsked, note: Note, plan: Plan) -> bool:
        """Say what is to happen; False if the link is gone, and Kamailio has decided by itself."""
        return link.say(
            PlanAnswer(
                asked.ti,
                asked.tl,
                note.call,
                sealed(note),
                timeout=note.granted_s,
                steps=plan.steps,
                headers=plan.headers,
                sender=plan.sender,
                reply=plan.code,
                text=plan.text,
                tells=self._tells(note),
            )
        )

    def _tells(self, note: Note) -> Tells:
        """Return what has to be known of a call: that it was answered where somebody goes by that."""
        if self._events is not None and self._events.traces(note):
            return Tells.MESSAGES
        followed = self._events is not None and self._events.follows(note)
        return Tells.ANSWER if note.reservation or self.feed is not None or followed else Tells.END

    def _decided(self, note: Note, call: Call, plan: Plan, seconds: float) -> None:
        if self._events is not None:
            self._events.decided(note, plan)
        if self.feed is not None:
            called = plan.called or plan.number
            source = call.trunk or call.device
            shown = "" if plan.hidden else note.a  # who is called may see it
            view = CallView(note.call, "decided", plan.reason, shown, called, source, note.started_ms)
            self.feed.call(view, note.a)
        self.metrics.decided(plan.reason, seconds)
        self.log.info(
            "call",
            call=note.call,
            reason=plan.reason,
            caller=plan.caller or call.caller,
            to=call.to,
            called=plan.called,
            source=call.trunk or call.device,
            steps=len(plan.steps),
            code=plan.code,
            microseconds=round(seconds * 1e6),
        )

    # --- the node ---

    def _go_on(self) -> None:
        """Tell the node what waits, and come back when the next grace or retry ends."""
        registrations = self.registrations
        registrations.tick(_now())
        waiting, registrations.outbox = registrations.outbox, []
        for msisdn, registered in waiting:
            self._start(self._tell(msisdn, registered))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = registrations.next_deadline()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._go_on)

    async def _tell(self, msisdn: str, registered: bool) -> None:
        try:
            if self._scp is not None:
                identity = self.directory.identity(msisdn)
                await self._scp.tell(identity, msisdn, aor(msisdn, self._rules.domain), registered)
        except (ApiError, TransportError) as error:
            self.metrics.told["failed"] += 1
            self.log.warning("node not told", number=msisdn, registered=registered, what=str(error))
            self.registrations.failed(msisdn, _now())
        else:
            self.metrics.told["registered" if registered else "deregistered"] += 1
            if self._scp is not None:
                self.log.info("node told", number=msisdn, registered=registered)
            try:
                await asyncio.to_thread(self._store.mark_registered, [(msisdn, registered)])
            except StoreError as error:  # the node knows; a restart tells it again, in vain
                self.log.warning("not kept what the node was told", number=msisdn, what=str(error))
            self.registrations.told(msisdn, registered, _now())
        self._go_on()

    # --- tasks ---

    def _start(self, work: Awaitable[None]) -> None:
        task: asyncio.Future[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.log.error("a task failed", exc_info=task.exception())

    async def stop(self, limit: float) -> bool:
        """Let what is under way finish, for so many seconds; False if it did not."""
        self.draining = True
        if self._events is not None:
            self._events.stop()
        if self._talking is not None:
            self._talking.stop()
        for timer in (self._timer, self._counting):
            if timer is not None:
                timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        return not left


def _without_minutes(plan: Plan, why: Reason, denied: str) -> Plan:
    """Return what becomes of a call without minutes: back to the mobile, or an answer in words."""
    if plan.fallback and (denied == "mobile" or why is not Reason.NO_CREDIT):
        return replace(plan, reason=why, steps=plan.fallback)
    code, text = (402, "Payment Required") if why is Reason.NO_CREDIT else (503, "Service Unavailable")
    return replace(plan, reason=why, steps=(), code=code, text=text)


def _now() -> float:
    return asyncio.get_running_loop().time()
