"""What tests of captures share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "ss7"))  # cap_strategies.py
