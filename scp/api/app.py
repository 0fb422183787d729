"""The Litestar application: routers, problem details for every error, the OpenAPI document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
)
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag

from scp.api import changes, decisions, docs, health, imports, one_time, passes, subscribers
from scp.api.audit import Audit, call
from scp.api.auth import Keyring, RateLimiter
from scp.api.context import Constant, Context, NodeView, key_name
from scp.api.direct import DirectCalls
from scp.api.framework import complete, problem_of, went_away
from scp.api.limited_log import log_limited
from scp.api.openapi import BEARER
from scp.api.problems import (
    INTERNAL,
    MALFORMED,
    UNAVAILABLE,
    ProblemError,
    as_response,
)
from scp.api.serving import audit_refusal
from scp.ports import StoreError
from scp.telemetry.logs import get_logger
from scp.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler

    from scp.api.direct import Errors
    from scp.config import Api

ROUTERS: Final[Sequence[ControllerRouterHandler]] = (
    *subscribers.HANDLERS,
    *passes.HANDLERS,
    *one_time.HANDLERS,
    *imports.HANDLERS,
    *changes.HANDLERS,
    *decisions.HANDLERS,
    *health.HANDLERS,
    *docs.HANDLERS,
)
"""What every node serves; a router that needs more than the `Context` is given to `build_app`."""

RETRY_AFTER: Final = "1"
"""Seconds after which to try again when the store failed."""

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


def build_app(config: Api, node: NodeView, routers: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """Return the application.

    Args:
        config: ``[api]``.
        node: the node that it runs in.
        routers: beside `ROUTERS`.

    Raises:
        OSError: the audit file can't be opened.
    """
    context = Context(
        config,
        node,
        Keyring(config.keys),
        RateLimiter(config.rate, config.burst, time.monotonic),
        Audit(config.audit),
    )
    errors: Errors = {
        ProblemError: _problem,
        StoreError: _store_failed,
        HTTPException: _framework_error,
        Exception: _bug,
    }
    app = Litestar.from_config(
        AppConfig(
            route_handlers=[*ROUTERS, *routers],
            dependencies={"context": Constant(context)},
            exception_handlers={**errors},
            state=State({"context": context}),
            request_max_body_size=config.max_body,
            logging_config=None,
            openapi_config=_openapi(),
        )
    )
    complete(app)
    app.state["direct"] = DirectCalls(app, context, errors)
    return app


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


# --- errors ---


def _problem(request: Request[Any, Any, Any], error: ProblemError) -> Response[bytes]:
    context: Context = request.app.state["context"]
    audit_refusal(context.audit, key_name(request), request, error)
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
    found = problem_of(request, error)
    if found is None:
        return _bug(request, error)
    return as_response(found) if found.kind is MALFORMED and went_away(error) else _problem(request, found)
