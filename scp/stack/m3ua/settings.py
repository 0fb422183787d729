"""What an operator sets for one M3UA peer, and the timers with their defaults.

Plain dataclasses: mypyc drops the class keywords of a msgspec Struct, which would then not be frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from ss7.m3ua_parameters import KeyDestination


class Role(Enum):
    """How we stand to the peer; which side connects is the transport's business (§1.4.8)."""

    ASP = "asp"
    IPSP = "ipsp"  # single exchange (§4.3.4.1.2): the peer may ask as well as we


class TrafficMode(IntEnum):
    """Traffic Mode Type (§3.7.1); UNSPECIFIED sends none and takes what the gateway has."""

    UNSPECIFIED = 0
    OVERRIDE = 1
    LOADSHARE = 2
    BROADCAST = 3


@final
@dataclass(frozen=True, kw_only=True)
class Timers:
    """All times are in seconds.

    Attributes:
        ack: T(ack), until a request is sent again (§4.3.4: 2 s by default).
        attempts: requests without an answer before the ASP starts anew with ASPUP, or gives a withdrawal up.
        retry: how long the ASP waits after the gateway refused a request with ERR.
        beat: T(beat), between BEATs; 0: none, as SCTP has heartbeats of its own (§4.3.4.6). Set it over TCP.
        recovery: T(r), how long the gateway's AS waits in AS-PENDING for an ASP (§4.3.2).
        congestion: how long a SCON holds, since ITU networks have no message that ends it (§3.4.4).
    """

    ack: float = 2.0
    attempts: int = 3
    retry: float = 10.0
    beat: float = 0.0
    recovery: float = 2.0
    congestion: float = 10.0


@final
@dataclass(frozen=True, kw_only=True)
class Key:
    """A routing key: to register by the ASP, or provisioned at the gateway.

    Attributes:
        destinations: DPCs with the SIs and OPCs that the key is limited to.
        routing_context: what the gateway assigns; the ASP does not send it.
    """

    destinations: tuple[KeyDestination, ...]
    routing_context: int = -1


@final
@dataclass(frozen=True, kw_only=True)
class AspSettings:
    """Of our side.

    Attributes:
        role: see `Role`.
        routing_contexts: of the application servers that are served over this association, each once. None:
            there is one, none is sent, and whatever the gateway's messages say is taken.
        network_appearance: -1: none.
        network_appearances: of each of ``routing_contexts``, in their order, in place of one for all.
        traffic_mode: see `TrafficMode`.
        asp_identifier: sent in ASPUP unless -1.
        key: registered with REG REQ before ASPAC, which then has the routing context assigned to it, whatever
            ``routing_contexts`` says.
        audit: point codes asked about with DAUD when the ASP becomes active (§4.5.3).
        check_streams: hold the peer to §1.4.7 (no DATA on stream 0, management on stream 0).
        timers: see `Timers`.
    """

    role: Role = Role.ASP
    routing_contexts: tuple[int, ...] = ()
    network_appearance: int = -1
    network_appearances: tuple[int, ...] = ()
    traffic_mode: TrafficMode = TrafficMode.LOADSHARE
    asp_identifier: int = -1
    key: Key | None = None
    audit: tuple[int, ...] = ()
    check_streams: bool = True
    timers: Timers = Timers()


@final
@dataclass(frozen=True, kw_only=True)
class SgpSettings:
    """Of the gateway's side.

    Attributes:
        routing_contexts: of the application servers that the ASP serves, each once. None: there is one, and
            any routing context is taken for it.
        network_appearance: -1: none.
        network_appearances: of each of ``routing_contexts``, in their order, in place of one for all.
        traffic_mode: refused unless the same (§4.3.4.3); UNSPECIFIED takes any.
        require_asp_identifier: refuse an ASPUP without one.
        keys: routing keys that may be registered; None: routing key management is not supported (§4.4.1).
        queue: messages kept for the ASP in AS-PENDING (§4.3.2).
        check_streams: as `AspSettings`.
        timers: see `Timers`.
    """

    routing_contexts: tuple[int, ...] = ()
    network_appearance: int = -1
    network_appearances: tuple[int, ...] = ()
    traffic_mode: TrafficMode = TrafficMode.UNSPECIFIED
    require_asp_identifier: bool = False
    keys: tuple[Key, ...] | None = None
    queue: int = 1024
    check_streams: bool = True
    timers: Timers = Timers()
