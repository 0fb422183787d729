"""What the node's HTTP API is told and asked: registrations, reservations, records. There is no other way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar, final

from scp import client

if TYPE_CHECKING:
    from scp.voip.directory import Identity

Answer = TypeVar("Answer")

NO_ROOM: Final = "too many requests are under way"


@final
class ScpLink:
    """Calls of the API, so many at a time.

    Args:
        url: base URL of the node's API.
        token: bearer token.
        deadline: seconds for what a call waits for.
        at_once: requests that may be under way.

    Attributes:
        deadline: as given.
        trouble: what the last request failed with, "" while it works.
    """

    def __init__(self, url: str, token: str, deadline: float, at_once: int) -> None:
        self.url = url
        self.trouble = ""
        self._client = client.AsyncClient(url, token, timeout=5.0, at_once=at_once)
        self.deadline = deadline
        self._room = asyncio.Semaphore(at_once)

    async def send(self, call: client.Call[Answer], room_within: float | None = None) -> Answer:
        """Send a call when there is room for it; raises as `scp.client.AsyncClient.send`.

        Args:
            call: it.
            room_within: seconds after which it is not sent any more: nobody waits for its answer then.
        """
        try:
            async with asyncio.timeout(room_within):
                await self._room.acquire()
        except TimeoutError:
            raise client.TransportError(f"{call.method} {call.path}: not sent, {NO_ROOM}") from None
        try:
            try:
                answer = await self._client.send(call)
            except client.TransportError as error:
                self.trouble = str(error)
                raise
            except client.ApiError as error:
                if error.problem.status in (401, 403):
                    self.trouble = f"the node refuses the token: {error}"
                raise
        finally:
            self._room.release()
        self.trouble = ""
        return answer

    async def tell(self, identity: Identity | None, msisdn: str, aor: str, registered: bool) -> None:
        """Tell that an identity is registered, with its forwarding, or that it is not.

        Raises:
            client.ApiError: the node refuses it: the operator has not authorized the number, say.
            client.TransportError: there was no answer.
        """
        if not registered or identity is None:
            try:
                await self.send(client.deregister(msisdn))
            except client.ApiError as error:
                if error.problem.status != 404:
                    raise
            return
        await self.send(client.register(msisdn, aor))
        if identity.forwarding != "off":
            await self.send(client.set_forwarding(msisdn, enabled=True, when=identity.forwarding))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
