"""A benchmark as a picture: a bar for each scenario's calls a second, with CPU time and latency, in SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from scp.bench.results import Report

_LEFT: Final = 130
_BAR: Final = 400
"""Length of the longest bar."""
_ROW: Final = 34
_TOP: Final = 34
_STYLE: Final = (
    "text{font:13px sans-serif;fill:#777}.value{font-weight:bold}.bar{fill:#2f7ebc}.limit{fill:#9aa5ad}"
)


def plot(report: Report) -> str:
    """Return the SVG document."""
    code = "compiled" if report.machine.compiled else "plain Python"
    title = f"Calls a second on one core of {report.machine.cpu}, {code}; CPU time a call; p99 at half load"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="780" height="{_TOP + _ROW * len(report.results)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="16">{escape(title)}</text>',
    ]
    most = max((result.saturation.calls_per_s for result in report.results.values()), default=1.0)
    for row, (name, result) in enumerate(report.results.items()):
        best, y = result.saturation, _TOP + row * _ROW
        length = _BAR * best.calls_per_s / most
        figures = f"{best.cpu_us_per_call:,.1f} µs · {result.half.p99_ms:,.1f} ms"
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            (
                f'<rect class="{"limit" if name == "echo" else "bar"}" x="{_LEFT}" y="{y}" '
                f'width="{length:.0f}" height="22" rx="3"/>'
            ),
            (
                f'<text x="{_LEFT + length + 6:.0f}" y="{y + 16}">'
                f'<tspan class="value">{best.calls_per_s:,.0f}</tspan> · {figures}</text>'
            ),
        ]
    return "\n".join([*parts, "</svg>\n"])
