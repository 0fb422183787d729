"""What tests of the engine share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "services"))  # held_open.py
sys.path.append(str(Path(__file__).parents[1] / "ss7"))  # cap_strategies.py
