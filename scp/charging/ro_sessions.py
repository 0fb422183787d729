"""Sessions of credit control: what each request says, by its number, and what its answer grants.

A session (RFC 8506 §5) begins with CC-Request-Number 0; each request that was answered raises it by one, and
the ledger counts them (`scp.domain.reservation.Reservation.steps`), so that a node that takes a call over
goes on where the first was. A request that was not answered is sent again as it was, with the T flag, before
any other of its session: whether the server had it decides the server, and nothing is told twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.charging.ro_client import RoUnavailableError, Sending
from scp.charging.ro_messages import (
    AFTER,
    BEFORE,
    NOT_APPLICABLE,
    FailureHandling,
    Party,
    Reason,
    Request,
    RequestType,
    Used,
    denial,
    unit_of,
)
from scp.domain.quota import divided
from scp.domain.reservation import MESSAGE
from scp.ports import Denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.charging.ro_client import RoClient
    from scp.charging.ro_messages import Answer, Unit
    from scp.domain.quota import Usage
    from scp.domain.reservation import Reservation

MOST_UNANSWERED: Final = 100_000
"""Requests that are remembered to be sent again; beyond it the oldest is forgotten."""
_MOVES: Final = "m"
_HANDLING: Final = "tcr"
"""How `FailureHandling` is written in a reference."""


class Session(NamedTuple):
    """A session at a server; the reference of its reservation in the ledger.

    Attributes:
        id: Session-Id.
        host: the server's Origin-Host.
        moves: another server may be asked (CC-Session-Failover, RFC 8506 §8.4).
        handling: what becomes of the call while the server is away.
    """

    id: str
    host: str
    moves: bool
    handling: FailureHandling

    @property
    def reference(self) -> str:
        """The session as the ledger keeps it."""
        return f"{self.id} {self.host} {_HANDLING[self.handling]}{_MOVES if self.moves else ''}"

    @classmethod
    def of(cls, reference: str) -> Session:
        """Return the session that a reference is of."""
        session, host, flags = reference.split(" ")
        return cls(session, host, _MOVES in flags, FailureHandling(_HANDLING.index(flags[0])))


class Granted(NamedTuple):
    """Seconds from now on.

    Attributes:
        seconds: of them.
        last: there are no more (Final-Unit-Indication).
        validity: seconds that they may wait; None: not said.
        change: when the tariff changes, in seconds since 1970; None: not said.
    """

    seconds: int
    last: bool = False
    validity: int | None = None
    change: int | None = None


class Unanswered(NamedTuple):
    """A request whose fate is not known; ``used`` as in `RoSessions.update`."""

    request: Request
    end: int
    used: int


@final
class RoSessions:
    """The sessions that the ledger's reservations have at the operator's charging system.

    Args:
        client: reaches the servers.
        wall: milliseconds since 1970-01-01 UTC.
        moves: whether a session may go to another server where an answer does not say.
        handling: what becomes of a call while no server answers, where an answer does not say.
    """

    def __init__(
        self, client: RoClient, wall: Callable[[], int], *, moves: bool, handling: FailureHandling
    ) -> None:
        self._client = client
        self._wall = wall
        self._moves = moves
        self._handling = handling
        self._unanswered: dict[str, Unanswered] = {}

    @property
    def carry_on(self) -> bool:
        """Whether a call that begins while no server answers goes on unpaid."""
        return self._handling is FailureHandling.CONTINUE

    async def begin(self, new: Reservation, seconds: int) -> tuple[Session | None, Granted | Denied]:
        """Send the initial request; the session, if one is open now, and what is granted.

        Raises:
            RoUnavailableError: no server answered.
        """
        name = self._name(new.id)
        request = self._request(name, RequestType.INITIAL, 0, new, seconds)
        answer = await self._send(
            new.id, Unanswered(request, 0, 0), "", moves=self._handling is not FailureHandling.TERMINATE
        )
        if answer.result == NOT_APPLICABLE:  # nothing of the call is charged, no session is open
            return None, Granted(seconds)
        refused = denial(answer.result)
        if refused is not None:
            return None, refused
        moves = self._moves if answer.moves is None else answer.moves
        handling = self._handling
        if answer.handling is not None and answer.handling in list(FailureHandling):
            handling = FailureHandling(answer.handling)
        self._client.opened(name)
        host = "" if " " in answer.host else answer.host
        return Session(name, host, moves, handling), self._granted(new, answer, seconds)

    async def update(
        self, found: Reservation, usage: tuple[Used, ...], used: int, seconds: int
    ) -> tuple[int, Granted | Denied]:
        """Tell of what was used and ask for more; what was told in all, and what is granted from there on.

        What was not answered before comes first; the answer is then that one's.

        Args:
            found: the reservation.
            usage: since the last request.
            used: seconds in all, with ``usage``.
            seconds: that are wanted beyond.

        Raises:
            RoUnavailableError: no server answered.
        """
        session = Session.of(found.reference)
        before = self._unanswered.get(found.id)
        if before is None or before.request.number != found.steps:
            request = self._request(session.id, RequestType.UPDATE, found.steps, found, seconds, usage)
            before = Unanswered(request._replace(reason=Reason.QUOTA_EXHAUSTED), 0, used)
        moves = session.moves and session.handling is not FailureHandling.TERMINATE
        answer = await self._send(found.id, before, session.host, moves=moves)
        refused = denial(answer.result)
        if answer.result == NOT_APPLICABLE:
            return before.used, Granted(seconds)
        asked = before.request.asked or seconds
        return before.used, refused or self._granted(found, answer, asked)

    def unanswered(self, found: Reservation) -> bool:
        """Return whether an update of the session was sent and not answered."""
        before = self._unanswered.get(found.id)
        return (
            before is not None
            and before.request.type is RequestType.UPDATE
            and before.request.number == found.steps
        )

    async def end(self, found: Reservation, usage: tuple[Used, ...]) -> None:
        """Tell of the last use, and close the session; one that the server does not know any more is closed.

        An answer to an update says that the node before this one has sent that with the same number, and did
        not live to see it answered: its use is told, and not again. What was used since then is not told: how
        much that is, is not known.

        A server that refuses it for good has ended it too (RFC 8506 §7, PendingT): the charge stays in the
        ledger's record.

        Raises:
            RoUnavailableError: no server answered, or not yet.
        """
        session = Session.of(found.reference)
        request = self._request(session.id, RequestType.TERMINATION, found.steps, found, None, usage)
        request = request._replace(reason=Reason.FINAL)
        answer = await self._send(found.id, Unanswered(request, 0, 0), session.host, moves=session.moves)
        if answer.type == RequestType.UPDATE:
            request = request._replace(number=request.number + 1, used=(Used(0),))
            answer = await self._send(found.id, Unanswered(request, 0, 0), session.host, moves=session.moves)
        if 3000 <= answer.result < 5000:
            raise RoUnavailableError(f"Result-Code {answer.result} {answer.text}".rstrip())
        self._client.open.discard(session.id)

    async def abandon(self, opened: Reservation) -> None:
        """Close a session that grants too little; ``opened`` as the ledger would have it."""
        try:
            await self.end(opened, (Used(0),))
        except RoUnavailableError:  # the server's own clock ends it (Tcc, RFC 8506 §13)
            self._unanswered.pop(opened.id, None)

    async def _send(self, key: str, unanswered: Unanswered, host: str, *, moves: bool) -> Answer:
        """Send a request; one that was sent and not answered goes again as it was.

        The first one of a session that this node did not open may be one that the node before has sent.
        """
        before = self._unanswered.get(key)
        repeated = (
            before is not None
            and before.request.number == unanswered.request.number
            and before.request.type is unanswered.request.type
        )
        if repeated and before is not None:
            unanswered = before
        else:
            unanswered = unanswered._replace(end=self._client.next_end())
        name = unanswered.request.session
        taken_over = name not in self._client.open and unanswered.request.type is not RequestType.INITIAL
        self._unanswered[key] = unanswered
        if len(self._unanswered) > MOST_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        try:
            answer = await self._client.request(
                unanswered.request, Sending(unanswered.end, host, moves, repeated or taken_over)
            )
        except RoUnavailableError as error:
            if not error.sent:
                self._unanswered.pop(key, None)
            raise
        self._unanswered.pop(key, None)
        if unanswered.request.type is RequestType.UPDATE:
            self._client.opened(name)
        return answer

    def _granted(self, of: Reservation, answer: Answer, asked: int) -> Granted | Denied:
        identity = self._client.identity
        group = identity.message_group if of.fingerprint == MESSAGE else identity.rating_group
        return granted(unit_of(answer, group), asked)

    def _name(self, reservation: str) -> str:
        """Return the Session-Id for a reservation: always the same one (RFC 6733 §8.8)."""
        digits = reservation.ljust(18, "0")
        high, low = int(digits[2:10], 16), int(digits[10:18], 16)
        return f"{self._client.identity.host};{high};{low};{reservation}"

    def _request(
        self,
        session: str,
        kind: RequestType,
        number: int,
        of: Reservation,
        asked: int | None,
        used: tuple[Used, ...] = (),
    ) -> Request:
        party = Party(of.account, of.a_number, of.b_number, of.call_id)
        return Request(
            session, kind, number, party, of.fingerprint == MESSAGE, asked, used, None, self._wall() // 1000
        )


def told_in(usage: Usage, told: int, used: int) -> tuple[Used, ...]:
    """Return the seconds from ``told`` to ``used``, divided where the tariff changed meanwhile."""
    parts = divided(usage, told, used)
    return (Used(*parts),) if len(parts) == 1 else (Used(parts[0], BEFORE), Used(parts[1], AFTER))


def granted(unit: Unit | None, asked: int) -> Granted | Denied:
    """Return what an answer's unit grants of the seconds that were asked for.

    They have to be used, and told of, before their Validity-Time is over (RFC 8506 §8.33): so no more than
    that are granted at a time. Every Final-Unit-Action ends the call: there is nothing to redirect it to.
    """
    if unit is None:
        return Denied.SERVICE_DENIED
    if unit.result == NOT_APPLICABLE:
        return Granted(asked, validity=unit.validity)
    refused = None if unit.result is None else denial(unit.result)
    if refused is not None:
        return refused
    if not unit.seconds:
        return Denied.INSUFFICIENT
    seconds = min(unit.seconds, asked, unit.validity or unit.seconds)
    last = unit.final is not None and seconds == min(unit.seconds, asked)
    return Granted(seconds, last, unit.validity, unit.tariff_change)
