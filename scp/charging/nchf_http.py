"""HTTP requests to a charging function: with a deadline, retries, and a circuit breaker."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final

import httpx
import msgspec
from msgspec import structs

from scp.charging.fault_state import FaultState
from scp.charging.nchf_messages import ProblemDetails

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from random import Random

    from scp.charging.nchf_messages import ChargingDataRequest
    from scp.domain.breaker import Breaker

TRY_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be over with the next attempt (TS 29.500 §5.2.7.2)."""
FIRST_PAUSE: Final = 0.05
NOT_ASKED: Final = "not asked: the circuit is open"
RESULTS: Final = ("answered", "refused", "unavailable")
"""What comes of a request: carried out, answered with an error, or not answered at all in time."""

_encode: Final = msgspec.json.Encoder().encode


class ChfUnavailableError(Exception):
    """No answer, or none that can be read; whether the request was carried out is not known."""


class ChfRefusedError(Exception):
    """The charging function refused; ``cause`` is its problem's, "" if it gave none."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(f"{status} {cause}")
        self.status = status
        self.cause = cause


@final
class ChfClient:
    """Sends requests to one charging function.

    Args:
        url: its API root: ``https://chf.example``, perhaps with a path.
        breaker: the circuit to it.
        clock: monotonic seconds.
        random: spreads the pauses between attempts.
        deadline: seconds that a request may take, all attempts together.
        attempt: seconds that one of them may take.
        tls: what connections are secured with; None: what the system trusts.
        http2: speak HTTP/2 (with prior knowledge where it is not TLS), as TS 29.500 §5.2 wants it.
        fault: told why a request was not answered, and when one is again.

    Attributes:
        results: requests by what came of them: one of `RESULTS`.
    """

    def __init__(
        self,
        url: str,
        breaker: Breaker,
        clock: Callable[[], float],
        random: Random,
        *,
        deadline: float,
        attempt: float,
        tls: ssl.SSLContext | None = None,
        http2: bool = False,
        fault: FaultState | None = None,
    ) -> None:
        self.fault = fault or FaultState(lambda _: None)
        self.results = dict.fromkeys(RESULTS, 0)
        self._breaker = breaker
        self._clock = clock
        self._random = random
        self._deadline = deadline
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=attempt,
            verify=True if tls is None else tls,
            http1=not http2,
            http2=http2,
            headers={"Content-Type": "application/json"},
            trust_env=False,
        )

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def post(
        self, path: str, request: ChargingDataRequest, *, repeated: bool = False
    ) -> httpx.Response:
        """Return the answer to a request that was carried out (2xx).

        Args:
            path: of the resource.
            request: what is asked.
            repeated: it may have been sent before.

        Raises:
            ChfUnavailableError: the circuit is open, or no attempt was answered in time.
            ChfRefusedError: it was answered with any other error.
        """
        until = self._clock() + self._deadline
        reason = NOT_ASKED
        pause = FIRST_PAUSE
        first = not repeated
        while (left := until - self._clock()) > 0 and self._breaker.allows(self._clock()):
            outcome = await self._attempt(
                path, request if first else structs.replace(request, retransmission=True), left
            )
            if not isinstance(outcome, str):
                return self._answered(outcome)
            reason = outcome
            first = False
            await asyncio.sleep(max(0.0, min(pause * self._random.uniform(0.5, 1.5), until - self._clock())))
            pause *= 2
        self.results["unavailable"] += 1
        if reason != NOT_ASKED or not self.fault.now:  # what opened the circuit says more
            self.fault.report(reason)
        raise ChfUnavailableError(reason)

    def _answered(self, response: httpx.Response) -> httpx.Response:
        self.fault.report("")
        if response.is_success:
            self.results["answered"] += 1
            return response
        self.results["refused"] += 1
        raise ChfRefusedError(response.status_code, _cause(response))

    async def _attempt(self, path: str, request: ChargingDataRequest, left: float) -> httpx.Response | str:
        """Return the answer, whatever it says, or in words why another attempt is worth it."""
        try:
            async with asyncio.timeout(left):
                response = await self._client.post(path, content=_encode(request))
        except (httpx.TransportError, TimeoutError) as error:
            self._breaker.failed(self._clock())
            return f"{type(error).__name__}: {str(error) or 'no answer in time'}"
        except BaseException:  # cancelled: nothing is known of the server, but a probe has to end
            self._breaker.failed(self._clock())
            raise
        if response.status_code in TRY_AGAIN:
            self._breaker.failed(self._clock())
            return f"status {response.status_code}"
        self._breaker.succeeded(self._clock())
        return response


def _cause(response: httpx.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=ProblemDetails).cause
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""The charging function knows the session no longer."""
