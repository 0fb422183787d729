"""A node's charging by Diameter Ro, in virtual time, and servers that are python-diameter's, over TCP."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

from diameter.message import Avp, constants
from ocs import CLIENT, REALM, Books, Ocs, awaited

from oracles import virtual_time
from scp.charging.ro import RoCharging
from scp.charging.ro_client import RoClient, Timers
from scp.charging.ro_messages import FailureHandling, Identity
from scp.charging.ro_quotas import RoQuotas
from scp.charging.ro_sessions import RoSessions
from scp.domain.quota import UNUSED, QuotaRequest, Usage
from scp.domain.reservation import reservation_id
from scp.ports import StoreError
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000009", "46701234567"
SESSION = reservation_id(A, b"0123456789")
NOW = 1_700_000_000
HOST = f"ocs1.{REALM}"
FAILOVER = Avp.new(constants.AVP_CC_SESSION_FAILOVER, value=1)
TX, DEADLINE, TW = 1.0, 3.0, 30.0


def request(seconds: int, tenths: int = 0, told: int = 0, **more: int) -> QuotaRequest:
    usage = Usage(((tenths, 0),), told) if tenths else UNUSED
    return QuotaRequest(SESSION, A, "c", A, B, seconds, usage, **more)


class Room(SimpleNamespace):
    """A node's charging: client, ledger, quotas, minutes; and the servers with their books."""

    def another(self) -> RoQuotas:
        """Quotas of another node that has the same ledger."""
        return RoQuotas(self.sessions(), self.ledger, self.wall, grace_ms=60_000)

    def sessions(self) -> RoSessions:
        return RoSessions(self.client, self.wall, moves=self.moves, handling=self.handling)

    async def connected(self, missing: int = 0) -> None:
        while self.client.missing > missing:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.01)


def run(
    body: Callable[[Room], Awaitable[None]],
    *servers: Ocs,
    moves: bool = False,
    handling: FailureHandling = FailureHandling.RETRY_AND_TERMINATE,
    stay: bool = True,
    tls: ssl.SSLContext | None = None,
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        identity = Identity(CLIENT, REALM, REALM, "32260@3gpp.org", 7, 8, None, NOW)
        client = RoClient(
            tuple(("127.0.0.1", each.port) for each in servers),
            identity,
            random.Random(1),
            loop.time,
            Timers(TX, DEADLINE, TW, 5.0),
            tls=tls,
        )
        loop.outside(lambda: awaited(client, *servers))
        ledger = SqliteLedger(":memory:")
        await ledger.open()
        room = Room(client=client, ledger=ledger, servers=servers, moves=moves, handling=handling)
        room.wall = lambda: NOW * 1000 + int(loop.time() * 1000)
        sessions = room.sessions()
        room.quotas = RoQuotas(sessions, ledger, room.wall, grace_ms=60_000)
        room.minutes = RoCharging(sessions, ledger, room.wall, grace_ms=60_000, max_seconds=3600)
        try:
            await client.start()
            if stay:
                await room.connected()
            await body(room)
        finally:
            await client.close()
            await ledger.close()

    virtual_time.run(main())


def kinds(books: Books) -> list[tuple[int, int]]:
    """CC-Request-Type and CC-Request-Number of all that came."""
    return [(each.cc_request_type, each.cc_request_number) for each in books.requests]


def flagged(books: Books) -> list[bool]:
    """Whether each request that came has the T flag."""
    return [bool(each.header.command_flags & 0x10) for each in books.requests]


async def tried(asked: Awaitable[object]) -> object:
    """The answer; None if there is none."""
    try:
        return await asked
    except StoreError:
        return None
