"""``[map]``: how an HLR is asked where subscribers are, and who may tell that they have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.value_types import Caller, GlobalTitle, Seconds
from scp.config.values import PointCode, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator


Pause: TypeAlias = Annotated[
    float, Meta(ge=1, le=2_592_000, description="seconds, from 1 to 2592000 (30 days)")
]


class Arming(Struct, frozen=True, forbid_unknown_fields=True):
    """``[map.arming]``: have HLRs arm the M-CSI of whoever forwards calls while roaming, by themselves.

    Attributes:
        rate: questions a second, of all nodes that share the state.
        window: questions that may be open at once.
        most_pause_s: the longest pause between attempts that the HLR does not answer.
        refused_s: after which a refusal is asked again.
        scan_s: how often all subscribers are looked through; what the API writes here is seen at once.
        disarm: have the M-CSI switched off again for subscribers that do not forward while roaming any more.
        state: where is kept what was done: as ``store.url``; without it in the store's Redis, which several
            nodes share, or for SQLite in a file beside the store's (PATH.armed).
    """

    rate: Annotated[float, Meta(gt=0, le=1000)] = 10.0
    window: Annotated[int, Meta(ge=1, le=1000)] = 16
    most_pause_s: Pause = 3600.0
    refused_s: Pause = 86_400.0
    scan_s: Pause = 3600.0
    disarm: bool = False
    state: Secret | None = None


class Map(Struct, frozen=True, forbid_unknown_fields=True):
    """``[map]``. Without the table this node speaks no MAP.

    Attributes:
        ssn: our subsystem for MAP: 147 is the gsmSCF (23.003 §8.2).
        gateway: point code for global titles that no translation fits.
        hlr: global title of one HLR that is asked about everybody; without it each subscriber's own number
            is the title, which the network translates.
        deadline_ms: how long a call waits for a place.
        timeout_ms: how long an enquiry is waited for: an answer that is too late for its call is remembered.
        max_age_s: a place that was learnt longer ago is asked again.
        rate: enquiries a second to one network, of each node.
        most: enquiries that may be in flight together.
        failures: silences in a row after which the HLR is left alone for ``rest_s``.
        rest_s: see above.
        mobility: take noteMM-Event and noteSubscriberDataModified.
        allowed_callers: prefixes of the global titles that may send them; empty: all that `[sccp]` allows.
        check_sender: refuse an event that names a VLR of another network than its sender's.
        arming: see `Arming`; None: M-CSIs are armed by hand (``PUT /v1/mobility``).
    """

    gateway: PointCode
    ssn: Annotated[int, Meta(ge=2, le=254)] = 147
    hlr: GlobalTitle | None = None
    deadline_ms: Annotated[int, Meta(ge=10, le=900)] = 300
    timeout_ms: Annotated[int, Meta(ge=100, le=30_000)] = 3000
    max_age_s: Seconds = 60.0
    rate: Annotated[float, Meta(gt=0)] = 500.0
    most: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    failures: Annotated[int, Meta(ge=1)] = 20
    rest_s: Seconds = 5.0
    mobility: bool = True
    allowed_callers: tuple[Caller, ...] = ()
    check_sender: bool = True
    arming: Arming | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield callers that are point codes: events are told apart by global titles."""
        for index, caller in enumerate(self.allowed_callers):
            if "-" in caller:
                yield Fault(f"allowed_callers[{index}]", "a prefix of global titles is needed, no point code")
        if self.arming is not None and not self.mobility:
            yield Fault("mobility", "must be true with [map.arming]: else what VLRs tell is not taken")
