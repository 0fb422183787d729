"""What Litestar leaves to be done: its errors as problem details, and its OpenAPI document complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from msgspec import Struct
from msgspec.inspect import IntType, Metadata, StructType, UnionType, type_info

from scp.api.body import in_words
from scp.api.http_semantics import methods_at
from scp.api.problems import (
    INVALID,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NO_SUCH_PATH,
    TOO_LARGE,
    FieldError,
    ProblemError,
)
from scp.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar, Request
    from litestar.openapi.spec import Schema

_GONE: Final = "client disconnected prematurely"
"""What Litestar says, as an error of the server, of a client that hung up before its request was complete."""


def went_away(error: HTTPException) -> bool:
    """Whether the client hung up before its request was complete: what is answered, nobody reads."""
    return error.detail == _GONE


def problem_of(request: Request[Any, Any, Any], error: HTTPException) -> ProblemError | None:
    """Return a framework's error as a problem, None if it is a fault of ours."""
    if isinstance(error, MethodNotAllowedException):
        # RFC 9110 §15.5.6 wants them named
        allowed = ", ".join(methods_at(request.app, request.url.path))
        return ProblemError(METHOD_NOT_ALLOWED, headers={"Allow": allowed})
    if isinstance(error, NotFoundException):
        return ProblemError(NO_SUCH_PATH, request.url.path)
    if error.status_code == TOO_LARGE.status:
        return ProblemError(TOO_LARGE)
    if isinstance(error, ValidationException):
        return _invalid(error)
    if went_away(error):
        get_logger().info("client went away", path=request.url.path, method=request.method)
        return ProblemError(MALFORMED, error.detail)
    return None if error.status_code >= 500 else ProblemError(MALFORMED, error.detail)


def _invalid(error: ValidationException) -> ProblemError:
    """Return the problem of a path, query or header parameter that its annotation refuses."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = tuple(_field_error(str(one.get("key", "")), str(one.get("message", ""))) for one in extra)
    return ProblemError(INVALID, "; ".join(f"{one.path}: {one.reason}" for one in errors), errors)


def _field_error(name: str, reason: str) -> FieldError:
    if name == "data":  # a body that is not there; one that is, `scp.api.body` reads
        return FieldError("body", "required, but not given")
    return FieldError(name, in_words(reason))


def complete(app: Litestar) -> None:
    """Put into the document what Litestar leaves out: examples, bounds, which bodies take nothing further."""
    schemas = {schema.title: schema for schema in (app.openapi_schema.components.schemas or {}).values()}
    for kind in _kinds(app):
        schema = schemas.get(kind.__name__)
        if schema is not None:
            example = getattr(kind, "EXAMPLE", None)
            schema.examples = None if example is None else [example]
            schema.additional_properties = False if kind.__struct_config__.forbid_unknown_fields else None
            for name in _from_zero(kind):
                cast("dict[str, Schema]", schema.properties)[name].minimum = 0


def _from_zero(kind: type[Struct]) -> Iterator[str]:
    """Yield the fields that may be null and are 0 at least: Litestar takes that bound of theirs for none."""
    for field in cast("StructType", type_info(kind)).fields:
        if isinstance(field.type, UnionType):
            for part in field.type.types:
                held = part.type if isinstance(part, Metadata) else part
                if isinstance(held, IntType) and held.ge == 0:
                    yield field.encode_name


def _kinds(app: Litestar) -> Iterator[type[Struct]]:
    """Yield what the calls take and answer."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            taken = handler.parsed_data_field
            answered = handler.parsed_return_field
            for field in (*(() if taken is None else (taken,)), *answered.inner_types):
                if isinstance(field.annotation, type) and issubclass(field.annotation, Struct):
                    yield field.annotation
