"""What the M3UA machines tell their owner. The owner drains ``events``; nothing here calls back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias, final


class AspState(StrEnum):
    """State of the ASP (§4.3.1)."""

    DOWN = "down"
    INACTIVE = "inactive"
    ACTIVE = "active"


class AsState(Enum):
    """State of the application server (§4.3.2); values are the Status Information of NTFY (§3.8.2)."""

    DOWN = 1
    INACTIVE = 2
    ACTIVE = 3
    PENDING = 4


class DiscardReason(StrEnum):
    """Why a message, or a part of it, was thrown away: all there are, fit for a label."""

    MALFORMED = "malformed"  # the codec refused it
    NOT_ACTIVE = "not-active"  # DATA while not ASP-ACTIVE
    UNEXPECTED = "unexpected-message"  # known, but not in this state, or not from this side
    STREAM = "stream"  # on a stream that §1.4.7 keeps for others
    DATA_STREAM = "data-on-stream-0"  # where §1.4.7 has none; it is taken all the same
    FURTHER_PARAMETER = "further-parameter"  # that the message does not list; the rest is taken (§3)
    ROUTING_CONTEXT = "routing-context"
    NETWORK_APPEARANCE = "network-appearance"
    NETWORK_INDICATOR = "network-indicator"  # of none of the networks that the link leads to
    TRAFFIC_MODE = "traffic-mode"
    ASP_IDENTIFIER = "asp-identifier"
    BLOCKED = "blocked"  # the administration holds the ASP down
    NOT_CONNECTED = "not-connected"
    QUEUE_FULL = "queue-full"
    RECOVERY_EXPIRED = "recovery-expired"  # T(r) ran out on messages queued in AS-PENDING
    TOO_MANY_DESTINATIONS = "too-many-destinations"
    CONGESTED = "congested"  # what matters least, to a destination that SCON has spoken of


class Availability(StrEnum):
    """Of a destination (§3.4)."""

    AVAILABLE = "available"
    RESTRICTED = "restricted"
    UNAVAILABLE = "unavailable"


@final
@dataclass(frozen=True)
class StateChange:
    """The ASP's state changed: the best that it has in any application server. ``why`` is for people."""

    old: AspState
    new: AspState
    why: str


@final
@dataclass(frozen=True)
class ServerChange:
    """The ASP's state changed in one of several application servers (§4.3.1); ``why`` is for people."""

    routing_context: int
    new: AspState
    why: str


@final
@dataclass(frozen=True)
class AsStateChange:
    """An application server's state changed; ``routing_context`` says which of several, -1: the one."""

    old: AsState
    new: AsState
    routing_context: int = -1


@final
@dataclass(frozen=True)
class Discard:
    """A message was thrown away, or a part of it; ``message`` is its abbreviation, ``why`` is for people."""

    reason: DiscardReason
    message: str
    why: str = ""


@final
@dataclass(frozen=True)
class Notified:
    """NTFY came (§3.8.2); ``text`` says what it means."""

    status_type: int
    information: int
    text: str


@final
@dataclass(frozen=True)
class ErrorReceived:
    """ERR came (§3.8.1): its code, the code's name, the diagnostic octets.

    ``refused`` is the request of ours that it is taken for the answer to, in words; "" where none is out.
    """

    code: int
    text: str
    diagnostic: bytes
    refused: str = ""


@final
@dataclass(frozen=True)
class ErrorSent:
    """ERR went out, because of ``why``."""

    code: int
    why: str


@final
@dataclass(frozen=True)
class DestinationChange:
    """SSNM: a destination, or a range of ``mask`` wildcard bits, changed its availability."""

    point_code: int
    mask: int
    availability: Availability


@final
@dataclass(frozen=True)
class Congestion:
    """SCON: messages to these destinations should be fewer; ``level`` 0 ends it, 1 where none was given."""

    point_code: int
    mask: int
    level: int


@final
@dataclass(frozen=True)
class UserPartUnavailable:
    """DUPU: ``user`` (3 is SCCP) at ``point_code`` is not there; ``cause`` as §3.4.5."""

    point_code: int
    user: int
    cause: int


@final
@dataclass(frozen=True)
class Registered:
    """The routing key got this routing context."""

    routing_context: int


@final
@dataclass(frozen=True)
class RegistrationRefused:
    """The gateway does not register the routing key; ``status`` as §3.6.2."""

    status: int
    text: str


@final
@dataclass(frozen=True)
class Unanswered:
    """A request had no answer within T(ack), for the ``attempts``-th time in a row."""

    request: str
    attempts: int


@final
@dataclass(frozen=True)
class BringDown:
    """The peer is silent: the owner is to abort the association, then to call ``lost``."""

    why: str


Event: TypeAlias = (
    StateChange
    | ServerChange
    | AsStateChange
    | Discard
    | Notified
    | ErrorReceived
    | ErrorSent
    | DestinationChange
    | Congestion
    | UserPartUnavailable
    | Registered
    | RegistrationRefused
    | Unanswered
    | BringDown
)

STATUS_TEXT: dict[tuple[int, int], str] = {
    (1, 2): "AS-INACTIVE",
    (1, 3): "AS-ACTIVE",
    (1, 4): "AS-PENDING",
    (2, 1): "insufficient ASP resources active in AS",
    (2, 2): "alternate ASP active",
    (2, 3): "ASP failure",
}
"""Status type and information of NTFY (§3.8.2)."""

REGISTRATION_TEXT: tuple[str, ...] = (
    "successfully registered",
    "error unknown",
    "invalid DPC",
    "invalid network appearance",
    "invalid routing key",
    "permission denied",
    "cannot support unique routing",
    "routing key not currently provisioned",
    "insufficient resources",
    "unsupported routing key parameter field",
    "unsupported or invalid traffic handling mode",
    "routing key change refused",
    "routing key already registered",
)
"""Registration Status (§3.6.2)."""
