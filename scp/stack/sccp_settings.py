"""Settings of an `Sccp`, its events, and the reasons why a message is discarded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, final

if TYPE_CHECKING:
    from ss7.errors import DecodeError
    from ss7.sccp import GlobalTitle

SI_SCCP: Final = 3
"""Service indicator of SCCP (Q.704 §14.2.1)."""

DISCARD: Final = "discard"
"""Kind of an event: a message was discarded; its reason is a `Discard`."""
SUBSYSTEM: Final = "subsystem"
"""Kind of an event: a remote subsystem's status; its reason is a `Status`."""


class Discard(StrEnum):
    """Why a received message was discarded; those of the lower part are returned if it asks for that."""

    NOT_SCCP = "not-sccp"
    FOREIGN_POINT_CODE = "foreign-point-code"
    UNSUPPORTED_MESSAGE = "unsupported-message"
    MALFORMED = "malformed"
    BAD_CALLED_ADDRESS = "bad-called-address"
    BAD_CALLING_ADDRESS = "bad-calling-address"
    SERVICE_NOT_OURS = "service-not-ours"
    BAD_MANAGEMENT = "bad-management"
    MANAGEMENT_NOT_OURS = "management-not-ours"
    MANAGEMENT_IGNORED = "management-ignored"
    SEGMENT_UNEXPECTED = "segment-unexpected"
    SEGMENT_REPEATED = "segment-repeated"

    CALLER_NOT_ALLOWED = "caller-not-allowed"
    NO_TRANSLATION_FOR_NATURE = "no-translation-for-nature"
    NO_TRANSLATION_FOR_ADDRESS = "no-translation-for-address"
    SUBSYSTEM_FAILURE = "subsystem-failure"
    UNEQUIPPED_USER = "unequipped-user"
    HOP_COUNTER_VIOLATION = "hop-counter-violation"
    SEGMENT_LOST = "segment-lost"
    REASSEMBLY_TIMEOUT = "reassembly-timeout"
    REASSEMBLY_LIMIT = "reassembly-limit"


class Status(StrEnum):
    """State of a remote subsystem as SCMG reported it."""

    ALLOWED = "allowed"
    PROHIBITED = "prohibited"
    CONGESTED = "congested"


class Own(NamedTuple):
    """A message of SCCP itself, which no user sent: a returned message, or management.

    Attributes:
        opc: originating point code, ours.
        dpc: destination point code.
        sls: signalling link selection.
        octets: the SCCP message.
    """

    opc: int
    dpc: int
    sls: int
    octets: bytes


class Event(NamedTuple):
    """An event for the owner to count, log or show.

    Attributes:
        kind: `DISCARD` or `SUBSYSTEM`.
        reason: a `Discard` or a `Status`: bounded, fit for a metric's label.
        point_code: of the message's origin, or of the subsystem.
        ssn: of the remote subsystem; -1 in discards.
        error: the decoder's error, with offset and clause; None if it was not the decoder.
    """

    kind: str
    reason: str
    point_code: int
    ssn: int = -1
    error: DecodeError | None = None


@final
@dataclass(frozen=True)
class Translation:
    """Where messages to global titles that begin with ``prefix`` go (Q.714 §2.4); the longest prefix counts.

    Attributes:
        prefix: first digits; "": every title.
        point_codes: the nodes that translate further, or the end nodes; one or more.
        share: they share by SLS; else the first one that can be reached is used.
    """

    prefix: str
    point_codes: tuple[int, ...]
    share: bool = False


RETURN_ON_ERROR: Final = {"never": (False, False), "open": (False, True), "always": (True, True)}
"""Whether a message asks to be returned if it can't be delivered: one that ends a dialogue, any other."""


@final
@dataclass(frozen=True)
class SccpSettings:
    """Our addresses in one network, the callers that are allowed, and the limits.

    Attributes:
        point_codes: our own; the first is the one of messages that answer none. None: every DPC is ours.
        ssns: our subsystems, 146 for CAP (TS 23.003 §8.2); one or more. A called global title without SSN
            is for the first.
        global_title: ours. With it, a called address that is routed on another title is refused, and
            answers have it as calling address, with the SSN that was called. Without it, every title with
            an SSN of ours is ours (whoever translated it meant us), and the answer's calling address is the
            called address as received.
        allowed_prefixes: callers whose global title begins with one of these digits are served.
        allowed_point_codes: callers with this point code in their address, or as originating point code,
            are served. Nothing in either: everybody is.
        translations: for what we send to global titles; without one that fits, it goes back where the
            message came from that it answers.
        return_on_error: a key of `RETURN_ON_ERROR`.
        concerned: point codes that get SSP and SSA when our subsystems go out of service and come back.
        max_message: octets of the longest SCCP message that the network carries: 272 of MTP's signalling
            information field (Q.703 §2.3.8) less the routing label.
        t_reassembly: T(reass), seconds (Q.714 annex C: 10 to 20).
        max_reassemblies: messages under reassembly at a time.
        max_reassembly_octets: octets that they may hold together.
        t_stat_info: T(stat info), seconds between status tests of a prohibited subsystem, doubled after
            each (Q.714 annex C: 5 to 10).
        t_stat_info_max: where doubling ends, seconds (Q.714 annex C: 600 to 1200).
        max_remote_subsystems: how many prohibited remote subsystems are remembered and tested.
    """

    point_codes: tuple[int, ...] = ()
    ssns: tuple[int, ...] = (146,)
    global_title: GlobalTitle | None = None
    allowed_prefixes: tuple[str, ...] = ()
    allowed_point_codes: tuple[int, ...] = ()
    translations: tuple[Translation, ...] = ()
    return_on_error: str = "open"
    concerned: tuple[int, ...] = ()
    max_message: int = 268
    t_reassembly: float = 15.0
    max_reassemblies: int = 1024
    max_reassembly_octets: int = 1 << 20
    t_stat_info: float = 10.0
    t_stat_info_max: float = 600.0
    max_remote_subsystems: int = 256
