"""``python tests/conformance``: run every case and print the table; ``--write``: write the page."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / name) for name in ("stack", "engine", "services", ".")]

import suite  # noqa: E402 - after the folders it needs are known

if sys.argv[1:] == ["--write"]:
    suite.PAGE.write_text(suite.page(), encoding="utf-8")
else:
    sys.exit(0 if suite.run() else 1)
