"""The Litestar application: routers, problem details for every error, the OpenAPI document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, cast

from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, Schema, SecurityScheme, Tag
from msgspec import Struct
from msgspec.inspect import IntType, Metadata, StructType, UnionType, type_info

from scp.api import decisions, docs, health, imports, subscribers
from scp.api.audit import Audit, call
from scp.api.auth import Keyring, RateLimiter
from scp.api.context import Context, NodeView, key_name
from scp.api.http_semantics import methods_at
from scp.api.limited_log import log_limited
from scp.api.openapi import BEARER, CHANGES
from scp.api.problems import (
    INTERNAL,
    INVALID,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NO_SUCH_PATH,
    TOO_LARGE,
    UNAVAILABLE,
    FieldError,
    ProblemError,
    as_response,
)
from scp.ports import StoreError
from scp.telemetry.logs import get_logger
from scp.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from litestar.types import ControllerRouterHandler

    from scp.config import Api

ROUTERS: Final[Sequence[ControllerRouterHandler]] = (
    *subscribers.HANDLERS,
    *imports.HANDLERS,
    *decisions.HANDLERS,
    *health.HANDLERS,
    *docs.HANDLERS,
)
"""What every node serves; a router that needs more than the `Context` is given to `build_app`."""

RETRY_AFTER: Final = "1"
"""Seconds after which to try again when the store failed."""
_GONE: Final = "client disconnected prematurely"
"""What Litestar says, as an error of the server, of a client that hung up before its request was complete."""

_ABOUT: Final = """\
The operator authorizes subscribers, the VoIP service registers them and switches forwarding; every call is
decided by what is stored here, from the moment that the change was answered.

- **Tokens**: `Authorization: Bearer …`; the scope that a call needs is named with it.
- **Numbers** are E.164 digits, country code first; a `+` and spaces in a path are accepted.
- **Errors** are problem details (RFC 9457); `type` is for programs, and a path at which the node explains.
- **Races**: a change is made to the record as it is at that instant. With `If-Match` and an `ETag` it is
  refused (412) where somebody else was faster.
- **Repeats**: what is sent again is done once. PUT and DELETE say how it shall be, records and payments
  have ids of their own, a commit happens once, and a reservation takes an `Idempotency-Key`.
"""


def build_app(
    config: Api, node: NodeView, routers: Sequence[ControllerRouterHandler] = (), audit: Audit | None = None
) -> Litestar:
    """Return the application.

    Args:
        config: ``[api]``.
        node: the node that it runs in.
        routers: beside `ROUTERS`.
        audit: where changes are written; by default what ``config.audit`` says.

    Raises:
        OSError: the audit file can't be opened.
    """
    context = Context(
        config,
        node,
        Keyring(config.keys),
        RateLimiter(config.rate, config.burst, time.monotonic),
        audit or Audit(config.audit),
    )
    app = Litestar.from_config(
        AppConfig(
            route_handlers=[*ROUTERS, *routers],
            dependencies={"context": Provide(_context)},
            exception_handlers={
                ProblemError: _problem,
                StoreError: _store_failed,
                HTTPException: _framework_error,
                Exception: _bug,
            },
            state=State({"context": context}),
            request_max_body_size=config.max_body,
            logging_config=None,
            openapi_config=_openapi(),
        )
    )
    _complete(app)
    return app


def _complete(app: Litestar) -> None:
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


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="camel-scp",
        version=VERSION,
        summary="Authorize and register subscribers, switch forwarding, charge calls, and ask why.",
        description=_ABOUT,
        license=License("Apache-2.0", identifier="Apache-2.0"),
        tags=[
            Tag("subscribers", "What the operator and the VoIP service have set for a number."),
            Tag("calls", "What would happen to a call."),
            Tag("held calls", "Calls that this node controls: which there are, and an end to one."),
            Tag("charging", "Minutes in advance, and what calls came to."),
            Tag("messages", "Text messages to subscribers, and what became of them."),
            Tag("traces", "The messages of a number's calls, in the log for a while."),
            Tag(
                "console",
                "What the console at `/console` shows: the node's state and its calls as they come.",
            ),
            Tag("node", "Is it alive, does it take calls, and if not, why."),
        ],
        components=Components(
            security_schemes={BEARER: SecurityScheme(type="http", scheme="bearer", description="A token.")}
        ),
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
    )


async def _context(state: State) -> Context:
    context = state["context"]
    assert isinstance(context, Context)
    return context


# --- errors ---


def _problem(request: Request[Any, Any, Any], error: ProblemError) -> Response[bytes]:
    _audit_refusal(request, error)
    return as_response(error)


def _store_failed(request: Request[Any, Any, Any], error: StoreError) -> Response[bytes]:
    what = call(request.method, request.url.path)
    log_limited("store failed", f"{what}: {error.kind}: {error}", trouble=True)
    return _problem(request, ProblemError(UNAVAILABLE, str(error), headers={"Retry-After": RETRY_AFTER}))


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    get_logger().error("API call failed", path=request.url.path, method=request.method, exc_info=error)
    return _problem(request, ProblemError(INTERNAL))


def _framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Say a framework's error as problem details."""
    if isinstance(error, MethodNotAllowedException):
        # RFC 9110 §15.5.6 wants them named
        allowed = ", ".join(methods_at(request.app, request.url.path))
        return _problem(request, ProblemError(METHOD_NOT_ALLOWED, headers={"Allow": allowed}))
    if isinstance(error, NotFoundException):
        return _problem(request, ProblemError(NO_SUCH_PATH, request.url.path))
    if error.status_code == TOO_LARGE.status:
        return _problem(request, ProblemError(TOO_LARGE))
    if isinstance(error, ValidationException):
        return _problem(request, _invalid(error))
    if error.detail == _GONE:
        get_logger().info("client went away", path=request.url.path, method=request.method)
        return as_response(ProblemError(MALFORMED, error.detail))  # to nobody
    if error.status_code >= 500:
        return _bug(request, error)
    return _problem(request, ProblemError(MALFORMED, error.detail))


def _invalid(error: ValidationException) -> ProblemError:
    """Return the problem of a path, query or header parameter that its annotation refuses."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = tuple(_field_error(str(one.get("key", "")), str(one.get("message", ""))) for one in extra)
    return ProblemError(INVALID, "; ".join(f"{one.path}: {one.reason}" for one in errors), errors)


def _field_error(name: str, reason: str) -> FieldError:
    if name == "data":  # a body that is not there; one that is, `scp.api.body` reads
        return FieldError("body", "required, but not given")
    return FieldError(name, reason)


def _audit_refusal(request: Request[Any, Any, Any], error: ProblemError) -> None:
    handler = cast("dict[str, Any]", request.scope).get("route_handler")  # not there at an unknown path
    if handler is None or not handler.opt.get(CHANGES):
        return
    context: Context = request.app.state["context"]
    context.audit.refused(
        key_name(request),
        call(request.method, request.url.path),
        error.kind.status,
        error.kind.name,
        detail=error.detail,
        source=request.client.host if request.client else "",
    )
