"""Calls of the API in the form that most clients send them in, answered past h11 and Litestar.

h11 and Litestar take 0.3 ms a request. Most requests are a whole one in one segment, in plain form, with a
valid token and a body that is right. What Litestar would find out about such a request is known when the node
starts, so its handler is called at once. All others are declined before anything was done, counted or said;
h11 and Litestar then read them from their first octet and say what is wrong. The answers are the same to the
octet.
"""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, cast, final, get_origin

import msgspec
from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg
from litestar.routes import HTTPRoute
from msgspec import Struct

from scp.api.auth import bearer
from scp.api.body import JSON, JsonBody
from scp.api.context import Constant
from scp.api.openapi import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar.types.asgi_types import HTTPRequestEvent

    from scp.api.context import Context
    from scp.config import Scope

    Errors = dict[type[Exception] | int, Callable[[Request[Any, Any, Any], Any], Response[bytes]]]

MOST: Final = 65_536
"""Octets of a request; a longer one is h11's."""
_REQUEST: Final = re.compile(
    rb"(GET|PUT|POST|DELETE) ((?:/[A-Za-z0-9_.~:@+-]+)+) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+:[ \t]*[\x21-\x7e][\x20-\x7e]*\r\n)+)\r\n"
)
"""A plain target without a query, header lines of printable ASCII that are not empty (RFC 9112 §3, §5)."""
_UNUSUAL: Final = frozenset(
    {"transfer-encoding", "content-encoding", "expect", "upgrade", "connection", "te", "cookie"}
)
"""Headers that change how the others or the body are read."""
_LENGTH: Final = re.compile(r"[0-9]{1,6}")
_STATUS: Final = {each: f"HTTP/1.1 {each} {each.phrase}\r\n".encode() for each in HTTPStatus}
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z.:~!$&'()*+,;=%_-]+\])(?::([0-9]{0,9}))?"
)
_MOST_PORT: Final = 0xFFFF
_NO_BODY: Final = frozenset({204, 304})


class _Call(Struct, frozen=True):
    """A handler, and what it is called with.

    Attributes:
        handler: of Litestar.
        path: segments of its path; None: a parameter.
        scope: what the key must have.
        paths: names of the parameters in its path, in order.
        headers: its parameters that are headers: name, header, least and most length.
        constants: what does not change from call to call.
        request: whether it wants the request.
        body: reads the body; None: it has none.
        status: of an answer that names none.
    """

    handler: HTTPRouteHandler
    path: tuple[str | None, ...]
    scope: Scope
    paths: tuple[str, ...]
    headers: tuple[tuple[str, str, int, int], ...]
    constants: dict[str, Any]
    request: bool
    body: Callable[[bytes], Any] | None
    status: int


class Asked(Struct, frozen=True):
    """A request that can be answered: its call, the arguments, and the request for what wants it."""

    call: _Call
    arguments: dict[str, Any]
    request: Request[Any, Any, Any]


