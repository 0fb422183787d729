"""A client of the HTTP API: calls as typed values, and two clients, plain and asyncio, that send them.

    from scp.client import Client, authorize, register, set_forwarding

    with Client("http://127.0.0.1:8080", token) as client:
        client.send(authorize("46701234567"))
        client.send(register("46701234567", "sip:+46701234567@voip.example"))
        forwarding = client.send(set_forwarding("46701234567", enabled=True, when="roaming"))

A call knows its method, path, body and what its answer is; it does no I/O, so both clients share it. It needs
nothing else of this distribution, and httpx beside msgspec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, final
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

Answer = TypeVar("Answer")

When: TypeAlias = Literal["always", "roaming", "locations"]
Trigger: TypeAlias = Literal["originating", "terminating", "forwarded"]

TIMEOUT: Final = 10.0
"""Seconds that a call may take, unless the client is told otherwise."""


# --- answers ---


class Authorization(Struct, frozen=True):
    """The operator lets this number use the service."""

    msisdn: str
    imsi: str | None = None


class Registration(Struct, frozen=True):
    """The VoIP service has registered this number."""

    msisdn: str
    aor: str
    forwarding_number: str | None = None


class Forwarding(Struct, frozen=True):
    """Whether a number's calls are forwarded, and under which condition."""

    msisdn: str
    enabled: bool
    when: When = "always"
    locations: tuple[str, ...] = ()


class Roaming(Struct, frozen=True):
    """Where a subscriber is."""

    msisdn: str
    roaming: bool | None = None
    vlr: str | None = None


class Subscriber(Struct, frozen=True):
    """All that was said of a number."""

    msisdn: str
    authorized: bool
    imsi: str | None
    registered: bool
    aor: str | None
    forwarding_number: str | None
    forwarding: bool
    when: When
    locations: tuple[str, ...]
    roaming: bool | None
    vlr: str | None
    version: int


class Condition(Struct, frozen=True):
    """One condition of a decision: its name, what it looked at, "yes" or why it does not hold."""

    condition: str
    value: str
    outcome: str


class Decision(Struct, frozen=True):
    """What would happen to a call, and why."""

    action: Literal["connect", "continue", "release", "error"]
    number: str | None
    nature: str | None
    reason: str
    explanation: str
    path: tuple[Condition, ...]


class FieldError(Struct, frozen=True):
    """What is wrong with one field."""

    path: str
    reason: str


class LineResult(Struct, frozen=True):
    """What came of one line of an import."""

    line: int
    result: Literal["stored", "refused", "failed"]
    msisdn: str = ""
    errors: tuple[FieldError, ...] = ()


class Imported(Struct, frozen=True):
    """What came of an import; ``lines`` are those that were not stored."""

    stored: int
    refused: int
    failed: int
    lines: tuple[LineResult, ...] = ()


class Readiness(Struct, frozen=True):
    """Whether the node takes calls, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


# --- errors ---


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
        problem: what it said.
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


class _ImportReader(Reader[Imported]):
    def __init__(self) -> None:
        super().__init__(Imported)

    def __call__(self, body: bytes) -> Imported:
        *lines, last = body.splitlines()
        summary = super().__call__(last)
        results = (_line_result(line) for line in lines)
        return msgspec.structs.replace(summary, lines=tuple(one for one in results if one.result != "stored"))


_line_result: Final = msgspec.json.Decoder(LineResult).decode
_problem: Final = msgspec.json.Decoder(Problem).decode
_encode: Final = msgspec.json.Encoder().encode
_AUTHORIZATION: Final = Reader(Authorization)
_REGISTRATION: Final = Reader(Registration)
_FORWARDING: Final = Reader(Forwarding)
_ROAMING: Final = Reader(Roaming)
_SUBSCRIBER: Final = Reader(Subscriber)
_DECISION: Final = Reader(Decision)
_READINESS: Final = Reader(Readiness)
_IMPORTED: Final = _ImportReader()
NOTHING: Final = _Nothing()


def json_call(method: str, path: str, read: Reader[Answer], body: Mapping[str, Any]) -> Call[Answer]:
    """Return a call with a JSON body; fields that are None are left out."""
    given = {name: value for name, value in body.items() if value is not None}
    return Call(method, path, read, _encode(given), (("Content-Type", "application/json"),))


def _of(collection: str, msisdn: str) -> str:
    return f"/v1/{collection}/{quote(msisdn, safe='')}"


def authorization(msisdn: str) -> Call[Authorization]:
    """Return the call that reads a number's authorization."""
    return Call("GET", _of("authorizations", msisdn), _AUTHORIZATION)


def authorize(msisdn: str, imsi: str | None = None) -> Call[Authorization]:
    """Return the call that lets a number use the service."""
    return json_call("PUT", _of("authorizations", msisdn), _AUTHORIZATION, {"imsi": imsi})


def withdraw(msisdn: str) -> Call[None]:
    """Return the call that ends a number's authorization, registration and forwarding."""
    return Call("DELETE", _of("authorizations", msisdn), NOTHING)


def registration(msisdn: str) -> Call[Registration]:
    """Return the call that reads a number's registration."""
    return Call("GET", _of("registrations", msisdn), _REGISTRATION)


