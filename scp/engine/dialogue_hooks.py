"""What a TC-user adds to the runner of its dialogues (`scp.engine.dialogue_runner.DialogueRunner`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from scp.engine.journal import Journalled
    from scp.stack.tcap import Indication

State = TypeVar("State")


class DialogueHooks(Generic[State]):
    """Called by the runner, made by the TC-user. ``State`` is what it keeps of a dialogue."""

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
