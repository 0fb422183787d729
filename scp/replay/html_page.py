"""The report of a replay as a self-contained HTML page: counts, chart, search, ladders, messages.

Its components are the console's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from scp.console.bundle import page as bundled
from scp.domain.reason import Reason, explain
from scp.replay.compare import Verdict

if TYPE_CHECKING:
    from scp.replay.report import Report

_ORDER: Final = (Verdict.DIFFERENT, Verdict.SILENT, Verdict.UNANSWERED, Verdict.SAME)


def page(report: Report, name: str, account: str) -> str:
    """Return the page.

    Args:
        report: what was found, its dialogues kept in full.
        name: of the capture.
        account: what was read of it, in a line.
    """
    data = {
        "name": name,
        "who": report.who,
        "account": account,
        "verdicts": {str(verdict): count for verdict, count in report.verdicts.items()},
        "decisions": [
            {
                "action": str(action),
                "reason": str(reason),
                "explanation": explain(Reason(reason)) if reason else "",
                "count": count,
            }
            for (action, reason), count in report.decisions.most_common()
        ],
        "fields": [{"field": field, "count": count} for field, count in report.fields.most_common(20)],
        "calls": sorted(report.kept, key=lambda call: (_ORDER.index(call["verdict"]), call["dialogue"])),
        "left_out": report.left_out,
    }
    return bundled(f"Replay of {name}", "report.js", "report", msgspec.json.encode(data).decode())