def register(msisdn: str, aor: str, forwarding_number: str | None = None) -> Call[Registration]:
    """Return the call that registers a number, which has to be authorized."""
    body = {"aor": aor, "forwarding_number": forwarding_number}
    return json_call("PUT", _of("registrations", msisdn), _REGISTRATION, body)


def deregister(msisdn: str) -> Call[None]:
    """Return the call that ends a number's registration and forwarding."""
    return Call("DELETE", _of("registrations", msisdn), NOTHING)


def forwarding(msisdn: str) -> Call[Forwarding]:
    """Return the call that reads whether a number is forwarded."""
    return Call("GET", _of("forwarding", msisdn), _FORWARDING)


def set_forwarding(
    msisdn: str, *, enabled: bool, when: When = "always", locations: Sequence[str] = ()
) -> Call[Forwarding]:
    """Return the call that switches forwarding."""
    body = {"enabled": enabled, "when": when, "locations": list(locations)}
    return json_call("PUT", _of("forwarding", msisdn), _FORWARDING, body)


def roaming(msisdn: str) -> Call[Roaming]:
    """Return the call that reads where a subscriber is."""
    return Call("GET", _of("roaming", msisdn), _ROAMING)


def set_roaming(msisdn: str, roaming: bool, vlr: str | None = None) -> Call[Roaming]:
    """Return the call that says where a subscriber is."""
    return json_call("PUT", _of("roaming", msisdn), _ROAMING, {"roaming": roaming, "vlr": vlr})


def forget_roaming(msisdn: str) -> Call[None]:
    """Return the call that takes back what was said of where a subscriber is."""
    return Call("DELETE", _of("roaming", msisdn), NOTHING)


def subscriber(msisdn: str) -> Call[Subscriber]:
    """Return the call that reads all of a number."""
    return Call("GET", _of("subscribers", msisdn), _SUBSCRIBER)


def import_subscribers(records: Iterable[Mapping[str, Any]]) -> Call[Imported]:
    """Return the call that loads records; each has ``msisdn`` and any of the fields of `Subscriber`."""
    body = b"".join(_encode(record) + b"\n" for record in records)
    headers = (("Content-Type", "application/x-ndjson"),)
    return Call("POST", "/v1/subscribers:import?results=refused", _IMPORTED, body, headers)


def decide(
    b_number: str,
    *,
    a_number: str | None = None,
    trigger: Trigger = "originating",
    vlr: str | None = None,
    service_key: int | None = None,
) -> Call[Decision]:
    """Return the call that asks what would happen to a call."""
    body = {
        "b_number": b_number,
        "a_number": a_number,
        "trigger": trigger,
        "vlr": vlr,
        "service_key": service_key,
    }
    return json_call("POST", "/v1/decisions", _DECISION, body)


def readiness() -> Call[Readiness]:
    """Return the call that asks whether the node takes calls."""
    return Call("GET", "/readyz", _READINESS, also=(503,))


# --- clients ---


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


def _options(url: str, token: str, timeout: float, verify: ssl.SSLContext | bool) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # trust_env=False: a proxy of the environment has no business between a node and who provisions it.
    return {"base_url": url, "headers": headers, "timeout": timeout, "verify": verify, "trust_env": False}


@final
class Client:
    """Sends calls and waits.

    Args:
        url: the node's base URL, ``https://scp-1.example:8080``.
        token: the bearer token; "" for calls that need none.
        timeout: seconds that a call may take.
        verify: an `ssl.SSLContext` with the CA to trust, and the client's certificate where one is asked for.
    """

    def __init__(
        self, url: str, token: str = "", *, timeout: float = TIMEOUT, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._http = httpx.Client(**_options(url, token, timeout, verify))

    def send(self, call: Call[Answer]) -> Answer:
        """Return the answer; raises `ApiError` and `TransportError`."""
        return self.exchange(call).value

    def exchange(self, call: Call[Answer]) -> Received[Answer]:
        """Return the answer with its status and ETag; raises as `send`."""
        try:
            response = self._http.request(call.method, call.path, content=call.body, headers=call.headers)
        except httpx.HTTPError as error:
            raise TransportError(
                f"{call.method} {call.path}: {str(error) or type(error).__name__}"
            ) from error
        return received(call, response.status_code, response.headers, response.content)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@final
class AsyncClient:
    """`Client` for asyncio."""

    def __init__(
        self, url: str, token: str = "", *, timeout: float = TIMEOUT, verify: ssl.SSLContext | bool = True
    ) -> None:
        self._http = httpx.AsyncClient(**_options(url, token, timeout, verify))

    async def send(self, call: Call[Answer]) -> Answer:
        """Return the answer; raises `ApiError` and `TransportError`."""
        return (await self.exchange(call)).value

    async def exchange(self, call: Call[Answer]) -> Received[Answer]:
        """Return the answer with its status and ETag; raises as `send`."""
        try:
            response = await self._http.request(
                call.method, call.path, content=call.body, headers=call.headers
            )
        except httpx.HTTPError as error:
            raise TransportError(
                f"{call.method} {call.path}: {str(error) or type(error).__name__}"
            ) from error
        return received(call, response.status_code, response.headers, response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()
