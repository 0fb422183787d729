"""The ladder diagram of a simulated call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.telemetry.trace import UNICODE, Style, Trace, render

if TYPE_CHECKING:
    from scp.simulator.result import CallResult

MSC: Final = "MSC (gsmSSF)"
SCF: Final = "gsmSCF"


def ladder(result: CallResult, style: Style = UNICODE) -> str:
    """Return the call's messages as arrows with their contents, the call's outcome, and the verdict."""
    trace = Trace()
    last = 0.0
    for step in result.steps:
        source, target = (MSC, SCF) if step.outward else (SCF, MSC)
        if step.message.startswith("local"):
            trace.note(step.seconds, MSC, step.message, *step.components)
        else:
            names = " + ".join(words.split(" ", 1)[0] for words in step.components)
            trace.message(step.seconds, source, target, f"{step.message} {names}".rstrip(), *step.components)
        last = step.seconds
    trace.note(last, MSC, result.outcome)
    verdict = "as expected" if result.passed else "NOT as expected"
    trace.note(last, MSC, verdict, *result.faults)
    return render(trace.events, (MSC, SCF), style)
