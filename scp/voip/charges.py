"""Minutes and records of calls at the node: reserved before a call is put through, settled at its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from scp import client
from scp.client import ApiError, TransportError
from scp.voip.calls import NORMAL_CLEARING, leg_of
from scp.voip.messages import Ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from structlog.typing import FilteringBoundLogger

    from scp.client import Reservation
    from scp.voip.calls import Note
    from scp.voip.messages import Failed
    from scp.voip.metrics import VoipMetrics
    from scp.voip.scp_link import ScpLink

RETRY_FIRST: Final = 0.5
RETRY_MOST: Final = 30.0
"""Seconds until a settlement that the node did not answer is sent again; doubled with each attempt."""
APART: Final = 60
"""Seconds that Kamailio's clock may be behind the brain's."""
TRIED_AGAIN: Final = (401, 403, 429, 500, 502, 503, 504)
"""What the node answers without a word on the settlement; a token without its scopes can be mended."""


class Minutes(NamedTuple):
    """What the node said: ``reservation`` is "" where there are none; ``failed``: it did not say."""

    reservation: str
    seconds: int
    failed: bool = False


@final
class Charges:
    """Reservations and records of one brain.

    Args:
        scp: the node.
        metrics: what counts.
        log: where what can't be settled is said.
        start: runs a coroutine beside.
    """

    def __init__(
        self,
        scp: ScpLink,
        metrics: VoipMetrics,
        log: FilteringBoundLogger,
        start: Callable[[Awaitable[None]], None],
    ) -> None:
        self._scp = scp
        self._metrics = metrics
        self._log = log
        self._start = start
        self._settling: set[str] = set()

    async def reserve(self, call: str, caller: str, number: str, minutes: int, payer: str) -> Minutes:
        """Ask for minutes, until the deadline; a grant that comes later is given back."""
        wanted = client.reserve(call, caller or payer, number, minutes, payer).once(call)
        asked: asyncio.Future[Reservation] = asyncio.ensure_future(self._scp.send(wanted, self._scp.deadline))
        try:
            async with asyncio.timeout(self._scp.deadline):
                given = await asyncio.shield(asked)
        except TimeoutError:
            self._start(self._give_back(asked))
        except (ApiError, TransportError) as error:
            self._log.warning("no minutes", call=call, what=str(error))
        else:
            if given.approved and given.id:
                self._metrics.money["granted"] += 1
                return Minutes(given.id, given.granted_seconds)
            self._metrics.money["denied"] += 1
            return Minutes("", 0)
        self._metrics.money["failed"] += 1
        return Minutes("", 0, failed=True)

    async def _give_back(self, asked: asyncio.Future[Reservation]) -> None:
        try:
            given = await asked
        except (ApiError, TransportError):
            return  # where it took effect after all, the node's own expiry frees it
        if given.approved and given.id:
            await self._until_done(client.release(given.id))

    async def extend(self, reservation: str, minutes: int) -> int:
        """Ask for more minutes, to a total; return all seconds granted, 0 if that can't be said."""
        try:
            given = await self._scp.send(client.extend(reservation, minutes))
        except (ApiError, TransportError) as error:
            self._log.warning("no further minutes", reservation=reservation, what=str(error))
            return 0
        return given.granted_seconds

    async def release(self, note: Note) -> None:
        """Give a call's minutes back: it goes on where it costs nothing."""
        if note.reservation:
            await self._until_done(client.release(note.reservation))
            self._metrics.money["released"] += 1

    async def settle(self, note: Note, end: Ended | Failed, cause: int = NORMAL_CLEARING) -> bool:
        """Charge what was talked and keep the leg; False if that is being done already.

        Both are idempotent at the node: by the ids of reservation and leg. Returns when it has both,
        however often it had to be tried.
        """
        if note.call in self._settling:
            return False
        self._settling.add(note.call)
        try:
            if note.reservation:
                await self._settle_minutes(note, end)
            await self._until_done(client.record_leg(leg_of(note, end, cause)))
        finally:
            self._settling.discard(note.call)
        return True

    async def _settle_minutes(self, note: Note, end: Ended | Failed) -> None:
        if isinstance(end, Ended) and end.free != "1":
            done = await self._until_done(client.commit(note.reservation, talked(note, end)))
            self._metrics.money["committed" if done else "unsettled"] += 1
        else:
            await self._until_done(client.release(note.reservation))
            self._metrics.money["released"] += 1

    async def _until_done(self, call: client.Call[Any]) -> bool:
        """Send a call until the node answers; False if it refuses: it was settled before, or has expired."""
        wait = RETRY_FIRST
        while True:
            try:
                await self._scp.send(call)
            except TransportError as error:
                self._log.warning("not settled yet", path=call.path, what=str(error))
            except ApiError as error:
                if error.problem.status not in TRIED_AGAIN:
                    self._log.info("settled otherwise", path=call.path, what=str(error))
                    return False
                self._log.warning("not settled yet", path=call.path, what=str(error))
            else:
                return True
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_MOST)


def talked(note: Note, end: Ended) -> int:
    """Return the seconds to charge: the begun one at least.

    Of an answer that was told from before the call, those since the call came.
    """
    came = note.started_ms // 1000
    return max(1, end.seconds if end.start > came - APART else end.at - came)
