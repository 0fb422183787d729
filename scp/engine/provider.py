"""What the engine needs of those below it: TCAP, and a way for its messages to go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scp.stack.tcap import Tcap


class TcProvider(Protocol):
    """The TC-provider: `Signalling` on a node; a replay has one without a network."""

    @property
    def tcap(self) -> Tcap:
        """The transactions."""
        ...

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Send a TCAP message on its dialogue's way; b"" is nothing."""
        ...

    def keep(self, path: object) -> object:
        """Return what stands for a dialogue's path while the dialogue is held."""
        ...

    def wake_at(self, due: float) -> None:
        """Make sure that the user's ``tick`` is called at ``due``, in seconds of the clock."""
        ...

    def flush(self) -> None:
        """Send what is queued; for whoever acts outside a batch or a tick."""
        ...

    def discard(self, layer: str, reason: str) -> None:
        """Count something that was thrown away, with a bounded ``reason``."""
        ...
