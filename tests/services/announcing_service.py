"""A service that announces and asks, for tests: what it heard decides where the call goes.

``announce``: the caller hears message 5, then the call is released. ``collect``: the digits that the caller keys in are
the number that the call is connected to; without any it goes on as dialled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from scp.domain.announcement import Announcement
from scp.domain.decision import Action, Decision, Reason
from scp.services.announcing import Heard, announce, collect
from scp.services.settings import read_settings
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg
from ss7.cause import Cause, Location
from ss7.isup import CalledPartyNumber

if TYPE_CHECKING:
    from scp.services.api import Call, NodeSettings

RELEASED = Decision(Action.RELEASE, Reason.SERVICE_LOGIC)
NO_CREDIT = Cause(31, Location.LOCAL_PUBLIC_NETWORK).encode()


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    asks: bool = False
    plays: str = "told"


class Announcing:
    name = "announcing"

    def __init__(self, message: Announcement, *, asks: bool) -> None:
        self.message = message
        self.asks = asks
        self.heard: list[Any] = []

    async def run(self, call: Call) -> None:
        call.decided(RELEASED)
        if self.asks:
            heard, digits = await collect(call, self.message, 2, 6)
            self.heard.append((heard, digits))
            if heard is Heard.OVER:
                return
            if digits:
                call.invoke(Opcode.CONNECT, ConnectArg((CalledPartyNumber(digits, 2).encode(),)))
            else:
                call.invoke(Opcode.CONTINUE)
        else:
            heard = await announce(call, self.message)
            self.heard.append(heard)
            if heard is not Heard.OVER:
                call.invoke(Opcode.RELEASE_CALL, NO_CREDIT)


def announcing(settings: dict[str, Any], node: NodeSettings) -> Announcing:
    own = read_settings(settings, Settings)
    return Announcing(node.announcements[own.plays], asks=own.asks)