@final
class DirectCalls:
    """The calls of an application that can be answered so.

    Args:
        app: the application.
        context: of the API.
        errors: what answers the exceptions of a handler.
    """

    def __init__(self, app: Litestar, context: Context, errors: Errors) -> None:
        self._app = app
        self._context = context
        self._errors = errors
        self._calls: dict[tuple[str, int], list[tuple[tuple[str | None, ...], _Call | None]]] = {}
        for route in app.routes:
            if not isinstance(route, HTTPRoute):
                continue
            path = tuple(part if isinstance(part, str) else None for part in route.path_components)
            names = tuple(part.name for part in route.path_components if not isinstance(part, str))
            for handler in route.route_handlers:
                call = _call_of(handler, path, names)
                for method in handler.http_methods:
                    self._calls.setdefault((str(method), len(path)), []).append((path, call))
        for several in self._calls.values():
            several.sort(key=lambda one: one[0].count(None))  # a name wins over a parameter

    def read(self, octets: bytes, client: tuple[str, int] | None, scheme: str) -> Asked | None:
        """Return a request that can be answered, and count it for its key's rate; None: it is h11's."""
        head = _REQUEST.match(octets, 0, MOST)
        if head is None or len(octets) > MOST:
            return None
        method, path, lines = head.groups()
        headers = _headers(lines)
        if headers is None or "host" not in headers or not is_host(headers["host"].encode()):
            return None
        segments = path.decode().split("/")[1:]
        call = self._call(method.decode(), segments)
        if call is None:
            return None
        body = octets[head.end() :]
        key = self._context.keyring.holder(bearer(headers.get("authorization")))
        if key is None or call.scope not in key.scopes:
            return None
        arguments = self._arguments(call, segments, headers, body)
        if arguments is None or self._context.limiter.wait(key.name):
            return None
        scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "method": method.decode(),
            "scheme": scheme,
            "path": path.decode(),
            "raw_path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": client,
            "server": None,
            "auth": key,
            "route_handler": call.handler,
            "litestar_app": self._app,
            "state": {},
        }
        request: Request[Any, Any, Any] = Request(scope, partial(_whole, body))
        if call.request:
            arguments["request"] = request
        return Asked(call, arguments, request)

    def _call(self, method: str, segments: Sequence[str]) -> _Call | None:
        for path, call in self._calls.get((method, len(segments)), ()):
            if all(mine is None or mine == one for mine, one in zip(path, segments, strict=True)):
                return call
        return None

    def _arguments(
        self, call: _Call, segments: Sequence[str], headers: dict[str, str], body: bytes
    ) -> dict[str, Any] | None:
        length = headers.get("content-length", "0")
        if _LENGTH.fullmatch(length) is None or int(length) != len(body):
            return None
        arguments = dict(call.constants)
        if call.body is not None:
            if (
                not body
                or headers.get("content-type", "").lower() != JSON
                or len(body) > self._context.config.max_body
            ):
                return None
            try:
                arguments["data"] = call.body(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return None
        elif body:
            return None
        for name, header, least, most in call.headers:
            value = headers.get(header)
            if value is not None and not least <= len(value) <= most:
                return None
            arguments[name] = value
        if call.paths:
            found = (one for one, mine in zip(segments, call.path, strict=True) if mine is None)
            arguments.update(zip(call.paths, found, strict=True))
        return arguments

    async def answer(self, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return the answer's status, headers and body."""
        call = asked.call
        try:
            response = await call.handler.fn(**asked.arguments)
        except Exception as error:  # noqa: BLE001 - as Litestar does
            response = self._failed(asked.request, error)
        if response is None:
            response = Response(b"")
        status = response.status_code or call.status
        headers = [(name.lower(), str(value)) for name, value in response.headers.items()]
        if status not in _NO_BODY:
            headers += [("content-type", response.media_type), ("content-length", str(len(response.content)))]
        return status, headers, response.content

    def _failed(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        kind = next(each for each in type(error).__mro__ if each in self._errors)
        return self._errors[kind](request, error)


async def _whole(body: bytes) -> HTTPRequestEvent:
    """Return a body, for a handler that reads it by itself."""
    return {"type": "http.request", "body": body, "more_body": False}


def is_host(value: bytes) -> bool:
    """Return whether a ``Host`` is a host with or without a port (RFC 9110 §7.2, RFC 3986 §3.2.2)."""
    found = _HOST.fullmatch(value)
    return found is not None and int(found[1] or 0) <= _MOST_PORT


def octets_of(
    status: int, headers: Sequence[tuple[str, str]], body: bytes, more: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """Return an answer as it is sent; ``more`` headers stand before the others."""
    head = [_STATUS[HTTPStatus(status)]]
    head += [b"%b: %b\r\n" % each for each in more]
    head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    return b"".join((*head, b"\r\n", body))


def _headers(lines: bytes) -> dict[str, str] | None:
    """Return headers by their name in lower case; None where one is there twice, or is unusual."""
    headers: dict[str, str] = {}
    for line in lines.decode().split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in headers or (
            name in _UNUSUAL and (name, value.strip().lower()) != ("connection", "keep-alive")
        ):
            return None
        headers[name] = value.strip(" \t")
    return headers


def _call_of(handler: HTTPRouteHandler, path: tuple[str | None, ...], names: tuple[str, ...]) -> _Call | None:
    """Return what a handler is called with; None if it is not as simple as that."""
    scope = handler.opt.get(SCOPE)
    plain = (
        scope is not None
        and iscoroutinefunction(handler.fn)
        and len(handler.resolve_guards()) == 1
        and not handler.resolve_middleware()
        and handler.parsed_return_field.annotation is not None
        and (get_origin(handler.parsed_return_field.raw) is Response or handler.status_code == 204)
    )
    if not plain:
        return None
    dependencies = handler.resolve_dependencies()
    headers: list[tuple[str, str, int, int]] = []
    given: dict[str, Any] = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        told = field.kwarg_definition
        if name == "request" or (name in names and _is_any_text(told)):
            continue
        if name == "data" and handler.resolve_data_dto() is JsonBody:
            continue
        dependency = dependencies.get(name)
        if isinstance(dependency, Constant):
            given[name] = dependency.get()
        elif isinstance(told, HeaderParameter) and told.pattern is None and field.default is None:
            headers.append((name, (told.name or name).lower(), told.min_length or 0, told.max_length or MOST))
        else:
            return None
    data = handler.parsed_data_field
    return _Call(
        handler,
        path,
        cast("Scope", scope),
        names,
        tuple(headers),
        given,
        "request" in handler.parsed_fn_signature.parameters,
        None if data is None else msgspec.json.Decoder(data.annotation).decode,
        handler.status_code,
    )


def _is_any_text(told: object) -> bool:
    """Whether a parameter takes every text."""
    return not isinstance(told, ParameterKwarg) or (
        told.pattern is None and told.min_length is None and told.max_length is None
    )
