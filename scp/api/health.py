"""Is the node alive, does it take calls, and if not, why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from msgspec import Struct

from scp.api.calls import answer, problems
from scp.api.context import Context
from scp.api.problems import INTERNAL
from scp.version import VERSION

HEALTH: Final = "application/health+json"
_UNCACHED: Final = {"Cache-Control": "no-store"}

Status = Literal["pass", "warn", "fail"]


class Ready(Struct, frozen=True):
    """Whether the node takes calls, and in words why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


class Alive(Struct, frozen=True):
    """The event loop answers: that is all."""

    alive: bool = True


class Check(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One observation (draft-inadarei-api-health-check §4)."""

    component_id: str
    component_type: str
    status: Status
    observed_value: str
    time: str
    output: str = ""


class Health(Struct, frozen=True, rename="camel"):
    """The node's health (draft-inadarei-api-health-check §3): "warn" takes calls, "fail" does not."""

    status: Status
    version: str
    service_id: str
    notes: tuple[str, ...]
    checks: dict[str, tuple[Check, ...]]


@get("/livez", tags=["node"], responses=problems(INTERNAL), operation_id="livez")
async def livez() -> Response[Alive]:
    """Whether the process turns over; an orchestrator restarts it if not. Needs no token."""
    return answer(Alive(), headers=_UNCACHED)


@get(
    "/readyz",
    tags=["node"],
    operation_id="readyz",
    responses={
        503: ResponseSpec(Ready, generate_examples=False, description="It takes no calls"),
        **problems(INTERNAL),
    },
)
async def readyz(context: NamedDependency[Context]) -> Response[Ready]:
    """Whether the node takes calls: an ASP active, the store usable, and not draining. Needs no token."""
    reasons = tuple(context.node.why_not_ready())
    return answer(Ready(not reasons, reasons), 503 if reasons else 200, _UNCACHED)


@get(
    "/health",
    tags=["node"],
    operation_id="health",
    media_type=HEALTH,
    responses={
        503: ResponseSpec(
            Health, generate_examples=False, description="It takes no calls", media_type=HEALTH
        ),
        **problems(INTERNAL),
    },
)
async def health(context: NamedDependency[Context]) -> Response[Health]:
    """Every link and the store, with what to look at where something is wrong. Needs no token."""
    found = observe(context)
    return Response(
        found,
        status_code=503 if found.status == "fail" else 200,
        media_type=HEALTH,
        headers=_UNCACHED,
    )


def observe(context: Context) -> Health:
    """Return the node's health now."""
    node = context.node
    links = []
    for link in node.links():
        since = datetime.fromtimestamp(link.since, UTC).isoformat(timespec="milliseconds")
        trouble = "; ".join(part for part in (link.last_error, link.check and f"check {link.check}") if part)
        active = link.asp == "active"
        links.append(
            Check(
                link.name,
                "component",
                "pass" if active else "fail",
                f"ASP {link.asp}" if link.connected else "not connected",
                since,
                "" if active else trouble,
            )
        )
    unusable = node.store.usable()
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    store = Check(
        "store",
        "datastore",
        "fail" if unusable else "pass",
        "unusable" if unusable else "usable",
        now,
        unusable,
    )
    reasons = tuple(node.why_not_ready())
    status: Status = "pass"
    if reasons:
        status = "fail"
    elif any(check.status == "fail" for check in links):
        status = "warn"
    checks = {"m3ua:asp": tuple(links), "store:records": (store,)}
    return Health(status, VERSION, node.name, reasons, checks)


HANDLERS: Final[tuple[Any, ...]] = (livez, readyz, health)
