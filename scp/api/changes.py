"""Shows the latest changes through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from scp.api.change_log import MOST, Change
from scp.api.context import Context
from scp.api.openapi import answer, call, msisdn_of
from scp.config import Scope

if TYPE_CHECKING:
    from scp.config import ApiKey


class ChangeList(Struct, frozen=True):
    """Changes, the latest first; ``problem``: why those through other nodes' APIs may lack."""

    changes: tuple[Change, ...]
    problem: str = ""


Number: TypeAlias = Annotated[
    str | None, QueryParameter(min_length=5, max_length=20, description="Only changes of this E.164 number.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=MOST, description="Changes at the most.")]


@get("/v1/changes", operation_id="changes", **call(Scope.READ, tag="subscribers"))
async def show_changes(
    request: Request[Any, Any, Any],
    context: NamedDependency[Context],
    number: Number = None,
    limit: Limit = 100,
) -> Response[ChangeList]:
    """Return the latest changes through the API, of a number or of all. Scope: read.

    They are those of all nodes on the same Redis; with SQLite, of this node.
    Those of money are shown to keys with the scope charging, of traces with trace, of held calls with calls,
    of messages with messages. They are the latest 2,000; with `[api] audit` those before a start are there.
    """
    key: ApiKey = request.scope["auth"]
    wanted = "" if number is None else msisdn_of(number, "number")
    problem = "" if context.shared is None else await context.shared.pull()
    return answer(ChangeList(context.audit.changes.of(wanted, key.scopes, limit), problem))


HANDLERS: Final[tuple[Any, ...]] = (show_changes,)
