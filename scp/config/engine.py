"""``[engine]``, ``[store]``, ``[overload]``, ``[limits]``: deadlines and limits of the call path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.values import HostPort, Secret
from scp.domain.rules import OnFailure

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store(Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``.

    Attributes:
        url: ``sqlite:PATH``, ``sqlite::memory:`` or a Redis URL (`scp.store.redis_url`).
        deadline_ms: how long a lookup may take; then `on_failure` holds.
        on_failure: what a call gets when the store can't say.
    """

    url: Secret = Secret("sqlite:camel-scp.db")
    deadline_ms: Annotated[int, Meta(ge=1, le=900, description="milliseconds, from 1 to 900")] = 150
    on_failure: OnFailure = OnFailure.CONTINUE


class Engine(Struct, frozen=True, forbid_unknown_fields=True):
    """``[engine]``.

    Attributes:
        max_dialogues: beyond it a new dialogue is refused with resourceLimitation (Q.773).
        answer_deadline_ms: when every InitialDP is answered, come what may; far below the shortest Tssf, 1 s
            (TS 23.078; its expiry: TS 29.078 §10.2.1).
        dialogue_limit_s: without a message for so long a dialogue is given up. Above ApplyCharging's longest
            period, 24 h (29.078: 864000 times 100 ms).
        codec: "reference" decodes and encodes all of CAP with pycrate's compiled ASN.1.
        strict: whether an operation with an optional parameter that can't be read is rejected, as TS 29.078
            §14.1.1.4.1 has it; else the parameter is left out.
    """

    max_dialogues: Annotated[int, Meta(ge=1, le=1 << 23)] = 100_000
    answer_deadline_ms: Annotated[int, Meta(ge=10, le=900, description="milliseconds, from 10 to 900")] = 400
    dialogue_limit_s: Annotated[float, Meta(ge=1, le=604_800, description="seconds, from 1 to 604800")] = (
        90_000.0
    )
    codec: Literal["fast", "reference"] = "fast"
    strict: bool = False


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``: held calls are written to the store, so that they outlive this process.

    Attributes:
        enabled: whether they are.
        deadline_ms: how long a message waits until the call that it belongs to is written; then it leaves,
            and the call is counted as unjournalled.
        listen: where other nodes of the same Redis bring messages of this node's calls, an address that they
            reach; None: they can't.
    """

    enabled: bool = False
    deadline_ms: Annotated[int, Meta(ge=1, le=500, description="milliseconds, from 1 to 500")] = 50
    listen: HostPort | None = None


class Overload(Struct, frozen=True, forbid_unknown_fields=True):
    """``[overload]``: what happens to new calls that this node can't keep up with (`scp.engine.admission`).

    Attributes:
        delay_ms: a call that has waited for longer is continued without a lookup.
        refuse_ms: one that has waited for longer is refused: resourceLimitation (Q.773 §4.2.1.4).
        memory_mb: what the process may have; 0: what its control group allows, or the machine has.
        call_gap_s: how long a switch is asked for fewer calls by CallGap (TS 29.078 §11.5); 0: it is not.
    """

    delay_ms: Annotated[int, Meta(ge=10, le=900, description="milliseconds, from 10 to 900")] = 200
    refuse_ms: Annotated[int, Meta(ge=20, le=5000, description="milliseconds, from 20 to 5000")] = 400
    memory_mb: Annotated[int, Meta(ge=0, le=1 << 24)] = 0
    call_gap_s: Annotated[int, Meta(ge=0, le=86_400, description="seconds, from 0 to 86400")] = 10

    def faults(self) -> Iterator[Fault]:
        """Yield a refusal that would come before the answer by policy."""
        if self.refuse_ms <= self.delay_ms:
            yield Fault("refuse_ms", f"must be above delay_ms ({self.delay_ms})")


Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000, description="calls a second, 0 for no limit")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: new calls above these rates are continued without a lookup. 0: no limit.

    Attributes:
        peer_rate: calls a second of each M3UA peer, in the long run.
        peer_burst: of them at once; 0: those of a second.
        caller_rate: calls a second of each calling SCCP address, a switch.
        caller_burst: of them at once; 0: those of a second.
        unusual_rate: of each peer's those in a form of BER that only the reference codec reads; one costs
            about 0.25 ms.
    """

    peer_rate: Rate = 0.0
    peer_burst: Rate = 0.0
    caller_rate: Rate = 0.0
    caller_burst: Rate = 0.0
    unusual_rate: Rate = 1000.0
