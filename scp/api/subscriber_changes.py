"""Reads and changes subscribers' records for the calls of the API.

Every change is one compare-and-set on the record: read, hold to the preconditions, apply the rules
(`scp.domain.provisioning`), write if the record is still the one that was read, else once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from litestar import Request, Response
from msgspec import Struct

from scp.api.audit import call
from scp.api.context import Context, key_name
from scp.api.openapi import msisdn_of, require, tagged, unchanged
from scp.api.problems import NOT_AUTHORIZED, NOT_REGISTERED, NOT_SET, UNAVAILABLE, Kind, ProblemError
from scp.api.subscriber_bodies import view_of
from scp.domain import provisioning
from scp.domain.provisioning import Deregister, ForgetRoaming, Operation, Refusal, Withdraw
from scp.domain.subscriber import Subscriber
from scp.ports import VersionConflictError

Shown = TypeVar("Shown", bound=Struct)
View: TypeAlias = Callable[[Subscriber], Shown | None]

ATTEMPTS: Final = 100
"""Writers that may overtake one change before it is given up with 503."""
_ENDS: Final = (Withdraw, Deregister, ForgetRoaming)
"""Operations that make no record where there is none."""
_REFUSALS: Final[dict[Refusal, Kind]] = {
    Refusal.NOT_AUTHORIZED: NOT_AUTHORIZED,
    Refusal.NOT_REGISTERED: NOT_REGISTERED,
}


async def show(context: Context, msisdn: str, view: View[Shown], if_none_match: str | None) -> Response[Any]:
    """Answer a GET: what there is, 304 where it is known already, 404 where there is nothing."""
    number = msisdn_of(msisdn)
    record = await context.store.get(number)
    found = None if record is None else view(record)
    if found is None:
        raise ProblemError(NOT_SET, f"number {number}")
    response = tagged(found)
    if unchanged(found, if_none_match):
        return Response(b"", status_code=304, headers=response.headers)
    return response


async def change(
    request: Request[Any, Any, Any],
    context: Context,
    msisdn: str,
    operation: Operation,
    view: View[Shown],
    preconditions: tuple[str | None, str | None],
) -> tuple[Shown | None, Shown | None]:
    """Apply an operation to a number's record; return what was shown of it before and what is after.

    Args:
        request: for the audit.
        context: of the API.
        msisdn: whose record.
        operation: what to do with it.
        view: what is shown of it.
        preconditions: If-Match and If-None-Match.

    Raises:
        ProblemError: a precondition or a rule forbids it, or too many others changed the record at once.
        StoreError: the store could not do it.
    """
    number = msisdn_of(msisdn)
    before = await context.store.get(number)
    for _attempt in range(ATTEMPTS):
        record = before or Subscriber(number)
        was = None if before is None else view(before)
        require(was, *preconditions)
        wanted = provisioning.apply(record, operation)
        if isinstance(wanted, Refusal):
            raise ProblemError(_REFUSALS[wanted], f"number {number}")
        if wanted == record and (before is not None or isinstance(operation, _ENDS)):
            return was, view(record)  # nothing to write
        try:
            after = await context.store.put(wanted)
        except VersionConflictError as conflict:
            before = conflict.current
            continue
        await context.node.written((after,))
        what = call(request.method, request.url.path)
        context.audit.changed(key_name(request), what, before and view_of(before), view_of(after))
        return was, view(after)
    raise ProblemError(UNAVAILABLE, "others change the same number too fast", headers={"Retry-After": "1"})
