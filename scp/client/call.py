"""A call of the API as a value: method, path, body, and how its answer is read. Nothing here does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = TypeVar("Answer")


# --- errors ---


class FieldError(Struct, frozen=True):
    """What is wrong with one field."""

    path: str
    reason: str


class Problem(Struct, frozen=True):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class ApiError(Exception):
    """The node answered with a problem.

    Attributes:
        problem: the problem details.
        retry_after: in how many seconds it may be tried again, None if it did not say.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(
            f"{problem.status} {problem.title}" + (f": {problem.detail}" if problem.detail else "")
        )
        self.problem = problem
        self.retry_after = retry_after

    @property
    def kind(self) -> str:
        """The last part of the problem's ``type``: ``not-authorized``."""
        return self.problem.type.rpartition("/")[2]


class TransportError(Exception):
    """There was no answer, or none that makes sense; whether the call took effect is not known."""


# --- calls ---


class Call(Struct, Generic[Answer], frozen=True):
    """One call of the API.

    Attributes:
        method: GET, PUT, POST or DELETE.
        path: from the base URL, percent-encoded.
        read: makes the answer of the body.
        body: octets to send, None for none.
        headers: beside those that every call has.
        also: statuses beside 2xx that are answers.
    """

    method: str
    path: str
    read: Reader[Answer]
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    also: tuple[int, ...] = ()

    def when_match(self, etag: str) -> Call[Answer]:
        """Return this call for what has this ETag, or anything at all for ``*``; else it fails with 412."""
        return self._with("If-Match", etag)

    def when_new(self) -> Call[Answer]:
        """Return this call for where there is nothing yet; else it fails with 412."""
        return self._with("If-None-Match", "*")

    def once(self, key: str) -> Call[Answer]:
        """Return this POST with an ``Idempotency-Key``: sent again, it is not done again."""
        return self._with("Idempotency-Key", key)

    def _with(self, name: str, value: str) -> Call[Answer]:
        return msgspec.structs.replace(self, headers=(*self.headers, (name, value)))


class Reader(Generic[Answer]):
    """Makes an answer of a body: JSON of one type."""

    def __init__(self, kind: type[Answer]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes) -> Answer:
        """Return the answer; raises `msgspec.DecodeError`."""
        return self._decode(body)


class _Nothing(Reader[None]):
    def __init__(self) -> None:
        super().__init__(type(None))

    def __call__(self, body: bytes) -> None:
        if body:
            raise msgspec.DecodeError("a body where none was expected")


_problem: Final = msgspec.json.Decoder(Problem).decode
_encode: Final = msgspec.json.Encoder().encode
NOTHING: Final = _Nothing()


def json_call(method: str, path: str, read: Reader[Answer], body: Mapping[str, Any]) -> Call[Answer]:
    """Return a call with a JSON body; fields that are None are left out."""
    given = {name: value for name, value in body.items() if value is not None}
    return Call(method, path, read, _encode(given), (("Content-Type", "application/json"),))


def path_of(*parts: str) -> str:
    """Return the path of something: its parts, percent-encoded, below ``/v1``."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


# --- answers ---


class Received(Struct, Generic[Answer], frozen=True):
    """An answer with what HTTP says of it."""

    value: Answer
    status: int
    etag: str = ""


def received(call: Call[Answer], status: int, headers: Mapping[str, str], body: bytes) -> Received[Answer]:
    """Return the answer to a call.

    Raises:
        ApiError: it is a problem.
        TransportError: it is nothing that the API answers.
    """
    try:
        if 200 <= status < 300 or status in call.also:
            return Received(call.read(body), status, headers.get("etag", ""))
        problem = _problem(body)
    except msgspec.DecodeError as error:
        raise TransportError(
            f"{call.method} {call.path}: HTTP {status} that can't be read: {error}"
        ) from None
    wait = headers.get("retry-after", "")
    raise ApiError(problem, float(wait) if wait.isdecimal() else None)
