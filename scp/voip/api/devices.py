"""Devices: those of a number, their credentials, an end to one."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from scp.api.audit import call as call_of
from scp.api.openapi import Msisdn, answer, msisdn_of
from scp.api.problems import NOT_SET, ProblemError
from scp.voip.accounts import Credentials, RefusedError
from scp.voip.api.calls import NOT_YOURS, ApiContext, call, caller_of, require_own
from scp.voip.api.enrolments import CredentialsView, credentials_view
from scp.voip.api.identities import identity_of
from scp.voip.api.refusals import AGAIN, FIXED, refused
from scp.voip.config_api import Scope
from scp.voip.directory import E164, Device, DeviceState

_TAG: Final = "devices"
_OWN: Final = (Scope.OWN, Scope.OPERATOR)
NameOfDevice: TypeAlias = Annotated[
    str,
    PathParameter(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", description="The device's id: letters, digits, - and _."
    ),
]


class DeviceView(Struct, frozen=True):
    """A device; its password is shown to nobody."""

    id: str
    identities: tuple[str, ...]
    label: str
    state: str


class DeviceList(Struct, frozen=True):
    """The devices of a number."""

    devices: list[DeviceView]


class NewDeviceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A device that the operator makes, for one number or several; it calls as the first."""

    EXAMPLE: ClassVar = {"identities": ["46701234567"], "label": "Alice's desk"}
    identities: Annotated[tuple[E164, ...], Meta(min_length=1, max_length=20)]
    label: Annotated[str, Meta(max_length=64)] = ""


class DeviceChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is changed of a device; what is off keeps its credentials and may not use them."""

    EXAMPLE: ClassVar = {"state": "off"}
    label: Annotated[str, Meta(max_length=64)] | None = None
    state: Literal["active", "off"] | None = None


def _view(device: Device) -> DeviceView:
    return DeviceView(device.id, device.identities, device.label, device.state.value)


def _device(request: Request[Any, Any, Any], context: ApiContext, name: str) -> Device:
    """Return a device that the asking one shares a number with, or any for an operator."""
    found = context.brain.directory.device(name)
    caller = caller_of(request)
    if caller is not None and caller.device is not None:
        theirs = () if found is None else found.identities
        if not set(theirs) & set(caller.device.identities):
            raise ProblemError(NOT_YOURS, f"device {name}")
    if found is None:
        raise ProblemError(NOT_SET, f"device {name}")
    return found


def _audit(
    request: Request[Any, Any, Any], context: ApiContext, before: Device | None, after: Device | None
) -> None:
    caller = caller_of(request)
    context.audit.changed(
        caller.name if caller else "",
        call_of(request.method, request.url.path),
        None if before is None else _view(before),
        None if after is None else _view(after),
    )
    about = (after or before or Device("", "", ())).identities
    if context.brain.feed is not None:
        state = "revoked" if after is None else after.state.value
        context.brain.feed.publish(
            "device", about, {"id": (after or before or Device("", "", ())).id, "state": state}
        )


@get(
    "/identities/{msisdn:str}/devices",
    operation_id="getDevices",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG),
)
async def get_devices(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], msisdn: Msisdn
) -> Response[DeviceList]:
    """Show the devices of a number. Scopes: own, operator."""
    number = msisdn_of(msisdn)
    require_own(request, number)
    identity_of(context, number)
    return answer(DeviceList([_view(one) for one in context.brain.directory.devices_of(number)]))


@get("/devices/{device:str}", operation_id="getDevice", **call(*_OWN, kinds=(NOT_SET, NOT_YOURS), tag=_TAG))
async def get_device(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], device: NameOfDevice
) -> Response[DeviceView]:
    """Show a device. Scopes: own, operator."""
    return answer(_view(_device(request, context, device)))


@put(
    "/devices/{device:str}",
    operation_id="putDevice",
    status_code=201,
    **call(Scope.OPERATOR, kinds=(FIXED, AGAIN), tag=_TAG, body=True, changes=True),
)
async def put_device(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    device: NameOfDevice,
    data: JSONBody[NewDeviceBody],
) -> Response[CredentialsView]:
    """Make a device, with new credentials, in place of one with this id. Scope: operator."""
    before = context.brain.directory.device(device)
    try:
        made = await context.accounts.make_device(device, data.identities, data.label)
    except RefusedError as error:
        raise refused(error) from None
    _audit(request, context, before, made.device)
    return _shown(context, made)


@post(
    "/devices/{device:str}/change",
    operation_id="changeDevice",
    status_code=200,
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS, FIXED, AGAIN), tag=_TAG, body=True, changes=True),
)
async def change_device(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    device: NameOfDevice,
    data: JSONBody[DeviceChangeBody],
) -> Response[DeviceView]:
    """Rename a device, or switch it off or on. Scopes: own, operator."""
    before = _device(request, context, device)
    state = None if data.state is None else DeviceState(data.state)
    try:
        after = await context.accounts.set_device(device, data.label, state)
    except RefusedError as error:
        raise refused(error) from None
    _audit(request, context, before, after)
    return answer(_view(after))


@post(
    "/devices/{device:str}/credentials",
    operation_id="rotateCredentials",
    status_code=201,
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS, FIXED, AGAIN), tag=_TAG, changes=True),
)
async def rotate(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], device: NameOfDevice
) -> Response[CredentialsView]:
    """Give a device a new password and token; the old ones end with this. Scopes: own, operator."""
    before = _device(request, context, device)
    try:
        made = await context.accounts.rotate(device)
    except RefusedError as error:
        raise refused(error) from None
    _audit(request, context, before, made.device)
    return _shown(context, made)


@delete(
    "/devices/{device:str}",
    operation_id="revokeDevice",
    **call(*_OWN, kinds=(NOT_SET, NOT_YOURS, FIXED, AGAIN), tag=_TAG, changes=True),
)
async def revoke(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], device: NameOfDevice
) -> None:
    """Let a device go for good: its credentials, tokens and bindings. Scopes: own, operator."""
    before = _device(request, context, device)
    try:
        await context.accounts.revoke(device)
    except RefusedError as error:
        raise refused(error) from None
    _audit(request, context, before, None)


def _shown(context: ApiContext, made: Credentials) -> Response[CredentialsView]:
    return answer(credentials_view(context, made), 201, {"Location": f"/v1/devices/{made.device.id}"})


HANDLERS: Final = (get_devices, get_device, put_device, change_device, rotate, revoke)
