"""The Litestar application, problem details for every error, the OpenAPI document; and its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import anyio.lowlevel
from litestar import Litestar, Request, Response, Router
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag

from scp.api.audit import Audit
from scp.api.audit import call as call_of
from scp.api.docs import docs, problem
from scp.api.framework import complete, problem_of
from scp.api.limited_log import log_limited
from scp.api.openapi import BEARER
from scp.api.problems import INTERNAL, UNAVAILABLE, ProblemError, as_response
from scp.api.serving import audit_refusal, serve, url_of
from scp.client import TransportError
from scp.ports import StoreError as MessageStoreError
from scp.telemetry.logs import get_logger
from scp.version import VERSION
from scp.voip.api import devices, enrolments, health, identities, one_time, routing, texting
from scp.voip.api.calls import ApiContext, caller_of, context_of
from scp.voip.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler

    from scp.common.http_server import HttpServer
    from scp.voip.accounts import Accounts
    from scp.voip.brain import Brain
    from scp.voip.config_api import Api
    from scp.voip.inbox import Inbox

ROUTERS: Final[Sequence[ControllerRouterHandler]] = (
    *enrolments.HANDLERS,
    *identities.HANDLERS,
    *devices.HANDLERS,
    *routing.HANDLERS,
    *one_time.HANDLERS,
    *texting.HANDLERS,
)
_ABOUT: Final = """\
Devices join and ask about what is their own, the operator about everything, gateways about who is reachable.

- **Tokens**: `Authorization: Bearer …`. A device's comes from joining (scope own), keys of operator and
  gateways are in `voip.toml`.
- **Numbers** are E.164 digits, country code first; a `+` and spaces in a path are accepted.
- **Errors** are problem details (RFC 9457); `type` is for programs, and a path at which it is explained.
- What was answered is on the disk.
"""


def build_app(context: ApiContext) -> Litestar:
    """Return the application."""

    async def the_context() -> ApiContext:
        return context

    app = Litestar.from_config(
        AppConfig(
            route_handlers=[Router("/v1", route_handlers=ROUTERS), *health.HANDLERS, docs, problem],
            dependencies={"context": Provide(the_context)},
            exception_handlers={
                ProblemError: _problem,
                StoreError: _store_failed,
                MessageStoreError: _store_failed,
                TransportError: _store_failed,
                HTTPException: _framework_error,
                Exception: _bug,
            },
            state=State({"context": context}),
            request_max_body_size=context.config.max_body,
            logging_config=None,
            openapi_config=_openapi(),
        )
    )
    complete(app)
    return app


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="camel-scp voip",
        version=VERSION,
        summary="Join, see and change what is yours; ask who is reachable and where a call would go.",
        description=_ABOUT,
        license=License("Apache-2.0", identifier="Apache-2.0"),
        tags=[
            Tag("joining", "A number's devices join by a PIN."),
            Tag("identities", "Numbers, how they are called, and what their users have set."),
            Tag("devices", "The devices of a number, and their credentials."),
            Tag("calls", "Who is reachable, where a call would go, the latest calls."),
            Tag("messages", "Text messages."),
            Tag("events", "What happens, as it happens."),
            Tag("node", "Is it alive, does it decide calls, and if not, why."),
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
    caller = caller_of(request)
    audit_refusal(context_of(request).audit, "" if caller is None else caller.name, request, error)
    return as_response(error)


def _store_failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    what = call_of(request.method, request.url.path)
    log_limited("API call failed", f"{what}: {error}", trouble=True)
    return _problem(request, ProblemError(UNAVAILABLE, str(error), headers={"Retry-After": "1"}))


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    get_logger().error("API call failed", path=request.url.path, method=request.method, exc_info=error)
    return _problem(request, ProblemError(INTERNAL))


def _framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    found = problem_of(request, error)
    return _bug(request, error) if found is None else _problem(request, found)


# --- serving ---


@final
class ApiServer:
    """The API while it is served.

    Attributes:
        url: its base URL.
    """

    def __init__(self, server: HttpServer, context: ApiContext) -> None:
        self._server = server
        self.context = context
        self.url = url_of(server, context.config.tls)

    async def close(self) -> None:
        """Take no more requests, answer those in progress, and stop."""
        await self._server.close()


async def serve_api(config: Api, brain: Brain, accounts: Accounts, inbox: Inbox) -> ApiServer:
    """Serve the API in the running event loop.

    Raises:
        OSError: the address can't be listened on, or a file (audit, certificate) not opened.
    """
    context = ApiContext(config, brain, accounts, inbox, Audit(config.audit))
    # What anyio imports at its first use, it imports now.
    server = await serve(config.listen, config.tls, build_app(context), anyio.lowlevel.checkpoint)
    return ApiServer(server, context)
