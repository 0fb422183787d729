"""Call detail records: takes the VoIP service's, shows all of this node's by pages or as a stream."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, TypeAlias

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Raw, Struct

from scp.api.openapi import answer, call, documented
from scp.api.problems import NOT_SET, OTHERWISE, ProblemError, invalid
from scp.charging.export import as_json, export
from scp.charging.service import ChargingService
from scp.config import Scope
from scp.domain.cdr import VoipLeg, VoipRecord
from scp.ports import StoredCdr

_TAG: Final = "charging"
_PAGE_LIMIT: Final = 1000

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=_PAGE_LIMIT, description="Records in a JSON page.")]
After: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=(1 << 62), description="Begin behind the record with this ``seq``.")
]
Since: TypeAlias = Annotated[int, QueryParameter(ge=0, le=(1 << 53), description="Kept at or after, ms.")]
Until: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=(1 << 53), description="Kept before, ms; 0: no end.")
]
Wanted: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Accept",
        description="application/json: a page. application/x-ndjson or text/csv: all of them, streamed.",
    ),
]
STREAMS: Final = {"application/x-ndjson": "ndjson", "text/csv": "csv"}


class VoipBody(VoipLeg, frozen=True, forbid_unknown_fields=True):
    """The VoIP service's record of its leg of a call. Times in milliseconds since 1970-01-01 UTC."""

    EXAMPLE: ClassVar = {
        "id": "voip-1/000017",
        "call_id": "a84b4c76e66710@voip.example",
        "a_number": "46701234567",
        "b_number": "46850000001",
        "started_ms": 1767225600000,
        "answered_ms": 1767225608000,
        "ended_ms": 1767225880000,
        "cause": 16,
    }


class CdrPage(Struct, frozen=True):
    """Some call detail records; ``next`` is the ``after`` of the following page, null at the end."""

    cdrs: list[Any]
    next: int | None


def _in_order(leg: VoipLeg) -> None:
    """Raise the problem 422 at the first of a leg's times that lies before the one that it follows."""
    before = "started_ms"
    for name in ("answered_ms", "ended_ms"):
        if (time := getattr(leg, name)) is None:
            continue
        if time < getattr(leg, before):
            raise invalid(name, f"before {before}")
        before = name


def _page(records: list[StoredCdr], more: int | None) -> CdrPage:
    return CdrPage([Raw(as_json(each).encode()) for each in records], more)


@post(
    "/cdrs",
    operation_id="postCdr",
    status_code=201,
    **call(
        Scope.CHARGING,
        OTHERWISE,
        tag=_TAG,
        body=True,
        changes=True,
        status_200=documented(VoipRecord, "It was there already"),
    ),
)
async def post_cdr(
    charging: NamedDependency[ChargingService], data: JSONBody[VoipBody]
) -> Response[VoipRecord]:
    """Keep the VoIP service's record of its leg, once by its id. Scope: charging."""
    _in_order(data)
    fields = msgspec.structs.asdict(data)
    record = VoipRecord(**{**fields, "id": f"voip-{data.id}"})
    if await charging.cdrs.add([record]):
        return answer(record, 201)
    kept = await charging.cdrs.get(record.id)
    if kept is not None and msgspec.json.decode(kept.json) != msgspec.to_builtins(record):
        raise ProblemError(OTHERWISE, f"record {data.id}")
    return answer(record)


@get("/cdrs", operation_id="getCdrs", **call(Scope.CHARGING, tag=_TAG))
async def get_cdrs(
    charging: NamedDependency[ChargingService],
    after: After = 0,
    limit: Limit = 100,
    since_ms: Since = 0,
    until_ms: Until = 0,
    accept: Wanted = None,
) -> Response[CdrPage] | Stream:
    """Show this node's call detail records, oldest first. Scope: charging."""
    form = next((form for kind, form in STREAMS.items() if kind in (accept or "")), "")
    if form:
        kind = next(kind for kind, each in STREAMS.items() if each == form)
        stream = export(charging.cdrs, form, after, since_ms=since_ms, until_ms=until_ms)
        return Stream(stream, media_type=kind)
    records = await charging.cdrs.page(after, limit, since_ms=since_ms, until_ms=until_ms)
    more = records[-1].seq if len(records) == limit else None
    return answer(_page(records, more))


# In the query, for an id may have a slash in it: in a path its %2F is one before anybody can tell.
RecordId: TypeAlias = Annotated[
    str, QueryParameter(min_length=1, max_length=300, description="A record's id.")
]


@get("/cdrs/related", operation_id="getRelatedCdrs", **call(Scope.CHARGING, NOT_SET, tag=_TAG))
async def get_related(charging: NamedDependency[ChargingService], to: RecordId) -> Response[CdrPage]:
    """Show the records of one call: those that share a correlation id with this one. Scope: charging."""
    records = await charging.cdrs.related(to, _PAGE_LIMIT)
    if not records:
        raise ProblemError(NOT_SET, "no such record")
    return answer(_page(records, None))


HANDLERS: Final[tuple[Any, ...]] = (post_cdr, get_cdrs, get_related)
