"""Whether the process is alive, and whether it decides calls; needs no token, for probes."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from scp.api.openapi import answer, documented
from scp.voip.api.calls import ApiContext

_TAG: Final = "node"


class Health(Struct, frozen=True):
    """``ready`` false: calls are decided without this brain, for these reasons."""

    ready: bool
    reasons: list[str]


@get("/healthz", operation_id="isAlive", tags=[_TAG], media_type="application/json")
async def healthz() -> Response[Health]:
    """Answer: the process is alive. Needs no token."""
    return answer(Health(True, []))


@get(
    "/readyz",
    operation_id="isReady",
    tags=[_TAG],
    responses={503: documented(Health, "It decides no calls; 'reasons' says why")},
)
async def readyz(context: NamedDependency[ApiContext]) -> Response[Health]:
    """Say whether this brain decides calls: a Kamailio asks it, it is not about to stop. Needs no token."""
    reasons = context.brain.why_not_ready()
    return answer(Health(not reasons, reasons), 503 if reasons else 200)


HANDLERS: Final = (healthz, readyz)
