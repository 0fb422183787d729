"""Subscriber records of a running node, read through its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.client import ApiError, Client, TransportError, subscriber
from scp.domain.lookup import StoreFailure
from scp.domain.subscriber import Subscriber, When
from scp.replay.records import RecordsError

if TYPE_CHECKING:
    from scp.domain.lookup import Found, Pending
    from scp.ports import Waiter

_REFUSED: Final = (401, 403)
_NOT_FOUND: Final = 404
_NOBODY: Final = "000000000000000"  # 15 digits, of which no country's number begins with 0 (E.164 §6)


@final
class ApiRecords:
    """A running node's records, each asked for once and waited for; a `scp.ports.SubscriberLookup`."""

    def __init__(self, url: str, token: str) -> None:
        self._client = Client(url, token)
        self._known: dict[str, Subscriber | None] = {}

    def check(self) -> None:
        """Ask for a number that nobody has.

        Raises:
            RecordsError: the node can't be reached, or refuses the token.
        """
        try:
            self._ask(_NOBODY)
        except TransportError as error:
            raise RecordsError(str(error)) from error
        except ApiError as error:
            if error.problem.status in _REFUSED:
                raise RecordsError(f"the node does not show subscribers: {error}") from error

    def find(self, msisdn: str, waiter: Waiter) -> Found | Pending:  # noqa: ARG002 - it never has to wait
        """Return the record, None if there is none, or `StoreFailure.UNAVAILABLE` without an answer."""
        if msisdn not in self._known:
            try:
                self._known[msisdn] = self._ask(msisdn)
            except (TransportError, ApiError):
                return StoreFailure.UNAVAILABLE
        return self._known[msisdn]

    def _ask(self, msisdn: str) -> Subscriber | None:
        try:
            view = self._client.send(subscriber(msisdn))
        except ApiError as error:
            if error.problem.status == _NOT_FOUND:
                return None
            raise
        return Subscriber(
            view.msisdn,
            imsi=view.imsi,
            authorized=view.authorized,
            aor=view.aor,
            forwarding_number=view.forwarding_number,
            forwarding=view.forwarding,
            when=When(view.when),
            locations=view.locations,
            roaming=view.roaming,
            vlr=view.vlr,
            version=view.version,
            rescue=view.rescue,
            rescue_number=view.rescue_number,
        )

    def usable(self) -> str:
        """Return "": a failure shows in each answer."""
        return ""
