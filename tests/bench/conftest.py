"""The load generator's tests talk to the scripted gsmSCF of tests/simulator."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "simulator"))
