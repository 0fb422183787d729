"""A benchmark as a picture: calls a second of every scenario, on a logarithmic scale, in SVG."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from scp.bench.results import Report

_LEFT: Final = 130
_WIDTH: Final = 520
_ROW: Final = 34
_TOP: Final = 34
_DECADES: Final = range(2, 7)
"""Powers of ten of the scale: 100 to 1,000,000 calls a second."""
_STYLE: Final = (
    "text{font:13px sans-serif;fill:#555}.value{font-weight:bold}.bar{fill:#2f7ebc}"
    ".limit{fill:#9aa5ad}line{stroke:#8886}"
)


def plot(report: Report) -> str:
    """Return the SVG document."""
    height = _TOP + _ROW * len(report.results) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 90}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="16">{escape(_title(report))}</text>',
    ]
    for decade in _DECADES:
        x = _x(10.0**decade)
        parts.append(f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{_TOP - 8}" y2="{height - 22}"/>')
        parts.append(f'<text x="{x:.0f}" y="{height - 6}" text-anchor="middle">{10**decade:,}</text>')
    for row, (name, result) in enumerate(report.results.items()):
        y = _TOP + row * _ROW
        speed = result.saturation.calls_per_s
        kind = "limit" if name == "echo" else "bar"
        end = _x(speed)
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.0f}" height="22" rx="3"/>',
            f'<text class="value" x="{end + 6:.0f}" y="{y + 16}">{speed:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _title(report: Report) -> str:
    code = "compiled" if report.machine.compiled else "plain Python"
    return f"calls a second on one core of {report.machine.cpu}, {code} (logarithmic)"


def _x(speed: float) -> float:
    """Return where on the scale a speed is."""
    first, last = _DECADES[0], _DECADES[-1]
    share = (log10(max(speed, 10.0**first)) - first) / (last - first)
    return _LEFT + _WIDTH * min(share, 1.0)
