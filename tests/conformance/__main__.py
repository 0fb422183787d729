"""``python tests/conformance``: run every case and print the table; ``--write``: write the page.

``--mutate [NUMBER…]``: alter what the cases (those with such numbers; A.8.* for instance) see, one thing at a time, and
print what they do not notice.
"""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / name) for name in ("stack", "engine", "services", ".")]

import mutations  # noqa: E402 - after the folders it needs are known
import suite  # noqa: E402

if sys.argv[1:] == ["--write"]:
    suite.PAGE.write_text(suite.page(), encoding="utf-8")
elif sys.argv[1:2] == ["--mutate"]:
    sys.exit(0 if mutations.run(suite.GROUPS, sys.argv[2:]) else 1)
else:
    sys.exit(0 if suite.run() else 1)
