"""Liveness, readiness and health."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from msgspec import Struct

from scp.api.context import Context, NodeView
from scp.api.openapi import answer, problems
from scp.api.problems import INTERNAL
from scp.engine.status import UNSAID, ComponentStatus, Condition, LinkStatus
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
    """One observation (draft-inadarei-api-health-check §4).

    ``time`` is since when it is so. ``lastError`` is the latest trouble in words, which stays after recovery;
    ``check`` says what to look at.
    """

    component_id: str
    component_type: str
    status: Status
    observed_value: str
    time: str
    output: str = ""
    last_error: str = ""
    last_error_time: str = ""
    check: str = ""


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
        503: ResponseSpec(Ready, generate_examples=False, description="It steers no calls"),
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
            Health, generate_examples=False, description="It steers no calls", media_type=HEALTH
        ),
        **problems(INTERNAL),
    },
)
async def health(context: NamedDependency[Context]) -> Response[Health]:
    """Every link, the store and the rest, with what to look at where something is wrong. Needs no token.

    Only what keeps the node from steering calls makes it "fail": CDRs that wait, a ledger or a charging
    function that fails are "warn". Taking the node out of service for them loses calls and repairs nothing.
    """
    found = observe(context)
    return Response(
        found,
        status_code=503 if found.status == "fail" else 200,
        media_type=HEALTH,
        headers=_UNCACHED,
    )


def observe(context: Context) -> Health:
    """Return the node's health now."""
    return observe_node(context.node)


def observe_node(node: NodeView) -> Health:
    """Return the health of a node now."""
    checks: dict[str, list[Check]] = {"m3ua:association": [], "m3ua:asp": []}
    for link in node.links():
        _link(link, checks)
    for name, condition in node.subsystems().items():
        _condition(checks, "sccp:subsystem", name, condition, {"allowed"})
    for part in node.components():
        _part(part, checks)
    unusable, fault = node.store.usable(), node.store_fault
    fault.report(unusable)
    store = Check(
        "store",
        "datastore",
        "fail" if unusable else "pass",
        "unusable" if unusable else "usable",
        _time(fault.since),
        unusable,
        fault.last,
        _time(fault.last_at) if fault.last else "",
        "store.url, the server or file that it names, and the way there" if unusable else "",
    )
    reasons = tuple(node.why_not_ready())
    status: Status = "pass"
    if reasons:
        status = "fail"
    elif any(check.status != "pass" for group in checks.values() for check in group):
        status = "warn"
    checks["store:records"] = [store]
    return Health(status, VERSION, node.name, reasons, {name: tuple(group) for name, group in checks.items()})


def _link(link: LinkStatus, checks: dict[str, list[Check]]) -> None:
    """Add what there is to say of one link, from the association up to the destinations behind it."""
    active = link.asp == "active"
    error_time = _time(link.last_error_at) if link.last_error_at else ""
    trouble = "; ".join(part for part in (link.last_error, link.check and f"check {link.check}") if part)
    checks["m3ua:association"].append(
        Check(
            link.name,
            "component",
            "pass" if link.connected else "fail",
            "connected" if link.connected else "not connected",
            _time(link.associated or link.since),
            "" if link.connected else trouble,
            *(() if link.connected else (link.last_error, error_time, link.check)),
        )
    )
    checks["m3ua:asp"].append(
        Check(
            link.name,
            "component",
            "pass" if active else "fail",
            f"ASP {link.asp}" if link.connected else "not connected",
            _time(link.since),
            "" if active else trouble,
            link.last_error,
            error_time,
            link.check,
        )
    )
    if link.application_server and not link.servers:
        condition = Condition(link.application_server, link.server_since)
        _condition(checks, "m3ua:as", link.name, condition, {"active"})
    for context, server in link.servers.items():
        name = f"{link.name} routing context {context}"
        asp = Condition(f"ASP {server.asp}", server.since, server.check)
        _condition(checks, "m3ua:asp", name, asp, {"ASP active"})
        if server.application_server:
            condition = Condition(server.application_server, server.server_since)
            _condition(checks, "m3ua:as", name, condition, {"active"})
    for address, condition in link.paths.items():
        _condition(checks, "sctp:path", f"{link.name} {address}", condition, {"up"})
    for indicator, condition in link.other_indicators.items():
        _condition(checks, "m3ua:network-indicator", f"{link.name} {indicator}", condition, {"answered"})
    for point_code, condition in link.destinations.items():
        _condition(checks, "m3ua:destination", f"{link.name} {point_code}", condition, {"available", UNSAID})


def _part(part: ComponentStatus, checks: dict[str, list[Check]]) -> None:
    """Add the state of something beside the links; it is never worse than a warning."""
    checks.setdefault(part.group, []).append(
        Check(
            part.name,
            part.kind,
            "warn" if part.check else "pass",
            part.state,
            _time(part.since),
            "; ".join(each for each in (part.last_error, f"check {part.check}") if each)
            if part.check
            else "",
            part.last_error,
            _time(part.last_error_at) if part.last_error_at else "",
            part.check,
        )
    )


_LOOK: Final = {
    "m3ua:as": "at the peer: whether an ASP of this AS is active, and the routing context that it has for us",
    "sctp:path": "the route, cable and firewall between these two addresses",
    "m3ua:destination": "at the STP: its routes to this point code, and whether the node there runs",
    "sccp:subsystem": "at that node: whether the application with this subsystem number runs",
}
"""What to look at where a condition says nothing of it."""


def _condition(
    checks: dict[str, list[Check]], group: str, name: str, condition: Condition, fine: set[str]
) -> None:
    """Add the state of a part of a link, or of what is behind one; it is never worse than a warning."""
    passes = condition.state in fine
    check = condition.check or ("" if passes else _LOOK.get(group, ""))
    checks.setdefault(group, []).append(
        Check(
            name,
            "component",
            "pass" if passes else "warn",
            condition.state,
            _time(condition.since),
            check and f"check {check}",
            check=check,
        )
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


HANDLERS: Final[tuple[Any, ...]] = (livez, readyz, health)
