"""What all calls share: scopes, documented problems, parameters, ETags, the response."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypedDict

import msgspec
from litestar import Response
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from msgspec import Meta, Struct

from scp.api.auth import authenticate
from scp.api.body import JSON, JsonBody
from scp.api.context import context_of
from scp.api.problems import (
    CHANGED,
    INTERNAL,
    INVALID,
    MALFORMED,
    MEDIA_TYPE,
    MISSING_SCOPE,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED,
    Kind,
    Problem,
    ProblemError,
    invalid,
)
from scp.domain.numbers import parse_msisdn

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard

    from scp.config import Scope

BEARER: Final = "bearer"
"""The name of the security scheme in the OpenAPI document."""
CHANGES: Final = "changes"
"""The handlers' option that says: a refusal of this call belongs into the audit."""
SCOPE: Final = "scope"
"""The handlers' option that says which scope a key must have."""

Msisdn: TypeAlias = Annotated[
    str,
    PathParameter(
        description="E.164 digits, country code first; a + in front and spaces anywhere are accepted.",
        schema_extra={
            "pattern": r"^\s*(\+\s*)?[1-9](\s*[0-9]){4,14}\s*$",
            "examples": ["46701234567"],
        },
    ),
]
IfMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The ETag of what is to be replaced, or * for anything: 412 if it is another by now.",
    ),
]
IfNoneMatch: TypeAlias = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="* to set it only where nothing is set: else 412."),
]
KnownTag: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match", description="The ETag of what is known already: 304 if it still holds."
    ),
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description=(
            "The same key and body again get what the first got: the reservation, as it is by now, or the "
            "denial, also when there is money by now. Nothing is done twice. A key belongs to the paying "
            "account, and is known for a week after the reservation ended. Quotes around it do not count."
        ),
    ),
]


class Options(TypedDict, total=False):
    """Arguments of a handler's decorator."""

    guards: list[Guard]
    security: list[dict[str, list[str]]]
    responses: dict[int, ResponseSpec]
    opt: dict[str, Any]
    dto: type[JsonBody]
    tags: list[str]


def call(
    scope: Scope, *kinds: Kind, tag: str, body: bool = False, changes: bool = False, **more: ResponseSpec
) -> Options:
    """Return the decorator's arguments for a call.

    Args:
        scope: what the key must have.
        kinds: the problems that this call has beside those that all have.
        tag: the group it is documented in.
        body: it takes a JSON body.
        changes: refusals of it are audited.
        more: further documented answers: ``status_201=ResponseSpec(…)``.
    """
    every = [UNAUTHENTICATED, MISSING_SCOPE, INVALID, TOO_MANY, INTERNAL, UNAVAILABLE]
    if body:
        every += [MALFORMED, TOO_LARGE, UNSUPPORTED]
    responses = problems(*every, *kinds)
    responses |= {int(name.removeprefix("status_")): spec for name, spec in more.items()}
    options = Options(
        guards=[needs(scope)],
        security=[{BEARER: [str(scope)]}],
        responses=responses,
        opt={CHANGES: changes, SCOPE: scope},
        tags=[tag],
    )
    if body:
        options["dto"] = JsonBody
    return options


def needs(scope: Scope) -> Guard:
    """Return the guard that lets only keys of this scope pass; Litestar would run a plain one in a thread."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        context = context_of(connection)
        authenticate(connection, context.keyring, context.limiter, scope)
        refuse_unknown_query(connection, handler)

    return guard


def refuse_unknown_query(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a query parameter that a call does not have; one that is mistyped must not go unnoticed."""
    for name in connection.query_params if connection.scope["query_string"] else ():
        if name not in _query_names(handler):
            raise invalid(name, "there is no such query parameter")


@lru_cache(maxsize=256)
def _query_names(handler: BaseRouteHandler) -> frozenset[str]:
    fields = handler.parsed_fn_signature.parameters.items()
    return frozenset(
        field.kwarg_definition.name or name
        for name, field in fields
        if isinstance(field.kwarg_definition, QueryParameter)
    )


def problems(*kinds: Kind) -> dict[int, ResponseSpec]:
    """Return the documentation of problems by status."""
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description="; ".join(kind.title for kind in several),
            media_type=MEDIA_TYPE,
            examples=[
                Example(kind.name, summary=kind.title, value=msgspec.to_builtins(kind.problem()))
                for kind in several
            ],
        )
        for status, several in by_status.items()
    }


def documented(kind: type[Struct], what: str) -> ResponseSpec:
    """Return the documentation of an answer beside a call's ordinary one."""
    return ResponseSpec(kind, generate_examples=False, description=what)


def e164(example: str) -> Meta:
    """Return what a body's E.164 number has to be."""
    return Meta(
        pattern=r"^\+?[1-9][0-9]{4,14}$(?!\n)",  # a $ also stands before a newline at the end
        description="5 to 15 E.164 digits, country code first",
        examples=[example],
    )


def msisdn_of(text: str, name: str = "msisdn") -> str:
    """Return the E.164 digits of a number in a path or body.

    Raises:
        ProblemError: it is none (422).
    """
    try:
        return parse_msisdn(text)
    except ValueError as error:
        raise invalid(name, str(error)) from None


# --- answers and their ETags ---

_encode: Final = msgspec.json.Encoder().encode


def etag_of(body: bytes) -> str:
    """Return the strong ETag of a representation: the same octets have the same tag, on every node.

    It is a hash of what is shown: a change is refused only where it would overwrite what the other has seen.
    """
    return f'"{hashlib.blake2b(body, digest_size=9).hexdigest()}"'


def answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response[Any]:
    """Return a JSON answer."""
    return Response(_encode(value), status_code=status, media_type=JSON, headers=headers or {})


def tagged(value: object, status: int = 200) -> Response[Any]:
    """Return a JSON answer with its ETag."""
    body = _encode(value)
    return Response(body, status_code=status, media_type=JSON, headers={"ETag": etag_of(body)})


def require(current: object | None, if_match: str | None, if_none_match: str | None) -> None:
    """Hold a change to its preconditions (RFC 9110 §13.1.1, §13.1.2).

    Args:
        current: the representation that there is, None if there is none.
        if_match: the header, None if absent; weak tags never match.
        if_none_match: likewise.

    Raises:
        ProblemError: it does not hold (412).
    """
    if if_match is None and if_none_match is None:
        return
    tag = None if current is None else etag_of(_encode(current))
    headers = {} if tag is None else {"ETag": tag}
    if if_match is not None and not _fits(if_match, tag):
        raise ProblemError(CHANGED, "If-Match", headers=headers)
    if if_none_match is not None and _fits(if_none_match, tag):
        raise ProblemError(CHANGED, "If-None-Match", headers=headers)


def unchanged(current: object, if_none_match: str | None) -> bool:
    """Return whether the client has this representation already: 304 (RFC 9110 §13.1.2)."""
    return if_none_match is not None and _fits(if_none_match.replace("W/", ""), etag_of(_encode(current)))


def _fits(header: str, tag: str | None) -> bool:
    """Return whether a list of tags, or ``*``, has this one; None: there is nothing to have one."""
    if tag is None:
        return False
    return header.strip() == "*" or tag in (part.strip() for part in header.split(","))
