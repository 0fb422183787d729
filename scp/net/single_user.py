"""One transport user for one association at a time, where a listener could accept several.

A gateway that loses power ends nothing. Its old association looks alive until a timer ends it, half a minute
or more; meanwhile the gateway is back and connects anew. So when a new connection comes, the peer of the old
association has to prove that it is alive: it gets a BEAT (RFC 4666 §3.5.5) and has one second.

- Any message is a proof: BEAT ACK, the ERR of a peer without BEAT, traffic. The new connection is refused.
- If none comes, the old association is aborted and the new connection is taken. A peer that ignores BEAT and
  has no traffic for that second can't be told from a dead one: it loses the old one, but it has the new one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.ports import ProbedUser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.ports import Transport, TransportUser

    Decide: TypeAlias = Callable[["SingleUser | str"], None]

PROOF: Final = 1.0
"""Seconds that the peer of an association has to prove that it is alive."""
_SLICES: Final = 4
"""The time is waited for in slices, so that one stall of this process does not use it up."""


@final
class SingleUser:
    """Lends its user to one association after the other.

    `take` and `contend` are for a listener: its ``user_factory``, and what decides where that gave no user.

    Args:
        user: the one.
        from_anywhere: the listener's peer may have any address. Then only the address that the association
            has may contend for it, else anybody could have a peer dropped that is slow to answer.
        proof: see `PROOF`.
    """

    def __init__(self, user: TransportUser, *, from_anywhere: bool = False, proof: float = PROOF) -> None:
        self._user = user
        self._from_anywhere = from_anywhere
        self._proof = proof
        self._address = ""
        self._lent = False
        self._contender = ""  # address of a connection that waits for a decision
        self._decide: Decide = _ignore
        self._timer: asyncio.TimerHandle | None = None
        self._asked = 0.0

    def take(self, address: str) -> SingleUser | None:
        """Return the user, or None while another association has it."""
        if self._lent:
            return None
        self._address = address
        return self

    def contend(self, address: str, decide: Decide) -> None:
        """Have the peer of the association prove that it is alive.

        Args:
            address: of the new connection.
            decide: called once, now or later, with the user for it or the reason why it is refused.
        """
        user = self._user
        if not isinstance(user, ProbedUser):
            decide("another association is up")
        elif self._from_anywhere and address != self._address:
            decide(f"another association is up, from {self._address}, and remote names no address")
        elif self._contender:
            decide(f"another association is up, and a connection from {self._contender} waits to replace it")
        else:
            loop = asyncio.get_running_loop()
            self._contender, self._decide, self._asked = address, decide, loop.time()
            self._wait(_SLICES)
            user.probe()

    def _wait(self, slices: int) -> None:
        loop = asyncio.get_running_loop()
        if slices:
            self._timer = loop.call_later(self._proof / _SLICES, self._wait, slices - 1)
        elif isinstance(self._user, ProbedUser):
            self._timer = None
            why = (
                f"no answer to BEAT in {self._proof:g} s, while a new connection from {self._contender} waits"
            )
            self._user.give_up(why)

    def _settle(self) -> None:
        """Decide about the connection that waits, if there is one."""
        decide, address = self._decide, self._contender
        if self._timer is not None:
            self._timer.cancel()
        self._contender, self._decide, self._timer = "", _ignore, None
        if self._lent:
            seconds = asyncio.get_running_loop().time() - self._asked
            what = f"the peer is alive on another association, from {self._address}"
            decide(f"{what}: it answered BEAT within {seconds:.2f} s")
        else:
            self._address = address
            decide(self)

    def connected(self, transport: Transport) -> None:
        """Pass it on. A restarted association is a new one without having been taken again."""
        self._lent = True
        self._user.connected(transport)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Pass it on; if the peer was asked for a proof, this is one."""
        if self._contender:
            self._settle()
        self._user.received(messages)

    def disconnected(self, reason: str) -> None:
        """Pass it on, and be free for the next."""
        self._lent = False
        self._user.disconnected(reason)
        if self._contender:  # not at once: where the peer restarted the association, `connected` follows
            asyncio.get_running_loop().call_soon(self._settle)


def _ignore(_user: SingleUser | str) -> None:
    """Decide nothing: there is no connection that waits."""
