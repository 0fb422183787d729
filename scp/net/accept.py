"""Whom a listener lets in, and what it keeps of the associations that it accepted: over TCP as over SCTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar, final

from scp.net.addresses import plain, resolve
from scp.net.reconnect import Association

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.ports import TransportUser

Accepted = TypeVar("Accepted", bound=Association)


@final
class AccessControl(Generic[Accepted]):
    """The door of a listener.

    Args:
        user_factory: makes the user of an association, given the remote address; None refuses it.
        allowed: addresses or host names that may come in; empty: all.
        refused: called with the remote address of each that was refused.

    Attributes:
        present: the associations that are up.
    """

    def __init__(
        self,
        user_factory: Callable[[str], TransportUser | None],
        allowed: Sequence[str],
        refused: Callable[[str], None] | None,
    ) -> None:
        self.present: set[Accepted] = set()
        self._user_factory = user_factory
        self._allowed = allowed
        self._addresses: frozenset[str] = frozenset()
        self._refused = refused

    async def open(self) -> None:
        """Find out the addresses of those that are allowed.

        Raises:
            OSError: a host name has none.
        """
        self._addresses = frozenset(plain(each) for each in await resolve(self._allowed))

    def user_for(self, address: str) -> TransportUser | None:
        """Return the user for an association from this address; None: it was refused, and that was said."""
        user = None
        if not self._allowed or address in self._addresses:
            user = self._user_factory(address)
        if user is None and self._refused is not None:
            self._refused(address)
        return user

    def add(self, association: Accepted) -> None:
        """Keep an association until it is gone."""
        self.present.add(association)
        association.lost.add_done_callback(lambda _: self.present.discard(association))

    async def close(self, *, abort: bool) -> None:
        """Shut all associations down and wait for their end."""
        present = list(self.present)
        for association in present:
            association.transport.close(abort=abort)
        if present:
            await asyncio.wait([association.lost for association in present])
