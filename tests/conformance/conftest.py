"""Lets the cases find the rooms they are tried in, and sums them up."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

for folder in ("stack", "engine", "services"):
    sys.path.append(str(Path(__file__).parents[1] / folder))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each group that was run."""
    from suite import GROUPS

    letters = {case.number: group.letter for group in GROUPS for case in group.cases}
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if "test_conformance_case[" in report.nodeid:
                number = report.nodeid.rpartition("[")[2].rstrip("]")
                counts.setdefault(letters[number], Counter())[outcome] += 1
    for group in GROUPS:
        if group.letter in counts:
            found = counts[group.letter]
            terminalreporter.write_line(
                f"conformance {group.letter}: {found['passed']} of {found.total()} cases pass  {group.title}"
            )
