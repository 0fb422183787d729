"""``Idempotency-Key`` on POSTs: the same request again gets the same answer and does nothing a second time.

The answers are kept in this process's memory, for `LIFETIME`; what must not happen twice across a restart or
on another node (a charge) is told apart by its own id where it is kept, not here.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from litestar import Response
from msgspec import Struct

from scp.api.context import Context, key_name
from scp.api.problems import IN_PROGRESS, KEY_REUSED, ProblemError, invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Request

    from scp.ports import Clock

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
LIFETIME: Final = 86_400.0
"""Seconds that an answer is kept."""
MOST: Final = 10_000
"""Answers that are kept; beyond it the oldest goes."""
MAX_KEY: Final = 255

Place: TypeAlias = tuple[str, str, str]
"""Name of the API key, path, idempotency key."""


class _Answer(Struct):
    digest: bytes
    expires: float
    response: Response[bytes] | None = None  # None: being worked out


@final
class Answers:
    """The answers to POSTs that carried an ``Idempotency-Key``."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._answers: OrderedDict[Place, _Answer] = OrderedDict()

    async def once(
        self, place: Place, digest: bytes, work: Callable[[], Awaitable[Response[bytes]]]
    ) -> Response[bytes]:
        """Return what ``work`` answered the first time; an exception out of it leaves the key unused.

        Raises:
            ProblemError: the key came with another body (422), or its request is being served (409).
        """
        self._forget()
        known = self._answers.get(place)
        if known is not None:
            return _again(known, digest)
        mine = self._answers[place] = _Answer(digest, self._clock() + LIFETIME)
        try:
            mine.response = await work()
        finally:
            if mine.response is None:
                self._answers.pop(place, None)
        return mine.response

    def _forget(self) -> None:
        now = self._clock()
        while self._answers:
            oldest = next(iter(self._answers.values()))
            if oldest.expires > now and len(self._answers) < self._most:
                return
            self._answers.popitem(last=False)


def _again(known: _Answer, digest: bytes) -> Response[bytes]:
    if known.digest != digest:
        raise ProblemError(KEY_REUSED, "the first request with this key had another body")
    if known.response is None:
        raise ProblemError(IN_PROGRESS, "the first request with this key is not answered yet")
    first = known.response
    return Response(
        first.content,
        status_code=first.status_code,
        media_type=first.media_type,
        headers={**first.headers, REPLAYED: "true"},
    )


async def idempotent(
    request: Request[Any, Any, Any], context: Context, work: Callable[[], Awaitable[Response[bytes]]]
) -> Response[bytes]:
    """Do the work of a POST: at once without an ``Idempotency-Key``, else once for each key."""
    key = request.headers.get(HEADER)
    if key is None:
        return await work()
    if not 1 <= len(key) <= MAX_KEY:
        raise invalid(HEADER, f"1 to {MAX_KEY} characters are needed")
    digest = hashlib.blake2b(await request.body(), digest_size=16).digest()
    return await context.answers.once((key_name(request), request.url.path, key), digest, work)
