"""The TC-users of a node: which of them a dialogue belongs to."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.engine.return_path import ReturnPath
from scp.stack import tcap_dialogue as tc
from scp.stack.tcap_portions import CONTEXT_NOT_SUPPORTED
from ss7.sccp_address import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scp.engine.tc import TcProvider, TcUser
    from scp.stack.tcap import Dialogue, Indication

REFUSED: Final = "contextNotSupported"
"""Discarded: a BEGIN for an application context that the called subsystem does not serve."""


@final
class TcUsers:
    """The TC-users of a node, by SSN and application context; the `TcUser` of its signalling.

    A subsystem (SSN) serves some application contexts, and each context is one TC-user's. A BEGIN for a
    context that the called subsystem does not serve is aborted with an AARE, application-context-name-not-
    supported (Q.774 §3.2.1). `Tcap` itself does so where no subsystem serves it (`TcapSettings.contexts`).
    One without a dialogue portion is of MAP v1 where the called subsystem serves b"".

    Args:
        provider: sends refusals.
    """

    def __init__(self, provider: TcProvider) -> None:
        self._provider = provider
        self._all: list[TcUser] = []
        self._users: dict[bytes, TcUser] = {}
        self._served: dict[int, set[bytes]] = {}
        self._first = 0

    def add(self, user: TcUser, ssn: int, contexts: Iterable[bytes]) -> None:
        """Have a subsystem serve application contexts by a TC-user.

        Args:
            user: the TC-user.
            ssn: of the subsystem. The first one given is meant by a called address without SSN.
            contexts: OID octets of each.

        Raises:
            ValueError: a context is another user's.
        """
        if not self._served:
            self._first = ssn
        if user not in self._all:
            self._all.append(user)
        served = self._served.setdefault(ssn, set())
        for context in contexts:
            if self._users.setdefault(context, user) is not user:
                raise ValueError(f"application context {context.hex()} has another TC-user already")
            served.add(context)

    def indication(self, indication: Indication, now: float) -> None:
        """Hand a TC indication to the TC-user of its dialogue."""
        dialogue = indication.dialogue
        user = self._users.get(dialogue.context)
        if user is None or (
            len(self._served) > 1 and indication.kind == tc.BEGIN and not self._serves(dialogue)
        ):
            other = self._users.get(b"")
            if other is not None and not dialogue.structured and self._serves(dialogue, b""):
                dialogue.context = b""  # MAP v1, not what a gsmSSF means without a dialogue portion
                other.indication(indication, now)
            else:
                self._refuse(dialogue)
        else:
            user.indication(indication, now)

    def next_deadline(self) -> float:
        """Return when `tick` has something to do, ``inf`` if never."""
        due = inf
        for user in self._all:
            due = min(due, user.next_deadline())
        return due

    def tick(self, now: float) -> None:
        """Do what is due."""
        for user in self._all:
            user.tick(now)

    def _serves(self, dialogue: Dialogue, context: bytes | None = None) -> bool:
        """Whether the subsystem that a BEGIN was for serves its application context, or ``context``."""
        path = dialogue.path
        ssn = address_of(path.calling).ssn if isinstance(path, ReturnPath) else self._first
        wanted = dialogue.context if context is None else context
        return wanted in self._served.get(ssn if ssn > 0 else self._first, ())

    def _refuse(self, dialogue: Dialogue) -> None:
        octets = self._provider.tcap.abort(dialogue, CONTEXT_NOT_SUPPORTED)
        self._provider.send(dialogue.path, octets)
        self._provider.discard("tcap", REFUSED)
