"""What an `Sccp` is told and what it reports: settings, events, and why something was discarded."""

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
"""Kind of an event: a message went no further; its reason is a `Discard`."""
SUBSYSTEM: Final = "subsystem"
"""Kind of an event: a remote subsystem's status; its reason is a `Status`."""


class Discard(StrEnum):
    """Why a received message went no further; the lower part goes back if return on error is set."""

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
    """What SCMG said of a remote subsystem."""

    ALLOWED = "allowed"
    PROHIBITED = "prohibited"
    CONGESTED = "congested"


class Event(NamedTuple):
    """Something that the owner counts, logs or shows.

    Attributes:
        kind: `DISCARD` or `SUBSYSTEM`.
        reason: a `Discard` or a `Status`: bounded, fit for a metric's label.
        point_code: where the message came from, or where the subsystem is.
        ssn: the remote subsystem; -1 in discards.
        error: what the decoder said, with offset and clause, if it was the decoder.
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
"""Which of our messages ask to be returned if undeliverable: those that end a dialogue, and others."""


@final
@dataclass(frozen=True)
class SccpSettings:
    """Who we are, who may call, and the limits.

    Attributes:
        point_codes: our own, the first one being what we say of ourselves; none: every destination is ours.
        ssn: our subsystem, 146 for CAP (TS 23.003 §8.2).
        global_title: ours. With it, a called address that is routed on another title is refused and
            answers carry it as calling address. Without it, every title with our SSN is ours (whoever
            translated it meant us) and the received called address is the answer's calling address.
        allowed_prefixes: callers whose global title begins with one of these digits are served.
        allowed_point_codes: callers with this point code in their address, or as originating point code,
            are served. Nothing in either: everybody is.
        translations: for what we send to global titles; without one that fits, it goes back where the
            message came from that it answers.
        return_on_error: a key of `RETURN_ON_ERROR`.
        concerned: point codes that are told (SSP, SSA) when our subsystem goes out of service or comes back.
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
    ssn: int = 146
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
