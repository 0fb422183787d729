"""The result of a simulated call."""

from __future__ import annotations

from msgspec import Struct

from scp.simulator.expect import NO_ANSWER, Answer
from scp.simulator.scenario import Scenario  # noqa: TC001 - msgspec reads the annotations


class Step(Struct, frozen=True):
    """One TC message of a call, or something that happened in it.

    Attributes:
        seconds: since the InitialDP.
        outward: whether the MSC sent it.
        message: "TC-BEGIN", "TC-CONTINUE", "TC-END", "TC-U-ABORT", "TC-P-ABORT", "TC-NOTICE".
        components: what was in it, in words: an operation and what matters in its argument, a result, …
    """

    seconds: float
    outward: bool
    message: str
    components: tuple[str, ...] = ()


class CallResult(Struct, kw_only=True):
    """One call, once its dialogue is over.

    Attributes:
        scenario: the call.
        answer: the first message that came back.
        expected: whether a test said what the answer has to be.
        faults: what was wrong with it, or later in the dialogue, in words; empty: the call passed.
        steps: its messages in order.
        routed_to: digits that the call was connected to; "" where it went on unchanged.
        outcome: how the call ended, in words.
        began: when the InitialDP was sent, on `time.perf_counter`'s clock.
        periods: how many charged periods the gsmSCF asked for.
        talked: of each answered connection the seconds in every tariff in turn, by the switch's own count.
        heard: the announcements that the caller heard, in words.
    """

    scenario: Scenario
    answer: Answer = NO_ANSWER
    expected: bool = True
    faults: list[str] = []
    steps: list[Step] = []
    routed_to: str = ""
    outcome: str = ""
    began: float = 0.0
    periods: int = 0
    talked: tuple[tuple[float, ...], ...] = ()
    heard: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults
