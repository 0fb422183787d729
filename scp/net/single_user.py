"""One transport user for one association at a time, where a listener could accept several."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.ports import Transport, TransportUser


@final
class SingleUser:
    """Lends its user to one connection after the other; a `Listener`'s ``user_factory`` is its `take`."""

    def __init__(self, user: TransportUser) -> None:
        self._user = user
        self._lent = False

    def take(self, address: str) -> SingleUser | None:  # noqa: ARG002 - whoever the listener lets in
        """Return the user, or None while another connection has it."""
        if self._lent:
            return None
        self._lent = True
        return self

    def connected(self, transport: Transport) -> None:
        """Pass it on. A restarted association is a new one without having been taken again."""
        self._lent = True
        self._user.connected(transport)

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Pass it on."""
        self._user.received(messages)

    def disconnected(self, reason: str) -> None:
        """Pass it on, and be free for the next."""
        self._lent = False
        self._user.disconnected(reason)
