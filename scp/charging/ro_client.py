"""Requests to the operator's online charging system: to the first server that is well, else to the next.

RFC 8506 §5.7 says when a request may go to another server, RFC 6733 §5.5.4 how: with the same End-to-End id
and the T flag, by which a server that has it already tells it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, final

from scp.charging.fault_state import FaultState
from scp.charging.ro_messages import (
    MOVE,
    UNKNOWN_SESSION,
    Code,
    Command,
    credit_control,
    credit_control_request,
    denial,
    optional,
    read_answer,
)
from scp.charging.ro_peer import PeerLostError, RoPeer
from scp.charging.ro_watchdog import Health
from ss7.diameter import RETRANSMITTED, find, read_text
from ss7.errors import DecodeError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from random import Random

    from scp.charging.ro_messages import Answer, Identity, Request
    from ss7.diameter import Message

RESULTS: Final = ("answered", "refused", "unavailable")
"""What comes of a request: carried out, answered with an error, or not answered at all in time."""

MOST_OPEN: Final = 1 << 20
"""Sessions that are remembered."""


class RoUnavailableError(Exception):
    """No answer, or none that can be read.

    Attributes:
        sent: a server may have the request, and have carried it out.
    """

    def __init__(self, reason: str, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent


class Timers(NamedTuple):
    """Seconds.

    Attributes:
        tx: that a server may take for an answer (RFC 8506 §13), while there is another to ask.
        deadline: that a request may take, all servers together.
        tw: of silence, until a server is asked whether it is there (RFC 3539).
        again: until a lost connection is tried again (Tc, RFC 6733 §2.1).
    """

    tx: float
    deadline: float
    tw: float
    again: float


class Sending(NamedTuple):
    """How a request goes.

    Attributes:
        end: its End-to-End id.
        host: the server that has its session; "": any.
        moves: another server may be asked.
        repeated: it may have been sent before.
    """

    end: int
    host: str = ""
    moves: bool = True
    repeated: bool = False


@final
class RoClient:
    """Sends requests to the servers of one charging system.

    Args:
        addresses: the servers', the first that is well is asked.
        identity: of this node.
        random: of ids, and of watchdogs.
        clock: monotonic seconds.
        timers: how long things may take.
        tls: what connections are secured with; None: nothing.
        fault: told why a request was not answered, and when one is again.
        told: makes what is told, for a server's address, why that is not connected, and when it is again.

    Attributes:
        identity: as given.
        peers: the servers.
        results: requests by what came of them: one of `RESULTS`.
        repeated: how many were sent once more, with the T flag.
        open: Session-Ids of what this node has asked for and not ended.
    """

    def __init__(
        self,
        addresses: tuple[tuple[str, int], ...],
        identity: Identity,
        random: Random,
        clock: Callable[[], float],
        timers: Timers,
        *,
        tls: ssl.SSLContext | None = None,
        fault: FaultState | None = None,
        told: Callable[[str], FaultState] = lambda _: FaultState(lambda _: None),
    ) -> None:
        self.identity = identity
        self.fault = fault or FaultState(lambda _: None)
        self.results = dict.fromkeys(RESULTS, 0)
        self.repeated = 0
        self.open: set[str] = set()
        self.peers = tuple(
            RoPeer(
                each,
                identity,
                random,
                self.next_end,
                tw=timers.tw,
                connect=max(1.0, timers.deadline),
                again=timers.again,
                tls=tls,
                told=told(f"{each[0]}:{each[1]}"),
                re_authorise=self.open.__contains__,
            )
            for each in addresses
        )
        self._clock = clock
        self._timers = timers
        self._end = random.getrandbits(32)

    def opened(self, session: str) -> None:
        """Note that a session is open here."""
        self.open.add(session)
        if len(self.open) > MOST_OPEN:  # of calls that other nodes have ended
            self.open.pop()

    async def start(self) -> None:
        """Connect to every server, and stay so."""
        for peer in self.peers:
            peer.start()

    async def close(self) -> None:
        """Take leave of every server."""
        await asyncio.gather(*(peer.stop() for peer in self.peers))

    @property
    def missing(self) -> int:
        """How many servers are not connected, or not trusted."""
        return sum(peer.missing for peer in self.peers)

    def next_end(self) -> int:
        """Return an End-to-End id that no request has had lately (RFC 6733 §3)."""
        self._end = (self._end + 1) & 0xFFFF_FFFF
        return self._end

    async def request(self, request: Request, sending: Sending) -> Answer:
        """Return the answer, whatever its Result-Code.

        Raises:
            RoUnavailableError: no server answered in time.
        """
        until = self._clock() + self._timers.deadline
        tried: set[RoPeer] = set()
        sent = sending.repeated
        reason = self._why_not(sending)
        answer: Answer | None = None
        while (left := until - self._clock()) > 0:
            peer = self._next(sending, tried)
            if peer is None:
                break
            tried.add(peer)
            others = self._next(sending, tried) is not None
            seconds = min(left, self._timers.tx) if others else left
            outcome = await self._attempt(peer, request, sending, seconds, again=sent)
            if isinstance(outcome, str):
                sent, reason = True, f"{peer.name}: {outcome}"
                continue
            answer = outcome
            if answer.result not in MOVE:
                return self._answered(answer)
        if answer is not None:  # of a server that can't, and there is no other
            reason = f"Result-Code {answer.result} {answer.text}".rstrip()
        self.results["unavailable"] += 1
        self.fault.report(reason)
        raise RoUnavailableError(reason, sent=sent)

    def _answered(self, answer: Answer) -> Answer:
        self.fault.report("")
        refused = denial(answer.result) is not None and answer.result != UNKNOWN_SESSION
        self.results["refused" if refused else "answered"] += 1
        return answer

    def _why_not(self, sending: Sending) -> str:
        """Return in words why no server can be asked, if none can."""
        faults = "; ".join(f"{each.name}: {each.fault}" for each in self.peers if each.fault)
        if not sending.moves and sending.host:
            return f"{sending.host}, which has the session, is not connected: {faults}"
        return f"no server is connected: {faults}"

    def _next(self, sending: Sending, tried: set[RoPeer]) -> RoPeer | None:
        """Return the best server that was not tried: the session's own, if it may not move, or none."""
        if tried and not sending.moves and not sending.host:
            return None
        usable = [each for each in self.peers if each.health is not Health.DOWN and each not in tried]
        if sending.host and any(each.host == sending.host for each in self.peers):
            own = [each for each in usable if each.host == sending.host]
            if own and (not sending.moves or own[0].health <= Health.REOPEN):
                return own[0]
            if not sending.moves:
                return None
        return min(usable, key=lambda each: each.health, default=None)

    def _destination(self, peer: RoPeer, sending: Sending) -> str:
        """Return Destination-Host: the session's server, unless another one is asked instead of it.

        A peer that has no session itself is a relay, which finds the server by it (RFC 6733 §6.1.6).
        """
        if peer.host == sending.host or not any(each.host == sending.host for each in self.peers):
            return sending.host
        return ""

    async def _attempt(
        self, peer: RoPeer, request: Request, sending: Sending, seconds: float, *, again: bool
    ) -> Answer | str:
        """Return the answer, or in words why there is none."""
        avps = credit_control(request, self.identity, self._destination(peer, sending))
        flags = RETRANSMITTED if again else 0
        self.repeated += again
        try:
            async with asyncio.timeout(seconds):
                message = await peer.ask(lambda hop: credit_control_request(avps, hop, sending.end, flags))
                return _other(message, request) or read_answer(message)
        except TimeoutError:
            return f"no answer in {seconds:.1f} s"
        except PeerLostError as error:
            return str(error)
        except DecodeError as error:
            return f"the answer can't be read: {error}"


def _other(message: Message, request: Request) -> str:
    """Return in words why a message is no answer to a request, although its Hop-by-Hop id says so; "": it is.

    An error may leave out both AVPs (RFC 6733 §7.2); where they are, they are the request's (RFC 8506 §3.2).
    """
    if message.command != Command.CREDIT_CONTROL:
        return f"its answer is of the command {message.command}"
    session = find(message.avps, Code.SESSION_ID)
    if session is not None and read_text(session) != request.session:
        return "its answer is of another session"
    number = optional(message.avps, Code.CC_REQUEST_NUMBER)
    if number is not None and number != request.number:
        return f"its answer is of the request {number}, not {request.number}"
    return ""
