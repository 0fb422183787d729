"""CallGap as an overloaded node sends it (TS 29.078 §11.5)."""

from __future__ import annotations

from typing import Final

from ss7.cap.callgap import (
    BasicGapCriteria,
    CallGapArg,
    ControlType,
    GapCriteria,
    GapIndicators,
    GapOnService,
)

INTERVAL: Final = 100
"""Milliseconds between two InitialDPs that the switch may still send."""


def call_gap(service_key: int, seconds: float) -> CallGapArg:
    """Return what asks a switch for fewer calls of a service for so long (0 to 86400 s).

    It says nothing of what becomes of a gapped call: the switch then handles it as one whose gsmSCF does not
    answer, which is what the call would come to here.
    """
    criteria = BasicGapCriteria("gapOnService", GapOnService(service_key))
    return CallGapArg(
        GapCriteria("basicGapCriteria", criteria),
        GapIndicators(int(seconds), INTERVAL),
        ControlType.SCP_OVERLOADED,
    )
