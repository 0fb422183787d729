"""A node's MAP: enquiries, places of subscribers, reports of VLRs, and what writes these to the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from scp.app.arming import ArmingKeeper
from scp.config.messages import SMSC_SSN
from scp.domain.breaker import Breaker
from scp.domain.lookup import Pending
from scp.domain.map_results import Result
from scp.domain.moves import Moved
from scp.engine.alerts import ALERT_CONTEXTS, Alerts
from scp.engine.arming import arming, not_active, refusal
from scp.engine.enquiries import Enquiries
from scp.engine.mobility import CONTEXTS_SERVED, Mobility
from scp.engine.whereabouts import HLR_SSN, Places
from scp.ports import StoreError
from scp.store.beside import open_armed
from ss7.map.codec import FAST, VERSIONS
from ss7.map.contexts import (
    ANY_TIME_INFO_ENQUIRY,
    ANY_TIME_INFO_HANDLING,
    BY_NUMBER,
    SHORT_MSG_GATEWAY,
    SHORT_MSG_MT_RELAY,
)
from ss7.map.errors import PARAMETERS
from ss7.map.operations import OPERATIONS
from ss7.map.roots import argument_root, error_root, result_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.app.map_messages import MapMessages
    from scp.config import Config
    from scp.config.map import Map
    from scp.domain.armed import Armed
    from scp.domain.moves import Move
    from scp.domain.whereabouts import Located
    from scp.engine.cap.user import CapUser
    from scp.engine.enquiries import Answer
    from scp.engine.mobility import Written
    from scp.engine.signalling import Signalling
    from scp.engine.tc_users import TcUsers
    from scp.map_ports import MapTelemetry
    from scp.ports import SubscriberStore

_MOST_WRITES: Final = 20_000
_ASKED: Final = frozenset(
    BY_NUMBER[number, 3].octets for number in (ANY_TIME_INFO_ENQUIRY, ANY_TIME_INFO_HANDLING)
)
"""The contexts of the dialogues that this node begins, beside that of MAP v1, which has none."""
_DELIVERY: Final = frozenset(
    BY_NUMBER[number, version].octets
    for number in (SHORT_MSG_GATEWAY, SHORT_MSG_MT_RELAY)
    for version in (2, 3)
)
"""The contexts in which text messages are delivered, beside those of MAP v1."""


def prepare() -> None:
    """Load and make what the first message would else make: the tables of all types, the reference codec."""
    for operation in OPERATIONS:
        for version in VERSIONS:
            argument_root(operation.opcode, version)
            result_root(operation.opcode, version)
    for code in PARAMETERS:
        for version in VERSIONS:
            error_root(code, version)
    FAST.reference()


@final
class StoredMoves:
    """A `scp.engine.mobility.MoveWriter`.

    Writes of one subscriber follow each other in the order of their messages.

    Args:
        store: has the records.
        failed: told of what the store could not write.
    """

    def __init__(self, store: SubscriberStore, failed: Callable[[str], None]) -> None:
        self._store = store
        self._failed = failed
        self._last: dict[str, asyncio.Task[None]] = {}

    def write(self, move: Move, done: Written) -> None:
        """See `MoveWriter`."""
        if len(self._last) >= _MOST_WRITES:
            asyncio.get_running_loop().call_soon(done.written, Moved(Result.NOT_WRITTEN))
            return
        before = self._last.get(move.msisdn)
        task = asyncio.ensure_future(self._write(move, done, before))
        self._last[move.msisdn] = task
        task.add_done_callback(lambda over: self._over(move.msisdn, over))

    def _over(self, msisdn: str, task: asyncio.Task[None]) -> None:
        if self._last.get(msisdn) is task:
            del self._last[msisdn]

    async def _write(self, move: Move, done: Written, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        try:
            moved = await self._store.move(move)
        except StoreError as error:
            self._failed(str(error))
            moved = Moved(Result.NOT_WRITTEN)
        done.written(moved)

    async def close(self) -> None:
        """Let what is under way come to its end."""
        if self._last:
            await asyncio.wait(tuple(self._last.values()))


@final
class _Waiting:
    """Somebody who awaits an answer; a `LocationWaiter` and an `Asker`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.place: asyncio.Future[Located] = loop.create_future()
        self.answer: asyncio.Future[Answer] = loop.create_future()

    def located(self, place: Located) -> None:
        """Take a place."""
        if not self.place.done():
            self.place.set_result(place)

    def answered(self, answer: Answer, now: float) -> None:
        """Take an answer."""
        del now
        if not self.answer.done():
            self.answer.set_result(answer)


