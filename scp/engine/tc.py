"""TC as its two sides see each other: the provider (TCAP, and a way for its messages) and the users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from scp.stack.tcap import Indication, Tcap


class TcUser(Protocol):
    """A user of TC: the node's `scp.engine.tc_users.TcUsers`, each TC-user in it, the MSC simulator."""

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication (Q.771 §3.1); ``now`` in seconds of the provider's clock."""
        ...

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        ...

    def tick(self, now: float) -> None:
        """Do what is due."""
        ...


class TcProvider(Protocol):
    """The provider: `scp.engine.signalling.Signalling` on a node; a replay has one without a network."""

    @property
    def tcap(self) -> Tcap:
        """The transactions."""
        ...

    def send(self, path: object, octets: bytes, *, return_on_error: bool = False) -> None:
        """Send a TCAP message on its dialogue's way; b"" is nothing."""
        ...

    def keep(self, path: object) -> object:
        """Return a smaller value that serves as a dialogue's path while the dialogue is held."""
        ...

    def wake_at(self, due: float) -> None:
        """Make sure that the user's ``tick`` is called at ``due``, in seconds of the clock."""
        ...

    def flush(self) -> None:
        """Send what is queued; needed after anything outside an indication or a tick."""
        ...

    def discard(self, layer: str, reason: str) -> None:
        """Count something that was thrown away, with a bounded ``reason``."""
        ...


class StrayTaker(Protocol):
    """Takes messages for transactions that are not here: another node or a store of held calls has them."""

    def stray(self, tid: bytes, octets: bytes, path: object) -> None:
        """Take a TCAP message for our transaction id ``tid``; `Signalling.take` or `refuse` follow."""
        ...


class DialogueOpener(TcProvider, Protocol):
    """A provider through which a user can also begin dialogues."""

    def path(self, called: bytes, calling: bytes, otherwise: int, sls: int) -> object | None:
        """Return the way of a dialogue that this node begins; None: no link carries it now.

        Args:
            called: octets of the SCCP address that it goes to.
            calling: octets of our own.
            otherwise: point code for a global title without a translation.
            sls: signalling link selection.
        """
        ...

    def reaches(self, called: bytes, calling: bytes, otherwise: int, ssn: int) -> bool:
        """Whether there is such a way now; subsystem ``ssn`` at its end is not known to be out of service."""
        ...


def owed(indication: Indication) -> list[bytes]:
    """Return the Reject components that TCAP wants sent."""
    return [reject.octets for reject in indication.rejects if reject.octets]


def opcode_of(code: int | bytes | None) -> int:
    """Return a local operation code; -1 for a global one, or none at all."""
    return code if isinstance(code, int) else -1
