"""Two clients that send calls, plain and asyncio."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import httpx

from scp.client.call import Call, Received, TransportError, received
from scp.client.connection import HttpError, Pool, in_words

if TYPE_CHECKING:
    import ssl
    from typing import Self

Answer = TypeVar("Answer")

AT_ONCE: Final = 64
"""Requests of an `AsyncClient` that may be under way."""
TIMEOUT: Final = 10.0
"""Seconds that a call may take, unless the client is told otherwise."""


def _options(url: str, token: str, timeout: float, verify: ssl.SSLContext | bool) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # trust_env=False: a proxy of the environment must not stand between a node and its client.
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
            raise TransportError(f"{call.method} {call.path}: {in_words(error)}") from error
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
    """`Client` for asyncio: so many requests at once at most (``at_once``), the others wait in turn."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        at_once: int = AT_ONCE,
    ) -> None:
        base = httpx.URL(url)
        secure = base.scheme == "https"
        tls = httpx.create_ssl_context(verify, trust_env=False) if secure else None
        port = base.port or (443 if secure else 80)
        self._pool = Pool(base.host, port, tls, at_once, timeout)
        self._prefix = base.path.rstrip("/")
        lines = [f"Host: {base.netloc.decode()}", "Accept: */*", "User-Agent: camel-scp"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        self._lines = "".join(f"{line}\r\n" for line in lines)

    async def send(self, call: Call[Answer]) -> Answer:
        """Return the answer; raises `ApiError` and `TransportError`."""
        return (await self.exchange(call)).value

    async def exchange(self, call: Call[Answer]) -> Received[Answer]:
        """Return the answer with its status and ETag; raises as `send`."""
        repeatable = any(name == "Idempotency-Key" for name, _ in call.headers)
        try:
            status, headers, body = await self._pool.request(
                call.method, self._octets(call), repeatable=repeatable
            )
        except (HttpError, TimeoutError) as error:
            raise TransportError(f"{call.method} {call.path}: {str(error) or 'no answer in time'}") from error
        return received(call, status, headers, body)

    def _octets(self, call: Call[Answer]) -> bytes:
        """Return a request as it is sent; raises `ValueError` for a line break where none may be."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in call.headers)
        if lines.count("\n") != len(call.headers) or re.search(r"[\s\x00-\x1f\x7f]", call.path):
            raise ValueError(f"{call.method} {call.path!r}: a control character in path or headers")
        body = call.body or b""
        length = f"Content-Length: {len(body)}\r\n" if body or call.method in ("POST", "PUT") else ""
        head = f"{call.method} {self._prefix}{call.path} HTTP/1.1\r\n{self._lines}{lines}{length}\r\n"
        return head.encode("latin-1") + body

    async def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()
