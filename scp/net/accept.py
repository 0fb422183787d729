"""Access control for listeners, TCP and SCTP, and the set of accepted associations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, final

from scp.net.addresses import plain, resolve
from scp.net.reconnect import Association

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.ports import TransportUser

    Contend: TypeAlias = Callable[[str, Callable[[TransportUser | str], None]], None]

Accepted = TypeVar("Accepted", bound=Association)


@final
class AccessControl(Generic[Accepted]):
    """Decides about connections to a listener.

    Args:
        user_factory: makes the user of an association, given the remote address; None: there is none now.
        allowed: addresses or host names that may connect; empty: all.
        refused: called with the remote address of each connection that was refused, and why.
        contend: decides where there is no user now; see `SingleUser.contend`. None: it is refused.

    Attributes:
        present: the associations that are up.
    """

    def __init__(
        self,
        user_factory: Callable[[str], TransportUser | None],
        allowed: Sequence[str],
        refused: Callable[[str, str], None] | None,
        contend: Contend | None = None,
    ) -> None:
        self.present: set[Accepted] = set()
        self._waiting: set[Callable[[], None]] = set()
        self._contend = contend
        self._user_factory = user_factory
        self._allowed = allowed
        self._addresses: frozenset[str] = frozenset()
        self._refused = refused

    async def open(self) -> None:
        """Resolve the names of those that are allowed.

        Raises:
            OSError: a host name has none.
        """
        self._addresses = frozenset(plain(each) for each in await resolve(self._allowed))

    def decide(self, address: str, admit: Callable[[TransportUser], None], drop: Callable[[], None]) -> None:
        """Decide about a connection, now or in a second.

        Args:
            address: the remote one.
            admit: takes the user of the association.
            drop: is called in its place if the connection is refused, or the listener closed meanwhile.
        """

        def decided(user: TransportUser | str) -> None:
            if drop not in self._waiting:
                return
            self._waiting.discard(drop)
            if not isinstance(user, str):
                admit(user)
                return
            if self._refused is not None:
                self._refused(address, user)
            drop()

        self._waiting.add(drop)
        if self._allowed and address not in self._addresses:
            decided("not in remote")
        elif (user := self._user_factory(address)) is not None:
            decided(user)
        elif self._contend is None:
            decided("another association is up")
        else:
            self._contend(address, decided)

    def add(self, association: Accepted) -> None:
        """Keep an association until it is gone."""
        self.present.add(association)
        association.lost.add_done_callback(lambda _: self.present.discard(association))

    async def close(self, *, abort: bool) -> None:
        """Drop the connections that wait, shut all associations down, and wait for their end."""
        waiting, self._waiting = self._waiting, set()
        for drop in waiting:
            drop()
        present = list(self.present)
        for association in present:
            association.transport.close(abort=abort)
        if present:
            await asyncio.wait([association.lost for association in present])
