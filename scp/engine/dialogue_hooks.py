"""The runner of dialogues as its two sides see it: a dialogue's state, and the TC-user that extends it.

The runner itself is `scp.engine.dialogue_runner.DialogueRunner`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.decision import Decision
    from scp.domain.lookup import Found
    from scp.engine.journal import Journal, Journalled
    from scp.engine.tc import TcProvider
    from scp.stack.tcap import Indication

State = TypeVar("State")


class DialogueHooks(Generic[State]):
    """The runner for its dialogues; ``State`` is what is kept of one.

    Attributes:
        provider: where indications come from and messages go to.
        clock: monotonic seconds.
        wall: seconds since 1970-01-01 UTC.
        epoch: what to add to ``clock`` for ``wall``, as it was at the start.
        journal: where held calls are written; None: nowhere.
    """

    def __init__(self, provider: TcProvider, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.provider = provider
        self.clock = clock
        self.wall = wall
        self.epoch = wall() - clock()
        self.journal: Journal | None = None

    # -- what a dialogue wants of the runner -----------------------------------------------------------------

    def store_answered(self, state: State, result: Found) -> None:
        """Resume a service with the store's answer; called from the event loop."""
        raise NotImplementedError

    def port_answered(self, state: State, answer: object) -> None:
        """Resume a service with the answer to another question; called from the event loop."""
        raise NotImplementedError

    def abort(self, state: State) -> None:
        """Abort a dialogue for its service, which goes on: it may have to settle."""
        raise NotImplementedError

    def assist(self, state: State, opcode: int, argument: Any, until: float) -> str:
        """Have an external resource carry out an operation for a dialogue; "": there is none."""
        raise NotImplementedError

    # -- what the TC-user makes ------------------------------------------------------------------------------

    def begun(self, indication: Indication, now: float) -> None:
        """Take a TC-BEGIN: `start` a service, or answer without one."""
        raise NotImplementedError

    def continued(self, state: State, indication: Indication, now: float) -> None:
        """Take a TC-CONTINUE: queue what it reports and `wake` the service, or end the dialogue."""
        raise NotImplementedError

    def last_words(self, state: State, indication: Indication) -> None:
        """Queue what a TC-END reports; there is nobody to answer."""
        raise NotImplementedError

    def encoded(self, state: State, *, last: bool) -> list[bytes]:
        """Return the outbox as components and empty it; ``last``: they go in a TC-END.

        Raises:
            EncodeError: an argument can't be encoded, or they are too long for one message.
        """
        raise NotImplementedError

    def first_sent(self, state: State, *, last: bool) -> None:
        """Note that the first answer is on its way; the dialogue is held unless it is the ``last``."""
        raise NotImplementedError

    def first_argument(self, octets: bytes, version: int) -> Any:
        """Decode what a held dialogue began with; ``version`` of its protocol."""
        raise NotImplementedError

    def fall_back(self, state: State) -> None:
        """Put into the outbox what ends the dialogue of a service that raised."""
        raise NotImplementedError

    def abandoned(self, state: State) -> None:
        """Note that a dialogue is over before it was answered."""
        raise NotImplementedError

    def decided(self, state: State, decision: Decision) -> None:
        """Note another decision about a dialogue that was answered."""
        raise NotImplementedError

    def noted(self, state: State, fact: object) -> None:
        """Note a fact about a call, from its service."""
        raise NotImplementedError

    def held_over(self, state: State) -> None:
        """Note that a dialogue is over that was held, and its service as well."""
        raise NotImplementedError

    def record(self, state: State, entry: Journalled) -> bytes:
        """Return what another node needs to go on with a held call."""
        raise NotImplementedError

    def forgotten(self, state: State) -> None:
        """Note that another node goes on with a held call."""
        raise NotImplementedError

    def outcome(self, state: State) -> str:
        """Return how a dialogue ended that a service ended: a label of `Telemetry.dialogue_closed`."""
        raise NotImplementedError
