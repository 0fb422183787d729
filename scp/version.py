"""What is installed: its version, and whether the hot packages run compiled."""

from __future__ import annotations

from typing import Final

import ss7.ber

VERSION: Final = "0.1.0"
COMPILED: Final = not ss7.ber.__file__.endswith(".py")
"""Whether `ss7` and the stack were compiled by mypyc at installation (setup.py); all of them are, or none."""
