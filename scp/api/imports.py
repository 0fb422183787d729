"""Bulk import: reads NDJSON, answers one result line for each line.

Lines are read as they come, stored in batches, and answered when the last one is in: most HTTP clients read
the answer only after they have sent everything, so one that came earlier would block both sides.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, final

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Struct

from scp.api.body import fault as field_fault
from scp.api.body import require_media_type
from scp.api.context import Context, NodeView, key_name
from scp.api.openapi import call
from scp.api.problems import TOO_LARGE, UNSUPPORTED, FieldError, ProblemError
from scp.api.subscriber_bodies import E164, Aor, Imsi, Locations
from scp.config import Scope
from scp.domain import provisioning
from scp.domain.subscriber import Subscriber, When
from scp.ports import StoreError

NDJSON: Final = "application/x-ndjson"
BATCH: Final = 2000
"""Lines whose records are stored together."""
SLICE: Final = 250
"""Lines handled between two turns of the event loop: about 1 ms."""
MAX_LINE: Final = 8192
IN_MEMORY: Final = 1 << 20
"""Octets of results that are kept in memory; what is more goes to a temporary file."""


class ImportLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One subscriber: the whole record, which takes the place of the one that is there.

    The fields are those of a subscriber's view, save ``registered`` and ``version``, which follow from the
    rest.
    """

    msisdn: E164
    authorized: bool = True
    imsi: Imsi | None = None
    aor: Aor | None = None
    forwarding_number: E164 | None = None
    forwarding: bool = False
    when: When = When.ALWAYS
    locations: Locations = ()
    roaming: bool | None = None
    vlr: E164 | None = None
    rescue: bool | None = None
    rescue_number: E164 | None = None


class LineResult(Struct, frozen=True, omit_defaults=True):
    """What came of a line: "stored", or why not. Lines count from 1; empty ones have no result."""

    line: int
    result: Literal["stored", "refused", "failed"]
    msisdn: str = ""
    errors: tuple[FieldError, ...] = ()


class Summary(Struct, frozen=True):
    """The last line of the answer."""

    summary: Literal[True]
    stored: int
    refused: int
    failed: int


@final
class _Import:
    """One import in progress."""

    def __init__(self, node: NodeView, *, all_results: bool) -> None:
        self._node = node
        self._store = node.store
        self._all = all_results
        self._batch: list[tuple[int, Subscriber | LineResult]] = []
        self.counts = {"stored": 0, "refused": 0, "failed": 0}
        self.results = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the answer closes it
        self._number = 0

    async def take(self, line: bytes) -> None:
        """Take the next line."""
        self._number += 1
        if line.strip():
            self._batch.append((self._number, _read(self._number, line)))
        if len(self._batch) >= BATCH:
            await self.flush()
        elif self._number % SLICE == 0:
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Store what was gathered, all or nothing, and note what came of each line."""
        batch, self._batch = self._batch, []
        records = [read for _, read in batch if isinstance(read, Subscriber)]
        errors: tuple[FieldError, ...] = ()
        try:
            if records:
                await self._store.put_many(records)
        except StoreError as error:
            errors = (FieldError("", f"store: {error}"),)
        else:
            await self._node.written(records)
        for number, read in batch:
            if isinstance(read, Subscriber):
                self._note(LineResult(number, "failed" if errors else "stored", read.msisdn, errors))
            else:
                self._note(read)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _note(self, result: LineResult) -> None:
        self.counts[result.result] += 1
        if self._all or result.result != "stored":
            self.results.write(_encode(result) + b"\n")

    def answer(self) -> Iterator[bytes]:
        """Yield the results, then the summary."""
        with self.results as results:
            results.seek(0)
            while piece := results.read(65_536):
                yield piece
        yield _encode(Summary(summary=True, **self.counts)) + b"\n"


def _read(number: int, line: bytes) -> Subscriber | LineResult:
    """Return the record of a line, or why it is refused."""
    if len(line) > MAX_LINE:
        return _refused(number, "", FieldError("", f"a line has at most {MAX_LINE} octets"))
    try:
        record = _record(_decode(line))
    except msgspec.ValidationError as error:
        return _refused(number, "", *field_fault(str(error), ImportLine).errors)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refused(number, "", FieldError("", str(error)))
    fault = provisioning.fault(record)
    return _refused(number, record.msisdn, FieldError(*fault.split(": ", 1))) if fault else record


def _refused(number: int, msisdn: str, *errors: FieldError) -> LineResult:
    return LineResult(number, "refused", msisdn, errors)


def _record(line: ImportLine) -> Subscriber:
    return Subscriber(
        _plain(line.msisdn) or "",
        line.imsi,
        line.authorized,
        line.aor,
        _plain(line.forwarding_number),
        line.forwarding,
        line.when,
        line.locations,
        line.roaming,
        _plain(line.vlr),
        rescue=line.rescue,
        rescue_number=_plain(line.rescue_number),
    )


def _plain(number: str | None) -> str | None:
    return number and number.removeprefix("+")


async def lines(pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Cut a stream into lines; of one that is too long, no more than is needed to see that is kept.

    Raises:
        ProblemError: more than ``limit`` octets (413).
    """
    rest = b""
    total = 0
    async for piece in pieces:
        total += len(piece)
        if total > limit:
            raise ProblemError(TOO_LARGE, f"an import has at most {limit} octets; what came before is stored")
        *whole, tail = piece.split(b"\n")
        for line in whole:
            yield rest + line
            rest = b""
        rest = (rest + tail)[: MAX_LINE + 1]
    if rest:
        yield rest


_EXAMPLE: Final = """\
{"msisdn": "46701234567", "aor": "sip:+46701234567@voip.example", "forwarding": true, "when": "roaming"}
{"msisdn": "46701234568", "imsi": "240010123456789"}
"""


@dataclass
class ImportOperation(Operation):
    """Documents the body, of which OpenAPI 3.1 can only say that it is text."""

    def __post_init__(self) -> None:
        """Add the body."""
        self.request_body = RequestBody(
            description=(ImportLine.__doc__ or "").partition("\n")[0],
            required=True,
            content={NDJSON: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), example=_EXAMPLE)},
        )


@post(
    "/v1/subscribers:import",
    operation_class=ImportOperation,
    operation_id="importSubscribers",
    status_code=200,
    media_type=NDJSON,
    request_max_body_size=None,
    **call(Scope.AUTHORIZATION, TOO_LARGE, UNSUPPORTED, tag="subscribers", changes=True),
)
async def import_subscribers(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    results: Annotated[
        Literal["all", "refused"],
        QueryParameter(name="results", description="whether lines that were stored have a result, too"),
    ] = "all",
) -> Stream:
    """Load many subscribers, one JSON object a line; each takes the place of the whole record that is there.

    The answer has a result a line and ends with a summary. Lines that failed, or all, can be sent again.
    Scope: authorization.
    """
    require_media_type(request.headers, NDJSON, "application/ndjson")
    work = _Import(context.node, all_results=results == "all")
    try:
        async for line in lines(request.stream(), context.config.max_import):
            await work.take(line)
    finally:
        await work.flush()
        context.audit.changed(key_name(request), "POST /v1/subscribers:import", None, work.counts)
    return Stream(work.answer(), media_type=NDJSON)


_decode: Final = msgspec.json.Decoder(ImportLine).decode
_encode: Final = msgspec.json.Encoder().encode

HANDLERS: Final[tuple[Any, ...]] = (import_subscribers,)
