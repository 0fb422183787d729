"""Settings of a `Tcap`, and the reasons of its events."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - mypyc reads it
from dataclasses import dataclass, field
from typing import Final, final

from ss7 import tcap

DISCARD: Final = "discard"
REFUSED: Final = "refused"
ABORTED: Final = "aborted"

DISCARD_REASONS: Final = (
    "unidirectional",
    "unknown-transaction",
    "unexpected-message",
    "underivable-transaction",
    "notice-unknown-transaction",
)
"""Of events `DISCARD`: what was received and went no further."""
REFUSED_REASONS: Final = ("dialogue-closed", "not-in-this-state")
"""Of events `REFUSED`: what the TC-user wanted to send and could not."""
ABORTED_REASONS: Final = (
    *(tcap.P_ABORT_NAMES[cause] for cause in range(5)),
    "contextNotSupported",
    "smsContextNotSupported",
    "gprsContextNotSupported",
    "resourceContextNotSupported",
    "noCommonDialoguePortion",
    "abnormalDialogue",
    "idleLimit",
)
"""Of events `ABORTED`: why we sent an ABORT by ourselves."""

COUNTER_BITS: Final = 24
COUNTER_MASK: Final = 0xFFFFFF


@final
@dataclass(frozen=True)
class TcapSettings:
    """Settings of a `Tcap`.

    Attributes:
        instance: 0 to 255, the first octet of every transaction id; unique among the running nodes of one
            address.
        first_id: 0 to 0xFFFFFF, where the counter of the other three octets starts. Give a random one, or one
            that moves on with each start: a restarted node must not take up ids that its peers still know.
        max_dialogues: beyond this a BEGIN is answered with P-Abort resourceLimitation; at most 8,388,608.
        contexts: application contexts (OID octets) that a BEGIN may ask for; empty: any.
        refusals: reasons of `ABORTED_REASONS` for the refusal of contexts that are known, by their octets.
        default_context: of a BEGIN without a dialogue portion, as CAP phase 1 sends it.
        idle_limit: seconds without a message after which a dialogue is given up. A guard against leaks only:
            it is above 24 h, ApplyCharging's longest period (29.078: 864000 times 100 ms).
    """

    instance: int = 0
    first_id: int = 0
    max_dialogues: int = 100_000
    contexts: frozenset[bytes] = frozenset()
    refusals: Mapping[bytes, str] = field(default_factory=dict)
    default_context: bytes = b"\x04\x00\x00\x01\x00\x32\x00"
    idle_limit: float = 90_000.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for values outside their range."""
        if not 0 <= self.instance <= 0xFF:
            raise ValueError(f"instance {self.instance} is not within 0 to 255")
        if not 0 <= self.first_id <= COUNTER_MASK:
            raise ValueError(f"first id {self.first_id} is not within 0 to {COUNTER_MASK}")
        if not 0 < self.max_dialogues <= 1 << (COUNTER_BITS - 1):
            raise ValueError(
                f"max_dialogues {self.max_dialogues} is not within 1 to {1 << (COUNTER_BITS - 1)}"
            )
        if not self.idle_limit > 0:
            raise ValueError(f"idle limit {self.idle_limit} is not above 0")
