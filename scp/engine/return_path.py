"""The way back of a dialogue, from its first message to its last answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from scp.engine.link import Link

_MOST: Final = 4096


@final
class ReturnPath:
    """The way back of a dialogue: what its answers need of the message that opened it.

    Attributes:
        link: where its first message came in; while that is down, where `scp.engine.routes.choose` says.
        opc: our point code.
        dpc: the peer's.
        sls: signalling link selection: one a dialogue, so that its messages stay in order (Q.714 §1.1.2.2).
        called: octets of the SCCP address that our messages go to.
        calling: octets of our own.
        context: routing context that it came with (RFC 4666 §3.3.1), -1: none. Where a link has several,
            answers go as messages of that AS.
    """

    __slots__ = ("called", "calling", "context", "dpc", "link", "opc", "sls")

    def __init__(
        self, link: Link, opc: int, dpc: int, sls: int, called: bytes, calling: bytes, context: int = -1
    ) -> None:
        self.link = link
        self.opc = opc
        self.dpc = dpc
        self.sls = sls
        self.called = called
        self.calling = calling
        self.context = context


@final
class ReturnPaths:
    """One `ReturnPath` for all held dialogues that have the same: a switch's calls have sixteen, one a SLS.

    Where a link fails, all that share a path leave it together: what decides for one decides for all.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Link, int, int, int, bytes, bytes, int], ReturnPath] = {}

    def shared(self, path: ReturnPath) -> ReturnPath:
        """Return the path that stands for this one."""
        link, dpc = path.link, path.dpc
        key = (link, path.opc, dpc, path.sls, path.called, path.calling, path.context)
        known = self._known.get(key)
        if known is not None and known.link is link and known.dpc == dpc:  # it has not gone elsewhere since
            return known
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = path
        return path