@final
class MapParts:
    """The parts of one node.

    Attributes:
        enquiries: begin dialogues.
        places: of subscribers.
        mobility: what VLRs tell; None: not taken.
        writer: of what messages tell.
        arming: keeps M-CSIs armed; None: nobody does.
    """

    def __init__(
        self,
        config: Config,
        signalling: Signalling,
        users: TcUsers,
        cap: CapUser,
        store: SubscriberStore,
        telemetry: MapTelemetry,
        failed: Callable[[str], None],
        arming_failed: Callable[[str], None],
    ) -> None:
        settings = config.map
        assert settings is not None
        self.enquiries = Enquiries(
            signalling,
            telemetry,
            config.sccp.global_title or "",
            settings.ssn,
            settings.gateway,
            settings.rate,
            settings.rate,
            settings.most,
        )
        self.places = Places(
            self.enquiries,
            config.numbering,
            telemetry,
            max_age=settings.max_age_s,
            patience=settings.timeout_ms / 1000,
            hlr=settings.hlr or "",
            breaker=Breaker(settings.failures, settings.rest_s),
        )
        self.writer = StoredMoves(store, failed)
        self._clock = signalling.clock
        self._hlr = settings.hlr or ""
        users.add(self.enquiries, settings.ssn, (*_ASKED, b""))
        self.mobility = self._mobility(config, settings, signalling, telemetry)
        self.arming = self._arming(config, settings, store, arming_failed)
        if self.mobility is not None:
            users.add(self.mobility, settings.ssn, CONTEXTS_SERVED)
            self.mobility.subscriptions = self.arming
        cap.locator = self.places
        cap.place_deadline = settings.deadline_ms / 1000

    def _mobility(
        self, config: Config, settings: Map, signalling: Signalling, telemetry: MapTelemetry
    ) -> Mobility | None:
        """Return what takes the messages of VLRs; None: they are not taken."""
        if not settings.mobility:
            return None
        return Mobility(
            signalling,
            self.writer,
            self.places,
            config.numbering,
            telemetry,
            settings.allowed_callers,
            checks_sender=settings.check_sender,
        )

    def _arming(
        self, config: Config, settings: Map, store: SubscriberStore, failed: Callable[[str], None]
    ) -> ArmingKeeper | None:
        """Return what keeps M-CSIs armed; None: nobody does."""
        if settings.arming is None:
            return None
        state = settings.arming.state
        return ArmingKeeper(
            settings.arming,
            store,
            open_armed(state and state.reveal(), config.store.url.reveal()),
            self._ask_arming,
            self._reachable,
            failed,
        )

    def deliver(self, messages: MapMessages, signalling: Signalling, users: TcUsers) -> None:
        """Deliver text messages, and take the HLR's alerts."""
        users.add(self.enquiries, SMSC_SSN, (*_DELIVERY, b""))
        alerts = Alerts(signalling, messages, self.places.numbering)
        users.add(alerts, SMSC_SSN, ALERT_CONTEXTS)
        self.enquiries.unstructured = alerts
        messages.attach(
            self.enquiries, signalling.clock, lambda: any(link.active for link in signalling.links)
        )

    async def locate(self, msisdn: str) -> Located:
        """Return where a subscriber is: remembered, or asked."""
        waiting = _Waiting()
        place = self.places.locate(msisdn, waiting, self._clock())
        return await waiting.place if isinstance(place, Pending) else place

    async def arm(self, msisdn: str, *, on: bool) -> str:
        """Have the HLR switch a subscriber's M-CSI; return "" or why it does not. Raises `StoreError`."""
        answer = await self._ask_arming(msisdn, on)
        if self.arming is not None:
            await self.arming.asked_by_hand(msisdn, answer, on=on)
        return refusal(answer) or (not_active(answer.value) if on else "")

    async def _ask_arming(self, msisdn: str, on: bool) -> Answer:
        waiting = _Waiting()
        question = arming(self.enquiries.title, msisdn, self._hlr, on=on)
        answer = self.enquiries.ask(question, waiting, self._clock())
        return await waiting.answer if isinstance(answer, Pending) else answer

    def _reachable(self, msisdn: str) -> bool:
        """Whether there is a way to a subscriber's HLR now."""
        return self.enquiries.reaches(self._hlr or msisdn, HLR_SSN)

    async def armed(self, msisdn: str) -> Armed | None:
        """Return what is known of a subscriber's M-CSI; None: nothing. Raises `StoreError`."""
        return None if self.arming is None else await self.arming.of(msisdn)

    async def start(self) -> None:
        """Begin to arm M-CSIs; raises `StoreError`."""
        if self.arming is not None:
            await self.arming.start()

    async def close(self) -> None:
        """Let what is under way come to its end."""
        if self.arming is not None:
            await self.arming.stop()
        await self.writer.close()

    def silent_for(self) -> float:
        """Return for how many seconds a silent HLR has been left alone, 0 if it is not."""
        return self.places.silent_for(self._clock())

    def roaming(self, vlr: str) -> bool | None:
        """Whether a VLR is abroad."""
        return self.places.numbering.roaming(vlr)

    def adopt(self, config: Config) -> None:
        """Take over what a reload may change."""
        self.places.numbering = config.numbering
        if self.mobility is not None:
            self.mobility.numbering = config.numbering
