"""Problem details (RFC 9457) for every error that the API answers, its own and the framework's.

Each kind has a `type` that programs may rely on; it is a path at which the node itself explains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from litestar import Response
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PATH: Final = "/problems/"


class Kind(Struct, frozen=True):
    """A kind of problem: the last part of its `type`, the HTTP status, a title, what to do about it."""

    name: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        """The `type` of its problem details, relative to the node."""
        return TYPE_PATH + self.name

    def problem(self, detail: str = "", errors: tuple[FieldError, ...] = ()) -> Problem:
        """Return problem details of this kind."""
        return Problem(self.type, self.title, self.status, detail, errors)


KINDS: Final[dict[str, Kind]] = {}
"""Every kind by name; `define` fills it."""


def define(name: str, status: int, title: str, advice: str) -> Kind:
    """Return a new kind of problem, documented under its `type` from now on."""
    assert name not in KINDS
    kind = KINDS[name] = Kind(name, status, title, advice)
    return kind


MALFORMED: Final = define(
    "malformed-request", 400, "The request can't be read", "Send a JSON body as RFC 8259 has it."
)
UNAUTHENTICATED: Final = define(
    "unauthenticated",
    401,
    "No valid token",
    "Send 'Authorization: Bearer TOKEN' with a token whose SHA-256 is in [[api.keys]].",
)
MISSING_SCOPE: Final = define(
    "missing-scope", 403, "The token may not do this", "The key needs the scope that the call names."
)
NOT_AUTHORIZED: Final = define(
    "not-authorized",
    403,
    "The number is not authorized",
    "The operator has to authorize it first: PUT /v1/authorizations/{msisdn}.",
)
NO_SUCH_PATH: Final = define(
    "no-such-path", 404, "There is nothing at this path", "The calls are listed at /docs."
)
NOT_SET: Final = define(
    "not-set", 404, "There is nothing of this kind", "Set it with PUT, or mind a mistyped number or id."
)
METHOD_NOT_ALLOWED: Final = define(
    "method-not-allowed", 405, "The path does not know this method", "The header Allow has those it knows."
)
NOT_REGISTERED: Final = define(
    "not-registered",
    409,
    "The number is not registered",
    "The VoIP service has to register it first: PUT /v1/registrations/{msisdn}.",
)
NO_RULES: Final = define(
    "no-steering-service", 409, "No service decides here", "Configure [services.voip-forwarding]."
)
OTHERWISE: Final = define(
    "settled-otherwise", 409, "It was done before, with other particulars", "What was done first stands."
)
CHANGED: Final = define(
    "changed-meanwhile",
    412,
    "It is not what the request expected",
    "GET it again and decide anew; If-Match and If-None-Match are compared with its ETag.",
)
TOO_LARGE: Final = define(
    "too-large", 413, "The body is too large", "[api] max_body and max_import limit it."
)
UNSUPPORTED: Final = define(
    "unsupported-media-type",
    415,
    "The body's media type is not one that is read",
    "See Content-Type at /docs.",
)
INVALID: Final = define(
    "invalid",
    422,
    "The request says something that can't be",
    "'errors' names each field and what it may be.",
)
KEY_REUSED: Final = define(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "Take a new key for each new request.",
)
TOO_MANY: Final = define(
    "too-many-requests",
    429,
    "The key asks too often",
    "Wait as long as Retry-After says. [api] rate limits it.",
)
INTERNAL: Final = define("internal", 500, "The node failed", "Its log has the error.")
UNAVAILABLE: Final = define(
    "store-unavailable",
    503,
    "The store could not do it",
    "Nothing is known to be changed. Try again; /health says more.",
)


class FieldError(Struct, frozen=True):
    """What is wrong with one field of a request.

    Attributes:
        path: the field, from the body's root (``locations[0]``), or the name of a parameter or header.
        reason: what it may be, in words.
    """

    path: str
    reason: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details as RFC 9457 §3 has them.

    Attributes:
        type: what kind of problem, for programs.
        title: the kind in words.
        status: the HTTP status.
        detail: this very problem in words.
        errors: what is wrong with each field.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class ProblemError(Exception):
    """Ends a request with problem details."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{kind.name}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def as_body(self) -> Problem:
        """Return the problem details."""
        return self.kind.problem(self.detail, self.errors)


def invalid(path: str, reason: str) -> ProblemError:
    """Return the problem of one bad field, parameter or header."""
    return ProblemError(INVALID, f"{path}: {reason}", (FieldError(path, reason),))


def as_response(error: ProblemError) -> Response[bytes]:
    """Return the answer for a problem."""
    return Response(
        _encode(error.as_body()),
        status_code=error.kind.status,
        media_type=MEDIA_TYPE,
        headers=error.headers,
    )


_encode: Final = msgspec.json.Encoder().encode
