"""The gateway's view of one ASP and of its application server (RFC 4666 §4.3.1, §4.3.2) as two tables."""

from __future__ import annotations

from enum import Enum
from typing import Final

from scp.stack.m3ua.events import AspState, AsState
from scp.stack.m3ua.table import Action, Row


class Peer(Enum):
    """The ASP as the gateway sees it; IDLE is ASP-DOWN without an association."""

    IDLE = "no association"
    DOWN = "down"
    INACTIVE = "inactive"
    ACTIVE = "active"


STATE_OF: Final = {
    Peer.IDLE: AspState.DOWN,
    Peer.DOWN: AspState.DOWN,
    Peer.INACTIVE: AspState.INACTIVE,
    Peer.ACTIVE: AspState.ACTIVE,
}


class Input(Enum):
    """What can happen."""

    CONNECTED = "association up"
    LOST = "association lost"
    ASPUP = "ASPUP"
    ASPDN = "ASPDN"
    ASPAC = "ASPAC"
    ASPIA = "ASPIA"
    WITHDRAW = "the administration takes traffic away"
    SHUT = "the administration takes the ASP down"


_A: Final = Action
_P: Final = Peer
_I: Final = Input

ROWS: Final[dict[tuple[Peer, Input], Row]] = {
    (_P.IDLE, _I.CONNECTED): Row((), _P.DOWN, "4.3.3", "association up"),
    (_P.DOWN, _I.LOST): Row((), _P.IDLE, "4.3.1", "association lost"),
    (_P.INACTIVE, _I.LOST): Row((_A.DEREGISTER,), _P.IDLE, "4.3.1", "association lost"),
    (_P.ACTIVE, _I.LOST): Row((_A.DEREGISTER,), _P.IDLE, "4.3.1", "association lost"),
    (_P.DOWN, _I.ASPUP): Row((_A.ANSWER,), _P.INACTIVE, "4.3.4.1", "ASPUP"),
    (_P.INACTIVE, _I.ASPUP): Row((_A.ANSWER,), _P.INACTIVE, "4.3.4.1", ""),
    (_P.ACTIVE, _I.ASPUP): Row(
        (_A.ANSWER, _A.ERROR, _A.DEREGISTER), _P.INACTIVE, "4.3.4.1", "ASPUP while active"
    ),
    (_P.DOWN, _I.ASPDN): Row((_A.ANSWER,), _P.DOWN, "4.3.4.2", ""),
    (_P.INACTIVE, _I.ASPDN): Row((_A.ANSWER, _A.DEREGISTER), _P.DOWN, "4.3.4.2", "ASPDN"),
    (_P.ACTIVE, _I.ASPDN): Row((_A.ANSWER, _A.DEREGISTER), _P.DOWN, "4.3.4.2", "ASPDN"),
    (_P.INACTIVE, _I.ASPAC): Row((_A.ANSWER,), _P.ACTIVE, "4.3.4.3", "ASPAC"),
    (_P.ACTIVE, _I.ASPAC): Row((_A.ANSWER,), _P.ACTIVE, "4.3.4.3", ""),
    (_P.INACTIVE, _I.ASPIA): Row((_A.ANSWER,), _P.INACTIVE, "4.3.4.4", ""),
    (_P.ACTIVE, _I.ASPIA): Row((_A.ANSWER,), _P.INACTIVE, "4.3.4.4", "ASPIA"),
    (_P.ACTIVE, _I.WITHDRAW): Row((_A.WITHDRAW,), _P.INACTIVE, "4.3.4.4", "traffic taken away"),
    (_P.INACTIVE, _I.SHUT): Row((_A.SHUT, _A.DEREGISTER), _P.DOWN, "4.3.4.2", "taken down"),
    (_P.ACTIVE, _I.SHUT): Row((_A.SHUT, _A.DEREGISTER), _P.DOWN, "4.3.4.2", "taken down"),
}
"""(ASP, input) → row. A request without a row is unexpected (§3.8.1): ASPAC, ASPIA while down."""


class Change(Enum):
    """What can happen to an application server with one ASP."""

    ASP_DOWN = "its ASP is down"
    ASP_INACTIVE = "its ASP is inactive"
    ASP_ACTIVE = "its ASP is active"
    RECOVERED = "T(r) expired, its ASP is inactive"
    GONE = "T(r) expired, its ASP is down"


AS_ROWS: Final[dict[tuple[AsState, Change], AsState]] = {
    # §4.3.2, figure 4.
    (AsState.DOWN, Change.ASP_INACTIVE): AsState.INACTIVE,
    (AsState.INACTIVE, Change.ASP_ACTIVE): AsState.ACTIVE,
    (AsState.INACTIVE, Change.ASP_DOWN): AsState.DOWN,
    (AsState.ACTIVE, Change.ASP_INACTIVE): AsState.PENDING,
    (AsState.ACTIVE, Change.ASP_DOWN): AsState.PENDING,
    (AsState.PENDING, Change.ASP_ACTIVE): AsState.ACTIVE,
    (AsState.PENDING, Change.RECOVERED): AsState.INACTIVE,
    (AsState.PENDING, Change.GONE): AsState.DOWN,
}
"""(AS, change) → next state. A change without a row changes nothing."""
