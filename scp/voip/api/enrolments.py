"""Joining by a PIN that comes by text message: ask, then confirm."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, TypeAlias

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from scp.api.openapi import answer, e164, msisdn_of
from scp.api.problems import NOT_SET
from scp.voip.accounts import Credentials, RefusedError
from scp.voip.api.calls import ApiContext, call, source_of
from scp.voip.api.refusals import (
    AGAIN,
    EXPIRED,
    FULL,
    LOCKED,
    NO_ENROLMENTS,
    TOO_OFTEN,
    USED,
    WRONG_DEVICE,
    WRONG_PIN,
    refused,
)

_TAG: Final = "joining"

EnrolmentId: TypeAlias = Annotated[
    str, PathParameter(description="The enrolment's id.", schema_extra={"maxLength": 64})
]


class EnrolmentBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A device that wants to join."""

    EXAMPLE: ClassVar = {"msisdn": "46701234567", "label": "Alice's phone"}
    msisdn: Annotated[str, e164("46701234567")]
    label: Annotated[str, Meta(max_length=64, description="for people, up to 64 characters")] = ""


class EnrolmentView(Struct, frozen=True):
    """The PIN is on its way; ``secret`` is for this device alone, and goes with the PIN."""

    id: str
    secret: str
    expires_ms: int


class ConfirmationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The PIN, with the secret that the device was given."""

    EXAMPLE: ClassVar = {"secret": "pZ0…", "pin": "483926"}
    secret: Annotated[str, Meta(min_length=1, max_length=128)]
    pin: Annotated[str, Meta(pattern=r"^[0-9]{4,10}$(?!\n)", description="4 to 10 digits")]


class CredentialsView(Struct, frozen=True):
    """What a device registers and asks with. Password and token are shown this once.

    ``user`` and ``password`` are for SIP's digest in the realm ``domain``, ``aor`` is what it registers,
    ``proxies`` where; ``token`` is for this API until ``token_expires_ms``.
    """

    device: str
    msisdn: str
    domain: str
    aor: str
    user: str
    password: str
    proxies: list[str]
    dids: list[str]
    token: str
    token_expires_ms: int


def credentials_view(context: ApiContext, made: Credentials) -> CredentialsView:
    """Return what a device is shown once."""
    msisdn = made.device.identities[0]
    identity = context.brain.directory.identity(msisdn)
    config = context.brain.config
    return CredentialsView(
        device=made.device.id,
        msisdn=msisdn,
        domain=config.voip.domain,
        aor=f"sip:+{msisdn}@{config.voip.domain}",
        user=made.device.id,
        password=made.password,
        proxies=list(config.sip.listen),
        dids=list(identity.dids) if identity is not None else [],
        token=made.token,
        token_expires_ms=made.token_until_ms,
    )


@post(
    "/enrolments",
    operation_id="enrol",
    status_code=202,
    **call(kinds=(NO_ENROLMENTS, TOO_OFTEN, LOCKED), tag=_TAG, body=True, changes=True),
)
async def enrol(
    request: Request[Any, Any, Any], context: NamedDependency[ApiContext], data: JSONBody[EnrolmentBody]
) -> Response[EnrolmentView]:
    """Ask for a PIN by text message to a number. Needs no token.

    The answer is the same whether or not the number may join: a PIN comes only where it may.
    """
    msisdn = msisdn_of(data.msisdn, "msisdn")
    source = source_of(request)
    try:
        asked = await context.accounts.enrol(msisdn, data.label, source)
    except RefusedError as error:
        raise refused(error) from None
    context.audit.changed("", "enrolment", None, {"id": asked.id, "msisdn": msisdn}, source=source)
    return answer(EnrolmentView(asked.id, asked.secret, asked.until_ms), 202)


@post(
    "/enrolments/{enrolment:str}/confirmation",
    operation_id="confirmEnrolment",
    status_code=201,
    **call(
        kinds=(NOT_SET, LOCKED, WRONG_DEVICE, WRONG_PIN, EXPIRED, USED, FULL, AGAIN),
        tag=_TAG,
        body=True,
        changes=True,
    ),
)
async def confirm(
    request: Request[Any, Any, Any],
    context: NamedDependency[ApiContext],
    enrolment: EnrolmentId,
    data: JSONBody[ConfirmationBody],
) -> Response[CredentialsView]:
    """Join with the PIN that came: the device gets its credentials, once. Needs no token."""
    try:
        done, made = await context.accounts.confirm(enrolment, data.secret, data.pin)
    except RefusedError as error:
        raise refused(error) from None
    device = made.device
    after = {"id": device.id, "msisdn": done.msisdn, "label": device.label}
    context.audit.changed("", "device", None, after, enrolment=enrolment, source=source_of(request))
    return answer(credentials_view(context, made), 201, {"Location": f"/v1/devices/{device.id}"})


HANDLERS: Final = (enrol, confirm)
