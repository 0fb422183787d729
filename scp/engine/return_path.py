"""The return path of a dialogue: what its messages need, from the first to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from scp.engine.link import Link
    from scp.engine.network import Ss7Network

_MOST: Final = 4096


@final
class ReturnPath:
    """Where messages of a dialogue go, as the message that opened it says.

    Attributes:
        link: that its first message came on; while that is down, the one of `routes.choose`.
        network: of its first message.
        opc: our point code.
        dpc: the peer's.
        sls: signalling link selection: one a dialogue, so that its messages stay in order (Q.714 §1.1.2.2).
        called: octets of the SCCP address that our messages go to.
        calling: octets of our own SCCP address.
        context: routing context of its first message (RFC 4666 §3.3.1), -1: none. Where a link has several,
            answers go as messages of that AS.
        message: of M3UA, that opened the dialogue: where a tap is set, until it is held; else b"".
    """

    __slots__ = ("called", "calling", "context", "dpc", "link", "message", "network", "opc", "sls")

    def __init__(
        self,
        link: Link,
        opc: int,
        dpc: int,
        sls: int,
        called: bytes,
        calling: bytes,
        context: int = -1,
        network: Ss7Network | None = None,
        message: bytes = b"",
    ) -> None:
        self.link = link
        self.network = network or link.network
        self.opc = opc
        self.dpc = dpc
        self.sls = sls
        self.called = called
        self.calling = calling
        self.context = context
        self.message = message


@final
class ReturnPaths:
    """One `ReturnPath` for all held dialogues with the same values: sixteen for a switch, one for each SLS.

    When a link fails, all dialogues of a path leave it together: its values decide, and they are the same.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Link, Ss7Network, int, int, int, bytes, bytes, int], ReturnPath] = {}

    def shared(self, path: ReturnPath) -> ReturnPath:
        """Return the shared path with the values of this one."""
        link, dpc = path.link, path.dpc
        key = (link, path.network, path.opc, dpc, path.sls, path.called, path.calling, path.context)
        known = self._known.get(key)
        if known is not None and known.link is link and known.dpc == dpc:  # it has not moved since
            return known
        if len(self._known) >= _MOST:
            self._known.clear()
        path.message = b""
        self._known[key] = path
        return path
