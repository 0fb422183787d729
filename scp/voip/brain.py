"""The brain: hears Kamailio, decides, answers; tells the node who is registered.

It holds nothing that it can't lose: bindings are Kamailio's and told as a level, the directory is in its
store, and what a call has used is in the end that Kamailio keeps until it is told that the records have it.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final, final

from scp.client import ApiError, TransportError
from scp.telemetry.logs import get_logger
from scp.voip import decision
from scp.voip.decision import Call, Plan, aor
from scp.voip.messages import (
    Answered,
    Bindings,
    Count,
    DeviceAsked,
    Ended,
    Failed,
    Ha1Answer,
    InviteAsked,
    Kept,
    PlanAnswer,
    Welcome,
    plain,
)
from scp.voip.registrations import Registrations

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from scp.voip.config import VoipConfig
    from scp.voip.directory import Directory
    from scp.voip.evapi import Evapi
    from scp.voip.messages import Heard
    from scp.voip.metrics import VoipMetrics
    from scp.voip.scp_link import ScpLink
    from scp.voip.store import Store

_USER_OF_URI: Final = re.compile(r"sips?:([^@;>]+)@")


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
        self.metrics = metrics
        self._rules = config.rules
        self._trunks = _networks(config)
        self._store = store
        self._scp = scp
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._log = get_logger(voip=config.voip.name)
        self._born = int(time.time())
        self._calls = 0

    def adopt(self, config: VoipConfig) -> None:
        """Go on with what a reload may change: rules, trunks, numbering."""
        self.config = config
        self._rules = config.rules
        self._trunks = _networks(config)
        self.registrations.grace = config.voip.grace_s

    # --- scp.voip.evapi.LinkUser ---

    def linked(self, link: Evapi) -> None:
        """See `LinkUser`."""
        self.metrics.links[link.address] = True
        self._log.info("linked", kamailio=link.address)
        for msisdn in self.registrations.believed():
            link.say(Count(aor(msisdn, self._rules.domain)))

    def unlinked(self, link: Evapi, why: str) -> None:
        """See `LinkUser`."""
        was_up = self.metrics.links.get(link.address)
        self.metrics.links[link.address] = False
        if was_up is not False:
            self._log.warning("link down", kamailio=link.address, what=why)

    def unreadable(self, link: Evapi, why: str) -> None:
        """See `LinkUser`."""
        self.metrics.unreadable += 1
        self._log.warning("unreadable message", kamailio=link.address, what=why)

    def heard(self, link: Evapi, message: Heard) -> None:
        """See `LinkUser`."""
        if isinstance(message, InviteAsked):
            self._invite(link, message)
        elif isinstance(message, DeviceAsked):
            self._device(link, message)
        elif isinstance(message, Bindings):
            self._bindings(message)
        elif isinstance(message, Welcome):
            link.started = message.started
            self.linked(link)
        elif isinstance(message, (Ended, Failed)):
            link.say(Kept(message.call))
        else:
            assert isinstance(message, Answered)

    # --- devices ---

    def _device(self, link: Evapi, asked: DeviceAsked) -> None:
        """Say with which HA1 a device may act for a number: the seam of admission."""
        user, number = plain(asked.user), plain(asked.number)
        ha1 = self.directory.admits(user, number.removeprefix("+")) if number.startswith("+") else ""
        link.say(Ha1Answer(asked.ti, asked.tl, ha1))
        self.metrics.admitted["yes" if ha1 else "no"] += 1
        if not ha1:
            self._log.info(
                "device refused", device=user, number=number, method=asked.method, source=asked.src
            )

    def _bindings(self, told: Bindings) -> None:
        found = _USER_OF_URI.match(plain(told.aor))
        msisdn = found[1].removeprefix("+") if found else ""
        if self.directory.identity(msisdn) is None:
            return
        if self.directory.bindings(msisdn) != told.count:
            self._log.info("bindings", number=msisdn, count=told.count)
        self.directory.bind(msisdn, told.count)
        self.registrations.count(msisdn, told.count, _now())
        self._go_on()

    # --- calls ---

    def _invite(self, link: Evapi, asked: InviteAsked) -> None:
        came = time.perf_counter()
        call = self._call_of(asked)
        plan = decision.decide(call, self.directory, self._rules)
        self._calls += 1
        name = f"{self.config.voip.name}-{self._born:x}-{self._calls:x}"
        self._answer(link, asked, name, plan)
        self._decided(call, plan, time.perf_counter() - came)

    def _call_of(self, asked: InviteAsked) -> Call:
        device = plain(asked.device)
        caller = plain(asked.from_)
        if not device:
            asserted = _USER_OF_URI.search(plain(asked.pai))
            caller = asserted[1] if asserted else caller
        diverted = _USER_OF_URI.findall(plain(asked.diversion))
        trunk = "" if device else self._trunk_of(asked.src)
        return Call(plain(asked.to), caller, trunk, device, tuple(diverted))

    def _trunk_of(self, address: str) -> str:
        """Return the name of the trunk that an address is of; Kamailio has seen that it is one."""
        return self._trunks(address) or "trunk"

    def _answer(self, link: Evapi, asked: InviteAsked, name: str, plan: Plan) -> None:
        link.say(
            PlanAnswer(
                asked.ti,
                asked.tl,
                name,
                steps=plan.steps,
                headers=plan.headers,
                reply=plan.code,
                text=plan.text,
            )
        )

    def _decided(self, call: Call, plan: Plan, seconds: float) -> None:
        self.metrics.decided(plan.reason, seconds)
        self._log.info(
            "call",
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
            self._log.warning("node not told", number=msisdn, registered=registered, what=str(error))
            self.registrations.failed(msisdn, _now())
        else:
            self.metrics.told["registered" if registered else "deregistered"] += 1
            self._log.info("node told", number=msisdn, registered=registered)
            await asyncio.to_thread(self._store.mark_registered, [(msisdn, registered)])
            self.registrations.told(msisdn, registered, _now())
        self._go_on()

    # --- tasks ---

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("a task failed", exc_info=task.exception())

    async def stop(self, limit: float) -> bool:
        """Let what is under way finish, for so many seconds; False if it did not."""
        self.draining = True
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        return not left


def _now() -> float:
    return asyncio.get_running_loop().time()


def _networks(config: VoipConfig) -> Callable[[str], str]:
    """Return a function from an address to the name of the trunk that it is of, "" if it is of none."""
    from ipaddress import ip_address, ip_network  # noqa: PLC0415

    networks = [
        (ip_network(network, strict=False), trunk.name)
        for trunk in config.trunks
        for network in trunk.addresses
    ]

    def find(text: str) -> str:
        try:
            address = ip_address(text)
        except ValueError:
            return ""
        return next((name for network, name in networks if address in network), "")

    return find
