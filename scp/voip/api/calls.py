"""What all calls of the API share: who asks, what a token may do, documented problems."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any, Final, final

from litestar.openapi import ResponseSpec
from msgspec import Struct

from scp.api.auth import bearer, expired
from scp.api.body import JsonBody
from scp.api.openapi import BEARER, CHANGES, Options, problems, refuse_unknown_query
from scp.api.problems import (
    INTERNAL,
    INVALID,
    MALFORMED,
    MISSING_SCOPE,
    TOO_LARGE,
    TOO_MANY,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED,
    Kind,
    ProblemError,
    define,
)
from scp.common.token_buckets import TokenBuckets
from scp.voip.config_api import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard

    from scp.api.audit import Audit
    from scp.voip.accounts import Accounts
    from scp.voip.brain import Brain
    from scp.voip.config_api import Api
    from scp.voip.directory import Device
    from scp.voip.inbox import Inbox

__all__ = ["ResponseSpec"]

_REALM: Final = 'Bearer realm="camel-scp-voip"'
_INVALID: Final = f'{_REALM}, error="invalid_token"'
NOT_YOURS: Final = define(
    "not-yours", 403, "It belongs to somebody else", "A device's token is for its own numbers and devices."
)


class Caller(Struct, frozen=True):
    """Who asks.

    Attributes:
        name: of the key, or the id of the device.
        scopes: what it may do.
        device: whose token it is, None if it is a key's.
    """

    name: str
    scopes: frozenset[Scope]
    device: Device | None = None


_OWN: Final = frozenset({Scope.OWN})


@final
class ApiContext:
    """What every call works with.

    Args:
        config: ``[api]``.
        brain: decides, has the directory.
        accounts: changes it.
        inbox: text messages.
        audit: where changes are written.
        wall: seconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        config: Api,
        brain: Brain,
        accounts: Accounts,
        inbox: Inbox,
        audit: Audit,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.brain = brain
        self.accounts = accounts
        self.inbox = inbox
        self.audit = audit
        self._wall = wall
        self.adopt(config)

    def adopt(self, config: Api) -> None:
        """Take over another configuration's keys and rates."""
        self.config = config
        self._keys = [(bytes.fromhex(key.sha256.reveal()), key) for key in config.keys]
        self._buckets = TokenBuckets(config.rate, config.burst)

    def authenticate(self, header: str | None) -> Caller:
        """Return who has a token; raises `ProblemError` (401) if there is none, or nobody has it any more."""
        token = bearer(header)
        if not token:
            raise ProblemError(UNAUTHENTICATED, "no bearer token", headers={"WWW-Authenticate": _REALM})
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        now_ms = self._wall() * 1000
        found = None
        for expected, key in self._keys:  # all are compared, whichever fits, and what is valid wins
            if hmac.compare_digest(expected, digest) and (found is None or key.until_ms > now_ms):
                found = key
        if found is not None:
            if found.until_ms > now_ms:
                return Caller(found.name, found.scopes)
            raise ProblemError(
                UNAUTHENTICATED, expired(found.name, found.until), headers={"WWW-Authenticate": _INVALID}
            )
        device = self.accounts.holder(token)
        if device is not None:
            return Caller(device.id, _OWN, device)
        late = self.accounts.expired(token)
        raise ProblemError(
            UNAUTHENTICATED,
            "the device's token has expired" if late else "unknown token, or one that was revoked",
            headers={"WWW-Authenticate": _INVALID},
        )

    def slow_down(self, name: str) -> None:
        """Count a request; raises `ProblemError` (429) where there were too many."""
        if not self._buckets.take(name, time.monotonic()):
            wait = max(1, round(1 / self.config.rate))
            raise ProblemError(TOO_MANY, name, headers={"Retry-After": str(wait)})


def context_of(connection: ASGIConnection[Any, Any, Any, Any]) -> ApiContext:
    """Return the context of a request."""
    context = connection.app.state["context"]
    assert isinstance(context, ApiContext)
    return context


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller | None:
    """Return who asks, None before a token was shown, or where none is needed."""
    found: Caller | None = connection.scope.get("auth")
    return found


def source_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the address that asks."""
    return connection.client.host if connection.client else ""


def call(
    *scopes: Scope, kinds: tuple[Kind, ...] = (), tag: str, body: bool = False, changes: bool = False
) -> Options:
    """Return the decorator's arguments for a call.

    Args:
        scopes: one of which is needed; none: nobody has to show a token.
        kinds: the problems that this call has beside those that all have.
        tag: the group it is documented in.
        body: it takes a JSON body.
        changes: refusals of it are audited.
    """
    every = [INVALID, TOO_MANY, INTERNAL, UNAVAILABLE, *kinds]
    if scopes:
        every += [UNAUTHENTICATED, MISSING_SCOPE]
    if body:
        every += [MALFORMED, TOO_LARGE, UNSUPPORTED]
    options = Options(
        guards=[_needs(frozenset(scopes))],
        security=[{BEARER: [str(scope)]} for scope in scopes],
        responses=problems(*every),
        opt={CHANGES: changes},
        tags=[tag],
    )
    if body:
        options["dto"] = JsonBody
    return options


def _needs(scopes: frozenset[Scope]) -> Guard:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        context = context_of(connection)
        if scopes:
            caller = context.authenticate(connection.headers.get("authorization"))
            connection.scope["auth"] = caller
            context.slow_down(caller.name)
            if not scopes & caller.scopes:
                wanted = " ".join(sorted(scopes))
                challenge = f'{_REALM}, error="insufficient_scope", scope="{wanted}"'
                raise ProblemError(
                    MISSING_SCOPE,
                    f"{caller.name} has no scope of: {', '.join(sorted(scopes))}",
                    headers={"WWW-Authenticate": challenge},
                )
        else:
            context.slow_down(source_of(connection))
        refuse_unknown_query(connection, handler)

    return guard


def require_own(connection: ASGIConnection[Any, Any, Any, Any], msisdn: str) -> None:
    """Let operator and gateways pass, and a device that stands for this number.

    Raises:
        ProblemError: it is somebody else's (403).
    """
    caller = caller_of(connection)
    assert caller is not None
    if caller.device is not None and msisdn not in caller.device.identities:
        raise ProblemError(NOT_YOURS, f"{caller.name} does not stand for {msisdn}")
