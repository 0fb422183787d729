"""Authorizations, registrations, forwarding, roaming, and the view of all of it.

A record has parts, and each part has the same calls: GET shows it, PUT sets it, DELETE removes it.
`PARTS` has what differs between them; `_get`, `_put` and `_delete` are the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody
from msgspec import Struct

from scp.api.context import Context
from scp.api.openapi import IfMatch, IfNoneMatch, KnownTag, Msisdn, call, documented, msisdn_of, tagged
from scp.api.problems import CHANGED, NOT_AUTHORIZED, NOT_REGISTERED, NOT_SET, Kind, invalid
from scp.api.subscriber_bodies import (
    Authorization,
    AuthorizationBody,
    Forwarding,
    ForwardingBody,
    Registration,
    RegistrationBody,
    Roaming,
    RoamingBody,
    SubscriberView,
    authorization_of,
    forwarding_of,
    registration_of,
    roaming_of,
    view_of,
)
from scp.api.subscriber_changes import View, change, show
from scp.config import Scope
from scp.domain import provisioning
from scp.domain.provisioning import (
    Authorize,
    Deregister,
    DisableForwarding,
    EnableForwarding,
    ForgetRoaming,
    Operation,
    Register,
    SetRoaming,
    Withdraw,
)

Shown = TypeVar("Shown", bound=Struct)
Sent = TypeVar("Sent", bound=Struct)

_TAG: Final = "subscribers"
_UNSEEN: Final = ResponseSpec(None, description="It is what If-None-Match has")


class Saying(Struct, Generic[Sent], frozen=True):
    """How a part is set.

    Attributes:
        body: what PUT takes.
        operation: from the number in the path and the body to what is done with the record; raises
            `ProblemError` for what the schema can't refuse.
        about: the call in words.
        refusals: problems that it may meet.
    """

    body: type[Sent]
    operation: Callable[[str, Sent], Operation]
    about: str
    refusals: tuple[Kind, ...] = ()


class Ending(Struct, frozen=True):
    """How a part is taken back: what is done with the record, and the call in words."""

    operation: Operation
    about: str


class Part(Struct, Generic[Shown, Sent], frozen=True):
    """What one party says of a number.

    Attributes:
        path: the collection's, ``/v1/PATH/{msisdn}``.
        name: in the ids of the calls: get, put and delete with it behind.
        scope: what the key must have.
        kind: what is shown.
        view: from the record to what is shown of it.
        about: GET in words.
        saying: None: there is no PUT.
        ending: None: there is no DELETE.
    """

    path: str
    name: str
    scope: Scope
    kind: type[Shown]
    view: View[Shown]
    about: str
    saying: Saying[Sent] | None = None
    ending: Ending | None = None


# --- what is done with the record ---


def _register(msisdn: str, body: RegistrationBody) -> Operation:
    number = body.forwarding_number and body.forwarding_number.removeprefix("+")
    if number is not None and number == msisdn_of(msisdn):
        raise invalid("forwarding_number", "it is the number itself: calls would loop")
    return Register(body.aor, number)


def _switch_forwarding(msisdn: str, body: ForwardingBody) -> Operation:
    fault = provisioning.condition_fault(body.when, body.locations)
    if fault:
        raise invalid(*fault.split(": ", 1))
    switch = EnableForwarding if body.enabled else DisableForwarding
    number = body.rescue_number and body.rescue_number.removeprefix("+")
    if number is not None and not body.rescue:
        raise invalid("rescue_number", "it is for a number whose rescue is on")
    if number is not None and number == msisdn_of(msisdn):
        raise invalid("rescue_number", "it is the number itself, which is the default: null")
    return switch(body.when, body.locations, body.rescue, number)


PARTS: Final[tuple[Part[Any, Any], ...]] = (
    Part(
        "authorizations",
        "Authorization",
        Scope.AUTHORIZATION,
        Authorization,
        authorization_of,
        "Whether the operator lets the number use the service.",
        Saying(AuthorizationBody, lambda _, body: Authorize(body.imsi), "Let the number use the service."),
        Ending(Withdraw(), "End the number's authorization, and with it registration and forwarding."),
    ),
    Part(
        "registrations",
        "Registration",
        Scope.REGISTRATION,
        Registration,
        registration_of,
        "The number's registration with the VoIP service.",
        Saying(
            RegistrationBody,
            _register,
            "Register the number, which has to be authorized.",
            (NOT_AUTHORIZED,),
        ),
        Ending(Deregister(), "End the number's registration, and its forwarding."),
    ),
    Part(
        "forwarding",
        "Forwarding",
        Scope.FORWARDING,
        Forwarding,
        forwarding_of,
        "Whether the number's calls are forwarded, and under which condition.",
        Saying(
            ForwardingBody,
            _switch_forwarding,
            "Switch forwarding on, for a registered number, or off, which keeps it registered.",
            (NOT_AUTHORIZED, NOT_REGISTERED),
        ),
    ),
    Part(
        "roaming",
        "Roaming",
        Scope.FORWARDING,
        Roaming,
        roaming_of,
        "Where the subscriber is, as another system reported it.",
        Saying(
            RoamingBody,
            lambda _, body: SetRoaming(body.roaming, body.vlr and body.vlr.removeprefix("+")),
            "Say where the subscriber is; what a terminating call itself carries wins over it.",
        ),
        Ending(ForgetRoaming(), "Remove the reported place of the subscriber."),
    ),
    Part(
        "subscribers",
        "Subscriber",
        Scope.READ,
        SubscriberView,
        view_of,
        "The whole record of a number.",
    ),
)


# --- the calls; Litestar reads their annotations, in which `signature_namespace` fills in the types ---


def _get(part: Part[Shown, Any]) -> HTTPRouteHandler:
    @get(
        f"/v1/{part.path}/{{msisdn:str}}",
        operation_id=f"get{part.name}",
        summary=f"Get{part.name}",
        description=f"{part.about} Scope: {part.scope}.",
        signature_namespace={"Shown": part.kind},
        **call(part.scope, NOT_SET, tag=_TAG, status_304=_UNSEEN),
    )
    async def read(
        context: NamedDependency[Context], msisdn: Msisdn, if_none_match: KnownTag = None
    ) -> Response[Shown]:
        return await show(context, msisdn, part.view, if_none_match)

    return read


def _put(part: Part[Shown, Sent], saying: Saying[Sent]) -> HTTPRouteHandler:
    @put(
        f"/v1/{part.path}/{{msisdn:str}}",
        operation_id=f"put{part.name}",
        summary=f"Put{part.name}",
        description=f"{saying.about} Scope: {part.scope}.",
        signature_namespace={"Shown": part.kind, "Sent": saying.body},
        **call(
            part.scope,
            *saying.refusals,
            CHANGED,
            tag=_TAG,
            body=True,
            changes=True,
            status_201=documented(part.kind, "There was none before"),
        ),
    )
    async def say(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        msisdn: Msisdn,
        data: JSONBody[Sent],
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response[Shown]:
        operation = saying.operation(msisdn, data)
        was, now = await change(request, context, msisdn, operation, part.view, (if_match, if_none_match))
        return tagged(now, 201 if was is None else 200)  # RFC 9110 §9.3.4

    return say


def _delete(part: Part[Shown, Any], ending: Ending) -> HTTPRouteHandler:
    @delete(
        f"/v1/{part.path}/{{msisdn:str}}",
        operation_id=f"delete{part.name}",
        summary=f"Delete{part.name}",
        description=f"{ending.about} Scope: {part.scope}.",
        **call(part.scope, CHANGED, tag=_TAG, changes=True),
    )
    async def end(
        request: Request[Any, Any, Any],
        context: NamedDependency[Context],
        msisdn: Msisdn,
        if_match: IfMatch = None,
    ) -> None:
        await change(request, context, msisdn, ending.operation, part.view, (if_match, None))

    return end


def calls_of(part: Part[Any, Any]) -> list[HTTPRouteHandler]:
    """Return the calls that a part has."""
    calls = [_get(part)]
    if part.saying is not None:
        calls.append(_put(part, part.saying))
    if part.ending is not None:
        calls.append(_delete(part, part.ending))
    return calls


HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = tuple(each for part in PARTS for each in calls_of(part))
