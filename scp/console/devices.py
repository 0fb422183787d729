"""A subscriber's devices at the VoIP service, asked of its API for somebody who looks."""

from __future__ import annotations

from typing import Any, Final, final

from litestar import Response, get
from msgspec import Struct

from scp.api.openapi import Msisdn, answer, call, msisdn_of
from scp.client import ApiError, AsyncClient, TransportError, voip
from scp.config import Scope

TIMEOUT: Final = 3.0
"""Seconds that the VoIP service may take."""


class DeviceView(Struct, frozen=True):
    """A device; ``state`` active, off or revoked."""

    id: str
    label: str
    state: str


class DeviceList(Struct, frozen=True):
    """The devices of a number, and how many are registered now; ``problem``: why that is not known."""

    devices: tuple[DeviceView, ...] = ()
    registered: int = 0
    problem: str = ""


@final
class Devices:
    """Asks the VoIP service.

    Args:
        url: of its API.
        token: of a key of it with the scope operator.
    """

    def __init__(self, url: str, token: str) -> None:
        self._client = AsyncClient(url, token, timeout=TIMEOUT)

    async def of(self, msisdn: str) -> DeviceList:
        """Return what it has of a number."""
        try:
            found = await self._client.send(voip.devices(msisdn))
            reach = await self._client.send(voip.reachability(msisdn))
        except ApiError as error:
            return DeviceList(problem="" if error.problem.status == 404 else str(error))
        except TransportError as error:
            return DeviceList(problem=str(error))
        shown = tuple(DeviceView(one.id, one.label, one.state) for one in found.devices)
        return DeviceList(shown, reach.devices)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def handler(self) -> Any:
        """Return the API call."""

        @get("/v1/devices/{msisdn:str}", operation_id="devices", **call(Scope.READ, tag="console"))
        async def show_devices(msisdn: Msisdn) -> Response[DeviceList]:
            """Return the devices that the VoIP service has for a number. Scope: read."""
            return answer(await self.of(msisdn_of(msisdn)))

        return show_devices
