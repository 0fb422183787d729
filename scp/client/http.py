"""Two clients that send calls, plain and asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import httpx

from scp.client.call import Call, Received, TransportError, received

if TYPE_CHECKING:
    import ssl
    from typing import Self

Answer = TypeVar("Answer")

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
