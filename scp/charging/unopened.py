"""Sessions that could not be opened since the operator's charging system was away, and whose calls went on.

A call that has grace, or is free, while charging is away may end before it is back: what it used is owed all
the same. So its session is opened when it is settled, however late, and settled then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp.domain.quota import QuotaDenial
from scp.ports import Denied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scp.domain.quota import QuotaAnswer, QuotaRequest, Usage

MOST: Final = 100_000
"""Sessions that are remembered; beyond it the oldest is forgotten."""


@final
class UnopenedSessions:
    """What was asked for them."""

    def __init__(self) -> None:
        self._requests: dict[str, QuotaRequest] = {}

    def add(self, request: QuotaRequest) -> None:
        """Remember a session whose first request was not answered."""
        self._requests[request.session] = request
        if len(self._requests) > MOST:
            del self._requests[next(iter(self._requests))]

    async def opened(
        self, session: str, used: Usage, reserve: Callable[[QuotaRequest], Awaitable[QuotaAnswer]]
    ) -> QuotaAnswer:
        """Open a session that is to be settled; what came of it.

        Args:
            session: that the ledger does not have.
            used: in all.
            reserve: asks the system; what it raises when that is away still, is raised.
        """
        request = self._requests.get(session)
        answer: QuotaAnswer = QuotaDenial(Denied.UNKNOWN_RESERVATION)
        if request is not None and used.tenths:
            answer = await reserve(
                replace(request, seconds=used.seconds, used=replace(used, told=0), least=1)
            )
        self._requests.pop(session, None)
        return answer
