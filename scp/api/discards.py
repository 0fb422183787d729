"""Discarded messages: counts by reason, and the latest samples of each, in octets."""

from __future__ import annotations

from datetime import UTC, datetime

from litestar import Response, Router, get
from msgspec import Struct

from scp.api.openapi import answer, call
from scp.config import Scope
from scp.engine.discards import Discarded, Discards


class Sampled(Struct, frozen=True):
    """One discarded message.

    ``peer`` is the link that brought it, ``size`` its octets, ``hex`` the first 1024 of them from M3UA's
    common header on: what `camel-scp decode --hex` reads.
    """

    time: str
    peer: str
    size: int
    hex: str


class DiscardedKind(Struct, frozen=True):
    """All that was discarded in one layer for one reason since the node started."""

    layer: str
    reason: str
    count: int
    samples: tuple[Sampled, ...]


class DiscardList(Struct, frozen=True):
    """What was thrown away."""

    discards: tuple[DiscardedKind, ...]


def discards_router(discards: Discards) -> Router:
    """Return the part of the API that shows these discards."""

    @get("/v1/discards", operation_id="discards", **call(Scope.READ, tag="node"))
    async def show() -> Response[DiscardList]:
        """Return what was thrown away, with samples; they may have subscribers' numbers. Scope: read."""
        return answer(DiscardList(tuple(_kind(each) for each in discards.all())))

    return Router("/", route_handlers=[show])


def _kind(kind: Discarded) -> DiscardedKind:
    samples = (
        Sampled(
            datetime.fromtimestamp(sample.time, UTC).isoformat(timespec="milliseconds"),
            sample.peer,
            sample.size,
            sample.octets.hex(),
        )
        for sample in kind.samples
    )
    return DiscardedKind(kind.layer, kind.reason, kind.count, tuple(samples))
